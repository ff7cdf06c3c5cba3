//! Server-sent events: a room's frames on a response.
//!
//! Stored events carry their `seq` as `id:`. A comment every 15 s keeps proxies from closing an idle stream. A stream
//! that is complete ends with `event: end`; one that ends without it was cut, and the client comes back.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::conversation::Seq;
use frontdesk_domain::event::{EventBody, Frame};
use frontdesk_domain::id::TurnId;
use frontdesk_ports::{BoxStream, Ctx};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http::{HeaderValue, Response, header};

use crate::body::Body;

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
}

/// The response that carries `frames`.
pub fn response(ctx: Ctx, frames: BoxStream<'static, Frame>, until: Until) -> Response<Body> {
    let state = State { ctx, frames, until, turn: None, done: false };
    let pieces = futures_util::stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let next = {
            let timer = state.ctx.clock.sleep(KEEP_ALIVE);
            match select(state.frames.next(), timer).await {
                Either::Left((frame, _)) => Some(frame?),
                Either::Right(_) => None,
            }
        };
        let Some(frame) = next else { return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), state)) };
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
    response
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
