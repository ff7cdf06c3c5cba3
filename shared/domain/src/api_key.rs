//! Keys with which programs call the API: how they are written.
//!
//! `fdk_`, the 26 letters and digits of the key's id (`key_…`), 32 random bytes in base 62 (43 digits), and a checksum of all of
//! that: its CRC-32 (IEEE 802.3) in base 62, six digits. The digits are `0-9A-Za-z`, the most significant first. So a scanner of
//! sources knows a key when it finds one, its owner knows which one was found, and a mistyped one costs no question to the
//! database. The checksum protects against nothing else: anyone can compute it.

use std::fmt;

use crate::id::ApiKeyId;

/// A key as a program shows it. Whether it counts is another matter.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: ApiKeyId,
    text: String,
}

impl ApiKey {
    /// What every key begins with.
    pub const PREFIX: &str = "fdk_";
    /// How long every key is, in bytes.
    pub const BYTES: usize = 79;
    const ID: usize = 26;
    const SECRET: usize = 43;
    const CHECKSUM: usize = 6;

    /// The key with this id and these random bytes.
    #[must_use]
    pub fn new(id: ApiKeyId, random: [u8; 32]) -> Self {
        let number = id.to_string();
        let number = number.rsplit('_').next().unwrap_or_default();
        let body = format!("{}{number}{}", Self::PREFIX, base62(&random, Self::SECRET));
        let text = format!("{body}{}", checksum(&body));
        Self { id, text }
    }

    /// The key of this text; `None` when no key is written like that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (body, shown) = text.split_at_checked(Self::BYTES.saturating_sub(Self::CHECKSUM))?;
        if checksum(body) != shown {
            return None;
        }
        let (number, secret) = body.strip_prefix(Self::PREFIX)?.split_at_checked(Self::ID)?;
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let name = format!("{}_{number}", ApiKeyId::PREFIX);
        let id: ApiKeyId = name.parse().ok()?;
        // An id has one way to be written.
        (id.to_string() == name).then(|| Self { id, text: text.to_owned() })
    }

    /// Which key it says that it is.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// The whole text: a secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn checksum(body: &str) -> String {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), ApiKey::CHECKSUM)
}

/// The last so many digits of a number, the most significant first.
fn base62(number: &[u8], digits: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = number.to_vec();
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in &mut number {
            // At most 61 × 256 + 255, so the quotient is a byte.
            let value = rest.saturating_mul(256).saturating_add(u16::from(*byte));
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS.get(usize::from(rest)).copied().unwrap_or(b'0');
    }
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    /// Computed by Python: `int.to_bytes`, `zlib.crc32` and a division by 62.
    const KNOWN: &str = "fdk_01h455vb4pex5vsknk084sn02q0FDoVNKQRVR7DuqN5L9cUFO8b1B5VdwvjCBB1tuIPBR0cYth0";

    fn id() -> ApiKeyId {
        "key_01h455vb4pex5vsknk084sn02q".parse().unwrap()
    }

    #[test]
    fn a_key_is_written_as_scanners_are_told() {
        let mut random = [0; 32];
        for (index, byte) in random.iter_mut().enumerate() {
            *byte = u8::try_from(index * 8 + 1).unwrap();
        }
        let key = ApiKey::new(id(), random);
        assert_eq!(key.text(), KNOWN);
        assert_eq!(key.text().len(), ApiKey::BYTES);
        assert!(!format!("{key:?}").contains(&KNOWN[30..40]));
    }

    #[test]
    fn base62_is_a_number_in_digits() {
        assert_eq!(base62(&[0], 3), "000");
        assert_eq!(base62(&[61], 2), "0z");
        assert_eq!(base62(&[62], 2), "10");
        assert_eq!(base62(&[0xff; 4], 6), "4gfFC3");
        assert_eq!(base62(&[0xff; 32], 43).len(), 43);
        assert_ne!(base62(&[0xff; 32], 43).as_bytes()[0], b'0', "no digit is cut off");
    }

    #[test]
    fn another_length_another_prefix_and_other_letters_are_no_key() {
        let wrong = |body: &str| format!("{body}{}", checksum(body));
        let body = &KNOWN[..73];
        assert!(ApiKey::parse(&wrong(body)).is_some());
        for body in [
            body[..72].to_owned(),
            format!("{body}0"),
            body.replacen("fdk_", "fdx_", 1),
            body.replacen("fdk_0", "fdk_8", 1),
            body.replacen("01h455vb", "01H455VB", 1),
            format!("{}-", &body[..72]),
            format!("{} ", &body[..72]),
            format!("{}é", &body[..71]),
        ] {
            assert_eq!(ApiKey::parse(&wrong(&body)), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0_i64..4_000_000_000_000, entropy: [u8; 10], random: [u8; 32]) {
            let key = ApiKey::new(ApiKeyId::new(Timestamp::from_millis(at), entropy), random);
            prop_assert_eq!(ApiKey::parse(key.text()), Some(key));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, tail in "[0-9A-Za-z_é\u{0}]{0,90}") {
            prop_assert_eq!(ApiKey::parse(&text), None);
            let _ = ApiKey::parse(&format!("fdk_{tail}"));
        }

        #[test]
        fn one_wrong_letter_is_refused(random: [u8; 32], place in 0_usize..ApiKey::BYTES, letter in "[ -~]") {
            let key = ApiKey::new(id(), random);
            let mut text = key.text().to_owned();
            text.replace_range(place..=place, &letter);
            prop_assert_eq!(ApiKey::parse(&text).is_some(), text == key.text());
        }

        #[test]
        fn two_neighbours_that_changed_places_are_refused(random: [u8; 32], place in 0_usize..ApiKey::BYTES - 1) {
            let key = ApiKey::new(id(), random);
            let mut letters: Vec<char> = key.text().chars().collect();
            letters.swap(place, place + 1);
            let text: String = letters.into_iter().collect();
            prop_assert_eq!(ApiKey::parse(&text).is_some(), text == key.text());
        }
    }
}
