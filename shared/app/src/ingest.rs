//! Reading a document, step by step: fetch a web page → read the file, a part at a time → index the passages, a few at a
//! time → with the last ones, swap the new version in.
//!
//! What reads the file or its text is the reader ([`Extractor`](frontdesk_ports::Extractor)), which a hostile file
//! may break or keep busy; here its answers are checked and stored.
//!
//! Until the swap nothing of the new version is found. Each step is stored in one batch with where the next one begins
//! ([`jobs::go_on`]), so a step that was cut off is done again from the same place, and none is done twice.

pub mod web;

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::document::{
    DocumentSource, DocumentStatus, MAX_TITLE_CHARS, MAX_UNREAD, NotRead, reasons,
};
use frontdesk_domain::error::Error;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text::{Language, TextPlace, WINDOW_BYTES};
use frontdesk_ports::{BlobKey, Ctx, ExtractFailure, ExtractRequest, Resume, SplitRequest, Statement};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::jobs::{self, Ended, Failure};
use crate::retrieval::{self, Keep, NewPassage, Origin};
use crate::store::documents::Document;
use crate::store::jobs::Claimed;
use crate::{documents, store};

/// How long a part of a file may take to be read.
const EXTRACT_DEADLINE: Duration = Duration::from_secs(60);

/// How long the reader may take for the next passages.
const SPLIT_DEADLINE: Duration = Duration::from_secs(20);

/// How many passages one step indexes: one call for their vectors, and a few milliseconds for their words.
const SLICE: usize = 64;

/// How many passages a document may have. Prose has about 1,500 in a megabyte.
const MAX_PASSAGES: usize = 100_000;

/// The next step of a job, as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum IngestStep {
    /// The web page becomes the document's file.
    Fetch,
    /// The file is read, from the beginning.
    Read {
        source: IngestSource,
        from: Option<Resume>,
        /// What could not be read of the parts before.
        #[serde(default)]
        unread: Vec<NotRead>,
    },
    /// It is read on where the part before ended. Versions that do not know that texts are in parts refuse this step.
    ReadOn {
        source: IngestSource,
        from: Resume,
        #[serde(default)]
        unread: Vec<NotRead>,
    },
    /// Passages are indexed, so far those before `at`. Its name is another one since texts are in parts, for the same reason.
    #[serde(rename = "passages_of_parts", alias = "passages")]
    Passages { new: Version, at: At },
    /// Where an earlier version of Frontdesk was indexing. That it begins anew.
    Index { new: Version },
}

/// The file that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct IngestSource {
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
    source: IngestSource,
    #[serde(default)]
    unread: Vec<NotRead>,
}

/// How far the passages of a text are indexed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct At {
    /// Bytes of the text.
    byte: usize,
    /// Passages.
    ordinal: usize,
    /// What stands above.
    place: TextPlace,
    /// Vectors are missing of passages before: they are made when the document is read.
    #[serde(default)]
    without_vectors: bool,
}

/// The first step of reading a document, for its job's row.
pub(crate) fn first_step(document: &Document) -> Result<String, Error> {
    let step = match document.source {
        DocumentSource::Url => IngestStep::Fetch,
        DocumentSource::File | DocumentSource::Text => IngestStep::Read {
            source: IngestSource {
                name: document.name.clone().unwrap_or_default(),
                bytes: document.bytes,
                hash: document.content_hash.clone().unwrap_or_default(),
            },
            from: None,
            unread: Vec::new(),
        },
    };
    json(&step)
}

fn from_the_beginning(source: IngestSource) -> IngestStep {
    IngestStep::Read { source, from: None, unread: Vec::new() }
}

fn json(step: &IngestStep) -> Result<String, Error> {
    serde_json::to_string(step).map_err(|error| Error::ours(format!("a step: {error}")))
}

