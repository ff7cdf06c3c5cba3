//! The fields that tell a client where it stands (draft-ietf-httpapi-ratelimit-headers).

use frontdesk_app::policy::{Standing, WINDOW};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The `RateLimit` fields. Seconds are rounded up: a client that waits that long succeeds.
pub fn write_fields(standing: &Standing, headers: &mut HeaderMap) {
    let Standing { class, verdict } = standing;
    let name = class.name();
    // Who is refused is told one time, here and in Retry-After.
    let reset = if verdict.allowed { verdict.reset } else { verdict.retry_after };
    let reset = reset.as_millis().div_ceil(1000).max(u128::from(!verdict.allowed));
    let fields = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={}", verdict.limit, WINDOW.as_secs())),
        ("ratelimit", format!("\"{name}\";r={};t={reset}", verdict.remaining)),
    ];
    for (field, text) in fields {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(field), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use frontdesk_app::policy::LimitClass;
    use frontdesk_ports::Verdict;

    use super::*;

    #[test]
    fn fields_are_as_the_draft_writes_them() {
        let verdict = Verdict {
            allowed: true,
            limit: 100,
            remaining: 57,
            reset: Duration::from_millis(11_001),
            retry_after: Duration::ZERO,
        };
        let mut headers = HeaderMap::new();
        write_fields(&Standing { class: LimitClass::Read, verdict }, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"read\";q=100;w=60");
        assert_eq!(headers["ratelimit"], "\"read\";r=57;t=12");
    }

    #[test]
    fn who_is_refused_is_told_the_time_of_retry_after() {
        let verdict = Verdict {
            allowed: false,
            limit: 100,
            remaining: 0,
            reset: Duration::from_secs(60),
            retry_after: Duration::from_millis(2_001),
        };
        let mut headers = HeaderMap::new();
        write_fields(&Standing { class: LimitClass::Read, verdict }, &mut headers);
        assert_eq!(headers["ratelimit"], "\"read\";r=0;t=3");
    }
}
