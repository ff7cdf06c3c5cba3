//! The Worker on this machine: real workerd by `wrangler dev`, beside a real libSQL server.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::dev::{self, DevArgs};
use crate::run::{self, Guarded};
use crate::setup::sqld;
use crate::workspace::Workspace;
use crate::{build, web};

/// How long a program may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(180);

/// The Worker's first module, as it is deployed.
pub const ENTRY: &str = "functions/cloudflare/entry.js";
/// The same with a door for tests.
const ENTRY_WITH_DOOR: &str = "functions/cloudflare/tests/entry.js";

/// The variables of the deployment that come from whoever calls this.
const PASSED_ON: [&str; 13] = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "OPENAI_FALLBACK_MODEL",
    "OPENAI_EMBEDDING_MODEL",
    "QDRANT_URL",
    "QDRANT_API_KEY",
    "QDRANT_VECTORS",
    "ALLOWED_ORIGINS",
    "LOG_LEVEL",
    "SENTRY_DSN",
    "ADMIN_EMAIL",
    "METRICS_TOKEN",
];

/// `wrangler`, of the packages of functions/cloudflare.
pub fn wrangler(workspace: &Workspace) -> Result<Command> {
    let packages = workspace.path("functions/cloudflare/node_modules/.bin");
    // The packages' own Node goes first: wrangler needs a newer one than the machine may have.
    let mut path = vec![packages.clone()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(packages.join("wrangler"));
    command
        .current_dir(&workspace.root)
        .env("PATH", std::env::join_paths(path)?)
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "1");
    Ok(command)
}

/// `wrangler dev` of the Worker as it is built, on a port; requests are answered when this returns. `directory` takes its
/// configuration and its log; `entry` is its first module; `also` is what else it is told. Built anew, the Worker is taken in at once.
pub fn workerd(
    workspace: &Workspace,
    entry: &str,
    port: u16,
    directory: &Path,
    also: &[&str],
) -> Result<Guarded> {
    let log = &directory.join("wrangler.log");
    let _ = fs::remove_file(log);
    // Named by the configuration; what is in it does not matter here.
    let assets = workspace.path(build::ASSETS);
    fs::create_dir_all(&assets).with_context(|| assets.display().to_string())?;
    let config = directory.join("wrangler.toml");
    fs::write(&config, as_built(workspace)?.replace(ENTRY, entry))
        .with_context(|| config.display().to_string())?;
    let mut command = wrangler(workspace)?;
    command
        .args([
            "dev",
            "--config",
            path(&config)?,
            "--local",
            "--ip",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ])
        .args(["--inspector-port", &run::free_port()?.to_string(), "--show-interactive-dev-session=false"])
        .args(also);
    let mut server = Guarded::start(&mut command, log)?;
    let ready = server.wait_until(START, "wrangler dev", || {
        fs::read_to_string(log).is_ok_and(|text| text.contains("Ready on")) && run::listens(port)
    });
    if let Err(error) = ready {
        let said = fs::read_to_string(log).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(30).collect();
        bail!("{error}\n{}", end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(server)
}

/// What `wrangler` would deploy to an environment, gathered and checked without an account.
pub fn deploy_dry_run(workspace: &Workspace, environment: &str, directory: &Path) -> Result<Command> {
    let config = directory.join("wrangler.toml");
    fs::write(&config, as_built(workspace)?).with_context(|| config.display().to_string())?;
    let mut command = wrangler(workspace)?;
    command.args(["deploy", "--dry-run", "--env", environment, "--config", path(&config)?]);
    Ok(command)
}

/// The deployment's configuration without its build step, readable from anywhere.
fn as_built(workspace: &Workspace) -> Result<String> {
    let text = fs::read_to_string(workspace.path("wrangler.toml")).context("wrangler.toml")?;
    let mut building = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            building = line == "[build]";
        }
        if !building {
            kept.push_str(
                &line.replace("\"functions/", &format!("\"{}/functions/", workspace.root.display())),
            );
            kept.push('\n');
        }
    }
    Ok(kept)
}

