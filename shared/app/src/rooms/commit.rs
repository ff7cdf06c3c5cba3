//! Appending: decide, store, apply. One at a time in a room, and always on what is stored.

use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, EventBody, Frame};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::{Command, Decision, Receipt, Room, TURN_LEASE, TurnEnd, TurnToken};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Appended, Ctx, DbError};
use futures_channel::oneshot;

use super::cache::{Open, RoomEntry};
use super::{KEPT_ELSEWHERE, Log, LogRooms, outbox, refused};

/// How often an append that lost a race is tried again.
const RACES: u32 = 16;
/// After so many lost races an append lets others go first for a moment.
const QUICK_RACES: u32 = 2;
/// The longest such moment, per lost race.
const GIVE_WAY: Duration = Duration::from_millis(20);
/// How long an event waits for others that are copied to the main database with it.
const GATHER: Duration = Duration::from_millis(100);

/// What is appended.
#[derive(Clone)]
pub enum Appending {
    /// What a client asks.
    Command(Command),
    /// The end of a run.
    Finish(TurnEnd),
}

enum Decided {
    Done(Box<Appended>),
    Store(Vec<Rc<Event>>, Box<Room>),
}

impl Appending {
    const fn run(&self) -> Option<&TurnToken> {
        match self {
            Self::Command(_) => None,
            Self::Finish(end) => Some(&end.token),
        }
    }

    /// What it leads to in this room.
    fn decide(&self, open: &Open, now: Timestamp) -> Result<Decision> {
        match self {
            Self::Command(command) => open.room.decide(command, now).map_err(refused),
            Self::Finish(end) => open.room.finish(end, now).map(Decision::Commit).map_err(refused),
        }
    }
}

impl LogRooms {
    /// Appends in a task of its own: a commit must not be dropped half-way when the client goes.
    pub(super) async fn ask(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        ask: Appending,
    ) -> Result<Appended> {
        let (answer, answered) = oneshot::channel();
        let (rooms, scope) = (self.clone(), scope.clone());
        self.ctx()?.tasks.spawn(
            "append",
            Box::pin(async move {
                // The client may be gone; what was stored stays.
                let _ = answer.send(rooms.commit(scope, id, ask).await);
            }),
        );
        answered.await.map_err(|_| Error::ours("the append was dropped"))?
    }

    async fn commit(&self, scope: TenantScope, id: ConversationId, ask: Appending) -> Result<Appended> {
        let ctx = self.ctx()?;
        // What other processes stored is only read when it matters: the log refuses a decision that came too late.
        let mut current = self.0.exclusive;
        let mut races = 0_u32;
        loop {
            let entry = self.open(&ctx, &scope, id).await?;
            let gate = entry.gate.lock().await;
            if entry.stale.get() {
                // Another append failed meanwhile.
                continue;
            }
            let decided = match entry.state.borrow().as_ref() {
                Some(open) => self.decide(open, &ask, ctx.clock.now()),
                None => continue,
            };
            let (events, room) = match decided {
                Ok(Decided::Store(events, room)) => (events, room),
                _ if !current => {
                    self.catch_up(&ctx, &scope.as_system(), id, &entry).await?;
                    current = true;
                    continue;
                }
                Ok(Decided::Done(appended)) => return Ok(*appended),
                Err(error) => return Err(error),
            };
            match self.0.log.store(&ctx, &scope, id, &events, room.head(), ask.run()).await {
                Ok(()) => return Ok(self.apply(&ctx, &scope, id, &entry, &events, &room)),
                Err(DbError::Conflict(detail)) => {
                    // Another process wrote, the run is over, or a message older than those in memory is sent again.
                    self.catch_up(&ctx, &scope.as_system(), id, &entry).await?;
                    let moved = entry.state.borrow().as_ref().is_some_and(|open| open.has(&events));
                    if !moved
                        && let Appending::Command(command) = &ask
                        && let Some(appended) = self.0.log.find_repeated(&ctx, &scope, id, command).await?
                    {
                        return Ok(appended);
                    }
                    current = true;
                    races = races.saturating_add(1);
                    if races > RACES {
                        return Err(Error::Upstream { service: "database", retryable: true, detail });
                    }
                    drop(gate);
                    self.give_way(&ctx, races).await;
                }
                Err(error) => {
                    // It may be stored.
                    entry.stale.set(true);
                    return Err(error.into());
                }
            }
        }
    }

