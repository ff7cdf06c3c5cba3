//! `live_answers`: what a turn has said so far, for listeners of other processes. A row is there while one of them watches.

use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_domain::room::OpenTurn;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// What a turn has said so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveAnswer {
    /// The turn.
    pub turn: TurnId,
    /// How often it was begun when it said this.
    pub attempt: u32,
    /// Its words; none yet when it is new.
    pub text: String,
    /// Until when another process watches.
    pub watched_until: Timestamp,
}

/// A process with listeners watches this turn until then.
pub fn watch(scope: &TenantScope, id: ConversationId, turn: TurnId, until: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO live_answers (org_id, conversation_id, turn, attempt, text, watched_until)
         VALUES (?1, ?2, ?3, 0, '', ?4)
         ON CONFLICT (org_id, conversation_id) DO UPDATE SET
            attempt = CASE WHEN turn = ?3 THEN attempt ELSE 0 END,
            text = CASE WHEN turn = ?3 THEN text ELSE '' END,
            turn = ?3, watched_until = max(watched_until, ?4)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(turn)
    .bind(until)
}

/// What the turn has said so far; nothing when no process watches.
pub fn update(scope: &TenantScope, id: ConversationId, open: &OpenTurn, text: &str) -> Statement {
    Statement::new(
        "UPDATE live_answers SET text = ?5, attempt = ?4
         WHERE org_id = ?1 AND conversation_id = ?2 AND turn = ?3 AND attempt <= ?4",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(open.turn)
    .bind(open.attempt)
    .bind(text)
}

/// Those of some conversations that are watched.
pub fn select_among(scope: &TenantScope, ids: &[ConversationId]) -> Statement {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Statement::new(
        "SELECT conversation_id, turn, attempt, text, watched_until FROM live_answers
         WHERE org_id = ?1 AND conversation_id IN (SELECT value FROM json_each(?2))",
    )
    .bind_id(scope.org())
    .bind(serde_json::to_string(&ids).unwrap_or_default())
}

/// The turn is over.
pub fn delete(scope: &TenantScope, id: ConversationId) -> Statement {
    Statement::new("DELETE FROM live_answers WHERE org_id = ?1 AND conversation_id = ?2")
        .bind_id(scope.org())
        .bind_id(id)
}

/// A row of [`select_among`].
///
/// # Errors
/// When the row is of another shape.
pub fn live_answer(row: &Row) -> Result<(ConversationId, LiveAnswer), DbError> {
    let answer = LiveAnswer {
        turn: row.parse(1)?,
        attempt: u32::try_from(row.count(2)?).unwrap_or(u32::MAX),
        text: row.text(3)?.to_owned(),
        watched_until: row.time(4)?,
    };
    Ok((row.parse(0)?, answer))
}
