//! Who listens to a room.

use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use frontdesk_domain::conversation::{Author, Seq};
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::event::{Frame, Live};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::Joined;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_ports::{BoxStream, Ctx};
use futures_channel::mpsc;
use futures_core::Stream;
use futures_util::StreamExt;

use super::follow::Lookout;
use super::{CROWDED, LogRooms, MAX_REPLAY, Seat, for_actor};

/// How many frames a listener may be behind before it is let go; it comes back with its last `seq`.
const MAX_BEHIND: usize = 1024;
/// How often one person may listen to one room at the same time.
const MAX_PER_PERSON: usize = 128;

/// The listeners of one room.
#[derive(Default)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Who is connected, as was told last.
    present: Vec<Author>,
}

struct Listener {
    who: Actor,
    frames: mpsc::Sender<Frame>,
}

impl Listeners {
    /// A new listener, which gets every frame from now on; others are told if it is somebody new.
    ///
    /// # Errors
    /// Not available now when the same person listens too often already.
    pub fn add(&mut self, who: &Actor) -> Result<mpsc::Receiver<Frame>> {
        self.all.retain(|listener| !listener.frames.is_closed());
        if self.all.iter().filter(|listener| listener.who == *who).count() >= MAX_PER_PERSON {
            let retry_after = Duration::from_secs(10);
            return Err(CallerError::Unavailable { reason: CROWDED, retry_after }.into());
        }
        self.tell_presence(Some(who));
        let (frames, received) = mpsc::channel(MAX_BEHIND);
        self.all.push(Listener { who: who.clone(), frames });
        Ok(received)
    }

    /// A frame to everybody.
    pub fn send(&mut self, frame: &Frame) {
        self.send_except(None, frame);
    }

    /// A frame to everybody but `except`. Whoever is gone or too slow is let go, and others are told.
    pub fn send_except(&mut self, except: Option<&Actor>, frame: &Frame) {
        if self.deliver(except, frame) {
            self.tell_presence(None);
        }
    }

    /// Tells the others about those that are gone.
    pub fn let_go(&mut self) {
        self.all.retain(|listener| !listener.frames.is_closed());
        self.tell_presence(None);
    }

    /// Who is connected.
    pub fn present(&self) -> &[Author] {
        &self.present
    }

    /// Ends everybody's stream.
    pub fn close(&mut self) {
        self.all.clear();
        self.present.clear();
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.all.iter().all(|listener| listener.frames.is_closed())
    }

    /// Tells everybody who is connected, `coming` included, until it is what was told last: telling may let go of more.
    fn tell_presence(&mut self, coming: Option<&Actor>) {
        loop {
            let mut now = Vec::new();
            for who in self.all.iter().map(|listener| &listener.who).chain(coming) {
                if let Some(author) = participant(who)
                    && !now.contains(&author)
                {
                    now.push(author);
                }
            }
            if now == self.present {
                return;
            }
            self.present.clone_from(&now);
            self.deliver(None, &Frame::Live(Rc::new(Live::Presence { participants: now })));
        }
    }

    /// Gives whether somebody was let go.
    fn deliver(&mut self, except: Option<&Actor>, frame: &Frame) -> bool {
        let before = self.all.len();
        self.all.retain_mut(|listener| {
            except == Some(&listener.who) || listener.frames.try_send(frame.clone()).is_ok()
        });
        self.all.len() < before
    }
}

/// How others see somebody who is connected. Users who may only read are not seen.
fn participant(who: &Actor) -> Option<Author> {
    match who {
        Actor::User { role, .. } if *role < Role::Operator => None,
        Actor::System => None,
        Actor::Visitor { .. } | Actor::User { .. } => Some(who.author()),
    }
}

/// What a listener gets live; when it is dropped, the others are told that somebody left.
struct Listening {
    frames: mpsc::Receiver<Frame>,
    seat: Weak<Seat>,
    /// Where other processes write, too.
    lookout: Option<Lookout>,
    ctx: Ctx,
}

impl Stream for Listening {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let this = &mut *self;
        let next = this.frames.poll_next_unpin(cx);
        let (Some(lookout), Some(seat)) = (&mut this.lookout, this.seat.upgrade()) else { return next };
        if next.is_ready() {
            lookout.hurry(&seat);
            return next;
        }
        lookout.poll(&seat, cx);
        this.frames.poll_next_unpin(cx)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ctx.metrics.listeners.dec();
        self.frames.close();
        let Some(seat) = self.seat.upgrade() else { return };
        // In use: then whatever it is used for notices that nobody listens here any more.
        if let Ok(mut state) = seat.state.try_borrow_mut()
            && let Some(open) = state.as_mut()
        {
            open.listeners.let_go();
        }
    }
}

/// A listener that has joined a room.
pub struct Seated<'a> {
    /// What it gets first.
    pub joined: Joined,
    /// What it gets then.
    pub live: mpsc::Receiver<Frame>,
    /// The room.
    pub seat: &'a Rc<Seat>,
}

impl LogRooms {
    /// What is stored after `after`, the answer in progress, and then everything live, as `scope` may see it.
    pub(super) fn stream(
        &self,
        ctx: Ctx,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        seated: Seated<'_>,
    ) -> BoxStream<'static, Frame> {
        let Seated { joined, live, seat } = seated;
        ctx.metrics.listeners.inc();
        let lookout = (!self.0.exclusive).then(|| Lookout::new(self.clone(), ctx.clone(), scope, id, seat));
        let live = Listening { frames: live, seat: Rc::downgrade(seat), lookout, ctx: ctx.clone() };
        let (log, scope) = (self.0.log.clone(), scope.clone());
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
        let partial = joined.partial.map(|delta| Some(Frame::Live(Rc::new(Live::Delta(delta)))));
        let partial = futures_util::stream::iter(partial);
        let live = live.map(move |frame| Some(if visitor { frame.for_visitor() } else { frame }));
        let whole = stored.chain(partial).chain(live);
        whole.scan((), |(), frame| futures_util::future::ready(frame)).boxed_local()
    }
}
