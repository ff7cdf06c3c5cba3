//! What is stored of events is pinned: each kind, with everything optional and without, as `stored/events.jsonl` has it. And
//! what other versions stored, before and after this one, is read and written again without loss.

use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::answer::{Citation, Outcome, Usage};
use frontdesk_domain::conversation::{Author, AuthorKind, Channel, Message, Mode, Priority, Status};
use frontdesk_domain::event::{Event, EventBody, FinishedRun, Frame, Live, Thumb};
use frontdesk_domain::id::{
    ConversationId, DocumentId, MessageId, PassageId, TurnId, UploadId, UserId, WorkerId,
};
use frontdesk_domain::room::{Command, Decision, NewMessage, OpenTurn, Room, RoomHead};
use frontdesk_domain::time::Timestamp;
use serde_json::{Value, json};

/// What this version stores.
const NOW: &str = include_str!("stored/events.jsonl");
/// What 0.1 stored. Never changed.
const BEFORE: &str = include_str!("stored/events-0.1.jsonl");

fn at() -> Timestamp {
    Timestamp::from_millis(0)
}

macro_rules! id {
    ($type:ident, $prefix:literal) => {
        concat!($prefix, "_01h455vb4pex5vsknk084sn02q").parse::<$type>().unwrap()
    };
}

fn vera() -> Author {
    let id = Some(id!(UserId, "user").to_string());
    Author { kind: AuthorKind::Operator, id, name: Some("Vera".to_owned()) }
}

fn citation(url: Option<&str>) -> Citation {
    Citation {
        n: 1,
        document_id: id!(DocumentId, "doc"),
        title: "Delivery".to_owned(),
        version: 2,
        passage_id: id!(PassageId, "psg"),
        start: 10,
        end: 20,
        quote: "300 roubles".to_owned(),
        url: url.map(str::to_owned),
    }
}

fn message(author: Author, text: &str) -> Message {
    Message {
        id: id!(MessageId, "msg"),
        client_id: None,
        author,
        text: text.to_owned(),
        attachments: Vec::new(),
        citations: Vec::new(),
        incomplete: false,
        note: false,
    }
}

