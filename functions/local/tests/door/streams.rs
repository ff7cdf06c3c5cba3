//! Event streams: how long they last.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::{Body, BodyError, Peer};
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_local::testing::run;
use frontdesk_ports::{BoxStream, Statement};
use futures_util::{FutureExt, StreamExt};
use serde_json::json;

use crate::client::Desk;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

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

    fn path(&self) -> String {
        format!("/api/v1/conversations/{}/events", self.conversation)
    }

    async fn listen(&self, token: &str) -> Stream {
        self.listen_from(token, "https://desk.example").await
    }

    /// As a page of `origin` does.
    async fn listen_from(&self, token: &str, origin: &str) -> Stream {
        let bearer = format!("Bearer {token}");
        let headers =
            [("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("origin", origin)];
        let response = self.desk.respond("GET", &self.path(), &headers, None, Peer::default()).await;
        assert_eq!(response.status(), 200);
        match response.into_body() {
            Body::Stream(pieces) => Stream(pieces),
            Body::Full(_) => panic!("not a stream"),
        }
    }

    async fn post(&self, text: &str) {
        let post = PostMessage {
            conversation: self.conversation,
            client_id: text.replace(' ', "-"),
            text: text.to_owned(),
            attachments: Vec::new(),
            note: false,
            via: Via::widget(None),
        };
        chat::post_message(self.desk.world.ctx(), &self.visitor, post).await.unwrap();
    }
}

struct Stream(BoxStream<'static, Result<Bytes, BodyError>>);

impl Stream {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let piece = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("nothing more came")?;
        Some(String::from_utf8(piece.unwrap().to_vec()).unwrap())
    }

    async fn until(&mut self, text: &str) {
        while !self.next().await.expect(text).contains(text) {}
    }

    /// Everything up to the end.
    async fn rest(&mut self) -> String {
        let mut all = String::new();
        while let Some(piece) = self.next().await {
            all.push_str(&piece);
        }
        all
    }
}

#[test]
fn a_stream_ends_with_its_token_and_tells_nothing_after() {
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.token().await;
        let (mut silent, mut told) = (room.listen(&token).await, room.listen(&token).await);
        room.post("before").await;
        silent.until("before").await;
        told.until("before").await;
        room.desk.clock.advance(Duration::from_secs(15 * 60 - 1));
        room.post("in time").await;
        told.until("in time").await;
        room.desk.clock.advance(Duration::from_secs(1));
        room.post("secret").await;
        let rest = told.rest().await;
        assert!(!rest.contains("secret") && !rest.contains("event: end"), "{rest}");
        // What had not been read by then is not told, either.
        assert!(!silent.rest().await.contains("secret"));

        let mut visitor = room.listen(&room.token).await;
        visitor.until("secret").await;
        room.desk.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
        assert!(!visitor.rest().await.contains("event: end"));
    });
}

#[test]
fn a_stream_ends_within_seconds_when_its_user_is_disabled_and_no_other_can_be_opened() {
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.token().await;
        let mut operator = room.listen(&token).await;
        let mut visitor = room.listen(&room.token).await;
        room.post("before").await;
        operator.until("before").await;
        room.desk
            .world
            .ctx()
            .db
            .batch(vec![Statement::new("UPDATE members SET disabled_at = 1, changed_at = 4102444800000")])
            .await
            .unwrap();
        room.desk.clock.advance(Duration::from_secs(10));
        // It ends by itself, without anything to tell.
        assert!(!operator.rest().await.contains("event: end"));
        room.post("after").await;
        visitor.until("after").await;
        // The access token itself is valid for some minutes more, and is good for nothing.
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        let refused = room.desk.call("GET", &room.path(), &headers, None).await;
        assert_eq!((refused.status.as_u16(), &refused.body["status"]), (401, &json!(401)));
        let handshake = [
            ("authorization", bearer.as_str()),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "frontdesk.v1"),
        ];
        for path in [room.path().as_str(), "/api/v1/settings", "/api/v1/documents", "/api/v1/sites"] {
            let plain = room.desk.call("GET", path, &[("authorization", bearer.as_str())], None).await;
            assert_eq!(plain.status, 401, "{path}: {}", plain.text);
        }
        let socket = room.path().replace("/events", "/socket");
        assert_eq!(room.desk.call("GET", &socket, &handshake, None).await.status, 401);
    });
}

#[test]
fn a_visitors_stream_ends_soon_after_its_site_is_removed() {
    run(async {
        let room = Room::new(&[]).await;
        let mut visitor = room.listen(&room.token).await;
        room.post("before").await;
        visitor.until("before").await;
        let operator = room.desk.token().await;
        let site = room.desk.world.site().await.unwrap().id;
        let headers = [("authorization", &*format!("Bearer {operator}"))];
        let removed = room.desk.call("DELETE", &format!("/api/v1/sites/{site}"), &headers, None).await;
        assert_eq!(removed.status, 204, "{}", removed.text);
        room.desk.clock.advance(Duration::from_secs(15));
        assert!(!visitor.rest().await.contains("event: end"), "it is cut, and not complete");
    });
}

