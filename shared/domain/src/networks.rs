//! Networks from which something counts.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::FieldError;

/// A list of networks. What one without any means, its user says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// The most networks of a list.
    pub const MOST: usize = 50;
    /// The longest text of one, in bytes: an IPv6 address in full with its length.
    const MOST_BYTES: usize = 43;

    /// The networks of these texts: addresses and networks in CIDR notation. Bits behind a network's length are ignored.
    ///
    /// # Errors
    /// Every text that is none, under `pointer`.
    pub fn parse<T: AsRef<str>>(texts: &[T], pointer: &str) -> Result<Self, Vec<FieldError>> {
        if texts.len() > Self::MOST {
            let detail = format!("must have at most {} networks", Self::MOST);
            return Err(vec![FieldError { pointer: pointer.to_owned(), detail }]);
        }
        let (mut networks, mut wrong) = (Vec::new(), Vec::new());
        for (index, text) in texts.iter().enumerate() {
            match network(text.as_ref()) {
                Ok(network) if networks.contains(&network) => {}
                Ok(network) => networks.push(network),
                Err(detail) => {
                    wrong.push(FieldError {
                        pointer: format!("{pointer}/{index}"),
                        detail: detail.to_owned(),
                    });
                }
            }
        }
        if wrong.is_empty() { Ok(Self(networks)) } else { Err(wrong) }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is in one of them. An IPv4 address counts as one however it comes.
    #[must_use]
    pub fn have(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// As they are written.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    const WRONG: &str = "must be an address or a network, like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32";
    if text.len() > Networks::MOST_BYTES {
        return Err(WRONG);
    }
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| WRONG)?),
    };
    if network.addr().to_canonical() != network.addr() {
        return Err("must be written as IPv4");
    }
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Networks, Vec<FieldError>> {
        Networks::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), "/addresses")
    }

    #[test]
    fn an_address_is_in_a_network_or_is_not() {
        let list = of(&["203.0.113.9/24", "198.51.100.7", "2001:db8:1::/48"]).unwrap();
        assert_eq!(list.texts(), ["203.0.113.0/24", "198.51.100.7/32", "2001:db8:1::/48"]);
        for (address, has) in [
            ("203.0.113.0", true),
            ("203.0.113.255", true),
            ("::ffff:203.0.113.4", true),
            ("203.0.114.0", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::1", false),
            ("::", false),
        ] {
            assert_eq!(list.have(address.parse().unwrap()), has, "{address}");
        }
        assert!(!Networks::default().have("203.0.113.4".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let long = "2001:db8::".repeat(20);
        let texts = [
            "203.0.113.0/33",
            "",
            "example.org",
            "203.0.113.0/24",
            "10.1/8",
            "::ffff:10.0.0.0/104",
            "::1/129",
            &long,
        ];
        let wrong = of(&texts).unwrap_err();
        let named: Vec<&str> = wrong.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(named, [0, 1, 2, 4, 5, 6, 7].map(|index| format!("/addresses/{index}")));
        let many: Vec<&str> = vec!["10.0.0.1"; 51];
        assert_eq!(of(&many).unwrap_err()[0].pointer, "/addresses");
        assert_eq!(of(&many[1..]).unwrap().texts(), ["10.0.0.1/32"], "once is enough");
    }

    proptest::proptest! {
        #[test]
        fn what_was_taken_is_written_so_that_it_is_taken_again(texts in proptest::collection::vec("[0-9a-f:./]{0,50}", 0..60)) {
            if let Ok(list) = Networks::parse(&texts, "/addresses") {
                proptest::prop_assert_eq!(Networks::parse(&list.texts(), "/addresses"), Ok(list));
            }
        }

        #[test]
        fn a_network_has_its_own_address(address: IpAddr, length in 0_u8..=128) {
            if let Ok(list) = Networks::parse(&[format!("{address}/{length}")], "/addresses") {
                proptest::prop_assert!(list.have(address));
            }
        }
    }
}
