//! Services that are called over HTTP: how real calls went within the last minutes, and a question when nothing is known.

use std::time::Duration;

use frontdesk_clients::openai::{
    self, ChatMessage, ChatRequest, ChatRole, EMBEDDINGS_SERVICE, Listed, MODEL_SERVICE, ModelError, Timeouts,
};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{CallOutcome, Ctx, Rows};
use futures_util::StreamExt as _;
use http::StatusCode;

use super::HealthStatus;
use crate::{retrieval, store};

/// How long the list of models may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the first call of a process may take.
const FIRST_DEADLINE: Duration = Duration::from_secs(5);
/// How long a vector of one word may take; shorter than what the whole answer may.
const VECTOR_DEADLINE: Duration = Duration::from_millis(1800);
/// How soon after a failure a vector is asked for again, for no visitor: each costs a token.
const VECTOR_EVERY: Duration = Duration::from_secs(60);

/// Documents that wait for vectors are counted up to so many.
const MOST_COUNTED: u32 = 1000;

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

/// Why the chat model does not answer, for the operator who has just started a host; `None` when it does, or there is none.
/// The list of models is asked for first, as it costs nothing; an endpoint without one is asked a word.
pub async fn try_model(ctx: &Ctx) -> Option<String> {
    let endpoint = ctx.config.model.as_ref()?;
    let model = endpoint.chat_model.clone()?;
    match openai::list_models(ctx, endpoint, FIRST_DEADLINE).await {
        Listed::Models(names) if names.is_empty() || lists(&names, &model) => return None,
        Listed::Models(_) => return Some(format!("{} has no model {model}", endpoint.base_url)),
        Listed::Silent(error) => return Some(format!("{} is out of reach ({error})", endpoint.base_url)),
        Listed::Unusable => return Some("OPENAI_BASE_URL or OPENAI_API_KEY cannot be used".to_owned()),
        Listed::Status(_) => {}
    }
    let request = ChatRequest {
        model,
        messages: vec![ChatMessage::new(ChatRole::User, "Hello")],
        temperature: None,
        max_tokens: Some(16),
        tools: None,
        tool_choice: None,
        caller: None,
    };
    let mut answer = openai::chat(ctx, endpoint, request, Timeouts::default());
    match answer.next().await {
        // A word is too little for one that thinks first; it answers all the same.
        None | Some(Ok(_) | Err(ModelError::Empty { .. } | ModelError::ContentFilter(_))) => None,
        Some(Err(error)) => Some(format!("{} says: {error}", endpoint.base_url)),
    }
}

/// Whether a model is among those that an endpoint lists. Ollama adds a tag to names that have none, Google a path.
fn lists(names: &[String], model: &str) -> bool {
    names.iter().any(|listed| {
        listed == model
            || listed.strip_prefix(model).is_some_and(|rest| rest.starts_with(':'))
            || listed.strip_suffix(model).is_some_and(|rest| rest.ends_with('/'))
    })
}

async fn list_models(ctx: &Ctx) -> (HealthStatus, &'static str) {
    let Some(model) = &ctx.config.model else {
        return (HealthStatus::Off, "no model is configured; answers are quotes from the documents");
    };
    match openai::list_models(ctx, model, DEADLINE).await {
        Listed::Models(names) => match &model.chat_model {
            Some(name) if !names.is_empty() && !lists(&names, name) => {
                (HealthStatus::Degraded, "answers; does not list the chat model")
            }
            _ => (HealthStatus::Ok, "answers"),
        },
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
        return without_vectors(ctx).await;
    };
    if let Err(error) = ctx.vectors.probe().await {
        tracing::warn!(%error, "health: vectors");
        return (HealthStatus::Down, "does not answer; search is by words".to_owned());
    }
    // Of an index elsewhere only what was noted is known.
    let waiting = match retrieval::catch_up::waiting(ctx, MOST_COUNTED).await {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::warn!(%error, "health: vectors");
            0
        }
    };
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
        Some((HealthStatus::Ok, _)) if waiting > 0 => {
            let more = if waiting >= MOST_COUNTED.into() { " or more" } else { "" };
            let detail = format!(
                "answers; documents that wait for vectors, searched by words until then: {waiting}{more}"
            );
            (HealthStatus::Degraded, detail)
        }
        Some((HealthStatus::Ok, detail)) => (HealthStatus::Ok, detail),
        Some((status, detail)) => (status, format!("the embedding model: {detail}; search is by words")),
    }
}

/// Without an embedding model. Where an organisation wants no words, that is not what it chose.
async fn without_vectors(ctx: &Ctx) -> (HealthStatus, String) {
    const WITHOUT: &str = "no embedding model is configured; search is by words";
    match ctx.db.query(vec![store::settings::select_by_meaning()]).await {
        Ok(rows) if rows.first().and_then(Rows::first).is_some() => {
            let detail = format!("{WITHOUT}, also where retrieval.mode is vector");
            (HealthStatus::Degraded, detail)
        }
        Ok(_) => (HealthStatus::Off, WITHOUT.to_owned()),
        Err(error) => {
            tracing::warn!(%error, "health: vectors");
            (HealthStatus::Off, WITHOUT.to_owned())
        }
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
