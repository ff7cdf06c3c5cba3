//! `build`: what is deployed, and how large it is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::setup::{tools, wasm_std};
use crate::stamp::Stamp;
use crate::workspace::Workspace;
use crate::{component, dev, run, web};

/// A host.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Host {
    /// One process on one machine.
    Local,
    /// The Cloudflare Worker.
    Cloudflare,
    /// The Spin component.
    Spin,
}

impl Host {
    /// As it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Cloudflare => "cloudflare",
            Self::Spin => "spin",
        }
    }
}

/// Build for release and print the sizes.
#[derive(Args)]
pub struct BuildArgs {
    /// Which host; all when none is named.
    #[arg(value_enum)]
    hosts: Vec<Host>,
}

/// The most that the Worker's files may be together, compressed, in bytes. Each megabyte is read and compiled wherever the
/// Worker is started first, and 3 MB is what the smallest plan takes.
const WORKER_BUDGET: usize = 2_750_000;

/// The most of it that the module that reads files may be: an instance of it is made for each file.
const READER_BUDGET: usize = 900_000;

/// The most that a component may be, in bytes, as it is read and compiled wherever it is started first.
const COMPONENT_BUDGET: u64 = 6_400_000;

/// The most that the component that reads files may be, in bytes.
const READER_COMPONENT_BUDGET: u64 = 2_100_000;

/// The static files in front of the Worker.
pub const ASSETS: &str = "functions/cloudflare/build/assets";
/// The Worker's core.
const CORE: &str = "functions/cloudflare/build/index_bg.wasm";
/// The module that reads files.
const READER: &str = "functions/cloudflare/build/frontdesk_extract_module.wasm";
/// What of it is called.
const EXPORTS: &str = "functions/extract/exports.json";
/// The Worker's files.
const WORKER: [&str; 3] = [CORE, "functions/cloudflare/build/index.js", READER];

/// Builds.
pub fn run(workspace: &Workspace, args: &BuildArgs) -> Result<()> {
    const ALL: [Host; 3] = [Host::Local, Host::Cloudflare, Host::Spin];
    let hosts = if args.hosts.is_empty() { &ALL[..] } else { &args.hosts };
    for host in hosts {
        match host {
            Host::Local => {
                web::build(workspace)?;
                sizes(&[dev::host(workspace, true)?])?;
            }
            Host::Cloudflare => cloudflare(workspace)?,
            Host::Spin => spin(workspace)?,
        }
    }
    Ok(())
}

/// Everything that is deployed to Cloudflare; an error when it is larger than it may be.
pub fn cloudflare(workspace: &Workspace) -> Result<()> {
    web::build(workspace)?;
    assets(workspace, &workspace.path(ASSETS))?;
    let total = sizes(&worker(workspace)?)?;
    run::say(&format!("  {:<28} {total:>10} bytes of {WORKER_BUDGET} gzip", "together"));
    if total > WORKER_BUDGET {
        bail!("the Worker is larger than it may be");
    }
    let reader = workspace.path(READER);
    let size = gzip(&std::fs::read(&reader).with_context(|| shown(&reader))?)?;
    if size > READER_BUDGET {
        bail!("the module that reads files has {size} bytes of {READER_BUDGET} gzip");
    }
    Ok(())
}

/// Both components, where spin.toml expects them; an error when they are larger than they may be.
fn spin(workspace: &Workspace) -> Result<()> {
    web::build(workspace)?;
    let components = [component(workspace, true)?, reader_component(workspace)?];
    sizes(&components)?;
    for (component, budget) in components.iter().zip([COMPONENT_BUDGET, READER_COMPONENT_BUDGET]) {
        let size = std::fs::metadata(component).with_context(|| shown(component))?.len();
        if size > budget {
            bail!("{} is larger than {budget} bytes", shown(component));
        }
        let bytes = std::fs::read(component).with_context(|| shown(component))?;
        for path in [&workspace.root, &cargo_home()?] {
            let path = shown(path);
            if bytes.windows(path.len().max(1)).any(|window| window == path.as_bytes()) {
                bail!("{} names {path} of this machine", shown(component));
            }
        }
    }
    Ok(())
}

