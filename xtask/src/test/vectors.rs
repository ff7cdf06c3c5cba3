//! Vectors in Qdrant: `tests/vectors`.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::dev;
use crate::run::{self, Guarded};
use crate::test::Session;
use crate::test::count::Counts;
use crate::test::sources::cargo_test;

/// How long the stand-in may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Its key.
const KEY: &str = "key-of-the-stand-in";

/// The tests against the server at `QDRANT_URL`, or else against a stand-in over Qdrant's own engine.
pub fn vectors(session: &Session<'_>) -> Result<Counts> {
    let program = dev::host(session.workspace, false)?;
    let mut tests = session.workspace.cargo();
    // As cargo names it to tests of the host's own package: files are read by it, and one test runs it.
    tests.env("CARGO_BIN_EXE_frontdesk", program);
    let selection = ["--workspace", "--features", "frontdesk-tests/vectors", "--test", "vectors"];
    if std::env::var_os("QDRANT_URL").is_some() {
        return cargo_test(session, tests, &selection);
    }
    let manifest = session.workspace.path("stand-ins/qdrant/Cargo.toml");
    let cargo = |command: &str| {
        let mut cargo = session.workspace.cargo();
        cargo.args([command, "--manifest-path"]).arg(&manifest);
        cargo
    };
    let format = session.check(cargo("fmt").arg("--check"))?;
    // A directory of its own: it shares next to nothing with the product.
    let target = session.workspace.target().join("fake-qdrant");
    let built = session.check(cargo("build").args(["--locked", "--target-dir"]).arg(&target))?;
    let stand_in = target.join("debug/fake-qdrant");
    let port = run::free_port()?;
    let mut server = Command::new(&stand_in);
    server.args(["--port", &port.to_string(), "--api-key", KEY]);
    let mut server = Guarded::start(&mut server, &session.log)?;
    server.wait_until(START, "fake-qdrant", || run::listens(port))?;
    tests
        .env("QDRANT_URL", format!("http://127.0.0.1:{port}"))
        .env("QDRANT_API_KEY", KEY)
        .env("FRONTDESK_FAKE_QDRANT", stand_in);
    Ok(format.add(built).add(cargo_test(session, tests, &selection)?))
}
