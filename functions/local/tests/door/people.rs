//! People: accounts, organisations, members, invitations.

use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::auth::{self, LoginFrom};
use frontdesk_app::jobs;
use frontdesk_domain::id::OrgId;
use frontdesk_local::testing::run;
use frontdesk_ports::{Ctx, Ports, Row, Statement};
use serde_json::{Value, json};

use crate::client::{Answer, Desk};

pub const OPEN: &[(&str, &str)] = &[("REGISTRATION", "open")];
pub const QUIET: &[(&str, &str)] = &[];
pub const VERA: (&str, &str) = ("vera@camomile.example", "saucer-lamp-31-meadow");

pub async fn with(desk: &Desk, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
    desk.call(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
}

pub fn access(answer: &Answer) -> String {
    answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

pub async fn invited(desk: &Desk, token: &str, email: &str, role: &str) -> String {
    let made = desk.post("/api/v1/members/invites", token, json!({"email": email, "role": role})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["accept_url"].as_str().unwrap().split_once('#').unwrap().1.to_owned()
}

pub async fn accept(desk: &Desk, token: &str, name: &str, password: &str) -> Answer {
    let body = json!({"token": token, "name": name, "password": password});
    desk.call("POST", "/api/v1/auth/invites/accept", &[], Some(body)).await
}

/// Vera, a member with this role.
pub async fn vera(desk: &Desk, role: &str) -> Answer {
    let token = invited(desk, &desk.token().await, VERA.0, role).await;
    let answer = accept(desk, &token, "Vera", VERA.1).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

pub fn id(answer: &Answer) -> String {
    answer.body["user"]["id"].as_str().unwrap().to_owned()
}

pub async fn register(desk: &Desk, organisation: &str, email: &str, password: &str) -> Answer {
    let body = json!({"organisation": organisation, "name": "Olga", "email": email, "password": password});
    desk.call("POST", "/api/v1/auth/register", &[], Some(body)).await
}

#[test]
fn nobody_registers_where_registration_is_not_open() {
    run(async {
        for vars in [&[][..], &[("REGISTRATION", "invite")], &[("REGISTRATION", "closed")]] {
            let desk = Desk::new(vars).await;
            let answer = register(&desk, "Tulip", "olga@tulip.example", "violet-harbour-19").await;
            assert_eq!(answer.status, 403, "{}", answer.text);
        }
    });
}

#[test]
fn who_registers_owns_an_organisation_with_a_project_and_sees_no_other() {
    run(async {
        let desk = Desk::new(OPEN).await;
        let olga = register(&desk, " Tulip   Ltd ", "Olga@Tulip.example", "violet-harbour-19").await;
        assert_eq!(olga.status, 201, "{}", olga.text);
        assert_eq!(olga.body["organisation"]["name"], "Tulip Ltd");
        assert_eq!(olga.body["user"]["role"], "owner");
        assert_eq!(olga.body["user"]["email"], "olga@tulip.example");
        let token = access(&olga);
        let projects = desk.get("/api/v1/projects", &token).await;
        assert_eq!(projects.body["items"].as_array().unwrap().len(), 1, "{}", projects.text);
        assert_eq!(desk.get("/api/v1/sites", &token).await.body["items"], json!([]));
        let members = desk.get("/api/v1/members", &token).await;
        assert_eq!(members.body["items"].as_array().unwrap().len(), 1);
        let admin = id(&desk.log_in().await);
        for (method, body) in [("PATCH", Some(json!({"disabled": true}))), ("DELETE", None)] {
            let theirs = with(&desk, method, &format!("/api/v1/members/{admin}"), &token, body.clone()).await;
            let none =
                with(&desk, method, "/api/v1/members/user_01h455vb4pex5vsknk084sn02q", &token, body).await;
            assert_eq!((theirs.status.as_u16(), none.status.as_u16()), (404, 404));
            assert_eq!(theirs.body["detail"], none.body["detail"]);
        }
    });
}

#[test]
fn a_person_founds_a_second_organisation_with_the_password_it_has() {
    run(async {
        let desk = Desk::new(OPEN).await;
        register(&desk, "Tulip", "olga@tulip.example", "violet-harbour-19").await;
        let wrong = register(&desk, "Rose", "olga@tulip.example", "another-harbour-20").await;
        assert_eq!(wrong.status, 401, "{}", wrong.text);
        let second = register(&desk, "Rose", "OLGA@tulip.example", "violet-harbour-19").await;
        assert_eq!(second.status, 201, "{}", second.text);
        let names: Vec<&str> = second.body["organisations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|organisation| organisation["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Tulip", "Rose"]);
        assert_eq!(desk.rows("SELECT id FROM users WHERE email LIKE 'olga%'").await.len(), 1);
    });
}

#[test]
fn every_field_that_is_wrong_is_named() {
    run(async {
        let desk = Desk::new(OPEN).await;
        let body = json!({"organisation": "\u{202e}pihsrenwo", "name": " \u{200b} ", "email": "аnna@camomile.example", "password": "password123"});
        let answer = desk.call("POST", "/api/v1/auth/register", &[], Some(body)).await;
        assert_eq!(answer.status, 422);
        let named: Vec<&str> = answer.body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(named, ["/organisation", "/email", "/name", "/password"]);
        let long = register(&desk, "Tulip", "olga@tulip.example", &"aB3$".repeat(65)).await;
        assert_eq!(long.body["errors"][0]["pointer"], "/password", "{}", long.text);
        let huge = register(&desk, "Tulip", "olga@tulip.example", &"aB3$".repeat(2_500_000)).await;
        assert_eq!(huge.status, 413, "{}", huge.text);
        let unknown = json!({"organisation": "T", "name": "O", "email": "o@t.example", "password": "violet-harbour-19", "role": "owner"});
        let answer = desk.call("POST", "/api/v1/auth/register", &[], Some(unknown)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
            (422, Some("/role"))
        );
    });
}

#[test]
fn an_invitation_makes_a_member_once() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let token = invited(&desk, &admin, " Vera@Camomile.Example", "operator").await;
        let open = desk.get("/api/v1/members/invites", &admin).await;
        assert_eq!(open.body["items"][0]["email"], VERA.0);
        assert!(!open.text.contains(&token) && !open.text.contains("accept_url"), "the link is shown once");
        let weak = accept(&desk, &token, "Vera", "vera@camomile").await;
        assert_eq!(
            (weak.status.as_u16(), weak.body["errors"][0]["pointer"].as_str()),
            (422, Some("/password"))
        );
        let vera = accept(&desk, &token, "Vera", VERA.1).await;
        assert_eq!(vera.status, 200, "{}", vera.text);
        assert_eq!(vera.body["user"]["role"], "operator");
        assert_eq!(vera.body["organisation"]["name"], "Camomile");
        let again = accept(&desk, &token, "Vera", VERA.1).await;
        assert_eq!(again.status, 409, "{}", again.text);
        assert_eq!(desk.get("/api/v1/members/invites", &admin).await.body["items"], json!([]));
        let member =
            desk.post("/api/v1/members/invites", &admin, json!({"email": VERA.0, "role": "viewer"})).await;
        assert_eq!(member.status, 409, "{}", member.text);
        assert_eq!(desk.try_log_in(VERA.0, VERA.1).await.status, 200);
        assert_eq!(desk.get("/api/v1/settings", &access(&vera)).await.status, 200);
        assert_eq!(
            with(&desk, "PATCH", "/api/v1/settings", &access(&vera), Some(json!({}))).await.status,
            403
        );
    });
}

#[test]
fn two_who_accept_one_invitation_at_once_are_one_member() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let token = invited(&desk, &desk.token().await, VERA.0, "operator").await;
        let caller = LoginFrom::default();
        let ctx = desk.world.ctx();
        let both = futures_util::future::join(
            auth::invites::accept(ctx, &token, "Vera", VERA.1, &caller),
            auth::invites::accept(ctx, &token, "Not Vera", "another-harbour-20", &caller),
        );
        let (one, other) = both.await;
        assert_ne!(one.is_ok(), other.is_ok());
        assert_eq!(desk.rows("SELECT 1 FROM users WHERE email = 'vera@camomile.example'").await.len(), 1);
        assert_eq!(desk.rows("SELECT 1 FROM members").await.len(), 2);
    });
}

