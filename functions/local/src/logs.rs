//! The log, on the standard error stream: a line for each event, with the request id, never a secret or a message's text.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log. A person at a terminal gets lines to read, everything else JSON.
pub fn start(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    // A second start in one process (tests) keeps the first.
    let _ = lines(std::io::stderr().is_terminal(), filter, std::io::stderr).try_init();
    // What panics is told where it is caught; this tells the place, and what is caught nowhere.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, cause = frontdesk_ports::cause(panic.payload()), "a panic");
    }));
}

fn lines<W>(to_read: bool, filter: EnvFilter, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if to_read {
        Box::new(logs.compact().with_target(false).with_ansi(false).finish())
    } else {
        Box::new(logs.json().flatten_event(true).finish())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn line(to_read: bool) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let logs = lines(to_read, EnvFilter::new("info"), move || writer.clone());
        tracing::subscriber::with_default(logs, || tracing::warn!(count = 3, "the kettle is empty"));
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_person_reads_a_line_and_a_program_json() {
        let shown = line(true);
        assert!(
            shown.contains("WARN") && shown.contains("the kettle is empty") && shown.contains("count=3"),
            "{shown}"
        );
        assert!(!shown.contains(['{', '\u{1b}']), "{shown}");
        let json: serde_json::Value = serde_json::from_str(&line(false)).unwrap();
        assert_eq!(
            (&json["message"], &json["count"], &json["level"]),
            (&"the kettle is empty".into(), &3.into(), &"WARN".into())
        );
    }
}
