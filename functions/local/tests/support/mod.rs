//! A context with real HTTP and real (tokio) time, and nothing else.

use std::any::Any;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{
    BoxFuture, Breakers, Clock, Compute, Config, Ctx, MemorySpool, Metrics, ModelEndpoint, OwnOrigin, Ports,
    Random, RegistrationMode, Tasks,
};
use tokio::time::Instant;

struct Time(Instant);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap())
            .after(Duration::from_secs(1_700_000_000))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Host;

impl Random for Host {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

impl Tasks for Host {
    fn spawn(&self, _: &'static str, work: BoxFuture<'static, ()>) {
        tokio::task::spawn_local(work);
    }
}

#[async_trait(?Send)]
impl Compute for Host {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        work()
    }
}

/// The context.
pub fn ctx() -> Ctx {
    Ctx::new(Rc::new(Ports {
        config: Config {
            registration: RegistrationMode::Invite,
            jwt_secret: String::new().into(),
            old_jwt_secret: None,
            metrics_token: None,
            rooms_token: None,
            allowed_origins: Vec::new(),
            own_origin: OwnOrigin::ByAddress,
            trusted_proxies: Default::default(),
            model: None,
            rate_limits: false,
            secure_cookies: false,
            version: "test",
        },
        db: Rc::new(Unconfigured),
        rooms: Rc::new(Unconfigured),
        vectors: Rc::new(Unconfigured),
        http: Rc::new(ReqwestClient::new().unwrap()),
        blobs: Rc::new(Unconfigured),
        spool: Rc::new(MemorySpool),
        extractor: Rc::new(Unconfigured),
        limiter: Rc::new(Unconfigured),
        clock: Rc::new(Time(Instant::now())),
        random: Rc::new(Host),
        tasks: Rc::new(Host),
        compute: Rc::new(Host),
        metrics: Rc::new(Metrics::default()),
        caches: Rc::default(),
        breakers: Breakers::default(),
    }))
}

/// The model at `base_url`.
pub fn endpoint(base_url: &str) -> ModelEndpoint {
    ModelEndpoint {
        base_url: base_url.to_owned(),
        api_key: Some("sk-test".into()),
        chat_model: Some("fake-chat".into()),
        fallback_model: None,
        embedding_model: Some("fake-embedding".into()),
    }
}
