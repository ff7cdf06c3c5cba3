//! What is in a data directory is its owner's alone, also in one that was made by other means and could be read by others.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

use crate::secrets;

/// From now on, what this process makes is its owner's alone.
pub fn begin() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Takes from others what they may do in a data directory. Secrets that others could read are not among it: they are
/// refused where they are read, as taking that away does not make them secret again.
///
/// # Errors
/// When it cannot be taken: the directory is another user's.
pub fn keep(data: &Path) -> Result<()> {
    let mended = mend(data, true).with_context(|| {
        format!("{} can be read by others; `chmod -R go-rwx` it as its owner", data.display())
    })?;
    if mended > 0 {
        tracing::warn!(data = %data.display(), mended, "files that others could read are their owner's alone now");
    }
    Ok(())
}

/// Goes into a directory that others could enter, and always into the first. Gives how much it mended.
fn mend(path: &Path, enter: bool) -> std::io::Result<usize> {
    let meta = std::fs::symlink_metadata(path)?;
    let mode = meta.permissions().mode();
    // Where a link leads is not this directory's.
    if meta.is_symlink() || path.file_name().is_some_and(|name| name == secrets::FILE) {
        return Ok(0);
    }
    let wide = mode & 0o077 != 0;
    if wide {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o7700))?;
    }
    let mut mended = usize::from(wide);
    if meta.is_dir() && (wide || enter) {
        for entry in std::fs::read_dir(path)? {
            match mend(&entry?.path(), false) {
                Ok(more) => mended = mended.saturating_add(more),
                // The database takes files away at any time.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(mended)
}

/// A file for its owner alone, whole or not there. One that is there is replaced and its permissions are not kept.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| new.display().to_string());
        }
        _ => {}
    }
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(new, path));
    written.with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_that_others_could_enter_is_mended_to_its_last_file() {
        let data = tempfile::tempdir().unwrap();
        let at = |name: &str| data.path().join(name);
        std::fs::create_dir_all(at("blobs/org/upload")).unwrap();
        for name in ["frontdesk.db", "frontdesk.db-wal", "secrets.env", "blobs/org/upload/upl_1"] {
            std::fs::write(at(name), "x").unwrap();
            set(&at(name), 0o644);
        }
        for name in ["", "blobs", "blobs/org", "blobs/org/upload"] {
            set(&at(name), 0o755);
        }
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        set(elsewhere.path(), 0o644);
        std::os::unix::fs::symlink(elsewhere.path(), at("link")).unwrap();

        keep(data.path()).unwrap();
        for name in ["", "blobs", "blobs/org", "blobs/org/upload"] {
            assert_eq!(mode(&at(name)), 0o700, "{name}");
        }
        for name in ["frontdesk.db", "frontdesk.db-wal", "blobs/org/upload/upl_1"] {
            assert_eq!(mode(&at(name)), 0o600, "{name}");
        }
        assert_eq!(mode(elsewhere.path()), 0o644);
        assert!(secrets::read(data.path()).is_err(), "secrets that others could read are refused");
    }

    #[test]
    fn a_wide_file_in_a_narrow_directory_is_mended_too() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("frontdesk.db");
        std::fs::write(&file, "x").unwrap();
        set(&file, 0o664);
        keep(data.path()).unwrap();
        assert_eq!((mode(data.path()), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn a_file_that_is_replaced_loses_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready.json");
        for wide in [&ready, &folder.path().join("ready.json.new")] {
            std::fs::write(wide, "old").unwrap();
            set(wide, 0o666);
        }
        write(&ready, "new").unwrap();
        assert_eq!((mode(&ready), std::fs::read_to_string(&ready).unwrap().as_str()), (0o600, "new"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
