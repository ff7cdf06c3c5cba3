//! The ports, made once for each instance.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use frontdesk_app::blobs::DatabaseBlobs;
use frontdesk_app::config::{HostConfig, closed};
use frontdesk_app::limits::DatabaseLimiter;
use frontdesk_app::remote::Deployment;
use frontdesk_app::rooms::{Log, LogRooms, RemoteRooms};
use frontdesk_app::vectors::LibsqlVectors;
use frontdesk_clients::hrana::{self, HranaDatabase};
use frontdesk_clients::qdrant::{self, Qdrant};
use frontdesk_clients::s3::{self, S3Blobs};
use frontdesk_domain::id::WorkerId;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{
    Breakers, Clock, Config, Ctx, Database, Extractor, HttpClient, MemorySpool, Metrics, Ports, Random,
};
use secrecy::SecretString;
use url::Url;

use crate::extractor::RemoteExtractor;
use crate::http_client::OutboundClient;
use crate::queued::QueuedDatabase;
use crate::runtime::{Inline, Spawn, WasiClock, WasiRandom};
use crate::{logs, variables};

thread_local! {
    /// An instance answers many requests, also at the same time; nothing in here belongs to any of them.
    static HOST: OnceCell<Host> = const { OnceCell::new() };
}

/// What an instance has.
#[derive(Clone)]
struct Host {
    ctx: Ctx,
    /// Own ones: none without a database, or where another deployment has them.
    rooms: Option<LogRooms>,
    /// Whether there is a queue to work through.
    has_database: bool,
}

/// The context of this instance.
pub async fn ctx() -> Ctx {
    if let Some(host) = HOST.with(|cell| cell.get().cloned()) {
        return host.ctx;
    }
    // Nothing is held across the await: of two first requests one context stays.
    let told = variables::all().await;
    HOST.with(|cell| cell.get_or_init(|| made(&told)).ctx.clone())
}

/// The own rooms of this instance, once it has a context.
pub fn rooms() -> Option<LogRooms> {
    HOST.with(|cell| cell.get().and_then(|host| host.rooms.clone()))
}

/// Whether this instance has a database, once it has a context.
pub fn has_database() -> bool {
    HOST.with(|cell| cell.get().is_some_and(|host| host.has_database))
}

/// Reads the configuration. What is wrong with it stands in the log; until it is mended only `/health/live` works.
fn made(told: &BTreeMap<&'static str, String>) -> Host {
    let config = HostConfig::from_vars(&|name| told.get(name).cloned());
    logs::start(config.as_ref().map_or("info", |config| &config.log_level));
    match config {
        Ok(config) => {
            if config.database.is_none() {
                tracing::error!("configuration: DATABASE_URL is missing");
            }
            let reader = config.reader.or_else(variables::default_reader);
            let rooms = config.rooms.zip(config.core.rooms_token.clone());
            let services =
                Services { database: config.database, qdrant: config.qdrant, s3: config.s3, reader, rooms };
            bundle(config.core, services)
        }
        Err(problems) => {
            for problem in problems {
                tracing::error!("configuration: {problem}");
            }
            bundle(closed(&WasiRandom), Services::default())
        }
    }
}

/// Other services, where they are configured.
#[derive(Default)]
struct Services {
    database: Option<hrana::HranaServer>,
    qdrant: Option<qdrant::QdrantServer>,
    s3: Option<s3::S3Server>,
    /// The component that reads files.
    reader: Option<Url>,
    /// The deployment whose rooms are used, and what it is shown.
    rooms: Option<(Url, SecretString)>,
}

fn bundle(config: Config, services: Services) -> Host {
    let Services { database, qdrant, s3, reader, rooms: elsewhere } = services;
    let absent = Rc::new(Unconfigured);
    let clock: Rc<dyn Clock> = Rc::new(WasiClock);
    let random: Rc<dyn Random> = Rc::new(WasiRandom);
    let http: Rc<dyn HttpClient> = Rc::new(OutboundClient::new(clock.clone()));
    let configured = database.is_some();
    let db: Rc<dyn Database> = match database {
        Some(server) => {
            let remote = HranaDatabase::new(http.clone(), clock.clone(), random.clone(), server);
            Rc::new(QueuedDatabase::new(Rc::new(remote), clock.clone()))
        }
        None => absent.clone(),
    };
    let limiter = Rc::new(DatabaseLimiter::new(db.clone(), clock.clone(), &config));
    let extractor: Rc<dyn Extractor> = match reader {
        Some(url) => Rc::new(RemoteExtractor::new(http.clone(), url)),
        None => absent.clone(),
    };
    let elsewhere = elsewhere.map(|(url, token)| Deployment::new(http.clone(), &url, token));
    let worker = WorkerId::new(clock.now(), random.entropy());
    let mut rooms = None;
    let ports = Rc::new_cyclic(|ports| {
        // Other instances write to the same rooms.
        let made = LogRooms::new(ports.clone(), Log::Main, worker, false);
        rooms = (configured && elsewhere.is_none()).then(|| made.clone());
        Ports {
            config,
            vectors: match qdrant {
                Some(server) => Rc::new(Qdrant::new(ports.clone(), server)),
                None => Rc::new(LibsqlVectors::new(db.clone())),
            },
            blobs: match s3 {
                Some(server) => Rc::new(S3Blobs::new(ports.clone(), server)),
                None => Rc::new(DatabaseBlobs::new(db.clone())),
            },
            db,
            rooms: match elsewhere {
                Some(deployment) => Rc::new(RemoteRooms::new(ports.clone(), Rc::new(deployment))),
                None => Rc::new(made),
            },
            http,
            spool: Rc::new(MemorySpool),
            extractor,
            limiter,
            clock,
            random,
            tasks: Rc::new(Spawn { ports: ports.clone() }),
            compute: Rc::new(Inline),
            metrics: Rc::<Metrics>::default(),
            caches: Rc::default(),
            breakers: Breakers::default(),
        }
    });
    Host { ctx: Ctx::new(ports), rooms, has_database: configured }
}