/// The Worker's files.
pub fn worker(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    wasm_std::ensure(&["wasm32-unknown-unknown"])?;
    web::packages(workspace, "functions/cloudflare")?;
    let wasm_bindgen = tools::wasm_bindgen(workspace)?.ensure(workspace)?;
    let worker_build = tools::worker_build(workspace)?.ensure(workspace)?;

    run::step("compiling the Worker");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--target", "wasm32-unknown-unknown", "--profile", "edge"]);
    run::run(cargo.args(["--package", "frontdesk-cloudflare", "--package", "frontdesk-extract-module"]))?;

    // The rest is only done again when one of its inputs changed.
    let built = workspace.target().join("wasm32-unknown-unknown/edge/frontdesk_cloudflare.wasm");
    let stamp = Stamp::new(workspace.path("functions/cloudflare/build/.frontdesk-stamp"), &[built])?;
    let [core, script, _] = WORKER.map(|file| workspace.path(file));
    if !(stamp.is_fresh() && core.is_file() && script.is_file()) {
        run::step("bundling the Worker");
        let packages = workspace.path("functions/cloudflare/node_modules/.bin");
        let mut bundle = Command::new(worker_build);
        bundle
            .current_dir(workspace.path("functions/cloudflare"))
            .args(["--profile", "edge"])
            // Without these it would download programs.
            .env("WASM_BINDGEN_BIN", wasm_bindgen)
            .env("ESBUILD_BIN", packages.join("esbuild"));
        let log = workspace.state("logs").join("worker-build.log");
        run::run_logged(&mut bundle, &log)?;
        optimise(workspace, &["--all-features"], &core, &core, &log)?;
        stamp.write()?;
    }
    // Behind the bundle, which may clear the directory of both.
    Ok(vec![core, script, reader_module(workspace)?])
}

/// The module that reads files, for the Worker.
pub fn reader_module(workspace: &Workspace) -> Result<PathBuf> {
    wasm_std::ensure(&["wasm32-unknown-unknown"])?;
    web::packages(workspace, "functions/cloudflare")?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--target", "wasm32-unknown-unknown", "--profile", "edge"]);
    run::run(cargo.args(["--package", "frontdesk-extract-module"]))?;
    let built = workspace.target().join("wasm32-unknown-unknown/edge/frontdesk_extract_module.wasm");
    let module = workspace.path(READER);
    let inputs = [built.clone(), workspace.path(EXPORTS)];
    let stamp = Stamp::new(workspace.path("functions/cloudflare/build/.frontdesk-reader-stamp"), &inputs)?;
    if !(stamp.is_fresh() && module.is_file()) {
        run::step("making the module that reads files smaller");
        std::fs::create_dir_all(module.parent().context("no directory")?)?;
        shut(workspace, &built, &workspace.state("logs").join("wasm-opt.log"))?;
        stamp.write()?;
    }
    Ok(module)
}

/// Leaves of the reader what its host calls, and takes away whatever it would ask its host for: its libraries can do more
/// (make ids, with random numbers from JavaScript) than it ever does.
fn shut(workspace: &Workspace, reader: &Path, log: &Path) -> Result<()> {
    let called = workspace.path(READER).with_extension("called.wasm");
    let mut keep = Command::new(workspace.path("functions/cloudflare/node_modules/.bin/wasm-metadce"));
    keep.arg("--all-features").arg("--graph-file").arg(workspace.path(EXPORTS));
    run::run_logged(keep.arg(reader).arg("-o").arg(&called), log)?;
    let closed = ["--all-features", "--remove-imports", "--remove-unused-module-elements"];
    optimise(workspace, &closed, &called, &workspace.path(READER), log)?;
    std::fs::remove_file(&called).with_context(|| shown(&called))
}

/// Makes a module smaller, which costs no speed here; `also` comes after that.
fn optimise(workspace: &Workspace, also: &[&str], from: &Path, to: &Path, log: &Path) -> Result<()> {
    let mut optimise = Command::new(workspace.path("functions/cloudflare/node_modules/.bin/wasm-opt"));
    optimise.args(["-Oz", "--strip-debug", "--strip-producers"]).args(also);
    run::run_logged(optimise.arg(from).arg("-o").arg(to), log)
}

/// What is served in front of the Worker: the web pages, with the headers that the local host gives them.
const HEADERS: &str = "/*
  X-Content-Type-Options: nosniff
  Referrer-Policy: strict-origin-when-cross-origin
  Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()
  Strict-Transport-Security: max-age=31536000
  Cache-Control: public, max-age=300, stale-while-revalidate=86400
  Content-Security-Policy: default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'
/demo/
  ! Cache-Control
  Cache-Control: no-cache
/widget*
  Cross-Origin-Resource-Policy: cross-origin
  Access-Control-Allow-Origin: *
";

/// Copies the web pages to where wrangler takes them from. Compressed copies are left out: the runtime compresses.
pub fn assets(workspace: &Workspace, to: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(to);
    let plain = |path: &Path| path.extension().is_none_or(|kind| kind != "br" && kind != "gz");
    copy(&workspace.path("web/dist"), to, plain)?;
    std::fs::write(to.join("_headers"), HEADERS)?;
    std::fs::write(to.join("_redirects"), "/ /demo/ 307\n")?;
    Ok(())
}

/// Copies a directory: of its files those that are not hidden and that `wanted` says.
pub fn copy(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool + Copy) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| shown(to))?;
    for entry in std::fs::read_dir(from).with_context(|| shown(from))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name), wanted)?;
        } else if wanted(&path) && !name.to_string_lossy().starts_with('.') {
            std::fs::copy(&path, to.join(name)).with_context(|| shown(&path))?;
        }
    }
    Ok(())
}

