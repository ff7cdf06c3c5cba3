//! `test`: every part, from formatting to the browser, and one total.

mod count;
mod dependencies;
mod hosts;
mod imports;
mod parity;
mod sources;
mod vectors;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use console::style;

use crate::build::Host;
use crate::run;
use crate::test::count::Counts;
use crate::workspace::Workspace;

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Formatting and lints.
    Lint,
    /// Rust tests.
    Rust,
    /// Types and tests of the web pages.
    Web,
    /// The core and the edge hosts, compiled and linted for both WebAssembly targets.
    Wasm,
    /// The pages in a real browser against a real server.
    Browser,
    /// What the components ask of their hosts; the Worker under workerd and the component under wasmtime, with nothing to
    /// work with, and their readers of files with those that want to do harm.
    Edge,
    /// The same cases against every host, to the byte.
    Parity,
    /// The API against its own description.
    Api,
    /// What is stored, on a real libSQL server.
    Database,
    /// Vectors in Qdrant: in a stand-in over its own engine, or in the server at QDRANT_URL.
    Vectors,
    /// Licences, origins and known faults of the dependencies, Rust's and npm's.
    Deny,
}

impl Part {
    const ALL: [Self; 11] = [
        Self::Lint,
        Self::Rust,
        Self::Web,
        Self::Wasm,
        Self::Browser,
        Self::Edge,
        Self::Parity,
        Self::Api,
        Self::Database,
        Self::Vectors,
        Self::Deny,
    ];
    const FAST: [Self; 3] = [Self::Lint, Self::Rust, Self::Web];

    const fn name(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Rust => "rust",
            Self::Web => "web",
            Self::Wasm => "wasm",
            Self::Browser => "browser",
            Self::Edge => "edge",
            Self::Parity => "parity",
            Self::Api => "api",
            Self::Database => "database",
            Self::Vectors => "vectors",
            Self::Deny => "deny",
        }
    }
}

/// Run every test, from unit to browser, and print one total.
#[derive(Args)]
pub struct TestArgs {
    /// Only formatting, lints, Rust tests and the web pages' own tests.
    #[arg(long)]
    fast: bool,
    /// Only this part; may be given several times.
    #[arg(long = "part", value_enum, value_name = "NAME")]
    parts: Vec<Part>,
    /// A host that the parts browser, parity and api run against; may be given several times. Without it, parity runs on
    /// every host, the others on the local one.
    #[arg(long, value_enum, value_name = "HOST")]
    on: Vec<Host>,
    /// Of the part parity only the cases whose name contains this, once on each host: `cuts::`. Of the part edge, `reader`
    /// is the readers of files alone, with all hostile files instead of every fifth.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
}

/// Every host.
const COMPLETE: [Host; 3] = [Host::Local, Host::Cloudflare, Host::Spin];

/// What a part works with.
struct Session<'a> {
    workspace: &'a Workspace,
    /// The hosts under test.
    on: &'a [Host],
    /// The only cases that are asked for.
    case: Option<&'a str>,
    /// The part's whole output.
    log: PathBuf,
}

impl Session<'_> {
    /// Runs a program into the log; whether it ended well, and what it printed.
    fn run(&self, command: &mut Command) -> Result<(bool, String)> {
        let before = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        let well = run::logged(command.env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1"), &self.log)?;
        let text = std::fs::read(&self.log).with_context(|| self.log.display().to_string())?;
        let printed = text.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
        Ok((well, String::from_utf8_lossy(printed).into_owned()))
    }

    /// Runs a program that is one test by itself.
    fn check(&self, command: &mut Command) -> Result<Counts> {
        let (well, _) = self.run(command)?;
        Ok(Counts::one(well))
    }
}

/// Runs the parts.
pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<ExitCode> {
    let parts = match (&args.parts[..], args.fast) {
        ([], false) => &Part::ALL[..],
        ([], true) => &Part::FAST[..],
        (named, _) => named,
    };
    let logs = workspace.path("target/test-logs");
    std::fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;

    let mut total = Counts::default();
    let mut lines = Vec::new();
    for part in parts {
        let on = match (&args.on[..], part) {
            ([], Part::Parity) => &COMPLETE[..],
            ([], _) => &[Host::Local],
            (named, _) => named,
        };
        let (case, log) = (args.case.as_deref(), logs.join(format!("{}.log", part.name())));
        let session = Session { workspace, on, case, log };
        let _ = std::fs::remove_file(&session.log);
        run::step(&format!("test part: {}", part.name()));
        let begun = Instant::now();
        let outcome = run_part(*part, &session);
        let seconds = begun.elapsed().as_secs_f32();
        let (counts, note) = match outcome {
            Ok(counts) => (counts, String::new()),
            Err(error) => (Counts::one(false), format!("could not run: {error:#}")),
        };
        if counts.failed > 0 {
            let log = std::fs::read(&session.log).unwrap_or_default();
            run::say(&String::from_utf8_lossy(&log));
            if !note.is_empty() {
                run::say(&format!("{} {note}", style("error:").red().bold()));
            }
        }
        let line = format!("{:<8} {counts} in {seconds:.1} s {note}", part.name());
        run::say(&format!("  {line}"));
        lines.push((counts.failed > 0, line));
        total = total.add(counts);
    }

    run::say("");
    for (failed, line) in lines {
        let mark = if failed { style("✗").red() } else { style("✓").green() };
        run::say(&format!("{mark} {}", line.trim_end()));
    }
    run::say(&format!("Logs: {}", logs.display()));
    run::print(&total.to_string());
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_part(part: Part, session: &Session<'_>) -> Result<Counts> {
    match part {
        Part::Lint => sources::lint(session),
        Part::Rust => sources::rust(session),
        Part::Web => sources::web(session),
        Part::Wasm => sources::wasm(session),
        Part::Deny => dependencies::deny(session),
        Part::Browser => hosts::browser(session),
        Part::Edge => parity::edge(session),
        Part::Parity => parity::every_host(session),
        Part::Api => hosts::api(session),
        Part::Database => sources::database(session),
        Part::Vectors => vectors::vectors(session),
    }
}
