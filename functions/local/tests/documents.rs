//! Documents on a whole host: read, searched, read again, deleted; from files, texts and web pages.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::documents::{self, Document};
use frontdesk_app::jobs;
use frontdesk_app::retrieval::{self, Search, SearchMode};
use frontdesk_domain::document::{DocumentStatus, reasons};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::text::Split;
use frontdesk_local::Overrides;
use frontdesk_local::demo_documents::DOCUMENTS;
use frontdesk_local::testing::{MovedClock, World, run};
use frontdesk_ports::{
    ByteStream, Clock as _, Ctx, Egress, ExtractFailure, ExtractRequest, Extracted, Extractor, FetchError,
    FetchLimits, HttpClient, NotRead, Ports, Resume, SplitRequest, Statement, UnreadPart, Value,
};
use frontdesk_testkit::FaultyBlobs;

/// One answer of the fake web: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, Bytes);

/// A web of a few pages.
#[derive(Default)]
struct Web {
    pages: RefCell<BTreeMap<String, Answer>>,
    asked: RefCell<Vec<String>>,
}

impl Web {
    fn put(&self, url: &str, status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.pages.borrow_mut().insert(url.to_owned(), (status, headers, body.into()));
    }

    fn page(&self, url: &str, body: &str) {
        self.put(url, 200, &[("content-type", "text/html; charset=utf-8")], format!("<!doctype html>{body}"));
    }
}

#[async_trait(?Send)]
impl HttpClient for Web {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        assert_eq!(limits.egress, Egress::Public, "an address that somebody gave is only asked as such");
        let url = request.uri().to_string();
        self.asked.borrow_mut().push(url.clone());
        let (status, headers, body) =
            self.pages.borrow().get(&url).cloned().unwrap_or((404, Vec::new(), Bytes::new()));
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let pieces: Vec<_> = body.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let stream: ByteStream = Box::pin(futures_util::stream::iter(pieces));
        Ok(response.body(stream).unwrap())
    }
}

struct Shop {
    world: World,
    clock: Rc<MovedClock>,
    web: Rc<Web>,
    scope: TenantScope,
}

