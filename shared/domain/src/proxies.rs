//! Whose address a request comes from when it came through proxies.
//!
//! A proxy that is trusted tells the address before it in `Forwarded` (RFC 7239) or `X-Forwarded-For`, after what it was told
//! itself. What stands left of the first address that is no trusted proxy's, its client wrote: nobody vouches for it.

use std::net::{IpAddr, SocketAddr};

use crate::error::FieldError;
use crate::networks::Networks;

/// The most hops that are followed.
const MOST_HOPS: usize = 32;

/// The networks of the proxies in front of a deployment; without any there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Networks);

impl TrustedProxies {
    /// Addresses and networks, separated by commas or blanks.
    ///
    /// # Errors
    /// What is wrong, with the number of the entry (from 1) where it is one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(|letter: char| letter == ',' || letter.is_whitespace());
        let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
        Networks::parse(&entries, "").map(Self).map_err(|wrong| {
            let told = wrong.into_iter().map(|FieldError { pointer, detail }| {
                let index = pointer.trim_start_matches('/').parse::<usize>();
                index.map_or_else(
                    |_| detail.clone(),
                    |index| format!("entry {}: {detail}", index.saturating_add(1)),
                )
            });
            told.collect::<Vec<_>>().join("; ")
        })
    }

    /// The client's address: the connection's, unless that is a trusted proxy's; else the last one told that is none. Where the
    /// two headers tell different addresses, one of them may be the client's own word, so the proxy's address counts; so does
    /// the last trusted one before what is no address (`unknown`).
    #[must_use]
    pub fn client(&self, connection: IpAddr, forwarded: &str, x_forwarded_for: &str) -> IpAddr {
        if !self.0.have(connection) {
            return connection;
        }
        let standard = forwarded_for(forwarded).map(|told| self.last_untrusted(connection, told));
        let usual = (!x_forwarded_for.trim().is_empty())
            .then(|| self.last_untrusted(connection, x_forwarded_for.split(',').map(address_of).collect()));
        match (standard, usual) {
            (Some(one), Some(other)) if one != other => connection,
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => connection,
        }
    }

    fn last_untrusted(&self, connection: IpAddr, told: Vec<Option<IpAddr>>) -> IpAddr {
        let mut last = connection;
        for address in told.into_iter().rev().take(MOST_HOPS) {
            let Some(address) = address else { return last };
            last = address;
            if !self.0.have(address) {
                return address;
            }
        }
        last
    }
}

/// The addresses of `Forwarded`, in order; `None` for one that hides itself or is none. Without the header, or without any
/// `for`, nothing.
fn forwarded_for(header: &str) -> Option<Vec<Option<IpAddr>>> {
    let told: Vec<Option<IpAddr>> = parts(header, ',')
        .filter_map(|element| {
            parts(element, ';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| address_of(value.trim().trim_matches('"')))
            })
        })
        .collect();
    (!told.is_empty()).then_some(told)
}

/// The pieces between separators that stand in no quotes.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter: char| {
        quoted ^= letter == '"';
        letter == separator && !quoted
    })
}

/// An address, with or without a port, as either header writes it.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address =
        bracketed.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, connection: &str, forwarded: &str, usual: &str) -> String {
        let proxies = TrustedProxies::parse(trusted).unwrap();
        proxies.client(connection.parse().unwrap(), forwarded, usual).to_string()
    }

    const INNER: &str = "10.0.0.0/8, 2001:db8:1::/48 192.0.2.1";

    #[test]
    fn what_a_stranger_writes_is_believed_from_a_trusted_proxy_alone() {
        let forged = "203.0.113.9";
        assert_eq!(client("", "10.0.0.1", "", forged), "10.0.0.1");
        assert_eq!(client(INNER, "198.51.100.7", "", forged), "198.51.100.7");
        assert_eq!(client(INNER, "10.0.0.1", "", forged), forged);
        assert_eq!(
            client(INNER, "::ffff:10.0.0.1", "", forged),
            forged,
            "an IPv4 address in IPv6 is the same"
        );
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxys_is_the_clients() {
        for (told, client_is) in [
            ("203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::7]:4711, 192.0.2.1", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("10.1.1.1, 10.1.1.2", "10.1.1.1"),
            ("203.0.113.9, unknown, 10.1.1.2", "10.1.1.2"),
            ("203.0.113.9, ", "10.0.0.1"),
            ("nonsense", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client(INNER, "10.0.0.1", "", told), client_is, "{told}");
        }
    }

    /// The examples of RFC 7239, section 4, and their like.
    #[test]
    fn forwarded_is_read_as_its_standard_says() {
        for (told, client_is) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=198.51.100.17;by=\"a,b;for=1.1.1.1\", for=10.0.0.9", "198.51.100.17"),
            ("for=\"_gazonk\"", "10.0.0.1"),
            ("for=unknown, for=10.0.0.9", "10.0.0.9"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client(INNER, "10.0.0.1", told, ""), client_is, "{told}");
        }
    }

    #[test]
    fn of_two_headers_that_differ_neither_is_believed() {
        assert_eq!(client(INNER, "10.0.0.1", "for=203.0.113.9", "203.0.113.9"), "203.0.113.9");
        assert_eq!(client(INNER, "10.0.0.1", "for=1.1.1.1", "203.0.113.9"), "10.0.0.1");
    }

    #[test]
    fn a_list_of_proxies_names_what_is_wrong() {
        for (text, entry) in [("10.0.0.0/8, proxy.example", "entry 2: "), ("10.0.0.0/33", "entry 1: ")] {
            assert!(TrustedProxies::parse(text).unwrap_err().starts_with(entry), "{text}");
        }
        let many = vec!["10.0.0.1"; 51].join(",");
        assert_eq!(TrustedProxies::parse(&many).unwrap_err(), "must have at most 50 networks");
        assert_eq!(TrustedProxies::parse(" "), Ok(TrustedProxies::default()));
    }

    proptest::proptest! {
        #[test]
        fn any_header_gives_an_address(forwarded in ".{0,200}", usual in ".{0,200}") {
            client("0.0.0.0/0", "10.0.0.1", &forwarded, &usual);
        }
    }
}
