//! Structured logs: one JSON object a line to the standard error stream, which every host of components collects.

use tracing::level_filters::LevelFilter;

/// Begins to log at `level` (`info`, …).
pub fn start(level: &str) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let logs = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(level);
    // An instance that logs already keeps what it has.
    let _ = logs.with_writer(std::io::stderr).try_init();
}
