//! Turns and their owners. A run is one attempt of one worker at a turn; the room takes its words, its withdrawals, its
//! lease and its end only as long as it is the run in progress.
//!
//! A run is registered before it begins, so it can be joined and never doubled; what ends it without an end (a panic, a
//! lease that could not be kept, a database that was away) leaves a turn that is found abandoned and begun again.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::answer::Outcome;
use frontdesk_domain::conversation::{Message, Seq, Status};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Frame, Live};
use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_domain::room::{OpenTurn, TURN_ATTEMPTS, TurnEnd, TurnToken};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{CallOutcome, Ctx, DbError, backoff, caught};
use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::cache::{Open, RoomEntry, unread};
use super::commit::Appending;
use super::run::{Registration, TurnRun, TurnStart};
use super::{LogRooms, refused};
use crate::health::WRITES;
use crate::store::conversations;
use crate::turn::{self, Ending};

/// How often a run sees to its lease.
const LEASE_SEEN_TO: Duration = Duration::from_secs(1);
/// The first pause before the end of a run is stored again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a run tries to make its answer when something that it needs does not answer.
const TRIES: u32 = 4;
/// How long it tries: a visitor who waits longer is better told that people take over.
const TRIED_FOR: Duration = Duration::from_secs(10);
/// How many abandoned turns one round trip finds.
const PAGE: u32 = 100;
/// How often a process polls for turns whose lease is over.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Why a run stopped without an end.
enum Stopped {
    /// Its turn is over, or another run's: an operator took over, or another worker was quicker.
    Over,
    /// It died, or could not go on: the turn is to be begun again.
    Died,
}

