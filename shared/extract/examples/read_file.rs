//! Reads one file as the product does, part by part, and tells what came out and what it took: for `cargo xtask corpus`.
#![expect(clippy::print_stdout, reason = "a program that prints what it read")]

use std::process::ExitCode;

use frontdesk_extract::{Limits, extract};
use unicode_normalization::UnicodeNormalization as _;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else { return ExitCode::FAILURE };
    let Ok(bytes) = std::fs::read(&path) else { return ExitCode::FAILURE };
    let limits = Limits::default();
    let (mut from, mut title, mut text, mut unread) = (None, None, String::new(), Vec::new());
    let failure = loop {
        // Without a name, so that a title is one of the document's own.
        match extract(&bytes, "", from.as_ref(), &limits) {
            Ok(part) => {
                title = title.or(part.title);
                text.push_str(&part.text);
                unread.extend(part.unread.iter().map(frontdesk_extract::NotRead::en));
                match part.rest {
                    Some(rest) => from = Some(rest),
                    None => break None,
                }
            }
            Err(failure) => break Some(failure.to_string()),
        }
    };
    let text: String = if failure.is_some() { String::new() } else { text.nfkc().collect() };
    println!(
        "{}",
        serde_json::json!({
            "title": title,
            "text": text,
            "failure": failure,
            "unread": unread,
            "cpu_us": cpu_us().unwrap_or(0),
            "peak_kib": peak_kib().unwrap_or(0),
        })
    );
    ExitCode::SUCCESS
}

/// Processor time of this process, which has one thread, in microseconds.
fn cpu_us() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse::<u64>().ok()?.checked_div(1000)
}

/// The most memory that it had.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix(" kB")?
        .trim()
        .parse()
        .ok()
}
