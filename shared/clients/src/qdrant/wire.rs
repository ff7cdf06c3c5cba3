//! The bodies of requests and answers.

use frontdesk_domain::scope::TenantScope;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The payload's fields. Those that are filtered by have an index.
pub(super) const ORG: &str = "org_id";
pub(super) const DOCUMENT: &str = "document_id";
pub(super) const VERSION: &str = "version";
pub(super) const PASSAGE: &str = "passage_id";

/// What a search or a delete is limited to. There is no way to make one without an organisation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Filter {
    must: Vec<FieldCondition>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct FieldCondition {
    key: &'static str,
    r#match: Match,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Match {
    value: Value,
}

impl Filter {
    /// The organisation's own points.
    pub(super) fn of(scope: &TenantScope) -> Self {
        Self { must: Vec::new() }.and(ORG, scope.org().to_string())
    }

    /// And only those with this value.
    pub(super) fn and(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.must.push(FieldCondition { key, r#match: Match { value: value.into() } });
        self
    }
}

/// `PUT /collections/{name}`.
#[derive(Serialize)]
pub(super) struct NewCollection {
    pub vectors: VectorParams,
    pub hnsw_config: Hnsw,
}

#[derive(Serialize)]
pub(super) struct VectorParams {
    pub size: usize,
    pub distance: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multivector_config: Option<Multivector>,
}

#[derive(Serialize)]
pub(super) struct Multivector {
    pub comparator: &'static str,
}

#[derive(Serialize)]
pub(super) struct Hnsw {
    pub m: u32,
    pub payload_m: u32,
}

/// `PUT /collections/{name}/index`.
#[derive(Serialize)]
pub(super) struct NewIndex {
    pub field_name: &'static str,
    pub field_schema: FieldSchema,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FieldSchema {
    Keyword {
        /// Points with one value are stored together.
        is_tenant: bool,
        /// Points with one value get a graph of their own.
        enable_hnsw: bool,
    },
    Integer {
        lookup: bool,
        range: bool,
        enable_hnsw: bool,
    },
}

/// `PUT /collections/{name}/points`.
#[derive(Serialize)]
pub(super) struct Points<'a> {
    pub points: &'a [Point],
}

#[derive(Serialize)]
pub(super) struct Point {
    /// A UUID.
    pub id: String,
    pub vector: PointVectors,
    pub payload: Payload,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PointVectors {
    One(Vec<f32>),
    Several(Vec<Vec<f32>>),
}

#[derive(Serialize)]
pub(super) struct Payload {
    pub org_id: String,
    pub document_id: String,
    pub version: u32,
    pub passage_id: String,
}

/// `POST /collections/{name}/points/delete`.
#[derive(Serialize)]
pub(super) struct Delete {
    pub filter: Filter,
}

/// `POST /collections/{name}/points/query`.
#[derive(Serialize)]
pub(super) struct Query {
    pub query: PointVectors,
    pub filter: Filter,
    pub limit: u32,
    pub with_payload: [&'static str; 1],
}

#[derive(Deserialize)]
pub(super) struct FoundPoints {
    pub points: Vec<ScoredPoint>,
}

#[derive(Deserialize)]
pub(super) struct ScoredPoint {
    pub score: f64,
    pub payload: FoundPayload,
}

#[derive(Deserialize)]
pub(super) struct FoundPayload {
    pub passage_id: String,
}

/// `POST /collections/aliases`: all or none.
#[derive(Serialize)]
pub(super) struct AliasActions {
    pub actions: Vec<AliasAction>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AliasAction {
    CreateAlias { collection_name: String, alias_name: String },
    DeleteAlias { alias_name: String },
}

/// `GET /aliases`.
#[derive(Deserialize)]
pub(super) struct Aliases {
    pub aliases: Vec<Alias>,
}

#[derive(Deserialize)]
pub(super) struct Alias {
    pub alias_name: String,
    pub collection_name: String,
}

/// `GET /collections`.
#[derive(Deserialize)]
pub(super) struct Collections {
    pub collections: Vec<Name>,
}

#[derive(Deserialize)]
pub(super) struct Name {
    pub name: String,
}

/// What a write gave.
#[derive(Deserialize)]
pub(super) struct Written {
    pub status: String,
}

/// Every answer.
#[derive(Deserialize)]
pub(super) struct QdrantAnswer<T> {
    pub result: T,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]

    use frontdesk_domain::id::OrgId;
    use frontdesk_domain::scope::Actor;
    use frontdesk_domain::time::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_filter_begins_with_the_organisation() {
        let org = OrgId::new(Timestamp::from_millis(1), [1; 10]);
        let filter = Filter::of(&TenantScope::authenticated(org, Actor::System)).and(VERSION, 3);
        assert_eq!(
            serde_json::to_value(&filter).unwrap(),
            json!({"must": [
                {"key": "org_id", "match": {"value": org.to_string()}},
                {"key": "version", "match": {"value": 3}},
            ]})
        );
    }

    #[test]
    fn bodies_are_as_the_api_reads_them() {
        let field_schema = FieldSchema::Keyword { is_tenant: true, enable_hnsw: true };
        assert_eq!(
            serde_json::to_value(NewIndex { field_name: ORG, field_schema }).unwrap(),
            json!({
                "field_name": "org_id",
                "field_schema": {"type": "keyword", "is_tenant": true, "enable_hnsw": true},
            })
        );
        let swap = AliasActions {
            actions: vec![
                AliasAction::DeleteAlias { alias_name: "a".to_owned() },
                AliasAction::CreateAlias { collection_name: "a.2".to_owned(), alias_name: "a".to_owned() },
            ],
        };
        assert_eq!(
            serde_json::to_value(&swap).unwrap(),
            json!({"actions": [
                {"delete_alias": {"alias_name": "a"}},
                {"create_alias": {"collection_name": "a.2", "alias_name": "a"}},
            ]})
        );
    }
}
