//! Bodies of different servers, whole and in pieces.

use super::*;
use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use proptest::prelude::*;

fn decode(pieces: &[&[u8]]) -> Vec<String> {
    let mut frames = Frames::default();
    let mut events = Vec::new();
    for piece in pieces {
        frames.push(piece, |piece| events.push(piece)).unwrap();
    }
    frames.finish(|piece| events.push(piece)).unwrap();
    events
        .into_iter()
        .filter_map(|piece| match piece {
            FramePiece::Data(data) => Some(data),
            FramePiece::Error(error) => Some(format!("error {error}")),
            FramePiece::Stray(_) => None,
        })
        .collect()
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
        (
            "no blank lines",
            "data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]\n",
            vec!["{\"a\":1}", "{\"b\":2}", "[DONE]"],
        ),
        ("JSON over several lines of data", "data: {\"a\":\ndata: 1}\n\n", vec!["{\"a\":\n1}"]),
        ("two objects in a line", "data: {\"a\":1}{\"b\":2}\n\n", vec!["{\"a\":1}{\"b\":2}"]),
        ("an error as a field", "data: a\n\nerror: {\"code\":500}\n\n", vec!["a", "error {\"code\":500}"]),
        (
            "an error as an event",
            "event: error\ndata: {\"x\":1}\n\ndata: a\n\n",
            vec!["error {\"x\":1}", "a"],
        ),
        ("an error without a field", "data: a\n\n{\"error\":1}\n", vec!["a", "{\"error\":1}"]),
        ("an object in each line", "{\"a\":1}\n{\"b\":2}\n", vec!["{\"a\":1}", "{\"b\":2}"]),
        ("one object over several lines", "\n{\n \"a\": 1\n}\n", vec!["{\n \"a\": 1\n}"]),
    ] {
        assert_eq!(decode(&[bytes.as_bytes()]), expected, "{name}");
    }
}

#[test]
fn refuses_a_line_that_never_ends() {
    let mut frames = Frames::default();
    let piece = vec![b'x'; 64 * 1024];
    let refused = (0..17).find_map(|_| frames.push(&piece, |_| ()).err());
    assert_eq!(refused, Some(FrameTooLong));
    assert!(frames.line.len() <= MAX_FRAME);
}

#[test]
fn refuses_an_event_that_never_ends() {
    let mut frames = Frames::default();
    let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
    let refused = (0..2000).find_map(|_| frames.push(&line, |_| ()).err());
    assert_eq!(refused, Some(FrameTooLong));
    assert!(frames.data.len() <= MAX_FRAME);
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
        "[a-zяё👋: ]{0,6}",
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
