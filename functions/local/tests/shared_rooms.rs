//! Several processes that write to the rooms of one database, side by side: nothing is lost or doubled, and each tells its
//! listeners what the others stored.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::rooms::{Log, LogRooms, TurnStart};
use frontdesk_domain::conversation::{Channel, Conversation, Mode, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::{EventBody, Frame, Live};
use frontdesk_domain::id::{ConversationId, TurnId, VisitorId, WorkerId};
use frontdesk_domain::room::{Command, TURN_LEASE};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::host::Wrap;
use frontdesk_local::testing::{MovedClock, World, run};
use frontdesk_ports::{
    Appended, BoxFuture, ByteStream, Clock, Ctx, Database, DbError, FetchError, FetchLimits, HttpClient,
    Ports, Replay, Rooms, Rows, Statement, Subscription, Tasks,
};
use frontdesk_testkit::{Callers, ManualClock, rooms_apart_contract, rooms_contract};
use futures_channel::mpsc;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Notify;

/// A model that says what the test says, until the test hangs up.
struct Dictated(RefCell<Option<mpsc::UnboundedReceiver<&'static str>>>);

#[async_trait(?Send)]
impl HttpClient for Dictated {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> std::result::Result<http::Response<ByteStream>, FetchError> {
        let words =
            self.0.borrow_mut().take().ok_or_else(|| FetchError::Refused("asked twice".to_owned()))?;
        let piece = |choice| Ok(Bytes::from(format!("data: {}\n\n", json!({ "choices": [choice] }))));
        let said = words.map(move |word| piece(json!({ "delta": { "content": word } })));
        let end = futures_util::stream::iter([piece(json!({ "delta": {}, "finish_reason": "stop" }))]);
        let mut response: http::Response<ByteStream> = http::Response::new(said.chain(end).boxed_local());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }
}

/// Nothing is indexed here: lets the model answer without evidence.
async fn answers_without_evidence(ctx: &Ctx, of: &TenantScope) {
    let patch = SettingsPatch(json!({ "guardrails": { "only_from_evidence": false } }));
    let admin = of.as_system();
    let version = frontdesk_app::settings::read(ctx, &admin).await.unwrap().version;
    frontdesk_app::settings::patch(ctx, &admin, version, &patch).await.unwrap();
}

/// Tasks of a process that may stop: those of turns then go no further, and nothing of them is let go.
struct Mortal {
    inner: Rc<dyn Tasks>,
    dead: Rc<Cell<bool>>,
    turns: Rc<Cell<usize>>,
    stopped: RefCell<Vec<BoxFuture<'static, ()>>>,
}

impl Tasks for Mortal {
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        self.inner.spawn(name, work);
    }

    fn spawn_detached(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        if name == "turn" {
            if self.dead.get() {
                return self.stopped.borrow_mut().push(work);
            }
            self.turns.set(self.turns.get() + 1);
        }
        self.inner.spawn_detached(name, work);
    }
}

/// A process: the world's ports with rooms of its own.
struct Process {
    ctx: Ctx,
    rooms: LogRooms,
    /// Whether turns that it begins from now on go no further.
    dead: Rc<Cell<bool>>,
    /// How many it began.
    turns: Rc<Cell<usize>>,
}

fn process(ctx: &Ctx) -> Process {
    let (dead, turns) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let worker = WorkerId::new(ctx.clock.now(), ctx.random.entropy());
    let mut made = None;
    let ports = Rc::new_cyclic(|ports| {
        let rooms = LogRooms::new(ports.clone(), Log::Main, worker, false);
        made = Some(rooms.clone());
        Ports {
            rooms: Rc::new(rooms),
            tasks: Rc::new(Mortal {
                inner: Rc::clone(&ctx.tasks),
                dead: Rc::clone(&dead),
                turns: Rc::clone(&turns),
                stopped: RefCell::default(),
            }),
            ..frontdesk_testkit::ports(ctx)
        }
    });
    Process { ctx: Ctx::new(ports), rooms: made.unwrap(), dead, turns }
}

/// Rooms of several processes behind one address: each call reaches the next one.
struct InTurn {
    processes: Vec<Process>,
    calls: Cell<usize>,
}

impl InTurn {
    fn next(&self) -> &dyn Rooms {
        self.calls.set(self.calls.get() + 1);
        self.processes[self.calls.get() % self.processes.len()].ctx.rooms.as_ref()
    }
}

#[async_trait(?Send)]
impl Rooms for InTurn {
    async fn create(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        channel: Channel,
    ) -> Result<Conversation> {
        self.next().create(scope, id, channel).await
    }
    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
        self.next().latest(scope, visitor).await
    }
    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        self.next().append(scope, id, command).await
    }
    async fn replay(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Replay> {
        self.next().replay(scope, id, after, limit).await
    }
    async fn subscribe(&self, scope: &TenantScope, id: ConversationId, after: Seq) -> Result<Subscription> {
        self.next().subscribe(scope, id, after).await
    }
    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()> {
        self.next().typing(scope, id, on).await
    }
}

