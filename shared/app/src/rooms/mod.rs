//! Rooms: [`LogRooms`] runs them, over a log in a database and with the listeners of this process; [`RemoteRooms`] asks
//! another process that does.
//!
//! Appends of one conversation go one after the other; of different ones, at the same time. Of two processes that append
//! at the same `seq` the log refuses one, which then reads what the other stored and decides again.

mod cache;
mod commit;
mod leases;
mod listeners;
mod log;
mod outbox;
mod poll;
mod remote;
mod run;
mod turns;

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::conversation::{Channel, Conversation, Seq};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, Frame, Live, operators};
use frontdesk_domain::id::{ConversationId, VisitorId, WorkerId};
use frontdesk_domain::room::{Command, Refusal, RoomHead};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{Appended, Ctx, Ports, Replay, Rooms, Rows, Subscription};

use crate::store;
use crate::store::conversations::{self, Stored};
use cache::{Open, RoomCache, RoomEntry, unread};
use commit::Appending;
use listeners::ListenerPlace;
pub use log::{Alarm, Log, OwnLog};
use outbox::Copied;
pub use outbox::create as create_own_log;
use poll::Pollers;
pub use remote::{RemoteRooms, RoomAnswer, answer, room_name};
use run::Runs;
pub use run::{TurnRun, TurnStart};

/// How many rooms that are not in use stay in memory; others are read again when they are called.
const ROOMS_IN_MEMORY: usize = 4096;
/// How many when other processes write, too: what is in memory is soon behind then.
const SHARED_ROOMS_IN_MEMORY: usize = 256;
/// The longest piece of the log that one call gives.
pub const MAX_REPLAY: u32 = 500;
/// How often an object with a turn in progress is woken. Well under the time after which an edge runtime stops work that
/// no request waits for.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How long an object waits that was refused a copy: a person has to look into it.
const REFUSED: Duration = Duration::from_secs(600);

/// Rooms over a log.
#[derive(Clone)]
pub struct LogRooms(Rc<Shared>);

struct Shared {
    ports: Weak<Ports>,
    log: Log,
    worker: WorkerId,
    /// Whether this is the only process on the log: then what is in memory is never behind, and a turn that is open and
    /// has no run here was left by a process that is gone.
    exclusive: bool,
    cache: RoomCache,
    runs: Rc<Runs>,
    pollers: Pollers,
    draining: Cell<bool>,
}

impl LogRooms {
    /// Rooms over these ports. `worker` names this process in leases.
    #[must_use]
    pub fn new(ports: Weak<Ports>, log: Log, worker: WorkerId, exclusive: bool) -> Self {
        Self(Rc::new(Shared {
            ports,
            log,
            worker,
            exclusive,
            cache: RoomCache::new(
                if exclusive { ROOMS_IN_MEMORY } else { SHARED_ROOMS_IN_MEMORY },
                exclusive,
            ),
            runs: Rc::default(),
            pollers: Pollers::default(),
            draining: Cell::new(false),
        }))
    }

