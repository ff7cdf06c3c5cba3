//! Whose log it is. A conversation's log has one owner: the main database, or the object that took it over. The other kind
//! of host is refused, and a copy that meets something else is an incident and no silence.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::rooms::{Alarm, Log, LogRooms, OwnLog, create_own_log};
use frontdesk_domain::conversation::Mode;
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::event::EventBody;
use frontdesk_domain::id::{ConversationId, WorkerId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::database::ImmediateDatabase;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{Ctx, Database, DbError, Ports, Statement};

/// An alarm that the test rings.
#[derive(Default)]
struct Bell(Cell<u32>);

#[async_trait(?Send)]
impl Alarm for Bell {
    async fn within(&self, _: Duration) -> Result<(), DbError> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

/// A process of its own on the world's database.
struct Process {
    ctx: Ctx,
    rooms: LogRooms,
}

fn process(ctx: &Ctx, log: Log, exclusive: bool) -> Process {
    let worker = WorkerId::new(ctx.clock.now(), ctx.random.entropy());
    let mut made = None;
    let ports = Rc::new_cyclic(|ports| {
        let rooms = LogRooms::new(ports.clone(), log, worker, exclusive);
        made = Some(rooms.clone());
        Ports { rooms: Rc::new(rooms), ..frontdesk_testkit::ports(ctx) }
    });
    Process { ctx: Ctx::new(ports), rooms: made.unwrap() }
}

/// An object of a deployment, over what is stored in it.
fn object(ctx: &Ctx, db: &Rc<dyn Database>, owner: &str) -> Process {
    let own = OwnLog { db: Rc::clone(db), alarm: Rc::new(Bell::default()), owner: owner.into() };
    process(ctx, Log::Own(own), true)
}

async fn own_database() -> Rc<dyn Database> {
    let db: Rc<dyn Database> = Rc::new(ImmediateDatabase::new().unwrap());
    create_own_log(db.as_ref()).await.unwrap();
    db
}

fn message(conversation: ConversationId, client_id: &str) -> PostMessage {
    PostMessage {
        conversation,
        client_id: client_id.to_owned(),
        text: format!("text of {client_id}"),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

fn operator(of: &TenantScope) -> TenantScope {
    let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    TenantScope::authenticated(of.org(), Actor::User { user, name: "Vera".to_owned(), role: Role::Operator })
}

/// A conversation in an operator's hands, so that no turn begins.
async fn begin(process: &Process, visitor: &TenantScope) -> ConversationId {
    let begun = chat::begin(&process.ctx, visitor, &Via::widget(None)).await.unwrap();
    let take = Change { mode: Some(Mode::Operator), ..Change::default() };
    chat::change(&process.ctx, &operator(visitor), &Via::widget(None), begun.id, begun.epoch, take)
        .await
        .unwrap();
    begun.id
}

/// The messages of a log, as the main database has them.
async fn texts(ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Vec<String> {
    let reader = process(ctx, Log::Main, false);
    let log = reader.ctx.rooms.replay(scope, id, 0, 500).await.unwrap();
    let text = |body: &EventBody| match body {
        EventBody::MessageCreated { message } => Some(message.text.clone()),
        _ => None,
    };
    log.events.iter().filter_map(|event| text(&event.body)).collect()
}

fn kept_elsewhere<T>(outcome: &frontdesk_domain::error::Result<T>) -> bool {
    matches!(outcome, Err(Error::Caller(CallerError::Conflict(why))) if why.contains("ROOMS_URL"))
}

#[test]
fn what_an_object_took_over_no_other_process_appends_to_and_nothing_is_dropped() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let spin = process(world.ctx(), Log::Main, false);
        let object = object(world.ctx(), &own_database().await, "object 1");
        let id = begin(&spin, &visitor).await;
        chat::post_message(&spin.ctx, &visitor, message(id, "m1")).await.unwrap();
        // The visitor's next call reaches the other deployment.
        let taken = chat::post_message(&object.ctx, &visitor, message(id, "m2")).await.unwrap();
        assert_eq!(taken.receipt.seq, 3);
        // And the one after it the first one again, which has the room in memory.
        for _ in 0..2 {
            assert!(kept_elsewhere(&chat::post_message(&spin.ctx, &visitor, message(id, "m3")).await));
        }
        let fresh = process(world.ctx(), Log::Main, true);
        assert!(kept_elsewhere(&chat::post_message(&fresh.ctx, &visitor, message(id, "m3")).await));
        object.rooms.on_alarm().await.unwrap();
        assert_eq!(texts(world.ctx(), &visitor, id).await, ["text of m1", "text of m2"]);
        // Nobody acknowledged the third one; where the log is kept, it is stored.
        let third = chat::post_message(&object.ctx, &visitor, message(id, "m3")).await.unwrap();
        assert!(!third.deduplicated && third.receipt.seq == 4);
        object.rooms.on_alarm().await.unwrap();
        assert_eq!(texts(world.ctx(), &visitor, id).await, ["text of m1", "text of m2", "text of m3"]);
        assert_eq!(world.ctx().metrics.log_conflicts.get(), 0);
    });
}

#[test]
fn a_room_that_another_deployment_took_over_is_refused() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let production = object(world.ctx(), &own_database().await, "object of production");
        let staging = object(world.ctx(), &own_database().await, "object of staging");
        let id = begin(&process(world.ctx(), Log::Main, false), &visitor).await;
        chat::post_message(&production.ctx, &visitor, message(id, "m1")).await.unwrap();
        assert!(kept_elsewhere(&chat::post_message(&staging.ctx, &visitor, message(id, "m2")).await));
    });
}