fn operator(of: &TenantScope) -> TenantScope {
    let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    TenantScope::authenticated(of.org(), Actor::User { user, name: "Vera".to_owned(), role: Role::Operator })
}

async fn callers(world: &World) -> Callers {
    let ((visitor, _), (other, _)) = (world.visitor().await.unwrap(), world.visitor().await.unwrap());
    Callers { operator: operator(&visitor), visitor, other }
}

fn message(conversation: ConversationId, client_id: String) -> PostMessage {
    PostMessage {
        conversation,
        text: format!("text of {client_id}"),
        client_id,
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

/// A conversation whose turn begins and says nothing by itself.
async fn with_a_silent_turn(process: &Process, scope: &TenantScope) -> (ConversationId, TurnStart) {
    process.dead.set(true);
    let conversation = chat::begin(&process.ctx, scope, &Via::widget(None)).await.unwrap().id;
    chat::post_message(&process.ctx, scope, message(conversation, "q".to_owned())).await.unwrap();
    let start = process.rooms.turn(scope, conversation).await.unwrap().unwrap();
    (conversation, start)
}

/// The next frame that is what is looked for.
async fn next<T>(listener: &mut Subscription, mut found: impl FnMut(&Frame) -> Option<T>) -> T {
    loop {
        let frame = listener.frames.next().await.expect("the listener was let go");
        if let Some(found) = found(&frame) {
            return found;
        }
    }
}

fn finished(frame: &Frame) -> Option<(TurnId, &'static str)> {
    match frame {
        Frame::Event(event) => match &event.body {
            EventBody::TurnFinished { turn, outcome, .. } => Some((*turn, outcome.name())),
            _ => None,
        },
        Frame::Live(_) => None,
    }
}

fn delta(frame: &Frame) -> Option<(u64, String)> {
    match frame {
        Frame::Live(live) => match live.as_ref() {
            Live::Delta(delta) => Some((delta.offset, delta.text.clone())),
            _ => None,
        },
        Frame::Event(_) => None,
    }
}

#[test]
fn rooms_of_several_processes_keep_the_contract() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let first = callers(&world).await;
        rooms_contract(&process(world.ctx()).ctx, &first).await;

        let processes = (0..3).map(|_| process(world.ctx())).collect();
        let several = Rc::new(InTurn { processes, calls: Cell::new(0) });
        let others = callers(&world).await;
        rooms_apart_contract(&frontdesk_testkit::with_rooms(world.ctx(), several), &others).await;
    });
}

