//! Qdrant as [`VectorIndex`], over HTTP.
//!
//! One collection for each embedding model and [`VectorMode`], searched through an alias ([`names`]), made when the first
//! vector is stored. Every point carries its organisation, document, version and passage; every search and every
//! delete is filtered by the organisation ([`wire::Filter`]). A point's id is made of organisation and passage, so that
//! no organisation can overwrite another's.
//!
//! ```text
//! names   what things are called      call    one call with deadline, retries and breaker
//! wire    bodies, the filter          error   what goes wrong         rebuild  a new generation, swapped in
//! ```
//!
//! Needs Qdrant 1.11 or later. A server belongs to one Frontdesk: two of them would share collections.

mod call;
mod error;
mod names;
mod rebuild;
mod wire;

use std::rc::Weak;

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{
    Ctx, Ports, Statement, VectorHit, VectorIndex, VectorRecord, unit_vector, wrong_vector_length,
};
use http::Method;
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use call::Caller;
use error::QdrantError;
pub use rebuild::Rebuild;
use wire::{
    AliasAction, AliasActions, Aliases, DOCUMENT, Delete, FieldSchema, Filter, FoundPoints, Hnsw,
    Multivector, NewCollection, NewIndex, ORG, PASSAGE, Payload, Point, PointVectors, Points, Query, VERSION,
    VectorParams,
};

/// The service's name in metrics, logs and errors.
const SERVICE: &str = "vectors";
/// Vectors of one request: about 12 MB of JSON at 8192 dimensions. Qdrant takes 32 MB.
const PER_REQUEST: usize = 128;
/// How many parts of a passage have a vector of their own in [`VectorMode::Multi`].
const PARTS: usize = 4;

/// What a passage's vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorMode {
    /// One, of the whole.
    #[default]
    Single,
    /// One of the whole and one of each of up to four parts; the nearest counts. Finds a sentence in a long passage,
    /// and costs up to five times the embeddings and the memory.
    Multi,
}

/// Where Qdrant is.
#[derive(Debug, Clone)]
pub struct QdrantServer {
    /// The address of its REST interface.
    pub base_url: String,
    /// Its key, sent as `api-key`; a server of one's own may have none.
    pub api_key: Option<SecretString>,
    /// What is stored for a passage.
    pub mode: VectorMode,
}

/// Vectors in Qdrant.
pub struct Qdrant {
    ports: Weak<Ports>,
    server: QdrantServer,
}

impl Qdrant {
    /// At this server, called through these ports.
    #[must_use]
    pub const fn new(ports: Weak<Ports>, server: QdrantServer) -> Self {
        Self { ports, server }
    }

    fn ctx(&self) -> Result<Ctx> {
        self.ports.upgrade().map(Ctx::new).ok_or_else(|| Error::ours("the host has stopped"))
    }

    const fn caller<'a>(&'a self, ctx: &'a Ctx) -> Caller<'a> {
        Caller { ctx, server: &self.server }
    }

    /// The points of some records, and the length of their vectors. `None` when there are none.
    fn points(&self, scope: &TenantScope, records: &[VectorRecord]) -> Result<Option<(usize, Vec<Point>)>> {
        let mut length = None;
        let mut points = Vec::with_capacity(records.len());
        for record in records {
            if record.vectors.is_empty() || record.vectors.len() > self.vectors_per_passage() {
                return Err(Error::ours(format!("{} vectors for a passage", record.vectors.len())));
            }
            let mut vectors = Vec::with_capacity(record.vectors.len());
            for vector in &record.vectors {
                let expected = *length.get_or_insert(vector.len());
                if vector.len() != expected {
                    return Err(wrong_vector_length(vector.len(), expected));
                }
                // Qdrant takes a vector that is shorter than 3e-4 as it is.
                vectors.push(unit_vector(vector)?);
            }
            points.push(Point {
                id: point_id(scope, record.passage),
                vector: self.vectors(vectors),
                payload: Payload {
                    org_id: scope.org().to_string(),
                    document_id: record.document.to_string(),
                    version: record.version,
                    passage_id: record.passage.to_string(),
                },
            });
        }
        Ok(length.map(|length| (length, points)))
    }

