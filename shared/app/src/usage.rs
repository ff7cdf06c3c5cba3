//! What an organisation used: turns and tokens by day and model, and whether its budget of the day is spent.

use frontdesk_domain::answer::Usage;
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::{ConversationId, TurnId};
use frontdesk_domain::room::TurnToken;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::Settings;
use frontdesk_ports::{Ctx, Rows, Statement};
use serde::Serialize;

use crate::store;
use crate::store::usage::ModelCall;
pub use crate::store::usage::Spent;

/// Counts the turn that `event` finished, if it did, and its calls; rides in the batch that stores the event, ahead of it.
#[must_use]
pub fn record_statements(scope: &TenantScope, id: ConversationId, event: &Event) -> Vec<Statement> {
    let EventBody::TurnFinished { turn, usage, run, .. } = &event.body else { return Vec::new() };
    let model = usage.as_ref().map_or("", |usage| usage.model.as_str());
    let mut statements = vec![store::usage::add_turn(scope, id, event.seq, &event.at.day(), model)];
    let (attempt, discarded) =
        run.as_ref().map_or((1, &[][..]), |run| (run.attempt, run.discarded.as_slice()));
    for call in calls(*turn, attempt, usage.as_ref(), discarded, true) {
        statements.extend(store::usage::add_call(scope, &call, event.at));
    }
    statements
}

/// Counts the calls of a run that could not end its turn: an operator took over, or another worker was quicker. Of a run
/// that did end it, it counts nothing twice.
///
/// # Errors
/// When the database does not answer.
pub async fn record_lost(
    ctx: &Ctx,
    scope: &TenantScope,
    token: &TurnToken,
    usage: Option<&Usage>,
    discarded: &[Usage],
) -> Result<()> {
    let at = ctx.clock.now();
    let statements: Vec<Statement> = calls(token.turn, token.attempt, usage, discarded, false)
        .flat_map(|call| store::usage::add_call(scope, &call, at))
        .collect();
    if !statements.is_empty() {
        ctx.db.batch(statements).await?;
    }
    Ok(())
}

/// Counts one call of an attempt whose process was killed, unless a call of that attempt was counted.
///
/// # Errors
/// When the database does not answer.
pub async fn record_killed(ctx: &Ctx, scope: &TenantScope, token: &TurnToken, usage: &Usage) -> Result<()> {
    let known = store::usage::select_calls(scope, token.turn, token.attempt);
    let results = ctx.db.query(vec![known]).await?;
    if results.first().and_then(Rows::first).is_some() {
        return Ok(());
    }
    record_lost(ctx, scope, token, None, std::slice::from_ref(usage)).await
}

/// The calls of one run, numbered alike by every worker that records them: the answer's is 0.
fn calls<'a>(
    turn: TurnId,
    attempt: u32,
    usage: Option<&'a Usage>,
    discarded: &'a [Usage],
    used: bool,
) -> impl Iterator<Item = ModelCall<'a>> {
    let shown = usage.map(|usage| ModelCall { turn, attempt, n: 0, usage, used });
    let others =
        (1_u32..).zip(discarded).map(move |(n, usage)| ModelCall { turn, attempt, n, usage, used: false });
    shown.into_iter().chain(others)
}

/// The tokens of today (UTC), in a round trip of its own.
///
/// # Errors
/// When the database does not answer.
pub async fn spent_today(ctx: &Ctx, scope: &TenantScope) -> Result<u64> {
    let today = ctx.clock.now().day();
    let results = ctx.db.query(vec![store::usage::select_tokens(scope, &today)]).await?;
    Ok(results.first().and_then(Rows::first).map(|row| row.count(0)).transpose()?.unwrap_or(0))
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
