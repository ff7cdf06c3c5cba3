//! `/api/v1/documents` and `/api/v1/uploads` over the API's one entry.

use bytes::Bytes;
use frontdesk_api::{Body, Peer, handle};
use frontdesk_app::jobs;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, World, run};
use http::Request;
use serde_json::{Value, json};

struct Caller {
    world: World,
    admin: String,
    visitor: String,
}

impl Caller {
    async fn new() -> Self {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (_, visitor) = world.visitor().await.unwrap();
        let mut caller = Self { world, admin: String::new(), visitor };
        let login = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
        let (status, answer) = caller.json("POST", "/api/v1/auth/login", "", &login).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().clone_into(&mut caller.admin);
        caller
    }

    async fn call(&self, method: &str, path: &str, token: &str, kind: &str, body: Body) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("host", "desk.example");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body).unwrap();
        let response = handle(self.world.ctx().clone(), request, Peer::default()).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect(1 << 20).await.unwrap().unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        self.call(method, path, token, "application/json", Body::full(body.to_string())).await
    }

    async fn run_jobs(&self) {
        let ctx = self.world.ctx();
        while jobs::run(ctx, 4).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, &self.admin, "", Body::empty()).await
    }

    async fn file(&self, path: &str, token: &str, field: &str, name: &str, content: &[u8]) -> (u16, Value) {
        let mut body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--b--\r\n");
        self.call("POST", path, token, "multipart/form-data; boundary=b", Body::full(body)).await
    }
}

const DOCUMENTS: &str = "/api/v1/documents";
const UPLOADS: &str = "/api/v1/uploads";

#[test]
fn a_document_lives_from_upload_to_deletion() {
    run(async {
        let caller = Caller::new().await;
        let text = "# Доставка\n\nПо Москве — 300 ₽.\n".as_bytes();
        let (status, created) = caller.file(DOCUMENTS, &caller.admin, "file", "../delivery.md", text).await;
        assert_eq!(
            (status, &created["status"], &created["duplicate_of"]),
            (202, &json!("queued"), &Value::Null)
        );
        let id = created["id"].as_str().unwrap().to_owned();
        let (status, again) = caller.file(DOCUMENTS, &caller.admin, "file", "other.md", text).await;
        assert_eq!((status, &again["id"], &again["duplicate_of"]), (200, &json!(id), &json!(id)));
        caller.run_jobs().await;

        let path = format!("{DOCUMENTS}/{id}");
        let (status, document) = caller.get(&path).await;
        assert_eq!(status, 200);
        let expected = json!({
            "id": id, "title": "Доставка", "source": "file", "name": "delivery.md", "media_type": "text/markdown",
            "bytes": text.len(), "version": 1, "language": "rus", "status": "ready", "progress": 100,
            "created_at": document["created_at"], "updated_at": document["updated_at"],
        });
        assert_eq!(document, expected);
        let (status, list) = caller.get(&format!("{DOCUMENTS}?limit=1")).await;
        assert_eq!((status, list), (200, json!({"items": [document], "next_cursor": null})));
        let (status, passages) = caller.get(&format!("{path}/passages")).await;
        assert_eq!((status, &passages["version"]), (200, &json!(1)));
        assert!(passages["items"][0]["text"].as_str().unwrap().contains("300 ₽"));

        let (status, synced) =
            caller.call("POST", &format!("{path}/sync"), &caller.admin, "", Body::empty()).await;
        assert_eq!((status, &synced["status"], &synced["version"]), (202, &json!("queued"), &json!(1)));
        caller.run_jobs().await;
        assert_eq!(caller.get(&path).await.1["version"], 2);

        assert_eq!(caller.call("DELETE", &path, &caller.admin, "", Body::empty()).await.0, 204);
        assert_eq!(caller.call("DELETE", &path, &caller.admin, "", Body::empty()).await.0, 404);
        assert_eq!(caller.get(&path).await.0, 404);
        assert_eq!(caller.get(&format!("{path}/passages")).await.0, 404);
    });
}

