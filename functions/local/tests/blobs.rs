//! Files on disk.

#![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::blobs::DiskBlobs;
use frontdesk_ports::{BlobKey, Blobs};

fn scope(n: u8) -> TenantScope {
    TenantScope::authenticated(OrgId::new(Timestamp::from_millis(1), [n; 10]), Actor::System)
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
