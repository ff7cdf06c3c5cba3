//! The same cases against every host: `tests/parity`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::build::{self, Host};
use crate::cloudflare;
use crate::run::{self, Guarded};
use crate::setup::{self, tools};
use crate::spin::{self, Layout, Reuse};
use crate::test::Session;
use crate::test::count::{self, Counts};
use crate::test::hosts::{HostUnderTest, Start};
use crate::test::imports;
use crate::workspace::which;

/// How long a program that is built already may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Every case against each host under test. What the hosts said is kept in `target/parity/HOST`.
pub fn every_host(session: &Session<'_>) -> Result<Counts> {
    let model = Model::start(session)?;
    session.on.iter().try_fold(Counts::default(), |counts, host| {
        run::step(&format!("  {}", host.name()));
        Ok(counts.add(one_host(session, *host, &model)?))
    })
}

/// The cases that want several organisations.
const PEOPLE: [&str; 2] = ["people::", "isolation::"];

/// Of which kind a host under test is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// With the demo's documents and without limits.
    Plain,
    /// New, with limits.
    Limits,
    /// The first, and any caller may register.
    Registration,
}

fn one_host(session: &Session<'_>, host: Host, model: &Model) -> Result<Counts> {
    let transcripts = session.workspace.state("parity").join(host.name());
    let _ = std::fs::remove_dir_all(&transcripts);
    let suite = |of: Of, layout: Layout, filter: &[&str]| {
        let (limits, registration) = (of == Of::Limits, of == Of::Registration);
        let start = Start { host, limits, registration, model: Some(&model.base_url), layout };
        let under_test = HostUnderTest::start(session, start)?;
        let mut suite = session.workspace.cargo();
        suite
            .env("FRONTDESK_BASE_URL", &under_test.base_url)
            .env("FRONTDESK_READY", &under_test.ready)
            .env("FRONTDESK_MODEL_URL", &model.base_url)
            .env("FRONTDESK_TRANSCRIPTS", &transcripts);
        if let (Some(kill), None) = (&under_test.kill, std::env::var_os("FRONTDESK_RESTART_CMD")) {
            suite.env("FRONTDESK_RESTART_CMD", kill);
        }
        if matches!(host, Host::Spin) {
            suite.env("FRONTDESK_WORDS_PER_SECOND", "20");
        }
        cases(session, suite, "parity", filter)
    };
    let plain = Layout::default();
    if let Some(case) = session.case {
        let layout = match host {
            Host::Spin if case.starts_with("cuts") => Layout { twice: true, ..plain },
            Host::Spin => Layout { reuse: Some(Reuse { all: 1_000_000, at_once: 1_000 }), ..plain },
            Host::Local | Host::Cloudflare => plain,
        };
        // There are no sockets on Spin, and only there the cases of a host without them.
        let elsewhere = if matches!(host, Host::Spin) { "sockets::" } else { "socketless::" };
        let of = if case.starts_with("limits") {
            Of::Limits
        } else if PEOPLE.iter().any(|people| case.starts_with(people.trim_end_matches(':'))) {
            Of::Registration
        } else {
            Of::Plain
        };
        return suite(of, layout, &["--skip", elsewhere, case]);
    }
    // Limits are counted from the first request on, so they have a host of their own.
    let counts = suite(Of::Limits, plain, &["limits::"])?;
    // A second organisation changes what is said to callers whose organisation is not known.
    let counts = counts.add(suite(Of::Registration, plain, &PEOPLE)?);
    if !matches!(host, Host::Spin) {
        let elsewhere = ["limits::", "socketless::", PEOPLE[0], PEOPLE[1]];
        let skip: Vec<&str> = elsewhere.iter().flat_map(|name| ["--skip", name]).collect();
        return Ok(counts.add(suite(Of::Plain, plain, &skip)?));
    }
    let reuse = |all: u32, at_once: u32| Layout { reuse: Some(Reuse { all, at_once }), ..plain };
    // A change of settings is in force at once in the instance that made it: these have one for all.
    let elsewhere = [
        "limits::",
        "sockets::",
        "cuts::",
        "crowd::",
        "left_over::",
        "take_over::no_word",
        PEOPLE[0],
        PEOPLE[1],
    ];
    let skip: Vec<&str> = elsewhere.iter().flat_map(|name| ["--skip", name]).collect();
    let counts = counts.add(suite(Of::Plain, reuse(1_000_000, 1_000), &skip)?);
    // Instances that go when they are idle, as the program has it by default.
    let counts = counts.add(suite(Of::Plain, plain, &["left_over::"])?);
    // As many as two processes make.
    let counts = counts.add(suite(
        Of::Plain,
        Layout { twice: true, ..plain },
        &["cuts::", "crowd::", "take_over::no_word"],
    )?);
    // One for each request.
    let talk = ["messages::", "resume::", "take_over::an", "conversations::", "feedback::", "uploads::"];
    let counts = counts.add(suite(Of::Plain, reuse(1, 1), &talk)?);
    // And by chance.
    let any = reuse(chance(64), chance(16));
    run::step(&format!("  {} with {}", host.name(), any.args().join(" ")));
    let counts = counts.add(suite(Of::Plain, any, &["crowd::"])?);
    // With the rooms of another host.
    run::step(&format!("  {} with the rooms of {}", host.name(), Host::Cloudflare.name()));
    let rooms = Layout { rooms_elsewhere: true, ..plain };
    Ok(counts.add(suite(
        Of::Plain,
        rooms,
        &["messages::", "resume::", "take_over::", "conversations::", "feedback::", "crowd::"],
    )?))
}

