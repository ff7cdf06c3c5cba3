//! `/api/v1/uploads`: files to be attached to messages. And files in multipart bodies, for every function.

use bytes::Bytes;
use frontdesk_app::uploads::UnderWay;
use frontdesk_app::{documents, uploads};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::UploadId;
use frontdesk_ports::{SpoolError, Spooled};
use futures_channel::mpsc;
use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::body::{Body, BodyError};
use crate::call::{Call, json};
use crate::problem::{ReadProblems, WriteProblems};

/// What the parts' own headers and borders may take, in bytes.
const OVERHEAD: u64 = 16 * 1024;

/// What a browser may show in its place. Everything else is downloaded: a file of a stranger must not run as a page here.
const INLINE: [&str; 4] = uploads::PICTURES;

/// A file that is opened as a page all the same has no scripts, no origin and nothing to load.
const SANDBOX: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// `attr-char` of RFC 8187, which needs no escaping.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// An upload.
#[derive(Serialize, utoipa::ToSchema)]
pub struct UploadView {
    /// To be named in `attachments` of a message.
    id: UploadId,
    /// The file's name, without folders.
    name: String,
    /// The type, by content.
    media_type: String,
    /// The size.
    bytes: u64,
}

/// A multipart body with one file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body in OpenAPI; it is read as a stream")]
pub struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Stores a file to be attached to a message. The type is told by the content: pictures (png, jpeg, webp, gif) and
/// documents (txt, md, html, csv, pdf, docx).
#[utoipa::path(
    post, path = "/api/v1/uploads", tag = "conversations",
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = UploadView),
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create(mut call: Call) -> Result<Response<Body>> {
    let scope = call.scope()?.clone();
    let limit = documents::max_upload_bytes(&call.ctx, &scope).await?;
    uploads::admit(&call.ctx, &scope).await?;
    let file = read_file(&mut call, limit).await?;
    let stored = uploads::store(&call.ctx, &scope, &file.name, file.bytes).await?;
    let view =
        UploadView { id: stored.id, name: stored.name, media_type: stored.media_type, bytes: stored.bytes };
    json(StatusCode::CREATED, &view)
}

/// The file of an upload. A visitor gets its own, and those that a message of its conversations names; users get those of
/// their organisation. Only pictures (png, jpeg, webp, gif) are `inline`, everything else is an `attachment`.
#[utoipa::path(
    get, path = "/api/v1/uploads/{id}", tag = "conversations",
    params(("id" = UploadId, Path, description = "The upload"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the caller has")),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The file", body = String, content_type = "*/*",
            headers(("ETag" = String, description = "Always the same: a file never changes"),
                ("Content-Disposition" = String, description = "`inline` or `attachment`, with the name"))),
        (status = 304, description = "The caller has it"),
        ReadProblems,
    ),
)]
pub async fn fetch(call: Call) -> Result<Response<Body>> {
    let id: UploadId = call.id("id", "upload")?;
    let scope = call.scope()?;
    let upload = uploads::get(&call.ctx, scope, id).await?;
    let tag = format!("\"{id}\"");
    let known = call.header(header::IF_NONE_MATCH).is_some_and(|known| matches_tag(known, &tag));
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::full(uploads::read(&call.ctx, scope, id).await?))
    };
    let headers = response.headers_mut();
    let value =
        |text: &str| HeaderValue::from_str(text).map_err(|error| Error::ours(format!("a header: {error}")));
    headers.insert(header::ETAG, value(&tag)?);
    // Kept by the caller's own cache alone, and asked for again each time: who may see it changes.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    if !known {
        headers.insert(header::CONTENT_TYPE, value(&upload.media_type)?);
        headers.insert(header::CONTENT_DISPOSITION, value(&disposition(&upload.media_type, &upload.name))?);
    }
    Ok(response)
}

/// Whether `If-None-Match` names the tag (RFC 9110, 13.1.2: compared weakly).
fn matches_tag(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// `Content-Disposition` of RFC 6266: the name in ASCII for old clients, and as it is.
fn disposition(media_type: &str, name: &str) -> String {
    let kind = if INLINE.contains(&media_type) { "inline" } else { "attachment" };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '(' | ')');
    let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if ascii == name {
        return format!("{kind}; filename=\"{ascii}\"");
    }
    let whole = utf8_percent_encode(name, ATTRIBUTE);
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

/// A file from a multipart body.
pub(crate) struct FilePart {
    /// Its name as the client says; not cleaned yet.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
    /// Counts until what is made of the file is done, too.
    _under_way: Option<UnderWay>,
}

/// Whether the body is multipart.
pub(crate) fn is_multipart(call: &Call) -> bool {
    let kind = call.header(header::CONTENT_TYPE).unwrap_or("");
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("multipart/form-data"))
}