#[test]
fn an_invitation_that_ran_out_was_taken_back_or_replaced_or_was_not_made_here_opens_nothing() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let replaced = invited(&desk, &admin, VERA.0, "owner").await;
        let late = invited(&desk, &admin, VERA.0, "viewer").await;
        let first = accept(&desk, &replaced, "Vera", VERA.1).await;
        assert_eq!(first.status, 409, "{}", first.text);
        desk.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
        let ran_out = accept(&desk, &late, "Vera", VERA.1).await;
        assert_eq!(ran_out.status, 409, "{}", ran_out.text);
        assert!(ran_out.text.contains("run out"), "{}", ran_out.text);
        let admin = desk.token().await;
        let token = invited(&desk, &admin, VERA.0, "viewer").await;
        let open = desk.get("/api/v1/members/invites", &admin).await;
        let path = format!("/api/v1/members/invites/{}", open.body["items"][0]["id"].as_str().unwrap());
        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 204);
        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 404);
        assert_eq!(accept(&desk, &token, "Vera", VERA.1).await.status, 409);
        let mut forged = token.clone();
        forged.pop();
        forged.push(if token.ends_with('A') { 'E' } else { 'A' });
        for none in [forged.as_str(), "", "a.b.c", &"x".repeat(600)] {
            assert_eq!(accept(&desk, none, "Vera", VERA.1).await.status, 404, "{none}");
        }
        assert_eq!(desk.rows("SELECT 1 FROM members").await.len(), 1);
    });
}

