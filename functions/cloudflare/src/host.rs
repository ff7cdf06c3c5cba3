//! The ports of a request or an object, made of the deployment's bindings.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use frontdesk_app::config::{HostConfig, closed};
use frontdesk_app::limits::RemoteLimiter;
use frontdesk_app::rooms::RemoteRooms;
use frontdesk_app::vectors::LibsqlVectors;
use frontdesk_clients::hrana::{HranaDatabase, HranaServer};
use frontdesk_clients::qdrant::{self, Qdrant};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{
    Blobs, Breakers, Caches, Clock, Config, Ctx, Database, HttpClient, Limiter, MemorySpool, Metrics,
    OwnOrigin, Ports, Random, Rooms, Tasks,
};
use worker::Env;
use worker::js_sys::{Array, Reflect, global};
use worker::wasm_bindgen::JsCast;

use crate::blobs::BucketBlobs;
use crate::extractor::InstanceExtractor;
use crate::http_client::FetchClient;
use crate::logs;
use crate::objects::Objects;
use crate::runtime::{Inline, JsClock, JsRandom};

/// The binding of the room objects.
const ROOMS: &str = "ROOMS";
/// The binding of the limiter objects.
const LIMITERS: &str = "LIMITERS";
/// The binding of the object that works through the queue.
const JOBS: &str = "JOBS";
/// Where supervise.js writes down when the core died.
const DEATHS: &str = "frontdeskDeaths";
/// The binding of the bucket for files.
const BLOBS: &str = "BLOBS";

thread_local! {
    /// What this isolate was told: variables change with a deployment only, which makes a new isolate.
    static CONFIG: RefCell<Option<Rc<Told>>> = const { RefCell::new(None) };
    /// Counters of this isolate; they hold nothing of any request.
    static METRICS: Rc<Metrics> = after_deaths();
    /// What this isolate remembers for a short time.
    static CACHES: Rc<Caches> = Rc::default();
    /// What is known in this isolate of the services that are called.
    static BREAKERS: Breakers = Breakers::default();
}

/// The counters of a new instance of the core. When those before it died, supervise.js has written down.
fn after_deaths() -> Rc<Metrics> {
    let metrics: Rc<Metrics> = Rc::default();
    let deaths =
        Reflect::get(&global(), &DEATHS.into()).ok().and_then(|deaths| deaths.dyn_into::<Array>().ok());
    for at in deaths.iter().flat_map(Array::iter).filter_map(|at| at.as_string()?.parse().ok()) {
        metrics.supervision.has_died("instance", Timestamp::from_millis(at));
    }
    metrics
}

/// The configuration.
struct Told {
    core: Config,
    database: Option<HranaServer>,
    qdrant: Option<qdrant::QdrantServer>,
}

/// The ports. `rooms` makes those of the caller: a request asks room objects, a room object is one.
pub fn ctx(env: &Env, tasks: Rc<dyn Tasks>, rooms: impl FnOnce(Weak<Ports>) -> Rc<dyn Rooms>) -> Ctx {
    let absent = Rc::new(Unconfigured);
    let told = told(env);
    let clock: Rc<dyn Clock> = Rc::new(JsClock);
    let random: Rc<dyn Random> = Rc::new(JsRandom);
    let http: Rc<dyn HttpClient> = Rc::new(FetchClient::new(clock.clone()));
    let db: Rc<dyn Database> = match told.database.clone() {
        Some(server) => Rc::new(HranaDatabase::new(http.clone(), clock.clone(), random.clone(), server)),
        None => absent.clone(),
    };
    let blobs: Rc<dyn Blobs> = match env.bucket(BLOBS) {
        Ok(bucket) => Rc::new(BucketBlobs(bucket)),
        Err(_) => absent.clone(),
    };
    let limiter: Rc<dyn Limiter> = match objects(env, LIMITERS, &clock) {
        Some(objects) => Rc::new(RemoteLimiter(Rc::new(objects))),
        None => absent.clone(),
    };
    Ctx::new(Rc::new_cyclic(|ports| Ports {
        config: told.core.clone(),
        vectors: match told.qdrant.clone() {
            Some(server) => Rc::new(Qdrant::new(ports.clone(), server)),
            None => Rc::new(LibsqlVectors::new(db.clone())),
        },
        db,
        rooms: rooms(ports.clone()),
        http,
        blobs,
        spool: Rc::new(MemorySpool),
        extractor: Rc::new(InstanceExtractor),
        limiter,
        clock,
        random,
        tasks,
        compute: Rc::new(Inline),
        metrics: METRICS.with(Rc::clone),
        caches: CACHES.with(Rc::clone),
        breakers: BREAKERS.with(Breakers::clone),
    }))
}

/// What the core is told of this deployment.
pub fn config(env: &Env) -> Config {
    told(env).core.clone()
}

/// The room objects of this deployment.
pub fn rooms(env: &Env) -> Option<Objects> {
    let clock: Rc<dyn Clock> = Rc::new(JsClock);
    objects(env, ROOMS, &clock)
}

/// All rooms, for those that are none themselves: requests, and jobs, some of which say something in a room.
pub fn all_rooms(env: &Env, ports: Weak<Ports>) -> Rc<dyn Rooms> {
    match rooms(env) {
        Some(objects) => Rc::new(RemoteRooms::new(ports, Rc::new(objects))),
        None => Rc::new(Unconfigured),
    }
}

/// The object that works through the queue.
pub fn jobs(env: &Env) -> Option<Objects> {
    let clock: Rc<dyn Clock> = Rc::new(JsClock);
    objects(env, JOBS, &clock)
}

fn objects(env: &Env, binding: &str, clock: &Rc<dyn Clock>) -> Option<Objects> {
    env.durable_object(binding).ok().map(|namespace| Objects::new(namespace, clock.clone()))
}

/// Reads the configuration once. What is wrong with it stands in the log; until it is mended only `/health/live` works.
fn told(env: &Env) -> Rc<Told> {
    if let Some(told) = CONFIG.with_borrow(Option::clone) {
        return told;
    }
    // Secrets and variables are read alike.
    let variable = |name: &str| env.var(name).ok().map(|value| value.to_string());
    let told = Rc::new(match HostConfig::from_vars(&variable) {
        Ok(config) => {
            logs::start(&config.log_level);
            let mut core = config.core;
            // Requests reach a Worker by its routes: no client can choose the name in their address.
            if core.own_origin == OwnOrigin::ByAddress {
                core.own_origin = OwnOrigin::Routed;
            }
            Told { core, database: config.database, qdrant: config.qdrant }
        }
        Err(problems) => {
            logs::start("info");
            for problem in problems {
                worker::console_error!("configuration: {problem}");
            }
            Told { core: closed(&JsRandom), database: None, qdrant: None }
        }
    });
    CONFIG.set(Some(told.clone()));
    told
}
