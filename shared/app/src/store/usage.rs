//! `usage`: turns and tokens per day and model.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

/// Turns and tokens to add.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Turns.
    pub turns: u64,
    /// Tokens the model was given.
    pub prompt_tokens: u64,
    /// Tokens the model wrote.
    pub completion_tokens: u64,
}

/// Adds to a day (`2026-01-31`) and a model (empty when none was asked), unless the event that ended the turn is stored:
/// standing before that event in its batch, it counts once however often the batch is sent.
pub fn add(
    scope: &TenantScope,
    conversation: ConversationId,
    event: Seq,
    day: &str,
    model: &str,
    spent: Spent,
) -> Statement {
    Statement::new(
        "INSERT INTO usage (org_id, day, model, turns, prompt_tokens, completion_tokens)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6
         WHERE NOT EXISTS (SELECT 1 FROM events WHERE org_id = ?1 AND conversation_id = ?7 AND seq = ?8)
         ON CONFLICT (org_id, day, model) DO UPDATE SET
           turns = turns + excluded.turns,
           prompt_tokens = prompt_tokens + excluded.prompt_tokens,
           completion_tokens = completion_tokens + excluded.completion_tokens",
    )
    .bind_id(scope.org())
    .bind(day)
    .bind(model)
    .bind(spent.turns)
    .bind(spent.prompt_tokens)
    .bind(spent.completion_tokens)
    .bind_id(conversation)
    .bind(event)
}

/// The tokens of a day, in one row.
pub fn select_tokens(scope: &TenantScope, day: &str) -> Statement {
    Statement::new(
        "SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM usage WHERE org_id = ?1 AND day = ?2",
    )
    .bind_id(scope.org())
    .bind(day)
}

/// Rows of at most `days` days from `before` (exclusive, `None` for the latest) back, the latest day first.
pub fn select_days(scope: &TenantScope, before: Option<&str>, days: u32) -> Statement {
    Statement::new(
        "SELECT day, model, turns, prompt_tokens, completion_tokens FROM usage
         WHERE org_id = ?1 AND day IN (
           SELECT DISTINCT day FROM usage WHERE org_id = ?1 AND day < ?2 ORDER BY day DESC LIMIT ?3)
         ORDER BY day DESC, model",
    )
    .bind_id(scope.org())
    .bind(before.unwrap_or("9999-99-99"))
    .bind(days)
}

/// A row of [`select_days`]: day, model, spent.
///
/// # Errors
/// When the row is of another shape.
pub fn day(row: &Row) -> Result<(String, String, Spent), DbError> {
    let spent =
        Spent { turns: row.count(2)?, prompt_tokens: row.count(3)?, completion_tokens: row.count(4)? };
    Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), spent))
}
