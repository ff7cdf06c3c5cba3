//! The one-machine host.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(frontdesk_local::extractor::SUBCOMMAND) {
        return frontdesk_local::extractor::run_child();
    }
    ExitCode::SUCCESS
}
