use std::time::Duration;

use frontdesk_app::{auth, settings};
use frontdesk_domain::answer::{Outcome, Usage};
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_local::testing::run;
use frontdesk_ports::{Clock, Statement};
use serde_json::json;

use crate::client::Desk;

#[test]
fn a_change_is_in_force_at_once_and_in_the_audit_log() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let before = desk.get("/api/v1/settings", &token).await;
        assert_eq!(before.body["version"], 0);
        assert_eq!(before.body["values"]["limits"]["max_message_chars"], 4000);
        assert_eq!(before.header("etag"), "\"0\"");

        let changed = desk.patch(&token, 0, json!({"limits": {"max_message_chars": 100}})).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!((changed.body["version"].as_u64(), changed.header("etag")), (Some(1), "\"1\""));
        let public = desk.call("GET", "/api/v1/settings/limits", &[], None).await;
        assert_eq!(public.body["max_message_chars"], 100);

        let rows = desk.rows("SELECT actor, detail FROM audit WHERE action = 'settings.changed'").await;
        assert_eq!(rows.len(), 1);
        assert!(rows[0].text(0).unwrap().starts_with("user_"));
        let detail: serde_json::Value = rows[0].json(1).unwrap();
        assert_eq!(
            detail["changes"],
            json!([{"field": "/limits/max_message_chars", "old": 4000, "new": 100}])
        );
        let stored = desk.rows("SELECT changed FROM settings").await;
        assert_eq!(stored[0].text(0), Ok(r#"{"limits":{"max_message_chars":100}}"#));
    });
}

#[test]
fn a_stale_version_is_refused_with_the_current_one() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        assert_eq!(
            desk.patch(&token, 0, json!({"maintenance": false, "retrieval": {"passages": 3}})).await.status,
            200
        );
        let stale = desk.patch(&token, 0, json!({"retrieval": {"passages": 4}})).await;
        assert_eq!(stale.status, 412);
        assert!(stale.body["detail"].as_str().unwrap().contains("now 1"), "{}", stale.text);
        assert_eq!(desk.patch(&token, 7, json!({"retrieval": {"passages": 4}})).await.status, 412);
        let none = desk
            .call(
                "PATCH",
                "/api/v1/settings",
                &[("authorization", &format!("Bearer {token}"))],
                Some(json!({})),
            )
            .await;
        assert_eq!(none.status, 422);
    });
}

#[test]
fn of_two_changes_at_once_one_is_stored_with_one_audit_entry() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let changes =
            (7..=14).map(|passages| desk.patch(&token, 0, json!({"retrieval": {"passages": passages}})));
        let answers = futures_util::future::join_all(changes).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 7);
        assert_eq!(desk.rows("SELECT 1 FROM audit WHERE action = 'settings.changed'").await.len(), 1);
    });
}

#[test]
fn a_change_that_changes_nothing_is_no_new_version() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let same = desk.patch(&token, 0, json!({"limits": {"max_message_chars": 4000}})).await;
        assert_eq!((same.status.as_u16(), same.body["version"].as_u64()), (200, Some(0)));
    });
}

#[test]
fn everything_that_is_wrong_is_told_with_its_pointer() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let wrong = desk
            .patch(&token, 0, json!({"limits": {"max_message_chars": 0}, "model": {"colour": "red"}}))
            .await;
        assert_eq!(wrong.status, 422);
        let errors: Vec<&str> =
            wrong.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(errors, ["/limits/max_message_chars", "/model/colour"]);
        assert!(wrong.text.contains("from 1 to 32000"), "{}", wrong.text);
        assert!(desk.rows("SELECT 1 FROM settings").await.is_empty(), "nothing is stored half");
    });
}

#[test]
fn another_processs_change_is_seen_within_five_seconds_and_no_request_waits_for_it() {
    run(async {
        let desk = Desk::new(&[]).await;
        let ctx = desk.world.ctx();
        let scope = auth::only_organisation(ctx).await.unwrap().unwrap();
        assert_eq!(settings::current(ctx, &scope).await.unwrap().retrieval.passages, 6);
        let elsewhere = Statement::new(
            "INSERT INTO settings (org_id, version, changed, updated_at)
             SELECT id, 1, '{\"retrieval\":{\"passages\":9}}', 0 FROM organisations",
        );
        ctx.db.batch(vec![elsewhere]).await.unwrap();
        desk.clock.advance(Duration::from_millis(4_999));
        assert_eq!(settings::current(ctx, &scope).await.unwrap().retrieval.passages, 6);
        desk.clock.advance(Duration::from_millis(1));
        // The old ones once more, while they are read again behind the request.
        assert_eq!(settings::current(ctx, &scope).await.unwrap().retrieval.passages, 6);
        desk.world.host.tasks.idle().await;
        assert_eq!(settings::current(ctx, &scope).await.unwrap().retrieval.passages, 9);
        // After a minute without anybody asking, a request waits.
        ctx.db.batch(vec![Statement::new("UPDATE settings SET version = 2, changed = '{}'")]).await.unwrap();
        desk.clock.advance(Duration::from_secs(60));
        assert_eq!(settings::current(ctx, &scope).await.unwrap().retrieval.passages, 6);
    });
}

