//! Reading a document while everything goes wrong: at every call of the database it is cut off, overtaken, started anew
//! or deleted; the result is that of an undisturbed run, or nothing.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::documents::{self, Document};
use frontdesk_app::ingest::content_hash;
use frontdesk_app::jobs;
use frontdesk_domain::document::{DocumentSource, DocumentStatus};
use frontdesk_domain::error::Error;
use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::text::{Split, split};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{
    ByteStream, Clock, Ctx, Database, DbError, Egress, ExtractFailure, ExtractRequest, Extracted, Extractor,
    FetchError, FetchLimits, HttpClient, Resume, Rows, SplitRequest, Statement,
};
use frontdesk_testkit::{ManualClock, SeededRandom};
use futures_util::future::{Either, select};
use tokio::sync::Notify;

/// What happens to one call of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Nothing is stored, and an error is reported.
    NotStored,
    /// It is stored, but an error is reported.
    StoredButFailed,
    /// The worker waits before the call.
    StoppedBefore,
    /// It is stored, but the worker waits and does not know it.
    StoppedAfter,
}

/// A database whose call number `at` is cut.
struct CutDatabase {
    inner: Rc<dyn Database>,
    control: Rc<Control>,
}

#[derive(Default)]
struct Control {
    calls: Cell<u32>,
    cut: Cell<Option<(u32, Cut)>>,
    stopped: Notify,
    go_on: Notify,
}

impl Control {
    fn arm(&self, at: u32, cut: Cut) {
        self.calls.set(0);
        self.cut.set(Some((at, cut)));
    }

    /// Whether the cut is still to come.
    fn is_armed(&self) -> bool {
        self.cut.get().is_some()
    }

    fn disarm(&self) {
        self.cut.set(None);
    }

    async fn around(
        &self,
        work: impl Future<Output = Result<Vec<Rows>, DbError>>,
    ) -> Result<Vec<Rows>, DbError> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let Some((_, cut)) = self.cut.get().filter(|(at, _)| *at == number) else { return work.await };
        self.disarm();
        let lost = DbError::Retryable("the connection was lost".to_owned());
        match cut {
            Cut::NotStored => Err(lost),
            Cut::StoredButFailed => {
                work.await?;
                Err(lost)
            }
            Cut::StoppedBefore => {
                self.stop().await;
                work.await
            }
            Cut::StoppedAfter => {
                let done = work.await;
                self.stop().await;
                done
            }
        }
    }

    async fn stop(&self) {
        self.stopped.notify_one();
        self.go_on.notified().await;
    }
}

#[async_trait(?Send)]
impl Database for CutDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.control.around(self.inner.query(statements)).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.control.around(self.inner.batch(statements)).await
    }
}

/// Files whose first byte says how many parts they are read in.
struct Parts;

#[async_trait(?Send)]
impl Extractor for Parts {
    async fn media_type(&self, _: &Bytes) -> Result<String, ExtractFailure> {
        Ok("text/markdown".to_owned())
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        let parts = u32::from(request.bytes[0] - b'0');
        let from = request.from.unwrap_or_default();
        let words = ["чайник", "доставка", "гарантия", "kettle", "delivery", "warranty"];
        let mut text = String::new();
        for number in 0..30 {
            let word = words[number % words.len()];
            text.push_str(&format!("## {word} {} {number}\n\n{word} стоит {number} рублей.\n\n", from.page));
        }
        let page = from.page + 1;
        let rest = Resume { page, text: from.text + text.len() as u64, headings: Vec::new() };
        Ok(Extracted {
            media_type: "text/markdown".to_owned(),
            title: Some(format!("Прайс {parts}")),
            text,
            pages: Some(parts),
            rest: (page < parts).then_some(rest),
            unread: Vec::new(),
        })
    }

    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure> {
        Ok(split(&request.window()))
    }
}

/// A model that makes a vector of each text, and a web of one page.
struct Outside;

#[async_trait(?Send)]
impl HttpClient for Outside {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        if limits.egress == Egress::Public {
            let stream: ByteStream = Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(NEW))]));
            let mut page = http::Response::new(stream);
            if request.uri().path() == "/robots.txt" {
                *page.status_mut() = http::StatusCode::NOT_FOUND;
            }
            return Ok(page);
        }
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let data: Vec<_> = body["input"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap())
            .map(|text| serde_json::json!({"embedding": [text.len(), text.bytes().map(u32::from).sum::<u32>()]}))
            .collect();
        let body = Bytes::from(serde_json::json!({ "data": data }).to_string());
        let stream: ByteStream = Box::pin(futures_util::stream::iter([Ok(body)]));
        Ok(http::Response::new(stream))
    }
}

