//! What is stored of a room beside its events, and how each event changes it.

use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::conversation::{Author, AuthorKind, Channel, Conversation, Message, Mode, Priority, Seq, Status};
use crate::event::{Event, EventBody};
use crate::id::{ConversationId, UserId, WorkerId};
use crate::room::{OpenTurn, TURN_LEASE};
use crate::time::Timestamp;

/// How much of the latest message the head shows, in characters.
const PREVIEW_CHARS: usize = 200;

/// What is stored of a room beside its events; with the latest messages it is all of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomHead {
    /// The conversation.
    pub conversation: Conversation,
    /// Where its visitor is.
    pub channel: Channel,
    /// Whose it is among the operators.
    pub assignee: Option<UserId>,
    /// Its labels.
    pub labels: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// Until when it is put aside.
    pub snoozed_until: Option<Timestamp>,
    /// Since when its visitor waits for a person.
    pub waiting_since: Option<Timestamp>,
    /// The latest message that is no note.
    pub last_message: Option<LastMessage>,
    /// What each side has not read.
    pub unread: Unread,
    /// When the last event was stored.
    pub last_at: Timestamp,
    /// The turn in progress.
    pub turn: Option<OpenTurn>,
    /// The `seq` of the last visitor message that no turn has answered.
    pub unanswered: Option<Seq>,
}

/// The latest message, as a list of conversations shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMessage {
    /// Its `seq`.
    pub seq: Seq,
    /// When it was stored.
    pub at: Timestamp,
    /// Who wrote it.
    pub author: Author,
    /// The beginning of its text.
    pub preview: String,
}

/// How many messages each side has not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages of the AI and of operators that the visitor has not read.
    pub visitor: u32,
    /// Messages of the visitor that no operator has read.
    pub operators: u32,
}

/// Who reads a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Visitor,
    Operators,
}

impl Side {
    /// For whom a message is news.
    const fn of_reader(message: &Message) -> Option<Self> {
        match message.author.kind {
            _ if message.note => None,
            AuthorKind::Visitor => Some(Self::Operators),
            AuthorKind::Ai | AuthorKind::Operator => Some(Self::Visitor),
            AuthorKind::System => None,
        }
    }

    const fn of_author(author: &Author) -> Option<Self> {
        match author.kind {
            AuthorKind::Visitor => Some(Self::Visitor),
            AuthorKind::Operator => Some(Self::Operators),
            AuthorKind::Ai | AuthorKind::System => None,
        }
    }
}

impl RoomHead {
    /// The head of a new conversation, in which the AI may speak.
    #[must_use]
    pub const fn new(id: ConversationId, channel: Channel, now: Timestamp) -> Self {
        Self {
            conversation: Conversation { id, mode: Mode::Ai, status: Status::Open, epoch: 1, last_seq: 0 },
            channel,
            assignee: None,
            labels: Vec::new(),
            priority: Priority::Normal,
            snoozed_until: None,
            waiting_since: None,
            last_message: None,
            unread: Unread { visitor: 0, operators: 0 },
            last_at: now,
            turn: None,
            unanswered: None,
        }
    }

