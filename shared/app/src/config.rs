//! The configuration of a deployment, from environment variables.
//!
//! One table names every variable; the documentation is made from it. What is missing, weak or wrong is told all at
//! once, and a value is never repeated: it may be a secret that was put in the wrong place. No secret has a default.

use std::fmt;

use frontdesk_clients::{hrana, qdrant, s3};
use frontdesk_domain::password::weakness;
use frontdesk_domain::settings;
use frontdesk_ports::{Config, ModelEndpoint, Random};
use secrecy::SecretString;
use url::Url;

use crate::auth::normal_email;

/// Who the first administrator is when `ADMIN_EMAIL` does not say.
pub const DEFAULT_ADMIN_EMAIL: &str = "admin@frontdesk.localhost";
const OPENAI: &str = "https://api.openai.com/v1";
const OPENAI_MODEL: &str = "gpt-4o-mini";
const MIN_SECRET_BYTES: usize = 32;
/// The least information in a secret, in bits, as far as its characters tell.
const MIN_SECRET_BITS: f64 = 96.0;

/// One variable: everything there is to know about it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is when it is not set.
    pub default: &'static str,
    /// Whether it must not be seen by others.
    pub secret: bool,
}

const fn variable(
    name: &'static str,
    meaning: &'static str,
    range: &'static str,
    default: &'static str,
    secret: bool,
) -> Variable {
    Variable { name, meaning, range, default, secret }
}

const SECRET_RANGE: &str = "at least 32 bytes of randomness, for example `openssl rand -hex 32`";
const NAME_RANGE: &str = "1 to 200 characters";
const BUCKET_RANGE: &str = "3 to 255 letters, digits, dots, dashes or underscores";