#[test]
fn limits_are_public_by_site_key() {
    run(async {
        let desk = Desk::new(&[]).await;
        let key = desk.world.site().await.unwrap().site_key;
        let known = desk.call("GET", &format!("/api/v1/settings/limits?site_key={key}"), &[], None).await;
        assert_eq!(known.status, 200);
        assert!(known.body["upload_types"].as_array().unwrap().contains(&json!("application/pdf")));
        assert_eq!(
            desk.call("GET", "/api/v1/settings/limits?site_key=pk_nobody", &[], None).await.status,
            404
        );
        assert_eq!(desk.call("GET", "/api/v1/settings/limits?colour=red", &[], None).await.status, 422);
    });
}

#[test]
fn maintenance_closes_what_changes_something_but_not_for_an_administrator() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let (_, visitor) = desk.world.visitor().await.unwrap();
        assert_eq!(desk.patch(&token, 0, json!({"maintenance": true})).await.status, 200);
        let headers = [("authorization", &*format!("Bearer {visitor}"))];
        let closed = desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await;
        assert_eq!((closed.status.as_u16(), closed.header("retry-after")), (503, "60"));
        assert_eq!(closed.body["type"], "urn:frontdesk:problem:maintenance");
        assert_eq!(desk.get("/api/v1/settings", &token).await.status, 200);
        assert_eq!(desk.try_log_in("x@y.example", "z").await.status, 401, "logging in goes on");
        assert_eq!(desk.patch(&token, 1, json!({"maintenance": null})).await.status, 200);
        assert_eq!(desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await.status, 201);
    });
}

#[test]
fn usage_is_told_by_day() {
    run(async {
        let desk = Desk::new(&[]).await;
        let ctx = desk.world.ctx();
        let scope = auth::only_organisation(ctx).await.unwrap().unwrap();
        let (at, entropy) = (desk.clock.now(), ctx.random.entropy());
        let turn = async |seq: u64, model: &str| {
            let usage = Usage {
                model: model.to_owned(),
                prompt_tokens: 100,
                completion_tokens: 20,
                estimated: false,
            };
            let body = EventBody::TurnFinished {
                turn: TurnId::new(at, ctx.random.entropy()),
                outcome: Outcome::Answered,
                message_id: None,
                citations: Vec::new(),
                suggestions: Vec::new(),
                usage: Some(usage),
                run: None,
            };
            let event = Event::new(seq, desk.clock.now(), 1, body);
            let id = ConversationId::new(at, entropy);
            let statements = frontdesk_app::usage::record_statements(&scope, id, &event);
            ctx.db.batch(statements).await.unwrap();
        };
        for (seq, model) in [(1, "a"), (2, "a"), (3, "b")] {
            turn(seq, model).await;
        }
        assert_eq!(frontdesk_app::usage::spent_today(ctx, &scope).await.unwrap(), 360);
        desk.clock.advance(Duration::from_secs(24 * 60 * 60));
        assert_eq!(frontdesk_app::usage::spent_today(ctx, &scope).await.unwrap(), 0);
        turn(4, "").await;
        let token = desk.token().await;
        let first = desk.get("/api/v1/usage?limit=1", &token).await;
        assert_eq!(first.body["items"].as_array().unwrap().len(), 1);
        assert_eq!(first.body["items"][0]["day"], "2023-11-15");
        let cursor = first.body["next_cursor"].as_str().unwrap();
        let second = desk.get(&format!("/api/v1/usage?limit=5&cursor={cursor}"), &token).await;
        assert_eq!(second.body["items"][0]["turns"], 3);
        assert_eq!(second.body["items"][0]["models"][0]["prompt_tokens"], 200);
        assert!(second.body["next_cursor"].is_null());
        for wrong in ["limit=0", "limit=101", "limit=x", "cursor=yesterday", "page=1"] {
            assert_eq!(desk.get(&format!("/api/v1/usage?{wrong}"), &token).await.status, 422, "{wrong}");
        }
    });
}