#[test]
fn a_stream_of_a_page_whose_origin_was_taken_away_ends_soon_and_others_go_on() {
    run(async {
        let room = Room::new(&[]).await;
        let operator = room.desk.token().await;
        let path = format!("/api/v1/sites/{}", room.desk.world.site().await.unwrap().id);
        let headers = [("authorization", &*format!("Bearer {operator}"))];
        let move_to = async |origin: &str| {
            let origins = serde_json::json!({ "origins": [origin] });
            let moved = room.desk.call("PATCH", &path, &headers, Some(origins)).await;
            assert_eq!(moved.status, 200, "{}", moved.text);
        };
        move_to("https://tea.example").await;
        let mut old = room.listen_from(&room.token, "https://tea.example").await;
        let mut own = room.listen(&room.token).await;
        room.post("before").await;
        old.until("before").await;
        own.until("before").await;
        move_to("https://cafe.example").await;
        let mut new = room.listen_from(&room.token, "https://cafe.example").await;
        new.until("before").await;
        room.desk.clock.advance(Duration::from_secs(15));
        assert!(!old.rest().await.contains("event: end"), "it is cut, and not complete");
        room.post("after").await;
        own.until("after").await;
        new.until("after").await;
    });
}

#[test]
fn many_streams_of_a_user_cost_one_look_at_the_database_in_five_seconds() {
    if std::env::var_os("FRONTDESK_SQLD").is_some() {
        // Behind a server the feed is polled, too, and for ever: there is no moment in which reads can be counted.
        return;
    }
    run(async {
        let room = Room::new(&[]).await;
        let token = room.desk.token().await;
        let mut streams = Vec::new();
        for _ in 0..5 {
            streams.push(room.listen(&token).await);
        }
        room.post("before").await;
        for stream in &mut streams {
            stream.until("before").await;
        }
        let queries = || {
            let text = room.desk.world.ctx().metrics.text();
            let line = text.lines().find(|line| line.contains("round_trips") && line.contains("\"query\""));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap()
        };
        // Nothing else is going on any more.
        while room.desk.world.host.tasks.idle().now_or_never().is_none() {
            tokio::task::yield_now().await;
        }
        let before = queries();
        room.desk.clock.advance(Duration::from_secs(5));
        for stream in &mut streams {
            // The check is done before anything is told.
            while let Some(Some(_)) = stream.0.next().now_or_never() {}
        }
        room.desk.world.ctx().rooms.typing(&room.visitor, room.conversation, true).await.unwrap();
        for stream in &mut streams {
            stream.until("typing").await;
        }
        assert_eq!(queries() - before, 1);
    });
}

#[test]
fn a_replay_over_a_stream_costs_as_much_as_its_pages() {
    run(async {
        let room = Room::new(&[("RATE_LIMIT_STORE", "memory")]).await;
        let ctx = room.desk.world.ctx();
        let operator = room.desk.token().await;
        let patch = json!({ "limits": {
            "reads_per_minute": 20, "writes_per_minute": 10_000, "address_calls_per_minute": 10_000,
        } });
        assert_eq!(room.desk.patch(&operator, 0, patch).await.status, 200);
        // Two pages and a bit.
        for _ in 0..1_001 {
            let via = Via::widget(None);
            chat::rate(ctx, &room.visitor, &via, room.conversation, 5, None).await.unwrap();
        }
        let path = format!("{}?after=0", room.path());
        let left = async || {
            let answer = room.desk.get(&format!("{path}&limit=1"), &room.token).await;
            let text = answer.header("ratelimit").to_owned();
            let (_, rest) = text.split_once("r=").unwrap_or_else(|| panic!("{text}"));
            rest.split(';').next().unwrap().parse::<i64>().unwrap()
        };
        let before = left().await;
        drop(room.listen(&room.token).await);
        // Three for the stream, and one to see what is left.
        assert_eq!(left().await, before - 4);
        for _ in 0..4 {
            drop(room.listen(&room.token).await);
        }
        // Two are left: one for the call, and not enough for what it would read.
        assert_eq!(left().await, 2);
        let bearer = format!("Bearer {}", room.token);
        let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        let refused = room.desk.call("GET", &room.path(), &headers, None).await;
        assert_eq!(refused.status, 429);
        assert!(refused.body["retry_after"].as_u64().is_some_and(|seconds| seconds >= 1), "{}", refused.text);
    });
}
