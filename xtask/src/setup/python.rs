//! The property-based API tester, in a Python environment of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use crate::setup::debian;
use crate::workspace::{cache, which};

/// The version that the API was tested with.
const SCHEMATHESIS: &str = "4.32.5";

fn environment() -> Result<PathBuf> {
    Ok(cache()?.join(format!("schemathesis-{SCHEMATHESIS}")))
}

/// The program, where it is installed.
pub fn installed() -> Result<Option<PathBuf>> {
    Ok(Some(environment()?.join("bin/schemathesis")).filter(|path| path.is_file()))
}

/// The program; installed where it is missing.
pub fn schemathesis() -> Result<PathBuf> {
    if let Some(program) = installed()? {
        run::skip(&format!("schemathesis {SCHEMATHESIS} is there"));
        return Ok(program);
    }
    if which("python3").is_none() {
        debian::install(&["python3", "python3-venv"]).context("the API tester needs Python 3.10 or later")?;
    }
    run::step(&format!("installing schemathesis {SCHEMATHESIS} (under a minute)"));
    let environment = environment()?;
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(&environment);
        python
    };
    if run::output(&mut make()).is_err() {
        // Debian's Python comes without the module that makes environments.
        debian::install(&["python3-venv"]).context("the API tester needs Python's venv")?;
        run::output(&mut make())?;
    }
    let package = format!("schemathesis=={SCHEMATHESIS}");
    run::output(Command::new(environment.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
    ]))?;
    match installed()? {
        Some(program) => Ok(program),
        None => bail!("schemathesis was installed, but its program is not there"),
    }
}
