//! Between a log of the room's own and the main database, where inbox and search read.
//!
//! At least once, applied once: events are copied in order and carry their key with them, and what is counted is counted
//! only with an event that was not there. A copy that was cut is sent again.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Ctx, Database, DbError, Rows};

use super::log::{OwnLog, page};
use crate::store::conversations::{self, Stored};
use crate::store::{events, outbox, own_schema};
use crate::usage;

/// How many events one batch copies.
const BATCH: u32 = 100;

/// Makes the tables that [`OwnLog`] needs, or brings them up to date: the first thing that is done with such a database.
///
/// # Errors
/// When a newer version took away what this one needs, or the database refuses.
pub async fn create(db: &dyn Database) -> Result<(), DbError> {
    own_schema::migrate(db, own_schema::ROOM).await
}

/// Takes a conversation over from the main database into the room's own: a new one, or one whose room was kept there so
/// far. Whether there is one.
pub async fn adopt(ctx: &Ctx, own: &OwnLog, scope: &TenantScope, id: ConversationId) -> Result<bool> {
    let Some(stored) = head(ctx.db.as_ref(), scope, id).await? else { return Ok(false) };
    let last = stored.head.conversation.last_seq;
    let mut after = 0;
    while after < last {
        let events = page(ctx.db.as_ref(), scope, id, after, BATCH).await?;
        let Some(upto) = events.last().map(|event| event.seq) else { break };
        own.db.batch(events.iter().map(|event| events::insert_copy(scope, id, event)).collect()).await?;
        after = upto;
    }
    // Last, and at once: the head says that everything is here.
    let begin = conversations::insert(scope, id, stored.site, stored.visitor, stored.head.last_at);
    own.db
        .batch(vec![
            outbox::insert_site(scope, &stored),
            begin,
            conversations::update(scope, &stored.head),
            outbox::put_copied(scope, id, last),
        ])
        .await?;
    Ok(true)
}

/// Copies one batch of what is not in the main database yet. Whether there is more.
pub async fn copy(ctx: &Ctx, own: &OwnLog, scope: &TenantScope, id: ConversationId) -> Result<bool> {
    let Some(stored) = head(own.db.as_ref(), scope, id).await? else { return Ok(false) };
    let last = stored.head.conversation.last_seq;
    let copied = own.db.query(vec![outbox::select_copied(scope, id)]).await?;
    let after: Seq = copied.first().and_then(Rows::first).map_or(Ok(0), |row| row.count(0))?;
    let mut events = page(own.db.as_ref(), scope, id, after, BATCH).await?;
    // What came after the head was read is for the next batch.
    events.retain(|event| event.seq <= last);
    let Some(upto) = events.last().map(|event| event.seq) else { return Ok(false) };
    let mut batch: Vec<_> =
        events.iter().filter_map(|event| usage::record_statement(scope, id, event)).collect();
    batch.extend(events.iter().map(|event| events::insert_copy(scope, id, event)));
    if upto == last {
        batch.push(conversations::update(scope, &stored.head));
    }
    ctx.db.batch(batch).await?;
    own.db.batch(vec![outbox::put_copied(scope, id, upto)]).await?;
    Ok(upto < last)
}

async fn head(db: &dyn Database, scope: &TenantScope, id: ConversationId) -> Result<Option<Stored>> {
    let results = db.query(vec![conversations::select(scope, id)]).await?;
    Ok(results.first().and_then(Rows::first).map(conversations::stored).transpose()?)
}