#[test]
fn bad_requests_are_refused_by_field_and_limit() {
    run(async {
        let caller = Caller::new().await;
        for (body, pointer) in [
            (json!({"title": "Tea"}), "/text"),
            (json!({"text": "Tea"}), "/title"),
            (json!({"title": "", "text": "Tea"}), "/title"),
            (json!({"title": "Tea", "text": ""}), "/text"),
            (json!({"url": "http://127.0.0.1/"}), "/url"),
            (json!({"url": "ftp://example.com/"}), "/url"),
            (json!({"url": "https://example.com/", "title": "Tea"}), "/url"),
            (json!({"titel": "Tea", "text": "Tea"}), "/titel"),
            (json!({"title": 5, "text": "Tea"}), "/title"),
            (json!({}), ""),
        ] {
            let (status, problem) = caller.json("POST", DOCUMENTS, &caller.admin, &body).await;
            assert_eq!(
                (status, &problem["errors"][0]["pointer"]),
                (422, &json!(pointer)),
                "{body}: {problem}"
            );
        }
        for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "colour=red"] {
            let (status, problem) = caller.get(&format!("{DOCUMENTS}?{query}")).await;
            assert_eq!(status, 422, "{query}: {problem}");
        }
        let file =
            async |field, content: &[u8]| caller.file(DOCUMENTS, &caller.admin, field, "a", content).await;
        let (status, problem) = file("file", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01").await;
        assert_eq!(status, 415);
        assert!(problem["detail"].as_str().unwrap().contains("pdf, docx"), "{problem}");
        let (status, problem) = file("file", &vec![b'x'; 20 * 1024 * 1024 + 1]).await;
        assert_eq!(status, 413);
        assert!(problem["detail"].as_str().unwrap().contains("20971520"), "{problem}");
        assert_eq!(file("file", b"").await.0, 422);
        assert_eq!(file("colour", b"red").await.1["errors"][0]["pointer"], "/colour");
        let (status, _) =
            caller.call("POST", DOCUMENTS, &caller.admin, "text/plain", Body::full("tea")).await;
        assert_eq!(status, 415);
        let kind = "multipart/form-data; boundary=b";
        assert_eq!(caller.call("POST", DOCUMENTS, &caller.admin, kind, Body::full("--b\r\n")).await.0, 400);
        let (_, list) = caller.get(DOCUMENTS).await;
        assert_eq!(list["items"], json!([]), "nothing was stored");
    });
}

#[test]
fn documents_are_for_administrators_alone() {
    run(async {
        let caller = Caller::new().await;
        for token in ["", caller.visitor.as_str(), "nonsense"] {
            let (status, _) = caller.call("GET", DOCUMENTS, token, "", Body::empty()).await;
            assert!(matches!(status, 401 | 403), "{status}");
            let (status, _) =
                caller.json("POST", DOCUMENTS, token, &json!({"title": "a", "text": "b"})).await;
            assert!(matches!(status, 401 | 403), "{status}");
        }
    });
}

#[test]
fn visitors_upload_pictures_and_documents() {
    run(async {
        let caller = Caller::new().await;
        let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";
        let (status, upload) =
            caller.file(UPLOADS, &caller.visitor, "file", "C:\\me\\фото.png", picture).await;
        let id = upload["id"].clone();
        let expected =
            json!({"id": id, "name": "фото.png", "media_type": "image/png", "bytes": picture.len()});
        assert_eq!((status, upload), (201, expected));
        let stored = caller
            .world
            .ctx()
            .db
            .query(vec![frontdesk_ports::Statement::new("SELECT visitor_id FROM uploads")]);
        assert!(stored.await.unwrap()[0].rows[0].text(0).unwrap().starts_with("visitor_"));
        let (status, upload) = caller.file(UPLOADS, &caller.admin, "file", "a.bin", b"Tea list").await;
        assert_eq!((status, &upload["media_type"]), (201, &json!("text/plain")));
        let (status, problem) =
            caller.file(UPLOADS, &caller.visitor, "file", "a.png", b"\x7fELF\x02\x01\x01\0\0").await;
        assert_eq!(status, 415);
        assert!(problem["detail"].as_str().unwrap().contains("png, jpeg"), "{problem}");
        assert_eq!(caller.file(UPLOADS, "", "file", "a.png", picture).await.0, 401);
        let endless = futures_util::stream::iter(
            std::iter::once(Bytes::from_static(
                b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n",
            ))
            .chain(std::iter::repeat_with(|| Bytes::from(vec![b'x'; 1 << 20])))
            .map(Ok),
        );
        let kind = "multipart/form-data; boundary=b";
        let body = Body::Stream(Box::pin(endless));
        assert_eq!(caller.call("POST", UPLOADS, &caller.visitor, kind, body).await.0, 413, "it never ends");
    });
}
