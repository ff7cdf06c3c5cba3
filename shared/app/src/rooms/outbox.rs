//! Between a log of the room's own and the main database, where inbox and search read.
//!
//! At least once, applied once: events are copied in order and carry their key with them, and what is counted is counted
//! only with an event that was not there. A copy that was cut is sent again.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Ctx, Database, DbError, Rows};

use super::log::{OwnLog, page};
use crate::store::conversations::{self, Stored};
use crate::store::{events, feed, outbox, own_schema};
use crate::usage;

/// How many events one batch copies.
const BATCH: u32 = 100;
/// Who keeps the log of a conversation that no object has taken over.
const MAIN: &str = "";

/// Makes the tables that [`OwnLog`] needs, or brings them up to date: the first thing that is done with such a database.
///
/// # Errors
/// When a newer version took away what this one needs, or the database refuses.
pub async fn create(db: &dyn Database) -> Result<(), DbError> {
    own_schema::migrate(db, own_schema::ROOM).await
}

/// Takes a conversation over from the main database into the room's own: a new one, or one whose room was kept there so
/// far. Whether there is one.
///
/// # Errors
/// A conflict when the room of another deployment keeps its log.
pub async fn adopt(ctx: &Ctx, own: &OwnLog, scope: &TenantScope, id: ConversationId) -> Result<bool> {
    // From here on the main database takes no append of another owner: what is read after it is whole.
    let claim = conversations::give_log(scope, id, MAIN, &own.owner, None);
    let results = ctx.db.batch(vec![claim, conversations::select(scope, id)]).await?;
    let row = results.get(1).and_then(Rows::first);
    let Some(stored) = row.map(conversations::stored).transpose()? else { return Ok(false) };
    check_owner(own, &stored)?;
    let last = stored.head.conversation.last_seq;
    let mut after = 0;
    while after < last {
        let events = page(ctx.db.as_ref(), scope, id, after, BATCH).await?;
        let Some(upto) = events.last().map(|event| event.seq) else {
            return Err(Error::ours(format!("the log of {id} ends at {after}, its head says {last}")));
        };
        own.db.batch(events.iter().map(|event| events::insert_copy(scope, id, event)).collect()).await?;
        after = upto;
    }
    // Last, and at once: the head says that everything is here.
    own.db
        .batch(vec![
            outbox::insert_site(scope, &stored),
            conversations::insert(scope, stored.site, stored.visitor, &stored.head),
            conversations::update(scope, &stored.head),
            outbox::put_copied(scope, id, last),
        ])
        .await?;
    Ok(true)
}

fn check_owner(own: &OwnLog, stored: &Stored) -> Result<()> {
    if *stored.log_owner == *own.owner {
        Ok(())
    } else {
        Err(CallerError::Conflict(super::KEPT_ELSEWHERE).into())
    }
}

/// What came of a copy.
pub enum Copied {
    /// One batch; more is left.
    Part,
    /// Everything is in the main database.
    All,
    /// The main database has other events at these places, or another owner keeps the log: nothing was copied, and a person
    /// has to look into it.
    Refused,
}

/// Copies one batch of what is not in the main database yet.
pub async fn copy(ctx: &Ctx, own: &OwnLog, scope: &TenantScope, id: ConversationId) -> Result<Copied> {
    let Some(stored) = head(own.db.as_ref(), scope, id).await? else { return Ok(Copied::All) };
    let last = stored.head.conversation.last_seq;
    let copied = own.db.query(vec![outbox::select_copied(scope, id)]).await?;
    let after: Seq = copied.first().and_then(Rows::first).map_or(Ok(0), |row| row.count(0))?;
    let mut events = page(own.db.as_ref(), scope, id, after, BATCH).await?;
    // What came after the head was read is for the next batch.
    events.retain(|event| event.seq <= last);
    let Some(upto) = events.last().map(|event| event.seq) else { return Ok(Copied::All) };
    let batch = || {
        let mut batch = vec![conversations::fence_owner(scope, id, &own.owner)];
        for event in &events {
            batch.extend(usage::record_statements(scope, id, event));
            batch.push(feed::append_copy(scope, id, event));
            batch.push(events::insert_copy(scope, id, event));
        }
        if upto == last {
            batch.push(conversations::update(scope, &stored.head));
        }
        batch
    };
    match ctx.db.batch(batch()).await {
        Ok(_) => {}
        Err(DbError::Conflict(detail)) => {
            if !claim(ctx, own, scope, id, after).await? {
                return refused(ctx, id, after, &detail);
            }
            match ctx.db.batch(batch()).await {
                Err(DbError::Conflict(detail)) => return refused(ctx, id, after, &detail),
                other => other?,
            };
        }
        Err(error) => return Err(error.into()),
    }
    own.db.batch(vec![outbox::put_copied(scope, id, upto)]).await?;
    Ok(if upto < last { Copied::Part } else { Copied::All })
}

/// Objects from before logs had owners took their conversations over without a word: such a one is claimed now, if the main
/// database has nothing that is not a copy. Whether it was.
async fn claim(
    ctx: &Ctx,
    own: &OwnLog,
    scope: &TenantScope,
    id: ConversationId,
    copied: Seq,
) -> Result<bool> {
    let claim = conversations::give_log(scope, id, MAIN, &own.owner, Some(copied));
    let results = ctx.db.batch(vec![claim]).await?;
    Ok(results.first().and_then(Rows::first).is_some())
}

fn refused(ctx: &Ctx, id: ConversationId, after: Seq, detail: &str) -> Result<Copied> {
    ctx.metrics.log_conflicts.inc();
    tracing::error!(conversation = %id, after, detail, "two logs of one conversation: what the object has was not copied");
    Ok(Copied::Refused)
}

async fn head(db: &dyn Database, scope: &TenantScope, id: ConversationId) -> Result<Option<Stored>> {
    let results = db.query(vec![conversations::select(scope, id)]).await?;
    Ok(results.first().and_then(Rows::first).map(conversations::stored).transpose()?)
}
