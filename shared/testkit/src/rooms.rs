//! What every implementation of rooms must do.

use std::rc::Rc;

use frontdesk_app::chat::{self, Change, PostMessage, Posted};

use frontdesk_app::policy::Via;
use frontdesk_domain::conversation::{Author, Mode, Seq};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::event::{Event, EventBody, Frame, Live};
use frontdesk_domain::id::{ConversationId, VisitorId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{Breakers, Ctx, Ports, Rooms, Subscription};
use futures_util::StreamExt;
use futures_util::future::join_all;

/// The same ports, to change one: `Ports { rooms, ..ports(ctx) }`.
#[must_use]
pub fn ports(ctx: &Ctx) -> Ports {
    Ports {
        config: ctx.config.clone(),
        rooms: Rc::clone(&ctx.rooms),
        db: Rc::clone(&ctx.db),
        vectors: Rc::clone(&ctx.vectors),
        http: Rc::clone(&ctx.http),
        blobs: Rc::clone(&ctx.blobs),
        spool: Rc::clone(&ctx.spool),
        extractor: Rc::clone(&ctx.extractor),
        limiter: Rc::clone(&ctx.limiter),
        clock: Rc::clone(&ctx.clock),
        random: Rc::clone(&ctx.random),
        tasks: Rc::clone(&ctx.tasks),
        compute: Rc::clone(&ctx.compute),
        metrics: Rc::clone(&ctx.metrics),
        caches: Rc::clone(&ctx.caches),
        breakers: Breakers::default(),
    }
}

/// The same ports with other rooms.
#[must_use]
pub fn with_rooms(ctx: &Ctx, rooms: Rc<dyn Rooms>) -> Ctx {
    Ctx::new(Rc::new(Ports { rooms, ..ports(ctx) }))
}

/// Those who call: two visitors of one organisation, and one of its operators.
pub struct Callers {
    /// A visitor.
    pub visitor: TenantScope,
    /// Another one.
    pub other: TenantScope,
    /// An operator.
    pub operator: TenantScope,
}

/// What every `Rooms` must do. No turn is begun: those are tested with a model.
///
/// # Panics
/// When it does not.
pub async fn rooms_contract(ctx: &Ctx, callers: &Callers) {
    rooms_apart_contract(ctx, callers).await;
    RoomUnderTest { ctx, callers }.listeners_see_who_is_there_and_who_writes().await;
}

/// The same without what only those see of each other who are connected to the same process.
///
/// # Panics
/// When it does not.
pub async fn rooms_apart_contract(ctx: &Ctx, callers: &Callers) {
    let room = RoomUnderTest { ctx, callers };
    room.a_new_one().await;
    room.messages_are_dense_and_stored_once().await;
    room.who_takes_over_has_seen_what_there_is().await;
    room.a_note_leaves_a_place_and_no_word().await;
    room.listeners_get_what_is_stored_and_then_what_comes().await;
    room.strangers_find_nothing().await;
    room.a_closed_one_takes_no_message().await;
}

struct RoomUnderTest<'a> {
    ctx: &'a Ctx,
    callers: &'a Callers,
}

