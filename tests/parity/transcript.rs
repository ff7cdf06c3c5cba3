//! What a client and a host said to each other, written down so that two hosts that do the same write the same bytes.
//!
//! Everything in which two right answers may differ is made equal here, and nowhere else:
//!
//! | what | becomes |
//! |---|---|
//! | identifiers, keys of new sites, tokens of logins, browsers and invitations | `conv#1`, `msg#2`: numbered as they are first seen |
//! | tokens, times, durations, the version, addresses and secrets of the deployment | `<token>`, `<time>`, … |
//! | what is left of an address's allowance | `<n>`: it comes back while the next call is on its way |
//! | scores | 6 decimals: logarithms of two C libraries differ in the last one |
//! | the pieces of an answer that is streamed | one piece, as a client shows it in the end; offsets are checked |
//! | keep-alive comments | nothing |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use eventsource_stream::Event;
use frontdesk_tests::client::Ready;
use regex::{Captures, Regex};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Request, StatusCode};
use serde_json::Value;

/// Headers that are part of the contract; the fixed ones are in `edge`.
const HEADERS: [&str; 24] = [
    "authorization",
    "accept",
    "content-type",
    "origin",
    "if-match",
    "if-none-match",
    "last-event-id",
    "cookie",
    "allow",
    "www-authenticate",
    "etag",
    "content-disposition",
    "retry-after",
    "ratelimit-policy",
    "ratelimit",
    "set-cookie",
    "access-control-request-method",
    "access-control-request-headers",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// A longer body of a request is told by its size.
const LONGEST_BODY: usize = 2_000;

/// A transcript in the making.
#[derive(Debug, Default)]
pub struct Transcript {
    text: String,
    /// Who has which token.
    names: BTreeMap<String, &'static str>,
}

impl Transcript {
    /// Whose requests have this token.
    pub fn name(&mut self, token: &str, who: &'static str) {
        self.names.insert(format!("Bearer {token}"), who);
    }

    /// Where it ends now.
    pub const fn mark(&self) -> usize {
        self.text.len()
    }

    /// Forgets everything after a mark.
    pub fn back_to(&mut self, mark: usize) {
        self.text.truncate(mark);
    }

    /// What comes next.
    pub fn title(&mut self, title: &str) {
        let _ = writeln!(self.text, "\n## {title}");
    }

    /// A request, as it is sent.
    pub fn request(&mut self, request: &Request) {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let _ = writeln!(self.text, "\n> {} {}{query}", request.method(), url.path());
        self.headers('>', request.headers());
        let Some(body) = request.body() else { return };
        let shown = match body.as_bytes().map(|bytes| (bytes.len(), std::str::from_utf8(bytes))) {
            None => "(a stream)".to_owned(),
            Some((_, Ok(text))) if text.len() <= LONGEST_BODY => pretty(&text.replace('\r', "")),
            Some((size, Ok(_))) => format!("({size} bytes)"),
            Some((size, Err(_))) => format!("({size} bytes that are no UTF-8)"),
        };
        let _ = writeln!(self.text, "{shown}");
    }

    /// The head of an answer.
    pub fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        let _ = writeln!(self.text, "< {}", status.as_u16());
        self.headers('<', headers);
    }

    /// The body of an answer.
    pub fn body(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(self.text, "{}", pretty(text));
        }
    }

    /// The frames of an event stream.
    ///
    /// # Errors
    /// When they break the contract.
    pub fn frames(&mut self, frames: &[Event], complete: bool) -> Result<()> {
        let _ =
            writeln!(self.text, "{}{}\n", as_shown(frames)?, if complete { "" } else { "(the client goes)" });
        Ok(())
    }

    fn headers(&mut self, mark: char, headers: &HeaderMap) {
        for name in HEADERS {
            for value in headers.get_all(name) {
                let value = String::from_utf8_lossy(value.as_bytes());
                let who = self.names.get(&*value).filter(|_| name == AUTHORIZATION.as_str());
                let _ = writeln!(self.text, "{mark} {name}: {}", who.copied().unwrap_or(&value));
            }
        }
    }

    /// The whole, made equal.
    pub fn finish(self, host: &Ready) -> String {
        normal(self.text.trim_start(), host)
    }
}

