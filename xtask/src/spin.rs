//! The component on this machine: Spin where it is installed, otherwise wasmtime with the portable build; beside a real
//! libSQL server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::{fmt, fs};

use anyhow::{Context, Result};
use clap::Args;

use crate::dev::DevArgs;
use crate::edge::{Again, Backing, START, Served};
use crate::run::{self, Guarded};
use crate::setup::tools;
use crate::workspace::{Workspace, which};
use crate::{balancer, build, cloudflare};

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

/// How the component is run, for tests; by default as `wasmtime serve` runs it.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Layout {
    /// How many requests an instance of the component answers: all in all, and at once.
    #[arg(long, hide = true, value_name = "ALL:AT_ONCE")]
    pub reuse: Option<Reuse>,
    /// Two processes behind one address.
    #[arg(long, hide = true)]
    pub twice: bool,
    /// With the rooms of a Worker on workerd.
    #[arg(long, hide = true)]
    pub rooms_elsewhere: bool,
}

impl Layout {
    /// The arguments that say so.
    pub fn args(self) -> Vec<String> {
        let reuse = self.reuse.map(|reuse| format!("--reuse={reuse}"));
        let twice = self.twice.then(|| "--twice".to_owned());
        let rooms = self.rooms_elsewhere.then(|| "--rooms-elsewhere".to_owned());
        [reuse, twice, rooms].into_iter().flatten().collect()
    }
}

/// Serves the demo until it is stopped.
pub fn dev(workspace: &Workspace, args: &DevArgs) -> Result<ExitCode> {
    // A test wants what it can kill and configure.
    match installed() {
        Installed::Runs if !args.testing => return on_spin(workspace, args),
        found => run::say(&format!("  On wasmtime, with the portable build ({found}).")),
    }
    let wasmtime = tools::wasmtime().ensure(workspace)?;
    let component = build::component(workspace, false)?;
    let reader = build::reader_component(workspace)?;
    let backing = Backing::start(workspace, args)?;
    let data = backing.data.clone();
    let web = static_files(workspace, &backing)?;

    run::step("starting the reader of files");
    let reader_port = run::free_port()?;
    let log = data.join("wasmtime.log");
    let mut command = serve(&wasmtime, reader_port, &reader);
    command.args(READER);
    let mut reader = Guarded::start(&mut command, &log)?;
    reader.wait_until(START, "wasmtime serve", || run::listens(reader_port))?;

    let mut variables = backing.variables(args.no_limits)?;
    let is_told = variables.iter().any(|(name, _)| name == "PUBLIC_URL");
    let mut tell = |name: &str, value: String| variables.push((name.to_owned(), value));
    tell("READER_URL", format!("http://127.0.0.1:{reader_port}"));
    if !is_told {
        tell("PUBLIC_URL", backing.base_url.clone());
    }
    let mut servers = vec![Served { server: reader, name: "the reader of files", again: None }];
    if args.layout.rooms_elsewhere {
        let port = run::free_port()?;
        tell("ROOMS_TOKEN", token()?);
        let worker = cloudflare::start(workspace, &backing, cloudflare::ENTRY, port, &variables)?;
        servers.push(Served { server: worker, name: "workerd", again: None });
        variables.push(("ROOMS_URL".to_owned(), format!("http://127.0.0.1:{port}")));
    }

    let ports = if args.layout.twice { vec![run::free_port()?, run::free_port()?] } else { vec![args.port] };
    let start = |port: u16| {
        let mut command = serve(&wasmtime, port, &component);
        command.arg("--dir").arg(format!("{}::/web", web.display()));
        for (name, value) in &variables {
            // By name alone: values would be seen by any user who lists processes.
            command.env(name, value).args(["--env", name]);
        }
        if let Some(Reuse { all, at_once }) = args.layout.reuse {
            command.args(["--max-instance-reuse-count", &all.to_string()]);
            command.args(["--max-instance-concurrent-reuse-count", &at_once.to_string()]);
        }
        let log = log.clone();
        let mut again: Again = Box::new(move || Guarded::start(&mut command, &log));
        let mut server = again()?;
        server.wait_until(START, "wasmtime serve", || run::listens(port))?;
        anyhow::Ok(Served { server, name: "wasmtime", again: args.testing.then_some(again) })
    };
    run::step("starting wasmtime");
    for port in &ports {
        servers.push(start(*port)?);
    }
    let told = [("kill", kill(&ports).into()), ("sockets", false.into())];
    if args.layout.twice {
        balancer::start(args.port, ports)?;
    }
    backing.serve(servers, if args.testing { &told } else { &[] })?;
    Ok(ExitCode::SUCCESS)
}

/// The first version of Spin that runs the components.
const LEAST: (u32, u32) = (4, 1);

/// The `spin` on the path. Other programs have that name, too.
#[derive(Debug, PartialEq, Eq)]
pub enum Installed {
    /// One that runs the components.
    Runs,
    /// One that does not.
    Older(String),
    /// Something else.
    Other,
    /// None.
    No,
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = LEAST;
        match self {
            Self::Runs => f.write_str("Spin is installed"),
            Self::Older(version) => {
                write!(f, "the `spin` here has version {version}, and the components need {major}.{minor}")
            }
            Self::Other => f.write_str("the `spin` here is another program"),
            Self::No => f.write_str("there is no `spin` here"),
        }
    }
}

/// What `spin` is on the path.
pub fn installed() -> Installed {
    let Some(path) = which("spin") else { return Installed::No };
    // Other programs of the name may read the terminal.
    Installed::by(&run::output(Command::new(path).arg("--version")).unwrap_or_default())
}

impl Installed {
    /// By what it says of its version: `spin 4.1.0 (1a2b3c4 2026-05-01)`.
    fn by(told: &str) -> Self {
        let mut words = told.split_whitespace();
        let (Some("spin"), Some(version)) = (words.next(), words.next()) else { return Self::Other };
        let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= LEAST => Self::Runs,
            (Some(Ok(_)), Some(Ok(_))) => Self::Older(version.to_owned()),
            _ => Self::Other,
        }
    }
}

/// A secret between two hosts of this machine.
fn token() -> Result<String> {
    let mut random = [0_u8; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .context("random numbers")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A shell command that kills a wasmtime that answers at one of the ports, any of them.
fn kill(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!(
        "port=$(shuf -n 1 -e {}); for pid in $(pgrep -x wasmtime); do \
         ! grep -q 127.0.0.1:$port /proc/$pid/cmdline || kill -KILL $pid; done",
        ports.join(" ")
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
    fn the_spin_on_the_path_is_told_by_its_version() {
        for told in ["spin 4.1.0 (1a2b3c4 2026-05-01)", "spin 4.1.0-pre0 (abc)", "spin 5.0.1", "spin 4.10.2"]
        {
            assert_eq!(Installed::by(told), Installed::Runs, "{told}");
        }
        assert_eq!(Installed::by("spin 4.0.2 (x)"), Installed::Older("4.0.2".to_owned()));
        assert_eq!(Installed::by("spin 3.6.0"), Installed::Older("3.6.0".to_owned()));
        for told in ["Spin Version 6.5.2 -- 6 December 2019", "", "spin", "spin of a top"] {
            assert_eq!(Installed::by(told), Installed::Other, "{told}");
        }
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("http://localhost:11434/v1"), "http://localhost:11434");
        assert_eq!(origin("https://api.example.org"), "https://api.example.org");
    }
}
