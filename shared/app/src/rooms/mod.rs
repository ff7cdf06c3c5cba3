//! Rooms: [`LogRooms`] runs them, over a log in a database and with the listeners of this process; [`RemoteRooms`] asks
//! another process that does.
//!
//! Appends of one conversation go one after the other; of different ones, at the same time. Of two processes that append
//! at the same `seq` the log refuses one, which then looks at what the other stored and decides again.

mod follow;
mod listeners;
mod log;
mod outbox;
mod remote;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::answer::Outcome;
use frontdesk_domain::conversation::{Conversation, Message, Seq};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, EventBody, Frame, Live, operators};
use frontdesk_domain::id::{ConversationId, OrgId, SiteId, TurnId, VisitorId, WorkerId};
use frontdesk_domain::room::{Command, Decision, OpenTurn, Refusal, Room, TURN_ATTEMPTS, TURN_LEASE};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Appended, Ctx, DbError, Ports, Replay, Rooms, Rows, Subscription, TurnStart};
use futures_channel::oneshot;
use futures_util::future::select;
use futures_util::lock::Mutex;

use crate::store;
use crate::store::conversations::{self, Stored};
use listeners::{Listeners, Seated};
pub use log::{Alarm, Log, OwnLog};
pub use outbox::create as create_own_log;
pub use remote::{Answer, RemoteRooms, answer, room_name};

/// How many rooms stay in memory; idle ones beyond that are read again when somebody comes.
const ROOMS_IN_MEMORY: usize = 4096;
/// How many when other processes write, too: what is in memory is soon behind then.
const SHARED_ROOMS_IN_MEMORY: usize = 256;
/// How often an append that lost a race is tried again.
const RACES: u32 = 16;
/// After so many lost races an append lets others go first for a moment.
const QUICK_RACES: u32 = 2;
/// The longest such moment, per lost race.
const GIVE_WAY: Duration = Duration::from_millis(20);
/// How long an event waits for others that are copied to the main database with it.
const GATHER: Duration = Duration::from_millis(100);
/// The longest piece of the log that one call gives.
pub const MAX_REPLAY: u32 = 500;

/// How often somebody looks after a turn in progress. Well under the time after which an edge runtime stops work that
/// no request waits for.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Rooms over a log.
#[derive(Clone)]
pub struct LogRooms(Rc<Inner>);

struct Inner {
    ports: Weak<Ports>,
    log: Log,
    worker: WorkerId,
    /// Whether this is the only process on the log: then what is in memory is never behind, and a turn that is open and
    /// not run here was left by a process that is gone.
    exclusive: bool,
    rooms: RefCell<HashMap<(OrgId, ConversationId), Rc<Seat>>>,
    draining: Cell<bool>,
}

/// One room in memory.
#[derive(Default)]
struct Seat {
    /// Held by whoever appends.
    gate: Mutex<()>,
    state: RefCell<Option<Open>>,
    /// Whether a copy of the log is about to begin.
    copying: Cell<bool>,
    /// When something happened last.
    stirred: Cell<Option<Timestamp>>,
    /// When somebody last began to look at what others stored.
    looked: Cell<Option<Timestamp>>,
    /// Whether a listener does.
    looking: Cell<bool>,
    /// Until when the turn of another process was said to be watched from here.
    watched_until: Cell<Option<Timestamp>>,
    /// The turn that is watched from another process.
    watched: Cell<Option<TurnId>>,
}

struct Open {
    room: Room,
    site: SiteId,
    site_name: String,
    visitor: VisitorId,
    listeners: Listeners,
}

impl LogRooms {
    /// Rooms over these ports. `worker` names this process in leases.
    #[must_use]
    pub fn new(ports: Weak<Ports>, log: Log, worker: WorkerId, exclusive: bool) -> Self {
        let rooms = RefCell::new(HashMap::new());
        Self(Rc::new(Inner { ports, log, worker, exclusive, rooms, draining: Cell::new(false) }))
    }