/// Every variable.
pub const VARIABLES: &[Variable] = &[
    variable(
        "JWT_SECRET",
        "Signs the tokens of users and visitors. A new value logs everybody out.",
        SECRET_RANGE,
        "required",
        true,
    ),
    variable(
        "DATABASE_URL",
        "The libSQL server: Turso, or an sqld that was started with `--checkpoint-interval-s 5`. Without it the local host keeps \
         a file in its data directory.",
        "`libsql://`, `https://` or `http://` address; `libsql://…?tls=0` is `http://`",
        "none",
        false,
    ),
    variable("DATABASE_AUTH_TOKEN", "The token for `DATABASE_URL`.", "any", "none", true),
    variable(
        "OPENAI_API_KEY",
        "The key for the model's endpoint. Without it and `OPENAI_BASE_URL`, answers are quotes from the documents.",
        "any",
        "none",
        true,
    ),
    variable(
        "OPENAI_BASE_URL",
        "An OpenAI-compatible endpoint: OpenRouter, Azure, Ollama, ….",
        "`https://` or `http://` address",
        "`https://api.openai.com/v1`",
        false,
    ),
    variable(
        "OPENAI_MODEL",
        "The chat model. Needed with `OPENAI_BASE_URL`, unless only `OPENAI_EMBEDDING_MODEL` is used.",
        NAME_RANGE,
        "`gpt-4o-mini` at OpenAI",
        false,
    ),
    variable(
        "OPENAI_FALLBACK_MODEL",
        "A smaller model at the same endpoint, asked when the first one fails.",
        NAME_RANGE,
        "none",
        false,
    ),
    variable(
        "OPENAI_EMBEDDING_MODEL",
        "The embedding model. Without it search is by words alone.",
        NAME_RANGE,
        "none",
        false,
    ),
    variable(
        "QDRANT_URL",
        "A Qdrant server (1.11 or later) for vectors, used by this Frontdesk alone. Without it they are in the database. \
         After a change, `frontdesk vectors rebuild`.",
        "`https://` or `http://` address of the REST interface",
        "none",
        false,
    ),
    variable("QDRANT_API_KEY", "The key for `QDRANT_URL`.", "any", "none", true),
    variable(
        "QDRANT_VECTORS",
        "What of a passage has a vector in Qdrant: `single`, the whole; `multi`, also each of up to four parts, of which \
         the nearest counts, at up to five times the embeddings and memory. After a change, `frontdesk vectors rebuild`.",
        "`single` or `multi`",
        "`single`",
        false,
    ),
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
    variable(
        "READER_URL",
        "Where the component that reads uploaded files answers. Used by the Spin component alone; other hosts read files \
         themselves.",
        "`https://` or `http://` address",
        "`http://reader.spin.internal` on Spin",
        false,
    ),
    variable(
        "S3_ENDPOINT",
        "An S3-compatible server for files: AWS, R2, MinIO, …. Without it the local host keeps them in its data directory, and \
         a host that has none in the database, up to 20 MiB each. On Cloudflare they are in its own bucket, whichever is set. A \
         change moves no files.",
        "`https://` or `http://` address without the bucket",
        "none",
        false,
    ),
    variable("S3_BUCKET", "The bucket, which is there already.", BUCKET_RANGE, "none", false),
    variable("S3_REGION", "The bucket's region.", "a name; many servers take any", "`us-east-1`", false),
    variable(
        "S3_ADDRESSING",
        "Where a bucket's name stands in addresses: in the path, or before the host's name.",
        "`path` or `virtual`",
        "`path`",
        false,
    ),
    variable(
        "S3_ACCESS_KEY_ID",
        "The access key, which may read, write, delete and list the bucket's objects.",
        NAME_RANGE,
        "none",
        false,
    ),
    variable("S3_SECRET_ACCESS_KEY", "The access key's secret.", "any", "none", true),
    variable(
        "ALLOWED_ORIGINS",
        "Origins of operators' pages beside the deployment's own. Sites of the widget are not set here.",
        "origins separated by commas, like `https://desk.example.org`",
        "none",
        false,
    ),
    variable(
        "PUBLIC_URL",
        "The address under which this deployment is reached. Needed where its host does not tell: the component under bare \
         `wasmtime serve`.",
        "`https://` or `http://` address",
        "what the host tells",
        false,
    ),
    variable(
        "RATE_LIMIT_STORE",
        "Where rate limits are counted: `memory` for one process, `libsql` for several that share a database. On Cloudflare \
         objects count them and on Spin the database does, whichever is set. `none` is for tests and load.",
        "`memory`, `libsql` or `none`",
        "`memory`",
        false,
    ),
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

/// An address with what opens it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where.
    pub url: Url,
    /// The key or token.
    pub key: Option<SecretString>,
}

/// The first administrator.
#[derive(Debug, Clone)]
pub struct AdminLogin {
    /// The e-mail address, in lower case.
    pub email: String,
    /// The password; the host makes one when there is none.
    pub password: Option<SecretString>,
}

/// Everything a host is told.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// What the core needs of it.
    pub core: Config,
    /// The database server.
    pub database: Option<hrana::Server>,
    /// The Qdrant server.
    pub qdrant: Option<qdrant::Server>,
    /// The deployment whose rooms are used.
    pub rooms: Option<Url>,
    /// Where files are read, on a host that cannot do it itself.
    pub reader: Option<Url>,
    /// Under which address the deployment is reached, on a host that does not tell.
    pub public_url: Option<Url>,
    /// The bucket for files.
    pub s3: Option<s3::Server>,
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

