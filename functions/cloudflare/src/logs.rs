//! Structured logs: one JSON object a line to the runtime's console, which stores and searches them. The runtime adds
//! the time; a clock of our own would panic on this target.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Begins to log at `level` (`info`, …).
pub fn start(level: &str) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let logs = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_max_level(level)
        .with_writer(Console);
    // An isolate that logs already keeps what it has.
    let _ = logs.try_init();
}

/// Makes a writer for each event.
struct Console;

impl<'a> MakeWriter<'a> for Console {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// One line, printed when it is dropped.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        worker::console_log!("{}", line.trim_end());
    }
}
