//! Collections in a directory, each a shard of the engine, and the aliases that lead to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use http::StatusCode;
use qdrant_edge::{
    Condition, CreateIndex, DEFAULT_VECTOR_NAME, EdgeConfigBuilder, EdgeShard, EdgeVectorParams,
    FieldIndexOperations, Filter, HnswIndexConfig, JsonPath, OperationError, PayloadFieldSchema,
    PointInsertOperations, PointOperations, PointStructPersisted, QueryRequest, ScoredPoint, UpdateOperation,
};

use crate::rest::Refusal;

/// Everything there is.
pub struct Store {
    data: PathBuf,
    collections: BTreeMap<String, Collection>,
    aliases: BTreeMap<String, String>,
}

/// A change of aliases.
pub enum AliasChange {
    /// The alias leads to the collection from now on.
    Create { alias: String, collection: String },
    /// There is no such alias any more.
    Delete { alias: String },
}

impl Store {
    /// What a directory holds.
    pub fn open(data: &Path) -> Result<Self> {
        let directory = data.join("collections");
        fs::create_dir_all(&directory)?;
        let mut collections = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let shard =
                EdgeShard::load(&entry.path(), None).with_context(|| entry.path().display().to_string())?;
            collections.insert(
                entry.file_name().to_string_lossy().into_owned(),
                Collection { shard, operations: 0 },
            );
        }
        let aliases = match fs::read(data.join("aliases.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(_) => BTreeMap::new(),
        };
        Ok(Self { data: data.to_owned(), collections, aliases })
    }

    /// The names of all collections.
    pub fn collections(&self) -> impl Iterator<Item = &String> {
        self.collections.keys()
    }

    /// All aliases with their collections.
    pub fn aliases(&self) -> impl Iterator<Item = (&String, &String)> {
        self.aliases.iter()
    }

    /// The collection of this name or alias.
    pub fn get(&mut self, name: &str) -> Result<&mut Collection, Refusal> {
        let own = self.aliases.get(name).map_or(name, String::as_str);
        self.collections.get_mut(own).ok_or_else(|| missing(name))
    }

    /// A new collection.
    pub fn create(
        &mut self,
        name: &str,
        vectors: EdgeVectorParams,
        hnsw: Option<HnswIndexConfig>,
    ) -> Result<(), Refusal> {
        if self.collections.contains_key(name) {
            return Err(exists(name));
        }
        if self.aliases.contains_key(name) {
            let error = format!(
                "Wrong input: Can't create collection with name {name}. Alias with the same name already exists"
            );
            return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
        }
        let mut config = EdgeConfigBuilder::new().vector(DEFAULT_VECTOR_NAME, vectors);
        if let Some(hnsw) = hnsw {
            config = config.hnsw_config(hnsw);
        }
        let path = self.data.join("collections").join(name);
        fs::create_dir_all(&path).map_err(failed)?;
        let shard = EdgeShard::new(&path, config.build()).map_err(refused)?;
        self.collections.insert(name.to_owned(), Collection { shard, operations: 0 });
        Ok(())
    }

    /// Removes a collection and the aliases that lead to it; whether there was one.
    pub fn remove(&mut self, name: &str) -> Result<bool, Refusal> {
        let Some(collection) = self.collections.remove(name) else { return Ok(false) };
        drop(collection);
        fs::remove_dir_all(self.data.join("collections").join(name)).map_err(failed)?;
        self.aliases.retain(|_, collection| collection != name);
        self.write_aliases()?;
        Ok(true)
    }

    /// Changes aliases: all or none of them.
    pub fn change_aliases(&mut self, changes: Vec<AliasChange>) -> Result<(), Refusal> {
        let mut aliases = self.aliases.clone();
        for change in changes {
            match change {
                AliasChange::Create { alias, collection } => {
                    if !self.collections.contains_key(&collection) {
                        return Err(missing(&collection));
                    }
                    if self.collections.contains_key(&alias) {
                        return Err(exists(&alias));
                    }
                    aliases.insert(alias, collection);
                }
                AliasChange::Delete { alias } => {
                    aliases.remove(&alias);
                }
            }
        }
        self.aliases = aliases;
        self.write_aliases()
    }

    fn write_aliases(&self) -> Result<(), Refusal> {
        let json = serde_json::to_vec(&self.aliases).map_err(failed)?;
        fs::write(self.data.join("aliases.json"), json).map_err(failed)
    }
}

/// One collection.
pub struct Collection {
    shard: EdgeShard,
    operations: u64,
}

impl Collection {
    /// The number of the last write.
    pub const fn operations(&self) -> u64 {
        self.operations
    }

    /// What its vectors are.
    pub fn vectors(&self) -> Option<EdgeVectorParams> {
        self.shard.config().vectors.get(DEFAULT_VECTOR_NAME).cloned()
    }

    /// How many points there are, and the types of the fields that have an index.
    pub fn info(&self) -> Result<(usize, serde_json::Value), Refusal> {
        let info = self.shard.info();
        let schema: BTreeMap<String, _> =
            info.payload_schema.iter().map(|(field, index)| (field.to_string(), index)).collect();
        Ok((info.points_count, serde_json::to_value(schema).map_err(failed)?))
    }

    /// Makes an index of a payload field.
    pub fn index(&mut self, field_name: JsonPath, schema: PayloadFieldSchema) -> Result<(), Refusal> {
        let create = CreateIndex { field_name, field_schema: Some(schema) };
        self.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create)))
    }

    /// Stores points, or replaces them.
    pub fn upsert(&mut self, points: Vec<PointStructPersisted>) -> Result<(), Refusal> {
        let points = PointInsertOperations::PointsList(points);
        self.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)))
    }

    /// Deletes the points that a filter selects.
    pub fn delete(&mut self, filter: Filter) -> Result<(), Refusal> {
        self.check(&filter)?;
        self.update(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter)))
    }

    /// Searches.
    pub fn query(&self, request: QueryRequest) -> Result<Vec<ScoredPoint>, Refusal> {
        if let Some(filter) = &request.filter {
            self.check(filter)?;
        }
        self.shard.query(request).map_err(refused)
    }

    fn update(&mut self, operation: UpdateOperation) -> Result<(), Refusal> {
        self.operations = self.operations.saturating_add(1);
        self.shard.update(operation).map_err(refused)?;
        // What was acknowledged is there after a crash.
        self.shard.flush();
        Ok(())
    }

    /// Every field that a filter names has an index.
    fn check(&self, filter: &Filter) -> Result<(), Refusal> {
        let indexed = self.shard.info().payload_schema;
        let conditions = [&filter.must, &filter.should, &filter.must_not].into_iter().flatten().flatten();
        for condition in conditions {
            let Condition::Field(field) = condition else {
                let error = "Wrong input: this stand-in knows conditions on fields alone";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
            };
            if !indexed.contains_key(&field.key) {
                let error = format!("Bad request: Index required but not found for \"{}\"", field.key);
                return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
            }
        }
        Ok(())
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("Not found: Collection `{name}` doesn't exist!"))
}

fn exists(name: &str) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, format!("Wrong input: Collection `{name}` already exists!"))
}

/// The engine's errors as the server tells them: the caller's fault, or its own.
fn refused(error: OperationError) -> Refusal {
    match &error {
        OperationError::ServiceError { .. }
        | OperationError::InconsistentStorage { .. }
        | OperationError::OutOfMemory { .. } => failed(error),
        _ => Refusal::new(StatusCode::BAD_REQUEST, format!("Wrong input: {error}")),
    }
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Service internal error: {error}"))
}
