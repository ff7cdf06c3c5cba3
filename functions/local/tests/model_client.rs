//! The model client against the fake model, over real sockets.

mod support;

use std::time::Duration;

use frontdesk_clients::openai::{
    ChatEvent, ChatMessage, ChatRequest, ChatRole, Deadline, FinishReason, ModelError, Timeouts, chat, embed,
};
use frontdesk_ports::{Ctx, ModelEndpoint};
use frontdesk_stand_ins::fake_ai::{Behaviour, Ending, FakeAi, Options};
use futures_util::StreamExt as _;
use serde_json::json;

const CONTEXT: &str =
    "[1] Доставка\nДоставка по Москве занимает два дня 🚚.\n\n[2] Hours\nWe are open from 9 to 18.";

fn request(question: &str) -> ChatRequest {
    ChatRequest {
        model: "fake-chat".into(),
        messages: vec![
            ChatMessage::new(ChatRole::System, CONTEXT),
            ChatMessage::new(ChatRole::User, question),
        ],
        temperature: Some(0.2),
        max_tokens: Some(500),
        tools: None,
        tool_choice: None,
        caller: None,
    }
}

fn short() -> Timeouts {
    Timeouts {
        connect: Duration::from_millis(500),
        first_token: Duration::from_millis(150),
        gap: Duration::from_millis(150),
        whole: Duration::from_secs(20),
    }
}

fn patient() -> Timeouts {
    Timeouts { whole: Duration::from_secs(20), ..Timeouts::default() }
}

struct World {
    ai: FakeAi,
    ctx: Ctx,
    endpoint: ModelEndpoint,
}

impl World {
    async fn new(options: Options) -> Self {
        let ai = FakeAi::start(options).await.unwrap();
        Self { endpoint: support::endpoint(&ai.base_url), ctx: support::ctx(), ai }
    }

    fn script(&self, behaviours: &[&str]) {
        self.ai.script(behaviours.iter().map(|text| Behaviour::parse(text).unwrap()));
    }

    async fn ask(&self, question: &str, timeouts: Timeouts) -> Asked {
        let mut stream = chat(&self.ctx, &self.endpoint, request(question), timeouts);
        let mut asked = Asked { text: String::new(), events: Vec::new(), error: None };
        while let Some(item) = stream.next().await {
            assert!(asked.error.is_none(), "something followed the error");
            match item {
                Ok(ChatEvent::Text(text)) => asked.text.push_str(&text),
                Ok(event) => asked.events.push(event),
                Err(error) => asked.error = Some(error),
            }
        }
        asked
    }
}

#[derive(Debug)]
struct Asked {
    text: String,
    events: Vec<ChatEvent>,
    error: Option<ModelError>,
}

const DELIVERY: &str = "Сколько дней занимает доставка?";
const ANSWER: &str = "Доставка по Москве занимает два дня 🚚. [1]";

#[tokio::test]
async fn an_answer_streams_with_usage_and_an_end() {
    let world = World::new(Options { api_key: Some("sk-test".into()), ..Options::default() }).await;
    let asked = world.ask(DELIVERY, patient()).await;
    assert_eq!((asked.text.as_str(), &asked.error), (ANSWER, &None));
    let [ChatEvent::Usage(usage), ChatEvent::Finished { reason: FinishReason::Stop }] =
        asked.events.as_slice()
    else {
        panic!("{:?}", asked.events)
    };
    assert!(
        usage.model == "fake-chat" && usage.prompt_tokens > 0 && usage.completion_tokens > 0,
        "{usage:?}"
    );
    let sent = world.ai.requests().remove(0);
    assert_eq!(sent.body["max_tokens"], json!(500));
    assert_eq!(sent.body["messages"][0], json!({"role": "system", "content": CONTEXT}));
}

#[tokio::test]
async fn ways_to_send_it_make_no_difference() {
    let world = World::new(Options::default()).await;
    for way in [
        "split",
        "crlf",
        "bom",
        "comments",
        "no-done",
        "no-finish",
        "no-usage",
        "no-stream",
        "split,crlf,bom,comments,no-done",
        "slow-head=20",
        "stall=20,stall-at=3",
        "tokens-per-second=500",
    ] {
        world.script(&[way]);
        let asked = world.ask(DELIVERY, patient()).await;
        assert_eq!((asked.text.as_str(), &asked.error), (ANSWER, &None), "{way}");
        assert!(matches!(asked.events.last(), Some(ChatEvent::Finished { .. })), "{way}");
    }
    assert_eq!(world.ai.counts().requests, 12, "no attempt was repeated");
}

