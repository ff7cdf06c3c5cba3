//! Recorded answers of different servers, whole and in pieces.

use super::*;
use proptest::prelude::*;

fn read(pieces: &[&[u8]]) -> (Vec<ChatEvent>, Result<(), ModelError>) {
    let mut answer = AnswerReader::new("asked", false);
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

/// A body of events with these data.
fn events(data: &[&str]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

const YES: &str = r#"{"choices":[{"index":0,"delta":{"content":"Yes, "}}]}"#;
const WE_DO: &str = r#"{"choices":[{"index":0,"delta":{"content":"we do."}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const DONE: &str = "[DONE]";

/// The text, and how the answer ended: the name of an error, or of a reason.
fn heard(body: &str) -> (String, String) {
    let mut answer = AnswerReader::new("m", false);
    let mut said = String::new();
    let mut ended = String::new();
    let mut take = |event| match event {
        ChatEvent::Text(text) => said.push_str(&text),
        ChatEvent::Anew => said.clear(),
        ChatEvent::Finished { reason } => ended = format!("{reason:?}"),
        ChatEvent::ToolCall { .. } | ChatEvent::Usage(_) => {}
    };
    let result = answer.push(body.as_bytes(), &mut take).and_then(|()| answer.end(&mut take));
    if let Err(error) = result {
        ended = error.name().to_owned();
    }
    (said, ended)
}

#[test]
fn odd_frames_take_nothing_from_the_answer() {
    let with = |odd: &str| events(&[YES, odd, WE_DO, STOP, DONE]);
    for (name, body) in [
        ("nothing odd", with(r#"{"choices":[]}"#)),
        ("a ping", with("ping")),
        ("a comment as data", with(": keepalive")),
        ("null", with("null")),
        ("a list", with(r#"[{"choices":[]}]"#)),
        ("choices that are no list", with(r#"{"choices":{}}"#)),
        ("a model that is a number", with(r#"{"model":7,"choices":[]}"#)),
        ("usage that is a list", with(r#"{"choices":[],"usage":[]}"#)),
        ("usage below nothing", with(r#"{"choices":[],"usage":{"prompt_tokens":-1}}"#)),
        ("tool calls that are no list", with(r#"{"choices":[{"delta":{"tool_calls":{}}}]}"#)),
        (
            "arguments that are an object",
            with(r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"x","arguments":{"q":1}}}]}}]}"#),
        ),
        ("a reason that is the word null", with(r#"{"choices":[{"delta":{},"finish_reason":"null"}]}"#)),
        ("a reason before the text", events(&[STOP, YES, WE_DO, STOP, DONE])),
        (
            "a reason that is an object",
            events(&[YES, WE_DO, r#"{"choices":[{"delta":{},"finish_reason":{"type":"stop"}}]}"#, DONE]),
        ),
        (
            "a reason in camel case",
            events(&[YES, WE_DO, r#"{"choices":[{"delta":{},"finishReason":"stop"}]}"#]),
        ),
        ("thoughts in a field", with(r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}"#)),
        (
            "thoughts as a part",
            with(
                r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}"#,
            ),
        ),
        ("no blank lines", with("{}").replace("\n\n", "\n")),
        ("a line for each object", [YES, WE_DO, STOP].join("\n")),
        ("two objects in one event", events(&[&format!("{YES}{WE_DO}"), STOP, DONE])),
        (
            "an index that is a text",
            events(&[&YES.replace(":0,", ":\"0\","), &WE_DO.replace(":0,", ":\"0\","), STOP]),
        ),
        ("an index that counts", events(&[&YES.replace(":0,", ":1,"), &WE_DO.replace(":0,", ":2,"), STOP])),
        (
            "a second answer",
            events(&[
                r#"{"choices":[{"index":0,"delta":{"content":"Yes, "}},{"index":1,"delta":{"content":"No."}}]}"#,
                WE_DO,
                STOP,
            ]),
        ),
        ("a delta that is a text", events(&[r#"{"choices":[{"index":0,"delta":"Yes, "}]}"#, WE_DO, STOP])),
        ("text beside the delta", events(&[r#"{"choices":[{"index":0,"text":"Yes, "}]}"#, WE_DO, STOP])),
        (
            "content as an object",
            events(&[r#"{"choices":[{"delta":{"content":{"text":"Yes, "}}}]}"#, WE_DO, STOP]),
        ),
        (
            "the whole each time",
            events(&[
                YES,
                r#"{"choices":[{"delta":{"content":"Yes, we "}}]}"#,
                r#"{"choices":[{"delta":{"content":"Yes, we do."}}]}"#,
                STOP,
            ]),
        ),
        (
            "the whole at the end",
            events(&[
                YES,
                WE_DO,
                r#"{"choices":[{"message":{"content":"Yes, we do."},"finish_reason":"stop"}]}"#,
                DONE,
            ]),
        ),
        (
            "tags of thoughts",
            events(&[r#"{"choices":[{"delta":{"content":"<think>hm</think>"}}]}"#, YES, WE_DO, STOP]),
        ),
        (
            "letters that are none",
            events(&[r#"{"choices":[{"delta":{"content":"Y\u0000e\u202es, "}}]}"#, WE_DO, STOP]),
        ),
        (
            "half a letter alone",
            events(&[r#"{"choices":[{"delta":{"content":"Yes, \ud83c"}}]}"#, WE_DO, STOP]),
        ),
    ] {
        let (text, ended) = heard(&body);
        assert_eq!(text, "Yes, we do.", "{name}");
        assert!(ended == "Stop" || ended == "Other(\"\")", "{name}: {ended}");
        // Whatever it is, its cuts change nothing.
        let whole = read(&[body.as_bytes()]);
        let letters: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let (mut one, mut other) = (String::new(), String::new());
        for (said, (events, _)) in [(&mut one, whole), (&mut other, read(&letters))] {
            events.into_iter().for_each(|event| {
                if let ChatEvent::Text(text) = event {
                    said.push_str(&text);
                }
            });
        }
        assert_eq!(one, other, "{name}");
    }
}

#[test]
fn a_letter_in_two_halves_is_one() {
    let body = events(&[
        r#"{"choices":[{"delta":{"content":"a \ud83c"}}]}"#,
        r#"{"choices":[{"delta":{"content":"\udf4b b \\ud83c"}}]}"#,
        STOP,
    ]);
    assert_eq!(heard(&body).0, "a 🍋 b \\ud83c");
}

#[test]
fn every_end_has_a_name() {
    let then = |odd: &str| events(&[YES, WE_DO, odd]);
    let ending = |word: &str| then(&format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"{word}"}}]}}"#));
    for (name, body, ended) in [
        ("nothing", String::new(), "cut"),
        ("white space", "\n \n".to_owned(), "cut"),
        ("comments alone", ": ping\n\n".to_owned(), "cut"),
        ("cut between frames", events(&[YES, WE_DO]), "cut"),
        ("cut in a frame", format!("{}data: {{\"choices\":[{{\"del", events(&[YES])), "cut"),
        ("cut in JSON", r#"{"choices":[{"message":"#.to_owned(), "cut"),
        ("a web page", "<html><title>Login</title></html>".to_owned(), "unreadable"),
        ("words", "upstream connect error or disconnect/reset before headers".to_owned(), "unreadable"),
        ("an empty object", "{}".to_owned(), "unreadable"),
        ("garbage in a frame", then("{~~~"), "unreadable"),
        ("garbage in JSON", "{nonsense".to_owned(), "unreadable"),
        ("an error frame", then(r#"{"error":{"code":502,"message":"x"}}"#), "overloaded"),
        (
            "an error without a name",
            then(r#"{"object":"error","message":"EngineCore","code":500}"#),
            "overloaded",
        ),
        ("an error as a text", then(r#"{"error":"CUDA out of memory"}"#), "overloaded"),
        ("an error in words", then("[ERROR] upstream timeout"), "overloaded"),
        ("an error as a field", format!("{}error: {{\"code\":500}}\n\n", events(&[YES])), "overloaded"),
        (
            "an error as an event",
            format!("{}event: error\ndata: {{\"x\":1}}\n\n", events(&[YES])),
            "overloaded",
        ),
        (
            "an error without a field",
            format!("{}{{\"error\":{{\"message\":\"reset\"}}}}\n", events(&[YES])),
            "overloaded",
        ),
        ("an error as JSON", r#"{"error":{"code":429}}"#.to_owned(), "rate_limited"),
        ("a missing model as JSON", r#"{"error":"model 'x' not found"}"#.to_owned(), "model_not_found"),
        ("a refused key as JSON", r#"{"detail":"Not authenticated"}"#.to_owned(), "refused"),
        ("the filter", ending("content_filter"), "content_filter"),
        ("an error as the reason", ending("error"), "overloaded"),
        ("no room", ending("length"), "Length"),
        ("no room, in other words", ending("MAX_TOKENS"), "Length"),
        (
            "no machine",
            ending("insufficient_system_resource"),
            "Interrupted(\"insufficient_system_resource\")",
        ),
        ("a word of its own", ending("eos_token"), "Stop"),
        ("no reason before the end", events(&[YES, WE_DO, DONE]), "Other(\"\")"),
        ("no text", events(&[STOP, DONE]), "empty"),
        ("white space alone", events(&[r#"{"choices":[{"delta":{"content":"\n \n"}}]}"#, STOP]), "empty"),
        ("thoughts alone", events(&[r#"{"choices":[{"delta":{"content":"<think>hm"}}]}"#, STOP]), "empty"),
        (
            "a call of a tool as text",
            events(&[r#"{"choices":[{"delta":{"content":"<tool_call>{}</tool_call>"}}]}"#, STOP]),
            "empty",
        ),
        ("usage alone", events(&[r#"{"choices":[],"usage":{"prompt_tokens":5}}"#, DONE]), "empty"),
        (
            "a nameless tool",
            events(&[r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]},"finish_reason":"stop"}]}"#]),
            "empty",
        ),
        (
            "the model declines",
            events(&[r#"{"choices":[{"delta":{"refusal":"I cannot."}}]}"#, STOP]),
            "content_filter",
        ),
    ] {
        assert_eq!(heard(&body).1, ended, "{name}");
    }
}

#[test]
fn an_answer_that_used_its_room_for_thoughts_says_so() {
    let body = events(&[r#"{"choices":[{"delta":{"reasoning":"hm"},"finish_reason":"length"}]}"#, DONE]);
    let (_, end) = read(&[body.as_bytes()]);
    assert!(matches!(end, Err(ModelError::Empty { length: true, .. })), "{end:?}");
}

#[test]
fn an_answer_without_end_is_refused() {
    let frame =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(64 * 1024));
    let mut answer = AnswerReader::new("m", false);
    let refused = (0..20).find_map(|_| answer.push(frame.as_bytes(), &mut |_| ()).err());
    assert!(matches!(refused, Some(ModelError::TooLong(_))), "{refused:?}");
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

/// A body of anything that servers send, in any order.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let text = proptest::sample::select(vec![
        "Yes",
        " we",
        "<think>",
        "</think>",
        "`",
        "[1]",
        "<|im_end|>",
        "\\ud83c",
        "\\udf4b",
        "\\u0000",
        " ",
        "\\n",
    ]);
    let delta = text.prop_map(|text| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    });
    let frame = proptest::sample::select(vec![
        "data: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":{},\"usage\":[]}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":\"2\"},\"choices\":[]}\n\n",
        "data: {\"error\":{\"code\":502,\"message\":\"x\"}}\n\n",
        "event: error\ndata: {\"x\":1}\n\n",
        "data: {\n",
        "{\"choices\":[]}\n",
        ": ping\n\n",
        "data: ping\n\n",
        "\r\n",
        "\r",
        "data: null\n\n",
        "[[[[",
        "{\"a\":",
    ]);
    let part = prop_oneof![
        4 => delta.prop_map(String::into_bytes),
        2 => frame.prop_map(|frame| frame.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// The text of an answer in the end, and how it ended.
fn in_the_end(
    (events, end): (Vec<ChatEvent>, Result<(), ModelError>),
) -> (String, Vec<ChatEvent>, Result<(), ModelError>) {
    let mut text = String::new();
    let mut others = Vec::new();
    for event in events {
        match event {
            ChatEvent::Text(more) => text.push_str(&more),
            ChatEvent::Anew => text.clear(),
            other => others.push(other),
        }
    }
    (text, others, end)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_comes_is_the_same_answer_in_any_pieces(
        bytes in anything(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40),
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len().saturating_add(1))).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(in_the_end(read(&pieces)), in_the_end(read(&[&bytes])));
    }
}

#[test]
fn an_answer_in_the_smallest_pieces_takes_time_that_grows_with_its_length() {
    // Minutes when what was read before is read again with each piece.
    let body =
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "<`[a ".repeat(30_000));
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let (events, end) = read(&pieces);
    assert_eq!(end, Err(ModelError::Cut));
    assert!(!events.is_empty());
}
