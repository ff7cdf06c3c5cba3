//! The room: the single authority for one conversation. A state machine without I/O.
//!
//! [`Room::decide`] says which events a command leads to and changes nothing; the host stores them in one atomic
//! batch; [`Room::apply`] then folds them in. A commit that failed, or whose fate is unknown, leaves no state that ran
//! ahead of the log.

mod command;
mod head;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::VecDeque;
use std::rc::Rc;

pub use command::{
    Command, Decision, MAX_LABEL_CHARS, MAX_LABELS, NewMessage, Receipt, Refusal, Reply, TurnEnd, Update,
};
pub use head::{LastMessage, RoomHead, Unread};
pub use turn::{OpenTurn, TURN_ATTEMPTS, TURN_LEASE, TurnToken};

use crate::answer::Outcome;
use crate::conversation::{Author, AuthorKind, Epoch, Message, Mode, Seq, Status};
use crate::event::{Delta, Event, EventBody, FinishedRun};
use crate::id::{TurnId, WorkerId};
use crate::time::Timestamp;

/// How many of the latest messages a room keeps in memory, for the model's context and to recognise repeated sends.
/// Older sends are recognised by a unique index of the log.
pub const RECENT_MESSAGES: usize = 40;

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
        let mut draft = self.draft(now);
        match command {
            Command::Post { message, turn } => {
                if let Some(receipt) = self.find(message)? {
                    return Ok(Decision::Duplicate(receipt));
                }
                self.post(&mut draft, message, *turn)?;
            }
            Command::Update(update) => self.update(&mut draft, update)?,
            Command::Wake => {
                if self.head.snoozed_until.is_some_and(|until| until <= now) {
                    draft.push(EventBody::StatusChanged { status: Status::Open, by: Author::SYSTEM });
                }
            }
            Command::Read { by, upto } => {
                if *upto > self.head.conversation.last_seq {
                    return Err(Refusal::SeqOutOfRange { last: self.head.conversation.last_seq });
                }
                // A mark that is sent again, or that marks nothing new, would only make the log longer.
                if self.head.reads(by, *upto, &self.recent) {
                    draft.push(EventBody::Read { by: by.clone(), upto: *upto });
                }
            }
            Command::Rate { score, message_id, rating, comment } => {
                draft.push(EventBody::Rated {
                    score: *score,
                    message_id: *message_id,
                    rating: *rating,
                    comment: comment.clone(),
                });
            }
        }
        Ok(if draft.events.is_empty() { Decision::Nothing } else { Decision::Commit(draft.events) })
    }

    /// Which events the end of a run leads to at `now`. Changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Fenced`] when it is not the run in progress.
    pub fn finish(&self, end: &TurnEnd, now: Timestamp) -> Result<Vec<Rc<Event>>, Refusal> {
        let mut draft = self.draft(now);
        let answers = self.fence(&end.token)?.answers;
        let asked = end.usage.is_some() || !end.discarded.is_empty();
        if let Some(reply) = &end.reply {
            draft.push(EventBody::MessageCreated { message: reply.stored() });
        }
        draft.push(EventBody::TurnFinished {
            turn: end.token.turn,
            outcome: end.outcome,
            message_id: end.reply.as_ref().map(|reply| reply.id),
            citations: end.reply.as_ref().map(|reply| reply.citations.clone()).unwrap_or_default(),
            suggestions: end.reply.as_ref().map(|reply| reply.suggestions.clone()).unwrap_or_default(),
            usage: end.usage.clone(),
            run: asked.then(|| FinishedRun {
                attempt: end.token.attempt,
                discarded: end.discarded.clone(),
                reason: end.reason.map(str::to_owned),
            }),
        });
        if end.outcome == Outcome::HandedOff && self.head.conversation.status == Status::Open {
            draft.push(EventBody::StatusChanged { status: Status::Waiting, by: Author::SYSTEM });
        }
        if let Some(unanswered) = self.head.unanswered.filter(|seq| *seq > answers) {
            draft.push(EventBody::TurnStarted { turn: end.next, answers: unanswered });
        }
        Ok(draft.events)
    }

    /// Folds a stored event in. `worker` is who runs a turn that begins.
    pub fn apply(&mut self, event: &Event, worker: WorkerId) {
        self.head.apply(event, worker, &self.recent);
        match &event.body {
            EventBody::MessageCreated { message } => self.remember(event.seq, Rc::new(message.clone())),
            EventBody::TurnStarted { .. } | EventBody::TurnFinished { .. } => self.answer.clear(),
            _ => {}
        }
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

    /// A message that is new. An operator's, to the visitor, takes the conversation over from the AI: that is decided here,
    /// after the repetitions, so that a message that is sent again changes nothing.
    fn post(&self, draft: &mut Draft, message: &NewMessage, turn: TurnId) -> Result<(), Refusal> {
        let conversation = &self.head.conversation;
        if conversation.mode == Mode::Closed {
            return Err(Refusal::Closed);
        }
        let visitor = message.author.kind == AuthorKind::Visitor;
        let takes_over =
            message.author.kind == AuthorKind::Operator && !message.note && conversation.mode == Mode::Ai;
        if takes_over {
            self.set_mode(draft, Mode::Operator, &message.author);
            let assignee = message.author.id.as_ref().and_then(|id| id.parse().ok());
            if self.head.assignee != assignee {
                draft.push(EventBody::Assigned { assignee, by: message.author.clone() });
            }
        }
        let seq = draft.push(EventBody::MessageCreated { message: message.stored() });
        if visitor && conversation.status == Status::Snoozed {
            draft.push(EventBody::StatusChanged { status: Status::Open, by: Author::SYSTEM });
        }
        if visitor && conversation.mode == Mode::Ai && self.head.turn.is_none() {
            draft.push(EventBody::TurnStarted { turn, answers: seq });
        }
        Ok(())
    }

    fn update(&self, draft: &mut Draft, update: &Update) -> Result<(), Refusal> {
        let conversation = &self.head.conversation;
        let epoch = conversation.epoch;
        if update.if_epoch.is_some_and(|seen| seen != epoch) {
            return Err(Refusal::Stale { epoch });
        }
        if let Some(labels) = &update.labels {
            check_labels(labels)?;
        }
        let by = &update.by;
        let mode = match update.status {
            Some(Status::Closed) => Some(Mode::Closed),
            _ => update.mode,
        };
        let after = mode.unwrap_or(conversation.mode);
        let later = matches!(update.snoozed_until, Some(Some(_)));
        if mode == Some(Mode::Closed) && later {
            let why = "a conversation that is closed is not put aside";
            return Err(Refusal::Field { field: "snoozed_until", why });
        }
        if update.mode == Some(Mode::Closed) && !matches!(update.status, None | Some(Status::Closed)) {
            let why = "a conversation that has the mode `closed` has the status `closed`";
            return Err(Refusal::Field { field: "status", why });
        }
        if after == Mode::Closed && (later || matches!(update.status, Some(Status::Open | Status::Waiting))) {
            return Err(Refusal::Closed);
        }
        if update.status == Some(Status::Closed) && matches!(update.mode, Some(Mode::Ai | Mode::Operator)) {
            let why = "a conversation that is closed has the mode `closed`";
            return Err(Refusal::Field { field: "mode", why });
        }
        if later && matches!(update.status, Some(Status::Open | Status::Waiting)) {
            let why = "a conversation that is put aside has the status `snoozed`";
            return Err(Refusal::Field { field: "status", why });
        }
        if update.status == Some(Status::Snoozed) && !later {
            let why = "name the moment in snoozed_until";
            return Err(Refusal::Field { field: "status", why });
        }
        let mut status = conversation.status;
        if let Some(mode) = mode.filter(|mode| *mode != conversation.mode) {
            status = self.set_mode(draft, mode, by);
        }
        if let Some(wanted) = update.status.filter(|wanted| *wanted != Status::Snoozed && *wanted != status) {
            draft.push(EventBody::StatusChanged { status: wanted, by: by.clone() });
            status = wanted;
        }
        match update.snoozed_until {
            // What was set before ended when the status changed.
            Some(Some(until)) if status != Status::Snoozed || self.head.snoozed_until != Some(until) => {
                draft.push(EventBody::Snoozed { until, by: by.clone() });
            }
            Some(None) if status == Status::Snoozed => {
                draft.push(EventBody::StatusChanged { status: Status::Open, by: by.clone() });
            }
            _ => {}
        }
        if let Some(assignee) = update.assignee.filter(|assignee| *assignee != self.head.assignee) {
            draft.push(EventBody::Assigned { assignee, by: by.clone() });
        }
        if let Some(labels) = update.labels.as_ref().filter(|labels| **labels != self.head.labels) {
            draft.push(EventBody::Labelled { labels: labels.clone(), by: by.clone() });
        }
        if let Some(priority) = update.priority.filter(|priority| *priority != self.head.priority) {
            draft.push(EventBody::Prioritised { priority, by: by.clone() });
        }
        Ok(())
    }

    /// Who may speak changes: the turn in progress is cancelled and the epoch grows. Gives where the conversation stands
    /// afterwards.
    fn set_mode(&self, draft: &mut Draft, mode: Mode, by: &Author) -> Status {
        if let Some(open) = &self.head.turn {
            draft.push(EventBody::cancelled(open.turn));
        }
        draft.epoch = draft.epoch.saturating_add(1);
        draft.push(EventBody::ModeChanged { mode, by: by.clone() });
        let status = match mode {
            Mode::Closed => Status::Closed,
            Mode::Ai | Mode::Operator => Status::Open,
        };
        if self.head.conversation.status != status {
            draft.push(EventBody::StatusChanged { status, by: by.clone() });
        }
        status
    }

    fn draft(&self, now: Timestamp) -> Draft {
        Draft {
            seq: self.head.conversation.last_seq,
            at: now.max(self.head.last_at),
            epoch: self.head.conversation.epoch,
            events: Vec::new(),
        }
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

fn check_labels(labels: &[String]) -> Result<(), Refusal> {
    let wrong = |why| Err(Refusal::Field { field: "labels", why });
    if labels.len() > MAX_LABELS {
        return wrong("at most 50 are allowed");
    }
    let fine = |label: &String| {
        let chars = label.chars().count();
        (1..=MAX_LABEL_CHARS).contains(&chars) && !label.contains('\0') && label.trim() == label
    };
    if !labels.iter().all(fine) {
        return wrong("each must have 1 to 64 characters and no space around them");
    }
    let twice = labels
        .iter()
        .enumerate()
        .any(|(at, label)| labels.iter().skip(at.saturating_add(1)).any(|other| other == label));
    if twice { wrong("each may be named once") } else { Ok(()) }
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
            suggestions: Vec::new(),
            usage: None,
            run: None,
        }
    }
}

/// Events that are being decided.
struct Draft {
    seq: Seq,
    at: Timestamp,
    epoch: Epoch,
    events: Vec<Rc<Event>>,
}

impl Draft {
    fn push(&mut self, body: EventBody) -> Seq {
        self.seq = self.seq.saturating_add(1);
        self.events.push(Rc::new(Event::new(self.seq, self.at, self.epoch, body)));
        self.seq
    }
}
