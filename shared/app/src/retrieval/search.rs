//! The read side: one embeddings call where the mode needs it, then one round trip to the database.

use std::time::Duration;

use frontdesk_clients::openai;
use frontdesk_domain::citation::Source;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::SearchMode;
use frontdesk_domain::text::{self, Coverage, QueryTerm, Term};
use frontdesk_ports::{Ctx, ModelEndpoint, Rows, Statement, VectorHit};

use super::fusion::{Scores, fuse};
use crate::store;
use crate::store::passages::{Counts, Hit};

/// The longest question, in characters.
pub const MAX_QUERY_CHARS: usize = 2000;

/// The most passages one search gives. The API allows fewer.
pub const MAX_LIMIT: u32 = 500;

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    /// The question; what is beyond [`MAX_QUERY_CHARS`] is not read.
    pub query: String,
    /// How many passages at most, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// How to match.
    pub mode: SearchMode,
    /// The vectors' share in a hybrid score, 0 to 1.
    pub vector_weight: f64,
    /// The words to look for instead of those of `query`, which vectors are made of all the same.
    pub words: Option<Vec<QueryTerm>>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passage.
    pub passage_id: PassageId,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's title.
    pub title: String,
    /// Where the document came from, if it was a web page.
    pub url: Option<String>,
    /// The document's version.
    pub version: u32,
    /// First byte in the extracted text of that version.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// The path of headings above it.
    pub heading: Option<String>,
    /// The text.
    pub text: String,
    /// What it is ranked by: BM25, cosine similarity, or in hybrid mode the fused score (0 to 1).
    pub score: f64,
    /// BM25 of the passage and its document; `None` when words did not find it or were not asked.
    pub lexical_score: Option<f64>,
    /// Cosine similarity; `None` when vectors did not find it or were not asked.
    pub vector_score: Option<f64>,
    /// How much of the question it covers, 0 to 1.
    pub evidence: f64,
    /// The document's language.
    pub language: text::Language,
}

impl Found {
    /// As an answer may cite it.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source {
            passage_id: self.passage_id,
            document_id: self.document_id,
            title: &self.title,
            version: self.version,
            url: self.url.as_deref(),
            heading: self.heading.as_deref(),
            start: self.start,
            text: &self.text,
        }
    }
}

/// What a search gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// The passages, best first.
    pub passages: Vec<Found>,
    /// Whether vectors were wanted and could not be had, so that words alone were searched.
    pub stepped_down: bool,
    /// The words that no document has.
    pub unknown: Vec<QueryTerm>,
}

/// The endpoint and the name of the embedding model, if one is configured.
pub(super) fn embedding_endpoint(ctx: &Ctx) -> Option<(&ModelEndpoint, &str)> {
    let endpoint = ctx.config.model.as_ref()?;
    Some((endpoint, endpoint.embedding_model.as_deref()?))
}

/// Whether passages can be searched by meaning: an embedding model is configured.
#[must_use]
pub fn has_embedding_model(ctx: &Ctx) -> bool {
    embedding_endpoint(ctx).is_some()
}

/// Counts a search that wanted vectors and goes on with words alone.
fn step_down(ctx: &Ctx, reason: &'static str) {
    ctx.metrics.searches_stepped_down.get_or_create(&[("reason", reason)]).inc();
}

