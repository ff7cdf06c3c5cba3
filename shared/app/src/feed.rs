//! The feed: every stored event of an organisation in one dense order, whatever conversation it belongs to and
//! whichever process stored it.
//!
//! A position is given in the transaction that stores the event (or copies it from an object's log), so a reader that goes
//! on from where it was meets each event once, in an order that never changes. A reader is a name; how far it is, is stored
//! with what it makes of the entries, in one batch: an entry whose batch was lost is met again, one whose batch was stored
//! is not.

use frontdesk_domain::error::Result;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, Rows, Statement};

use crate::store;
pub use crate::store::feed::{FeedEntry, Position};

/// The most entries of one page.
pub const MAX_PAGE: u32 = 500;

/// What a reader has not dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// Where the reader is.
    pub from: Position,
    /// The entries after it, in order.
    pub entries: Vec<FeedEntry>,
}

/// The next entries of a reader, at most [`MAX_PAGE`], in one round trip.
///
/// # Errors
/// When the database does not answer.
pub async fn next(ctx: &Ctx, scope: &TenantScope, reader: &'static str, limit: u32) -> Result<FeedPage> {
    let statements = vec![
        store::feed::select_cursor(scope, reader),
        store::feed::select_next(scope, reader, limit.min(MAX_PAGE)),
    ];
    let results = ctx.db.query(statements).await?;
    let from = results.first().and_then(Rows::first).map(|row| row.count(0)).transpose()?.unwrap_or(0);
    let rows = results.get(1).map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let entries = rows.iter().map(store::feed::entry).collect::<Result<Vec<_>, DbError>>()?;
    Ok(FeedPage { from, entries })
}

impl FeedPage {
    /// Moves the reader behind this page; stands in the batch that stores what the reader made of it. The batch is refused
    /// as [`DbError::Conflict`] when another process with the same reader was quicker.
    #[must_use]
    pub fn done(&self, scope: &TenantScope, reader: &'static str, now: Timestamp) -> Vec<Statement> {
        match self.entries.last() {
            Some(last) => store::feed::advance(scope, reader, self.from, last.position, now).to_vec(),
            None => Vec::new(),
        }
    }
}