#[test]
fn appends_of_two_processes_at_once_are_dense_and_each_is_there_once() {
    const EACH: usize = 40;
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let (one, other) = (process(world.ctx()), process(world.ctx()));
        let rooms = join_all((0..4).map(|_| async {
            let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
            let take = Change { mode: Some(Mode::Operator), ..Change::default() };
            chat::change(&other.ctx, &operator(&visitor), &Via::widget(None), begun.id, begun.epoch, take)
                .await
                .unwrap();
            begun.id
        }))
        .await;
        let posts = [&one, &other].into_iter().enumerate().flat_map(|(number, process)| {
            let (rooms, visitor) = (&rooms, &visitor);
            (0..EACH).map(move |count| {
                let post = message(rooms[count % rooms.len()], format!("{number}-{count}"));
                chat::post_message(&process.ctx, visitor, post)
            })
        });
        for posted in join_all(posts).await {
            assert!(!posted.unwrap().deduplicated);
        }
        for room in rooms {
            for process in [&one, &other] {
                let log = process.ctx.rooms.replay(&visitor, room, 0, 500).await.unwrap();
                let seqs: Vec<Seq> = log.events.iter().map(|event| event.seq).collect();
                assert_eq!(seqs, (1..=seqs.len() as Seq).collect::<Vec<_>>());
                let said = log.events.iter().filter(|event| event.body.kind() == "message.created");
                assert_eq!(said.count(), 2 * EACH / 4);
            }
        }
    });
}

#[test]
fn who_listens_elsewhere_hears_a_turn_and_who_takes_over_elsewhere_silences_it() {
    run(async {
        let (speak, words) = mpsc::unbounded();
        let http = Rc::new(Dictated(RefCell::new(Some(words))));
        let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
        let world = World::new(&vars, Overrides { http: Some(http), ..Overrides::default() }).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let operator = operator(&visitor);
        answers_without_evidence(world.ctx(), &visitor).await;
        let (one, other) = (process(world.ctx()), process(world.ctx()));

        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        let mut here = one.ctx.rooms.subscribe(&visitor, begun.id, 0).await.unwrap();
        chat::post_message(&one.ctx, &visitor, message(begun.id, "q".to_owned())).await.unwrap();
        // A filter holds the last words back.
        speak.unbounded_send("Delivery costs little and is quick ").unwrap();
        let (_, first) = next(&mut here, delta).await;
        let mut elsewhere = other.ctx.rooms.subscribe(&visitor, begun.id, 0).await.unwrap();
        assert_eq!(next(&mut elsewhere, delta).await, (0, first.clone()));
        speak.unbounded_send("when it is not far from where you are ").unwrap();
        let (offset, rest) = next(&mut elsewhere, delta).await;
        assert_eq!(offset, first.len() as u64);
        assert!(rest.contains("when it is not"), "{rest}");

        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        chat::change(&other.ctx, &operator, &Via::widget(None), begun.id, begun.epoch, take).await.unwrap();
        next(&mut here, |frame| finished(frame).filter(|(_, outcome)| *outcome == "cancelled")).await;
        // The model is hung up on, though it never ends.
        while !speak.is_closed() {
            tokio::task::yield_now().await;
        }
        let word = message(begun.id, "o".to_owned());
        chat::post_message(&other.ctx, &operator, word).await.unwrap();
        next(&mut here, |frame| {
            assert_eq!(delta(frame), None, "the AI spoke after the take-over");
            matches!(frame, Frame::Event(event) if event.body.kind() == "message.created").then_some(())
        })
        .await;
    });
}

#[test]
fn who_listens_elsewhere_gets_the_whole_answer_however_late_it_looks() {
    run(async {
        let (speak, words) = mpsc::unbounded();
        let http = Rc::new(Dictated(RefCell::new(Some(words))));
        let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
        let world = World::new(&vars, Overrides { http: Some(http), ..Overrides::default() }).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        answers_without_evidence(world.ctx(), &visitor).await;
        let (one, other) = (process(world.ctx()), process(world.ctx()));

        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        chat::post_message(&one.ctx, &visitor, message(begun.id, "q".to_owned())).await.unwrap();
        let mut elsewhere = other.ctx.rooms.subscribe(&visitor, begun.id, 0).await.unwrap();
        speak.unbounded_send("Delivery costs little.").unwrap();
        drop(speak);
        let mut shown = String::new();
        let stored = next(&mut elsewhere, |frame| {
            if let Some((offset, text)) = delta(frame) {
                shown.truncate(usize::try_from(offset).unwrap());
                shown.push_str(&text);
            }
            match frame {
                Frame::Event(event) => match &event.body {
                    EventBody::MessageCreated { message } if message.client_id.is_none() => {
                        Some(message.text.clone())
                    }
                    _ => None,
                },
                Frame::Live(_) => None,
            }
        })
        .await;
        assert_eq!((shown.as_str(), stored.as_str()), ("Delivery costs little.", "Delivery costs little."));
    });
}

