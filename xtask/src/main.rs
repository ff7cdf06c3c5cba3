//! Every command a person or CI needs: `cargo xtask help`.

mod balancer;
mod bench;
mod build;
mod cloudflare;
mod component;
mod corpus;
mod dev;
mod doctor;
mod edge;
mod run;
mod setup;
mod spin;
mod stamp;
mod test;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Every command a person or CI needs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build what is needed and serve a demo on this machine.
    Dev(dev::DevArgs),
    /// Run every test, from unit to browser, and print one total.
    Test(test::TestArgs),
    /// Build for release and print the sizes.
    Build(build::BuildArgs),
    /// Apply, take back or list the database's migrations.
    Migrate(HostArgs),
    /// Put the demo organisation and its documents into a data directory.
    Seed(HostArgs),
    /// Make, list, change or remove the sites on whose pages the widget is shown.
    Site(HostArgs),
    /// Read every file of a directory and compare with independent readers.
    Corpus(corpus::CorpusArgs),
    /// Measure: `bench all`, or `bench turn`, `posts`, `memory`, `retrieval --data DIR`, `edge`.
    Bench(HostArgs),
    /// Run an OpenAI-compatible model that follows a script.
    FakeAi(HostArgs),
    /// Install what is missing for a part: `web`, `wasm`, `edge`, `browser`, `api`, `database` or all.
    Setup(setup::SetupArgs),
    /// Say what is installed and what is missing. Installs nothing.
    Doctor,
}

/// Arguments for the program that does the work; `--help` shows its own help.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct HostArgs {
    /// Passed on as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Workspace::find().and_then(|workspace| dispatch(&workspace, cli.command));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            run::say(&format!("{} {error:#}", console::style("error:").red().bold()));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(workspace: &Workspace, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(args) => dev::run(workspace, &args),
        Command::Test(args) => test::run(workspace, &args),
        Command::Build(args) => build::run(workspace, &args).map(|()| ExitCode::SUCCESS),
        Command::Migrate(args) => dev::frontdesk(workspace, "migrate", &args.args),
        Command::Seed(args) => dev::frontdesk(workspace, "seed", &args.args),
        Command::Site(args) => dev::frontdesk(workspace, "site", &args.args),
        Command::Corpus(args) => corpus::run(workspace, &args),
        Command::Bench(args) => bench::run(workspace, &args.args),
        Command::FakeAi(args) if dev::asks_for_help(&args.args) => {
            let program = workspace.target().join("debug/fake-ai");
            dev::help(&program, &args.args, "cargo build --package frontdesk-stand-ins --bin fake-ai")
        }
        Command::FakeAi(args) => {
            let cargo = ["run", "--quiet", "--package", "frontdesk-stand-ins", "--bin", "fake-ai", "--"];
            run::become_(workspace.cargo().args(cargo).args(&args.args))
        }
        Command::Setup(args) => setup::run(workspace, &args).map(|()| ExitCode::SUCCESS),
        Command::Doctor => doctor::run(workspace).map(|()| ExitCode::SUCCESS),
    }
}
