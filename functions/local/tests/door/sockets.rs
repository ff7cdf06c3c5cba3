//! The protocol of sockets, without sockets.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_api::socket::{Close, EXPIRED, MAX_FRAME_BYTES, Outgoing, Session, SocketGrant, SocketState};
use frontdesk_api::{Pace, Peer};
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_domain::conversation::{Channel, Conversation};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::{Event, EventBody, Frame};
use frontdesk_domain::id::{ConversationId, VisitorId};
use frontdesk_domain::room::Command;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::testing::run;
use frontdesk_ports::{Appended, Random, Replay, Rooms, Statement, Subscription};
use frontdesk_testkit::{SeededRandom, with_rooms};
use futures_util::{FutureExt, StreamExt};
use http::header;
use serde_json::{Value, json};

use crate::client::{Answer, Desk};

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);
const HERE: Peer = Peer { ip: None, upgrades: true, pace: Pace::STANDARD };

fn path(conversation: ConversationId) -> String {
    format!("/api/v1/conversations/{conversation}/socket")
}

/// The headers of a handshake.
fn handshake(protocols: &str) -> Vec<(&str, &str)> {
    vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-protocol", protocols)]
}

/// A desk with a visitor and its conversation.
struct Room {
    desk: Desk,
    visitor: TenantScope,
    token: String,
    conversation: ConversationId,
}

impl Room {
    async fn new(vars: &[(&str, &str)]) -> Self {
        let desk = Desk::new(vars).await;
        let (visitor, token) = desk.world.visitor().await.unwrap();
        let conversation = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap().id;
        Self { desk, visitor, token, conversation }
    }

    async fn refusal(&self, headers: &[(&str, &str)], peer: Peer) -> Answer {
        let response = self.desk.respond("GET", &path(self.conversation), headers, None, peer).await;
        assert!(response.extensions().get::<SocketGrant>().is_none());
        self.desk.read(response).await
    }

    /// A socket of whoever has the token.
    async fn socket(&self, token: &str) -> Wire {
        self.socket_from(token, "https://desk.example").await
    }

    /// As a page of `origin` opens it.
    async fn socket_from(&self, token: &str, origin: &str) -> Wire {
        let protocols = format!("frontdesk.v1, fd.{token}");
        let peer = Peer { ip: Some(self.desk.ip), ..HERE };
        let path = path(self.conversation);
        let mut headers = handshake(&protocols);
        headers.push(("origin", origin));
        let mut response = self.desk.respond("GET", &path, &headers, None, peer).await;
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "frontdesk.v1");
        let grant: SocketGrant = response.extensions_mut().remove().unwrap();
        Wire(Session::new(self.desk.world.ctx().clone(), grant))
    }

    async fn post(&self, client_id: &str, text: &str) -> u64 {
        let post = PostMessage {
            conversation: self.conversation,
            client_id: client_id.to_owned(),
            text: text.to_owned(),
            attachments: Vec::new(),
            note: false,
            via: Via::widget(None),
        };
        chat::post_message(self.desk.world.ctx(), &self.visitor, post).await.unwrap().receipt.seq
    }
}

/// A client's end.
struct Wire(Session);

impl Wire {
    async fn say(&self, frame: &Value) {
        self.0.on_text(&frame.to_string()).await;
    }

    async fn outgoing(&self) -> Option<Outgoing> {
        tokio::time::timeout(DEADLINE, self.0.next()).await.expect("nothing more came")
    }

    async fn check(&self) -> Option<Duration> {
        Session::check_all(&[&self.0]).await
    }

