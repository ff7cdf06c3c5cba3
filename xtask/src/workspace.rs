//! Where things are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The clone this runs in.
pub struct Workspace {
    /// Its top directory.
    pub root: PathBuf,
}

impl Workspace {
    /// The clone whose `cargo xtask` was called.
    pub fn find() -> Result<Self> {
        // Told at run time by cargo: several clones may share one target directory.
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest.parent().context("xtask has no parent directory")?.to_owned();
        Ok(Self { root })
    }

    /// A path inside the clone.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo builds.
    pub fn target(&self) -> PathBuf {
        match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => self.root.join(directory),
            None => self.root.join("target"),
        }
    }

    /// Stamps and logs of these commands.
    pub fn state(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
    }

    /// `cargo` in the clone, the same that runs this.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// The version of a package in Cargo.lock; the highest, should there be several.
    pub fn locked(&self, package: &str) -> Result<String> {
        let lock = std::fs::read_to_string(self.path("Cargo.lock")).context("Cargo.lock")?;
        version_in_lock(&lock, package).with_context(|| format!("Cargo.lock names no {package}"))
    }
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = None;
    while let Some(line) = lines.next() {
        if line == name {
            let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
            found = Some(version.to_owned());
        }
    }
    found
}

/// What outlives a clone: tools, built or downloaded once per machine.
pub fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| Path::new(value).is_absolute()) {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("frontdesk"))
}

/// A program on the PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"worker\"\nversion = \"0.8.7\"\n\n[[package]]\nname = \"worker-sys\"\nversion = \"0.1.0\"\n";
        assert_eq!(version_in_lock(lock, "worker"), Some("0.8.7".to_owned()));
        assert_eq!(version_in_lock(lock, "work"), None);
    }
}