    /// As the collections of this mode take them.
    fn vectors(&self, mut vectors: Vec<Vec<f32>>) -> PointVectors {
        match self.server.mode {
            VectorMode::Single => PointVectors::One(vectors.pop().unwrap_or_default()),
            VectorMode::Multi => PointVectors::Several(vectors),
        }
    }

    /// Writes points in requests of bounded size.
    async fn put(
        &self,
        caller: &Caller<'_>,
        collection: &str,
        length: usize,
        points: &[Point],
    ) -> Result<(), QdrantError> {
        let per_request = PER_REQUEST.checked_div(self.vectors_per_passage()).unwrap_or(1);
        for points in points.chunks(per_request.max(1)) {
            let path = format!("/collections/{collection}/points");
            if let Err(error) = caller.write(Method::PUT, &path, &Points { points }).await {
                return Err(explained(caller, collection, length, error).await);
            }
        }
        Ok(())
    }

    /// A new collection for vectors of this length, or the one that is there already, ready for filters.
    async fn create(&self, caller: &Caller<'_>, collection: &str, length: usize) -> Result<(), QdrantError> {
        let multivector_config =
            (self.server.mode == VectorMode::Multi).then_some(Multivector { comparator: "max_sim" });
        let new = NewCollection {
            vectors: VectorParams { size: length, distance: "Cosine", multivector_config },
            // No search goes across organisations: there is a graph within each and none over all.
            hnsw_config: Hnsw { m: 0, payload_m: 16 },
        };
        match caller.change(Method::PUT, &format!("/collections/{collection}"), Some(&new)).await {
            Ok(()) | Err(QdrantError::Exists) => {}
            Err(error) => return Err(error),
        }
        for (field_name, field_schema) in [
            (ORG, FieldSchema::Keyword { is_tenant: true, enable_hnsw: true }),
            (DOCUMENT, FieldSchema::Keyword { is_tenant: false, enable_hnsw: false }),
            (VERSION, FieldSchema::Integer { lookup: true, range: false, enable_hnsw: false }),
        ] {
            let index = NewIndex { field_name, field_schema };
            caller.write(Method::PUT, &format!("/collections/{collection}/index"), &index).await?;
        }
        Ok(())
    }

    /// The collections that a model's vectors are written to: the one that is searched and, during a rebuild, the next.
    /// Made when there is none.
    async fn writable(
        &self,
        caller: &Caller<'_>,
        alias: &str,
        length: usize,
    ) -> Result<Vec<String>, QdrantError> {
        let next = names::next(alias);
        let all: Aliases = caller.get("/aliases").await?;
        let mut searched = false;
        let mut collections = Vec::new();
        for known in all.aliases {
            searched |= known.alias_name == alias;
            if known.alias_name == alias || known.alias_name == next {
                collections.push(known.collection_name);
            }
        }
        if !searched {
            let collection = names::collection(alias, 1);
            self.create(caller, &collection, length).await?;
            let alias_name = alias.to_owned();
            let create = AliasAction::CreateAlias { collection_name: collection.clone(), alias_name };
            change_aliases(caller, vec![create]).await?;
            collections.push(collection);
        }
        Ok(collections)
    }
}

#[async_trait(?Send)]
impl VectorIndex for Qdrant {
    fn vectors_per_passage(&self) -> usize {
        match self.server.mode {
            VectorMode::Single => 1,
            VectorMode::Multi => PARTS.saturating_add(1),
        }
    }

    async fn upsert(
        &self,
        scope: &TenantScope,
        model: &str,
        records: Vec<VectorRecord>,
    ) -> Result<Vec<Statement>> {
        let Some((length, points)) = self.points(scope, &records)? else { return Ok(Vec::new()) };
        let ctx = self.ctx()?;
        let caller = self.caller(&ctx);
        let alias = names::alias(model, self.server.mode);
        let mut swapped = false;
        loop {
            let mut result = Ok(());
            for collection in self.writable(&caller, &alias, length).await? {
                result = self.put(&caller, &collection, length, &points).await;
                if result.is_err() {
                    break;
                }
            }
            match result {
                // A rebuild put another collection in its place meanwhile.
                Err(QdrantError::NotFound) if !swapped => swapped = true,
                result => return Ok(result.map(|()| Vec::new())?),
            }
        }
    }

