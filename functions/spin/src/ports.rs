//! The ports, made once for each instance.

use std::any::Any;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{BoxFuture, Breakers, Clock, Compute, Config, Ctx, Metrics, Ports, Random, Tasks};
use secrecy::SecretString;
use spin_sdk::wasip3;

use crate::http_client::OutboundClient;
use crate::variables;

thread_local! {
    /// An instance answers many requests, also at the same time; nothing in here belongs to any of them.
    static CTX: OnceCell<Ctx> = const { OnceCell::new() };
}

/// The context of this instance.
pub async fn ctx() -> Ctx {
    if let Some(ctx) = CTX.with(|cell| cell.get().cloned()) {
        return ctx;
    }
    // Nothing is held across the await: of two first requests one context stays.
    let made = make(config().await);
    CTX.with(|cell| cell.get_or_init(|| made).clone())
}

fn make(config: Config) -> Ctx {
    let absent = Rc::new(Unconfigured);
    let clock: Rc<dyn Clock> = Rc::new(WasiClock);
    Ctx::new(Rc::new(Ports {
        config,
        db: absent.clone(),
        rooms: absent.clone(),
        vectors: absent.clone(),
        http: Rc::new(OutboundClient::new(clock.clone())),
        blobs: absent.clone(),
        extractor: absent.clone(),
        limiter: absent,
        clock,
        random: Rc::new(WasiRandom),
        tasks: Rc::new(Spawn),
        compute: Rc::new(Inline),
        metrics: Rc::<Metrics>::default(),
        caches: Rc::default(),
        breakers: Breakers::default(),
    }))
}

/// The configuration. This host has no database yet, so nobody can sign in; the keys are drawn anew for every instance
/// and kept by nobody else, so no token is ever valid.
async fn config() -> Config {
    let key = || {
        let mut bytes = [0_u8; 32];
        WasiRandom.fill(&mut bytes);
        SecretString::from(hex::encode(bytes))
    };
    let origins = variables::get("ALLOWED_ORIGINS").await.unwrap_or_default();
    Config {
        jwt_secret: key(),
        encryption_key: key(),
        metrics_token: None,
        allowed_origins: origins
            .split(',')
            .map(str::trim)
            .filter(|o| !o.is_empty())
            .map(str::to_owned)
            .collect(),
        model: None,
        rate_limits: true,
        secure_cookies: true,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// WASI's clocks.
struct WasiClock;

impl Clock for WasiClock {
    fn now(&self) -> Timestamp {
        let now = wasip3::clocks::system_clock::now();
        let millis = now.seconds.saturating_mul(1000).saturating_add(i64::from(now.nanoseconds / 1_000_000));
        Timestamp::from_millis(millis)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(spin_sdk::time::sleep(duration))
    }
}

/// WASI's random source, which never fails.
struct WasiRandom;

impl Random for WasiRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let drawn = wasip3::random::random::get_random_bytes(wanted);
        for (byte, drawn) in bytes.iter_mut().zip(drawn) {
            *byte = drawn;
        }
    }
}

/// A task of the component: it goes on after the response and after the client has left.
struct Spawn;

impl Tasks for Spawn {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        wasip3::spawn(work);
    }
}

/// There are no other threads here.
struct Inline;

#[async_trait(?Send)]
impl Compute for Inline {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        work()
    }
}
