//! The room over its log: dense, idempotent, fenced, whatever the database and the clients do.

#[expect(dead_code, reason = "other tests use the rest")]
mod dictated;

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use dictated::{Dictated, answers_without_evidence};
use frontdesk_api::{Body, BodyError, Peer};
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::remote::{Deployment, Transport};
use frontdesk_app::rooms::{self, RemoteRooms, RoomAnswer};
use frontdesk_domain::conversation::Mode;
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::event::{EventBody, Frame, Live};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{
    ByteStream, Clock, Ctx, Database, FetchError, FetchLimits, HttpClient, Rooms, Statement,
};
use frontdesk_testkit::{
    Callers, Fault, FaultyDatabase, ManualClock, SeededRandom, rooms_contract, with_rooms,
};
use futures_util::StreamExt;

fn message(conversation: ConversationId, client_id: &str, text: &str) -> PostMessage {
    PostMessage {
        conversation,
        client_id: client_id.to_owned(),
        text: text.to_owned(),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

const VERA: &str = "user_01h455vb4pex5vsknk084sn02q";

/// An operator of the visitor's organisation.
fn operator(of: &TenantScope) -> TenantScope {
    let user = VERA.parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    TenantScope::authenticated(of.org(), Actor::User { user, name: "Vera".to_owned(), role: Role::Operator })
}

/// Brings calls to the rooms of this process.
struct Here(Ctx);

#[async_trait(?Send)]
impl Transport for Here {
    async fn send(&self, _name: &str, call: String) -> Result<ByteStream, FetchError> {
        // As over a wire, whose pieces end anywhere.
        const PIECE: usize = 700;
        let lines = match rooms::answer(self.0.rooms.as_ref(), self.0.clock.clone(), call.as_bytes()).await {
            RoomAnswer::Whole(line) => futures_util::stream::iter([line]).boxed_local(),
            RoomAnswer::Open(lines) => lines,
        };
        let pieces = lines.flat_map(|mut line| {
            let mut pieces = Vec::new();
            while !line.is_empty() {
                pieces.push(Ok(line.split_to(PIECE.min(line.len()))));
            }
            futures_util::stream::iter(pieces)
        });
        Ok(pieces.boxed_local())
    }
}

#[test]
fn rooms_here_and_elsewhere_keep_the_contract() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let (other, _) = world.visitor().await.unwrap();
        let callers = Callers { operator: operator(&visitor), visitor, other };
        rooms_contract(world.ctx(), &callers).await;

        let wire = Rc::new(Here(world.ctx().clone()));
        let elsewhere = RemoteRooms::new(Rc::downgrade(world.ctx().shared()), wire);
        rooms_contract(&with_rooms(world.ctx(), Rc::new(elsewhere)), &callers).await;
    });
}

/// Brings HTTP requests to a host of this process.
struct Wire(Ctx);

#[async_trait(?Send)]
impl HttpClient for Wire {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let request = request.map(Body::Full);
        let answer = frontdesk_api::handle(self.0.clone(), request, Peer::default()).await;
        let lost = |error: BodyError| FetchError::Lost(error.to_string());
        Ok(answer.map(|body| body.into_stream().map(move |piece| piece.map_err(lost)).boxed_local()))
    }
}

#[test]
fn rooms_of_another_deployment_are_open_to_who_shows_its_token() {
    const TOKEN: &str = "4e8d1f6a0b9c2735e4d1f8a6b3c07952de61";
    run(async {
        let vars = [("ROOMS_TOKEN", TOKEN)];
        let world = World::new(&vars, Overrides::default()).await.unwrap();
        let ((visitor, _), (other, _)) = (world.visitor().await.unwrap(), world.visitor().await.unwrap());
        let rooms = |of: &Ctx, token: &str| {
            let url = "https://desk.example/".parse().unwrap();
            let deployment = Deployment::new(Rc::new(Wire(of.clone())), &url, token.to_owned().into());
            RemoteRooms::new(Rc::downgrade(of.shared()), Rc::new(deployment))
        };
        let conversation = chat::begin(world.ctx(), &visitor, &Via::widget(None)).await.unwrap().id;
        let reached =
            async |of: &Ctx, token: &str| rooms(of, token).replay(&visitor, conversation, 0, 1).await.is_ok();
        assert!(reached(world.ctx(), TOKEN).await);
        assert!(!reached(world.ctx(), "4e8d1f6a0b9c2735e4d1f8a6b3c07952de60").await);
        assert!(!reached(world.ctx(), "").await);
        // Who told no token is asked in vain.
        let closed = World::new(&[], Overrides::default()).await.unwrap();
        assert!(!reached(closed.ctx(), TOKEN).await);
        assert!(!reached(closed.ctx(), "").await);

        let callers = Callers { operator: operator(&visitor), visitor: visitor.clone(), other };
        let elsewhere = Rc::new(rooms(world.ctx(), TOKEN));
        rooms_contract(&with_rooms(world.ctx(), elsewhere), &callers).await;
    });
}

