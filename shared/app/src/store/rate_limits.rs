//! `rate_limits`: one number per key. Not a tenant table: keys are keyed hashes.

use frontdesk_ports::Statement;

/// What is taken from which key.
#[derive(Debug, Clone)]
pub struct Take {
    /// The key's hash.
    pub key: String,
    /// Now, in microseconds.
    pub now: i64,
    /// What it costs, in microseconds.
    pub cost: i64,
    /// The whole allowance, in microseconds.
    pub capacity: i64,
}

/// Decides and takes in one statement, so that two processes never take the same one. Gives `full_at` and `refused`.
/// In a `SET`, SQLite reads every column as it was before the statement.
pub fn take(take: &Take) -> Statement {
    Statement::new(
        "INSERT INTO rate_limits (key, full_at, refused)
         VALUES (?1, CASE WHEN ?3 <= ?4 THEN ?2 + ?3 ELSE ?2 END, ?3 > ?4)
         ON CONFLICT (key) DO UPDATE SET
           full_at = CASE WHEN max(?2, min(full_at, ?2 + ?4)) + ?3 <= ?2 + ?4
                     THEN max(?2, min(full_at, ?2 + ?4)) + ?3
                     ELSE max(?2, min(full_at, ?2 + ?4)) END,
           refused = max(?2, min(full_at, ?2 + ?4)) + ?3 > ?2 + ?4
         RETURNING full_at, refused",
    )
    .bind(&take.key)
    .bind(take.now)
    .bind(take.cost)
    .bind(take.capacity)
}

/// Deletes keys whose whole allowance is there again, at most 1000.
pub fn delete_full(now: i64) -> Statement {
    Statement::new(
        "DELETE FROM rate_limits WHERE key IN (SELECT key FROM rate_limits WHERE full_at < ?1 LIMIT 1000)",
    )
    .bind(now)
}
