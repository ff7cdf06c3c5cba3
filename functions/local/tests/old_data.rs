//! What earlier versions left is taken over: a database of the schema up to step 8 with data in every table, and the
//! database of a room's own from before it had a version. Both were filled by the program of that time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use frontdesk_api::{Body, Peer, handle};
use frontdesk_app::auth::LoginFrom;
use frontdesk_app::blobs::DatabaseBlobs;
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::rooms::{Alarm, Log, LogRooms, OwnLog, create_own_log};
use frontdesk_app::search::{self, Ask};
use frontdesk_app::{auth, documents, jobs, migrations, settings};
use frontdesk_domain::conversation::{Mode, Status};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::event::{Event, EventBody, Frame};
use frontdesk_domain::id::{ConversationId, WorkerId};
use frontdesk_domain::permission::Permission;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::database::LibsqlDatabase;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, Place, World, run};
use frontdesk_ports::{BoxFuture, Clock, Ctx, Database, DbError, Ports, Statement, Supervision};
use futures_util::StreamExt;
use serde_json::Value;

const MAIN: &str = include_str!("fixtures/schema-0008.sql");
const OBJECT: &str = include_str!("fixtures/object-0000.sql");

/// When the fixtures were made.
const THEN: i64 = 1_790_000_000_176;
const ORG: &str = "org_01m3250v03efh9ym6kcxptj0ja";
/// A conversation with every kind of event; closed.
const ANSWERED: &str = "conv_01m3250v1yegyag0drdz8yvyh0";
/// One of the other organisation.
const THEIRS: &str = "conv_01m3250v34ed98479a3yg3p391";
/// One whose turn has no worker any more, with two questions.
const OPEN: &str = "conv_01m3250v3tfb5rqct5h1r7abwr";
/// One whose room is an object, with a turn that has no worker any more.
const IN_OBJECT: &str = "conv_01m3250v4me6bt864xy3yatetj";
/// A document whose text is read and whose passages are not, by a worker that is gone.
const HALF: &str = "doc_01m3250v46ehvb746wjehp0jd8";
/// A document that waits.
const WAITS: &str = "doc_01m3250v4gfy2ve3sxwtfpwsbs";
const REFRESH_TOKEN: &str = "org_01m3250v03efh9ym6kcxptj0ja.login_01m3250v1vetkaqbghv3kh07re.j-frtIt4lPFwXoF9Ws8EsKUOin09Jkdb.LIgIBuNmtvbZM_XZVymg-5g01fLmqzicb3BLCoC4o3c";
const VISITOR_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3OTAwMDAwMDAsImV4cCI6MTc5MjU5MjAwMCwiaXNzIjoiZnJvbnRkZXNrIiwic3ViIjoidmlzaXRvcl8wMW0zMjUwdjBmZmI0Ynd0YjA3a2trd25hYiIsImF1ZCI6ImZyb250ZGVzazp2aXNpdG9yIiwib3JnIjoib3JnXzAxbTMyNTB2MDNlZmg5eW02a2N4cHRqMGphIiwic2l0ZSI6InNpdGVfMDFtMzI1MHYwM2Vhbjg4Y3p6M3RuZzFidnQifQ.9S1Pa8MZhIgLV1q4KblURnLZT1xCOZezdJxeiwB71p8";

