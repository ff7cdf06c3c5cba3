//! The host: every port of this machine, bundled.

use std::cell::RefCell;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use frontdesk_app::config::{HostConfig, RateLimitStore};
use frontdesk_app::life::{self, Sign};
use frontdesk_app::limits::DatabaseLimiter;
use frontdesk_app::rooms::{Log, LogRooms};
use frontdesk_app::vectors::LibsqlVectors;
use frontdesk_app::{jobs, schema};
use frontdesk_clients::hrana::{HranaDatabase, HranaServer};
use frontdesk_clients::qdrant::Qdrant;
use frontdesk_clients::s3::S3Blobs;
use frontdesk_domain::id::WorkerId;
use frontdesk_ports::{
    Blobs, Breakers, Clock, Ctx, Database, Extractor, HttpClient, Limiter, Metrics, Ports, Random,
    SchemaState, Supervision, VectorIndex, supervise,
};

use crate::blobs::DiskBlobs;
use crate::counted::CountedDatabase;
use crate::database::LibsqlDatabase;
use crate::extractor::SubprocessExtractor;
use crate::http_client::ReqwestClient;
use crate::limiter::MemoryLimiter;
use crate::private;
use crate::queued::QueuedDatabase;
use crate::runtime::{BlockingCompute, LocalTasks, OsRandom, SystemClock};
use crate::spool::DiskSpool;
use crate::web::Web;

/// How often due jobs are polled.
const JOBS_EVERY: Duration = Duration::from_millis(500);

/// How many jobs are worked on at once.
const JOBS_AT_ONCE: u32 = 4;

/// What a host is made of.
pub struct HostOptions {
    /// The data directory; it exists.
    pub data: PathBuf,
    /// The static files.
    pub web: Option<PathBuf>,
    /// The configuration.
    pub config: HostConfig,
    /// The program that reads untrusted files as `<program> extract`.
    pub program: PathBuf,
}

/// Puts one database in front of another.
pub type Wrap = Box<dyn FnOnce(Rc<dyn Database>) -> Rc<dyn Database>>;

/// Ports that tests put in place of the machine's.
#[derive(Default)]
pub struct Overrides {
    /// Time.
    pub clock: Option<Rc<dyn Clock>>,
    /// Randomness.
    pub random: Option<Rc<dyn Random>>,
    /// HTTP.
    pub http: Option<Rc<dyn HttpClient>>,
    /// Text from files.
    pub extractor: Option<Rc<dyn Extractor>>,
    /// The database, made from the real one.
    pub database: Option<Wrap>,
}

/// A running host.
pub struct Host {
    /// Every port.
    pub ctx: Ctx,
    /// The rooms, for start and end.
    pub rooms: LogRooms,
    /// Work in progress.
    pub tasks: LocalTasks,
    /// The static files.
    pub web: Web,
    sign: Sign,
    /// Held as long as the host lives: one process serves a data directory.
    _lock: Option<std::fs::File>,
}

impl Host {
    /// Opens the data directory and bundles the ports. The schema must be up to date.
    ///
    /// # Errors
    /// When another process uses the directory, or the schema is not this version's.
    pub async fn open(options: HostOptions, overrides: Overrides) -> Result<Rc<Self>> {
        let lock = lock(&options.data)?;
        Self::bundle(options, overrides, Some(lock)).await
    }

    /// The same beside a process that serves from the directory, for a command that does not touch its rooms.
    ///
    /// # Errors
    /// When the schema is not this version's.
    pub async fn beside(options: HostOptions) -> Result<Rc<Self>> {
        Self::bundle(options, Overrides::default(), None).await
    }

