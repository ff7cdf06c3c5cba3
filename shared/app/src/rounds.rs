//! What any process of a deployment may do, and one of them does once in a while, however many there are and however short
//! each lives: a row in the database says when it was last done.

use std::time::Duration;

use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows};

use crate::store;

/// Whether it falls to the caller to do it now: of all that ask within `every` one is told so. One that comes too early
/// costs a read and no write.
///
/// # Errors
/// When the database is out of reach.
pub async fn claim(ctx: &Ctx, name: &'static str, every: Duration) -> Result<bool> {
    let now = ctx.clock.now();
    let results = ctx.db.query(vec![store::rounds::select(name)]).await?;
    let done = results.first().and_then(Rows::first).map(|row| row.time(0)).transpose()?;
    if done.is_some_and(|done| !is_due(done, now, every)) {
        return Ok(false);
    }
    let results = ctx.db.batch(vec![store::rounds::claim(name, now, every)]).await?;
    Ok(results.first().is_some_and(|rows| rows.affected > 0))
}

fn is_due(done: Timestamp, now: Timestamp, every: Duration) -> bool {
    done <= now.before(every) || done > now.after(every)
}
