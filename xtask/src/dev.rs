//! `dev`: the demo on this machine; and the commands that the `frontdesk` program does itself.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::spin::{self, Layout};
use crate::workspace::Workspace;
use crate::{cloudflare, run, web};

/// Where to serve.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// One process on this machine.
    Local,
    /// The Worker on workerd, beside a libSQL server.
    Cloudflare,
    /// The component on Spin, or on wasmtime where there is none, beside a libSQL server.
    Spin,
}

/// Build what is needed and serve a demo on this machine.
#[derive(Args)]
pub struct DevArgs {
    /// The port on loopback.
    #[arg(long, default_value_t = 8787)]
    pub port: u16,
    /// The data directory; made, with its secrets, where it is missing.
    #[arg(long, value_name = "DIR", default_value = ".frontdesk")]
    pub data: PathBuf,
    /// Without the demo organisation's documents.
    #[arg(long)]
    pub empty: bool,
    /// Where to serve.
    #[arg(long, value_enum, default_value = "local")]
    pub on: On,
    /// Without rate limits, for tests and load.
    #[arg(long)]
    pub no_limits: bool,
    /// Written when requests are answered: address, site key, operator's login, data directory, as JSON.
    #[arg(long, value_name = "FILE")]
    pub ready: Option<PathBuf>,
    /// Optimised: slower to build, faster to run.
    #[arg(long)]
    pub release: bool,
    /// With a door for tests, where the host has one.
    #[arg(long, hide = true)]
    pub testing: bool,
    /// How the component is run.
    #[command(flatten)]
    pub layout: Layout,
}

/// Builds, then becomes the server.
pub fn run(workspace: &Workspace, args: &DevArgs) -> Result<ExitCode> {
    // Before anything is built or made.
    if run::listens(args.port) {
        bail!("another program listens on port {}; end it, or name another port with --port", args.port);
    }
    match args.on {
        On::Local => run::become_(&mut server(workspace, args)?),
        On::Cloudflare => cloudflare::dev(workspace, args),
        On::Spin => spin::dev(workspace, args),
    }
}

/// Builds; gives how the server is started.
pub fn server(workspace: &Workspace, args: &DevArgs) -> Result<Command> {
    web::build(workspace)?;
    let program = host(workspace, args.release)?;
    let mut command = Command::new(program);
    command.arg("dev").args(["--port", &args.port.to_string()]).arg("--data").arg(absolute(&args.data)?);
    command.arg("--web").arg(workspace.path("web/dist"));
    if args.empty {
        command.arg("--empty");
    }
    if args.no_limits {
        command.arg("--no-limits");
    }
    if let Some(ready) = &args.ready {
        command.arg("--ready").arg(absolute(ready)?);
    }
    Ok(command)
}

/// Becomes `frontdesk SUBCOMMAND ARGS…`.
pub fn frontdesk(workspace: &Workspace, subcommand: &str, args: &[String]) -> Result<ExitCode> {
    if asks_for_help(args) {
        let all: Vec<String> = std::iter::once(subcommand.to_owned()).chain(args.iter().cloned()).collect();
        return help(&host_program(workspace, false), &all, "cargo build --package frontdesk-local");
    }
    let program = host(workspace, false)?;
    run::become_(Command::new(program).arg(subcommand).args(args))
}

/// Whether someone only asks what a program takes.
pub fn asks_for_help(args: &[String]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help" || arg == "-h")
}

/// What a program takes, as it says itself where it is built. It is not built for that.
pub fn help(program: &Path, args: &[String], build: &str) -> Result<ExitCode> {
    if program.is_file() {
        return run::become_(Command::new(program).args(args));
    }
    run::print(&format!("The program says what it takes, once it is built: {build}"));
    Ok(ExitCode::SUCCESS)
}

/// Where the one-machine host is once it is built.
pub fn host_program(workspace: &Workspace, release: bool) -> PathBuf {
    let profile = if release { "release" } else { "debug" };
    workspace.target().join(profile).join(format!("frontdesk{}", std::env::consts::EXE_SUFFIX))
}

/// The one-machine host, built.
pub fn host(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let program = host_program(workspace, release);
    if !program.is_file() {
        run::step("building the server (the first time takes some minutes)");
    }
    // Says nothing when nothing is to be done.
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", "frontdesk-local", "--bin", "frontdesk"]);
    if release {
        cargo.arg("--release");
    }
    run::run(cargo.env("CARGO_TERM_QUIET", if program.is_file() { "true" } else { "false" }))?;
    Ok(program)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_asked_for_before_the_end_of_the_options() {
        let asks =
            |args: &[&str]| asks_for_help(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert!(asks(&["--help"]) && asks(&["up", "-h"]));
        assert!(!asks(&[]) && !asks(&["--data", "help"]) && !asks(&["--", "--help"]));
    }

    #[test]
    fn help_is_given_without_a_build() {
        let nowhere = Path::new("/nowhere/frontdesk");
        assert!(help(nowhere, &["seed".to_owned(), "--help".to_owned()], "cargo build").is_ok());
    }
}
