//! What every index of vectors keeps.

use frontdesk_domain::error::Error;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Database, VectorHit, VectorIndex, VectorRecord};

use crate::SeededRandom;

/// The embedding model of everything but what is about two of them.
const MODEL: &str = "contract/model A";
const OTHER_MODEL: &str = "contract/model-a";
/// More than any index takes in one request.
const MANY: u8 = 250;

fn passage(n: u8) -> PassageId {
    PassageId::new(Timestamp::from_millis(1_700_000_000_000), [n; 10])
}

fn document(n: u8) -> DocumentId {
    DocumentId::new(Timestamp::from_millis(1_700_000_000_000), [n; 10])
}

fn record(n: u8, vector: &[f32]) -> VectorRecord {
    VectorRecord { passage: passage(n), document: document(n), version: 1, vectors: vec![vector.to_vec()] }
}

fn passages(hits: &[VectorHit]) -> Vec<PassageId> {
    hits.iter().map(|hit| hit.passage).collect()
}

fn ids(numbers: &[u8]) -> Vec<PassageId> {
    numbers.iter().copied().map(passage).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// An index and one organisation, in the words of the contract.
struct Tenant<'a> {
    index: &'a dyn VectorIndex,
    db: &'a dyn Database,
    scope: &'a TenantScope,
}

#[expect(clippy::expect_used, reason = "a contract suite fails by panicking")]
impl Tenant<'_> {
    async fn store(&self, records: Vec<VectorRecord>) {
        self.store_for(MODEL, records).await;
    }

    async fn store_for(&self, model: &str, records: Vec<VectorRecord>) {
        let statements = self.index.upsert(self.scope, model, records).await.expect("stored");
        if !statements.is_empty() {
            self.db.batch(statements).await.expect("stored");
        }
    }

    async fn refuses(&self, records: Vec<VectorRecord>) -> Error {
        self.index.upsert(self.scope, MODEL, records).await.expect_err("refused")
    }

    async fn find(&self, vector: &[f32], limit: u32) -> Vec<VectorHit> {
        self.index.search(self.scope, MODEL, vector, limit).await.expect("searched")
    }

    async fn forget(&self, n: u8, version: Option<u32>) {
        self.index.delete(self.scope, document(n), version).await.expect("deleted");
    }
}

/// Runs the contract against `index`; statements that it gives are stored in `db`. `ours` and `theirs` are two
/// organisations that have nothing in it. Everything it stores it deletes.
///
/// # Panics
/// When the index breaks the contract.
pub async fn vector_index_contract(
    index: &dyn VectorIndex,
    db: &dyn Database,
    ours: &TenantScope,
    theirs: &TenantScope,
) {
    let (us, them) = (Tenant { index, db, scope: ours }, Tenant { index, db, scope: theirs });
    nothing_is_there_at_first(&us).await;
    nearest_first(&us).await;
    an_upsert_replaces(&us).await;
    organisations_are_apart(&us, &them).await;
    models_are_apart(&us).await;
    versions_are_deleted_one_by_one_or_all(&us).await;
    what_cannot_be_compared_is_refused(&us).await;
    several_vectors_of_a_passage(&us).await;
    many_at_once(&us).await;
    us.forget(200, None).await;
    for n in [2, 9] {
        them.forget(n, None).await;
    }
    assert!(us.find(&[1.0, 0.0, 0.0, 0.0], 10).await.is_empty(), "everything is deleted");
}

async fn nothing_is_there_at_first(us: &Tenant<'_>) {
    assert_eq!(us.find(&[1.0, 0.0, 0.0, 0.0], 10).await, [], "a model that was never used");
    us.forget(1, None).await;
    us.store(Vec::new()).await;
}

async fn nearest_first(us: &Tenant<'_>) {
    // Neither a vector's length nor the order of storing matters; very short and very long vectors have a direction, too.
    us.store(vec![
        record(3, &[0.0, 5.0, 0.0, 0.0]),
        record(1, &[2.0, 0.0, 0.0, 0.0]),
        record(4, &[-1e-5, 0.0, 0.0, 0.0]),
        record(2, &[3e30, 4e30, 0.0, 0.0]),
    ])
    .await;
    let hits = us.find(&[10.0, 0.0, 0.0, 0.0], 10).await;
    assert_eq!(passages(&hits), ids(&[1, 2, 3, 4]));
    for (hit, score) in hits.iter().zip([1.0, 0.6, 0.0, -1.0]) {
        assert!((hit.score - score).abs() < 1e-5, "the score is the cosine, {score}: {hit:?}");
    }
    assert_eq!(passages(&us.find(&[10.0, 0.0, 0.0, 0.0], 2).await), ids(&[1, 2]), "at most the limit");
}

