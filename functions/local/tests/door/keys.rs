//! Keys for programs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_api::{Body, Peer};
use frontdesk_app::auth;
use frontdesk_app::chat;
use frontdesk_app::policy::Via;
use frontdesk_domain::api_key::ApiKey;
use frontdesk_domain::id::ApiKeyId;
use frontdesk_local::testing::run;
use frontdesk_ports::{Ctx, Database, DbError, Ports, Rows, Statement};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::client::{Answer, Desk};

const QUIET: &[(&str, &str)] = &[];
/// A world of tests has limits where it names a store.
const LIMITED: &[(&str, &str)] = &[("RATE_LIMIT_STORE", "memory")];
const KEYS: &str = "/api/v1/api-keys";
/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

async fn with(desk: &Desk, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
    desk.call(method, path, &[("authorization", &format!("Bearer {token}"))], body).await
}

async fn made(desk: &Desk, token: &str, body: Value) -> (String, String) {
    let answer = desk.post(KEYS, token, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    (answer.body["id"].as_str().unwrap().to_owned(), answer.body["key"].as_str().unwrap().to_owned())
}

async fn key(desk: &Desk, role: &str) -> (String, String) {
    made(desk, &desk.token().await, json!({"name": "Nightly sync", "role": role})).await
}

/// Another process on the same database.
fn another(desk: &Desk) -> Ctx {
    let ports = frontdesk_testkit::ports(desk.world.ctx());
    Ctx::new(Rc::new(Ports { caches: Rc::default(), ..ports }))
}

/// What an answer says but for which request it was.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    body["request_id"] = Value::Null;
    (answer.status.as_u16(), body)
}

fn pointers(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

/// Notes the statements that are run.
struct Noted {
    statements: Rc<RefCell<Vec<String>>>,
    db: Rc<dyn Database>,
}

#[async_trait(?Send)]
impl Database for Noted {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.statements.borrow_mut().extend(statements.iter().map(|statement| statement.sql.to_owned()));
        self.db.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.statements.borrow_mut().extend(statements.iter().map(|statement| statement.sql.to_owned()));
        self.db.batch(statements).await
    }
}

/// Another process that notes what it asks the database.
fn noting(desk: &Desk) -> (Ctx, Rc<RefCell<Vec<String>>>) {
    let statements: Rc<RefCell<Vec<String>>> = Rc::default();
    let ports = frontdesk_testkit::ports(desk.world.ctx());
    let db = Rc::new(Noted { statements: Rc::clone(&statements), db: Rc::clone(&ports.db) });
    (Ctx::new(Rc::new(Ports { db, caches: Rc::default(), ..ports })), statements)
}

#[test]
fn a_key_is_a_token_with_its_role_and_is_shown_once() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let (id, key) = made(&desk, &admin, json!({"name": "  Nightly   sync ", "role": "viewer"})).await;
        assert_eq!(key.len(), 79);
        assert_eq!(key[4..30], id["key_".len()..], "its owner knows which one was found");
        assert_eq!(desk.get("/api/v1/settings", &key).await.status, 200);
        assert_eq!(desk.patch(&key, 0, json!({"maintenance": true})).await.status, 403);

        let list = desk.get(KEYS, &admin).await;
        let item = &list.body["items"][0];
        assert_eq!(
            (&item["id"], &item["name"], &item["role"]),
            (&json!(id), &json!("Nightly sync"), &json!("viewer"))
        );
        assert_eq!((&item["expires_at"], &item["addresses"]), (&Value::Null, &json!([])));
        assert_eq!(item["created_by"], desk.log_in().await.body["user"]["id"]);
        let secret = &key[30..];
        assert!(!list.text.contains(secret), "{}", list.text);
        for sql in [
            "SELECT group_concat(id || name || role || addresses || hex(hash)) FROM api_keys",
            "SELECT group_concat(actor || action || target || detail) FROM audit",
        ] {
            let stored = desk.rows(sql).await[0].text(0).unwrap().to_owned();
            assert!(stored.contains(&id) && !stored.contains(secret), "{stored}");
        }
        let (_, admins) = made(&desk, &admin, json!({"name": "Deploys", "role": "admin"})).await;
        assert_eq!(desk.patch(&admins, 0, json!({"maintenance": true})).await.status, 200);
    });
}

