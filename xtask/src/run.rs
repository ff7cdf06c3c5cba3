//! Running programs, and saying so.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use console::style;

/// One line for the person in front.
pub fn say(line: &str) {
    // A closed terminal is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One line of result, on the output.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What begins now.
pub fn step(what: &str) {
    say(&format!("{} {what}", style("→").cyan().bold()));
}

/// What is done already.
pub fn skip(what: &str) {
    say(&format!("{} {what}", style("✓").green()));
}

/// How a program is called, as a person would type it.
pub fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut line = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// Runs a program in the foreground.
pub fn run(command: &mut Command) -> Result<()> {
    let what = line(command);
    let status = command.status().with_context(|| format!("cannot start: {what}"))?;
    if !status.success() {
        bail!("failed ({status}): {what}");
    }
    Ok(())
}

/// Runs a program with its output in a file; the error names the file and shows its end.
pub fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let what = line(command);
    let ended = logged(command, log)?;
    if !ended {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let end: Vec<&str> = text.lines().rev().take(20).collect();
        let end: String = end.into_iter().rev().map(|line| format!("\n    {line}")).collect();
        bail!("failed: {what}\n  whole output: {}{end}", log.display());
    }
    Ok(())
}

/// The longest that one program may run.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// Runs a program with its output appended to a file; whether it ended well.
pub fn logged(command: &mut Command, log: &Path) -> Result<bool> {
    let what = line(command);
    Guarded::start(command, log)?.end(LIMIT, &what)
}

/// The output of a program that must succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let what = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start: {what}"))?;
    if !output.status.success() {
        bail!("failed ({}): {what}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program quietly for at most `limit`; whether it ended well.
pub fn quietly(command: &mut Command, limit: Duration) -> bool {
    let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return false;
    };
    let mut child = Guarded(child);
    let begun = Instant::now();
    while begun.elapsed() < limit {
        match child.0.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => pause(Duration::from_millis(50)),
            Err(_) => return false,
        }
    }
    false
}

/// Becomes the program: it gets the terminal, the signals and the exit code.
pub fn become_(command: &mut Command) -> Result<ExitCode> {
    let what = line(command);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // Only returns when it did not work.
        Err(command.exec()).with_context(|| format!("cannot start: {what}"))
    }
    #[cfg(not(unix))]
    {
        let status = command.status().with_context(|| format!("cannot start: {what}"))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// A program that ends with this value. It stays in the terminal's process group, so Ctrl-C reaches it too.
pub struct Guarded(pub Child);

impl Guarded {
    /// Starts a program with its output in a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let what = line(command);
        let mut file = append(log)?;
        writeln!(file, "$ {what}").with_context(|| log.display().to_string())?;
        let errors = file.try_clone().with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start: {what}"))?;
        Ok(Self(child))
    }

    /// Waits until `ready` says so; an error when the program ends before or `limit` passes.
    pub fn wait_until(&mut self, limit: Duration, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            if let Some(status) = self.0.try_wait().with_context(|| what.to_owned())? {
                bail!("{what} ended before it answered ({status})");
            }
            if begun.elapsed() > limit {
                bail!("{what} did not answer within {} s", limit.as_secs());
            }
            pause(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Waits for its end; whether it ended well. An error when `limit` passes.
    pub fn end(&mut self, limit: Duration, what: &str) -> Result<bool> {
        let mut ended = None;
        let begun = Instant::now();
        while ended.is_none() {
            ended = self.0.try_wait().with_context(|| what.to_owned())?;
            if ended.is_none() && begun.elapsed() > limit {
                bail!("not done after {} minutes: {what}", limit.as_secs() / 60);
            }
            pause(Duration::from_millis(20));
        }
        Ok(ended.is_some_and(|status| status.success()))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let gone = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
        if gone(&mut self.0) {
            return;
        }
        // Asked first: servers drain, and end what they started themselves.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).stderr(Stdio::null()).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            if gone(&mut self.0) {
                return;
            }
            pause(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free port on loopback. Another process may take it meanwhile; the program that wants it says so then.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}

/// Whether something listens on loopback.
pub fn listens(port: u16) -> bool {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// A moment between two looks at another program.
pub fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "waits for other programs, which follow the real clock")]
    std::thread::sleep(duration);
}

fn append(log: &Path) -> Result<File> {
    if let Some(directory) = log.parent() {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())
}