/// The component: for Spin itself, or portable, for any host of `wasi:http`.
pub fn component(workspace: &Workspace, for_spin: bool) -> Result<PathBuf> {
    run::step(if for_spin { "compiling the Spin component" } else { "compiling the portable component" });
    let mut cargo = compile(workspace, "frontdesk-spin")?;
    if for_spin {
        cargo.args(["--features", "frontdesk-spin/spin-variables"]);
    }
    run::run(&mut cargo)?;
    kept(
        workspace,
        "frontdesk_spin.wasm",
        if for_spin { "frontdesk_for_spin.wasm" } else { "frontdesk_portable.wasm" },
        &[],
    )
}

/// The component that reads files.
pub fn reader_component(workspace: &Workspace) -> Result<PathBuf> {
    run::step("compiling the component that reads files");
    run::run(&mut compile(workspace, "frontdesk-extract-module")?)?;
    // It is small enough to be made smaller over and over.
    kept(workspace, "frontdesk_extract_module.wasm", "frontdesk_reader.wasm", &["--converge"])
}

/// The component that ours is measured against.
pub fn hello_component(workspace: &Workspace) -> Result<PathBuf> {
    run::run(&mut compile(workspace, "frontdesk-bench-hello")?)?;
    kept(workspace, "frontdesk_bench_hello.wasm", "hello.wasm", &[])
}

/// Compiles the component of a package.
fn compile(workspace: &Workspace, package: &str) -> Result<Command> {
    wasm_std::ensure(&["wasm32-wasip2"])?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--target", "wasm32-wasip2", "--profile", "edge", "--package", package]);
    let flags = serde_json::to_string(&without_paths(workspace)?)?;
    cargo.arg("--config").arg(format!("target.wasm32-wasip2.rustflags={flags}"));
    Ok(cargo)
}

/// Flags for the compiler that keep this machine's directories out of what it makes: a panic names its source, so that a
/// component would be larger where these are longer. What stands further down wins.
fn without_paths(workspace: &Workspace) -> Result<Vec<String>> {
    let home = cargo_home()?;
    let sources = wasm_std::Compiler::find()?.sysroot.join("lib/rustlib/src/rust");
    let mut named = vec![
        (home.clone(), "/cargo"),
        (sources, "/rust"),
        (workspace.target(), "/target"),
        (workspace.root.clone(), "/frontdesk"),
    ];
    // One for each registry that crates come from.
    for directory in ["registry/src", "git/checkouts"] {
        let entries = std::fs::read_dir(home.join(directory)).into_iter().flatten();
        named.extend(entries.flatten().map(|entry| (entry.path(), "")));
    }
    Ok(named.iter().map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display())).collect())
}

/// Where cargo keeps the sources of crates.
fn cargo_home() -> Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(PathBuf::from(home)),
        None => Ok(std::env::home_dir().context("neither CARGO_HOME nor HOME is set")?.join(".cargo")),
    }
}

/// What a core module of a component may use: what the compiler lets it, so that it runs wherever it ran before.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Leaves what was built, made smaller, under the name that spin.toml gives it, wherever cargo built it. `how` is what the
/// optimiser is told beside what it is told of all.
fn kept(workspace: &Workspace, built: &str, name: &str, how: &[&str]) -> Result<PathBuf> {
    web::packages(workspace, "functions/cloudflare")?;
    let built = workspace.target().join("wasm32-wasip2/edge").join(built);
    let kept = workspace.path("target/wasm32-wasip2/edge").join(name);
    let stamp = Stamp::new(kept.with_extension("stamp"), std::slice::from_ref(&built))?;
    if !(stamp.is_fresh() && kept.is_file()) {
        run::step(&format!("making {name} smaller (a minute or two)"));
        let bytes = std::fs::read(&built).with_context(|| shown(&built))?;
        let directory = tempfile::tempdir()?;
        let core = directory.path().join("core.wasm");
        std::fs::write(&core, component::core(&bytes)?).with_context(|| shown(&core))?;
        let how = [&FEATURES, how].concat();
        optimise(workspace, &how, &core, &core, &workspace.state("logs").join("wasm-opt.log"))?;
        let core = std::fs::read(&core).with_context(|| shown(&core))?;
        std::fs::create_dir_all(kept.parent().context("no directory")?).with_context(|| shown(&kept))?;
        std::fs::write(&kept, component::with_core(&bytes, &core)?).with_context(|| shown(&kept))?;
        stamp.write()?;
    }
    Ok(kept)
}

/// Prints each file's size, raw and compressed; gives the compressed ones' sum.
fn sizes(files: &[PathBuf]) -> Result<usize> {
    let mut total = 0_usize;
    for file in files {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let compressed = gzip(&bytes).with_context(|| shown(file))?;
        total = total.saturating_add(compressed);
        run::say(&format!(
            "  {:<28} {:>10} bytes, {compressed:>10} gzip",
            file.file_name().unwrap_or_default().to_string_lossy(),
            bytes.len(),
        ));
    }
    Ok(total)
}

fn gzip(bytes: &[u8]) -> Result<usize> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
