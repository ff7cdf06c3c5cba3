//! What a client takes, and how gladly (RFC 9110, section 12.4).

/// The weight that a list like `Accept` or `Accept-Encoding` gives to a name, in thousandths; `None` when it does not name it.
/// Zero means that it must not be sent. A weight that cannot be read is the usual one.
#[must_use]
pub fn weight(list: &str, name: &str) -> Option<u16> {
    list.split(',').find_map(|one| {
        let mut parts = one.split(';');
        let named = parts.next()?.trim();
        if !named.eq_ignore_ascii_case(name) {
            return None;
        }
        let told = parts.find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        Some(told.flatten().unwrap_or(1000))
    })
}

/// `0.5` is 500.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit()) && fraction.len() <= 3;
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_read_as_the_standard_writes_it() {
        for (list, expected) in [
            ("br", Some(1000)),
            ("gzip, br", Some(1000)),
            ("BR ; Q=0.5", Some(500)),
            ("br;q=0", Some(0)),
            ("br;q=0.", Some(0)),
            ("br;q=0.000", Some(0)),
            ("br;level=1;q=0.25", Some(250)),
            ("br;q=1.000", Some(1000)),
            // Not a weight at all.
            ("br;q=2", Some(1000)),
            ("br;q=0.0000", Some(1000)),
            ("br;q=-0", Some(1000)),
            ("br;q=", Some(1000)),
            ("gzip", None),
            ("brx;q=0", None),
            ("", None),
        ] {
            assert_eq!(weight(list, "br"), expected, "{list}");
        }
    }
}
