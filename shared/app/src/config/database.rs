//! The database server.

use frontdesk_clients::hrana;

use super::ConfigProblem;
use super::variable::{Variable, variable};
use super::vars::Vars;

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "DATABASE_URL",
        "The libSQL server: Turso, or an sqld that was started with `--checkpoint-interval-s 5`. Without it the local host keeps \
         a file in its data directory.",
        "`libsql://`, `https://` or `http://` address; `libsql://…?tls=0` is `http://`",
        "none",
        false,
    ),
    variable("DATABASE_AUTH_TOKEN", "The token for `DATABASE_URL`.", "any", "none", true),
];

/// Reads the database server alone: all that `migrate` needs of the configuration.
///
/// # Errors
/// What is wrong with it.
pub fn database_from_vars(
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<hrana::HranaServer>, Vec<ConfigProblem>> {
    let mut vars = Vars::new(get);
    let server = read(&mut vars);
    if vars.problems.is_empty() { Ok(server) } else { Err(vars.problems) }
}

pub(super) fn read(vars: &mut Vars<'_>) -> Option<hrana::HranaServer> {
    const URL: &str = "DATABASE_URL";
    const TOKEN: &str = "DATABASE_AUTH_TOKEN";
    let token = vars.secret(TOKEN);
    let Some(url) = vars.text(URL) else {
        if token.is_some() {
            vars.problem(TOKEN, format!("is set without {URL}"));
        }
        return None;
    };
    match hrana::HranaServer::new(&url, token.as_ref()) {
        Ok(server) => return Some(server),
        Err(hrana::HranaServerError::Address(detail)) => vars.problem(URL, detail),
        Err(hrana::HranaServerError::Token(detail)) => vars.problem(TOKEN, detail),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{problems, read as configured};

    #[test]
    fn a_database_server_is_an_address_and_a_token() {
        let vars = [("DATABASE_URL", "libsql://desk.turso.io"), ("DATABASE_AUTH_TOKEN", "SENTINEL")];
        let config = configured(&vars).unwrap();
        assert_eq!(config.database.as_ref().unwrap().to_string(), "https://desk.turso.io");
        assert!(!format!("{config:?}").contains("SENTINEL"));
        assert!(configured(&[]).unwrap().database.is_none());
        assert_eq!(problems(&[("DATABASE_AUTH_TOKEN", "t")]), ["DATABASE_AUTH_TOKEN"]);
        assert_eq!(problems(&[("DATABASE_URL", "file:desk.db")]), ["DATABASE_URL"]);
        let split = [("DATABASE_URL", "http://127.0.0.1:8080"), ("DATABASE_AUTH_TOKEN", "a\nb")];
        assert_eq!(problems(&split), ["DATABASE_AUTH_TOKEN"]);
        // `migrate` asks for nothing else.
        let url = |name: &str| (name == "DATABASE_URL").then(|| "http://127.0.0.1:8080".to_owned());
        assert!(database_from_vars(&url).unwrap().is_some());
    }
}
