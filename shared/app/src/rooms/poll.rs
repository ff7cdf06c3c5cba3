//! Following what other processes store. The log tells no process, so each polls: the feed of every organisation that has
//! a listener or a running turn here, often while something happens and seldom while nothing does. What it finds there
//! says which rooms are to be read.
//!
//! Polling belongs to the process and not to any listener: a client that stops reading holds nothing up.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::conversation::AuthorKind;
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{EventBody, Frame, Live};
use frontdesk_domain::id::{ConversationId, Entropy, OrgId, TurnId, WorkerId};
use frontdesk_domain::room::OpenTurn;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, Rows, caught};

use super::cache::{Open, RoomEntry};
use super::log::News;
use super::{LogRooms, MAX_REPLAY};
use crate::feed::{FeedEntry, MAX_PAGE, Position};
use crate::store;
use crate::store::live_answers::{self, LiveAnswer};

/// How often a poller wakes, and how often it polls while a turn is in progress: 200 times a minute.
const IN_A_TURN: Duration = Duration::from_millis(300);
/// How often when something happened lately: 60 times a minute.
const LIVELY: Duration = Duration::from_secs(1);
/// How long that counts.
const LATELY: Duration = Duration::from_secs(60);
/// How often otherwise: 12 times a minute.
const IDLE: Duration = Duration::from_secs(5);
/// How long a turn of another process is watched when a poll says so.
const WATCHED: Duration = Duration::from_secs(6);
/// What is left of that when it is said again.
const SAY_AGAIN: Duration = Duration::from_secs(3);

/// The pollers of this process, one for each organisation that needs one.
#[derive(Default)]
pub struct Pollers(RefCell<HashMap<OrgId, Rc<Poller>>>);

#[derive(Default)]
struct Poller {
    /// Up to where the feed was read; none yet when it is new.
    position: Cell<Option<Position>>,
    /// When it was read last.
    polled: Cell<Option<Timestamp>>,
    /// The rooms that are followed.
    rooms: RefCell<BTreeMap<ConversationId, Followed>>,
}

struct Followed {
    entry: Rc<RoomEntry>,
    /// Whether it is to be read, whatever the feed says.
    behind: bool,
    /// Until when the turn of another process was said to be watched from here.
    watched_until: Option<Timestamp>,
    /// What of a turn of this process was stored for those who watch it elsewhere.
    told: Option<(TurnId, usize)>,
}

/// What one poll asks beside the feed.
#[derive(Default)]
struct Questions {
    /// Rooms with a turn whose words may be stored, or wanted, elsewhere.
    answers: Vec<ConversationId>,
    /// Turns of other processes that are watched from here.
    watch: Vec<(ConversationId, TurnId)>,
}

impl Open {
    /// The turn in progress, if another process runs it.
    fn elsewhere(&self, worker: WorkerId) -> Option<&OpenTurn> {
        self.room.head().turn.as_ref().filter(|turn| turn.worker != worker)
    }

    /// Takes in what others stored, and tells listeners. Whether there was an event.
    fn take(&mut self, news: &News, worker: WorkerId) -> bool {
        let stored = news.stored.head.turn.as_ref();
        let mut any = false;
        for event in &news.events {
            if event.seq <= self.last_seq() {
                continue;
            }
            any = true;
            if let EventBody::MessageCreated { message } = &event.body
                && message.author.kind == AuthorKind::Ai
            {
                self.take_words(&message.text, worker);
            }
            self.room.apply(event, stored.map_or_else(unknown_worker, |turn| turn.worker));
            self.listeners.send(&Frame::Event(Rc::clone(event)));
        }
        if self.caught_up_with(news) {
            self.log_owner.clone_from(&news.stored.log_owner);
            if let Some(stored) = stored {
                self.room.note_turn(stored);
                if stored.worker != worker {
                    // As its worker says it: one that stops gives its lease up.
                    self.room.lease(stored.lease_until);
                }
            }
        }
        any
    }

    fn caught_up_with(&self, news: &News) -> bool {
        self.last_seq() == news.stored.head.conversation.last_seq
    }

    /// A turn that another process runs has said this so far; listeners get what they do not have.
    fn take_words(&mut self, text: &str, worker: WorkerId) {
        let Some(run) = self.elsewhere(worker).map(OpenTurn::token) else { return };
        let rest = match text.strip_prefix(self.room.answer()) {
            Some(rest) => rest,
            None if self.room.unsay(&run).is_ok() => text,
            None => return,
        };
        if !rest.is_empty()
            && let Ok(delta) = self.room.say(&run, rest)
        {
            self.listeners.send(&Frame::Live(Rc::new(Live::Delta(delta))));
        }
    }
}

/// The worker of a turn that was over before it was read.
fn unknown_worker() -> WorkerId {
    WorkerId::new(Timestamp::from_millis(0), Entropy::default())
}

