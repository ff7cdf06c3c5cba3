//! Whether a model's text is code just now: what is a mark elsewhere is text there.

use super::marks::SpeechMark;

/// How far behind a mark the end of the code in a line is looked for, in bytes.
const NEAR: usize = 300;

/// What a mark is where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InCode {
    /// It is text.
    Text,
    /// It is a mark.
    Mark,
    /// That cannot be told without more text.
    Unknown,
}

/// Where the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum CodeSpan {
    #[default]
    Outside,
    /// Behind so many ticks in a line.
    InLine(usize),
    /// Below a fence of so many ticks.
    Fenced(usize),
}

/// What was read of the answer, as far as code goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Code {
    place: CodeSpan,
    /// Ticks that were read last.
    ticks: usize,
    /// Something stands in this line, before those ticks.
    in_line: bool,
    /// How many marks that hide something were text below this fence, and were not ended.
    open: usize,
}

impl Code {
    /// Takes the next letter of the answer.
    pub(super) fn letter(&mut self, letter: char) {
        if letter == '`' {
            self.ticks = self.ticks.saturating_add(1);
            return;
        }
        self.end_ticks();
        if letter == '\n' {
            if matches!(self.place, CodeSpan::InLine(_)) {
                self.place = CodeSpan::Outside;
                self.open = 0;
            }
            self.in_line = false;
        } else {
            self.in_line |= !letter.is_whitespace();
        }
    }

    fn end_ticks(&mut self) {
        let ticks = std::mem::take(&mut self.ticks);
        if ticks == 0 {
            return;
        }
        let before = self.place;
        self.place = match self.place {
            CodeSpan::Fenced(fence) if ticks >= fence && !self.in_line => CodeSpan::Outside,
            CodeSpan::InLine(opened) if ticks == opened => CodeSpan::Outside,
            CodeSpan::Outside if ticks >= 3 && !self.in_line => CodeSpan::Fenced(ticks),
            CodeSpan::Outside => CodeSpan::InLine(ticks),
            place => place,
        };
        if before != self.place {
            self.open = 0;
        }
        self.in_line = true;
    }

    /// Whether it is a block of code.
    pub(super) const fn is_fenced(&self) -> bool {
        matches!(self.place, CodeSpan::Fenced(_))
    }

    /// What the mark of so many bytes at the front of `rest` is.
    pub(super) fn at_mark(&mut self, rest: &str, length: usize, mark: SpeechMark, ended: bool) -> InCode {
        self.end_ticks();
        let token = rest.starts_with("<|") || rest.starts_with("<｜");
        match self.place {
            CodeSpan::Outside => return InCode::Mark,
            // A model's own token says that it stopped, whether or not it has ended its code.
            CodeSpan::Fenced(_) | CodeSpan::InLine(_) if token && mark == SpeechMark::Stop => {
                return InCode::Mark;
            }
            CodeSpan::Fenced(_) => {}
            // A tick without another one in its line begins no code.
            CodeSpan::InLine(ticks) => {
                let after = rest.get(length..).unwrap_or("");
                let near = after.get(..after.floor_char_boundary(NEAR)).unwrap_or(after);
                match near.find(['`', '\n']) {
                    Some(at) if near.get(at..).is_some_and(|at| at.starts_with('`')) => {
                        let run = after.get(at..).unwrap_or("");
                        let count = run.bytes().take_while(|byte| *byte == b'`').count();
                        if count == run.len() && !ended {
                            return InCode::Unknown;
                        }
                        return if count == ticks { InCode::Text } else { InCode::Mark };
                    }
                    None if near.len() == after.len() && !ended => return InCode::Unknown,
                    _ => return InCode::Mark,
                }
            }
        }
        match mark {
            SpeechMark::Hides(_) => self.open = self.open.saturating_add(1),
            // What was not opened below this fence ends thoughts that nothing marked.
            SpeechMark::EndsThoughts if self.open == 0 => return InCode::Mark,
            SpeechMark::EndsThoughts => self.open = self.open.saturating_sub(1),
            SpeechMark::Channel | SpeechMark::Empty | SpeechMark::Stop => {}
        }
        InCode::Text
    }
}