/// Reads the database server alone: all that `migrate` needs of the configuration.
///
/// # Errors
/// What is wrong with it.
pub fn database_from_vars(
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<hrana::Server>, Vec<ConfigProblem>> {
    let mut read = Reader { get, problems: Vec::new() };
    let server = read.database();
    if read.problems.is_empty() { Ok(server) } else { Err(read.problems) }
}

impl HostConfig {
    /// Reads the configuration through `get`. An empty variable counts as one that is not set.
    ///
    /// # Errors
    /// Everything that is missing, weak or wrong.
    pub fn from_vars(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        let mut read = Reader { get, problems: Vec::new() };
        let jwt_secret = read.strong_secret("JWT_SECRET");
        let model = read.model();
        let database = read.database();
        let qdrant = read.qdrant();
        let rooms = read.url("ROOMS_URL", &["https", "http"]);
        let rooms_token = read.optional_secret("ROOMS_TOKEN");
        if rooms.is_some() && read.text("ROOMS_TOKEN").is_none() {
            read.problem("ROOMS_TOKEN", "is needed with ROOMS_URL");
        }
        let reader = read.url("READER_URL", &["https", "http"]);
        let s3 = read.s3();
        let public_url = read.url("PUBLIC_URL", &["https", "http"]);
        let allowed_origins = read.origins();
        let rate_limit_store = match read.text("RATE_LIMIT_STORE").as_deref() {
            None | Some("memory") => RateLimitStore::Memory,
            Some("libsql") => RateLimitStore::Libsql,
            Some("none") => RateLimitStore::None,
            Some(_) => {
                read.problem("RATE_LIMIT_STORE", "must be memory, libsql or none");
                RateLimitStore::Memory
            }
        };
        let log_level =
            read.text("LOG_LEVEL").map_or_else(|| "info".to_owned(), |level| level.to_lowercase());
        if !["error", "warn", "info", "debug", "trace"].contains(&log_level.as_str()) {
            read.problem("LOG_LEVEL", "must be error, warn, info, debug or trace");
        }
        let metrics_token = read.text("METRICS_TOKEN");
        if metrics_token.as_ref().is_some_and(|token| token.len() < 16) {
            read.problem("METRICS_TOKEN", "must be at least 16 bytes");
        }
        let admin = read.admin();
        let problems = read.problems;
        let (Some(jwt_secret), true) = (jwt_secret, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Self {
            core: Config {
                jwt_secret,
                metrics_token: metrics_token.map(SecretString::from),
                rooms_token,
                allowed_origins,
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
            public_url,
            rate_limit_store,
            log_level,
            admin,
        })
    }
}

/// A configuration under which nobody can sign in: its keys are drawn at random and known to nobody. For a host that must
/// answer although what it was told is wrong.
#[must_use]
pub fn closed(random: &dyn Random) -> Config {
    let key = || {
        let mut bytes = [0_u8; 32];
        random.fill(&mut bytes);
        SecretString::from(hex::encode(bytes))
    };
    Config {
        jwt_secret: key(),
        metrics_token: None,
        rooms_token: None,
        allowed_origins: Vec::new(),
        model: None,
        rate_limits: true,
        secure_cookies: true,
        version: env!("CARGO_PKG_VERSION"),
    }
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<ConfigProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, variable: &'static str, detail: impl Into<String>) {
        self.problems.push(ConfigProblem { variable, detail: detail.into() });
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    fn strong_secret(&mut self, name: &'static str) -> Option<SecretString> {
        if self.text(name).is_none() {
            self.problem(name, format!("is missing; it must be {SECRET_RANGE}"));
        }
        self.optional_secret(name)
    }

    fn optional_secret(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.text(name)?;
        if let Some(weak) = weak_secret(&value) {
            self.problem(name, format!("{weak}; it must be {SECRET_RANGE}"));
            return None;
        }
        Some(value.into())
    }

    fn url(&mut self, name: &'static str, schemes: &[&str]) -> Option<Url> {
        let text = self.text(name)?;
        match Url::parse(&text) {
            Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Some(url),
            _ => {
                let wanted: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
                self.problem(name, format!("must be an address that begins with {}", wanted.join(" or ")));
                None
            }
        }
    }

    fn database(&mut self) -> Option<hrana::Server> {
        const URL: &str = "DATABASE_URL";
        const TOKEN: &str = "DATABASE_AUTH_TOKEN";
        let token = self.secret(TOKEN);
        let Some(url) = self.text(URL) else {
            if token.is_some() {
                self.problem(TOKEN, format!("is set without {URL}"));
            }
            return None;
        };
        match hrana::Server::new(&url, token.as_ref()) {
            Ok(server) => return Some(server),
            Err(hrana::ServerError::Address(detail)) => self.problem(URL, detail),
            Err(hrana::ServerError::Token(detail)) => self.problem(TOKEN, detail),
        }
        None
    }

    fn endpoint(&mut self, name: &'static str, key: &'static str, schemes: &[&str]) -> Option<Endpoint> {
        let given = self.text(name).is_some();
        let url = self.url(name, schemes);
        let key_value = self.secret(key);
        if key_value.is_some() && !given {
            self.problem(key, format!("is set without {name}"));
        }
        url.map(|url| Endpoint { url, key: key_value })
    }

    fn qdrant(&mut self) -> Option<qdrant::Server> {
        let endpoint = self.endpoint("QDRANT_URL", "QDRANT_API_KEY", &["https", "http"]);
        let mode = self.text("QDRANT_VECTORS");
        if mode.is_some() && self.text("QDRANT_URL").is_none() {
            self.problem("QDRANT_VECTORS", "is set without QDRANT_URL");
        }
        let mode = match mode.as_deref() {
            None | Some("single") => qdrant::Mode::Single,
            Some("multi") => qdrant::Mode::Multi,
            Some(_) => {
                self.problem("QDRANT_VECTORS", "must be single or multi");
                return None;
            }
        };
        let Endpoint { url, key } = endpoint?;
        Some(qdrant::Server { base_url: url.as_str().trim_end_matches('/').to_owned(), api_key: key, mode })
    }

    fn s3(&mut self) -> Option<s3::Server> {
        const NEEDED: [&str; 4] = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];
        let given = NEEDED.map(|name| self.text(name));
        let id = self.name("S3_ACCESS_KEY_ID");
        let region = self.text("S3_REGION");
        let addressing = self.text("S3_ADDRESSING");
        if given.iter().chain([&region, &addressing]).all(Option::is_none) {
            return None;
        }
        for (name, _) in NEEDED.into_iter().zip(&given).filter(|(_, given)| given.is_none()) {
            self.problem(name, format!("is missing; set {} or nothing of S3", NEEDED.join(", ")));
        }
        let addressing = match addressing.as_deref() {
            None | Some("path") => s3::Addressing::Path,
            Some("virtual") => s3::Addressing::Virtual,
            Some(_) => {
                self.problem("S3_ADDRESSING", "must be path or virtual");
                s3::Addressing::Path
            }
        };
        let [Some(endpoint), Some(bucket), Some(_), Some(secret)] = given else { return None };
        let key = s3::AccessKey { id: id?, secret: secret.into() };
        let region = region.as_deref().unwrap_or("us-east-1");
        let wrong = match s3::Server::new(&endpoint, addressing, &bucket, region, key) {
            Ok(server) => return Some(server),
            Err(wrong) => wrong,
        };
        for wrong in wrong {
            let variable = match wrong {
                s3::ServerError::Endpoint(_) => "S3_ENDPOINT",
                s3::ServerError::Bucket(_) => "S3_BUCKET",
                s3::ServerError::Region(_) => "S3_REGION",
            };
            self.problem(variable, wrong.to_string());
        }
        None
    }

    fn name(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            self.problem(name, format!("must be {NAME_RANGE}"));
            return None;
        }
        Some(text)
    }

    fn model(&mut self) -> Option<ModelEndpoint> {
        let api_key = self.secret("OPENAI_API_KEY");
        let own_url = self.text("OPENAI_BASE_URL").is_some();
        let url = self.url("OPENAI_BASE_URL", &["https", "http"]);
        let chat_model = self.name("OPENAI_MODEL");
        let fallback_model = self.name("OPENAI_FALLBACK_MODEL");
        let embedding_model = self.name("OPENAI_EMBEDDING_MODEL");
        if api_key.is_none() && !own_url {
            for (name, set) in [
                ("OPENAI_MODEL", chat_model.is_some()),
                ("OPENAI_FALLBACK_MODEL", fallback_model.is_some()),
                ("OPENAI_EMBEDDING_MODEL", embedding_model.is_some()),
            ] {
                if set {
                    self.problem(name, "is set without OPENAI_API_KEY or OPENAI_BASE_URL");
                }
            }
            return None;
        }
        if own_url && chat_model.is_none() && embedding_model.is_none() {
            self.problem("OPENAI_MODEL", "is missing; with OPENAI_BASE_URL it must name the chat model");
        }
        if chat_model.is_none() && own_url && fallback_model.is_some() {
            self.problem("OPENAI_FALLBACK_MODEL", "is set without OPENAI_MODEL");
        }
        let chat_model = chat_model.or_else(|| (!own_url).then(|| OPENAI_MODEL.to_owned()));
        let base_url =
            url.map_or_else(|| OPENAI.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
        Some(ModelEndpoint { base_url, api_key, chat_model, fallback_model, embedding_model })
    }

    fn origins(&mut self) -> Vec<String> {
        let Some(list) = self.text("ALLOWED_ORIGINS") else { return Vec::new() };
        let mut origins = Vec::new();
        for (at, text) in list.split(',').map(str::trim).filter(|text| !text.is_empty()).enumerate() {
            match exact_origin(text) {
                Some(origin) => origins.push(origin),
                None => self.problem(
                    "ALLOWED_ORIGINS",
                    format!(
                        "entry {}: must be scheme and host alone, like https://desk.example.org",
                        at.saturating_add(1)
                    ),
                ),
            }
        }
        origins
    }

    fn admin(&mut self) -> AdminLogin {
        let email = self.text("ADMIN_EMAIL");
        let normal = email.as_deref().map_or_else(|| Some(DEFAULT_ADMIN_EMAIL.to_owned()), normal_email);
        if normal.is_none() {
            self.problem("ADMIN_EMAIL", "must be an e-mail address");
        }
        let email = normal.unwrap_or_default();
        let password = self.text("ADMIN_PASSWORD");
        if let Some(weak) = password.as_deref().and_then(|password| weakness(password, &[&email])) {
            self.problem("ADMIN_PASSWORD", weak);
        }
        AdminLogin { email, password: password.map(SecretString::from) }
    }
}

/// An origin as browsers write it: scheme, host and a port that is not the usual one. `None` for anything more.
fn exact_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then(|| url.origin().ascii_serialization())
}

