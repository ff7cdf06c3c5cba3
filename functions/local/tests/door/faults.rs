//! What goes wrong for visitors is seen in `/health`; what dies harms nothing else, is counted and begins again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_local::Overrides;
use frontdesk_local::testing::run;
use frontdesk_ports::{
    ByteStream, Clock as _, Database, DbError, FetchError, FetchLimits, HttpClient, Rows, Statement,
    Tasks as _, supervise,
};
use futures_util::future::{Either, select};
use serde_json::json;

use crate::client::{Answer, Desk};

/// What becomes of calls to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    ReadOnly,
    Panics,
}

struct Switched {
    inner: Rc<dyn Database>,
    state: Rc<Cell<State>>,
}

#[async_trait(?Send)]
impl Database for Switched {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        assert_ne!(self.state.get(), State::Panics, "a defect");
        self.inner.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        match self.state.get() {
            State::Works => self.inner.batch(statements).await,
            // As SQLite says it, code 8.
            State::ReadOnly => Err(DbError::Other("attempt to write a readonly database".to_owned())),
            State::Panics => panic!("a defect"),
        }
    }
}

async fn desk_with_switch() -> (Desk, Rc<Cell<State>>) {
    let state = Rc::new(Cell::new(State::Works));
    let switch = Rc::clone(&state);
    let overrides = Overrides {
        database: Some(Box::new(|inner| Rc::new(Switched { inner, state: switch }))),
        ..Overrides::default()
    };
    (Desk::with(&[], overrides).await, state)
}

/// A provider that lists its models whatever happens, and answers other paths with these statuses.
#[derive(Default)]
struct Provider {
    statuses: RefCell<BTreeMap<&'static str, u16>>,
    asked: RefCell<Vec<String>>,
}

impl Provider {
    fn answers(&self, path: &'static str, status: u16) {
        self.statuses.borrow_mut().insert(path, status);
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.borrow().iter().filter(|asked| asked.ends_with(path)).count()
    }
}

#[async_trait(?Send)]
impl HttpClient for Provider {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let path = request.uri().path().trim_start_matches("/v1").to_owned();
        self.asked.borrow_mut().push(path.clone());
        let status = self.statuses.borrow().get(path.as_str()).copied().unwrap_or(200);
        let (media_type, body) = match path.as_str() {
            _ if status != 200 => ("application/json", json!({"error": {"code": "no"}}).to_string()),
            "/embeddings" => ("application/json", json!({"data": [{"embedding": [0.6, 0.8]}]}).to_string()),
            "/chat/completions" => {
                let piece = json!({"choices": [{"delta": {"content": "Yes."}, "finish_reason": "stop"}]});
                ("text/event-stream", format!("data: {piece}\n\ndata: [DONE]\n\n"))
            }
            _ => ("application/json", json!({"data": []}).to_string()),
        };
        let stream: ByteStream = Box::pin(futures_util::stream::iter([Ok(Bytes::from(body))]));
        let response = http::Response::builder().status(status).header("content-type", media_type);
        Ok(response.body(stream).unwrap())
    }
}

async fn desk_with_provider(vars: &[(&str, &str)]) -> (Desk, Rc<Provider>) {
    let provider = Rc::new(Provider::default());
    let overrides = Overrides { http: Some(provider.clone()), ..Overrides::default() };
    let mut all = vec![("OPENAI_BASE_URL", "https://model.example/v1"), ("OPENAI_API_KEY", "sk-SENTINEL")];
    all.extend(vars);
    (Desk::with(&all, overrides).await, provider)
}

impl Desk {
    /// `/health`, asked anew.
    async fn health(&self) -> Answer {
        self.clock.advance(Duration::from_secs(2));
        self.call("GET", "/health", &[], None).await
    }