/// A number from 1 to `most`, another one each time.
fn chance(most: u64) -> u32 {
    let drawn = RandomState::new().build_hasher().finish().checked_rem(most).unwrap_or_default();
    u32::try_from(drawn).unwrap_or_default().saturating_add(1)
}

/// The fake model that the hosts ask.
struct Model {
    _server: Guarded,
    base_url: String,
}

impl Model {
    fn start(session: &Session<'_>) -> Result<Self> {
        let mut cargo = session.workspace.cargo();
        run::run(cargo.args(["build", "--quiet", "--package", "frontdesk-stand-ins", "--bin", "fake-ai"]))?;
        let port = run::free_port()?;
        let mut command = Command::new(session.workspace.target().join("debug/fake-ai"));
        command.args(["--port", &port.to_string(), "--first-token-ms", "0"]);
        // Many servers refuse what states no length.
        command.args(["--tokens-per-second", "0", "--strict"]);
        let mut server = Guarded::start(&mut command, &session.log)?;
        server.wait_until(START, "the fake model", || run::listens(port))?;
        Ok(Self { _server: server, base_url: format!("http://127.0.0.1:{port}/v1") })
    }
}

/// What is deployed to, by wrangler.toml.
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// What a host answers that has nothing to work with: the Worker under workerd and the component under wasmtime.
pub fn edge(session: &Session<'_>) -> Result<Counts> {
    setup::edge(session.workspace)?;
    if session.case == Some("reader") {
        return readers(session);
    }
    build::cloudflare(session.workspace)?;
    let component = build::component(session.workspace, false)?;
    let asked = imports::imports(session, &component)?;
    let reader = reader(session)?.add(readers(session)?);
    let edge = |base_url: &str| {
        let mut suite = session.workspace.cargo();
        suite.env("FRONTDESK_BASE_URL", base_url);
        cases(session, suite, "parity", &["edge::"])
    };

    let directory = tempfile::tempdir()?;
    let deployed = ENVIRONMENTS.iter().try_fold(Counts::default(), |counts, environment| {
        let mut command = cloudflare::deploy_dry_run(session.workspace, environment, directory.path())?;
        anyhow::Ok(counts.add(session.check(&mut command)?))
    })?;

    let port = run::free_port()?;
    let worker = cloudflare::workerd(session.workspace, cloudflare::ENTRY, port, directory.path(), &[])?;
    let counts = edge(&format!("http://127.0.0.1:{port}"))?;
    drop(worker);

    let port = run::free_port()?;
    let mut command = spin::serve(&tools::wasmtime().path()?, port, &component);
    let mut wasmtime = Guarded::start(&mut command, &session.log)?;
    wasmtime.wait_until(START, "wasmtime serve", || run::listens(port))?;
    Ok(asked.add(reader).add(deployed).add(counts).add(edge(&format!("http://127.0.0.1:{port}"))?))
}

/// The module that reads files, as the Worker calls it.
fn reader(session: &Session<'_>) -> Result<Counts> {
    let directory = session.workspace.path("functions/cloudflare");
    let mut node = Command::new(directory.join("node_modules/.bin/node"));
    let (well, text) = session.run(node.current_dir(&directory).args(["--test", "tests/*.test.mjs"]))?;
    Ok(count::node(&text).judged(well))
}

/// The readers of both edge hosts, each alone in its process, and files that want to do harm.
fn readers(session: &Session<'_>) -> Result<Counts> {
    let hostile = |server: Guarded, port: u16| {
        let mut suite = session.workspace.cargo();
        suite.env("FRONTDESK_READER_URL", format!("http://127.0.0.1:{port}"));
        suite.env("FRONTDESK_READER_PID", server.0.id().to_string());
        if session.case == Some("reader") {
            suite.env("FRONTDESK_HOSTILE", "all");
        }
        cases(session, suite, "reader", &[])
    };
    let directory = tempfile::tempdir()?;
    let port = run::free_port()?;
    build::reader_module(session.workspace)?;
    let counts = hostile(cloudflare::reader(session.workspace, port, directory.path())?, port)?;

    let port = run::free_port()?;
    let component = build::reader_component(session.workspace)?;
    let mut command = spin::serve(&tools::wasmtime().path()?, port, &component);
    command.args(["-W", "max-memory-size=128000000", "-W", "timeout=60s"]);
    let mut wasmtime = Guarded::start(&mut command, &session.log)?;
    wasmtime.wait_until(START, "wasmtime serve", || run::listens(port))?;
    Ok(counts.add(hostile(wasmtime, port)?))
}

/// The cases of a suite that the filter leaves, one after the other.
fn cases(session: &Session<'_>, mut cargo: Command, name: &str, filter: &[&str]) -> Result<Counts> {
    let suite = ["--workspace", "--features", "frontdesk-tests/parity", "--test", name, "--no-fail-fast"];
    if std::env::var_os("INSTA_UPDATE").is_none() {
        cargo.env("INSTA_UPDATE", "no");
    }
    let counts = if which("cargo-nextest").is_some() {
        cargo.args(["nextest", "run"]).args(suite).args(["--test-threads", "1", "--"]);
        let (well, text) = session.run(cargo.args(filter))?;
        count::nextest(&text).judged(well)
    } else {
        cargo.arg("test").args(suite).args(["--", "--test-threads", "1"]);
        let (well, text) = session.run(cargo.args(filter))?;
        count::cargo_test(&text).judged(well)
    };
    // Those that the filter leaves out run elsewhere.
    Ok(Counts { skipped: 0, ..counts })
}
