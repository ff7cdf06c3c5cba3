//! Conversations: messages, events, ratings.

use std::rc::Rc;

use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy;
use frontdesk_app::rooms::MAX_REPLAY;
use frontdesk_domain::conversation::{Conversation, Epoch, Mode, Priority, Seq, Status};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, Thumb};
use frontdesk_domain::id::{ConversationId, MessageId, UploadId, UserId};
use frontdesk_domain::time::Timestamp;
use http::{HeaderName, Response, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::problem::Problem;
use crate::sse::{self, Until};

/// An empty object.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginRequest {}

/// A message to be posted.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostRequest {
    /// The sender's id of the message: the same id again is the same message.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    client_id: String,
    /// Its text. A visitor's is at most as long as `limits.max_message_chars` says.
    #[schema(max_length = 20000)]
    text: String,
    /// Uploads it refers to.
    #[serde(default)]
    #[schema(max_items = 10)]
    attachments: Vec<UploadId>,
    /// A private note; operators only.
    #[serde(default)]
    note: bool,
}

/// Where a posted message stands.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PostResponse {
    /// The message with its `seq`.
    message: PostedMessage,
    /// Whether it was there already.
    deduplicated: bool,
}

/// A message with its place.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PostedMessage {
    /// Its `seq`.
    seq: Seq,
    /// The message.
    #[serde(flatten)]
    message: frontdesk_domain::conversation::Message,
}

/// A piece of the log.
#[derive(Serialize, utoipa::ToSchema)]
pub struct EventsResponse {
    /// Events in `seq` order.
    #[schema(value_type = Vec<Event>)]
    events: Vec<Rc<Event>>,
    /// The `seq` of the conversation's last event.
    last_seq: Seq,
    /// The current epoch.
    epoch: Epoch,
}

/// Which events.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Events after this `seq`; 0 gives all.
    after: Option<u64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// A change by an operator.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// Who may speak.
    mode: Option<Mode>,
    /// Where it stands. `closed` closes it; `snoozed` comes by `snoozed_until`.
    status: Option<Status>,
    /// To whom it is assigned, an operator of the organisation; null leaves it without an assignee.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    assignee: Option<Option<UserId>>,
    /// All labels, each of 1 to 64 characters.
    #[schema(max_items = 50)]
    labels: Option<Vec<String>>,
    /// Until when it is put aside; null takes it up again.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    snoozed_until: Option<Option<Timestamp>>,
    /// How urgent it is.
    priority: Option<Priority>,
}

/// Up to where the caller has read.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadRequest {
    /// The last `seq` read.
    seq: Seq,
}

/// A rating.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingRequest {
    /// Stars.
    #[schema(minimum = 1, maximum = 5)]
    score: u8,
    /// The visitor's words.
    #[schema(max_length = 2000)]
    comment: Option<String>,
}

/// Feedback on one answer.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// Thumb.
    rating: Thumb,
    /// The visitor's words.
    #[schema(max_length = 2000)]
    comment: Option<String>,
}

/// Tells `null` (some nothing) from a field that is not there (nothing).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn conversation(call: &Call) -> Result<ConversationId> {
    call.id("id", "conversation")
}

/// Begins a conversation.
#[utoipa::path(post, path = "/api/v1/conversations", tag = "visitor", request_body = BeginRequest,
    security(("bearer" = [])), responses((status = 201, body = Conversation), crate::problem::WriteProblems))]
pub async fn begin(mut call: Call) -> Result<Response<Body>> {
    let BeginRequest {} = call.json().await?;
    json(StatusCode::CREATED, &chat::begin(&call.ctx, call.scope()?, &call.via).await?)
}

/// Posts a message. With `Accept: text/event-stream` the answer is the room's events from this message on, until it is
/// answered.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", tag = "visitor", request_body = PostRequest,
    params(("id" = ConversationId, Path, description = "The conversation")), security(("bearer" = [])),
    responses(
        (status = 200, description = "The room's events from this message on, until it is answered", content_type = "text/event-stream", body = String),
        (status = 202, body = PostResponse),
        (status = 409, description = "The conversation is closed", body = Problem, content_type = "application/problem+json"),
        crate::problem::WriteProblems))]
pub async fn post_message(mut call: Call) -> Result<Response<Body>> {
    let id = conversation(&call)?;
    let request: PostRequest = call.json().await?;
    let command = PostMessage {
        conversation: id,
        client_id: request.client_id,
        text: request.text,
        attachments: request.attachments,
        note: request.note,
        via: call.via.clone(),
    };
    let posted = chat::post_message(&call.ctx, call.scope()?, command).await?;
    let seq = posted.receipt.seq;
    if call.wants_events() {
        let from = call.ctx.rooms.subscribe(call.scope()?, id, seq.saturating_sub(1)).await?;
        let until =
            // A note is nothing that is answered.
            if posted.conversation.mode == Mode::Ai && !posted.receipt.message.note { Until::Answered(seq) } else { Until::Sent(seq) };
        return sse::response(&call, from.frames, until);
    }
    let message = PostedMessage { seq, message: posted.receipt.message };
    json(StatusCode::ACCEPTED, &PostResponse { message, deduplicated: posted.deduplicated })
}

/// The header in which a browser that comes back says which event it has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// As its specification writes it.
const LAST_EVENT_ID_FIELD: &str = "Last-Event-ID";

