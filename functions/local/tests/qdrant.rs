//! Vectors in Qdrant as far as it can be seen without one: what is sent, and what happens when it fails. What it does with
//! it is tested by `cargo xtask test --part vectors`.
#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::documents;
use frontdesk_app::health::{self, HealthStatus, Service};
use frontdesk_app::jobs;
use frontdesk_app::retrieval::{self, Search, SearchMode};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::error::{Error, Result as DomainResult};
use frontdesk_domain::id::{DocumentId, OrgId, PassageId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{
    ByteStream, Ctx, Egress, FetchError, FetchLimits, HttpClient, Statement, VectorHit, VectorRecord,
};
use frontdesk_stand_ins::fake_ai::{FakeAi, Options};
use frontdesk_testkit::{FaultyHttp, HttpFault, ManualClock};
use futures_util::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};

const QDRANT: &str = "http://qdrant.example";
fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

/// Answers from a list; then only errors.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<(u16, String)>>,
    asked: RefCell<Vec<http::Request<Bytes>>>,
}

impl Script {
    fn say(&self, status: u16, body: &str) {
        self.answers.borrow_mut().push_back((status, body.to_string()));
    }

    fn ok(&self, result: &Value) {
        self.say(200, &json!({"result": result, "status": "ok", "time": 0.0}).to_string());
    }

    /// What was asked: method, path and body.
    fn asked(&self) -> Vec<(String, String, Value)> {
        let asked = self.asked.take();
        asked
            .iter()
            .map(|request| {
                let path = request.uri().path_and_query().unwrap().to_string();
                let body = serde_json::from_slice(request.body()).unwrap_or_default();
                (request.method().to_string(), path, body)
            })
            .collect()
    }
}

#[async_trait(?Send)]
impl HttpClient for Script {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        assert_eq!(limits.egress, Egress::Configured);
        assert!(limits.total <= Duration::from_secs(30) && limits.max_bytes <= 4 * 1024 * 1024, "{limits:?}");
        assert!(request.uri().to_string().starts_with(QDRANT), "{}", request.uri());
        self.asked.borrow_mut().push(request);
        let (status, body) = self.answers.borrow_mut().pop_front().unwrap_or((500, String::new()));
        let body = futures_util::stream::iter([Ok(Bytes::from(body))]).boxed_local();
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

/// A host whose vectors are in a scripted Qdrant.
struct Scripted {
    world: World,
    qdrant: Rc<Script>,
    clock: ManualClock,
}

impl Scripted {
    async fn new() -> Self {
        let (qdrant, clock) = (Rc::<Script>::default(), ManualClock::at(now()));
        let overrides = Overrides {
            http: Some(qdrant.clone()),
            clock: Some(Rc::new(clock.clone())),
            ..Overrides::default()
        };
        let vars = [("QDRANT_URL", QDRANT), ("QDRANT_API_KEY", "key-SENTINEL")];
        Self { world: World::new(&vars, overrides).await.unwrap(), qdrant, clock }
    }

    async fn search(&self) -> DomainResult<Vec<VectorHit>> {
        self.world.ctx().vectors.search(&tenant(), "m", &[3.0, 4.0], 5).await
    }