/// Each kind, with everything optional and without.
fn every_kind() -> Vec<EventBody> {
    let (turn, message_id) = (id!(TurnId, "turn"), id!(MessageId, "msg"));
    let whole = Message {
        client_id: Some("c-1".to_owned()),
        attachments: vec![id!(UploadId, "upl")],
        citations: vec![citation(Some("https://shop.example/delivery")), citation(None)],
        note: true,
        ..message(vera(), "See [1].")
    };
    let usage = Usage { model: "m".to_owned(), prompt_tokens: 321, completion_tokens: 12, estimated: false };
    let guessed = Usage { estimated: true, ..usage.clone() };
    let finished = |outcome| EventBody::TurnFinished {
        turn,
        outcome,
        message_id: None,
        citations: Vec::new(),
        suggestions: Vec::new(),
        usage: None,
        run: None,
    };
    let by = vera;
    vec![
        EventBody::MessageCreated { message: whole },
        EventBody::MessageCreated { message: message(Author::AI, "Hello.") },
        EventBody::MessageCreated { message: Message { incomplete: true, ..message(Author::AI, "Hello, ") } },
        EventBody::MessageCreated { message: message(Author::SYSTEM, "A notice.") },
        EventBody::MessageCreated {
            message: message(Author { kind: AuthorKind::Visitor, id: None, name: None }, "Hi"),
        },
        EventBody::TurnStarted { turn, answers: 1 },
        EventBody::TurnFinished {
            turn,
            outcome: Outcome::Answered,
            message_id: Some(message_id),
            citations: vec![citation(None)],
            suggestions: Vec::new(),
            usage: Some(usage.clone()),
            run: None,
        },
        EventBody::TurnFinished {
            turn,
            outcome: Outcome::Answered,
            message_id: Some(message_id),
            citations: Vec::new(),
            suggestions: Vec::new(),
            usage: Some(usage),
            run: Some(FinishedRun {
                attempt: 2,
                discarded: vec![guessed],
                reason: Some("length".to_owned()),
            }),
        },
        EventBody::TurnFinished {
            turn,
            outcome: Outcome::HandedOff,
            message_id: None,
            citations: Vec::new(),
            suggestions: Vec::new(),
            usage: None,
            run: Some(FinishedRun { attempt: 1, discarded: Vec::new(), reason: None }),
        },
        finished(Outcome::Quoted),
        finished(Outcome::NoAnswer),
        EventBody::TurnFinished {
            turn,
            outcome: Outcome::NoAnswer,
            message_id: Some(message_id),
            citations: Vec::new(),
            suggestions: vec!["Delivery".to_owned(), "Returns".to_owned()],
            usage: None,
            run: None,
        },
        finished(Outcome::HandedOff),
        finished(Outcome::Cancelled),
        finished(Outcome::Failed),
        EventBody::ModeChanged { mode: Mode::Ai, by: by() },
        EventBody::ModeChanged { mode: Mode::Operator, by: by() },
        EventBody::ModeChanged { mode: Mode::Closed, by: Author::SYSTEM },
        EventBody::Assigned { assignee: Some(id!(UserId, "user")), by: by() },
        EventBody::Assigned { assignee: None, by: by() },
        EventBody::Labelled { labels: vec!["delivery".to_owned()], by: by() },
        EventBody::Labelled { labels: Vec::new(), by: by() },
        EventBody::StatusChanged { status: Status::Open, by: by() },
        EventBody::StatusChanged { status: Status::Waiting, by: by() },
        EventBody::StatusChanged { status: Status::Snoozed, by: by() },
        EventBody::StatusChanged { status: Status::Closed, by: by() },
        EventBody::Snoozed { until: at().after(Duration::from_millis(1_790_000_000_123)), by: by() },
        EventBody::Prioritised { priority: Priority::Low, by: by() },
        EventBody::Prioritised { priority: Priority::Normal, by: by() },
        EventBody::Prioritised { priority: Priority::High, by: by() },
        EventBody::Prioritised { priority: Priority::Urgent, by: by() },
        EventBody::Rated {
            score: Some(5),
            message_id: Some(message_id),
            rating: Some(Thumb::Up),
            comment: Some("thanks".to_owned()),
        },
        EventBody::Rated { score: None, message_id: None, rating: Some(Thumb::Down), comment: None },
        EventBody::Rated { score: None, message_id: None, rating: None, comment: None },
        EventBody::Read { by: by(), upto: 3 },
        EventBody::Hidden {},
    ]
}

fn stored(body: EventBody) -> String {
    Event::new(7, at(), 2, body).stored_body()
}

fn read(body: &str) -> Event {
    Event::from_stored(7, at(), 2, body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn as_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A new kind of event gets a line in `every_kind` and in the file.
#[expect(clippy::match_same_arms, reason = "a kind that is new stops here")]
fn is_pinned(body: &EventBody) -> bool {
    let pinned = every_kind().iter().any(|known| known.kind() == body.kind());
    match body {
        EventBody::MessageCreated { .. }
        | EventBody::TurnStarted { .. }
        | EventBody::TurnFinished { .. }
        | EventBody::ModeChanged { .. }
        | EventBody::Assigned { .. }
        | EventBody::Labelled { .. }
        | EventBody::StatusChanged { .. }
        | EventBody::Snoozed { .. }
        | EventBody::Prioritised { .. }
        | EventBody::Rated { .. }
        | EventBody::Read { .. } => pinned,
        EventBody::Hidden {} => pinned,
        // Written as it was read, see below.
        EventBody::Unknown(_) => true,
    }
}

#[test]
fn the_stored_form_of_every_kind_is_as_agreed() {
    let written: Vec<String> = every_kind().into_iter().map(stored).collect();
    if std::env::var_os("UPDATE_STORED").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stored/events.jsonl"),
            written.join("\n") + "\n",
        )
        .unwrap();
    }
    assert!(every_kind().iter().all(is_pinned));
    assert_eq!(
        written,
        NOW.lines().collect::<Vec<_>>(),
        "databases hold the old form: what changes must still be read, and the file says so"
    );
    for (body, line) in every_kind().into_iter().zip(NOW.lines()) {
        assert_eq!(read(line), Event::new(7, at(), 2, body), "{line}");
        assert_eq!(as_json(line)["kind"], read(line).body.kind());
    }
}

