//! `probes`: whether the database does what every visitor needs of it.

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

/// Writes the one row there is, unless another process did so within 2 s, and reads from the tables that a visitor's message
/// goes through.
pub fn works(now: Timestamp) -> [Statement; 2] {
    [
        Statement::new(
            "INSERT INTO probes (name, written_at) VALUES ('health', ?1)
             ON CONFLICT (name) DO UPDATE SET written_at = excluded.written_at
             WHERE abs(excluded.written_at - written_at) >= 2000",
        )
        .bind(now),
        Statement::new(
            "SELECT (SELECT 1 FROM organisations LIMIT 1), (SELECT 1 FROM sites LIMIT 1), (SELECT 1 FROM settings LIMIT 1),
                (SELECT 1 FROM visitors LIMIT 1), (SELECT 1 FROM conversations LIMIT 1), (SELECT 1 FROM events LIMIT 1),
                (SELECT 1 FROM feed LIMIT 1), (SELECT 1 FROM passages LIMIT 1), (SELECT 1 FROM usage LIMIT 1),
                (SELECT 1 FROM model_calls LIMIT 1)",
        ),
    ]
}
