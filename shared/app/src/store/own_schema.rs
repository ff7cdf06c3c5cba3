//! The schema of databases that belong to one object: steps, and a row that says how many were taken. Like the main database's
//! steps, these add; one that takes something away is marked, and programs that do not know it refuse.

use frontdesk_ports::{Database, DbError, Rows, Statement};

/// One step. It is never changed once it was released; a change is a new one at the end.
pub struct SchemaStep {
    statements: &'static [&'static str],
    contracts: bool,
}

impl SchemaStep {
    /// A step that only adds.
    pub const fn expand(statements: &'static [&'static str]) -> Self {
        Self { statements, contracts: false }
    }

    /// A step that takes away what the release before did not use any more.
    #[expect(dead_code, reason = "nothing was taken away yet")]
    pub const fn contract(statements: &'static [&'static str]) -> Self {
        Self { statements, contracts: true }
    }
}

/// A room's: where its log is. Of `sites` it knows the name alone.
///
/// Databases from before there were versions have the tables of the first step and no version: it takes them as they are.
pub const ROOM: &[SchemaStep] = &[SchemaStep::expand(&[
    "CREATE TABLE IF NOT EXISTS sites (
        org_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (org_id, id)
     ) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS conversations (
        org_id TEXT NOT NULL, id TEXT NOT NULL, site_id TEXT NOT NULL, visitor_id TEXT NOT NULL, mode TEXT NOT NULL,
        status TEXT NOT NULL, epoch INTEGER NOT NULL, last_seq INTEGER NOT NULL, open_turn TEXT, lease_until INTEGER,
        unanswered INTEGER, assignee TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
        PRIMARY KEY (org_id, id)
     ) STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS events (
        org_id TEXT NOT NULL, conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
        epoch INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, message_id TEXT, client_key TEXT,
        PRIMARY KEY (org_id, conversation_id, seq)
     ) STRICT, WITHOUT ROWID",
    "CREATE UNIQUE INDEX IF NOT EXISTS events_by_client_key ON events (org_id, conversation_id, client_key)
     WHERE client_key IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS messages ON events (org_id, conversation_id, seq) WHERE kind = 'message.created'",
    // Up to where the log was copied to the main database.
    "CREATE TABLE IF NOT EXISTS copied (
        org_id TEXT NOT NULL, conversation_id TEXT NOT NULL, upto INTEGER NOT NULL,
        PRIMARY KEY (org_id, conversation_id)
     ) STRICT, WITHOUT ROWID",
]), SchemaStep::expand(&[
    // What an inbox shows, as in the main database.
    "ALTER TABLE conversations ADD COLUMN channel TEXT NOT NULL DEFAULT 'widget'",
    "ALTER TABLE conversations ADD COLUMN labels TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE conversations ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal'",
    "ALTER TABLE conversations ADD COLUMN snoozed_until INTEGER",
    "ALTER TABLE conversations ADD COLUMN waiting_since INTEGER",
    "ALTER TABLE conversations ADD COLUMN last_message TEXT",
    "ALTER TABLE conversations ADD COLUMN unread_visitor INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE conversations ADD COLUMN unread_operators INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE conversations ADD COLUMN log_owner TEXT NOT NULL DEFAULT ''",
    "UPDATE conversations SET
        last_message = (
            SELECT json_object(
                'seq', e.seq,
                'at', strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch'),
                'author', json_extract(e.body, '$.message.author'),
                'preview', substr(json_extract(e.body, '$.message.text'), 1, 200))
            FROM events e
            WHERE e.kind = 'message.created' AND coalesce(json_extract(e.body, '$.message.note'), 0) = 0
            ORDER BY e.seq DESC LIMIT 1),
        waiting_since = CASE WHEN status = 'waiting' THEN updated_at END,
        unread_visitor = (
            SELECT count(*) FROM events e
            WHERE e.kind = 'message.created' AND coalesce(json_extract(e.body, '$.message.note'), 0) = 0
                AND json_extract(e.body, '$.message.author.kind') IN ('ai', 'operator')
                AND e.seq > coalesce((
                    SELECT max(json_extract(r.body, '$.upto')) FROM events r
                    WHERE r.kind = 'read' AND json_extract(r.body, '$.by.kind') = 'visitor'), 0)),
        unread_operators = (
            SELECT count(*) FROM events e
            WHERE e.kind = 'message.created' AND json_extract(e.body, '$.message.author.kind') = 'visitor'
                AND e.seq > coalesce((
                    SELECT max(json_extract(r.body, '$.upto')) FROM events r
                    WHERE r.kind = 'read' AND json_extract(r.body, '$.by.kind') = 'operator'), 0))",
])];

/// A limiter's, likewise.
pub const LIMITER: &[SchemaStep] = &[SchemaStep::expand(&["CREATE TABLE IF NOT EXISTS rate_limits (
        key TEXT PRIMARY KEY, full_at INTEGER NOT NULL, refused INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID"])];

/// Brings such a database up to date; the first thing that is done with it. Its own version is kept when it is newer.
///
/// # Errors
/// When a newer version took away what this one needs: nothing is written then. Or when the database refuses.
pub async fn migrate(db: &dyn Database, steps: &[SchemaStep]) -> Result<(), DbError> {
    let create = Statement::new(
        "CREATE TABLE IF NOT EXISTS schema_version (
            one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, contracted INTEGER NOT NULL
         ) STRICT",
    );
    let results =
        db.batch(vec![create, Statement::new("SELECT version, contracted FROM schema_version")]).await?;
    let row = results.get(1).and_then(Rows::first);
    let (version, contracted) = match row {
        Some(row) => (row.count(0)?, row.count(1)?),
        None => (0, 0),
    };
    let known = u64::try_from(steps.len()).unwrap_or(u64::MAX);
    if contracted > known {
        return Err(DbError::Schema(format!(
            "this object's schema is at version {version} and needs a program that knows version {contracted}; this one knows {known}"
        )));
    }
    if version >= known {
        return Ok(());
    }
    let pending = steps.iter().skip(usize::try_from(version).unwrap_or(usize::MAX));
    let mut batch: Vec<Statement> =
        pending.flat_map(|step| step.statements).map(|sql| Statement::new(sql)).collect();
    let contracted = (1_u64..).zip(steps).filter(|(_, step)| step.contracts).map(|(number, _)| number).max();
    let put = "INSERT INTO schema_version (one, version, contracted) VALUES (1, ?1, ?2)
               ON CONFLICT (one) DO UPDATE SET version = ?1, contracted = ?2";
    batch.push(Statement::new(put).bind(known).bind(contracted.unwrap_or(0)));
    db.batch(batch).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::{Made, contracts};

    #[test]
    fn steps_after_the_first_add_unless_they_say_otherwise() {
        for step in ROOM.iter().skip(1).chain(LIMITER.iter().skip(1)).filter(|step| !step.contracts) {
            for statement in step.statements {
                assert_eq!(contracts(statement, &Made::default()), None, "{statement}");
            }
        }
    }
}
