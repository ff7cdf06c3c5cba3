//! Measurements: retrieval through the product's own code; turns, posts and memory of the real program over HTTP; the
//! Worker on workerd; the component on wasmtime.
#![expect(clippy::print_stdout, reason = "a command that prints its figures")]

mod answers;
mod connection;
mod cranfield;
mod edge;
mod measures;
mod memory;
mod posts;
mod process;
mod reading;
mod retrieval;
mod server;
mod turn;

use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value};

/// Measures Frontdesk.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Labelled questions of visitors: how many are answered well, missed, misled or refused.
    Answers(answers::Options),
    /// Ranking quality and speed on a collection in the Cranfield format.
    Retrieval(retrieval::Options),
    /// What Frontdesk adds to a model's stream: time to the first text, gaps; nothing lost or reordered.
    Turn(turn::Options),
    /// Messages stored per second.
    Posts(posts::Options),
    /// Resident memory, idle and with 200 streams; size of the program.
    Memory(memory::Options),
    /// Splitting as texts grow, and the server's answers while it reads a document of 20 MiB.
    Reading(reading::Options),
    /// The Worker on bare workerd, beside plain JavaScript and `partyserver`.
    Edge(edge::Options),
    /// The component on wasmtime, beside one that only says hello.
    Spin(edge::component::Options),
    /// Everything on this machine; retrieval only with `--data`.
    All(All),
}

#[derive(Args)]
struct All {
    /// A collection for `bench retrieval`.
    #[arg(long)]
    data: Option<std::path::PathBuf>,
    /// One JSON object on the last line.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, run(Arguments::parse().command))
}

async fn run(command: Command) -> anyhow::Result<()> {
    let (json, value) = match command {
        Command::Answers(options) => (options.json, answers(&options).await?),
        Command::Retrieval(options) => (options.json, retrieval(&options).await?),
        Command::Turn(options) => (options.json, turn(&options).await?),
        Command::Posts(options) => (options.json, posts(&options).await?),
        Command::Memory(options) => (options.json, memory(&options).await?),
        Command::Reading(options) => (options.json, reading(&options).await?),
        Command::Edge(options) => (options.json, edge(&options).await?),
        Command::Spin(options) => (options.json, spin(&options).await?),
        Command::All(options) => {
            let mut all = Map::new();
            all.insert("turn".to_owned(), turn(&turn::Options::default()).await?);
            println!();
            all.insert("posts".to_owned(), posts(&posts::Options::default()).await?);
            println!();
            all.insert("memory".to_owned(), memory(&memory::Options::default()).await?);
            println!();
            all.insert("reading".to_owned(), reading(&reading::Options::default()).await?);
            if let Some(data) = options.data {
                println!();
                let lexical = retrieval::Options {
                    data,
                    mode: retrieval::Mode::Lexical,
                    vector_weight: 0.0,
                    json: options.json,
                };
                all.insert("retrieval".to_owned(), retrieval(&lexical).await?);
            }
            (options.json, Value::Object(all))
        }
    };
    if json {
        println!("{value}");
    }
    Ok(())
}

async fn answers(options: &answers::Options) -> anyhow::Result<Value> {
    let report = answers::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn retrieval(options: &retrieval::Options) -> anyhow::Result<Value> {
    let report = retrieval::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn turn(options: &turn::Options) -> anyhow::Result<Value> {
    let report = turn::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn posts(options: &posts::Options) -> anyhow::Result<Value> {
    let report = posts::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn memory(options: &memory::Options) -> anyhow::Result<Value> {
    let report = memory::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn reading(options: &reading::Options) -> anyhow::Result<Value> {
    let report = reading::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn spin(options: &edge::component::Options) -> anyhow::Result<Value> {
    let report = edge::component::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}

async fn edge(options: &edge::Options) -> anyhow::Result<Value> {
    let report = edge::run(options).await?;
    println!("{}", report.table());
    Ok(serde_json::to_value(report)?)
}
