//! What a line of Markdown is, as far as passages and quotes need it.

/// The two marks of a code fence.
const FENCES: [&str; 2] = ["```", "~~~"];

/// The longest name of a field, in characters.
const MAX_FIELD_CHARS: usize = 40;

/// The mark of the fence that a line (without white space around it) opens or closes.
pub(crate) fn fence(line: &str) -> Option<&'static str> {
    FENCES.into_iter().find(|mark| line.starts_with(mark))
}

/// The level of an ATX heading (1 to 6) and how many bytes of the line are its marker.
pub(crate) fn heading(line: &str) -> Option<(usize, usize)> {
    let title = line.trim_start_matches('#');
    let level = line.len().saturating_sub(title.len());
    ((1..=6).contains(&level) && title.starts_with([' ', '\t']))
        .then(|| (level, line.len().saturating_sub(title.trim_start().len())))
}

/// How many bytes of a list item are its marker: `- `, `* `, `• `, `1. `, `2) `.
pub(crate) fn item(line: &str) -> Option<usize> {
    let rest = line.strip_prefix(['-', '*', '+', '•', '–', '—']).or_else(|| {
        let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let number = line.len().saturating_sub(digits.len());
        (1..=3).contains(&number).then(|| digits.strip_prefix(['.', ')'])).flatten()
    })?;
    rest.starts_with([' ', '\t']).then(|| line.len().saturating_sub(rest.trim_start().len()))
}

/// A row of a Markdown table, or a row of a spreadsheet as text: `Name: Kettle; Price: 3990`.
pub(crate) fn is_row(line: &str) -> bool {
    (line.starts_with('|') && line.len() > 1) || is_field(line)
}

/// `header: value`, perhaps several of them on a line.
fn is_field(line: &str) -> bool {
    let fields = line.split("; ").all(|field| {
        field.split_once(": ").is_some_and(|(name, value)| {
            !value.is_empty()
                && name.chars().take(MAX_FIELD_CHARS.saturating_add(1)).count() <= MAX_FIELD_CHARS
                && !name.contains(['.', '!', '?'])
        })
    });
    fields && !line.ends_with(['.', '!', '?'])
}

/// `---`, `|---|:--:|`, `***`, a code fence: no text.
pub(crate) fn is_rule(line: &str) -> bool {
    fence(line).is_some() || line.chars().all(|letter| "|-:*_= ".contains(letter))
}
