//! Counted: what an answer costs in database round trips.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::widget::{BeginSession, begin_session};
use frontdesk_domain::event::{EventBody, Frame};
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{
    ByteStream, Ctx, Database, DbError, FetchError, FetchLimits, HttpClient, Rows, Statement,
};
use futures_channel::oneshot;
use futures_util::{FutureExt, StreamExt};

/// A journal of what happened, in order.
type Journal = Rc<RefCell<Vec<&'static str>>>;

struct Noted {
    inner: Rc<dyn Database>,
    journal: Journal,
}

#[async_trait(?Send)]
impl Database for Noted {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.journal.borrow_mut().push("query");
        self.inner.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.journal.borrow_mut().push("batch");
        self.inner.batch(statements).await
    }
}

/// A model that answers in three pieces, the last of them when the first was seen.
struct Model {
    journal: Journal,
    seen: RefCell<Option<oneshot::Receiver<()>>>,
}

#[async_trait(?Send)]
impl HttpClient for Model {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        self.journal.borrow_mut().push("model");
        let piece = |text: &str| {
            let frame = serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
            Ok(Bytes::from(format!("data: {frame}\n\n")))
        };
        let end = serde_json::json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let end = Ok(Bytes::from(format!("data: {end}\n\ndata: [DONE]\n\n")));
        let seen = self.seen.borrow_mut().take();
        let first = futures_util::stream::iter(vec![piece("Delivery "), piece("costs ")]);
        let rest = async move {
            if let Some(seen) = seen {
                let _ = seen.await;
            }
            futures_util::stream::iter(vec![piece("300."), end])
        };
        let body: ByteStream = first.chain(rest.flatten_stream()).boxed_local();
        let mut response = http::Response::new(body);
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }
}

/// Asks once and gives the journal from the message to the end of the answer, with the first delta noted.
async fn asked(
    ctx: &Ctx,
    scope: &frontdesk_domain::scope::TenantScope,
    journal: &Journal,
    seen: oneshot::Sender<()>,
) -> Vec<&'static str> {
    let mut seen = Some(seen);
    let conversation = chat::begin(ctx, scope, &Via::widget(None)).await.unwrap().id;
    let mut frames = ctx.rooms.subscribe(scope, conversation, 0).await.unwrap().frames;
    journal.borrow_mut().clear();
    let post = PostMessage {
        conversation,
        client_id: "a".to_owned(),
        text: "How much is delivery?".to_owned(),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    };
    chat::post_message(ctx, scope, post).await.unwrap();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Live(_) => {
                if let Some(seen) = seen.take() {
                    journal.borrow_mut().push("first delta");
                    let _ = seen.send(());
                }
            }
            Frame::Event(event) => {
                if let EventBody::TurnFinished { outcome, .. } = &event.body {
                    assert_eq!(outcome.name(), "answered");
                    break;
                }
            }
        }
    }
    journal.borrow().clone()
}

#[test]
fn two_round_trips_before_the_first_word_and_one_after_the_last() {
    run(async {
        let journal: Journal = Rc::default();
        let noted = Rc::clone(&journal);
        let (see, seen) = oneshot::channel();
        let overrides = Overrides {
            http: Some(Rc::new(Model { journal: Rc::clone(&journal), seen: RefCell::new(Some(seen)) })),
            database: Some(Box::new(move |inner| Rc::new(Noted { inner, journal: noted }))),
            ..Overrides::default()
        };
        let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
        let world = World::new(&vars, overrides).await.unwrap();
        let ctx = world.ctx();
        let (scope, _) = world.visitor().await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test changes its own settings")]
        let admin = frontdesk_domain::scope::TenantScope::authenticated(
            scope.org(),
            frontdesk_domain::scope::Actor::System,
        );
        // Nothing is indexed here: let the model answer without evidence.
        let patch = frontdesk_domain::settings::SettingsPatch(
            serde_json::json!({ "guardrails": { "only_from_evidence": false } }),
        );
        let version = frontdesk_app::settings::read(ctx, &admin).await.unwrap().version;
        frontdesk_app::settings::patch(ctx, &admin, version, &patch).await.unwrap();
        assert_eq!(
            asked(ctx, &scope, &journal, see).await,
            ["batch", "query", "model", "first delta", "batch"]
        );
    });
}

#[test]
fn a_page_view_of_a_visitor_that_is_known_writes_nothing() {
    run(async {
        let journal: Journal = Rc::default();
        let noted = Rc::clone(&journal);
        let overrides = Overrides {
            database: Some(Box::new(move |inner| Rc::new(Noted { inner, journal: noted }))),
            ..Overrides::default()
        };
        let world = World::new(&[], overrides).await.unwrap();
        let (scope, token) = world.visitor().await.unwrap();
        let conversation = chat::begin(world.ctx(), &scope, &Via::widget(None)).await.unwrap();
        let site_key = world.site().await.unwrap().site_key;
        journal.borrow_mut().clear();
        let again =
            BeginSession { visitor_token: Some(token), ..BeginSession::new(site_key, Via::widget(None)) };
        let session = begin_session(world.ctx(), again).await.unwrap();
        assert_eq!(session.conversation.map(|found| found.id), Some(conversation.id));
        assert_eq!(*journal.borrow(), ["query", "query"], "the site, and the conversation that goes on");
    });
}