    /// For a room with a log of its own, when its alarm went off: takes up a turn that has no run and copies the log. Tells
    /// when to come again.
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
        self.see_to(&ctx, &scope, id).await?;
        let copied = loop {
            match outbox::copy(&ctx, own, &scope, id).await? {
                Copied::Part => {}
                other => break other,
            }
        };
        let entry = self.0.cache.entry((org, id));
        let in_progress = entry.state.borrow().as_ref().is_some_and(Open::has_turn);
        Ok(match copied {
            _ if in_progress => Some(HEARTBEAT),
            Copied::Refused => Some(REFUSED),
            Copied::Part | Copied::All => None,
        })
    }

    /// Begins no new turn, and leaves those that begin to others: the host is about to stop.
    pub fn drain(&self) {
        self.0.draining.set(true);
    }

    /// Ends every listener's stream; they come back to the process that answers next.
    pub fn disconnect(&self) {
        self.0.cache.close_listeners();
    }

    /// How many turns this process runs.
    #[must_use]
    pub fn turns_in_progress(&self) -> usize {
        self.0.runs.len()
    }

    fn ctx(&self) -> Result<Ctx> {
        self.0.ports.upgrade().map(Ctx::new).ok_or_else(|| Error::ours("the host has stopped"))
    }

    /// The room, read from the log if it is not in memory, or if a write failed whose fate is unknown. A turn without a run
    /// is taken up.
    async fn open(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Result<Rc<RoomEntry>> {
        let entry = self.0.cache.entry((scope.org(), id));
        if entry.state.borrow().is_none() || entry.stale.get() {
            let _gate = entry.gate.lock().await;
            let known = entry.state.borrow().is_some();
            if !known {
                self.read(ctx, scope, id, &entry).await?;
            } else if entry.stale.get() {
                self.catch_up(ctx, scope, id, &entry).await?;
                entry.stale.set(false);
            }
            if let Err(error) = self.take_up(ctx, scope, id, &entry).await {
                // Later: by the next caller, or the watch over abandoned turns.
                tracing::warn!(conversation = %id, %error, "a turn that was left open was not taken up");
            }
        }
        entry.check(scope)?;
        Ok(entry)
    }

    /// The room as it is now, whichever process wrote last.
    async fn open_current(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
    ) -> Result<Rc<RoomEntry>> {
        let known =
            self.0.cache.known(&(scope.org(), id)).is_some_and(|entry| entry.state.borrow().is_some());
        let entry = self.open(ctx, scope, id).await?;
        if known && !self.0.exclusive {
            self.refresh(ctx, &scope.as_system(), id, &entry).await?;
        }
        Ok(entry)
    }

    /// Reads the room from the log; under its gate.
    async fn read(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &RoomEntry,
    ) -> Result<()> {
        let Some((stored, recent)) = self.0.log.read(ctx, scope, id).await? else {
            self.0.cache.remove(&(scope.org(), id));
            return Err(Error::not_found("conversation"));
        };
        *entry.state.borrow_mut() = Some(Open::new(stored, recent));
        entry.stale.set(false);
        Ok(())
    }
}

const CLOSED: &str = "the conversation is closed";
const CROWDED: &str = "you are connected to this conversation too often";
const FENCED: &str = "another speaker may speak now";
const KEPT_ELSEWHERE: &str = "another deployment on this database keeps this conversation; a host on Spin can be told of it by ROOMS_URL";

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
        Refusal::Field { field, why } => Error::invalid(format!("/{field}"), why),
    }
}

#[async_trait(?Send)]
impl Rooms for LogRooms {
    async fn create(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        channel: Channel,
    ) -> Result<Conversation> {
        let ctx = self.ctx()?;
        let stored = begin(&ctx, scope, id, channel).await?;
        let conversation = stored.head.conversation.clone();
        // The first message finds the room in memory.
        let entry = self.0.cache.entry((scope.org(), id));
        entry.state.borrow_mut().get_or_insert_with(|| Open::new(stored, []));
        Ok(conversation)
    }

    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
        latest(&self.ctx()?, scope, visitor).await
    }

    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        self.ask(scope, id, Appending::Command(command)).await
    }

    async fn replay(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Replay> {
        let ctx = self.ctx()?;
        let entry = self.open_current(&ctx, scope, id).await?;
        let conversation = {
            let state = entry.state.borrow();
            let open = state.as_ref().ok_or_else(unread)?;
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
        let mut entry = self.open(&ctx, scope, id).await?;
        // A client that has seen more than this process was told by another one. Otherwise the poller catches up.
        let knows = |open: &Open| open.room.join(after).is_ok();
        if !entry.state.borrow().as_ref().is_some_and(knows) {
            entry = self.open_current(&ctx, scope, id).await?;
        }
        let (conversation, participants, joined, live) = {
            let mut state = entry.state.borrow_mut();
            let open = state.as_mut().ok_or_else(unread)?;
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
        entry.stirred.set(Some(ctx.clock.now()));
        let frames = self.stream(ctx, scope, id, after, ListenerPlace { joined, live, entry: &entry });
        Ok(Subscription { conversation, participants, frames })
    }

    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()> {
        let ctx = self.ctx()?;
        let entry = self.open(&ctx, scope, id).await?;
        let mut state = entry.state.borrow_mut();
        let open = state.as_mut().ok_or_else(unread)?;
        let typing = Frame::Live(Rc::new(Live::Typing { by: scope.actor().author(), on }));
        open.listeners.send_except(Some(scope.actor()), &typing);
        Ok(())
    }
}

/// Stores a new conversation of the visitor in the main database.
async fn begin(ctx: &Ctx, scope: &TenantScope, id: ConversationId, channel: Channel) -> Result<Stored> {
    let Actor::Visitor { site, visitor } = scope.actor() else {
        return Err(CallerError::Forbidden("a conversation is begun by a visitor").into());
    };
    let head = RoomHead::new(id, channel, ctx.clock.now());
    let insert = conversations::insert(scope, *site, *visitor, &head);
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