#[test]
fn faults_of_the_database_lose_and_double_nothing() {
    run(async {
        let faulty: Rc<RefCell<Option<Rc<FaultyDatabase>>>> = Rc::default();
        let keep = Rc::clone(&faulty);
        let overrides = Overrides {
            database: Some(Box::new(move |inner| {
                let database = Rc::new(FaultyDatabase::new(inner));
                keep.replace(Some(Rc::clone(&database)));
                database as Rc<dyn Database>
            })),
            ..Overrides::default()
        };
        let world = World::new(&[], overrides).await.unwrap();
        let faulty = faulty.borrow().clone().unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let random = SeededRandom::new(7);
        for _ in 0..20 {
            let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
            for number in 0..10 {
                let post = message(conversation, &format!("m{number}"), &format!("text {number}"));
                // The client tries until it is told that its message is stored.
                loop {
                    faulty.plan([match random.below(3) {
                        0 => Fault::None,
                        1 => Fault::NotStored,
                        _ => Fault::StoredButReportedFailed,
                    }]);
                    if chat::post_message(ctx, &scope, post.clone()).await.is_ok() {
                        break;
                    }
                }
            }
            faulty.heal();
            world.host.tasks.idle().await;
            let replay = ctx.rooms.replay(&scope, conversation, 0, 500).await.unwrap();
            let mut texts = Vec::new();
            for (index, event) in replay.events.iter().enumerate() {
                assert_eq!(event.seq, index as u64 + 1);
                if let EventBody::MessageCreated { message } = &event.body
                    && message.client_id.is_some()
                {
                    texts.push(message.text.clone());
                }
            }
            assert_eq!(texts, (0..10).map(|number| format!("text {number}")).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_message_older_than_those_in_memory_is_still_recognised() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        let mut first = None;
        for number in 0..60 {
            let posted = chat::post_message(ctx, &scope, message(conversation, &format!("m{number}"), "x"))
                .await
                .unwrap();
            first.get_or_insert(posted.receipt);
            world.host.tasks.idle().await;
        }
        let again = chat::post_message(ctx, &scope, message(conversation, "m0", "x")).await.unwrap();
        assert!(again.deduplicated);
        assert_eq!(Some(again.receipt), first);
    });
}

#[test]
fn a_stale_epoch_changes_nothing_and_a_note_is_hidden_from_the_visitor() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (ctx, operator) = (world.ctx(), operator(&scope));
        let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap();
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        let taken = chat::change(
            ctx,
            &operator,
            &Via::widget(None),
            conversation.id,
            conversation.epoch,
            take.clone(),
        )
        .await
        .unwrap();
        assert_eq!((taken.mode, taken.epoch), (Mode::Operator, conversation.epoch + 1));
        let back = Change { mode: Some(Mode::Ai), ..Change::default() };
        let stale =
            chat::change(ctx, &operator, &Via::widget(None), conversation.id, conversation.epoch, back).await;
        assert_eq!(stale, Err(Error::Caller(CallerError::Stale { current: taken.epoch })));

        let note = PostMessage { note: true, ..message(conversation.id, "n", "secret") };
        chat::post_message(ctx, &operator, note).await.unwrap();
        let seen = ctx.rooms.replay(&scope, conversation.id, 0, 100).await.unwrap();
        assert!(!format!("{seen:?}").contains("secret"));
        assert!(seen.events.iter().any(|event| event.body == EventBody::Hidden {}));
        let all = ctx.rooms.replay(&operator, conversation.id, 0, 100).await.unwrap();
        assert_eq!(all.events.len(), seen.events.len(), "seq stays dense for the visitor");
    });
}