#[test]
fn a_turn_whose_process_died_is_taken_up_once() {
    run(async {
        let clock = Rc::new(MovedClock::default());
        let overrides = Overrides { clock: Some(Rc::clone(&clock) as Rc<dyn Clock>), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let processes: Vec<_> = (0..4).map(|_| process(world.ctx())).collect();
        let (conversation, start) = with_a_silent_turn(&processes[0], &visitor).await;
        let system = visitor.as_system();
        // While its lease lasts nobody touches it.
        let mut listener = processes[1].ctx.rooms.subscribe(&visitor, conversation, 2).await.unwrap();
        clock.set_ahead(TURN_LEASE + Duration::from_secs(1));
        let rest =
            processes[1..].iter().map(|process| process.ctx.rooms.replay(&visitor, conversation, 0, 500));
        join_all(rest).await;
        // Without a model and without documents.
        assert_eq!(next(&mut listener, finished).await, (start.token.turn, "no_answer"));
        assert_eq!(processes.iter().map(|process| process.turns.get()).sum::<usize>(), 1, "it ran twice");
        let log = processes[0].ctx.rooms.replay(&visitor, conversation, 0, 500).await.unwrap();
        let late = processes[0].rooms.say(&system, &start, "Too late").await;
        assert!(late.is_err(), "the old worker speaks on");
        let kinds: Vec<_> = log.events.iter().map(|event| event.body.kind()).collect();
        assert_eq!(kinds, ["message.created", "turn.started", "message.created", "turn.finished"]);
    });
}

/// Fails in an order: a read that began waits until a write has failed.
struct Faltering {
    inner: Rc<dyn Database>,
    armed: Rc<Cell<bool>>,
    reading: Notify,
    failed: Notify,
}

#[async_trait(?Send)]
impl Database for Faltering {
    async fn query(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        if self.armed.get() {
            self.reading.notify_one();
            self.failed.notified().await;
        }
        self.inner.query(statements).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        if self.armed.get() {
            self.reading.notified().await;
            self.armed.set(false);
            self.failed.notify_one();
            return Err(DbError::Retryable("the connection broke (planned)".to_owned()));
        }
        self.inner.batch(statements).await
    }
}

#[test]
fn a_write_that_fails_does_not_hide_the_room_from_who_looks_meanwhile() {
    run(async {
        let armed = Rc::<Cell<bool>>::default();
        let arm = Rc::clone(&armed);
        let wrap: Wrap = Box::new(move |inner| {
            Rc::new(Faltering { inner, armed: arm, reading: Notify::new(), failed: Notify::new() })
        });
        let world =
            World::new(&[], Overrides { database: Some(wrap), ..Overrides::default() }).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let one = process(world.ctx());
        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        chat::change(&one.ctx, &operator(&visitor), &Via::widget(None), begun.id, begun.epoch, take)
            .await
            .unwrap();

        armed.set(true);
        let post = message(begun.id, "q".to_owned());
        let posted = chat::post_message(&one.ctx, &visitor, post.clone());
        let (posted, read) = futures_util::join!(posted, one.ctx.rooms.replay(&visitor, begun.id, 0, 500));
        assert!(matches!(posted, Err(Error::Upstream { retryable: true, .. })));
        assert_eq!(read.unwrap().events.len(), 1);
        chat::post_message(&one.ctx, &visitor, post).await.unwrap();
    });
}

/// A database whose reads wait while it is held.
struct Held {
    inner: Rc<dyn Database>,
    held: Cell<bool>,
    waiting: Cell<u32>,
    go: Notify,
}

#[async_trait(?Send)]
impl Database for Held {
    async fn query(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        if self.held.get() {
            self.waiting.set(self.waiting.get() + 1);
            self.go.notified().await;
        }
        self.inner.query(statements).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        self.inner.batch(statements).await
    }
}

#[test]
fn a_listener_that_stops_reading_in_the_middle_of_a_poll_holds_no_other_up() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let operator = operator(&visitor);
        let held = Rc::new(Held {
            inner: Rc::clone(&world.ctx().db),
            held: Cell::new(false),
            waiting: Cell::new(0),
            go: Notify::new(),
        });
        let slow = Ctx::new(Rc::new(Ports {
            db: Rc::clone(&held) as Rc<dyn Database>,
            ..frontdesk_testkit::ports(world.ctx())
        }));
        let (one, other) = (process(&slow), process(world.ctx()));
        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        let taken =
            chat::change(&one.ctx, &operator, &Via::widget(None), begun.id, begun.epoch, take).await.unwrap();
        let mut stalls = one.ctx.rooms.subscribe(&visitor, begun.id, taken.last_seq).await.unwrap();
        let mut reads = one.ctx.rooms.subscribe(&operator, begun.id, taken.last_seq).await.unwrap();
        held.held.set(true);
        while held.waiting.get() == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(20), stalls.frames.next()).await;
        }
        held.held.set(false);
        held.go.notify_waiters();
        // From here on the one takes nothing.
        let post = message(begun.id, "m".to_owned());
        chat::post_message(&other.ctx, &operator, post).await.unwrap();
        let told = next(&mut reads, |frame| match frame {
            Frame::Event(event) => (event.body.kind() == "message.created").then_some(()),
            Frame::Live(_) => None,
        });
        tokio::time::timeout(Duration::from_secs(15), told).await.expect("the other listener gets nothing");
        drop(stalls);
    });
}

