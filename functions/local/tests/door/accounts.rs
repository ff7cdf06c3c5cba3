//! Logins and passwords of a person: which there are, what ends them, and what an attempt costs.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::auth::{self, LoginFrom, NewAccount};
use frontdesk_domain::error::Result;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, run};
use frontdesk_ports::{
    Compute, Ctx, Database, DbError, LimitKey, Limiter, Ports, Rows, Rule, Statement, Verdict,
};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::client::Desk;
use crate::people::{OPEN, QUIET, access, invited, vera, with};

/// A world of tests has limits where it names a store.
const LIMITED: &[(&str, &str)] = &[("RATE_LIMIT_STORE", "memory")];

#[test]
fn a_login_that_one_ends_is_out_and_the_others_stay() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let lost = desk.log_in().await;
        desk.clock.advance(Duration::from_secs(1));
        let here = desk.log_in().await;
        let logins = desk.get("/api/v1/me/sessions", &access(&here)).await;
        let items = logins.body["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{}", logins.text);
        assert_eq!((items[0]["current"].as_bool(), items[1]["current"].as_bool()), (Some(true), Some(false)));
        assert_eq!(items[0]["address"], "203.0.113.7");
        let path = format!("/api/v1/me/sessions/{}", items[1]["id"].as_str().unwrap());
        assert_eq!(with(&desk, "DELETE", &path, &access(&here), None).await.status, 204);
        assert_eq!(with(&desk, "DELETE", &path, &access(&here), None).await.status, 404);
        assert_eq!(desk.get("/api/v1/me", &access(&lost)).await.status, 401);
        assert_eq!(desk.refresh(&lost.cookie()).await.status, 401);
        assert_eq!(desk.get("/api/v1/me", &access(&here)).await.status, 200);
        let vera = access(&vera(&desk, "admin").await);
        let path = format!("/api/v1/me/sessions/{}", items[0]["id"].as_str().unwrap());
        assert_eq!(with(&desk, "DELETE", &path, &vera, None).await.status, 404, "another's login");
    });
}

#[test]
fn a_browser_that_logs_in_again_has_one_login() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let first = desk.log_in().await;
        let body = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
        let cookie = format!("fd_refresh={}", first.cookie());
        let second = desk.call("POST", "/api/v1/auth/login", &[("cookie", &cookie)], Some(body)).await;
        let logins = desk.get("/api/v1/me/sessions", &access(&second)).await;
        assert_eq!(logins.body["items"].as_array().unwrap().len(), 1, "{}", logins.text);
        assert_eq!(desk.refresh(&first.cookie()).await.status, 401);
    });
}

#[test]
fn a_person_has_at_most_a_hundred_logins() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let first = desk.log_in().await;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99)
                   INSERT INTO logins (org_id, id, user_id, token_hash, created_at, expires_at)
                   SELECT org_id, id || i, user_id, 'x', created_at + i, expires_at FROM logins, n";
        desk.world.ctx().db.batch(vec![Statement::new(sql)]).await.unwrap();
        assert_eq!(desk.refresh(&first.cookie()).await.status, 200, "it is the hundredth");
        desk.clock.advance(Duration::from_secs(1));
        desk.log_in().await;
        assert_eq!(desk.rows("SELECT 1 FROM logins WHERE revoked_at IS NULL").await.len(), 100);
        assert_eq!(desk.refresh(&first.cookie()).await.status, 401, "the oldest one ended");
    });
}

#[test]
fn a_log_out_ends_the_access_token_too() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let login = desk.log_in().await;
        let headers =
            [("cookie", &*format!("fd_refresh={}", login.cookie())), ("origin", "https://desk.example")];
        assert_eq!(desk.call("POST", "/api/v1/auth/logout", &headers, None).await.status, 204);
        desk.clock.advance(Duration::from_secs(3));
        assert_eq!(desk.get("/api/v1/me", &access(&login)).await.status, 401);
    });
}

