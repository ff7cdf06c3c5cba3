//! `bench retrieval`: a collection of documents, questions and judgements through the product's own retrieval.
#![expect(clippy::print_stdout, reason = "a command that prints its figures")]

mod cranfield;
mod measures;
mod retrieval;

use clap::{Parser, Subcommand};

/// Measures Frontdesk.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ranking quality and speed on a collection in the Cranfield format.
    Retrieval(retrieval::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Retrieval(options) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let report = tokio::task::LocalSet::new().block_on(&runtime, retrieval::run(&options))?;
            println!("{}", report.table());
            if options.json {
                println!("{}", serde_json::to_string(&report)?);
            }
            Ok(())
        }
    }
}