    /// The next frame.
    async fn next(&self) -> Value {
        match self.outgoing().await {
            Some(Outgoing::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("a frame was expected, not {other:?}"),
        }
    }

    /// Says something that is answered at once.
    async fn ask(&self, frame: &Value) -> Value {
        self.say(frame).await;
        self.next().await
    }

    async fn begin(&self, after: u64) -> Value {
        let welcome = self.ask(&json!({ "t": "hello", "after": after })).await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        welcome
    }

    /// Frames up to one that is `last`.
    async fn until(&self, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let found = last(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    fn waiting(&self) -> Option<Option<Outgoing>> {
        self.0.next().now_or_never()
    }

    /// The texts up to the close, and how it was closed.
    async fn until_closed(&self) -> (Vec<String>, Close) {
        let mut texts = Vec::new();
        loop {
            match self.outgoing().await {
                Some(Outgoing::Text(text)) => texts.push(text),
                Some(Outgoing::Close(close)) => {
                    assert_eq!(self.outgoing().await, None);
                    return (texts, close);
                }
                None => panic!("it ended without a close"),
            }
        }
    }

    async fn closed(&self) -> Close {
        self.until_closed().await.1
    }
}

fn finished(frame: &Value) -> bool {
    frame["kind"] == "turn.finished"
}

#[test]
fn who_may_not_listen_is_refused_before_the_upgrade() {
    run(async {
        let room = Room::new(&[]).await;
        let good = format!("frontdesk.v1, fd.{}", room.token);
        let (_, other) = room.desk.world.visitor().await.unwrap();
        let other = format!("frontdesk.v1, fd.{other}");

        let none = room.refusal(&handshake("frontdesk.v1"), HERE).await;
        assert_eq!((none.status.as_u16(), &*none.body["status"].to_string()), (401, "401"));
        assert_eq!(room.refusal(&handshake("frontdesk.v1, fd.nobody"), HERE).await.status, 401);
        assert_eq!(room.refusal(&handshake(&other), HERE).await.status, 404);
        assert_eq!(
            room.refusal(&handshake(good.trim_start_matches("frontdesk.v1, ")), HERE).await.status,
            400
        );

        let mut foreign = handshake(&good);
        foreign.push(("origin", "https://evil.example"));
        assert_eq!(room.refusal(&foreign, HERE).await.status, 403);
        let origins = "UPDATE sites SET origins = '[\"https://shop.example\"]'";
        room.desk.world.ctx().db.batch(vec![Statement::new(origins)]).await.unwrap();
        for origin in ["https://shop.example", "https://desk.example"] {
            let mut own = handshake(&good);
            own.push(("origin", origin));
            let response = room.desk.respond("GET", &path(room.conversation), &own, None, HERE).await;
            assert_eq!(response.status(), 101, "{origin}");
        }

        let plain = room.refusal(&[("sec-websocket-protocol", &good)], HERE).await;
        assert_eq!((plain.status.as_u16(), plain.header("upgrade")), (426, "websocket"));
        let mut old = handshake(&good);
        old.push(("sec-websocket-version", "8"));
        assert_eq!(room.refusal(&old, HERE).await.header("sec-websocket-version"), "13");
        assert_eq!(room.refusal(&handshake(&good), Peer::default()).await.status, 501);

        // A token in the address is no token.
        let address = format!("{}?token={}", path(room.conversation), room.token);
        let response = room.desk.respond("GET", &address, &handshake("frontdesk.v1"), None, HERE).await;
        assert_eq!(response.status(), 401);
    });
}

#[test]
fn a_message_is_acknowledged_once_stored_and_every_event_comes_once_in_order() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        let welcome = wire.begin(0).await;
        assert_eq!(
            welcome,
            json!({ "t": "welcome", "conversation": room.conversation, "last_seq": 0, "epoch": welcome["epoch"],
                "participants": [] })
        );
        wire.say(&json!({ "t": "send", "client_id": "a", "text": "When are you open?" })).await;
        let frames = wire.until(finished).await;
        let ack = frames.iter().find(|frame| frame["t"] == "ack").unwrap();
        assert_eq!(*ack, json!({ "t": "ack", "client_id": "a", "seq": 1 }));
        let events: Vec<_> = frames.iter().filter(|frame| frame["t"] == "event").collect();
        let seqs: Vec<_> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        assert_eq!(events[0]["kind"], "message.created");
        assert_eq!(events[0]["message"]["client_id"], "a");

        // Again: the same place, and nothing else.
        assert_eq!(
            wire.ask(&json!({ "t": "send", "client_id": "a", "text": "When are you open?" })).await,
            *ack
        );
        let other = wire.ask(&json!({ "t": "send", "client_id": "a", "text": "Something else" })).await;
        assert_eq!(
            (&other["t"], &other["status"], &other["client_id"]),
            (&json!("error"), &json!(422), &json!("a"))
        );
        assert_eq!(other["errors"][0]["pointer"], "/client_id");

        // A second hello begins again.
        wire.begin(1).await;
        let again = wire.until(finished).await;
        assert_eq!(again[0]["seq"], 2);
    });
}

#[test]
fn nothing_is_told_before_hello() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        room.post("a", "When are you open?").await;
        assert_eq!(wire.ask(&json!({ "t": "ping" })).await, json!({ "t": "pong" }));
        let frames = [
            json!({ "t": "send", "client_id": "b", "text": "x" }),
            json!({ "t": "typing", "on": true }),
            json!({ "t": "read", "seq": 0 }),
        ];
        for frame in frames {
            let refused = wire.ask(&frame).await;
            assert_eq!((&refused["t"], &refused["status"]), (&json!("error"), &json!(409)), "{refused}");
        }
        assert!(wire.waiting().is_none(), "something was told");
        let ahead = wire.ask(&json!({ "t": "hello", "after": 99 })).await;
        assert_eq!((&ahead["status"], &ahead["errors"][0]["pointer"]), (&json!(422), &json!("/after")));
    });
}

