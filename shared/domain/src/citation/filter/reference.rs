//! References as models write them: `[1]`, `[1, 3]`, `[2-4]`, `【1†source】`, `[Source 1]`, `[^1]`, `\[1\]`, `(1)`, `¹`.

/// The longest reference, in bytes.
const MAX_LABEL: usize = 160;
/// The most passages that a range may name.
const MAX_RANGE: usize = 20;

/// What stands at the front of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReferenceFront {
    /// A reference of so many bytes to these passages.
    Numbers(usize, Vec<usize>),
    /// It cannot be told without more text.
    Unknown,
    /// No reference.
    None,
}

/// Words before a number, in small letters.
const NAMES: &[&str] = &[
    "sources",
    "source",
    "documents",
    "document",
    "docs",
    "doc",
    "references",
    "reference",
    "refs",
    "ref",
    "passages",
    "passage",
    "citation",
    "cite",
    "источники",
    "источник",
    "документы",
    "документ",
    "док",
    "ссылка",
    "пассаж",
    "quelle",
    "dokument",
    "fuente",
    "documento",
    "fonte",
];

/// The reference at the front of `rest`.
pub(super) fn front(rest: &str, before: Option<char>, ended: bool) -> ReferenceFront {
    let unknown = if ended { ReferenceFront::None } else { ReferenceFront::Unknown };
    match rest.chars().next() {
        Some('[') => bracketed(rest, "[", "]", unknown),
        Some('【') => bracketed(rest, "【", "】", unknown),
        Some('［') => bracketed(rest, "［", "］", unknown),
        Some('\\') if rest.starts_with("\\[") => bracketed(rest, "\\[", "\\]", unknown),
        Some('\\') if rest.len() == 1 => unknown,
        Some('<') => tagged(rest, unknown),
        Some('(' | '（') => parenthesised(rest, before, ended),
        Some(letter) if superscript(letter).is_some() => raised(rest, before, unknown),
        _ => ReferenceFront::None,
    }
}

fn bracketed(rest: &str, open: &str, close: &str, unknown: ReferenceFront) -> ReferenceFront {
    let inside = rest.get(open.len()..).unwrap_or("");
    // `[[1]]`; there are no more brackets around one another.
    if open == "[" && inside.starts_with('[') {
        return match labelled(inside, "[", "]", unknown.clone()) {
            ReferenceFront::Numbers(length, numbers) => {
                match inside.get(length..).and_then(|after| after.chars().next()) {
                    Some(']') => ReferenceFront::Numbers(length.saturating_add(2), numbers),
                    None => unknown,
                    Some(_) => ReferenceFront::None,
                }
            }
            other => other,
        };
    }
    labelled(rest, open, close, unknown)
}

fn labelled(rest: &str, open: &str, close: &str, unknown: ReferenceFront) -> ReferenceFront {
    let inside = rest.get(open.len()..).unwrap_or("");
    let near = inside.get(..inside.floor_char_boundary(MAX_LABEL.saturating_add(close.len()))).unwrap_or("");
    let Some(length) = near.find(close) else {
        let may = inside.len() <= MAX_LABEL
            && !inside.contains(['\n', '['])
            && may_become(inside.trim_end_matches('\\'));
        return if may { unknown } else { ReferenceFront::None };
    };
    let label = inside.get(..length).unwrap_or("");
    if label.contains(['[', '\n']) {
        return ReferenceFront::None;
    }
    let whole = open.len().saturating_add(length).saturating_add(close.len());
    match numbers(label) {
        Some(numbers) => ReferenceFront::Numbers(whole, numbers),
        // Of another numbering.
        None if label.contains('†') => ReferenceFront::Numbers(whole, Vec::new()),
        None => ReferenceFront::None,
    }
}

/// `<sup>1</sup>`.
fn tagged(rest: &str, unknown: ReferenceFront) -> ReferenceFront {
    const OPEN: &str = "<sup>";
    const CLOSE: &str = "</sup>";
    let Some(inside) = rest.strip_prefix(OPEN) else {
        return if OPEN.starts_with(rest) { unknown } else { ReferenceFront::None };
    };
    let Some(length) = inside.find('<') else {
        return if inside.len() <= MAX_LABEL { unknown } else { ReferenceFront::None };
    };
    let (label, end) = inside.split_at(length);
    if !end.starts_with(CLOSE) {
        return if CLOSE.starts_with(end) { unknown } else { ReferenceFront::None };
    }
    let label = label.trim_matches(['[', ']', '(', ')']);
    numbers(label).map_or(ReferenceFront::None, |numbers| {
        ReferenceFront::Numbers(OPEN.len().saturating_add(length).saturating_add(CLOSE.len()), numbers)
    })
}

