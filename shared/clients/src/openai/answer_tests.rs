//! Recorded answers of different servers, whole and in pieces.

use super::*;
use proptest::prelude::*;

fn read(pieces: &[&[u8]]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let mut answer = AnswerReader::new("asked");
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(error) = answer.push(piece, &mut |event| events.push(event)) {
            return (events, Err(error));
        }
    }
    let end = answer.end(&mut |event| events.push(event));
    (events, end)
}

fn read_ok(text: &str) -> Vec<ChatEvent> {
    let (events, end) = read(&[text.as_bytes()]);
    assert_eq!(end, Ok(()), "{text}");
    events
}

fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.to_owned())
}

fn finished(reason: FinishReason) -> ChatEvent {
    ChatEvent::Finished { reason }
}

fn usage(model: &str, prompt_tokens: u64, completion_tokens: u64) -> ChatEvent {
    ChatEvent::Usage(Usage { model: model.to_owned(), prompt_tokens, completion_tokens, estimated: false })
}

const OPENAI: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"content":"Доставка"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{"content":" 📦 \u0434\u043d\u044f"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-1","model":"gpt-4o-mini-2024-07-18","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}}}"#,
    "\n\n",
    "data: [DONE]\n\n",
);

const AZURE: &str = concat!(
    r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#,
    "\n\n",
    r#"data: {"choices":[{"content_filter_offsets":{},"content_filter_results":{},"delta":{"content":"Hi"},"finish_reason":null,"index":0}],"model":"gpt-4o"}"#,
    "\n\n",
    r#"data: {"choices":[{"delta":{},"finish_reason":"length","index":0}],"model":"gpt-4o"}"#,
    "\n\n",
    "data: [DONE]\n\n",
);

const OPENROUTER: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    ": OPENROUTER PROCESSING\n\n",
    r#"data: {"id":"gen-1","provider":"X","model":"a/b","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"thinking"},"finish_reason":null,"native_finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"gen-1","provider":"X","model":"a/b","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"id":"gen-1","model":"a/b","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"gen-1","model":"a/b","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"cost":0.1}}"#,
    "\n\n",
    "data: [DONE]\n\n",
);

const TOOLS: &str = concat!(
    r#"data: {"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"order","arguments":""}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"id\""}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"hours","arguments":"{}"}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":7}"}}]},"finish_reason":null}]}"#,
    "\n\n",
    r#"data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
    "\n\n",
    "data: [DONE]\n\n",
);

const WHOLE: &str = r#" {"id":"x","object":"chat.completion","model":"llama","choices":[{"index":0,"message":{"role":"assistant","content":"All at once"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3}}"#;

#[test]
fn reads_openai() {
    assert_eq!(
        read_ok(OPENAI),
        [
            text("Доставка"),
            text(" 📦 дня"),
            usage("gpt-4o-mini-2024-07-18", 19, 10),
            finished(FinishReason::Stop)
        ]
    );
}

#[test]
fn reads_azure() {
    assert_eq!(read_ok(AZURE), [text("Hi"), finished(FinishReason::Length)]);
}

#[test]
fn reads_openrouter_with_comments_and_thoughts() {
    assert_eq!(read_ok(OPENROUTER), [text("Hi"), usage("a/b", 5, 2), finished(FinishReason::Stop)]);
}