#[test]
fn a_bad_frame_is_answered_with_what_is_wrong_and_the_socket_stays() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        let long = "x".repeat(MAX_FRAME_BYTES + 1);
        for (text, status, pointer) in [
            ("", 400, None),
            ("{", 400, None),
            ("{} {}", 400, None),
            ("[]", 422, Some("")),
            ("7", 422, Some("")),
            ("{}", 422, Some("/t")),
            (r#"{"t":"fly"}"#, 422, Some("/t")),
            (r#"{"t":7}"#, 422, Some("/t")),
            (r#"{"t":"ping","x":1}"#, 422, Some("/x")),
            (r#"{"t":"hello"}"#, 422, Some("")),
            (r#"{"t":"hello","after":-1}"#, 422, Some("/after")),
            (r#"{"t":"hello","after":0,"upto":3}"#, 422, Some("/upto")),
            (r#"{"t":"send","client_id":"a","text":5}"#, 422, Some("/text")),
            (r#"{"t":"send","client_id":"a","text":"x","attachments":["?"]}"#, 422, Some("/attachments/0")),
            (&long, 413, None),
        ] {
            wire.0.on_text(text).await;
            let refused = wire.next().await;
            assert_eq!((&refused["t"], &refused["status"]), (&json!("error"), &json!(status)), "{text:.40}");
            let told = refused["errors"][0]["pointer"].as_str();
            assert_eq!(told, pointer, "{text:.40}: {refused}");
            room.desk.clock.advance(Duration::from_millis(100));
        }
        wire.0.on_binary();
        assert_eq!(wire.next().await["status"], 400);
        // Exactly the limit is read.
        let text = "x".repeat(MAX_FRAME_BYTES - r#"{"t":"send","client_id":"a","text":""}"#.len());
        let fits = json!({ "t": "send", "client_id": "a", "text": text });
        wire.begin(0).await;
        let refused = wire.ask(&fits).await;
        assert_eq!((&refused["status"], &refused["errors"][0]["pointer"]), (&json!(422), &json!("/text")));
        assert_eq!(wire.ask(&json!({ "t": "ping" })).await["t"], "pong");
    });
}

#[test]
fn forty_frames_at_once_and_twenty_a_second_then_the_socket_is_closed() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        for _ in 0..40 {
            assert_eq!(wire.ask(&json!({ "t": "ping" })).await["t"], "pong");
        }
        for _ in 0..100 {
            room.desk.clock.advance(Duration::from_millis(50));
            assert_eq!(wire.ask(&json!({ "t": "ping" })).await["t"], "pong");
        }
        let refused = wire.ask(&json!({ "t": "ping" })).await;
        assert_eq!((&refused["status"], &refused["retry_after"]), (&json!(429), &json!(1)));
        assert_eq!(wire.closed().await.code, 1008);
        wire.say(&json!({ "t": "ping" })).await;
        assert_eq!(wire.outgoing().await, None);
    });
}

#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        for _ in 0..400 {
            room.desk.clock.advance(Duration::from_millis(50));
            wire.say(&json!({ "t": "ping" })).await;
        }
        let mut pongs = 0;
        while let Some(Outgoing::Text(_)) = wire.outgoing().await {
            pongs += 1;
        }
        assert_eq!(pongs, 256);
    });
}

#[test]
fn posts_are_limited_as_over_http_and_the_socket_stays() {
    run(async {
        let room = Room::new(&[("RATE_LIMIT_STORE", "memory")]).await;
        let wire = room.socket(&room.token).await;
        wire.begin(0).await;
        let mut refused = Value::Null;
        for number in 0..40 {
            room.desk.clock.advance(Duration::from_millis(60));
            wire.say(&json!({ "t": "send", "client_id": format!("m{number}"), "text": "Hello" })).await;
            let answer = wire.until(|frame| frame["t"] != "event").await.pop().unwrap();
            if answer["t"] == "error" {
                refused = answer;
                break;
            }
        }
        // Thirty a minute; beginning the conversation was the first.
        assert_eq!((&refused["status"], &refused["client_id"]), (&json!(429), &json!("m29")), "{refused}");
        assert!(refused["retry_after"].as_u64().unwrap() >= 1);
        // The same allowance as over HTTP, in both directions.
        let http = format!("/api/v1/conversations/{}/messages", room.conversation);
        let bearer = format!("Bearer {}", room.token);
        let body = json!({ "client_id": "h", "text": "x" });
        let answer = room.desk.call("POST", &http, &[("authorization", &bearer)], Some(body)).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.body["retry_after"], refused["retry_after"]);
        wire.say(&json!({ "t": "ping" })).await;
        wire.until(|frame| frame["t"] == "pong").await;
    });
}