/// A replica that is behind: pages of events end at `upto`.
struct Replica {
    inner: Rc<dyn Database>,
    upto: Cell<Option<i64>>,
    pages: Cell<u32>,
}

#[async_trait(?Send)]
impl Database for Replica {
    async fn query(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        let page = statements.len() == 1
            && statements.iter().any(|one| one.sql.contains("FROM events") && one.sql.contains("seq > ?3"));
        let mut results = self.inner.query(statements).await?;
        if let (true, Some(upto), Some(first)) = (page, self.upto.get(), results.first_mut()) {
            first.rows.retain(|row| row.int(0).is_ok_and(|seq| seq <= upto));
            self.pages.set(self.pages.get() + 1);
        }
        Ok(results)
    }
    async fn batch(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        self.inner.batch(statements).await
    }
}

#[test]
fn a_replica_that_is_behind_leaves_no_gap_in_a_replay() {
    run(async {
        for catches_up in [true, false] {
            let world = World::new(&[], Overrides::default()).await.unwrap();
            let (visitor, _) = world.visitor().await.unwrap();
            let replica = Rc::new(Replica {
                inner: Rc::clone(&world.ctx().db),
                upto: Cell::new(None),
                pages: Cell::new(0),
            });
            let behind = Ctx::new(Rc::new(Ports {
                db: Rc::clone(&replica) as Rc<dyn Database>,
                ..frontdesk_testkit::ports(world.ctx())
            }));
            let one = process(&behind);
            let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
            let take = Change { mode: Some(Mode::Operator), ..Change::default() };
            chat::change(&one.ctx, &operator(&visitor), &Via::widget(None), begun.id, begun.epoch, take)
                .await
                .unwrap();
            for n in 0..3 {
                let post = message(begun.id, format!("m{n}"));
                chat::post_message(&one.ctx, &visitor, post).await.unwrap();
            }
            replica.upto.set(Some(2));
            let mut listener = one.ctx.rooms.subscribe(&visitor, begun.id, 0).await.unwrap();
            let mut seqs: Vec<Seq> = Vec::new();
            while let Some(frame) = listener.frames.next().await {
                if let Frame::Event(event) = frame {
                    seqs.push(event.seq);
                }
                if catches_up && seqs.len() == 2 {
                    replica.upto.set(None);
                }
                if seqs.len() == 4 {
                    chat::post_message(&one.ctx, &visitor, message(begun.id, "m9".to_owned())).await.unwrap();
                }
                if seqs.len() == 5 {
                    break;
                }
            }
            // Either it waits for the replica, or it ends and the client comes back.
            let expected: Vec<Seq> = if catches_up { vec![1, 2, 3, 4, 5] } else { vec![1, 2] };
            assert_eq!(seqs, expected);
        }
    });
}

