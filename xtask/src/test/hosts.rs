//! Parts that need a running host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::build::Host;
use crate::dev::{self, DevArgs};
use crate::run::{self, Guarded};
use crate::setup::{self, python};
use crate::spin::Layout;
use crate::test::Session;
use crate::test::count::{self, Counts};
use crate::web;

/// How long a host may take until it answers, when it has to be built first.
const START: Duration = Duration::from_secs(30 * 60);

/// How a host is started.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Which.
    pub host: Host,
    /// Whether requests are counted.
    pub limits: bool,
    /// Whether any caller may register.
    pub registration: bool,
    /// The model's `OPENAI_BASE_URL`.
    pub model: Option<&'a str>,
    /// Of a component: how it is run.
    pub layout: Layout,
}

impl From<Host> for Start<'static> {
    fn from(host: Host) -> Self {
        Self { host, limits: false, registration: false, model: None, layout: Layout::default() }
    }
}

/// A host with data of its own, filled for the demo. It ends with this value; when it is killed before, it is started again.
pub struct HostUnderTest {
    /// What it wrote when it was ready.
    pub ready: PathBuf,
    /// Where it answers.
    pub base_url: String,
    /// A shell command that kills its server without warning. A host of several processes tells its own in the ready file
    /// (`kill`), and starts again what was killed.
    pub kill: Option<String>,
    // Ends before its data goes.
    _server: Supervisor,
    _data: TempDir,
}

impl HostUnderTest {
    /// Starts it; requests are answered when this returns.
    pub fn start(session: &Session<'_>, start: Start<'_>) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let (ready, pid) = (data.path().join("ready.json"), data.path().join("pid"));
        let mut command = command(session, start, data.path().join("data"), ready.clone())?;
        command.current_dir(&session.workspace.root).env("LOG_LEVEL", "warn");
        for name in ["API_KEY", "BASE_URL", "MODEL", "FALLBACK_MODEL", "EMBEDDING_MODEL"] {
            command.env_remove(format!("OPENAI_{name}"));
        }
        if start.registration {
            command.env("REGISTRATION", "open");
        }
        if let Some(model) = start.model {
            command.env("OPENAI_BASE_URL", model).env("OPENAI_MODEL", "fake-chat");
            command.env("OPENAI_FALLBACK_MODEL", "fake-chat-small");
            command.env("OPENAI_EMBEDDING_MODEL", "fake-embedding");
        }
        let mut server = Guarded::start(&mut command, &session.log)?;
        server.wait_until(START, start.host.name(), || read_ready(&ready).is_some())?;
        let told = read_ready(&ready).context("the ready file")?;
        let text = |name: &str| told.get(name).and_then(|text| text.as_str()).map(str::to_owned);
        let base_url = text("base_url").context("the ready file has no base_url")?;
        let own =
            || matches!(start.host, Host::Local).then(|| format!("kill -KILL $(cat {})", pid.display()));
        let kill = text("kill").or_else(own);
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            kill,
            _server: Supervisor::watch(server, command, session.log.clone(), pid)?,
            ready,
            _data: data,
        })
    }
}

/// The local host is a copy of the program, which no build changes meanwhile; others are what `cargo xtask dev --on NAME`
/// runs.
fn command(session: &Session<'_>, start: Start<'_>, data: PathBuf, ready: PathBuf) -> Result<Command> {
    let port = run::free_port()?;
    if matches!(start.host, Host::Local) {
        let program = ready.with_file_name("frontdesk");
        let args = DevArgs {
            port,
            data,
            empty: start.limits,
            on: dev::On::Local,
            no_limits: !start.limits,
            ready: Some(ready),
            release: false,
            testing: false,
            layout: Layout::default(),
        };
        let built = dev::server(session.workspace, &args)?;
        std::fs::copy(built.get_program(), &program).with_context(|| program.display().to_string())?;
        let mut command = Command::new(program);
        command.args(built.get_args());
        return Ok(command);
    }
    let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
    command.args(["dev", "--testing", "--on", start.host.name(), "--port", &port.to_string()]);
    command.arg("--data").arg(data).arg("--ready").arg(ready);
    command.args(start.layout.args());
    // Documents are sent over the API, where they would count.
    command.arg(if start.limits { "--empty" } else { "--no-limits" });
    Ok(command)
}

/// The ready file, once it is whole.
fn read_ready(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// Starts a program again whenever it is killed or stopped, until this is dropped.
struct Supervisor {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Takes over a program that runs. `pid` is the file that tells its process, at any time.
    fn watch(mut server: Guarded, mut command: Command, log: PathBuf, pid: PathBuf) -> Result<Self> {
        std::fs::write(&pid, server.0.id().to_string()).with_context(|| pid.display().to_string())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(Some(status)) = server.0.try_wait() {
                    // One that fails would fail again. Who waits for it in vain says so.
                    if status.code().is_some_and(|code| code != 0) {
                        return;
                    }
                    let Ok(again) = Guarded::start(&mut command, &log) else { return };
                    server = again;
                    let _ = std::fs::write(&pid, server.0.id().to_string());
                }
                run::pause(Duration::from_millis(20));
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The program ends with its thread.
            let _ = thread.join();
        }
    }
}

/// Runs a part against each host under test.
fn each(session: &Session<'_>, part: impl Fn(&HostUnderTest) -> Result<Counts>) -> Result<Counts> {
    session.on.iter().try_fold(Counts::default(), |counts, host| {
        Ok(counts.add(part(&HostUnderTest::start(session, (*host).into())?)?))
    })
}

/// The pages in a real browser against a real server.
pub fn browser(session: &Session<'_>) -> Result<Counts> {
    setup::browser(session.workspace)?;
    each(session, |host| {
        let mut npm = web::npm(&session.workspace.path("tests/browser"));
        if let Some(chromium) = setup::chromium::find() {
            npm.env("CHROMIUM_PATH", chromium);
        }
        let (well, text) = session.run(npm.arg("test").env("FRONTDESK_READY", &host.ready))?;
        Ok(count::node(&text).judged(well))
    })
}

/// The API against its own description, by a property-based tester.
pub fn api(session: &Session<'_>) -> Result<Counts> {
    let schemathesis = python::schemathesis()?;
    each(session, |host| {
        let report = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(&schemathesis);
        command
            // Here are its settings and its way to sign in.
            .current_dir(session.workspace.path("tests/api"))
            .args(["run", &format!("{}/api/v1/openapi.json", host.base_url), "--url", &host.base_url])
            .arg("--report-junit-path")
            .arg(report.path())
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", session.workspace.path("tests/api"))
            .env("FRONTDESK_READY", &host.ready);
        let (well, _) = session.run(&mut command)?;
        Ok(count::junit(&std::fs::read_to_string(report.path()).unwrap_or_default()).judged(well))
    })
}