#[test]
fn an_account_that_is_there_joins_with_its_own_password_and_chooses_where_to_work() {
    run(async {
        let desk = Desk::new(OPEN).await;
        let olga = register(&desk, "Tulip", "olga@tulip.example", "violet-harbour-19").await;
        let token = invited(&desk, &desk.token().await, "olga@tulip.example", "admin").await;
        assert_eq!(accept(&desk, &token, "Olga", "another-harbour-20").await.status, 401);
        let joined = accept(&desk, &token, "Not Olga", "violet-harbour-19").await;
        assert_eq!(joined.status, 200, "{}", joined.text);
        assert_eq!(joined.body["user"]["name"], "Olga", "the account stays as it is");
        assert_eq!(joined.body["organisation"]["name"], "Camomile");
        assert_eq!(joined.body["organisations"].as_array().unwrap().len(), 2);
        let (camomile, tulip) =
            (joined.body["organisation"]["id"].clone(), olga.body["organisation"]["id"].clone());

        let switch = async |cookie: &str, organisation: &Value| {
            let cookie = format!("fd_refresh={cookie}");
            let headers = [("cookie", cookie.as_str()), ("origin", "https://desk.example")];
            let body = json!({"organisation": organisation});
            desk.call("POST", "/api/v1/auth/switch", &headers, Some(body)).await
        };
        let there = switch(&olga.cookie(), &camomile).await;
        assert_eq!(
            (there.status.as_u16(), &there.body["organisation"]["id"]),
            (200, &camomile),
            "{}",
            there.text
        );
        assert_eq!(there.body["user"]["role"], "admin");
        let settings = desk.get("/api/v1/members", &access(&there)).await;
        assert_eq!(settings.body["items"].as_array().unwrap().len(), 2);
        let stays = desk.refresh(&there.cookie()).await;
        assert_eq!(stays.body["organisation"]["id"], camomile, "a renewal stays where one is");

        let stranger = OrgId::new(desk.world.ctx().clock.now(), [9; 10]);
        let refused = switch(&stays.cookie(), &json!(stranger)).await;
        assert_eq!(refused.status, 404, "{}", refused.text);
        let back = switch(&stays.cookie(), &tulip).await;
        assert_eq!(
            (back.status.as_u16(), &back.body["organisation"]["id"]),
            (200, &tulip),
            "the token stayed valid"
        );
        // Another tab has exchanged the token a moment ago.
        let other_tab = desk.refresh(&back.cookie()).await;
        let again = switch(&back.cookie(), &camomile).await;
        assert_eq!(
            (again.status.as_u16(), &again.body["organisation"]["id"]),
            (200, &camomile),
            "{}",
            again.text
        );
        assert_eq!(again.cookie(), other_tab.cookie());
        assert_eq!(desk.refresh(&again.cookie()).await.body["organisation"]["id"], camomile);
        let body =
            json!({"email": "olga@tulip.example", "password": "violet-harbour-19", "organisation": camomile});
        let login = desk.call("POST", "/api/v1/auth/login", &[], Some(body)).await;
        assert_eq!(login.body["organisation"]["id"], camomile);
        let body =
            json!({"email": "olga@tulip.example", "password": "violet-harbour-19", "organisation": stranger});
        assert_eq!(desk.call("POST", "/api/v1/auth/login", &[], Some(body)).await.status, 404);
        let foreign = desk
            .call(
                "POST",
                "/api/v1/auth/switch",
                &[("cookie", &format!("fd_refresh={}", back.cookie()))],
                Some(json!({"organisation": camomile})),
            )
            .await;
        assert_eq!(foreign.status, 403, "without an Origin: {}", foreign.text);
    });
}

