//! Whether something was made from the same inputs already: a hash of the inputs beside the result.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Directories that are results, never sources.
const RESULTS: [&str; 7] = ["node_modules", "dist", "target", "build", ".test-build", ".wrangler", ".git"];

/// A file that remembers the inputs of the last success.
pub struct Stamp {
    file: PathBuf,
    inputs: String,
}

impl Stamp {
    /// The stamp in `file` for the present content of `inputs` (files and whole directories).
    pub fn new(file: PathBuf, inputs: &[PathBuf]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            hash(input, &mut hasher)?;
        }
        Ok(Self { file, inputs: format!("{:016x}\n", hasher.finish()) })
    }

    /// Whether the last success had the same inputs.
    pub fn is_fresh(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|stored| stored == self.inputs)
    }

    /// Remembers a success.
    pub fn write(&self) -> Result<()> {
        if let Some(directory) = self.file.parent() {
            std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        std::fs::write(&self.file, &self.inputs).with_context(|| self.file.display().to_string())
    }
}

/// Names and contents, in a fixed order.
fn hash(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(|| path.display().to_string())?;
        paths.retain(|path| {
            !RESULTS.iter().any(|result| path.file_name().is_some_and(|name| name == *result))
        });
        paths.sort();
        name.hash(hasher);
        for path in paths {
            hash(&path, hasher)?;
        }
    } else if path.exists() {
        name.hash(hasher);
        std::fs::read(path).with_context(|| path.display().to_string())?.hash(hasher);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_fresh_until_an_input_changes() {
        let directory = tempfile::tempdir().unwrap();
        let sources = directory.path().join("src");
        std::fs::create_dir_all(sources.join("node_modules")).unwrap();
        std::fs::write(sources.join("a.ts"), "1").unwrap();
        let stamp =
            || Stamp::new(directory.path().join("out/stamp"), std::slice::from_ref(&sources)).unwrap();

        assert!(!stamp().is_fresh());
        stamp().write().unwrap();
        assert!(stamp().is_fresh());

        std::fs::write(sources.join("node_modules/x.js"), "installed").unwrap();
        assert!(stamp().is_fresh(), "installed packages are no source");

        std::fs::write(sources.join("a.ts"), "2").unwrap();
        assert!(!stamp().is_fresh());
    }
}
