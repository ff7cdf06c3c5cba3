use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::auth::{self, LoginFrom, NewUser};
use frontdesk_domain::scope::Role;
use frontdesk_local::Overrides;
use frontdesk_local::host::Wrap;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, World, run};
use frontdesk_ports::{Ctx, Ports, Statement};
use frontdesk_testkit::{Fault, FaultyDatabase, ManualClock, ports};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::client::Desk;

#[test]
fn a_login_gives_a_token_that_says_who_one_is() {
    run(async {
        let desk = Desk::new(&[]).await;
        let login = desk.log_in().await;
        assert_eq!(login.body["expires_in"], 900);
        let cookie = login.header("set-cookie");
        for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/api/v1/auth"] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        let me = desk.get("/api/v1/me", login.body["access_token"].as_str().unwrap()).await;
        assert_eq!(me.status, 200);
        assert_eq!(me.body["user"]["email"], ADMIN_EMAIL);
        assert_eq!(me.body["user"]["role"], "owner");
        assert_eq!(me.body["organisation"]["name"], "Camomile");
        let upper = desk.try_log_in(&ADMIN_EMAIL.to_uppercase(), ADMIN_PASSWORD).await;
        assert_eq!(upper.status, 200, "the address is not case-sensitive");
    });
}

#[test]
fn a_wrong_password_an_unknown_address_and_a_disabled_user_are_the_same_answer() {
    run(async {
        let desk = Desk::new(&[]).await;
        let wrong = desk.try_log_in(ADMIN_EMAIL, "not-the-password").await;
        let unknown = desk.try_log_in("nobody@camomile.example", ADMIN_PASSWORD).await;
        let nonsense = desk.try_log_in("nonsense", "").await;
        desk.world
            .ctx()
            .db
            .batch(vec![Statement::new("UPDATE members SET disabled_at = 1, changed_at = 4102444800000")])
            .await
            .unwrap();
        let disabled = desk.try_log_in(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        for answer in [&wrong, &unknown, &nonsense, &disabled] {
            assert_eq!(answer.status, 401, "{}", answer.text);
            assert_eq!(answer.body["detail"], wrong.body["detail"]);
            assert_eq!(answer.header("set-cookie"), "");
        }
    });
}

#[test]
fn a_token_ends_after_fifteen_minutes_and_is_renewed_by_the_cookie() {
    run(async {
        let desk = Desk::new(&[]).await;
        let login = desk.log_in().await;
        let token = login.body["access_token"].as_str().unwrap();
        desk.clock.advance(Duration::from_secs(15 * 60 - 1));
        assert_eq!(desk.get("/api/v1/me", token).await.status, 200);
        desk.clock.advance(Duration::from_secs(1));
        assert_eq!(desk.get("/api/v1/me", token).await.status, 401);
        let renewed = desk.refresh(&login.cookie()).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text);
        assert_eq!(desk.get("/api/v1/me", renewed.body["access_token"].as_str().unwrap()).await.status, 200);
        assert_ne!(renewed.cookie(), login.cookie());
    });
}

#[test]
fn a_refresh_token_that_is_used_again_later_ends_its_login_and_no_other() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (stolen, other) = (desk.log_in().await, desk.log_in().await);
        let thief = desk.refresh(&stolen.cookie()).await;
        assert_eq!(thief.status, 200);
        desk.clock.advance(Duration::from_millis(10_001));
        assert_eq!(desk.refresh(&stolen.cookie()).await.status, 401, "the owner comes second");
        assert_eq!(desk.refresh(&thief.cookie()).await.status, 401, "the thief's token is gone, too");
        assert_eq!(desk.refresh(&other.cookie()).await.status, 200);
        let reused = desk.rows("SELECT count(*) FROM audit WHERE action = 'login.reused'").await;
        assert_eq!(reused[0].int(0), Ok(1));
    });
}

/// How often logins were ended because a token was used again.
async fn reused(desk: &Desk) -> i64 {
    let rows = desk.rows("SELECT count(*) FROM audit WHERE action = 'login.reused'").await;
    rows[0].int(0).unwrap()
}