#[test]
fn a_new_password_ends_all_other_logins() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (lost, here) = (desk.log_in().await, desk.log_in().await);
        let token = access(&here);
        let change = async |current: &str, new: &str| {
            desk.post("/api/v1/auth/password", &token, json!({"current": current, "new": new})).await
        };
        for (current, new, pointer) in [
            ("not-the-password", "violet-harbour-19", "/current"),
            (ADMIN_PASSWORD, ADMIN_PASSWORD, "/new"),
            (ADMIN_PASSWORD, "password123", "/new"),
            (ADMIN_PASSWORD, "admin@camomile.example", "/new"),
        ] {
            let answer = change(current, new).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
                (422, Some(pointer))
            );
        }
        assert_eq!(change(ADMIN_PASSWORD, "violet-harbour-19").await.status, 204);
        assert_eq!(desk.get("/api/v1/me", &access(&lost)).await.status, 401);
        assert_eq!(desk.refresh(&lost.cookie()).await.status, 401);
        assert_eq!(desk.get("/api/v1/me", &token).await.status, 200);
        assert_eq!(desk.refresh(&here.cookie()).await.status, 200);
        assert_eq!(desk.try_log_in(ADMIN_EMAIL, ADMIN_PASSWORD).await.status, 401);
        assert_eq!(desk.try_log_in(ADMIN_EMAIL, "violet-harbour-19").await.status, 200);
    });
}

#[test]
fn a_stranger_who_tries_passwords_locks_the_owner_out_nowhere_that_is_known() {
    run(async {
        let mut desk = Desk::new(LIMITED).await;
        let login = desk.log_in().await;
        let device = login
            .headers
            .get_all("set-cookie")
            .iter()
            .find_map(|line| line.to_str().unwrap().strip_prefix("__Secure-fd_device="))
            .map(|line| format!("__Secure-fd_device={}", line.split(';').next().unwrap()))
            .unwrap();
        let known = desk.ip;
        let mut refused = 0;
        for stranger in 1..=20 {
            desk.ip = format!("198.51.100.{stranger}").parse().unwrap();
            refused += u32::from(desk.try_log_in(ADMIN_EMAIL, "not-the-password").await.status == 429);
        }
        assert!(refused >= 10, "an account is guarded against many addresses, too: {refused}");
        desk.ip = "192.0.2.77".parse().unwrap();
        assert_eq!(desk.log_in_raw().await.status, 429, "from nowhere known one waits as the stranger does");
        let body = Some(json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}));
        let with_device = desk.call("POST", "/api/v1/auth/login", &[("cookie", &device)], body.clone()).await;
        assert_eq!(with_device.status, 200, "a browser that is known: {}", with_device.text);
        desk.ip = known;
        assert_eq!(desk.log_in_raw().await.status, 200, "a network that is known");

        // What a stranger makes up is not known, and another user's browser is not this one's.
        desk.ip = "192.0.2.78".parse().unwrap();
        let forged = format!("{device}A");
        let answer = desk.call("POST", "/api/v1/auth/login", &[("cookie", &forged)], body).await;
        assert_eq!(answer.status, 429, "{}", answer.text);
    });
}

/// Notes all work that a login costs: statements, limits and hashes.
struct Noted {
    work: Rc<RefCell<Vec<String>>>,
    db: Rc<dyn Database>,
    compute: Rc<dyn Compute>,
    limiter: Rc<dyn Limiter>,
}

#[async_trait(?Send)]
impl Database for Noted {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.work.borrow_mut().extend(statements.iter().map(|statement| statement.sql.to_owned()));
        self.db.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.work.borrow_mut().extend(statements.iter().map(|statement| statement.sql.to_owned()));
        self.db.batch(statements).await
    }
}

#[async_trait(?Send)]
impl Compute for Noted {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        self.work.borrow_mut().push("hash".to_owned());
        self.compute.run(work).await
    }
}

#[async_trait(?Send)]
impl Limiter for Noted {
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict> {
        self.work.borrow_mut().push("limit".to_owned());
        self.limiter.take(key, cost, rule).await
    }
}

