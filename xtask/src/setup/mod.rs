//! Installs what is missing, saying what and for how long. What is there already is left alone.

pub mod chromium;
pub mod debian;
pub mod python;
pub mod sqld;
pub mod tools;
pub mod wasm_std;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::web;
use crate::workspace::Workspace;

/// What a part needs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// npm packages of the web pages.
    Web,
    /// The standard library for both WebAssembly targets.
    Wasm,
    /// The edge hosts: the above, and the programs that build and run them.
    Edge,
    /// The browser for the browser tests, and their npm packages.
    Browser,
    /// The property-based API tester.
    Api,
    /// The libSQL server.
    Database,
    /// The program that checks dependencies.
    Deny,
}

/// Install what is missing.
#[derive(Args)]
pub struct SetupArgs {
    /// For which part; all when none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// Installs.
pub fn run(workspace: &Workspace, args: &SetupArgs) -> Result<()> {
    const ALL: [Part; 7] =
        [Part::Web, Part::Wasm, Part::Edge, Part::Browser, Part::Api, Part::Database, Part::Deny];
    let parts = if args.parts.is_empty() { &ALL[..] } else { &args.parts };
    for part in parts {
        match part {
            Part::Web => web::packages(workspace, "web")?,
            Part::Wasm => wasm_std::ensure(&wasm_std::TARGETS)?,
            Part::Edge => edge(workspace)?,
            Part::Browser => browser(workspace)?,
            Part::Api => drop(python::schemathesis()?),
            Part::Database => drop(sqld::ensure(workspace)?),
            Part::Deny => drop(tools::cargo_deny().ensure(workspace)?),
        }
    }
    Ok(())
}

/// What the edge hosts need to be built and run.
pub fn edge(workspace: &Workspace) -> Result<()> {
    wasm_std::ensure(&wasm_std::TARGETS)?;
    web::packages(workspace, "functions/cloudflare")?;
    for tool in tools::all(workspace)? {
        tool.ensure(workspace)?;
    }
    Ok(())
}

/// What the browser tests need.
pub fn browser(workspace: &Workspace) -> Result<()> {
    chromium::ensure()?;
    web::packages(workspace, "tests/browser")
}
