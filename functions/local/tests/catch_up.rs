//! Vectors that are missing are made in the background, and meanwhile words find their documents.
#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::documents;
use frontdesk_app::health::{self, HealthStatus, Service};
use frontdesk_app::jobs;
use frontdesk_app::retrieval::{self, Results, Search, SearchMode};
use frontdesk_app::settings;
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{ByteStream, Ctx, FetchError, FetchLimits, HttpClient, Statement};
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

const QDRANT: &str = "http://qdrant.example";

/// A Qdrant with one collection, which may be away.
#[derive(Default)]
struct Index {
    is_away: Cell<bool>,
    alias: RefCell<Option<(String, String)>>,
    points: RefCell<BTreeMap<String, Value>>,
}

impl Index {
    fn answer(&self, method: &str, path: &str, body: &Value) -> Value {
        let done = json!({ "operation_id": 1, "status": "completed" });
        match (method, path) {
            ("GET", "/aliases") => {
                let alias = self.alias.borrow();
                let list =
                    alias.iter().map(|(alias, of)| json!({ "alias_name": alias, "collection_name": of }));
                json!({ "aliases": list.collect::<Vec<_>>() })
            }
            ("POST", "/collections/aliases") => {
                let create = &body["actions"][0]["create_alias"];
                let name = |key: &str| create[key].as_str().unwrap().to_owned();
                let _before = self.alias.replace(Some((name("alias_name"), name("collection_name"))));
                json!(true)
            }
            (_, path) if path.ends_with("/points/query") => {
                let points = self.points.borrow();
                let point = |(id, point): (&String, &Value)| json!({ "id": id, "score": 0.9, "payload": point["payload"] });
                json!({ "points": points.iter().map(point).collect::<Vec<_>>() })
            }
            (_, path) if path.ends_with("/points?wait=true") => {
                for point in body["points"].as_array().unwrap() {
                    let id = point["id"].as_str().unwrap().to_owned();
                    self.points.borrow_mut().insert(id, point.clone());
                }
                done
            }
            (_, path) if path.ends_with("?wait=true") => done,
            (_, path) if path.ends_with("/exists") => json!({ "exists": true }),
            _ => json!(true),
        }
    }

    /// As another server, or the same one after a loss.
    fn lose_all(&self) {
        self.alias.take();
        self.points.take();
    }
}

struct Wire {
    model: Rc<Vectors>,
    index: Rc<Index>,
}

