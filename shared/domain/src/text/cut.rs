//! The borders at which a text may be cut, from the coarsest to the finest. Each level reads a text once.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::line;
use super::sentence::sentences;

/// How much of a word without end is one piece, in characters: so much may be repeated.
const CHUNK_CHARS: usize = 100;

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// A paragraph, a list, a table, a fenced block.
    Block,
    /// A list item, a row, a line of a fenced block.
    Item,
    /// A sentence.
    Sentence,
    /// A line.
    Line,
    /// What stands between white space.
    Run,
    /// A word by UAX #29.
    Word,
    /// Characters as people see them.
    Grapheme,
    /// Code points.
    Char,
}

impl Level {
    /// The next finer one.
    pub(super) const fn finer(self) -> Option<Self> {
        Some(match self {
            Self::Block => Self::Item,
            Self::Item => Self::Sentence,
            Self::Sentence => Self::Line,
            Self::Line => Self::Run,
            Self::Run => Self::Word,
            Self::Word => Self::Grapheme,
            Self::Grapheme => Self::Char,
            Self::Char => return None,
        })
    }

    /// The pieces of a text, in order, without white space around them; none is empty, and only white space is left out.
    pub(super) fn cut(self, text: &str) -> Vec<Range<usize>> {
        let whole = |pieces: &mut dyn Iterator<Item = (usize, usize)>| {
            pieces.filter_map(|(start, end)| trimmed(text, start..end)).collect()
        };
        match self {
            Self::Block => blocks(text),
            Self::Item => items(text),
            Self::Sentence => sentences(text).collect(),
            Self::Line => pieces(text, |letter| letter == '\n'),
            Self::Run => pieces(text, char::is_whitespace),
            Self::Word => whole(
                &mut text.split_word_bound_indices().map(|(at, word)| (at, at.saturating_add(word.len()))),
            ),
            Self::Grapheme => {
                whole(&mut chunks(text.graphemes(true).map(|letter| (letter.len(), letter.chars().count()))))
            }
            Self::Char => whole(&mut chunks(text.chars().map(|letter| (letter.len_utf8(), 1)))),
        }
    }
}

/// Pieces of up to [`CHUNK_CHARS`] out of letters with their bytes and code points: one by one they would be too many.
fn chunks(letters: impl Iterator<Item = (usize, usize)>) -> impl Iterator<Item = (usize, usize)> {
    let mut letters = letters.peekable();
    let mut at: usize = 0;
    std::iter::from_fn(move || {
        let start = at;
        let mut chars: usize = 0;
        while let Some((bytes, more)) =
            letters.next_if(|(_, more)| chars == 0 || chars.saturating_add(*more) <= CHUNK_CHARS)
        {
            at = at.saturating_add(bytes);
            chars = chars.saturating_add(more);
        }
        (at > start).then_some((start, at))
    })
}

fn trimmed(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let piece = text.get(range.clone())?;
    let start = range.start.saturating_add(piece.len().saturating_sub(piece.trim_start().len()));
    let piece = piece.trim();
    (!piece.is_empty()).then(|| start..start.saturating_add(piece.len()))
}

fn pieces(text: &str, is_border: impl Fn(char) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        if is_border(letter) {
            found.extend(trimmed(text, start..at));
            start = at.saturating_add(letter.len_utf8());
        }
    }
    found.extend(trimmed(text, start..text.len()));
    found
}

/// What a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    Blank,
    Heading,
    List,
    Table,
    Fence,
    Prose,
}

/// The kinds of the lines, one by one.
#[derive(Default)]
struct Lines {
    fence: Option<&'static str>,
    last: Option<BlockKind>,
}

impl Lines {
    /// The kind of the next line, and whether an item begins with it.
    fn next(&mut self, line: &str) -> (BlockKind, bool) {
        let trimmed = line.trim();
        let mark = line::fence(trimmed);
        let (kind, begins) = if let Some(open) = self.fence {
            if mark == Some(open) {
                self.fence = None;
            }
            (BlockKind::Fence, true)
        } else if mark.is_some() {
            self.fence = mark;
            (BlockKind::Fence, true)
        } else if trimmed.is_empty() {
            (BlockKind::Blank, true)
        } else if line::heading(trimmed).is_some() {
            (BlockKind::Heading, true)
        } else if line::item(trimmed).is_some() {
            (BlockKind::List, true)
        } else if line::is_row(trimmed) {
            (BlockKind::Table, true)
        } else if self.last == Some(BlockKind::List) && line.starts_with([' ', '\t']) {
            (BlockKind::List, false)
        } else {
            (BlockKind::Prose, false)
        };
        self.last = Some(kind);
        (kind, begins)
    }
}

/// Paragraphs, lists, tables and fenced blocks.
fn blocks(text: &str) -> Vec<Range<usize>> {
    group(text, |before, kind, _| before != kind)
}

/// Items, rows and lines of fenced blocks; a paragraph as it is.
fn items(text: &str) -> Vec<Range<usize>> {
    group(text, |before, kind, begins| before != kind || begins)
}

/// Lines joined until `parts` says that a new piece begins, given the kind of the piece and the line's.
fn group(text: &str, parts: impl Fn(BlockKind, BlockKind, bool) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut lines = Lines::default();
    let mut current: Option<(BlockKind, usize)> = None;
    let mut at: usize = 0;
    for line in text.split_inclusive('\n') {
        let (kind, begins) = lines.next(line);
        match current {
            Some((before, _)) if !parts(before, kind, begins) => {}
            _ => {
                if let Some((_, start)) = current.replace((kind, at)) {
                    found.extend(trimmed(text, start..at));
                }
            }
        }
        at = at.saturating_add(line.len());
    }
    if let Some((_, start)) = current {
        found.extend(trimmed(text, start..at));
    }
    found
}
