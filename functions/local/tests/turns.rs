//! Turns are owned: each visitor's message is answered exactly once, whatever fails on the way, and every call to a model is
//! counted.

mod dictated;
#[path = "turns/model_cuts.rs"]
mod model_cuts;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dictated::{Dictated, Line, answers_without_evidence, until};
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::rooms::{Log, LogRooms};
use frontdesk_domain::conversation::{AuthorKind, Mode, Seq};
use frontdesk_domain::event::{Event, EventBody, Frame, Live};
use frontdesk_domain::id::{ConversationId, WorkerId};
use frontdesk_domain::room::TURN_ATTEMPTS;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::host::Wrap;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{Ctx, Database, HttpClient, Ports, Statement};
use frontdesk_testkit::{Fault, FaultyDatabase, ManualClock};
use futures_util::{FutureExt, StreamExt};

const FAULTS: [Fault; 2] = [Fault::NotStored, Fault::StoredButReportedFailed];
const MODEL: [(&str, &str); 2] = [("OPENAI_BASE_URL", "http://model.example/v1"), ("OPENAI_MODEL", "m")];

fn message(conversation: ConversationId, client_id: &str) -> PostMessage {
    PostMessage {
        conversation,
        client_id: client_id.to_owned(),
        text: format!("What about {client_id}?"),
        attachments: Vec::new(),
        note: false,
        via: Via::widget(None),
    }
}

fn operator(of: &TenantScope) -> TenantScope {
    let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
    TenantScope::authenticated(of.org(), Actor::User { user, name: "Vera".to_owned(), role: Role::Operator })
}

/// A world whose database fails by plan.
struct Faltering {
    world: World,
    database: Rc<FaultyDatabase>,
}

fn faulty() -> (Rc<RefCell<Option<Rc<FaultyDatabase>>>>, Wrap) {
    let kept: Rc<RefCell<Option<Rc<FaultyDatabase>>>> = Rc::default();
    let keep = Rc::clone(&kept);
    let wrap: Wrap = Box::new(move |inner| {
        let database = Rc::new(FaultyDatabase::new(inner));
        keep.replace(Some(Rc::clone(&database)));
        database as Rc<dyn Database>
    });
    (kept, wrap)
}

impl Faltering {
    async fn new(model: &Rc<Dictated>) -> Self {
        let (kept, wrap) = faulty();
        let http = Rc::clone(model) as Rc<dyn HttpClient>;
        let overrides = Overrides { http: Some(http), database: Some(wrap), ..Overrides::default() };
        let world = World::new(&MODEL, overrides).await.unwrap();
        let database = kept.take().unwrap();
        Self { world, database }
    }
}

/// The whole log.
async fn log(ctx: &Ctx, scope: &TenantScope, id: ConversationId) -> Vec<Rc<Event>> {
    ctx.rooms.replay(scope, id, 0, 500).await.unwrap().events
}

fn kinds(log: &[Rc<Event>]) -> Vec<&str> {
    log.iter().map(|event| event.body.kind()).collect()
}

/// The log is dense, every question of a visitor is in one answered turn, and no turn is open.
fn answered_exactly_once(log: &[Rc<Event>]) {
    let (mut asked, mut open): (Vec<Seq>, Option<Seq>) = (Vec::new(), None);
    let mut answers = 0;
    for (event, seq) in log.iter().zip(1..) {
        assert_eq!(event.seq, seq, "{log:?}");
        match &event.body {
            EventBody::MessageCreated { message } => match message.author.kind {
                AuthorKind::Visitor => asked.push(seq),
                AuthorKind::Ai => answers += 1,
                _ => {}
            },
            EventBody::TurnStarted { answers, .. } => assert_eq!(open.replace(*answers), None, "{log:?}"),
            EventBody::TurnFinished { .. } => {
                let upto = open.take().unwrap();
                asked.retain(|seq| *seq > upto);
                assert_eq!(std::mem::take(&mut answers), 1, "{log:?}");
            }
            _ => {}
        }
    }
    assert!(asked.is_empty() && open.is_none() && answers == 0, "{log:?}");
}

async fn finished(ctx: &Ctx, scope: &TenantScope, id: ConversationId, turns: usize) -> Vec<Rc<Event>> {
    until(async || {
        let Ok(replay) = ctx.rooms.replay(scope, id, 0, 500).await else { return None };
        let over = replay.events.iter().filter(|event| event.body.kind() == "turn.finished").count();
        (over >= turns).then_some(replay.events)
    })
    .await
}

