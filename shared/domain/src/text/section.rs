//! Sections: the parts of a text under its Markdown headings.

use serde::{Deserialize, Serialize};

use super::line;

/// A heading path longer than this is cut at its front. In characters.
pub const MAX_HEADING_CHARS: usize = 200;

/// Between the headings of a path.
const PATH_SEPARATOR: &str = " › ";

/// What a line has to know of those before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    /// The headings above, outermost first, each with its level and cut like a path.
    path: Vec<(usize, String)>,
    /// The mark of the code fence that is open.
    fence: Option<String>,
    /// Whether the text begins inside a line.
    inside: bool,
}

/// A part of a text under one heading.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) heading: Option<String>,
}

/// What a line is to its section.
#[derive(PartialEq, Eq)]
enum LineKind {
    Heading,
    Blank,
    Body,
}

impl Above {
    /// Takes one line in.
    fn read(&mut self, line: &str) -> LineKind {
        let trimmed = line.trim();
        if std::mem::take(&mut self.inside) {
            return if trimmed.is_empty() { LineKind::Blank } else { LineKind::Body };
        }
        if let Some(mark) = line::fence(trimmed) {
            match self.fence.as_deref() {
                Some(open) if open == mark => self.fence = None,
                Some(_) => {}
                None => self.fence = Some(mark.to_owned()),
            }
            return LineKind::Body;
        }
        match heading(trimmed).filter(|_| self.fence.is_none()) {
            Some((level, title)) => {
                self.path.retain(|(above, _)| *above < level);
                self.path.push((level, tail(title)));
                LineKind::Heading
            }
            None if trimmed.is_empty() => LineKind::Blank,
            None => LineKind::Body,
        }
    }

    /// What is above a place of the text that this is above of.
    pub(super) fn at(mut self, text: &str, place: usize) -> Self {
        let before = text.get(..place).unwrap_or(text);
        for line in before.split_inclusive('\n') {
            self.read(line);
        }
        self.inside = before.chars().next_back().map_or(self.inside, |last| last != '\n');
        self
    }

    fn heading(&self) -> Option<String> {
        (!self.path.is_empty()).then(|| {
            tail(&self.path.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>().join(PATH_SEPARATOR))
        })
    }
}

/// Sections by Markdown's `#` headings. A heading without a text of its own opens the next section with it.
pub(super) fn sections(text: &str, mut above: Above) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current = Section { start: 0, end: 0, heading: above.heading() };
    let mut has_body = false;
    let mut at: usize = 0;
    for line in text.split_inclusive('\n') {
        match above.read(line) {
            LineKind::Heading => {
                if has_body {
                    sections
                        .push(std::mem::replace(&mut current, Section { start: at, end: at, heading: None }));
                    has_body = false;
                }
                current.heading = above.heading();
            }
            LineKind::Body => has_body = true,
            LineKind::Blank => {}
        }
        at = at.saturating_add(line.len());
        current.end = at;
    }
    sections.push(current);
    sections
}

/// The level and the text of an ATX heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let (level, marker) = line::heading(line)?;
    let title = line.get(marker..)?.trim_end_matches('#').trim_end();
    (!title.is_empty()).then_some((level, title))
}

/// The last [`MAX_HEADING_CHARS`].
fn tail(text: &str) -> String {
    let start = text.char_indices().rev().nth(MAX_HEADING_CHARS.saturating_sub(1)).map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or(text).to_owned()
}
