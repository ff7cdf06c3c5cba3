//! What to try when an endpoint does not take a request as it is: another field, another place.

use frontdesk_ports::{Dialect, ModelEndpoint};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode, Uri};

use super::error::ModelError;
use super::report::{Cause, Report};
use super::request;

/// How often one request may be said in other words.
pub(super) const MOST: u8 = 6;

/// What came instead of an answer.
pub(super) struct RequestRefusal<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What it says.
    pub report: &'a Report,
}

/// The dialect to try next; `None` when the refusal is not about the way of asking. `tried` are the fields that were left
/// out for this request already.
pub(super) fn next(
    endpoint: &ModelEndpoint,
    dialect: &Dialect,
    refusal: &RequestRefusal<'_>,
    tried: &mut Vec<&'static str>,
) -> Result<Option<Dialect>, ModelError> {
    let RequestRefusal { status, headers, report } = refusal;
    if status.is_redirection() {
        return moved(endpoint, dialect, headers).map(Some);
    }
    if matches!(status.as_u16(), 404 | 405) && dialect.url.is_none() && report.cause != Some(Cause::NoModel) {
        return Ok(with_version(&endpoint.base_url, "/chat/completions")
            .map(|url| Dialect { url: Some(url), ..dialect.clone() }));
    }
    let about_request = matches!(status.as_u16(), 400 | 405 | 415 | 422 | 500 | 501);
    if !about_request || report.cause == Some(Cause::ContextTooLong) {
        return Ok(None);
    }
    let system = report.says(&[
        "system role",
        "role 'system'",
        "role \"system\"",
        "system message",
        "system prompt",
        "developer instruction",
    ]) || report.says(&[
        "must alternate",
        "roles alternate",
        "role must be user",
        "should be from the user",
    ]);
    if system && dialect.system_role {
        return Ok(Some(Dialect { system_role: false, ..dialect.clone() }));
    }
    if status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED {
        return Ok(None);
    }
    let Some(field) = report.field(&request::optional_fields(dialect)) else { return Ok(None) };
    if tried.contains(&field) {
        return Ok(None);
    }
    tried.push(field);
    let other = if field == "max_tokens" { "max_completion_tokens" } else { "max_tokens" };
    Ok(Some(request::without(dialect, field, !tried.contains(&other))))
}

/// Base URLs without their version are a common slip: `http://localhost:11434`.
pub(super) fn with_version(base_url: &str, path: &str) -> Option<String> {
    let below = path;
    let path = base_url.split('?').next().unwrap_or_default();
    let has_version = path.rsplit('/').any(|part| {
        part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
            || part == "deployments"
    });
    (!has_version && !base_url.contains("api-version="))
        .then(|| request::below(base_url, &format!("/v1{below}")))
}

/// A redirect is followed on the same host alone: the key goes nowhere else.
fn moved(endpoint: &ModelEndpoint, dialect: &Dialect, headers: &HeaderMap) -> Result<Dialect, ModelError> {
    let from = dialect.url.clone().unwrap_or_else(|| request::below(&endpoint.base_url, "/chat/completions"));
    let to = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|to| url::Url::parse(&from).ok()?.join(to).ok());
    let Some(to) = to else { return Err(ModelError::Refused("moved, and does not say where".to_owned())) };
    let origin = |url: &url::Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    let same = url::Url::parse(&from).is_ok_and(|from| {
        origin(&from) == origin(&to) && from.scheme() == to.scheme()
            || from.host_str() == to.host_str()
                && from.scheme() == "http"
                && to.scheme() == "https"
                && from.port().is_none()
                && to.port().is_none()
    });
    let place: Option<Uri> = to.as_str().parse().ok();
    if to.as_str() == from {
        return Err(ModelError::Refused(format!(
            "redirects to itself at {}: check OPENAI_BASE_URL",
            to.path()
        )));
    }
    if !same || place.is_none() {
        let path = to.path().strip_suffix("/chat/completions").unwrap_or(to.path());
        let port = to.port().map(|port| format!(":{port}")).unwrap_or_default();
        let place = format!("{}://{}{port}{path}", to.scheme(), to.host_str().unwrap_or_default());
        return Err(ModelError::Refused(format!("moved: set OPENAI_BASE_URL to {place}")));
    }
    Ok(Dialect { url: Some(to.to_string()), ..dialect.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_without_its_version_gets_one() {
        assert_eq!(
            with_version("http://localhost:11434", "/chat/completions").as_deref(),
            Some("http://localhost:11434/v1/chat/completions")
        );
        assert_eq!(
            with_version("http://gateway/llm", "/chat/completions").as_deref(),
            Some("http://gateway/llm/v1/chat/completions")
        );
        for whole in [
            "http://x/v1",
            "https://x/v1beta/openai",
            "https://x/openai/deployments/d?api-version=1",
            "https://x/v3/y",
        ] {
            assert_eq!(with_version(whole, "/embeddings"), None, "{whole}");
        }
    }

    #[test]
    fn a_redirect_is_followed_on_the_same_host_alone() {
        let endpoint = ModelEndpoint {
            base_url: "http://a.example/v1".into(),
            api_key: None,
            chat_model: None,
            fallback_model: None,
            embedding_model: None,
        };
        let to = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            moved(&endpoint, &Dialect::default(), &headers).ok().and_then(|dialect| dialect.url)
        };
        assert_eq!(to("/v2/chat/completions").as_deref(), Some("http://a.example/v2/chat/completions"));
        assert_eq!(
            to("https://a.example/v1/chat/completions").as_deref(),
            Some("https://a.example/v1/chat/completions")
        );
        let elsewhere = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            moved(&endpoint, &Dialect::default(), &headers).unwrap_err().to_string()
        };
        let told = elsewhere("http://b.example:8080/v1/chat/completions");
        assert!(told.ends_with("set OPENAI_BASE_URL to http://b.example:8080/v1"), "{told}");
        for other in [
            "http://b.example/v1/chat/completions",
            "//b.example/",
            "http://a.example:8080/v1",
            "/v1/chat/completions",
            "ftp://a.example/",
        ] {
            assert_eq!(to(other), None, "{other}");
        }
    }
}