#[test]
fn an_account_that_is_there_and_one_that_is_not_cost_the_same_work() {
    run(async {
        let desk = Desk::new(LIMITED).await;
        let work: Rc<RefCell<Vec<String>>> = Rc::default();
        let ports = frontdesk_testkit::ports(desk.world.ctx());
        let noted = || Noted {
            work: Rc::clone(&work),
            db: Rc::clone(&ports.db),
            compute: Rc::clone(&ports.compute),
            limiter: Rc::clone(&ports.limiter),
        };
        let (db, compute, limiter) = (Rc::new(noted()), Rc::new(noted()), Rc::new(noted()));
        let ctx =
            Ctx::new(Rc::new(Ports { db, compute, limiter, ..frontdesk_testkit::ports(desk.world.ctx()) }));
        // What is read once for all callers is read before.
        assert!(
            auth::login(&ctx, "a@b.example", "not-the-password", None, &LoginFrom::default()).await.is_err()
        );
        let mut costs = Vec::new();
        for (email, password) in [
            (ADMIN_EMAIL, "not-the-password"),
            ("nobody@camomile.example", "not-the-password"),
            ("nonsense", "not-the-password"),
            (ADMIN_EMAIL, ""),
        ] {
            work.borrow_mut().clear();
            assert!(auth::login(&ctx, email, password, None, &LoginFrom::default()).await.is_err());
            costs.push(work.borrow().clone());
        }
        assert!(costs[0].iter().any(|step| step == "hash") && costs[0].iter().any(|step| step == "limit"));
        for cost in &costs {
            assert_eq!(cost, &costs[0]);
        }
    });
}

#[test]
fn what_registering_leaves_holds_no_secret() {
    run(async {
        let desk = Desk::new(OPEN).await;
        let new = NewAccount {
            organisation: "Tulip",
            name: "Olga",
            email: "olga@tulip.example",
            password: "violet-harbour-19",
        };
        let session = auth::register(desk.world.ctx(), new, &LoginFrom::default()).await.unwrap();
        let token = invited(&desk, &session.access_token, "x@tulip.example", "viewer").await;
        let refresh = session.refresh_token.expose_secret();
        for table in ["users", "logins", "invites", "audit", "members"] {
            let sql: &'static str = match table {
                "users" => "SELECT group_concat(password_hash || email || name) FROM users",
                "logins" => "SELECT group_concat(token_hash || coalesce(client, '')) FROM logins",
                "invites" => "SELECT group_concat(id || email || role) FROM invites",
                "audit" => "SELECT group_concat(detail || target || actor) FROM audit",
                _ => "SELECT group_concat(user_id || role) FROM members",
            };
            let text = desk.rows(sql).await[0].text(0).unwrap().to_owned();
            let secrets = ["violet-harbour-19", refresh, token.as_str()];
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{table}: {text}");
        }
    });
}

#[test]
fn behind_a_trusted_proxy_each_client_is_counted_for_itself() {
    run(async {
        for (proxies, refused) in [("10.0.0.0/8", false), ("10.1.0.0/16", true)] {
            let mut desk = Desk::new(&[("RATE_LIMIT_STORE", "memory"), ("TRUSTED_PROXIES", proxies)]).await;
            desk.ip = "10.0.0.1".parse().unwrap();
            let log_in = async |client: &str| {
                let body = json!({"email": "nobody@camomile.example", "password": "not-the-password"});
                let told = format!("198.51.100.1, {client}, 10.0.0.2");
                let headers = [("x-forwarded-for", told.as_str())];
                desk.call("POST", "/api/v1/auth/login", &headers, Some(body)).await.status.as_u16()
            };
            while log_in("203.0.113.8").await != 429 {}
            let body = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
            let headers = [("x-forwarded-for", "203.0.113.9")];
            let neighbour = desk.call("POST", "/api/v1/auth/login", &headers, Some(body)).await;
            assert_eq!(neighbour.status == 429, refused, "{proxies}: {}", neighbour.text);
        }
    });
}

#[test]
fn every_answer_of_a_deployment_behind_tls_tells_browsers_to_stay_there() {
    run(async {
        let desk = Desk::new(&[]).await;
        for (method, path) in [("GET", "/health/live"), ("OPTIONS", "/api/v1/me"), ("GET", "/api/v1/none")] {
            let answer = desk.call(method, path, &[], None).await;
            assert_eq!(answer.header("strict-transport-security"), "max-age=31536000", "{method} {path}");
        }
        let plain = Desk::new(&[("PUBLIC_URL", "http://desk.example")]).await;
        let answer = plain.call("GET", "/health/live", &[], None).await;
        assert_eq!(answer.header("strict-transport-security"), "");
    });
}
