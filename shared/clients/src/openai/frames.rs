//! The pieces of JSON in the bytes of an answer, as they arrive.
//!
//! Server-sent events first of all (WHATWG HTML, "Interpreting an event stream"), for the `data` field. What servers send
//! that call themselves compatible is taken as it is meant: a line of data that is whole JSON is an event even when the
//! blank line after it is missing, `error: {…}` is an error, JSON without a field is an event, and a body that begins with
//! JSON is one object, or one in each line.
//!
//! `eventsource-stream` 0.2 is the reference in the tests, and is not used itself: it slices a byte order mark in the
//! middle of its character (a panic, which on the edge takes down every request of the instance), it has no bound on
//! a line, and a long line that arrives in small pieces costs it quadratic time.

use serde::de::IgnoredAny;

/// The longest line or event, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// An event or a line is longer than [`MAX_FRAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTooLong;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FramePiece {
    /// An event's data.
    Data(String),
    /// The data of an event that is an error, whatever is in it.
    Error(String),
    /// A line that belongs to no event.
    Stray(String),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Unknown,
    Events,
    Json,
}

/// Cuts bytes into pieces, however they were split on the way.
#[derive(Debug, Default)]
pub struct Frames {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    is_error: bool,
    after_first_line: bool,
    after_cr: bool,
    shape: Shape,
}

impl Frames {
    /// Takes the next bytes and gives the pieces that they complete. Comments, other fields and events without data give
    /// nothing; bytes that are no UTF-8 become U+FFFD, as the standard says.
    ///
    /// # Errors
    /// [`FrameTooLong`]; this is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8], mut piece: impl FnMut(FramePiece)) -> Result<(), FrameTooLong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix(b"\n")
            {
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len().saturating_add(part.len()) > MAX_FRAME {
                return Err(FrameTooLong);
            }
            self.line.extend_from_slice(part);
            let Some((border, after)) = after.split_first() else { break };
            self.after_cr = *border == b'\r';
            rest = after;
            if let Some(whole) = self.end_line()? {
                piece(whole);
            }
        }
        Ok(())
    }

    /// The stream ended: an event whose closing blank line is missing. The standard drops it; servers that cut their
    /// last line end short are common enough to read it.
    ///
    /// # Errors
    /// [`FrameTooLong`].
    pub fn finish(&mut self, mut piece: impl FnMut(FramePiece)) -> Result<(), FrameTooLong> {
        if !self.line.is_empty()
            && let Some(whole) = self.end_line()?
        {
            piece(whole);
        }
        if let Some(whole) = self.end_event() {
            piece(whole);
        }
        Ok(())
    }

    fn end_event(&mut self) -> Option<FramePiece> {
        let complete = std::mem::take(&mut self.has_data);
        let is_error = std::mem::take(&mut self.is_error);
        let data = std::mem::take(&mut self.data);
        let data = (complete && !data.is_empty()).then_some(data)?;
        Some(if is_error { FramePiece::Error(data) } else { FramePiece::Data(data) })
    }

    fn end_line(&mut self) -> Result<Option<FramePiece>, FrameTooLong> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if self.shape == Shape::Unknown
            && let Some(first) = line.iter().find(|byte| !byte.is_ascii_whitespace())
        {
            self.shape = if matches!(first, b'{' | b'[') { Shape::Json } else { Shape::Events };
        }
        if self.shape == Shape::Json {
            return self.json_line(&String::from_utf8_lossy(line));
        }
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let value = |name: &[u8]| match line.strip_prefix(name) {
            Some([]) => Some([].as_slice()),
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => Some(value),
            _ => None,
        };
        if let Some(value) = value(b"data") {
            let text = String::from_utf8_lossy(value);
            if !self.has_data && is_whole(&text) {
                let is_error = std::mem::take(&mut self.is_error);
                let text = text.into_owned();
                return Ok(Some(if is_error { FramePiece::Error(text) } else { FramePiece::Data(text) }));
            }
            self.add(&text)?;
            return Ok(None);
        }
        if let Some(value) = value(b"error").filter(|value| !value.is_empty()) {
            return Ok(Some(FramePiece::Error(String::from_utf8_lossy(value).into_owned())));
        }
        if let Some(name) = value(b"event") {
            self.is_error = name == b"error";
            return Ok(None);
        }
        let text = String::from_utf8_lossy(line);
        if is_whole(&text) {
            return Ok(Some(FramePiece::Data(text.into_owned())));
        }
        let is_field = line.iter().position(|byte| *byte == b':').is_some_and(|at| {
            at <= 10 && line.get(..at).is_some_and(|name| name.iter().all(u8::is_ascii_alphabetic))
        });
        Ok((!is_field && !text.trim().is_empty()).then(|| FramePiece::Stray(text.into_owned())))
    }

    /// A line of a body that is JSON: one object, or one in each line.
    fn json_line(&mut self, line: &str) -> Result<Option<FramePiece>, FrameTooLong> {
        if !self.has_data && is_whole(line) {
            return Ok(Some(FramePiece::Data(line.to_owned())));
        }
        if !line.trim().is_empty() || self.has_data {
            self.add(line)?;
        }
        Ok(None)
    }

    fn add(&mut self, text: &str) -> Result<(), FrameTooLong> {
        if self.data.len().saturating_add(text.len()) >= MAX_FRAME {
            return Err(FrameTooLong);
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(text);
        Ok(())
    }
}

/// Whether a line is whole JSON objects, or the end of a stream.
fn is_whole(line: &str) -> bool {
    let line = line.trim();
    if line == "[DONE]" {
        return true;
    }
    line.starts_with('{')
        && line.ends_with('}')
        && serde_json::Deserializer::from_str(line).into_iter::<IgnoredAny>().all(|object| object.is_ok())
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
