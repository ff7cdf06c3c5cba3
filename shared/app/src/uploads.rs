//! Files to be attached to messages.

use bytes::Bytes;
use frontdesk_domain::document::clean_name;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::UploadId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{BlobKey, Ctx, Rows};

use crate::{documents, store};

pub use store::uploads::Upload;

/// Pictures that may be attached; documents may be too.
pub const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// The accepted types, for a person.
pub const ACCEPTED: &str = "png, jpeg, webp, gif, txt, md, html, csv, pdf, docx";

/// The media types of everything that may be attached.
pub const TYPES: [&str; 10] = [
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "text/plain",
    "text/markdown",
    "text/html",
    "text/csv",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
];

/// Stores a file. Its type is what its content says.
///
/// # Errors
/// 415 naming the accepted types, 422 when it is empty.
pub async fn store(ctx: &Ctx, scope: &TenantScope, name: &str, bytes: Bytes) -> Result<Upload> {
    if bytes.is_empty() {
        return Err(Error::invalid("/file", "the file is empty"));
    }
    let picture = infer::get(&bytes).map(|found| found.mime_type()).filter(|found| PICTURES.contains(found));
    let media_type = match picture {
        Some(picture) => picture,
        None => documents::media_type(&bytes).map_err(|error| match error {
            Error::Caller(CallerError::UnsupportedMedia { detail, .. }) => {
                CallerError::UnsupportedMedia { detail, accepted: ACCEPTED.to_owned() }.into()
            }
            other => other,
        })?,
    };
    let now = ctx.clock.now();
    let (visitor, user) = match scope.actor() {
        Actor::Visitor { visitor, .. } => (Some(*visitor), None),
        Actor::User { user, .. } => (None, Some(*user)),
        Actor::System => (None, None),
    };
    let upload = Upload {
        id: UploadId::new(now, ctx.random.entropy()),
        visitor,
        user,
        name: clean_name(name),
        media_type: media_type.to_owned(),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        created_at: now,
    };
    ctx.blobs.put(&blob_key(scope, upload.id), bytes).await?;
    if let Err(error) = ctx.db.batch(vec![store::uploads::insert(scope, &upload)]).await {
        if let Err(error) = ctx.blobs.delete(&blob_key(scope, upload.id)).await {
            tracing::warn!(%error, "an upload's file could not be deleted");
        }
        return Err(error.into());
    }
    Ok(upload)
}

/// An upload that the caller may attach: its own, or any of the organisation for its users.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: UploadId) -> Result<Upload> {
    let results = ctx.db.query(vec![store::uploads::select(scope, id)]).await?;
    let row = results.first().and_then(Rows::first).ok_or(Error::not_found("upload"))?;
    let upload = store::uploads::upload(row)?;
    match scope.actor() {
        Actor::Visitor { visitor, .. } if upload.visitor != Some(*visitor) => Err(Error::not_found("upload")),
        _ => Ok(upload),
    }
}

fn blob_key(scope: &TenantScope, id: UploadId) -> BlobKey {
    BlobKey::new(scope, "upload", id)
}