    /// For a room with a log of its own, when its alarm went off: takes up a turn that was left open and copies the log.
    /// Tells when to come again.
    ///
    /// # Errors
    /// When a database is out of reach; the caller comes again soon.
    pub async fn on_alarm(&self) -> Result<Option<Duration>> {
        let ctx = self.ctx()?;
        let Log::Own(own) = &self.0.log else { return Ok(None) };
        let results = own.db.query(vec![store::outbox::select_owner()]).await?;
        let Some(row) = results.first().and_then(Rows::first) else { return Ok(None) };
        let (org, id) = store::outbox::owner(row)?;
        #[expect(clippy::disallowed_methods, reason = "Frontdesk's own work, in the room's own organisation")]
        let scope = TenantScope::authenticated(org, Actor::System);
        let cell = self.open(&ctx, &scope, id).await?;
        while outbox::copy(&ctx, own, &scope, id).await? {}
        let in_progress = cell.state.borrow().as_ref().is_some_and(Open::has_turn);
        Ok(in_progress.then_some(HEARTBEAT))
    }

    /// Takes up, or closes, every turn whose worker is gone. Returns how many rooms it looked at.
    ///
    /// # Errors
    /// When the database is out of reach.
    pub async fn recover(&self) -> Result<usize> {
        let ctx = self.ctx()?;
        let now = if self.0.exclusive { ctx.clock.now().after(TURN_LEASE) } else { ctx.clock.now() };
        let results = ctx.db.query(vec![conversations::select_abandoned(now)]).await?;
        let mut count = 0_usize;
        for row in results.iter().flat_map(|rows| &rows.rows) {
            let (org, id) = conversations::abandoned(row)?;
            #[expect(
                clippy::disallowed_methods,
                reason = "Frontdesk's own turn, in the room's own organisation"
            )]
            let scope = TenantScope::authenticated(org, Actor::System);
            self.open(&ctx, &scope, id).await?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// Ends every listener's stream and begins no new turn: the host is about to stop.
    pub fn drain(&self) {
        self.0.draining.set(true);
    }

    /// Ends every listener's stream; they come back to whoever answers next.
    pub fn disconnect(&self) {
        for cell in self.0.rooms.borrow().values() {
            if let Some(open) = cell.state.borrow_mut().as_mut() {
                open.listeners.close();
            }
        }
    }

    /// How many turns are in progress in this process.
    #[must_use]
    pub fn turns_in_progress(&self) -> usize {
        let rooms = self.0.rooms.borrow();
        rooms.values().filter(|cell| cell.state.borrow().as_ref().is_some_and(Open::has_turn)).count()
    }

    fn ctx(&self) -> Result<Ctx> {
        self.0.ports.upgrade().map(Ctx::new).ok_or_else(|| Error::ours("the host has stopped"))
    }

    fn cell(&self, scope: &TenantScope, id: ConversationId) -> Rc<Seat> {
        let mut rooms = self.0.rooms.borrow_mut();
        let most = if self.0.exclusive { ROOMS_IN_MEMORY } else { SHARED_ROOMS_IN_MEMORY };
        if rooms.len() >= most {
            rooms.retain(|_, cell| Rc::strong_count(cell) > 1 || cell.in_use());
        }
        Rc::clone(rooms.entry((scope.org(), id)).or_default())
    }