/// A minute after the fixtures were made.
struct Later(Instant);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(THEN).after(Duration::from_secs(60)).after(self.0.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

async fn fill(db: &dyn Database, sql: &'static str) {
    db.batch(migrations::statements(sql).into_iter().map(Statement::new).collect()).await.unwrap();
}

/// A host of this version on the old database, and its context with the files that are in that database.
async fn taken_over() -> (World, Ctx) {
    let place = Place::new().unwrap();
    let db = place.database().unwrap();
    fill(db.as_ref(), MAIN).await;
    let old = World::at(Place::new().unwrap(), &[], Overrides::default()).await;
    assert!(old.err().unwrap().to_string().contains("pending"), "an empty database is not served");
    let taken = migrations::up(db.as_ref(), Timestamp::from_millis(THEN)).await.unwrap();
    assert_eq!(taken.len(), migrations::ALL.len() - 8, "only what is new is done");
    drop(db);
    let clock = Some(Rc::new(Later(Instant::now())) as Rc<dyn Clock>);
    let world = World::at(place, &[], Overrides { clock, ..Overrides::default() }).await.unwrap();
    let blobs = Rc::new(DatabaseBlobs::new(world.ctx().db.clone()));
    let ctx = Ctx::new(Rc::new(Ports { blobs, ..frontdesk_testkit::ports(world.ctx()) }));
    (world, ctx)
}

fn system(org: &str) -> TenantScope {
    #[expect(clippy::disallowed_methods, reason = "a test acts for an organisation of its own")]
    TenantScope::authenticated(org.parse().unwrap(), Actor::System)
}

fn visitor(ctx: &Ctx) -> TenantScope {
    auth::verify_visitor_token(ctx, VISITOR_TOKEN).unwrap().scope
}

fn question(id: &str, client_id: &str, text: &str) -> PostMessage {
    PostMessage {
        conversation: id.parse().unwrap(),
        client_id: client_id.to_owned(),
        text: text.to_owned(),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

async fn log(ctx: &Ctx, scope: &TenantScope, id: &str) -> Vec<Rc<Event>> {
    ctx.rooms.replay(scope, id.parse().unwrap(), 0, 500).await.unwrap().events
}

fn kinds(log: &[Rc<Event>]) -> Vec<&str> {
    log.iter().map(|event| event.body.kind()).collect()
}

/// Listens until so many turns are finished; the whole log then.
async fn finished(ctx: &Ctx, scope: &TenantScope, id: &str, turns: usize) -> Vec<Rc<Event>> {
    let conversation: ConversationId = id.parse().unwrap();
    let mut frames = ctx.rooms.subscribe(scope, conversation, 0).await.unwrap().frames;
    let mut count = 0;
    let listen = async {
        while count < turns {
            let Some(Frame::Event(event)) = frames.next().await else { continue };
            count += usize::from(matches!(event.body, EventBody::TurnFinished { .. }));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listen).await.expect("the turns end");
    log(ctx, scope, id).await
}

#[test]
fn conversations_of_before_are_read_and_go_on() {
    run(async {
        let (_world, ctx) = taken_over().await;
        let (visitor, operator) = (visitor(&ctx), system(ORG));
        let all = log(&ctx, &operator, ANSWERED).await;
        assert_eq!(
            kinds(&all),
            [
                "message.created",
                "turn.started",
                "message.created",
                "turn.finished",
                "rated",
                "rated",
                "read",
                "mode.changed",
                "assigned",
                "message.created",
                "message.created",
                "mode.changed",
                "status.changed",
                "labelled",
                "snoozed",
                "status.changed",
                "hidden",
            ]
        );
        assert!(all.iter().all(|event| event.extra.is_none()), "nothing in it is unknown");
        let EventBody::TurnFinished { citations, usage, .. } = &all[3].body else { panic!("{all:?}") };
        assert_eq!((citations.len(), usage.as_ref().unwrap().prompt_tokens), (1, 321));
        let shown = log(&ctx, &visitor, ANSWERED).await;
        assert!(shown.iter().map(|event| event.seq).eq(1..=17), "dense for a visitor, too");
        assert_eq!(shown[10].body, EventBody::Hidden {}, "the note");
        let closed = chat::post_message(&ctx, &visitor, question(ANSWERED, "m2", "Hello?")).await;
        assert!(closed.unwrap_err().to_string().contains("closed"));
        let again = chat::post_message(&ctx, &visitor, question(ANSWERED, "o-1", "x")).await;
        assert!(again.is_err());

        let (theirs, other) = (log(&ctx, &system(&other_org(&ctx).await), THEIRS).await, &operator);
        assert_eq!(kinds(&theirs), ["message.created", "turn.started", "message.created", "turn.finished"]);
        assert!(
            ctx.rooms.replay(other, THEIRS.parse().unwrap(), 0, 1).await.is_err(),
            "of another organisation"
        );

        // A new conversation of the same visitor is answered from the documents of before.
        let begun = chat::begin(&ctx, &visitor, &Via::widget(None)).await.unwrap();
        let id = begun.id.to_string();
        chat::post_message(&ctx, &visitor, question(&id, "n1", "How much is delivery across Moscow?"))
            .await
            .unwrap();
        let answered = finished(&ctx, &visitor, &id, 1).await;
        let EventBody::MessageCreated { message } = &answered[2].body else { panic!("{answered:?}") };
        assert!(message.text.contains("300 roubles") && message.citations.len() == 1, "{message:?}");
    });
}

async fn other_org(ctx: &Ctx) -> String {
    let other = Statement::new("SELECT id FROM organisations WHERE name = 'Lantern'");
    let rows = ctx.db.query(vec![other]).await.unwrap();
    rows[0].rows[0].text(0).unwrap().to_owned()
}

#[test]
fn a_turn_that_was_open_is_taken_up_and_everything_is_answered() {
    run(async {
        let (world, ctx) = taken_over().await;
        let visitor = visitor(&ctx);
        assert_eq!(
            kinds(&log(&ctx, &visitor, OPEN).await),
            ["message.created", "turn.started", "message.created"]
        );
        let repeated =
            chat::post_message(&ctx, &visitor, question(OPEN, "m2", "And pick-up?")).await.unwrap();
        assert!(repeated.deduplicated, "what was sent before is known");
        // As a process that begins: behind a server the visit above may have taken it up already.
        world.host.rooms.recover().await.unwrap();
        let answered = finished(world.ctx(), &visitor, OPEN, 2).await;
        let outcomes = answered.iter().filter_map(|event| match &event.body {
            EventBody::TurnFinished { outcome, .. } => Some(outcome.name()),
            _ => None,
        });
        assert_eq!(outcomes.collect::<Vec<_>>(), ["quoted", "quoted"]);
    });
}

#[test]
fn logins_settings_documents_and_jobs_go_on() {
    run(async {
        let (_world, ctx) = taken_over().await;
        let operator = system(ORG);
        auth::login(&ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &LoginFrom::default()).await.unwrap();
        auth::refresh(&ctx, REFRESH_TOKEN).await.expect("a login of before is renewed");
        let settings = settings::read(&ctx, &operator).await.unwrap();
        assert_eq!(settings.values.limits.max_message_chars, 1500);

        let found = |query: &'static str| {
            let (ctx, operator) = (&ctx, &operator);
            async move {
                let ask = Ask { query: query.to_owned(), limit: None, mode: None };
                let answer = search::search(ctx, operator, ask).await.unwrap();
                answer.results.passages.iter().map(|hit| hit.title.clone()).collect::<Vec<_>>()
            }
        };
        assert_eq!(found("delivery across Moscow").await.first().map(String::as_str), Some("Delivery"));
        assert!(found("guarantee").await.is_empty(), "it is not read yet");

        while jobs::run(&ctx, 4).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
        for id in [HALF, WAITS] {
            let document = documents::get(&ctx, &operator, id.parse().unwrap()).await.unwrap();
            assert_eq!((document.status, document.version), (DocumentStatus::Ready, 1), "{document:?}");
        }
        assert_eq!(found("guarantee").await.first().map(String::as_str), Some("Guarantee"));
    });
}

#[test]
fn it_is_served_over_http() {
    run(async {
        let (_world, ctx) = taken_over().await;
        let get = |path: String, token: &str| {
            let request = http::Request::get(path).header("authorization", format!("Bearer {token}"));
            let answer = handle(ctx.clone(), request.body(Body::empty()).unwrap(), Peer::default());
            async move {
                let (parts, body) = answer.await.into_parts();
                let body = body.collect(1 << 20).await.unwrap().unwrap();
                (parts.status.as_u16(), serde_json::from_slice::<Value>(&body).unwrap())
            }
        };
        let (status, page) = get(format!("/api/v1/conversations/{ANSWERED}/events"), VISITOR_TOKEN).await;
        assert_eq!((status, page["events"].as_array().map(Vec::len)), (200, Some(17)), "{page}");
        let admin = auth::login(&ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &LoginFrom::default())
            .await
            .unwrap()
            .access_token;
        let (status, page) = get("/api/v1/documents".to_owned(), &admin).await;
        assert_eq!((status, page["items"].as_array().map(Vec::len)), (200, Some(5)), "{page}");
        assert_eq!(get("/health/db".to_owned(), "").await.0, 200);
    });
}

struct NoAlarm;

#[async_trait(?Send)]
impl Alarm for NoAlarm {
    async fn within(&self, _: Duration) -> Result<(), DbError> {
        Ok(())
    }
}

/// The context of an object whose database is `db`.
fn object(ctx: &Ctx, db: &Rc<dyn Database>) -> (Ctx, LogRooms) {
    let worker = WorkerId::new(ctx.clock.now(), ctx.random.entropy());
    let mut made = None;
    let ports = Rc::new_cyclic(|ports| {
        let log = Log::Own(OwnLog { db: db.clone(), alarm: Rc::new(NoAlarm), owner: "object".into() });
        let rooms = LogRooms::new(ports.clone(), log, worker, true);
        made = Some(rooms.clone());
        Ports { rooms: Rc::new(rooms), ..frontdesk_testkit::ports(ctx) }
    });
    (Ctx::new(ports), made.unwrap())
}

async fn int(db: &dyn Database, sql: &'static str) -> i64 {
    db.query(vec![Statement::new(sql)]).await.unwrap()[0].rows[0].int(0).unwrap()
}

#[test]
fn an_object_of_before_is_taken_over_answers_and_copies_its_log() {
    run(async {
        let (_world, main) = taken_over().await;
        let directory = tempfile::tempdir().unwrap();
        let db: Rc<dyn Database> =
            Rc::new(LibsqlDatabase::open(&directory.path().join("o.db"), &Supervision::default()).unwrap());
        fill(db.as_ref(), OBJECT).await;
        create_own_log(db.as_ref()).await.unwrap();
        let version = int(db.as_ref(), "SELECT version FROM schema_version").await;
        create_own_log(db.as_ref()).await.unwrap();
        assert_eq!(int(db.as_ref(), "SELECT version FROM schema_version").await, version);
        assert_eq!(int(db.as_ref(), "SELECT count(*) FROM events").await, 6, "nothing is lost by it");

        let (ctx, rooms) = object(&main, &db);
        let visitor = visitor(&ctx);
        let before = ctx.rooms.replay(&visitor, IN_OBJECT.parse().unwrap(), 0, 100).await.unwrap();
        assert_eq!((before.conversation.mode, before.conversation.status), (Mode::Ai, Status::Open));
        assert_eq!(before.events.len(), 6);
        // Its alarm goes off: the turn is taken up, and what the main database lacks is copied.
        rooms.on_alarm().await.unwrap();
        let answered = finished(&ctx, &visitor, IN_OBJECT, 2).await;
        while rooms.on_alarm().await.unwrap().is_some_and(|delay| delay < Duration::from_secs(5)) {
            tokio::task::yield_now().await;
        }
        let copied = log(&main, &visitor, IN_OBJECT).await;
        assert_eq!(copied, answered);
    });
}

#[test]
fn an_object_of_a_newer_version_is_served_if_it_only_added_and_refused_untouched_otherwise() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let db: Rc<dyn Database> =
            Rc::new(LibsqlDatabase::open(&directory.path().join("o.db"), &Supervision::default()).unwrap());
        create_own_log(db.as_ref()).await.unwrap();
        let execute = |sql: &'static str| db.batch(vec![Statement::new(sql)]);
        execute("UPDATE schema_version SET version = 900").await.unwrap();
        create_own_log(db.as_ref()).await.expect("a newer one that only added");
        assert_eq!(int(db.as_ref(), "SELECT version FROM schema_version").await, 900, "its version is kept");

        execute("UPDATE schema_version SET contracted = 900").await.unwrap();
        execute("DROP TABLE copied").await.unwrap();
        let refused = create_own_log(db.as_ref()).await.unwrap_err();
        assert!(matches!(&refused, DbError::Schema(text) if text.contains("version 900")), "{refused}");
        assert_eq!(int(db.as_ref(), "SELECT count(*) FROM sqlite_schema WHERE name = 'copied'").await, 0);
    });
}

#[test]
fn an_operator_of_before_may_go_on() {
    run(async {
        let (_world, ctx) = taken_over().await;
        let session =
            auth::login(&ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &LoginFrom::default()).await.unwrap();
        let authenticated = auth::authenticate(&ctx, &session.access_token, None).await.unwrap().scope;
        assert!(authenticated.may(Permission::ManageSettings));
        chat::post_message(&ctx, &authenticated, question(OPEN, "o9", "A person is here.")).await.unwrap();
        let kinds_now = log(&ctx, &authenticated, OPEN).await;
        assert!(kinds(&kinds_now).contains(&"mode.changed"), "the operator took it over");
    });
}