/// What a client shows of a turn's deltas when the turn is over.
async fn shown(listener: &mut frontdesk_ports::Subscription) -> String {
    let mut shown = String::new();
    loop {
        match listener.frames.next().await.expect("the listener was let go") {
            Frame::Live(live) => {
                if let Live::Delta(delta) = live.as_ref() {
                    let offset = usize::try_from(delta.offset).unwrap();
                    assert!(offset <= shown.len(), "a hole: {} bytes, then {offset}", shown.len());
                    shown.truncate(offset);
                    shown.push_str(&delta.text);
                }
            }
            Frame::Event(event) => {
                if event.body.kind() == "turn.finished" {
                    return shown;
                }
            }
        }
    }
}

#[test]
fn a_rating_that_fails_during_an_answer_leaves_the_answer_alone() {
    run(async {
        for (alone, fault) in [(true, FAULTS[0]), (true, FAULTS[1]), (false, FAULTS[0]), (false, FAULTS[1])] {
            let model = Dictated::new(1);
            let faltering = Faltering::new(&model).await;
            let (scope, _) = faltering.world.visitor().await.unwrap();
            answers_without_evidence(faltering.world.ctx(), &scope).await;
            let ctx = if alone { faltering.world.ctx().clone() } else { process(faltering.world.ctx()).0 };
            let id = chat::begin(&ctx, &scope, &Via::widget(None)).await.unwrap().id;
            chat::post_message(&ctx, &scope, message(id, "q")).await.unwrap();
            let mut early = ctx.rooms.subscribe(&scope, id, 2).await.unwrap();
            model.say(0, Line::Words("Hello and "));
            until(async || (model.taken(0) == 1).then_some(())).await;
            faltering.database.plan([fault]);
            assert!(chat::rate(&ctx, &scope, &Via::widget(None), id, 5, None).await.is_err());
            // The widget comes back, and the room is read anew.
            let mut late = ctx.rooms.subscribe(&scope, id, 2).await.unwrap();
            model.say(0, Line::Words("good day, how are you?"));
            model.say(0, Line::End);
            let log = finished(&ctx, &scope, id, 1).await;
            answered_exactly_once(&log);
            assert_eq!(model.asked(), 1, "the model was asked twice for one question");
            for listener in [&mut early, &mut late] {
                assert_eq!(shown(listener).await, "Hello and good day, how are you?");
            }
        }
    });
}

#[test]
fn a_closing_that_fails_is_stored_again_and_the_model_is_not_asked_again() {
    run(async {
        for fault in FAULTS {
            let model = Dictated::new(1);
            let Faltering { world, database } = Faltering::new(&model).await;
            let (scope, _) = world.visitor().await.unwrap();
            let ctx = world.ctx();
            answers_without_evidence(ctx, &scope).await;
            let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
            chat::post_message(ctx, &scope, message(id, "q")).await.unwrap();
            until(async || (model.asked() == 1).then_some(())).await;
            database.plan([fault, Fault::NotStored, fault]);
            model.say(0, Line::Words("Yes."));
            model.say(0, Line::End);
            answered_exactly_once(&finished(ctx, &scope, id, 1).await);
            assert_eq!(model.asked(), 1);
        }
    });
}

#[test]
fn a_take_up_that_fails_after_a_restart_is_tried_again() {
    run(async {
        for fault in FAULTS {
            let world = World::new(&[], Overrides::default()).await.unwrap();
            let (scope, _) = world.visitor().await.unwrap();
            world.host.rooms.drain();
            let id = chat::begin(world.ctx(), &scope, &Via::widget(None)).await.unwrap().id;
            chat::post_message(world.ctx(), &scope, message(id, "q")).await.unwrap();
            world.host.tasks.idle().await;
            let (kept, wrap) = faulty();
            let overrides = Overrides { database: Some(wrap), ..Overrides::default() };
            let world = world.restart(&[], overrides).await.unwrap();
            kept.take().unwrap().plan([fault]);
            // It is left for the next time, or found again at once when it was stored after all.
            world.host.rooms.recover().await.unwrap();
            // The visitor writes again, which must be answered, too.
            chat::post_message(world.ctx(), &scope, message(id, "q2")).await.unwrap();
            world.host.rooms.recover().await.unwrap();
            let log = until(async || {
                let log = log(world.ctx(), &scope, id).await;
                (kinds(&log).last() == Some(&"turn.finished") && world.host.rooms.turns_in_progress() == 0)
                    .then_some(log)
            })
            .await;
            answered_exactly_once(&log);
        }
    });
}