const OLD: &[u8] = b"1";
const NEW: &[u8] = b"3 is the number of its parts";

struct Shop {
    world: World,
    clock: ManualClock,
    control: Rc<Control>,
}

/// An organisation of its own.
struct Tenant<'a> {
    shop: &'a Shop,
    scope: TenantScope,
}

impl Shop {
    async fn open() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let control = Rc::new(Control::default());
        let in_database = Rc::clone(&control);
        let overrides = Overrides {
            clock: Some(Rc::new(clock.clone())),
            random: Some(Rc::new(SeededRandom::new(7))),
            http: Some(Rc::new(Outside)),
            extractor: Some(Rc::new(Parts)),
            database: Some(Box::new(|inner| Rc::new(CutDatabase { inner, control: in_database }))),
        };
        let vars = [("OPENAI_BASE_URL", "https://model.example/v1"), ("OPENAI_EMBEDDING_MODEL", "small")];
        let world = World::new(&vars, overrides).await.unwrap();
        Self { world, clock, control }
    }

    fn ctx(&self) -> &Ctx {
        self.world.ctx()
    }

    fn tenant(&self) -> Tenant<'_> {
        let org = OrgId::new(self.clock.now(), self.ctx().random.entropy());
        #[expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]
        let scope = TenantScope::authenticated(org, Actor::System);
        Tenant { shop: self, scope }
    }

    /// Runs steps until none is left, whatever the time; past its cut, a worker is dropped where it stopped.
    async fn finish(&self) {
        for _ in 0..200 {
            let step = Box::pin(jobs::run(self.ctx(), 1));
            let next = match select(step, Box::pin(self.control.stopped.notified())).await {
                Either::Left((Ok(None), _)) => return,
                Either::Left((Ok(Some(next)), _)) => next,
                Either::Left((Err(_), _)) | Either::Right(_) => self.clock.now(),
            };
            if next > self.clock.now() {
                self.clock.set(next);
            } else {
                self.clock.advance(Duration::from_millis(1));
            }
        }
        panic!("it never ends");
    }
}

impl Tenant<'_> {
    /// A document that is ready, and whose file is another one by now.
    async fn document(&self) -> DocumentId {
        let ctx = self.shop.ctx();
        let id = self.create(OLD).await.unwrap().id;
        self.shop.finish().await;
        std::fs::write(self.files().pop().unwrap(), NEW).unwrap();
        let changed = Statement::new("UPDATE documents SET content_hash = ?1 WHERE org_id = ?2")
            .bind(content_hash(NEW))
            .bind_id(self.scope.org());
        ctx.db.batch(vec![changed]).await.unwrap();
        self.sync(id).await;
        id
    }

    async fn page(&self) -> DocumentId {
        let url = "https://shop.example/prices";
        documents::create_from_url(self.shop.ctx(), &self.scope, url).await.unwrap().document.id
    }

    async fn create(&self, file: &'static [u8]) -> Result<Document, Error> {
        let bytes = Bytes::from_static(file);
        Ok(documents::create_from_file(self.shop.ctx(), &self.scope, "a.txt", bytes).await?.document)
    }

    async fn sync(&self, id: DocumentId) {
        documents::sync(self.shop.ctx(), &self.scope, id).await.unwrap();
    }

    async fn get(&self, id: DocumentId) -> Document {
        documents::get(self.shop.ctx(), &self.scope, id).await.unwrap()
    }

    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let statement = Statement::new(sql).bind_id(self.scope.org());
        let results = self.shop.ctx().db.query(vec![statement]).await.unwrap();
        results[0].rows.iter().map(|row| format!("{row:?}")).collect()
    }

    /// Everything there is of documents, but for ids and times.
    async fn everything(&self) -> Vec<Vec<String>> {
        let mut tables = Vec::new();
        for sql in [
            "SELECT title, name, media_type, bytes, content_hash, version, language, status, progress, reason
             FROM documents WHERE org_id = ?1",
            "SELECT version, start, text FROM document_text_parts WHERE org_id = ?1 ORDER BY document_id, start",
            r#"SELECT version, ordinal, start, "end", heading, text, tokens FROM passages WHERE org_id = ?1 ORDER BY ordinal"#,
            "SELECT substr(t.term, 28), p.ordinal, t.col, t.offset FROM passages_terms t LEFT JOIN passages p ON p.n = t.doc
             WHERE t.term BETWEEN substr(?1, 5) AND substr(?1, 5) || '~' ORDER BY 1, 2, 3, 4",
            "SELECT documents, passages, tokens FROM passage_stats WHERE org_id = ?1",
            "SELECT p.ordinal, v.model, v.version, hex(v.vector) FROM passage_vectors v
             LEFT JOIN passages p ON p.id = v.passage_id WHERE v.org_id = ?1 ORDER BY 1",
            "SELECT kind FROM jobs WHERE org_id = ?1",
        ] {
            tables.push(self.rows(sql).await);
        }
        tables
    }

    fn files(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        let blobs = self.shop.world.place.data().join("blobs");
        walk(&blobs.join(self.scope.org().to_string()), &mut found);
        found
    }
}