#[test]
fn what_is_stored_during_an_answer_leaves_no_gap_in_it() {
    run(async {
        // The turn's own run waits for a model that says nothing; this test speaks in its place.
        let http = Dictated::new(1) as Rc<dyn HttpClient>;
        let vars = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];
        let world = World::new(&vars, Overrides { http: Some(http), ..Overrides::default() }).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (ctx, system) = (world.ctx(), scope.as_system());
        answers_without_evidence(ctx, &scope).await;
        let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        chat::post_message(ctx, &scope, message(conversation, "q", "x")).await.unwrap();
        let start = world.host.rooms.turn(&system, conversation).await.unwrap().unwrap();
        let listener = ctx.rooms.subscribe(&scope, conversation, 2).await.unwrap();

        world.host.rooms.say(&system, &start, "one ").await.unwrap();
        let while_it_is_stored = async {
            tokio::task::yield_now().await;
            world.host.rooms.say(&system, &start, "two ").await
        };
        let via = Via::widget(None);
        let (rated, said) =
            futures_util::join!(chat::rate(ctx, &scope, &via, conversation, 5, None), while_it_is_stored);
        assert_eq!((rated, said), (Ok(()), Ok(())));
        world.host.rooms.say(&system, &start, "three").await.unwrap();

        let frames: Vec<Frame> = listener.frames.take(4).collect().await;
        let deltas = frames.iter().filter_map(|frame| match frame {
            Frame::Live(live) => match live.as_ref() {
                Live::Delta(delta) => Some((delta.offset, delta.text.as_str())),
                Live::Typing { .. } | Live::Presence { .. } => None,
            },
            Frame::Event(_) => None,
        });
        assert_eq!(deltas.collect::<Vec<_>>(), [(0, "one "), (4, "two "), (8, "three")]);
    });
}

#[test]
fn an_operators_message_that_is_sent_again_does_not_take_over_again() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (ctx, vera) = (world.ctx(), operator(&scope));
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        let first = chat::post_message(ctx, &vera, message(id, "m1", "Vera here")).await.unwrap();
        assert_eq!((first.conversation.mode, first.receipt.seq), (Mode::Operator, 3));
        let back = Change { mode: Some(Mode::Ai), assignee: Some(None), ..Change::default() };
        let given =
            chat::change(ctx, &vera, &Via::widget(None), id, first.conversation.epoch, back).await.unwrap();
        // Long ago, too: beyond what the room has in memory.
        for count in 0..50 {
            chat::post_message(ctx, &scope, message(id, &format!("q{count}"), "x")).await.unwrap();
            let again = chat::post_message(ctx, &vera, message(id, "m1", "Vera here")).await.unwrap();
            assert!(again.deduplicated, "{count}");
            assert_eq!((again.conversation.mode, again.conversation.epoch), (Mode::Ai, given.epoch));
        }
    });
}

#[test]
fn of_two_operators_who_write_at_once_one_takes_over() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (ctx, vera) = (world.ctx(), operator(&scope));
        let user = "user_01h455vb4pex5vsknk084sn02r".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        let oleg = TenantScope::authenticated(
            scope.org(),
            Actor::User { user, name: "Oleg".to_owned(), role: Role::Operator },
        );
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        let (one, other) = futures_util::join!(
            chat::post_message(ctx, &vera, message(id, "v", "I take it")),
            chat::post_message(ctx, &oleg, message(id, "o", "No, I")),
        );
        assert!(one.is_ok() && other.is_ok());
        let log = ctx.rooms.replay(&vera, id, 0, 100).await.unwrap().events;
        let kinds: Vec<_> = log.iter().map(|event| event.body.kind()).collect();
        assert_eq!(kinds, ["mode.changed", "assigned", "message.created", "message.created"]);
    });
}

