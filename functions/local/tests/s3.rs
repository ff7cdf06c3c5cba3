//! Files in a bucket of a real S3 server, which checks every signature.
#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::{documents, jobs};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::id::{DocumentId, OrgId, UploadId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_local::testing::{World, run};
use frontdesk_local::{Overrides, SystemClock};
use frontdesk_ports::{
    BlobError, BlobKey, Blobs, ByteStream, Clock as _, Egress, FetchError, FetchLimits, HttpClient,
};
use frontdesk_testkit::{FaultyHttp, HttpFault, ManualClock};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::host::SingleDomain;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

const BUCKET: &str = "desk";
const KEY: &str = "frontdesk-key";
const SECRET: &str = "secret-SENTINEL";
/// What the server calls itself where buckets stand before the host's name.
const DOMAIN: &str = "s3.example";

/// What becomes of one request.
#[derive(Clone, Copy)]
enum Fate {
    /// It is answered with 503.
    Busy,
    /// The connection breaks.
    Cut,
}

/// An S3 server on loopback with one bucket.
struct Server {
    url: String,
    directory: tempfile::TempDir,
    fates: Rc<RefCell<VecDeque<Fate>>>,
    calls: Rc<Cell<u32>>,
}

impl Server {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        builder.set_host(SingleDomain::new(DOMAIN).unwrap());
        let s3 = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (fates, calls) = (Rc::<RefCell<VecDeque<Fate>>>::default(), Rc::<Cell<u32>>::default());
        let (plan, count) = (Rc::clone(&fates), Rc::clone(&calls));
        tokio::task::spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (s3, plan, count) = (s3.clone(), Rc::clone(&plan), Rc::clone(&count));
                let service = service_fn(move |request: Request<Incoming>| {
                    count.set(count.get() + 1);
                    let (s3, fate) = (s3.clone(), plan.borrow_mut().pop_front());
                    async move {
                        match fate {
                            None => s3
                                .call(request.map(s3s::Body::from))
                                .await
                                .map_err(|error| format!("{error:?}")),
                            Some(Fate::Busy) => {
                                let body = "<Error><Code>SlowDown</Code></Error>".to_owned();
                                let mut response = Response::new(s3s::Body::from(body));
                                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                                Ok(response)
                            }
                            Some(Fate::Cut) => Err("cut".to_owned()),
                        }
                    }
                });
                tokio::task::spawn_local(async move {
                    let http = auto::Builder::new(TokioExecutor::new()).http1_only();
                    // The client ends the connection when it likes, and a cut is an error.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { url, directory, fates, calls }
    }

    /// What becomes of the next requests; those after them are answered.
    fn plan(&self, fates: &[Fate]) {
        self.fates.borrow_mut().extend(fates);
        self.calls.set(0);
    }

    async fn world(&self, overrides: Overrides) -> World {
        World::new(&variables(&self.url, SECRET), overrides).await.unwrap()
    }
}

fn variables<'a>(url: &'a str, secret: &'a str) -> [(&'static str, &'a str); 4] {
    [("S3_ENDPOINT", url), ("S3_BUCKET", BUCKET), ("S3_ACCESS_KEY_ID", KEY), ("S3_SECRET_ACCESS_KEY", secret)]
}

fn scope(n: u8) -> TenantScope {
    TenantScope::authenticated(OrgId::new(Timestamp::from_millis(1), [n; 10]), Actor::System)
}

fn key() -> BlobKey {
    BlobKey::new(&scope(1), "document", DocumentId::new(Timestamp::from_millis(1), [2; 10]))
}

fn blobs(world: &World) -> &dyn Blobs {
    world.ctx().blobs.as_ref()
}

/// The reason of a refusal, or of a failure that may pass.
fn reason(error: BlobError) -> (bool, String) {
    match error {
        BlobError::Failed(reason) => (true, reason),
        BlobError::Refused(reason) => (false, reason),
        BlobError::TooLarge { .. } => panic!("{error}"),
    }
}

#[test]
fn a_bucket_keeps_the_contract_and_nothing_is_on_disk() {
    run(async {
        let server = Server::start().await;
        let world = server.world(Overrides::default()).await;
        frontdesk_testkit::blobs_contract(blobs(&world), &scope(1), &scope(2)).await;
        assert!(server.calls.get() > 10 && !world.place.data().join("blobs").exists());
    });
}