/// What reading gives when nobody disturbs it.
async fn undisturbed(shop: &Shop) -> Vec<Vec<String>> {
    let tenant = shop.tenant();
    tenant.document().await;
    shop.finish().await;
    let everything = tenant.everything().await;
    assert_eq!(everything[2].len(), 90, "passages of three parts, in two slices");
    assert_eq!((everything[1].len(), everything[5].len(), everything[6].len()), (3, 90, 0));
    assert!(everything[3].len() > 500, "terms");
    everything
}

/// Reads with a cut at every call, until there are no more calls.
fn cut_everywhere(cut: Cut) {
    run(async {
        let shop = Shop::open().await;
        let expected = undisturbed(&shop).await;
        for at in 0.. {
            let tenant = shop.tenant();
            tenant.document().await;
            shop.control.arm(at, cut);
            shop.finish().await;
            if shop.control.is_armed() {
                assert!(at > 20, "only {at} calls");
                return;
            }
            assert_eq!(tenant.everything().await, expected, "{cut:?} at call {at}");
        }
    });
}

#[test]
fn a_call_that_fails_is_made_up_for() {
    cut_everywhere(Cut::NotStored);
}

#[test]
fn a_call_that_is_stored_but_reported_as_failed_is_not_made_twice() {
    cut_everywhere(Cut::StoredButFailed);
}

#[test]
fn a_worker_that_dies_before_a_call_is_replaced() {
    cut_everywhere(Cut::StoppedBefore);
}

#[test]
fn a_worker_that_dies_after_a_call_is_replaced() {
    cut_everywhere(Cut::StoppedAfter);
}

/// Stops a worker at every call, does something else, and lets the worker go on where it stopped.
async fn overtake_everywhere(
    shop: &Shop,
    source: DocumentSource,
    meanwhile: impl AsyncFn(&Tenant<'_>, DocumentId),
    check: impl AsyncFn(&Tenant<'_>, &str),
) {
    for cut in [Cut::StoppedBefore, Cut::StoppedAfter] {
        for at in 0.. {
            let tenant = shop.tenant();
            let id =
                if source == DocumentSource::Url { tenant.page().await } else { tenant.document().await };
            shop.control.arm(at, cut);
            let slow = async {
                while shop.control.is_armed() && jobs::run(shop.ctx(), 1).await.unwrap().is_some() {}
            };
            match select(Box::pin(slow), Box::pin(shop.control.stopped.notified())).await {
                Either::Left(_) => {
                    assert!(at > 15, "only {at} calls");
                    shop.control.disarm();
                    break;
                }
                Either::Right(((), slow)) => {
                    meanwhile(&tenant, id).await;
                    shop.control.go_on.notify_one();
                    slow.await;
                }
            }
            shop.finish().await;
            check(&tenant, &format!("{cut:?} at call {at}")).await;
        }
    }
}

#[test]
fn a_worker_that_was_only_slow_changes_nothing_after_another_has_finished() {
    run(async {
        let shop = Shop::open().await;
        let expected = undisturbed(&shop).await;
        let overtake = async |tenant: &Tenant<'_>, _| {
            tenant.shop.clock.advance(jobs::LEASE);
            tenant.shop.finish().await;
        };
        let check =
            async |tenant: &Tenant<'_>, at: &str| assert_eq!(tenant.everything().await, expected, "{at}");
        overtake_everywhere(&shop, DocumentSource::File, overtake, check).await;
    });
}

#[test]
fn a_document_that_is_read_anew_meanwhile_is_read_once() {
    run(async {
        let shop = Shop::open().await;
        // Where the first reading was done already, this makes one version more.
        let versions_alike = |mut tables: Vec<Vec<String>>| {
            for row in tables.iter_mut().flatten() {
                *row = row.replace("Integer(3)", "Integer(2)");
            }
            tables
        };
        let expected = versions_alike(undisturbed(&shop).await);
        let anew = async |tenant: &Tenant<'_>, id| tenant.sync(id).await;
        let check = async |tenant: &Tenant<'_>, at: &str| {
            assert_eq!(versions_alike(tenant.everything().await), expected, "{at}");
        };
        overtake_everywhere(&shop, DocumentSource::File, anew, check).await;
    });
}

