//! Server-sent events: a room's frames on a response.
//!
//! Stored events carry their `seq` as `id:`. A comment every 15 s keeps proxies from closing an idle stream. A stream
//! that is complete ends with `event: end`; one that ends without it was cut, and the client comes back. It is cut, too,
//! when the caller's token ends, its user is disabled, its site removed, or its page's origin taken away from the site.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::conversation::Seq;
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{EventBody, Frame};
use frontdesk_domain::id::TurnId;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, BoxStream, Ctx};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http::{HeaderValue, Response, header};

use crate::body::Body;
use crate::call::Call;
use crate::standing::{self, Ended};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a stream is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never: it goes on live.
    Forever,
    /// When this message is answered, or it is certain that the AI will not.
    Answered(Seq),
    /// When this event was sent.
    Sent(Seq),
}

struct State {
    ctx: Ctx,
    frames: BoxStream<'static, Frame>,
    until: Until,
    turn: Option<TurnId>,
    done: bool,
    /// When the caller's token ends.
    expires: Timestamp,
    /// When the caller may not listen any more.
    ended: BoxFuture<'static, Ended>,
}

/// What came next.
enum Next {
    Frame(Frame),
    /// Nothing for a while.
    Silence,
    /// The caller may not listen any more.
    Ended,
}

/// The response to the call that carries `frames`.
///
/// # Errors
/// When the call has no authenticated caller.
pub fn response(call: &Call, frames: BoxStream<'static, Frame>, until: Until) -> Result<Response<Body>> {
    let (ctx, scope, expires) = (call.ctx.clone(), call.scope()?.clone(), call.expires.unwrap_or_default());
    let ended = {
        let (ctx, page) = (ctx.clone(), call.foreign_origin().map(str::to_owned));
        Box::pin(async move { standing::end(&ctx, &scope, page.as_deref(), expires).await })
    };
    let state = State { ctx, frames, until, turn: None, done: false, expires, ended };
    let pieces = futures_util::stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let next = {
            let timer = state.ctx.clock.sleep(KEEP_ALIVE);
            // The end comes first: what is told after it is not for the caller.
            match select(&mut state.ended, select(state.frames.next(), timer)).await {
                Either::Left(_) => Next::Ended,
                // While the caller is checked, the token may end.
                Either::Right(_) if state.ctx.clock.now() >= state.expires => Next::Ended,
                Either::Right((Either::Left((frame, _)), _)) => Next::Frame(frame?),
                Either::Right((Either::Right(_), _)) => Next::Silence,
            }
        };
        let frame = match next {
            Next::Frame(frame) => frame,
            Next::Silence => return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), state)),
            Next::Ended => {
                state.done = true;
                return Some((Ok(Bytes::from_static(b": the token is not valid any more\n\n")), state));
            }
        };
        let mut text = String::with_capacity(256);
        if let Frame::Event(event) = &frame {
            text.push_str("id: ");
            text.push_str(&event.seq.to_string());
            text.push('\n');
        }
        text.push_str("data: ");
        text.push_str(&frame.to_json());
        text.push_str("\n\n");
        if state.completes(&frame) {
            state.done = true;
            text.push_str("event: end\ndata: {\"kind\":\"end\"}\n\n");
        }
        Some((Ok(Bytes::from(text)), state))
    });
    let mut response = Response::new(Body::Stream(pieces.boxed_local()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx and its kin hold streams back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl State {
    fn completes(&mut self, frame: &Frame) -> bool {
        let Frame::Event(event) = frame else { return false };
        match self.until {
            Until::Forever => false,
            Until::Sent(seq) => event.seq >= seq,
            Until::Answered(seq) => match &event.body {
                EventBody::TurnStarted { turn, answers } => {
                    if *answers >= seq {
                        self.turn = Some(*turn);
                    }
                    false
                }
                EventBody::TurnFinished { turn, .. } => self.turn == Some(*turn),
                EventBody::ModeChanged { .. } => event.seq > seq,
                _ => false,
            },
        }
    }
}
