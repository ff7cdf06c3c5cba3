//! The room: the single authority for one conversation. A state machine without I/O.
//!
//! [`Room::decide`] says which events a command leads to and changes nothing; the host stores them in one atomic
//! batch; [`Room::apply`] then folds them in. A commit that failed, or whose fate is unknown, leaves no state that ran
//! ahead of the log, and a room that was lost (eviction, restart) is the same fold over what was stored.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::{Citation, Outcome, Usage};
use crate::conversation::{Author, AuthorKind, Conversation, Epoch, Message, Mode, Seq, Status};
use crate::event::{Delta, Event, EventBody, Thumb};
use crate::id::{MessageId, TurnId, UploadId, UserId, WorkerId};
use crate::time::Timestamp;

/// How many of the latest messages a room keeps in memory, for the model's context and to recognise repeated sends.
/// Older sends are recognised by a unique index of the log.
pub const RECENT_MESSAGES: usize = 40;

/// How long a turn may go without a sign of life before somebody else may take it up.
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
    /// Until when nobody else may take it up.
    pub lease_until: Timestamp,
}

/// What is stored of a room beside its events; with the latest messages it is all of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomHead {
    /// The conversation.
    pub conversation: Conversation,
    /// When the last event was stored.
    pub last_at: Timestamp,
    /// The turn in progress.
    pub turn: Option<OpenTurn>,
    /// The `seq` of the last visitor message that no turn has answered.
    pub unanswered: Option<Seq>,
}

/// A message to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The id its sender gave it.
    pub client_id: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// Its text.
    pub text: String,
    /// Uploads it refers to.
    pub attachments: Vec<UploadId>,
    /// A private note.
    pub note: bool,
}

/// The AI's closing words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The message's id.
    pub id: MessageId,
    /// Its text: exactly the deltas put together.
    pub text: String,
    /// What it refers to.
    pub citations: Vec<Citation>,
}

/// What is asked of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A visitor or an operator writes. A visitor's message begins `turn` if the AI may speak and is idle.
    Post {
        /// The message.
        message: NewMessage,
        /// The id of the turn it may begin.
        turn: TurnId,
    },
    /// A turn ends.
    Finish {
        /// The turn.
        turn: TurnId,
        /// The epoch it began in.
        epoch: Epoch,
        /// How it ended.
        outcome: Outcome,
        /// What it said.
        reply: Option<Reply>,
        /// What it used.
        usage: Option<Usage>,
        /// The id of the turn that begins now if more was asked meanwhile.
        next: TurnId,
    },
    /// Who may speak changes.
    SetMode {
        /// Who may speak.
        mode: Mode,
        /// The epoch the caller has seen; `None` for Frontdesk itself.
        if_epoch: Option<Epoch>,
        /// Who changes it.
        by: Author,
        /// The new assignee, when an operator takes or gives it away.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
        assignee: Option<Option<UserId>>,
    },
    /// Somebody has read everything up to `upto`.
    Read {
        /// Who.
        by: Author,
        /// The last `seq` read.
        upto: Seq,
    },
    /// The visitor rates the conversation (`score`) or a message (`message_id`, `rating`).
    Rate {
        /// Stars, 1 to 5.
        score: Option<u8>,
        /// The rated message.
        message_id: Option<MessageId>,
        /// Thumb.
        rating: Option<Thumb>,
        /// The visitor's words.
        comment: Option<String>,
    },
}

/// A field that is there, be it null.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// What a command leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These events are to be stored in one atomic batch, and the room's head is to be as it is after them.
    Commit(Vec<Rc<Event>>),
    /// The message is there already.
    Duplicate(Receipt),
    /// Nothing to do.
    Nothing,
}

/// Where a message stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its position.
    pub seq: Seq,
    /// The message.
    pub message: Message,
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The conversation is closed.
    #[error("the conversation is closed")]
    Closed,
    /// Somebody else may speak now: the epoch moved, or the turn is not the one in progress.
    #[error("the turn is not in progress any more; the epoch is {epoch}")]
    Fenced {
        /// The current epoch.
        epoch: Epoch,
    },
    /// The caller has not seen the latest change.
    #[error("the epoch is {epoch}")]
    Stale {
        /// The current epoch.
        epoch: Epoch,
    },
    /// The same `client_id` was used for another text.
    #[error("this client_id was used for another message")]
    ClientIdReused,
    /// There is no such position yet.
    #[error("seq is at most {last}")]
    SeqOutOfRange {
        /// The last position.
        last: Seq,
    },
}

