//! A real libSQL server.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// sqld with an empty database, on a free port of loopback.
pub struct Sqld {
    program: PathBuf,
    address: SocketAddr,
    child: Child,
    directory: tempfile::TempDir,
}

impl Sqld {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: PathBuf) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (child, address) = listening(&program, &directory)?;
        Ok(Self { program, address, child, directory })
    }

    /// What `DATABASE_URL` would be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it, as a power cut would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it after [`kill`](Self::kill): the same database at another address, for a port is not free at once.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        (self.child, self.address) = listening(&self.program, &self.directory)?;
        Ok(())
    }
}

impl Drop for Sqld {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for another program, which follows the real clock")]
fn listening(program: &Path, directory: &tempfile::TempDir) -> Result<(Child, SocketAddr)> {
    // Free at this moment: sqld does not tell which port it took.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut child = Command::new(program)
        .args(["--checkpoint-interval-s", "5"])
        .args(["--no-welcome", "--http-listen-addr", &address.to_string(), "--db-path"])
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| program.display().to_string())?;
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("{} ended before it listened ({status})", program.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((child, address))
}
