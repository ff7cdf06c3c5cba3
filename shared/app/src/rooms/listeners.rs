//! Who listens to a room.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::event::{Event, Frame};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::Joined;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{BoxStream, Ctx};
use futures_channel::mpsc;
use futures_util::StreamExt;

use super::{Log, MAX_REPLAY, for_actor};

/// How many frames a listener may be behind before it is let go; it comes back with its last `seq`.
const MAX_BEHIND: usize = 1024;

/// The listeners of one room.
#[derive(Default)]
pub struct Listeners(Vec<mpsc::Sender<Frame>>);

impl Listeners {
    /// A new listener, which gets every frame from now on.
    pub fn add(&mut self) -> mpsc::Receiver<Frame> {
        let (to, from) = mpsc::channel(MAX_BEHIND);
        self.0.retain(|listener| !listener.is_closed());
        self.0.push(to);
        from
    }

    /// A frame to everybody. Whoever is gone or too slow is let go.
    pub fn send(&mut self, frame: &Frame) {
        self.0.retain_mut(|listener| listener.try_send(frame.clone()).is_ok());
    }

    /// Ends everybody's stream.
    pub fn close(&mut self) {
        self.0.clear();
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(mpsc::Sender::is_closed)
    }
}

/// What is stored after `after`, the answer in progress, and then `live`.
pub fn stream(
    ctx: Ctx,
    log: Log,
    scope: TenantScope,
    id: ConversationId,
    after: Seq,
    joined: Joined,
    live: mpsc::Receiver<Frame>,
) -> BoxStream<'static, Frame> {
    let visitor = matches!(scope.actor(), Actor::Visitor { .. });
    let upto = joined.last_seq;
    let stored = futures_util::stream::unfold(Some(after), move |from| {
        let (ctx, log, scope) = (ctx.clone(), log.clone(), scope.clone());
        async move {
            let from = from.filter(|from| *from < upto)?;
            match log.page(&ctx, &scope, id, from, MAX_REPLAY).await {
                Ok(mut events) => {
                    events.retain(|event| event.seq <= upto);
                    let next = events.last().map(|event| event.seq);
                    Some((Some(for_actor(&scope, events)), next))
                }
                Err(error) => {
                    tracing::warn!(%error, "a replay was cut");
                    Some((None, None))
                }
            }
        }
    });
    // A replay that was cut must end the stream: going on live would leave a gap.
    let stored = stored.flat_map(|page| {
        let frames = match page {
            Some(events) => events.into_iter().map(|event| Some(Frame::Event(event))).collect(),
            None => vec![None],
        };
        futures_util::stream::iter(frames)
    });
    let partial = futures_util::stream::iter(joined.partial.map(|delta| Some(Frame::Delta(delta))));
    let live = live.map(move |frame| {
        Some(match frame {
            Frame::Event(event) if visitor => Frame::Event(Event::for_visitor(&event)),
            other => other,
        })
    });
    let whole = stored.chain(partial).chain(live);
    whole.scan((), |(), frame| futures_util::future::ready(frame)).boxed_local()
}
