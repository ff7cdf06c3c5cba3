use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::limits::DatabaseLimiter;
use frontdesk_local::testing::{ADMIN_EMAIL, run};
use frontdesk_testkit::limiter_contract;
use serde_json::json;

use crate::client::Desk;

#[test]
fn the_database_limiter_keeps_the_limiters_contract() {
    run(async {
        let desk = Desk::new(&[]).await;
        let ctx = desk.world.ctx();
        let limiter = DatabaseLimiter::new(Rc::clone(&ctx.db), Rc::clone(&ctx.clock), &ctx.config);
        limiter_contract(&limiter, &desk.clock, ctx.clock.now()).await;
        // Keys are stored as hashes that nobody can try out without the deployment's secret.
        for row in desk.rows("SELECT key FROM rate_limits").await {
            let key = row.text(0).unwrap();
            assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        }
    });
}

#[test]
fn keys_that_say_nothing_any_more_are_deleted() {
    run(async {
        let desk = Desk::new(&[]).await;
        let ctx = desk.world.ctx();
        let limiter = DatabaseLimiter::new(Rc::clone(&ctx.db), Rc::clone(&ctx.clock), &ctx.config);
        let rule = frontdesk_ports::Rule { limit: 5, window: Duration::from_secs(60) };
        for n in 0..499 {
            frontdesk_ports::Limiter::take(&limiter, frontdesk_ports::LimitKey(format!("{n}")), 1, rule)
                .await
                .unwrap();
        }
        desk.clock.advance(Duration::from_secs(3600));
        frontdesk_ports::Limiter::take(&limiter, frontdesk_ports::LimitKey("last".into()), 1, rule)
            .await
            .unwrap();
        assert_eq!(desk.rows("SELECT 1 FROM rate_limits").await.len(), 1);
    });
}

/// The same for each store.
fn with_limits(test: impl AsyncFn(Desk)) {
    for store in ["memory", "libsql"] {
        run(async { test(Desk::new(&[("RATE_LIMIT_STORE", store)]).await).await });
    }
}

#[test]
fn the_sixth_login_in_a_minute_waits_and_is_told_how_long() {
    with_limits(async |desk| {
        for left in (0..5).rev() {
            let answer = desk.try_log_in(&format!("user{left}@camomile.example"), "wrong").await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.header("ratelimit-policy"), "\"login\";q=5;w=60");
            assert!(
                answer.header("ratelimit").starts_with(&format!("\"login\";r={left};t=")),
                "{}",
                answer.header("ratelimit")
            );
        }
        let refused = desk.log_in_raw().await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), "12");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.header("ratelimit"), "\"login\";r=0;t=12");
        desk.clock.advance(Duration::from_secs(12));
        assert_eq!(desk.log_in_raw().await.status, 200);
    });
}

#[test]
fn an_account_is_guarded_also_against_many_addresses() {
    with_limits(async |mut desk| {
        for n in 0..5 {
            desk.ip = format!("198.51.100.{n}").parse().unwrap();
            assert_eq!(desk.try_log_in(&ADMIN_EMAIL.to_uppercase(), "wrong").await.status, 401);
        }
        desk.ip = "198.51.100.99".parse().unwrap();
        assert_eq!(desk.log_in_raw().await.status, 429);
    });
}

#[test]
fn reads_are_counted_by_person_and_writes_by_address() {
    with_limits(async |desk| {
        let token = desk.token().await;
        assert_eq!(
            desk.patch(&token, 0, json!({"limits": {"reads_per_minute": 3, "writes_per_minute": 2}}))
                .await
                .status,
            200
        );
        let other = desk.token().await;
        for _ in 0..3 {
            assert_eq!(desk.get("/api/v1/me", &token).await.status, 200);
        }
        assert_eq!(desk.get("/api/v1/me", &other).await.status, 429, "the same person with another token");
        let (_, visitor) = desk.world.visitor().await.unwrap();
        let headers = [("authorization", &*format!("Bearer {visitor}"))];
        assert_eq!(desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await.status, 201);
        let refused = desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await;
        assert_eq!(refused.status, 429, "the change of the settings was a write from this address");
        assert_eq!(refused.header("ratelimit-policy"), "\"write\";q=2;w=60");
    });
}

#[test]
fn when_limits_are_off_nothing_is_counted() {
    run(async {
        let desk = Desk::new(&[]).await;
        for _ in 0..7 {
            let answer = desk.try_log_in("x@y.example", "z").await;
            assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (401, ""));
        }
    });
}

#[test]
fn when_the_store_is_down_requests_go_through() {
    run(async {
        let desk = Desk::new(&[("RATE_LIMIT_STORE", "libsql")]).await;
        let token = desk.token().await;
        let drop = frontdesk_ports::Statement::new("DROP TABLE rate_limits");
        desk.world.ctx().db.batch(vec![drop]).await.unwrap();
        let answer = desk.get("/api/v1/me", &token).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""));
        assert!(desk.world.ctx().metrics.text().contains("verdict=\"error\""));
    });
}
