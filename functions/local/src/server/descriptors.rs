//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the machine allows, and gives it.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let reached = match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files (RLIMIT_NOFILE) cannot be raised");
            limit.current
        }
    };
    // None is no limit.
    reached.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