    /// The room, read from the log if it is not in memory. A turn that was left open is taken up or closed.
    async fn open(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Result<Rc<Seat>> {
        let cell = self.cell(scope, id);
        let unread = cell.state.borrow().is_none();
        if unread {
            let gate = cell.gate.lock().await;
            self.read(ctx, scope, id, &cell).await?;
            drop(gate);
        }
        cell.check(scope)?;
        Ok(cell)
    }

    /// The room as it is now, whoever else writes. A turn that was left open is taken up or closed.
    async fn open_current(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Result<Rc<Seat>> {
        let known = self.cell(scope, id).state.borrow().is_some();
        let cell = self.open(ctx, scope, id).await?;
        if !known || self.0.exclusive {
            return Ok(cell);
        }
        self.look(ctx, &scope.as_system(), id, &cell).await?;
        // It is read anew where somebody's commit failed meanwhile.
        self.open(ctx, scope, id).await
    }

    /// Reads the room from the log, under its gate.
    async fn read(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, cell: &Seat) -> Result<()> {
        if cell.state.borrow().is_some() {
            return Ok(());
        }
        cell.looked.set(Some(ctx.clock.now()));
        let Some((stored, recent)) = self.0.log.read(ctx, scope, id).await? else {
            self.0.rooms.borrow_mut().remove(&(scope.org(), id));
            return Err(Error::not_found("conversation"));
        };
        *cell.state.borrow_mut() = Some(Open::new(stored, recent));
        self.take_up(ctx, scope, id, cell).await
    }

    /// Takes up a turn whose worker is gone, if there is one.
    async fn take_up(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, cell: &Seat) -> Result<()> {
        let (now, worker, force) = (ctx.clock.now(), self.0.worker, self.0.exclusive);
        let abandoned = {
            let state = cell.state.borrow();
            state.as_ref().and_then(|open| open.room.abandoned(worker, now, force))
        };
        let Some(turn) = abandoned else { return Ok(()) };
        if !self.0.log.store_lease(ctx, scope, id, &turn, turn.attempt.saturating_sub(1)).await? {
            // Somebody else was quicker.
            return Ok(());
        }
        if let Some(open) = cell.state.borrow_mut().as_mut() {
            open.room.heed(&turn);
        }
        self.resume(ctx, scope, id, cell, &turn);
        Ok(())
    }

    /// Goes on with a turn whose worker is gone; one that failed too often is closed.
    fn resume(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, cell: &Seat, turn: &OpenTurn) {
        if turn.attempt <= TURN_ATTEMPTS {
            if let Some(open) = cell.state.borrow().as_ref() {
                self.run(ctx, scope, open.start(id, turn));
            }
            return;
        }
        let finish = Command::Finish {
            turn: turn.turn,
            epoch: turn.epoch,
            outcome: Outcome::Failed,
            reply: None,
            usage: None,
            next: TurnId::new(ctx.clock.now(), ctx.random.entropy()),
        };
        let (rooms, scope) = (self.clone(), scope.as_system());
        ctx.tasks.spawn(
            "close_turn",
            Box::pin(async move {
                if let Err(error) = rooms.append(&scope, id, finish).await {
                    tracing::error!(%error, "a turn that died could not be closed");
                }
            }),
        );
    }

    fn run(&self, ctx: &Ctx, scope: &TenantScope, start: TurnStart) {
        if self.0.draining.get() {
            return;
        }
        let (ctx, scope) = (ctx.clone(), scope.as_system());
        let (tasks, rooms) = (Rc::clone(&ctx.tasks), self.clone());
        let turn = Box::pin(crate::turn::run(ctx.clone(), scope.clone(), start.clone()));
        let work = async move {
            let open = ctx.metrics.turns_open.clone();
            open.inc();
            if rooms.0.exclusive {
                turn.await;
            } else {
                select(turn, pin!(rooms.attend(ctx, scope, start))).await;
            }
            open.dec();
        };
        tasks.spawn("turn", Box::pin(work));
    }

    /// Decides, stores and applies; runs to its end even if whoever asked has gone.
    async fn commit(&self, scope: TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        let ctx = self.ctx()?;
        // What other processes stored is only looked at when it matters: the log refuses a decision that came too late.
        let mut current = self.0.exclusive;
        let mut races = 0_u32;
        loop {
            let cell = self.open(&ctx, &scope, id).await?;
            let gate = cell.gate.lock().await;
            let decided = match cell.state.borrow().as_ref() {
                Some(open) => open.decide(&command, ctx.clock.now(), self.0.worker),
                // Somebody's commit failed meanwhile.
                None => continue,
            };
            let (events, room) = match decided {
                Ok(Decided::Store(events, room)) => (events, room),
                _ if !current => {
                    self.look(&ctx, &scope.as_system(), id, &cell).await?;
                    current = true;
                    continue;
                }
                Ok(Decided::Done(appended)) => return Ok(*appended),
                Err(error) => return Err(error),
            };
            match self.0.log.store(&ctx, &scope, id, &events, room.head()).await {
                Ok(()) => return Ok(self.apply(&ctx, &scope, id, &cell, &events, &room)),
                Err(DbError::Conflict(detail)) => {
                    // Another process wrote, or a message older than those in memory is sent again.
                    if !self.0.exclusive {
                        self.look(&ctx, &scope.as_system(), id, &cell).await?;
                    }
                    // Whoever looked: are there others at this place now?
                    let moved = cell.state.borrow().as_ref().is_some_and(|open| open.has(&events));
                    if !moved {
                        if let Some(appended) = self.0.log.find_repeated(&ctx, &scope, id, &command).await? {
                            return Ok(appended);
                        }
                        cell.forget();
                    }
                    current = true;
                    races = races.saturating_add(1);
                    if races > RACES {
                        return Err(Error::Upstream { service: "database", retryable: true, detail });
                    }
                    if races > QUICK_RACES {
                        let [part, ..] = ctx.random.entropy();
                        let most = GIVE_WAY.saturating_mul(races);
                        ctx.clock.sleep(most.mul_f32(f32::from(part) / f32::from(u8::MAX))).await;
                    }
                }
                Err(error) => {
                    // It may have been stored: what is in memory is not to be trusted any more.
                    cell.forget();
                    return Err(error.into());
                }
            }
            drop(gate);
        }
    }

    fn apply(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        cell: &Rc<Seat>,
        events: &[Rc<Event>],
        next: &Room,
    ) -> Appended {
        let conversation = next.head().conversation.clone();
        cell.stir(ctx.clock.now());
        let mut started = None;
        if let Some(open) = cell.state.borrow_mut().as_mut() {
            for event in events {
                // Into the room as it is now: an answer in progress went on while the events were being stored; and
                // somebody may have looked and seen them already.
                if event.seq > open.room.head().conversation.last_seq {
                    open.room.apply(event, self.0.worker);
                    open.listeners.send(&Frame::Event(Rc::clone(event)));
                }
                match &event.body {
                    EventBody::TurnStarted { turn, .. } => {
                        let open_turn = open.room.head().turn.as_ref().filter(|open| open.turn == *turn);
                        started = open_turn.map(|turn| open.start(id, turn));
                    }
                    EventBody::TurnFinished { outcome, .. } => {
                        ctx.metrics.turns.get_or_create(&[("outcome", outcome.name())]).inc();
                    }
                    _ => {}
                }
            }
        }
        match started {
            Some(start) => self.run(ctx, scope, start),
            None if !cell.state.borrow().as_ref().is_some_and(Open::has_turn) => {
                self.copy(ctx, scope, id, cell);
            }
            // The end of the turn copies what comes in meanwhile.
            None => {}
        }
        let receipt = events.iter().find_map(|event| match &event.body {
            EventBody::MessageCreated { message } => {
                Some(frontdesk_domain::room::Receipt { seq: event.seq, message: message.clone() })
            }
            _ => None,
        });
        Appended { events: events.to_vec(), receipt, deduplicated: false, conversation }
    }

    /// Copies a log of the room's own, so that inbox and search know soon; when this fails, the alarm does.
    fn copy(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, cell: &Rc<Seat>) {
        let Log::Own(own) = self.0.log.clone() else { return };
        if cell.copying.replace(true) {
            return;
        }
        let (tasks, ctx, scope, cell) =
            (Rc::clone(&ctx.tasks), ctx.clone(), scope.as_system(), Rc::clone(cell));
        tasks.spawn(
            "copy_log",
            Box::pin(async move {
                ctx.clock.sleep(GATHER).await;
                // What is stored from now on is for the next copy.
                cell.copying.set(false);
                if let Err(error) = outbox::copy(&ctx, &own, &scope, id).await {
                    tracing::warn!(%error, "a log was not copied yet");
                }
            }),
        );
    }

    /// Prolongs the turn's lease when half of it has gone.
    fn sign_of_life(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, room: &mut Room) {
        let now = ctx.clock.now();
        let Some(turn) = room.renew_lease(now) else { return };
        let (ctx, log, scope) = (ctx.clone(), self.0.log.clone(), scope.clone());
        let tasks = Rc::clone(&ctx.tasks);
        tasks.spawn(
            "renew_lease",
            Box::pin(async move {
                if let Err(error) = log.store_lease(&ctx, &scope, id, &turn, turn.attempt).await {
                    tracing::warn!(%error, "a lease was not prolonged");
                }
            }),
        );
    }
}

enum Decided {
    Done(Box<Appended>),
    Store(Vec<Rc<Event>>, Box<Room>),
}

impl Open {
    fn new(stored: Stored, recent: impl IntoIterator<Item = (Seq, Rc<Message>)>) -> Self {
        Self {
            room: Room::restore(stored.head, recent),
            site: stored.site,
            site_name: stored.site_name,
            visitor: stored.visitor,
            listeners: Listeners::default(),
        }
    }

    fn has_turn(&self) -> bool {
        self.room.head().turn.is_some()
    }

    /// Whether the room has events at the places of these.
    fn has(&self, events: &[Rc<Event>]) -> bool {
        events.first().is_some_and(|event| event.seq <= self.room.head().conversation.last_seq)
    }

    /// What a command leads to, and the room as it is afterwards.
    fn decide(&self, command: &Command, now: Timestamp, worker: WorkerId) -> Result<Decided> {
        let conversation = || self.room.head().conversation.clone();
        let done = |receipt, deduplicated| {
            let events = Vec::new();
            Decided::Done(Box::new(Appended { events, receipt, deduplicated, conversation: conversation() }))
        };
        Ok(match self.room.decide(command, now).map_err(refused)? {
            Decision::Nothing => done(None, false),
            Decision::Duplicate(receipt) => done(Some(receipt), true),
            Decision::Commit(events) => {
                let mut next = self.room.clone();
                for event in &events {
                    next.apply(event, worker);
                }
                Decided::Store(events, Box::new(next))
            }
        })
    }

    fn start(&self, conversation: ConversationId, turn: &OpenTurn) -> TurnStart {
        TurnStart {
            conversation,
            turn: turn.turn,
            epoch: turn.epoch,
            answers: turn.answers,
            attempt: turn.attempt,
            site: self.site_name.clone(),
            history: self.room.recent().filter(|(seq, _)| *seq <= turn.answers).cloned().collect(),
        }
    }
}

impl Seat {
    fn in_use(&self) -> bool {
        self.state.borrow().as_ref().is_some_and(|open| open.has_turn() || !open.listeners.is_empty())
    }

    /// Whose it is: a visitor reaches its own conversations only.
    fn check(&self, scope: &TenantScope) -> Result<()> {
        let state = self.state.borrow();
        let open = state.as_ref().ok_or_else(forgotten)?;
        match scope.actor() {
            Actor::Visitor { site, visitor } if *site != open.site || *visitor != open.visitor => {
                Err(Error::not_found("conversation"))
            }
            Actor::Visitor { .. } | Actor::User { .. } | Actor::System => Ok(()),
        }
    }

    /// Drops what is in memory. Listeners come back with their last `seq`.
    fn forget(&self) {
        if let Some(mut open) = self.state.borrow_mut().take() {
            open.listeners.close();
        }
    }
}

const CLOSED: &str = "the conversation is closed";
const CROWDED: &str = "you are connected to this conversation too often";
const FENCED: &str = "somebody else may speak now";

/// It was dropped from memory by a commit that failed; whoever asks again finds it.
fn forgotten() -> Error {
    let detail = "the room is to be read anew".to_owned();
    Error::Upstream { service: "database", retryable: true, detail }
}

/// A room's refusal as the caller's error.
fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Closed => CallerError::Conflict(CLOSED).into(),
        Refusal::Fenced { .. } => CallerError::Conflict(FENCED).into(),
        Refusal::Stale { epoch } => CallerError::Stale { current: epoch }.into(),
        Refusal::ClientIdReused => {
            Error::invalid("/client_id", "this client_id was used for another message")
        }
        Refusal::SeqOutOfRange { last } => Error::invalid("/seq", format!("must be from 0 to {last}")),
    }
}

