use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

use frontdesk_local::server::Limits;
use frontdesk_local::testing::run;

use crate::client::{Connection, Desk, limits};

const SESSIONS: &str = "/api/v1/widget/sessions";

/// A connection whose request does not come to its end.
async fn held(desk: &Desk) -> Connection {
    let before = desk.counted("frontdesk_connections");
    let mut connection = desk.connect().await;
    connection.begin_post(SESSIONS, "application/json", "", 100).await;
    connection.send("{").await;
    desk.until(|desk| desk.counted("frontdesk_connections") > before).await;
    connection
}

#[test]
fn when_connections_are_scarce_the_one_that_was_idle_longest_makes_room() {
    run(async {
        let desk = Desk::serving(Limits { most: 3, reserve: 0, ..limits() }).await;
        let mut kept = Vec::new();
        for _ in 0..3 {
            let mut connection = desk.connect().await;
            assert_eq!(connection.get("/health/live").await.status, 200);
            kept.push(connection);
        }
        // The first one is the youngest now.
        assert_eq!(kept[0].get("/health/live").await.status, 200);
        let mut new = desk.connect().await;
        assert_eq!(new.get("/api/v1/openapi.json").await.status, 200);
        kept.remove(1).ended().await;
        kept.push(new);
        for connection in &mut kept {
            assert_eq!(connection.get("/health/live").await.status, 200);
        }
        assert_eq!(desk.cut("idle"), 1);
    });
}

#[test]
fn when_all_are_at_work_health_is_answered_and_others_are_told_to_come_back() {
    run(async {
        let desk = Desk::serving(Limits { most: 2, reserve: 2, ..limits() }).await;
        let _held = [held(&desk).await, held(&desk).await];
        for _ in 0..5 {
            for path in ["/health/live", "/health", "/health/db"] {
                let answer = desk.connect().await.get(path).await;
                assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{path}");
            }
            let refused = desk.connect().await.get("/api/v1/openapi.json").await;
            assert_eq!(refused.status, 503, "{refused:?}");
            assert_eq!(
                (refused.header("retry-after"), refused.header("connection")),
                (Some("5"), Some("close"))
            );
            assert_eq!(refused.body["type"], "urn:frontdesk:problem:unavailable");
        }
        assert_eq!(desk.cut("full"), 20);
    });
}

#[test]
fn in_a_rush_a_request_that_has_come_is_not_taken_for_an_idle_connection() {
    run(async {
        let desk = Desk::serving(Limits { most: 3, reserve: 10, ..limits() }).await;
        // Nothing is awaited here: all of them stand at the door before the server looks.
        let mut rush = Vec::new();
        for _ in 0..8 {
            let mut stream = std::net::TcpStream::connect(desk.address).unwrap();
            let head = format!("POST {SESSIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
            stream.write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).unwrap();
            rush.push(stream);
        }
        desk.until(|desk| desk.cut("full") + desk.cut("idle") == 5).await;
        assert_eq!(desk.cut("idle"), 0);
    });
}

#[test]
fn connections_that_say_nothing_do_not_take_the_reserve() {
    run(async {
        let reserve_head = Duration::from_secs(60);
        let desk = Desk::serving(Limits { most: 1, reserve: 2, reserve_head, ..limits() }).await;
        let _held = held(&desk).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(desk.connect().await);
        }
        assert_eq!(desk.connect().await.get("/health/live").await.status, 200);
        silent[0].ended().await;
    });
}

#[test]
fn one_address_has_a_part_of_the_connections_and_the_others_have_the_rest() {
    run(async {
        let limits = Limits { per_address: 2, counts_loopback: true, ..limits() };
        let desk = Desk::serving(limits).await;
        let held = [held(&desk).await, held(&desk).await];
        let refused = desk.connect().await.get("/api/v1/openapi.json").await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")), "{refused:?}");
        assert_eq!(refused.body["type"], "urn:frontdesk:problem:rate_limited");
        let mut other = desk.connect_from(Ipv4Addr::new(127, 0, 0, 2)).await;
        assert_eq!(other.get("/api/v1/openapi.json").await.status, 200);
        assert_eq!(desk.cut("address"), 1);
        drop(held);
        desk.until(|desk| desk.counted("frontdesk_connections") == 1).await;
        assert_eq!(desk.connect().await.get("/api/v1/openapi.json").await.status, 200);
    });
}

#[test]
fn what_this_machine_itself_opens_is_a_proxys_and_not_counted_unless_it_is_said() {
    run(async {
        let desk = Desk::serving(Limits { per_address: 1, ..limits() }).await;
        let _held = held(&desk).await;
        assert_eq!(desk.connect().await.get("/api/v1/openapi.json").await.status, 200);
    });
}

#[test]
fn a_socket_is_at_work_as_long_as_it_is_open() {
    run(async {
        let desk = Desk::serving(Limits { most: 1, reserve: 1, ..limits() }).await;
        let (scope, token) = desk.world.visitor().await.unwrap();
        let conversation =
            frontdesk_app::chat::begin(desk.world.ctx(), &scope, &frontdesk_app::policy::Via::widget(None))
                .await
                .unwrap();
        let mut socket = desk.connect().await;
        socket
            .send(format!(
                "GET /api/v1/conversations/{}/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 sec-websocket-protocol: frontdesk.v1, fd.{token}\r\n\r\n",
                conversation.id
            ))
            .await;
        assert_eq!(socket.answer().await.status, 101);
        let refused = desk.connect().await.get("/api/v1/openapi.json").await;
        assert_eq!((refused.status, desk.cut("idle")), (503, 0));
        drop(socket);
        desk.until(|desk| desk.counted("frontdesk_connections") == 0).await;
        assert_eq!(desk.connect().await.get("/api/v1/openapi.json").await.status, 200);
    });
}

#[test]
fn so_many_descriptors_are_so_many_connections() {
    let few = Limits::of(256);
    assert!(2 * (few.most + few.reserve) + 64 <= 256 && few.most >= 64 && few.reserve >= 4, "{few:?}");
    assert!(few.per_address * 2 <= few.most);
    let many = Limits::of(usize::MAX);
    assert_eq!((many.most, many.reserve), (10_000, 64));
    let none = Limits::of(0);
    assert!(none.most > 0 && none.reserve > 0);
}