#[test]
fn puts_tool_calls_together() {
    let call = |id: &str, name: &str, arguments: &str| ChatEvent::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    assert_eq!(
        read_ok(TOOLS),
        [
            call("call_a", "order", r#"{"id":7}"#),
            call("call_b", "hours", "{}"),
            finished(FinishReason::ToolCalls)
        ]
    );
    // Without an index: two whole calls, as Ollama and Gemini send them.
    let whole = r#"data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"x","arguments":"{}"}},{"id":"b","function":{"name":"y","arguments":"{}"}}]},"finish_reason":"stop"}]}"#;
    assert_eq!(
        read_ok(&format!("{whole}\n\n")),
        [call("a", "x", "{}"), call("b", "y", "{}"), finished(FinishReason::Stop)]
    );
}

#[test]
fn reads_a_server_that_ignores_stream() {
    assert_eq!(read_ok(WHOLE), [text("All at once"), usage("llama", 1, 3), finished(FinishReason::Stop)]);
}

#[test]
fn a_missing_done_is_no_fault_after_a_reason() {
    let cut = OPENAI.split("data: [DONE]").next().unwrap();
    assert_eq!(read_ok(cut), read_ok(OPENAI));
}

#[test]
fn a_missing_reason_is_no_fault_before_done() {
    let events = read_ok("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n");
    assert_eq!(events, [text("a"), finished(FinishReason::Other(String::new()))]);
}

#[test]
fn faults_have_names() {
    let hi = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let bad = |what: &str| ModelError::BadResponse(what.to_owned());
    for (name, body, expected) in [
        ("nothing", String::new(), ModelError::Cut),
        ("white space", "\n \n".to_owned(), ModelError::Cut),
        ("comments alone", ": ping\n\n".to_owned(), ModelError::Cut),
        ("cut between frames", hi.to_owned(), ModelError::Cut),
        ("cut in a frame", format!("{hi}data: {{\"choices\":[{{\"del"), ModelError::Cut),
        ("cut in JSON", r#"{"choices":[{"message":"#.to_owned(), ModelError::Cut),
        ("a web page", "<html>".to_owned(), bad("a web page instead of an answer")),
        ("garbage in a frame", format!("{hi}data: ~~~\n\n"), bad("a frame that is no JSON")),
        ("another shape", "data: {\"choices\":7}\n\n".to_owned(), bad("a frame of another shape")),
        ("garbage in JSON", "{nonsense".to_owned(), bad("neither a stream nor JSON")),
        (
            "an error frame",
            format!("{hi}data: {{\"error\":{{\"code\":502,\"message\":\"x\"}}}}\n\n"),
            ModelError::Overloaded { detail: "502".into(), retry_after: None },
        ),
        (
            "an error as JSON",
            r#"{"error":{"code":429}}"#.to_owned(),
            ModelError::RateLimited { retry_after: None },
        ),
        (
            "the filter",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"content_filter\"}]}\n\n".to_owned(),
            ModelError::ContentFilter,
        ),
        (
            "a nameless tool",
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]},\"finish_reason\":\"stop\"}]}\n\n"
                .to_owned(),
            bad("a tool call without a name"),
        ),
    ] {
        assert_eq!(read(&[body.as_bytes()]).1, Err(expected), "{name}");
    }
}

#[test]
fn an_answer_without_end_is_refused() {
    let frame =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(64 * 1024));
    let mut answer = AnswerReader::new("m");
    let refused = (0..20).find_map(|_| answer.push(frame.as_bytes(), &mut |_| ()).err());
    assert!(matches!(refused, Some(ModelError::BadResponse(_))), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_chunking_gives_the_same_events(
        recording in prop_oneof![
            Just(OPENAI.to_owned()),
            Just(AZURE.to_owned()),
            Just(OPENROUTER.to_owned()),
            Just(TOOLS.to_owned()),
            Just(WHOLE.to_owned()),
            Just(OPENAI.replace('\n', "\r\n")),
            Just(OPENAI.replace('\n', "\r")),
            Just(format!("\u{feff}{OPENAI}")),
        ],
        cut_off in proptest::option::of(any::<proptest::sample::Index>()),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..80),
    ) {
        let bytes = recording.as_bytes();
        let bytes = &bytes[..cut_off.map_or(bytes.len(), |at| at.index(bytes.len().saturating_add(1)))];
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len().saturating_add(1))).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces), read(&[bytes]));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        let _ = read(&[&bytes]);
    }
}

#[test]
fn one_byte_at_a_time_gives_the_same_events() {
    for recording in [OPENAI, AZURE, OPENROUTER, TOOLS, WHOLE] {
        let bytes: Vec<&[u8]> = recording.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes).0, read_ok(recording));
    }
}