    /// A visitor asks and waits until the turn is over, while time passes.
    async fn ask(&self, token: &str) {
        let headers = [("authorization", &*format!("Bearer {token}"))];
        let begun = self.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await;
        let id = begun.body["id"].as_str().unwrap().to_owned();
        let message = json!({"text": "Are you open today?", "client_id": "one"});
        let path = format!("/api/v1/conversations/{id}/messages");
        let posted = self.call("POST", &path, &headers, Some(message)).await;
        assert_eq!(posted.status, 202, "{}", posted.text);
        let passing = async {
            loop {
                // Not much faster than the database's threads, which follow the real clock.
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.clock.advance(Duration::from_millis(20));
            }
        };
        let over = select(Box::pin(self.world.host.tasks.idle()), Box::pin(passing)).await;
        assert!(matches!(over, Either::Left(_)));
    }

    /// The model may answer without documents.
    async fn answers_without_evidence(&self, of: &TenantScope) {
        let admin = of.as_system();
        let patch = SettingsPatch(json!({ "guardrails": { "only_from_evidence": false } }));
        let version = frontdesk_app::settings::read(self.world.ctx(), &admin).await.unwrap().version;
        frontdesk_app::settings::patch(self.world.ctx(), &admin, version, &patch).await.unwrap();
    }

