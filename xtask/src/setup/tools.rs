//! The programs that build and run the edge hosts, in the versions that were tried together, and the one that checks
//! dependencies.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::run;
use crate::workspace::{Workspace, cache};

/// Runs the component. Only what serving a component needs is built.
const WASMTIME: &str = "48.0.8";
const WASMTIME_FEATURES: &str = "run,serve,wasi-http,cranelift,parallel-compilation,pooling-allocator,component-model,\
                                 component-model-async,gc,gc-drc,gc-null,threads,backtrace,addr2line,logging";

/// Knows the form of today's advisory database.
const CARGO_DENY: &str = "0.20.2";

/// A program that cargo installs.
pub struct Tool {
    /// The crate.
    package: &'static str,
    /// Its version.
    version: String,
    /// The program.
    program: &'static str,
    /// What else cargo is told.
    options: &'static [&'static str],
    /// How long it takes to build on two cores.
    minutes: u32,
}

/// Every program of the edge hosts.
pub fn all(workspace: &Workspace) -> Result<[Tool; 3]> {
    Ok([wasmtime(), wasm_bindgen(workspace)?, worker_build(workspace)?])
}

/// Licences, origins and advisories of crates.
pub fn cargo_deny() -> Tool {
    Tool {
        package: "cargo-deny",
        version: CARGO_DENY.to_owned(),
        program: "cargo-deny",
        options: &["--locked"],
        minutes: 6,
    }
}

/// `wasmtime serve`.
pub fn wasmtime() -> Tool {
    Tool {
        package: "wasmtime-cli",
        version: WASMTIME.to_owned(),
        program: "wasmtime",
        options: &["--locked", "--no-default-features", "--features", WASMTIME_FEATURES],
        minutes: 9,
    }
}

/// The JavaScript around the Worker. Must be exactly the version of the library.
pub fn wasm_bindgen(workspace: &Workspace) -> Result<Tool> {
    Ok(Tool {
        package: "wasm-bindgen-cli",
        version: workspace.locked("wasm-bindgen")?,
        program: "wasm-bindgen",
        // Not --locked: a version in its lock file is gone from some mirrors.
        options: &[],
        minutes: 2,
    })
}

/// Bundles the Worker. Of the library's own release.
pub fn worker_build(workspace: &Workspace) -> Result<Tool> {
    Ok(Tool {
        package: "worker-build",
        version: workspace.locked("worker")?,
        program: "worker-build",
        options: &["--locked"],
        minutes: 4,
    })
}

fn root() -> Result<PathBuf> {
    Ok(cache()?.join("tools"))
}

impl Tool {
    /// Where it is, or will be.
    pub fn path(&self) -> Result<PathBuf> {
        Ok(root()?.join("bin").join(format!("{}{}", self.program, std::env::consts::EXE_SUFFIX)))
    }

    /// Its name and version.
    pub fn title(&self) -> String {
        format!("{} {}", self.program, self.version)
    }

    /// Whether exactly this version is installed.
    pub fn is_there(&self) -> Result<bool> {
        let path = self.path()?;
        if !path.is_file() {
            return Ok(false);
        }
        let told = run::output(Command::new(path).arg("--version")).unwrap_or_default();
        Ok(told.split_whitespace().any(|word| word == self.version))
    }

    /// Installs it where it is missing, and says where it is.
    pub fn ensure(&self, workspace: &Workspace) -> Result<PathBuf> {
        let path = self.path()?;
        if self.is_there()? {
            run::skip(&format!("{} is there", self.title()));
            return Ok(path);
        }
        run::step(&format!("installing {} (about {} minutes on two cores)", self.title(), self.minutes));
        let root = root()?;
        let mut cargo = workspace.cargo();
        cargo
            .args(["install", self.package, "--version", &format!("={}", self.version), "--force", "--root"])
            .arg(&root)
            .args(self.options)
            // Outside the clone: its settings for WebAssembly are not for these programs.
            .current_dir(std::env::temp_dir())
            .env("CARGO_TARGET_DIR", root.join("target"))
            // They run for seconds: what their optimisation would save is far less than what it would cost.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_LTO", "off");
        run::run_logged(&mut cargo, &workspace.state("logs").join(format!("install-{}.log", self.program)))?;
        Ok(path)
    }
}
