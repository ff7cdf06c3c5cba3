//! `/api/v1/documents`: what answers come from.

use frontdesk_app::documents::{self, Created, Document, MAX_TEXT_BYTES, Passage};
use frontdesk_app::page::Page;
use frontdesk_domain::document::{DocumentSource, DocumentStatus, NotRead, reasons};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::time::Timestamp;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::problem::{ReadProblems, WriteProblems};
use crate::upload;

/// The most items of a page.
const MAX_LIMIT: u32 = 100;
/// The items of a page where the request says nothing.
const DEFAULT_LIMIT: u32 = 20;

/// A new document: `title` and `text`, or `url`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    /// The title; with `text`.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// The text, plain or Markdown; with `title`.
    #[schema(min_length = 1, max_length = 1_048_576)]
    text: Option<String>,
    /// The address of a public web page; alone.
    #[schema(format = "uri", max_length = 2048)]
    url: Option<String>,
}

/// A new document: a file, or JSON.
#[derive(utoipa::ToSchema)]
#[schema(as = DocumentFile)]
#[expect(dead_code, reason = "describes the body in OpenAPI; it is read as a stream")]
pub struct DocumentForm {
    /// txt, md, html, csv, pdf or docx, told by its content.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// What creating gave.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedView {
    /// The document.
    id: DocumentId,
    /// How far it is.
    status: DocumentStatus,
    /// The document that had this content or address already (it is `id`); nothing was stored then.
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<DocumentId>,
}

/// A document.
#[derive(Serialize, utoipa::ToSchema)]
pub struct DocumentView {
    /// Its id.
    id: DocumentId,
    /// Its title.
    title: String,
    /// Where it comes from.
    source: DocumentSource,
    /// The address of a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The type, by content, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// The size of the source.
    bytes: u64,
    /// The version that is searched; 0 before the first one is ready.
    version: u32,
    /// ISO 639-3, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// How far it is. A document that failed to be read again is searched in its old version.
    status: DocumentStatus,
    /// Per cent of the reading in progress.
    #[schema(maximum = 100)]
    progress: u8,
    /// Why it failed, or waits for another attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The same in Russian. Absent where another version stored a reason that this one does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_ru: Option<String>,
    /// What could not be read of the version that is searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    warnings: Vec<DocumentWarning>,
    /// When it was made.
    created_at: Timestamp,
    /// When it changed last.
    updated_at: Timestamp,
}

/// Something of a document that could not be read, while the rest of it is searched.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DocumentWarning {
    /// What it is: `pages`, `font`, `part` or `characters`.
    part: &'static str,
    /// Which one: numbers of pages, the name of a font or of a part of the file, how many characters.
    name: String,
    /// For a person, in English.
    en: String,
    /// For a person, in Russian.
    ru: String,
}

impl From<&NotRead> for DocumentWarning {
    fn from(unread: &NotRead) -> Self {
        Self { part: unread.kind(), name: unread.name.clone(), en: unread.en(), ru: unread.ru() }
    }
}

/// A page of documents.
#[derive(Serialize, utoipa::ToSchema)]
pub struct DocumentList {
    /// Newest first.
    items: Vec<DocumentView>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

/// A passage.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PassageView {
    /// Its id.
    id: PassageId,
    /// From 0 in the document.
    ordinal: u64,
    /// First byte in the extracted text.
    start: u64,
    /// The byte after the last one.
    end: u64,
    /// The headings above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<String>,
    /// Its text.
    text: String,
}

/// A page of passages.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PassageList {
    /// The version they are of.
    version: u32,
    /// In the document's order.
    items: Vec<PassageView>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

/// Which part of a list.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// How many items.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Part {
    /// How many items, as asked for.
    pub fn limit(&self) -> Result<u32> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            _ => Err(Error::invalid("?limit", format!("limit must be 1 to {MAX_LIMIT}"))),
        }
    }
}

impl From<Document> for DocumentView {
    fn from(document: Document) -> Self {
        Self {
            id: document.id,
            title: document.title,
            source: document.source,
            url: document.url,
            name: document.name,
            media_type: document.media_type,
            bytes: document.bytes,
            version: document.version,
            language: document.language,
            status: document.status,
            progress: document.progress,
            reason_ru: document.reason.as_deref().and_then(reasons::in_russian),
            reason: document.reason,
            warnings: document.warnings.iter().map(Into::into).collect(),
            created_at: document.created_at,
            updated_at: document.updated_at,
        }
    }
}