#[test]
fn a_key_has_no_role_above_its_makers_and_every_field_that_is_wrong_is_named() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let email = "vera@camomile.example";
        let body = json!({"email": email, "role": "admin"});
        let invite = desk.post("/api/v1/members/invites", &admin, body).await;
        let token = invite.body["accept_url"].as_str().unwrap().split_once('#').unwrap().1;
        let body = json!({"token": token, "name": "Vera", "password": "saucer-lamp-31-meadow"});
        let vera = desk.call("POST", "/api/v1/auth/invites/accept", &[], Some(body)).await;
        let vera = vera.body["access_token"].as_str().unwrap();
        let above = desk.post(KEYS, vera, json!({"name": "Sync", "role": "owner"})).await;
        assert_eq!((above.status.as_u16(), pointers(&above)), (422, vec!["/role"]), "{}", above.text);
        made(&desk, vera, json!({"name": "Sync", "role": "admin"})).await;
        let wrong = json!({
            "name": "\u{202e}cnys", "role": "owner", "expires_at": "2023-11-14T22:13:20.000Z",
            "addresses": ["10.0.0.0/8", "example.org", "10.0.0.0/40"],
        });
        let answer = desk.post(KEYS, vera, wrong).await;
        let named = ["/name", "/role", "/expires_at", "/addresses/1", "/addresses/2"];
        assert_eq!((answer.status.as_u16(), pointers(&answer)), (422, named.to_vec()), "{}", answer.text);
        for (field, value) in [
            ("/name", json!({"name": "x".repeat(101), "role": "viewer"})),
            ("/name", json!({"name": " ", "role": "viewer"})),
            ("/role", json!({"name": "Sync", "role": "root"})),
            ("/expires_at", json!({"name": "Sync", "role": "viewer", "expires_at": "tomorrow"})),
            ("/addresses", json!({"name": "Sync", "role": "viewer", "addresses": vec!["10.0.0.1"; 51]})),
            ("/scope", json!({"name": "Sync", "role": "viewer", "scope": "all"})),
        ] {
            let answer = desk.post(KEYS, &admin, value).await;
            assert_eq!((answer.status.as_u16(), pointers(&answer)), (422, vec![field]), "{}", answer.text);
        }
        let viewer = desk.viewer().await;
        for (method, path) in
            [("GET", KEYS), ("POST", KEYS), ("DELETE", "/api/v1/api-keys/key_01h455vb4pex5vsknk084sn02q")]
        {
            let body = (method == "POST").then(|| json!({"name": "Sync", "role": "viewer"}));
            assert_eq!(with(&desk, method, path, &viewer, body).await.status, 403, "{method}");
        }
    });
}

#[test]
fn what_persons_alone_may_do_is_refused_to_a_key_of_any_role() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (id, key) = key(&desk, "owner").await;
        let member = desk.log_in().await.body["user"]["id"].as_str().unwrap().to_owned();
        for (method, path, body) in [
            ("GET", "/api/v1/me", None),
            ("PATCH", "/api/v1/me", Some(json!({"name": "Vera"}))),
            ("GET", "/api/v1/me/sessions", None),
            ("POST", "/api/v1/auth/password", Some(json!({"current": "a", "new": "b"}))),
            ("GET", KEYS, None),
            ("POST", KEYS, Some(json!({"name": "Another", "role": "viewer"}))),
            ("DELETE", &*format!("{KEYS}/{id}"), None),
            ("POST", "/api/v1/members/invites", Some(json!({"email": "a@b.example", "role": "viewer"}))),
            ("PATCH", &*format!("/api/v1/members/{member}"), Some(json!({"role": "viewer"}))),
            ("DELETE", &*format!("/api/v1/members/{member}"), None),
        ] {
            let answer = with(&desk, method, path, &key, body).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            assert!(answer.text.contains("a key is no person"), "{}", answer.text);
        }
        assert_eq!(desk.get("/api/v1/members", &key).await.status, 200);
        assert_eq!(desk.get("/api/v1/sites", &key).await.status, 200);
    });
}

#[test]
fn a_key_runs_out_at_its_time() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let body = json!({"name": "Sync", "role": "viewer", "expires_at": "2023-11-14T22:13:30Z"});
        let (_, key) = made(&desk, &admin, body).await;
        let scope = auth::authenticate(desk.world.ctx(), &key, None).await.unwrap();
        assert_eq!(scope.expires.to_string(), "2023-11-14T22:13:30.000Z", "what is open ends then");
        desk.clock.advance(Duration::from_millis(9_999));
        assert_eq!(desk.get("/api/v1/settings", &key).await.status, 200);
        desk.clock.advance(Duration::from_millis(1));
        let out = desk.get("/api/v1/settings", &key).await;
        assert_eq!(out.status, 401, "{}", out.text);
        assert!(out.text.contains("run out"), "{}", out.text);
    });
}

