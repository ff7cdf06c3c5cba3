//! What is to be shown of an answer, and when it may be.

use std::time::Duration;

use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use futures_util::future::{Either, select};
use futures_util::pin_mut;

use crate::turn::Turn;

/// Words of a quick model are shown together, at most so often; what comes after a pause is shown at once.
const SHOWN_EVERY: Duration = Duration::from_millis(40);

/// One model's words on their way to the listeners.
pub(super) struct Pace<'a> {
    turn: &'a Turn<'a>,
    held: String,
    next: Timestamp,
    /// Something of this model is shown.
    own: bool,
    /// Something of another model is, and goes when this one speaks.
    others: bool,
}

impl<'a> Pace<'a> {
    /// Nothing of this model is shown yet; of another one, perhaps.
    pub(super) fn new(turn: &'a Turn<'a>, others: bool) -> Self {
        Self { turn, held: String::new(), next: turn.ctx.clock.now(), own: false, others }
    }

    /// Waits for `coming`; meanwhile what is held is shown as soon as it may be.
    pub(super) async fn until<T>(&mut self, coming: impl Future<Output = T>) -> Result<T> {
        pin_mut!(coming);
        let clock = &self.turn.ctx.clock;
        if !self.held.is_empty() {
            // A clock that goes back holds nothing up.
            let wait = self.next.since(clock.now()).min(SHOWN_EVERY);
            if !wait.is_zero()
                && let Either::Left((come, _)) = select(coming.as_mut(), clock.sleep(wait)).await
            {
                return Ok(come);
            }
            self.show().await?;
        }
        Ok(coming.await)
    }

    /// This is to be shown next.
    pub(super) fn hold(&mut self, text: &str) {
        self.held.push_str(text);
    }

    /// Shows what is held.
    pub(super) async fn show(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.others) {
            self.turn.run.unsay().await?;
        }
        self.turn.run.say(&self.held).await?;
        self.own = true;
        self.held.clear();
        self.next = self.turn.ctx.clock.now().after(SHOWN_EVERY);
        Ok(())
    }

    /// Takes back everything, whoever said it.
    pub(super) async fn withdraw(&mut self) -> Result<()> {
        let shown = std::mem::take(&mut self.own) || std::mem::take(&mut self.others);
        self.others = false;
        self.held.clear();
        if shown { self.turn.run.unsay().await } else { Ok(()) }
    }

    /// Takes back what this model said.
    pub(super) async fn withdraw_own(&mut self) -> Result<()> {
        self.held.clear();
        if std::mem::take(&mut self.own) { self.turn.run.unsay().await } else { Ok(()) }
    }

    /// Whether something of another model is still shown.
    pub(super) const fn stands(&self) -> bool {
        self.others
    }
}
