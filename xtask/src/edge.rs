//! What an edge host has beside it on this machine: a real libSQL server, secrets, the demo's organisation. It waits
//! until that is ready.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::dev::{self, DevArgs};
use crate::run::{self, Guarded};
use crate::setup::sqld;
use crate::web;
use crate::workspace::Workspace;

/// How long a program may take until it answers, on a busy machine.
pub const START: Duration = Duration::from_secs(180);

/// The variables of the deployment that come from the caller.
const PASSED_ON: [&str; 14] = [
    "REGISTRATION",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "OPENAI_FALLBACK_MODEL",
    "OPENAI_EMBEDDING_MODEL",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "QDRANT_VECTORS",
    "ALLOWED_ORIGINS",
    "PUBLIC_URL",
    "LOG_LEVEL",
    "ADMIN_EMAIL",
    "METRICS_TOKEN",
];

/// A database server with the demo's organisation, and where the host answers.
pub struct Backing {
    /// The data directory.
    pub data: PathBuf,
    /// Where the host answers.
    pub base_url: String,
    /// The site's public key.
    pub site_key: String,
    program: PathBuf,
    database: Guarded,
    database_url: String,
    /// What `seed` told: the operator's login, the site.
    told: Value,
    /// Whether the data directory is new.
    fresh: bool,
    empty: bool,
    ready: Option<PathBuf>,
    stopped: Arc<AtomicBool>,
}

/// A server of the host.
pub struct Served {
    /// It.
    pub server: Guarded,
    /// What it is called.
    pub name: &'static str,
    /// How it is started again when it is killed or stopped.
    pub again: Option<Again>,
}

/// Starts a server again; it answers later.
pub type Again = Box<dyn FnMut() -> Result<Guarded>>;