/// What a listener gets first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Stored events up to here come from the log; what is later comes live.
    pub last_seq: Seq,
    /// The answer in progress so far, as one delta with offset 0.
    pub partial: Option<Delta>,
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    head: RoomHead,
    recent: VecDeque<(Seq, Rc<Message>)>,
    answer: String,
}

impl Room {
    /// A room from what was stored of it: its head and its latest messages, oldest first.
    #[must_use]
    pub fn restore(head: RoomHead, recent: impl IntoIterator<Item = (Seq, Rc<Message>)>) -> Self {
        let mut room = Self { head, recent: VecDeque::with_capacity(RECENT_MESSAGES), answer: String::new() };
        for (seq, message) in recent {
            room.remember(seq, message);
        }
        room
    }

    /// What is to be stored beside the events.
    #[must_use]
    pub const fn head(&self) -> &RoomHead {
        &self.head
    }

    /// The latest messages, oldest first.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &(Seq, Rc<Message>)> {
        self.recent.iter()
    }

    /// Which events `command` leads to at `now`. Changes nothing.
    ///
    /// # Errors
    /// A [`Refusal`] when the room's state does not allow it.
    pub fn decide(&self, command: &Command, now: Timestamp) -> Result<Decision, Refusal> {
        let mut draft = Draft {
            seq: self.head.conversation.last_seq,
            at: now.max(self.head.last_at),
            events: Vec::new(),
        };
        let epoch = self.head.conversation.epoch;
        match command {
            Command::Post { message, turn } => {
                if let Some(receipt) = self.find(message)? {
                    return Ok(Decision::Duplicate(receipt));
                }
                if self.head.conversation.mode == Mode::Closed {
                    return Err(Refusal::Closed);
                }
                let seq = draft.push(epoch, EventBody::MessageCreated { message: message.stored() });
                let asks =
                    message.author.kind == AuthorKind::Visitor && self.head.conversation.mode == Mode::Ai;
                if asks && self.head.turn.is_none() {
                    draft.push(epoch, EventBody::TurnStarted { turn: *turn, answers: seq });
                }
            }
            Command::Finish { turn, epoch: began_in, outcome, reply, usage, next } => {
                let open = self.fence(*turn, *began_in)?;
                let answers = open.answers;
                if let Some(reply) = reply {
                    draft.push(epoch, EventBody::MessageCreated { message: reply.stored() });
                }
                draft.push(
                    epoch,
                    EventBody::TurnFinished {
                        turn: *turn,
                        outcome: *outcome,
                        message_id: reply.as_ref().map(|reply| reply.id),
                        citations: reply.as_ref().map(|reply| reply.citations.clone()).unwrap_or_default(),
                        usage: usage.clone(),
                    },
                );
                if *outcome == Outcome::HandedOff && self.head.conversation.status == Status::Open {
                    draft.push(
                        epoch,
                        EventBody::StatusChanged { status: Status::Waiting, by: Author::SYSTEM },
                    );
                }
                if let Some(unanswered) = self.head.unanswered.filter(|seq| *seq > answers) {
                    draft.push(epoch, EventBody::TurnStarted { turn: *next, answers: unanswered });
                }
            }
            Command::SetMode { mode, if_epoch, by, assignee } => {
                if if_epoch.is_some_and(|seen| seen != epoch) {
                    return Err(Refusal::Stale { epoch });
                }
                let current = self.head.conversation.mode;
                if current != *mode {
                    let next_epoch = epoch.saturating_add(1);
                    if let Some(open) = &self.head.turn {
                        draft.push(epoch, EventBody::cancelled(open.turn));
                    }
                    draft.push(next_epoch, EventBody::ModeChanged { mode: *mode, by: by.clone() });
                    let status = match mode {
                        Mode::Closed => Status::Closed,
                        Mode::Ai | Mode::Operator => Status::Open,
                    };
                    if self.head.conversation.status != status {
                        draft.push(next_epoch, EventBody::StatusChanged { status, by: by.clone() });
                    }
                }
                if let Some(assignee) = assignee {
                    let epoch = if current == *mode { epoch } else { epoch.saturating_add(1) };
                    draft.push(epoch, EventBody::Assigned { assignee: *assignee, by: by.clone() });
                }
            }
            Command::Read { by, upto } => {
                if *upto > self.head.conversation.last_seq {
                    return Err(Refusal::SeqOutOfRange { last: self.head.conversation.last_seq });
                }
                draft.push(epoch, EventBody::Read { by: by.clone(), upto: *upto });
            }
            Command::Rate { score, message_id, rating, comment } => {
                draft.push(
                    epoch,
                    EventBody::Rated {
                        score: *score,
                        message_id: *message_id,
                        rating: *rating,
                        comment: comment.clone(),
                    },
                );
            }
        }
        Ok(if draft.events.is_empty() { Decision::Nothing } else { Decision::Commit(draft.events) })
    }

    /// Folds a stored event in. `worker` is who takes a turn that begins.
    pub fn apply(&mut self, event: &Event, worker: WorkerId) {
        let head = &mut self.head;
        if matches!(event.body, EventBody::Unknown(_)) && event.epoch > head.conversation.epoch {
            // Who may speak changed, and this version does not know to whom: not to the AI.
            head.conversation.mode = Mode::Operator;
            head.unanswered = None;
        }
        head.conversation.last_seq = event.seq;
        head.conversation.epoch = event.epoch;
        head.last_at = event.at;
        match &event.body {
            EventBody::MessageCreated { message } => {
                if message.author.kind == AuthorKind::Visitor && head.conversation.mode == Mode::Ai {
                    head.unanswered = Some(event.seq);
                }
                self.remember(event.seq, Rc::new(message.clone()));
            }
            EventBody::TurnStarted { turn, answers } => {
                self.answer.clear();
                head.unanswered = head.unanswered.filter(|seq| seq > answers);
                head.turn = Some(OpenTurn {
                    turn: *turn,
                    epoch: event.epoch,
                    answers: *answers,
                    attempt: 1,
                    worker,
                    lease_until: event.at.after(TURN_LEASE),
                });
            }
            EventBody::TurnFinished { .. } => {
                self.answer.clear();
                head.turn = None;
            }
            EventBody::ModeChanged { mode, .. } => {
                head.conversation.mode = *mode;
                head.unanswered = None;
            }
            EventBody::StatusChanged { status, .. } => head.conversation.status = *status,
            EventBody::Snoozed { .. } => head.conversation.status = Status::Snoozed,
            EventBody::Assigned { .. }
            | EventBody::Labelled { .. }
            | EventBody::Rated { .. }
            | EventBody::Read { .. }
            | EventBody::Hidden {}
            | EventBody::Unknown(_) => {}
        }
    }

    /// A piece of the answer of the turn in progress.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] when the turn is not in progress in this epoch any more.
    pub fn say(&mut self, turn: TurnId, epoch: Epoch, text: &str) -> Result<Delta, Refusal> {
        self.fence(turn, epoch)?;
        let offset = u64::try_from(self.answer.len()).unwrap_or(u64::MAX);
        self.answer.push_str(text);
        Ok(Delta { turn, offset, text: text.to_owned() })
    }

    /// What the turn in progress has said so far.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Withdraws what the turn in progress has said so far (it begins anew, or steps down to another answer). The
    /// next delta has offset 0, which replaces what listeners show.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] when the turn is not in progress in this epoch any more.
    pub fn unsay(&mut self, turn: TurnId, epoch: Epoch) -> Result<(), Refusal> {
        self.fence(turn, epoch)?;
        self.answer.clear();
        Ok(())
    }

    /// The turn in progress as `worker` has it when it takes it up: its lease ran out, or its worker is known to be gone
    /// (`force`). `None` when there is none to take up. A turn that was begun [`TURN_ATTEMPTS`] times is returned all the
    /// same: its `attempt` tells that it is to be closed as failed. Changes nothing: [`Room::heed`] does, once it is stored.
    #[must_use]
    pub fn abandoned(&self, worker: WorkerId, now: Timestamp, force: bool) -> Option<OpenTurn> {
        let open = self.head.turn.as_ref().filter(|open| force || open.lease_until <= now)?;
        let attempt = open.attempt.saturating_add(1);
        Some(OpenTurn { attempt, worker, lease_until: now.after(TURN_LEASE), ..open.clone() })
    }

    /// Heeds what is stored of the turn in progress beside the events: who works on it. A later attempt begins its answer
    /// anew.
    pub fn heed(&mut self, stored: &OpenTurn) {
        let Some(open) = self.head.turn.as_mut().filter(|open| open.turn == stored.turn) else { return };
        if stored.attempt > open.attempt {
            self.answer.clear();
            open.clone_from(stored);
        } else if stored.attempt == open.attempt {
            open.worker = stored.worker;
            open.lease_until = open.lease_until.max(stored.lease_until);
        }
    }

    /// A sign of life of the turn in progress: prolongs its lease when half of it has gone, and returns the turn then,
    /// for the host to store.
    pub fn renew_lease(&mut self, now: Timestamp) -> Option<OpenTurn> {
        let open = self.head.turn.as_mut()?;
        if open.lease_until.since(now) > HALF_LEASE {
            return None;
        }
        open.lease_until = now.after(TURN_LEASE);
        Some(open.clone())
    }

    /// Where a listener that has seen everything up to `after` joins.
    ///
    /// # Errors
    /// [`Refusal::SeqOutOfRange`] when `after` lies ahead of the log.
    pub fn join(&self, after: Seq) -> Result<Joined, Refusal> {
        let last_seq = self.head.conversation.last_seq;
        if after > last_seq {
            return Err(Refusal::SeqOutOfRange { last: last_seq });
        }
        let partial = self.head.turn.as_ref().filter(|_| !self.answer.is_empty()).map(|open| Delta {
            turn: open.turn,
            offset: 0,
            text: self.answer.clone(),
        });
        Ok(Joined { last_seq, partial })
    }

    fn fence(&self, turn: TurnId, epoch: Epoch) -> Result<&OpenTurn, Refusal> {
        let current = self.head.conversation.epoch;
        self.head
            .turn
            .as_ref()
            .filter(|open| open.turn == turn && open.epoch == epoch && current == epoch)
            .ok_or(Refusal::Fenced { epoch: current })
    }

    fn find(&self, message: &NewMessage) -> Result<Option<Receipt>, Refusal> {
        let Some(client_id) = &message.client_id else { return Ok(None) };
        self.recent
            .iter()
            .find(|(_, known)| {
                known.client_id.as_ref() == Some(client_id) && known.author.same_as(&message.author)
            })
            .map(|(seq, known)| message.repeats(known, *seq))
            .transpose()
    }

    fn remember(&mut self, seq: Seq, message: Rc<Message>) {
        if self.recent.len() >= RECENT_MESSAGES {
            self.recent.pop_front();
        }
        self.recent.push_back((seq, message));
    }
}

