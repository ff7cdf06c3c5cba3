//! What is written in Python, each in an environment of its own: the property-based API tester, and readers of files to
//! compare with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use crate::setup::debian;
use crate::workspace::{cache, which};

/// The version that the API was tested with.
const SCHEMATHESIS: &str = "4.32.5";

fn tester() -> Result<PathBuf> {
    Ok(cache()?.join(format!("schemathesis-{SCHEMATHESIS}")))
}

/// The program, where it is installed.
pub fn installed() -> Result<Option<PathBuf>> {
    Ok(Some(tester()?.join("bin/schemathesis")).filter(|path| path.is_file()))
}

/// The program; installed where it is missing.
pub fn schemathesis() -> Result<PathBuf> {
    if let Some(program) = installed()? {
        run::skip(&format!("schemathesis {SCHEMATHESIS} is there"));
        return Ok(program);
    }
    run::step(&format!("installing schemathesis {SCHEMATHESIS} (under a minute)"));
    install(&tester()?, &[&format!("schemathesis=={SCHEMATHESIS}")])?;
    match installed()? {
        Some(program) => Ok(program),
        None => bail!("schemathesis was installed, but its program is not there"),
    }
}

/// Python with these packages, in an environment of this name; made where it is missing.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let environment = cache()?.join(name);
    // Packages are named with their versions: others make it anew.
    let stamp = environment.join("packages");
    let python = environment.join("bin/python");
    let wanted = packages.join("\n");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    run::step(&format!("installing {} (under a minute)", packages.join(", ")));
    install(&environment, packages)?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

fn install(environment: &Path, packages: &[&str]) -> Result<()> {
    if which("python3").is_none() {
        debian::install(&["python3", "python3-venv"]).context("Python 3.10 or later is needed")?;
    }
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(environment);
        python
    };
    if run::output(&mut make()).is_err() {
        // Debian's Python comes without the module that makes environments.
        debian::install(&["python3-venv"]).context("Python's venv is needed")?;
        run::output(&mut make())?;
    }
    let mut pip = Command::new(environment.join("bin/pip"));
    run::output(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    Ok(())
}
