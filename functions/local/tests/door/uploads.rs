//! Uploads: who gets a file back and how, how much may be stored, and what goes again.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::{Body, Peer, handle};
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_app::{migrations, uploads};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::{ConversationId, UploadId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::testing::run;
use frontdesk_ports::{BlobKey, Ctx, Ports};
use frontdesk_testkit::{FaultyBlobs, ports};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::once;
use http::{HeaderMap, Request, header};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Desk;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const HOUR: Duration = Duration::from_secs(60 * 60);

struct Shop {
    desk: Desk,
    visitor: TenantScope,
    token: String,
    conversation: ConversationId,
}

impl Shop {
    async fn open() -> Self {
        let desk = Desk::new(&[]).await;
        let (visitor, token) = desk.world.visitor().await.unwrap();
        let conversation = chat::begin(desk.world.ctx(), &visitor, &Via::widget(None)).await.unwrap().id;
        Self { desk, visitor, token, conversation }
    }

    fn ctx(&self) -> &Ctx {
        self.desk.world.ctx()
    }

    fn operator(&self) -> TenantScope {
        let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let actor = Actor::User { user, name: "Vera".to_owned(), role: Role::Operator };
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        TenantScope::authenticated(self.visitor.org(), actor)
    }

    async fn upload(&self, token: &str, name: &str, content: &[u8]) -> (u16, Value) {
        let mut body =
            format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
                .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--b--\r\n");
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/uploads")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::full(body));
        let response = handle(self.ctx().clone(), request.unwrap(), Peer::default()).await;
        let answer = self.desk.read(response).await;
        (answer.status.as_u16(), answer.body)
    }

    /// Stores a text of the visitor's.
    async fn text(&self, text: &str) -> UploadId {
        uploads::store(self.ctx(), &self.visitor, "a.txt", text.to_owned().into()).await.unwrap().id
    }

    async fn fetch(&self, id: &str, token: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Bytes) {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        let path = format!("/api/v1/uploads/{id}");
        let response = self.desk.respond("GET", &path, &all, None, Peer::default()).await;
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), parts.headers, body.collect(1 << 20).await.unwrap().unwrap())
    }

    /// The status of fetching it. What was noted for a message a moment ago is asked for some times before the answer.
    async fn status(&self, id: UploadId, token: &str) -> u16 {
        let id = id.to_string();
        let fetch = Box::pin(self.fetch(&id, token, &[]));
        let time = Box::pin(async {
            loop {
                // The database answers meanwhile.
                tokio::time::sleep(Duration::from_millis(50)).await;
                self.desk.clock.advance(Duration::from_secs(1));
            }
        });
        match select(fetch, time).await {
            Either::Left(((status, _, _), _)) => status,
            Either::Right((never, _)) => never,
        }
    }

    async fn post(&self, by: &TenantScope, attached: &[UploadId], note: bool) -> Result<(), Error> {
        let first = attached.first().map(ToString::to_string).unwrap_or_default();
        self.post_as(by, &format!("{first}-{note}"), "", attached, note).await
    }

    async fn post_as(
        &self,
        by: &TenantScope,
        client_id: &str,
        text: &str,
        attached: &[UploadId],
        note: bool,
    ) -> Result<(), Error> {
        let post = PostMessage {
            conversation: self.conversation,
            client_id: client_id.to_owned(),
            text: text.to_owned(),
            attachments: attached.to_vec(),
            note,
            via: Via::widget(None),
        };
        chat::post_message(self.ctx(), by, post).await.map(|_| ())
    }

    async fn is_stored(&self, id: UploadId) -> bool {
        let key = BlobKey::new(&self.visitor, "upload", id);
        self.ctx().blobs.get(&key).await.unwrap().is_some()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.desk.rows(sql).await[0].int(0).unwrap()
    }

    async fn limit(&self, limits: Value) {
        let token = self.desk.token().await;
        let version = self.desk.get("/api/v1/settings", &token).await.body["version"].as_u64().unwrap();
        let changed = self.desk.patch(&token, version, json!({ "limits": limits })).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// Sweeps until nothing is due.
    async fn sweep(&self) {
        while uploads::sweep(self.ctx()).await.unwrap().is_some_and(|next| next <= self.ctx().clock.now()) {}
    }
}

