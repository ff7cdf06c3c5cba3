//! Events of a newer version: they are read, kept and passed on, and conversations go on beside them.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::remote::Transport;
use frontdesk_app::rooms::{self, Alarm, Log, LogRooms, OwnLog, RemoteRooms, RoomAnswer, create_own_log};
use frontdesk_domain::conversation::{Mode, Status};
use frontdesk_domain::event::{EventBody, Frame};
use frontdesk_domain::id::{ConversationId, WorkerId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::database::LibsqlDatabase;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{ByteStream, Ctx, Database, DbError, FetchError, Ports, Statement, Supervision};
use futures_util::StreamExt;
use serde_json::{Value, json};

const VERA: &str = "user_01h455vb4pex5vsknk084sn02q";

fn message(conversation: ConversationId, client_id: &str) -> PostMessage {
    PostMessage {
        conversation,
        client_id: client_id.to_owned(),
        text: "Hello?".to_owned(),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

fn operator(of: &TenantScope) -> TenantScope {
    let user = VERA.parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    TenantScope::authenticated(of.org(), Actor::User { user, name: "Vera".to_owned(), role: Role::Operator })
}

struct NoAlarm;

#[async_trait(?Send)]
impl Alarm for NoAlarm {
    async fn within(&self, _: Duration) -> Result<(), DbError> {
        Ok(())
    }
}

/// Another process with the rooms' log there.
fn process(ctx: &Ctx, log: Log) -> (Ctx, LogRooms) {
    let worker = WorkerId::new(ctx.clock.now(), ctx.random.entropy());
    let exclusive = matches!(log, Log::Own(_));
    let mut made = None;
    let ports = Rc::new_cyclic(|ports| {
        let rooms = LogRooms::new(ports.clone(), log, worker, exclusive);
        made = Some(rooms.clone());
        Ports { rooms: Rc::new(rooms), ..frontdesk_testkit::ports(ctx) }
    });
    (Ctx::new(ports), made.unwrap())
}

/// Brings calls to the rooms of this process.
struct Here(Ctx);

#[async_trait(?Send)]
impl Transport for Here {
    async fn send(&self, _name: &str, call: String) -> Result<ByteStream, FetchError> {
        let lines = match rooms::answer(self.0.rooms.as_ref(), self.0.clock.clone(), call.as_bytes()).await {
            RoomAnswer::Whole(line) => futures_util::stream::iter([line]).boxed_local(),
            RoomAnswer::Open(lines) => lines,
        };
        Ok(lines.map(Ok).boxed_local())
    }
}

/// Another process that asks `ctx` for its rooms.
fn beside(ctx: &Ctx) -> Ctx {
    let transport = Rc::new(Here(ctx.clone()));
    Ctx::new(Rc::new_cyclic(|ports| Ports {
        rooms: Rc::new(RemoteRooms::new(ports.clone(), transport)),
        ..frontdesk_testkit::ports(ctx)
    }))
}

/// What a newer version stored: a kind and a field that this one does not know.
fn newer() -> [Value; 2] {
    [
        json!({ "kind": "tool.called", "tool": "order_status", "with": { "order": 4711 } }),
        json!({
            "kind": "read",
            "by": { "kind": "operator", "id": VERA, "team": "night" },
            "upto": 1,
            "device": "telephone",
        }),
    ]
}

/// Appends them after the first event, as that version would.
async fn store_newer(db: &dyn Database, scope: &TenantScope, id: ConversationId) {
    for (seq, body) in (2_u32..).zip(newer()) {
        let insert = Statement::new(
            "INSERT INTO events (org_id, conversation_id, seq, at, epoch, kind, body) VALUES (?1, ?2, ?3, 1, 2, ?4, ?5)",
        );
        let kind = body["kind"].as_str().unwrap().to_owned();
        let insert = insert
            .bind(scope.org().to_string())
            .bind(id.to_string())
            .bind(seq)
            .bind(kind)
            .bind(body.to_string());
        let update = Statement::new("UPDATE conversations SET last_seq = ?2 WHERE id = ?1");
        db.batch(vec![insert, update.bind(id.to_string()).bind(seq)]).await.unwrap();
    }
}

/// A conversation that an operator has, with the newer events in `db`, the log's.
async fn begun(ctx: &Ctx, scope: &TenantScope, db: &dyn Database) -> ConversationId {
    // A room of its own takes it over from the main database.
    let begun = chat::begin(&process(ctx, Log::Main).0, scope, &Via::widget(None)).await.unwrap();
    let take = Change { mode: Some(Mode::Operator), ..Change::default() };
    chat::change(ctx, &operator(scope), &Via::widget(None), begun.id, begun.epoch, take).await.unwrap();
    store_newer(db, scope, begun.id).await;
    begun.id
}

/// The bodies of events 2 and 3 as they go over the wire.
async fn replayed(ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> [Value; 2] {
    let replay = ctx.rooms.replay(scope, id, 1, 2).await.unwrap();
    let bodies = replay.events.iter().map(|event| {
        let mut body = serde_json::to_value(event).unwrap();
        for name in ["seq", "at", "epoch"] {
            assert!(body.as_object_mut().unwrap().remove(name).is_some());
        }
        body
    });
    bodies.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn an_event_of_a_newer_version_does_not_stop_its_conversation() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let one = process(world.ctx(), Log::Main).0;
        let id = begun(&one, &scope, one.db.as_ref()).await;
        let fresh = process(world.ctx(), Log::Main).0;
        let replay = fresh.rooms.replay(&scope, id, 0, 100).await.unwrap();
        assert_eq!(replay.events.len(), 3);
        let posted = chat::post_message(&one, &scope, message(id, "m")).await.unwrap();
        assert_eq!(posted.receipt.seq, 4, "by a process that had the room");
        let posted = chat::post_message(&fresh, &scope, message(id, "n")).await.unwrap();
        assert_eq!(posted.receipt.seq, 5, "by one that read it");
    });
}

#[test]
fn operators_get_it_as_it_is_and_visitors_only_that_it_is_there() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let here = process(world.ctx(), Log::Main).0;
        let id = begun(&here, &scope, here.db.as_ref()).await;
        for ctx in [&here, &beside(&here), &beside(&beside(&here))] {
            assert_eq!(replayed(ctx, &operator(&scope), id).await, newer());
            let [unknown, read] = replayed(ctx, &scope, id).await;
            assert_eq!(unknown, json!({ "kind": "hidden" }));
            assert_eq!((read.get("device"), read["by"].get("team")), (None, None));
            assert_eq!(read["upto"], 1);

            let listener = ctx.rooms.subscribe(&operator(&scope), id, 1).await.unwrap();
            let frames: Vec<Frame> = listener.frames.take(2).collect().await;
            for (frame, body) in frames.iter().zip(newer()) {
                let told: Value = serde_json::from_str(&frame.to_json()).unwrap();
                for (name, value) in body.as_object().unwrap() {
                    assert_eq!(&told[name], value, "{told}");
                }
            }
        }
    });
}

