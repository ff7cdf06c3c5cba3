//! The protocol of one socket, without a socket: the host hands in what the client sends and sends out what
//! [`Session::next`] gives.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::{self, Via};
use frontdesk_domain::conversation::Seq;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::Frame;
use frontdesk_domain::id::{ConversationId, OrgId, RequestId};
use frontdesk_domain::limits::Gcra;
use frontdesk_domain::permission::Permission;
use frontdesk_domain::scope::{Actor, Credential, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxStream, Ctx};
use futures_channel::oneshot;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::SocketGrant;
use super::frame::{ClientFrame, ReadFrame, SendFrame, ServerFrame};
use crate::problem;
use crate::standing::{self, Ended, Over};

/// The longest frame of a client, in bytes of its text.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// The code with which a socket is closed whose token has ended, or counts no longer: its user is not enabled, its site was
/// removed. The client gets a new token, if there is one for it, and comes back.
pub const EXPIRED: u16 = 4401;
/// Too many frames, or a client that does not read its answers (RFC 6455, 7.4.1: policy violation).
const FLOODED: u16 = 1008;
/// Try again later, with the last `seq` (IANA's registry of close codes).
const COME_BACK: u16 = 1013;
/// How many frames a client may send at once; they come back within [`BURST_WINDOW`], which makes 20 a second.
const BURST: u32 = 40;
const BURST_WINDOW: Duration = Duration::from_secs(2);
/// How many answers may wait for a client that does not read.
const MAX_WAITING: usize = 256;
/// How often hosts that lose their memory wake a room to see whether the sites of its visitors are there.
const VISITOR_ALARM: Duration = Duration::from_secs(60);

/// All that a session is made of: with it a session goes on after its host lost its memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketState {
    org: OrgId,
    actor: Actor,
    /// A state of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credential: Option<Credential>,
    conversation: ConversationId,
    /// Whose address posts are counted against.
    ip: Option<IpAddr>,
    /// The foreign origin of the page that opened it. A state of an earlier version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// When the token ends.
    expires: Timestamp,
    /// The last stored `seq` that was sent, or was named by `hello`; `None` before `hello`.
    upto: Option<Seq>,
    /// When the whole allowance of frames is there again, in microseconds since 1970.
    allowance: i64,
    /// When it was last found that the caller may stay. A state of an earlier version has none.
    #[serde(default)]
    checked: Timestamp,
}

impl SocketState {
    pub(super) fn new(
        scope: &TenantScope,
        conversation: ConversationId,
        ip: Option<IpAddr>,
        page: Option<&str>,
        expires: Timestamp,
    ) -> Self {
        let (org, actor) = (scope.org(), scope.actor().clone());
        Self {
            org,
            actor,
            credential: scope.credential(),
            conversation,
            ip,
            page: page.map(str::to_owned),
            expires,
            upto: None,
            allowance: 0,
            checked: Timestamp::default(),
        }
    }

    /// The organisation.
    #[must_use]
    pub const fn org(&self) -> OrgId {
        self.org
    }

    /// The conversation.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        self.conversation
    }
}

/// What the host is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Send this text.
    Text(String),
    /// Close; nothing follows.
    Close(Close),
}

/// Why a socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// A word for the person who debugs a client.
    pub reason: &'static str,
}

/// One socket.
///
/// Frames of the client are handled in the order in which [`Session::on_text`] was called. What [`Session::next`] gives
/// is to be sent in its order; [`Session::state`] is then exactly what was sent, so a host that can lose its memory
/// stores it after each frame.
pub struct Session {
    ctx: Ctx,
    scope: TenantScope,
    conversation: ConversationId,
    ip: Option<IpAddr>,
    page: Option<String>,
    expires: Timestamp,
    upto: Cell<Option<Seq>>,
    allowance: Cell<i64>,
    /// When it was last found that the caller may stay.
    checked: Cell<Timestamp>,
    out: RefCell<Out>,
    /// Ends when the frame before has been handled.
    before: RefCell<Option<oneshot::Receiver<()>>>,
}