#[test]
fn a_socket_ends_with_its_token_and_tells_nothing_after() {
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.token().await;
        let operator = room.socket(&token).await;
        operator.begin(0).await;
        room.desk.clock.advance(Duration::from_secs(15 * 60 - 1));
        assert_eq!(operator.ask(&json!({ "t": "ping" })).await["t"], "pong");
        room.desk.clock.advance(Duration::from_secs(1));
        room.post("a", "secret").await;
        assert_eq!(
            operator.outgoing().await,
            Some(Outgoing::Close(Close { code: EXPIRED, reason: "the token has expired" }))
        );

        let visitor = room.socket(&room.token).await;
        visitor.begin(1).await;
        room.desk.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
        visitor.say(&json!({ "t": "ping" })).await;
        assert_eq!(visitor.closed().await.code, EXPIRED);
    });
}

#[test]
fn a_silent_socket_ends_with_its_token() {
    run(async {
        let room = Room::new(&[]).await;
        let operator = room.socket(&room.desk.token().await).await;
        operator.begin(0).await;
        let ended = Box::pin(operator.0.ended());
        room.desk.clock.advance(Duration::from_secs(15 * 60));
        tokio::time::timeout(DEADLINE, ended).await.unwrap();
        assert_eq!(operator.closed().await, Close { code: EXPIRED, reason: "the token has expired" });
    });
}

#[test]
fn a_socket_ends_within_seconds_when_its_user_is_disabled() {
    const GONE: Close = Close {
        code: EXPIRED,
        reason: "the user is not enabled any more, has another role, or this login has ended",
    };
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.token().await;
        let (silent, checked) = (room.socket(&token).await, room.socket(&token).await);
        let writing = room.socket(&token).await;
        for socket in [&silent, &checked, &writing] {
            socket.begin(0).await;
        }
        room.post("before", "Hello").await;
        for socket in [&silent, &checked, &writing] {
            socket.until(|frame| frame["seq"] == 1).await;
        }
        assert_eq!(checked.check().await, Some(Duration::from_secs(3)), "when to come again");
        // However patient others in the room are.
        let visitor = room.socket(&room.token).await;
        for order in [[&checked.0, &visitor.0], [&visitor.0, &checked.0]] {
            let soonest = Session::check_all(&order).await;
            assert_eq!(soonest, Some(Duration::from_secs(3)));
        }
        let ended = Box::pin(silent.0.ended());
        room.desk
            .world
            .ctx()
            .db
            .batch(vec![Statement::new("UPDATE members SET disabled_at = 1, changed_at = 4102444800000")])
            .await
            .unwrap();
        room.desk.clock.advance(Duration::from_secs(5));
        // On a host that waits, and on one that comes again.
        tokio::time::timeout(DEADLINE, ended).await.unwrap();
        assert_eq!(checked.check().await, None);
        // What comes later does not reach it, and what it says is not done.
        room.post("after", "secret").await;
        for socket in [&silent, &checked] {
            let (told, close) = socket.until_closed().await;
            assert!(!told.iter().any(|text| text.contains("secret")), "{told:?}");
            assert_eq!(close, GONE);
        }
        writing.say(&json!({ "t": "typing", "on": true })).await;
        assert_eq!(writing.closed().await, GONE);
        // The visitor is no user.
        let visitor = room.socket(&room.token).await;
        visitor.begin(0).await;
        visitor.until(|frame| frame["message"]["text"] == "secret").await;
    });
}

#[test]
fn a_visitors_socket_ends_soon_after_its_site_is_removed() {
    const GONE: Close = Close { code: EXPIRED, reason: "the site of this token was removed" };
    run(async {
        let room = Room::new(&[]).await;
        let (silent, checked, writing) =
            (room.socket(&room.token).await, room.socket(&room.token).await, room.socket(&room.token).await);
        for socket in [&silent, &checked, &writing] {
            socket.begin(0).await;
        }
        let minutes = checked.check().await.expect("it is checked again");
        let ended = Box::pin(silent.0.ended());
        room.desk
            .world
            .ctx()
            .db
            .batch(vec![Statement::new("UPDATE sites SET deleted_at = 1700000000000")])
            .await
            .unwrap();
        // Another process's removal is known a minute later at the latest.
        room.desk.clock.advance(Duration::from_secs(60));
        tokio::time::timeout(DEADLINE, ended).await.unwrap();
        assert_eq!(silent.closed().await, GONE);
        writing.say(&json!({ "t": "ping" })).await;
        assert_eq!(writing.closed().await, GONE);
        room.desk.clock.advance(minutes);
        assert_eq!(checked.check().await, None);
        assert_eq!(checked.closed().await, GONE);
    });
}