#[test]
fn files_of_every_key_come_back_as_they_were() {
    run(async {
        let server = Server::start().await;
        let world = server.world(Overrides::default()).await;
        let now = SystemClock.now();
        let large: Bytes = (0..=250_u8).cycle().take(6 * 1024 * 1024).collect::<Vec<u8>>().into();
        let keys = [
            key(),
            BlobKey::new(&scope(1), "upload", UploadId::new(now, [3; 10])),
            BlobKey::new(&scope(2), "contract", "one"),
        ];
        for (key, file) in keys.iter().zip([Bytes::new(), large, Bytes::from_static(b"small")]) {
            assert_eq!(blobs(&world).put(key, file.clone()).await, Ok(()));
            assert!(server.directory.path().join(BUCKET).join(key.as_str()).is_file(), "{key:?}");
            assert!(blobs(&world).get(key).await == Ok(Some(file)), "{key:?}");
        }
        server.calls.set(0);
        let climbs = BlobKey::new(&scope(1), "document", "../../other/one");
        assert!(matches!(blobs(&world).get(&climbs).await, Err(BlobError::Refused(_))));
        assert_eq!(server.calls.get(), 0, "nobody is asked for it");
    });
}

#[test]
fn a_document_s_file_is_in_the_bucket_until_it_is_deleted() {
    run(async {
        let server = Server::start().await;
        let world = server.world(Overrides::default()).await;
        let (ctx, scope) = (world.ctx(), scope(1));
        let made =
            documents::create_from_text(ctx, &scope, "Delivery", "Delivery takes two days.").await.unwrap();
        while jobs::run(ctx, 1).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
        let read = documents::get(ctx, &scope, made.document.id).await.unwrap();
        assert_eq!(read.status, DocumentStatus::Ready);
        let key = BlobKey::new(&scope, "document", made.document.id);
        let file = server.directory.path().join(BUCKET).join(key.as_str());
        assert_eq!(std::fs::read(&file).unwrap(), b"Delivery takes two days.");
        documents::delete(ctx, &scope, made.document.id).await.unwrap();
        assert!(!file.exists());
    });
}

/// Finds the server under the names of its buckets.
struct Names {
    inner: ReqwestClient,
    server: String,
}

#[async_trait(?Send)]
impl HttpClient for Names {
    async fn send(
        &self,
        mut request: Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<Response<ByteStream>, FetchError> {
        let host = request.uri().host().unwrap().to_owned();
        assert_eq!(host, format!("{BUCKET}.{DOMAIN}"));
        request.headers_mut().insert(header::HOST, HeaderValue::from_str(&host).unwrap());
        let path = request.uri().path_and_query().unwrap();
        *request.uri_mut() = format!("{}{path}", self.server).parse().unwrap();
        self.inner.send(request, limits).await
    }
}

#[test]
fn a_bucket_may_stand_before_the_host_s_name() {
    run(async {
        let server = Server::start().await;
        let http = Names { inner: ReqwestClient::new().unwrap(), server: server.url.clone() };
        let endpoint = format!("http://{DOMAIN}");
        let mut vars = variables(&endpoint, SECRET).to_vec();
        vars.extend([("S3_ADDRESSING", "virtual"), ("S3_REGION", "eu-central-1")]);
        let overrides = Overrides { http: Some(Rc::new(http)), ..Overrides::default() };
        let world = World::new(&vars, overrides).await.unwrap();
        frontdesk_testkit::blobs_contract(blobs(&world), &scope(1), &scope(2)).await;
    });
}

#[test]
fn a_wrong_secret_or_bucket_is_told_at_once_without_repeating_it() {
    const REFUSED: &str =
        "refused, check the access key, its secret, its rights to the bucket and the clock: ";
    const NO_BUCKET: &str = "no bucket there, check endpoint, bucket and region: ";
    run(async {
        let server = Server::start().await;
        for (name, wrong, expected) in [
            ("S3_SECRET_ACCESS_KEY", "other-SENTINEL", format!("{REFUSED}403 SignatureDoesNotMatch")),
            // AWS says InvalidAccessKeyId.
            ("S3_ACCESS_KEY_ID", "other-SENTINEL", format!("{REFUSED}403 NotSignedUp")),
            ("S3_BUCKET", "other-sentinel", format!("{NO_BUCKET}404 NoSuchBucket")),
        ] {
            let vars = variables(&server.url, SECRET)
                .map(|(known, value)| if known == name { (known, wrong) } else { (known, value) });
            let world = World::new(&vars, Overrides::default()).await.unwrap();
            // More often than a breaker waits for: what is wrong stays told.
            for _ in 0..7 {
                server.calls.set(0);
                let error = blobs(&world).delete(&key()).await.unwrap_err();
                assert_eq!(reason(error), (false, expected.clone()), "{name}");
                assert_eq!(server.calls.get(), 1, "{name}: it would be refused again");
            }
        }
    });
}

#[test]
fn a_signature_is_good_for_a_minute() {
    run(async {
        let server = Server::start().await;
        let clock = ManualClock::at(SystemClock.now());
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
        let world = server.world(overrides).await;
        let at = |seconds: u64| {
            let now = SystemClock.now().millis();
            clock.set(Timestamp::from_millis(now - i64::try_from(seconds * 1000).unwrap()));
        };
        at(30);
        assert_eq!(blobs(&world).put(&key(), "x".into()).await, Ok(()));
        at(62);
        let (passing, reason) = reason(blobs(&world).get(&key()).await.unwrap_err());
        assert!(!passing && reason.contains("clock: 403"), "{reason}");
    });
}

#[test]
fn what_may_pass_is_tried_again_and_then_told() {
    run(async {
        let server = Server::start().await;
        let world = server.world(Overrides::default()).await;
        for fate in [Fate::Busy, Fate::Cut] {
            server.plan(&[fate]);
            assert_eq!(blobs(&world).put(&key(), "x".into()).await, Ok(()));
            assert_eq!(server.calls.get(), 2);
            server.plan(&[fate, fate]);
            assert_eq!(blobs(&world).get(&key()).await, Ok(Some("x".into())));
            assert_eq!(server.calls.get(), 3);
            server.plan(&[fate]);
            assert_eq!(blobs(&world).delete(&key()).await, Ok(()));
        }
        server.plan(&[Fate::Busy; 3]);
        let error = blobs(&world).get(&key()).await.unwrap_err();
        assert_eq!(reason(error), (true, "overloaded: 503 SlowDown".to_owned()));
        assert_eq!(server.calls.get(), 3);
    });
}

#[test]
fn a_server_that_is_down_is_told_soon_and_not_asked_for_ever() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let world = World::new(&variables(&url, SECRET), Overrides::default()).await.unwrap();
        let started = SystemClock.now();
        let error = blobs(&world).put(&key(), "x".into()).await.unwrap_err();
        assert_eq!(reason(error), (true, "unreachable: no connection".to_owned()));
        // Three attempts with pauses of 0.2 and 0.4 s at most; the rest is for a busy machine.
        assert!(SystemClock.now().since(started) < Duration::from_secs(5));
        // The fifth failure opens the circuit.
        assert!(blobs(&world).get(&key()).await.is_err());
        let error = blobs(&world).delete(&key()).await.unwrap_err();
        assert_eq!(reason(error), (true, "circuit open".to_owned()));
    });
}

