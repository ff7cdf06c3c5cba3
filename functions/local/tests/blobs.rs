//! Files on disk and in the database.

#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::blobs::DatabaseBlobs;
use frontdesk_app::{documents, migrations, settings};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::blobs::DiskBlobs;
use frontdesk_local::testing::{Place, World, run};
use frontdesk_ports::{BlobError, BlobKey, Blobs, Ctx, Database, DbError, Ports, Rows, Statement};
use serde_json::json;

const MIB: usize = 1024 * 1024;

fn scope(n: u8) -> TenantScope {
    TenantScope::authenticated(OrgId::new(Timestamp::from_millis(1), [n; 10]), Actor::System)
}

fn key() -> BlobKey {
    BlobKey::new(&scope(1), "document", "one")
}

/// A file of `size` bytes, each `byte`.
fn file(byte: u8, size: usize) -> Bytes {
    vec![byte; size].into()
}

#[tokio::test(flavor = "current_thread")]
async fn disk_keeps_the_contract_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::new(directory.path().join("blobs"));
    frontdesk_testkit::blobs_contract(&blobs, &scope(1), &scope(2)).await;
    let left = std::fs::read_dir(directory.path().join("blobs")).unwrap().count();
    assert_eq!(left, 0, "temporary files and empty directories are tidied away");
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_that_climbs_out_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = DiskBlobs::new(directory.path().join("blobs"));
    let key = BlobKey::new(&scope(1), "document", "../../../escaped");
    assert!(blobs.put(&key, "x".into()).await.is_err());
    assert!(blobs.get(&key).await.is_err() && blobs.delete(&key).await.is_err());
    assert!(!directory.path().join("escaped").exists());
}

async fn database(place: &Place) -> Rc<dyn Database> {
    let db = place.database().unwrap();
    migrations::up(db.as_ref(), Timestamp::from_millis(1)).await.unwrap();
    db
}

#[test]
fn the_database_keeps_the_contract_and_leaves_nothing_behind() {
    run(async {
        let place = Place::new().unwrap();
        let db = database(&place).await;
        frontdesk_testkit::blobs_contract(&DatabaseBlobs::new(Rc::clone(&db)), &scope(1), &scope(2)).await;
        let left = db.query(vec![Statement::new("SELECT count(*) FROM blob_parts")]).await.unwrap();
        assert_eq!(left[0].rows[0].int(0), Ok(0));
    });
}

#[test]
fn the_database_takes_files_up_to_its_limit_and_says_what_takes_larger_ones() {
    run(async {
        let place = Place::new().unwrap();
        let blobs = DatabaseBlobs::new(database(&place).await);
        for size in [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1, 20 * MIB] {
            let mixed: Bytes = (0..=250_u8).cycle().take(size).collect::<Vec<u8>>().into();
            assert_eq!(blobs.put(&key(), mixed.clone()).await, Ok(()), "{size}");
            assert!(blobs.get(&key()).await == Ok(Some(mixed)), "{size} bytes come back as they were");
        }
        assert_eq!(blobs.max_bytes(), 20 * 1024 * 1024);
        let error = blobs.put(&key(), file(1, 20 * MIB + 1)).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("20971520 bytes") && said.contains("S3_ENDPOINT"), "{said}");
        assert_eq!(Error::from(error), CallerError::TooLarge { field: "file", limit: 20_971_520 }.into());
        let before = blobs.get(&key()).await.unwrap().unwrap();
        assert_eq!(before.len(), 20 * MIB, "what was refused replaces nothing");
    });
}

#[test]
fn no_more_is_let_in_than_can_be_kept() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (visitor, _) = world.visitor().await.unwrap();
        let admin = visitor.as_system();
        let patch = SettingsPatch(json!({ "limits": { "max_upload_bytes": 100 * MIB } }));
        let version = settings::read(world.ctx(), &admin).await.unwrap().version;
        settings::patch(world.ctx(), &admin, version, &patch).await.unwrap();
        let on_disk = documents::max_upload_bytes(world.ctx(), &visitor).await.unwrap();
        assert_eq!(on_disk, 100 * MIB as u64);

        let blobs = Rc::new(DatabaseBlobs::new(Rc::clone(&world.ctx().db)));
        let ctx = Ctx::new(Rc::new(Ports { blobs, ..frontdesk_testkit::ports(world.ctx()) }));
        assert_eq!(documents::max_upload_bytes(&ctx, &visitor).await.unwrap(), 20 * MIB as u64);
    });
}

/// A database in which a file is replaced by the next of others after each of the first reads; `None` deletes it.
struct Meddled {
    inner: Rc<dyn Database>,
    others: RefCell<Vec<Option<Bytes>>>,
    reads: Cell<u32>,
}

#[async_trait(?Send)]
impl Database for Meddled {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.reads.set(self.reads.get() + 1);
        let rows = self.inner.query(statements).await;
        let blobs = DatabaseBlobs::new(Rc::clone(&self.inner));
        let other = self.others.borrow_mut().pop();
        match other {
            Some(Some(other)) => blobs.put(&key(), other).await.unwrap(),
            Some(None) => blobs.delete(&key()).await.unwrap(),
            None => {}
        }
        rows
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.inner.batch(statements).await
    }
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_one_or_the_other() {
    run(async {
        let place = Place::new().unwrap();
        let db = database(&place).await;
        // Read in two calls each, so that others come in between.
        let (one, other) = (file(1, 5 * MIB), file(2, 6 * MIB));
        for (others, expected) in [
            (vec![Some(other.clone())], Ok(Some(other.clone()))),
            // Shorter than where reading went on.
            (vec![Some(file(3, 9))], Ok(Some(file(3, 9)))),
            (vec![None], Ok(None)),
            // The same again is no other file.
            (vec![Some(one.clone())], Ok(Some(one.clone()))),
        ] {
            DatabaseBlobs::new(Rc::clone(&db)).put(&key(), one.clone()).await.unwrap();
            let meddled =
                Meddled { inner: Rc::clone(&db), others: RefCell::new(others), reads: Cell::default() };
            let meddled = Rc::new(meddled);
            assert!(DatabaseBlobs::new(meddled.clone()).get(&key()).await == expected);
            assert!(meddled.reads.get() <= 4);
        }
        // Each time another: given up after three.
        let others = (10..20_u8).map(|byte| Some(file(byte, 5 * MIB))).collect();
        let meddled = Meddled { inner: db, others: RefCell::new(others), reads: Cell::default() };
        assert!(matches!(DatabaseBlobs::new(Rc::new(meddled)).get(&key()).await, Err(BlobError::Failed(_))));
    });
}