#[tokio::test]
async fn every_fault_has_its_error() {
    for (fault, expected, attempts) in [
        ("status=401,code=invalid_api_key", "refused", 1),
        ("status=403", "refused", 1),
        ("status=404,code=model_not_found", "model_not_found", 1),
        ("status=413", "request_not_taken", 1),
        ("status=422", "request_not_taken", 1),
        ("status=400,code=context_length_exceeded", "context_too_long", 1),
        ("status=400,code=content_filter", "content_filter", 1),
        ("status=400", "request_not_taken", 1),
        ("status=429,code=insufficient_quota", "refused", 1),
        ("status=429,retry-after=60", "rate_limited", 1),
        ("status=429", "rate_limited", 3),
        ("status=503", "overloaded", 3),
        ("hang-up", "unreachable", 3),
        ("html", "unreadable", 1),
        ("finish=content_filter,cut-after=90", "content_filter", 1),
        ("error-frame=0", "overloaded", 3),
        ("end-after=0", "cut", 3),
        ("cut-after=0", "cut", 3),
        ("cut-bytes=40", "cut", 3),
        ("garbage=0", "unreadable", 1),
        ("tokens=0", "empty", 1),
        ("slow-head=60000", "timeout_first_token", 1),
        ("first-token=60000", "timeout_first_token", 1),
        ("first-token=60000,comments", "timeout_first_token", 1),
        ("stall=60000,stall-at=2", "timeout_gap", 1),
    ] {
        let behaviour = Behaviour::parse(fault).unwrap();
        let world = World::new(Options { behaviour, ..Options::default() }).await;
        let asked = world.ask(DELIVERY, short()).await;
        assert_eq!(asked.error.as_ref().map(ModelError::name), Some(expected), "{fault}: {asked:?}");
        assert_eq!(world.ai.counts().requests, attempts, "{fault}");
        assert!(ANSWER.starts_with(&asked.text), "{fault}: {}", asked.text);
    }
}

#[tokio::test]
async fn a_failure_before_the_first_word_is_not_seen() {
    let world = World::new(Options::default()).await;
    world.script(&["status=500", "cut-after=0"]);
    let asked = world.ask(DELIVERY, patient()).await;
    assert_eq!((asked.text.as_str(), asked.error), (ANSWER, None));
    assert_eq!(world.ai.counts().requests, 3);
}

#[tokio::test]
async fn a_shown_word_is_never_said_twice() {
    let world = World::new(Options::default()).await;
    world.script(&["cut-after=4"]);
    let asked = world.ask(DELIVERY, patient()).await;
    assert_eq!(asked.error, Some(ModelError::Cut));
    assert_eq!(world.ai.counts().requests, 1);
    assert!(!asked.text.is_empty() && ANSWER.starts_with(&asked.text), "{}", asked.text);
}

