//! Where rate limits are counted.

use super::variable::{Variable, variable};
use super::vars::Vars;

pub(super) const VARIABLES: &[Variable] = &[variable(
    "RATE_LIMIT_STORE",
    "Where rate limits are counted: `memory` for one process, `libsql` for several that share a database. On Cloudflare \
         objects count them and on Spin the database does, whichever is set. `none` turns limits off everywhere, for tests and load.",
    "`memory`, `libsql` or `none`",
    "`memory`",
    false,
)];

/// Where rate limits are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimitStore {
    /// In the process.
    #[default]
    Memory,
    /// In the database.
    Libsql,
    /// Nowhere: there are no limits.
    None,
}

pub(super) fn read(vars: &mut Vars<'_>) -> RateLimitStore {
    match vars.text("RATE_LIMIT_STORE").as_deref() {
        None | Some("memory") => RateLimitStore::Memory,
        Some("libsql") => RateLimitStore::Libsql,
        Some("none") => RateLimitStore::None,
        Some(_) => {
            vars.problem("RATE_LIMIT_STORE", "must be memory, libsql or none");
            RateLimitStore::Memory
        }
    }
}