/// An upload of which all has come but its end.
struct Held {
    end: oneshot::Sender<()>,
    answer: JoinHandle<u16>,
}

impl Shop {
    /// Begins an upload; what it is answered, when that comes before anything of it was read.
    async fn hold(&self, token: &str, ip: &str) -> Result<Held, (u16, Value)> {
        let (read, mut was_read) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let head = once(async move {
            let _ = read.send(());
            Ok("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ntea".into())
        });
        let tail = once(async move {
            let _ = ended.await;
            Ok("\r\n--b--\r\n".into())
        });
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/uploads")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "multipart/form-data; boundary=b")
            .body(Body::Stream(Box::pin(head.chain(tail))));
        let peer = Peer { ip: ip.parse().ok(), ..Peer::default() };
        let ctx = self.ctx().clone();
        let mut answer = Box::pin(async move { handle(ctx, request.unwrap(), peer).await });
        match select(&mut answer, &mut was_read).await {
            Either::Left((response, _)) => {
                let answer = self.desk.read(response).await;
                Err((answer.status.as_u16(), answer.body))
            }
            Either::Right(_) => {
                let answer = tokio::task::spawn_local(async move { answer.await.status().as_u16() });
                Ok(Held { end, answer })
            }
        }
    }

    async fn is_refused(&self, token: &str, ip: &str, limit: &str) {
        let Err((status, problem)) = self.hold(token, ip).await else { panic!("one more than {limit}") };
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 429, "{problem}");
        assert!(detail.starts_with(limit), "{detail}");
    }
}

#[test]
fn one_person_and_one_address_hold_only_so_many_uploads_that_do_not_end() {
    run(async {
        let shop = Shop::open().await;
        let (here, there) = ("93.184.216.34", "93.184.216.35");
        let mut visitors = Vec::new();
        for _ in 0..3 {
            visitors.push(shop.desk.world.visitor().await.unwrap().1);
        }
        let [first, second, third] = &visitors[..] else { panic!() };
        let mut held = Vec::new();
        for visitor in [first, first, first, second, second, second, third, third] {
            held.push(shop.hold(visitor, here).await.unwrap_or_else(|refused| panic!("{refused:?}")));
        }
        shop.is_refused(first, there, "at most 3 uploads of one person at once").await;
        shop.is_refused(third, here, "at most 8 uploads from one address at once").await;
        // A proxy on this machine or beside it speaks for everyone, and one more is the third visitor's last.
        let proxied = shop.hold(third, "127.0.0.1").await.unwrap_or_else(|refused| panic!("{refused:?}"));
        shop.is_refused(third, there, "at most 3 uploads of one person at once").await;

        let ended = held.remove(0);
        ended.end.send(()).unwrap();
        assert_eq!(ended.answer.await.unwrap(), 201);
        let again = shop.hold(first, here).await.unwrap_or_else(|refused| panic!("{refused:?}"));
        shop.is_refused(first, there, "at most 3 uploads of one person at once").await;
        // Whose connection goes is dropped.
        again.answer.abort();
        assert!(again.answer.await.unwrap_err().is_cancelled());
        let last = shop.hold(first, here).await;
        assert!(last.is_ok());
        drop((held, proxied));
    });
}

