//! Runs: one attempt of one worker at a turn each, registered before it begins, so that it can be joined and never doubled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use frontdesk_domain::answer::Usage;
use frontdesk_domain::conversation::{Message, Seq};
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_domain::room::{TURN_ATTEMPTS, TurnToken};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;
use futures_channel::oneshot;

use super::LogRooms;
use super::cache::RoomKey;
use crate::usage;

/// What a turn begins from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnStart {
    /// The conversation.
    pub conversation: ConversationId,
    /// The run.
    pub token: TurnToken,
    /// The `seq` of the last visitor message it answers.
    pub answers: Seq,
    /// The name of the site it was begun on.
    pub site: String,
    /// The latest messages, oldest first, without private notes.
    pub history: Vec<(Seq, Rc<Message>)>,
    /// Whether people were called and none has come yet.
    pub waiting: bool,
}

/// The runs of this process, one at most in a room.
#[derive(Default)]
pub struct Runs(RefCell<HashMap<RoomKey, Registered>>);

struct Registered {
    token: TurnToken,
    stop: Option<oneshot::Sender<()>>,
}

/// A run that is registered until this is dropped.
pub(super) struct Registration {
    runs: Rc<Runs>,
    key: RoomKey,
    token: TurnToken,
    ctx: Ctx,
}

impl Runs {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether this run is registered.
    pub fn has(&self, key: &RoomKey, token: &TurnToken) -> bool {
        self.0.borrow().get(key).is_some_and(|run| run.token == *token)
    }

    /// The run of a room.
    pub fn of(&self, key: &RoomKey) -> Option<TurnToken> {
        self.0.borrow().get(key).map(|run| run.token)
    }

    /// Registers a run; none when it is registered already. Another run of the room is told to stop.
    pub(super) fn register(
        self: &Rc<Self>,
        ctx: &Ctx,
        key: RoomKey,
        token: TurnToken,
    ) -> Option<(Registration, oneshot::Receiver<()>)> {
        let mut runs = self.0.borrow_mut();
        if runs.get(&key).is_some_and(|run| run.token == token) {
            return None;
        }
        let (stop, stopped) = oneshot::channel();
        if let Some(other) = runs.insert(key, Registered { token, stop: Some(stop) }) {
            other.tell();
        }
        ctx.metrics.turns_open.inc();
        Some((Registration { runs: Rc::clone(self), key, token, ctx: ctx.clone() }, stopped))
    }

    /// Tells the run of this turn that the turn is over.
    pub fn stop(&self, key: &RoomKey, turn: TurnId) {
        let stop = match self.0.borrow_mut().get_mut(key) {
            Some(run) if run.token.turn == turn => run.stop.take(),
            _ => None,
        };
        if let Some(stop) = stop {
            // It may be over already.
            let _ = stop.send(());
        }
    }
}

impl Registered {
    fn tell(self) {
        if let Some(stop) = self.stop {
            let _ = stop.send(());
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut runs = self.runs.0.borrow_mut();
        if runs.get(&self.key).is_some_and(|run| run.token == self.token) {
            runs.remove(&self.key);
        }
        self.ctx.metrics.turns_open.dec();
    }
}

/// What a run has at hand: the room as its worker may speak in it, and what its calls to models used.
pub struct TurnRun {
    rooms: LogRooms,
    /// The ports.
    pub ctx: Ctx,
    /// Frontdesk itself, in the conversation's organisation.
    pub scope: TenantScope,
    /// What it begins from.
    pub start: TurnStart,
    began: Timestamp,
    spoke: Cell<bool>,
    calls: RefCell<Vec<Usage>>,
    /// Why the model that was asked last was not heard out.
    reason: Cell<Option<&'static str>>,
    /// What the end of the run says that they used, once there is one.
    spent: RefCell<Option<RunSpent>>,
}

/// What the calls of a run used.
#[derive(Clone, Default)]
pub(super) struct RunSpent {
    /// The one whose answer was shown.
    pub shown: Option<Usage>,
    /// The others.
    pub discarded: Vec<Usage>,
}

impl TurnRun {
    /// A run that has said nothing yet.
    pub(super) fn new(rooms: LogRooms, ctx: &Ctx, scope: TenantScope, start: TurnStart) -> Self {
        Self {
            rooms,
            ctx: ctx.clone(),
            scope,
            start,
            began: ctx.clock.now(),
            spoke: Cell::new(false),
            calls: RefCell::default(),
            reason: Cell::new(None),
            spent: RefCell::default(),
        }
    }

