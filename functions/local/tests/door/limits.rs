use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::limits::DatabaseLimiter;
use frontdesk_app::policy::Via;
use frontdesk_domain::conversation::Channel;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_local::testing::{ADMIN_EMAIL, run};
use frontdesk_testkit::limiter_contract;
use serde_json::json;

use crate::client::{Answer, Desk};

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

impl Desk {
    /// A page view: the session call of the widget, with the token of an earlier one.
    async fn page_view(&self, visitor: Option<&str>) -> Answer {
        let key = self.world.site().await.unwrap().site_key;
        let body = json!({ "site_key": key, "visitor_token": visitor });
        self.call("POST", "/api/v1/widget/sessions", &[], Some(body)).await
    }

    async fn new_visitor(&self) -> String {
        let answer = self.page_view(None).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["visitor_token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn people_are_counted_by_their_token_wherever_they_are() {
    with_limits(async |mut desk| {
        let token = desk.token().await;
        let limits = json!({"limits": {"reads_per_minute": 3, "writes_per_minute": 2}});
        assert_eq!(desk.patch(&token, 0, limits).await.status, 200);
        let other = desk.token().await;
        for _ in 0..3 {
            assert_eq!(desk.get("/api/v1/me", &token).await.status, 200);
        }
        assert_eq!(desk.get("/api/v1/me", &other).await.status, 429, "the same person with another token");

        let (one, two) = (desk.new_visitor().await, desk.new_visitor().await);
        for status in [201, 201, 429] {
            assert_eq!(desk.begin(&one).await.status, status);
        }
        desk.ip = "198.51.100.9".parse().unwrap();
        let refused = desk.begin(&one).await;
        assert_eq!(refused.status, 429, "from another address");
        assert_eq!(refused.header("ratelimit-policy"), "\"write\";q=2;w=60");
        assert_eq!(desk.begin(&two).await.status, 201, "another visitor");
    });
}

#[test]
fn an_office_behind_one_address_is_not_told_to_wait() {
    with_limits(async |desk| {
        for _ in 0..50 {
            let visitor = desk.new_visitor().await;
            for _ in 0..3 {
                assert_eq!(desk.page_view(Some(&visitor)).await.status, 201);
            }
            let begun = desk.begin(&visitor).await;
            assert_eq!(begun.status, 201, "{}", begun.text);
            let path = format!("/api/v1/conversations/{}/messages", begun.body["id"].as_str().unwrap());
            let message = json!({ "client_id": "m", "text": "How much is delivery?" });
            let posted = desk.post(&path, &visitor, message).await;
            assert_eq!(posted.status, 202, "{}", posted.text);
        }
        assert_eq!(desk.rows("SELECT 1 FROM visitors").await.len(), 50);
    });
}

#[test]
fn a_page_that_calls_without_end_takes_nothing_from_its_neighbours() {
    with_limits(async |desk| {
        let token = desk.token().await;
        let limits = json!({"limits": {"writes_per_minute": 3, "address_calls_per_minute": 40}});
        assert_eq!(desk.patch(&token, 0, limits).await.status, 200);
        let (wild, calm) = (desk.new_visitor().await, desk.new_visitor().await);
        for n in 0..100 {
            assert_eq!(desk.begin(&wild).await.status, if n < 3 { 201 } else { 429 });
        }
        for _ in 0..3 {
            assert_eq!(desk.begin(&calm).await.status, 201);
        }
    });
}

#[test]
fn an_address_is_bounded_whoever_calls_from_it() {
    with_limits(async |mut desk| {
        let token = desk.token().await;
        let limits = json!({"limits": {"address_calls_per_minute": 12}});
        assert_eq!(desk.patch(&token, 0, limits).await.status, 200);
        desk.ip = "198.51.100.7".parse().unwrap();
        // A new visitor costs five: two of them leave two calls.
        let (one, two) = (desk.new_visitor().await, desk.new_visitor().await);
        let third = desk.page_view(None).await;
        assert_eq!(third.status, 429, "{}", third.text);
        assert_eq!(third.header("ratelimit-policy"), "\"address\";q=12;w=60");
        assert_eq!(desk.begin(&one).await.status, 201, "one call was left");
        let refused = desk.begin(&two).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("ratelimit-policy")),
            (429, "\"address\";q=12;w=60")
        );
        assert_eq!(refused.header("retry-after"), "5");
        assert_eq!(
            desk.rows("SELECT 1 FROM visitors").await.len(),
            2,
            "a visitor that is refused is not stored"
        );
        desk.ip = "198.51.100.8".parse().unwrap();
        assert_eq!(desk.begin(&two).await.status, 201, "another address");
        desk.ip = "198.51.100.7".parse().unwrap();
        desk.clock.advance(Duration::from_secs(5));
        assert_eq!(desk.page_view(Some(&two)).await.status, 201, "a page view costs one");
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

/// What a client may do in a conversation; its outcome alone.
async fn each_command(
    desk: &Desk,
    by: &TenantScope,
    via: &Via,
    conversation: ConversationId,
) -> [Result<()>; 4] {
    let ctx = desk.world.ctx();
    let post = PostMessage {
        conversation,
        client_id: "m".to_owned(),
        text: "Hello".to_owned(),
        attachments: Vec::new(),
        note: false,
        via: via.clone(),
    };
    [
        chat::begin(ctx, by, via).await.map(|_| ()),
        chat::post_message(ctx, by, post).await.map(|_| ()),
        chat::read(ctx, by, via, conversation, 1).await,
        chat::rate(ctx, by, via, conversation, 5, None).await,
    ]
}

#[test]
fn whatever_a_client_does_in_a_conversation_is_counted_where_it_is_done() {
    with_limits(async |desk| {
        let token = desk.token().await;
        let limits = json!({"limits": {"writes_per_minute": 4}});
        assert_eq!(desk.patch(&token, 0, limits).await.status, 200);
        let address = |last: u8| Some([198, 51, 100, last].into());
        let (visitor, _) = desk.world.visitor().await.unwrap();
        let begun = chat::begin(desk.world.ctx(), &visitor, &Via::widget(address(1))).await.unwrap();

        // 1 and 3 are left of the visitor's 4.
        let outcomes = each_command(&desk, &visitor, &Via::widget(address(1)), begun.id).await;
        let limited =
            |outcome: &Result<()>| matches!(outcome, Err(Error::Caller(CallerError::RateLimited { .. })));
        assert_eq!(outcomes.each_ref().map(limited), [false, false, false, true], "{outcomes:?}");

        // Another system writes for all of its visitors from one address: they are counted one by one.
        let (visitor, _) = desk.world.visitor().await.unwrap();
        let (other, _) = desk.world.visitor().await.unwrap();
        for channel in [Channel::Telegram, Channel::Chatwoot, Channel::Kommo] {
            let via = Via::new(channel, address(2));
            let begun = chat::begin(desk.world.ctx(), &visitor, &via).await;
            let posted = chat::begin(desk.world.ctx(), &other, &via).await;
            assert!(begun.is_ok() && posted.is_ok(), "{channel:?} {begun:?} {posted:?}");
        }
        let via = Via::new(Channel::Telegram, None);
        let fourth = chat::begin(desk.world.ctx(), &visitor, &via).await;
        let fifth = chat::begin(desk.world.ctx(), &visitor, &via).await;
        assert!(fourth.is_ok() && limited(&fifth.map(|_| ())), "the visitor's own allowance");
        assert!(!via.standing().unwrap().verdict.allowed);
        assert!(chat::begin(desk.world.ctx(), &other, &via).await.is_ok(), "of one visitor alone");
    });
}

#[test]
fn a_closed_organisation_is_closed_for_every_channel() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let (visitor, _) = desk.world.visitor().await.unwrap();
        let begun = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap();
        assert_eq!(desk.patch(&token, 0, json!({"maintenance": true})).await.status, 200);
        let before = desk.rows("SELECT 1 FROM events").await.len();
        for channel in [Channel::Widget, Channel::Api, Channel::Telegram, Channel::Chatwoot, Channel::Kommo] {
            for outcome in each_command(&desk, &visitor, &Via::new(channel, None), begun.id).await {
                let closed = matches!(outcome, Err(Error::Caller(CallerError::Maintenance { .. })));
                assert!(closed, "{channel:?} {outcome:?}");
            }
        }
        assert_eq!(desk.rows("SELECT 1 FROM events").await.len(), before);
        assert_eq!(desk.rows("SELECT 1 FROM conversations").await.len(), 1);
    });
}