#[test]
fn what_the_release_before_stored_is_read_and_kept() {
    for line in BEFORE.lines() {
        let event = read(line);
        assert!(!matches!(event.body, EventBody::Unknown(_)), "{line}");
        assert_eq!(event.extra, None, "{line}");
        assert_eq!(as_json(&event.stored_body()), as_json(line));
    }
}

#[test]
fn an_event_of_an_unknown_kind_is_kept_and_a_visitor_sees_that_there_is_one() {
    let line = r#"{"kind":"tool.called","tool":"order_status","with":{"order":4711,"deep":[1,{"a":null}]},"cost":0.1}"#;
    let event = Rc::new(read(line));
    assert_eq!(event.body.kind(), "tool.called");
    assert_eq!(as_json(&event.stored_body()), as_json(line));

    let wire = Frame::Event(event.clone()).to_json();
    assert_eq!(Frame::from_json(&wire).unwrap(), Some(Frame::Event(event.clone())), "between processes");
    let mut expected = as_json(line);
    for (name, value) in [("seq", json!(7)), ("at", json!("1970-01-01T00:00:00.000Z")), ("epoch", json!(2))] {
        expected[name] = value;
    }
    assert_eq!(as_json(&wire), expected);
    let shown = as_json(&Frame::Event(event).for_visitor().to_json());
    assert_eq!(shown["kind"], "hidden");
    assert_eq!(shown.as_object().unwrap().len(), 4, "{shown}");
}