async fn an_upsert_replaces(us: &Tenant<'_>) {
    us.store(vec![record(1, &[0.0, 0.0, 1.0, 0.0])]).await;
    let hits = us.find(&[0.0, 0.0, 1.0, 0.0], 10).await;
    assert_eq!(passages(&hits).first(), Some(&passage(1)));
    assert_eq!(hits.len(), 4, "the passage is there once: {hits:?}");

    // Equally near: by id, whichever was stored first, and the same ones each time.
    us.store(vec![record(4, &[0.0, 0.0, 1.0, 0.0]), record(3, &[0.0, 0.0, 1.0, 0.0])]).await;
    assert_eq!(passages(&us.find(&[0.0, 0.0, 1.0, 0.0], 3).await), ids(&[1, 3, 4]));
    let first = us.find(&[0.0, 0.0, 1.0, 0.0], 2).await;
    for _ in 0..3 {
        assert_eq!(us.find(&[0.0, 0.0, 1.0, 0.0], 2).await, first, "ties are stable");
    }
}

async fn organisations_are_apart(us: &Tenant<'_>, them: &Tenant<'_>) {
    // The same ids and the best score.
    them.store(vec![record(2, &[0.0, 0.0, 0.0, 1.0]), record(9, &[0.0, 0.0, 0.0, 1.0])]).await;
    let ours = us.find(&[0.0, 0.0, 0.0, 1.0], 10).await;
    assert_eq!(ours.len(), 4, "another organisation's passage is not ours: {ours:?}");
    assert!(ours.iter().all(|hit| hit.score < 0.5), "nor is its vector under an id of ours: {ours:?}");
    assert_eq!(passages(&them.find(&[0.0, 0.0, 0.0, 1.0], 10).await), ids(&[2, 9]));
    them.forget(1, None).await;
    us.forget(9, None).await;
    assert_eq!(
        us.find(&[1.0, 0.0, 0.0, 0.0], 10).await.len(),
        4,
        "one organisation does not delete for another"
    );
    assert_eq!(
        them.find(&[1.0, 0.0, 0.0, 0.0], 10).await.len(),
        2,
        "one organisation does not delete for another"
    );
}

#[expect(clippy::expect_used, reason = "a contract suite fails by panicking")]
async fn models_are_apart(us: &Tenant<'_>) {
    // Names that differ by what an index may not write in a name, and vectors of another length.
    let theirs = record(1, &[1.0, 0.0]);
    us.store_for(OTHER_MODEL, vec![theirs]).await;
    let hits = us.index.search(us.scope, OTHER_MODEL, &[1.0, 0.0], 10).await.expect("searched");
    assert_eq!(passages(&hits), ids(&[1]));
    assert_eq!(us.find(&[1.0, 0.0, 0.0, 0.0], 10).await.len(), 4);

    us.forget(1, None).await;
    let hits = us.index.search(us.scope, OTHER_MODEL, &[1.0, 0.0], 10).await.expect("searched");
    assert_eq!(hits, [], "a document is deleted from every model's vectors");
    assert_eq!(us.find(&[1.0, 0.0, 0.0, 0.0], 10).await.len(), 3);
}

async fn versions_are_deleted_one_by_one_or_all(us: &Tenant<'_>) {
    let of = |n: u8, version: u32| VectorRecord {
        document: document(20),
        version,
        ..record(n, &[0.0, 1.0, 1.0, 0.0])
    };
    let found = async || {
        let hits = us.find(&[0.0, 1.0, 1.0, 0.0], 20).await;
        let mut found = passages(&hits);
        found.retain(|id| ids(&[21, 22, 23, 24]).contains(id));
        found
    };
    us.store(vec![of(21, 1), of(22, 1), of(23, 2), of(24, 3)]).await;
    assert_eq!(found().await, ids(&[21, 22, 23, 24]));
    us.forget(20, Some(1)).await;
    assert_eq!(found().await, ids(&[23, 24]), "one version");
    us.forget(20, Some(7)).await;
    assert_eq!(found().await, ids(&[23, 24]), "a version that is not there");
    us.forget(20, None).await;
    assert_eq!(found().await, [], "all versions");
    assert_eq!(us.find(&[0.0, 1.0, 1.0, 0.0], 20).await.len(), 3, "and no other document");
}