#[test]
fn no_member_acts_above_itself() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let owner = id(&desk.log_in().await);
        let vera = access(&vera(&desk, "admin").await);
        let above = desk
            .post("/api/v1/members/invites", &vera, json!({"email": "x@y.example", "role": "owner"}))
            .await;
        assert_eq!(
            (above.status.as_u16(), above.body["errors"][0]["pointer"].as_str()),
            (422, Some("/role"))
        );
        for body in [json!({"role": "viewer"}), json!({"disabled": true})] {
            let answer = with(&desk, "PATCH", &format!("/api/v1/members/{owner}"), &vera, Some(body)).await;
            assert_eq!(answer.status, 403, "{}", answer.text);
        }
        assert_eq!(with(&desk, "DELETE", &format!("/api/v1/members/{owner}"), &vera, None).await.status, 403);
        let me = desk.get("/api/v1/me", &vera).await;
        let raise = with(
            &desk,
            "PATCH",
            &format!("/api/v1/members/{}", id(&me)),
            &vera,
            Some(json!({"role": "owner"})),
        )
        .await;
        assert_eq!(
            (raise.status.as_u16(), raise.body["errors"][0]["pointer"].as_str()),
            (422, Some("/role"))
        );
    });
}

#[test]
fn of_the_owners_one_stays() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (admin, owner) = (desk.token().await, id(&desk.log_in().await));
        let path = format!("/api/v1/members/{owner}");
        for body in [json!({"role": "admin"}), json!({"disabled": true})] {
            let alone = with(&desk, "PATCH", &path, &admin, Some(body)).await;
            assert_eq!(alone.status, 409, "{}", alone.text);
        }
        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 409);

        let vera = vera(&desk, "owner").await;
        let (hers, his) = (access(&vera), admin);
        let demote = |token: String, whom: String| {
            let desk = &desk;
            async move {
                let path = format!("/api/v1/members/{whom}");
                with(desk, "PATCH", &path, &token, Some(json!({"role": "viewer"}))).await.status.as_u16()
            }
        };
        let (one, other) = futures_util::future::join(demote(hers, owner), demote(his, id(&vera))).await;
        assert!((one == 200) != (other == 200), "{one} {other}");
        let owners = desk.rows("SELECT 1 FROM members WHERE role = 'owner'").await;
        assert_eq!(owners.len(), 1);
    });
}

#[test]
fn who_is_disabled_removed_or_has_another_role_is_out_within_five_seconds_in_every_process() {
    run(async {
        for (method, body) in [
            ("PATCH", Some(json!({"disabled": true}))),
            ("DELETE", None),
            ("PATCH", Some(json!({"role": "viewer"}))),
        ] {
            let desk = Desk::new(QUIET).await;
            let vera = vera(&desk, "operator").await;
            let (token, path) = (access(&vera), format!("/api/v1/members/{}", id(&vera)));
            assert_eq!(desk.get("/api/v1/me", &token).await.status, 200);
            // Another process has just read what is known of users.
            let ports = frontdesk_testkit::ports(desk.world.ctx());
            let ports = Ports { caches: Rc::default(), ..ports };
            let other = Ctx::new(Rc::new(ports));
            assert!(auth::authenticate(&other, &token, None).await.is_ok());
            let changed = with(&desk, method, &path, &desk.token().await, body).await;
            assert!(changed.status.is_success(), "{}", changed.text);
            assert_eq!(desk.get("/api/v1/me", &token).await.status, 401, "here at once");
            desk.clock.advance(Duration::from_secs(5));
            assert!(auth::authenticate(&other, &token, None).await.is_err(), "elsewhere within 5 s");
            let renewed = desk.refresh(&vera.cookie()).await;
            if renewed.status == 200 {
                assert_eq!(renewed.body["user"]["role"], "viewer");
                assert_eq!(desk.get("/api/v1/me", &access(&renewed)).await.status, 200);
            } else {
                assert_eq!((renewed.status.as_u16(), method), (401, method));
                assert_eq!(desk.try_log_in(VERA.0, VERA.1).await.status, 401);
            }
        }
    });
}