/// Takes the body's only part, the file `file` of at most `limit` bytes. What is longer is not read to its end.
///
/// # Errors
/// 429 when the caller has too many uploads under way, 415 when the body is not multipart, 413 with the limit, 400 when it is cut or malformed, 422 when the file is missing
/// or another field is there.
pub(crate) async fn read_file(call: &mut Call, limit: u64) -> Result<FilePart> {
    let kind = call.header(header::CONTENT_TYPE).unwrap_or("").to_owned();
    let announced = call.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.saturating_add(OVERHEAD)) {
        return Err(too_large(limit));
    }
    let under_way = uploads::begin(&call.ctx, call.scope()?, &call.via)?;
    let spooled = call.ctx.spool.begin().await?;
    let file = parse(&kind, std::mem::take(&mut call.body), limit, spooled).await?;
    Ok(FilePart { _under_way: Some(under_way), ..file })
}

async fn parse(kind: &str, body: Body, limit: u64, spooled: Box<dyn Spooled>) -> Result<FilePart> {
    let boundary = multer::parse_boundary(kind).map_err(|_| CallerError::UnsupportedMedia {
        detail: format!("the body's type is \"{}\"", kind.chars().take(100).collect::<String>()),
        accepted: "multipart/form-data with a boundary".to_owned(),
    })?;
    // The parser wants a stream that may change threads, which a body is not; a channel between them is.
    let mut body = body.into_stream();
    let (mut pieces, received) = mpsc::channel::<Result<Bytes, BodyError>>(1);
    let pump = Box::pin(async move {
        while let Some(piece) = body.next().await {
            if pieces.send(piece).await.is_err() {
                return;
            }
        }
    });
    let sizes = multer::SizeLimit::new().whole_stream(limit.saturating_add(OVERHEAD)).per_field(limit);
    let constraints = multer::Constraints::new().allowed_fields(vec!["file"]).size_limit(sizes);
    let parts = multer::Multipart::with_constraints(received, boundary, constraints);
    let file = Box::pin(one_file(parts, spooled));
    let outcome = match select(file, pump).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), file)) => file.await,
    };
    let file = outcome.map_err(|error| match error {
        Broken::Parts(error) => refusal(&error, limit),
        Broken::Spool(error) => error.into(),
    })?;
    let (name, spooled) = file.ok_or_else(|| Error::invalid("/file", "exactly one file is needed"))?;
    Ok(FilePart { name, bytes: spooled.whole().await?, _under_way: None })
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Parts(#[from] multer::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

async fn one_file(
    mut parts: multer::Multipart<'_>,
    mut spooled: Box<dyn Spooled>,
) -> Result<Option<(String, Box<dyn Spooled>)>, Broken> {
    let Some(mut field) = parts.next_field().await? else { return Ok(None) };
    let name = field.file_name().unwrap_or("").to_owned();
    while let Some(piece) = field.chunk().await? {
        spooled.add(piece).await?;
    }
    drop(field);
    // A second file is as wrong as none; the rest is read so that a broken end is seen.
    let more = parts.next_field().await?.is_some();
    Ok((!more).then_some((name, spooled)))
}

fn too_large(limit: u64) -> Error {
    CallerError::TooLarge { field: "file", limit }.into()
}

fn refusal(error: &multer::Error, limit: u64) -> Error {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            too_large(limit)
        }
        multer::Error::UnknownField { field_name } => {
            let name: String = field_name.as_deref().unwrap_or("").chars().take(100).collect();
            Error::invalid(format!("/{name}"), "unknown field; the only one is `file`")
        }
        multer::Error::StreamReadFailed(cause) => match cause.downcast_ref::<BodyError>() {
            Some(error) => error.clone().into(),
            None => unreadable(error),
        },
        other => unreadable(other),
    }
}

