//! Conversations: the one way in for messages, whether a visitor or an operator writes and through whatever channel.

use std::time::Duration;

use frontdesk_domain::conversation::{AuthorKind, Conversation, Epoch, Mode, Priority, Seq, Status};
use frontdesk_domain::error::{CallerError, Error, FieldError, Result};
use frontdesk_domain::event::Thumb;
use frontdesk_domain::id::{ConversationId, MessageId, TurnId, UploadId, UserId};
use frontdesk_domain::permission::Permission;
use frontdesk_domain::room::{Command, NewMessage, Receipt, Update};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::text::{NO_CONTROLS, has_controls, is_blank};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Appended, CallOutcome, Ctx, Rows};

use crate::health::WRITES;
use crate::policy::{self, Via};
use crate::store;

/// The longest `client_id`, in bytes.
pub const MAX_CLIENT_ID: usize = 64;
/// The most attachments of a message.
pub const MAX_ATTACHMENTS: usize = 10;
/// The longest comment of a rating, in characters.
pub const MAX_COMMENT_CHARS: usize = 2000;
/// The longest message of an operator, in characters.
pub const MAX_OPERATOR_CHARS: u32 = 20_000;

/// A room's log is in the main database within this.
pub(crate) const YOUNG: Duration = Duration::from_secs(5);
/// When a message is read again that is not there yet.
pub(crate) const READ_AGAIN: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// A message to be posted.
#[derive(Debug, Clone)]
pub struct PostMessage {
    /// Where.
    pub conversation: ConversationId,
    /// The sender's id of it: the same id again is the same message.
    pub client_id: String,
    /// Its text.
    pub text: String,
    /// Uploads it refers to.
    pub attachments: Vec<UploadId>,
    /// A private note of operators.
    pub note: bool,
    /// By which way it comes.
    pub via: Via,
}

/// Where a posted message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The message and its `seq`.
    pub receipt: Receipt,
    /// Whether it was there already.
    pub deduplicated: bool,
    /// The conversation afterwards.
    pub conversation: Conversation,
}

/// Begins a conversation of the visitor.
///
/// # Errors
/// 403 for any other caller; 429 and 503 by the channel's policy.
pub async fn begin(ctx: &Ctx, scope: &TenantScope, via: &Via) -> Result<Conversation> {
    policy::write(ctx, scope, via).await?;
    let id = ConversationId::new(ctx.clock.now(), ctx.random.entropy());
    ctx.rooms.create(scope, id, via.channel).await
}

/// Posts a message: the only writer of messages. It is stored when this returns. An operator that writes to a visitor
/// takes over; the room decides that, after it has recognised repetitions.
///
/// # Errors
/// 429 and 503 by the channel's policy; 422 naming the field; 404 for another visitor's conversation; 409 when it is closed.
pub async fn post_message(ctx: &Ctx, scope: &TenantScope, command: PostMessage) -> Result<Posted> {
    let settings = policy::write(ctx, scope, &command.via).await?;
    let author = scope.actor().author();
    let limit = match author.kind {
        AuthorKind::Visitor => settings.limits.max_message_chars,
        _ => MAX_OPERATOR_CHARS,
    };
    validate(&command, limit)?;
    if !matches!(scope.actor(), Actor::User { .. }) && command.note {
        return Err(Error::invalid("/note", "only operators write notes"));
    }
    if author.kind == AuthorKind::Operator && !command.note && !scope.may(Permission::Converse) {
        return Err(CallerError::Forbidden("writing to visitors needs the role operator").into());
    }
    let id = MessageId::new(ctx.clock.now(), ctx.random.entropy());
    if !command.attachments.is_empty() {
        crate::uploads::attach(ctx, scope, id, &command.attachments).await?;
    }
    let now = ctx.clock.now();
    let message = NewMessage {
        id,
        client_id: Some(command.client_id),
        author,
        text: command.text,
        attachments: command.attachments,
        note: command.note,
    };
    let turn = TurnId::new(now, ctx.random.entropy());
    let appended = append(ctx, scope, command.conversation, Command::Post { message, turn }).await?;
    let receipt = appended.receipt.ok_or_else(|| Error::ours("a posted message has no receipt"))?;
    Ok(Posted { receipt, deduplicated: appended.deduplicated, conversation: appended.conversation })
}