impl LogRooms {
    /// Takes up every turn that has no run any more. Returns how many it took up.
    ///
    /// # Errors
    /// When the database is out of reach. A single room that is out of reach is left for the next time.
    pub async fn recover(&self) -> Result<usize> {
        let ctx = self.ctx()?;
        // The only process knows its own runs: what is open beside them was left by a process that is gone, whatever its
        // lease says.
        let now = if self.0.exclusive { Timestamp::from_millis(i64::MAX) } else { ctx.clock.now() };
        let mut count = 0_usize;
        let (mut lease, mut id) = (Timestamp::from_millis(0), String::new());
        loop {
            let page = ctx.db.query(vec![conversations::select_abandoned(now, (lease, &id), PAGE)]).await?;
            let rows = page.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
            let Some(last) = rows.last() else { return Ok(count) };
            let (_, last_id, last_lease) = conversations::due(last)?;
            for row in rows {
                let (org, conversation, _) = conversations::due(row)?;
                if self.0.exclusive && self.0.runs.of(&(org, conversation)).is_some() {
                    continue;
                }
                #[expect(
                    clippy::disallowed_methods,
                    reason = "Frontdesk's own turn, in the room's own organisation"
                )]
                let scope = TenantScope::authenticated(org, Actor::System);
                match self.see_to(&ctx, &scope, conversation).await {
                    Ok(taken_up) => count = count.saturating_add(usize::from(taken_up)),
                    Err(error) => {
                        tracing::warn!(%conversation, %error, "a turn that was left open was not taken up");
                    }
                }
            }
            (lease, id) = (last_lease, last_id.to_string());
        }
    }

    /// Polls for turns without a run as long as the process lives.
    pub async fn watch(&self) {
        loop {
            match self.recover().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "took up turns that were left open"),
                Err(error) => tracing::error!(%error, "turns that were left open were not taken up"),
            }
            let Ok(ctx) = self.ctx() else { return };
            ctx.clock.sleep(WATCH_EVERY).await;
        }
    }

    /// Reads the room as it is stored, and takes its turn up if it has no run. Whether it did.
    pub(super) async fn see_to(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Result<bool> {
        let entry = self.0.cache.entry((scope.org(), id));
        let _gate = entry.gate.lock().await;
        if entry.state.borrow().is_some() {
            self.catch_up(ctx, scope, id, &entry).await?;
            entry.stale.set(false);
        } else {
            self.read(ctx, scope, id, &entry).await?;
        }
        Ok(self.take_up(ctx, scope, id, &entry).await?)
    }

    /// Takes the turn in progress up if it has no run; under the room's gate. Whether it did.
    pub(super) async fn take_up(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &Rc<RoomEntry>,
    ) -> Result<bool, DbError> {
        let Some((run, next)) = self.abandoned(ctx, scope, id, entry) else { return Ok(false) };
        match self.0.log.store_lease(ctx, scope, id, &run, &next).await {
            Ok(true) => {
                tracing::info!(turn = %next.turn, attempt = next.attempt, "took up a turn");
                ctx.metrics.turns_begun_again.inc();
                if let Some(open) = entry.state.borrow_mut().as_mut() {
                    open.room.note_turn(&next);
                }
                self.begin_run(ctx, scope, id, entry);
                Ok(true)
            }
            // Another worker was quicker, or an earlier try was stored and reported as failed.
            Ok(false) => {
                entry.stale.set(true);
                Ok(false)
            }
            Err(error) => {
                entry.stale.set(true);
                Err(error)
            }
        }
    }

    /// The run that is gone, and the turn as this worker takes it up.
    fn abandoned(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &RoomEntry,
    ) -> Option<(TurnToken, OpenTurn)> {
        let now = ctx.clock.now();
        let state = entry.state.borrow();
        let open = state.as_ref().filter(|open| self.0.log.keeps(&open.log_owner))?;
        let turn = open.room.head().turn.as_ref()?;
        let run = turn.token();
        // What a newer version said of who may speak came after the turn began: it is the AI's no more.
        let fenced = turn.epoch != open.room.head().conversation.epoch;
        let runs_here = self.0.runs.has(&(scope.org(), id), &run);
        let gone = self.0.exclusive || turn.worker == self.0.worker || turn.lease_until <= now;
        if runs_here || fenced || !gone || self.0.draining.get() {
            return None;
        }
        open.room.next_attempt(self.0.worker, now).map(|next| (run, next))
    }

    /// Begins the run of the turn in progress, if it is this worker's and does not run yet. No await: a run is registered
    /// before anything else can happen.
    pub(super) fn begin_run(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        entry: &Rc<RoomEntry>,
    ) {
        if self.0.draining.get() {
            return;
        }
        let start = {
            let state = entry.state.borrow();
            let Some(open) = state.as_ref() else { return };
            let Some(turn) = open.room.head().turn.as_ref().filter(|turn| turn.worker == self.0.worker)
            else {
                return;
            };
            open.start(id, turn)
        };
        let key = (scope.org(), id);
        let Some((registration, stopped)) = self.0.runs.register(ctx, key, start.token) else { return };
        if !self.0.exclusive {
            self.follow(ctx, scope, id, entry);
        }
        let run = TurnRun::new(self.clone(), ctx, scope.as_system(), start);
        ctx.tasks.spawn_detached("turn", Box::pin(self.clone().work(run, registration, stopped)));
    }

    /// One run, from its begin to whatever ends it.
    async fn work(self, run: TurnRun, registration: Registration, stopped: oneshot::Receiver<()>) {
        let ended = {
            let work = pin!(self.answer_and_close(&run));
            let kept = pin!(self.keep_lease(&run));
            match select(work, pin!(select(stopped, kept))).await {
                Either::Left((ended, _)) => ended,
                Either::Right((Either::Left(_), _)) => Err(Stopped::Over),
                Either::Right((Either::Right((why, _)), _)) => Err(why),
            }
        };
        let TurnRun { ctx, scope, start, .. } = &run;
        let first = run.first_call();
        let Err(why) = ended else {
            drop(registration);
            return run.count_killed(first).await;
        };
        run.count_lost().await;
        drop(registration);
        if matches!(why, Stopped::Died) {
            ctx.clock.sleep(pause(ctx, start.token.attempt)).await;
            if let Err(error) = self.see_to(ctx, scope, start.conversation).await {
                tracing::warn!(turn = %start.token.turn, %error, "a turn that died waits to be taken up");
            }
        }
    }

    /// Makes the answer. What fails on the way for a moment is tried again; a turn that cannot be answered at all is handed
    /// over to people, with a word to the visitor.
    async fn answer(&self, run: &TurnRun) -> Result<Ending, Stopped> {
        let TurnToken { turn, attempt, .. } = run.start.token;
        if attempt > TURN_ATTEMPTS {
            tracing::error!(%turn, "a turn was begun too often");
            return self.hand_over(run).await;
        }
        for failures in 1..=TRIES {
            match caught(turn::answer(run)).await {
                Ok(Ok(ending)) => return Ok(ending),
                Ok(Err(error)) if fenced(&error) => return Err(Stopped::Over),
                Ok(Err(error @ Error::Upstream { retryable: true, .. })) => {
                    tracing::warn!(%turn, %error, "a turn is tried again");
                }
                Ok(Err(error)) => {
                    tracing::error!(%turn, %error, "a turn failed");
                    break;
                }
                Err(cause) => {
                    run.ctx.metrics.supervision.died("turn", &cause, run.ctx.clock.now());
                    return Err(Stopped::Died);
                }
            }
            if run.ctx.clock.now().since(run.began()) > TRIED_FOR {
                break;
            }
            run.ctx.clock.sleep(pause(&run.ctx, failures)).await;
            withdraw(run).await?;
        }
        withdraw(run).await?;
        self.hand_over(run).await
    }

    async fn hand_over(&self, run: &TurnRun) -> Result<Ending, Stopped> {
        match caught(turn::hand_over(run)).await {
            Ok(Ok(ending)) => return Ok(ending),
            Ok(Err(error)) if fenced(&error) => return Err(Stopped::Over),
            Ok(Err(error)) => {
                tracing::error!(turn = %run.start.token.turn, %error, "a visitor could not be told that people take over");
            }
            Err(cause) => run.ctx.metrics.supervision.died("turn", &cause, run.ctx.clock.now()),
        }
        Ok(Ending { outcome: Outcome::Failed, reply: None, shown: None })
    }

    /// Makes the answer and stores how the turn ended.
    async fn answer_and_close(&self, run: &TurnRun) -> Result<(), Stopped> {
        let ending = self.answer(run).await?;
        let spent = run.spend(ending.shown);
        let now = run.ctx.clock.now();
        let end = TurnEnd {
            token: run.start.token,
            outcome: ending.outcome,
            reply: ending.reply,
            usage: spent.shown,
            discarded: spent.discarded,
            reason: run.reason(),
            next: TurnId::new(now, run.ctx.random.entropy()),
        };
        self.close(run, end).await
    }

    /// Stores the end of a run, again and again while the turn is its own.
    async fn close(&self, run: &TurnRun, end: TurnEnd) -> Result<(), Stopped> {
        let (scope, id) = (&run.scope, run.start.conversation);
        let mut failures = 0_u32;
        loop {
            match self.ask(scope, id, Appending::Finish(end.clone())).await {
                Ok(_) => return Ok(()),
                // Its own end may be what is stored.
                Err(error) if fenced(&error) => return Err(Stopped::Over),
                Err(error) => {
                    tracing::error!(turn = %end.token.turn, %error, "a turn could not be closed yet");
                    run.ctx.caches.outcomes.record(WRITES, CallOutcome::Failing, run.ctx.clock.now());
                }
            }
            failures = failures.saturating_add(1);
            run.ctx.clock.sleep(pause(&run.ctx, failures)).await;
        }
    }

    /// Prolongs the lease of a run. Ends when the run is not in progress any more, or when its lease ran out before it was
    /// prolonged: then another worker may have taken the turn up.
    async fn keep_lease(&self, run: &TurnRun) -> Stopped {
        let (ctx, scope, id, token) = (&run.ctx, &run.scope, run.start.conversation, &run.start.token);
        loop {
            ctx.clock.sleep(LEASE_SEEN_TO).await;
            let Some(entry) = self.0.cache.known(&(scope.org(), id)) else { return Stopped::Died };
            let now = ctx.clock.now();
            let due = match entry.state.borrow().as_ref() {
                Some(open) => open.room.longer_lease(token, now),
                None => continue,
            };
            let next = match due {
                Ok(Some(next)) => next,
                Ok(None) => continue,
                Err(_) => return Stopped::Over,
            };
            match self.0.log.store_lease(ctx, scope, id, token, &next).await {
                Ok(true) => {
                    if let Some(open) = entry.state.borrow_mut().as_mut() {
                        open.room.note_turn(&next);
                    }
                }
                // What is stored says whose turn it is now.
                Ok(false) => {
                    entry.stale.set(true);
                    return Stopped::Over;
                }
                Err(error) => tracing::warn!(turn = %token.turn, %error, "a lease was not prolonged"),
            }
            if !self.0.exclusive && self.lease_is_over(&entry, token, ctx.clock.now()) {
                tracing::error!(turn = %token.turn, "a lease ran out");
                return Stopped::Died;
            }
        }
    }

    fn lease_is_over(&self, entry: &RoomEntry, token: &TurnToken, now: Timestamp) -> bool {
        let state = entry.state.borrow();
        let turn = state.as_ref().and_then(|open| open.room.head().turn.as_ref());
        turn.is_none_or(|turn| turn.token() != *token || turn.lease_until <= now)
    }

    /// What the run in progress began from, if a turn is.
    ///
    /// # Errors
    /// When the room is out of reach.
    pub async fn turn(&self, scope: &TenantScope, id: ConversationId) -> Result<Option<TurnStart>> {
        let entry = self.open(&self.ctx()?, scope, id).await?;
        let state = entry.state.borrow();
        let open = state.as_ref().ok_or_else(unread)?;
        Ok(open.room.head().turn.as_ref().map(|turn| open.start(id, turn)))
    }

    /// A piece of the answer of a run, to the listeners.
    ///
    /// # Errors
    /// A conflict when the run is not in progress any more.
    pub async fn say(&self, scope: &TenantScope, start: &TurnStart, text: &str) -> Result<()> {
        let ctx = self.ctx()?;
        let entry = self.open(&ctx, scope, start.conversation).await?;
        if !self.0.exclusive && self.lease_is_over(&entry, &start.token, ctx.clock.now()) {
            return Err(CallerError::Conflict(super::FENCED).into());
        }
        let mut state = entry.state.borrow_mut();
        let open = state.as_mut().ok_or_else(unread)?;
        let delta = open.room.say(&start.token, text).map_err(refused)?;
        open.listeners.send(&Frame::Live(Rc::new(Live::Delta(delta))));
        Ok(())
    }

    /// Withdraws what a run has said so far.
    ///
    /// # Errors
    /// As [`LogRooms::say`].
    pub async fn unsay(&self, scope: &TenantScope, start: &TurnStart) -> Result<()> {
        let ctx = self.ctx()?;
        let entry = self.open(&ctx, scope, start.conversation).await?;
        let mut state = entry.state.borrow_mut();
        let open = state.as_mut().ok_or_else(unread)?;
        open.room.unsay(&start.token).map_err(refused)
    }
}

impl Open {
    fn start(&self, conversation: ConversationId, turn: &OpenTurn) -> TurnStart {
        let asked = |(seq, message): &&(Seq, Rc<Message>)| *seq <= turn.answers && !message.note;
        TurnStart {
            conversation,
            token: turn.token(),
            answers: turn.answers,
            site: self.site_name.clone(),
            history: self.room.recent().filter(asked).cloned().collect(),
            waiting: self.room.head().conversation.status == Status::Waiting,
        }
    }
}

/// What the run has said is taken back, so that what it says next stands alone. A run that cannot do so begins anew.
async fn withdraw(run: &TurnRun) -> Result<(), Stopped> {
    run.unsay().await.map_err(|error| if fenced(&error) { Stopped::Over } else { Stopped::Died })
}

/// Before the next try.
fn pause(ctx: &Ctx, failures: u32) -> Duration {
    backoff(ctx.random.as_ref(), FIRST_PAUSE, LONGEST_PAUSE, failures)
}

fn fenced(error: &Error) -> bool {
    matches!(error, Error::Caller(CallerError::Conflict(_) | CallerError::NotFound { .. }))
}
