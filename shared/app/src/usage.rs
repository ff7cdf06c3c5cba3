//! What an organisation used: turns and tokens by day and model, and whether its budget of the day is spent.

use frontdesk_domain::error::Result;
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows, Statement};
use serde::Serialize;

use crate::store;
pub use crate::store::usage::Spent;

/// Adds the turn that `event` finished, if it did; rides in the batch that stores the event, ahead of it.
#[must_use]
pub fn record_statement(scope: &TenantScope, id: ConversationId, event: &Event) -> Option<Statement> {
    let EventBody::TurnFinished { usage, .. } = &event.body else { return None };
    let spent = Spent {
        turns: 1,
        prompt_tokens: usage.as_ref().map_or(0, |usage| usage.prompt_tokens),
        completion_tokens: usage.as_ref().map_or(0, |usage| usage.completion_tokens),
    };
    let model = usage.as_ref().map_or("", |usage| usage.model.as_str());
    Some(store::usage::add(scope, id, event.seq, &event.at.day(), model, spent))
}

/// Asks for the tokens of today; rides in a turn's first round trip.
#[must_use]
pub fn spent_statement(scope: &TenantScope, now: Timestamp) -> Statement {
    store::usage::select_tokens(scope, &now.day())
}

/// What [`spent_statement`] gave: tokens.
///
/// # Errors
/// When the rows are of another shape.
pub fn spent(rows: &Rows) -> Result<u64> {
    Ok(rows.first().map(|row| row.count(0)).transpose()?.unwrap_or(0))
}

/// The tokens of today (UTC), in a round trip of its own.
///
/// # Errors
/// When the database does not answer.
pub async fn spent_today(ctx: &Ctx, scope: &TenantScope) -> Result<u64> {
    let results = ctx.db.query(vec![spent_statement(scope, ctx.clock.now())]).await?;
    results.first().map_or(Ok(0), spent)
}

/// Whether a budget is set and spent: the answers of this day step down to quotes.
#[must_use]
pub fn over_budget(settings: &Settings, spent: u64) -> bool {
    settings.budget.tokens_per_day > 0 && spent >= settings.budget.tokens_per_day
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Day {
    /// The UTC day: `2026-01-31`.
    #[schema(format = Date)]
    pub day: String,
    /// Turns.
    pub turns: u64,
    /// Tokens the models were given.
    pub prompt_tokens: u64,
    /// Tokens the models wrote.
    pub completion_tokens: u64,
    /// The same by model.
    pub models: Vec<Model>,
}

/// What one model was used for on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Model {
    /// Its name; empty for turns that asked none.
    pub model: String,
    /// Turns.
    pub turns: u64,
    /// Tokens it was given.
    pub prompt_tokens: u64,
    /// Tokens it wrote.
    pub completion_tokens: u64,
}

/// At most `limit` days before `before`, the latest first.
///
/// # Errors
/// When the database does not answer.
pub async fn by_day(ctx: &Ctx, scope: &TenantScope, before: Option<&str>, limit: u32) -> Result<Vec<Day>> {
    let results = ctx.db.query(vec![store::usage::select_days(scope, before, limit)]).await?;
    let mut days: Vec<Day> = Vec::new();
    for row in results.iter().flat_map(|rows| &rows.rows) {
        let (name, model, spent) = store::usage::day(row)?;
        if days.last().is_none_or(|last| last.day != name) {
            days.push(Day {
                day: name,
                turns: 0,
                prompt_tokens: 0,
                completion_tokens: 0,
                models: Vec::new(),
            });
        }
        if let Some(day) = days.last_mut() {
            day.turns = day.turns.saturating_add(spent.turns);
            day.prompt_tokens = day.prompt_tokens.saturating_add(spent.prompt_tokens);
            day.completion_tokens = day.completion_tokens.saturating_add(spent.completion_tokens);
            day.models.push(Model {
                model,
                turns: spent.turns,
                prompt_tokens: spent.prompt_tokens,
                completion_tokens: spent.completion_tokens,
            });
        }
    }
    Ok(days)
}