#[test]
fn two_tabs_that_renew_at_once_both_stay_logged_in() {
    run(async {
        let desk = Desk::new(&[]).await;
        let cookie = desk.log_in().await.cookie();
        let renewals = futures_util::future::join_all((0..5).map(|_| desk.refresh(&cookie))).await;
        for renewal in &renewals {
            assert_eq!(renewal.status, 200, "{}", renewal.text);
            assert_eq!(renewal.cookie(), renewals[0].cookie(), "each has the same successor");
            let token = renewal.body["access_token"].as_str().unwrap();
            assert_eq!(desk.get("/api/v1/me", token).await.status, 200);
        }
        let next = desk.refresh(&renewals[0].cookie()).await;
        assert_eq!(next.status, 200);
        assert_ne!(next.cookie(), renewals[0].cookie());
        assert_eq!(reused(&desk).await, 0);
    });
}

#[test]
fn a_lost_answer_is_given_again_for_ten_seconds() {
    run(async {
        let desk = Desk::new(&[]).await;
        let cookie = desk.log_in().await.cookie();
        let lost = desk.refresh(&cookie).await;
        for seconds in [1, 4, 5] {
            desk.clock.advance(Duration::from_secs(seconds));
            let again = desk.refresh(&cookie).await;
            assert_eq!((again.status.as_u16(), again.cookie()), (200, lost.cookie()));
        }
        // Asking again does not make it longer: ten seconds are over.
        desk.clock.advance(Duration::from_millis(1));
        assert_eq!(desk.refresh(&cookie).await.status, 401);
        assert_eq!(desk.refresh(&lost.cookie()).await.status, 401);
        assert_eq!(reused(&desk).await, 1);
    });
}

#[test]
fn an_exchange_that_was_stored_and_not_answered_is_repeated() {
    run(async {
        let kept = Rc::new(OnceCell::new());
        let keep = Rc::clone(&kept);
        let wrap: Wrap =
            Box::new(move |inner| keep.get_or_init(|| Rc::new(FaultyDatabase::new(inner))).clone());
        let overrides = Overrides { database: Some(wrap), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let ctx = world.ctx();
        let cookie = auth::login(ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &LoginFrom::default())
            .await
            .unwrap()
            .refresh_token;
        kept.get().unwrap().plan([Fault::StoredButReportedFailed, Fault::NotStored]);
        for _ in 0..2 {
            assert!(auth::refresh(ctx, cookie.expose_secret()).await.is_err());
        }
        let next = auth::refresh(ctx, cookie.expose_secret()).await.unwrap().refresh_token;
        assert!(auth::refresh(ctx, next.expose_secret()).await.is_ok());
    });
}

#[test]
fn only_the_last_exchange_is_repeated() {
    run(async {
        let desk = Desk::new(&[]).await;
        let first = desk.log_in().await.cookie();
        let second = desk.refresh(&first).await.cookie();
        let third = desk.refresh(&second).await.cookie();
        assert_eq!(desk.refresh(&first).await.status, 401, "it is two exchanges old, however young");
        assert_eq!(desk.refresh(&third).await.status, 401, "and ends the login");
        assert_eq!(reused(&desk).await, 1);
    });
}

#[test]
fn processes_whose_clocks_differ_by_seconds_repeat_each_others_exchanges() {
    run(async {
        let desk = Desk::new(&[]).await;
        // Another process on the same database: nothing but it is shared, and its clock is behind.
        let behind = ManualClock::at(desk.world.ctx().clock.now().before(Duration::from_secs(9)));
        let ports =
            Ports { clock: Rc::new(behind.clone()), caches: Rc::default(), ..ports(desk.world.ctx()) };
        let other = Ctx::new(Rc::new(ports));
        let cookie = desk.log_in().await.cookie();
        let here = desk.refresh(&cookie).await.cookie();
        let there = auth::refresh(&other, &cookie).await.unwrap();
        assert_eq!(there.refresh_token.expose_secret(), here);
        // Back by more than that, and it cannot be the same moment.
        behind.set(desk.world.ctx().clock.now().before(Duration::from_secs(11)));
        assert!(auth::refresh(&other, &cookie).await.is_err());
    });
}

#[test]
fn a_login_that_was_ended_or_whose_user_was_disabled_repeats_nothing() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (out, disabled) = (desk.log_in().await.cookie(), desk.log_in().await.cookie());
        let next = desk.refresh(&out).await.cookie();
        desk.refresh(&disabled).await;
        auth::logout(desk.world.ctx(), Some(&next)).await.unwrap();
        assert_eq!(desk.refresh(&out).await.status, 401);
        desk.world
            .ctx()
            .db
            .batch(vec![Statement::new("UPDATE members SET disabled_at = 1, changed_at = 4102444800000")])
            .await
            .unwrap();
        assert_eq!(desk.refresh(&disabled).await.status, 401);
        assert_eq!(reused(&desk).await, 0);
    });
}