#[tokio::test]
async fn retry_after_is_kept() {
    let world = World::new(Options::default()).await;
    world.script(&["status=429,retry-after=0.3"]);
    let start = tokio::time::Instant::now();
    assert_eq!(world.ask(DELIVERY, patient()).await.text, ANSWER);
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_whole_deadline_bounds_answers_and_retries() {
    let world = World::new(Options::default()).await;
    let timeouts = Timeouts { whole: Duration::from_millis(200), ..patient() };
    world.script(&["tokens=1000,tokens-per-second=100"]);
    let asked = world.ask(DELIVERY, timeouts).await;
    assert_eq!(asked.error, Some(ModelError::Timeout(Deadline::Whole)));
    assert!(!asked.text.is_empty());

    world.script(&["status=429,retry-after=1"]);
    let asked = world.ask(DELIVERY, timeouts).await;
    let wish = Some(Duration::from_secs(1));
    assert!(
        matches!(asked.error, Some(ModelError::RateLimited { retry_after, .. }) if retry_after == wish),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_call() {
    let world = World::new(Options::default()).await;
    world.script(&["tokens=1000,tokens-per-second=100"]);
    let mut stream = chat(&world.ctx, &world.endpoint, request(DELIVERY), patient());
    assert!(matches!(stream.next().await, Some(Ok(ChatEvent::Text(_)))));
    drop(stream);
    world.ai.until(|counts| counts.gone == 1 && counts.in_flight == 0).await;
    assert_eq!(world.ai.requests()[0].ending, Ending::Gone);
}

#[tokio::test]
async fn five_failed_calls_open_the_circuit_of_that_model_alone() {
    let world =
        World::new(Options { behaviour: Behaviour::parse("status=500").unwrap(), ..Options::default() })
            .await;
    for _ in 0..5 {
        assert!(matches!(world.ask(DELIVERY, short()).await.error, Some(ModelError::Overloaded { .. })));
    }
    assert_eq!(world.ai.counts().requests, 15, "the attempts of a call count as one failure");
    assert_eq!(world.ask(DELIVERY, short()).await.error, Some(ModelError::CircuitOpen));
    assert_eq!(world.ai.counts().requests, 15, "an open circuit asks nobody");
    assert!(world.ctx.metrics.text().contains(r#"frontdesk_breaker_state{service="model"} 2"#));
    let smaller = ChatRequest { model: "smaller".into(), ..request(DELIVERY) };
    let error = chat(&world.ctx, &world.endpoint, smaller, short()).next().await;
    assert!(
        matches!(error, Some(Err(ModelError::ModelNotFound(_)))),
        "the smaller model is asked: {error:?}"
    );
}

#[tokio::test]
async fn what_one_caller_asks_opens_no_circuit_for_others() {
    let world =
        World::new(Options { behaviour: Behaviour::parse("status=500").unwrap(), ..Options::default() })
            .await;
    for _ in 0..7 {
        let asked = ChatRequest { caller: Some(1), ..request(DELIVERY) };
        let error = chat(&world.ctx, &world.endpoint, asked, short()).next().await;
        assert!(matches!(error, Some(Err(ModelError::Overloaded { .. }))), "{error:?}");
    }
}

#[tokio::test]
async fn a_refused_request_opens_no_circuit() {
    for fault in ["status=400", "status=404,code=model_not_found", "status=413", "status=422"] {
        let world =
            World::new(Options { behaviour: Behaviour::parse(fault).unwrap(), ..Options::default() }).await;
        for _ in 0..7 {
            assert_ne!(world.ask(DELIVERY, short()).await.error, Some(ModelError::CircuitOpen), "{fault}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_does_not_open_the_circuit() {
    let world = World::new(Options { api_key: Some("sk-other".into()), ..Options::default() }).await;
    for _ in 0..7 {
        assert!(matches!(world.ask(DELIVERY, short()).await.error, Some(ModelError::Refused(_))));
    }
    assert_eq!(world.ai.counts().requests, 7);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let ai = FakeAi::start(Options::default()).await.unwrap();
    let endpoint = support::endpoint(&ai.base_url);
    ai.stop().await;
    let error = chat(&support::ctx(), &endpoint, request(DELIVERY), patient()).next().await;
    assert_eq!(error, Some(Err(ModelError::Unreachable("no connection".into()))));
}

#[tokio::test]
async fn tool_calls_arrive_whole() {
    let world = World::new(Options::default()).await;
    world.script(&["tool-call=order_status"]);
    let asked = world.ask(DELIVERY, patient()).await;
    let [ChatEvent::ToolCall { name, arguments, .. }, _, ChatEvent::Finished { reason }] =
        asked.events.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (name.as_str(), arguments.as_str(), reason),
        ("order_status", r#"{"id":7}"#, &FinishReason::ToolCalls)
    );
}

#[tokio::test]
async fn vectors_come_in_batches() {
    let world = World::new(Options { dimensions: 64, ..Options::default() }).await;
    world.script(&["on=embeddings,status=503"]);
    let texts: Vec<String> = (0..200).map(|n| format!("text number {n}")).collect();
    let vectors = embed(&world.ctx, &world.endpoint, &texts).await.unwrap();
    assert_eq!(vectors.len(), 200);
    assert!(vectors.iter().flatten().all(|vector| vector.len() == 64) && vectors.iter().all(Option::is_some));
    let again = embed(&world.ctx, &world.endpoint, &texts[150..151]).await.unwrap();
    assert_eq!(vectors[150], again[0], "the order of the texts is kept");
    let sizes: Vec<usize> =
        world.ai.requests().iter().map(|request| request.body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [96, 96, 96, 8, 1], "the first batch was repeated after a 503");
}

#[tokio::test]
async fn no_embedding_model_is_said() {
    let endpoint = ModelEndpoint { embedding_model: None, ..support::endpoint("http://127.0.0.1:9/v1") };
    let error = embed(&support::ctx(), &endpoint, &["x".into()]).await.unwrap_err();
    assert!(error.to_string().starts_with("embeddings: "), "{error}");
}
