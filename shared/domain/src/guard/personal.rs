//! Personal data: found by form and, where there is one, by check digit. What looks like an order number, a price, a date
//! or an address on the network is left alone.

use std::ops::Range;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonalKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A payment card (Luhn).
    Card,
    /// A Russian passport's series and number.
    Passport,
    /// A Russian insurance number (СНИЛС, by check digits).
    Snils,
    /// A Russian taxpayer's number (ИНН, by check digits).
    Inn,
}

impl PersonalKind {
    /// What stands in its place.
    #[must_use]
    pub const fn mask(self) -> &'static str {
        match self {
            Self::Email => "[email]",
            Self::Phone => "[phone]",
            Self::Card => "[card]",
            Self::Passport => "[passport]",
            Self::Snils => "[snils]",
            Self::Inn => "[inn]",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PersonalData {
    pub kind: PersonalKind,
    /// Bytes of the text.
    pub range: Range<usize>,
}

/// How many characters before a number are read for what it is.
pub(super) const CONTEXT: usize = 48;

/// The text with personal data replaced by what it was: `[email]`, `[phone]`, …
#[must_use]
pub fn mask(text: &str) -> String {
    replace(text, &find("", text), |_, _| true)
}

/// Replaces what was found where `hide` says so.
pub(super) fn replace(
    text: &str,
    found: &[PersonalData],
    hide: impl Fn(PersonalKind, &str) -> bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for PersonalData { kind, range } in found {
        let (Some(between), Some(itself)) = (text.get(done..range.start), text.get(range.clone())) else {
            continue;
        };
        out.push_str(between);
        out.push_str(if hide(*kind, itself) { kind.mask() } else { itself });
        done = range.end;
    }
    out.push_str(text.get(done..).unwrap_or(""));
    out
}

/// What identifies a piece of personal data however it is written: digits, or the address in lower case.
pub(super) fn canonical(kind: PersonalKind, text: &str) -> String {
    match kind {
        PersonalKind::Email => text.to_lowercase(),
        _ => {
            let digits: String =
                text.chars().filter_map(digit).map(|digit| char::from(b'0'.saturating_add(digit))).collect();
            match digits.strip_prefix('8') {
                // The same Russian number with its long-distance prefix or with its country's code.
                Some(rest) if kind == PersonalKind::Phone && rest.len() == 10 => format!("7{rest}"),
                _ => digits,
            }
        }
    }
}

fn digit(letter: char) -> Option<u8> {
    letter.to_digit(10).and_then(|digit| u8::try_from(digit).ok())
}

/// Everything in `text`, in order and without overlaps; `before` is what stood before it.
pub(super) fn find(before: &str, text: &str) -> Vec<PersonalData> {
    let mut found = emails(text);
    // Both are in order: an address that ends before one number ends before the next one, too.
    let addresses: Vec<Range<usize>> = found.iter().map(|found| found.range.clone()).collect();
    let mut addresses = addresses.iter().peekable();
    for range in numbers(text) {
        while addresses.next_if(|known| known.end <= range.start).is_some() {}
        if addresses.peek().is_some_and(|known| known.start < range.end) {
            continue;
        }
        let context = context(before, text, range.start);
        let glued =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        let left = text.get(..range.start).and_then(|text| text.chars().next_back());
        let right = text.get(range.end..).and_then(|text| text.chars().next());
        if glued(left) || glued(right) {
            continue;
        }
        if let Some(kind) = text.get(range.clone()).and_then(|number| classify(number, &context)) {
            found.push(PersonalData { kind, range });
        }
    }
    found.sort_by_key(|found| found.range.start);
    found
}

/// The characters before a place, in lower case.
fn context(before: &str, text: &str, at: usize) -> String {
    let head = text.get(..at).unwrap_or("");
    let mut letters: Vec<char> = head.chars().rev().chain(before.chars().rev()).take(CONTEXT).collect();
    letters.reverse();
    letters.into_iter().flat_map(char::to_lowercase).collect()
}

fn emails(text: &str) -> Vec<PersonalData> {
    let mut found: Vec<PersonalData> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let (head, tail) = (text.get(..at).unwrap_or(""), text.get(at.saturating_add(1)..).unwrap_or(""));
        let local = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '%' | '+' | '-');
        let domain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-');
        let local_bytes: usize = head.chars().rev().take_while(|c| local(*c)).map(char::len_utf8).sum();
        let end: usize = tail.chars().take_while(|c| domain(*c)).map(char::len_utf8).sum();
        let host = tail.get(..end).unwrap_or("").trim_end_matches(['.', '-']);
        let is_host = host.rsplit_once('.').is_some_and(|(name, top)| {
            !name.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
        });
        let start = at.saturating_sub(local_bytes);
        if local_bytes == 0 || !is_host || found.last().is_some_and(|last| last.range.end > start) {
            continue;
        }
        found.push(PersonalData {
            kind: PersonalKind::Email,
            range: start..at.saturating_add(1).saturating_add(host.len()),
        });
    }
    found
}

