//! Origins of pages, as they are configured and as browsers write them.

use url::Url;

/// An origin as browsers write it: scheme, host and a port that is not the usual one. `None` for anything more or less: a
/// path, a login, an asterisk.
pub fn exact(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "https" | "http")
        && url.host_str().is_some_and(|host| !host.is_empty() && !host.contains('*'))
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, origin) in [
            ("https://shop.example", Some("https://shop.example")),
            ("https://Shop.Example:443/", Some("https://shop.example")),
            ("http://shop.example:80", Some("http://shop.example")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("https://чай.рф", Some("https://xn--80as4b.xn--p1ai")),
            ("https://xn--80as4b.xn--p1ai", Some("https://xn--80as4b.xn--p1ai")),
            ("*", None),
            ("null", None),
            ("", None),
            ("https://*", None),
            ("https://*.shop.example", None),
            ("https://shop.example:*", None),
            ("https://shop.example/tea", None),
            ("https://shop.example/?", None),
            ("https://shop.example#", None),
            ("https://me@shop.example", None),
            ("shop.example", None),
            ("//shop.example", None),
            ("file:///tmp", None),
            ("ftp://shop.example", None),
            ("wss://shop.example", None),
            ("https://shop.example https://other.example", None),
        ] {
            assert_eq!(exact(text).as_deref(), origin, "{text}");
        }
    }
}
