//! `dev`: the demo on this machine; and the commands that the `frontdesk` program does itself.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
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
    let program = host(workspace, false)?;
    run::become_(Command::new(program).arg(subcommand).args(args))
}

/// The one-machine host, built.
pub fn host(workspace: &Workspace, release: bool) -> Result<PathBuf> {
    let profile = if release { "release" } else { "debug" };
    let program = workspace.target().join(profile).join(format!("frontdesk{}", std::env::consts::EXE_SUFFIX));
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
