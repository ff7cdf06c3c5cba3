//! `bench retrieval`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use frontdesk_app::retrieval::{self, Keep, MAX_LIMIT, NewPassage, Origin, Search, SearchMode};
use frontdesk_domain::id::{DocumentId, OrgId, PassageId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::text::{Language, TextPlace, Window, split};
use frontdesk_local::Overrides;
use frontdesk_local::testing::World;
use frontdesk_ports::{Ctx, Statement};
use serde::Serialize;

use crate::cranfield::{self, Collection, Document};
use crate::measures::{as_f64, ndcg, percentile, recall, reciprocal_rank};

/// How to measure retrieval.
#[derive(Args)]
pub struct Options {
    /// A directory with `cran.all.1400`, `cran.qry` and `cranqrel`.
    #[arg(long)]
    pub data: PathBuf,
    /// How questions are matched.
    #[arg(long, value_enum, default_value_t = Mode::Lexical)]
    pub mode: Mode,
    /// The vectors' share in hybrid mode, 0 to 1.
    #[arg(long, default_value_t = 0.5)]
    pub vector_weight: f64,
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// How questions are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By words.
    Lexical,
    /// By vectors; needs `OPENAI_BASE_URL` and `OPENAI_EMBEDDING_MODEL`.
    Vector,
    /// Both.
    Hybrid,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: Mode,
    documents: usize,
    passages: usize,
    queries: usize,
    ndcg_at_10: f64,
    recall_at_100: f64,
    mrr: f64,
    passages_per_second: f64,
    query_p50_ms: f64,
    query_p99_ms: f64,
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        format!(
            "{} documents, {} passages, {} judged queries, mode {:?}\n\
             nDCG@10     {:.4}\nrecall@100  {:.4}\nMRR         {:.4}\n\
             indexing    {:.0} passages/s\nquery       p50 {:.2} ms, p99 {:.2} ms",
            self.documents,
            self.passages,
            self.queries,
            self.mode,
            self.ndcg_at_10,
            self.recall_at_100,
            self.mrr,
            self.passages_per_second,
            self.query_p50_ms,
            self.query_p99_ms
        )
    }
}

/// The variables of the machine that the bench looks at; everything else is as a fresh installation has it.
const SEEN: [&str; 3] = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_EMBEDDING_MODEL"];

/// Indexes the collection and asks every judged question.
///
/// # Errors
/// When the collection cannot be read, the mode needs a model that is not configured, or the database fails.
pub async fn run(options: &Options) -> Result<Report> {
    let collection = cranfield::load(&options.data)?;
    let wanted = if options.mode == Mode::Lexical { &[][..] } else { &SEEN[..] };
    let seen: Vec<(&str, String)> =
        wanted.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?))).collect();
    let vars: Vec<(&str, &str)> = seen.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let world = World::new(&vars, Overrides::default()).await?;
    let ctx = world.ctx();
    let has_vectors = ctx.config.model.as_ref().is_some_and(|model| model.embedding_model.is_some());
    ensure!(
        options.mode == Mode::Lexical || has_vectors,
        "vector and hybrid mode need OPENAI_BASE_URL and OPENAI_EMBEDDING_MODEL"
    );
    let scope = scope(ctx);
    let began = Instant::now();
    let (names, passages) = index(ctx, &scope, &collection).await?;
    let indexing = began.elapsed().as_secs_f64();
    let mut report = ask(ctx, &scope, &collection, &names, options).await?;
    report.passages = passages;
    report.passages_per_second = as_f64(passages) / indexing;
    Ok(report)
}

#[expect(clippy::disallowed_methods, reason = "the bench has a database of its own and no users")]
fn scope(ctx: &Ctx) -> TenantScope {
    TenantScope::authenticated(OrgId::new(ctx.clock.now(), ctx.random.entropy()), Actor::System)
}

type Names = HashMap<DocumentId, String>;

