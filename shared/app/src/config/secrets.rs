//! The deployment's own secrets, and what a secret must be.

use secrecy::SecretString;

use super::variable::{SECRET_RANGE, Variable, variable};
use super::vars::Vars;

const JWT_RANGE: &str = "at least 32 bytes of randomness without a comma, for example `openssl rand -hex 32`; or two of these, `new,old`";
const MIN_SECRET_BYTES: usize = 32;
/// The least information in a secret, in bits, as far as its characters tell.
const MIN_SECRET_BITS: f64 = 96.0;

pub(super) const VARIABLES: &[Variable] = &[variable(
    "JWT_SECRET",
    "Signs the tokens of users and visitors. It may hold two keys, separated by a comma: the first signs, both verify, so a new \
     key before the old one logs out nobody; a new value alone logs out all of them. [SECURITY.md](SECURITY.md) says how to \
     change it.",
    JWT_RANGE,
    "required",
    true,
)];

/// Signs tokens: the key that does, and the one that did before. A blank does not separate them, as a key may be words.
pub(super) fn jwt(vars: &mut Vars<'_>) -> Option<(SecretString, Option<SecretString>)> {
    const NAME: &str = "JWT_SECRET";
    let Some(value) = vars.text(NAME) else {
        vars.problem(NAME, format!("is missing; it must be {JWT_RANGE}"));
        return None;
    };
    let keys: Vec<&str> = value.split(',').map(str::trim).collect();
    match keys.as_slice() {
        [key] => optional(vars, NAME).map(|_| ((*key).into(), None)),
        [new, old] => {
            let mut good = true;
            for (which, key) in [("new", *new), ("old", *old)] {
                if let Some(weak) = weak_secret(key) {
                    vars.problem(
                        NAME,
                        format!("holds two keys, and the {which} one {weak}; it must be {JWT_RANGE}"),
                    );
                    good = false;
                }
            }
            if good && new == old {
                vars.problem(
                    NAME,
                    "holds the same key twice: the new one must be another one than the old one",
                );
                good = false;
            }
            good.then(|| ((*new).into(), Some((*old).into())))
        }
        more => {
            vars.problem(
                NAME,
                format!(
                    "holds {} keys; it must be one, or a new one and the old one, separated by a comma",
                    more.len()
                ),
            );
            None
        }
    }
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
    use frontdesk_ports::Config;
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
    fn a_new_key_stands_before_the_old_one() {
        const NEW: &str = "f05e6a2b9c1d48370e8f5b6a7c2d91e4083b";
        for value in [format!("{NEW},{JWT}"), format!(" {NEW} ,\n{JWT} ")] {
            let Config { jwt_secret, old_jwt_secret, .. } =
                configured(&[("JWT_SECRET", &value)]).unwrap().core;
            assert_eq!(jwt_secret.expose_secret(), NEW);
            assert_eq!(old_jwt_secret.unwrap().expose_secret(), JWT);
        }
        assert!(configured(&[]).unwrap().core.old_jwt_secret.is_none());
        let words = "wolf tram eleven quilt sugar Peru 4481";
        let config = configured(&[("JWT_SECRET", words)]).unwrap().core;
        assert_eq!((config.jwt_secret.expose_secret(), config.old_jwt_secret.is_none()), (words, true));
    }

    #[test]
    fn two_keys_of_which_one_is_weak_or_that_are_the_same_are_named() {
        let told = |value: &str| {
            let problems = configured(&[("JWT_SECRET", value)]).unwrap_err();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for (value, words) in [
            (format!("tooshort,{JWT}"), "the new one is too short"),
            (format!("{JWT},tooshort"), "the old one is too short"),
            (format!("{JWT},{}", "ab".repeat(30)), "the old one can be guessed"),
            (format!("{JWT},"), "the old one is too short"),
            (format!(",{JWT}"), "the new one is too short"),
            (format!("{JWT}, {JWT}"), "the same key twice"),
            (format!("{JWT},{JWT},{JWT}"), "holds 3 keys"),
        ] {
            let told = told(&value);
            assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
            assert!(!told[0].contains(JWT) && !told[0].contains("tooshort"), "{told:?}");
        }
        assert_eq!(told("tooshort,also-short").len(), 2, "all at once");
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
