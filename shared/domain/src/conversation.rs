//! A conversation as others see it.

use serde::{Deserialize, Serialize};

use crate::answer::Citation;
use crate::id::{ConversationId, MessageId, UploadId};

/// Position of an event in its conversation, dense from 1. 0 means "before the first".
pub type Seq = u64;

/// Grows with every change of who may speak; an append that names an old one is refused.
pub type Epoch = u64;

/// Who may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The AI answers.
    Ai,
    /// An operator answers; the AI is silent.
    Operator,
    /// Neither does.
    Closed,
}

/// Where a conversation stands in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In progress.
    Open,
    /// A visitor waits for a person.
    Waiting,
    /// Put aside until a moment.
    Snoozed,
    /// Done.
    Closed,
}

/// How urgent a conversation is.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// It can wait.
    Low,
    /// As most are.
    #[default]
    Normal,
    /// Before the others.
    High,
    /// At once.
    Urgent,
}

/// Where the visitor of a conversation is. Channels differ by this value alone: every message goes the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The widget on a site.
    #[default]
    Widget,
    /// A program that speaks the API.
    Api,
    /// A Telegram bot.
    Telegram,
    /// An inbox of Chatwoot.
    Chatwoot,
    /// A chat of Kommo.
    Kommo,
}

/// The kind of an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    /// Who asks.
    Visitor,
    /// The AI.
    Ai,
    /// A person of the organisation.
    Operator,
    /// Frontdesk itself (a notice).
    System,
}

/// Who wrote a message or made a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Author {
    /// What it is.
    #[serde(deserialize_with = "crate::event::author_kind")]
    pub kind: AuthorKind,
    /// Its visitor or user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name others see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Author {
    /// The AI.
    pub const AI: Self = Self { kind: AuthorKind::Ai, id: None, name: None };
    /// Frontdesk itself.
    pub const SYSTEM: Self = Self { kind: AuthorKind::System, id: None, name: None };

    /// As visitors see those who write or are connected: without the id.
    #[must_use]
    pub fn name_only(&self) -> Self {
        Self { kind: self.kind, id: None, name: self.name.clone() }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The id its sender gave it: the same id again is the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// Its text. An AI's text is Markdown with `[n]` references to `citations`.
    pub text: String,
    /// Uploads it refers to.
    #[serde(default)]
    pub attachments: Vec<UploadId>,
    /// What the text refers to.
    #[serde(default)]
    pub citations: Vec<Citation>,
    /// Whether an AI's text ends before its end: the model was cut off, or reached its limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// A private note of operators, not shown to the visitor.
    #[serde(default)]
    pub note: bool,
}

/// A conversation's head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Who may speak.
    pub mode: Mode,
    /// Where it stands.
    pub status: Status,
    /// The current epoch.
    pub epoch: Epoch,
    /// The `seq` of its last event, 0 when there is none.
    pub last_seq: Seq,
}