    /// Folds an event in. `worker` is who runs a turn that begins; `recent` are the messages before.
    pub(super) fn apply(&mut self, event: &Event, worker: WorkerId, recent: &VecDeque<(Seq, Rc<Message>)>) {
        if matches!(event.body, EventBody::Unknown(_)) && event.epoch > self.conversation.epoch {
            // Who may speak changed, and this version does not know to whom: not to the AI.
            self.conversation.mode = Mode::Operator;
            self.unanswered = None;
        }
        self.conversation.last_seq = event.seq;
        self.conversation.epoch = event.epoch;
        self.last_at = event.at;
        match &event.body {
            EventBody::MessageCreated { message } => self.take_message(event, message),
            EventBody::TurnStarted { turn, answers } => {
                self.unanswered = self.unanswered.filter(|seq| seq > answers);
                self.turn = Some(OpenTurn {
                    turn: *turn,
                    epoch: event.epoch,
                    answers: *answers,
                    attempt: 1,
                    worker,
                    lease_until: event.at.after(TURN_LEASE),
                });
            }
            EventBody::TurnFinished { .. } => self.turn = None,
            EventBody::ModeChanged { mode, .. } => {
                self.conversation.mode = *mode;
                self.unanswered = None;
                let asked = self.last_message.as_ref().filter(|last| last.author.kind == AuthorKind::Visitor);
                self.waiting_since = match mode {
                    // The visitor's word that the AI did not answer waits for people now.
                    Mode::Operator => self.waiting_since.or(asked.map(|last| last.at)),
                    Mode::Ai | Mode::Closed => None,
                };
            }
            EventBody::StatusChanged { status, .. } => {
                self.conversation.status = *status;
                self.snoozed_until = None;
                match status {
                    Status::Waiting => self.waiting_since = self.waiting_since.or(Some(event.at)),
                    Status::Closed => self.waiting_since = None,
                    Status::Open | Status::Snoozed => {}
                }
            }
            EventBody::Snoozed { until, .. } => {
                self.conversation.status = Status::Snoozed;
                self.snoozed_until = Some(*until);
            }
            EventBody::Assigned { assignee, .. } => self.assignee = *assignee,
            EventBody::Labelled { labels, .. } => self.labels.clone_from(labels),
            EventBody::Prioritised { priority, .. } => self.priority = *priority,
            EventBody::Read { by, upto } => self.read(by, *upto, recent),
            EventBody::Rated { .. } | EventBody::Hidden {} | EventBody::Unknown(_) => {}
        }
    }

    fn take_message(&mut self, event: &Event, message: &Message) {
        if message.note {
            return;
        }
        match Side::of_reader(message) {
            Some(Side::Visitor) => self.unread.visitor = self.unread.visitor.saturating_add(1),
            Some(Side::Operators) => self.unread.operators = self.unread.operators.saturating_add(1),
            None => {}
        }
        match (message.author.kind, self.conversation.mode) {
            (AuthorKind::Visitor, Mode::Ai) => self.unanswered = Some(event.seq),
            (AuthorKind::Visitor, Mode::Operator) => {
                self.waiting_since = self.waiting_since.or(Some(event.at));
            }
            (AuthorKind::Operator, _) => self.waiting_since = None,
            _ => {}
        }
        self.last_message = Some(LastMessage {
            seq: event.seq,
            at: event.at,
            author: message.author.clone(),
            preview: message.text.chars().take(PREVIEW_CHARS).collect(),
        });
    }

    /// Whether it is news that `by` has read up to `upto`.
    pub(super) fn reads(&self, by: &Author, upto: Seq, recent: &VecDeque<(Seq, Rc<Message>)>) -> bool {
        let Some(side) = Side::of_author(by) else { return false };
        let unread = match side {
            Side::Visitor => self.unread.visitor,
            Side::Operators => self.unread.operators,
        };
        left_unread(side, upto, recent) < unread
    }

    /// One side has read up to `upto`.
    fn read(&mut self, by: &Author, upto: Seq, recent: &VecDeque<(Seq, Rc<Message>)>) {
        let (side, count) = match Side::of_author(by) {
            Some(side @ Side::Visitor) => (side, &mut self.unread.visitor),
            Some(side @ Side::Operators) => (side, &mut self.unread.operators),
            None => return,
        };
        *count = (*count).min(left_unread(side, upto, recent));
    }
}

/// What `side` has not read after `upto`, among the latest messages: of an earlier place in a long conversation at most as
/// many as these are.
fn left_unread(side: Side, upto: Seq, recent: &VecDeque<(Seq, Rc<Message>)>) -> u32 {
    let left = recent.iter().filter(|(seq, message)| *seq > upto && Side::of_reader(message) == Some(side));
    u32::try_from(left.count()).unwrap_or(u32::MAX)
}