    async fn upsert(&self) -> DomainResult<Vec<Statement>> {
        self.world.ctx().vectors.upsert(&tenant(), "m", vec![record()]).await
    }
}

fn tenant() -> TenantScope {
    TenantScope::authenticated(OrgId::new(now(), [1; 10]), Actor::System)
}

fn record() -> VectorRecord {
    VectorRecord {
        passage: PassageId::new(now(), [2; 10]),
        document: DocumentId::new(now(), [3; 10]),
        version: 1,
        vectors: vec![vec![3.0, 4.0]],
    }
}

fn aliases() -> Value {
    json!({"aliases": [
        {"alias_name": "frontdesk-m-62c66a7a", "collection_name": "frontdesk-m-62c66a7a.1"},
        {"alias_name": "somebody-elses", "collection_name": "somebody-elses-collection"},
    ]})
}

#[test]
fn a_search_is_one_call_with_the_organisation_in_its_filter_and_the_key_out_of_sight() {
    run(async {
        let scripted = Scripted::new().await;
        let passage = record().passage;
        scripted.qdrant.ok(&json!({"points": [{"id": 1, "score": 0.5, "payload": {"passage_id": passage}}]}));
        assert_eq!(scripted.search().await.unwrap(), [VectorHit { passage, score: 0.5 }]);
        {
            let asked = scripted.qdrant.asked.borrow();
            let key = &asked[0].headers()["api-key"];
            assert!(key == "key-SENTINEL" && key.is_sensitive());
            assert!(!format!("{asked:?}").contains("SENTINEL"));
        }
        let body = json!({
            "query": [0.6, 0.8],
            "filter": {"must": [{"key": "org_id", "match": {"value": tenant().org().to_string()}}]},
            "limit": 5,
            "with_payload": ["passage_id"],
        });
        let path = "/collections/frontdesk-m-62c66a7a/points/query".to_owned();
        assert_eq!(scripted.qdrant.asked(), [("POST".to_owned(), path, body)]);
    });
}

#[test]
fn a_delete_is_limited_to_the_organisation_and_to_our_own_collections() {
    run(async {
        let scripted = Scripted::new().await;
        scripted.qdrant.ok(&aliases());
        scripted.qdrant.ok(&json!({"operation_id": 1, "status": "completed"}));
        let document = record().document;
        scripted.world.ctx().vectors.delete(&tenant(), document, Some(2)).await.unwrap();
        let asked = scripted.qdrant.asked();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].1, "/collections/frontdesk-m-62c66a7a.1/points/delete?wait=true");
        assert_eq!(
            asked[1].2,
            json!({"filter": {"must": [
                {"key": "org_id", "match": {"value": tenant().org().to_string()}},
                {"key": "document_id", "match": {"value": document.to_string()}},
                {"key": "version", "match": {"value": 2}},
            ]}})
        );
    });
}

#[test]
fn a_write_that_is_not_done_in_time_is_no_success() {
    run(async {
        let scripted = Scripted::new().await;
        for status in ["acknowledged", "wait_timeout", "acknowledged"] {
            scripted.qdrant.ok(&aliases());
            scripted.qdrant.ok(&json!({"operation_id": 1, "status": status}));
        }
        let mut upsert = Box::pin(scripted.upsert());
        let error = loop {
            match futures_util::poll!(&mut upsert) {
                std::task::Poll::Ready(result) => break result.unwrap_err(),
                std::task::Poll::Pending => scripted.clock.advance(Duration::from_secs(1)),
            }
        };
        assert!(matches!(error, Error::Upstream { service: "vectors", retryable: true, .. }), "{error}");
    });
}

#[test]
fn five_failures_open_the_circuit_until_it_is_tried_again() {
    run(async {
        let scripted = Scripted::new().await;
        let mut made = 0;
        for _ in 0..4 {
            let mut search = Box::pin(scripted.search());
            while futures_util::poll!(&mut search).is_pending() {
                scripted.clock.advance(Duration::from_millis(500));
            }
            made = scripted.qdrant.asked.borrow().len();
        }
        assert_eq!(made, 5, "an open circuit asks nobody");
        assert!(scripted.search().await.unwrap_err().to_string().contains("circuit open"));
        scripted.clock.advance(Duration::from_secs(30));
        scripted.qdrant.ok(&json!({"points": []}));
        assert_eq!(scripted.search().await.unwrap(), []);
    });
}

#[test]
fn a_wrong_key_is_said_and_does_not_open_the_circuit() {
    run(async {
        let scripted = Scripted::new().await;
        for _ in 0..7 {
            scripted.qdrant.say(401, "Invalid API key or JWT");
            let error = scripted.search().await.unwrap_err().to_string();
            assert_eq!(error, "vectors: refused, check address and key: 401");
        }
        assert_eq!(scripted.qdrant.asked().len(), 7);
    });
}