/// Serves the demo until it is stopped.
pub fn dev(workspace: &Workspace, args: &DevArgs) -> Result<ExitCode> {
    // Whoever asks this program to stop asks those that it starts, too.
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped)).context("signals")?;
    }
    let data = std::path::absolute(&args.data).context("the data directory")?;
    web::build(workspace)?;
    let program = dev::host(workspace, args.release)?;
    let sqld = sqld::ensure(workspace)?;
    build::worker(workspace)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| data.display().to_string())?;

    run::step("starting the database server");
    let database_port = run::free_port()?;
    let database_url = format!("http://127.0.0.1:{database_port}");
    let mut command = Command::new(sqld);
    command.arg("--db-path").arg(data.join("sqld"));
    command.args(["--http-listen-addr", &format!("127.0.0.1:{database_port}"), "--no-welcome"]);
    let mut database = Guarded::start(&mut command, &data.join("sqld.log"))?;
    database.wait_until(START, "sqld", || run::listens(database_port))?;

    let seed = |also: &[&str]| -> Result<Value> {
        let mut command = Command::new(&program);
        command.args(["seed", "--json", "--data"]).arg(&data).args(also).env("DATABASE_URL", &database_url);
        told(&run::output(&mut command)?)
    };
    let fresh = !data.join("worker.env").is_file();
    let admin = seed(&["--empty"])?;
    let text = |name: &str| admin.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();

    write_variables(&data, &database_url, args.no_limits)?;
    let assets = assets(workspace, &data, &text("site_key"))?;

    run::step("starting workerd");
    let variables = data.join("worker.env");
    let persist = data.join("wrangler");
    let also = ["--env-file", path(&variables)?, "--persist-to", path(&persist)?, "--assets", path(&assets)?];
    let entry = if args.testing { ENTRY_WITH_DOOR } else { ENTRY };
    let mut worker = workerd(workspace, entry, args.port, &data, &also)?;
    let base_url = format!("http://127.0.0.1:{}", args.port);
    if fresh && !args.empty {
        run::step("sending the demo's documents");
        seed(&["--at", &base_url])?;
    }
    run::say(&format!("\n  Demo page      {base_url}/demo/"));
    run::say(&format!("  Console login  {} / {}", text("admin_email"), text("admin_password")));
    run::say(&format!("  Data           {}", data.display()));
    run::say(&format!("  Database       {database_url}"));
    run::say("\n  Stop with Ctrl-C.\n");
    if let Some(ready) = &args.ready {
        let mut told = admin;
        if let Some(told) = told.as_object_mut() {
            let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
            tell("base_url", base_url.as_str().into());
            tell("data_dir", data.to_string_lossy().into());
            tell("database_url", database_url.into());
            if args.testing {
                tell("database_pid", database.0.id().into());
                tell("door", format!("{base_url}/__test").into());
                tell("kill", kill(worker.0.id(), args.port).into());
            }
        }
        write_ready(ready, &told)?;
    }
    // Whichever ends first ends the others.
    while !stopped.load(Ordering::Relaxed) {
        for (server, what) in [(&mut database, "sqld"), (&mut worker, "workerd")] {
            if let Some(status) = server.0.try_wait().context(what)? {
                bail!("{what} ended ({status}); its log is in {}", data.display());
            }
        }
        run::pause(Duration::from_millis(100));
    }
    Ok(ExitCode::SUCCESS)
}

/// The last line of a program's output, as JSON.
fn told(output: &str) -> Result<Value> {
    let last = output.lines().last().context("the program said nothing")?;
    serde_json::from_str(last).with_context(|| format!("not JSON: {last}"))
}

/// The Worker's variables, in a file for its owner alone.
fn write_variables(data: &Path, database_url: &str, no_limits: bool) -> Result<()> {
    let secrets = fs::read_to_string(data.join("secrets.env")).context("secrets.env")?;
    let mut text: String =
        secrets.lines().filter(|line| !line.starts_with("ADMIN_")).map(|line| format!("{line}\n")).collect();
    text.push_str(&format!("DATABASE_URL={database_url}\n"));
    if no_limits {
        text.push_str("RATE_LIMIT_STORE=none\n");
    }
    for name in PASSED_ON {
        if let Ok(value) = std::env::var(name) {
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    let path = data.join("worker.env");
    let _ = fs::remove_file(&path);
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// The static files with the demo page of this site.
fn assets(workspace: &Workspace, data: &Path, site_key: &str) -> Result<PathBuf> {
    let assets = data.join("assets");
    let _ = fs::remove_dir_all(&assets);
    build::assets(workspace, &assets)?;
    let page = assets.join("demo/index.html");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    fs::write(&page, text.replace("__SITE_KEY__", site_key))?;
    Ok(assets)
}

/// A shell command that kills the workerd that runs the Worker: a child of a child of `wrangler`, which starts it again.
/// The other one passes requests on to it from `port`.
fn kill(wrangler: u32, port: u16) -> String {
    format!(
        "for pid in $(pgrep -x workerd -P $(pgrep -P {wrangler} | paste -sd,)); do \
         grep -q entry=127.0.0.1:{port} /proc/$pid/cmdline || kill -KILL $pid; done"
    )
}

fn write_ready(ready: &Path, told: &Value) -> Result<()> {
    // Whole or not there: whoever waits for the file never reads half of it.
    let new = ready.with_extension("new");
    fs::write(&new, told.to_string()).with_context(|| new.display().to_string())?;
    fs::rename(&new, ready).with_context(|| ready.display().to_string())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
