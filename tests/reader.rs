//! The reader of files as it is deployed, a module in workerd and a component in wasmtime, and files that want to do harm:
//! what becomes of them, what they cost, and that the next one is read. `cargo xtask test --part edge` starts the readers.
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_READER_URL` | where the reader answers `frontdesk_extract::wire` |
//! | `FRONTDESK_READER_PID` | its process, which reads nothing else |
//! | `FRONTDESK_HOSTILE` | `all` for all of them; otherwise every fifth is sent (optional) |
//! | `FRONTDESK_FILES` | a directory of files that are sent as well (optional) |

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use frontdesk_extract::{Limits, wire};
use frontdesk_ports::{ExtractRequest, Extracted};
use frontdesk_testkit::hostile::{self, Expected, MEMORY, SECONDS};
use reqwest::{Client, StatusCode};

/// When a reader counts as one that never ends.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the edge hosts allow a file.
const LIMITS: fn() -> Limits = || Limits { max_bytes: 24 << 20, max_unpacked: 64 << 20, ..Limits::default() };

/// The reader and its process.
struct Reader {
    client: Client,
    url: String,
    process: PathBuf,
}

/// What a file cost.
#[derive(Default)]
struct Cost {
    /// Processor time of the process, all its threads together, for the part of the file that took most.
    seconds: f64,
    /// The most that the process had more than before, in bytes.
    peak: usize,
    /// What the instance had in the end, in bytes, where the host tells it.
    instance: usize,
}

impl Reader {
    fn find() -> Result<Self> {
        // A second installation of the same provider changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            client: Client::builder().timeout(DEADLINE).build()?,
            url: variable("FRONTDESK_READER_URL")?,
            process: Path::new("/proc").join(variable("FRONTDESK_READER_PID")?),
        })
    }

    /// Processor time so far, in seconds; the kernel counts hundredths.
    fn worked(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(self.process.join("stat"))?;
        let (_, fields) = stat.rsplit_once(')').context("no name in it")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(f64::from(ticks.sum::<std::result::Result<u32, _>>()?) / 100.0)
    }

    /// A line of what the kernel says of its memory, in bytes.
    fn memory(&self, name: &str) -> Result<usize> {
        let status = std::fs::read_to_string(self.process.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        Ok(line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse::<usize>()? * 1024)
    }

    /// The text of a file, part by part, or why there is none; and what that cost.
    async fn read(&self, file: &[u8]) -> Result<(std::result::Result<String, String>, Cost)> {
        let (mut from, mut all, mut cost) = (None, String::new(), Cost::default());
        // The most is counted from here on.
        std::fs::write(self.process.join("clear_refs"), "5")?;
        let had = self.memory("VmRSS")?;
        loop {
            let worked = self.worked()?;
            let request = ExtractRequest {
                name: "file".to_owned(),
                bytes: Bytes::copy_from_slice(file),
                from: from.take(),
                typed: false,
                deadline: DEADLINE,
            };
            let body = wire::request(&wire::text_header(&request, &LIMITS())?, file);
            let answer = self.client.post(&self.url).body(body).send().await?;
            let held = answer.headers().get("x-memory").and_then(|held| held.to_str().ok()?.parse().ok());
            cost.instance = held.unwrap_or(0).max(cost.instance);
            let (status, answer) = (answer.status(), answer.bytes().await?);
            cost.seconds = cost.seconds.max(self.worked()? - worked);
            cost.peak = self.memory("VmHWM")?.saturating_sub(had);
            if status == StatusCode::INTERNAL_SERVER_ERROR {
                // The instance died, which its host tells the operator so.
                return Ok((Err(wire::died(&String::from_utf8_lossy(&answer)).to_string()), cost));
            }
            ensure!(status == StatusCode::OK, "{status}");
            match wire::outcome::<Extracted>(&answer).context("an answer of the reader's")? {
                Ok(part) => {
                    all.push_str(&part.text);
                    from = part.rest;
                    if from.is_none() {
                        return Ok((Ok(all), cost));
                    }
                }
                Err(failure) => return Ok((Err(failure.to_string()), cost)),
            }
        }
    }

    async fn reads_on(&self) -> Result<()> {
        let (file, piece) = hostile::ordinary();
        let (outcome, _) = self.read(&file).await?;
        ensure!(outcome.as_ref().is_ok_and(|text| text.contains(piece)), "the next file: {outcome:?}");
        Ok(())
    }

    /// Sends a file and an ordinary one; a line about it, and whether all was well.
    async fn check(&self, name: &str, file: &[u8], expected: Expected) -> Result<(bool, String)> {
        let (outcome, cost) = self.read(file).await.with_context(|| name.to_owned())?;
        self.reads_on().await.with_context(|| format!("after {name}"))?;
        let mut faults = Vec::new();
        if let Err(fault) = expected.check(outcome.as_deref().map_err(String::as_str)) {
            faults.push(fault);
        }
        if cost.seconds >= SECONDS {
            faults.push("too long".to_owned());
        }
        if cost.peak >= MEMORY || u64::try_from(cost.instance)? > wire::MODULE_MEMORY {
            faults.push("too much memory".to_owned());
        }
        let mebibytes = |bytes: usize| bytes >> 20;
        let became = match &outcome {
            Ok(text) => format!("{} bytes", text.len()),
            Err(reason) => reason.chars().take(80).collect(),
        };
        let line = format!(
            "{:5.2} s {:4} MiB {:3} MiB  {name} ({became}) {}",
            cost.seconds,
            mebibytes(cost.peak),
            mebibytes(cost.instance),
            faults.join(", "),
        );
        Ok((faults.is_empty(), line))
    }
}

#[tokio::test]
async fn hostile_files_end_in_time_and_memory_and_the_next_one_is_read() -> Result<()> {
    let reader = Reader::find()?;
    reader.reads_on().await?;
    let step = if std::env::var("FRONTDESK_HOSTILE").is_ok_and(|which| which == "all") { 1 } else { 5 };
    let mut checked = Vec::new();
    for file in hostile::hostile().into_iter().step_by(step) {
        checked.push(reader.check(file.name, &file.bytes(), file.expected).await?);
    }
    if let Some(directory) = std::env::var_os("FRONTDESK_FILES") {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_file() {
                let name = path.display().to_string();
                checked.push(reader.check(&name, &std::fs::read(&path)?, Expected::Ended).await?);
            }
        }
    }
    let wrong: Vec<&str> = checked.iter().filter(|(well, _)| !well).map(|(_, line)| line.as_str()).collect();
    if !wrong.is_empty() {
        bail!("{} of {}:\n{}", wrong.len(), checked.len(), wrong.join("\n"));
    }
    let mut lines: Vec<&str> = checked.iter().map(|(_, line)| line.as_str()).collect();
    lines.sort_unstable_by(|a, b| b.cmp(a));
    println!(
        "{} files; processor time, the process's peak, the instance:\n{}",
        lines.len(),
        lines.join("\n")
    );
    Ok(())
}
