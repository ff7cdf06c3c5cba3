//! The origin of this deployment's own pages.
//!
//! A page is told by scheme, host and port together, as browsers write an origin; anything less lets other pages in. `Host`
//! says only what the client wrote: a page of a name that its owner lets point here reaches this deployment under that
//! name, so a name counts only when the deployment was told it.

use std::net::{IpAddr, Ipv6Addr};

use frontdesk_ports::OwnOrigin;
use http::request::Parts;
use http::{HeaderMap, header};

/// The origin under which this request reached the deployment, if that is certain.
pub fn own(known: &OwnOrigin, request: &Parts) -> Option<String> {
    match known {
        OwnOrigin::Known(origin) => Some(origin.clone()),
        OwnOrigin::Routed => {
            let uri = &request.uri;
            Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?).to_ascii_lowercase())
        }
        OwnOrigin::ByAddress => by_address(&request.headers),
    }
}

/// `http` and the `Host`, where that is `localhost` or an address: no stranger's DNS can make such a name point elsewhere.
fn by_address(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?.to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => (name, port),
        _ => (host.as_str(), ""),
    };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let fixed = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            name == "localhost" || name.ends_with(".localhost") || matches!(name.parse(), Ok(IpAddr::V4(_)))
        }
    };
    let port = if matches!(port, "" | "80") { String::new() } else { format!(":{port}") };
    fixed.then(|| format!("http://{name}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn origin(known: &OwnOrigin, uri: &str, host: &str) -> Option<String> {
        own(known, &Request::get(uri).header("host", host).body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_host_that_names_an_address_is_believed_and_no_other() {
        for (host, own) in [
            ("127.0.0.1:8787", Some("http://127.0.0.1:8787")),
            ("localhost:8787", Some("http://localhost:8787")),
            ("LOCALHOST:80", Some("http://localhost")),
            ("demo.localhost", Some("http://demo.localhost")),
            ("[::1]:8787", Some("http://[::1]:8787")),
            ("192.168.1.5", Some("http://192.168.1.5")),
            ("desk.example", None),
            ("desk.example:8787", None),
            ("localhost.desk.example", None),
            ("notlocalhost", None),
            ("127.0.0.1.nip.example:8787", None),
            ("::1", None),
            ("[::1].desk.example", None),
            ("", None),
        ] {
            assert_eq!(origin(&OwnOrigin::ByAddress, "/", host).as_deref(), own, "{host}");
        }
    }

    #[test]
    fn what_is_configured_or_routed_by_counts_more_than_the_host() {
        let known = OwnOrigin::Known("https://desk.example".to_owned());
        assert_eq!(origin(&known, "/", "evil.example").as_deref(), Some("https://desk.example"));
        let routed = origin(&OwnOrigin::Routed, "https://desk.example/api", "evil.example");
        assert_eq!(routed.as_deref(), Some("https://desk.example"));
        assert_eq!(origin(&OwnOrigin::Routed, "/api", "desk.example"), None);
    }
}
