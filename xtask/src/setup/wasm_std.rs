//! The standard library for the WebAssembly targets: from `rustup`, or built from its source where `rustup` is not there
//! or has no network.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::run;
use crate::setup::debian;
use crate::workspace::which;

/// The targets of the edge hosts.
pub const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// Names the library's source: a directory that has `library/` in it, or an archive (`.tar.xz`) of one. Beside it may
/// be a directory `wasi-libc` with the C library's objects for `wasm32-wasip2`.
const SOURCE_VARIABLE: &str = "FRONTDESK_RUST_SRC";

/// How long `rustup` may take before the library is built instead.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(60);

/// The compiler in use.
pub struct Compiler {
    /// `1.95.0`
    pub version: String,
    /// Its directory.
    pub sysroot: PathBuf,
}

impl Compiler {
    /// Asks `rustc`.
    pub fn find() -> Result<Self> {
        let rustc = || Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let version = run::output(rustc().arg("--version"))?;
        let version = version.split_whitespace().nth(1).context("rustc --version")?.to_owned();
        let sysroot = run::output(rustc().args(["--print", "sysroot"]))?;
        Ok(Self { version, sysroot: PathBuf::from(sysroot.trim_end()) })
    }

    fn libraries(&self, target: &str) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(target).join("lib")
    }

    /// Whether the library is there for a target.
    pub fn has(&self, target: &str) -> bool {
        std::fs::read_dir(self.libraries(target)).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libstd-") && name.ends_with(".rlib")
            })
        })
    }
}

/// Where the library is built from.
struct Source {
    /// Has `std/Cargo.toml` in it.
    library: PathBuf,
    /// `crt1-command.o`, `libc.a`, … for `wasm32-wasip2`.
    wasi_libc: PathBuf,
    /// What it was unpacked into, deleted at the end.
    _unpacked: Option<TempDir>,
}

/// Makes sure that the library is there for `targets`.
pub fn ensure(targets: &[&str]) -> Result<()> {
    let compiler = Compiler::find()?;
    let mut missing: Vec<&str> = targets.iter().copied().filter(|target| !compiler.has(target)).collect();
    if !missing.is_empty() && env::var_os(SOURCE_VARIABLE).is_none() && which("rustup").is_some() {
        run::step(&format!("installing the WebAssembly targets {}", missing.join(", ")));
        run::quietly(Command::new("rustup").args(["target", "add"]).args(&missing), RUSTUP_PATIENCE);
        missing.retain(|target| !compiler.has(target));
    }
    if missing.is_empty() {
        run::skip("the WebAssembly targets are there");
        return Ok(());
    }
    let source = source(&compiler, &missing)?;
    for target in missing {
        run::step(&format!("building the standard library for {target} (about a minute)"));
        build(&compiler, &source, target)?;
        if !compiler.has(target) {
            bail!(
                "the standard library for {target} was built, but is not in {}",
                compiler.libraries(target).display()
            );
        }
    }
    Ok(())
}

/// The nearest source: named, installed, or downloaded.
fn source(compiler: &Compiler, targets: &[&str]) -> Result<Source> {
    if let Some(named) = env::var_os(SOURCE_VARIABLE) {
        return named_source(Path::new(&named))
            .with_context(|| format!("{SOURCE_VARIABLE}={}", named.display()));
    }
    let installed = compiler.sysroot.join("lib/rustlib/src/rust/library");
    let needs_libc = targets.iter().any(|target| target.contains("wasi"));
    if is_library(&installed) && !needs_libc {
        return Ok(Source { library: installed, wasi_libc: PathBuf::new(), _unpacked: None });
    }
    let unpacked = tempfile::tempdir()?;
    let packages = debian::rust_source(&compiler.version, unpacked.path()).with_context(|| {
        format!(
            "the standard library for {} is missing, and neither rustup nor Debian's archive has it for rustc {}. \
             With a network, run: rustup target add {}. Without one, set {SOURCE_VARIABLE} to the library's source",
            targets.join(", "),
            compiler.version,
            targets.join(" ")
        )
    })?;
    let library = if is_library(&installed) { installed } else { packages.library };
    Ok(Source { library, wasi_libc: packages.wasi_libc, _unpacked: Some(unpacked) })
}

fn named_source(named: &Path) -> Result<Source> {
    let beside = named.parent().unwrap_or(named).join("wasi-libc");
    if named.is_dir() {
        let wasi_libc = if beside.is_dir() { beside } else { named.join("wasi-libc") };
        let library = if is_library(named) { named.to_owned() } else { named.join("library") };
        if !is_library(&library) {
            bail!("there is no library/std/Cargo.toml in it");
        }
        return Ok(Source { library, wasi_libc, _unpacked: None });
    }
    let unpacked = tempfile::tempdir()?;
    run::run(Command::new("tar").arg("-xf").arg(named).arg("-C").arg(unpacked.path()))?;
    let library = unpacked.path().join("library");
    if !is_library(&library) {
        bail!("there is no library/std/Cargo.toml in the archive");
    }
    Ok(Source { library, wasi_libc: beside, _unpacked: Some(unpacked) })
}

fn is_library(path: &Path) -> bool {
    path.join("std/Cargo.toml").is_file()
}

/// Builds with the compiler's own `-Zbuild-std` and copies the result to where the compiler looks for it.
fn build(compiler: &Compiler, source: &Source, target: &str) -> Result<()> {
    let libraries = compiler.libraries(target);
    std::fs::create_dir_all(&libraries)
        .with_context(|| format!("the compiler's directory cannot be written: {}", libraries.display()))?;
    if target.contains("wasi") {
        let objects = libraries.join("self-contained");
        std::fs::create_dir_all(&objects)?;
        copy(&source.wasi_libc, &objects, |name| name.ends_with(".o") || name.ends_with(".a"))
            .context("the C library's objects for WASI")?;
    }

    let work = tempfile::tempdir()?;
    std::fs::create_dir(work.path().join("src"))?;
    std::fs::write(work.path().join("src/lib.rs"), "")?;
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(work.path().join("Cargo.toml"), manifest)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(work.path())
        .args(["build", "--quiet", "--release", "--target", target])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind,proc_macro")
        // The released compiler has the flag; this lets it be used.
        .env("RUSTC_BOOTSTRAP", "1")
        // Where cargo takes the library from, so that no source has to be put into the toolchain.
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", &source.library)
        .env("CARGO_TARGET_DIR", work.path().join("target"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS");
    run::run(&mut cargo)?;
    let built = work.path().join("target").join(target).join("release/deps");
    copy(&built, &libraries, |name| name.ends_with(".rlib") && !name.starts_with("libempty"))
}

/// Copies the files whose names are wanted; an error when there is none.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let mut copied = 0_u32;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            copied = copied.saturating_add(1);
        }
    }
    if copied == 0 {
        bail!("nothing to copy in {}", from.display());
    }
    Ok(())
}