#[test]
fn a_file_comes_back_as_it_was_and_harmless() {
    run(async {
        let shop = Shop::open().await;
        let page = b"<!doctype html><script>alert(document.domain)</script>";
        for (name, content, media_type, disposition) in [
            ("kettle.png", PNG, "image/png", "inline; filename=\"kettle.png\""),
            ("page.html", page, "text/html", "attachment; filename=\"page.html\""),
            (
                "чай.txt",
                "Чай".as_bytes(),
                "text/plain",
                "attachment; filename=\"___.txt\"; filename*=UTF-8''%D1%87%D0%B0%D0%B9.txt",
            ),
        ] {
            let (status, stored) = shop.upload(&shop.token, name, content).await;
            assert_eq!((status, &stored["media_type"]), (201, &json!(media_type)), "{stored}");
            let id = stored["id"].as_str().unwrap();
            let (status, headers, bytes) = shop.fetch(id, &shop.token, &[]).await;
            assert_eq!((status, bytes.as_ref()), (200, content));
            let tag = format!("\"{id}\"");
            for (field, value) in [
                (header::CONTENT_TYPE, media_type),
                (header::CONTENT_DISPOSITION, disposition),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
                (header::CACHE_CONTROL, "private, no-cache"),
                (header::VARY, "Authorization"),
                (header::ETAG, &tag),
            ] {
                assert_eq!(headers[&field], value, "{field}");
            }
            let known = shop.fetch(id, &shop.token, &[("if-none-match", &tag)]).await;
            assert_eq!((known.0, known.2.len(), &known.1[header::ETAG]), (304, 0, &headers[header::ETAG]));
            assert_eq!(shop.fetch(id, &shop.token, &[("if-none-match", "\"other\"")]).await.0, 200);
        }
    });
}

#[test]
fn a_visitor_gets_its_own_and_what_a_message_that_it_sees_names_and_users_get_all() {
    run(async {
        let shop = Shop::open().await;
        let (_, other) = shop.desk.world.visitor().await.unwrap();
        let admin = shop.desk.token().await;
        let viewer = shop.desk.viewer().await;
        let operator = shop.operator();
        let by_operator = async |name: &str| {
            uploads::store(shop.ctx(), &operator, name, name.to_owned().into()).await.unwrap().id
        };
        let own = shop.text("Mine").await;
        let (sent, noted, kept) =
            (by_operator("sent").await, by_operator("noted").await, by_operator("kept").await);
        shop.post(&operator, &[sent], false).await.unwrap();
        shop.post(&operator, &[noted], true).await.unwrap();
        for (id, what, visitors, others) in [
            (own, "the visitor's own", 200, 404),
            (sent, "an operator's, sent to the visitor", 200, 404),
            (noted, "an operator's, in a note", 404, 404),
            (kept, "an operator's, sent to nobody", 404, 404),
        ] {
            assert_eq!(shop.status(id, &shop.token).await, visitors, "{what}");
            assert_eq!(shop.status(id, &other).await, others, "{what}, to another visitor");
            assert_eq!(shop.status(id, &admin).await, 200, "{what}, to the administrator");
            assert_eq!(shop.status(id, &viewer).await, 200, "{what}, to one who may only read");
        }
        // Sent in a note and then to the visitor, it is the visitor's to see.
        shop.post(&operator, &[noted], false).await.unwrap();
        assert_eq!(shop.status(noted, &shop.token).await, 200);
        for (id, status) in [("upl_01h455vb4pex5vsknk084sn02q", 404), ("x", 404)] {
            assert_eq!(shop.fetch(id, &shop.token, &[]).await.0, status, "{id}");
        }
        assert_eq!(shop.fetch(&own.to_string(), "", &[]).await.0, 401);
    });
}

#[test]
fn another_organisations_upload_is_not_there() {
    run(async {
        let (shop, foreign) = (Shop::open().await, Shop::open().await);
        let id = shop.text("Mine").await;
        let scope = foreign.operator();
        let not_found = uploads::get(shop.ctx(), &scope, id).await;
        assert_eq!(not_found, Err(Error::not_found("upload")));
        assert!(
            uploads::attach(shop.ctx(), &scope, "msg_01h455vb4pex5vsknk084sn02q".parse().unwrap(), &[id])
                .await
                .is_err()
        );
    });
}