#[test]
fn a_copy_of_a_log_is_whole() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| -> Rc<dyn Database> {
            Rc::new(LibsqlDatabase::open(&directory.path().join(name), &Supervision::default()).unwrap())
        };
        let own = |db: &Rc<dyn Database>| {
            Log::Own(OwnLog { db: db.clone(), alarm: Rc::new(NoAlarm), owner: "object".into() })
        };
        let first = open("first.db");
        create_own_log(first.as_ref()).await.unwrap();
        let (object, before) = process(world.ctx(), own(&first));
        let id = begun(&object, &scope, first.as_ref()).await;
        // The object is woken anew and reads what is in its database.
        drop((object, before));
        let (object, rooms) = process(world.ctx(), own(&first));
        chat::post_message(&object, &scope, message(id, "m")).await.unwrap();
        while rooms.on_alarm().await.unwrap().is_some_and(|delay| delay < Duration::from_secs(5)) {
            tokio::task::yield_now().await;
        }
        let main = process(world.ctx(), Log::Main).0;
        assert_eq!(replayed(&main, &operator(&scope), id).await, newer(), "in the main database");

        let second = open("second.db");
        create_own_log(second.as_ref()).await.unwrap();
        let (adopting, _) = process(world.ctx(), own(&second));
        assert_eq!(replayed(&adopting, &operator(&scope), id).await, newer(), "in an object that adopts it");
        let stored = Statement::new("SELECT body FROM events WHERE seq = 2");
        let stored = second.query(vec![stored]).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(stored[0].rows[0].text(0).unwrap()).unwrap(), newer()[0]);
    });
}

#[test]
fn in_a_mode_that_is_not_known_the_ai_is_silent() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        let newer = "UPDATE conversations SET mode = 'second_bot', status = 'parked' WHERE id = ?1";
        ctx.db.batch(vec![Statement::new(newer).bind(id.to_string())]).await.unwrap();
        let fresh = process(ctx, Log::Main).0;
        let posted = chat::post_message(&fresh, &scope, message(id, "m")).await.unwrap();
        assert_eq!((posted.conversation.mode, posted.conversation.status), (Mode::Operator, Status::Open));
        let log = fresh.rooms.replay(&scope, id, 0, 10).await.unwrap();
        assert!(matches!(log.events[..], [ref one] if matches!(one.body, EventBody::MessageCreated { .. })));
    });
}
