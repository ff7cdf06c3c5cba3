//! What Debian's archive has: packages to install, and the source of the compiler's library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use crate::workspace::which;

/// Suites that may carry the library's source, the likeliest first.
const SUITES: [&str; 5] = ["trixie-backports", "forky", "sid", "trixie", "bookworm-backports"];

/// Installs packages, where this user may.
pub fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if which("apt-get").is_none() {
        bail!("this system has no apt-get: install what corresponds to {names}");
    }
    let root = run::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let may_sudo =
        || run::quietly(Command::new("sudo").args(["-n", "true"]), std::time::Duration::from_secs(5));
    let apt = || {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "apt-get"]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    if !root && !may_sudo() {
        bail!("run this once as an administrator, then try again: apt-get install {names}");
    }
    run::step(&format!("installing {names} with apt-get"));
    let log = tempfile::Builder::new().prefix("frontdesk-apt").suffix(".log").tempfile()?;
    let install = || {
        let mut command = apt();
        command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        command
    };
    // The lists may be missing or old.
    if !run::logged(&mut install(), log.path())? {
        run::run_logged(apt().arg("update"), log.path())?;
        run::run_logged(&mut install(), log.path())?;
    }
    Ok(())
}

/// The unpacked packages.
pub struct RustSource {
    /// The library's source.
    pub library: PathBuf,
    /// The C library's objects for `wasm32-wasip2`.
    pub wasi_libc: PathBuf,
}

/// Downloads the packages `rust-src` of exactly this compiler's version and `wasi-libc`, and unpacks them into
/// `directory`. Nothing of the system's own package state is touched.
pub fn rust_source(version: &str, directory: &Path) -> Result<RustSource> {
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if which(program).is_none() {
            bail!("{program} is not there");
        }
    }
    let archive = archive().context("this system names no Debian archive")?;
    run::step(&format!("looking for the source of rustc {version} in Debian's archive"));
    for suite in SUITES {
        let apt = Apt::new(&directory.join(suite), &archive, suite)?;
        if !apt.update() {
            continue;
        }
        let Some(rust_src) = apt.version_of("rust-src", version)? else { continue };
        run::step(&format!("downloading rust-src {rust_src} and wasi-libc of {suite} (about 46 MB)"));
        let unpacked = directory.join("unpacked");
        apt.unpack(&format!("rust-src={rust_src}"), &unpacked)?;
        apt.unpack("wasi-libc", &unpacked)?;
        return Ok(RustSource {
            library: unpacked.join(format!("usr/src/rustc-{version}/library")),
            wasi_libc: unpacked.join("usr/lib/wasm32-wasip2"),
        });
    }
    bail!("no suite of Debian's archive has rust-src {version}")
}

/// The address of the Debian archive that this system uses.
fn archive() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).find_map(|text| archive_in(&text))
}

/// The first address that ends in `/debian`, as the archive's mirrors do, in either format of such files.
fn archive_in(text: &str) -> Option<String> {
    text.lines()
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb "))
        .flat_map(str::split_whitespace)
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

/// apt with a configuration of its own, in a directory of its own.
struct Apt {
    directory: PathBuf,
}

impl Apt {
    fn new(directory: &Path, archive: &str, suite: &str) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        std::fs::write(directory.join("sources.list"), format!("deb {archive} {suite} main\n"))?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory);
        for (key, path) in [
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::Etc::SourceParts", "none"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            command.arg("-o").arg(format!("{key}={}", self.directory.join(path).display()));
        }
        // apt drops to a user who may not read a private temporary directory.
        command.args([
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::Languages=none",
            "-o",
            "Acquire::Retries=1",
        ]);
        command
    }

    fn update(&self) -> bool {
        run::quietly(self.command("apt-get").arg("update"), std::time::Duration::from_secs(120))
    }

    /// The package's version that belongs to `upstream`.
    fn version_of(&self, package: &str, upstream: &str) -> Result<Option<String>> {
        let told = run::output(self.command("apt-cache").args(["madison", package]))?;
        Ok(told
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .find(|version| {
                version.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(['+', '-', '~']))
            })
            .map(str::to_owned))
    }

    fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        run::output(self.command("apt-get").args(["download", package]))?;
        let name = package.split('=').next().unwrap_or(package);
        let file = std::fs::read_dir(&self.directory)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
            })
            .with_context(|| format!("apt-get download {package} left no file"))?;
        run::output(Command::new("dpkg-deb").arg("--extract").arg(file).arg(into)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_formats() {
        let deb822 = "Types: deb\n# http://old.example/archive/debian/1\nURIs: http://mirror.example/debian\nSuites: bookworm\n";
        assert_eq!(archive_in(deb822).as_deref(), Some("http://mirror.example/debian"));
        let one_line = "deb [signed-by=/k.gpg] https://m.example/debian/ bookworm main\n";
        assert_eq!(archive_in(one_line).as_deref(), Some("https://m.example/debian/"));
        assert_eq!(archive_in("URIs: https://mirror.example/debian-security\n"), None);
    }
}
