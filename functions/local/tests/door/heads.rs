//! What an operator changes of a conversation's head over HTTP.

use frontdesk_app::chat;

use frontdesk_app::policy::Via;
use frontdesk_local::testing::run;
use serde_json::json;

use crate::client::Desk;

#[test]
fn an_operator_changes_what_it_names_and_is_told_what_is_wrong() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (visitor, visitor_token) = desk.world.visitor().await.unwrap();
        let token = desk.token().await;
        let begun = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap();
        let path = format!("/api/v1/conversations/{}", begun.id);
        let change = async |token: &str, body| {
            let token = format!("Bearer {token}");
            desk.call("PATCH", &path, &[("authorization", &token), ("if-match", "\"1\"")], Some(body)).await
        };
        for (body, status) in [
            (json!({ "labels": ["vip", "жалоба"], "priority": "urgent" }), "open"),
            (json!({ "snoozed_until": "2023-11-15T10:00:00Z" }), "snoozed"),
            (json!({ "snoozed_until": null }), "open"),
            (json!({ "status": "waiting" }), "waiting"),
        ] {
            let changed = change(&token, body.clone()).await;
            assert_eq!(changed.status, 200, "{body}: {}", changed.text);
            assert_eq!(changed.body["status"], status, "{body}");
        }
        for (body, pointer) in [
            (json!({ "labels": [" vip"] }), "/labels"),
            (json!({ "labels": ["a", "a"] }), "/labels"),
            (json!({ "snoozed_until": "2023-11-14T10:00:00Z" }), "/snoozed_until"),
            (json!({ "status": "snoozed" }), "/status"),
            (json!({ "assignee": "user_01h455vb4pex5vsknk084sn02q" }), "/assignee"),
            (json!({}), ""),
        ] {
            let refused = change(&token, body.clone()).await;
            assert_eq!(refused.status, 422, "{body}: {}", refused.text);
            assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}");
        }
        assert_eq!(change(&visitor_token, json!({ "priority": "low" })).await.status, 401);
        // The visitor sees that something happened, and not what.
        let log = desk.world.ctx().rooms.replay(&visitor, begun.id, 0, 100).await.unwrap();
        let kinds: Vec<_> = log.events.iter().map(|event| event.body.kind()).collect();
        assert_eq!(kinds, ["hidden", "hidden", "hidden", "status.changed", "status.changed"]);
        let closed = change(&token, json!({ "status": "closed" })).await;
        assert_eq!((closed.status.as_u16(), &closed.body["mode"]), (200, &json!("closed")));
    });
}