#[test]
fn a_deleted_key_is_out_here_at_once_and_elsewhere_within_five_seconds() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (id, key) = key(&desk, "operator").await;
        let other = another(&desk);
        let open = auth::authenticate(&other, &key, None).await.unwrap().scope;
        assert_eq!(auth::may_stay(&other, &open, Duration::from_secs(3)).await, auth::Stay::Yes);
        assert_eq!(desk.get("/api/v1/settings", &key).await.status, 200);
        let admin = desk.token().await;
        assert_eq!(with(&desk, "DELETE", &format!("{KEYS}/{id}"), &admin, None).await.status, 204);
        assert_eq!(with(&desk, "DELETE", &format!("{KEYS}/{id}"), &admin, None).await.status, 404);
        assert_eq!(desk.get("/api/v1/settings", &key).await.status, 401, "here at once");
        desk.clock.advance(Duration::from_millis(4_500));
        assert!(auth::authenticate(&other, &key, None).await.is_err(), "elsewhere within 5 s");
        // What is open asks again at once while another request reads.
        desk.clock.advance(Duration::from_millis(500));
        assert_eq!(
            auth::may_stay(&other, &open, Duration::from_secs(3)).await,
            auth::Stay::No,
            "and what is open"
        );
        assert_eq!(desk.get(KEYS, &admin).await.body["items"], json!([]));
        let done: Vec<String> = desk
            .rows("SELECT action || ' ' || target FROM audit WHERE action LIKE 'api_key%' ORDER BY action")
            .await
            .iter()
            .map(|row| row.text(0).unwrap().to_owned())
            .collect();
        assert_eq!(done, [format!("api_key.created {id}"), format!("api_key.deleted {id}")]);
    });
}

#[test]
fn a_stream_that_a_key_opened_ends_when_it_is_deleted() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (id, key) = key(&desk, "viewer").await;
        let (visitor, _) = desk.world.visitor().await.unwrap();
        let conversation = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap().id;
        let path = format!("/api/v1/conversations/{conversation}/events");
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        let response = desk.respond("GET", &path, &headers, None, Peer::default()).await;
        assert_eq!(response.status(), 200);
        let Body::Stream(mut pieces) = response.into_body() else { panic!("not a stream") };
        let admin = desk.token().await;
        assert_eq!(with(&desk, "DELETE", &format!("{KEYS}/{id}"), &admin, None).await.status, 204);
        desk.clock.advance(Duration::from_secs(5));
        let end = async { while pieces.next().await.is_some() {} };
        tokio::time::timeout(DEADLINE, end).await.expect("it goes on");

        let socket = path.replace("/events", "/socket");
        let offered = format!("frontdesk.v1, fd.{key}");
        let handshake = [("upgrade", "websocket"), ("sec-websocket-protocol", offered.as_str())];
        let peer = Peer { upgrades: true, ..Peer::default() };
        assert_eq!(desk.respond("GET", &socket, &handshake, None, peer).await.status(), 401);
        let (_, key) = self::key(&desk, "viewer").await;
        let offered = format!("frontdesk.v1, fd.{key}");
        let handshake = [("upgrade", "websocket"), ("sec-websocket-protocol", offered.as_str())];
        assert_eq!(desk.respond("GET", &socket, &handshake, None, peer).await.status(), 101);
    });
}

#[test]
fn a_key_counts_from_its_networks_alone() {
    run(async {
        let mut desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let addresses = json!(["203.0.113.7/24", "2001:db8:7::/48"]);
        let body = json!({"name": "Sync", "role": "viewer", "addresses": addresses});
        let (_, key) = made(&desk, &admin, body).await;
        let shown = desk.get(KEYS, &admin).await.body["items"][0]["addresses"].clone();
        assert_eq!(shown, json!(["203.0.113.0/24", "2001:db8:7::/48"]));
        for (address, expected) in [
            ("203.0.113.250", 200),
            ("::ffff:203.0.113.1", 200),
            ("2001:db8:7::1", 200),
            ("203.0.114.1", 403),
            ("2001:db8:8::1", 403),
        ] {
            desk.ip = address.parse().unwrap();
            let answer = desk.get("/api/v1/settings", &key).await;
            assert_eq!(answer.status, expected, "{address}: {}", answer.text);
        }
        let nowhere = auth::authenticate(desk.world.ctx(), &key, None).await;
        assert!(nowhere.is_err(), "an address that is not known is on no list");
    });
}

