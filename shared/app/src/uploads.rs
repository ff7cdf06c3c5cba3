//! Files to be attached to messages.

use bytes::Bytes;
use frontdesk_domain::document::clean_name;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::UploadId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{BlobKey, Ctx};

use crate::{documents, store};

pub use store::uploads::Upload;

/// Pictures that may be attached; documents may be too.
pub const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/// How many bytes tell a picture, with room to spare.
const PICTURE_HEAD: usize = 64;

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
    // A picture's first bytes say so; of anything else, the reader tells the type.
    let head = bytes.get(..PICTURE_HEAD).unwrap_or(&bytes);
    let picture = infer::get(head).map(|found| found.mime_type()).filter(|found| PICTURES.contains(found));
    let media_type = match picture {
        Some(picture) => picture.to_owned(),
        None => documents::media_type(ctx, &bytes).await.map_err(|error| match error {
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
        media_type,
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        created_at: now,
    };
    // The row first: so every file has one, whatever happens in between. Nobody knows the id before the file is there.
    ctx.db.batch(vec![store::uploads::insert(scope, &upload)]).await?;
    ctx.blobs.put(&blob_key(scope, upload.id), bytes).await?;
    Ok(upload)
}

/// Whether the caller may attach these: its own, or any of the organisation for its users. One round trip.
///
/// # Errors
/// 422 naming the first one that is not there.
pub async fn check(ctx: &Ctx, scope: &TenantScope, ids: &[UploadId]) -> Result<()> {
    let results = ctx.db.query(ids.iter().map(|id| store::uploads::select(scope, *id)).collect()).await?;
    for (index, rows) in results.iter().enumerate() {
        let upload = rows.first().map(store::uploads::upload).transpose()?;
        let allowed = upload.is_some_and(|upload| match scope.actor() {
            Actor::Visitor { visitor, .. } => upload.visitor == Some(*visitor),
            Actor::User { .. } | Actor::System => true,
        });
        if !allowed {
            return Err(Error::invalid(format!("/attachments/{index}"), "no such upload"));
        }
    }
    Ok(())
}

fn blob_key(scope: &TenantScope, id: UploadId) -> BlobKey {
    BlobKey::new(scope, "upload", id)
}
