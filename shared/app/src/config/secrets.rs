//! The deployment's own secrets, and what a secret must be.

use secrecy::SecretString;

use super::variable::{SECRET_RANGE, Variable, variable};
use super::vars::Vars;

const MIN_SECRET_BYTES: usize = 32;
/// The least information in a secret, in bits, as far as its characters tell.
const MIN_SECRET_BITS: f64 = 96.0;

pub(super) const VARIABLES: &[Variable] = &[variable(
    "JWT_SECRET",
    "Signs the tokens of users and visitors. A new value logs out all of them.",
    SECRET_RANGE,
    "required",
    true,
)];

/// Signs tokens.
pub(super) fn jwt(vars: &mut Vars<'_>) -> Option<SecretString> {
    const NAME: &str = "JWT_SECRET";
    if vars.text(NAME).is_none() {
        vars.problem(NAME, format!("is missing; it must be {SECRET_RANGE}"));
    }
    optional(vars, NAME)
}

/// A secret that may be left out, and is strong where it is not.
pub(super) fn optional(vars: &mut Vars<'_>, name: &'static str) -> Option<SecretString> {
    let value = vars.text(name)?;
    if let Some(weak) = weak_secret(&value) {
        vars.problem(name, format!("{weak}; it must be {SECRET_RANGE}"));
        return None;
    }
    Some(value.into())
}

/// Why a secret can be guessed; `None` when it seems to be random.
fn weak_secret(value: &str) -> Option<&'static str> {
    const PLACEHOLDERS: [&str; 14] = [
        "changeme",
        "change-me",
        "change_me",
        "secret",
        "password",
        "example",
        "placeholder",
        "your-",
        "your_",
        "default",
        "insecure",
        "frontdesk",
        "xxxx",
        "0123456789",
    ];
    if value.len() < MIN_SECRET_BYTES {
        return Some("is too short");
    }
    let folded = value.to_lowercase();
    if PLACEHOLDERS.iter().any(|placeholder| folded.contains(placeholder)) {
        return Some("looks like a placeholder");
    }
    // A text that repeats itself holds no more than what it repeats.
    let bytes = value.as_bytes();
    let period =
        (1..=bytes.len()).find(|period| bytes.iter().zip(bytes.iter().skip(*period)).all(|(a, b)| a == b));
    let unit = bytes.get(..period.unwrap_or(bytes.len())).unwrap_or(bytes);
    (information(unit) < MIN_SECRET_BITS).then_some("can be guessed")
}

/// Shannon's information of the bytes, each by its share, in bits.
#[expect(clippy::cast_precision_loss, reason = "lengths of secrets")]
fn information(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = bytes.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (length / f64::from(*count)).log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::limits::RateLimitStore;
    use crate::config::testing::{JWT, read as configured};

    #[test]
    fn one_secret_is_enough_to_start() {
        let config = configured(&[]).unwrap();
        assert_eq!(config.core.jwt_secret.expose_secret(), JWT);
        assert!(config.core.model.is_none() && config.core.metrics_token.is_none());
        assert_eq!((config.rate_limit_store, config.log_level.as_str()), (RateLimitStore::Memory, "info"));
    }

    #[test]
    fn weak_secrets_are_refused() {
        for weak in [
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababababababab",
            "b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9b1f4c7a9",
            "please-change-me-please-change-me-now",
            "my-super-secret-key-for-the-application-2026",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbcccccccccc",
        ] {
            assert!(weak_secret(weak).is_some(), "{weak}");
        }
        for good in [
            JWT,
            "7d20e9b3ac5814f6370cd2e5b98a61f40bce",
            "Zm9vbG93IHJhbmRvbSBpcyBoYXJkIQ9xk2+Vq",
            "wolf tram eleven quilt sugar Peru 4481",
        ] {
            assert_eq!(weak_secret(good), None, "{good}");
        }
    }
}