#[test]
fn who_is_enabled_again_comes_in_again_and_who_was_removed_can_be_invited_again() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (first, admin) = (vera(&desk, "operator").await, desk.token().await);
        let path = format!("/api/v1/members/{}", id(&first));
        let disabled = with(&desk, "PATCH", &path, &admin, Some(json!({"disabled": true}))).await;
        assert_eq!(disabled.body["disabled"], true, "{}", disabled.text);
        assert_eq!(desk.get("/api/v1/me", &access(&first)).await.status, 401);
        with(&desk, "PATCH", &path, &admin, Some(json!({"disabled": false}))).await;
        assert_eq!(desk.get("/api/v1/me", &access(&first)).await.status, 200);
        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 204);
        assert_eq!(desk.get("/api/v1/members", &admin).await.body["items"].as_array().unwrap().len(), 1);
        let token = invited(&desk, &admin, VERA.0, "viewer").await;
        let again = accept(&desk, &token, "Vera", VERA.1).await;
        assert_eq!(
            (again.status.as_u16(), again.body["user"]["role"].as_str()),
            (200, Some("viewer")),
            "{}",
            again.text
        );
    });
}

#[test]
fn where_registration_is_closed_an_invitation_is_for_those_who_have_an_account() {
    run(async {
        let desk = Desk::new(&[("REGISTRATION", "closed")]).await;
        let token = invited(&desk, &desk.token().await, VERA.0, "operator").await;
        let refused = accept(&desk, &token, "Vera", VERA.1).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        assert_eq!(desk.rows("SELECT 1 FROM members").await.len(), 1);
    });
}

#[test]
fn a_release_that_is_rolled_back_lets_in_whom_this_one_does() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let vera = vera(&desk, "admin").await;
        let as_before = "SELECT role, disabled_at IS NULL FROM users WHERE email = 'vera@camomile.example'";
        let told = |rows: Vec<Row>| (rows[0].text(0).unwrap().to_owned(), rows[0].int(1).unwrap());
        assert_eq!(told(desk.rows(as_before).await), ("admin".to_owned(), 1));
        let path = format!("/api/v1/members/{}", id(&vera));
        with(&desk, "PATCH", &path, &desk.token().await, Some(json!({"role": "viewer"}))).await;
        assert_eq!(told(desk.rows(as_before).await), ("viewer".to_owned(), 1));
        with(&desk, "DELETE", &path, &desk.token().await, None).await;
        assert_eq!(told(desk.rows(as_before).await).1, 0);
    });
}

#[test]
fn what_a_member_made_to_let_others_in_ends_with_what_it_may_do() {
    run(async {
        for (body, left) in [
            (Some(json!({"disabled": true})), [404, 404]),
            (None, [404, 404]),
            (Some(json!({"role": "viewer"})), [404, 404]),
            (Some(json!({"role": "admin"})), [404, 204]),
        ] {
            let desk = Desk::new(QUIET).await;
            let (owner, admin) = (vera(&desk, "owner").await, desk.token().await);
            let mut paths = Vec::new();
            for role in ["owner", "operator"] {
                let key = json!({"name": role, "role": role});
                let key = desk.post("/api/v1/api-keys", &access(&owner), key).await;
                paths.push(format!("/api/v1/api-keys/{}", key.body["id"].as_str().unwrap()));
                let email = format!("{role}@camomile.example");
                let token = invited(&desk, &access(&owner), &email, role).await;
                paths.push(token);
            }
            let path = format!("/api/v1/members/{}", id(&owner));
            let method = if body.is_some() { "PATCH" } else { "DELETE" };
            let changed = with(&desk, method, &path, &admin, body.clone()).await;
            assert!(changed.status.is_success(), "{}", changed.text);
            let told = desk.rows("SELECT detail FROM audit WHERE action = 'member.made_ended'").await;
            let told: Value = serde_json::from_str(told[0].text(0).unwrap()).unwrap();
            let ended = left.iter().filter(|status| **status == 404).count();
            for kind in ["invites", "api_keys"] {
                assert_eq!(told[kind].as_array().unwrap().len(), ended, "{told}");
            }
            for (pair, left) in paths.chunks(2).zip(left) {
                let key = with(&desk, "DELETE", &pair[0], &admin, None).await;
                assert_eq!(key.status, left, "{body:?} {}", pair[0]);
                let accepted = accept(&desk, &pair[1], "Ghost", "violet-harbour-19").await;
                let wanted = if left == 204 { 200 } else { 409 };
                assert_eq!(accepted.status, wanted, "{body:?}: {}", accepted.text);
            }
        }
    });
}