/// Puts an unknown field into every object of a stored event.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(with_unknown_fields);
            fields.insert("of_tomorrow".to_owned(), json!({ "level": 3, "list": [null, "x"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        _ => {}
    }
}

#[test]
fn unknown_fields_survive_at_every_depth_of_every_kind_and_are_not_for_visitors() {
    for line in NOW.lines() {
        let mut tomorrow = as_json(line);
        with_unknown_fields(&mut tomorrow);
        let event = read(&tomorrow.to_string());
        assert_eq!(event.body, read(line).body, "what is known of it is as before");
        assert_eq!(as_json(&event.stored_body()), tomorrow, "stored again");
        assert_eq!(read(&event.stored_body()), event);

        let event = Rc::new(event);
        let wire = Frame::Event(event.clone()).to_json();
        assert_eq!(Frame::from_json(&wire).unwrap(), Some(Frame::Event(event.clone())));
        let again: Event = serde_json::from_value(serde_json::to_value(&*event).unwrap()).unwrap();
        assert_eq!(again, *event, "in a page of a replay");
        let shown = Frame::Event(event).for_visitor().to_json();
        assert!(!shown.contains("of_tomorrow"), "{shown}");
    }
}

#[test]
fn an_unknown_value_is_taken_as_the_one_that_does_least_harm_and_kept() {
    let by = json!({ "kind": "operator", "name": "Vera" });
    let turn = "turn_01h455vb4pex5vsknk084sn02q";
    let answer = "msg_01h455vb4pex5vsknk084sn02q";
    let silent = json!({ "kind": "turn.finished", "turn": turn, "outcome": "asked_back", "citations": [] });
    let mut said = silent.clone();
    said["message_id"] = json!(answer);
    for (tomorrow, shown) in [
        (json!({ "kind": "mode.changed", "mode": "second_bot", "by": by }), json!({ "mode": "operator" })),
        (json!({ "kind": "status.changed", "status": "parked", "by": by }), json!({ "status": "open" })),
        (silent, json!({ "outcome": "cancelled" })),
        (said, json!({ "outcome": "answered" })),
        (
            json!({ "kind": "rated", "message_id": answer, "rating": "sideways" }),
            json!({ "message_id": answer }),
        ),
        (
            json!({ "kind": "read", "by": { "kind": "robot" }, "upto": 1 }),
            json!({ "by": { "kind": "system" } }),
        ),
    ] {
        let event = read(&tomorrow.to_string());
        assert_eq!(event.body.kind(), tomorrow["kind"].as_str().unwrap(), "it is not unknown as a whole");
        assert_eq!(as_json(&event.stored_body()), tomorrow, "it is kept");
        assert_eq!(read(&event.stored_body()), event);
        let visitor = as_json(&Frame::Event(Rc::new(event)).for_visitor().to_json());
        for (name, value) in shown.as_object().unwrap() {
            assert_eq!(&visitor[name], value, "{tomorrow}");
        }
        assert_eq!(visitor.get("rating"), None);
    }
}

#[test]
fn a_known_kind_in_another_form_is_unknown_and_not_an_error() {
    for line in [
        r#"{"kind":"message.created","text":"where is the message?"}"#,
        r#"{"kind":"rated","score":1000}"#,
        r#"{"kind":"mode.changed","mode":{"speaks":"ai"},"by":{"kind":"system"}}"#,
    ] {
        let event = read(line);
        assert!(matches!(event.body, EventBody::Unknown(_)), "{line}");
        assert!(!event.body.visible_to_visitor());
        assert_eq!(as_json(&event.stored_body()), as_json(line));
    }
    for line in ["", "[]", "{}", r#"{"kind":7}"#, "{\"kind\":\"read\"} x"] {
        assert!(Event::from_stored(1, at(), 1, line).is_err(), "{line}");
    }
}

#[test]
fn something_live_of_another_version_is_not_told() {
    let typing = Frame::Live(Rc::new(Live::Typing { by: vera(), on: true })).to_json();
    assert!(matches!(Frame::from_json(&typing), Ok(Some(Frame::Live(_)))));
    assert_eq!(Frame::from_json(r#"{"kind":"tool.progress","per_cent":50}"#).unwrap(), None);
    assert!(Frame::from_json(r#"{"kind":"typing"}"#).is_err(), "a known one that is broken is a fault");
}

fn room() -> Room {
    Room::restore(RoomHead::new(id!(ConversationId, "conv"), Channel::Widget, at()), [])
}

fn asks(room: &Room) -> Vec<String> {
    let message = NewMessage {
        id: id!(MessageId, "msg"),
        client_id: None,
        author: Author { kind: AuthorKind::Visitor, id: Some("visitor".to_owned()), name: None },
        text: "Hello?".to_owned(),
        attachments: Vec::new(),
        note: false,
    };
    let command = Command::Post { message, turn: id!(TurnId, "turn") };
    let Ok(Decision::Commit(events)) = room.decide(&command, at()) else { panic!("refused") };
    events.iter().map(|event| event.body.kind().to_owned()).collect()
}

#[test]
fn an_unknown_kind_changes_nothing_and_one_with_a_new_epoch_silences_the_ai() {
    let worker = id!(WorkerId, "worker");
    let apply = |body: &str, epoch| {
        let mut room = room();
        room.apply(&Event::from_stored(1, at(), epoch, body).unwrap(), worker);
        room
    };
    let same = apply(r#"{"kind":"tool.called"}"#, 1);
    assert_eq!(asks(&same), ["message.created", "turn.started"], "the AI goes on");
    assert_eq!((same.head().conversation.last_seq, same.head().conversation.mode), (1, Mode::Ai));

    for body in [
        r#"{"kind":"bot.invited"}"#,
        r#"{"kind":"mode.changed","mode":{"who":"ai"}}"#,
        r#"{"kind":"mode.changed","mode":"second_bot","by":{"kind":"system"}}"#,
    ] {
        let other = apply(body, 2);
        assert_eq!(asks(&other), ["message.created"], "the AI is silent after {body}");
    }
}

#[test]
fn what_is_stored_of_an_open_turn_is_as_agreed_and_a_later_form_is_read() {
    let open = OpenTurn {
        turn: id!(TurnId, "turn"),
        epoch: 2,
        answers: 5,
        attempt: 1,
        worker: id!(WorkerId, "worker"),
        lease_until: at().after(Duration::from_millis(1_790_000_020_000)),
    };
    let stored = concat!(
        r#"{"turn":"turn_01h455vb4pex5vsknk084sn02q","epoch":2,"answers":5,"attempt":1,"#,
        r#""worker":"worker_01h455vb4pex5vsknk084sn02q","lease_until":"2026-09-21T14:13:40.000Z"}"#
    );
    assert_eq!(serde_json::to_string(&open).unwrap(), stored);
    let mut tomorrow = as_json(stored);
    with_unknown_fields(&mut tomorrow);
    assert_eq!(serde_json::from_value::<OpenTurn>(tomorrow).unwrap(), open);
}
