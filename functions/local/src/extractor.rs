//! Untrusted files are recognised, read and split in a process of their own: this program again, with the subcommand [`SUBCOMMAND`].
//!
//! The child gets no environment, limits its own memory, processor time and files before it reads a byte, and is killed
//! at the deadline. Whatever a parser does (panic, overflow of the stack, endless loop, memory), the host goes on.
//!
//! Between both: what [`wire`] says, on the child's stdin and stdout. The child's limits are its arguments.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::text::Split;
use frontdesk_extract::{Limits, wire};
use frontdesk_ports::{ExtractFailure, ExtractRequest, Extracted, Extractor, SplitRequest};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// The hidden subcommand that runs [`run_child`].
pub const SUBCOMMAND: &str = "extract";

/// Address space of a child, in bytes.
pub const MAX_MEMORY: u64 = 1 << 30;

/// How many files are read at once, and besides how many short questions are answered (types and passages), which so wait
/// for no long file.
const AT_ONCE: usize = 2;

/// How long the type of a file may take.
const KIND: Duration = Duration::from_secs(15);

/// How a Rust program says that it dies for lack of memory.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// How much longer a request may be than its file, in bytes.
const MAX_HEADER: u64 = 64 * 1024;

/// How much of what a dying child says is read.
const MAX_STDERR: u64 = 64 * 1024;

/// Reads files in child processes.
pub struct SubprocessExtractor {
    program: PathBuf,
    limits: Limits,
    max_memory: u64,
    places: Rc<Semaphore>,
    short: Rc<Semaphore>,
}

impl SubprocessExtractor {
    /// `program` is run with [`SUBCOMMAND`] and must then call [`run_child`]; a host gives `std::env::current_exe()`.
    #[must_use]
    pub fn new(program: PathBuf, limits: Limits) -> Self {
        let places = || Rc::new(Semaphore::new(AT_ONCE));
        Self { program, limits, max_memory: MAX_MEMORY, places: places(), short: places() }
    }

    /// With another limit of memory, in bytes.
    #[must_use]
    pub const fn with_max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Asks a child, once there is a place for it. Dropping the future at the deadline kills the child.
    async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        places: &Semaphore,
        header: serde_json::Result<Vec<u8>>,
        file: &[u8],
        deadline: Duration,
    ) -> Result<T, ExtractFailure> {
        let header = header.map_err(|error| failed(&error))?;
        let Ok(_place) = places.acquire().await else { return Err(failed(&"shutting down")) };
        match tokio::time::timeout(deadline, self.run(&header, file, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ExtractFailure::OverLimit {
                what: "seconds".to_owned(),
                limit: deadline.max(Duration::from_secs(1)).as_secs(),
            }),
        }
    }

    async fn run<T: DeserializeOwned + Send + 'static>(
        &self,
        header: &[u8],
        file: &[u8],
        deadline: Duration,
    ) -> Result<T, ExtractFailure> {
        let limits = Confines {
            max_bytes: self.limits.max_bytes.saturating_add(MAX_HEADER),
            max_memory: self.max_memory,
            max_seconds: deadline.as_secs().saturating_add(1),
        };
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .args(limits.args())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(&"no pipes"));
        };
        let write = async move {
            // A child that answers before it has read everything closes its end: no error of ours.
            if stdin.write_all(header).await.is_ok() {
                let _ = stdin.write_all(file).await;
            }
        };
        // JSON writes a control character as six bytes; everything else is far below.
        let max_answer = self.limits.max_text.saturating_mul(6).saturating_add(64 * 1024);
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) = (stdout.take(max_answer), stderr.take(MAX_STDERR));
        let ((), read, _) =
            tokio::join!(write, stdout.read_to_end(&mut answer), stderr.read_to_end(&mut complaint));
        read.map_err(|error| failed(&error))?;
        let status = child.wait().await.map_err(|error| failed(&error))?;
        if status.success() {
            // A long text takes longer than the core's thread has time for.
            let outcome = tokio::task::spawn_blocking(move || wire::outcome(&answer)).await;
            if let Ok(Some(outcome)) = outcome {
                return outcome;
            }
        }
        let complaint = String::from_utf8_lossy(&complaint);
        tracing::warn!(%status, complaint = complaint.lines().next().unwrap_or(""), "reading a file failed");
        if complaint.contains(OUT_OF_MEMORY) {
            return Err(ExtractFailure::out_of_memory(self.max_memory));
        }
        Err(ExtractFailure::broken())
    }
}

fn failed(error: &dyn std::fmt::Display) -> ExtractFailure {
    tracing::error!(%error, "the reader of files cannot be run");
    ExtractFailure::Unavailable
}

#[async_trait(?Send)]
impl Extractor for SubprocessExtractor {
    fn max_bytes(&self) -> u64 {
        self.limits.max_bytes
    }

    async fn media_type(&self, bytes: &Bytes) -> Result<String, ExtractFailure> {
        self.ask(&self.short, wire::media_type_header(&self.limits), bytes, KIND).await
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        let header = wire::text_header(&request, &self.limits);
        self.ask(&self.places, header, &request.bytes, request.deadline).await
    }

    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure> {
        let header = wire::split_header(request, &self.limits);
        self.ask(&self.short, header, request.text.as_bytes(), request.deadline).await
    }
}

/// What a child may use.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Confines {
    /// Bytes of a request.
    max_bytes: u64,
    /// Bytes of address space.
    max_memory: u64,
    /// Seconds of processor time.
    max_seconds: u64,
}

impl Confines {
    fn args(self) -> [String; 3] {
        [self.max_bytes, self.max_memory, self.max_seconds].map(|limit| limit.to_string())
    }
}

/// The child: reads a request on stdin, writes the outcome on stdout.
#[must_use]
pub fn run_child(confines: Confines) -> ExitCode {
    match child(confines) {
        Ok(()) => ExitCode::SUCCESS,
        // Where the standard library gives the lack of memory as an error, it is told as where it aborts.
        Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            let _ = writeln!(std::io::stderr(), "{OUT_OF_MEMORY} a file failed");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn child(confines: Confines) -> std::io::Result<()> {
    let only = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, only(confines.max_memory))?;
    setrlimit(Resource::Cpu, only(confines.max_seconds))?;
    setrlimit(Resource::Fsize, only(0))?;
    setrlimit(Resource::Core, only(0))?;
    setrlimit(Resource::Nofile, only(3))?;
    let mut request = Vec::new();
    std::io::stdin().lock().take(confines.max_bytes).read_to_end(&mut request)?;
    let answer = wire::answer(&request)?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&answer)?;
    stdout.flush()
}
