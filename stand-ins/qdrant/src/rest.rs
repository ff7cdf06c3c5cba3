//! The REST interface: paths and bodies, checked, to calls of the store.

use http::{Method, StatusCode, Uri};
use qdrant_edge::{
    Distance, EdgeVectorParams, Filter, HnswIndexConfig, JsonPath, MultiVectorConfig, NamedQuery,
    PayloadFieldSchema, PointStructPersisted, QueryEnum, QueryRequest, ScoringQuery, VectorInternal,
    VectorStructPersisted, WithPayloadInterface, WithVector,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::store::{AliasChange, Collection, Store};

/// The most dimensions of a vector.
const MAX_SIZE: usize = 65_536;
/// What a collection's name may not hold.
const FORBIDDEN: [char; 11] = ['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u{1F}'];

/// An answer with an error status.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The server's words.
    pub error: String,
}

impl Refusal {
    /// With these words.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// A body or path whose form is right and whose values are not.
    fn invalid(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("Validation error in JSON body: [{detail}]"))
    }
}

/// Answers one request: what belongs into `result`.
pub fn handle(store: &mut Store, method: &Method, uri: &Uri, body: &[u8]) -> Result<Value, Refusal> {
    let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let waits = wait(uri.query())?;
    match (method.as_str(), path.as_slice()) {
        ("GET", ["healthz" | "livez" | "readyz"]) => Ok(json!("all shards are ready")),
        ("GET", ["collections"]) => {
            let names: Vec<Value> = store.collections().map(|name| json!({"name": name})).collect();
            Ok(json!({"collections": names}))
        }
        ("GET", ["aliases"]) => {
            let aliases: Vec<Value> = store
                .aliases()
                .map(|(alias, collection)| json!({"alias_name": alias, "collection_name": collection}))
                .collect();
            Ok(json!({"aliases": aliases}))
        }
        ("POST", ["collections", "aliases"]) => change_aliases(store, parse(body)?),
        ("GET", ["collections", name]) => describe(store.get(name)?),
        ("PUT", ["collections", name]) => create(store, name, parse(body)?),
        ("DELETE", ["collections", name]) => store.remove(name).map(Value::from),
        ("GET", ["collections", name, "exists"]) => Ok(json!({"exists": store.get(name).is_ok()})),
        ("PUT", ["collections", name, "index"]) => {
            let collection = store.get(name)?;
            let new: NewIndex = parse(body)?;
            let Ok(field) = new.field_name.parse::<JsonPath>() else {
                return Err(Refusal::invalid("field_name: not a path"));
            };
            collection.index(field, new.field_schema)?;
            Ok(written(collection, waits))
        }
        ("PUT", ["collections", name, "points"]) => {
            let collection = store.get(name)?;
            let points = parse::<Points>(body)?.points.into_iter().map(Point::persisted).collect::<Vec<_>>();
            if points.is_empty() {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "Wrong input: Empty update request"));
            }
            collection.upsert(points)?;
            Ok(written(collection, waits))
        }
        ("POST", ["collections", name, "points", "delete"]) => {
            let collection = store.get(name)?;
            collection.delete(parse::<Delete>(body)?.filter)?;
            Ok(written(collection, waits))
        }
        ("POST", ["collections", name, "points", "query"]) => query(store.get(name)?, parse(body)?),
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "")),
    }
}

/// Whether the answer waits until the write is done: `?wait=true`.
fn wait(query: Option<&str>) -> Result<bool, Refusal> {
    match query {
        None | Some("wait=false") => Ok(false),
        Some("wait=true") => Ok(true),
        Some(other) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("Deserialize error in query parameters: {other}"),
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("Format error in JSON body: {error}")))
}