#[test]
fn a_message_while_the_process_stops_is_left_to_the_next_process() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let (other, rooms) = process(world.ctx());
        let (stopping, draining) = process(world.ctx());
        let id = chat::begin(&stopping, &scope, &Via::widget(None)).await.unwrap().id;
        // The other process has the room in memory.
        let listener = other.rooms.subscribe(&scope, id, 0).await.unwrap();
        draining.drain();
        chat::post_message(&stopping, &scope, message(id, "q")).await.unwrap();
        assert_eq!(draining.turns_in_progress(), 0, "the end waits for a turn that has no run");
        // Its lease is over already: nobody has to wait for that.
        rooms.recover().await.unwrap();
        answered_exactly_once(&finished(&other, &scope, id, 1).await);
        drop(listener);
    });
}

/// A process of its own on the world's database.
fn process(ctx: &Ctx) -> (Ctx, LogRooms) {
    let worker = WorkerId::new(ctx.clock.now(), ctx.random.entropy());
    let mut made = None;
    let ports = Rc::new_cyclic(|ports| {
        let rooms = LogRooms::new(ports.clone(), Log::Main, worker, false);
        made = Some(rooms.clone());
        Ports { rooms: Rc::new(rooms), ..frontdesk_testkit::ports(ctx) }
    });
    (Ctx::new(ports), made.unwrap())
}

#[test]
fn a_turn_whose_process_died_is_found_by_the_watch_when_its_lease_is_over() {
    run(async {
        let clock = ManualClock::at(frontdesk_domain::time::Timestamp::from_millis(1_700_000_000_000));
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        // Of a process that is no more, as its row says.
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        {
            let (dead, rooms) = process(ctx);
            rooms.drain();
            chat::post_message(&dead, &scope, message(id, "q")).await.unwrap();
            let lease = clock.now_after(Duration::from_secs(20));
            let sql = "UPDATE conversations SET lease_until = ?1,
                open_turn = json_set(open_turn, '$.lease_until', ?2)";
            let statement = Statement::new(sql).bind(lease).bind(lease.to_string());
            ctx.db.batch(vec![statement]).await.unwrap();
        }
        let (alive, rooms) = process(ctx);
        let watch = tokio::task::spawn_local(async move { rooms.watch().await });
        let open = async || {
            let rows = ctx.db.query(vec![Statement::new(
                "SELECT count(*) FROM conversations WHERE open_turn IS NOT NULL",
            )]);
            rows.await.unwrap()[0].first().unwrap().int(0).unwrap()
        };
        assert_eq!(open().await, 1);
        until(async || {
            clock.advance(Duration::from_secs(1));
            (open().await == 0).then_some(())
        })
        .await;
        assert!(clock.now_after(Duration::ZERO).millis() >= 1_700_000_020_000, "before the lease was over");
        watch.abort();
        answered_exactly_once(&log(&alive, &scope, id).await);
    });
}

trait NowAfter {
    fn now_after(&self, duration: Duration) -> frontdesk_domain::time::Timestamp;
}

impl NowAfter for ManualClock {
    fn now_after(&self, duration: Duration) -> frontdesk_domain::time::Timestamp {
        frontdesk_ports::Clock::now(self).after(duration)
    }
}

#[test]
fn a_run_that_panics_is_begun_again_and_given_up_in_the_end() {
    run(async {
        let model = Dictated::new(10);
        let world = Faltering::new(&model).await.world;
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        answers_without_evidence(ctx, &scope).await;
        // Once: the second attempt answers.
        let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
        model.say(0, Line::Panic);
        for line in [Line::Words("Here I am."), Line::End] {
            model.say(1, line);
        }
        chat::post_message(ctx, &scope, message(id, "q")).await.unwrap();
        answered_exactly_once(&finished(ctx, &scope, id, 1).await);
        // Each time: it ends, and the next question is answered.
        let before = model.asked();
        let attempts = usize::try_from(TURN_ATTEMPTS).unwrap();
        for number in before..before + attempts {
            model.say(number, Line::Panic);
        }
        chat::post_message(ctx, &scope, message(id, "q2")).await.unwrap();
        let log = finished(ctx, &scope, id, 2).await;
        let outcome = |event: &Rc<Event>| match &event.body {
            EventBody::TurnFinished { outcome, .. } => Some(outcome.name()),
            _ => None,
        };
        assert_eq!(log.iter().filter_map(outcome).collect::<Vec<_>>(), ["answered", "handed_off"]);
        assert_eq!(model.asked() - before, attempts);
        // `/health` says that turns die.
        let troubles = ctx.metrics.supervision.troubles(ctx.clock.now());
        assert!(troubles.iter().any(|trouble| trouble.name == "turn"), "{troubles:?}");
        for line in [Line::Words("Again."), Line::End] {
            model.say(before + attempts, line);
        }
        chat::post_message(ctx, &scope, message(id, "q3")).await.unwrap();
        let log = finished(ctx, &scope, id, 3).await;
        assert_eq!(log.iter().filter_map(outcome).next_back(), Some("answered"));
    });
}

