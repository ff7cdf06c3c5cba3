use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::conversation::{Channel, Priority};
use crate::id::{ConversationId, MessageId};

fn id<T>(make: impl Fn(Timestamp, [u8; 10]) -> T, n: u8) -> T {
    make(Timestamp::from_millis(1), [n; 10])
}

fn worker(n: u8) -> WorkerId {
    id(WorkerId::new, n)
}

fn room() -> Room {
    let head = RoomHead::new(id(ConversationId::new, 1), Channel::Widget, Timestamp::from_millis(0));
    Room::restore(head, [])
}

const VERA: &str = "user_01h455vb4pex5vsknk084sn02q";
const OLEG: &str = "user_01h455vb4pex5vsknk084sn02r";

fn visitor() -> Author {
    Author { kind: AuthorKind::Visitor, id: Some("visitor".to_owned()), name: None }
}

fn operator(id: &str) -> Author {
    Author { kind: AuthorKind::Operator, id: Some(id.to_owned()), name: None }
}

fn post(by: Author, n: u8, note: bool) -> Command {
    Command::Post {
        message: NewMessage {
            id: id(MessageId::new, n),
            client_id: Some(format!("c{n}")),
            author: by,
            text: format!("text {n}"),
            attachments: Vec::new(),
            note,
        },
        turn: id(TurnId::new, n),
    }
}

/// Decides and folds in, as a host does whose commit went well.
fn does(room: &mut Room, command: &Command) -> Vec<Rc<Event>> {
    match room.decide(command, Timestamp::from_millis(5)).expect("allowed") {
        Decision::Commit(events) => {
            for event in &events {
                room.apply(event, worker(1));
            }
            events
        }
        Decision::Duplicate(_) | Decision::Nothing => Vec::new(),
    }
}

fn kinds(events: &[Rc<Event>]) -> Vec<&str> {
    events.iter().map(|event| event.body.kind()).collect()
}

#[test]
fn an_operators_first_message_takes_over_and_its_repetition_changes_nothing() {
    let mut room = room();
    does(&mut room, &post(visitor(), 1, false));
    let events = does(&mut room, &post(operator(VERA), 2, false));
    assert_eq!(kinds(&events), ["turn.finished", "mode.changed", "assigned", "message.created"]);
    assert_eq!(events.iter().map(|event| event.epoch).collect::<Vec<_>>(), [1, 2, 2, 2]);
    assert_eq!(room.head().assignee.map(|user| user.to_string()).as_deref(), Some(VERA));
    // Given back to the AI; then the first message is sent again.
    let back = Update { mode: Some(Mode::Ai), assignee: Some(None), ..Update::by(operator(VERA)) };
    assert_eq!(kinds(&does(&mut room, &Command::Update(back))), ["mode.changed", "assigned"]);
    let before = room.clone();
    assert!(matches!(
        room.decide(&post(operator(VERA), 2, false), Timestamp::from_millis(9)),
        Ok(Decision::Duplicate(_))
    ));
    assert_eq!(room, before);
}

#[test]
fn a_second_operator_who_writes_does_not_take_the_conversation_from_the_first() {
    let mut room = room();
    does(&mut room, &post(operator(VERA), 1, false));
    assert_eq!(kinds(&does(&mut room, &post(operator(OLEG), 2, false))), ["message.created"]);
    assert_eq!(room.head().assignee.map(|user| user.to_string()).as_deref(), Some(VERA));
    // A note takes nothing over.
    let mut quiet = self::room();
    assert_eq!(kinds(&does(&mut quiet, &post(operator(OLEG), 2, true))), ["message.created"]);
    assert_eq!(quiet.head().conversation.mode, Mode::Ai);
}

#[test]
fn the_head_says_who_waits_for_whom() {
    let mut room = room();
    does(&mut room, &post(operator(VERA), 1, false));
    assert_eq!(room.head().unread, Unread { visitor: 1, operators: 0 });
    let asked = does(&mut room, &post(visitor(), 2, false));
    does(&mut room, &post(visitor(), 3, false));
    assert_eq!(room.head().waiting_since, Some(Timestamp::from_millis(5)));
    assert_eq!(room.head().unread, Unread { visitor: 1, operators: 2 });
    // A note is no news for the visitor, and not what a list shows.
    does(&mut room, &post(operator(VERA), 4, true));
    assert_eq!(room.head().last_message.as_ref().map(|last| last.preview.as_str()), Some("text 3"));
    does(&mut room, &Command::Read { by: operator(VERA), upto: asked[0].seq });
    assert_eq!(room.head().unread, Unread { visitor: 1, operators: 1 });
    let last = room.head().conversation.last_seq;
    does(&mut room, &Command::Read { by: visitor(), upto: last });
    // A mark that is sent again, or that lags behind another, is no news.
    for (by, upto) in [(visitor(), last), (visitor(), 1), (operator(VERA), asked[0].seq), (operator(OLEG), 1)]
    {
        let repeated = room.decide(&Command::Read { by, upto }, Timestamp::from_millis(5));
        assert_eq!(repeated, Ok(Decision::Nothing));
    }
    does(&mut room, &post(operator(VERA), 5, false));
    assert_eq!(room.head().waiting_since, None);
    assert_eq!(room.head().unread, Unread { visitor: 1, operators: 1 });
}