/// The passages of the organisation's current documents that fit a question, best first. Where vectors are wanted and cannot be
/// had, by words alone.
///
/// # Errors
/// When the database fails.
pub async fn search(ctx: &Ctx, scope: &TenantScope, search: &Search) -> Result<Results> {
    let query: String = search.query.chars().take(MAX_QUERY_CHARS).collect();
    let limit = search.limit.clamp(1, MAX_LIMIT);
    let words = search.words.clone().unwrap_or_else(|| text::query_terms(&query, text::detect(&query)));
    let mut vectors = Vectors::Unwanted;
    if search.mode != SearchMode::Lexical {
        vectors = match vectors_of(ctx, scope, &query, pool(limit)).await {
            // Words are all that a deployment without a model has, and a hybrid search says so.
            Ok(Vectors::Unwanted) if search.mode == SearchMode::Vector => {
                tracing::warn!("vector search goes on with words alone: no embedding model is configured");
                step_down(ctx, "no_model");
                Vectors::Failed
            }
            Ok(vectors) => vectors,
            Err(error) => {
                tracing::warn!(%error, "search goes on with words alone");
                step_down(ctx, "failed");
                Vectors::Failed
            }
        };
    }
    let mut mode = match search.mode {
        SearchMode::Vector if matches!(vectors, Vectors::Failed) => SearchMode::Lexical,
        mode => mode,
    };

    let mut plan = Plan::default();
    // In vector mode words are ranked by only where nothing has a vector yet; evidence needs their counts in any case.
    let lexical_limit = match mode {
        SearchMode::Lexical | SearchMode::Vector => limit,
        SearchMode::Hybrid => pool(limit),
    };
    let lexical_at =
        plan.add((!words.is_empty()).then(|| store::passages::search(scope, &words, lexical_limit)));
    let vectors_at = match &mut vectors {
        Vectors::Here(search) => plan.add(search.take()),
        Vectors::Elsewhere(hits) => {
            let ids: Vec<PassageId> = hits.iter().map(|hit| hit.passage).collect();
            plan.add(Some(store::passages::select(scope, &ids)))
        }
        Vectors::Unwanted | Vectors::Failed => None,
    };
    let answers = if plan.0.is_empty() { Vec::new() } else { ctx.db.query(plan.0).await? };
    let rows =
        |at: Option<usize>| at.and_then(|at| answers.get(at)).map_or(&[][..], |rows: &Rows| &rows.rows);

    let counts = rows(lexical_at).first().map(store::passages::counts).transpose()?.unwrap_or_default();
    let none_has = mode == SearchMode::Vector && rows(vectors_at).is_empty();
    if none_has && counts.passages > 0 {
        tracing::warn!("vector search goes on with words alone: nothing has a vector of this model");
        step_down(ctx, "none");
        mode = SearchMode::Lexical;
    }
    let mut candidates: Vec<(Hit, Scores)> = Vec::new();
    if mode != SearchMode::Vector {
        for row in rows(lexical_at) {
            let hit = store::passages::hit(row)?;
            let lexical = hit.score;
            candidates.push((hit, Scores { lexical, vector: None }));
        }
    }
    for row in rows(vectors_at) {
        let hit = store::passages::hit(row)?;
        let similarity = match &vectors {
            Vectors::Elsewhere(hits) => {
                hits.iter().find(|other| other.passage == hit.id).map(|other| other.score)
            }
            _ => hit.score,
        };
        match candidates.iter_mut().find(|(other, _)| other.id == hit.id) {
            Some((_, scores)) => scores.vector = similarity,
            None => candidates.push((hit, Scores { lexical: None, vector: similarity })),
        }
    }
    let stepped_down = matches!(vectors, Vectors::Failed) || mode != search.mode;
    let with_vectors = !matches!(vectors, Vectors::Failed | Vectors::Unwanted);
    let known = |number: &usize| counts.words.iter().any(|(other, _)| other == number);
    let unknown = words.iter().enumerate().filter(|(number, _)| !known(number)).map(|(_, word)| word.clone());
    let unknown = unknown.collect();
    let coverage = Coverage::new(weigh(words, &counts));
    let passages = rank(candidates, search, with_vectors, &coverage, limit);
    Ok(Results { passages, stepped_down, unknown })
}

/// The terms of the organisation's index that may be what a misspelt word was meant to be, for each of at most
/// [`MAX_UNKNOWN`] words in their order: those that begin with its first letter. One round trip.
///
/// # Errors
/// When the database fails.
pub async fn vocabulary(ctx: &Ctx, scope: &TenantScope, words: &[Term]) -> Result<Vec<Vec<Term>>> {
    let statements: Vec<Statement> =
        words.iter().take(MAX_UNKNOWN).filter_map(|word| store::passages::vocabulary(scope, word)).collect();
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let answers = ctx.db.query(statements).await?;
    answers.iter().map(|rows| Ok(store::passages::vocabulary_terms(scope, rows)?)).collect()
}