/// Every event is in the feed, in one dense order.
async fn feed_is_whole(ctx: &Ctx) {
    let count = |sql| ctx.db.query(vec![Statement::new(sql)]);
    let missing = count(
        "SELECT count(*) FROM events e WHERE 1 <> (
            SELECT count(*) FROM feed f WHERE f.org_id = e.org_id AND f.conversation_id = e.conversation_id
                AND f.seq = e.seq AND f.kind = e.kind)",
    );
    assert_eq!(missing.await.unwrap()[0].first().unwrap().int(0), Ok(0));
    let dense =
        count("SELECT count(*), max(position), (SELECT count(*) FROM events) FROM feed").await.unwrap();
    let row = dense[0].first().unwrap();
    assert_eq!((row.int(0), row.int(0)), (row.int(1), row.int(2)));
}

#[test]
fn an_object_from_before_logs_had_owners_is_taken_over_with_what_it_has() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let db = own_database().await;
        let before = object(world.ctx(), &db, "object 1");
        let id = begin(&process(world.ctx(), Log::Main, false), &visitor).await;
        chat::post_message(&before.ctx, &visitor, message(id, "m1")).await.unwrap();
        before.rooms.on_alarm().await.unwrap();
        chat::post_message(&before.ctx, &visitor, message(id, "m2")).await.unwrap();
        world.host.tasks.idle().await;
        // As the main database was then: it knew of no owner.
        world.ctx().db.batch(vec![Statement::new("UPDATE conversations SET log_owner = ''")]).await.unwrap();
        let now = object(world.ctx(), &db, "object 1");
        chat::post_message(&now.ctx, &visitor, message(id, "m3")).await.unwrap();
        now.rooms.on_alarm().await.unwrap();
        assert_eq!(texts(world.ctx(), &visitor, id).await, ["text of m1", "text of m2", "text of m3"]);
        let fresh = process(world.ctx(), Log::Main, false);
        assert!(kept_elsewhere(&chat::post_message(&fresh.ctx, &visitor, message(id, "m4")).await));
        feed_is_whole(world.ctx()).await;
    });
}

#[test]
fn two_logs_that_say_different_things_are_an_incident_and_neither_is_dropped() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let db = own_database().await;
        let object = object(world.ctx(), &db, "object 1");
        let spin = process(world.ctx(), Log::Main, false);
        let id = begin(&spin, &visitor).await;
        chat::post_message(&object.ctx, &visitor, message(id, "m1")).await.unwrap();
        // What happened before logs had owners: both acknowledged the same place.
        let forget = "UPDATE conversations SET log_owner = ''";
        world.ctx().db.batch(vec![Statement::new(forget)]).await.unwrap();
        let fresh = process(world.ctx(), Log::Main, false);
        chat::post_message(&fresh.ctx, &visitor, message(id, "m2")).await.unwrap();
        assert!(object.rooms.on_alarm().await.unwrap().is_some(), "nobody comes again");
        assert!(world.ctx().metrics.log_conflicts.get() >= 1);
        assert_eq!(texts(world.ctx(), &visitor, id).await, ["text of m2"]);
        let kept = object.ctx.rooms.replay(&visitor, id, 0, 100).await.unwrap();
        assert!(format!("{kept:?}").contains("text of m1"));
    });
}

#[test]
fn a_copy_that_is_cut_anywhere_is_made_again_and_counts_nothing_twice() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let db = own_database().await;
        let object = object(world.ctx(), &db, "object 1");
        let id = begin(&process(world.ctx(), Log::Main, false), &visitor).await;
        for round in 0..4 {
            for n in 0..3 {
                chat::post_message(&object.ctx, &visitor, message(id, &format!("m{round}-{n}")))
                    .await
                    .unwrap();
            }
            object.rooms.on_alarm().await.unwrap();
            // The note of how far it came is lost: the same events come again.
            db.batch(vec![Statement::new("UPDATE copied SET upto = max(upto - 2, 1)")]).await.unwrap();
            object.rooms.on_alarm().await.unwrap();
            feed_is_whole(world.ctx()).await;
        }
        assert_eq!(texts(world.ctx(), &visitor, id).await.len(), 12);
        assert_eq!(world.ctx().metrics.log_conflicts.get(), 0);
    });
}
