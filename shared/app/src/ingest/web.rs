//! Web pages by address. A stranger may have chosen it, so nothing of it is trusted: only public addresses on the usual ports,
//! checked again after each redirect (and by the HTTP adapter after DNS), within limits of size and time, and only what
//! the site's `robots.txt` allows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::address::is_public;
use frontdesk_domain::document::reasons::{self, Told};
use frontdesk_domain::error::Error;
use frontdesk_domain::robots::{MAX_ROBOTS_BYTES, Robots};
use frontdesk_ports::{Ctx, Egress, FetchError, FetchLimits};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http::{HeaderMap, StatusCode, header};
use url::{Host, Position, Url};

use super::Failure;

/// The name that `robots.txt` is asked for.
pub const ROBOT: &str = "FrontdeskBot";

/// The `User-Agent` header.
const USER_AGENT: &str =
    "Mozilla/5.0 (compatible; FrontdeskBot/1.0; +https://github.com/frontdesk/frontdesk)";

/// All in all, redirects and `robots.txt` included.
const TOTAL: Duration = Duration::from_secs(20);

/// How often a page may lead on to another.
const MAX_REDIRECTS: usize = 5;

/// The longest address, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// A longer `robots.txt` is not begun; of a shorter one, [`MAX_ROBOTS_BYTES`] are read.
const MAX_ROBOTS_FILE: u64 = 16 << 20;

/// Types of content that can be a document; what it really is the content tells.
const TYPES: [&str; 9] = [
    "text/html",
    "application/xhtml+xml",
    "text/plain",
    "text/markdown",
    "text/x-markdown",
    "text/csv",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/octet-stream",
];

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPage {
    /// The body.
    pub bytes: Bytes,
    /// What stands for a title where the page has none: its host and path.
    pub name: String,
}

/// An address that may be asked.
///
/// # Errors
/// Why it may not, for a person.
pub fn check(text: &str) -> Result<Url, Told> {
    if text.len() > MAX_URL_BYTES {
        return Err(reasons::ADDRESS_TOO_LONG.with(&[&MAX_URL_BYTES]));
    }
    let mut url = Url::parse(text.trim()).map_err(|_| reasons::NO_ADDRESS.told())?;
    url.set_fragment(None);
    check_url(&url)?;
    Ok(url)
}

fn check_url(url: &Url) -> Result<(), Told> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(reasons::NO_HTTP.told());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(reasons::WITH_PASSWORD.told());
    }
    if !matches!(url.port_or_known_default(), Some(80 | 443)) {
        return Err(reasons::OTHER_PORT.told());
    }
    // The parser has already made 0x7f.1, 017700000001, 2130706433 and the like one form.
    let public = match url.host() {
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        Some(Host::Domain(name)) => is_public_name(name),
        None => false,
    };
    if public { Ok(()) } else { Err(reasons::NOT_PUBLIC.told()) }
}

/// Names that mean this machine or an inner network (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let inner =
        ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "localdomain"];
    name.contains('.')
        && !inner.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

/// Gets a page.
///
/// # Errors
/// [`Failure`]: refused for good, or worth another attempt.
pub async fn fetch(ctx: &Ctx, url: &Url, max_bytes: u64) -> Result<WebPage, Failure> {
    let work = std::pin::pin!(follow(ctx, url, max_bytes));
    match select(work, ctx.clock.sleep(TOTAL)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Failure::Passing(reasons::PAGE_TOO_SLOW.with(&[&TOTAL.as_secs()]))),
    }
}

async fn follow(ctx: &Ctx, start: &Url, max_bytes: u64) -> Result<WebPage, Failure> {
    let mut url = start.clone();
    let mut known: Vec<(String, Arc<Robots>)> = Vec::new();
    for _ in 0..=MAX_REDIRECTS {
        check_url(&url).map_err(|reason| Failure::Permanent(reasons::LEADS_ELSEWHERE.with(&[&reason])))?;
        let origin = url.origin().ascii_serialization();
        let rules = match known.iter().position(|(host, _)| *host == origin) {
            Some(at) => known.get(at),
            None => {
                let rules = robots(ctx, &url).await?;
                known.push((origin, rules));
                known.last()
            }
        };
        if let Some((_, rules)) = rules
            && !may_read(ctx, rules, &url).await?
        {
            return Err(Failure::Permanent(reasons::FORBIDDEN_TO_ROBOTS.told()));
        }
        let response = send(ctx, &url, max_bytes).await?;
        if let Some(next) = redirect(&url, response.status, &response.headers) {
            url = next?;
            continue;
        }
        return page(&url, response).await;
    }
    Err(Failure::Permanent(reasons::LEADS_ON.with(&[&MAX_REDIRECTS])))
}

/// Where a response leads, if it does.
fn redirect(from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Result<Url, Failure>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= MAX_URL_BYTES)
        .and_then(|value| from.join(value).ok());
    Some(match next {
        Some(mut next) => {
            next.set_fragment(None);
            Ok(next)
        }
        None => Err(Failure::Permanent(reasons::LEADS_NOWHERE.told())),
    })
}

struct SiteAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: frontdesk_ports::ByteStream,
    max_bytes: u64,
}

