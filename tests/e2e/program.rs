//! The program under test, as a process.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use frontdesk_tests::client::Ready;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running program with a data directory of its own.
pub struct Program {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    vars: Vec<(String, String)>,
    flags: Vec<String>,
    descriptors: Option<(u32, u32)>,
    pub ready: Ready,
}

/// How the program is started.
#[derive(Default)]
pub struct Options {
    pub vars: Vec<(String, String)>,
    pub flags: Vec<String>,
    /// How many files it may have open: at first, and at most.
    pub descriptors: Option<(u32, u32)>,
}

impl Options {
    pub fn descriptors(mut self, at_first: u32, at_most: u32) -> Self {
        self.descriptors = Some((at_first, at_most));
        self
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }
}

fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent()).context("the build folder")?;
    let path = folder.join("frontdesk");
    if !path.exists() {
        bail!("{} is missing: `cargo build -p frontdesk-local` makes it", path.display());
    }
    Ok(path)
}

impl Program {
    /// Runs another command of the program on its data directory; gives whether it ended well, and what it said.
    pub async fn run(&self, args: &[&str]) -> Result<(bool, String, String)> {
        let mut command = Command::new(binary()?);
        let output = command.args(args).arg("--data").arg(self.data()).stdin(Stdio::null()).output().await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.success(), text(output.stdout), text(output.stderr)))
    }

    /// Starts it on a free port with a new data directory; it answers when this returns.
    pub async fn start(options: Options) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let Options { vars, flags, descriptors } = options;
        let (child, ready) = spawn(&directory, port, &vars, &flags, descriptors).await?;
        Ok(Self { child, directory, port, vars, flags, descriptors, ready })
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where it says how it is reached.
    pub fn ready_file(&self) -> PathBuf {
        self.directory.path().join("ready.json")
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("it has ended already")
    }

    /// SIGKILL: nothing in memory survives.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }

    /// SIGTERM, and waits for the end. Gives whether it ended well.
    pub async fn terminate(&mut self) -> Result<bool> {
        let pid = self.pid()?;
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        anyhow::ensure!(sent.success(), "kill failed");
        Ok(self.child.wait().await?.success())
    }

    /// Starts it again on the same port and data.
    pub async fn start_again(&mut self) -> Result<()> {
        let (child, ready) =
            spawn(&self.directory, self.port, &self.vars, &self.flags, self.descriptors).await?;
        self.child = child;
        self.ready = ready;
        Ok(())
    }
}

async fn spawn(
    directory: &tempfile::TempDir,
    port: u16,
    vars: &[(String, String)],
    flags: &[String],
    descriptors: Option<(u32, u32)>,
) -> Result<(Child, Ready)> {
    let ready_file = directory.path().join("ready.json");
    let _ = std::fs::remove_file(&ready_file);
    // As newcomers' shells have it: what a program makes can be read by others unless it takes care.
    let mut shell = "umask 022".to_owned();
    if let Some((at_first, at_most)) = descriptors {
        shell.push_str(&format!(" && ulimit -Sn {at_first} && ulimit -Hn {at_most}"));
    }
    shell.push_str(" && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(shell).arg(binary()?);
    for (name, _) in std::env::vars() {
        if ["OPENAI_", "ADMIN_", "QDRANT_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .arg("dev")
        .args(["--port", &port.to_string()])
        .arg("--data")
        .arg(directory.path().join("data"))
        .arg("--ready")
        .arg(&ready_file)
        .args(flags)
        .env("LOG_LEVEL", "warn")
        .envs(vars.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    loop {
        match lines.next_line().await? {
            Some(line) if line.contains("Stop with Ctrl-C") => break,
            Some(_) => {}
            None => bail!("it ended before it was ready: {:?}", child.wait().await?),
        }
    }
    // Read on, so that it never waits for a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let ready = serde_json::from_str(&std::fs::read_to_string(&ready_file)?)?;
    Ok((child, ready))
}