#[async_trait(?Send)]
impl Rooms for LogRooms {
    async fn create(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation> {
        let ctx = self.ctx()?;
        let stored = begin(&ctx, scope, id).await?;
        let conversation = stored.head.conversation.clone();
        // The first message finds the room in memory.
        let cell = self.cell(scope, id);
        cell.looked.set(Some(ctx.clock.now()));
        *cell.state.borrow_mut() = Some(Open::new(stored, []));
        Ok(conversation)
    }

    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
        latest(&self.ctx()?, scope, visitor).await
    }

    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        // The commit must not be dropped half-way when the client goes.
        let (answer, answered) = oneshot::channel();
        let (rooms, scope) = (self.clone(), scope.clone());
        self.ctx()?.tasks.spawn(
            "append",
            Box::pin(async move {
                // Whoever asked may be gone; what was stored stays.
                let _ = answer.send(rooms.commit(scope, id, command).await);
            }),
        );
        answered.await.map_err(|_| Error::ours("the append was dropped"))?
    }

    async fn replay(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Replay> {
        let ctx = self.ctx()?;
        let cell = self.open_current(&ctx, scope, id).await?;
        let conversation = {
            let state = cell.state.borrow();
            let open = state.as_ref().ok_or_else(forgotten)?;
            open.room.join(after).map_err(after_out_of_range)?;
            open.room.head().conversation.clone()
        };
        let upto = conversation.last_seq;
        let mut events = self.0.log.page(&ctx, scope, id, after, limit.min(MAX_REPLAY)).await?;
        // What was stored after the head was read is for the next call: `last_seq` must not lie behind.
        events.retain(|event| event.seq <= upto);
        Ok(Replay { events: for_actor(scope, events), conversation })
    }

    async fn subscribe(&self, scope: &TenantScope, id: ConversationId, after: Seq) -> Result<Subscription> {
        let ctx = self.ctx()?;
        let mut cell = self.open(&ctx, scope, id).await?;
        // Who has seen more than this process was told by another one. Otherwise the stream itself catches up.
        let knows = |open: &Open| open.room.join(after).is_ok();
        if !cell.state.borrow().as_ref().is_some_and(knows) {
            cell = self.open_current(&ctx, scope, id).await?;
        }
        let (conversation, participants, joined, live) = {
            let mut state = cell.state.borrow_mut();
            let open = state.as_mut().ok_or_else(forgotten)?;
            let joined = open.room.join(after).map_err(after_out_of_range)?;
            // From here on nothing is missed: what is stored up to `last_seq` is read, the rest comes live.
            let live = open.listeners.add(scope.actor())?;
            let present = open.listeners.present();
            let participants = match scope.actor() {
                Actor::Visitor { .. } => operators(present),
                Actor::User { .. } | Actor::System => present.to_vec(),
            };
            (open.room.head().conversation.clone(), participants, joined, live)
        };
        cell.stir(ctx.clock.now());
        let frames = self.stream(ctx, scope, id, after, Seated { joined, live, seat: &cell });
        Ok(Subscription { conversation, participants, frames })
    }

    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()> {
        let ctx = self.ctx()?;
        let cell = self.open(&ctx, scope, id).await?;
        let mut state = cell.state.borrow_mut();
        let open = state.as_mut().ok_or_else(forgotten)?;
        let typing = Frame::Live(Rc::new(Live::Typing { by: scope.actor().author(), on }));
        open.listeners.send_except(Some(scope.actor()), &typing);
        Ok(())
    }

    async fn say(&self, scope: &TenantScope, start: &TurnStart, text: &str) -> Result<()> {
        let ctx = self.ctx()?;
        let cell = self.open(&ctx, scope, start.conversation).await?;
        let mut state = cell.state.borrow_mut();
        let open = state.as_mut().ok_or_else(forgotten)?;
        let delta = open.room.say(start.turn, start.epoch, text).map_err(refused)?;
        if !open.runs(start, self.0.worker) {
            // It was taken up by somebody else, who says everything anew.
            return Err(CallerError::Conflict(FENCED).into());
        }
        open.listeners.send(&Frame::Live(Rc::new(Live::Delta(delta))));
        self.sign_of_life(&ctx, scope, start.conversation, &mut open.room);
        Ok(())
    }

    async fn unsay(&self, scope: &TenantScope, start: &TurnStart) -> Result<()> {
        let ctx = self.ctx()?;
        let cell = self.open(&ctx, scope, start.conversation).await?;
        let mut state = cell.state.borrow_mut();
        let open = state.as_mut().ok_or_else(forgotten)?;
        open.room.unsay(start.turn, start.epoch).map_err(refused)
    }
}

