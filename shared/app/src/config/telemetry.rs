//! What a deployment tells of itself: metrics, logs, errors.

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
    variable(
        "SENTRY_DSN",
        "Where errors are reported to.",
        "`https://` or `http://` address with a key",
        "none",
        true,
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

/// Where errors are reported to.
pub(super) fn sentry(vars: &mut Vars<'_>) -> Option<SecretString> {
    let dsn = vars.url("SENTRY_DSN", &["https", "http"]);
    if dsn.as_ref().is_some_and(|url| url.username().is_empty()) {
        vars.problem("SENTRY_DSN", "must hold a key, like https://<key>@<host>/<project>");
    }
    dsn.map(|url| SecretString::from(url.to_string()))
}

/// What opens `/metrics`.
pub(super) fn metrics_token(vars: &mut Vars<'_>) -> Option<SecretString> {
    let token = vars.text("METRICS_TOKEN");
    if token.as_ref().is_some_and(|token| token.len() < 16) {
        vars.problem("METRICS_TOKEN", "must be at least 16 bytes");
    }
    token.map(SecretString::from)
}