#[test]
fn a_message_that_was_refused_shows_its_attachment_to_no_visitor() {
    run(async {
        let shop = Shop::open().await;
        let operator = shop.operator();
        let id = uploads::store(shop.ctx(), &operator, "a", "secret".into()).await.unwrap().id;
        shop.post_as(&operator, "same", "one", &[], false).await.unwrap();
        assert!(shop.post_as(&operator, "same", "another", &[id], false).await.is_err());
        assert_eq!(shop.status(id, &shop.token).await, 404);
    });
}

#[test]
fn a_visitor_uploads_so_many_files_and_bytes_a_day() {
    run(async {
        let shop = Shop::open().await;
        shop.limit(json!({ "uploads_per_day": 3, "upload_bytes_per_day": 2_000 })).await;
        let refusal = async |content: &[u8]| {
            let (status, problem) = shop.upload(&shop.token, "a.txt", content).await;
            assert_eq!((status, &problem["type"]), (429, &json!("urn:frontdesk:problem:quota")), "{problem}");
            (problem["detail"].as_str().unwrap().to_owned(), problem["retry_after"].as_u64().unwrap())
        };
        assert_eq!(shop.upload(&shop.token, "a.txt", &[b'a'; 1_500]).await.0, 201);
        shop.desk.clock.advance(HOUR);
        let (detail, retry_after) = refusal(&[b'b'; 501]).await;
        assert!(detail.contains("2000 bytes of a visitor in 24 hours"), "{detail}");
        assert_eq!(retry_after, 23 * 3_600);
        for _ in 0..2 {
            assert_eq!(shop.upload(&shop.token, "a.txt", &[b'c'; 250]).await.0, 201, "exactly the limit");
        }
        let (detail, _) = refusal(b"d").await;
        assert!(detail.contains("3 files of a visitor in 24 hours"), "{detail}");
        // Others are not held up, nor are users.
        let (_, other) = shop.desk.world.visitor().await.unwrap();
        let admin = shop.desk.token().await;
        for token in [&other, &admin] {
            assert_eq!(shop.upload(token, "a.txt", b"Tea").await.0, 201);
        }
        shop.desk.clock.advance(23 * HOUR);
        assert_eq!(shop.upload(&shop.token, "a.txt", &[b'e'; 1_500]).await.0, 201, "a day later");
        // A file that can never fit is too large.
        let (status, problem) = shop.upload(&other, "a.txt", &[b'f'; 2_001]).await;
        assert_eq!(status, 429, "{problem}");
        let (_, new) = shop.desk.world.visitor().await.unwrap();
        let (status, problem) = shop.upload(&new, "a.txt", &[b'f'; 2_001]).await;
        assert_eq!((status, &problem["detail"]), (413, &json!("file is larger than 2000 bytes")));
    });
}

#[test]
fn of_many_uploads_at_once_not_more_get_in_than_the_quota_has() {
    run(async {
        let shop = Shop::open().await;
        shop.limit(json!({ "uploads_per_day": 3 })).await;
        let all = (0..8).map(|_| shop.upload(&shop.token, "a.txt", b"Tea"));
        let mut statuses: Vec<u16> =
            futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 201, 201, 429, 429, 429, 429, 429]);
    });
}

#[test]
fn an_organisation_has_room_for_so_many_bytes_and_gets_them_back() {
    run(async {
        let shop = Shop::open().await;
        shop.limit(json!({ "uploads_total_bytes": 1_024 })).await;
        let (_, other) = shop.desk.world.visitor().await.unwrap();
        let admin = shop.desk.token().await;
        assert_eq!(shop.upload(&shop.token, "a.txt", &[b'a'; 1_000]).await.0, 201);
        for token in [&shop.token, &other, &admin] {
            let (status, problem) = shop.upload(token, "a.txt", &[b'b'; 25]).await;
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!(status, 429);
            assert!(detail.contains("1024 bytes of all uploads of the organisation"), "{detail}");
        }
        assert_eq!(shop.upload(&other, "a.txt", &[b'b'; 24]).await.0, 201);
        shop.desk.clock.advance(25 * HOUR);
        shop.sweep().await;
        assert_eq!(shop.count("SELECT bytes FROM upload_totals").await, 0);
        let admin = shop.desk.token().await;
        assert_eq!(shop.upload(&admin, "a.txt", &[b'a'; 1_024]).await.0, 201);
    });
}