    async fn bundle(
        options: HostOptions,
        overrides: Overrides,
        lock: Option<std::fs::File>,
    ) -> Result<Rc<Self>> {
        private::keep(&options.data)?;
        let clock = overrides.clock.unwrap_or_else(|| Rc::new(SystemClock));
        let random = overrides.random.unwrap_or_else(|| Rc::new(OsRandom));
        // A file is this process's own; behind a server there may be others.
        let exclusive = options.config.database.is_none();
        let metrics = Rc::new(Metrics::default());
        let opened = supervised_database(&options.data, options.config.database, &metrics.supervision)?;
        let database = match overrides.database {
            Some(wrap) => wrap(opened),
            None => opened,
        };
        let db: Rc<dyn Database> = Rc::new(CountedDatabase::new(database, Rc::clone(&metrics)));
        let worker = WorkerId::new(clock.now(), random.entropy());
        let tasks = LocalTasks::new(Rc::clone(&clock), metrics.supervision.clone());
        let limiter: Rc<dyn Limiter> = match options.config.rate_limit_store {
            RateLimitStore::Memory | RateLimitStore::None => Rc::new(MemoryLimiter::new(Rc::clone(&clock))),
            RateLimitStore::Libsql => {
                Rc::new(DatabaseLimiter::new(Rc::clone(&db), Rc::clone(&clock), &options.config.core))
            }
        };
        let http = match overrides.http {
            Some(http) => http,
            None => Rc::new(ReqwestClient::new().context("HTTP client")?),
        };
        let extractor = overrides.extractor.unwrap_or_else(|| {
            Rc::new(SubprocessExtractor::new(options.program.clone(), Default::default()))
        });
        let site_key = RefCell::new(String::new());
        let mut rooms = None;
        let ports = Rc::new_cyclic(|weak| {
            let made = LogRooms::new(weak.clone(), Log::Main, worker, exclusive);
            rooms = Some(made.clone());
            let vectors: Rc<dyn VectorIndex> = match options.config.qdrant {
                Some(server) => Rc::new(Qdrant::new(weak.clone(), server)),
                None => Rc::new(LibsqlVectors::new(Rc::clone(&db))),
            };
            let blobs: Rc<dyn Blobs> = match options.config.s3 {
                Some(server) => Rc::new(S3Blobs::new(weak.clone(), server)),
                None => Rc::new(DiskBlobs::new(options.data.join("blobs"))),
            };
            Ports {
                config: options.config.core,
                vectors,
                db,
                rooms: Rc::new(made),
                http,
                blobs,
                spool: Rc::new(DiskSpool::new(options.data.join("spool"))),
                extractor,
                limiter,
                clock,
                random,
                tasks: Rc::new(tasks.clone()),
                compute: Rc::new(BlockingCompute::new(metrics.supervision.clone())),
                metrics,
                breakers: Breakers::default(),
                caches: Rc::default(),
            }
        });
        let Some(rooms) = rooms else { bail!("rooms were not made") };
        let ctx = Ctx::new(ports);
        match schema::state(&ctx).await {
            SchemaState::Right => {}
            SchemaState::Wrong(reason) => bail!("{reason}"),
            SchemaState::Unreachable => bail!("the database does not answer"),
        }
        if let Some(site) = frontdesk_app::sites::first(&ctx).await? {
            site_key.replace(site.site_key);
        }
        let web = Web::new(options.web.as_deref(), &site_key.into_inner());
        let sign = Sign { id: worker.to_string(), kind: "local", lasts: life::EVERY.saturating_mul(3) };
        Ok(Rc::new(Self { ctx, rooms, tasks, web, sign, _lock: lock }))
    }

    /// Begins what goes on beside requests: signs of life, turns that a process left open, and jobs.
    pub fn begin_work(&self) {
        let (ctx, sign) = (self.ctx.clone(), self.sign.clone());
        tokio::task::spawn_local(supervise(self.ctx.clone(), "sign_of_life", move || {
            let (ctx, sign) = (ctx.clone(), sign.clone());
            Box::pin(async move {
                loop {
                    life::sign(&ctx, &sign).await;
                    ctx.clock.sleep(life::EVERY).await;
                }
            })
        }));
        let rooms = self.rooms.clone();
        tokio::task::spawn_local(supervise(self.ctx.clone(), "turns", move || {
            let rooms = rooms.clone();
            Box::pin(async move { rooms.watch().await })
        }));
        let ctx = self.ctx.clone();
        tokio::task::spawn_local(supervise(ctx.clone(), "jobs", move || Box::pin(run_jobs(ctx.clone()))));
    }

    /// The last thing a host does: nothing keeps its schema in place any more.
    pub async fn end_work(&self) {
        life::leave(&self.ctx, &self.sign).await;
    }
}

/// Works through the queue, for ever.
async fn run_jobs(ctx: Ctx) {
    let mut scheduled = false;
    loop {
        if !scheduled {
            scheduled = jobs::schedule(&ctx).await.is_ok();
        }
        let pause = match jobs::run(&ctx, JOBS_AT_ONCE).await {
            Ok(Some(next)) if next <= ctx.clock.now() => continue,
            Ok(_) => JOBS_EVERY,
            Err(error) => {
                tracing::error!(%error, "jobs could not be run");
                JOBS_EVERY.saturating_mul(10)
            }
        };
        ctx.clock.sleep(pause).await;
    }
}

/// The database: behind the server, or a file of the data directory, made where it is missing.
///
/// # Errors
/// When the file cannot be opened; a server is not asked yet.
pub fn database(data: &Path, server: Option<HranaServer>) -> Result<Rc<dyn Database>> {
    supervised_database(data, server, &Supervision::default())
}

fn supervised_database(
    data: &Path,
    server: Option<HranaServer>,
    supervision: &Supervision,
) -> Result<Rc<dyn Database>> {
    Ok(match server {
        Some(server) => {
            let http = Rc::new(ReqwestClient::new().context("HTTP client")?);
            let remote = HranaDatabase::new(http, Rc::new(SystemClock), Rc::new(OsRandom), server);
            Rc::new(QueuedDatabase::new(Rc::new(remote)))
        }
        None => Rc::new(LibsqlDatabase::open(&data.join("frontdesk.db"), supervision)?),
    })
}

/// Makes this process the one that serves from the directory, as long as it holds the file.
///
/// # Errors
/// When another process does.
pub fn lock(data: &Path) -> Result<std::fs::File> {
    let path = data.join("lock");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = file.with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!("{} is in use by another process", data.display()),
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}
