//! Headers and bodies as clients, proxies and standards write them.

use frontdesk_api::{Body, Peer};
use frontdesk_local::testing::run;
use futures_util::StreamExt as _;
use http::StatusCode;
use serde_json::json;

use crate::client::Desk;

async fn patch_with(desk: &Desk, token: &str, if_match: Option<&str>, chars: u32) -> (StatusCode, String) {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(if_match.map(|tag| ("if-match", tag)));
    let answer = desk
        .call("PATCH", "/api/v1/settings", &headers, Some(json!({"limits": {"max_message_chars": chars}})))
        .await;
    (answer.status, answer.text)
}

#[test]
fn a_version_is_taken_as_proxies_write_it_and_a_star_is_told_why_not() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        for (chars, (tag, status)) in
            (500..).zip([("\"0\"", 200), ("W/\"1\"", 200), ("2", 200), ("W/\"0\"", 412)])
        {
            let (got, text) = patch_with(&desk, &token, Some(tag), chars).await;
            assert_eq!(got, status, "{tag}: {text}");
        }
        for (tag, why) in [
            (Some("*"), "would overwrite what others changed"),
            (Some("\"1\", \"2\""), "must name one version"),
            (Some("W/"), "must name one version"),
            (Some("\"x\""), "must name one version"),
            (None, "is needed"),
        ] {
            let (got, text) = patch_with(&desk, &token, tag, 700).await;
            assert_eq!(got, 422, "{tag:?}: {text}");
            assert!(text.contains("If-Match") && text.contains(why), "{tag:?}: {text}");
        }
    });
}

#[test]
fn an_array_of_the_values_is_not_the_object() {
    run(async {
        let desk = Desk::new(&[]).await;
        let site = desk.world.site().await.unwrap().site_key;
        let visitor = desk.world.visitor().await.unwrap().1;
        let bearer = format!("Bearer {visitor}");
        let headers = [("authorization", bearer.as_str())];
        for (path, body) in [
            ("/api/v1/auth/login", json!(["admin@camomile.example", "kettle-orbit-77-lantern"])),
            ("/api/v1/widget/sessions", json!([site, null, "en", null])),
            ("/api/v1/conversations", json!([])),
        ] {
            let answer = desk.call("POST", path, &headers, Some(body)).await;
            assert_eq!(answer.status, 422, "{path}: {}", answer.text);
            assert!(answer.text.contains("must be an object"), "{path}: {}", answer.text);
        }
        let answer = desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    });
}

#[test]
fn a_text_that_shows_nothing_is_empty() {
    run(async {
        let desk = Desk::new(&[]).await;
        let admin = format!("Bearer {}", desk.token().await);
        let visitor = format!("Bearer {}", desk.world.visitor().await.unwrap().1);
        let visitor = [("authorization", visitor.as_str())];
        let begun = desk.call("POST", "/api/v1/conversations", &visitor, Some(json!({}))).await;
        let id = begun.body["id"].as_str().unwrap();
        let messages = format!("/api/v1/conversations/{id}/messages");
        for blank in ["", " \n", "\u{200b}\u{200d}", "\u{2060} \u{feff}", "\u{3164}", "\u{ad}\u{e0020}"] {
            let message = json!({"client_id": "blank", "text": blank});
            let answer = desk.call("POST", &messages, &visitor, Some(message)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
                (422, Some("/text")),
                "{blank:?}"
            );
            let document = json!({"title": "Hours", "text": blank});
            let answer =
                desk.call("POST", "/api/v1/documents", &[("authorization", &admin)], Some(document)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
                (422, Some("/text")),
                "{blank:?}"
            );
            let search = json!({"query": blank});
            let answer =
                desk.call("POST", "/api/v1/search", &[("authorization", &admin)], Some(search)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
                (422, Some("/query")),
                "{blank:?}"
            );
        }
    });
}