#[test]
fn a_document_that_is_deleted_meanwhile_leaves_nothing() {
    run(async {
        let shop = Shop::open().await;
        let delete = async |tenant: &Tenant<'_>, id| {
            documents::delete(tenant.shop.ctx(), &tenant.scope, id).await.unwrap();
        };
        let check = async |tenant: &Tenant<'_>, at: &str| {
            let everything = tenant.everything().await;
            assert_eq!(everything[4], ["Row([Integer(0), Integer(0), Integer(0)])"], "{at}");
            let rows: usize = everything.iter().map(Vec::len).sum();
            assert_eq!((rows - 1, tenant.files().len()), (0, 0), "{at}: {everything:?}");
        };
        overtake_everywhere(&shop, DocumentSource::File, delete, check).await;
        overtake_everywhere(&shop, DocumentSource::Url, delete, check).await;
    });
}

#[test]
fn creating_that_is_cut_off_leaves_no_file_without_a_document_and_can_be_done_again() {
    run(async {
        let shop = Shop::open().await;
        for cut in [Cut::NotStored, Cut::StoredButFailed, Cut::StoppedBefore, Cut::StoppedAfter] {
            for at in 0.. {
                let tenant = shop.tenant();
                shop.control.arm(at, cut);
                let create = Box::pin(tenant.create(NEW));
                drop(select(create, Box::pin(shop.control.stopped.notified())).await);
                if shop.control.is_armed() {
                    assert!(at >= 2, "only {at} calls");
                    shop.control.disarm();
                    shop.finish().await;
                    break;
                }
                shop.finish().await;
                let documents = tenant.everything().await[0].len();
                assert!(tenant.files().len() <= documents, "{cut:?} at call {at}");

                let id = tenant.create(NEW).await.unwrap().id;
                shop.finish().await;
                let document = tenant.get(id).await;
                assert_eq!(document.status, DocumentStatus::Ready, "{cut:?} at call {at}: {document:?}");
                assert_eq!((tenant.files().len(), tenant.everything().await[0].len()), (1, 1));
            }
        }
    });
}

#[test]
fn progress_only_grows_and_a_version_is_found_when_it_is_whole() {
    run(async {
        let shop = Shop::open().await;
        let tenant = shop.tenant();
        let id = tenant.document().await;
        let mut seen = Vec::new();
        while jobs::run(shop.ctx(), 1).await.unwrap().is_some() {
            let document = tenant.get(id).await;
            let (_, page) = documents::passages(shop.ctx(), &tenant.scope, id, 100, None).await.unwrap();
            seen.push((document.status.name(), document.progress, document.version, page.items.len()));
        }
        let expected = [
            ("processing", 23, 1, 30),
            ("processing", 36, 1, 30),
            ("processing", 50, 1, 30),
            ("processing", 85, 1, 30),
            ("ready", 100, 2, 90),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_file_that_kills_its_worker_each_time_is_given_up() {
    run(async {
        let shop = Shop::open().await;
        let tenant = shop.tenant();
        let id = tenant.document().await;
        let before = tenant.everything().await;
        for _ in 0..jobs::MAX_ATTEMPTS {
            shop.control.arm(2, Cut::StoppedBefore);
            let step = Box::pin(jobs::run(shop.ctx(), 1));
            let stopped = select(step, Box::pin(shop.control.stopped.notified())).await;
            assert!(matches!(stopped, Either::Right(_)));
            drop(stopped);
            shop.clock.advance(jobs::LEASE);
        }
        shop.finish().await;
        let document = tenant.get(id).await;
        assert_eq!((document.status, document.version), (DocumentStatus::Failed, 1));
        assert!(document.reason.unwrap().contains("3 times"));
        assert_eq!(tenant.everything().await[1..6], before[1..6], "the old version is untouched");
    });
}
