//! The ports of one request.

use std::any::Any;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{
    BoxFuture, Breakers, Caches, Clock, Compute, Config, Ctx, Metrics, Ports, Random, Tasks,
};
use secrecy::SecretString;
use worker::{Context, Date, Delay};

use crate::http_client::FetchClient;

thread_local! {
    /// Counters of this isolate; they hold nothing of any request.
    static METRICS: Rc<Metrics> = Rc::default();
    /// What is known in this isolate of the services that are called.
    static BREAKERS: Breakers = Breakers::default();
}

/// The longest time that JavaScript's timers take, in milliseconds.
const MAX_TIMER: u64 = i32::MAX.unsigned_abs() as u64;

/// The context of a request. Work after the response belongs to its request, so the ports are made for each.
pub fn ctx(context: Context) -> Ctx {
    let absent = Rc::new(Unconfigured);
    let clock: Rc<dyn Clock> = Rc::new(JsClock);
    Ctx::new(Rc::new(Ports {
        config: config(),
        db: absent.clone(),
        rooms: absent.clone(),
        vectors: absent.clone(),
        http: Rc::new(FetchClient::new(clock.clone())),
        blobs: absent.clone(),
        extractor: absent.clone(),
        limiter: absent,
        clock,
        random: Rc::new(JsRandom),
        tasks: Rc::new(AfterResponse(context)),
        compute: Rc::new(Inline),
        metrics: METRICS.with(Rc::clone),
        caches: Caches::default(),
        breakers: BREAKERS.with(Breakers::clone),
    }))
}

/// The configuration. This host has no database yet, so nobody can sign in; the keys are drawn anew for every request
/// and kept by nobody, so no token is ever valid.
fn config() -> Config {
    let key = || {
        let mut bytes = [0_u8; 32];
        JsRandom.fill(&mut bytes);
        SecretString::from(hex::encode(bytes))
    };
    Config {
        jwt_secret: key(),
        encryption_key: key(),
        metrics_token: None,
        allowed_origins: Vec::new(),
        model: None,
        rate_limits: true,
        secure_cookies: true,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// JavaScript's clock. The runtime lets it advance on I/O only.
struct JsClock;

impl Clock for JsClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(MAX_TIMER);
        Box::pin(Delay::from(Duration::from_millis(millis)))
    }
}

/// JavaScript's `crypto.getRandomValues`.
struct JsRandom;

impl Random for JsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Zeros would be predictable keys and ids. The runtime always has a random source; should it not, this
            // request must not go on.
            worker::console_error!("no random source");
            std::process::abort();
        }
    }
}

/// `waitUntil`: the runtime keeps the isolate until the work ends.
struct AfterResponse(Context);

impl Tasks for AfterResponse {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        self.0.wait_until(work);
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