impl LogRooms {
    /// Reads what was stored since the room was read, by whichever process. Under the room's gate or beside an append: what
    /// both find is folded in once.
    pub(super) async fn catch_up(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &RoomEntry,
    ) -> Result<()> {
        loop {
            let Some(after) = entry.state.borrow().as_ref().map(Open::last_seq) else { return Ok(()) };
            let news = self.0.log.news(ctx, scope, id, after).await?;
            let mut state = entry.state.borrow_mut();
            let Some(open) = state.as_mut() else { return Ok(()) };
            if open.take(&news, self.0.worker) {
                entry.stirred.set(Some(ctx.clock.now()));
            }
            if let Some(run) = self.0.runs.of(&(scope.org(), id))
                && open.room.head().turn.as_ref().is_none_or(|turn| turn.turn != run.turn)
            {
                self.0.runs.stop(&(scope.org(), id), run.turn);
            }
            if open.caught_up_with(&news) || news.events.len() < MAX_REPLAY as usize {
                return Ok(());
            }
        }
    }

    /// Follows a room that is listened to here, or whose turn runs here, until neither is so.
    pub(super) fn follow(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, entry: &Rc<RoomEntry>) {
        let org = scope.org();
        let (poller, new) = {
            let mut pollers = self.0.pollers.0.borrow_mut();
            let new = !pollers.contains_key(&org);
            (Rc::clone(pollers.entry(org).or_default()), new)
        };
        poller.rooms.borrow_mut().entry(id).or_insert_with(|| Followed {
            entry: Rc::clone(entry),
            behind: true,
            watched_until: None,
            told: None,
        });
        if new {
            let (rooms, ctx, scope) = (self.clone(), ctx.clone(), scope.as_system());
            let tasks = Rc::clone(&ctx.tasks);
            tasks.spawn_detached("poll_feed", Box::pin(async move { rooms.poll(ctx, scope, poller).await }));
        }
    }

    async fn poll(&self, ctx: Ctx, scope: TenantScope, poller: Rc<Poller>) {
        let mut failures = 0_u32;
        loop {
            ctx.clock.sleep(IN_A_TURN.saturating_mul(failures.clamp(1, 16))).await;
            let org = scope.org();
            poller
                .rooms
                .borrow_mut()
                .retain(|id, room| room.entry.is_listened_to() || self.0.runs.of(&(org, *id)).is_some());
            if poller.rooms.borrow().is_empty() {
                // Nothing can come between: the next one who listens begins a new poller.
                self.0.pollers.0.borrow_mut().remove(&org);
                return;
            }
            let polled = caught(self.poll_once(&ctx, &scope, &poller)).await;
            failures = match polled {
                Ok(Ok(())) => 0,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what other processes stored could not be read");
                    failures.saturating_add(1)
                }
                Err(cause) => {
                    ctx.metrics.supervision.died("poll_feed", &cause, ctx.clock.now());
                    failures.saturating_add(1)
                }
            };
        }
    }

    async fn poll_once(&self, ctx: &Ctx, scope: &TenantScope, poller: &Poller) -> Result<()> {
        let now = ctx.clock.now();
        match poller.position.get() {
            None => {
                // What is stored up to here is found when the rooms are read; what comes after, in the feed.
                let results = ctx.db.query(vec![store::feed::select_last(scope)]).await?;
                let last = results.first().and_then(Rows::first).map(|row| row.count(0)).transpose()?;
                poller.position.set(Some(last.unwrap_or(0)));
                poller.polled.set(Some(now));
            }
            Some(position) if poller.is_due(now) => {
                poller.polled.set(Some(now));
                self.read_feed(ctx, scope, poller, position).await?;
            }
            Some(_) => {}
        }
        let behind: Vec<_> = {
            let rooms = poller.rooms.borrow();
            let behind = rooms.iter().filter(|(_, room)| room.behind || room.lease_is_over(now));
            behind.map(|(id, room)| (*id, Rc::clone(&room.entry))).collect()
        };
        for (id, entry) in behind {
            if let Err(error) = self.refresh(ctx, scope, id, &entry).await {
                // It is tried again with the next poll, and holds no other room up.
                tracing::warn!(conversation = %id, %error, "a room could not be read");
                continue;
            }
            if let Some(room) = poller.rooms.borrow_mut().get_mut(&id) {
                room.behind = false;
            }
        }
        Ok(())
    }

    /// The room as it is stored now, without waiting for an append in progress; a turn without a run is taken up.
    pub(super) async fn refresh(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &Rc<RoomEntry>,
    ) -> Result<()> {
        self.catch_up(ctx, scope, id, entry).await?;
        // Where an append is in progress, a later poll or the watch finds the turn.
        if let Some(_gate) = entry.gate.try_lock()
            && let Err(error) = self.take_up(ctx, scope, id, entry).await
        {
            tracing::warn!(conversation = %id, %error, "a turn that was left open was not taken up");
        }
        Ok(())
    }

    /// Reads the feed, and the words of turns that are watched; stores those that are watched elsewhere.
    async fn read_feed(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        poller: &Poller,
        position: Position,
    ) -> Result<()> {
        let now = ctx.clock.now();
        let questions = poller.questions(self.0.worker, now);
        let mut statements = vec![store::feed::select_after(scope, position, MAX_PAGE)];
        if !questions.answers.is_empty() {
            statements.push(live_answers::select_among(scope, &questions.answers));
        }
        let until = now.after(WATCHED);
        let watch = questions.watch.iter();
        let watch: Vec<_> = watch.map(|(id, turn)| live_answers::watch(scope, *id, *turn, until)).collect();
        let results = if watch.is_empty() {
            ctx.db.query(statements).await?
        } else {
            statements.extend(watch);
            ctx.db.batch(statements).await?
        };
        for (id, _) in &questions.watch {
            if let Some(room) = poller.rooms.borrow_mut().get_mut(id) {
                room.watched_until = Some(until);
            }
        }
        let rows = |n: usize| results.get(n).map(|rows| rows.rows.as_slice()).unwrap_or_default();
        let entries = rows(0).iter().map(store::feed::entry).collect::<Result<Vec<_>, DbError>>()?;
        poller.note(&entries);
        if questions.answers.is_empty() {
            return Ok(());
        }
        let answers = rows(1).iter().map(live_answers::live_answer).collect::<Result<Vec<_>, DbError>>()?;
        self.take_answers(ctx, scope, poller, &answers).await
    }

    /// Shows the words of turns of other processes, and stores those of turns of this one.
    async fn take_answers(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        poller: &Poller,
        answers: &[(ConversationId, LiveAnswer)],
    ) -> Result<()> {
        let now = ctx.clock.now();
        let (mut batch, mut told) = (Vec::new(), Vec::new());
        for (id, answer) in answers {
            let mut rooms = poller.rooms.borrow_mut();
            let Some(room) = rooms.get_mut(id) else { continue };
            let mut state = room.entry.state.borrow_mut();
            let Some(open) = state.as_mut() else { continue };
            let Some(turn) = open.room.head().turn.clone().filter(|turn| turn.turn == answer.turn) else {
                continue;
            };
            if turn.worker != self.0.worker {
                if answer.attempt == turn.attempt {
                    open.take_words(&answer.text, self.0.worker);
                } else if answer.attempt > turn.attempt {
                    // It was begun again: the head says by whom.
                    room.behind = true;
                }
            } else if answer.watched_until > now {
                let said = open.room.answer();
                let mark = (turn.turn, said.len());
                if room.told != Some(mark) && !said.is_empty() {
                    batch.push(live_answers::update(scope, *id, &turn, said));
                    told.push((*id, mark));
                }
            }
        }
        if !batch.is_empty() {
            ctx.db.batch(batch).await?;
        }
        for (id, mark) in told {
            if let Some(room) = poller.rooms.borrow_mut().get_mut(&id) {
                room.told = Some(mark);
            }
        }
        Ok(())
    }
}