#[test]
fn what_no_message_names_goes_after_a_day_and_what_one_names_stays() {
    run(async {
        let shop = Shop::open().await;
        let (attached, lonely) = (shop.text("attached").await, shop.text("lonely").await);
        shop.post(&shop.visitor, &[attached], false).await.unwrap();
        shop.desk.clock.advance(Duration::from_secs(24 * 3_600 - 1));
        let next = uploads::sweep(shop.ctx()).await.unwrap();
        assert_eq!(next, Some(shop.ctx().clock.now().after(Duration::from_secs(1))), "when to come again");
        assert!(shop.is_stored(lonely).await);
        shop.desk.clock.advance(Duration::from_secs(1));
        shop.sweep().await;
        assert!(shop.is_stored(attached).await && !shop.is_stored(lonely).await);
        assert_eq!(
            (shop.status(attached, &shop.token).await, shop.status(lonely, &shop.token).await),
            (200, 404)
        );
        assert!(shop.post(&shop.visitor, &[lonely], false).await.is_err(), "it cannot be attached any more");
        assert_eq!(uploads::sweep(shop.ctx()).await.unwrap(), None, "nothing is left to do");
        assert_eq!(shop.count("SELECT count(*) FROM uploads").await, 1);
        assert_eq!(shop.count("SELECT bytes FROM upload_totals").await, 8);
    });
}

#[test]
fn many_uploads_go_page_by_page() {
    run(async {
        let shop = Shop::open().await;
        shop.limit(json!({ "uploads_per_day": 200 })).await;
        let mut attached = Vec::new();
        for n in 0..120 {
            shop.desk.clock.advance(Duration::from_millis(1));
            let id = shop.text(&format!("Text {n}")).await;
            if n % 10 == 0 {
                shop.post(&shop.visitor, &[id], false).await.unwrap();
                attached.push(id);
            }
        }
        shop.desk.clock.advance(25 * HOUR);
        let next = uploads::sweep(shop.ctx()).await.unwrap();
        assert!(next.is_some_and(|next| next <= shop.ctx().clock.now()), "there is more at once");
        assert_eq!(shop.count("SELECT count(*) FROM uploads").await, 75, "a page is 50, of which five stay");
        shop.sweep().await;
        assert_eq!(shop.count("SELECT count(*) FROM uploads").await, 12);
        for id in attached {
            assert!(shop.is_stored(id).await);
        }
    });
}

#[test]
fn an_upload_that_is_noted_for_a_message_is_kept_until_it_is_certain_that_there_is_none() {
    run(async {
        let shop = Shop::open().await;
        let id = shop.text("noted").await;
        // As where the room's log is elsewhere and has not told the main database yet.
        let message = "msg_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        uploads::attach(shop.ctx(), &shop.visitor, message, &[id]).await.unwrap();
        shop.desk.clock.advance(25 * HOUR);
        shop.sweep().await;
        assert!(shop.is_stored(id).await);
        let next = uploads::sweep(shop.ctx()).await.unwrap().unwrap();
        assert_eq!(next.since(shop.ctx().clock.now()), Duration::from_secs(6 * 24 * 3_600) - HOUR);
        shop.desk.clock.advance(next.since(shop.ctx().clock.now()));
        shop.sweep().await;
        assert!(!shop.is_stored(id).await);
        assert_eq!(shop.count("SELECT count(*) FROM attachments").await, 0);
    });
}

