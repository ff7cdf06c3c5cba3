//! Signs of life of hosts in the database, so that its schema is not taken from under them.

use std::time::Duration;

use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Database, DbError};

use crate::store;
pub use crate::store::hosts::Alive;

/// How often a host that can gives a sign.
pub const EVERY: Duration = Duration::from_secs(20);

/// A host, as it signs.
#[derive(Debug, Clone)]
pub struct Sign {
    /// Which one: of a process its worker's id, of a deployment at the edge its name.
    pub id: String,
    /// `local`, `spin` or `cloudflare`.
    pub kind: &'static str,
    /// How long a sign is good: some times as long as the pause between two.
    pub lasts: Duration,
}

/// Gives a sign of life. Off every request's way; a failure is logged and does no harm.
pub async fn sign(ctx: &Ctx, sign: &Sign) {
    let now = ctx.clock.now();
    let put = store::hosts::put(&sign.id, sign.kind, ctx.config.version, now, now.after(sign.lasts));
    if let Err(error) = ctx.db.batch(vec![put, store::hosts::delete_gone(now)]).await {
        tracing::warn!(%error, "no sign of life could be stored");
        if matches!(error, DbError::Schema(_)) {
            // The table is gone: the next request asks how the schema is.
            ctx.caches.schema.replace(None);
        }
    }
}

/// Takes the sign back: this host has stopped.
pub async fn leave(ctx: &Ctx, sign: &Sign) {
    if let Err(error) = ctx.db.batch(vec![store::hosts::delete(&sign.id)]).await {
        tracing::warn!(%error, "the sign of life stays until its time is over");
    }
}

/// The hosts that are alive, at most 100.
///
/// # Errors
/// When the database is out of reach.
pub async fn alive(db: &dyn Database, now: Timestamp) -> Result<Vec<Alive>> {
    let results = match db.query(vec![store::hosts::select_alive(now)]).await {
        Ok(results) => results,
        // A schema from before there were signs.
        Err(DbError::Schema(text)) if text.contains("no such table") => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let rows = results.iter().flat_map(|rows| &rows.rows);
    Ok(rows.map(store::hosts::alive).collect::<Result<_, DbError>>()?)
}
