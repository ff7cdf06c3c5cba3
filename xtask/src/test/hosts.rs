//! Parts that need a running host.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::run::{self, Guarded};
use crate::setup::{self, python, tools};
use crate::test::Session;
use crate::test::count::{self, Counts};
use crate::workspace::which;
use crate::{build, dev, web};

/// How long a host may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// The one-machine host with a data directory of its own.
struct Local {
    _server: Guarded,
    /// What it wrote when it was ready.
    ready: PathBuf,
    /// Where it answers.
    base_url: String,
    _data: TempDir,
}

impl Local {
    fn start(session: &Session<'_>) -> Result<Self> {
        web::build(session.workspace)?;
        let program = dev::host(session.workspace, false)?;
        let data = tempfile::tempdir()?;
        let ready = data.path().join("ready.json");
        let port = run::free_port()?;
        let mut command = Command::new(program);
        command.current_dir(&session.workspace.root).args([
            "dev",
            "--no-limits",
            "--port",
            &port.to_string(),
        ]);
        command.arg("--data").arg(data.path().join("data")).arg("--ready").arg(&ready);
        command.arg("--web").arg(session.workspace.path("web/dist"));
        let mut server = Guarded::start(&mut command, &session.log)?;
        server.wait_until(START, "the server", || read_ready(&ready).is_some())?;
        let told = read_ready(&ready).context("the ready file")?;
        let base_url =
            told.get("base_url").and_then(|url| url.as_str()).context("the ready file has no base_url")?;
        Ok(Self { _server: server, base_url: base_url.trim_end_matches('/').to_owned(), ready, _data: data })
    }
}

/// The ready file, once it is whole.
fn read_ready(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// The pages in a real browser against a real server.
pub fn browser(session: &Session<'_>) -> Result<Counts> {
    setup::browser(session.workspace)?;
    let local = Local::start(session)?;
    let mut npm = web::npm(&session.workspace.path("tests/browser"));
    if let Some(chromium) = setup::chromium::find() {
        npm.env("CHROMIUM_PATH", chromium);
    }
    let (well, text) = session.run(npm.arg("test").env("FRONTDESK_READY", &local.ready))?;
    Ok(count::node(&text).judged(well))
}

/// The API against its own description, by a property-based tester.
pub fn api(session: &Session<'_>) -> Result<Counts> {
    let schemathesis = python::schemathesis()?;
    let local = Local::start(session)?;
    let report = tempfile::NamedTempFile::new()?;
    let mut command = Command::new(schemathesis);
    command
        // Here are its settings and its way to sign in.
        .current_dir(session.workspace.path("tests/api"))
        .args(["run", &format!("{}/api/v1/openapi.json", local.base_url), "--url", &local.base_url])
        .arg("--report-junit-path")
        .arg(report.path())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", session.workspace.path("tests/api"))
        .env("FRONTDESK_READY", &local.ready);
    let (well, _) = session.run(&mut command)?;
    Ok(count::junit(&std::fs::read_to_string(report.path()).unwrap_or_default()).judged(well))
}

/// The same cases against the Worker under workerd and the component under wasmtime.
pub fn edge(session: &Session<'_>) -> Result<Counts> {
    setup::edge(session.workspace)?;
    build::worker(session.workspace)?;
    let component = build::component(session.workspace, false)?;

    let (_worker, worker_url) = workerd(session)?;
    let counts = parity(session, &worker_url)?;

    let port = run::free_port()?;
    let mut command = Command::new(tools::wasmtime().path()?);
    command.args(["serve", "-Scli", "--addr", &format!("127.0.0.1:{port}")]).arg(component);
    let mut wasmtime = Guarded::start(&mut command, &session.log)?;
    wasmtime.wait_until(START, "wasmtime serve", || run::listens(port))?;
    Ok(counts.add(parity(session, &format!("http://127.0.0.1:{port}"))?))
}

/// `wrangler dev` with a free port.
fn workerd(session: &Session<'_>) -> Result<(Guarded, String)> {
    let packages = session.workspace.path("functions/cloudflare/node_modules/.bin");
    // The packages' own Node goes first: wrangler needs a newer one than the machine may have.
    let mut path = vec![packages.clone()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let port = run::free_port()?;
    let log = session.log.with_extension("wrangler.log");
    let _ = std::fs::remove_file(&log);
    let mut command = Command::new(packages.join("wrangler"));
    command
        .current_dir(&session.workspace.root)
        .args(["dev", "--local", "--ip", "127.0.0.1", "--port", &port.to_string()])
        .args(["--inspector-port", &run::free_port()?.to_string(), "--show-interactive-dev-session=false"])
        .env("PATH", std::env::join_paths(path)?)
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "1");
    let mut server = Guarded::start(&mut command, &log)?;
    let ready = server.wait_until(START, "wrangler dev", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("Ready on")) && run::listens(port)
    });
    if ready.is_err() {
        // What it said belongs into the part's log.
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::write(&session.log, said);
    }
    ready?;
    Ok((server, format!("http://127.0.0.1:{port}")))
}

/// The cases of `tests/parity.rs` against a running host.
fn parity(session: &Session<'_>, base_url: &str) -> Result<Counts> {
    against(session, "parity", &[("FRONTDESK_BASE_URL", base_url.as_ref())])
}

/// The key of the stand-in for Qdrant.
const KEY: &str = "key-of-the-stand-in";

/// Vectors in Qdrant.
pub fn vectors(session: &Session<'_>) -> Result<Counts> {
    let program = dev::host(session.workspace, false)?;
    // As cargo names it to tests of the host's own package: files are read by it, and one test runs it.
    let program = ("CARGO_BIN_EXE_frontdesk", program.as_os_str());
    if std::env::var_os("QDRANT_URL").is_some() {
        return against(session, "vectors", &[program]);
    }
    let manifest = session.workspace.path("stand-ins/qdrant/Cargo.toml");
    let build = |command: &str| {
        let mut cargo = session.workspace.cargo();
        cargo.args([command, "--manifest-path"]).arg(&manifest);
        cargo
    };
    let format = session.check(build("fmt").arg("--check"))?;
    let target = session.workspace.target().join("fake-qdrant");
    let built = session.check(build("build").args(["--locked", "--target-dir"]).arg(&target))?;
    let port = run::free_port()?;
    let mut command = Command::new(target.join("debug/fake-qdrant"));
    command.args(["--port", &port.to_string(), "--api-key", KEY]);
    let mut server = Guarded::start(&mut command, &session.log)?;
    server.wait_until(START, "fake-qdrant", || run::listens(port))?;
    let address = format!("http://127.0.0.1:{port}");
    let server = [("QDRANT_URL", address.as_ref()), ("QDRANT_API_KEY", KEY.as_ref()), program];
    let vectors = against(session, "vectors", &server)?;
    Ok(format.add(built).add(vectors))
}

/// The tests of the end-to-end crate that need `feature`, which is named as they are.
fn against(session: &Session<'_>, feature: &str, vars: &[(&str, &OsStr)]) -> Result<Counts> {
    let mut cargo = session.workspace.cargo();
    cargo.envs(vars.iter().copied());
    let features = format!("frontdesk-tests/{feature}");
    let selection = ["--workspace", "--features", &features, "--test", feature, "--no-fail-fast"];
    if which("cargo-nextest").is_some() {
        let (well, text) = session.run(cargo.args(["nextest", "run"]).args(selection))?;
        return Ok(count::nextest(&text).judged(well));
    }
    let (well, text) = session.run(cargo.arg("test").args(selection))?;
    Ok(count::cargo_test(&text).judged(well))
}
