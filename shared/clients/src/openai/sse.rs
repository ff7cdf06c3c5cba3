//! Server-sent events as bytes arrive (WHATWG HTML, "Interpreting an event stream"), for the `data` field only.
//!
//! `eventsource-stream` 0.2 is the reference in the tests, and is not used itself: it slices a byte order mark in the
//! middle of its character (a panic, which on the edge takes down every request of the instance), it has no bound on
//! a line, and a long line that arrives in small pieces costs it quadratic time.

/// The longest line or event, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// An event or a line is longer than [`MAX_FRAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTooLong;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Cuts bytes into events, however they were split on the way.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    after_first_line: bool,
    after_cr: bool,
}

impl Decoder {
    /// Takes the next bytes and gives the data of each event that they complete. Comments, other fields and events
    /// without data give nothing; bytes that are no UTF-8 become U+FFFD, as the standard says.
    ///
    /// # Errors
    /// [`FrameTooLong`]; the decoder is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8], mut event: impl FnMut(String)) -> Result<(), FrameTooLong> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix(b"\n")
            {
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            if self.line.len().saturating_add(piece.len()) > MAX_FRAME {
                return Err(FrameTooLong);
            }
            self.line.extend_from_slice(piece);
            let Some((border, after)) = after.split_first() else { break };
            self.after_cr = *border == b'\r';
            rest = after;
            if let Some(data) = self.end_line()? {
                event(data);
            }
        }
        Ok(())
    }

    /// The stream ended: an event whose closing blank line is missing. The standard drops it; servers that cut their
    /// last line end short are common enough to read it.
    ///
    /// # Errors
    /// [`FrameTooLong`].
    pub fn finish(&mut self) -> Result<Option<String>, FrameTooLong> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.end_line()
    }

    fn end_line(&mut self) -> Result<Option<String>, FrameTooLong> {
        let mut line = self.line.as_slice();
        if !std::mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            let complete = std::mem::take(&mut self.has_data);
            let data = std::mem::take(&mut self.data);
            return Ok((complete && !data.is_empty()).then_some(data));
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => Some([].as_slice()),
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => Some(value),
            _ => None,
        };
        if let Some(value) = value {
            let text = String::from_utf8_lossy(value);
            if self.data.len().saturating_add(text.len()) >= MAX_FRAME {
                return Err(FrameTooLong);
            }
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push('\n');
            }
            self.data.push_str(&text);
        }
        self.line.clear();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eventsource_stream::Eventsource as _;
    use futures_util::StreamExt as _;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.push(piece, |data| events.push(data)).unwrap();
        }
        events.extend(decoder.finish().unwrap());
        events
    }

    #[test]
    fn reads_what_servers_really_send() {
        for (name, bytes, expected) in [
            ("line feeds", "data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
            ("carriage returns", "data: a\r\rdata: b\r\r", vec!["a", "b"]),
            ("no space after the colon", "data:a\n\n", vec!["a"]),
            ("a second space is data", "data:  a\n\n", vec![" a"]),
            ("comments", ": OPENROUTER PROCESSING\n\ndata: a\n:\n\n", vec!["a"]),
            ("other fields", "id: 1\nevent: x\nretry: 5\ndatax: no\ndata: a\n\n", vec!["a"]),
            ("several data lines", "data: a\ndata: b\n\n", vec!["a\nb"]),
            ("empty data", "data:\n\ndata\n\ndata: \n\ndata: a\n\n", vec!["a"]),
            ("a byte order mark", "\u{feff}data: a\n\n", vec!["a"]),
            ("a byte order mark alone", "\u{feff}", vec![]),
            ("no blank line at the end", "data: a\n\ndata: [DONE]", vec!["a", "[DONE]"]),
            ("letters of several bytes", "data: Привет 👋\n\n", vec!["Привет 👋"]),
            ("nothing", "", vec![]),
        ] {
            assert_eq!(decode(&[bytes.as_bytes()]), expected, "{name}");
        }
    }

    #[test]
    fn refuses_a_line_that_never_ends() {
        let mut decoder = Decoder::default();
        let piece = vec![b'x'; 64 * 1024];
        let refused = (0..17).find_map(|_| decoder.push(&piece, |_| ()).err());
        assert_eq!(refused, Some(FrameTooLong));
        assert!(decoder.line.len() <= MAX_FRAME);
    }

    #[test]
    fn refuses_an_event_that_never_ends() {
        let mut decoder = Decoder::default();
        let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
        let refused = (0..2000).find_map(|_| decoder.push(&line, |_| ()).err());
        assert_eq!(refused, Some(FrameTooLong));
        assert!(decoder.data.len() <= MAX_FRAME);
    }

    fn stream_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("data: ".to_owned()),
            Just("data:".to_owned()),
            Just("data".to_owned()),
            Just(": comment".to_owned()),
            Just("event: x".to_owned()),
            Just("\n".to_owned()),
            Just("\n\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("\r\n\r\n".to_owned()),
            "[a-zяё👋:{}\\[\\] ]{0,6}",
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// Cuts `bytes` at `cuts` (shares of the length).
    fn cut<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len().saturating_add(1))).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            bytes in prop_oneof![stream_text().prop_map(String::into_bytes), any::<Vec<u8>>()],
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
        ) {
            prop_assert_eq!(decode(&cut(&bytes, &cuts)), decode(&[&bytes]));
        }

        #[test]
        fn agrees_with_the_reference(text in stream_text()) {
            // The reference gives no unfinished event and counts an event of empty data lines as one.
            let whole = format!("{text}\n\n");
            let reference = futures_util::stream::iter([Ok::<_, ()>(whole.as_bytes())]).eventsource();
            let expected: Vec<String> = futures_executor::block_on(reference.collect::<Vec<_>>())
                .into_iter()
                .map(|event| event.unwrap().data)
                .filter(|data| !data.is_empty())
                .collect();
            prop_assert_eq!(decode(&[whole.as_bytes()]), expected);
        }
    }
}