#[test]
fn a_conversation_is_assigned_to_an_operator_of_the_organisation_alone() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (ctx, vera) = (world.ctx(), operator(&scope));
        let begun = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap();
        let assign = async |assignee: &str| {
            let assignee = Some(Some(assignee.parse().unwrap()));
            let change = Change { assignee, ..Change::default() };
            chat::change(ctx, &vera, &Via::widget(None), begun.id, begun.epoch, change).await
        };
        let nobody = assign("user_01h455vb4pex5vsknk084sn02r").await;
        assert!(
            matches!(nobody, Err(Error::Caller(CallerError::Invalid(fields))) if fields[0].pointer == "/assignee")
        );
        // The administrator is one; Vera takes it herself.
        let rows = ctx.db.query(vec![Statement::new("SELECT id FROM users")]).await.unwrap();
        let admin = rows[0].first().unwrap().text(0).unwrap().to_owned();
        for (assignee, seq) in [(admin.as_str(), 1), (VERA, 2)] {
            assert_eq!(assign(assignee).await.unwrap().last_seq, seq);
        }
        let rows = ctx.db.query(vec![Statement::new("SELECT assignee FROM conversations")]).await.unwrap();
        assert_eq!(rows[0].first().unwrap().text(0).unwrap(), VERA);
        // One who was disabled is not one any more.
        ctx.db
            .batch(vec![Statement::new("UPDATE members SET disabled_at = 1, changed_at = 4102444800000")])
            .await
            .unwrap();
        assert!(assign(&admin).await.is_err());
    });
}

#[test]
fn another_visitors_conversation_is_not_there() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let ((one, _), (other, _)) = (world.visitor().await.unwrap(), world.visitor().await.unwrap());
        let ctx = world.ctx();
        let conversation = chat::begin(ctx, &one, &Via::widget(None)).await.unwrap().id;
        let not_found = Err(Error::not_found("conversation"));
        assert_eq!(ctx.rooms.replay(&other, conversation, 0, 1).await.map(|_| ()), not_found);
        assert_eq!(ctx.rooms.subscribe(&other, conversation, 0).await.map(|_| ()), not_found);
        assert_eq!(
            chat::post_message(ctx, &other, message(conversation, "a", "x")).await.map(|_| ()),
            not_found
        );
        assert_eq!(chat::read(ctx, &other, &Via::widget(None), conversation, 0).await, not_found);
    });
}

#[test]
fn a_clock_that_goes_back_leaves_events_in_order() {
    run(async {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        for number in 0..5 {
            chat::post_message(ctx, &scope, message(conversation, &format!("m{number}"), "x")).await.unwrap();
            clock.set(Timestamp::from_millis(clock.now().millis() - 60_000));
        }
        let replay = ctx.rooms.replay(&scope, conversation, 0, 100).await.unwrap();
        assert!(replay.events.is_sorted_by_key(|event| (event.seq, event.at)));
    });
}

#[test]
fn a_slow_listener_is_let_go_and_misses_nothing_when_it_comes_back() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let conversation = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        let mut slow = ctx.rooms.subscribe(&scope, conversation, 0).await.unwrap().frames;
        for number in (0..5).cycle().take(1200) {
            chat::rate(ctx, &scope, &Via::widget(None), conversation, 1 + number, None).await.unwrap();
        }
        let mut last = 0;
        while let Some(Frame::Event(event)) = slow.next().await {
            assert_eq!(event.seq, last + 1);
            last = event.seq;
        }
        assert!(last < 1200, "it was never let go");
        let rest = ctx.rooms.subscribe(&scope, conversation, last).await.unwrap().frames;
        let seqs: Vec<u64> = rest
            .take(usize::try_from(1200 - last).unwrap())
            .filter_map(|frame| async move {
                match frame {
                    Frame::Event(event) => Some(event.seq),
                    Frame::Live(_) => None,
                }
            })
            .collect()
            .await;
        assert_eq!(seqs, (last + 1..=1200).collect::<Vec<_>>());
    });
}

#[test]
fn a_word_that_broke_a_stemmer_is_answered_and_so_is_what_comes_after_it() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        for (client_id, text) in [("a", "ισαισα"), ("b", "hello")] {
            chat::post_message(ctx, &scope, message(id, client_id, text)).await.unwrap();
            world.host.tasks.idle().await;
        }
        let log = ctx.rooms.replay(&scope, id, 0, 100).await.unwrap();
        let ended = log.events.iter().filter(|event| event.body.kind() == "turn.finished").count();
        assert_eq!(ended, 2);
    });
}