#[async_trait(?Send)]
impl HttpClient for Wire {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let (status, answer) = if let Some(path) = request.uri().to_string().strip_prefix(QDRANT) {
            if self.index.is_away.get() {
                return Err(FetchError::Connect("refused".to_owned()));
            }
            (
                200,
                json!({ "result": self.index.answer(request.method().as_str(), path, &body), "status": "ok" }),
            )
        } else {
            let texts = body["input"].as_array().unwrap();
            self.model.asked.borrow_mut().push(texts.len());
            self.model.answer(texts)
        };
        let body: ByteStream =
            futures_util::stream::iter([Ok(Bytes::from(answer.to_string()))]).boxed_local();
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

fn tenant() -> TenantScope {
    let org: OrgId = "org_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    TenantScope::authenticated(org, Actor::System)
}

const WITH_MODEL: [(&str, &str); 2] =
    [("OPENAI_BASE_URL", "http://models.example/v1"), ("OPENAI_EMBEDDING_MODEL", "small")];
const WITH_QDRANT: [(&str, &str); 3] = [WITH_MODEL[0], WITH_MODEL[1], ("QDRANT_URL", QDRANT)];

fn over(model: &Rc<Vectors>, index: &Rc<Index>) -> Overrides {
    let wire = Wire { model: Rc::clone(model), index: Rc::clone(index) };
    Overrides { http: Some(Rc::new(wire)), ..Overrides::default() }
}

async fn world(vectors: &Rc<Vectors>) -> World {
    World::new(&WITH_MODEL, over(vectors, &Rc::default())).await.unwrap()
}

/// Makes the vectors that are missing, however lately that was done.
async fn catch_up(ctx: &Ctx) {
    let waits = Statement::new("DELETE FROM jobs WHERE kind = 'vectors'");
    ctx.db.batch(vec![waits]).await.unwrap();
    jobs::schedule(ctx).await.unwrap();
    run_jobs(ctx).await;
}

async fn waiting(ctx: &Ctx) -> u64 {
    retrieval::catch_up::waiting(ctx, 10).await.unwrap()
}

/// Whether every passage that is found is found by its vector, too.
async fn by_vectors(ctx: &Ctx) -> bool {
    let found = search(ctx).await.passages;
    !found.is_empty() && found.iter().all(|passage| passage.vector_score.is_some())
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
    search_by(ctx, SearchMode::Hybrid).await
}

async fn search_by(ctx: &Ctx, mode: SearchMode) -> Results {
    let search = Search {
        query: "How long does delivery take?".to_owned(),
        limit: 5,
        mode,
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

#[test]
fn vectors_are_made_again_where_they_are_searched_whenever_that_place_changes() {
    run(async {
        let (model, index) = (Rc::new(Vectors::new(Ok(8))), Rc::<Index>::default());
        let world = World::new(&WITH_QDRANT, over(&model, &index)).await.unwrap();
        read(world.ctx(), "Delivery", TEXT).await;
        read(world.ctx(), "Times", "Delivery takes longer on Sundays.").await;
        assert_eq!(waiting(world.ctx()).await, 0);
        assert!(by_vectors(world.ctx()).await);

        let world = world.restart(&WITH_MODEL, over(&model, &index)).await.unwrap();
        assert_eq!(waiting(world.ctx()).await, 2, "those in Qdrant are not searched any more");
        let found = search_by(world.ctx(), SearchMode::Vector).await;
        assert!(found.stepped_down && !found.passages.is_empty(), "words find them meanwhile: {found:?}");
        let health = health::probe(world.ctx(), Service::Vector).await;
        assert!(health.status == HealthStatus::Degraded && health.detail.ends_with(": 2"), "{health:?}");
        catch_up(world.ctx()).await;
        assert_eq!(waiting(world.ctx()).await, 0);
        assert!(by_vectors(world.ctx()).await);

        index.lose_all();
        let world = world.restart(&WITH_QDRANT, over(&model, &index)).await.unwrap();
        assert_eq!(waiting(world.ctx()).await, 2, "nor are those in the database");
        catch_up(world.ctx()).await;
        assert_eq!(waiting(world.ctx()).await, 0);
        assert!(by_vectors(world.ctx()).await);
        let before = model.asked.borrow().len();
        catch_up(world.ctx()).await;
        assert_eq!(model.asked.borrow().len(), before, "what is made is not made again");
    });
}

#[test]
fn vectors_that_the_index_lost_are_made_anew() {
    run(async {
        let (model, index) = (Rc::new(Vectors::new(Ok(8))), Rc::<Index>::default());
        let world = World::new(&WITH_QDRANT, over(&model, &index)).await.unwrap();
        let ctx = world.ctx();
        read(ctx, "Delivery", TEXT).await;
        index.lose_all();
        assert!(!by_vectors(ctx).await);
        catch_up(ctx).await;
        assert!(by_vectors(ctx).await);
        assert_eq!(waiting(ctx).await, 0);
    });
}

#[test]
fn a_document_is_read_while_the_index_is_away_and_gets_its_vectors_later() {
    run(async {
        let (model, index) = (Rc::new(Vectors::new(Ok(8))), Rc::<Index>::default());
        let world = World::new(&WITH_QDRANT, over(&model, &index)).await.unwrap();
        let ctx = world.ctx();
        index.is_away.set(true);
        assert_eq!(read(ctx, "Delivery", TEXT).await, DocumentStatus::Ready);
        assert_eq!(waiting(ctx).await, 1);
        let found = search(ctx).await;
        assert!(found.stepped_down && found.passages.len() == 1, "{found:?}");

        index.is_away.set(false);
        let world = world.restart(&WITH_QDRANT, over(&model, &index)).await.unwrap();
        catch_up(world.ctx()).await;
        assert_eq!(waiting(world.ctx()).await, 0);
        assert!(by_vectors(world.ctx()).await);
    });
}

#[test]
fn what_was_read_before_there_was_a_model_gets_its_vectors_wherever_they_are() {
    run(async {
        let (model, index) = (Rc::new(Vectors::new(Ok(8))), Rc::<Index>::default());
        for vars in [&WITH_MODEL[..], &WITH_QDRANT[..]] {
            index.lose_all();
            let world = World::new(&[], Overrides::default()).await.unwrap();
            read(world.ctx(), "Delivery", TEXT).await;
            let world = world.restart(vars, over(&model, &index)).await.unwrap();
            assert_eq!(waiting(world.ctx()).await, 1);
            catch_up(world.ctx()).await;
            assert_eq!(waiting(world.ctx()).await, 0);
            assert!(by_vectors(world.ctx()).await);
        }
    });
}

#[test]
fn a_document_whose_texts_are_all_refused_is_not_tried_for_ever() {
    run(async {
        for vars in [&WITH_MODEL[..], &WITH_QDRANT[..]] {
            let model = Rc::new(Vectors { forbidden: "gunpowder", ..Vectors::new(Ok(8)) });
            let world = World::new(vars, over(&model, &Rc::default())).await.unwrap();
            let ctx = world.ctx();
            read(ctx, "Tea", "We sell gunpowder, a green tea.").await;
            catch_up(ctx).await;
            assert_eq!(waiting(ctx).await, 0);
            catch_up(ctx).await;
            let before = model.asked.borrow().len();
            catch_up(ctx).await;
            assert_eq!(model.asked.borrow().len(), before);
        }
    });
}

#[test]
fn a_search_by_meaning_alone_goes_on_by_words_where_there_are_no_vectors() {
    run(async {
        let model = Rc::new(Vectors::new(Err(503)));
        let world = world(&model).await;
        read(world.ctx(), "Delivery", TEXT).await;
        let found = search_by(world.ctx(), SearchMode::Vector).await;
        assert!(found.stepped_down && found.passages.len() == 1, "the model is away: {found:?}");
        let counted = |ctx: &Ctx, reason: &str| {
            let line = format!("frontdesk_searches_stepped_down_total{{reason=\"{reason}\"}} 1");
            ctx.metrics.text().lines().any(|known| known == line)
        };
        assert!(counted(world.ctx(), "failed"));

        let world = world.restart(&[], Overrides::default()).await.unwrap();
        let found = search_by(world.ctx(), SearchMode::Vector).await;
        assert!(found.stepped_down && found.passages.len() == 1, "there is none: {found:?}");
        assert!(found.passages[0].lexical_score.is_some());
        assert!(counted(world.ctx(), "no_model"));
    });
}

#[test]
fn search_by_meaning_alone_is_chosen_only_where_there_is_a_model_and_health_tells_when_it_went() {
    run(async {
        let by_meaning = SettingsPatch(json!({ "retrieval": { "mode": "vector" } }));
        let model = Rc::new(Vectors::new(Ok(8)));
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let scope = world.visitor().await.unwrap().0.as_system();
        let refused = settings::patch(world.ctx(), &scope, 0, &by_meaning).await.unwrap_err();
        let Error::Caller(CallerError::Invalid(fields)) = &refused else { panic!("{refused}") };
        assert_eq!(fields[0].pointer, "/retrieval/mode");
        assert_eq!(health::probe(world.ctx(), Service::Vector).await.status, HealthStatus::Off);

        let world = world.restart(&WITH_MODEL, over(&model, &Rc::default())).await.unwrap();
        settings::patch(world.ctx(), &scope, 0, &by_meaning).await.unwrap();
        let world = world.restart(&[], Overrides::default()).await.unwrap();
        let health = health::probe(world.ctx(), Service::Vector).await;
        assert!(
            health.status == HealthStatus::Degraded && health.detail.contains("retrieval.mode"),
            "{health:?}"
        );
        // Other settings can be changed all the same.
        let other = SettingsPatch(json!({ "retrieval": { "passages": 3 } }));
        settings::patch(world.ctx(), &scope, 1, &other).await.unwrap();
    });
}
