use std::time::Duration;

use frontdesk_api::Pace;
use frontdesk_local::server::Limits;
use frontdesk_local::testing::run;
use serde_json::json;

use crate::client::{Connection, Desk, limits};

const SESSIONS: &str = "/api/v1/widget/sessions";

fn paced(pace: Pace) -> Limits {
    Limits { pace, ..limits() }
}

/// The rest of a connection whose body was given up.
async fn given_up(desk: &Desk, mut connection: Connection) {
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")), "{answer:?}");
    assert_eq!(answer.body["type"], "urn:frontdesk:problem:too_slow");
    connection.ended().await;
    assert_eq!(desk.cut("slow_body"), 1);
    desk.until(|desk| desk.counted("frontdesk_connections") == 0).await;
}

#[test]
fn a_body_that_ceases_to_come_is_given_up_and_its_connection_closed() {
    run(async {
        let pace = Pace { silence: Duration::from_millis(200), ..Pace::STANDARD };
        let desk = Desk::serving(paced(pace)).await;
        let mut connection = desk.connect().await;
        connection.begin_post(SESSIONS, "application/json", "", 100).await;
        connection.send("{\"site_key\":").await;
        given_up(&desk, connection).await;
    });
}

#[test]
fn an_upload_that_ceases_to_come_is_given_up_too() {
    run(async {
        let pace = Pace { silence: Duration::from_millis(200), ..Pace::STANDARD };
        let desk = Desk::serving(paced(pace)).await;
        let (_, token) = desk.world.visitor().await.unwrap();
        let mut connection = desk.connect().await;
        connection.begin_post("/api/v1/uploads", "multipart/form-data; boundary=b", &token, 10_000_000).await;
        connection
            .send("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf of it")
            .await;
        given_up(&desk, connection).await;
    });
}

#[test]
fn a_body_that_comes_a_byte_at_a_time_is_given_up_when_it_is_too_slow() {
    run(async {
        let pace = Pace {
            silence: Duration::from_secs(1),
            grace: Duration::from_millis(200),
            least: 1000,
            ..Pace::STANDARD
        };
        let desk = Desk::serving(paced(pace)).await;
        let mut connection = desk.connect().await;
        connection.begin_post(SESSIONS, "application/json", "", 10_000).await;
        // About a hundred bytes a second, as long as the server takes them.
        while desk.cut("slow_body") == 0 {
            connection.send(" ").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        given_up(&desk, connection).await;
    });
}

#[test]
fn a_large_body_is_not_held_open_by_the_least_pace_there_is() {
    run(async {
        // 400 bytes a second: enough at first, and not for the rest of a large body.
        let pace = Pace {
            silence: Duration::from_secs(1),
            grace: Duration::from_millis(100),
            least: 100,
            patience: Duration::from_millis(300),
            ..Pace::STANDARD
        };
        let desk = Desk::serving(paced(pace)).await;
        let (_, token) = desk.world.visitor().await.unwrap();
        let mut connection = desk.connect().await;
        connection.begin_post("/api/v1/uploads", "multipart/form-data; boundary=b", &token, 10_000_000).await;
        let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        connection.send(head).await;
        let mut sent = 0;
        while desk.cut("slow_body") == 0 {
            connection.send("aaaa").await;
            sent += 4;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(sent >= 40, "given up after {sent} bytes, within its patience");
        given_up(&desk, connection).await;
    });
}

#[test]
fn a_slow_body_that_keeps_its_pace_is_taken() {
    run(async {
        let pace = Pace {
            silence: Duration::from_secs(2),
            grace: Duration::from_millis(100),
            least: 10,
            ..Pace::STANDARD
        };
        let desk = Desk::serving(paced(pace)).await;
        let site_key = desk.world.site().await.unwrap().site_key;
        let body = json!({ "site_key": site_key }).to_string();
        let mut connection = desk.connect().await;
        connection.begin_post(SESSIONS, "application/json", "", body.len()).await;
        for byte in body.bytes() {
            connection.send([byte]).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(connection.answer().await.status, 201);
        assert_eq!(connection.get("/health/live").await.status, 200, "the connection goes on");
    });
}

#[test]
fn a_listener_that_takes_nothing_is_gone_and_its_room_is_not_held() {
    run(async {
        let desk = Desk::serving(Limits { write: Duration::from_millis(300), ..limits() }).await;
        let (scope, token) = desk.world.visitor().await.unwrap();
        let ctx = desk.world.ctx();
        let conversation =
            frontdesk_app::chat::begin(ctx, &scope, &frontdesk_app::policy::Via::widget(None)).await.unwrap();
        let mut connection = desk.connect_narrow(4096).await;
        connection
            .send(format!(
                "GET /api/v1/conversations/{}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 accept: text/event-stream\r\n\r\n",
                conversation.id
            ))
            .await;
        desk.until(|desk| desk.counted("frontdesk_room_listeners") == 1).await;
        // More than the narrow connection takes; nothing of it is read.
        let text = "tea ".repeat(900);
        for number in 0..30 {
            let command = frontdesk_app::chat::PostMessage {
                conversation: conversation.id,
                client_id: number.to_string(),
                text: text.clone(),
                attachments: Vec::new(),
                note: false,
                via: frontdesk_app::policy::Via::widget(None),
            };
            frontdesk_app::chat::post_message(ctx, &scope, command).await.unwrap();
        }
        desk.until(|desk| desk.counted("frontdesk_room_listeners") == 0).await;
        assert_eq!(desk.cut("stalled"), 1);
    });
}
