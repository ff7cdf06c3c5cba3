//! `rounds`: what any process of a deployment may do, and when it was last done. Not a tenant table.

use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

/// When it was last done, if it was.
pub fn select(name: &str) -> Statement {
    Statement::new("SELECT done_at FROM rounds WHERE name = ?1").bind(name)
}

/// It is done now, unless it was within `every`: then nothing changes. A time that is further ahead than that is of a clock
/// that was wrong.
pub fn claim(name: &str, now: Timestamp, every: Duration) -> Statement {
    Statement::new(
        "INSERT INTO rounds (name, done_at) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET done_at = ?2 WHERE done_at <= ?3 OR done_at > ?4",
    )
    .bind(name)
    .bind(now)
    .bind(now.before(every))
    .bind(now.after(every))
}