impl Backing {
    /// Builds what is needed and starts the database server.
    pub fn start(workspace: &Workspace, args: &DevArgs) -> Result<Self> {
        // A signal that stops this program goes to those that it starts, too.
        let stopped = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stopped)).context("signals")?;
        }
        let data = std::path::absolute(&args.data).context("the data directory")?;
        web::build(workspace)?;
        let program = dev::host(workspace, args.release)?;
        let sqld = sqld::ensure(workspace)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data)
            .with_context(|| data.display().to_string())?;

        run::step("starting the database server");
        let port = run::free_port()?;
        let database_url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(sqld);
        command.arg("--db-path").arg(data.join("sqld"));
        command.args(["--http-listen-addr", &format!("127.0.0.1:{port}"), "--no-welcome"]);
        command.args(["--checkpoint-interval-s", "5"]);
        let mut database = Guarded::start(&mut command, &data.join("sqld.log"))?;
        database.wait_until(START, "sqld", || run::listens(port))?;

        let seeded = data.join("seeded");
        let mut backing = Self {
            fresh: !seeded.is_file(),
            base_url: format!("http://127.0.0.1:{}", args.port),
            site_key: String::new(),
            program,
            database,
            database_url,
            told: Value::Null,
            empty: args.empty,
            ready: args.ready.clone(),
            stopped,
            data,
        };
        backing.told = backing.seed(&["--empty"])?;
        backing.site_key = backing.text("site_key");
        Ok(backing)
    }

    fn seed(&self, also: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(["seed", "--json", "--data"]).arg(&self.data).args(also);
        let output = run::output(command.env("DATABASE_URL", &self.database_url))?;
        let last = output.lines().last().context("the program said nothing")?;
        serde_json::from_str(last).with_context(|| format!("not JSON: {last}"))
    }

    fn text(&self, name: &str) -> String {
        self.told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What the host is told.
    pub fn variables(&self, no_limits: bool) -> Result<Vec<(String, String)>> {
        let secrets = fs::read_to_string(self.data.join("secrets.env")).context("secrets.env")?;
        let secrets = secrets.lines().filter(|line| !line.starts_with("ADMIN_"));
        let mut variables: Vec<(String, String)> = secrets
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for name in ["JWT_SECRET", "METRICS_TOKEN"] {
            if let Ok(value) = std::env::var(name)
                && !value.is_empty()
            {
                // It comes before the file, where it may not be.
                variables.retain(|(known, _)| known != name);
                variables.push((name.to_owned(), value));
            }
        }
        let mut tell = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
        tell("DATABASE_URL", &self.database_url);
        if no_limits {
            tell("RATE_LIMIT_STORE", "none");
        }
        for name in PASSED_ON {
            if let Ok(value) = std::env::var(name) {
                tell(name, &value);
            }
        }
        Ok(variables)
    }

    /// Writes the demo page's site into it.
    pub fn name_the_site(&self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
        fs::write(page, text.replace("__SITE_KEY__", &self.site_key))
            .with_context(|| page.display().to_string())
    }

    /// The host answers: sends the demo's documents where they are missing, says where everything is, and waits for the
    /// end. `also` is told to tests.
    pub fn serve(mut self, mut servers: Vec<Served>, also: &[(&str, Value)]) -> Result<()> {
        if self.fresh && !self.empty {
            run::step("sending the demo's documents");
            self.seed(&["--at", &self.base_url])?;
            fs::write(self.data.join("seeded"), "")?;
        }
        run::say(&format!("\n  Demo page      {}/demo/", self.base_url));
        run::say(&format!("  Console login  {} / {}", self.text("admin_email"), self.text("admin_password")));
        run::say(&format!("  Data           {}", self.data.display()));
        run::say(&format!("  Database       {}", self.database_url));
        run::say(&format!("  Site key       {}", self.site_key));
        let snippet = format!(
            r#"<script async src="{}/widget.js" data-site-key="{}"></script>"#,
            self.base_url, self.site_key
        );
        run::say(&format!("  Snippet        {snippet}"));
        run::say(&format!(
            "  Other origins  DATABASE_URL={} cargo xtask site --data {} set {} --origin https://shop.example",
            self.database_url,
            self.data.display(),
            self.site_key
        ));
        run::say("\n  Stop with Ctrl-C.\n");
        if let Some(ready) = &self.ready {
            let mut told = self.told.clone();
            if let Some(told) = told.as_object_mut() {
                let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
                tell("base_url", self.base_url.as_str().into());
                tell("snippet", snippet.into());
                tell("data_dir", self.data.to_string_lossy().into());
                tell("database_url", self.database_url.as_str().into());
                if !also.is_empty() {
                    tell("database_pid", self.database.0.id().into());
                }
                for (name, value) in also {
                    tell(name, value.clone());
                }
            }
            write_ready(ready, &told)?;
        }
        // Whichever ends first ends the others.
        while !self.stopped.load(Ordering::Relaxed) {
            let ended =
                |server: &mut Guarded, name: &str| server.0.try_wait().with_context(|| name.to_owned());
            if let Some(status) = ended(&mut self.database, "sqld")? {
                bail!("sqld ended ({status}); its log is in {}", self.data.display());
            }
            for served in &mut servers {
                let Some(status) = ended(&mut served.server, served.name)? else { continue };
                match &mut served.again {
                    // One that fails would fail again.
                    Some(again) if status.code().is_none_or(|code| code == 0) => served.server = again()?,
                    _ => bail!("{} ended ({status}); its log is in {}", served.name, self.data.display()),
                }
            }
            run::pause(Duration::from_millis(if servers.iter().any(|one| one.again.is_some()) {
                10
            } else {
                100
            }));
        }
        Ok(())
    }
}

fn write_ready(ready: &Path, told: &Value) -> Result<()> {
    // Whole or not there: a process that waits for the file never reads half of it.
    let new = ready.with_extension("new");
    fs::write(&new, told.to_string()).with_context(|| new.display().to_string())?;
    fs::rename(&new, ready).with_context(|| ready.display().to_string())
}
