//! Where code is in a whole text, by the rules of [`CitationFilter`](super::CitationFilter).

use std::ops::Range;

/// How far behind its mark code in a line may end, in characters.
pub(super) const MAX_INLINE: usize = 300;
/// The longest mark that is told from others, in ticks.
pub(super) const MAX_TICKS: usize = 8;

/// The ranges of a text that are code, with their marks: between two runs of as many ticks in one line, or from a run of
/// three and more at the beginning of a line to the next one, or to the end. A tick without a partner is a sign like others.
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut at, mut line_begins) = (0_usize, true);
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('`')).map(|to| at.saturating_add(to)) {
        let between = text.get(at..start).unwrap_or("");
        line_begins = match between.rfind('\n') {
            Some(line) => between.get(line..).unwrap_or("").trim().is_empty(),
            None => line_begins && between.trim().is_empty(),
        };
        let rest = text.get(start..).unwrap_or("");
        let ticks = rest.bytes().take_while(|byte| *byte == b'`').count();
        let inside = start.saturating_add(ticks);
        let mark = rest.get(..ticks.min(MAX_TICKS)).unwrap_or("`");
        let after = text.get(inside..).unwrap_or("");
        let end = if ticks >= 3 && line_begins {
            Some(
                after
                    .find(mark)
                    .map_or(text.len(), |end| inside.saturating_add(end).saturating_add(mark.len())),
            )
        } else {
            let near = after.char_indices().take(MAX_INLINE).find(|(_, letter)| *letter == '\n');
            let near =
                near.or_else(|| after.char_indices().nth(MAX_INLINE)).map_or(after.len(), |(end, _)| end);
            let end = after.get(..near).unwrap_or("").find(mark);
            end.map(|end| inside.saturating_add(end).saturating_add(mark.len()))
        };
        found.extend(end.map(|end| start..end));
        (at, line_begins) = (end.unwrap_or(inside), false);
    }
    found
}