/// A conversation as it goes, driven by a client that repeats what it has no answer for.
async fn whole_conversation(faltering: &Faltering, scope: &TenantScope, alone: bool) -> Vec<Rc<Event>> {
    let (ctx, rooms) = if alone {
        (faltering.world.ctx().clone(), faltering.world.host.rooms.clone())
    } else {
        process(faltering.world.ctx())
    };
    let watch = tokio::task::spawn_local(async move { rooms.watch().await });
    let id = until(async || chat::begin(&ctx, scope, &Via::widget(None)).await.ok()).await.id;
    let mut listener = until(async || ctx.rooms.subscribe(scope, id, 0).await.ok()).await;
    for (number, client_id) in ["a", "b"].into_iter().enumerate() {
        until(async || chat::post_message(&ctx, scope, message(id, client_id)).await.ok()).await;
        let _ = chat::rate(&ctx, scope, &Via::widget(None), id, 5, None).await;
        finished(&ctx, scope, id, number + 1).await;
        let _ = listener.frames.next().now_or_never();
    }
    watch.abort();
    finished(&ctx, scope, id, 2).await
}

#[test]
fn every_call_to_the_database_may_fail_in_either_way_and_each_message_is_answered_once() {
    run(async {
        for (alone, fault) in [(true, FAULTS[0]), (true, FAULTS[1]), (false, FAULTS[0]), (false, FAULTS[1])] {
            let mut nth = 0;
            loop {
                let model = Dictated::always("It is as it is.");
                let faltering = Faltering::new(&model).await;
                let (scope, _) = faltering.world.visitor().await.unwrap();
                answers_without_evidence(faltering.world.ctx(), &scope).await;
                faltering.database.plan_nth(nth, fault);
                let log = whole_conversation(&faltering, &scope, alone).await;
                answered_exactly_once(&log);
                if faltering.database.calls() <= nth || nth >= 40 {
                    break;
                }
                nth += 1;
            }
            assert!(nth >= 8, "only {nth} calls were made to fail");
        }
    });
}

/// The calls that were counted: prompt and completion tokens, whether estimated, whether shown.
async fn counted(ctx: &Ctx) -> Vec<(i64, i64, bool, bool)> {
    let sql = "SELECT prompt_tokens, completion_tokens, estimated, used FROM model_calls ORDER BY at, n";
    let rows = ctx.db.query(vec![Statement::new(sql)]).await.unwrap();
    let row = |row: &frontdesk_ports::Row| {
        let int = |column| row.int(column).unwrap();
        (int(0), int(1), int(2) == 1, int(3) == 1)
    };
    rows[0].rows.iter().map(row).collect()
}

#[test]
fn every_call_to_a_model_is_counted_however_its_turn_ends() {
    run(async {
        let model = Dictated::new(8);
        let world = Faltering::new(&model).await.world;
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        answers_without_evidence(ctx, &scope).await;
        let ask = async |client_id: &str| {
            let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
            chat::post_message(ctx, &scope, message(id, client_id)).await.unwrap();
            id
        };
        // As the provider counts; without a count, estimated.
        for line in [Line::Words("Good day."), Line::Usage(100, 7), Line::End] {
            model.say(0, line);
        }
        finished(ctx, &scope, ask("a").await, 1).await;
        assert_eq!(counted(ctx).await, [(100, 7, false, true)]);
        for line in [Line::Words("Good day."), Line::End] {
            model.say(1, line);
        }
        finished(ctx, &scope, ask("b").await, 1).await;
        let estimated = counted(ctx).await[1];
        assert!(estimated.0 > 0 && estimated.1 > 0 && estimated.2 && estimated.3, "{estimated:?}");
        // An operator takes over while the model writes.
        let taken = ask("c").await;
        model.say(2, Line::Words("I think that "));
        until(async || (model.taken(2) == 1).then_some(())).await;
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        chat::change(ctx, &operator(&scope), &Via::widget(None), taken, 1, take).await.unwrap();
        let cancelled = until(async || counted(ctx).await.get(2).copied()).await;
        assert!(cancelled.0 > 0 && cancelled.1 > 0 && cancelled.2 && !cancelled.3, "{cancelled:?}");
        assert!(model.hung_up(2), "the model goes on for nobody");
        // It breaks off after some words, and there is no smaller one: what was shown is kept.
        for line in [Line::Words("Well, I "), Line::Break] {
            model.say(3, line);
        }
        finished(ctx, &scope, ask("d").await, 1).await;
        let kept = counted(ctx).await[3];
        assert!(kept.0 > 0 && kept.2 && kept.3, "{kept:?}");
        let sum = counted(ctx).await.iter().map(|call| call.0 + call.1).sum::<i64>();
        let spent = frontdesk_app::usage::spent_today(ctx, &scope).await.unwrap();
        assert_eq!(i64::try_from(spent).unwrap(), sum);
    });
}