#[test]
fn a_socket_of_a_page_whose_origin_was_taken_away_ends_soon_and_others_go_on() {
    const GONE: Close =
        Close { code: EXPIRED, reason: "the origin of this page is not one of the site's any more" };
    run(async {
        let room = Room::new(&[]).await;
        let operator = room.desk.token().await;
        let path = format!("/api/v1/sites/{}", room.desk.world.site().await.unwrap().id);
        let headers = [("authorization", &*format!("Bearer {operator}"))];
        let move_to = async |origin: &str| {
            let moved = room.desk.call("PATCH", &path, &headers, Some(json!({ "origins": [origin] }))).await;
            assert_eq!(moved.status, 200, "{}", moved.text);
        };
        move_to("https://tea.example").await;
        let from = async |origin: &str| {
            let wire = room.socket_from(&room.token, origin).await;
            wire.begin(0).await;
            wire
        };
        let (silent, checked) = (from("https://tea.example").await, from("https://tea.example").await);
        // A host that lost its memory knows the page as before.
        let writing = from("https://tea.example").await.evicted(&room).await;
        let own = from("https://desk.example").await;
        let minutes = checked.check().await.expect("it is checked again");
        let ended = Box::pin(silent.0.ended());
        move_to("https://cafe.example").await;
        let new = from("https://cafe.example").await;
        room.desk.clock.advance(minutes);
        tokio::time::timeout(DEADLINE, ended).await.unwrap();
        assert_eq!(silent.closed().await, GONE);
        writing.say(&json!({ "t": "ping" })).await;
        assert_eq!(writing.closed().await, GONE);
        assert_eq!(checked.check().await, None);
        assert_eq!(checked.closed().await, GONE);
        assert!(own.check().await.is_some() && new.check().await.is_some());
    });
}

#[test]
fn replays_are_counted_against_the_readers_allowance_and_a_refusal_leaves_the_socket_open() {
    run(async {
        let room = Room::new(&[("RATE_LIMIT_STORE", "memory")]).await;
        let wire = room.socket(&room.token).await;
        wire.begin(0).await;
        let mut refused = Value::Null;
        // A hundred a minute; the handshake was the first.
        for number in 2..150 {
            room.desk.clock.advance(Duration::from_millis(60));
            wire.say(&json!({ "t": "hello", "after": 0 })).await;
            let answer = wire.until(|frame| frame["t"] != "event").await.pop().unwrap();
            if answer["t"] == "error" {
                refused = answer;
                break;
            }
            assert!(number < 120, "nothing is counted");
        }
        assert_eq!((&refused["status"], &refused["client_id"]), (&json!(429), &Value::Null), "{refused}");
        assert!(refused["retry_after"].as_u64().unwrap() >= 1);
        // It is the same allowance as over HTTP.
        let log = format!("/api/v1/conversations/{}/events?after=0", room.conversation);
        assert_eq!(room.desk.get(&log, &room.token).await.status, 429);
        // The replay before goes on.
        wire.say(&json!({ "t": "send", "client_id": "a", "text": "Hello" })).await;
        wire.until(|frame| frame["t"] == "ack").await;
        room.desk.clock.advance(Duration::from_secs(refused["retry_after"].as_u64().unwrap()));
        wire.say(&json!({ "t": "hello", "after": 0 })).await;
        wire.until(|frame| frame["t"] == "welcome").await;
    });
}