#[test]
fn a_message_that_is_refused_notes_no_upload() {
    run(async {
        let shop = Shop::open().await;
        let mut viewer = shop.operator();
        if let Actor::User { user, name, .. } = viewer.actor().clone() {
            let actor = Actor::User { user, name, role: Role::Viewer };
            #[expect(clippy::disallowed_methods, reason = "a test makes its own viewer")]
            let made = TenantScope::authenticated(shop.visitor.org(), actor);
            viewer = made;
        }
        let id = uploads::store(shop.ctx(), &viewer, "a.txt", "Tea".into()).await.unwrap().id;
        let refused = shop.post(&viewer, &[id], false).await;
        assert!(matches!(refused, Err(Error::Caller(CallerError::Forbidden(_)))), "{refused:?}");
        assert_eq!(shop.count("SELECT count(*) FROM attachments").await, 0);
    });
}

#[test]
fn an_upload_whose_file_could_not_be_stored_leaves_nothing_and_counts_for_nothing() {
    run(async {
        let shop = Shop::open().await;
        shop.limit(json!({ "uploads_per_day": 1 })).await;
        let blobs = Rc::new(FaultyBlobs::new(Rc::clone(&shop.ctx().blobs)));
        let ctx = Ctx::new(Rc::new(Ports { blobs: blobs.clone(), ..ports(shop.ctx()) }));
        let store = async || uploads::store(&ctx, &shop.visitor, "a.txt", "Tea".into()).await;
        blobs.fail_puts(1);
        assert!(matches!(store().await, Err(Error::Upstream { service: "blobs", .. })));
        let again = store().await.unwrap();
        assert!(matches!(store().await, Err(Error::Caller(CallerError::Quota { limit: 1, .. }))));
        let counted = shop.count("SELECT count(*) FROM uploads WHERE state = 'stored'").await;
        assert_eq!(counted, 1);
        shop.desk.clock.advance(HOUR);
        // Its file cannot be deleted either, at first.
        blobs.fail_deletes(1);
        assert_eq!(
            uploads::sweep(&ctx).await.unwrap(),
            Some(ctx.clock.now().after(HOUR)),
            "it is tried again"
        );
        shop.desk.clock.advance(HOUR);
        uploads::sweep(&ctx).await.unwrap();
        assert_eq!(shop.count("SELECT count(*) FROM uploads").await, 1);
        assert_eq!(shop.count("SELECT bytes FROM upload_totals").await, 3);
        assert!(shop.is_stored(again.id).await);
    });
}

#[test]
fn a_sweep_that_was_cut_anywhere_is_finished_by_the_next() {
    run(async {
        for cut in 0..4 {
            let shop = Shop::open().await;
            let id = shop.text("lonely").await;
            shop.desk.clock.advance(25 * HOUR);
            let mut sweep = Box::pin(uploads::sweep(shop.ctx()));
            // Polled so often, then dropped, as when its process dies.
            for _ in 0..cut {
                if futures_util::future::poll_fn(|cx| {
                    std::task::Poll::Ready(sweep.as_mut().poll(cx).is_ready())
                })
                .await
                {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(sweep);
            shop.sweep().await;
            assert!(!shop.is_stored(id).await);
            assert_eq!(shop.count("SELECT count(*) FROM uploads").await, 0, "cut {cut}");
            assert_eq!(shop.count("SELECT bytes FROM upload_totals").await, 0, "cut {cut}");
        }
    });
}

#[test]
fn uploads_from_before_their_step_of_the_schema_are_kept_and_found_by_their_messages() {
    run(async {
        let shop = Shop::open().await;
        let operator = shop.operator();
        let sent = uploads::store(shop.ctx(), &operator, "a.txt", "sent".into()).await.unwrap().id;
        let lonely = shop.text("lonely").await;
        shop.post(&operator, &[sent], false).await.unwrap();
        let db = shop.ctx().db.as_ref();
        while !migrations::down(db, 1).await.unwrap().iter().any(|name| name.ends_with("_access")) {}
        migrations::up(db, shop.ctx().clock.now()).await.unwrap();
        assert_eq!(shop.count("SELECT bytes FROM upload_totals").await, 10);
        shop.desk.clock.advance(25 * HOUR);
        shop.sweep().await;
        // Whether a message names one could not be told then, so nothing from before goes.
        for id in [sent, lonely] {
            assert_eq!(shop.status(id, &shop.token).await, 200);
        }
    });
}
