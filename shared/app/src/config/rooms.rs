//! Another deployment's rooms, and this one's for others.

use secrecy::SecretString;
use url::Url;

use super::secrets;
use super::variable::{SECRET_RANGE, Variable, variable};
use super::vars::Vars;

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "ROOMS_URL",
        "Another deployment of Frontdesk on the same database, with the same `JWT_SECRET`, whose rooms are used instead of own \
         ones; for the Spin component, which has no sockets. Needs `ROOMS_TOKEN`.",
        "`https://` or `http://` address",
        "none",
        false,
    ),
    variable(
        "ROOMS_TOKEN",
        "Opens this deployment's rooms to those that name it in `ROOMS_URL`, who show the same. Without it they are closed.",
        SECRET_RANGE,
        "none",
        true,
    ),
];

/// Whose rooms are used, and what opens them or this deployment's own.
pub(super) fn read(vars: &mut Vars<'_>) -> (Option<Url>, Option<SecretString>) {
    let url = vars.url("ROOMS_URL", &["https", "http"]);
    let token = secrets::optional(vars, "ROOMS_TOKEN");
    if url.is_some() && vars.text("ROOMS_TOKEN").is_none() {
        vars.problem("ROOMS_TOKEN", "is needed with ROOMS_URL");
    }
    (url, token)
}
