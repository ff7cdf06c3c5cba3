//! Making all vectors of the embedding model anew in Qdrant: after a change of model or mode, or when the server lost them.
//!
//! Searches go on meanwhile, and documents may be read and deleted: see [`Rebuild`]. Also what a document that is being
//! read has stored so far is copied. What is missed all the same, because it changed while it was copied, is copied by a
//! second pass over what changed since the beginning.

use std::collections::BTreeSet;
use std::time::Duration;

use frontdesk_clients::qdrant::{Qdrant, Rebuild};
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, Row, Rows, VectorIndex as _, VectorRecord};

use crate::retrieval::{self, Embeddable};
use crate::store;
use crate::store::documents::{Document, DocumentOfOrg};
use crate::store::passage_pages::IndexedPassage;

/// Documents that are read of the database at once.
const DOCUMENTS: u32 = 100;
/// Passages that are held in memory with their vectors: about 3 MB with five of 1536 dimensions each.
const PASSAGES: u32 = 100;
/// Clocks of two processes differ by less.
const CLOCKS: Duration = Duration::from_secs(60);

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Documents that are copied.
    pub documents: u64,
    /// Documents that there were at the beginning.
    pub of: u64,
    /// Passages that are copied.
    pub passages: u64,
}

/// Makes the vectors of every document anew and puts them in the place of the old ones; `progress` is told after each
/// document. At an error the old ones stay.
///
/// # Errors
/// When no embedding model is configured, or the database, the embeddings endpoint or Qdrant fails.
pub async fn rebuild(ctx: &Ctx, qdrant: &Qdrant, progress: &mut dyn FnMut(Progress)) -> Result<Progress> {
    let Some(model) = ctx.config.model.as_ref().and_then(|model| model.embedding_model.as_deref()) else {
        return Err(CallerError::Conflict("no embedding model is configured").into());
    };
    let began = ctx.clock.now();
    let counted = ctx.db.query(vec![store::documents::count_of_all_orgs()]).await?;
    let of = counted.first().and_then(Rows::first).map(|row| row.count(0)).transpose()?.unwrap_or(0);
    let mut run =
        Run { ctx, qdrant, model, target: None, told: Progress { of, ..Progress::default() }, progress };
    run.documents(Timestamp::from_millis(0)).await?;
    let margin = i64::try_from(CLOCKS.as_millis()).unwrap_or(0);
    run.documents(Timestamp::from_millis(began.millis().saturating_sub(margin))).await?;
    // Without a passage there is nothing to search and nothing to replace.
    if let Some(target) = run.target {
        target.finish().await?;
    }
    Ok(run.told)
}

struct Run<'a> {
    ctx: &'a Ctx,
    qdrant: &'a Qdrant,
    model: &'a str,
    /// Begun with the first vectors: only they tell their length.
    target: Option<Rebuild<'a>>,
    told: Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_> {
    /// Copies the documents that changed since then.
    async fn documents(&mut self, changed_since: Timestamp) -> Result<()> {
        let mut last: Option<DocumentOfOrg> = None;
        loop {
            let page = store::documents::select_of_all_orgs(last.as_ref(), changed_since, DOCUMENTS);
            let rows = self.ctx.db.query(vec![page]).await?;
            let page = all(&rows, store::documents::document_of_org)?;
            let Some(end) = page.last().copied() else { return Ok(()) };
            for document in page {
                self.document(document).await?;
                self.told.documents = self.told.documents.saturating_add(1).min(self.told.of);
                (self.progress)(self.told);
            }
            last = Some(end);
        }
    }

    async fn document(&mut self, DocumentOfOrg { org, id }: DocumentOfOrg) -> Result<()> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the rebuild acts for the organisation of each document"
        )]
        let scope = TenantScope::authenticated(org, Actor::System);
        let mut copied = BTreeSet::new();
        let (mut version, mut ordinal) = (0, 0);
        loop {
            let page = store::passage_pages::select_indexed(&scope, id, version, ordinal, PASSAGES);
            let rows = self.ctx.db.query(vec![store::documents::select(&scope, id), page]).await?;
            let document = rows.first().and_then(Rows::first).map(store::documents::document).transpose()?;
            // What was copied of something that is gone by now is deleted here, or never.
            let Some(document) = document else { return self.qdrant.delete(&scope, id, None).await };
            let passages = all(rows.get(1..).unwrap_or_default(), store::passage_pages::indexed)?;
            let Some(end) = passages.last() else {
                for old in copied.into_iter().filter(|copied| *copied < document.version) {
                    self.qdrant.delete(&scope, id, Some(old)).await?;
                }
                let note =
                    retrieval::catch_up::note(self.ctx, &scope, id, document.version, document.version > 0);
                // They are searched in Qdrant now; those in the database would say otherwise.
                let here = store::vectors::delete(&scope, id, None);
                self.ctx.db.batch(vec![here, note]).await?;
                return Ok(());
            };
            (version, ordinal) = (end.version, end.ordinal.saturating_add(1));
            copied.extend(passages.iter().map(|passage| passage.version));
            let records = self.embed(&document, &passages).await?;
            self.store(&scope, &records).await?;
            let count = u64::try_from(passages.len()).unwrap_or(u64::MAX);
            self.told.passages = self.told.passages.saturating_add(count);
        }
    }

    async fn embed(&self, document: &Document, passages: &[IndexedPassage]) -> Result<Vec<VectorRecord>> {
        let passages: Vec<Embeddable<'_>> =
            passages.iter().map(|passage| Embeddable::of(document, passage)).collect();
        retrieval::records(self.ctx, &passages, self.qdrant.vectors_per_passage()).await
    }

    async fn store(&mut self, scope: &TenantScope, records: &[VectorRecord]) -> Result<()> {
        let length = records.iter().flat_map(|record| &record.vectors).map(Vec::len).next().unwrap_or(0);
        let target = match self.target.take() {
            Some(target) => target,
            None => self.qdrant.begin_rebuild(self.model, length).await?,
        };
        self.target.insert(target).upsert(scope, records).await
    }
}

/// All rows of the only statement.
fn all<T>(rows: &[Rows], read: impl Fn(&Row) -> Result<T, DbError>) -> Result<Vec<T>> {
    Ok(rows.iter().flat_map(|rows| &rows.rows).map(read).collect::<Result<_, _>>()?)
}