fn written(collection: &Collection, waits: bool) -> Value {
    // Without waiting the real server may not have done it yet.
    let status = if waits { "completed" } else { "acknowledged" };
    json!({"operation_id": collection.operations(), "status": status})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCollection {
    vectors: VectorParams,
    hnsw_config: Option<HnswDiff>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorParams {
    size: usize,
    distance: Distance,
    multivector_config: Option<MultiVectorConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HnswDiff {
    m: Option<usize>,
    payload_m: Option<usize>,
}

fn create(store: &mut Store, name: &str, new: NewCollection) -> Result<Value, Refusal> {
    if name.is_empty() || name.len() > 255 || name.contains(FORBIDDEN) {
        return Err(Refusal::invalid("name: collection name cannot contain such characters"));
    }
    let VectorParams { size, distance, multivector_config } = new.vectors;
    if !(1..=MAX_SIZE).contains(&size) {
        return Err(Refusal::invalid("vectors.size: value invalid, must be from 1 to 65536"));
    }
    let mut vectors = EdgeVectorParams::builder(size, distance);
    if let Some(config) = multivector_config {
        vectors = vectors.multivector_config(config);
    }
    let hnsw = new.hnsw_config.map(|diff| HnswIndexConfig {
        m: diff.m.unwrap_or(16),
        payload_m: diff.payload_m,
        ..HnswIndexConfig::default()
    });
    store.create(name, vectors.build(), hnsw)?;
    Ok(Value::Bool(true))
}

fn describe(collection: &Collection) -> Result<Value, Refusal> {
    let (points, schema) = collection.info()?;
    Ok(json!({
        "status": "green",
        "points_count": points,
        "config": {"params": {"vectors": collection.vectors()}},
        "payload_schema": schema,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasActions {
    actions: Vec<AliasAction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum AliasAction {
    CreateAlias(CreateAlias),
    DeleteAlias(DeleteAlias),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateAlias {
    collection_name: String,
    alias_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteAlias {
    alias_name: String,
}

fn change_aliases(store: &mut Store, body: AliasActions) -> Result<Value, Refusal> {
    let changes = body.actions.into_iter().map(|action| match action {
        AliasAction::CreateAlias(CreateAlias { collection_name, alias_name }) => {
            AliasChange::Create { alias: alias_name, collection: collection_name }
        }
        AliasAction::DeleteAlias(DeleteAlias { alias_name }) => AliasChange::Delete { alias: alias_name },
    });
    store.change_aliases(changes.collect())?;
    Ok(Value::Bool(true))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewIndex {
    field_name: String,
    field_schema: PayloadFieldSchema,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    points: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    id: qdrant_edge::PointId,
    vector: VectorStructPersisted,
    payload: Option<qdrant_edge::Payload>,
}

impl Point {
    fn persisted(self) -> PointStructPersisted {
        PointStructPersisted { id: self.id, vector: self.vector, payload: self.payload }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    filter: Filter,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    query: Vector,
    filter: Option<Filter>,
    #[serde(default = "ten")]
    limit: usize,
    with_payload: Option<WithPayloadInterface>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    One(Vec<f32>),
    Several(Vec<Vec<f32>>),
}

const fn ten() -> usize {
    10
}

fn query(collection: &Collection, asked: Query) -> Result<Value, Refusal> {
    if asked.limit == 0 {
        return Err(Refusal::invalid("limit: value 0 invalid, must be 1 or larger"));
    }
    let vector = match asked.query {
        Vector::One(vector) => VectorInternal::Dense(vector),
        Vector::Several(vectors) => {
            qdrant_edge::Vector::new_multi(vectors)
                .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("Wrong input: {error}")))?
                .0
        }
    };
    let nearest = NamedQuery { query: vector, using: None };
    let request = QueryRequest {
        prefetches: Vec::new(),
        query: Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest))),
        filter: asked.filter,
        score_threshold: None,
        limit: asked.limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload: asked.with_payload.unwrap_or(WithPayloadInterface::Bool(false)),
    };
    let points: Vec<Value> = collection
        .query(request)?
        .into_iter()
        .map(|point| json!({"id": point.id, "version": point.version, "score": point.score, "payload": point.payload}))
        .collect();
    Ok(json!({"points": points}))
}