impl From<Passage> for PassageView {
    fn from(passage: Passage) -> Self {
        Self {
            id: passage.id,
            ordinal: passage.ordinal,
            start: passage.start,
            end: passage.end,
            heading: passage.heading,
            text: passage.text,
        }
    }
}

/// Creates a document from a file, a text or a web page; it is read in the background.
///
/// Content or an address that the organisation has already gives that document (200, `duplicate_of`); one that had
/// failed is tried again.
#[utoipa::path(
    post, path = "/api/v1/documents", tag = "documents",
    request_body(content((NewDocument = "application/json"), (DocumentForm = "multipart/form-data"))),
    responses(
        (status = 202, description = "It will be read", body = CreatedView),
        (status = 200, description = "The organisation has it already", body = CreatedView),
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create(mut call: Call) -> Result<Response<Body>> {
    let scope = call.scope()?.clone();
    let created = if upload::is_multipart(&call) {
        let limit = documents::max_upload_bytes(&call.ctx, &scope).await?;
        let file = upload::read_file(&mut call, limit).await?;
        documents::create_from_file(&call.ctx, &scope, &file.name, file.bytes).await?
    } else {
        // JSON writes a character of text as up to six bytes.
        let new: NewDocument = call.json_up_to(MAX_TEXT_BYTES.saturating_mul(6)).await?;
        match (new.title, new.text, new.url) {
            (Some(title), Some(text), None) => {
                documents::create_from_text(&call.ctx, &scope, &title, &text).await?
            }
            (None, None, Some(url)) => documents::create_from_url(&call.ctx, &scope, &url).await?,
            (None, Some(_), None) => return Err(Error::invalid("/title", "a text needs a title")),
            (Some(_), None, None) => return Err(Error::invalid("/text", "a title needs a text")),
            (_, _, Some(_)) => {
                return Err(Error::invalid("/url", "a url stands alone, without title and text"));
            }
            (None, None, None) => return Err(Error::invalid("", "either title and text, or url, is needed")),
        }
    };
    let Created { document, duplicate } = created;
    let status = if duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = CreatedView {
        id: document.id,
        status: document.status,
        duplicate_of: duplicate.then_some(document.id),
    };
    json(status, &view)
}

/// Lists documents, newest first.
#[utoipa::path(
    get, path = "/api/v1/documents", tag = "documents", params(Part),
    responses(
        (status = 200, body = DocumentList),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = documents::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    json(StatusCode::OK, &DocumentList { items: items.into_iter().map(Into::into).collect(), next_cursor })
}

/// Shows a document.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    responses(
        (status = 200, body = DocumentView),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "document")?;
    let document = documents::get(&call.ctx, call.scope()?, id).await?;
    json(StatusCode::OK, &DocumentView::from(document))
}

/// Lists the passages of the version that is searched.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}/passages", tag = "documents", params(("id" = DocumentId, Path), Part),
    responses(
        (status = 200, body = PassageList),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn passages(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "document")?;
    let part: Part = call.query()?;
    let (document, page) =
        documents::passages(&call.ctx, call.scope()?, id, part.limit()?, part.cursor.as_deref()).await?;
    let items = page.items.into_iter().map(Into::into).collect();
    json(StatusCode::OK, &PassageList { version: document.version, items, next_cursor: page.next_cursor })
}

/// Deletes a document everywhere: text, passages, vectors and file.
#[utoipa::path(
    delete, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    responses(
        (status = 204),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn delete(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "document")?;
    documents::delete(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}

/// Reads a document again: fetches the page anew, or reads the stored file. Until the new version is whole the old one is
/// searched.
#[utoipa::path(
    post, path = "/api/v1/documents/{id}/sync", tag = "documents", params(("id" = DocumentId, Path)),
    responses(
        (status = 202, body = DocumentView),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn sync(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "document")?;
    let document = documents::sync(&call.ctx, call.scope()?, id).await?;
    json(StatusCode::ACCEPTED, &DocumentView::from(document))
}