/// Stores a new conversation of the visitor in the main database.
async fn begin(ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Result<Stored> {
    let Actor::Visitor { site, visitor } = scope.actor() else {
        return Err(CallerError::Forbidden("a conversation is begun by a visitor").into());
    };
    let insert = conversations::insert(scope, id, *site, *visitor, ctx.clock.now());
    // Read back in the same round trip.
    let results = ctx.db.batch(vec![insert, conversations::select(scope, id)]).await?;
    let row = results.get(1).and_then(Rows::first).ok_or_else(|| Error::not_found("site"))?;
    Ok(conversations::stored(row)?)
}

/// The visitor's latest conversation that is not closed, as the main database knows it.
async fn latest(ctx: &Ctx, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
    let results = ctx.db.query(vec![conversations::select_latest(scope, visitor)]).await?;
    let row = results.first().and_then(Rows::first);
    Ok(row.map(conversations::stored).transpose()?.map(|stored| stored.head.conversation))
}

fn after_out_of_range(refusal: Refusal) -> Error {
    match refusal {
        Refusal::SeqOutOfRange { last } => Error::invalid("?after", format!("must be from 0 to {last}")),
        other => refused(other),
    }
}

/// The events as this actor may see them.
fn for_actor(scope: &TenantScope, events: Vec<Rc<Event>>) -> Vec<Rc<Event>> {
    match scope.actor() {
        Actor::Visitor { .. } => events.iter().map(Event::for_visitor).collect(),
        Actor::User { .. } | Actor::System => events,
    }
}
