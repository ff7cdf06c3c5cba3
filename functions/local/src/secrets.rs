//! Secrets of a data directory: made once, readable by their owner alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use frontdesk_ports::Random;

/// The file in the data directory: `NAME=value` lines.
pub const FILE: &str = "secrets.env";

/// The variables that are made when they are missing, with their length in random bytes.
const GENERATED: [(&str, usize); 3] = [("JWT_SECRET", 32), ("METRICS_TOKEN", 24), ("ADMIN_PASSWORD", 15)];

/// Reads the secrets of a data directory; an absent file is an empty one.
///
/// # Errors
/// When the file is readable by others, or is not `NAME=value` lines.
pub fn read(data: &Path) -> Result<BTreeMap<String, String>> {
    let path = data.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).context(path.display().to_string()),
    };
    let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("{} has mode {mode:o}: others can read it; `chmod 600` it", path.display());
    }
    text.lines()
        .enumerate()
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let (name, value) = line.split_once('=').with_context(|| {
                format!("{}: line {} is not NAME=value", path.display(), number.saturating_add(1))
            })?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Makes the secrets that are missing and returns all of them.
///
/// # Errors
/// As [`read`], and when the file cannot be written.
pub fn ensure(data: &Path, random: &dyn Random) -> Result<BTreeMap<String, String>> {
    let mut all = read(data)?;
    let missing: Vec<_> = GENERATED.iter().filter(|(name, _)| !all.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(all);
    }
    for (name, length) in missing {
        let mut bytes = vec![0_u8; *length];
        random.fill(&mut bytes);
        all.insert((*name).to_owned(), hex(&bytes));
    }
    let mut text = String::from("# Secrets of this data directory. Made on the first start; keep them.\n");
    for (name, value) in &all {
        text.push_str(&format!("{name}={value}\n"));
    }
    let path = data.join(FILE);
    let new = data.join("secrets.env.new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    Ok(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::OsRandom;

    #[test]
    fn secrets_are_made_once_and_only_their_owner_reads_them() {
        let data = tempfile::tempdir().unwrap();
        let first = ensure(data.path(), &OsRandom).unwrap();
        assert_eq!(ensure(data.path(), &OsRandom).unwrap(), first);
        assert!(first.get("JWT_SECRET").unwrap().len() >= 64);
        let path = data.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(data.path()).unwrap_err().to_string().contains("chmod 600"));
    }
}
