//! How often the words of an answer are shown.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_domain::event::{EventBody, Frame, Live};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{ByteStream, FetchError, FetchLimits, HttpClient};
use frontdesk_testkit::ManualClock;
use futures_util::StreamExt;
use serde_json::json;

const WORDS: usize = 20;

/// A model that says one word after the other, each so long after the last.
struct Model {
    clock: ManualClock,
    between: Duration,
}

#[async_trait(?Send)]
impl HttpClient for Model {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let (clock, between) = (self.clock.clone(), self.between);
        let words = ["Delivery ", "costs ", "little. "].into_iter().cycle().take(WORDS);
        let words = words.map(|word| json!({ "delta": { "content": word } }));
        let end = json!({ "delta": {}, "finish_reason": "stop" });
        let pieces = futures_util::stream::iter(words.chain([end])).then(move |choice| {
            let clock = clock.clone();
            async move {
                // The listener has its turn.
                tokio::task::yield_now().await;
                clock.advance(between);
                Ok(Bytes::from(format!("data: {}\n\n", json!({ "choices": [choice] }))))
            }
        });
        let mut response: http::Response<ByteStream> = http::Response::new(pieces.boxed_local());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }
}

/// The deltas of an answer, and the answer.
async fn answer(between: Duration) -> (Vec<String>, String) {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let overrides = Overrides {
        clock: Some(Rc::new(clock.clone())),
        http: Some(Rc::new(Model { clock, between })),
        ..Overrides::default()
    };
    let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
    let world = World::new(&vars, overrides).await.unwrap();
    let ctx = world.ctx();
    let (scope, _) = world.visitor().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test changes its own settings")]
    let admin = TenantScope::authenticated(scope.org(), Actor::System);
    // Nothing is indexed here: let the model answer without evidence.
    let patch = SettingsPatch(json!({ "guardrails": { "only_from_evidence": false } }));
    let version = frontdesk_app::settings::read(ctx, &admin).await.unwrap().version;
    frontdesk_app::settings::patch(ctx, &admin, version, &patch).await.unwrap();

    let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
    let mut frames = ctx.rooms.subscribe(&scope, conversation, 0).await.unwrap().frames;
    let post = PostMessage {
        conversation,
        client_id: "a".to_owned(),
        text: "How much is delivery?".to_owned(),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    };
    chat::post_message(ctx, &scope, post).await.unwrap();
    let (mut deltas, mut stored) = (Vec::new(), String::new());
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Live(live) => {
                if let Live::Delta(delta) = live.as_ref() {
                    deltas.push(delta.text.clone());
                }
            }
            Frame::Event(event) => match &event.body {
                EventBody::MessageCreated { message } => stored.clone_from(&message.text),
                EventBody::TurnFinished { .. } => break,
                _ => {}
            },
        }
    }
    (deltas, stored)
}

#[test]
fn words_of_a_quick_model_go_out_together_and_those_of_a_slow_one_at_once() {
    run(async {
        let (together, quick) = answer(Duration::ZERO).await;
        let (one_by_one, slow) = answer(Duration::from_millis(40)).await;
        assert_eq!(quick, slow);
        assert_eq!((&together.concat(), &one_by_one.concat()), (&quick, &quick));
        assert_eq!(together.len(), 2, "{together:?}");
        assert!(one_by_one.len() >= WORDS - 1, "{one_by_one:?}");
    });
}