/// Characters that may stand between the digits of one number.
pub(super) fn joins_digits(letter: char) -> bool {
    matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '-' | '–' | '‑' | '.' | '(' | ')' | '/')
}

/// Runs of digits with at most three joining characters between them.
fn numbers(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut open: Option<(usize, usize, usize)> = None; // start, end, joining characters since
    for (at, letter) in text.char_indices() {
        let next = at.saturating_add(letter.len_utf8());
        if digit(letter).is_some() {
            open = Some((open.map_or(at, |(start, ..)| start), next, 0));
        } else if letter == '+' || (letter == '(' && open.is_none()) {
            runs.extend(open.filter(|(start, end, _)| end > start).map(|(start, end, _)| start..end));
            open = Some((at, at, 0));
        } else {
            open = match open {
                Some((start, end, joins)) if joins_digits(letter) && joins < 3 => {
                    Some((start, end, joins.saturating_add(1)))
                }
                Some((start, end, _)) => {
                    if end > start {
                        runs.push(start..end);
                    }
                    None
                }
                None => None,
            };
        }
    }
    runs.extend(open.filter(|(start, end, _)| end > start).map(|(start, end, _)| start..end));
    runs
}

fn classify(number: &str, context: &str) -> Option<PersonalKind> {
    let digits: Vec<u8> = number.chars().filter_map(digit).collect();
    let groups: Vec<usize> = number
        .split(|letter: char| digit(letter).is_none())
        .map(str::len)
        .filter(|length| *length > 0)
        .collect();
    let says = |words: &[&str]| words.iter().any(|word| has_word(context, word));
    let passport = says(&["паспорт", "passport"]);
    let grouped = groups.len() > 1;
    let plus = number.starts_with('+');

    if matches!(digits.len(), 13 | 15 | 16 | 18 | 19)
        && !plus
        && matches!(digits.first(), Some(2..=6))
        && luhn(&digits)
        && (groups.len() == 1 || groups.iter().rev().skip(1).all(|length| matches!(length, 4..=6)))
    {
        return Some(PersonalKind::Card);
    }
    if digits.len() == 11 && !plus && snils(&digits) && (groups == [3, 3, 3, 2] || says(&["снилс", "snils"]))
    {
        return Some(PersonalKind::Snils);
    }
    if matches!(digits.len(), 10 | 12) && !plus && inn(&digits) && says(&["инн", "inn", "tin"]) {
        return Some(PersonalKind::Inn);
    }
    if digits.len() == 10
        && !plus
        && (groups == [2, 2, 6] || (passport && matches!(groups.as_slice(), [4, 6] | [10])))
    {
        return Some(PersonalKind::Passport);
    }
    if passport
        && ((groups == [4] && ends_with_word(context, &["серия", "серии", "series"]))
            || (groups == [6] && ends_with_word(context, &["номер", "№", "number", "no"])))
    {
        return Some(PersonalKind::Passport);
    }
    if plus && (10..=15).contains(&digits.len()) {
        return Some(PersonalKind::Phone);
    }
    if digits.len() == 11
        && matches!(digits.as_slice(), [7 | 8, 3..=9, ..])
        && (grouped || digits.first() == Some(&8))
    {
        return Some(PersonalKind::Phone);
    }
    let telephone = says(&[
        "тел",
        "телефон",
        "phone",
        "call",
        "позвон",
        "звоните",
        "номер телефона",
        "моб",
        "whatsapp",
        "tel",
    ]);
    if digits.len() == 10
        && (matches!(groups.as_slice(), [3, 3, 4] | [3, 3, 2, 2]) || (telephone && !grouped))
    {
        return Some(PersonalKind::Phone);
    }
    None
}

/// Whether a word of the text begins with `word`; short ones (`инн`, `tin`) must be whole.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric())
        .any(|found| if word.chars().count() <= 4 { found == word } else { found.starts_with(word) })
}

fn ends_with_word(context: &str, words: &[&str]) -> bool {
    let end = context.trim_end_matches([' ', ':', '.', '\u{a0}']);
    words.iter().any(|word| end.ends_with(word))
}

/// The check digit of cards (ISO/IEC 7812-1).
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(*digit);
            if at % 2 == 1 {
                if value > 4 { value.saturating_mul(2).saturating_sub(9) } else { value.saturating_mul(2) }
            } else {
                value
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit).saturating_mul(*weight)).sum()
}

/// The check digits of СНИЛС.
fn snils(digits: &[u8]) -> bool {
    let [.., tens, ones] = digits else { return false };
    let sum = weighted(digits, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100;
    sum == u32::from(*tens).saturating_mul(10).saturating_add(u32::from(*ones))
}

/// The check digits of ИНН: one of an organisation's ten, two of a person's twelve.
fn inn(digits: &[u8]) -> bool {
    let check = |at: usize, weights: &[u32]| {
        digits.get(at).is_some_and(|digit| weighted(digits, weights) % 11 % 10 == u32::from(*digit))
    };
    match digits.len() {
        10 => check(9, &[2, 4, 10, 3, 5, 9, 4, 6, 8]),
        12 => check(10, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) && check(11, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]),
        _ => false,
    }
}
