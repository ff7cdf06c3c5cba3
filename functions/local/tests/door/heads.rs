//! What an operator changes of a conversation's head over HTTP.

use std::time::Duration;

use frontdesk_app::policy::Via;
use frontdesk_app::{chat, jobs};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::{Command, Update};
use frontdesk_local::testing::run;
use frontdesk_ports::Statement;
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

#[test]
fn a_conversation_that_was_put_aside_comes_back_at_its_time_and_not_before() {
    run(async {
        let desk = Desk::new(&[]).await;
        let ctx = desk.world.ctx();
        let (visitor, _) = desk.world.visitor().await.unwrap();
        let mut ids = Vec::new();
        // More than a page of them, and one that is put aside for longer.
        for number in 0..103 {
            let begun = chat::begin(ctx, &visitor, &Via::widget(None)).await.unwrap();
            let until = ctx.clock.now().after(Duration::from_secs(if number == 0 { 7200 } else { 3600 }));
            let update = Update { snoozed_until: Some(Some(until)), ..Update::by(visitor.actor().author()) };
            ctx.rooms.append(&visitor, begun.id, Command::Update(update)).await.unwrap();
            ids.push(begun.id);
        }
        let status = async |id: ConversationId| {
            let stored = Statement::new("SELECT status FROM conversations WHERE id = ?1").bind_id(id);
            ctx.db.query(vec![stored]).await.unwrap()[0].first().unwrap().text(0).unwrap().to_owned()
        };
        jobs::schedule(ctx).await.unwrap();
        let work = async || {
            while jobs::run(ctx, 1).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
        };
        desk.clock.advance(Duration::from_secs(3599));
        work().await;
        assert_eq!(status(ids[1]).await, "snoozed");
        desk.clock.advance(Duration::from_secs(61));
        work().await;
        for id in &ids[1..] {
            assert_eq!(status(*id).await, "open");
        }
        assert_eq!(status(ids[0]).await, "snoozed");
        desk.clock.advance(Duration::from_secs(3600));
        work().await;
        assert_eq!(status(ids[0]).await, "open");
    });
}
