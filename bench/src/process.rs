//! What the kernel says about a process, and about the machine.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// Ticks per second in `/proc/PID/stat`: Linux has shown 100 to programs since 2.6, whatever the kernel's own timer.
const TICKS: u64 = 100;

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Resident now.
    pub resident_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

/// Memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let field = |name: &str| -> Result<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("{path}: no {name}"))?;
        line.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("{path}: {name}"))
    };
    Ok(Memory { resident_kib: field("VmRSS:")?, peak_kib: field("VmHWM:")? })
}

/// Processor time of a process, all threads, in steps of 10 ms.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name in brackets may hold blanks; user and system time are fields 14 and 15.
    let (_, rest) = text.rsplit_once(')').with_context(|| path.clone())?;
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks.saturating_mul(1000 / TICKS)))
}

/// The machine during a measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors that client, stand-in and server share.
    pub processors: usize,
    /// Runnable tasks on average over the last minute, before the measurement: above 0 somebody else was at work.
    pub load_before: f64,
}

/// The machine now.
pub fn machine() -> Machine {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Machine {
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        load_before: load.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0),
    }
}

/// Durable writes of 4 KiB to one file in `directory`, one after the other: what the disk allows a program that waits
/// for each. Writes per second, over one second.
pub fn durable_writes_per_second(directory: &Path) -> Result<f64> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(directory)?;
    let began = std::time::Instant::now();
    let mut count = 0.0;
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0x5A; 4096])?;
        file.sync_data()?;
        count += 1.0;
    }
    Ok(count / began.elapsed().as_secs_f64())
}