async fn index(ctx: &Ctx, scope: &TenantScope, collection: &Collection) -> Result<(Names, usize)> {
    let mut names = Names::new();
    let mut passages: usize = 0;
    for document in &collection.documents {
        let now = ctx.clock.now();
        let id = DocumentId::new(now, ctx.random.entropy());
        names.insert(id, document.id.clone());
        let place = TextPlace::default();
        let Document { title, text, .. } = document;
        let split = split(&Window { text, is_last: true, title, place: &place, most: usize::MAX });
        let language = split.language;
        let origin = Origin {
            document: id,
            version: 1,
            title: title.clone(),
            title_terms: split.title_terms.clone(),
            created_at: now,
        };
        let pieces = NewPassage::all(split, text, 0, 0, |_| PassageId::new(now, ctx.random.entropy()));
        passages = passages.saturating_add(pieces.len());
        let (mut batch, _) = retrieval::index(ctx, scope, &origin, &pieces, true).await?;
        batch.push(ready(scope, &origin, language, text.len()));
        batch.extend(retrieval::unindex(scope, id, Keep::Version(1)));
        batch.push(current(scope, id));
        ctx.db.batch(batch).await?;
    }
    Ok((names, passages))
}

fn ready(scope: &TenantScope, origin: &Origin, language: Language, bytes: usize) -> Statement {
    Statement::new(
        "INSERT INTO documents (org_id, id, title, source, bytes, version, language, status, progress, created_at, updated_at)
         VALUES (?1, ?2, ?3, 'text', ?4, 0, ?5, 'ready', 100, ?6, ?6)",
    )
    .bind_id(scope.org())
    .bind_id(origin.document)
    .bind(&origin.title)
    .bind(bytes)
    .bind(language.code())
    .bind(origin.created_at)
}

fn current(scope: &TenantScope, id: DocumentId) -> Statement {
    Statement::new("UPDATE documents SET version = 1 WHERE org_id = ?1 AND id = ?2")
        .bind_id(scope.org())
        .bind_id(id)
}

/// Enough passages to hold a hundred documents.
const DEPTH: u32 = MAX_LIMIT;

async fn ask(
    ctx: &Ctx,
    scope: &TenantScope,
    collection: &Collection,
    names: &Names,
    options: &Options,
) -> Result<Report> {
    let mode = match options.mode {
        Mode::Lexical => SearchMode::Lexical,
        Mode::Vector => SearchMode::Vector,
        Mode::Hybrid => SearchMode::Hybrid,
    };
    let (mut gains, mut recalls, mut ranks, mut times) = (0.0, 0.0, 0.0, Vec::new());
    for (number, question) in collection.questions.iter().enumerate() {
        let Some(relevant) = collection.relevant.get(&number.saturating_add(1)) else { continue };
        let search = |limit| Search {
            query: question.clone(),
            limit,
            mode,
            vector_weight: options.vector_weight,
            words: None,
        };
        let found = retrieval::search(ctx, scope, &search(DEPTH)).await?;
        ensure!(!found.stepped_down, "the embeddings endpoint does not answer");
        let mut ranking: Vec<String> = Vec::new();
        for name in found.passages.iter().filter_map(|passage| names.get(&passage.document_id)) {
            if !ranking.contains(name) {
                ranking.push(name.clone());
            }
        }
        gains += ndcg(&ranking, relevant, 10);
        recalls += recall(&ranking, relevant, 100);
        ranks += reciprocal_rank(&ranking, relevant);
        // Timed as a visitor's question is asked: ten passages.
        let began = Instant::now();
        retrieval::search(ctx, scope, &search(10)).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let judged = as_f64(times.len().max(1));
    Ok(Report {
        mode: options.mode,
        documents: collection.documents.len(),
        passages: 0,
        queries: times.len(),
        ndcg_at_10: gains / judged,
        recall_at_100: recalls / judged,
        mrr: ranks / judged,
        passages_per_second: 0.0,
        query_p50_ms: percentile(&times, 0.5),
        query_p99_ms: percentile(&times, 0.99),
    })
}
