//! The configuration of a deployment, from environment variables.
//!
//! Each service has a file, which names its variables and reads them; the documentation is made from these. What is
//! missing, weak or wrong is told all at once, and a value is never repeated: it may be a secret that was put in the wrong
//! place. No secret has a default.

use std::fmt;

use frontdesk_clients::{hrana, qdrant as vectors, s3};
use frontdesk_domain::proxies::TrustedProxies;
use frontdesk_ports::{Config, OwnOrigin, Random, RegistrationMode};
use secrecy::SecretString;
use url::Url;

mod admin;
mod database;
mod files;
mod limits;
mod model;
mod page;
mod qdrant;
mod rooms;
mod secrets;
mod telemetry;
#[cfg(test)]
mod testing;
mod variable;
mod vars;
mod web;

pub use admin::{AdminLogin, DEFAULT_ADMIN_EMAIL};
pub use database::database_from_vars;
pub use limits::RateLimitStore;
pub use page::markdown;
pub use variable::Variable;
use vars::Vars;

/// Every variable.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    [
        secrets::VARIABLES,
        database::VARIABLES,
        model::VARIABLES,
        qdrant::VARIABLES,
        rooms::VARIABLES,
        files::VARIABLES,
        web::VARIABLES,
        limits::VARIABLES,
        admin::VARIABLES,
        telemetry::VARIABLES,
    ]
    .into_iter()
    .flatten()
}

/// Everything a host is told.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// What the core needs of it.
    pub core: Config,
    /// The database server.
    pub database: Option<hrana::HranaServer>,
    /// The Qdrant server.
    pub qdrant: Option<vectors::QdrantServer>,
    /// The deployment whose rooms are used.
    pub rooms: Option<Url>,
    /// Where files are read, on a host that cannot do it itself.
    pub reader: Option<Url>,
    /// The bucket for files.
    pub s3: Option<s3::S3Server>,
    /// Where rate limits are counted.
    pub rate_limit_store: RateLimitStore,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// The first administrator.
    pub admin: AdminLogin,
}

/// What is wrong with one variable. Never holds its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong and what it may be.
    pub detail: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.detail)
    }
}

impl HostConfig {
    /// Reads the configuration through `get`. An empty variable counts as one that is not set.
    ///
    /// # Errors
    /// Everything that is missing, weak or wrong.
    pub fn from_vars(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut vars = Vars::new(get);
        let jwt_secrets = secrets::jwt(&mut vars);
        let model = model::read(&mut vars);
        let database = database::read(&mut vars);
        let qdrant = qdrant::read(&mut vars);
        let (rooms, rooms_token) = rooms::read(&mut vars);
        let reader = files::reader(&mut vars);
        let s3 = files::s3(&mut vars);
        let own_origin = web::own_origin(&mut vars);
        let allowed_origins = web::origins(&mut vars);
        let trusted_proxies = web::proxies(&mut vars);
        let rate_limit_store = limits::read(&mut vars);
        let log_level = telemetry::log_level(&mut vars);
        let metrics_token = telemetry::metrics_token(&mut vars);
        let admin = admin::read(&mut vars);
        let registration = admin::registration(&mut vars);
        let problems = vars.problems;
        let (Some((jwt_secret, old_jwt_secret)), true) = (jwt_secrets, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            core: Config {
                registration,
                jwt_secret,
                old_jwt_secret,
                metrics_token,
                rooms_token,
                allowed_origins,
                own_origin,
                trusted_proxies,
                model,
                rate_limits: rate_limit_store != RateLimitStore::None,
                secure_cookies: true,
                version: env!("CARGO_PKG_VERSION"),
            },
            database,
            qdrant,
            rooms,
            reader,
            s3,
            rate_limit_store,
            log_level,
            admin,
        })
    }
}

/// A configuration under which no user can sign in: its keys are drawn at random and not told. For a host that must
/// answer although what it was told is wrong.
#[must_use]
pub fn closed(random: &dyn Random) -> Config {
    let key = || {
        let mut bytes = [0_u8; 32];
        random.fill(&mut bytes);
        SecretString::from(hex::encode(bytes))
    };
    Config {
        registration: RegistrationMode::Closed,
        jwt_secret: key(),
        old_jwt_secret: None,
        metrics_token: None,
        rooms_token: None,
        allowed_origins: Vec::new(),
        own_origin: OwnOrigin::ByAddress,
        trusted_proxies: TrustedProxies::default(),
        model: None,
        rate_limits: true,
        secure_cookies: true,
        version: env!("CARGO_PKG_VERSION"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::read;

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_no_value_is_repeated() {
        let vars = [
            ("JWT_SECRET", "tooshort-SENTINEL"),
            ("DATABASE_URL", "ftp://SENTINEL"),
            ("OPENAI_BASE_URL", "SENTINEL"),
            ("QDRANT_API_KEY", "SENTINEL"),
            ("QDRANT_VECTORS", "SENTINEL"),
            ("S3_ENDPOINT", "s3://SENTINEL"),
            ("S3_BUCKET", "SENTINEL/"),
            ("S3_REGION", "SENTINEL/"),
            ("S3_ADDRESSING", "SENTINEL"),
            ("ALLOWED_ORIGINS", "https://ok.example, https://SENTINEL.example/path"),
            ("RATE_LIMIT_STORE", "SENTINEL"),
            ("LOG_LEVEL", "SENTINEL"),
            ("ADMIN_EMAIL", "SENTINEL"),
            ("ADMIN_PASSWORD", "SENTINEL"),
            ("METRICS_TOKEN", "SENTINEL"),
        ];
        let right = [("S3_ACCESS_KEY_ID", "SENTINEL"), ("S3_SECRET_ACCESS_KEY", "SENTINEL")];
        let found = HostConfig::from_vars(&|name| {
            vars.iter().chain(&right).find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
        .unwrap_err();
        let named: Vec<_> = found.iter().map(|problem| problem.variable).collect();
        for name in vars.iter().map(|(name, _)| *name).chain(["OPENAI_MODEL"]) {
            assert!(named.contains(&name), "{name} is missing in {named:?}");
        }
        let told: String = found.iter().map(|problem| problem.to_string().to_lowercase()).collect();
        assert!(!told.contains("sentinel"), "{told}");
    }

    #[test]
    fn the_secret_of_a_configuration_is_not_printed() {
        let config =
            read(&[("OPENAI_API_KEY", "sk-SENTINEL"), ("ADMIN_PASSWORD", "kettle-SENTINEL-orbit")]).unwrap();
        assert!(!format!("{config:?}").contains("SENTINEL"));
    }

    #[test]
    fn only_variables_of_the_table_are_read() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let _ = HostConfig::from_vars(&|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        let known: std::collections::BTreeSet<String> =
            variables().map(|variable| variable.name.to_owned()).collect();
        assert_eq!(asked.into_inner(), known);
    }
}