/// A position that came by the header is refused by its name.
fn of_last_event_id(error: Error) -> Error {
    match error {
        Error::Caller(CallerError::Invalid(mut fields)) => {
            for field in fields.iter_mut().filter(|field| field.pointer == "?after") {
                LAST_EVENT_ID_FIELD.clone_into(&mut field.pointer);
            }
            CallerError::Invalid(fields).into()
        }
        other => other,
    }
}

/// The events after a `seq`. With `Accept: text/event-stream` what is stored, then live; `Last-Event-ID` counts more than
/// `after`.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/events", tag = "visitor",
    params(("id" = ConversationId, Path, description = "The conversation"), EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last `seq` the client has; for event streams")),
    security(("bearer" = [])),
    responses((status = 200, content((EventsResponse = "application/json"), (String = "text/event-stream"))),
        crate::problem::ReadProblems))]
pub async fn events(call: Call) -> Result<Response<Body>> {
    let id = conversation(&call)?;
    let query: EventsQuery = call.query()?;
    // An empty one is what a client sends that has no event yet.
    let last = call.headers.get(LAST_EVENT_ID).filter(|last| !last.as_bytes().trim_ascii().is_empty());
    let last = last.map(|last| {
        let seq = last.to_str().ok().and_then(|last| last.parse::<i64>().ok());
        let seq = seq.and_then(|seq| u64::try_from(seq).ok());
        seq.ok_or_else(|| Error::invalid(LAST_EVENT_ID_FIELD, "must be a seq"))
    });
    let last = last.transpose()?;
    let after = query.after.unwrap_or(0);
    if call.wants_events() {
        let after = last.unwrap_or(after);
        let scope = call.scope()?;
        let from = call.ctx.rooms.subscribe(scope, id, after).await;
        let from = if last.is_some() { from.map_err(of_last_event_id)? } else { from? };
        // The call itself has paid for the first page.
        let more = policy::pages(from.conversation.last_seq, after).saturating_sub(1);
        policy::replay(&call.ctx, scope, &call.via, more).await?;
        return sse::response(&call, from.frames, Until::Forever);
    }
    let limit = query.limit.unwrap_or(100);
    if limit == 0 || limit > MAX_REPLAY {
        return Err(Error::invalid("?limit", format!("must be from 1 to {MAX_REPLAY}")));
    }
    let replay = call.ctx.rooms.replay(call.scope()?, id, after, limit).await?;
    let (last_seq, epoch) = (replay.conversation.last_seq, replay.conversation.epoch);
    json(StatusCode::OK, &EventsResponse { events: replay.events, last_seq, epoch })
}

/// Changes a conversation: who may speak, where it stands, whose it is, its labels and priority. `If-Match` names the epoch the caller has seen.
#[utoipa::path(patch, path = "/api/v1/conversations/{id}", tag = "operator", request_body = ChangeRequest,
    params(("id" = ConversationId, Path, description = "The conversation"),
        ("If-Match" = String, Header, description = "The epoch, as `\"3\"`")),
    security(("bearer" = [])),
    responses((status = 200, body = Conversation),
        (status = 412, description = "The epoch moved", body = Problem, content_type = "application/problem+json"),
        crate::problem::WriteProblems))]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let id = conversation(&call)?;
    let epoch = call.if_match()?;
    let request: ChangeRequest = call.json().await?;
    let ChangeRequest { mode, status, assignee, labels, snoozed_until, priority } = request;
    let change = Change { mode, status, assignee, labels, snoozed_until, priority };
    if change == Change::default() {
        let names = "mode, status, assignee, labels, snoozed_until or priority";
        return Err(Error::invalid("", format!("name what is to change: {names}")));
    }
    json(StatusCode::OK, &chat::change(&call.ctx, call.scope()?, &call.via, id, epoch, change).await?)
}

/// Notes up to where the caller has read.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/read", tag = "visitor", request_body = ReadRequest,
    params(("id" = ConversationId, Path, description = "The conversation")), security(("bearer" = [])),
    responses((status = 204, description = "Noted"), crate::problem::WriteProblems))]
pub async fn read(mut call: Call) -> Result<Response<Body>> {
    let id = conversation(&call)?;
    let request: ReadRequest = call.json().await?;
    chat::read(&call.ctx, call.scope()?, &call.via, id, request.seq).await?;
    Ok(no_content())
}

/// Rates the conversation.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/rating", tag = "visitor", request_body = RatingRequest,
    params(("id" = ConversationId, Path, description = "The conversation")), security(("bearer" = [])),
    responses((status = 204, description = "Noted"), crate::problem::WriteProblems))]
pub async fn rate(mut call: Call) -> Result<Response<Body>> {
    let id = conversation(&call)?;
    let request: RatingRequest = call.json().await?;
    chat::rate(&call.ctx, call.scope()?, &call.via, id, request.score, request.comment).await?;
    Ok(no_content())
}

/// Thumb up or down for one answer.
#[utoipa::path(post, path = "/api/v1/messages/{id}/feedback", tag = "visitor", request_body = FeedbackRequest,
    params(("id" = MessageId, Path, description = "The message")), security(("bearer" = [])),
    responses((status = 204, description = "Noted"), crate::problem::WriteProblems))]
pub async fn feedback(mut call: Call) -> Result<Response<Body>> {
    let id: MessageId = call.id("id", "message")?;
    let request: FeedbackRequest = call.json().await?;
    chat::feedback(&call.ctx, call.scope()?, &call.via, id, request.rating, request.comment).await?;
    Ok(no_content())
}
