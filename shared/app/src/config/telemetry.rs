//! What a deployment tells of itself: metrics and logs.

use secrecy::SecretString;

use super::variable::{Variable, variable};
use super::vars::Vars;

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "METRICS_TOKEN",
        "Opens `/metrics`. Without it there is no such page.",
        "at least 16 bytes",
        "none",
        true,
    ),
    variable(
        "LOG_LEVEL",
        "How much is logged.",
        "`error`, `warn`, `info`, `debug` or `trace`",
        "`info`",
        false,
    ),
];

/// `error`, `warn`, `info`, `debug` or `trace`.
pub(super) fn log_level(vars: &mut Vars<'_>) -> String {
    let level = vars.text("LOG_LEVEL").map_or_else(|| "info".to_owned(), |level| level.to_lowercase());
    if !["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
        vars.problem("LOG_LEVEL", "must be error, warn, info, debug or trace");
    }
    level
}

/// What opens `/metrics`.
pub(super) fn metrics_token(vars: &mut Vars<'_>) -> Option<SecretString> {
    let token = vars.text("METRICS_TOKEN");
    if token.as_ref().is_some_and(|token| token.len() < 16) {
        vars.problem("METRICS_TOKEN", "must be at least 16 bytes");
    }
    token.map(SecretString::from)
}