    fn decide(&self, open: &Open, ask: &Appending, now: Timestamp) -> Result<Decided> {
        let conversation = || open.room.head().conversation.clone();
        let done = |receipt, deduplicated| {
            let events = Vec::new();
            Decided::Done(Box::new(Appended { events, receipt, deduplicated, conversation: conversation() }))
        };
        if !self.0.log.keeps(&open.log_owner) {
            return Err(CallerError::Conflict(KEPT_ELSEWHERE).into());
        }
        Ok(match ask.decide(open, now)? {
            Decision::Nothing => done(None, false),
            Decision::Duplicate(receipt) => done(Some(receipt), true),
            Decision::Commit(events) => {
                let mut next = open.room.clone();
                for event in &events {
                    self.fold(&mut next, event, now);
                }
                Decided::Store(events, Box::new(next))
            }
        })
    }

    /// Folds an event of this process in. A turn that begins while the process stops is left to others at once.
    fn fold(&self, room: &mut Room, event: &Event, now: Timestamp) {
        room.apply(event, self.0.worker);
        if matches!(event.body, EventBody::TurnStarted { .. }) {
            room.lease(if self.0.draining.get() { now } else { now.after(TURN_LEASE) });
        }
    }

    async fn give_way(&self, ctx: &Ctx, races: u32) {
        if races > QUICK_RACES {
            let [part, ..] = ctx.random.entropy();
            let most = GIVE_WAY.saturating_mul(races);
            ctx.clock.sleep(most.mul_f32(f32::from(part) / f32::from(u8::MAX))).await;
        }
    }

    /// Takes in what was just stored. No await: between the commit and the begin of a run nothing may come.
    fn apply(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &Rc<RoomEntry>,
        events: &[Rc<Event>],
        next: &Room,
    ) -> Appended {
        let conversation = next.head().conversation.clone();
        let now = ctx.clock.now();
        entry.stirred.set(Some(now));
        if let Some(open) = entry.state.borrow_mut().as_mut() {
            for event in events {
                // Into the room as it is now: an answer in progress went on while the events were being stored.
                if event.seq > open.last_seq() {
                    self.fold(&mut open.room, event, now);
                    open.listeners.send(&Frame::Event(Rc::clone(event)));
                }
                if let EventBody::TurnFinished { turn, outcome, .. } = &event.body {
                    ctx.metrics.turns.get_or_create(&[("outcome", outcome.name())]).inc();
                    self.0.runs.stop(&(scope.org(), id), *turn);
                }
            }
        }
        if events.iter().any(|event| matches!(event.body, EventBody::TurnStarted { .. })) {
            self.begin_run(ctx, scope, id, entry);
        } else if !entry.state.borrow().as_ref().is_some_and(Open::has_turn) {
            // Otherwise the end of the turn copies what comes in meanwhile.
            self.copy(ctx, scope, id, entry);
        }
        let receipt = events.iter().find_map(|event| match &event.body {
            EventBody::MessageCreated { message } => {
                Some(Receipt { seq: event.seq, message: message.clone() })
            }
            _ => None,
        });
        Appended { events: events.to_vec(), receipt, deduplicated: false, conversation }
    }

    /// Copies a log of the room's own, so that inbox and search know soon; when this fails, the alarm does.
    fn copy(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, entry: &Rc<RoomEntry>) {
        let Log::Own(own) = self.0.log.clone() else { return };
        if entry.copying.replace(true) {
            return;
        }
        let (tasks, ctx, scope, entry) =
            (Rc::clone(&ctx.tasks), ctx.clone(), scope.as_system(), Rc::clone(entry));
        tasks.spawn(
            "copy_log",
            Box::pin(async move {
                ctx.clock.sleep(GATHER).await;
                // What is stored from now on is for the next copy.
                entry.copying.set(false);
                if let Err(error) = outbox::copy(&ctx, &own, &scope, id).await {
                    tracing::warn!(%error, "a log was not copied yet");
                }
            }),
        );
    }
}