#[expect(clippy::expect_used, reason = "a contract suite fails by panicking")]
async fn what_cannot_be_compared_is_refused(us: &Tenant<'_>) {
    let long = us.refuses(vec![record(30, &[1.0, 0.0, 0.0, 0.0, 0.0])]).await;
    for error in [
        long,
        us.refuses(vec![record(30, &[1.0, 0.0, 0.0, 0.0]), record(31, &[1.0; 5])]).await,
        us.index.search(us.scope, MODEL, &[1.0; 5], 10).await.expect_err("refused"),
    ] {
        let text = error.to_string();
        assert!(text.contains('5') && text.contains('4'), "both lengths are named: {text}");
        assert!(matches!(error, Error::Upstream { service: "vectors", retryable: false, .. }), "{error:?}");
    }
    for hopeless in [&[f32::NAN, 0.0, 0.0, 0.0][..], &[f32::INFINITY, 0.0, 0.0, 0.0], &[0.0; 4], &[]] {
        us.refuses(vec![record(30, hopeless)]).await;
        let searched = us.index.search(us.scope, MODEL, hopeless, 10).await;
        assert!(searched.is_err(), "{hopeless:?} has no direction");
    }
    us.refuses(vec![VectorRecord { vectors: Vec::new(), ..record(30, &[]) }]).await;
    assert_eq!(us.find(&[1.0, 0.0, 0.0, 0.0], 10).await.len(), 3, "nothing of it is stored");
}

async fn several_vectors_of_a_passage(us: &Tenant<'_>) {
    let most = us.index.vectors_per_passage();
    let (near, far) = (vec![0.0, 0.0, 0.0, 1.0], vec![1.0, 0.0, 0.0, 0.0]);
    let too_many = vec![near.clone(); most.saturating_add(1)];
    us.refuses(vec![VectorRecord { vectors: too_many, ..record(40, &[]) }]).await;
    if most > 1 {
        us.store(vec![VectorRecord { vectors: vec![far.clone(), near.clone()], ..record(40, &[]) }]).await;
        for side in [&near, &far] {
            let hits = us.find(side, 10).await;
            assert_eq!(passages(&hits).first(), Some(&passage(40)));
            assert!(
                hits.first().is_some_and(|hit| (hit.score - 1.0).abs() < 1e-5),
                "the nearest counts: {hits:?}"
            );
            assert_eq!(hits.len(), 4, "the passage is found once: {hits:?}");
        }
        us.store(vec![record(40, &far)]).await;
        let hits = us.find(&near, 10).await;
        assert!(hits.iter().all(|hit| hit.score < 0.5), "all of its vectors are replaced: {hits:?}");
        us.forget(40, None).await;
    }
}

async fn many_at_once(us: &Tenant<'_>) {
    for n in [2, 3, 4] {
        us.forget(n, None).await;
    }
    let random = SeededRandom::new(7);
    let number = || f32::from(u16::try_from(random.below(2000)).unwrap_or(0)) - 999.5;
    let records: Vec<VectorRecord> = (0..MANY)
        .map(|n| VectorRecord {
            document: document(200),
            ..record(n, &[number(), number(), number(), number()])
        })
        .collect();
    us.store(records.clone()).await;

    let question = [number(), number(), number(), number()];
    let mut expected: Vec<(f64, PassageId)> = records
        .iter()
        .map(|record| (record.vectors.iter().map(|vector| cosine(vector, &question)).sum(), record.passage))
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let hits = us.find(&question, 50).await;
    assert_eq!(hits.len(), 50);
    for (hit, (score, _)) in hits.iter().zip(&expected) {
        assert!((hit.score - score).abs() < 1e-5, "{hit:?}, expected {score}");
    }
    assert_eq!(us.find(&question, 500).await.len(), usize::from(MANY), "every one is there");
}