/// The frames as a client shows them in the end: an answer is one piece, where it ends.
fn as_shown(frames: &[Event]) -> Result<String> {
    let mut text = String::new();
    let mut said: Option<(String, String)> = None;
    let mut over = BTreeSet::new();
    for frame in frames {
        let event: Value = serde_json::from_str(&frame.data).context(frame.data.clone())?;
        let turn = event["turn"].as_str().unwrap_or_default();
        if event["kind"] == "turn.delta" {
            let offset = usize::try_from(event["offset"].as_u64().context("an offset")?)?;
            let piece = event["text"].as_str().context("a text")?;
            ensure!(!over.contains(turn), "{turn} was over: {event}");
            ensure!(!piece.is_empty(), "an empty piece: {event}");
            match &mut said {
                Some((of, so_far)) if of == turn && offset == so_far.len() => so_far.push_str(piece),
                _ if offset == 0 => said = Some((turn.to_owned(), piece.to_owned())),
                _ => bail!("a piece that does not join the one before: {event}"),
            }
            continue;
        }
        let answer = (event["message"]["author"]["kind"] == "ai").then(|| event["message"]["text"].as_str());
        if let Some((of, whole)) = said.take_if(|_| answer.is_some() || event["kind"] == "turn.finished") {
            let shown = match answer.flatten() {
                Some(answer) => {
                    ensure!(answer == whole, "shown was {whole:?}, stored is {answer:?}");
                    Value::from(whole)
                }
                None => Value::from("<as far as it came>"),
            };
            let _ =
                writeln!(text, r#"data: {{"kind":"turn.delta","turn":"{of}","offset":0,"text":{shown}}}"#);
        }
        if event["kind"] == "turn.finished" {
            over.insert(turn.to_owned());
        }
        if let Some(seq) = event["seq"].as_u64() {
            ensure!(frame.id == seq.to_string(), "id {} on {event}", frame.id);
            let _ = writeln!(text, "id: {seq}");
        }
        if frame.event != "message" {
            let _ = writeln!(text, "event: {}", frame.event);
        }
        let _ = writeln!(text, "data: {}", frame.data);
    }
    if let Some((turn, _)) = said {
        let _ = writeln!(
            text,
            r#"data: {{"kind":"turn.delta","turn":"{turn}","offset":0,"text":"<as far as it came>"}}"#
        );
    }
    Ok(text)
}

/// JSON with line breaks; nothing else is changed, neither order nor numbers. Other text stays as it is.
fn pretty(text: &str) -> String {
    if !text.starts_with(['{', '[']) || serde_json::from_str::<Value>(text).is_err() {
        return text.to_owned();
    }
    let mut made = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |made: &mut String, depth: usize| {
        made.push('\n');
        made.push_str(&"  ".repeat(depth));
    };
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let structure = !in_text;
        if letter == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && letter == '\\' && !escaped;
        match letter {
            '}' | ']' if structure => {
                depth -= 1;
                line(&mut made, depth);
                made.push(letter);
            }
            '{' | '[' if structure => {
                made.push(letter);
                if let Some(close) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    made.push(close);
                } else {
                    depth += 1;
                    line(&mut made, depth);
                }
            }
            ',' if structure => {
                made.push(letter);
                line(&mut made, depth);
            }
            ':' if structure => made.push_str(": "),
            _ => made.push(letter),
        }
    }
    made
}