#[test]
fn a_server_that_never_answers_is_given_up_after_a_minute() {
    run(async {
        let clock = ManualClock::at(SystemClock.now());
        let silent = FaultyHttp::new(Rc::new(ReqwestClient::new().unwrap()), "http://");
        silent.set(HttpFault::Silent);
        let overrides = Overrides {
            clock: Some(Rc::new(clock.clone())),
            http: Some(Rc::new(silent)),
            ..Overrides::default()
        };
        let world = World::new(&variables("http://s3.example", SECRET), overrides).await.unwrap();
        let key = key();
        let mut get = blobs(&world).get(&key);
        assert!(futures_util::poll!(&mut get).is_pending());
        clock.advance(Duration::from_secs(60));
        assert_eq!(reason(get.await.unwrap_err()), (true, "no answer in time".to_owned()));
    });
}

/// Lets fewer bytes through than is asked for.
struct Narrow(ReqwestClient);

#[async_trait(?Send)]
impl HttpClient for Narrow {
    async fn send(
        &self,
        request: Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<Response<ByteStream>, FetchError> {
        assert_eq!((limits.max_bytes, limits.egress), (100 * 1024 * 1024, Egress::Configured));
        assert!(limits.total <= Duration::from_secs(60), "{limits:?}");
        self.0.send(request, FetchLimits { max_bytes: 1000, ..limits }).await
    }
}

#[test]
fn what_is_too_large_is_refused() {
    run(async {
        let server = Server::start().await;
        let http = Narrow(ReqwestClient::new().unwrap());
        let world = server.world(Overrides { http: Some(Rc::new(http)), ..Overrides::default() }).await;
        blobs(&world).put(&key(), vec![1; 1001].into()).await.unwrap();
        server.calls.set(0);
        let error = blobs(&world).get(&key()).await.unwrap_err();
        assert_eq!(reason(error), (false, "an object over 1000 bytes".to_owned()));
        let more = vec![0; 100 * 1024 * 1024 + 1].into();
        let error = blobs(&world).put(&key(), more).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge { limit: 104_857_600, .. }), "{error}");
        assert_eq!(server.calls.get(), 1, "it is not asked again, and not for what it never gets");
    });
}
