//! Rooms that another process runs: [`RemoteRooms`] asks, [`answer`] answers. A call is one JSON object, its reply one
//! line of JSON; after the reply to a subscription come the frames, a line each. An empty line is a sign of life.

use std::rc::{Rc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use frontdesk_domain::conversation::{Author, Channel, Conversation, Mode, Seq};
use frontdesk_domain::error::{CallerError, Error, FieldError, Result};
use frontdesk_domain::event::Frame;
use frontdesk_domain::id::{ConversationId, OrgId, VisitorId};
use frontdesk_domain::room::Command;
use frontdesk_domain::scope::{Actor, Credential, TenantScope};
use frontdesk_ports::{Appended, BoxStream, ByteStream, Clock, Ctx, Ports, Replay, Rooms, Subscription};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::remote::Transport;

/// The longest reply or frame: a full page of the log with the longest messages stays far under it.
const MAX_LINE: usize = 32 * 1024 * 1024;
/// How often a silent subscription gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What is asked of a room. Who asks was authenticated by the process that sends it.
#[derive(Debug, Serialize, Deserialize)]
struct RoomCall {
    org: OrgId,
    actor: Actor,
    /// A call of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential: Option<Credential>,
    conversation: ConversationId,
    ask: RoomAsk,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoomAsk {
    Append(Command),
    Replay { after: Seq, limit: u32 },
    Subscribe { after: Seq },
    Typing { on: bool },
}

/// The reply to a subscription.
#[derive(Serialize, Deserialize)]
struct RoomPlace {
    conversation: Conversation,
    participants: Vec<Author>,
}

/// The name of a conversation's room.
#[must_use]
pub fn room_name(org: OrgId, conversation: ConversationId) -> String {
    format!("{org}/{conversation}")
}

/// Rooms that another process runs. Which conversations there are is known from the main database.
pub struct RemoteRooms {
    ports: Weak<Ports>,
    transport: Rc<dyn Transport>,
}

impl RemoteRooms {
    /// Rooms behind this transport.
    #[must_use]
    pub fn new(ports: Weak<Ports>, transport: Rc<dyn Transport>) -> Self {
        Self { ports, transport }
    }

    fn ctx(&self) -> Result<Ctx> {
        self.ports.upgrade().map(Ctx::new).ok_or_else(|| Error::ours("the host has stopped"))
    }

    /// Sends a call; its reply, and what comes after.
    async fn ask<T: DeserializeOwned>(
        &self,
        scope: &TenantScope,
        conversation: ConversationId,
        ask: RoomAsk,
    ) -> Result<(T, BodyLines)> {
        let (actor, credential) = (scope.actor().clone(), scope.credential());
        let call = RoomCall { org: scope.org(), actor, credential, conversation, ask };
        let call = serde_json::to_string(&call).map_err(|error| Error::ours(error.to_string()))?;
        let room = room_name(scope.org(), conversation);
        let body = self.transport.send(&room, call).await.map_err(|error| out_of_reach(&error))?;
        let mut lines = BodyLines::new(body);
        let line = lines.next().await?.ok_or_else(|| out_of_reach(&"the room gave no answer"))?;
        let reply: RoomReply<T> =
            // During a roll-out the room may be of another version for a while.
            serde_json::from_slice(&line).map_err(|error| out_of_reach(&format!("a room's reply: {error}")))?;
        match reply {
            RoomReply::Done(value) => Ok((value, lines)),
            RoomReply::Refused(failure) => Err(failure.into()),
        }
    }
}

#[async_trait(?Send)]
impl Rooms for RemoteRooms {
    async fn create(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        channel: Channel,
    ) -> Result<Conversation> {
        // The room takes it over from the main database when the first caller comes.
        Ok(super::begin(&self.ctx()?, scope, id, channel).await?.head.conversation)
    }

    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
        let Some(known) = super::latest(&self.ctx()?, scope, visitor).await? else { return Ok(None) };
        // The main database may be a little behind.
        let current = self.replay(scope, known.id, known.last_seq, 1).await?.conversation;
        Ok(Some(current).filter(|conversation| conversation.mode != Mode::Closed))
    }

    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        Ok(self.ask(scope, id, RoomAsk::Append(command)).await?.0)
    }

    async fn replay(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Replay> {
        Ok(self.ask(scope, id, RoomAsk::Replay { after, limit }).await?.0)
    }

    async fn subscribe(&self, scope: &TenantScope, id: ConversationId, after: Seq) -> Result<Subscription> {
        let (place, lines): (RoomPlace, _) = self.ask(scope, id, RoomAsk::Subscribe { after }).await?;
        let frames = futures_util::stream::unfold(lines, |mut lines| async move {
            loop {
                // A stream that was cut just ends: the listener comes back with its last `seq`.
                let line = lines.next().await.ok()??;
                if line.is_empty() {
                    continue;
                }
                // Something live that this version does not know is not told.
                if let Some(frame) = Frame::from_json(std::str::from_utf8(&line).ok()?).ok()? {
                    return Some((frame, lines));
                }
            }
        });
        let RoomPlace { conversation, participants } = place;
        Ok(Subscription { conversation, participants, frames: frames.boxed_local() })
    }

    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()> {
        let ((), _) = self.ask(scope, id, RoomAsk::Typing { on }).await?;
        Ok(())
    }
}

fn out_of_reach(detail: &impl ToString) -> Error {
    Error::Upstream { service: "rooms", retryable: true, detail: detail.to_string() }
}

/// What a call is answered with.
pub enum RoomAnswer {
    /// The reply and nothing else.
    Whole(Bytes),
    /// The reply to a subscription, then frames until the caller goes.
    Open(BoxStream<'static, Bytes>),
}

/// Answers a call by `rooms`.
pub async fn answer(rooms: &dyn Rooms, clock: Rc<dyn Clock>, call: &[u8]) -> RoomAnswer {
    let call: RoomCall = match serde_json::from_slice(call) {
        Ok(call) => call,
        Err(error) => {
            let error = out_of_reach(&format!("a call of another version: {error}"));
            return RoomAnswer::Whole(line::<()>(Err(error)));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the process that sent the call authenticated who asks")]
    let scope = TenantScope::authenticated(call.org, call.actor).by(call.credential);
    RoomAnswer::Whole(match call.ask {
        RoomAsk::Append(command) => line(rooms.append(&scope, call.conversation, command).await),
        RoomAsk::Replay { after, limit } => line(rooms.replay(&scope, call.conversation, after, limit).await),
        RoomAsk::Typing { on } => line(rooms.typing(&scope, call.conversation, on).await),
        RoomAsk::Subscribe { after } => match rooms.subscribe(&scope, call.conversation, after).await {
            Ok(Subscription { conversation, participants, frames }) => {
                let reply = std::future::ready(line(Ok(RoomPlace { conversation, participants })));
                let lines = futures_util::stream::once(reply).chain(with_signs_of_life(frames, clock));
                return RoomAnswer::Open(lines.boxed_local());
            }
            Err(error) => line::<()>(Err(error)),
        },
    })
}

fn line<T: Serialize>(result: Result<T>) -> Bytes {
    let reply = match result {
        Ok(value) => RoomReply::Done(value),
        Err(error) => RoomReply::Refused(RoomFailure::from(error)),
    };
    let mut line = serde_json::to_vec(&reply).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Frames as lines. What waits at the same moment goes out in one piece.
fn with_signs_of_life(frames: BoxStream<'static, Frame>, clock: Rc<dyn Clock>) -> BoxStream<'static, Bytes> {
    const AT_ONCE: usize = 64;
    let frames = frames.ready_chunks(AT_ONCE).boxed_local();
    let lines = futures_util::stream::unfold((frames, clock), |(mut frames, clock)| async move {
        let timer = clock.sleep(SIGN_OF_LIFE);
        let ready = match select(frames.next(), timer).await {
            Either::Left((ready, _)) => ready?,
            Either::Right(_) => Vec::new(),
        };
        let mut piece = String::new();
        for frame in &ready {
            piece.push_str(&frame.to_json());
            piece.push('\n');
        }
        if piece.is_empty() {
            piece.push('\n');
        }
        Some((Bytes::from(piece), (frames, clock)))
    });
    lines.boxed_local()
}

/// What a call led to.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoomReply<T> {
    Done(T),
    Refused(RoomFailure),
}

/// The errors that a room gives, over the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoomFailure {
    NotFound,
    Closed,
    Fenced,
    KeptElsewhere,
    Stale { current: u64 },
    Crowded { retry_after: Duration },
    Invalid(Vec<FieldError>),
    Upstream { retryable: bool, detail: String },
    Ours(String),
}

impl From<Error> for RoomFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::Caller(CallerError::NotFound { .. }) => Self::NotFound,
            Error::Caller(CallerError::Conflict(super::CLOSED)) => Self::Closed,
            Error::Caller(CallerError::Conflict(super::KEPT_ELSEWHERE)) => Self::KeptElsewhere,
            Error::Caller(CallerError::Conflict(_)) => Self::Fenced,
            Error::Caller(CallerError::Stale { current }) => Self::Stale { current },
            Error::Caller(CallerError::Unavailable { retry_after, .. }) => Self::Crowded { retry_after },
            Error::Caller(CallerError::Invalid(fields)) => Self::Invalid(fields),
            Error::Upstream { service, retryable, detail } => {
                Self::Upstream { retryable, detail: format!("{service}: {detail}") }
            }
            other => Self::Ours(other.to_string()),
        }
    }
}

impl From<RoomFailure> for Error {
    fn from(failure: RoomFailure) -> Self {
        match failure {
            RoomFailure::NotFound => Self::not_found("conversation"),
            RoomFailure::Closed => CallerError::Conflict(super::CLOSED).into(),
            RoomFailure::Fenced => CallerError::Conflict(super::FENCED).into(),
            RoomFailure::KeptElsewhere => CallerError::Conflict(super::KEPT_ELSEWHERE).into(),
            RoomFailure::Stale { current } => CallerError::Stale { current }.into(),
            RoomFailure::Crowded { retry_after } => {
                CallerError::Unavailable { reason: super::CROWDED, retry_after }.into()
            }
            RoomFailure::Invalid(fields) => CallerError::Invalid(fields).into(),
            RoomFailure::Upstream { retryable, detail } => {
                Self::Upstream { service: "rooms", retryable, detail }
            }
            RoomFailure::Ours(detail) => Self::Ours(detail),
        }
    }
}

/// A body, line by line.
struct BodyLines {
    body: ByteStream,
    pending: BytesMut,
    /// Up to where `pending` has no line end.
    searched: usize,
}

impl BodyLines {
    fn new(body: ByteStream) -> Self {
        Self { body, pending: BytesMut::new(), searched: 0 }
    }

    /// The next line without its end; none after the last one. A line that was cut is not a line.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let rest = self.pending.get(self.searched..).unwrap_or_default();
            if let Some(found) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.pending.split_to(self.searched.saturating_add(found)).freeze();
                self.pending.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.pending.len();
            if self.searched > MAX_LINE {
                return Err(out_of_reach(&"a line of a room's answer is too long"));
            }
            match self.body.next().await {
                Some(piece) => self.pending.extend_from_slice(&piece.map_err(|error| out_of_reach(&error))?),
                None => return Ok(None),
            }
        }
    }
}