/// How many words of a question are looked up among those of the documents.
pub const MAX_UNKNOWN: usize = 6;

/// How many candidates each side of a hybrid search gives.
fn pool(limit: u32) -> u32 {
    limit.saturating_mul(4).clamp(50, 200).max(limit)
}

/// The statements of the one round trip.
#[derive(Default)]
struct Plan(Vec<Statement>);

impl Plan {
    /// Adds a statement; returns where its answer will be.
    fn add(&mut self, statement: Option<Statement>) -> Option<usize> {
        let at = self.0.len();
        self.0.push(statement?);
        Some(at)
    }
}

/// How long a question waits for its vector; then words alone are searched.
pub(super) const QUESTION_DEADLINE: Duration = Duration::from_millis(1200);

/// What is known of the vectors' side before the round trip.
enum Vectors {
    /// Not asked, or no model.
    Unwanted,
    /// Asked, and the model or the index failed.
    Failed,
    /// In the same database: the search, until it is in the plan.
    Here(Option<Statement>),
    /// Found in another index.
    Elsewhere(Vec<VectorHit>),
}

async fn vectors_of(ctx: &Ctx, scope: &TenantScope, query: &str, limit: u32) -> Result<Vectors> {
    let Some((endpoint, model)) = embedding_endpoint(ctx) else { return Ok(Vectors::Unwanted) };
    let vector = openai::embed_question(ctx, endpoint, query, QUESTION_DEADLINE).await?;
    match ctx.vectors.colocated(scope, model, &vector, limit) {
        Some(statement) => Ok(Vectors::Here(Some(statement))),
        None => ctx.vectors.search(scope, model, &vector, limit).await.map(Vectors::Elsewhere),
    }
}

/// With fewer passages than these an organisation's words are weighed as if it had so many: where there is one passage, every
/// word of it is in all of them, and a single word of the question that it lacks would outweigh the rest.
const FEWEST_PASSAGES: u64 = 8;

/// The words of the question with their inverse document frequencies; a word that stands nowhere has the highest.
fn weigh(words: Vec<QueryTerm>, counts: &Counts) -> Vec<(QueryTerm, f64)> {
    words
        .into_iter()
        .enumerate()
        .map(|(number, word)| {
            let df = counts.words.iter().find(|(other, _)| *other == number).map_or(0, |(_, df)| *df);
            (word, idf(counts.passages.max(FEWEST_PASSAGES), df))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a weight, not a counter")]
fn idf(passages: u64, df: u64) -> f64 {
    ((passages.saturating_sub(df) as f64 + 0.5) / (df as f64 + 0.5)).ln_1p()
}

fn rank(
    candidates: Vec<(Hit, Scores)>,
    search: &Search,
    with_vectors: bool,
    coverage: &Coverage,
    limit: u32,
) -> Vec<Found> {
    let scores: Vec<Scores> = candidates.iter().map(|(_, scores)| *scores).collect();
    let fused = if search.mode == SearchMode::Hybrid && with_vectors {
        fuse(&scores, search.vector_weight)
    } else {
        scores.iter().map(|score| score.lexical.or(score.vector).unwrap_or(0.0)).collect()
    };
    let mut ranked: Vec<(Hit, Scores, f64)> =
        candidates.into_iter().zip(fused).map(|((hit, scores), score)| (hit, scores, score)).collect();
    ranked.sort_by(|a, b| b.2.total_cmp(&a.2));
    ranked
        .into_iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|(hit, scores, score)| {
            let parts = [hit.title.as_str(), hit.heading.as_deref().unwrap_or(""), hit.text.as_str()];
            let evidence = text::combine(coverage.of(&parts, hit.language), scores.vector);
            found(hit, scores, score, evidence)
        })
        .collect()
}

fn found(hit: Hit, scores: Scores, score: f64, evidence: f64) -> Found {
    Found {
        passage_id: hit.id,
        document_id: hit.document,
        title: hit.title,
        url: hit.url,
        version: hit.version,
        start: hit.start,
        end: hit.end,
        heading: hit.heading,
        text: hit.text,
        score,
        lexical_score: scores.lexical,
        vector_score: scores.vector,
        language: hit.language,
        evidence,
    }
}
