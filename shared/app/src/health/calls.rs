//! Services that are called over HTTP: how real calls went within the last minutes, and a question when nothing is known.

use std::time::Duration;

use frontdesk_clients::openai::{self, EMBEDDINGS_SERVICE, Listed, MODEL_SERVICE};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{CallOutcome, Ctx};
use http::StatusCode;

use super::HealthStatus;

/// How long the list of models may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a vector of one word may take; shorter than what the whole answer may.
const VECTOR_DEADLINE: Duration = Duration::from_millis(1800);
/// How soon after a failure a vector is asked for again, for no visitor: each costs a token.
const VECTOR_EVERY: Duration = Duration::from_secs(60);

/// What recent calls say; `None` when there are none.
fn judged(recent: &[(Timestamp, CallOutcome)]) -> Option<(HealthStatus, String)> {
    let mut failures = recent.iter().filter(|(_, outcome)| *outcome != CallOutcome::Ok);
    let (failed, all) = (failures.clone().count(), recent.len());
    let (_, latest) = *recent.last()?;
    let Some((_, cause)) = failures.next_back() else {
        return Some((HealthStatus::Ok, "answers".to_owned()));
    };
    let why = words(*cause);
    Some(if failed == all {
        let status = if *cause == CallOutcome::Limited { HealthStatus::Degraded } else { HealthStatus::Down };
        (status, why.to_owned())
    } else if latest == CallOutcome::Ok && failed.saturating_mul(2) < all {
        (HealthStatus::Ok, format!("answers; {failed} of the last {all} calls failed"))
    } else {
        (HealthStatus::Degraded, format!("{failed} of the last {all} calls failed: {why}"))
    })
}

const fn words(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Ok => "answers",
        CallOutcome::Refused => "refuses the key, the account or the address",
        CallOutcome::Missing => "has no such model",
        CallOutcome::Limited => "asks to slow down",
        CallOutcome::Failing => "does not answer, or not in time, or reports an error of its own",
        CallOutcome::Unreadable => "answers what cannot be read",
        CallOutcome::Rejected => "does not take what it is asked",
        CallOutcome::Empty => "answers without a text",
    }
}

/// The model: its calls, and otherwise the list of its models, the one question to a provider that costs nothing.
pub(super) async fn model(ctx: &Ctx) -> (HealthStatus, String) {
    if ctx.config.model.as_ref().is_none_or(|model| model.chat_model.is_none()) {
        let (status, detail) = list_models(ctx).await;
        return (status, detail.to_owned());
    }
    if let Some(judged) = judged(&ctx.caches.outcomes.recent(MODEL_SERVICE, ctx.clock.now())) {
        return judged;
    }
    let (status, detail) = list_models(ctx).await;
    (status, detail.to_owned())
}

async fn list_models(ctx: &Ctx) -> (HealthStatus, &'static str) {
    let Some(model) = &ctx.config.model else {
        return (HealthStatus::Off, "no model is configured; answers are quotes from the documents");
    };
    match openai::list_models(ctx, model, DEADLINE).await {
        Listed::Models(names) => {
            let known = |name: &String| {
                // Ollama adds a tag to names that have none, Google a path.
                names.iter().any(|listed| {
                    listed == name
                        || listed.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(':'))
                        || listed.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('/'))
                })
            };
            match &model.chat_model {
                Some(name) if !names.is_empty() && !known(name) => {
                    (HealthStatus::Degraded, "answers; does not list the chat model")
                }
                _ => (HealthStatus::Ok, "answers"),
            }
        }
        Listed::Status(status) => match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (HealthStatus::Down, "refuses the key"),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                (HealthStatus::Ok, "answers; does not list its models")
            }
            StatusCode::TOO_MANY_REQUESTS => (HealthStatus::Degraded, "asks to slow down"),
            _ => (HealthStatus::Down, "answers with an error"),
        },
        Listed::Silent(error) => {
            tracing::warn!(%error, "health: model");
            (HealthStatus::Down, "does not answer")
        }
        Listed::Unusable => (HealthStatus::Down, "the base URL is not usable"),
    }
}

/// Search by meaning: the index, and who makes vectors of questions.
pub(super) async fn vectors(ctx: &Ctx) -> (HealthStatus, String) {
    let Some(endpoint) = ctx.config.model.as_ref().filter(|model| model.embedding_model.is_some()) else {
        return (HealthStatus::Off, "no embedding model is configured; search is by words".to_owned());
    };
    if let Err(error) = ctx.vectors.probe().await {
        tracing::warn!(%error, "health: vectors");
        return (HealthStatus::Down, "does not answer; search is by words".to_owned());
    }
    let now = ctx.clock.now();
    let recent = || ctx.caches.outcomes.recent(EMBEDDINGS_SERVICE, now);
    let known =
        recent().last().is_some_and(|(at, last)| *last == CallOutcome::Ok || now.since(*at) < VECTOR_EVERY);
    if !known {
        // What came of it is among the outcomes.
        let _ = openai::embed_question(ctx, endpoint, "health", VECTOR_DEADLINE).await;
    }
    let outcomes = ctx.caches.outcomes.recent(EMBEDDINGS_SERVICE, ctx.clock.now());
    match judged(&outcomes) {
        None => (HealthStatus::Degraded, "the embedding model was not asked".to_owned()),
        Some((HealthStatus::Ok, detail)) => (HealthStatus::Ok, detail),
        Some((status, detail)) => (status, format!("the embedding model: {detail}; search is by words")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(outcomes: &[CallOutcome]) -> Option<HealthStatus> {
        let recent: Vec<_> =
            outcomes.iter().map(|outcome| (Timestamp::from_millis(1_700_000_000_000), *outcome)).collect();
        judged(&recent).map(|(status, _)| status)
    }

    #[test]
    fn recent_calls_say_how_a_service_is() {
        use CallOutcome::{Failing, Limited, Missing, Ok, Refused};
        for (outcomes, status) in [
            (&[][..], None),
            (&[Ok], Some(HealthStatus::Ok)),
            (&[Refused], Some(HealthStatus::Down)),
            (&[Failing, Missing], Some(HealthStatus::Down)),
            (&[Limited, Limited], Some(HealthStatus::Degraded)),
            (&[Ok, Failing], Some(HealthStatus::Degraded)),
            (&[Failing, Ok], Some(HealthStatus::Degraded)),
            (&[Ok, Failing, Ok], Some(HealthStatus::Ok)),
            (&[Ok, Ok, Ok, Refused], Some(HealthStatus::Degraded)),
        ] {
            assert_eq!(after(outcomes), status, "{outcomes:?}");
        }
    }
}
