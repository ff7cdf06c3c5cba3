//! Following what other processes store: a room whose log several write. Nobody tells; whoever listens or runs a turn
//! looks, often while something happens and seldom while nothing does.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use frontdesk_domain::conversation::AuthorKind;
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{EventBody, Frame, Live};
use frontdesk_domain::id::{ConversationId, Entropy, TurnId, WorkerId};
use frontdesk_domain::room::OpenTurn;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Ctx, TurnStart};

use super::log::News;
use super::{LogRooms, MAX_REPLAY, Open, Seat};

/// How often somebody looks while a turn is in progress: 200 times a minute.
const IN_A_TURN: Duration = Duration::from_millis(300);
/// How often when something happened lately: 60 times a minute.
const LIVELY: Duration = Duration::from_secs(1);
/// How long that counts.
const LATELY: Duration = Duration::from_secs(60);
/// How often otherwise: 12 times a minute.
const IDLE: Duration = Duration::from_secs(5);
/// How long a turn of another process is watched when somebody says so.
const WATCHED: Duration = Duration::from_secs(6);
/// What is left of that when it is said again.
const SAY_AGAIN: Duration = Duration::from_secs(3);

impl Seat {
    /// Something happened here.
    pub(super) fn stir(&self, now: Timestamp) {
        self.stirred.set(Some(now));
    }

    /// How soon somebody is to look again; zero is now.
    fn due(&self, now: Timestamp) -> Duration {
        let pace = if self.state.borrow().as_ref().is_some_and(Open::has_turn) {
            IN_A_TURN
        } else if self.stirred.get().is_some_and(|at| now.since(at) < LATELY) {
            LIVELY
        } else {
            IDLE
        };
        self.looked.get().map_or(Duration::ZERO, |at| pace.saturating_sub(now.since(at)))
    }
}

impl Open {
    /// The turn in progress, if another process runs it.
    fn elsewhere(&self, worker: WorkerId) -> Option<&OpenTurn> {
        self.room.head().turn.as_ref().filter(|turn| turn.worker != worker)
    }

    /// Whether this is the turn in progress, at this attempt, of this worker.
    pub(super) fn runs(&self, start: &TurnStart, worker: WorkerId) -> bool {
        let turn = self.room.head().turn.as_ref();
        turn.is_some_and(|turn| (turn.turn, turn.attempt, turn.worker) == (start.turn, start.attempt, worker))
    }

    /// Takes in what others stored, and tells listeners. Whether there was an event.
    fn take(&mut self, news: &News, worker: WorkerId) -> bool {
        let stored = news.stored.head.turn.as_ref();
        let mut any = false;
        for event in &news.events {
            if event.seq <= self.room.head().conversation.last_seq {
                // It was stored here while somebody looked.
                continue;
            }
            any = true;
            if let EventBody::MessageCreated { message } = &event.body
                && message.author.kind == AuthorKind::Ai
            {
                self.hear(&message.text, worker);
            }
            self.room.apply(event, stored.map_or_else(somebody_else, |turn| turn.worker));
            self.listeners.send(&Frame::Event(Rc::clone(event)));
        }
        if let Some(stored) = stored.filter(|_| self.caught_up_with(news)) {
            self.room.heed(stored);
        }
        if let (Some(answer), Some(turn)) = (&news.answer, &self.room.head().turn)
            && (answer.turn, answer.attempt) == (turn.turn, turn.attempt)
        {
            self.hear(&answer.text, worker);
        }
        any
    }

    fn caught_up_with(&self, news: &News) -> bool {
        self.room.head().conversation.last_seq == news.stored.head.conversation.last_seq
    }

    /// A turn that another process runs has said this so far; listeners get what they have not heard.
    fn hear(&mut self, text: &str, worker: WorkerId) {
        let Some((turn, epoch)) = self.elsewhere(worker).map(|open| (open.turn, open.epoch)) else { return };
        let rest = match text.strip_prefix(self.room.answer()) {
            Some(rest) => rest,
            None if self.room.unsay(turn, epoch).is_ok() => text,
            None => return,
        };
        if !rest.is_empty()
            && let Ok(delta) = self.room.say(turn, epoch, rest)
        {
            self.listeners.send(&Frame::Live(Rc::new(Live::Delta(delta))));
        }
    }
}

/// The worker of a turn that was over before anybody here looked.
fn somebody_else() -> WorkerId {
    WorkerId::new(Timestamp::from_millis(0), Entropy::default())
}

impl LogRooms {
    /// Takes in what others stored, and takes up a turn whose worker is gone.
    pub(super) async fn look(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        seat: &Seat,
    ) -> Result<()> {
        loop {
            let now = ctx.clock.now();
            seat.looked.set(Some(now));
            let (after, watch) = {
                let state = seat.state.borrow();
                let Some(open) = state.as_ref() else { return Ok(()) };
                (open.room.head().conversation.last_seq, self.watch(open, seat, now))
            };
            let news = self.0.log.look(ctx, scope, id, after, watch).await?;
            if let Some((_, until)) = watch {
                seat.watched_until.set(Some(until));
            }
            let watched = news.answer.as_ref().filter(|answer| answer.watched_until > now);
            seat.watched.set(watched.map(|answer| answer.turn));
            let mut state = seat.state.borrow_mut();
            let Some(open) = state.as_mut() else { return Ok(()) };
            if open.take(&news, self.0.worker) {
                seat.stir(ctx.clock.now());
            }
            if open.caught_up_with(&news) || news.events.len() < MAX_REPLAY as usize {
                break;
            }
        }
        self.take_up(ctx, scope, id, seat).await
    }

