//! The Worker on this machine: real workerd by `wrangler dev`, beside a real libSQL server.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::build;
use crate::dev::DevArgs;
use crate::edge::{Backing, START, Served};
use crate::run::{self, Guarded};
use crate::workspace::Workspace;

/// The Worker's first module, as it is deployed.
pub const ENTRY: &str = "functions/cloudflare/entry.js";
/// The same with a door for tests.
const ENTRY_WITH_DOOR: &str = "functions/cloudflare/tests/entry.js";

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

/// What a Worker of the reader alone is made of; the first is its entry.
const READER: [&str; 3] = ["tests/reader.js", "read.js", "build/frontdesk_extract_module.wasm"];

/// `workerd` with the reader of files alone, on a port and without wrangler in front, so that its process is the reader's.
/// `directory` takes its files and its log.
pub fn reader(workspace: &Workspace, port: u16, directory: &Path) -> Result<Guarded> {
    let from = workspace.path("functions/cloudflare");
    for file in READER {
        let to = directory.join(file);
        fs::create_dir_all(to.parent().context("no directory")?)?;
        fs::copy(from.join(file), &to).with_context(|| format!("{file}, which the build makes"))?;
    }
    let modules = READER.map(|file| {
        let kind = if file.ends_with(".wasm") { "wasm" } else { "esModule" };
        format!("(name = {file:?}, {kind} = embed {file:?})")
    });
    let config = directory.join("config.capnp");
    let text = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "reader", worker = (compatibilityDate = "2026-03-01", modules = [{}]))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "reader")],
);
"#,
        modules.join(", "),
    );
    fs::write(&config, text).with_context(|| config.display().to_string())?;
    let mut command = Command::new(program(workspace)?);
    command.arg("serve").arg(&config);
    let mut server = Guarded::start(&mut command, &directory.join("workerd.log"))?;
    server.wait_until(START, "workerd serve", || run::listens(port))?;
    Ok(server)
}

/// `workerd` itself: the package for this platform has it, `workerd` is a script around that.
fn program(workspace: &Workspace) -> Result<PathBuf> {
    let packages = workspace.path("functions/cloudflare/node_modules/@cloudflare");
    let mut entries = fs::read_dir(&packages).with_context(|| packages.display().to_string())?;
    let platform = entries.find_map(|entry| {
        let path = entry.ok()?.path();
        path.file_name()?.to_str()?.starts_with("workerd-").then_some(path)
    });
    Ok(platform.context("there is no workerd for this platform")?.join("bin/workerd"))
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
    let backing = Backing::start(workspace, args)?;
    let entry = if args.testing { ENTRY_WITH_DOOR } else { ENTRY };
    let worker = start(workspace, &backing, entry, args.port, &backing.variables(args.no_limits)?)?;
    let told = [
        ("door", format!("{}/__test", backing.base_url).into()),
        ("kill", kill(worker.0.id(), args.port).into()),
    ];
    // It starts what is killed by itself.
    let server = Served { server: worker, name: "workerd", again: None };
    backing.serve(vec![server], if args.testing { &told } else { &[] })?;
    Ok(ExitCode::SUCCESS)
}

/// The Worker with these variables, beside what it needs.
pub fn start(
    workspace: &Workspace,
    backing: &Backing,
    entry: &str,
    port: u16,
    variables: &[(String, String)],
) -> Result<Guarded> {
    build::worker(workspace)?;
    let data = &backing.data;
    let file = data.join("worker.env");
    write_variables(&file, variables)?;
    let assets = data.join("assets");
    let _ = fs::remove_dir_all(&assets);
    build::assets(workspace, &assets)?;
    backing.name_the_site(&assets.join("demo/index.html"))?;

    run::step("starting workerd");
    let persist = data.join("wrangler");
    let also = ["--env-file", path(&file)?, "--persist-to", path(&persist)?, "--assets", path(&assets)?];
    workerd(workspace, entry, port, data, &also)
}

/// The Worker's variables, in a file for its owner alone.
fn write_variables(file: &Path, variables: &[(String, String)]) -> Result<()> {
    let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let _ = fs::remove_file(file);
    let mut open = fs::File::options();
    let mut opened = open
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| file.display().to_string())?;
    opened.write_all(text.as_bytes())?;
    Ok(())
}

/// A shell command that kills the workerd that runs the Worker: a child of a child of `wrangler`, which starts it again.
/// The other one passes requests on to it from `port`.
fn kill(wrangler: u32, port: u16) -> String {
    format!(
        "for pid in $(pgrep -x workerd -P $(pgrep -P {wrangler} | paste -sd,)); do \
         grep -q entry=127.0.0.1:{port} /proc/$pid/cmdline || kill -KILL $pid; done"
    )
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