#[test]
fn each_side_sees_that_the_other_is_there_and_writes() {
    run(async {
        let room = Room::new(&[]).await;
        let visitor = room.socket(&room.token).await;
        visitor.begin(0).await;
        let operator = room.socket(&room.desk.token().await).await;
        let welcome = operator.begin(0).await;
        let kinds: Vec<_> = welcome["participants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|who| who["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["visitor", "operator"]);
        // Visitors see operators by name, and nobody else.
        let admin = json!([{ "kind": "operator", "name": "Admin" }]);
        assert_eq!(visitor.next().await, json!({ "t": "event", "kind": "presence", "participants": admin }));

        visitor.say(&json!({ "t": "typing", "on": true })).await;
        let typing = operator.next().await;
        assert_eq!(
            (&typing["kind"], &typing["by"]["kind"], &typing["on"]),
            (&json!("typing"), &json!("visitor"), &json!(true))
        );
        operator.say(&json!({ "t": "typing", "on": false })).await;
        assert_eq!(
            visitor.next().await,
            json!({ "t": "event", "kind": "typing", "by": admin[0], "on": false })
        );
        assert!(operator.waiting().is_none() && visitor.waiting().is_none(), "somebody heard itself");

        // A second window of the same visitor is nobody new; nor is its end anybody's leaving.
        let second = room.socket(&room.token).await;
        assert_eq!(second.begin(0).await["participants"], admin);
        drop(second);
        assert!(operator.waiting().is_none());
        drop(visitor);
        let left = operator.next().await;
        assert_eq!((&left["kind"], left["participants"].as_array().unwrap().len()), (&json!("presence"), 1));
        // Nothing of this is stored.
        assert_eq!(room.desk.rows("SELECT 1 FROM events").await.len(), 0);
    });
}

#[test]
fn who_may_only_read_listens_unseen_and_writes_nothing() {
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.viewer().await;
        let visitor = room.socket(&room.token).await;
        visitor.begin(0).await;
        let viewer = room.socket(&token).await;
        assert_eq!(viewer.begin(0).await["participants"].as_array().unwrap().len(), 1);
        assert!(visitor.waiting().is_none());
        for frame in [
            json!({ "t": "send", "client_id": "b", "text": "x" }),
            json!({ "t": "typing", "on": true }),
            json!({ "t": "read", "seq": 0 }),
        ] {
            assert_eq!(viewer.ask(&frame).await["status"], 403, "{frame}");
        }
        assert_eq!(room.desk.rows("SELECT 1 FROM events").await.len(), 0);
    });
}

#[test]
fn a_session_whose_host_lost_its_memory_goes_on_exactly_where_it_was() {
    run(async {
        for seed in 0..8 {
            let dice = SeededRandom::new(seed);
            let room = Room::new(&[]).await;
            let mut wire = room.socket(&room.token).await;
            wire.begin(0).await;
            let (mut seen, mut messages) = (Vec::new(), 0);
            while seen.len() < 40 {
                if dice.below(3) == 0 {
                    messages += 1;
                    room.post(&format!("m{messages}"), "When are you open?").await;
                }
                for _ in 0..dice.below(4) {
                    if let Some(Some(Outgoing::Text(text))) = wire.waiting() {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        seen.extend(frame["seq"].as_u64());
                    }
                }
                if dice.below(3) == 0 {
                    wire = wire.evicted(&room).await;
                }
                tokio::task::yield_now().await;
            }
            assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "seed {seed}");
        }
    });
}

#[test]
fn what_a_host_stores_of_a_session_stays_as_it_is() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        let state = serde_json::to_value(wire.0.state()).unwrap();
        let names: Vec<_> = state.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["actor", "allowance", "checked", "conversation", "expires", "ip", "org", "upto"]);
        assert_eq!(state["upto"], Value::Null);
        // A hibernating socket may store 2 KiB.
        assert!(state.to_string().len() < 512, "{state}");
        let mut earlier = state.clone();
        let stored: SocketState = serde_json::from_value(state).unwrap();
        assert_eq!(stored, wire.0.state());
        earlier.as_object_mut().unwrap().remove("checked");
        assert_eq!(serde_json::from_value::<SocketState>(earlier).unwrap(), stored, "of an earlier version");
        wire.begin(0).await;
        assert_eq!(serde_json::to_value(wire.0.state()).unwrap()["upto"], 0);
    });
}

impl Wire {
    /// The same socket after its host lost its memory.
    async fn evicted(self, room: &Room) -> Self {
        let stored = serde_json::to_string(&self.0.state()).unwrap();
        drop(self);
        let state = serde_json::from_str(&stored).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the state is the session's own")]
        let session = Session::resume(room.desk.world.ctx().clone(), state).await;
        Self(session)
    }
}