#[test]
fn the_last_use_is_noted_once_a_minute() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let (_, key) = made(&desk, &admin, json!({"name": "Sync", "role": "viewer"})).await;
        let used = async || desk.get(KEYS, &admin).await.body["items"][0]["used_at"].clone();
        let used_at = async |expected: &str| {
            let noted = async { while used().await != json!(expected) {} };
            tokio::time::timeout(DEADLINE, noted).await.unwrap_or_else(|_| panic!("{expected}"));
        };
        assert_eq!(used().await, Value::Null);
        desk.get("/api/v1/settings", &key).await;
        used_at("2023-11-14T22:13:20.000Z").await;
        let (ctx, statements) = noting(&desk);
        for _ in 0..14 {
            desk.clock.advance(Duration::from_secs(4));
            auth::authenticate(&ctx, &key, None).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(!statements.borrow().iter().any(|sql| sql.contains("SET used_at")));
        desk.clock.advance(Duration::from_secs(4));
        for _ in 0..3 {
            auth::authenticate(&ctx, &key, None).await.unwrap();
        }
        used_at("2023-11-14T22:14:20.000Z").await;
        let notes = statements.borrow().iter().filter(|sql| sql.contains("SET used_at")).count();
        assert_eq!(notes, 1);
    });
}

#[test]
fn an_organisation_has_at_most_a_hundred_keys() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let mut last = String::new();
        for _ in 0..100 {
            last = made(&desk, &admin, json!({"name": "Sync", "role": "viewer"})).await.0;
        }
        let more = desk.post(KEYS, &admin, json!({"name": "Sync", "role": "viewer"})).await;
        assert_eq!(more.status, 409, "{}", more.text);
        let mut seen = BTreeSet::new();
        let mut path = format!("{KEYS}?limit=40");
        loop {
            let page = desk.get(&path, &admin).await;
            seen.extend(
                page.body["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|key| key["id"].as_str().unwrap().to_owned()),
            );
            match page.body["next_cursor"].as_str() {
                Some(cursor) => path = format!("{KEYS}?limit=40&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 100);
        with(&desk, "DELETE", &format!("{KEYS}/{last}"), &admin, None).await;
        made(&desk, &admin, json!({"name": "Sync", "role": "viewer"})).await;
        assert_eq!(desk.get(&format!("{KEYS}?cursor=nonsense"), &admin).await.status, 422);
    });
}

#[test]
fn a_key_that_does_not_count_is_one_answer_and_one_look_whatever_is_wrong() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let (id, _) = key(&desk, "owner").await;
        let (gone, deleted) = key(&desk, "owner").await;
        with(&desk, "DELETE", &format!("{KEYS}/{gone}"), &admin, None).await;
        let id: ApiKeyId = id.parse().unwrap();
        let never = ApiKeyId::new(desk.world.ctx().clock.now(), [9; 10]);
        let guessed = ApiKey::new(id, [7; 32]).text().to_owned();
        let made_up = ApiKey::new(never, [7; 32]).text().to_owned();
        let mut mistyped = made_up.clone();
        mistyped.replace_range(40..41, if &made_up[40..41] == "a" { "b" } else { "a" });
        let mut answers = Vec::new();
        let mut costs = Vec::new();
        let prefix = "fdk_".to_owned();
        let letters = "fdk_é".repeat(16);
        for shown in [&guessed, &made_up, &deleted, &mistyped, &prefix, &letters] {
            let (ctx, statements) = noting(&desk);
            assert!(auth::authenticate(&ctx, shown, None).await.is_err());
            costs.push(statements.borrow().clone());
            if shown.is_ascii() {
                answers.push(said(&desk.get("/api/v1/settings", shown).await));
            }
        }
        assert!(costs[0].iter().any(|sql| sql.contains("FROM api_keys")), "{costs:?}");
        assert_eq!((&costs[1], &costs[2]), (&costs[0], &costs[0]));
        for cost in &costs[3..] {
            assert_eq!(cost, &Vec::<String>::new(), "what is no key costs no look");
        }
        assert_eq!(answers[0].0, 401);
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    });
}