#[test]
fn what_was_put_aside_wakes_at_its_time_alone() {
    let mut room = room();
    let wake = |room: &Room, at| room.decide(&Command::Wake, Timestamp::from_millis(at));
    assert_eq!(wake(&room, 99), Ok(Decision::Nothing));
    let snooze =
        Update { snoozed_until: Some(Some(Timestamp::from_millis(99))), ..Update::by(operator(VERA)) };
    does(&mut room, &Command::Update(snooze));
    assert_eq!(wake(&room, 98), Ok(Decision::Nothing));
    match wake(&room, 99) {
        Ok(Decision::Commit(events)) => {
            let open = EventBody::StatusChanged { status: Status::Open, by: Author::SYSTEM };
            assert_eq!(events.iter().map(|event| &event.body).collect::<Vec<_>>(), [&open]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_changes_what_it_names_and_nothing_twice() {
    let mut room = room();
    let update = Update {
        assignee: Some(Some(VERA.parse().unwrap())),
        labels: Some(vec!["vip".to_owned(), "жалоба".to_owned()]),
        snoozed_until: Some(Some(Timestamp::from_millis(99))),
        priority: Some(Priority::Urgent),
        ..Update::by(operator(VERA))
    };
    let events = does(&mut room, &Command::Update(update.clone()));
    assert_eq!(kinds(&events), ["snoozed", "assigned", "labelled", "prioritised"]);
    assert_eq!(room.head().conversation.status, Status::Snoozed);
    assert!(does(&mut room, &Command::Update(update)).is_empty());
    // What a visitor writes wakes it.
    let woken = does(&mut room, &post(visitor(), 1, false));
    assert_eq!(kinds(&woken), ["message.created", "status.changed", "turn.started"]);
    assert_eq!((room.head().conversation.status, room.head().snoozed_until), (Status::Open, None));
    // Taken over meanwhile, it is put aside until the same moment again; and the visitor waits for people now.
    let taken = Update {
        mode: Some(Mode::Operator),
        snoozed_until: Some(Some(Timestamp::from_millis(99))),
        ..Update::by(operator(VERA))
    };
    does(&mut room, &Command::Update(taken));
    let back = Update { mode: Some(Mode::Ai), ..Update::by(operator(VERA)) };
    assert!(room.head().waiting_since.is_some());
    let again = Update { snoozed_until: Some(Some(Timestamp::from_millis(99))), ..back };
    does(&mut room, &Command::Update(again));
    assert_eq!(room.head().conversation.status, Status::Snoozed);
    let closed = Update { status: Some(Status::Closed), ..Update::by(operator(VERA)) };
    let events = does(&mut room, &Command::Update(closed));
    assert_eq!(kinds(&events), ["mode.changed", "status.changed"]);
    assert_eq!(room.decide(&post(visitor(), 2, false), Timestamp::default()), Err(Refusal::Closed));
}

#[test]
fn what_an_update_may_not_say_is_refused_with_its_field() {
    let room = room();
    let refused = |update: Update| room.decide(&Command::Update(update), Timestamp::default());
    let by = || Update::by(operator(VERA));
    let labels = |labels: Vec<String>| Update { labels: Some(labels), ..by() };
    for wrong in [
        labels(vec![String::new()]),
        labels(vec!["x".repeat(65)]),
        labels(vec![" x".to_owned()]),
        labels(vec!["x".to_owned(), "x".to_owned()]),
        labels((0..51).map(|n| n.to_string()).collect()),
    ] {
        assert!(matches!(refused(wrong), Err(Refusal::Field { field: "labels", .. })));
    }
    let both = Update { mode: Some(Mode::Ai), status: Some(Status::Closed), ..by() };
    assert!(matches!(refused(both), Err(Refusal::Field { field: "mode", .. })));
    let until = Some(Some(Timestamp::from_millis(9)));
    let both = Update { status: Some(Status::Open), snoozed_until: until, ..by() };
    assert!(matches!(refused(both), Err(Refusal::Field { field: "status", .. })));
    let both = Update { status: Some(Status::Closed), snoozed_until: until, ..by() };
    assert!(matches!(refused(both), Err(Refusal::Field { field: "snoozed_until", .. })));
    let both = Update { mode: Some(Mode::Closed), status: Some(Status::Waiting), ..by() };
    assert!(matches!(refused(both), Err(Refusal::Field { field: "status", .. })));
    let snoozed = Update { status: Some(Status::Snoozed), ..by() };
    assert!(matches!(refused(snoozed), Err(Refusal::Field { field: "status", .. })));
    assert_eq!(refused(Update { if_epoch: Some(9), ..by() }), Err(Refusal::Stale { epoch: 1 }));
}

#[test]
fn only_the_run_in_progress_speaks_withdraws_and_ends() {
    let mut room = room();
    does(&mut room, &post(visitor(), 1, false));
    let first = room.head().turn.clone().unwrap();
    room.say(&first.token(), "Good ").unwrap();
    let second = room.next_attempt(worker(2), Timestamp::from_millis(50_000)).unwrap();
    room.note_turn(&second);
    assert_eq!(room.answer(), "", "a later attempt begins anew");
    let end = |token| TurnEnd {
        token,
        outcome: Outcome::Failed,
        reply: None,
        usage: None,
        discarded: Vec::new(),
        reason: None,
        next: id(TurnId::new, 9),
    };
    let now = Timestamp::from_millis(50_001);
    let fenced = Refusal::Fenced { epoch: 1 };
    assert_eq!(room.say(&first.token(), "day"), Err(fenced));
    assert_eq!(room.unsay(&first.token()), Err(fenced));
    assert_eq!(room.longer_lease(&first.token(), now), Err(fenced));
    assert_eq!(room.finish(&end(first.token()), now), Err(fenced));
    // The same turn and attempt of another worker is another run.
    assert_eq!(room.say(&TurnToken { worker: worker(3), ..second.token() }, "x"), Err(fenced));
    assert_eq!(room.say(&second.token(), "Good day").unwrap().offset, 0);
    assert_eq!(room.longer_lease(&second.token(), now), Ok(None));
    assert!(room.longer_lease(&second.token(), now.after(TURN_LEASE)).unwrap().is_some());
    assert_eq!(kinds(&room.finish(&end(second.token()), now).unwrap()), ["turn.finished"]);
}

#[test]
fn what_is_asked_during_a_turn_is_answered_by_the_next() {
    let mut room = room();
    does(&mut room, &post(visitor(), 1, false));
    let token = room.head().turn.clone().unwrap().token();
    does(&mut room, &post(visitor(), 2, false));
    let next = id(TurnId::new, 7);
    let end = TurnEnd {
        token,
        outcome: Outcome::NoAnswer,
        reply: None,
        usage: None,
        discarded: Vec::new(),
        reason: None,
        next,
    };
    let events = room.finish(&end, Timestamp::from_millis(9)).unwrap();
    assert_eq!(kinds(&events), ["turn.finished", "turn.started"]);
    for event in &events {
        room.apply(event, worker(1));
    }
    assert_eq!(room.head().turn.as_ref().map(|open| (open.turn, open.answers)), Some((next, 3)));
    assert_eq!(room.head().unanswered, None);
}

/// What may happen to a room.
#[derive(Debug, Clone)]
enum Step {
    Visitor(u8),
    Operator(u8, bool),
    Mode(u8),
    Finish,
    TakeUp(u8),
    Read(bool, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..30_u8).prop_map(Step::Visitor),
        1 => (30..50_u8, any::<bool>()).prop_map(|(n, note)| Step::Operator(n, note)),
        1 => (0..3_u8).prop_map(Step::Mode),
        3 => Just(Step::Finish),
        1 => (1..4_u8).prop_map(Step::TakeUp),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(visitor, upto)| Step::Read(visitor, upto)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_log_is_dense_and_no_author_speaks_out_of_turn(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let mut room = room();
        let mut log: Vec<Rc<Event>> = Vec::new();
        let mut number = 100;
        for step in steps {
            let command = match step {
                Step::Visitor(n) => post(visitor(), n, false),
                Step::Operator(n, note) => post(operator(VERA), n, note),
                Step::Mode(n) => {
                    let mode = [Mode::Ai, Mode::Operator, Mode::Closed][usize::from(n)];
                    Command::Update(Update { mode: Some(mode), ..Update::by(operator(VERA)) })
                }
                Step::Finish => {
                    let Some(token) = room.head().turn.as_ref().map(OpenTurn::token) else { continue };
                    number += 1;
                    let reply = Reply {
                        id: id(MessageId::new, number), text: "answer".to_owned(), citations: Vec::new(),
                        incomplete: false,
                        suggestions: Vec::new(),
                    };
                    let end = TurnEnd {
                        token, outcome: Outcome::Answered, reply: Some(reply), usage: None,
                        discarded: Vec::new(), reason: None, next: id(TurnId::new, number),
                    };
                    let events = room.finish(&end, Timestamp::from_millis(5)).unwrap();
                    for event in &events {
                        room.apply(event, worker(1));
                    }
                    log.extend(events);
                    continue;
                }
                Step::TakeUp(n) => {
                    if let Some(next) = room.next_attempt(worker(n), Timestamp::from_millis(5)) {
                        room.note_turn(&next);
                    }
                    continue;
                }
                Step::Read(visitor, upto) => {
                    let by = if visitor { self::visitor() } else { operator(VERA) };
                    let upto = u64::from(upto) % (room.head().conversation.last_seq + 1);
                    Command::Read { by, upto }
                }
            };
            let before = room.clone();
            match room.decide(&command, Timestamp::from_millis(5)) {
                Ok(Decision::Commit(events)) => {
                    prop_assert_eq!(&room, &before, "deciding changed the room");
                    for event in &events {
                        room.apply(event, worker(1));
                    }
                    log.extend(events);
                }
                Ok(Decision::Duplicate(receipt)) => {
                    let known = &log[usize::try_from(receipt.seq).unwrap() - 1].body;
                    prop_assert_eq!(known, &EventBody::MessageCreated { message: receipt.message });
                }
                Ok(Decision::Nothing) | Err(_) => {}
            }
        }
        let mut epoch = 1;
        let mut mode = Mode::Ai;
        let mut open: Option<(TurnId, Seq)> = None;
        let mut asked: Vec<Seq> = Vec::new();
        for (event, seq) in log.iter().zip(1..) {
            prop_assert_eq!(event.seq, seq);
            prop_assert!(event.epoch >= epoch);
            epoch = event.epoch;
            match &event.body {
                EventBody::MessageCreated { message } if message.author.kind == AuthorKind::Ai => {
                    prop_assert!(mode == Mode::Ai && open.is_some(), "the AI spoke out of turn");
                }
                EventBody::MessageCreated { message }
                    if message.author.kind == AuthorKind::Visitor && mode == Mode::Ai =>
                {
                    asked.push(seq);
                }
                EventBody::TurnStarted { turn, answers } => {
                    prop_assert!(open.is_none() && mode == Mode::Ai);
                    open = Some((*turn, *answers));
                }
                EventBody::TurnFinished { turn, .. } => {
                    let (of, answers) = open.take().unwrap();
                    prop_assert_eq!(of, *turn);
                    asked.retain(|seq| *seq > answers);
                }
                EventBody::ModeChanged { mode: to, .. } => {
                    mode = *to;
                    asked.clear();
                }
                _ => {}
            }
        }
        // What was asked and is not answered yet is being answered, or will be by the turn after.
        prop_assert!(asked.is_empty() || open.is_some());
    }

    #[test]
    fn unread_counts_are_what_the_log_says(
        steps in prop::collection::vec((0..4_u8, any::<u8>()), 0..35)
    ) {
        let mut room = room();
        let (mut marks, mut log) = ([0, 0], Vec::new());
        for (n, (what, upto)) in (0_u8..).zip(steps) {
            let last = room.head().conversation.last_seq;
            let upto = u64::from(upto) % (last + 1);
            let command = match what {
                0 => post(visitor(), n, false),
                1 => post(operator(VERA), n, false),
                2 => Command::Read { by: visitor(), upto },
                _ => Command::Read { by: operator(VERA), upto },
            };
            if let Command::Read { by, upto } = &command {
                let mark = &mut marks[usize::from(by.kind == AuthorKind::Operator)];
                *mark = upto.max(mark).to_owned();
            }
            log.extend(does(&mut room, &command));
        }
        let unread = |kind: AuthorKind, mark: u64| {
            let news = log.iter().filter(|event| match &event.body {
                EventBody::MessageCreated { message } => message.author.kind == kind && event.seq > mark,
                _ => false,
            });
            u32::try_from(news.count()).unwrap()
        };
        prop_assert_eq!(room.head().unread, Unread {
            visitor: unread(AuthorKind::Operator, marks[0]),
            operators: unread(AuthorKind::Visitor, marks[1]),
        });
    }
}