async fn send(ctx: &Ctx, url: &Url, max_bytes: u64) -> Result<SiteAnswer, Failure> {
    let request = http::Request::get(url.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .header(
            header::ACCEPT,
            "text/html,application/xhtml+xml,text/plain,text/markdown,text/csv,application/pdf,*/*;q=0.1",
        )
        .header(header::ACCEPT_LANGUAGE, "*")
        .body(Bytes::new())
        .map_err(|_| Failure::Permanent(reasons::NO_ADDRESS.told()))?;
    let limits = FetchLimits {
        connect: Duration::from_secs(5),
        head: Duration::from_secs(10),
        gap: Duration::from_secs(10),
        total: TOTAL,
        max_bytes,
        egress: Egress::Public,
    };
    let (parts, body) = ctx.http.send(request, limits).await.map_err(|error| failure(&error))?.into_parts();
    Ok(SiteAnswer { status: parts.status, headers: parts.headers, body, max_bytes })
}

fn failure(error: &FetchError) -> Failure {
    match error {
        FetchError::Refused(_) => Failure::Permanent(reasons::NOT_PUBLIC.told()),
        FetchError::TooLarge(limit) => Failure::Permanent(reasons::PAGE_TOO_LARGE.with(&[limit])),
        FetchError::Timeout(_) => Failure::Passing(reasons::SITE_SLOW.told()),
        FetchError::Connect(_) => Failure::Passing(reasons::SITE_AWAY.told()),
        FetchError::Lost(_) => Failure::Passing(reasons::SITE_LOST.told()),
        FetchError::CircuitOpen => Failure::Passing(reasons::SITE_SILENT.told()),
    }
}

/// The body, within the limit whether or not the adapter keeps it.
async fn collect(answer: SiteAnswer) -> Result<Bytes, Failure> {
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| failure(&error))?;
        let length = u64::try_from(bytes.len().saturating_add(piece.len())).unwrap_or(u64::MAX);
        if length > answer.max_bytes {
            return Err(failure(&FetchError::TooLarge(answer.max_bytes)));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// The first bytes of a body; the rest is not waited for.
async fn beginning(answer: SiteAnswer, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while bytes.len() < most
        && let Some(piece) = body.next().await
    {
        bytes.extend_from_slice(&piece.map_err(|error| failure(&error))?);
    }
    Ok(bytes)
}

async fn page(url: &Url, answer: SiteAnswer) -> Result<WebPage, Failure> {
    let status = answer.status;
    let answered = || reasons::SITE_ANSWERED.with(&[&status.as_u16()]);
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Err(Failure::Passing(answered()));
    }
    if status != StatusCode::OK {
        return Err(Failure::Permanent(answered()));
    }
    let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if !essence.is_empty() && !TYPES.contains(&essence.as_str()) {
        return Err(Failure::Permanent(reasons::PAGE_OF_OTHER_TYPE.with(&[&essence])));
    }
    let name = format!("{}{}", url.host_str().unwrap_or(""), url.path().trim_end_matches('/'));
    Ok(WebPage { bytes: collect(answer).await?, name })
}

/// Whether the rules let a page be read.
async fn may_read(ctx: &Ctx, rules: &Arc<Robots>, url: &Url) -> Result<bool, Failure> {
    let rules = Arc::clone(rules);
    let path = url[Position::BeforePath..Position::AfterQuery].to_owned();
    apart(ctx, move || rules.allow(&path)).await
}

/// Does what half a megabyte of rules may take a while for, off the core's thread.
async fn apart<T: Send + 'static>(
    ctx: &Ctx,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = ctx.compute.run(Box::new(move || Box::new(work()))).await;
    let done = done.downcast::<T>().map_err(|_| Error::ours("the rules of a site could not be read"))?;
    Ok(*done)
}

/// The rules of a site, as RFC 9309 says: none when there is no file (4xx), all forbidden while it cannot be read (5xx,
/// unreachable), which may pass.
async fn robots(ctx: &Ctx, page: &Url) -> Result<Arc<Robots>, Failure> {
    let Ok(mut url) = page.join("/robots.txt") else { return Ok(Arc::default()) };
    for _ in 0..=MAX_REDIRECTS {
        if check_url(&url).is_err() {
            return Ok(Arc::default());
        }
        let answer = match send(ctx, &url, MAX_ROBOTS_FILE).await {
            Err(Failure::Permanent(reason)) => return Err(Failure::Permanent(reason)),
            other => other?,
        };
        if let Some(next) = redirect(&url, answer.status, &answer.headers) {
            let Ok(next) = next else { return Ok(Arc::default()) };
            url = next;
            continue;
        }
        if answer.status.is_server_error() {
            return Err(Failure::Passing(reasons::ROBOTS_NOT_READ.told()));
        }
        if answer.status != StatusCode::OK {
            return Ok(Arc::default());
        }
        let file = beginning(answer, MAX_ROBOTS_BYTES.saturating_add(1)).await?;
        return apart(ctx, move || Arc::new(Robots::parse(&file, ROBOT))).await;
    }
    Ok(Arc::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_pass() {
        for address in [
            "https://example.com",
            "http://example.com:443/a?b#c",
            "https://пример.рф/чай",
            "http://8.8.8.8/",
        ] {
            assert!(check(address).is_ok(), "{address}");
        }
        assert_eq!(check("https://example.com/a#b").unwrap().as_str(), "https://example.com/a");
    }

    #[test]
    fn inner_addresses_are_refused_in_every_spelling() {
        for address in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://user:pass@example.com/",
            "https://user@example.com/",
            "http://example.com:8080/",
            "http://example.com:22/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://intranet/",
            "http://printer.local/",
            "http://metadata.google.internal/",
            "http://router.home.arpa/",
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://0/",
            "http://10.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://192.168.1.1/",
            "http://224.0.0.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
        ] {
            assert!(check(address).is_err(), "{address}");
        }
        assert!(
            check(&format!("https://example.com/{}", "a".repeat(3000)))
                .unwrap_err()
                .to_string()
                .contains("2048")
        );
    }
}
