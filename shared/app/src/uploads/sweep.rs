//! Uploads that no message names go, with their files. So do those whose file could never be stored.
//!
//! An upload goes in three steps, each of which may be repeated: from the first on it is not there any more for anybody,
//! then its file is deleted, then its row. A process that dies in between leaves a row that is due, and so no file without
//! a row.

use std::time::Duration;

use frontdesk_domain::error::Result;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows};

use super::blob_key;
use crate::store;
use crate::store::uploads::Due;

/// How many uploads are swept at once.
const PAGE: usize = 50;
/// How long a message may take from being noted for an upload to standing in the main database: logs of their own tell it
/// later. A note that is older than this and has no message was of one that was refused.
const NOTED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// When a file that could not be deleted is tried again.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Sweeps up to a page of uploads of all organisations whose time has come. Gives when to come again: a time that has
/// passed means at once, `None` when an upload is announced. Any number of processes may do so at the same time.
///
/// # Errors
/// When the database does not answer.
pub async fn sweep(ctx: &Ctx) -> Result<Option<Timestamp>> {
    let now = ctx.clock.now();
    let results = ctx.db.query(vec![store::uploads::select_due(now, PAGE)]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let page = rows.iter().map(store::uploads::due).collect::<Result<Vec<_>, _>>()?;
    if !page.is_empty() {
        remove(ctx, decide(ctx, &page, now).await?, now).await?;
    }
    let results = ctx.db.query(vec![store::uploads::select_next_due()]).await?;
    let next = results.first().and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
    Ok(next.map(Timestamp::from_millis))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sweep acts for the organisation whose upload it takes away"
)]
fn scope_of(due: &Due) -> TenantScope {
    TenantScope::authenticated(due.org, Actor::System)
}

/// Keeps what a message names, puts off what one may name yet, and gives the rest, which is not there any more.
async fn decide(ctx: &Ctx, page: &[Due], now: Timestamp) -> Result<Vec<Due>> {
    let noted_since = now.before(NOTED);
    let batch = page.iter().map(|due| {
        let scope = scope_of(due);
        match due.noted_at {
            _ if !due.stored => store::uploads::update_removing(&scope, due.id, noted_since, now),
            _ if due.attached => store::uploads::update_sweep_at(&scope, due.id, None),
            Some(noted) if noted > noted_since => {
                store::uploads::update_sweep_at(&scope, due.id, Some(noted.after(NOTED)))
            }
            _ => store::uploads::update_removing(&scope, due.id, noted_since, now),
        }
    });
    let results = ctx.db.batch(batch.collect()).await?;
    let goes = |due: &Due| {
        let noted = due.noted_at.is_some_and(|noted| noted > noted_since);
        !due.stored || !(due.attached || noted)
    };
    let changed = page.iter().zip(&results).filter(|(due, rows)| goes(due) && rows.affected > 0);
    Ok(changed.map(|(due, _)| *due).collect())
}

async fn remove(ctx: &Ctx, going: Vec<Due>, now: Timestamp) -> Result<()> {
    let (mut batch, mut gone, mut failed) = (Vec::new(), 0_u64, 0_u64);
    for due in going {
        let scope = scope_of(&due);
        match ctx.blobs.delete(&blob_key(&scope, due.id)).await {
            Ok(()) => {
                batch.extend(store::uploads::delete(&scope, due.id));
                gone = gone.saturating_add(1);
            }
            Err(error) => {
                tracing::warn!(%error, upload = %due.id, "the file of an upload that goes is deleted later");
                batch.push(store::uploads::update_sweep_at(&scope, due.id, Some(now.after(AGAIN))));
                failed = failed.saturating_add(1);
            }
        }
    }
    if !batch.is_empty() {
        ctx.db.batch(batch).await?;
        tracing::info!(gone, failed, "uploads that no message names were taken away");
    }
    Ok(())
}