#[test]
fn an_invitation_that_is_refused_takes_none_back() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let first = invited(&desk, &admin, VERA.0, "viewer").await;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                   INSERT INTO invites (org_id, id, email, role, invited_by, created_at, expires_at)
                   SELECT org_id, id || i, i || email, role, invited_by, created_at, expires_at FROM invites, n";
        desk.world.ctx().db.batch(vec![Statement::new(sql)]).await.unwrap();
        let again = json!({"email": VERA.0, "role": "viewer"});
        assert_eq!(desk.post("/api/v1/members/invites", &admin, again).await.status, 409);
        assert_eq!(accept(&desk, &first, "Vera", VERA.1).await.status, 200, "it counts still");
    });
}

#[test]
fn who_cannot_become_a_member_is_told_why_and_uses_nothing_up() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let token = invited(&desk, &admin, VERA.0, "viewer").await;
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
                   INSERT INTO members (org_id, user_id, role, created_at, changed_at)
                   SELECT org_id, user_id || i, 'viewer', created_at, 1 FROM members, n";
        desk.world.ctx().db.batch(vec![Statement::new(sql)]).await.unwrap();
        let full = accept(&desk, &token, "Vera", VERA.1).await;
        assert_eq!(full.status, 409, "{}", full.text);
        assert!(full.text.contains("1000 members"), "{}", full.text);
        assert_eq!(desk.rows("SELECT 1 FROM users").await.len(), 1);
        let room = Statement::new("DELETE FROM members WHERE changed_at = 1");
        desk.world.ctx().db.batch(vec![room]).await.unwrap();
        assert_eq!(accept(&desk, &token, "Vera", VERA.1).await.status, 200, "it is not used up");
    });
}

#[test]
fn behind_a_trusted_proxy_a_key_counts_from_its_clients_network() {
    run(async {
        let mut desk = Desk::new(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).await;
        let new = json!({"name": "Shop", "role": "viewer", "addresses": ["203.0.113.0/24"]});
        let key = desk.post("/api/v1/api-keys", &desk.token().await, new).await;
        let auth = format!("Bearer {}", key.body["key"].as_str().unwrap());
        desk.ip = "10.0.0.1".parse().unwrap();
        for (client, status) in [("203.0.113.8", 200), ("198.51.100.8", 403)] {
            let headers = [("authorization", auth.as_str()), ("x-forwarded-for", client)];
            let answer = desk.call("GET", "/api/v1/settings", &headers, None).await;
            assert_eq!(answer.status, status, "{client}: {}", answer.text);
        }
    });
}

#[test]
fn what_an_earlier_release_made_works_when_this_one_is_back() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let removed = vera(&desk, "admin").await;
        with(&desk, "DELETE", &format!("/api/v1/members/{}", id(&removed)), &desk.token().await, None).await;
        let owner = "DELETE FROM members WHERE role = 'owner'";
        let as_before = [owner, "DELETE FROM projects", "UPDATE sites SET project_id = NULL"];
        desk.world.ctx().db.batch(as_before.map(Statement::new).to_vec()).await.unwrap();
        assert_eq!(desk.log_in_raw().await.status, 401, "it has the person and no member");
        // What a process schedules when it starts, and does every hour.
        let ctx = desk.world.ctx();
        jobs::schedule(ctx).await.unwrap();
        while jobs::run(ctx, 4).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
        let admin = desk.token().await;
        let site = desk.post("/api/v1/sites", &admin, json!({"name": "A", "origins": []})).await;
        assert_eq!(site.status, 201, "{}", site.text);
        assert_eq!(desk.try_log_in(VERA.0, VERA.1).await.status, 401, "who was removed stays out");
    });
}