#[test]
fn whatever_a_client_sends_is_answered_by_the_contract() {
    run(async {
        let room = Room::new(&[]).await;
        for seed in 0..60 {
            let dice = SeededRandom::new(seed);
            let mut wire = room.socket(&room.token).await;
            let mut begun = false;
            let mut expected = 0;
            for _ in 0..40 {
                // Slow enough to be no flood.
                room.desk.clock.advance(Duration::from_millis(60));
                let text = random_frame(&dice);
                wire.0.on_text(&text).await;
                let kind = serde_json::from_str::<Value>(&text).ok().map(|frame| frame["t"].clone());
                let mut answers = 0;
                while let Some(outgoing) = wire.waiting() {
                    let Some(Outgoing::Text(answer)) = outgoing else { panic!("{text} closed it") };
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    answers += usize::from(answer["t"] != "event");
                    match answer["t"].as_str().unwrap() {
                        "welcome" => {
                            assert_eq!(kind, Some(json!("hello")), "{text}");
                            begun = true;
                            let hello: Value = serde_json::from_str(&text).unwrap();
                            expected = hello["after"].as_u64().unwrap();
                        }
                        "pong" => assert_eq!(kind, Some(json!("ping")), "{text}"),
                        "ack" => assert!(begun && kind == Some(json!("send")), "{text}"),
                        "event" => {
                            assert!(begun, "{answer}");
                            if let Some(seq) = answer["seq"].as_u64() {
                                expected += 1;
                                assert_eq!(seq, expected);
                            }
                        }
                        "error" => {
                            let status = answer["status"].as_u64().unwrap();
                            assert!((400..500).contains(&status), "{text}: {answer}");
                            assert!(answer["type"].as_str().unwrap().starts_with("urn:frontdesk:problem:"));
                        }
                        other => panic!("{other}"),
                    }
                }
                // Exactly one answer; `typing` and `read` are answered only when they are refused.
                let silent = kind == Some(json!("typing")) || kind == Some(json!("read"));
                assert!(answers == 1 || silent && answers == 0, "{answers} answers to {text}");
                if dice.below(8) == 0 {
                    wire = wire.evicted(&room).await;
                }
            }
        }
    });
}

#[test]
fn frames_that_come_together_are_handled_in_their_order() {
    run(async {
        let room = Room::new(&[]).await;
        let wire = room.socket(&room.token).await;
        wire.begin(0).await;
        let frames: Vec<_> =
            (0..20).map(|n| json!({ "t": "send", "client_id": format!("m{n}"), "text": "x" })).collect();
        futures_util::future::join_all(frames.iter().map(|frame| wire.say(frame))).await;
        let (mut acked, mut stored) = (Vec::new(), Vec::new());
        while acked.len() < 20 || stored.len() < 20 {
            let frame = wire.next().await;
            if frame["t"] == "ack" {
                acked.push(frame["client_id"].clone());
            }
            if frame["message"]["author"]["kind"] == "visitor" {
                stored.push(frame["message"]["client_id"].clone());
            }
        }
        let order: Vec<_> = frames.iter().map(|frame| frame["client_id"].clone()).collect();
        assert_eq!(acked, order);
        assert_eq!(stored, order);
        // Also when the first takes longer.
        let (slow, quick) =
            (json!({ "t": "send", "client_id": "slow", "text": "x" }), json!({ "t": "ping" }));
        futures_util::join!(wire.say(&slow), wire.say(&quick));
        let answers = wire.until(|frame| frame["t"] == "pong").await;
        assert!(answers.iter().any(|frame| frame["t"] == "ack"), "the ping was answered first");
    });
}

/// Rooms whose log has a hole and says things twice, and whose streams end; or that are out of reach.
struct BrokenRooms {
    inner: Rc<dyn Rooms>,
    conversation: Conversation,
    seqs: Vec<u64>,
    reachable: Cell<bool>,
}

