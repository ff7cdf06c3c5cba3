//! `usage`: turns and tokens per day and model.

use frontdesk_domain::answer::Usage;
use frontdesk_domain::conversation::Seq;
use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A call to a model.
#[derive(Debug, Clone, Copy)]
pub struct ModelCall<'a> {
    /// The turn that made it.
    pub turn: TurnId,
    /// At which attempt.
    pub attempt: u32,
    /// The number of the call in the attempt.
    pub n: u32,
    /// What it used.
    pub usage: &'a Usage,
    /// Whether its answer was shown in the end.
    pub used: bool,
}

/// Turns and tokens of a day and a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Turns.
    pub turns: u64,
    /// Tokens the model was given.
    pub prompt_tokens: u64,
    /// Tokens the model wrote.
    pub completion_tokens: u64,
}

/// Counts a turn for a day (`2026-01-31`) and a model (empty when none was asked), unless the event that ended it is
/// stored: standing before that event in its batch, it counts once however often the batch is sent.
pub fn add_turn(
    scope: &TenantScope,
    conversation: ConversationId,
    event: Seq,
    day: &str,
    model: &str,
) -> Statement {
    Statement::new(
        "INSERT INTO usage (org_id, day, model, turns, prompt_tokens, completion_tokens)
         SELECT ?1, ?2, ?3, 1, 0, 0
         WHERE NOT EXISTS (SELECT 1 FROM events WHERE org_id = ?1 AND conversation_id = ?4 AND seq = ?5)
         ON CONFLICT (org_id, day, model) DO UPDATE SET turns = turns + 1",
    )
    .bind_id(scope.org())
    .bind(day)
    .bind(model)
    .bind_id(conversation)
    .bind(event)
}

/// Counts the tokens of a call and notes it. However often both are stored, and in whatever batch: the call counts once.
pub fn add_call(scope: &TenantScope, call: &ModelCall<'_>, at: Timestamp) -> [Statement; 2] {
    let ModelCall { turn, attempt, n, usage, used } = *call;
    [
        Statement::new(
            "INSERT INTO usage (org_id, day, model, turns, prompt_tokens, completion_tokens)
             SELECT ?1, ?2, ?3, 0, ?4, ?5
             WHERE NOT EXISTS (
                SELECT 1 FROM model_calls WHERE org_id = ?1 AND turn = ?6 AND attempt = ?7 AND n = ?8)
             ON CONFLICT (org_id, day, model) DO UPDATE SET
               prompt_tokens = prompt_tokens + excluded.prompt_tokens,
               completion_tokens = completion_tokens + excluded.completion_tokens",
        )
        .bind_id(scope.org())
        .bind(at.day())
        .bind(&usage.model)
        .bind(usage.prompt_tokens)
        .bind(usage.completion_tokens)
        .bind_id(turn)
        .bind(attempt)
        .bind(n),
        Statement::new(
            "INSERT INTO model_calls
                (org_id, turn, attempt, n, model, prompt_tokens, completion_tokens, estimated, used, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        )
        .bind_id(scope.org())
        .bind_id(turn)
        .bind(attempt)
        .bind(n)
        .bind(&usage.model)
        .bind(usage.prompt_tokens)
        .bind(usage.completion_tokens)
        .bind(usage.estimated)
        .bind(used)
        .bind(at),
    ]
}

/// A row for each counted call of an attempt.
pub fn select_calls(scope: &TenantScope, turn: TurnId, attempt: u32) -> Statement {
    Statement::new("SELECT n FROM model_calls WHERE org_id = ?1 AND turn = ?2 AND attempt = ?3")
        .bind_id(scope.org())
        .bind_id(turn)
        .bind(attempt)
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
