//! The browser for the browser tests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run;
use crate::setup::debian;
use crate::workspace::which;

/// The browser. `CHROMIUM_PATH` names another one.
pub fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM_PATH") {
        return Some(PathBuf::from(path)).filter(|path| path.is_file());
    }
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(which)
}

/// Installs it, with fonts that have Cyrillic letters, where it is missing.
pub fn ensure() -> Result<PathBuf> {
    if let Some(path) = find() {
        run::skip("Chromium is there");
        return Ok(path);
    }
    debian::install(&["chromium", "fonts-liberation", "fonts-dejavu-core"])
        .context("the browser tests need Chromium (or set CHROMIUM_PATH)")?;
    find().context("Chromium was installed, but is not on the PATH")
}