#[test]
fn answers_that_are_none_are_refused() {
    run(async {
        for body in [
            "<html>".to_owned(),
            "{}".to_owned(),
            json!({"result": {"points": [{"id": 1, "score": 0.1}]}}).to_string(),
            json!({"result": {"points": [{"id": 1, "score": 0.1, "payload": {"passage_id": "doc_x"}}]}})
                .to_string(),
        ] {
            let scripted = Scripted::new().await;
            scripted.qdrant.say(200, &body.to_string());
            let error = scripted.search().await.unwrap_err();
            assert!(error.to_string().contains("bad response"), "{body}: {error}");
        }
        let scripted = Scripted::new().await;
        scripted.qdrant.say(StatusCode::TEMPORARY_REDIRECT.as_u16(), "");
        assert!(scripted.search().await.is_err(), "a key is not carried elsewhere");
    });
}

/// Runs every step that is due.
async fn run_jobs(ctx: &Ctx) {
    while jobs::run(ctx, 1).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
}

/// HTTP in which Qdrant is not there and everything else is.
fn without_qdrant() -> Overrides {
    let http = FaultyHttp::new(Rc::new(ReqwestClient::new().unwrap()), QDRANT);
    http.set(HttpFault::Down);
    Overrides { http: Some(Rc::new(http)), ..Overrides::default() }
}

#[test]
fn a_document_is_read_while_qdrant_is_down_and_its_vectors_wait() {
    run(async {
        let ai = FakeAi::start(Options::default()).await.unwrap();
        let vars = [
            ("QDRANT_URL", QDRANT),
            ("OPENAI_BASE_URL", ai.base_url.as_str()),
            ("OPENAI_EMBEDDING_MODEL", "fake-embedding"),
        ];
        let world = World::new(&vars, without_qdrant()).await.unwrap();
        let ctx = world.ctx();
        let scope = tenant();
        let made =
            documents::create_from_text(ctx, &scope, "Delivery", "Delivery takes two days.").await.unwrap();
        run_jobs(ctx).await;
        let read = documents::get(ctx, &scope, made.document.id).await.unwrap();
        assert_eq!((read.status, read.version), (DocumentStatus::Ready, 1));
        assert_eq!(retrieval::catch_up::waiting(ctx, 10).await.unwrap(), 1);
    });
}

#[test]
fn search_goes_on_by_words_while_qdrant_is_down_and_health_says_so() {
    run(async {
        // Read while there was no Qdrant.
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let scope = tenant();
        documents::create_from_text(world.ctx(), &scope, "Delivery", "Delivery takes two days.")
            .await
            .unwrap();
        run_jobs(world.ctx()).await;

        let ai = FakeAi::start(Options::default()).await.unwrap();
        let vars = [
            ("QDRANT_URL", QDRANT),
            ("OPENAI_BASE_URL", ai.base_url.as_str()),
            ("OPENAI_EMBEDDING_MODEL", "fake-embedding"),
        ];
        let world = world.restart(&vars, without_qdrant()).await.unwrap();
        let search = |mode| Search {
            query: "How long does delivery take?".to_owned(),
            limit: 5,
            mode,
            vector_weight: 0.5,
            words: None,
        };
        let found = retrieval::search(world.ctx(), &scope, &search(SearchMode::Hybrid)).await.unwrap();
        assert!(found.stepped_down);
        assert_eq!(found.passages.len(), 1);
        let found = retrieval::search(world.ctx(), &scope, &search(SearchMode::Vector)).await.unwrap();
        assert!(found.stepped_down && found.passages.len() == 1);

        let health = health::probe(world.ctx(), Service::Vector).await;
        assert_eq!(
            (health.status, health.detail.as_str()),
            (HealthStatus::Down, "does not answer; search is by words")
        );
        let all = health::all(world.ctx()).await;
        assert_eq!((all.status, all.database.status), (HealthStatus::Degraded, HealthStatus::Ok));
    });
}