impl Shop {
    async fn open() -> Self {
        let clock = Rc::new(MovedClock::default());
        let web = Rc::new(Web::default());
        let overrides =
            Overrides { clock: Some(clock.clone()), http: Some(web.clone()), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let scope = system(world.site().await.unwrap().org);
        Self { world, clock, web, scope }
    }

    fn ctx(&self) -> &Ctx {
        self.world.ctx()
    }

    /// Runs the next step of a job, if one is due.
    async fn run_step(&self) -> bool {
        jobs::run(self.ctx(), 1).await.unwrap().is_some_and(|next| next <= self.clock.now())
    }

    /// Runs everything that is due, and returns how many steps that were.
    async fn run_jobs(&self) -> usize {
        let mut count = 0;
        while self.run_step().await {
            count += 1;
        }
        count
    }

    async fn file(&self, name: &str, bytes: &[u8]) -> documents::Created {
        documents::create_from_file(self.ctx(), &self.scope, name, Bytes::copy_from_slice(bytes))
            .await
            .unwrap()
    }

    async fn url(&self, url: &str) -> DocumentId {
        documents::create_from_url(self.ctx(), &self.scope, url).await.unwrap().document.id
    }

    async fn get(&self, id: DocumentId) -> Document {
        documents::get(self.ctx(), &self.scope, id).await.unwrap()
    }

    async fn text(&self, id: DocumentId) -> String {
        let (_, page) = documents::passages(self.ctx(), &self.scope, id, 100, None).await.unwrap();
        page.items.into_iter().map(|passage| passage.text).collect::<Vec<_>>().join("\n")
    }

    async fn count(&self, sql: &'static str) -> u64 {
        self.ctx().db.query(vec![Statement::new(sql)]).await.unwrap()[0].rows[0].count(0).unwrap()
    }

    async fn execute(&self, sql: &'static str, value: impl Into<Value>) {
        self.ctx().db.batch(vec![Statement::new(sql).bind(value)]).await.unwrap();
    }

    fn blobs(&self) -> usize {
        fn files(directory: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
            entries
                .map(|entry| entry.unwrap().path())
                .map(|path| if path.is_dir() { files(&path) } else { 1 })
                .sum()
        }
        files(&self.world.place.data().join("blobs"))
    }
}

#[expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]
fn system(org: OrgId) -> TenantScope {
    TenantScope::authenticated(org, Actor::System)
}

#[test]
fn every_demo_document_becomes_ready_with_its_title_and_passages() {
    run(async {
        let shop = Shop::open().await;
        let mut ids = Vec::new();
        for (name, bytes) in DOCUMENTS {
            let created = shop.file(name, bytes).await;
            assert_eq!((created.duplicate, created.document.status), (false, DocumentStatus::Queued));
            ids.push(created.document.id);
        }
        assert_eq!(
            shop.run_jobs().await,
            2 * DOCUMENTS.len(),
            "each is read in one step and indexed in another"
        );
        for ((name, _), id) in DOCUMENTS.iter().zip(&ids) {
            let document = shop.get(*id).await;
            assert_eq!(
                (document.status, document.reason.as_deref()),
                (DocumentStatus::Ready, None),
                "{name}"
            );
            assert_eq!((document.version, document.progress), (1, 100), "{name}");
            let russian = name.contains("-ru") || name.chars().any(|letter| ('а'..='я').contains(&letter));
            let language = if russian { "rus" } else { "eng" };
            assert_eq!(document.language.as_deref(), Some(language), "{name}");
            assert!(!shop.text(*id).await.is_empty(), "{name}");
        }
        assert!(shop.text(ids[0]).await.contains("300 ₽"));
        assert_eq!(shop.count("SELECT count(*) FROM jobs").await, 0, "finished jobs leave no rows");
    });
}

#[test]
fn lists_come_in_pages_without_a_gap_or_a_double() {
    run(async {
        let shop = Shop::open().await;
        for number in 0..7 {
            let text = format!("Чай номер {number}");
            documents::create_from_text(shop.ctx(), &shop.scope, "Чай", &text).await.unwrap();
        }
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = documents::list(shop.ctx(), &shop.scope, 3, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items.into_iter().map(|document| document.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut sorted = seen.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!((seen.len(), &seen), (7, &sorted));
        assert!(documents::list(shop.ctx(), &shop.scope, 3, Some("x")).await.is_err());

        shop.run_jobs().await;
        let long = "Зелёный чай заваривают при восьмидесяти градусах.\n\n".repeat(100);
        let id =
            documents::create_from_text(shop.ctx(), &shop.scope, "Длинный", &long).await.unwrap().document.id;
        shop.run_jobs().await;
        let (mut ordinals, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let (_, page) =
                documents::passages(shop.ctx(), &shop.scope, id, 2, cursor.as_deref()).await.unwrap();
            ordinals.extend(page.items.iter().map(|passage| passage.ordinal));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(ordinals.len() > 4);
        assert_eq!(ordinals, (0..u64::try_from(ordinals.len()).unwrap()).collect::<Vec<_>>());
    });
}

#[test]
fn equal_content_is_the_same_document() {
    run(async {
        let shop = Shop::open().await;
        let first = shop.file("a.txt", "Чай стоит 350 ₽.".as_bytes()).await;
        let second = shop.file("b.txt", "Чай стоит 350 ₽.".as_bytes()).await;
        assert_eq!((second.duplicate, second.document.id), (true, first.document.id));
        assert_eq!((shop.count("SELECT count(*) FROM documents").await, shop.blobs()), (1, 1));
        shop.run_jobs().await;
        assert_eq!(shop.get(first.document.id).await.version, 1);
        // Another organisation's equal content is its own.
        let other = system(OrgId::new(shop.ctx().clock.now(), [9; 10]));
        let theirs = documents::create_from_file(shop.ctx(), &other, "a.txt", "Чай стоит 350 ₽.".into())
            .await
            .unwrap();
        assert!(!theirs.duplicate);
        assert_eq!(
            documents::get(shop.ctx(), &shop.scope, theirs.document.id).await,
            Err(Error::not_found("document"))
        );
        assert!(documents::delete(shop.ctx(), &shop.scope, theirs.document.id).await.is_err());
        assert!(documents::sync(shop.ctx(), &shop.scope, theirs.document.id).await.is_err());
    });
}

#[test]
fn deleting_leaves_nothing_anywhere() {
    run(async {
        let shop = Shop::open().await;
        let id = shop.file("delivery.md", DOCUMENTS[0].1).await.document.id;
        shop.run_jobs().await;
        assert!(shop.count("SELECT count(*) FROM passages").await > 0 && shop.blobs() == 1);
        documents::delete(shop.ctx(), &shop.scope, id).await.unwrap();
        assert_eq!(shop.blobs(), 0);
        assert_eq!(shop.run_jobs().await, 0);
        shop.clock.set_ahead(Duration::from_secs(300));
        assert_eq!(shop.run_jobs().await, 1, "what somebody stored meanwhile");
        for sql in [
            "SELECT count(*) FROM documents",
            "SELECT count(*) FROM document_text_parts",
            "SELECT count(*) FROM passages",
            "SELECT count(*) FROM passages_fts",
            "SELECT count(*) FROM passage_vectors",
            "SELECT count(*) FROM jobs",
        ] {
            assert_eq!(shop.count(sql).await, 0, "{sql}");
        }
        assert_eq!(shop.blobs(), 0);
        assert_eq!(documents::delete(shop.ctx(), &shop.scope, id).await, Err(Error::not_found("document")));
        assert!(!shop.file("delivery.md", DOCUMENTS[0].1).await.duplicate, "it can come again");
    });
}

#[test]
fn a_document_deleted_while_it_waits_is_not_brought_back() {
    run(async {
        let shop = Shop::open().await;
        let id = shop.file("a.txt", b"Tea costs 5 roubles.").await.document.id;
        documents::delete(shop.ctx(), &shop.scope, id).await.unwrap();
        assert_eq!(shop.run_jobs().await, 0);
        assert_eq!(shop.count("SELECT count(*) FROM passages").await, 0);
    });
}

#[test]
fn what_cannot_be_read_fails_with_a_reason_and_can_be_tried_again() {
    run(async {
        let shop = Shop::open().await;
        let broken = b"%PDF-1.7\nthis is no pdf";
        let id = shop.file("manual.pdf", broken).await.document.id;
        shop.run_jobs().await;
        let failed = shop.get(id).await;
        assert_eq!((failed.status, failed.version), (DocumentStatus::Failed, 0));
        assert!(failed.reason.as_deref().is_some_and(|reason| reason.contains("pdf")), "{:?}", failed.reason);
        assert!(failed.reason.as_deref().and_then(reasons::in_russian).is_some(), "{:?}", failed.reason);
        let again = shop.file("manual.pdf", broken).await;
        assert_eq!(
            (again.duplicate, again.document.id, again.document.status),
            (true, id, DocumentStatus::Queued)
        );
        assert_eq!(shop.run_jobs().await, 1);
        assert_eq!(shop.count("SELECT count(*) FROM jobs").await, 0, "what failed waits for nobody");
    });
}

/// A reader of another host: it takes less, and fails a few times.
struct Far {
    inner: Rc<dyn Extractor>,
    fails: RefCell<Vec<ExtractFailure>>,
}

impl Far {
    /// The shop's ports with it.
    fn beside(shop: &Shop, fails: Vec<ExtractFailure>) -> Ctx {
        let far = Self { inner: Rc::clone(&shop.ctx().extractor), fails: RefCell::new(fails) };
        Ctx::new(Rc::new(Ports { extractor: Rc::new(far), ..frontdesk_testkit::ports(shop.ctx()) }))
    }
}

#[async_trait(?Send)]
impl Extractor for Far {
    fn max_bytes(&self) -> u64 {
        5_000
    }

    async fn media_type(&self, bytes: &Bytes) -> Result<String, ExtractFailure> {
        self.inner.media_type(bytes).await
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        let failure = self.fails.borrow_mut().pop();
        match failure {
            Some(failure) => Err(failure),
            None => self.inner.extract(request).await,
        }
    }

    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure> {
        self.inner.split(request).await
    }
}

/// A reader that a hostile file has taken over.
struct Broken(fn(Extracted) -> Extracted);

#[async_trait(?Send)]
impl Extractor for Broken {
    async fn media_type(&self, _: &Bytes) -> Result<String, ExtractFailure> {
        Ok("text/plain".to_owned())
    }

    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure> {
        let rest = request.from.unwrap_or_default();
        let part = Extracted {
            media_type: "text/plain".to_owned(),
            title: None,
            text: "Tea.".to_owned(),
            pages: None,
            rest: Some(Resume { page: rest.page + 1, text: rest.text + 4, headings: Vec::new() }),
            unread: Vec::new(),
        };
        Ok(self.0(part))
    }

    async fn split(&self, _: &SplitRequest) -> Result<Split, ExtractFailure> {
        Err(ExtractFailure::Unreadable { reason: "call +1 900 and say your password".to_owned() })
    }
}

#[test]
fn a_reader_that_talks_nonsense_ends_with_the_file() {
    run(async {
        let whole = |part: Extracted| Extracted { rest: None, ..part };
        let answers: [fn(Extracted) -> Extracted; 5] = [
            |part| Extracted { rest: Some(Resume::default()), ..part },
            |part| Extracted { media_type: "application/x-evil".to_owned(), ..part },
            |part| Extracted { text: "x".repeat(9 << 20), ..part },
            |part| Extracted { unread: vec![NotRead::new(UnreadPart::Part, "x".repeat(1 << 20))], ..part },
            whole,
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            let shop = Shop::open().await;
            let extractor = Rc::new(Broken(answer));
            let ctx = Ctx::new(Rc::new(Ports { extractor, ..frontdesk_testkit::ports(shop.ctx()) }));
            let id = shop.file("a.txt", b"Tea costs 5 roubles.").await.document.id;
            let mut steps = 0;
            while jobs::run(&ctx, 1).await.unwrap().is_some_and(|next| next <= shop.clock.now()) {
                steps += 1;
                assert!(steps < 100, "{number}: it is asked for ever");
            }
            let document = shop.get(id).await;
            assert_eq!(document.status, DocumentStatus::Failed, "{number}");
            assert_eq!(document.reason.as_deref(), Some(reasons::BROKEN.en), "{number}");
        }
    });
}

#[test]
fn no_more_is_let_in_than_the_reader_takes() {
    run(async {
        let shop = Shop::open().await;
        let ctx = Far::beside(&shop, Vec::new());
        assert_eq!(documents::max_upload_bytes(&ctx, &shop.scope).await.unwrap(), 5_000);
        assert!(documents::max_upload_bytes(shop.ctx(), &shop.scope).await.unwrap() > 5_000);
    });
}

#[test]
fn a_reader_that_gave_no_answer_is_asked_again_before_the_file_is_given_up() {
    run(async {
        let silent = || ExtractFailure::Silent { seconds: 60 };
        for (fails, status) in [
            (vec![silent(), ExtractFailure::Lost], DocumentStatus::Ready),
            (vec![ExtractFailure::Unavailable, silent()], DocumentStatus::Ready),
            (vec![silent(), silent(), silent()], DocumentStatus::Failed),
            (vec![ExtractFailure::broken()], DocumentStatus::Failed),
        ] {
            let shop = Shop::open().await;
            let ctx = Far::beside(&shop, fails.clone());
            let id = shop.file("a.txt", b"Tea costs 5 roubles.").await.document.id;
            for attempt in 1..=4 {
                while jobs::run(&ctx, 1).await.unwrap().is_some_and(|next| next <= shop.clock.now()) {}
                shop.clock.set_ahead(Duration::from_secs(attempt * 600));
            }
            let document = shop.get(id).await;
            assert_eq!(document.status, status, "{fails:?}: {document:?}");
            let told = document.reason.map(|reason| reasons::in_russian(&reason).is_some());
            assert_eq!(told, (status == DocumentStatus::Failed).then_some(true), "{fails:?}");
        }
    });
}

#[test]
fn wrong_types_are_refused_before_anything_is_stored() {
    run(async {
        let shop = Shop::open().await;
        let create = |bytes: &'static [u8]| {
            documents::create_from_file(shop.ctx(), &shop.scope, "a.txt", Bytes::from_static(bytes))
        };
        let picture = create(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01").await.unwrap_err();
        assert!(
            matches!(&picture, Error::Caller(CallerError::UnsupportedMedia { detail, accepted })
            if detail.contains("image/png") && accepted.contains("docx")),
            "{picture}"
        );
        assert!(matches!(create(b"").await, Err(Error::Caller(CallerError::Invalid(_)))));
        let text = |title: &'static str, text: &'static str| {
            documents::create_from_text(shop.ctx(), &shop.scope, title, text)
        };
        for (title, body, field) in [("", "x", "/title"), (" ", "x", "/title"), ("Tea", " \n", "/text")] {
            let Err(Error::Caller(CallerError::Invalid(fields))) = text(title, body).await else {
                panic!("{field}")
            };
            assert_eq!(fields[0].pointer, field);
        }
        assert_eq!((shop.count("SELECT count(*) FROM documents").await, shop.blobs()), (0, 0));
    });
}

#[test]
fn a_full_queue_refuses_with_a_time_to_come_back() {
    run(async {
        let shop = Shop::open().await;
        let id = shop.file("a.txt", b"Tea.").await.document.id;
        shop.execute(
            "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             SELECT ?1, 'job_' || i, 'ingest', 'doc_' || i, '{}', 'queued', 0, 0, 0, 0 FROM n",
            shop.scope.org().to_string(),
        )
        .await;
        let refused = documents::create_from_file(shop.ctx(), &shop.scope, "b.txt", "Cups.".into()).await;
        assert!(matches!(refused, Err(Error::Caller(CallerError::Unavailable { .. }))), "{refused:?}");
        assert!(documents::sync(shop.ctx(), &shop.scope, id).await.is_err());
        assert_eq!((shop.count("SELECT count(*) FROM documents").await, shop.blobs()), (1, 1));
    });
}

#[test]
fn a_page_is_read_and_read_again_when_it_changed() {
    run(async {
        let shop = Shop::open().await;
        let address = "https://shop.example/hours";
        shop.web.put("https://shop.example/robots.txt", 404, &[], "");
        shop.web.page(address, "<title>Часы работы</title><p>Открыто с 9 до 21.</p>");
        let id = shop.url(&format!("{address}#today")).await;
        shop.run_jobs().await;
        let first = shop.get(id).await;
        assert_eq!(
            (first.title.as_str(), first.version, first.status),
            ("Часы работы", 1, DocumentStatus::Ready)
        );
        assert_eq!(shop.url(address).await, id, "the same address is the same document");

        documents::sync(shop.ctx(), &shop.scope, id).await.unwrap();
        shop.run_jobs().await;
        assert_eq!(shop.get(id).await.version, 1, "nothing changed");

        shop.web.page(address, "<title>Часы работы</title><p>Открыто с 10 до 20.</p>");
        documents::sync(shop.ctx(), &shop.scope, id).await.unwrap();
        shop.run_jobs().await;
        assert_eq!(shop.get(id).await.version, 2);
        let text = shop.text(id).await;
        assert!(text.contains("с 10 до 20") && !text.contains("с 9 до 21"), "{text}");
        assert_eq!(shop.count("SELECT count(*) FROM document_text_parts").await, 1, "the old text is gone");
        assert_eq!(shop.count("SELECT count(DISTINCT version) FROM passages").await, 1);

        shop.web.put(address, 410, &[], "");
        documents::sync(shop.ctx(), &shop.scope, id).await.unwrap();
        shop.run_jobs().await;
        let gone = shop.get(id).await;
        assert_eq!(
            (gone.status, gone.version),
            (DocumentStatus::Failed, 2),
            "the version before is still searched"
        );
        assert!(shop.text(id).await.contains("с 10 до 20"));
    });
}

#[test]
fn pages_that_lead_inside_are_forbidden_or_wrong_fail_with_a_reason() {
    run(async {
        let shop = Shop::open().await;
        let web = &shop.web;
        let long = "x".repeat(21 << 20);
        web.put(
            "https://a.example/inside",
            302,
            &[("location", "http://169.254.169.254/latest/meta-data/")],
            "",
        );
        web.put("https://a.example/port", 302, &[("location", "https://b.example:8443/")], "");
        web.put("https://a.example/file", 302, &[("location", "file:///etc/passwd")], "");
        web.put("https://a.example/loop", 302, &[("location", "/loop")], "");
        web.put("https://a.example/picture", 200, &[("content-type", "image/png")], "x");
        web.put("https://a.example/long", 200, &[("content-type", "text/plain")], long);
        web.put("https://c.example/robots.txt", 200, &[], "User-agent: *\nDisallow: /private\n");
        web.page("https://c.example/private/page", "<p>secret</p>");
        web.put("https://a.example/sideways", 302, &[("location", "https://c.example/private/page")], "");
        for (path, reason) in [
            ("https://a.example/inside", "public internet"),
            ("https://a.example/port", "port 80 or 443"),
            ("https://a.example/file", "http"),
            ("https://a.example/loop", "more than 5"),
            ("https://a.example/picture", "image/png"),
            ("https://a.example/long", "larger than"),
            ("https://a.example/missing", "404"),
            ("https://c.example/private/page", "robots.txt"),
            ("https://a.example/sideways", "robots.txt"),
        ] {
            let id = shop.url(path).await;
            shop.run_jobs().await;
            let document = shop.get(id).await;
            assert_eq!(document.status, DocumentStatus::Failed, "{path}");
            assert!(
                document.reason.as_deref().is_some_and(|text| text.contains(reason)),
                "{path}: {document:?}"
            );
            assert!(document.reason.as_deref().and_then(reasons::in_russian).is_some(), "{document:?}");
        }
        let asked = web.asked.borrow();
        assert!(
            !asked
                .iter()
                .any(|url| url.contains("169.254") || url.contains("8443") || url.contains("private"))
        );
    });
}

#[test]
fn a_site_that_does_not_answer_is_tried_three_times_with_growing_pauses() {
    run(async {
        let shop = Shop::open().await;
        let address = "https://shop.example/";
        shop.web.put(address, 503, &[], "");
        let id = shop.url(address).await;
        assert_eq!(shop.run_jobs().await, 1);
        let waiting = shop.get(id).await;
        assert_eq!(waiting.status, DocumentStatus::Queued);
        assert!(waiting.reason.as_deref().is_some_and(|reason| reason.contains("503")));
        assert_eq!(shop.run_jobs().await, 0, "not before its pause is over");
        shop.clock.set_ahead(Duration::from_secs(15));
        assert_eq!(shop.run_jobs().await, 1);
        shop.clock.set_ahead(Duration::from_secs(30));
        assert_eq!(shop.run_jobs().await, 0, "the second pause is longer");
        shop.clock.set_ahead(Duration::from_secs(120));
        assert_eq!(shop.run_jobs().await, 1);
        assert_eq!(shop.get(id).await.status, DocumentStatus::Failed);
        shop.clock.set_ahead(Duration::from_secs(100_000));
        assert_eq!(shop.run_jobs().await, 0, "then it is given up");
    });
}

#[test]
fn a_document_whose_file_could_not_be_stored_is_stored_when_it_comes_again() {
    run(async {
        let shop = Shop::open().await;
        let blobs = Rc::new(FaultyBlobs::new(Rc::clone(&shop.ctx().blobs)));
        let ctx = Ctx::new(Rc::new(Ports { blobs: blobs.clone(), ..frontdesk_testkit::ports(shop.ctx()) }));
        let text = "Descale the kettle every three months.";
        let create = async || documents::create_from_text(&ctx, &shop.scope, "Kettle", text).await;
        blobs.fail_puts(2);
        for attempt in ["the first", "the second"] {
            let failed = create().await;
            assert!(matches!(failed, Err(Error::Upstream { service: "blobs", .. })), "{attempt}: {failed:?}");
        }
        // At once, long before the job gives up waiting for the file.
        let again = create().await.unwrap();
        assert_eq!((again.document.status, shop.blobs()), (DocumentStatus::Queued, 1));
        assert!(create().await.unwrap().duplicate, "now it is there");
        shop.run_jobs().await;
        assert_eq!(shop.get(again.document.id).await.status, DocumentStatus::Ready);
        assert!(shop.text(again.document.id).await.contains("every three months"));
        assert_eq!(shop.count("SELECT count(*) FROM documents").await, 1);
        assert_eq!(create().await.unwrap().document.version, 1, "what is ready is not read again");
    });
}

#[test]
fn a_document_whose_file_never_came_says_so_and_can_be_brought_again() {
    run(async {
        let shop = Shop::open().await;
        let blobs = Rc::new(FaultyBlobs::new(Rc::clone(&shop.ctx().blobs)));
        let ctx = Ctx::new(Rc::new(Ports { blobs: blobs.clone(), ..frontdesk_testkit::ports(shop.ctx()) }));
        let create = async || documents::create_from_file(&ctx, &shop.scope, "a.txt", "Tea.".into()).await;
        blobs.fail_puts(1);
        assert!(create().await.is_err());
        shop.clock.set_ahead(Duration::from_secs(61));
        shop.run_jobs().await;
        let list = documents::list(&ctx, &shop.scope, 10, None).await.unwrap().items;
        let reason = list[0].reason.clone().unwrap();
        assert_eq!(list[0].status, DocumentStatus::Failed);
        assert!(reason.contains("upload it again"), "{reason}");
        create().await.unwrap();
        shop.run_jobs().await;
        assert_eq!(shop.get(list[0].id).await.status, DocumentStatus::Ready);
    });
}

#[test]
fn equal_files_at_the_same_moment_are_one_document() {
    run(async {
        let shop = Shop::open().await;
        let create = || {
            documents::create_from_file(shop.ctx(), &shop.scope, "a.txt", Bytes::from_static(b"Tea costs 5."))
        };
        let (first, second) = futures_util::future::join(create(), create()).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(first.document.id, second.document.id);
        assert!(first.duplicate != second.duplicate);
        assert_eq!((shop.count("SELECT count(*) FROM documents").await, shop.blobs()), (1, 1));
    });
}

/// Files and pages that broke a parser, or kept one busy for minutes.
#[test]
fn what_breaks_parsers_breaks_no_other_document() {
    run(async {
        let shop = Shop::open().await;
        let footnote = "Prices are net.[^1]\n[^1]: plus VAT\n: see the list\n";
        shop.web.page("https://a.example/prices", &format!("<p>{footnote}</p>"));
        let page = shop.url("https://a.example/prices").await;
        let mut ids = vec![shop.file("prices.md", footnote.as_bytes()).await.document.id, page];
        ids.push(shop.file("greek.txt", "ισαισα".as_bytes()).await.document.id);
        ids.push(shop.file("ισαισα.md", "# ισαισα\n\nισαισα ισαισα".as_bytes()).await.document.id);
        let picture = format!("# Kettle\n\n![](data:image/png;base64,{})\n", "iVBORw0KGgo".repeat(20_000));
        ids.push(shop.file("kettle.md", picture.as_bytes()).await.document.id);
        let good = shop.file("good.txt", "Доставка по Москве стоит 300 рублей.".as_bytes()).await.document.id;
        ids.push(good);
        shop.run_jobs().await;
        for id in ids {
            let document = shop.get(id).await;
            assert_eq!(
                (document.status, document.reason),
                (DocumentStatus::Ready, None),
                "{}",
                document.title
            );
        }
        assert!(shop.text(good).await.contains("300"));
        assert!(shop.text(page).await.contains("see the list"));
    });
}

#[test]
fn a_text_longer_than_a_window_is_indexed_whole_and_in_place() {
    run(async {
        let shop = Shop::open().await;
        let mut text = String::new();
        for section in 0..40 {
            text.push_str(&format!("## Раздел {section}\n\n"));
            for line in 0..30 {
                text.push_str(&format!(
                    "Чайник номер {section}-{line} кипятит воду за три минуты и сам выключается.\n\n"
                ));
            }
        }
        let id = shop.file("kettles.md", text.as_bytes()).await.document.id;
        assert!(shop.run_jobs().await >= 3, "read in one step, indexed in several");
        let (mut covered, mut cursor, mut number) = (0, None::<String>, 0);
        loop {
            let (_, page) =
                documents::passages(shop.ctx(), &shop.scope, id, 100, cursor.as_deref()).await.unwrap();
            for passage in page.items {
                let (start, end) =
                    (usize::try_from(passage.start).unwrap(), usize::try_from(passage.end).unwrap());
                assert_eq!((text.get(start..end), passage.ordinal), (Some(passage.text.as_str()), number));
                let begun =
                    text[..start].matches("## ").count() + usize::from(passage.text.starts_with("## "));
                let heading = format!("Раздел {}", begun - 1);
                assert_eq!(passage.heading, Some(heading));
                assert!(start <= covered || text[covered..start].trim().is_empty());
                (covered, number) = (end, number + 1);
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(text[covered..].trim().is_empty());
    });
}

#[test]
fn a_document_that_an_earlier_version_was_indexing_is_read_from_its_beginning() {
    run(async {
        let shop = Shop::open().await;
        let body = "Чайник кипятит воду за три минуты и сам выключается.\n\n".repeat(2000);
        let id = shop.file("kettle.txt", body.as_bytes()).await.document.id;
        assert!(shop.run_step().await, "read");
        assert!(shop.run_step().await, "some of it indexed");
        let half = shop.count("SELECT count(*) FROM passages").await;
        assert!(half > 0);
        let hash = shop.get(id).await.content_hash.unwrap();
        let step = serde_json::json!({
            "step": "index", "done": half, "total": 999,
            "new": {"number": 1, "title": "kettle", "media_type": "text/plain", "language": "rus",
                    "source": {"name": "kettle.txt", "bytes": body.len(), "hash": hash}},
        });
        shop.execute("UPDATE jobs SET step = ?1", step.to_string()).await;
        shop.run_jobs().await;
        let document = shop.get(id).await;
        assert_eq!((document.status, document.reason, document.version), (DocumentStatus::Ready, None, 1));
        assert!(shop.count("SELECT count(*) FROM passages").await > half);
        let twice = "SELECT count(*) FROM (SELECT 1 FROM passages GROUP BY ordinal HAVING count(*) > 1)";
        assert_eq!(shop.count(twice).await, 0);
    });
}

/// As long as a text may be, with a sentence of its own at its end, over letters of two bytes that no border may cut.
fn longest_text(end: &str) -> String {
    const MOST: usize = 8 << 20;
    let mut text = String::with_capacity(MOST);
    let mut number = 0;
    while text.len() + 200 < MOST - end.len() {
        number += 1;
        text.push_str(&format!("Посылка {number} лежит на полке {} второго склада.\n\n", number % 977));
    }
    while text.len() < MOST - end.len() - 2 {
        text.push('x');
    }
    text.push_str("\n\n");
    text.push_str(end);
    text
}

#[test]
fn the_longest_text_is_stored_in_parts_and_found_to_its_end() {
    run(async {
        let shop = Shop::open().await;
        let end = "The lighthouse keeper is called Bartholomew Quince.";
        let text = longest_text(end);
        assert_eq!(text.len(), 8 << 20);
        let id = shop.file("parcels.txt", text.as_bytes()).await.document.id;
        shop.run_jobs().await;
        let document = shop.get(id).await;
        assert_eq!((document.status, document.reason), (DocumentStatus::Ready, None));
        let search = Search {
            query: "lighthouse keeper".to_owned(),
            limit: 1,
            mode: SearchMode::Lexical,
            vector_weight: 0.5,
            words: None,
        };
        let found = retrieval::search(shop.ctx(), &shop.scope, &search).await.unwrap().passages;
        assert!(found[0].text.ends_with(end) && found[0].end == 8 << 20, "{:?}", found[0]);
        let longest = shop.count("SELECT max(length(CAST(text AS BLOB))) FROM document_text_parts").await;
        assert!(longest <= 512 << 10, "a row of {longest} bytes");
        let mut stored = String::new();
        while stored.len() < text.len() {
            let next =
                Statement::new("SELECT text FROM document_text_parts WHERE start = ?1").bind(stored.len());
            stored.push_str(shop.ctx().db.query(vec![next]).await.unwrap()[0].rows[0].text(0).unwrap());
        }
        assert!(stored == text, "the parts are the text");
    });
}