/// Appends to a conversation, and notes for `/health` whether it could be stored.
async fn append(ctx: &Ctx, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
    let appended = ctx.rooms.append(scope, id, command).await;
    let outcome = match &appended {
        Ok(_) | Err(Error::Caller(_)) => CallOutcome::Ok,
        Err(Error::Upstream { .. } | Error::Ours(_)) => CallOutcome::Failing,
    };
    ctx.caches.outcomes.record(WRITES, outcome, ctx.clock.now());
    appended
}

/// A change of a conversation by an operator; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Who may speak.
    pub mode: Option<Mode>,
    /// Where it stands.
    pub status: Option<Status>,
    /// To whom it is assigned; `Some(None)` leaves it without an assignee.
    pub assignee: Option<Option<UserId>>,
    /// All labels.
    pub labels: Option<Vec<String>>,
    /// Until when it is put aside; `Some(None)` takes it up again.
    pub snoozed_until: Option<Option<Timestamp>>,
    /// How urgent it is.
    pub priority: Option<Priority>,
}

/// Changes a conversation's head, if the epoch is still the one the caller has seen.
///
/// # Errors
/// 412 when it is not; 422 for an assignee who is no operator of the organisation, and for a moment that has passed; 429
/// and 503 by the channel's policy.
pub async fn change(
    ctx: &Ctx,
    scope: &TenantScope,
    via: &Via,
    id: ConversationId,
    if_epoch: Epoch,
    change: Change,
) -> Result<Conversation> {
    policy::write(ctx, scope, via).await?;
    if let Some(Some(assignee)) = change.assignee {
        check_assignee(ctx, scope, assignee).await?;
    }
    if let Some(Some(until)) = change.snoozed_until
        && until <= ctx.clock.now()
    {
        return Err(Error::invalid("/snoozed_until", "must lie in the future"));
    }
    check_labels(change.labels.as_deref().unwrap_or_default())?;
    let update = Update {
        if_epoch: Some(if_epoch),
        by: scope.actor().author(),
        mode: change.mode,
        status: change.status,
        assignee: change.assignee,
        labels: change.labels,
        snoozed_until: change.snoozed_until,
        priority: change.priority,
    };
    Ok(append(ctx, scope, id, Command::Update(update)).await?.conversation)
}

/// A label is seen, and is what it seems to be.
fn check_labels(labels: &[String]) -> Result<()> {
    for (index, label) in labels.iter().enumerate() {
        let wrong = |detail| Err(Error::invalid(format!("/labels/{index}"), detail));
        if has_controls(label) {
            return wrong(NO_CONTROLS);
        }
        if is_blank(label) {
            return wrong("must show something");
        }
    }
    Ok(())
}

/// A conversation is assigned to people who can answer it.
async fn check_assignee(ctx: &Ctx, scope: &TenantScope, assignee: UserId) -> Result<()> {
    // An operator who takes it was authenticated just now.
    if matches!(scope.actor(), Actor::User { user, .. } if *user == assignee)
        && scope.may(Permission::Converse)
    {
        return Ok(());
    }
    let results = ctx.db.query(vec![store::members::select(scope, assignee)]).await?;
    let member = results.first().and_then(Rows::first).map(store::members::member).transpose()?;
    match member {
        Some(member) if member.disabled_at.is_none() && member.role.allows(Permission::Converse) => Ok(()),
        _ => Err(Error::invalid("/assignee", "must be an operator of the organisation")),
    }
}

/// Notes that the caller has read everything up to `upto`.
///
/// # Errors
/// 422 when there is no such `seq` yet; 429 and 503 by the channel's policy.
pub async fn read(ctx: &Ctx, scope: &TenantScope, via: &Via, id: ConversationId, upto: Seq) -> Result<()> {
    policy::write(ctx, scope, via).await?;
    append(ctx, scope, id, Command::Read { by: scope.actor().author(), upto }).await.map(|_| ())
}

/// Rates a conversation with 1 to 5 stars.
///
/// # Errors
/// 422 naming the field; 429 and 503 by the channel's policy.
pub async fn rate(
    ctx: &Ctx,
    scope: &TenantScope,
    via: &Via,
    id: ConversationId,
    score: u8,
    comment: Option<String>,
) -> Result<()> {
    policy::write(ctx, scope, via).await?;
    if !(1..=5).contains(&score) {
        return Err(Error::invalid("/score", "must be from 1 to 5"));
    }
    check_comment(comment.as_deref())?;
    let command = Command::Rate { score: Some(score), message_id: None, rating: None, comment };
    append(ctx, scope, id, command).await.map(|_| ())
}

