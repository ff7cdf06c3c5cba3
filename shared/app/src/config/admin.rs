//! The first administrator, and who else may make an account.

use frontdesk_domain::password::weakness;
use frontdesk_ports::RegistrationMode;
use secrecy::SecretString;

use super::variable::{Variable, variable};
use super::vars::Vars;
use crate::auth::normal_email;

/// Who the first administrator is when `ADMIN_EMAIL` does not say.
pub const DEFAULT_ADMIN_EMAIL: &str = "admin@frontdesk.localhost";

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "ADMIN_EMAIL",
        "Who the first administrator is, when a data directory or database is new.",
        "an e-mail address",
        "`admin@frontdesk.localhost`",
        false,
    ),
    variable(
        "ADMIN_PASSWORD",
        "The first administrator's password. The local host makes one when it is not set.",
        "10 characters or more, not common",
        "none",
        true,
    ),
    variable(
        "REGISTRATION",
        "Who may make an account: `open` lets every visitor of the console found an organisation, `invite` those whom a member \
         invited, `closed` nobody: an invitation is for those who have an account.",
        "`open`, `invite`, `closed`",
        "`invite`",
        false,
    ),
];

/// The first administrator.
#[derive(Debug, Clone)]
pub struct AdminLogin {
    /// The e-mail address, in lower case.
    pub email: String,
    /// The password; the host makes one when there is none.
    pub password: Option<SecretString>,
}

/// Who may make an account.
pub(super) fn registration(vars: &mut Vars<'_>) -> RegistrationMode {
    match vars.text("REGISTRATION").as_deref() {
        None | Some("invite") => RegistrationMode::Invite,
        Some("open") => RegistrationMode::Open,
        Some("closed") => RegistrationMode::Closed,
        Some(_) => {
            vars.problem("REGISTRATION", "must be open, invite or closed");
            RegistrationMode::Closed
        }
    }
}

pub(super) fn read(vars: &mut Vars<'_>) -> AdminLogin {
    let email = vars.text("ADMIN_EMAIL");
    let normal = email.as_deref().map_or_else(|| Some(DEFAULT_ADMIN_EMAIL.to_owned()), normal_email);
    if normal.is_none() {
        vars.problem("ADMIN_EMAIL", "must be an e-mail address");
    }
    let email = normal.unwrap_or_default();
    let password = vars.text("ADMIN_PASSWORD");
    if let Some(weak) = password.as_deref().and_then(|password| weakness(password, &[&email])) {
        vars.problem("ADMIN_PASSWORD", weak);
    }
    AdminLogin { email, password: password.map(SecretString::from) }
}
