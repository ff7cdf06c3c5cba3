//! Addresses of people. One mailbox has one spelling here, and no address looks like another one's.

use frontdesk_domain::text::{Script, has_controls};
use unicode_normalization::UnicodeNormalization;
use url::Host;

/// The longest address, in bytes (RFC 5321: a path of 256 with its brackets).
pub const MAX_BYTES: usize = 254;
/// What is said of a text that is none.
pub const WRONG: &str = "must be an e-mail address like anna@example.org, of at most 254 bytes, and not mix letters that look alike";

/// Letters of other scripts that look like Latin ones.
const LOOK_LATIN: &str = "асеорхуіјѕһԁԛԝкмтвнгпґүӏ αοινυκτρχγωϲ";

/// An address as it is stored: composed letters (NFC), lower case, the domain as the DNS writes it. `None` when it cannot be
/// one, or has letters that look like others: of several scripts, or all of those that look Latin.
#[must_use]
pub fn normal_email(email: &str) -> Option<String> {
    let email = email.trim();
    if email.len() > MAX_BYTES {
        return None;
    }
    let (local, domain) = email.rsplit_once('@')?;
    let local = local.nfc().collect::<String>().to_lowercase();
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > 64 || dots || !local.chars().all(may_stand) || looks_alike(&local) {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return None };
    let shaped = domain.trim_end_matches('.');
    if shaped.is_empty() || shaped.split('.').any(str::is_empty) || domain.ends_with('.') {
        return None;
    }
    let whole = format!("{local}@{shaped}");
    (whole.len() <= MAX_BYTES).then_some(whole)
}

/// Whether a letter may stand before the `@` without quotes (RFC 5321 and 6531).
fn may_stand(letter: char) -> bool {
    match letter {
        '.' => true,
        letter if letter.is_ascii() => {
            letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        }
        letter => letter.is_alphanumeric() && !has_controls(letter.encode_utf8(&mut [0; 4])),
    }
}

fn looks_alike(local: &str) -> bool {
    let letters = || local.chars().filter(|letter| letter.is_alphabetic());
    let mut scripts = letters().map(Script::of);
    let Some(first) = scripts.next() else { return false };
    if scripts.any(|script| script != first) {
        return true;
    }
    match first {
        Script::Latin => letters().any(|letter| !is_plain_latin(letter)),
        Script::Cyrillic | Script::Greek => letters().all(|letter| LOOK_LATIN.contains(letter)),
        Script::Arabic | Script::Tamil => false,
        // Scripts that are not told apart here.
        Script::Other => true,
    }
}

/// Letters with marks that are seen; not those of phonetics, many of which look like plain ones.
const fn is_plain_latin(letter: char) -> bool {
    matches!(letter, 'a'..='z' | 'à'..='ö' | 'ø'..='ÿ' | 'ā'..='ž')
        && !matches!(letter, 'ı' | 'ĸ' | 'ŀ' | 'ŉ' | 'ſ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        for same in [" Anna@Example.ORG ", "ANNA@example.org", "anna@EXAMPLE.org"] {
            assert_eq!(normal_email(same).as_deref(), Some("anna@example.org"), "{same}");
        }
        assert_eq!(normal_email("jose\u{301}@example.org"), normal_email("JOSÉ@example.org"));
        assert_eq!(normal_email("anna@пример.рф").as_deref(), Some("anna@xn--e1afmkfd.xn--p1ai"));
        assert_eq!(normal_email("щука@пример.рф").as_deref(), Some("щука@xn--e1afmkfd.xn--p1ai"));
        assert_eq!(normal_email("a+b.c_d@localhost").as_deref(), Some("a+b.c_d@localhost"));
    }

    #[test]
    fn what_looks_like_another_address_is_none() {
        for alike in [
            "аnna@example.org",  // a Cyrillic а
            "раура@example.org", // all of it Cyrillic, all of it looks Latin
            "οο@example.org",    // Greek
            "ａnna@example.org", // of full width
            "anna\u{200b}@example.org",
            "anna\u{202e}@example.org",
            "ı@example.org",
            "ɑnna@example.org",
        ] {
            assert_eq!(normal_email(alike), None, "{alike}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for wrong in [
            "",
            "anna",
            "@example.org",
            "anna@",
            "anna@example..org",
            "anna@.org",
            "anna@example.org.",
            "an na@example.org",
            "anna@exa mple.org",
            "anna@b@example.org",
            ".anna@example.org",
            "anna.@example.org",
            "an..na@example.org",
            "anna@[127.0.0.1]",
            "anna@127.0.0.1",
            "anna\r\nBcc: x@example.org",
            "\"anna\"@example.org",
            "<anna@example.org>",
        ] {
            assert_eq!(normal_email(wrong), None, "{wrong}");
        }
        assert_eq!(normal_email(&format!("{}@example.org", "a".repeat(65))), None);
        assert_eq!(normal_email(&format!("a@{}.org", "b.".repeat(130))), None);
    }
}
