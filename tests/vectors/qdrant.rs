//! The server under test, and a whole host that keeps its vectors there.

use std::rc::Rc;

use frontdesk_app::retrieval::{self, Found, Results, Search, SearchMode};
use frontdesk_app::{documents, jobs};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_local::testing::{MovedClock, World};
use frontdesk_local::{OsRandom, Overrides, SystemClock};
use frontdesk_ports::{Clock as _, Ctx, Random as _};
use frontdesk_stand_ins::fake_ai::{FakeAi, Options};
use frontdesk_testkit::FaultyHttp;
use frontdesk_tests::client::http;
use reqwest::{Method, StatusCode};
use serde_json::Value;

pub fn address() -> String {
    let url = std::env::var("QDRANT_URL").expect("QDRANT_URL says where Qdrant is");
    url.trim_end_matches('/').to_owned()
}

pub fn key() -> Option<String> {
    std::env::var("QDRANT_API_KEY").ok().filter(|key| !key.is_empty())
}

/// Asks the server itself.
pub async fn ask(method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    ask_with(key().as_deref(), method, path, body).await
}

pub async fn ask_with(
    key: Option<&str>,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = http().unwrap().request(method, format!("{}{path}", address()));
    if let Some(key) = key {
        request = request.header("api-key", key);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

/// A name that no other test and no other run uses.
pub fn fresh(what: &str) -> String {
    let id = OrgId::new(SystemClock.now(), OsRandom.entropy()).to_string();
    format!("test-{what}-{}", id.trim_start_matches("org_"))
}

/// The collections that begin so.
pub async fn collections(prefix: &str) -> Vec<String> {
    let (_, list) = ask(Method::GET, "/collections", None).await;
    let list = list["result"]["collections"].as_array().unwrap();
    let names = list.iter().map(|collection| collection["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Removes them.
pub async fn tidy(prefix: &str) {
    for name in collections(prefix).await {
        let (status, _) = ask(Method::DELETE, &format!("/collections/{name}"), None).await;
        assert_eq!(status, StatusCode::OK);
    }
}

#[expect(clippy::disallowed_methods, reason = "a tenant that the test made up")]
pub fn tenant() -> TenantScope {
    TenantScope::authenticated(OrgId::new(SystemClock.now(), OsRandom.entropy()), Actor::System)
}

/// A whole host with an embedding model of its own, whose vectors are in Qdrant.
pub struct Desk {
    pub world: World,
    /// The embedding model; its collections begin with `frontdesk-` and this.
    pub model: String,
    pub clock: Rc<MovedClock>,
    /// The way to Qdrant.
    pub http: Rc<FaultyHttp>,
    pub ai: FakeAi,
}

impl Desk {
    pub async fn new(what: &str) -> Self {
        let model = fresh(what);
        let ai = FakeAi::start(Options { models: vec![model.clone()], ..Options::default() }).await.unwrap();
        let (overrides, clock, http) = overrides();
        let world = World::new(&borrowed(&vars(&model, &ai, "single")), overrides).await.unwrap();
        Self { world, model, clock, http, ai }
    }

    /// The same in the other mode, as after a change of the configuration.
    pub async fn reopened(self, mode: &str) -> Self {
        let Self { world, model, ai, .. } = self;
        let (overrides, clock, http) = overrides();
        let world = world.restart(&borrowed(&vars(&model, &ai, mode)), overrides).await.unwrap();
        Self { world, model, clock, http, ai }
    }

    /// The variables that a program is given to be such a host.
    pub fn vars(&self, mode: &str) -> Vec<(String, String)> {
        vars(&self.model, &self.ai, mode)
    }

    pub fn ctx(&self) -> &Ctx {
        self.world.ctx()
    }

    /// What this host's collections begin with.
    pub fn prefix(&self) -> String {
        format!("frontdesk-{}", self.model)
    }

    /// How many points there are in the only collection.
    pub async fn points(&self) -> u64 {
        let names = collections(&self.prefix()).await;
        let [name] = names.as_slice() else { panic!("{names:?}") };
        let (_, described) = ask(Method::GET, &format!("/collections/{name}"), None).await;
        described["result"]["points_count"].as_u64().unwrap()
    }

    /// Runs every step that is due.
    pub async fn run_jobs(&self) {
        while jobs::run(self.ctx(), 1).await.unwrap().is_some_and(|next| next <= self.clock.now()) {}
    }

    /// Adds a document and reads it.
    pub async fn add(&self, scope: &TenantScope, title: &str, text: &str) -> DocumentId {
        let made = documents::create_from_text(self.ctx(), scope, title, text).await.unwrap();
        self.run_jobs().await;
        let read = documents::get(self.ctx(), scope, made.document.id).await.unwrap();
        assert_eq!(read.status, DocumentStatus::Ready, "{read:?}");
        read.id
    }

    pub async fn search(&self, scope: &TenantScope, query: &str, mode: SearchMode) -> Result<Results> {
        let search = Search { query: query.to_owned(), limit: 10, mode, vector_weight: 0.5, words: None };
        retrieval::search(self.ctx(), scope, &search).await
    }

    /// What vectors alone find, best first.
    pub async fn nearest(&self, scope: &TenantScope, query: &str) -> Vec<Found> {
        self.search(scope, query, SearchMode::Vector).await.unwrap().passages
    }

    /// Takes its collections away.
    pub async fn close(self) {
        tidy(&self.prefix()).await;
    }
}

fn overrides() -> (Overrides, Rc<MovedClock>, Rc<FaultyHttp>) {
    let clock = Rc::<MovedClock>::default();
    let http = Rc::new(FaultyHttp::new(Rc::new(ReqwestClient::new().unwrap()), &address()));
    let overrides =
        Overrides { clock: Some(clock.clone()), http: Some(http.clone()), ..Overrides::default() };
    (overrides, clock, http)
}

fn vars(model: &str, ai: &FakeAi, mode: &str) -> Vec<(String, String)> {
    let mut vars = vec![
        ("QDRANT_URL", address()),
        ("QDRANT_VECTORS", mode.to_owned()),
        ("OPENAI_BASE_URL", ai.base_url.clone()),
        ("OPENAI_EMBEDDING_MODEL", model.to_owned()),
    ];
    vars.extend(key().map(|key| ("QDRANT_API_KEY", key)));
    vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn borrowed(vars: &[(String, String)]) -> Vec<(&str, &str)> {
    vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
