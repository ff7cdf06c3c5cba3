//! The turn in progress: who runs it, and until when it is that worker's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::conversation::{Epoch, Seq};
use crate::event::Delta;
use crate::id::{TurnId, WorkerId};
use crate::room::{Refusal, Room};
use crate::time::Timestamp;

/// How long a run may go without a sign of life before another worker may take the turn up.
pub const TURN_LEASE: Duration = Duration::from_secs(20);

/// What is left of a lease when it is prolonged.
const HALF_LEASE: Duration = Duration::from_secs(TURN_LEASE.as_secs() / 2);

/// How often a turn is begun at most. One whose worker died is begun again; one that kills its workers is given up.
pub const TURN_ATTEMPTS: u32 = 5;

/// A turn that has begun and has not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTurn {
    /// The turn.
    pub turn: TurnId,
    /// The epoch it began in: what it appends is refused in any other.
    pub epoch: Epoch,
    /// The `seq` of the last visitor message it answers.
    pub answers: Seq,
    /// How often it was begun, from 1.
    pub attempt: u32,
    /// Who works on it.
    pub worker: WorkerId,
    /// Until when no other worker may take it up.
    pub lease_until: Timestamp,
}

/// One run of a turn: the turn, which attempt at it, and the worker that makes it. Every word, withdrawal, lease and end
/// carries it, and the room takes them from the run in progress alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TurnToken {
    /// The turn.
    pub turn: TurnId,
    /// How often it was begun, from 1.
    pub attempt: u32,
    /// Who works on it.
    pub worker: WorkerId,
}

impl OpenTurn {
    /// The run in progress.
    #[must_use]
    pub const fn token(&self) -> TurnToken {
        TurnToken { turn: self.turn, attempt: self.attempt, worker: self.worker }
    }
}

impl Room {
    /// A piece of the answer of the run in progress.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] when it is not in progress any more.
    pub fn say(&mut self, token: &TurnToken, text: &str) -> Result<Delta, Refusal> {
        self.fence(token)?;
        let offset = u64::try_from(self.answer.len()).unwrap_or(u64::MAX);
        self.answer.push_str(text);
        Ok(Delta { turn: token.turn, offset, text: text.to_owned() })
    }

    /// What the turn in progress has said so far.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Withdraws what the run in progress has said so far (it steps down to another answer). The next delta has offset 0,
    /// which replaces what listeners show.
    ///
    /// # Errors
    /// As [`Room::say`].
    pub fn unsay(&mut self, token: &TurnToken) -> Result<(), Refusal> {
        self.fence(token)?;
        self.answer.clear();
        Ok(())
    }

    /// The turn in progress as `worker` takes it up. Changes nothing: [`Room::note_turn`] does, once it is stored. An
    /// attempt beyond [`TURN_ATTEMPTS`] is given all the same: it is to be closed as failed.
    #[must_use]
    pub fn next_attempt(&self, worker: WorkerId, now: Timestamp) -> Option<OpenTurn> {
        let open = self.head.turn.as_ref()?;
        let attempt = open.attempt.saturating_add(1);
        Some(OpenTurn { attempt, worker, lease_until: now.after(TURN_LEASE), ..open.clone() })
    }

    /// Notes what is stored of the turn in progress beside the events: who works on it. A later attempt begins its answer
    /// anew.
    pub fn note_turn(&mut self, stored: &OpenTurn) {
        let Some(open) = self.head.turn.as_mut().filter(|open| open.turn == stored.turn) else { return };
        if stored.attempt > open.attempt {
            self.answer.clear();
            open.clone_from(stored);
        } else if stored.attempt == open.attempt {
            open.worker = stored.worker;
            open.lease_until = open.lease_until.max(stored.lease_until);
        }
    }

    /// The run in progress with a longer lease, when half of it has gone. Changes nothing: [`Room::note_turn`] does, once
    /// it is stored.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] when it is not in progress any more.
    pub fn longer_lease(&self, token: &TurnToken, now: Timestamp) -> Result<Option<OpenTurn>, Refusal> {
        let open = self.fence(token)?;
        let due = open.lease_until.since(now) <= HALF_LEASE;
        Ok(due.then(|| OpenTurn { lease_until: now.after(TURN_LEASE), ..open.clone() }))
    }

    /// Until when the turn that has just begun is its worker's. A lease is of the worker's own clock; the times of events
    /// may be ahead of it, as they never go back.
    pub fn lease(&mut self, until: Timestamp) {
        if let Some(open) = self.head.turn.as_mut() {
            open.lease_until = until;
        }
    }

    pub(super) fn fence(&self, token: &TurnToken) -> Result<&OpenTurn, Refusal> {
        let current = self.head.conversation.epoch;
        self.head
            .turn
            .as_ref()
            .filter(|open| open.token() == *token && open.epoch == current)
            .ok_or(Refusal::Fenced { epoch: current })
    }
}