/// Thumb up or down for one answer.
///
/// # Errors
/// 404 when the caller cannot see the message; 422 naming the field; 429 and 503 by the channel's policy.
pub async fn feedback(
    ctx: &Ctx,
    scope: &TenantScope,
    via: &Via,
    message: MessageId,
    rating: Thumb,
    comment: Option<String>,
) -> Result<()> {
    policy::write(ctx, scope, via).await?;
    check_comment(comment.as_deref())?;
    let place = place_of(ctx, scope, message).await?;
    let rated = if !place.rateable {
        // Whether it is the caller's to see at all.
        ctx.rooms.replay(scope, place.conversation, 0, 1).await.map(|_| ())
    } else {
        let command = Command::Rate { score: None, message_id: Some(message), rating: Some(rating), comment };
        append(ctx, scope, place.conversation, command).await.map(|_| ())
    };
    match rated {
        Ok(()) if place.rateable => Ok(()),
        Ok(()) => Err(Error::invalid("/rating", "only answers are rated, of the AI or of an operator")),
        Err(Error::Caller(CallerError::NotFound { .. })) => Err(Error::not_found("message")),
        Err(error) => Err(error),
    }
}

/// Where a message stands.
struct MessagePlace {
    conversation: ConversationId,
    /// Whether it is an answer to the visitor.
    rateable: bool,
}

/// Where a message stands; a note is not there for visitors, who alone rate. Rooms that have a log of their own tell the
/// main database a little later, so a message that was just written is read again.
async fn place_of(ctx: &Ctx, scope: &TenantScope, message: MessageId) -> Result<MessagePlace> {
    let mut pauses = READ_AGAIN.into_iter();
    loop {
        let results = ctx.db.query(vec![store::events::select_by_message(scope, message)]).await?;
        if let Some(row) = results.first().and_then(Rows::first) {
            if row.int(2)? != 0 {
                return Err(Error::not_found("message"));
            }
            return Ok(MessagePlace {
                conversation: row.parse(0)?,
                rateable: matches!(row.text(1)?, "ai" | "operator"),
            });
        }
        let young = message.made_at().is_some_and(|made| ctx.clock.now().since(made) < YOUNG);
        match pauses.next() {
            Some(pause) if young => ctx.clock.sleep(pause).await,
            _ => return Err(Error::not_found("message")),
        }
    }
}

fn validate(command: &PostMessage, max_chars: u32) -> Result<()> {
    let mut errors = Vec::new();
    let mut wrong =
        |pointer: &str, detail: String| errors.push(FieldError { pointer: pointer.to_owned(), detail });
    let printable = |byte: u8| byte.is_ascii_graphic();
    if command.client_id.is_empty()
        || command.client_id.len() > MAX_CLIENT_ID
        || !command.client_id.bytes().all(printable)
    {
        wrong(
            "/client_id",
            format!("must be 1 to {MAX_CLIENT_ID} printable ASCII characters without spaces"),
        );
    }
    let chars = command.text.chars().count();
    if is_blank(&command.text) && command.attachments.is_empty() {
        wrong("/text", "must not be empty".to_owned());
    } else if chars > usize::try_from(max_chars).unwrap_or(usize::MAX) {
        wrong("/text", format!("has {chars} characters; at most {max_chars} are allowed"));
    } else if command.text.contains('\0') {
        wrong("/text", "must not contain NUL".to_owned());
    }
    if command.attachments.len() > MAX_ATTACHMENTS {
        wrong("/attachments", format!("at most {MAX_ATTACHMENTS} are allowed"));
    }
    if errors.is_empty() { Ok(()) } else { Err(CallerError::Invalid(errors).into()) }
}

fn check_comment(comment: Option<&str>) -> Result<()> {
    match comment {
        Some(comment) if comment.chars().count() > MAX_COMMENT_CHARS => {
            Err(Error::invalid("/comment", format!("at most {MAX_COMMENT_CHARS} characters are allowed")))
        }
        _ => Ok(()),
    }
}
