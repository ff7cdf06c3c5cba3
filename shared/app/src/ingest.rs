//! Reading a document, step by step: fetch a web page → read the file, a part at a time → index the passages, a few at a
//! time → with the last ones, swap the new version in.
//!
//! Until the swap nothing of the new version is found. Each step is stored in one batch with where the next one begins
//! ([`jobs::go_on`]), so a step that was cut off is done again from the same place, and none is done twice.

pub mod web;

use std::time::Duration;

use frontdesk_domain::document::{DocumentSource, DocumentStatus, MAX_TITLE_CHARS};
use frontdesk_domain::error::Error;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text;
use frontdesk_ports::{BlobKey, Ctx, DbError, ExtractFailure, ExtractRequest, Resume, Statement};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::jobs::{self, Ended, Failure};
use crate::retrieval::{self, Keep, NewPassage, Origin};
use crate::store::documents::{Document, TextPart};
use crate::store::jobs::Claimed;
use crate::{documents, store};

/// How long a part of a file may take to be read.
const EXTRACT_DEADLINE: Duration = Duration::from_secs(60);

/// How many passages one step indexes: one call for their vectors, and a few milliseconds for their words.
const SLICE: usize = 64;

/// The next step of a job, as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Step {
    /// The web page becomes the document's file.
    Fetch,
    /// The file is read, from the beginning or where the part before ended.
    Read { source: Source, from: Option<Resume> },
    /// Passages are indexed, `done` of `total` so far.
    Index { new: Version, done: usize, total: usize },
}

/// The file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    name: String,
    bytes: u64,
    hash: String,
}

/// What the document's row will say of the new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    number: u32,
    title: String,
    media_type: String,
    language: String,
    source: Source,
}

/// The first step of reading a document, for its job's row.
pub(crate) fn first_step(document: &Document) -> Result<String, Error> {
    let step = match document.source {
        DocumentSource::Url => Step::Fetch,
        DocumentSource::File | DocumentSource::Text => Step::Read {
            source: Source {
                name: document.name.clone().unwrap_or_default(),
                bytes: document.bytes,
                hash: document.content_hash.clone().unwrap_or_default(),
            },
            from: None,
        },
    };
    json(&step)
}

fn json(step: &Step) -> Result<String, Error> {
    serde_json::to_string(step).map_err(|error| Error::ours(format!("a step: {error}")))
}

/// The hash that tells equal content.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Where a document's file is kept.
pub(crate) fn blob_key(scope: &TenantScope, id: DocumentId) -> BlobKey {
    BlobKey::new(scope, "document", id)
}

/// Does the step that a job is at.
///
/// # Errors
/// [`Failure`]; nothing of the step is stored then.
pub(crate) async fn step(ctx: &Ctx, scope: &TenantScope, job: &Claimed) -> Result<Ended, Failure> {
    let results = ctx.db.query(vec![store::documents::select(scope, job.subject()?)]).await?;
    let Some(row) = results.first().and_then(|rows| rows.first()) else { return Err(Failure::Superseded) };
    let reading = Reading { ctx, scope, job, document: store::documents::document(row)? };
    let step = serde_json::from_str(&job.payload).map_err(|error| Error::ours(format!("a step: {error}")))?;
    match step {
        Step::Fetch => reading.fetch().await,
        Step::Read { source, from } => reading.read(source, from).await,
        Step::Index { new, done, total } => reading.index(new, done, total).await,
    }
}

/// One step of reading one document.
struct Reading<'a> {
    ctx: &'a Ctx,
    scope: &'a TenantScope,
    job: &'a Claimed,
    document: Document,
}