fn unreadable(error: &multer::Error) -> Error {
    CallerError::Unreadable(format!("the multipart body cannot be read: {error}")).into()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use frontdesk_ports::{MemorySpool, Spool};

    const LIMIT: u64 = 100_000;

    fn part(headers: &str, content: &[u8]) -> Vec<u8> {
        let mut body = format!("--b\r\nContent-Disposition: form-data; {headers}\r\n\r\n").into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
        body
    }

    fn read(kind: &str, body: &[u8], piece: usize) -> Result<FilePart> {
        let pieces: Vec<Bytes> = body.chunks(piece).map(Bytes::copy_from_slice).collect();
        let stream = futures_util::stream::iter(pieces.into_iter().map(Ok));
        futures_executor::block_on(in_memory(kind, Body::Stream(Box::pin(stream))))
    }

    async fn in_memory(kind: &str, body: Body) -> Result<FilePart> {
        parse(kind, body, LIMIT, MemorySpool.begin().await.unwrap()).await
    }

    fn finished(mut body: Vec<u8>) -> Vec<u8> {
        body.extend_from_slice(b"--b--\r\n");
        body
    }

    const KIND: &str = "multipart/form-data; boundary=b";

    #[test]
    fn a_file_comes_whole_however_it_is_cut() {
        let content: Vec<u8> = (0..=255_u8).cycle().take(50_000).collect();
        let body = finished(part("name=\"file\"; filename=\"чай.bin\"", &content));
        for piece in [7, 4096, 1 << 20] {
            let file = read(KIND, &body, piece).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((file.name.as_str(), file.bytes.as_ref()), ("чай.bin", content.as_slice()));
        }
    }

    #[test]
    fn what_is_too_large_is_refused_with_the_limit_before_its_end() {
        let endless = futures_util::stream::iter(
            std::iter::once(Bytes::from(part("name=\"file\"; filename=\"a\"", b"")))
                .chain(std::iter::repeat_with(|| Bytes::from(vec![b'x'; 10_000])))
                .map(Ok),
        );
        let error = futures_executor::block_on(in_memory(KIND, Body::Stream(Box::pin(endless)))).err();
        assert_eq!(error, Some(CallerError::TooLarge { field: "file", limit: LIMIT }.into()));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let ok = part("name=\"file\"; filename=\"a\"", b"tea");
        let error = |kind: &str, body: Vec<u8>| match read(kind, &body, 1000) {
            Err(Error::Caller(error)) => error,
            _ => panic!("not refused"),
        };
        assert!(matches!(error("text/plain", ok.clone()), CallerError::UnsupportedMedia { .. }));
        assert!(matches!(error("multipart/form-data", ok.clone()), CallerError::UnsupportedMedia { .. }));
        assert!(matches!(error(KIND, ok.clone()), CallerError::Unreadable(_)), "no end");
        assert!(matches!(error(KIND, b"tea".to_vec()), CallerError::Unreadable(_)));
        let pointer = |error: CallerError| match error {
            CallerError::Invalid(fields) => fields.first().map(|field| field.pointer.clone()),
            other => panic!("{other}"),
        };
        assert_eq!(pointer(error(KIND, b"--b--\r\n".to_vec())).as_deref(), Some("/file"));
        assert_eq!(pointer(error(KIND, finished([ok.clone(), ok].concat()))).as_deref(), Some("/file"));
        assert_eq!(
            pointer(error(KIND, finished(part("name=\"colour\"", b"red")))).as_deref(),
            Some("/colour")
        );
    }

    #[test]
    fn a_name_is_told_so_that_every_client_reads_it() {
        for (media_type, name, told) in [
            ("image/png", "kettle.png", "inline; filename=\"kettle.png\""),
            ("text/html", "page.html", "attachment; filename=\"page.html\""),
            ("image/svg+xml", "a.svg", "attachment; filename=\"a.svg\""),
            (
                "application/pdf",
                "чай \"1\"; x=\r\n.pdf",
                "attachment; filename=\"___ _1__ x___.pdf\"; \
                 filename*=UTF-8''%D1%87%D0%B0%D0%B9%20%221%22%3B%20x%3D%0D%0A.pdf",
            ),
            ("text/plain", "100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ] {
            assert_eq!(disposition(media_type, name), told);
        }
    }

    #[test]
    fn a_tag_is_known_alone_in_a_list_and_weakly() {
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(matches_tag(known, "\"a\""), "{known}");
        }
        for unknown in ["", "a", "\"ab\"", "\"b\",W/\"c\""] {
            assert!(!matches_tag(unknown, "\"a\""), "{unknown}");
        }
    }

    #[test]
    fn the_body_may_stay_on_its_thread() {
        let local = Rc::new(());
        let body = finished(part("name=\"file\"; filename=\"a\"", b"tea"));
        let stream = futures_util::stream::once(async move {
            let _held = local;
            Ok(Bytes::from(body))
        });
        assert!(futures_executor::block_on(in_memory(KIND, Body::Stream(Box::pin(stream)))).is_ok());
    }
}
