//! The ports that retrieval needs, over a database file.

use std::any::Any;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use frontdesk_app::vectors::LibsqlVectors;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_ports::{BoxFuture, Clock, Compute, Config, Ctx, Database, Metrics, Ports, Random, Statement, Tasks};

use crate::database::LibsqlDatabase;

struct Fixed(AtomicU64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (to, from) in bytes.iter_mut().rev().zip(next.iter().rev()) {
            *to = *from;
        }
    }
}

impl Tasks for Fixed {
    fn spawn(&self, _: &'static str, _: BoxFuture<'static, ()>) {}
}

#[async_trait(?Send)]
impl Compute for Fixed {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        work()
    }
}

/// A new database in `directory`, with its schema.
pub async fn open(directory: &Path) -> Result<Ctx> {
    let db: Rc<dyn Database> = Rc::new(LibsqlDatabase::open(&directory.join("bench.db"))?);
    let steps = [
        include_str!("../../migrations/0001_tenants_and_rooms.up.sql"),
        include_str!("../../migrations/0002_users_settings_usage.up.sql"),
        include_str!("../../migrations/0003_documents.up.sql"),
        include_str!("../../migrations/0004_passages.up.sql"),
    ];
    for step in steps {
        let statements = step.split_inclusive(";\n").filter(|sql| sql.contains(';')).map(Statement::new).collect();
        db.batch(statements).await?;
    }
    let fixed = Rc::new(Fixed(AtomicU64::new(1)));
    let nothing = Rc::new(Unconfigured);
    Ok(Ctx::new(Rc::new(Ports {
        config: Config {
            jwt_secret: String::new().into(),
            encryption_key: String::new().into(),
            metrics_token: None,
            allowed_origins: Vec::new(),
            model: None,
            rate_limits: false,
            secure_cookies: false,
            version: env!("CARGO_PKG_VERSION"),
        },
        vectors: Rc::new(LibsqlVectors::new(Rc::clone(&db))),
        db,
        rooms: nothing.clone(),
        http: nothing.clone(),
        blobs: nothing.clone(),
        extractor: nothing.clone(),
        limiter: nothing,
        clock: fixed.clone(),
        random: fixed.clone(),
        tasks: fixed.clone(),
        compute: fixed,
        metrics: Rc::new(Metrics::default()),
    })))
}
