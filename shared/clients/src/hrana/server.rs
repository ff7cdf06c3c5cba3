//! Where a libSQL server is, and what opens it.

use std::fmt;

use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// A libSQL server: the address that calls go to, and the header that opens it.
#[derive(Debug, Clone)]
pub struct HranaServer {
    pub(super) pipeline: Uri,
    /// Marked sensitive: `Debug` does not print it.
    pub(super) authorization: Option<HeaderValue>,
}

/// Scheme, host and port.
impl fmt::Display for HranaServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.pipeline.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}", self.pipeline.authority().map_or("", |authority| authority.as_str()))
    }
}

/// What is wrong with an address or a token; never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HranaServerError {
    /// The address, and what it must be.
    #[error("{0}")]
    Address(&'static str),
    /// The token, and what it must be.
    #[error("{0}")]
    Token(&'static str),
}

impl HranaServer {
    /// Reads an address: `https://`, `http://` or `libsql://`, which is `https://`, or with `?tls=0` `http://`. A path
    /// is kept.
    ///
    /// # Errors
    /// [`HranaServerError`] when the address is another, or holds a login; when the token cannot be sent.
    pub fn new(url: &str, token: Option<&SecretString>) -> Result<Self, HranaServerError> {
        Ok(Self { pipeline: pipeline(url)?, authorization: token.map(bearer).transpose()? })
    }
}

fn pipeline(text: &str) -> Result<Uri, HranaServerError> {
    const FORM: HranaServerError =
        HranaServerError::Address("must be an address that begins with libsql:// or https:// or http://");
    let url = Url::parse(text).map_err(|_| FORM)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HranaServerError::Address("must not hold a login; the token has a variable of its own"));
    }
    if url.query_pairs().any(|(name, _)| name == "authToken") {
        return Err(HranaServerError::Address("must not hold a token; it has a variable of its own"));
    }
    let scheme = match (url.scheme(), url.query()) {
        ("libsql" | "https", None) | ("libsql", Some("tls=1")) => "https",
        ("libsql", Some("tls=0")) if url.port().is_none() => {
            return Err(HranaServerError::Address("with ?tls=0 must name a port"));
        }
        ("http", None) | ("libsql", Some("tls=0")) => "http",
        ("libsql", Some(_)) => return Err(HranaServerError::Address("may have no other query than ?tls=0")),
        ("https" | "http", Some(_)) => return Err(HranaServerError::Address("must not have a query")),
        _ => return Err(FORM),
    };
    if url.fragment().is_some() {
        return Err(HranaServerError::Address("must not have a fragment"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{scheme}://{host}{port}{path}/v2/pipeline").parse().map_err(|_| FORM)
}

fn bearer(token: &SecretString) -> Result<HeaderValue, HranaServerError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::from_str(&text)
        .ok()
        .filter(|_| text.is_ascii())
        .ok_or(HranaServerError::Token("has characters that cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<String, HranaServerError> {
        HranaServer::new(text, None).map(|server| server.pipeline.to_string())
    }

    #[test]
    fn addresses_are_read() {
        for (text, pipeline) in [
            ("libsql://desk-org.turso.io", "https://desk-org.turso.io/v2/pipeline"),
            ("libsql://desk-org.turso.io/", "https://desk-org.turso.io/v2/pipeline"),
            ("libsql://desk.example:8443?tls=1", "https://desk.example:8443/v2/pipeline"),
            ("libsql://127.0.0.1:8080?tls=0", "http://127.0.0.1:8080/v2/pipeline"),
            ("libsql://127.0.0.1:8080/?tls=0", "http://127.0.0.1:8080/v2/pipeline"),
            ("https://db.example", "https://db.example/v2/pipeline"),
            ("http://[::1]:8080", "http://[::1]:8080/v2/pipeline"),
            ("http://db.example/dev/desk/", "http://db.example/dev/desk/v2/pipeline"),
        ] {
            assert_eq!(address(text).unwrap(), pipeline, "{text}");
        }
    }

    #[test]
    fn other_addresses_are_refused_and_not_repeated() {
        for text in [
            "",
            "SENTINEL",
            "ftp://SENTINEL",
            "wss://SENTINEL",
            "file:///SENTINEL",
            "libsql:///SENTINEL",
            "libsql://",
            "libsql://SENTINEL?tls=0",
            "libsql://SENTINEL?tls=2",
            "libsql://SENTINEL?authToken=SENTINEL",
            "https://SENTINEL?tls=0",
            "https://user:SENTINEL@db.example",
            "https://db.example#SENTINEL",
        ] {
            let error = address(text).unwrap_err();
            assert!(!error.to_string().contains("SENTINEL"), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_is_a_bearer_and_is_not_printed() {
        let server = HranaServer::new("https://db.example", Some(&"SENTINEL".into())).unwrap();
        assert_eq!(server.authorization.as_ref().unwrap(), "Bearer SENTINEL");
        assert!(!format!("{server:?}").contains("SENTINEL"));
        for token in ["a\nb", "чай"] {
            let refused = HranaServer::new("https://db.example", Some(&token.into())).unwrap_err();
            assert!(matches!(refused, HranaServerError::Token(_)), "{token}");
        }
    }
}
