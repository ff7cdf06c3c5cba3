//! Vectors that are missing are made in the background, and meanwhile words find their documents.
#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::documents;
use frontdesk_app::health::{self, HealthStatus, Service};
use frontdesk_app::jobs;
use frontdesk_app::retrieval::{self, Results, Search, SearchMode};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{ByteStream, Ctx, FetchError, FetchLimits, HttpClient};
use futures_util::StreamExt;
use serde_json::{Value, json};

/// An embedding model: how long its vectors are, or with which status it refuses, and how many texts it takes at once.
struct Vectors {
    length: RefCell<Result<usize, u16>>,
    most: usize,
    longest: usize,
    /// What no text may have.
    forbidden: &'static str,
    asked: RefCell<Vec<usize>>,
}

impl Vectors {
    fn new(length: Result<usize, u16>) -> Self {
        Self {
            length: RefCell::new(length),
            most: 96,
            longest: 100_000,
            forbidden: "\0",
            asked: RefCell::default(),
        }
    }

    fn answer(&self, texts: &[Value]) -> (u16, Value) {
        let length = match *self.length.borrow() {
            Err(status) => return (status, json!({ "error": { "message": "no" } })),
            Ok(length) => length,
        };
        if texts.len() > self.most {
            let message = format!("batch size {} > maximum allowed batch size {}", texts.len(), self.most);
            return (422, json!({ "message": message }));
        }
        if texts.iter().any(|text| text.as_str().unwrap().len() > self.longest) {
            return (400, json!({ "error": { "message": "the input length exceeds the context length" } }));
        }
        if texts.iter().any(|text| text.as_str().unwrap().contains(self.forbidden)) {
            return (400, json!({ "error": { "message": "a text is not acceptable" } }));
        }
        let vector: Vec<f32> = (0..length).map(|n| if n == 0 { 1.0 } else { 0.5 }).collect();
        (200, json!({ "data": texts.iter().map(|_| json!({ "embedding": vector })).collect::<Vec<_>>() }))
    }
}

struct Wire(Rc<Vectors>);

#[async_trait(?Send)]
impl HttpClient for Wire {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let texts = body["input"].as_array().unwrap();
        self.0.asked.borrow_mut().push(texts.len());
        let (status, answer) = self.0.answer(texts);
        let body: ByteStream =
            futures_util::stream::iter([Ok(Bytes::from(answer.to_string()))]).boxed_local();
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

fn tenant() -> TenantScope {
    let org: OrgId = "org_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    TenantScope::authenticated(org, Actor::System)
}

async fn world(vectors: &Rc<Vectors>) -> World {
    let vars = [("OPENAI_BASE_URL", "http://models.example/v1"), ("OPENAI_EMBEDDING_MODEL", "small")];
    let overrides = Overrides { http: Some(Rc::new(Wire(Rc::clone(vectors)))), ..Overrides::default() };
    World::new(&vars, overrides).await.unwrap()
}

/// Does what is due.
async fn run_jobs(ctx: &Ctx) {
    while jobs::run(ctx, 1).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
}

async fn read(ctx: &Ctx, title: &str, text: &str) -> DocumentStatus {
    let made = documents::create_from_text(ctx, &tenant(), title, text).await.unwrap();
    run_jobs(ctx).await;
    documents::get(ctx, &tenant(), made.document.id).await.unwrap().status
}

async fn search(ctx: &Ctx) -> Results {
    let search = Search {
        query: "How long does delivery take?".to_owned(),
        limit: 5,
        mode: SearchMode::Hybrid,
        vector_weight: 0.5,
        words: None,
    };
    retrieval::search(ctx, &tenant(), &search).await.unwrap()
}

const TEXT: &str = "Delivery takes two days.";

#[test]
fn a_document_whose_vectors_wait_is_found_by_words_and_gets_them_later() {
    run(async {
        let vectors = Rc::new(Vectors::new(Err(401)));
        let world = world(&vectors).await;
        let ctx = world.ctx();
        assert_eq!(read(ctx, "Delivery", TEXT).await, DocumentStatus::Ready);
        let found = search(ctx).await;
        assert!(found.stepped_down && found.passages.len() == 1);
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 1);
        assert_ne!(health::probe(ctx, Service::Vector).await.status, HealthStatus::Ok);

        let _before = vectors.length.replace(Ok(8));
        jobs::schedule(ctx).await.unwrap();
        run_jobs(ctx).await;
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 0);
        let found = search(ctx).await;
        assert!(!found.stepped_down && found.passages[0].vector_score.is_some(), "{found:?}");
    });
}

#[test]
fn a_document_whose_texts_are_refused_keeps_no_other_waiting() {
    run(async {
        let vectors = Rc::new(Vectors { forbidden: "gunpowder", ..Vectors::new(Err(503)) });
        let world = world(&vectors).await;
        let ctx = world.ctx();
        read(ctx, "Tea", "We sell gunpowder, a green tea.").await;
        read(ctx, "Delivery", TEXT).await;
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 2);
        let _before = vectors.length.replace(Ok(8));
        jobs::schedule(ctx).await.unwrap();
        run_jobs(ctx).await;
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 0);
        assert!(search(ctx).await.passages.iter().any(|passage| passage.vector_score.is_some()));
    });
}

#[test]
fn vectors_of_another_length_are_noticed_and_made_anew() {
    run(async {
        let vectors = Rc::new(Vectors::new(Ok(8)));
        let world = world(&vectors).await;
        let ctx = world.ctx();
        read(ctx, "Delivery", TEXT).await;
        assert!(search(ctx).await.passages[0].vector_score.is_some());

        let _before = vectors.length.replace(Ok(5));
        assert!(search(ctx).await.passages[0].vector_score.is_none(), "these cannot be compared");
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 1);
        let health = health::probe(ctx, Service::Vector).await;
        assert!(health.status == HealthStatus::Degraded && health.detail.ends_with(": 1"), "{health:?}");
        // What is read meanwhile waits with the others.
        assert_eq!(read(ctx, "Returns", "Returns within 14 days.").await, DocumentStatus::Ready);

        jobs::schedule(ctx).await.unwrap();
        run_jobs(ctx).await;
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 0);
        assert!(search(ctx).await.passages.iter().all(|passage| passage.vector_score.is_some()));
    });
}

#[test]
fn batches_are_as_large_as_the_endpoint_takes_and_a_long_text_costs_itself_alone() {
    run(async {
        let vectors = Rc::new(Vectors { most: 10, longest: 300, ..Vectors::new(Ok(8)) });
        let world = world(&vectors).await;
        let ctx = world.ctx();
        let short: String =
            (0..30).map(|n| format!("# Part {n}\n\nDelivery {n} takes two days.\n\n")).collect();
        let long = format!("# Long\n\n{}", "Delivery takes some days. ".repeat(25));
        assert_eq!(read(ctx, "Delivery", &format!("{short}{long}")).await, DocumentStatus::Ready);
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 0, "each passage has a vector");
        let asked = vectors.asked.take();
        assert_eq!(asked.iter().filter(|count| **count > 10).count(), 1, "too many once: {asked:?}");
    });
}