/// `(1)` at the end of a statement; in front of one it counts.
fn parenthesised(rest: &str, before: Option<char>, ended: bool) -> ReferenceFront {
    if !before.is_some_and(|letter| letter.is_alphanumeric() || letter == ' ' || "\"»”%".contains(letter))
    {
        return ReferenceFront::None;
    }
    let mut letters = rest.char_indices().skip(1);
    let mut digits = String::new();
    for (at, letter) in letters.by_ref() {
        match letter {
            '0'..='9' if digits.len() < 2 => digits.push(letter),
            ')' | '）' if !digits.is_empty() => {
                let end = at.saturating_add(letter.len_utf8());
                let closes = match rest.get(end..).and_then(|after| after.chars().next()) {
                    None if ended => true,
                    None => return ReferenceFront::Unknown,
                    Some(next) => ".,;!?\n".contains(next),
                };
                return match digits.parse() {
                    Ok(number) if closes => ReferenceFront::Numbers(end, vec![number]),
                    _ => ReferenceFront::None,
                };
            }
            _ => return ReferenceFront::None,
        }
    }
    if ended { ReferenceFront::None } else { ReferenceFront::Unknown }
}

const fn superscript(letter: char) -> Option<char> {
    Some(match letter {
        '⁰' => '0',
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        '⁴' => '4',
        '⁵' => '5',
        '⁶' => '6',
        '⁷' => '7',
        '⁸' => '8',
        '⁹' => '9',
        _ => return None,
    })
}

/// `¹` behind a word; behind a digit it is an exponent, and m² is an area.
fn raised(rest: &str, before: Option<char>, unknown: ReferenceFront) -> ReferenceFront {
    let known = before.is_some_and(|letter| letter.is_alphabetic() || ".,!?»”\")".contains(letter));
    // Three are too many already.
    let raised = rest.chars().take_while(|letter| superscript(*letter).is_some()).take(3);
    let length: usize = raised.map(char::len_utf8).sum();
    let digits: String = rest.get(..length).unwrap_or("").chars().filter_map(superscript).collect();
    if !known || digits.len() > 2 {
        return ReferenceFront::None;
    }
    if length == rest.len() {
        return unknown;
    }
    digits.parse().map_or(ReferenceFront::None, |number| ReferenceFront::Numbers(length, vec![number]))
}

/// Whether a label that is not over may become a reference.
fn may_become(label: &str) -> bool {
    let lower = label.trim_start().trim_start_matches('^').to_lowercase();
    let digit = lower.starts_with(|letter: char| letter.is_ascii_digit() || "#№n".contains(letter));
    lower.is_empty() || digit || NAMES.iter().any(|name| name.starts_with(&lower) || lower.starts_with(name))
}

/// The numbers of a label: `1`, `1, 3`, `1; 2`, `1 and 2`, `1-3`, `^2`, `#1`, `Source 1`, `1†source`, `1: Title`.
pub(super) fn numbers(label: &str) -> Option<Vec<usize>> {
    let lower = label.trim().to_lowercase();
    let mut rest = lower.trim_start_matches('^').trim();
    for name in NAMES {
        if let Some(after) = rest.strip_prefix(name)
            && after
                .trim_start_matches(['.', ':', ' ', '#', '№', '_', '-'])
                .starts_with(|letter: char| letter.is_ascii_digit())
        {
            rest = after.trim_start_matches(['.', ':', ' ', '_', '-']);
            break;
        }
    }
    // A title behind it, and what OpenAI's assistants write.
    let rest = rest.split(['†', '|']).next().unwrap_or("");
    let rest = match rest.split_once(':') {
        Some((number, title)) if !title.trim().is_empty() && title.chars().any(char::is_alphabetic) => number,
        _ => rest,
    };
    let parts = rest
        .replace(" and ", ",")
        .replace(" и ", ",")
        .replace(" und ", ",")
        .replace(" y ", ",")
        .replace(" et ", ",");
    let mut found = Vec::new();
    for part in parts.split([',', ';', '/', '&', '+']) {
        let part = part.trim().trim_start_matches(['#', '№', '^']).trim();
        match part.split_once(['-', '–', '—', '‑']) {
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to)?);
                if to < from || to.saturating_sub(from) > MAX_RANGE {
                    return None;
                }
                found.extend(from..=to);
            }
            None => found.push(number(part)?),
        }
        if found.len() > MAX_RANGE {
            return None;
        }
    }
    Some(found)
}

/// A number of a passage has three digits at most; four are a year.
fn number(text: &str) -> Option<usize> {
    let text = text.trim();
    ((1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}
