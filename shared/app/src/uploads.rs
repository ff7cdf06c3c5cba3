//! Files to be attached to messages: stored within a quota, attached, fetched, and taken away when no message names them.
//!
//! The row comes before the file and stays until the file has gone, so there is no file without a row: `storing` while the
//! file is on its way, `stored` once it is there, `removing` when it goes. Only what is stored can be attached or fetched.

mod sweep;
mod under_way;

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::document::clean_name;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{MessageId, UploadId, VisitorId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::Settings;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BlobKey, Ctx, Rows};

use crate::store::uploads::{Quota, Used};
use crate::{chat, documents, settings, store};

pub use store::uploads::Upload;
pub use sweep::sweep;
pub use under_way::{PER_ADDRESS, PER_PERSON, UnderWay, begin};

/// How long an upload may be there without a message that names it.
pub const UNATTACHED: Duration = Duration::from_secs(24 * 60 * 60);
/// Over how long a visitor's uploads are counted.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a file may take to be stored.
const STORE_WITHIN: Duration = Duration::from_secs(60 * 60);
/// When there may be room again in a full organisation.
const FULL_RETRY: Duration = Duration::from_secs(60 * 60);

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

/// Refuses early, before a file is read, what [`store`] would refuse in any case.
///
/// # Errors
/// 429 naming the limit.
pub async fn admit(ctx: &Ctx, scope: &TenantScope) -> Result<()> {
    let quota = quota(&*settings::current(ctx, scope).await?, ctx.clock.now());
    let results =
        ctx.db.query(vec![store::uploads::select_used(scope, visitor_of(scope), quota.since)]).await?;
    // The smallest file has a byte.
    match refusal(&quota, &used_of(&results)?, 1, ctx.clock.now()) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Stores a file. Its type is what its content says.
///
/// # Errors
/// 415 naming the accepted types, 422 when it is empty, 429 naming the quota that is used up.
pub async fn store(ctx: &Ctx, scope: &TenantScope, name: &str, bytes: Bytes) -> Result<Upload> {
    if bytes.is_empty() {
        return Err(Error::invalid("/file", "the file is empty"));
    }
    let media_type = media_type(ctx, &bytes).await?;
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
    note(ctx, scope, &upload, now).await?;
    let key = blob_key(scope, upload.id);
    if let Err(error) = ctx.blobs.put(&key, bytes).await {
        let give_up = store::uploads::update_given_up(scope, upload.id, now.after(STORE_WITHIN));
        if let Err(error) = ctx.db.batch(vec![give_up]).await {
            tracing::warn!(%error, upload = %upload.id, "an upload that failed counts until it is swept");
        }
        return Err(error.into());
    }
    let stored = store::uploads::update_stored(scope, upload.id, now.after(UNATTACHED));
    let results = ctx.db.batch(vec![stored]).await?;
    if results.first().is_none_or(|rows| rows.affected == 0) {
        // It took so long that it was swept meanwhile.
        ctx.blobs.delete(&key).await?;
        let detail = "a file took too long to be stored".to_owned();
        return Err(Error::Upstream { service: "blobs", retryable: true, detail });
    }
    ctx.tasks.new_job();
    Ok(upload)
}

async fn media_type(ctx: &Ctx, bytes: &Bytes) -> Result<String> {
    // A picture's first bytes say so; of anything else, the reader tells the type.
    let head = bytes.get(..PICTURE_HEAD).unwrap_or(bytes);
    let picture = infer::get(head).map(|found| found.mime_type()).filter(|found| PICTURES.contains(found));
    match picture {
        Some(picture) => Ok(picture.to_owned()),
        None => documents::media_type(ctx, bytes).await.map_err(|error| match error {
            Error::Caller(CallerError::UnsupportedMedia { detail, .. }) => {
                CallerError::UnsupportedMedia { detail, accepted: ACCEPTED.to_owned() }.into()
            }
            other => other,
        }),
    }
}

/// Notes the file, if the quota has room for it. The statement itself decides, so of many at once not more get in.
async fn note(ctx: &Ctx, scope: &TenantScope, upload: &Upload, now: Timestamp) -> Result<()> {
    let quota = quota(&*settings::current(ctx, scope).await?, now);
    let results = ctx
        .db
        .batch(vec![
            store::uploads::select_used(scope, upload.visitor, quota.since),
            store::uploads::insert(scope, upload, &quota, now.after(STORE_WITHIN)),
            store::uploads::add_to_total(scope, upload.id),
        ])
        .await?;
    if results.get(1).is_some_and(|rows| rows.affected > 0) {
        return Ok(());
    }
    let refused = refusal(&quota, &used_of(&results)?, upload.bytes, now);
    Err(refused.map_or_else(|| Error::ours("an upload was refused and had room"), Into::into))
}

fn quota(settings: &Settings, now: Timestamp) -> Quota {
    let limits = &settings.limits;
    Quota {
        files: limits.uploads_per_day.into(),
        bytes: limits.upload_bytes_per_day,
        since: now.before(DAY),
        total_bytes: limits.uploads_total_bytes,
    }
}

fn used_of(results: &[Rows]) -> Result<Used> {
    let row = results.first().and_then(Rows::first).ok_or_else(|| Error::ours("a count gave no row"))?;
    Ok(store::uploads::used(row)?)
}

/// Why another file of so many bytes is too much.
fn refusal(quota: &Quota, used: &Used, bytes: u64, now: Timestamp) -> Option<CallerError> {
    let over = |used: u64, limit: u64| used.saturating_add(bytes) > limit;
    // When the first of them is a day old, there is room again.
    let retry_after = used.first_at.map_or(DAY, |first| first.after(DAY).since(now));
    if used.files >= quota.files {
        Some(CallerError::Quota { what: "files of a visitor in 24 hours", limit: quota.files, retry_after })
    } else if used.first_at.is_some() && over(used.bytes, quota.bytes) {
        Some(CallerError::Quota { what: "bytes of a visitor in 24 hours", limit: quota.bytes, retry_after })
    } else if over(used.total_bytes, quota.total_bytes) {
        let what = "bytes of all uploads of the organisation";
        Some(CallerError::Quota { what, limit: quota.total_bytes, retry_after: FULL_RETRY })
    } else if over(0, quota.bytes) {
        Some(CallerError::TooLarge { field: "file", limit: quota.bytes })
    } else {
        None
    }
}

/// Whose uploads alone the caller reaches; none for users, who reach all of their organisation.
fn visitor_of(scope: &TenantScope) -> Option<VisitorId> {
    match scope.actor() {
        Actor::Visitor { visitor, .. } => Some(*visitor),
        Actor::User { .. } | Actor::System => None,
    }
}

/// Notes that a message is to name these, so that they stay; it comes before the message is stored. The caller may attach
/// its own, or any of the organisation for its users. One round trip.
///
/// # Errors
/// 422 naming the first one that is not there.
pub async fn attach(ctx: &Ctx, scope: &TenantScope, message: MessageId, ids: &[UploadId]) -> Result<()> {
    let (visitor, now) = (visitor_of(scope), ctx.clock.now());
    let insert = |id: &UploadId| store::uploads::insert_attachment(scope, *id, visitor, message, now);
    let select = |id: &UploadId| store::uploads::select_attachment(scope, *id, message);
    let batch = ids.iter().map(insert).chain(ids.iter().map(select));
    let results = ctx.db.batch(batch.collect()).await?;
    match results.iter().skip(ids.len()).position(|rows| rows.first().is_none()) {
        Some(index) => Err(Error::invalid(format!("/attachments/{index}"), "no such upload")),
        None => Ok(()),
    }
}

/// One upload: for a visitor its own, or one that a message names which the visitor sees. Logs that are not in the main
/// database tell it a little later, so one that was just attached is asked for again.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: UploadId) -> Result<Upload> {
    let visitor = visitor_of(scope);
    let mut pauses = chat::READ_AGAIN.into_iter();
    loop {
        let statements =
            vec![store::uploads::select(scope, id, visitor), store::uploads::select_last_attached(scope, id)];
        let results = ctx.db.query(statements).await?;
        if let Some(row) = results.first().and_then(Rows::first) {
            return Ok(store::uploads::upload(row)?);
        }
        let noted = results.get(1).and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
        let young = noted.is_some_and(|noted| {
            visitor.is_some() && ctx.clock.now().since(Timestamp::from_millis(noted)) < chat::YOUNG
        });
        match pauses.next() {
            Some(pause) if young => ctx.clock.sleep(pause).await,
            _ => return Err(Error::not_found("upload")),
        }
    }
}

/// The file of an upload that [`get`] gave.
///
/// # Errors
/// 404 when it has gone meanwhile.
pub async fn read(ctx: &Ctx, scope: &TenantScope, id: UploadId) -> Result<Bytes> {
    ctx.blobs.get(&blob_key(scope, id)).await?.ok_or(Error::not_found("upload"))
}

fn blob_key(scope: &TenantScope, id: UploadId) -> BlobKey {
    BlobKey::new(scope, "upload", id)
}