#[test]
fn an_invented_refresh_token_ends_nothing() {
    run(async {
        let desk = Desk::new(&[]).await;
        let cookie = desk.log_in().await.cookie();
        let (body, _) = cookie.rsplit_once('.').unwrap();
        for invented in
            [format!("{body}.AAAA"), format!("{body}x.{body}"), "x".into(), "a.b.c.d".into(), "é".into()]
        {
            assert_eq!(desk.refresh(&invented).await.status, 401);
        }
        assert_eq!(desk.refresh(&cookie).await.status, 200);
    });
}

#[test]
fn logging_out_ends_the_login_and_takes_the_cookie() {
    run(async {
        let desk = Desk::new(&[]).await;
        let cookie = desk.log_in().await.cookie();
        let header = format!("fd_refresh={cookie}");
        let headers = [("cookie", header.as_str()), ("origin", "https://desk.example")];
        let out = desk.call("POST", "/api/v1/auth/logout", &headers, None).await;
        assert_eq!(out.status, 204);
        assert!(out.header("set-cookie").contains("Max-Age=0"));
        assert_eq!(desk.refresh(&cookie).await.status, 401);
        assert_eq!(desk.call("POST", "/api/v1/auth/logout", &headers, None).await.status, 204);
    });
}

#[test]
fn a_login_that_is_not_used_for_thirty_days_ends_and_any_login_ends_after_ninety() {
    run(async {
        let desk = Desk::new(&[]).await;
        let day = Duration::from_secs(24 * 60 * 60);
        let unused = desk.log_in().await.cookie();
        let mut used = desk.log_in().await.cookie();
        for _ in 0..4 {
            desk.clock.advance(day * 20);
            used = desk.refresh(&used).await.cookie();
        }
        assert_eq!(desk.refresh(&unused).await.status, 401);
        assert_eq!(reused(&desk).await, 0, "a login that ran out was not stolen");
        desk.clock.advance(day * 9);
        let last = desk.refresh(&used).await;
        assert_eq!(last.status, 200);
        desk.clock.advance(day * 2);
        assert_eq!(desk.refresh(&last.cookie()).await.status, 401);
    });
}