impl NewMessage {
    /// The receipt of the message that is stored under the same `client_id`.
    ///
    /// # Errors
    /// [`Refusal::ClientIdReused`] when that is another message.
    pub fn repeats(&self, known: &Message, seq: Seq) -> Result<Receipt, Refusal> {
        if known.text == self.text && known.attachments == self.attachments && known.note == self.note {
            Ok(Receipt { seq, message: known.clone() })
        } else {
            Err(Refusal::ClientIdReused)
        }
    }

    fn stored(&self) -> Message {
        Message {
            id: self.id,
            client_id: self.client_id.clone(),
            author: self.author.clone(),
            text: self.text.clone(),
            attachments: self.attachments.clone(),
            citations: Vec::new(),
            note: self.note,
        }
    }
}

impl Reply {
    fn stored(&self) -> Message {
        Message {
            id: self.id,
            client_id: None,
            author: Author::AI,
            text: self.text.clone(),
            attachments: Vec::new(),
            citations: self.citations.clone(),
            note: false,
        }
    }
}

impl Author {
    /// Whether both are the same person; the name does not count.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }
}

impl EventBody {
    const fn cancelled(turn: TurnId) -> Self {
        Self::TurnFinished {
            turn,
            outcome: Outcome::Cancelled,
            message_id: None,
            citations: Vec::new(),
            usage: None,
        }
    }
}

struct Draft {
    seq: Seq,
    at: Timestamp,
    events: Vec<Rc<Event>>,
}

impl Draft {
    fn push(&mut self, epoch: Epoch, body: EventBody) -> Seq {
        self.seq = self.seq.saturating_add(1);
        self.events.push(Rc::new(Event::new(self.seq, self.at, epoch, body)));
        self.seq
    }
}
