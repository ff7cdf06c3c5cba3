//! The component on this machine: Spin where it is installed, otherwise wasmtime with the portable build; beside a real
//! libSQL server.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::{fmt, fs};

use anyhow::{Context, Result};

use crate::build;
use crate::dev::DevArgs;
use crate::edge::{Again, Backing, START, Served};
use crate::run::{self, Guarded};
use crate::setup::tools;
use crate::workspace::{Workspace, which};

/// The memory of the component that reads files, and how long it may take for one part of a file.
const READER: [&str; 4] = ["-W", "max-memory-size=268435456", "-W", "timeout=60s"];

/// How many requests an instance answers: all in all, and at once.
#[derive(Debug, Clone, Copy)]
pub struct Reuse {
    /// All in all.
    pub all: u32,
    /// At once.
    pub at_once: u32,
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.all, self.at_once)
    }
}

impl FromStr for Reuse {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (all, at_once) = text.split_once(':').context("write it as ALL:AT_ONCE")?;
        Ok(Self { all: all.parse()?, at_once: at_once.parse()? })
    }
}

/// Serves the demo until it is stopped.
pub fn dev(workspace: &Workspace, args: &DevArgs) -> Result<ExitCode> {
    // A test wants what it can kill and configure.
    if which("spin").is_some() && !args.testing {
        return on_spin(workspace, args);
    }
    run::say("  On wasmtime, with the portable build (there is no `spin` here).");
    let wasmtime = tools::wasmtime().ensure(workspace)?;
    let component = build::component(workspace, false)?;
    let reader = build::reader_component(workspace)?;
    let backing = Backing::start(workspace, args)?;
    let data = backing.data.clone();
    let web = static_files(workspace, &backing)?;

    run::step("starting wasmtime");
    let reader_port = run::free_port()?;
    let log = data.join("wasmtime.log");
    let mut command = serve(&wasmtime, reader_port, &reader);
    command.args(READER);
    let mut reader = Guarded::start(&mut command, &log)?;
    reader.wait_until(START, "wasmtime serve", || run::listens(reader_port))?;

    let mut variables = backing.variables(args.no_limits)?;
    variables.push(("READER_URL".to_owned(), format!("http://127.0.0.1:{reader_port}")));
    variables.push(("PUBLIC_URL".to_owned(), backing.base_url.clone()));
    let (port, reuse) = (args.port, args.reuse);
    let start: Again = Box::new(move || {
        let mut command = serve(&wasmtime, port, &component);
        command.arg("--dir").arg(format!("{}::/web", web.display()));
        for (name, value) in &variables {
            // By name alone: values would be seen by whoever lists processes.
            command.env(name, value).args(["--env", name]);
        }
        if let Some(Reuse { all, at_once }) = reuse {
            command.args(["--max-instance-reuse-count", &all.to_string()]);
            command.args(["--max-instance-concurrent-reuse-count", &at_once.to_string()]);
        }
        let mut server = Guarded::start(&mut command, &log)?;
        server.wait_until(START, "wasmtime serve", || run::listens(port))?;
        Ok(server)
    });
    let server = start()?;
    let told = [("kill", kill(port).into())];
    let servers = vec![
        Served { server, name: "wasmtime", again: args.testing.then_some(start) },
        Served { server: reader, name: "the reader of files", again: None },
    ];
    backing.serve(servers, if args.testing { &told } else { &[] })?;
    Ok(ExitCode::SUCCESS)
}

/// A shell command that kills the wasmtime that answers at a port.
fn kill(port: u16) -> String {
    format!(
        "for pid in $(pgrep -x wasmtime); do ! grep -q 127.0.0.1:{port} /proc/$pid/cmdline || kill -KILL $pid; done"
    )
}

/// `wasmtime serve` of a component on a port of loopback.
pub fn serve(wasmtime: &Path, port: u16, component: &Path) -> Command {
    let mut command = Command::new(wasmtime);
    command.args(["serve", "-Scli", "--addr", &format!("127.0.0.1:{port}")]).arg(component);
    command
}

/// The web pages with the demo's site; compressed copies, too, except of that page.
fn static_files(workspace: &Workspace, backing: &Backing) -> Result<PathBuf> {
    let web = backing.data.join("web");
    let _ = fs::remove_dir_all(&web);
    build::copy(&workspace.path("web/dist"), &web, |_| true)?;
    backing.name_the_site(&web.join("demo/index.html"))?;
    Ok(web)
}

/// By `spin up`, as it is deployed.
fn on_spin(workspace: &Workspace, args: &DevArgs) -> Result<ExitCode> {
    run::say("  On Spin, which is installed here.");
    build::component(workspace, true)?;
    build::reader_component(workspace)?;
    let backing = Backing::start(workspace, args)?;
    let manifest = backing.data.join("spin.toml");
    let text = fs::read_to_string(workspace.path("spin.toml")).context("spin.toml")?;
    let web = static_files(workspace, &backing)?;
    let text = text
        .replace("\"web/dist\"", &format!("\"{}\"", web.display()))
        .replace("\"target/", &format!("\"{}/target/", workspace.root.display()));
    fs::write(&manifest, text).with_context(|| manifest.display().to_string())?;

    run::step("starting Spin");
    let mut command = Command::new("spin");
    command.args(["up", "--listen", &format!("127.0.0.1:{}", args.port), "--from"]).arg(&manifest);
    command.arg("--state-dir").arg(backing.data.join("spin"));
    for (name, value) in backing.variables(args.no_limits)? {
        if let Some((_, host)) = HOSTS.iter().find(|(address, _)| *address == name) {
            command.env(format!("SPIN_VARIABLE_{host}"), origin(&value));
        }
        command.env(format!("SPIN_VARIABLE_{name}"), value);
    }
    let mut server = Guarded::start(&mut command, &backing.data.join("spin.log"))?;
    server.wait_until(START, "spin up", || run::listens(args.port))?;
    backing.serve(vec![Served { server, name: "Spin", again: None }], &[])?;
    Ok(ExitCode::SUCCESS)
}

/// The manifest's variable that allows connections to an address.
const HOSTS: [(&str, &str); 3] =
    [("DATABASE_URL", "DATABASE_HOST"), ("OPENAI_BASE_URL", "OPENAI_HOST"), ("QDRANT_URL", "QDRANT_HOST")];

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{authority}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("http://localhost:11434/v1"), "http://localhost:11434");
        assert_eq!(origin("https://api.example.org"), "https://api.example.org");
    }
}
