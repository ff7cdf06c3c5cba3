//! A world and somebody who calls it.

use std::net::IpAddr;
use std::rc::Rc;

use frontdesk_api::{Body, Peer, handle};
use frontdesk_app::auth::{NewUser, create_user};
use frontdesk_domain::scope::Role;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, World};
use frontdesk_testkit::ManualClock;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};

/// A world whose time the test moves.
pub struct Desk {
    pub world: World,
    pub clock: ManualClock,
    pub ip: IpAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the refresh cookie.
    pub fn cookie(&self) -> String {
        let line = self.header("set-cookie");
        line.split(';')
            .next()
            .unwrap()
            .trim_start_matches("__Secure-")
            .trim_start_matches("fd_refresh=")
            .to_owned()
    }
}

impl Desk {
    pub async fn new(vars: &[(&str, &str)]) -> Self {
        Self::with(vars, Overrides::default()).await
    }

    /// With some ports in place of the machine's.
    pub async fn with(vars: &[(&str, &str)], overrides: Overrides) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..overrides };
        let world = World::new(vars, overrides).await.unwrap();
        Self { world, clock, ip: "203.0.113.7".parse().unwrap() }
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let peer = Peer { ip: Some(self.ip), ..Peer::default() };
        let response = self.respond(method, path, headers, body, peer).await;
        self.read(response).await
    }

    /// The same under another `Host`.
    pub async fn call_at(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let headers: Vec<_> = headers.iter().copied().chain([("host", host)]).collect();
        self.call(method, path, &headers, body).await
    }

    /// The whole of a response.
    pub async fn read(&self, response: http::Response<Body>) -> Answer {
        let (parts, body) = response.into_parts();
        let bytes = body.collect(1 << 20).await.unwrap().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    /// The response as the host gets it.
    pub async fn respond(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
        peer: Peer,
    ) -> http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", "desk.example");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::full(body.to_string())
            }
            None => Body::empty(),
        };
        handle(self.world.ctx().clone(), request.body(body).unwrap(), peer).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call("POST", path, &[("authorization", &format!("Bearer {token}"))], Some(body)).await
    }

    /// Begins a conversation.
    pub async fn begin(&self, token: &str) -> Answer {
        self.post("/api/v1/conversations", token, json!({})).await
    }

    pub async fn log_in(&self) -> Answer {
        let answer = self.try_log_in(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    pub async fn try_log_in(&self, email: &str, password: &str) -> Answer {
        self.call("POST", "/api/v1/auth/login", &[], Some(json!({"email": email, "password": password})))
            .await
    }

    /// The administrator's login, however it ends.
    pub async fn log_in_raw(&self) -> Answer {
        self.try_log_in(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    pub async fn token(&self) -> String {
        self.log_in().await.body["access_token"].as_str().unwrap().to_owned()
    }

    /// The access token of somebody who may only read.
    pub async fn viewer(&self) -> String {
        let (email, password) = ("viewer@camomile.example", "saucer-lamp-31-meadow");
        let new = NewUser { name: "Vic", email, password, role: Role::Viewer };
        let org = self.world.site().await.unwrap().org;
        create_user(self.world.ctx(), org, new).await.unwrap();
        self.try_log_in(email, password).await.body["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn refresh(&self, cookie: &str) -> Answer {
        let cookie = format!("theme=dark; fd_refresh={cookie}");
        self.call(
            "POST",
            "/api/v1/auth/refresh",
            &[("cookie", &cookie), ("origin", "https://desk.example")],
            None,
        )
        .await
    }

    pub async fn patch(&self, token: &str, version: u64, patch: Value) -> Answer {
        let headers =
            [("authorization", &*format!("Bearer {token}")), ("if-match", &*format!("\"{version}\""))];
        self.call("PATCH", "/api/v1/settings", &headers, Some(patch)).await
    }

    /// Rows of a statement.
    pub async fn rows(&self, sql: &'static str) -> Vec<frontdesk_ports::Row> {
        let mut results =
            self.world.ctx().db.query(vec![frontdesk_ports::Statement::new(sql)]).await.unwrap();
        results.remove(0).rows
    }
}