#[test]
fn an_event_stream_is_for_who_takes_one_and_an_empty_last_event_is_none() {
    run(async {
        let desk = Desk::new(&[]).await;
        let visitor = format!("Bearer {}", desk.world.visitor().await.unwrap().1);
        let begun =
            desk.call("POST", "/api/v1/conversations", &[("authorization", &visitor)], Some(json!({}))).await;
        let events = format!("/api/v1/conversations/{}/events", begun.body["id"].as_str().unwrap());
        for (accept, last, kind) in [
            ("text/event-stream", None, "text/event-stream"),
            ("text/event-stream", Some(""), "text/event-stream"),
            ("TEXT/EVENT-STREAM", Some(" "), "text/event-stream"),
            ("application/json, text/event-stream", None, "text/event-stream"),
            ("text/event-stream;q=0", None, "application/json"),
            ("text/event-stream; q=0.0, */*", None, "application/json"),
            ("application/json, text/event-stream;q=0.5", None, "application/json"),
            ("*/*", Some(""), "application/json"),
        ] {
            let mut headers = vec![("authorization", visitor.as_str()), ("accept", accept)];
            headers.extend(last.map(|last| ("last-event-id", last)));
            let response = desk.respond("GET", &events, &headers, None, Peer::default()).await;
            assert_eq!(response.status(), 200, "{accept} {last:?}");
            assert_eq!(response.headers()["content-type"], kind, "{accept} {last:?}");
            if let Body::Stream(mut pieces) = response.into_body() {
                drop(pieces.next());
            }
        }
        for (accept, last) in [
            ("*/*", "x"),
            ("*/*", "\u{661}"),
            ("text/event-stream", "\u{661}"),
            ("text/event-stream", "999"),
            ("text/event-stream", "-1"),
        ] {
            let headers = [("authorization", visitor.as_str()), ("accept", accept), ("last-event-id", last)];
            let refused = desk.call("GET", &events, &headers, None).await;
            let pointer = refused.body["errors"][0]["pointer"].as_str();
            assert_eq!((refused.status.as_u16(), pointer), (422, Some("Last-Event-ID")), "{accept} {last}");
        }
        let headers = [("authorization", visitor.as_str()), ("accept", "text/event-stream")];
        let refused = desk.call("GET", &format!("{events}?after=999"), &headers, None).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (422, &json!("?after")));
    });
}

#[test]
fn a_wrong_type_is_told_by_its_field_and_not_as_no_json() {
    run(async {
        let desk = Desk::new(&[]).await;
        let admin = format!("Bearer {}", desk.token().await);
        let visitor = desk.world.visitor().await.unwrap().1;
        let begun = desk.begin(&visitor).await;
        let visitor = format!("Bearer {visitor}");
        let conversation = format!("/api/v1/conversations/{}", begun.body["id"].as_str().unwrap());
        let feedback = "/api/v1/messages/msg_01h455vb4pex5vsknk084sn02q/feedback".to_owned();
        let search = "/api/v1/search".to_owned();
        for (token, method, path, body, field) in [
            (&admin, "PATCH", &conversation, json!({ "mode": 5 }), "/mode"),
            (&admin, "PATCH", &conversation, json!({ "status": true }), "/status"),
            (&admin, "PATCH", &conversation, json!({ "priority": 5 }), "/priority"),
            (&visitor, "POST", &feedback, json!({ "rating": 5 }), "/rating"),
            (&admin, "POST", &search, json!({ "query": "tea", "mode": 5 }), "/mode"),
        ] {
            let headers = [("authorization", token.as_str()), ("if-match", "\"0\"")];
            let refused = desk.call(method, path, &headers, Some(body.clone())).await;
            let pointer = refused.body["errors"][0]["pointer"].as_str();
            assert_eq!((refused.status.as_u16(), pointer), (422, Some(field)), "{body}: {}", refused.text);
        }
    });
}

#[test]
fn a_label_shows_something_and_is_what_it_seems() {
    run(async {
        let desk = Desk::new(&[]).await;
        let admin = format!("Bearer {}", desk.token().await);
        let visitor = desk.world.visitor().await.unwrap().1;
        let begun = desk.begin(&visitor).await;
        let conversation = format!("/api/v1/conversations/{}", begun.body["id"].as_str().unwrap());
        let epoch = format!("\"{}\"", begun.body["epoch"]);
        let headers = [("authorization", admin.as_str()), ("if-match", epoch.as_str())];
        for label in
            ["\u{feff}", "\u{200b}", "\u{202e}", "\u{1b}", "\u{202e}piv", "v\u{1b}[2Jip", "v\nip", "\u{3164}"]
        {
            let body = json!({ "labels": ["vip", label] });
            let refused = desk.call("PATCH", &conversation, &headers, Some(body)).await;
            let pointer = refused.body["errors"][0]["pointer"].as_str();
            assert_eq!((refused.status.as_u16(), pointer), (422, Some("/labels/1")), "{label:?}");
        }
        let body = json!({ "labels": ["vip", "жалоба", "👨\u{200d}👩", "می\u{200c}خواهم"] });
        let changed = desk.call("PATCH", &conversation, &headers, Some(body)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    });
}

#[test]
fn behind_a_proxy_that_names_another_host_the_public_address_counts() {
    run(async {
        let desk = Desk::new(&[]).await;
        for host in ["127.0.0.1:8787", "localhost", "frontdesk.internal"] {
            let cookie = format!("fd_refresh={}", desk.log_in().await.cookie());
            let from = |origin| [("cookie", cookie.clone()), ("origin", String::from(origin))];
            let refresh = async |origin| {
                let headers = from(origin);
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                desk.call_at(host, "POST", "/api/v1/auth/refresh", &headers, None).await.status
            };
            assert_eq!(refresh("http://frontdesk.internal").await, 403, "{host}");
            assert_eq!(refresh("http://localhost").await, 403, "{host}");
            assert_eq!(refresh("https://desk.example").await, 200, "{host}");
        }
    });
}
