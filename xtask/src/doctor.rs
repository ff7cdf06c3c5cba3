//! `doctor`: what is installed and what is missing.

use std::process::Command;

use anyhow::Result;
use console::style;

use crate::setup::{chromium, python, sqld, tools, wasm_std};
use crate::workspace::{Workspace, which};
use crate::{run, spin};

/// Looks, and installs nothing.
pub fn run(workspace: &Workspace) -> Result<()> {
    let version = |program: &str| {
        let path = which(program)?;
        let told = run::output(Command::new(path).arg("--version")).ok()?;
        told.lines().next().map(str::to_owned)
    };
    run::say("To run it (cargo xtask dev):");
    line("rustc", version("rustc"), "from rustup.rs");
    line("node (20 or later)", version("node"), "from your system's packages");
    line("npm", version("npm"), "comes with node");
    line("C compiler", version("cc"), "apt-get install build-essential");

    run::say("To test it (cargo xtask test); what is missing is installed on the way:");
    line("cargo-nextest", version("cargo-nextest"), "not needed: cargo test is used instead");
    let compiler = wasm_std::Compiler::find()?;
    for target in wasm_std::TARGETS {
        line(target, compiler.has(target).then(|| "installed".to_owned()), "cargo xtask setup wasm");
    }
    for tool in tools::all(workspace)? {
        line(&tool.title(), tool.is_there()?.then(|| "installed".to_owned()), "cargo xtask setup edge");
    }
    let deny = tools::cargo_deny();
    line(&deny.title(), deny.is_there()?.then(|| "installed".to_owned()), "cargo xtask setup deny");
    line("Chromium", chromium::find().map(|path| path.display().to_string()), "cargo xtask setup browser");
    line("python3", version("python3"), "apt-get install python3 python3-venv");
    line("schemathesis", python::installed()?.map(|_| "installed".to_owned()), "cargo xtask setup api");
    let spin = spin::installed();
    let found = (spin == spin::Installed::Runs).then(|| spin.to_string());
    line("spin (4.1 or later)", found, &format!("not needed: wasmtime is used instead ({spin})"));
    line("sqld", sqld::find(workspace).map(|path| path.display().to_string()), "cargo xtask setup database");
    Ok(())
}

fn line(what: &str, found: Option<String>, remedy: &str) {
    let (mark, text) = match found {
        Some(text) => (style("✓").green(), text),
        None => (style("✗").yellow(), format!("missing: {remedy}")),
    };
    run::say(&format!("  {mark} {what:<26} {text}"));
}