    async fn delete(&self, scope: &TenantScope, document: DocumentId, version: Option<u32>) -> Result<()> {
        let ctx = self.ctx()?;
        let caller = self.caller(&ctx);
        let mut filter = Filter::of(scope).and(DOCUMENT, document.to_string());
        if let Some(version) = version {
            filter = filter.and(VERSION, version);
        }
        let delete = Delete { filter };
        let all: Aliases = caller.get("/aliases").await?;
        for known in all.aliases {
            // Of every model, and of a generation that is being built, too.
            if !known.alias_name.starts_with(names::PREFIX) {
                continue;
            }
            let path = format!("/collections/{}/points/delete", known.collection_name);
            match caller.write(Method::POST, &path, &delete).await {
                Ok(()) | Err(QdrantError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn search(
        &self,
        scope: &TenantScope,
        model: &str,
        vector: &[f32],
        limit: u32,
    ) -> Result<Vec<VectorHit>> {
        let ctx = self.ctx()?;
        let caller = self.caller(&ctx);
        let alias = names::alias(model, self.server.mode);
        let query = Query {
            query: self.vectors(vec![unit_vector(vector)?]),
            filter: Filter::of(scope),
            limit,
            with_payload: [PASSAGE],
        };
        let found: FoundPoints = match caller
            .post(&format!("/collections/{alias}/points/query"), &query)
            .await
        {
            Ok(found) => found,
            Err(QdrantError::NotFound) => {
                tracing::warn!(%alias, "no vectors of this model yet; if there should be, rebuild the index");
                return Ok(Vec::new());
            }
            Err(error) => return Err(explained(&caller, &alias, vector.len(), error).await.into()),
        };
        let mut hits = Vec::with_capacity(found.points.len());
        for point in found.points {
            let passage = point
                .payload
                .passage_id
                .parse()
                .map_err(|_| QdrantError::BadResponse("a point that is no passage".to_owned()))?;
            hits.push(VectorHit { passage, score: point.score });
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        Ok(hits)
    }

    fn colocated(&self, _: &TenantScope, _: &str, _: &[f32], _: u32) -> Option<Statement> {
        None
    }

    async fn holds(&self, model: &str) -> Result<bool> {
        let ctx = self.ctx()?;
        let alias = names::alias(model, self.server.mode);
        let all: Aliases = self.caller(&ctx).get("/aliases").await?;
        Ok(all.aliases.iter().any(|known| known.alias_name == alias))
    }

    async fn probe(&self) -> Result<()> {
        let ctx = self.ctx()?;
        // Unlike `/healthz` it asks for the key, and unlike the list of collections it is always short.
        let _: Value = self.caller(&ctx).get(&format!("/collections/{}/exists", names::PROBE)).await?;
        Ok(())
    }
}

/// A refusal of vectors that are not as long as the collection's, recognised as such: the server says it in words.
async fn explained(caller: &Caller<'_>, collection: &str, found: usize, error: QdrantError) -> QdrantError {
    if !matches!(error, QdrantError::NotTaken(_)) {
        return error;
    }
    let described = caller.get::<Value>(&format!("/collections/{collection}")).await.unwrap_or_default();
    let size = described.pointer("/config/params/vectors/size").and_then(Value::as_u64);
    match size.and_then(|size| usize::try_from(size).ok()) {
        Some(expected) if expected != found => QdrantError::WrongLength { found, expected },
        _ => error,
    }
}

async fn change_aliases(caller: &Caller<'_>, actions: Vec<AliasAction>) -> Result<(), QdrantError> {
    caller.change(Method::POST, "/collections/aliases", Some(&AliasActions { actions })).await
}

/// The id of a passage's point, a UUID: two organisations never share one, whatever their passages are called.
fn point_id(scope: &TenantScope, passage: PassageId) -> String {
    let digest = Sha256::digest(format!("{}/{passage}", scope.org()));
    let mut bytes = [0_u8; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