/// Counts calls.
struct Counted {
    inner: Rc<dyn Database>,
    /// Reads that began, and reads that are over.
    count: Rc<(Cell<u32>, Cell<u32>)>,
    writes: Rc<Cell<u32>>,
}

#[async_trait(?Send)]
impl Database for Counted {
    async fn query(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        self.count.0.set(self.count.0.get() + 1);
        let rows = self.inner.query(statements).await;
        self.count.1.set(self.count.1.get() + 1);
        rows
    }
    async fn batch(&self, statements: Vec<Statement>) -> std::result::Result<Vec<Rows>, DbError> {
        self.writes.set(self.writes.get() + 1);
        self.inner.batch(statements).await
    }
}

#[test]
fn a_turn_costs_what_it_costs_a_process_that_is_alone() {
    run(async {
        let (speak, words) = mpsc::unbounded();
        let (count, writes) = (Rc::<(Cell<u32>, Cell<u32>)>::default(), Rc::<Cell<u32>>::default());
        let (counting, writing) = (Rc::clone(&count), Rc::clone(&writes));
        let wrap: Wrap = Box::new(move |inner| Rc::new(Counted { inner, count: counting, writes: writing }));
        let overrides = Overrides {
            // Nobody looks while time stands still.
            clock: Some(Rc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))),
            http: Some(Rc::new(Dictated(RefCell::new(Some(words))))),
            database: Some(wrap),
            ..Overrides::default()
        };
        let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
        let world = World::new(&vars, overrides).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        answers_without_evidence(world.ctx(), &visitor).await;
        let one = process(world.ctx());
        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        let mut listener = one.ctx.rooms.subscribe(&visitor, begun.id, 0).await.unwrap();

        let before = (count.0.get(), writes.get());
        // Of words that no document has the spelling is asked for: there are none here.
        let question =
            PostMessage { text: "Is the tea hot?".to_owned(), ..message(begun.id, "q".to_owned()) };
        chat::post_message(&one.ctx, &visitor, question).await.unwrap();
        speak.unbounded_send("Delivery costs little.").unwrap();
        drop(speak);
        assert_eq!(next(&mut listener, finished).await.1, "answered");
        // Stored, searched, stored.
        assert_eq!((count.0.get() - before.0, writes.get() - before.1), (1, 2));
    });
}

#[test]
fn many_who_listen_cost_no_more_than_one() {
    const LISTENERS: usize = 20;
    run(async {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let count = Rc::<(Cell<u32>, Cell<u32>)>::default();
        let counting = Rc::clone(&count);
        let wrap: Wrap =
            Box::new(move |inner| Rc::new(Counted { inner, count: counting, writes: Rc::default() }));
        let overrides =
            Overrides { clock: Some(Rc::new(clock.clone())), database: Some(wrap), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let one = process(world.ctx());
        let begun = chat::begin(&one.ctx, &visitor, &Via::widget(None)).await.unwrap();
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        chat::change(&one.ctx, &operator(&visitor), &Via::widget(None), begun.id, begun.epoch, take)
            .await
            .unwrap();
        let mut listeners = Vec::new();
        for _ in 0..LISTENERS {
            let listener = one.ctx.rooms.subscribe(&visitor, begun.id, 1).await.unwrap();
            listeners.push(listener.frames.for_each(|_| std::future::ready(())));
        }
        let listening = tokio::task::spawn_local(join_all(listeners));
        let a_minute = async || {
            let before = count.0.get();
            for _ in 0..600 {
                clock.advance(Duration::from_millis(100));
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                // The database answers from another thread.
                while count.0.get() > count.1.get() {
                    tokio::task::yield_now().await;
                }
            }
            count.0.get() - before
        };
        let (lively, idle) = (a_minute().await, a_minute().await);
        listening.abort();
        assert!((30..=62).contains(&lively), "{lively} looks in a lively minute");
        assert!((6..=14).contains(&idle), "{idle} looks in an idle minute");
    });
}