    /// When it began.
    pub(super) const fn began(&self) -> Timestamp {
        self.began
    }

    /// A piece of the answer, to the listeners.
    ///
    /// # Errors
    /// A conflict when the run is not in progress any more; it stops then.
    pub async fn say(&self, text: &str) -> Result<()> {
        self.rooms.say(&self.scope, &self.start, text).await?;
        if !self.spoke.replace(true) {
            let waited = self.ctx.clock.now().since(self.began);
            self.ctx.metrics.first_delta_seconds.observe(waited.as_secs_f64());
        }
        Ok(())
    }

    /// Withdraws what it has said so far.
    ///
    /// # Errors
    /// As [`TurnRun::say`].
    pub async fn unsay(&self) -> Result<()> {
        self.rooms.unsay(&self.scope, &self.start).await
    }

    /// Notes a call to a model that begins; it is counted however the run ends. Gives its number.
    pub fn call(&self, usage: Usage) -> usize {
        let mut calls = self.calls.borrow_mut();
        calls.push(usage);
        calls.len().saturating_sub(1)
    }

    /// Notes why a model was not heard out.
    pub fn note_reason(&self, reason: Option<&'static str>) {
        self.reason.set(reason);
    }

    /// Why the model that was asked last was not heard out.
    pub const fn reason(&self) -> Option<&'static str> {
        self.reason.get()
    }

    /// Changes what is noted of a call.
    pub fn note_call(&self, number: usize, change: impl FnOnce(&mut Usage)) {
        if let Some(usage) = self.calls.borrow_mut().get_mut(number) {
            change(usage);
        }
    }

    /// What its first call used, whether or not the run has ended.
    pub(super) fn first_call(&self) -> Option<Usage> {
        let spent = self.spent.borrow();
        let ended = spent.as_ref().and_then(|spent| spent.shown.as_ref().or(spent.discarded.first()));
        ended.or(self.calls.borrow().first()).cloned()
    }

    /// Sums up the calls, once.
    pub(super) fn spend(&self, shown: Option<usize>) -> RunSpent {
        let mut discarded = self.calls.take();
        for usage in &discarded {
            let tokens = [("prompt", usage.prompt_tokens), ("completion", usage.completion_tokens)];
            for (direction, tokens) in tokens {
                let labels = [("direction", direction)];
                self.ctx.metrics.tokens.get_or_create(&labels).inc_by(tokens);
            }
        }
        let shown = shown.filter(|number| *number < discarded.len()).map(|number| discarded.remove(number));
        let spent = RunSpent { shown, discarded };
        self.spent.replace(Some(spent.clone()));
        spent
    }

    /// Counts the calls of a run that did not end its turn. Should its end be stored after all, nothing counts twice.
    pub(super) async fn count_lost(&self) {
        let spent = self.spent.take().unwrap_or_else(|| self.spend(None));
        self.count(&self.start.token, spent.shown.as_ref(), &spent.discarded).await;
    }

    /// Counts one call of each earlier attempt that left no word of what it used: its process was killed.
    pub(super) async fn count_killed(&self, like: Option<Usage>) {
        let Some(usage) = like else { return };
        let killed = Usage { completion_tokens: 0, estimated: true, ..usage };
        for attempt in 1..self.start.token.attempt.min(TURN_ATTEMPTS) {
            let token = TurnToken { attempt, ..self.start.token };
            if let Err(error) = usage::record_killed(&self.ctx, &self.scope, &token, &killed).await {
                tracing::warn!(turn = %token.turn, %error, "what a killed run used was not counted");
            }
        }
    }

    async fn count(&self, token: &TurnToken, shown: Option<&Usage>, discarded: &[Usage]) {
        if let Err(error) = usage::record_lost(&self.ctx, &self.scope, token, shown, discarded).await {
            tracing::warn!(turn = %token.turn, %error, "what a run used was not counted");
        }
    }
}