/// A world with a smaller model beside the first one: the answers are dictated in the order in which they are asked for.
async fn with_a_smaller_model(model: &Rc<Dictated>) -> World {
    let http = Rc::clone(model) as Rc<dyn HttpClient>;
    let vars = [MODEL[0], MODEL[1], ("OPENAI_FALLBACK_MODEL", "small")];
    World::new(&vars, Overrides { http: Some(http), ..Overrides::default() }).await.unwrap()
}

#[test]
fn who_takes_over_or_comes_back_meets_the_same_whatever_the_models_do() {
    run(async {
        let model = Dictated::new(8);
        let world = with_a_smaller_model(&model).await;
        let (scope, _) = world.visitor().await.unwrap();
        let ctx = world.ctx();
        answers_without_evidence(ctx, &scope).await;
        let take = || Change { mode: Some(Mode::Operator), ..Change::default() };
        let begin = async |client_id: &str| {
            let id = chat::begin(ctx, &scope, &Via::widget(None)).await.unwrap().id;
            chat::post_message(ctx, &scope, message(id, client_id)).await.unwrap();
            id
        };
        let operator = operator(&scope);
        // The text of the deltas that a client gets who comes now, and is told of a take-over.
        let heard = async |id: ConversationId| {
            let mut listener = ctx.rooms.subscribe(&scope, id, 2).await.unwrap();
            chat::change(ctx, &operator, &Via::widget(None), id, 1, take()).await.unwrap();
            shown(&mut listener).await
        };

        // What a client that comes now is shown at once.
        let is_shown = async |id: ConversationId, words: &str| {
            until(async || {
                let mut listener = ctx.rooms.subscribe(&scope, id, 2).await.unwrap();
                while let Some(Some(frame)) = listener.frames.next().now_or_never() {
                    let Frame::Live(live) = frame else { continue };
                    if matches!(live.as_ref(), Live::Delta(delta) if delta.text == words) {
                        return Some(());
                    }
                }
                None
            })
            .await;
        };

        // While thoughts stream there is nothing to hear, before the take-over and after it.
        let thinking = begin("a").await;
        model.say(0, Line::Words("<think>The visitor wants to know"));
        until(async || (model.taken(0) == 1).then_some(())).await;
        assert_eq!(heard(thinking).await, "");
        until(async || model.hung_up(0).then_some(())).await;

        // While the first model stalls, what it said stands; nothing follows.
        let stalled = begin("b").await;
        model.say(1, Line::Words("We have "));
        // The last word may go on, and waits.
        model.say(1, Line::Words("two of them now"));
        is_shown(stalled, "We have two of them ").await;
        assert_eq!(heard(stalled).await, "We have two of them ");

        // When the smaller one has spoken, a client that comes gets its words alone.
        let smaller = begin("c").await;
        model.say(2, Line::Words("We have two"));
        is_shown(smaller, "We have ").await;
        model.say(2, Line::Break);
        until(async || (model.asked() == 4).then_some(())).await;
        model.say(3, Line::Words("There are "));
        model.say(3, Line::Words("three of them"));
        is_shown(smaller, "There are three of ").await;
        assert_eq!(heard(smaller).await, "There are three of ");
        until(async || model.hung_up(3).then_some(())).await;

        for id in [thinking, stalled, smaller] {
            let log = log(ctx, &scope, id).await;
            let said = log.iter().any(|event| {
                matches!(&event.body, EventBody::MessageCreated { message } if message.author.kind == AuthorKind::Ai)
            });
            assert!(!said, "the AI said something after the take-over: {log:?}");
        }
    });
}