#[expect(clippy::expect_used, clippy::panic, reason = "a contract suite fails by panicking")]
impl RoomUnderTest<'_> {
    /// A new conversation in an operator's hands, so that no message begins a turn; its log has one event.
    async fn begin(&self) -> ConversationId {
        let conversation =
            chat::begin(self.ctx, &self.callers.visitor, &Via::widget(None)).await.expect("a conversation");
        self.set_mode(conversation.id, conversation.epoch, Mode::Operator).await.expect("taken over");
        conversation.id
    }

    async fn set_mode(&self, id: ConversationId, if_epoch: u64, mode: Mode) -> Result<u64> {
        let change = Change { mode: Some(mode), ..Change::default() };
        Ok(chat::change(self.ctx, &self.callers.operator, &Via::widget(None), id, if_epoch, change)
            .await?
            .epoch)
    }

    async fn post(&self, id: ConversationId, client_id: &str) -> Result<Posted> {
        self.post_by(&self.callers.visitor, id, client_id, false).await
    }

    async fn post_by(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        client_id: &str,
        note: bool,
    ) -> Result<Posted> {
        let (text, client_id) = (format!("text of {client_id}"), client_id.to_owned());
        let command = PostMessage {
            conversation: id,
            client_id,
            text,
            attachments: Vec::new(),
            note,
            via: Via::widget(None),
        };
        chat::post_message(self.ctx, scope, command).await
    }

    /// The whole log, which has no holes.
    async fn log(&self, scope: &TenantScope, id: ConversationId) -> Vec<Rc<Event>> {
        let replay = self.ctx.rooms.replay(scope, id, 0, 500).await.expect("the log");
        for (event, seq) in replay.events.iter().zip(1..) {
            assert_eq!(event.seq, seq);
        }
        assert_eq!(replay.conversation.last_seq, replay.events.len() as Seq);
        replay.events
    }

    async fn listen(&self, scope: &TenantScope, id: ConversationId, after: Seq) -> Subscription {
        self.ctx.rooms.subscribe(scope, id, after).await.expect("a place")
    }

    async fn a_new_one(&self) {
        let (rooms, visitor) = (&self.ctx.rooms, &self.callers.visitor);
        let begun = chat::begin(self.ctx, visitor, &Via::widget(None)).await.expect("a conversation");
        assert_eq!((begun.mode, begun.last_seq), (Mode::Ai, 0));
        let replay = rooms.replay(visitor, begun.id, 0, 500).await.expect("its log");
        assert_eq!((replay.conversation, replay.events), (begun.clone(), Vec::new()));
        let latest = rooms.latest(visitor, visitor_id(visitor)).await.expect("the latest").expect("one");
        assert_eq!(latest.id, begun.id);
        let other = &self.callers.other;
        assert_eq!(rooms.latest(other, visitor_id(other)).await, Ok(None));
    }

    async fn messages_are_dense_and_stored_once(&self) {
        let (id, visitor) = (self.begin().await, &self.callers.visitor);
        let first = self.post(id, "first").await.expect("stored");
        assert_eq!((first.receipt.seq, first.deduplicated), (2, false));
        let again = self.post(id, "first").await.expect("recognised");
        assert!(again.deduplicated);
        assert_eq!(again.receipt, first.receipt);

        // Many at the same moment, each of them twice.
        let names: Vec<String> = (0..20).map(|number| format!("m{}", number % 10)).collect();
        let posted = join_all(names.iter().map(|name| self.post(id, name))).await;
        let posted: Vec<_> = posted.into_iter().map(|posted| posted.expect("stored")).collect();
        assert_eq!(posted.iter().filter(|posted| !posted.deduplicated).count(), 10);
        for (one, same) in posted.iter().zip(posted.iter().skip(10)) {
            assert_eq!(one.receipt, same.receipt);
        }
        let log = self.log(visitor, id).await;
        assert_eq!(log.len(), 12);

        // In pieces it is the same log.
        let mut pieces = Vec::new();
        while let Some(piece) = {
            let piece = self.ctx.rooms.replay(visitor, id, pieces.len() as Seq, 5).await.expect("a piece");
            Some(piece.events).filter(|events| !events.is_empty())
        } {
            assert!(piece.len() <= 5);
            pieces.extend(piece);
        }
        assert_eq!(pieces, log);
    }

    async fn who_takes_over_has_seen_what_there_is(&self) {
        let begun =
            chat::begin(self.ctx, &self.callers.visitor, &Via::widget(None)).await.expect("a conversation");
        let taken = self.set_mode(begun.id, begun.epoch, Mode::Operator).await;
        assert_eq!(taken, Ok(begun.epoch.saturating_add(1)));
        let current = begun.epoch.saturating_add(1);
        let stale = self.set_mode(begun.id, begun.epoch, Mode::Ai).await;
        assert_eq!(stale, Err(Error::Caller(CallerError::Stale { current })));
        assert_eq!(self.log(&self.callers.operator, begun.id).await.len(), 1);

        // Of many that have seen the same, one.
        let all = join_all((0..10).map(|number| {
            let mode = if number % 2 == 0 { Mode::Ai } else { Mode::Closed };
            self.set_mode(begun.id, current, mode)
        }))
        .await;
        assert_eq!(all.iter().filter(|taken| taken.is_ok()).count(), 1, "{all:?}");
    }

    async fn a_note_leaves_a_place_and_no_word(&self) {
        let id = self.begin().await;
        self.post_by(&self.callers.operator, id, "note", true).await.expect("noted");
        let seen = self.log(&self.callers.visitor, id).await;
        assert!(!format!("{seen:?}").contains("text of note"), "{seen:?}");
        assert!(seen.iter().any(|event| event.body == EventBody::Hidden {}));
        let all = self.log(&self.callers.operator, id).await;
        assert!(format!("{all:?}").contains("text of note"));
        assert_eq!(all.len(), seen.len());
    }

    async fn listeners_get_what_is_stored_and_then_what_comes(&self) {
        let (id, visitor) = (self.begin().await, &self.callers.visitor);
        for name in ["a", "b"] {
            self.post(id, name).await.expect("stored");
        }
        let listeners = [self.listen(visitor, id, 0).await, self.listen(visitor, id, 2).await];
        // While it is posted, so that nothing falls between.
        let posts = async {
            for name in ["c", "d", "e"] {
                self.post(id, name).await.expect("stored");
            }
        };
        let seen = listeners.map(|listener| seqs_up_to(listener, 6));
        let ((), seen) = futures_util::join!(posts, join_all(seen));
        assert_eq!(seen, [(1..=6).collect::<Vec<_>>(), (3..=6).collect()]);
    }

    async fn listeners_see_who_is_there_and_who_writes(&self) {
        let Callers { visitor, operator, .. } = self.callers;
        let id = self.begin().await;
        let mut listener = self.listen(visitor, id, 1).await;
        let here = self.listen(operator, id, 1).await;
        let name = operator.actor().author().name;
        let is_there = |participants: &[Author]| participants.iter().any(|author| author.name == name);
        assert!(here.participants.iter().any(|author| author.id == visitor.actor().author().id));
        live(&mut listener, |live| match live {
            Live::Presence { participants } => is_there(participants).then_some(()),
            _ => None,
        })
        .await;

        self.ctx.rooms.typing(operator, id, true).await.expect("told");
        let (by, on) = live(&mut listener, |live| match live {
            Live::Typing { by, on } => Some((by.clone(), *on)),
            _ => None,
        })
        .await;
        assert_eq!((by.name, by.id, on), (name.clone(), None, true));

        drop(here);
        live(&mut listener, |live| match live {
            Live::Presence { participants } => (!is_there(participants)).then_some(()),
            _ => None,
        })
        .await;
    }

    async fn strangers_find_nothing(&self) {
        let (id, other, rooms) = (self.begin().await, &self.callers.other, &self.ctx.rooms);
        let nothing = Error::not_found("conversation");
        assert_eq!(rooms.replay(other, id, 0, 1).await.err(), Some(nothing.clone()));
        assert_eq!(rooms.subscribe(other, id, 0).await.err(), Some(nothing.clone()));
        assert_eq!(rooms.typing(other, id, true).await.err(), Some(nothing.clone()));
        assert_eq!(self.post_by(other, id, "x", false).await.err(), Some(nothing.clone()));
        assert_eq!(chat::read(self.ctx, other, &Via::widget(None), id, 0).await.err(), Some(nothing.clone()));

        let visitor = &self.callers.visitor;
        let unknown = ConversationId::new(self.ctx.clock.now(), self.ctx.random.entropy());
        assert_eq!(rooms.replay(visitor, unknown, 0, 1).await.err(), Some(nothing.clone()));
        assert_eq!(self.post(unknown, "x").await.err(), Some(nothing));
    }

    async fn a_closed_one_takes_no_message(&self) {
        let (id, visitor) = (self.begin().await, &self.callers.visitor);
        let epoch = self.ctx.rooms.replay(visitor, id, 0, 1).await.expect("its log").conversation.epoch;
        self.set_mode(id, epoch, Mode::Closed).await.expect("closed");
        let closed = self.log(visitor, id).await;
        let refused = self.post(id, "late").await;
        let Err(Error::Caller(CallerError::Conflict(_))) = refused else { panic!("{refused:?}") };
        assert_eq!(self.log(visitor, id).await, closed);
    }
}

#[expect(clippy::panic, reason = "a contract suite fails by panicking")]
fn visitor_id(scope: &TenantScope) -> VisitorId {
    match scope.actor() {
        Actor::Visitor { visitor, .. } => *visitor,
        other => panic!("{other:?} is no visitor"),
    }
}

/// The stored events that a listener gets, until it has this one.
async fn seqs_up_to(mut listener: Subscription, last: Seq) -> Vec<Seq> {
    let mut seqs = Vec::new();
    while seqs.last() != Some(&last) {
        match listener.frames.next().await {
            Some(Frame::Event(event)) => seqs.push(event.seq),
            Some(Frame::Live(_)) => {}
            None => break,
        }
    }
    seqs
}

/// What is found in the first of the frames to come in which it is.
#[expect(clippy::panic, reason = "a contract suite fails by panicking")]
async fn live<T>(listener: &mut Subscription, found: impl Fn(&Live) -> Option<T>) -> T {
    loop {
        match listener.frames.next().await {
            Some(Frame::Live(frame)) => {
                if let Some(found) = found(&frame) {
                    return found;
                }
            }
            Some(Frame::Event(_)) => {}
            None => panic!("the listener was let go"),
        }
    }
}