    fn deaths(&self, name: &str) -> u64 {
        let text = self.world.ctx().metrics.text();
        let line = text.lines().find(|line| line.contains(&format!("deaths_total{{name=\"{name}\"}}")));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

fn status(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.body["status"].as_str().unwrap())
}

#[test]
fn a_database_that_cannot_be_written_is_down() {
    run(async {
        let (desk, state) = desk_with_switch().await;
        assert_eq!(status(&desk.health().await), (200, "ok"));
        state.set(State::ReadOnly);
        let health = desk.health().await;
        assert_eq!(status(&health), (503, "down"));
        assert_eq!(health.body["database"]["detail"], "answers, but cannot be written");
        assert!(!health.text.contains("readonly"), "{}", health.text);
        state.set(State::Works);
        assert_eq!(status(&desk.health().await), (200, "ok"));
    });
}

#[test]
fn a_database_without_its_tables_is_down() {
    for drop in [
        "DROP TABLE events",
        "DROP TABLE conversations",
        "DROP TABLE settings",
        "DROP TABLE probes",
        "DROP TABLE feed",
        "DROP TABLE usage",
        "DROP TABLE model_calls",
        "DROP TABLE visitors",
    ] {
        run(async {
            let desk = Desk::new(&[]).await;
            assert_eq!(status(&desk.health().await), (200, "ok"));
            desk.world.ctx().db.batch(vec![Statement::new(drop)]).await.unwrap();
            let health = desk.health().await;
            assert_eq!(status(&health), (503, "down"), "{drop}");
            let detail = health.body["database"]["detail"].as_str().unwrap();
            assert!(detail.contains("migrate up") && !detail.contains("no such table"), "{detail}");
        });
    }
}

#[test]
fn writes_that_fail_are_seen_though_the_database_answers() {
    run(async {
        let (desk, state) = desk_with_switch().await;
        let (_, token) = desk.world.visitor().await.unwrap();
        let headers = [("authorization", &*format!("Bearer {token}"))];
        let begun = desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await;
        let path = format!("/api/v1/conversations/{}/rating", begun.body["id"].as_str().unwrap());
        // As long as it lasts; the question of `/health` itself finds a database that works.
        let write = async |with: State| {
            state.set(with);
            let written = desk.call("POST", &path, &headers, Some(json!({"score": 5}))).await.status.as_u16();
            state.set(State::Works);
            written
        };
        assert!(write(State::ReadOnly).await >= 500);
        assert_eq!(status(&desk.health().await), (200, "degraded"));
        for _ in 0..2 {
            assert!(write(State::ReadOnly).await >= 500);
        }
        let health = desk.health().await;
        assert_eq!(status(&health), (503, "down"), "{}", health.text);
        for _ in 0..3 {
            assert_eq!(write(State::Works).await, 204);
        }
        assert_eq!(status(&desk.health().await), (200, "ok"));
    });
}

#[test]
fn a_schema_of_another_version_is_down_and_says_which_step() {
    run(async {
        let desk = Desk::new(&[]).await;
        assert_eq!(status(&desk.health().await), (200, "ok"));
        let strange = "INSERT INTO schema_migrations (version, name, checksum, applied_at)
                       VALUES (9000, '9000_contract_of_tomorrow', '', 0)";
        desk.world.ctx().db.batch(vec![Statement::new(strange)]).await.unwrap();
        desk.clock.advance(Duration::from_secs(30));
        let health = desk.health().await;
        assert_eq!(status(&health), (503, "down"));
        let detail = health.body["database"]["detail"].as_str().unwrap();
        assert!(detail.contains("9000_contract_of_tomorrow"), "{detail}");
    });
}

#[test]
fn a_model_that_fails_every_turn_is_seen_though_it_lists_its_models() {
    for (code, expected, word) in [
        (401, "down", "key"),
        (404, "down", "no such model"),
        (429, "degraded", "slow down"),
        (500, "down", "error"),
    ] {
        run(async {
            let (desk, provider) = desk_with_provider(&[("OPENAI_MODEL", "m")]).await;
            let (scope, token) = desk.world.visitor().await.unwrap();
            desk.answers_without_evidence(&scope).await;
            provider.answers("/chat/completions", code);
            assert_eq!(status(&desk.health().await), (200, "ok"), "nothing is known yet");
            desk.ask(&token).await;
            assert!(provider.asked("/chat/completions") > 0);
            let health = desk.health().await;
            assert_eq!(status(&health), (200, "degraded"), "visitors are still answered: {}", health.text);
            let ai = &health.body["ai"];
            assert_eq!(ai["status"], expected, "{code}: {ai}");
            assert!(ai["detail"].as_str().unwrap().contains(word), "{code}: {ai}");
            assert!(!health.text.contains("SENTINEL") && !health.text.contains("model.example"));

            provider.answers("/chat/completions", 200);
            desk.ask(&token).await;
            assert_eq!(desk.health().await.body["ai"]["status"], "degraded", "half of what was asked failed");
            desk.ask(&token).await;
            let health = desk.health().await;
            assert_eq!(status(&health), (200, "ok"));
            assert_eq!(health.body["ai"]["detail"], "answers; 1 of the last 3 calls failed");
            desk.clock.advance(Duration::from_secs(300));
            assert_eq!(desk.health().await.body["ai"]["detail"], "answers", "what is old does not count");
        });
    }
}

#[test]
fn embeddings_that_fail_are_seen_and_asked_for_once_a_minute_at_most() {
    run(async {
        let (desk, provider) = desk_with_provider(&[("OPENAI_EMBEDDING_MODEL", "small")]).await;
        provider.answers("/embeddings", 401);
        let health = desk.health().await;
        assert_eq!(status(&health), (200, "degraded"));
        let vector = &health.body["vector"];
        assert_eq!(vector["status"], "down");
        let detail = vector["detail"].as_str().unwrap();
        assert!(detail.contains("key") && detail.contains("search is by words"), "{detail}");
        for _ in 0..10 {
            assert_eq!(desk.health().await.body["vector"]["status"], "down");
        }
        assert_eq!(provider.asked("/embeddings"), 1);
        provider.answers("/embeddings", 200);
        desk.clock.advance(Duration::from_secs(60));
        assert_eq!(
            desk.health().await.body["vector"]["status"],
            "degraded",
            "it has failed within 5 minutes"
        );
        desk.clock.advance(Duration::from_secs(241));
        assert_eq!(desk.health().await.body["vector"]["status"], "ok");
        assert_eq!(provider.asked("/embeddings"), 2, "the answer of a minute ago counts");
    });
}

#[test]
fn a_job_that_waits_for_more_than_five_minutes_degrades() {
    run(async {
        let desk = Desk::new(&[]).await;
        let scope = desk.world.visitor().await.unwrap().0.as_system();
        let text = "Tea costs 5.";
        frontdesk_app::documents::create_from_text(desk.world.ctx(), &scope, "Tea", text).await.unwrap();
        assert_eq!(status(&desk.health().await), (200, "ok"));
        desk.clock.advance(Duration::from_secs(360));
        let health = desk.health().await;
        assert_eq!(status(&health), (200, "degraded"));
        let detail = health.body["queue"]["detail"].as_str().unwrap();
        assert!(detail.contains("6 minutes"), "{detail}");
        while frontdesk_app::jobs::run(desk.world.ctx(), 4)
            .await
            .unwrap()
            .is_some_and(|next| next <= desk.clock.now())
        {}
        desk.clock.advance(Duration::from_secs(5));
        assert_eq!(status(&desk.health().await), (200, "ok"));
    });
}

#[test]
fn a_loop_that_dies_begins_again_after_pauses_that_grow_and_is_seen() {
    run(async {
        let desk = Desk::new(&[]).await;
        let begun = Rc::new(Cell::new(0_u32));
        let well = Rc::new(Cell::new(false));
        let (count, is_well) = (Rc::clone(&begun), Rc::clone(&well));
        let loop_body = move || -> frontdesk_ports::BoxFuture<'static, ()> {
            count.set(count.get() + 1);
            let is_well = is_well.get();
            Box::pin(async move {
                assert!(is_well, "a defect");
                std::future::pending::<()>().await;
            })
        };
        tokio::task::spawn_local(supervise(desk.world.ctx().clone(), "jobs", loop_body));
        tokio::task::yield_now().await;
        assert_eq!((begun.get(), desk.deaths("jobs")), (1, 1));
        let health = desk.health().await;
        assert_eq!(status(&health), (200, "degraded"));
        let detail = health.body["tasks"]["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("jobs died 1 times") && detail.contains("waits"), "{detail}");

        for _ in 0..20 {
            desk.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert!((3..=8).contains(&begun.get()), "begun {} times in 20 s: its pauses grow", begun.get());
        well.set(true);
        desk.clock.advance(Duration::from_secs(90));
        tokio::task::yield_now().await;
        let health = desk.health().await;
        let detail = health.body["tasks"]["detail"].as_str().unwrap();
        assert!(
            !detail.contains("waits") && detail.contains("died"),
            "it runs, and died too often: {detail}"
        );
        desk.clock.advance(Duration::from_secs(600));
        assert_eq!(status(&desk.health().await), (200, "ok"));
    });
}

#[test]
fn a_task_that_panics_is_counted_and_holds_up_no_end() {
    run(async {
        let desk = Desk::new(&[]).await;
        let done = Rc::new(Cell::new(false));
        let tasks = &desk.world.host.tasks;
        tasks.spawn("turn", Box::pin(async { panic!("a defect") }));
        let after = Rc::clone(&done);
        tasks.spawn("turn", Box::pin(async move { after.set(true) }));
        tasks.idle().await;
        assert!(done.get());
        assert_eq!(desk.deaths("turn"), 1);
    });
}

#[test]
fn a_computation_that_panics_is_counted_and_the_next_one_is_done() {
    run(async {
        let desk = Desk::new(&[]).await;
        let compute = &desk.world.ctx().compute;
        let lost = compute.run(Box::new(|| panic!("a defect"))).await;
        assert!(lost.downcast::<u8>().is_err());
        let sum = compute.run(Box::new(|| Box::new(1_u8 + 1))).await;
        assert_eq!(*sum.downcast::<u8>().unwrap(), 2);
        assert_eq!(desk.deaths("compute"), 1);
    });
}

#[test]
fn a_request_that_panics_is_answered_with_500_and_harms_no_other() {
    run(async {
        let (desk, state) = desk_with_switch().await;
        let token = desk.token().await;
        desk.clock.advance(Duration::from_secs(60));
        state.set(State::Panics);
        let (one, live) = futures_util::future::join(
            desk.get("/api/v1/documents", &token),
            desk.call("GET", "/health/live", &[], None),
        )
        .await;
        assert_eq!(
            (one.status.as_u16(), one.body["type"].as_str()),
            (500, Some("urn:frontdesk:problem:internal"))
        );
        assert!(one.body["request_id"].is_string() && !one.text.contains("a defect"), "{}", one.text);
        assert_eq!(live.status, 200);
        state.set(State::Works);
        assert_eq!(desk.get("/api/v1/documents", &token).await.status, 200);
        assert_eq!(desk.deaths("request"), 1);
    });
}