    /// Somebody listens here to a turn of another process, and the last word that it is watched ends soon.
    fn watch(&self, open: &Open, seat: &Seat, now: Timestamp) -> Option<(TurnId, Timestamp)> {
        let turn = open.elsewhere(self.0.worker).filter(|_| !open.listeners.is_empty())?.turn;
        let fresh = seat.watched_until.get().is_some_and(|until| until.since(now) > SAY_AGAIN);
        (!fresh).then(|| (turn, now.after(WATCHED)))
    }

    /// Beside a turn that is run here: keeps its lease, shows what it says to those who listen elsewhere, and ends when it
    /// is not this worker's any more.
    pub(super) async fn attend(&self, ctx: Ctx, scope: TenantScope, start: TurnStart) {
        let id = start.conversation;
        let mut told = String::new();
        loop {
            ctx.clock.sleep(IN_A_TURN).await;
            let seat = self.0.rooms.borrow().get(&(scope.org(), id)).cloned();
            let Some(seat) = seat else { return };
            if let Err(error) = self.look(&ctx, &scope, id, &seat).await {
                tracing::warn!(turn = %start.turn, %error, "nobody could be asked how things stand");
                continue;
            }
            let (lease, said) = {
                let mut state = seat.state.borrow_mut();
                let Some(open) = state.as_mut().filter(|open| open.runs(&start, self.0.worker)) else {
                    return;
                };
                let said = (seat.watched.get() == Some(start.turn) && open.room.answer() != told)
                    .then(|| open.room.head().turn.clone().map(|turn| (turn, open.room.answer().to_owned())));
                (open.room.renew_lease(ctx.clock.now()), said.flatten())
            };
            if let Some(turn) = lease {
                match self.0.log.store_lease(&ctx, &scope, id, &turn, turn.attempt).await {
                    Ok(true) => {}
                    // The next look says whose it is.
                    Ok(false) => tracing::warn!(turn = %start.turn, "a lease was lost"),
                    Err(error) => tracing::warn!(turn = %start.turn, %error, "a lease was not prolonged"),
                }
            }
            if let Some((turn, said)) = said {
                match self.0.log.store_answer(&ctx, &scope, id, &turn, &said).await {
                    Ok(()) => told = said,
                    Err(error) => {
                        tracing::warn!(turn = %start.turn, %error, "an answer was not shown elsewhere");
                    }
                }
            }
        }
    }
}

/// Whoever waits for frames looks, one at a time in a room.
pub struct Lookout {
    rooms: LogRooms,
    ctx: Ctx,
    scope: TenantScope,
    id: ConversationId,
    step: Step,
}

enum Step {
    /// Until it is time to look.
    Wait(BoxFuture<'static, ()>),
    /// Looking.
    Look(BoxFuture<'static, ()>),
}

/// Held by whoever looks.
struct Looking(Rc<Seat>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looking.set(false);
    }
}

impl Lookout {
    /// A lookout for a listener.
    pub fn new(rooms: LogRooms, ctx: Ctx, scope: &TenantScope, id: ConversationId, seat: &Seat) -> Self {
        let step = Step::Wait(ctx.clock.sleep(seat.due(ctx.clock.now())));
        Self { rooms, scope: scope.as_system(), id, ctx, step }
    }

    /// Goes on looking; it never ends.
    pub fn poll(&mut self, seat: &Rc<Seat>, cx: &mut Context<'_>) {
        loop {
            let (Step::Wait(step) | Step::Look(step)) = &mut self.step;
            if Pin::new(step).poll(cx).is_pending() {
                return;
            }
            let due = seat.due(self.ctx.clock.now());
            self.step = if !due.is_zero() {
                Step::Wait(self.ctx.clock.sleep(due))
            } else if seat.looking.replace(true) {
                // Somebody else does.
                Step::Wait(self.ctx.clock.sleep(IN_A_TURN))
            } else {
                Step::Look(self.look(Looking(Rc::clone(seat))))
            };
        }
    }

    /// Something happened: it may be due sooner than it was.
    pub fn hurry(&mut self, seat: &Seat) {
        if matches!(self.step, Step::Wait(_)) {
            self.step = Step::Wait(self.ctx.clock.sleep(seat.due(self.ctx.clock.now())));
        }
    }

    fn look(&self, looking: Looking) -> BoxFuture<'static, ()> {
        let (rooms, ctx, scope, id) = (self.rooms.clone(), self.ctx.clone(), self.scope.clone(), self.id);
        Box::pin(async move {
            if let Err(error) = rooms.look(&ctx, &scope, id, &looking.0).await {
                tracing::warn!(%error, "nobody could be asked how things stand");
            }
        })
    }
}
