//! Uploads that no message names go, with their files. So do those whose file could never be stored.
//!
//! An upload goes in three steps, each of which may be repeated: from the first on it is not there any more for any caller,
//! then its file is deleted, then its row. A process that dies in between leaves a row that is due, and so no file without
//! a row.

use std::time::Duration;

use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows};

use super::blob_key;
use crate::store::uploads::Due;
use crate::{auth, store};

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

/// What becomes of an upload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A message names it.
    Stays,
    /// A message may name it: it is checked again then.
    Waits(Timestamp),
    /// No message does.
    Goes,
}

fn fate(due: &Due, now: Timestamp) -> Fate {
    let until = due.noted_at.map(|noted| noted.after(NOTED)).filter(|until| *until > now);
    match until {
        _ if !due.stored => Fate::Goes,
        _ if due.attached => Fate::Stays,
        Some(until) => Fate::Waits(until),
        None => Fate::Goes,
    }
}

/// Stores what becomes of each, and gives those that go and are not there any more.
async fn decide(ctx: &Ctx, page: &[Due], now: Timestamp) -> Result<Vec<Due>> {
    let batch = page.iter().map(|due| {
        let scope = auth::system(due.org);
        match fate(due, now) {
            Fate::Stays => store::uploads::update_sweep_at(&scope, due.id, None),
            Fate::Waits(until) => store::uploads::update_sweep_at(&scope, due.id, Some(until)),
            Fate::Goes => store::uploads::update_removing(&scope, due.id, now.before(NOTED), now),
        }
    });
    let results = ctx.db.batch(batch.collect()).await?;
    // One that was noted for a message meanwhile has not changed.
    let going = |(due, rows): &(&Due, &Rows)| fate(due, now) == Fate::Goes && rows.affected > 0;
    Ok(page.iter().zip(&results).filter(going).map(|(due, _)| *due).collect())
}

async fn remove(ctx: &Ctx, going: Vec<Due>, now: Timestamp) -> Result<()> {
    let (mut batch, mut gone, mut failed) = (Vec::new(), 0_u64, 0_u64);
    for due in going {
        let scope = auth::system(due.org);
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
