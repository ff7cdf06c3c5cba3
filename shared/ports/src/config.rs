//! The deployment's configuration, as the core sees it. `app::config` makes it from variables.

use frontdesk_domain::proxies::TrustedProxies;
use secrecy::SecretString;

/// Where a model is served.
#[derive(Debug, Clone)]
pub struct ModelEndpoint {
    /// OpenAI-compatible base URL, without a slash at the end.
    pub base_url: String,
    /// The key; local servers often need none.
    pub api_key: Option<SecretString>,
    /// The chat model.
    pub chat_model: Option<String>,
    /// The smaller model that is asked when the first one fails.
    pub fallback_model: Option<String>,
    /// The embedding model; none means lexical search alone.
    pub embedding_model: Option<String>,
}

/// Under which origin this deployment is reached: what tells its own pages' calls from others'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnOrigin {
    /// This one, as browsers write it.
    Known(String),
    /// The one that the request's address names, on a platform that routes by it, so that a client cannot choose.
    Routed,
    /// The one that the client names, as long as that is an address and no name.
    ByAddress,
}

/// Who may make an account in this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Every caller, with an organisation of its own.
    Open,
    /// Who was invited by a member.
    Invite,
    /// No caller: accounts are made on the machine, and invitations reach those who have one alone.
    Closed,
}

/// The deployment's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may make an account.
    pub registration: RegistrationMode,
    /// Signs tokens (HS256), and verifies them; at least 32 bytes.
    pub jwt_secret: SecretString,
    /// The one before it: tokens that it signed are good still.
    pub old_jwt_secret: Option<SecretString>,
    /// Opens `/metrics`; without it the endpoint does not exist.
    pub metrics_token: Option<SecretString>,
    /// Lets other deployments reach this one's rooms; without it they cannot.
    pub rooms_token: Option<SecretString>,
    /// Origins of operators' pages beside the host's own.
    pub allowed_origins: Vec<String>,
    /// Under which origin this deployment is reached.
    pub own_origin: OwnOrigin,
    /// The proxies in front of it.
    pub trusted_proxies: TrustedProxies,
    /// The model that organisations use which have none of their own.
    pub model: Option<ModelEndpoint>,
    /// Whether rate limits apply; off for tests and load.
    pub rate_limits: bool,
    /// Whether the session cookies are marked Secure (off only for plain HTTP on loopback).
    pub secure_cookies: bool,
    /// The version that `/health` tells.
    pub version: &'static str,
}