/// What is to be sent.
#[derive(Default)]
struct Out {
    waiting: VecDeque<Outgoing>,
    frames: Option<BoxStream<'static, Frame>>,
    /// Came after a gap and is sent next.
    held: Option<Frame>,
    closed: bool,
    waker: Option<Waker>,
}

impl Session {
    /// The session of a socket that was let in.
    #[must_use]
    pub fn new(ctx: Ctx, grant: SocketGrant) -> Self {
        Self::from_state(ctx, grant.into())
    }

    /// Goes on with a session that a host stored, exactly where it was.
    ///
    /// A caller that can make a state can pose as any other: it must come from a place that the host alone writes to.
    pub async fn resume(ctx: Ctx, state: SocketState) -> Self {
        let upto = state.upto;
        let session = Self::from_state(ctx, state);
        if let Some(after) = upto {
            let joined = session.ctx.rooms.subscribe(&session.scope, session.conversation, after).await;
            match joined {
                Ok(joined) => session.out.borrow_mut().frames = Some(joined.frames),
                Err(_) => session.close(COME_BACK, "the room is out of reach"),
            }
        }
        session
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "from a grant, which the router made, or by `resume`, whose callers vouch for it"
    )]
    fn from_state(ctx: Ctx, state: SocketState) -> Self {
        Self {
            ctx,
            scope: TenantScope::authenticated(state.org, state.actor).by(state.credential),
            conversation: state.conversation,
            ip: state.ip,
            page: state.page,
            expires: state.expires,
            upto: Cell::new(state.upto),
            allowance: Cell::new(state.allowance),
            checked: Cell::new(state.checked),
            out: RefCell::default(),
            before: RefCell::default(),
        }
    }

    /// What a host stores to [`resume`](Self::resume) from.
    #[must_use]
    pub fn state(&self) -> SocketState {
        SocketState {
            upto: self.upto.get(),
            allowance: self.allowance.get(),
            checked: self.checked.get(),
            ..SocketState::new(&self.scope, self.conversation, self.ip, self.page.as_deref(), self.expires)
        }
    }

    /// Whether the client has said `hello`.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.upto.get().is_some()
    }

    /// A text frame of the client. Its answers come out of [`next`](Self::next).
    pub async fn on_text(&self, text: &str) {
        // Counted as it comes, not as it is handled: a flood that waits is a flood.
        if !self.admits() {
            return;
        }
        let (_done, handled) = oneshot::channel::<()>();
        let before = self.before.borrow_mut().replace(handled);
        if let Some(before) = before {
            // It ends without a value, when its sender is dropped.
            let _ = before.await;
        }
        if self.out.borrow().closed || !self.may_stay().await {
            return;
        }
        if text.len() > MAX_FRAME_BYTES {
            let limit = u64::try_from(MAX_FRAME_BYTES).unwrap_or(u64::MAX);
            return self.refuse(None, &CallerError::TooLarge { field: "frame", limit }.into());
        }
        match ClientFrame::parse(text) {
            Ok(frame) => self.handle(frame).await,
            Err(error) => self.refuse(None, &error),
        }
    }

    /// A binary frame of the client; there are none in this protocol.
    pub fn on_binary(&self) {
        if self.admits() {
            let detail = "frames are JSON text".to_owned();
            self.refuse(None, &CallerError::Unreadable(detail).into());
        }
    }

    /// A ping of the WebSocket itself, which the host answers: here it only counts as a frame.
    pub fn on_ping(&self) {
        self.admits();
    }

    /// What to do next; `None` after a close. Dropping the future loses nothing.
    pub async fn next(&self) -> Option<Outgoing> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Waits until the socket has to end, and closes it. For hosts that keep a session in memory.
    pub async fn ended(&self) {
        let ended = standing::end(&self.ctx, &self.scope, self.page.as_deref(), self.expires).await;
        self.end(ended);
    }

    /// [`Session::check`] of all sockets of a room; gives when the first of them is to be checked again.
    pub async fn check_all(sessions: &[&Self]) -> Option<Duration> {
        let mut soonest: Option<Duration> = None;
        for session in sessions {
            let next = session.check().await;
            soonest = [soonest, next].into_iter().flatten().min();
        }
        soonest
    }

    /// Closes the socket if it has to end; gives when to check again. For hosts that lose their memory and have another clock
    /// than a future's. `None` where nothing is to be checked but the token's end, which is before anything more is sent.
    async fn check(&self) -> Option<Duration> {
        let stays = !self.has_expired() && self.may_stay().await;
        let next = standing::check_every(&self.scope).filter(|_| stays);
        let visitor = matches!(self.scope.actor(), Actor::Visitor { .. });
        // Each wakes a room that sleeps, and there are many visitors.
        next.map(|next| if visitor { next.max(VISITOR_ALARM) } else { next })
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        loop {
            let mut out = self.out.borrow_mut();
            if let Some(next) = out.waiting.pop_front() {
                return Poll::Ready(Some(next));
            }
            if out.closed {
                return Poll::Ready(None);
            }
            out.waker = Some(cx.waker().clone());
            let polled = match (out.held.take(), &mut out.frames) {
                (Some(held), _) => Poll::Ready(Some(held)),
                (None, Some(frames)) => frames.poll_next_unpin(cx),
                (None, None) => Poll::Pending,
            };
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => {
                    drop(out);
                    if self.has_expired() {
                        continue;
                    }
                    match frame {
                        Some(frame) => {
                            if let Some(text) = self.advance(frame) {
                                return Poll::Ready(Some(Outgoing::Text(text)));
                            }
                        }
                        // The listener was too slow, or the room's host lost its memory.
                        None => self.close(COME_BACK, "come back with the last seq"),
                    }
                }
            }
        }
    }

    /// The text of a room's frame, unless it was sent before.
    fn advance(&self, frame: Frame) -> Option<String> {
        if let Frame::Event(event) = &frame {
            let upto = self.upto.get().unwrap_or(0);
            if event.seq <= upto {
                return None;
            }
            let expected = upto.saturating_add(1);
            if event.seq > expected {
                let to = event.seq.saturating_sub(1);
                // Sent on its own, so that a host that loses its memory now sends the event next.
                self.upto.set(Some(to));
                self.out.borrow_mut().held = Some(frame);
                return Some(ServerFrame::Gap { from: expected, to }.to_json());
            }
            self.upto.set(Some(event.seq));
        }
        Some(ServerFrame::Event(frame).to_json())
    }

    /// Takes a frame from the client's allowance; closes when it is used up, or the token has ended.
    fn admits(&self) -> bool {
        if self.out.borrow().closed || self.has_expired() {
            return false;
        }
        let now = self.ctx.clock.now().millis().saturating_mul(1000);
        let taken = Gcra::new(BURST, BURST_WINDOW).take(Some(self.allowance.get()), now, 1);
        self.allowance.set(taken.full_at);
        if !taken.allowed {
            self.refuse(None, &CallerError::RateLimited { retry_after: taken.retry_after }.into());
            self.close(FLOODED, "too many frames");
        }
        taken.allowed
    }

    /// Whether the token has ended; then the socket is closed.
    fn has_expired(&self) -> bool {
        let expired = self.ctx.clock.now() >= self.expires;
        if expired {
            self.end(Ended::Expired);
        }
        expired
    }

    fn end(&self, ended: Ended) {
        self.close(EXPIRED, ended.reason());
    }

    /// Whether the caller may stay, checked when it is time to; one that may not has no socket.
    async fn may_stay(&self) -> bool {
        let now = self.ctx.clock.now();
        let due =
            standing::check_every(&self.scope).is_some_and(|every| now.since(self.checked.get()) >= every);
        if due {
            match standing::over(&self.ctx, &self.scope, self.page.as_deref()).await {
                Over::NotYet => self.checked.set(now),
                Over::NotKnown => {}
                Over::Yes(ended) => self.end(ended),
            }
        }
        !self.out.borrow().closed
    }

    async fn handle(&self, frame: ClientFrame) {
        let outcome = match frame {
            ClientFrame::Ping(_) => {
                self.send(&ServerFrame::Pong);
                Ok(())
            }
            ClientFrame::Hello(hello) => self.hello(hello.after).await,
            _ if !self.has_begun() => Err(CallerError::Conflict("say hello first").into()),
            ClientFrame::Send(message) => {
                let client_id = message.client_id.clone();
                match self.post(message).await {
                    Ok(seq) => self.send(&ServerFrame::Ack { client_id, seq }),
                    Err(error) => self.refuse(Some(client_id), &error),
                }
                Ok(())
            }
            ClientFrame::Typing(typing) => self.typing(typing.on).await,
            ClientFrame::Read(read) => self.read(read).await,
        };
        if let Err(error) = outcome {
            self.refuse(None, &error);
        }
    }

    async fn hello(&self, after: Seq) -> Result<()> {
        let via = self.via();
        // The first page before anything is read: a replay that is refused costs nothing.
        policy::replay(&self.ctx, &self.scope, &via, 1).await?;
        let joined = self.ctx.rooms.subscribe(&self.scope, self.conversation, after).await?;
        let more = policy::pages(joined.conversation.last_seq, after).saturating_sub(1);
        policy::replay(&self.ctx, &self.scope, &via, more).await?;
        self.upto.set(Some(after));
        let mut out = self.out.borrow_mut();
        let left = out.frames.replace(joined.frames);
        out.held = None;
        drop(out);
        drop(left);
        self.send(&ServerFrame::Welcome {
            conversation: joined.conversation.id,
            last_seq: joined.conversation.last_seq,
            epoch: joined.conversation.epoch,
            participants: joined.participants,
        });
        Ok(())
    }

    /// Posts a message; it is stored when its `seq` is there.
    async fn post(&self, message: SendFrame) -> Result<Seq> {
        self.check_role()?;
        let command = PostMessage {
            conversation: self.conversation,
            client_id: message.client_id,
            text: message.text,
            attachments: message.attachments,
            note: false,
            via: self.via(),
        };
        Ok(chat::post_message(&self.ctx, &self.scope, command).await?.receipt.seq)
    }

    async fn read(&self, read: ReadFrame) -> Result<()> {
        self.check_role()?;
        chat::read(&self.ctx, &self.scope, &self.via(), self.conversation, read.seq).await
    }

    async fn typing(&self, on: bool) -> Result<()> {
        self.check_role()?;
        self.ctx.rooms.typing(&self.scope, self.conversation, on).await
    }

    fn check_role(&self) -> Result<()> {
        let visitor = matches!(self.scope.actor(), Actor::Visitor { .. });
        if visitor || self.scope.may(Permission::Converse) {
            return Ok(());
        }
        Err(CallerError::Forbidden("your role does not allow this").into())
    }

    fn via(&self) -> Via {
        Via::widget(self.ip)
    }

    fn refuse(&self, client_id: Option<String>, error: &Error) {
        let request_id = RequestId::new(self.ctx.clock.now(), self.ctx.random.entropy());
        let instance = format!("/api/v1/conversations/{}/socket", self.conversation);
        let mut problem = problem::document(error, &instance, request_id);
        for field in &mut problem.errors {
            // `after` is a query parameter over HTTP and a field here.
            if let Some(name) = field.pointer.strip_prefix('?') {
                field.pointer = format!("/{name}");
            }
        }
        self.send(&ServerFrame::Error { client_id, problem });
    }

    fn send(&self, frame: &ServerFrame) {
        let full = self.out.borrow().waiting.len() >= MAX_WAITING;
        if full {
            return self.close(FLOODED, "answers are not read");
        }
        self.push(Outgoing::Text(frame.to_json()));
    }

    fn close(&self, code: u16, reason: &'static str) {
        self.push(Outgoing::Close(Close { code, reason }));
        let mut out = self.out.borrow_mut();
        out.closed = true;
        let frames = out.frames.take();
        drop(out);
        // Others are told that this listener left.
        drop(frames);
    }

    fn push(&self, outgoing: Outgoing) {
        let mut out = self.out.borrow_mut();
        if !out.closed {
            out.waiting.push_back(outgoing);
            if let Some(waker) = out.waker.take() {
                drop(out);
                waker.wake();
            }
        }
    }
}