/// What is replaced, in this order.
fn normal(text: &str, host: &Ready) -> String {
    let address = host.base_url.trim_start_matches("http://");
    let mut text = text
        .replace(&host.base_url, "<host>")
        .replace(address, "<address>")
        .replace(&host.site_key, "<site key>")
        .replace(&host.admin_email, "<e-mail>")
        .replace(&host.admin_password, "<password>");
    let refresh = r"\borg_[0-9a-z]{26}\.login_[0-9a-z]{26}\.[\w-]+\.[\w-]+";
    text = numbered(&text, refresh, |_| "refresh".to_owned());
    let invite = r"\borg_[0-9a-z]{26}\.invite_[0-9a-z]{26}\.[\w-]+";
    text = numbered(&text, invite, |_| "invitation".to_owned());
    text = numbered(&text, r"\buser_[0-9a-z]{26}\.[\w-]+\.[\w-]+", |_| "device".to_owned());
    text = replaced(&text, r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", |_| "<token>".to_owned());
    let type_id = r"\b([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}\b";
    text = numbered(&text, type_id, |found| found[1].to_owned());
    text = numbered(&text, r"\bpk_[0-9a-f]{32}\b", |_| "key".to_owned());
    text = replaced(&text, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", |_| "<time>".to_owned());
    text = replaced(&text, r#"("(?:took|latency)_ms": ?)\d+"#, |found| format!("{}<ms>", &found[1]));
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    text = text.replace(&version, "\"<version>\"");
    let wait = r#"(retry-after: |"retry_after": ?|ratelimit: .*;t=|try again in )\d+"#;
    text = replaced(&text, wait, |found| format!("{}<s>", &found[1]));
    text = replaced(&text, r#"(ratelimit: "address";r=)\d+"#, |found| format!("{}<n>", &found[1]));
    replaced(&text, r#"("(?:(?:lexical_|vector_)?score|evidence)": ?)(-?[\d.eE+-]+)"#, |found| {
        let score = found[2].parse::<f64>().map_or(found[2].to_owned(), |score| format!("{score:.6}"));
        format!("{}{score}", &found[1])
    })
}

fn replaced(text: &str, pattern: &str, with: impl Fn(&Captures<'_>) -> String) -> String {
    match Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(text, with).into_owned(),
        Err(error) => panic!("{error}"),
    }
}

/// Each kind is numbered for itself, from 1, as its members are first seen.
fn numbered(text: &str, pattern: &str, kind: impl Fn(&Captures<'_>) -> String) -> String {
    let known = std::cell::RefCell::new(BTreeMap::<String, BTreeMap<String, usize>>::new());
    replaced(text, pattern, |found| {
        let kind = kind(found);
        let mut known = known.borrow_mut();
        let members = known.entry(kind.clone()).or_default();
        let next = members.len() + 1;
        format!("{kind}#{}", members.entry(found[0].to_owned()).or_insert(next))
    })
}

#[test]
fn what_may_differ_is_made_equal_and_nothing_else() {
    let host = Ready {
        base_url: "http://127.0.0.1:1234".to_owned(),
        site_key: "pk_1".to_owned(),
        admin_email: "a@b.example".to_owned(),
        admin_password: "secret".to_owned(),
        door: None,
        database_url: None,
        database_pid: None,
    };
    let (one, other) = ("conv_01h455vb4pex5vsknk084sn02q", "conv_01h455vb4pex5vsknk084sn02r");
    let said = format!(
        r#"{other} {one} {other} msg_01h455vb4pex5vsknk084sn02q 2025-01-31T10:00:00.123Z "score":0.12345678 4.5 http://127.0.0.1:1234/x"#
    );
    let expected = r#"conv#1 conv#2 conv#1 msg#1 <time> "score":0.123457 4.5 <host>/x"#;
    assert_eq!(normal(&said, &host), expected);
}

#[test]
fn json_gets_line_breaks_and_keeps_its_bytes() {
    let json = r#"{"b":[1.50,{}],"a":"{\"x\\\":[,"}"#;
    let shown = "{\n  \"b\": [\n    1.50,\n    {}\n  ],\n  \"a\": \"{\\\"x\\\\\\\":[,\"\n}";
    assert_eq!(pretty(json), shown);
    assert_eq!(pretty("not {json}"), "not {json}");
}

#[test]
fn an_answer_is_one_piece_however_it_came() -> Result<()> {
    let frame = |id: &str, data: &str| Event {
        event: "message".to_owned(),
        data: data.to_owned(),
        id: id.to_owned(),
        retry: None,
    };
    let delta = |offset: usize, text: &str| {
        frame("1", &format!(r#"{{"kind":"turn.delta","turn":"t","offset":{offset},"text":"{text}"}}"#))
    };
    let answer = frame(
        "2",
        r#"{"seq":2,"kind":"message.created","message":{"author":{"kind":"ai"},"text":"да нет"}}"#,
    );
    let finished = frame("3", r#"{"seq":3,"kind":"turn.finished","turn":"t"}"#);
    let whole = as_shown(&[delta(0, "да нет"), answer.clone(), finished.clone()])?;
    let pieces = [delta(0, "ну"), delta(0, "да"), delta(4, " нет"), answer.clone(), finished.clone()];
    assert_eq!(as_shown(&pieces)?, whole);

    for wrong in [
        vec![delta(0, "да"), delta(3, " нет")],
        vec![delta(2, "да")],
        vec![delta(0, "да"), answer],
        vec![finished, delta(0, "да")],
    ] {
        assert!(as_shown(&wrong).is_err(), "{wrong:?}");
    }
    Ok(())
}