/// Why a secret can be guessed; `None` when it seems to be random.
fn weak_secret(value: &str) -> Option<&'static str> {
    const PLACEHOLDERS: [&str; 14] = [
        "changeme",
        "change-me",
        "change_me",
        "secret",
        "password",
        "example",
        "placeholder",
        "your-",
        "your_",
        "default",
        "insecure",
        "frontdesk",
        "xxxx",
        "0123456789",
    ];
    if value.len() < MIN_SECRET_BYTES {
        return Some("is too short");
    }
    let folded = value.to_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| folded.contains(placeholder)) {
        return Some("looks like a placeholder");
    }
    // A text that repeats itself holds no more than what it repeats.
    let bytes = value.as_bytes();
    let period =
        (1..=bytes.len()).find(|period| bytes.iter().zip(bytes.iter().skip(*period)).all(|(a, b)| a == b));
    let unit = bytes.get(..period.unwrap_or(bytes.len())).unwrap_or(bytes);
    (information(unit) < MIN_SECRET_BITS).then_some("can be guessed")
}

/// Shannon's information of the bytes, each by its share, in bits.
#[expect(clippy::cast_precision_loss, reason = "lengths of secrets")]
fn information(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (length / f64::from(*count)).log2())
        .sum()
}

/// `docs/CONFIGURATION.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         This page is made from the code; a test fails when it is not up to date (`UPDATE_DOCS=1 cargo test -p \
         frontdesk-app configuration` writes it anew).\n\n\
         ## Variables of a deployment\n\n\
         Read once at the start. Everything that is missing, weak or wrong is told at once, and Frontdesk does not start. No \
         secret has a default: `cargo xtask dev` makes the ones it needs and keeps them in the data directory \
         (`secrets.env`, readable by its owner alone). A variable of the environment comes before that file. An empty variable \
         counts as one that is not set.\n\n\
         | variable | what it means | allowed | default |\n|---|---|---|---|\n",
    );
    for Variable { name, meaning, range, default, secret } in VARIABLES {
        let secret = if *secret { " *(secret)*" } else { "" };
        text.push_str(&format!("| `{name}`{secret} | {meaning} | {range} | {default} |\n"));
    }
    text.push_str(
        "\n## Settings of an organisation\n\n\
         Changed while Frontdesk runs, by an administrator: `GET` and `PATCH /api/v1/settings`. A change is in the audit log and \
         is in force at once in the process that made it, and within 5 seconds elsewhere. `null` brings a default back.\n\n",
    );
    text.push_str(&settings::markdown());
    text.push_str(
        "\nBesides its own range, `timeouts.answer_ms` must be at least `timeouts.first_token_ms`, that at least \
         `timeouts.connect_ms`, and `model.context_tokens` more than `model.max_answer_tokens`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const JWT: &str = "b1f4c7a90e3d56820f9a7bc4d1e8356af02c";
    const KEY: &str = "7d20e9b3ac5814f6370cd2e5b98a61f40bce";

    fn read(vars: &[(&str, &str)]) -> Result<HostConfig, Vec<ConfigProblem>> {
        let all: Vec<(&str, &str)> = vars.iter().copied().chain([("JWT_SECRET", JWT)]).collect();
        HostConfig::from_vars(&|name| {
            all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn problems(vars: &[(&str, &str)]) -> Vec<&'static str> {
        read(vars)
            .map(|_| Vec::new())
            .unwrap_or_else(|problems| problems.iter().map(|problem| problem.variable).collect())
    }

    #[test]
    fn one_secret_is_enough_to_start() {
        let config = read(&[]).unwrap();
        assert_eq!(config.core.jwt_secret.expose_secret(), JWT);
        assert!(config.core.model.is_none() && config.core.metrics_token.is_none());
        assert_eq!((config.rate_limit_store, config.log_level.as_str()), (RateLimitStore::Memory, "info"));
    }

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
    fn weak_secrets_are_refused() {
        for weak in [
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababababababab",
            "b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9",
            "please-change-me-please-change-me-now",
            "my-super-secret-key-for-the-application-2026",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbcccccccccc",
        ] {
            assert!(weak_secret(weak).is_some(), "{weak}");
        }
        for good in
            [JWT, KEY, "Zm9vbG93IHJhbmRvbSBpcyBoYXJkIQ9xk2+Vq", "wolf tram eleven quilt sugar Peru 4481"]
        {
            assert_eq!(weak_secret(good), None, "{good}");
        }
    }

    #[test]
    fn a_model_is_configured_by_key_or_by_address() {
        let model = read(&[("OPENAI_API_KEY", "k")]).unwrap().core.model.unwrap();
        assert_eq!((model.base_url.as_str(), model.chat_model.as_deref()), (OPENAI, Some(OPENAI_MODEL)));
        let model = read(&[("OPENAI_BASE_URL", "http://localhost:11434/v1/"), ("OPENAI_MODEL", "llama")])
            .unwrap()
            .core
            .model
            .unwrap();
        assert_eq!(model.base_url, "http://localhost:11434/v1");
        assert!(model.api_key.is_none());
        assert_eq!(problems(&[("OPENAI_BASE_URL", "http://localhost:11434/v1/")]), ["OPENAI_MODEL"]);
        assert_eq!(problems(&[("OPENAI_MODEL", "llama")]), ["OPENAI_MODEL"]);
        let model = read(&[("OPENAI_BASE_URL", "http://e/v1"), ("OPENAI_EMBEDDING_MODEL", "bge")])
            .unwrap()
            .core
            .model
            .unwrap();
        assert_eq!(model.chat_model, None);
    }

    #[test]
    fn qdrant_is_configured_by_its_address() {
        assert!(read(&[]).unwrap().qdrant.is_none());
        let server = read(&[("QDRANT_URL", "https://q.example:6333/"), ("QDRANT_VECTORS", "multi")])
            .unwrap()
            .qdrant
            .unwrap();
        assert_eq!((server.base_url.as_str(), server.mode), ("https://q.example:6333", qdrant::Mode::Multi));
        assert_eq!(problems(&[("QDRANT_VECTORS", "multi")]), ["QDRANT_VECTORS"]);
    }

    #[test]
    fn a_bucket_is_configured_whole_or_not_at_all() {
        let all = [
            ("S3_ENDPOINT", "https://s3.example"),
            ("S3_BUCKET", "desk"),
            ("S3_ACCESS_KEY_ID", "id"),
            ("S3_SECRET_ACCESS_KEY", "SENTINEL"),
        ];
        let config = read(&all).unwrap();
        assert!(config.s3.is_some() && read(&[]).unwrap().s3.is_none());
        assert!(!format!("{config:?}").contains("SENTINEL"));
        for (missing, (name, _)) in all.iter().enumerate() {
            let mut some = all.to_vec();
            some.remove(missing);
            assert_eq!(problems(&some), [*name]);
        }
        assert_eq!(problems(&[("S3_REGION", "auto")]), all.map(|(name, _)| name));
        for (name, wrong) in [
            ("S3_ENDPOINT", "s3.example"),
            ("S3_BUCKET", "a/b"),
            ("S3_REGION", "a/b"),
            ("S3_ADDRESSING", "host"),
        ] {
            let mut vars = vec![(name, wrong)];
            vars.extend(all);
            assert_eq!(problems(&vars), [name]);
        }
    }

    #[test]
    fn a_database_server_is_an_address_and_a_token() {
        let vars = [("DATABASE_URL", "libsql://desk.turso.io"), ("DATABASE_AUTH_TOKEN", "SENTINEL")];
        let config = read(&vars).unwrap();
        assert_eq!(config.database.as_ref().unwrap().to_string(), "https://desk.turso.io");
        assert!(!format!("{config:?}").contains("SENTINEL"));
        assert!(read(&[]).unwrap().database.is_none());
        assert_eq!(problems(&[("DATABASE_AUTH_TOKEN", "t")]), ["DATABASE_AUTH_TOKEN"]);
        assert_eq!(problems(&[("DATABASE_URL", "file:desk.db")]), ["DATABASE_URL"]);
        let split = [("DATABASE_URL", "http://127.0.0.1:8080"), ("DATABASE_AUTH_TOKEN", "a\nb")];
        assert_eq!(problems(&split), ["DATABASE_AUTH_TOKEN"]);
        // `migrate` asks for nothing else.
        let url = |name: &str| (name == "DATABASE_URL").then(|| "http://127.0.0.1:8080".to_owned());
        assert!(database_from_vars(&url).unwrap().is_some());
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let config =
            read(&[("ALLOWED_ORIGINS", "https://Desk.Example.org:443/, http://localhost:5173")]).unwrap();
        assert_eq!(config.core.allowed_origins, ["https://desk.example.org", "http://localhost:5173"]);
        for wrong in ["*", "desk.example.org", "https://a.example/x", "https://u:p@a.example", "file:///x"] {
            assert_eq!(problems(&[("ALLOWED_ORIGINS", wrong)]), ["ALLOWED_ORIGINS"], "{wrong}");
        }
    }

    #[test]
    fn the_secret_of_a_configuration_is_not_printed() {
        let config =
            read(&[("OPENAI_API_KEY", "sk-SENTINEL"), ("ADMIN_PASSWORD", "kettle-SENTINEL-orbit")]).unwrap();
        assert!(!format!("{config:?}").contains("SENTINEL"));
    }

    #[test]
    fn the_configuration_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/CONFIGURATION.md is not up to date; run with UPDATE_DOCS=1");
    }

    #[test]
    fn only_variables_of_the_table_are_read() {
        let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let _ = HostConfig::from_vars(&|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        let known: std::collections::BTreeSet<String> =
            VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
        assert_eq!(asked.into_inner(), known);
    }
}