/// The hash that tells equal content.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The same of a file that may be large: off the core's thread, where the host has others.
///
/// # Errors
/// When the work died.
pub(crate) async fn file_hash(ctx: &Ctx, bytes: &Bytes) -> Result<String, Error> {
    let bytes = bytes.clone();
    let hash = ctx.compute.run(Box::new(move || Box::new(content_hash(&bytes)))).await;
    hash.downcast::<String>().map(|hash| *hash).map_err(|_| Error::ours("a file could not be hashed"))
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
        IngestStep::Fetch => reading.fetch().await,
        IngestStep::Read { source, from, unread } => reading.read(source, from, unread).await,
        IngestStep::ReadOn { source, from, unread } => reading.read(source, Some(from), unread).await,
        IngestStep::Passages { new, at } => reading.index(new, at).await,
        IngestStep::Index { new } => reading.begin_anew(new.source).await,
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
    async fn go_on(
        &self,
        next: &IngestStep,
        per_cent: u8,
        mut made: Vec<Statement>,
    ) -> Result<Ended, Failure> {
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
        let hash = file_hash(ctx, &page.bytes).await?;
        if document.version > 0 && document.content_hash.as_deref() == Some(&hash) {
            let (id, ready, now) = (document.id, DocumentStatus::Ready, ctx.clock.now());
            let unchanged = store::documents::update_status(scope, id, ready, Some(100), None, now);
            return jobs::finish(ctx, self.job, vec![unchanged]).await;
        }
        self.refuse_copy(&hash).await?;
        let bytes = u64::try_from(page.bytes.len()).unwrap_or(u64::MAX);
        ctx.blobs.put(&blob_key(scope, document.id), page.bytes).await.map_err(Error::from)?;
        let source = IngestSource { name: page.name, bytes, hash };
        self.go_on(&from_the_beginning(source), 10, Vec::new()).await
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
        Err(Failure::Permanent(reasons::SAME_PAGE.with(&[&equal.title, &equal.id])))
    }

    async fn read(
        &self,
        source: IngestSource,
        from: Option<Resume>,
        mut unread: Vec<NotRead>,
    ) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, .. } = self;
        let file = ctx.blobs.get(&blob_key(scope, document.id)).await.map_err(Error::from)?;
        let bytes = file.ok_or_else(|| Failure::Permanent(reasons::FILE_GONE.told()))?;
        // A page may be fetched a second time by a worker that lost the job meanwhile.
        if file_hash(ctx, &bytes).await? != source.hash {
            return Err(Failure::Passing(reasons::FILE_CHANGED.told()));
        }
        let number =
            document.version.checked_add(1).ok_or_else(|| Error::ours("a document has no versions left"))?;
        let mut made = Vec::new();
        if from.is_none() {
            // What an attempt that was given up may have left.
            made.extend(store::document_texts::delete_others(scope, document.id, Keep::Current));
        }
        let request = ExtractRequest {
            bytes,
            name: source.name.clone(),
            from,
            typed: document.source == DocumentSource::Text,
            deadline: EXTRACT_DEADLINE,
        };
        let began = request.from.clone();
        let part = ctx.extractor.extract(request).await?;
        if !part.fits(began.as_ref()) {
            tracing::error!(document = %document.id, "the reader gave what is no part of a text");
            return Err(ExtractFailure::broken().into());
        }
        unread.extend(part.unread);
        unread.truncate(MAX_UNREAD);

        made.extend(store::document_texts::append(scope, document.id, number, &part.text));
        if let Some(from) = part.rest {
            let per_cent = share(10, 50, u64::from(from.page), u64::from(part.pages.unwrap_or(0)));
            return self.go_on(&IngestStep::ReadOn { source, from, unread }, per_cent, made).await;
        }
        let title = match document.source {
            DocumentSource::Text => document.title.clone(),
            DocumentSource::File | DocumentSource::Url => {
                let own = part.title.unwrap_or_else(|| document.title.clone());
                own.chars().take(MAX_TITLE_CHARS).collect()
            }
        };
        if !unread.is_empty() {
            let kinds: Vec<&str> = unread.iter().map(NotRead::kind).collect();
            tracing::warn!(document = %document.id, ?kinds, "a document is read with parts missing");
            for part in kinds {
                ctx.metrics.unread_parts.get_or_create(&[("part", part)]).inc();
            }
        }
        let new = Version { number, title, media_type: part.media_type, source, unread };
        self.go_on(&IngestStep::Passages { new, at: At::default() }, 50, made).await
    }

    /// Throws away what there is of the new version, and reads the file from its beginning.
    async fn begin_anew(&self, source: IngestSource) -> Result<Ended, Failure> {
        let Self { scope, document, .. } = self;
        let mut made = retrieval::unindex(scope, document.id, Keep::Current);
        made.extend(store::document_texts::delete_others(scope, document.id, Keep::Current));
        self.go_on(&from_the_beginning(source), 10, made).await
    }

    async fn index(&self, new: Version, at: At) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, job } = self;
        let window =
            store::document_texts::select_window(scope, document.id, new.number, at.byte, WINDOW_BYTES);
        let results = ctx.db.query(window).await?;
        let (text, length) = store::document_texts::window(&results)?.ok_or(Failure::Superseded)?;
        let request = SplitRequest {
            is_last: at.byte.saturating_add(text.len()) >= length,
            text,
            title: new.title.clone(),
            place: at.place,
            most: SLICE,
            deadline: SPLIT_DEADLINE,
        };
        let split = ctx.extractor.split(&request).await?;
        if !split.fits(&request.window()) {
            tracing::error!(document = %document.id, "the reader gave passages that are none of the text");
            return Err(ExtractFailure::broken().into());
        }
        let language = split.language;
        let next = At {
            byte: at.byte.saturating_add(split.used),
            ordinal: at.ordinal.saturating_add(split.passages.len()),
            place: split.next.clone(),
            without_vectors: at.without_vectors,
        };
        if next.ordinal > MAX_PASSAGES {
            let limit = u64::try_from(MAX_PASSAGES).unwrap_or(u64::MAX);
            return Err(ExtractFailure::OverLimit { what: "passages".to_owned(), limit }.into());
        }
        let origin = Origin {
            document: document.id,
            version: new.number,
            title: new.title.clone(),
            title_terms: split.title_terms.clone(),
            created_at: job.created_at,
        };
        let id = |ordinal| passage_id(job, ordinal);
        let passages = NewPassage::all(split, &request.text, at.byte, at.ordinal, id);
        let (made, vectors) = retrieval::index(ctx, scope, &origin, &passages, !at.without_vectors).await?;
        let next = At { without_vectors: !vectors, ..next };
        if next.byte < length {
            let per_cent = share(50, 100, as_u64(next.byte), as_u64(length));
            return self.go_on(&IngestStep::Passages { new, at: next }, per_cent, made).await;
        }
        self.swap(new, language, made, vectors).await
    }

    /// The new version, complete with what the last step made, takes the place of the old one.
    async fn swap(
        &self,
        new: Version,
        language: Language,
        mut batch: Vec<Statement>,
        vectors: bool,
    ) -> Result<Ended, Failure> {
        let Self { ctx, scope, document, job } = self;
        let keep = Keep::Version(new.number);
        batch.extend(retrieval::unindex(scope, document.id, keep));
        batch.push(retrieval::catch_up::note(ctx, scope, document.id, new.number, vectors));
        batch.extend(store::document_texts::delete_others(scope, document.id, keep));
        let row = Document {
            title: new.title,
            media_type: Some(new.media_type),
            bytes: new.source.bytes,
            content_hash: Some(new.source.hash),
            version: new.number,
            language: Some(language.code().to_owned()),
            warnings: new.unread,
            updated_at: ctx.clock.now(),
            ..document.clone()
        };
        batch.push(store::documents::update_version(scope, &row));
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

impl From<ExtractFailure> for Failure {
    fn from(failure: ExtractFailure) -> Self {
        if failure.may_pass() { Self::Passing(failure.told()) } else { Self::Permanent(failure.told()) }
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
