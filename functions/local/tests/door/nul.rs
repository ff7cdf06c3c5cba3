//! U+0000 in every text that a call takes. SQLite ends a text there, so none may come as far as the database.

use frontdesk_local::testing::run;
use serde_json::{Value, json};

use crate::client::Desk;

const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// A value that a schema allows, and every place in it where a text or a name may stand, with the value that has a NUL
/// there.
struct Shape<'a> {
    document: &'a Value,
    places: Vec<(String, Value)>,
}

impl Shape<'_> {
    fn resolve<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let found =
            schema["$ref"].as_str().and_then(|name| self.document.pointer(name.trim_start_matches('#')));
        let one = schema["oneOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        match (found, one) {
            (Some(found), _) => self.resolve(found),
            (_, Some(one)) => self.resolve(one),
            _ => schema,
        }
    }

    /// Notes every place in `schema`. `whole` makes a body of what stands at `pointer`.
    fn walk(&mut self, schema: &Value, pointer: &str, whole: &dyn Fn(Value) -> Value) {
        let schema = self.resolve(schema).clone();
        let is = |kind: &str| {
            schema["type"] == kind
                || schema["type"].as_array().is_some_and(|all| all.iter().any(|one| one == kind))
        };
        if is("string") {
            self.places.push((pointer.to_owned(), whole(json!("tea\0"))));
        } else if is("array") {
            self.walk(&schema["items"], &format!("{pointer}/0"), &|item| whole(json!([item])));
        } else if is("object") {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let required = self.required(&schema);
            for (name, field) in &fields {
                self.walk(field, &format!("{pointer}/{name}"), &|value| {
                    let mut object = required.clone();
                    object[name] = value;
                    whole(object)
                });
            }
            if schema["additionalProperties"].is_object() {
                self.walk(&schema["additionalProperties"], &format!("{pointer}/en"), &|value| {
                    whole(json!({ "en": value }))
                });
                self.places.push((pointer.to_owned(), whole(json!({ "e\0n": "tea" }))));
            }
        }
    }

    /// The least that an object of this schema has.
    fn required(&self, schema: &Value) -> Value {
        let mut object = json!({});
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let field = self.resolve(&schema["properties"][name]);
            object[name] = match field["type"].as_str() {
                Some("integer") => json!(1),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                _ => field["enum"].get(0).cloned().unwrap_or_else(|| json!("tea")),
            };
        }
        object
    }
}

/// Of which kind each path's parameter is.
fn with_ids(path: &str) -> String {
    let kind = if path.contains("/conversations/") {
        "conv"
    } else if path.contains("/messages/") {
        "msg"
    } else if path.contains("/sites/") {
        "site"
    } else if path.contains("/invites/") {
        "invite"
    } else if path.contains("/members/") {
        "user"
    } else if path.contains("/projects/") {
        "proj"
    } else if path.contains("/sessions/") {
        "login"
    } else {
        "doc"
    };
    path.replace("{id}", &format!("{kind}_01h455vb4pex5vsknk084sn02q"))
}

#[test]
fn a_nul_is_refused_by_name_wherever_a_text_may_stand() {
    run(async {
        let desk = Desk::new(&[]).await;
        let login = desk.log_in().await;
        let admin = login.body["access_token"].as_str().unwrap().to_owned();
        let cookie = format!("fd_refresh={}", login.cookie());
        let (_, visitor) = desk.world.visitor().await.unwrap();
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let (mut bodies, mut queries, mut paths) = (0, 0, 0);
        for (path, methods) in document["paths"].as_object().unwrap() {
            // What two deployments say to each other.
            if path == "/api/v1/rooms/call" {
                continue;
            }
            for (method, operation) in methods.as_object().unwrap() {
                let method = method.to_uppercase();
                let call = async |path: &str, body: Option<Value>| {
                    let mut last = None;
                    for token in [&visitor, &admin] {
                        let auth = format!("Bearer {token}");
                        let headers = [
                            ("authorization", auth.as_str()),
                            ("if-match", "\"0\""),
                            ("cookie", cookie.as_str()),
                            ("origin", "https://desk.example"),
                        ];
                        let answer = desk.call(&method, path, &headers, body.clone()).await;
                        assert!(answer.status.as_u16() < 500, "{method} {path} {body:?}: {}", answer.text);
                        // Whoever may not call it at all is told so first.
                        if ![401, 403].contains(&answer.status.as_u16()) {
                            last = Some(answer);
                        }
                    }
                    last.unwrap_or_else(|| panic!("{method} {path} is for neither"))
                };
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                if !schema.is_null() {
                    let mut shape = Shape { document: &document, places: Vec::new() };
                    shape.walk(schema, "", &|value| value);
                    for (pointer, body) in shape.places {
                        let answer = call(&with_ids(path), Some(body.clone())).await;
                        assert_eq!(answer.status, 422, "{method} {path} {body}: {}", answer.text);
                        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{method} {path} {body}");
                        bodies += 1;
                    }
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let name = parameter["name"].as_str().unwrap();
                    if parameter["in"] == "query" {
                        let answer = call(&format!("{}?{name}=tea%00", with_ids(path)), None).await;
                        assert_eq!(answer.status, 422, "{method} {path}?{name}: {}", answer.text);
                        assert_eq!(answer.body["errors"][0]["pointer"], format!("?{name}"));
                        queries += 1;
                    }
                }
                if path.contains("{id}") {
                    let answer = call(&path.replace("{id}", "conv_%00"), Some(json!({}))).await;
                    assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
                    paths += 1;
                }
            }
        }
        assert!(bodies >= 20 && queries >= 7 && paths >= 10, "{bodies} {queries} {paths}");
    });
}

#[test]
fn a_file_whose_name_has_a_nul_cannot_be_read() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (_, visitor) = desk.world.visitor().await.unwrap();
        let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"te\0a.txt\"\r\n\r\ntea\r\n--b--\r\n";
        let request = http::Request::post("/api/v1/uploads")
            .header("authorization", format!("Bearer {visitor}"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(frontdesk_api::Body::full(body))
            .unwrap();
        let response =
            frontdesk_api::handle(desk.world.ctx().clone(), request, frontdesk_api::Peer::default()).await;
        let answer = desk.read(response).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    });
}