impl Poller {
    /// Whether it is time to poll.
    fn is_due(&self, now: Timestamp) -> bool {
        let rooms = self.rooms.borrow();
        let entries = || rooms.values().map(|room| &room.entry);
        let in_a_turn = |entry: &Rc<RoomEntry>| entry.state.borrow().as_ref().is_some_and(Open::has_turn);
        let lively = |entry: &Rc<RoomEntry>| entry.stirred.get().is_some_and(|at| now.since(at) < LATELY);
        let pace = if entries().any(in_a_turn) {
            IN_A_TURN
        } else if entries().any(lively) {
            LIVELY
        } else {
            IDLE
        };
        self.polled.get().is_none_or(|at| now < at || now.since(at) >= pace)
    }

    fn questions(&self, worker: WorkerId, now: Timestamp) -> Questions {
        let mut questions = Questions::default();
        for (id, room) in self.rooms.borrow().iter() {
            let state = room.entry.state.borrow();
            let Some(open) = state.as_ref() else { continue };
            let Some(turn) = &open.room.head().turn else { continue };
            questions.answers.push(*id);
            let fresh = room.watched_until.is_some_and(|until| until.since(now) > SAY_AGAIN);
            if turn.worker != worker && !open.listeners.is_empty() && !fresh {
                questions.watch.push((*id, turn.turn));
            }
        }
        questions
    }

    /// Notes which rooms have something new.
    fn note(&self, entries: &[FeedEntry]) {
        let mut rooms = self.rooms.borrow_mut();
        for entry in entries {
            if let Some(room) = rooms.get_mut(&entry.conversation) {
                let known = room.entry.state.borrow().as_ref().map_or(0, Open::last_seq);
                room.behind |= entry.seq > known;
            }
        }
        if let Some(last) = entries.last() {
            self.position.set(Some(last.position));
        }
    }
}

impl Followed {
    /// Whether its turn may have no worker any more.
    fn lease_is_over(&self, now: Timestamp) -> bool {
        let state = self.entry.state.borrow();
        let turn = state.as_ref().and_then(|open| open.room.head().turn.as_ref());
        turn.is_some_and(|turn| turn.lease_until <= now)
    }
}