#[async_trait(?Send)]
impl Rooms for BrokenRooms {
    async fn subscribe(&self, _: &TenantScope, _: ConversationId, _: u64) -> Result<Subscription> {
        if !self.reachable.get() {
            return Err(Error::Upstream { service: "rooms", retryable: true, detail: String::new() });
        }
        let event = |seq| {
            let body = EventBody::Hidden {};
            Frame::Event(Rc::new(Event::new(seq, Timestamp::from_millis(0), 1, body)))
        };
        let frames: Vec<_> = self.seqs.iter().copied().map(event).collect();
        let frames = futures_util::stream::iter(frames).boxed_local();
        Ok(Subscription { conversation: self.conversation.clone(), participants: Vec::new(), frames })
    }
    async fn create(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        channel: Channel,
    ) -> Result<Conversation> {
        self.inner.create(scope, id, channel).await
    }
    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>> {
        self.inner.latest(scope, visitor).await
    }
    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended> {
        self.inner.append(scope, id, command).await
    }
    async fn replay(
        &self,
        scope: &TenantScope,
        id: ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Replay> {
        self.inner.replay(scope, id, after, limit).await
    }
    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()> {
        self.inner.typing(scope, id, on).await
    }
}

#[test]
fn a_hole_is_told_a_repetition_is_not_and_a_room_that_is_gone_sends_the_client_away() {
    run(async {
        let room = Room::new(&[]).await;
        let ctx = room.desk.world.ctx();
        let head = ctx.rooms.replay(&room.visitor, room.conversation, 0, 1).await.unwrap().conversation;
        let broken = Rc::new(BrokenRooms {
            inner: Rc::clone(&ctx.rooms),
            conversation: head,
            seqs: vec![1, 2, 2, 1, 6, 7, 7],
            reachable: Cell::new(true),
        });
        let rooms: Rc<dyn Rooms> = broken.clone();
        let ctx = with_rooms(ctx, rooms);
        let resume = async |state| {
            #[expect(clippy::disallowed_methods, reason = "the state is the session's own")]
            let session = Session::resume(ctx.clone(), state).await;
            Wire(session)
        };
        let wire = resume(room.socket(&room.token).await.0.state()).await;
        wire.begin(0).await;
        let seq = |frame: &Value| frame["seq"].as_u64();
        assert_eq!((seq(&wire.next().await), seq(&wire.next().await)), (Some(1), Some(2)));
        assert_eq!(wire.next().await, json!({ "t": "gap", "from": 3, "to": 5 }));
        // Whoever lost the memory now has told of the hole, and not of what comes after it.
        let state = wire.0.state();
        assert_eq!((seq(&wire.next().await), seq(&wire.next().await)), (Some(6), Some(7)));
        assert_eq!(wire.closed().await.code, 1013);
        let resumed = resume(state.clone()).await;
        assert_eq!((seq(&resumed.next().await), seq(&resumed.next().await)), (Some(6), Some(7)));

        broken.reachable.set(false);
        assert_eq!(resume(state).await.closed().await.code, 1013);
        let fresh = resume(room.socket(&room.token).await.0.state()).await;
        assert_eq!(fresh.ask(&json!({ "t": "hello", "after": 0 })).await["status"], 503);
        assert_eq!(fresh.ask(&json!({ "t": "ping" })).await["t"], "pong");
    });
}

/// A frame, or something like one.
fn random_frame(dice: &SeededRandom) -> String {
    let pick = |from: &[&str]| from[usize::try_from(dice.below(from.len() as u64)).unwrap()].to_owned();
    let number =
        || pick(&["0", "1", "2", "3", "-1", "1e99", "18446744073709551615", "\"1\"", "null", "{}", "1.5"]);
    let text = || {
        let mut bytes = vec![0; usize::try_from(dice.below(40)).unwrap()];
        dice.fill(&mut bytes);
        let noise = String::from_utf8_lossy(&bytes).into_owned();
        let text = pick(&["", "When are you open?", "\u{0}", "\u{202e}", "[1]", "Ы", "\"", "\\"]);
        Value::from(if dice.below(2) == 0 { noise } else { text }).to_string()
    };
    let field = || match dice.below(8) {
        0 => format!("\"after\":{}", number()),
        1 => format!("\"seq\":{}", number()),
        2 => format!("\"on\":{}", pick(&["true", "false", "0", "null"])),
        3 => format!("\"client_id\":{}", text()),
        4 => format!("\"text\":{}", text()),
        5 => format!("\"attachments\":{}", pick(&["[]", "[1]", "[\"upl_\"]", "{}"])),
        6 => format!("{}:{}", text(), number()),
        _ => "\"t\":\"ping\"".to_owned(),
    };
    match dice.below(10) {
        0 => format!("{{\"t\":\"hello\",\"after\":{}}}", number()),
        1 => format!("{{\"t\":\"hello\",\"after\":{}}}", dice.below(4)),
        2 => format!("{{\"t\":\"send\",\"client_id\":\"c{}\",\"text\":{}}}", dice.below(9), text()),
        3 => format!("{{\"t\":\"read\",\"seq\":{}}}", number()),
        4 => format!("{{\"t\":\"typing\",\"on\":{}}}", pick(&["true", "false", "2"])),
        5 => "{\"t\":\"ping\"}".to_owned(),
        6 => text(),
        7 => "[".repeat(usize::try_from(dice.below(2000)).unwrap()),
        _ => {
            let kind = pick(&["hello", "send", "typing", "read", "ping", "welcome", "toString"]);
            let fields: Vec<_> = (0..dice.below(4)).map(|_| field()).collect();
            format!("{{\"t\":\"{kind}\"{}{}}}", if fields.is_empty() { "" } else { "," }, fields.join(","))
        }
    }
}