impl Reading<'_> {
    /// Stores what the step made, and the next step.
    async fn go_on(&self, next: &Step, per_cent: u8, mut made: Vec<Statement>) -> Result<Ended, Failure> {
        let (id, now) = (self.document.id, self.ctx.clock.now());
        let status = DocumentStatus::Processing;
        made.push(store::documents::update_status(self.scope, id, status, Some(per_cent), None, now));
        jobs::go_on(self.ctx, self.job, &json(next)?, made).await
    }

    async fn fetch(&self) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, .. } = self;
        let address = document.url.as_deref().unwrap_or_default();
        let url = web::check(address).map_err(Failure::Permanent)?;
        let limit = documents::max_upload_bytes(ctx, scope).await?;
        let page = web::fetch(ctx, &url, limit).await?;
        let hash = content_hash(&page.bytes);
        if document.version > 0 && document.content_hash.as_deref() == Some(&hash) {
            let (id, ready, now) = (document.id, DocumentStatus::Ready, ctx.clock.now());
            let unchanged = store::documents::update_status(scope, id, ready, Some(100), None, now);
            return jobs::finish(ctx, self.job, vec![unchanged]).await;
        }
        self.refuse_copy(&hash).await?;
        let bytes = u64::try_from(page.bytes.len()).unwrap_or(u64::MAX);
        ctx.blobs.put(&blob_key(scope, document.id), page.bytes).await.map_err(Error::from)?;
        let source = Source { name: page.name, bytes, hash };
        self.go_on(&Step::Read { source, from: None }, 10, Vec::new()).await
    }

    /// A page whose content another document of the organisation already has is not indexed a second time.
    async fn refuse_copy(&self, hash: &str) -> Result<(), Failure> {
        let equal = store::documents::select_equal(self.scope, Some(hash), None);
        let results = self.ctx.db.query(vec![equal]).await?;
        let Some(row) = results.first().and_then(|rows| rows.first()) else { return Ok(()) };
        let equal = store::documents::document(row)?;
        if equal.id == self.document.id {
            return Ok(());
        }
        Err(Failure::Permanent(format!(
            "the page has the same content as the document \"{}\" ({})",
            equal.title, equal.id
        )))
    }

    async fn read(&self, source: Source, from: Option<Resume>) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, .. } = self;
        let file = ctx.blobs.get(&blob_key(scope, document.id)).await.map_err(Error::from)?;
        let bytes = file.ok_or_else(|| {
            Failure::Permanent("the file is not there any more; upload it again".to_owned())
        })?;
        // A page may be fetched a second time by somebody who lost the job meanwhile.
        if content_hash(&bytes) != source.hash {
            return Err(Failure::Passing("the file changed while it was read".to_owned()));
        }
        let number =
            document.version.checked_add(1).ok_or_else(|| Error::ours("a document has no versions left"))?;
        let is_first = from.is_none();
        let request = ExtractRequest { bytes, name: source.name.clone(), from, deadline: EXTRACT_DEADLINE };
        let part = ctx.extractor.extract(request).await.map_err(|failure| match failure {
            ExtractFailure::Unavailable => Failure::Passing(failure.to_string()),
            other => Failure::Permanent(other.to_string()),
        })?;

        let now = ctx.clock.now();
        let append = |spans| {
            let part = TextPart { version: number, text: &part.text, pages: part.pages, spans };
            store::documents::append_text(scope, document.id, &part, now)
        };
        if let Some(rest) = part.rest {
            let per_cent = share(10, 50, u64::from(rest.page), u64::from(part.pages.unwrap_or(0)));
            return self.go_on(&Step::Read { source, from: Some(rest) }, per_cent, vec![append(None)]).await;
        }
        let mut whole = String::new();
        if !is_first {
            let before = store::documents::select_text(scope, document.id, number);
            let results = ctx.db.query(vec![before]).await?;
            let row = results.first().and_then(|rows| rows.first());
            whole.push_str(row.ok_or(Failure::Superseded)?.text(0)?);
        }
        whole.push_str(&part.text);
        let spans = text::passages(&whole);
        let title = match document.source {
            DocumentSource::Text => document.title.clone(),
            DocumentSource::File | DocumentSource::Url => {
                let own = part.title.unwrap_or_else(|| document.title.clone());
                own.chars().take(MAX_TITLE_CHARS).collect()
            }
        };
        let new = Version {
            number,
            title,
            media_type: part.media_type,
            language: text::detect(&whole).code().to_owned(),
            source,
        };
        let next = Step::Index { new, done: 0, total: spans.len() };
        self.go_on(&next, 50, vec![append(Some(&spans))]).await
    }

    async fn index(&self, new: Version, done: usize, total: usize) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, job } = self;
        let slice = store::documents::select_slice(scope, document.id, new.number, done, SLICE);
        let results = ctx.db.query(vec![slice]).await?;
        let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
        let passages = rows
            .iter()
            .map(|row| {
                let (ordinal, span, text) = store::documents::slice(row)?;
                Ok(NewPassage { id: passage_id(job, ordinal), ordinal, span, text })
            })
            .collect::<Result<Vec<_>, DbError>>()?;
        let origin = Origin {
            document: document.id,
            version: new.number,
            title: new.title.clone(),
            language: new.language.parse().unwrap_or_default(),
            created_at: job.created_at,
        };
        let made = retrieval::index(ctx, scope, &origin, &passages).await?;
        let done = done.saturating_add(SLICE);
        if done < total {
            let per_cent = share(50, 100, as_u64(done), as_u64(total));
            return self.go_on(&Step::Index { new, done, total }, per_cent, made).await;
        }
        self.swap(new, made).await
    }

    /// The new version, complete with what the last step made, takes the place of the old one.
    async fn swap(&self, new: Version, mut batch: Vec<Statement>) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, job } = self;
        let keep = Keep::Version(new.number);
        batch.extend(retrieval::unindex(scope, document.id, keep));
        batch.push(store::documents::delete_other_texts(scope, document.id, keep));
        let row = Document {
            title: new.title,
            media_type: Some(new.media_type),
            bytes: new.source.bytes,
            content_hash: Some(new.source.hash),
            version: new.number,
            language: Some(new.language),
            updated_at: ctx.clock.now(),
            ..document.clone()
        };
        batch.extend(store::documents::update_version(scope, &row));
        let ended = jobs::finish(ctx, job, batch).await?;
        if document.version > 0 {
            // In an index elsewhere. A vector of another version is never found: one that stays costs its place alone.
            let old = ctx.vectors.delete(scope, document.id, Some(document.version)).await;
            if let Err(error) = old {
                tracing::warn!(%error, document = %document.id, "old vectors could not be deleted");
            }
        }
        Ok(ended)
    }
}

/// The id of a passage: a step that is done again gives the same.
fn passage_id(job: &Claimed, ordinal: usize) -> PassageId {
    let digest = Sha256::digest(format!("{}/{ordinal}", job.id));
    let mut entropy = [0; 10];
    for (to, from) in entropy.iter_mut().zip(digest) {
        *to = from;
    }
    PassageId::new(job.created_at, entropy)
}

/// Between `low` and `high` per cent, as `done` of `total`.
fn share(low: u8, high: u8, done: u64, total: u64) -> u8 {
    let width = u64::from(high.saturating_sub(low));
    let part = done.saturating_mul(width).checked_div(total).unwrap_or(0).min(width);
    low.saturating_add(u8::try_from(part).unwrap_or(0))
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
