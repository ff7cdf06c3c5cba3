//! Plain text, Markdown, and what all formats share: a bounded writer, tidying, titles.

use frontdesk_ports::ExtractFailure;

use crate::{FileKind, Limits, ReadText, as_u64, markdown, over};

/// The longest title, in characters.
const TITLE_CHARS: usize = 200;

/// Text that grows up to its limit and not further.
pub(crate) struct Writer {
    text: String,
    limit: u64,
}

impl Writer {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { text: String::new(), limit: limits.max_text }
    }

    pub(crate) fn push(&mut self, piece: &str) -> Result<(), ExtractFailure> {
        if as_u64(self.text.len()).saturating_add(as_u64(piece.len())) > self.limit {
            return Err(over("text in bytes", self.limit));
        }
        self.text.push_str(piece);
        Ok(())
    }

    /// A paragraph, heading or list item of its own.
    pub(crate) fn block(&mut self, prefix: &str, piece: &str) -> Result<(), ExtractFailure> {
        self.block_after("\n\n", prefix, piece)
    }

    /// A block that follows the last one after `gap`.
    pub(crate) fn block_after(&mut self, gap: &str, prefix: &str, piece: &str) -> Result<(), ExtractFailure> {
        if piece.is_empty() {
            return Ok(());
        }
        if !self.text.is_empty() {
            self.push(gap)?;
        }
        self.push(prefix)?;
        self.push(piece)
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

pub(crate) fn read(decoded: &str, kind: FileKind, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    if as_u64(decoded.len()) > limits.max_text {
        return Err(over("text in bytes", limits.max_text));
    }
    if kind == FileKind::Markdown {
        return Ok(markdown::read(decoded));
    }
    Ok(ReadText { text: decoded.to_owned(), ..ReadText::default() })
}

/// LF line ends, no control characters, no trailing spaces, at most one blank line in a row.
pub(crate) fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut blank = 0_u32;
    for line in text.split(['\n', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let start = tidied.len();
        tidied.extend(
            line.chars().filter(|c| (!c.is_control() || *c == '\t') && !matches!(c, '\u{feff}' | '\u{ad}')),
        );
        let kept = tidied.get(start..).unwrap_or("").trim_end().len();
        tidied.truncate(start.saturating_add(kept));
        blank = if kept == 0 { blank.saturating_add(1) } else { 0 };
        if blank <= 1 && !tidied.is_empty() {
            tidied.push('\n');
        }
    }
    tidied.truncate(tidied.trim_end().len());
    tidied
}

/// White space collapsed to single spaces.
pub(crate) fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(word);
    }
    squeezed
}

/// A title on one line, `None` when nothing is left of it.
pub(crate) fn title(raw: &str) -> Option<String> {
    let title: String = squeeze(raw).chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
    (!title.is_empty()).then_some(title)
}

/// The file's name without folders and extension.
pub(crate) fn title_from_name(name: &str) -> Option<String> {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 5 => stem,
        _ => file,
    };
    title(&stem.replace(['_', '-'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_tidied() {
        assert_eq!(tidy("\u{feff}\r\n a \r\n\r\n\r\n\n\0b\u{ad}c\t \n\n"), " a\n\nbc");
        assert_eq!(tidy("\n \n"), "");
    }

    #[test]
    fn a_title_comes_from_the_name_without_its_path() {
        assert_eq!(title_from_name("../../etc/price_list-2026.csv"), Some("price list 2026".to_owned()));
        assert_eq!(title_from_name(".."), None.or(title_from_name("..")));
        assert_eq!(title_from_name(""), None);
    }
}