#[test]
fn looking_for_keys_is_counted_against_the_address() {
    run(async {
        let mut desk = Desk::new(LIMITED).await;
        let (_, mine) = key(&desk, "viewer").await;
        let admin = desk.token().await;
        let limits = json!({"limits": {"address_calls_per_minute": 20}});
        assert_eq!(desk.patch(&admin, 0, limits).await.status, 200);
        desk.ip = "198.51.100.9".parse().unwrap();
        let mut told = BTreeSet::new();
        for number in 0..40 {
            let id = ApiKeyId::new(desk.world.ctx().clock.now(), [number; 10]);
            told.insert(
                desk.get("/api/v1/settings", ApiKey::new(id, [number; 32]).text()).await.status.as_u16(),
            );
        }
        assert_eq!(told, BTreeSet::from([401, 429]));
        desk.ip = "203.0.113.7".parse().unwrap();
        for _ in 0..40 {
            assert_eq!(
                desk.get("/api/v1/settings", &mine).await.status,
                200,
                "one that is known costs no look"
            );
        }
    });
}

#[test]
fn each_key_counts_for_itself() {
    run(async {
        let desk = Desk::new(LIMITED).await;
        let ((_, one), (_, other)) = (key(&desk, "viewer").await, key(&desk, "viewer").await);
        let admin = desk.token().await;
        let limits = json!({"limits": {"reads_per_minute": 3}});
        assert_eq!(desk.patch(&admin, 0, limits).await.status, 200);
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(desk.get("/api/v1/settings", &one).await.status.as_u16());
        }
        assert_eq!(told, [200, 200, 200, 429]);
        assert_eq!(desk.get("/api/v1/settings", &other).await.status, 200);
        assert_eq!(desk.get("/api/v1/settings", &admin).await.status, 200);
    });
}

#[test]
fn what_a_key_does_in_a_conversation_has_its_name_and_the_audit_has_its_id() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let (id, key) = key(&desk, "admin").await;
        let (visitor, token) = desk.world.visitor().await.unwrap();
        let conversation = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap().id;
        let path = format!("/api/v1/conversations/{conversation}");
        let post =
            desk.post(&format!("{path}/messages"), &key, json!({"client_id": "a", "text": "Hello"})).await;
        assert!(post.status.is_success(), "{}", post.text);
        let own = id.replace("key_", "user_");
        let headers = [("authorization", &*format!("Bearer {key}")), ("if-match", "\"2\"")];
        let taken = desk.call("PATCH", &path, &headers, Some(json!({"assignee": own}))).await;
        assert_eq!(taken.status, 200, "{}", taken.text);
        let events = desk.get(&format!("{path}/events"), &token).await;
        let all = events.body["events"].as_array().unwrap();
        let author = all.iter().find_map(|event| event["message"]["author"].as_object()).unwrap();
        assert_eq!(
            (&author["kind"], &author["name"], &author["id"]),
            (&json!("operator"), &json!("Nightly sync"), &json!(own))
        );
        assert_eq!(desk.post("/api/v1/projects", &key, json!({"name": "Shop"})).await.status, 201);
        let actor = desk.rows("SELECT actor FROM audit WHERE action = 'project.created'").await;
        assert_eq!(actor[0].text(0).unwrap(), id);
    });
}

#[test]
fn a_key_is_of_one_organisation_and_another_one_neither_sees_nor_deletes_it() {
    run(async {
        let desk = Desk::new(&[("REGISTRATION", "open")]).await;
        let (id, key) = key(&desk, "admin").await;
        let body = json!({"organisation": "Tulip", "name": "Olga", "email": "olga@tulip.example", "password": "violet-harbour-19"});
        let olga = desk.call("POST", "/api/v1/auth/register", &[], Some(body)).await;
        let olga = olga.body["access_token"].as_str().unwrap();
        assert_eq!(desk.get(KEYS, olga).await.body["items"], json!([]));
        let theirs = with(&desk, "DELETE", &format!("{KEYS}/{id}"), olga, None).await;
        let none = "key_01h455vb4pex5vsknk084sn02q";
        let none = with(&desk, "DELETE", &format!("{KEYS}/{none}"), olga, None).await;
        assert_eq!((theirs.status.as_u16(), &theirs.body["detail"]), (404, &none.body["detail"]));
        assert_eq!(desk.get("/api/v1/settings", &key).await.status, 200, "it is there still");
        let project = desk.post("/api/v1/projects", olga, json!({"name": "Shop"})).await;
        let project = format!("/api/v1/projects/{}", project.body["id"].as_str().unwrap());
        assert_eq!(desk.get(&project, &key).await.status, 404);
    });
}
