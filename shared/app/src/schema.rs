//! Whether a host may serve from the database as its schema is. For requests it is asked once by a process, isolate or
//! instance, and again now and then only while the answer is no; `/health` asks again also when it was yes.

use std::pin::pin;
use std::time::Duration;

use frontdesk_domain::error::{CallerError, Result};
use frontdesk_ports::{CachedSchema, Ctx, SchemaState};
use futures_util::future::{Either, select};

use crate::migrations;

/// While the schema is not right, or the database out of reach: how soon it is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long `/health` takes it to be as it was.
const COMPARED: Duration = Duration::from_secs(30);
/// How long a request waits for the answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// How the schema is, as far as is known.
pub async fn state(ctx: &Ctx) -> SchemaState {
    known_or_asked(ctx, None).await
}

/// How the schema was within the last 30 s.
pub async fn compared(ctx: &Ctx) -> SchemaState {
    known_or_asked(ctx, Some(COMPARED)).await
}

/// `right_for` is how long the answer is good that it is right; `None` is for ever.
async fn known_or_asked(ctx: &Ctx, right_for: Option<Duration>) -> SchemaState {
    let now = ctx.clock.now();
    if let Some(known) = ctx.caches.schema.borrow_mut().as_mut() {
        let good_for = if known.state == SchemaState::Right { right_for } else { Some(AGAIN) };
        let good = |limit| known.asked <= now && now.since(known.asked) < limit;
        if good_for.is_none_or(good) {
            return known.state.clone();
        }
        // Others take what is known while this caller asks.
        known.asked = now;
    }
    let state = match select(pin!(migrations::unfit(ctx.db.as_ref())), ctx.clock.sleep(DEADLINE)).await {
        Either::Left((Ok(None), _)) => SchemaState::Right,
        Either::Left((Ok(Some(reason)), _)) => SchemaState::Wrong(reason.into()),
        Either::Left((Err(_), _)) | Either::Right(_) => SchemaState::Unreachable,
    };
    let was_right =
        ctx.caches.schema.borrow().as_ref().is_some_and(|known| known.state == SchemaState::Right);
    if was_right && state == SchemaState::Unreachable {
        // Nothing new is known of the schema; that the database does not answer is for others to say.
        return SchemaState::Right;
    }
    let before = ctx.caches.schema.replace(Some(CachedSchema { state: state.clone(), asked: now }));
    match (&state, before.map(|known| known.state)) {
        (state, Some(before)) if *state == before => {}
        (SchemaState::Wrong(reason), _) => {
            tracing::error!(%reason, "the database's schema is not the one of this version; requests are refused");
        }
        (SchemaState::Right, Some(SchemaState::Wrong(_))) => {
            tracing::info!("the database's schema is right now");
        }
        _ => {}
    }
    state
}

/// Refuses while the schema is known to be wrong. A database that is out of reach is for those to tell who need it.
///
/// # Errors
/// 503 while it is not.
pub async fn ready(ctx: &Ctx) -> Result<()> {
    match state(ctx).await {
        SchemaState::Right | SchemaState::Unreachable => Ok(()),
        SchemaState::Wrong(_) => Err(CallerError::Unavailable {
            reason: "the database's schema is not the one of this version; /health/db says what is missing",
            retry_after: AGAIN.saturating_mul(2),
        }
        .into()),
    }
}
