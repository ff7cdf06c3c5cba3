//! Who listens to a room.

use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use frontdesk_domain::conversation::{Author, Seq};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, Frame, Live};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::permission::Permission;
use frontdesk_domain::room::Joined;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{BoxStream, Ctx};
use futures_channel::mpsc;
use futures_core::Stream;
use futures_util::StreamExt;

use super::cache::RoomEntry;
use super::{CROWDED, Log, LogRooms, MAX_REPLAY, for_actor};

/// How many frames a listener may be behind before it is let go; it comes back with its last `seq`.
const MAX_BEHIND: usize = 1024;
/// How often a replay asks again for events that the log must have: a replica that answers may be behind.
const ASKED_AGAIN: u32 = 5;
/// When it asks again.
const ASK_AGAIN: Duration = Duration::from_millis(200);
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
    /// A new listener, which gets every frame from now on; others are told if its actor was not connected before.
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

    /// A frame to all listeners.
    pub fn send(&mut self, frame: &Frame) {
        self.send_except(None, frame);
    }

    /// A frame to all listeners but those of `except`. One that is gone or too slow is let go, and others are told.
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

    /// Ends every listener's stream.
    pub fn close(&mut self) {
        self.all.clear();
        self.present.clear();
    }

    /// Whether there is no listener.
    pub fn is_empty(&self) -> bool {
        self.all.iter().all(|listener| listener.frames.is_closed())
    }

    /// Tells all listeners who is connected, `coming` included, until it is what was told last: telling may let go of more.
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

    /// Gives whether a listener was let go.
    fn deliver(&mut self, except: Option<&Actor>, frame: &Frame) -> bool {
        let before = self.all.len();
        self.all.retain_mut(|listener| {
            except == Some(&listener.who) || listener.frames.try_send(frame.clone()).is_ok()
        });
        self.all.len() < before
    }
}

/// How others see an actor who is connected. Users who may only read are not seen.
fn participant(who: &Actor) -> Option<Author> {
    match who {
        Actor::User { role, .. } if !role.allows(Permission::Converse) => None,
        Actor::System => None,
        Actor::Visitor { .. } | Actor::User { .. } => Some(who.author()),
    }
}

/// What a listener gets live; when it is dropped, the others are told that it left.
struct Listening {
    frames: mpsc::Receiver<Frame>,
    entry: Weak<RoomEntry>,
    ctx: Ctx,
}

impl Stream for Listening {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.frames.poll_next_unpin(cx)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ctx.metrics.listeners.dec();
        self.frames.close();
        let Some(entry) = self.entry.upgrade() else { return };
        // In use: then whatever it is used for notices that this listener is gone.
        if let Ok(mut state) = entry.state.try_borrow_mut()
            && let Some(open) = state.as_mut()
        {
            open.listeners.let_go();
        }
    }
}

/// A listener that has joined a room.
pub struct ListenerPlace<'a> {
    /// What it gets first.
    pub joined: Joined,
    /// What it gets then.
    pub live: mpsc::Receiver<Frame>,
    /// The room.
    pub entry: &'a Rc<RoomEntry>,
}

impl LogRooms {
    /// What is stored after `after`, the answer in progress, and then everything live, as `scope` may see it.
    pub(super) fn stream(
        &self,
        ctx: Ctx,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        place: ListenerPlace<'_>,
    ) -> BoxStream<'static, Frame> {
        let ListenerPlace { joined, live, entry } = place;
        ctx.metrics.listeners.inc();
        if !self.0.exclusive {
            self.follow(&ctx, scope, id, entry);
        }
        let live = Listening { frames: live, entry: Rc::downgrade(entry), ctx: ctx.clone() };
        let (log, scope) = (self.0.log.clone(), scope.clone());
        let visitor = matches!(scope.actor(), Actor::Visitor { .. });
        let upto = joined.last_seq;
        let stored = futures_util::stream::unfold(Some(after), move |from| {
            let (ctx, log, scope) = (ctx.clone(), log.clone(), scope.clone());
            async move {
                let from = from.filter(|from| *from < upto)?;
                match stored_after(&log, &ctx, &scope, id, from, upto).await {
                    Ok(events) => {
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

/// A page of the log that must not be empty: events up to `upto` are stored. An empty page before that is not the end of the
/// log but a replica that is behind.
async fn stored_after(
    log: &Log,
    ctx: &Ctx,
    scope: &TenantScope,
    id: ConversationId,
    from: Seq,
    upto: Seq,
) -> Result<Vec<Rc<Event>>> {
    for _ in 0..ASKED_AGAIN {
        let mut events = log.page(ctx, scope, id, from, MAX_REPLAY).await?;
        events.retain(|event| event.seq <= upto);
        if !events.is_empty() {
            return Ok(events);
        }
        ctx.clock.sleep(ASK_AGAIN).await;
    }
    let detail = format!("the log ends at {from}, its head says {upto}");
    Err(Error::Upstream { service: "database", retryable: true, detail })
}
