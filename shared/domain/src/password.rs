//! Which passwords are accepted.

/// The shortest password, in characters.
pub const MIN_CHARS: usize = 10;
/// The longest password, in bytes: hashing must not become a way to keep the machine busy.
pub const MAX_BYTES: usize = 256;

/// Words that people build passwords on. A password that is little else is refused.
const COMMON: &[&str] = &[
    "password",
    "passw0rd",
    "parol",
    "пароль",
    "qwerty",
    "йцукен",
    "qwertyuiop",
    "asdfgh",
    "zxcvbn",
    "1q2w3e4r",
    "1qaz2wsx",
    "123456",
    "1234567890",
    "987654321",
    "0123456789",
    "abcdef",
    "abc123",
    "iloveyou",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "changeme",
    "change-me",
    "default",
    "secret",
    "frontdesk",
    "example",
    "test",
    "demo",
    "user",
    "root",
    "login",
    "master",
    "superman",
    "trustno1",
    "whatever",
];

/// What is wrong with a password; `None` when it is good enough. `about` is what others know of its owner (e-mail, name).
#[must_use]
pub fn weakness(password: &str, about: &[&str]) -> Option<&'static str> {
    if password.len() > MAX_BYTES {
        return Some("must be at most 256 bytes");
    }
    if password.chars().count() < MIN_CHARS {
        return Some("must have at least 10 characters");
    }
    let folded = password.to_lowercase();
    let mut distinct: Vec<char> = folded.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5 {
        return Some("must have at least 5 different characters");
    }
    if is_sequence(&folded) {
        return Some("must not be a run of neighbouring characters");
    }
    // What remains without known words and names is what an attacker has to guess.
    let mut rest = folded;
    let names = about.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric()));
    let known: Vec<String> = names.map(str::to_lowercase).filter(|word| word.chars().count() >= 4).collect();
    // The longest first: "qwertyuiop" is not "qwerty" and a rest.
    let mut words: Vec<&str> = COMMON.iter().copied().chain(known.iter().map(String::as_str)).collect();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    for word in words {
        rest = rest.replace(word, " ");
    }
    if rest.chars().filter(|letter| !letter.is_whitespace()).count() < 5 {
        return Some("must not be made of common words, names or your e-mail address");
    }
    None
}

/// `abcdefghij`, `9876543210`.
fn is_sequence(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let steps: Vec<i64> = codes
        .iter()
        .zip(codes.iter().skip(1))
        .map(|(a, b)| i64::from(*b).saturating_sub(i64::from(*a)))
        .collect();
    steps.iter().all(|step| *step == 1) || steps.iter().all(|step| *step == -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused() {
        for weak in [
            "short1!",
            "aaaaaaaaaaaaaa",
            "abababababab",
            "abcdefghijkl",
            "password1234",
            "Password123!",
            "qwertyuiop12",
            "anna.petrova1",
            "Frontdesk2026",
            "пароль123456",
            "9876543210",
        ] {
            assert!(weakness(weak, &["anna.petrova@example.org", "Anna Petrova"]).is_some(), "{weak}");
        }
        assert!(weakness(&"x1Y2z".repeat(60), &[]).is_some());
    }

    #[test]
    fn good_passwords_are_accepted() {
        for good in [
            "correct horse battery",
            "k7#mPq2!vL",
            "сиреневый туман над рекой",
            "Tr0ub4dor&3x",
            "7h3-blue-kettle",
        ] {
            assert_eq!(weakness(good, &["anna.petrova@example.org", "Anna Petrova"]), None, "{good}");
        }
    }
}