#[test]
fn another_sites_page_cannot_use_the_cookie() {
    run(async {
        let desk = Desk::new(&[("ALLOWED_ORIGINS", "https://console.example")]).await;
        let mut cookie = desk.log_in().await.cookie();
        for (origin, fetch_site, expected) in [
            (Some("https://evil.example"), None, 403),
            (Some("https://evil.example"), Some("cross-site"), 403),
            (Some("https://desk.example"), Some("cross-site"), 403),
            (Some("http://desk.example"), None, 403),
            (Some("ftp://desk.example"), None, 403),
            (Some("https://desk.example:8443"), None, 403),
            (Some("null"), None, 403),
            (None, None, 403),
            (Some("https://desk.example"), Some("same-origin"), 200),
            (Some("https://console.example"), Some("same-site"), 200),
        ] {
            let header = format!("fd_refresh={cookie}");
            let mut headers = vec![("cookie", header.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            headers.extend(fetch_site.map(|site| ("sec-fetch-site", site)));
            let answer = desk.call("POST", "/api/v1/auth/refresh", &headers, None).await;
            assert_eq!(answer.status, expected, "{origin:?} {fetch_site:?}");
            if expected == 200 {
                cookie = answer.cookie();
            }
        }
    });
}

#[test]
fn a_name_that_others_let_point_here_is_not_this_deployments() {
    run(async {
        for (public, host, origin, expected) in [
            // What it was told counts, and not under which name it was asked.
            ("https://desk.example", "evil.example", "https://evil.example", 403),
            ("https://desk.example", "evil.example", "https://desk.example", 200),
            // Nothing told: an address is one, a name could be anybody's.
            ("", "127.0.0.1:8787", "http://127.0.0.1:8787", 200),
            ("", "localhost:8787", "http://localhost:8787", 200),
            ("", "localhost:8787", "http://localhost:5173", 403),
            ("", "localhost:8787", "https://localhost:8787", 403),
            ("", "evil.example:8787", "http://evil.example:8787", 403),
        ] {
            let desk = Desk::new(&[("PUBLIC_URL", public)]).await;
            let cookie = format!("fd_refresh={}", desk.log_in().await.cookie());
            let headers = [("cookie", cookie.as_str()), ("origin", origin)];
            let answer = desk.call_at(host, "POST", "/api/v1/auth/refresh", &headers, None).await;
            assert_eq!(answer.status, expected, "{public} {host} {origin}");
            // A visitor's session is begun by the same rule, or from the site's pages.
            let site_key = desk.world.site().await.unwrap().site_key;
            let begin = Some(json!({ "site_key": site_key }));
            let answer =
                desk.call_at(host, "POST", "/api/v1/widget/sessions", &[("origin", origin)], begin).await;
            let expected = if expected == 200 { 201 } else { 403 };
            assert_eq!(answer.status, expected, "{public} {host} {origin}");
        }
    });
}

#[test]
fn a_token_of_the_wrong_kind_is_none_and_a_role_that_is_too_low_is_told() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (_, visitor) = desk.world.visitor().await.unwrap();
        assert_eq!(desk.get("/api/v1/settings", &visitor).await.status, 401);
        assert_eq!(desk.get("/api/v1/me", &visitor).await.status, 401);
        assert_eq!(desk.get("/api/v1/me", "").await.status, 401);
        assert_eq!(desk.get("/api/v1/me", &"a.".repeat(5_000)).await.status, 401);
        assert!(auth::verify_visitor_token(desk.world.ctx(), &desk.token().await).is_err());

        let org = desk.world.site().await.unwrap().org;
        let viewer = NewUser {
            name: "Vera",
            email: "vera@camomile.example",
            password: "violet-harbour-19",
            role: Role::Viewer,
        };
        auth::create_user(desk.world.ctx(), org, viewer).await.unwrap();
        let login = desk.try_log_in("vera@camomile.example", "violet-harbour-19").await;
        let token = login.body["access_token"].as_str().unwrap();
        assert_eq!(desk.get("/api/v1/settings", token).await.status, 200);
        assert_eq!(desk.patch(token, 0, json!({"maintenance": true})).await.status, 403);
    });
}

#[test]
fn a_token_signed_with_another_secret_or_changed_is_refused() {
    run(async {
        let desk = Desk::new(&[]).await;
        let other = Desk::new(&[("JWT_SECRET", "f05e6a2b9c1d48370e8f5b6a7c2d91e4083b")]).await;
        let foreign = other.token().await;
        assert_eq!(desk.get("/api/v1/me", &foreign).await.status, 401);
        let token = desk.token().await;
        let mut parts: Vec<&str> = token.split('.').collect();
        let foreign: Vec<&str> = foreign.split('.').collect();
        parts[1] = foreign[1];
        assert_eq!(desk.get("/api/v1/me", &parts.join(".")).await.status, 401);
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", token.split('.').nth(1).unwrap());
        assert_eq!(desk.get("/api/v1/me", &unsigned).await.status, 401);
    });
}

#[test]
fn an_administrator_needs_a_good_password_and_an_address_of_its_own() {
    run(async {
        let desk = Desk::new(&[]).await;
        let org = desk.world.site().await.unwrap().org;
        let ctx = desk.world.ctx();
        assert!(auth::create_admin(ctx, org, "new@camomile.example", "password123").await.is_err());
        assert!(auth::create_admin(ctx, org, "nonsense", "violet-harbour-19").await.is_err());
        assert!(auth::create_admin(ctx, org, ADMIN_EMAIL, "violet-harbour-19").await.is_err());
        assert!(auth::create_admin(ctx, org, "new@camomile.example", "violet-harbour-19").await.is_ok());
    });
}

#[test]
fn no_secret_is_stored_as_it_is() {
    run(async {
        let desk = Desk::new(&[]).await;
        let login = desk.log_in().await;
        let rows = desk.rows("SELECT password_hash FROM users UNION ALL SELECT token_hash FROM logins").await;
        for row in rows {
            let stored = row.text(0).unwrap();
            assert!(
                !stored.contains(ADMIN_PASSWORD)
                    && !login.cookie().contains(stored)
                    && !stored.contains(&login.cookie())
            );
        }
        let hashes = desk.rows("SELECT password_hash FROM users").await;
        assert!(hashes[0].text(0).unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    });
}
