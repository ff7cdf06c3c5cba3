//! Vectors of texts.

use std::time::Duration;

use base64::Engine as _;
use frontdesk_domain::error::Result;
use frontdesk_ports::{CallOutcome, Ctx, ModelEndpoint};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{Deadline, ModelError};
use super::request::{self, Timeouts};
use crate::retry::{Attempts, judge, within};
use crate::{body, breaker};

/// Texts of one call; longer lists are asked in several calls.
pub const BATCH: usize = 96;
/// The service's name in metrics, logs, errors and outcomes.
pub const SERVICE: &str = "embeddings";
/// The most dimensions of a vector.
const MAX_DIMENSIONS: usize = 8192;
/// Bytes of one answer: a full batch of the longest vectors, as decimal numbers.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// The vectors of `texts`, in their order, all of one length. Each call of up to [`BATCH`] texts has 10 s and half a
/// second for each text, retries included.
///
/// # Errors
/// An upstream error of `embeddings`; there is none or all of the vectors.
pub async fn embed(ctx: &Ctx, endpoint: &ModelEndpoint, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    let result = vectors(ctx, endpoint, texts).await;
    let outcome = result.as_ref().map_or_else(ModelError::outcome, |_| CallOutcome::Ok);
    ctx.caches.outcomes.record(SERVICE, outcome, ctx.clock.now());
    result.map_err(|error| error.of_service(SERVICE))
}

async fn vectors(ctx: &Ctx, endpoint: &ModelEndpoint, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
    let Some(model) = endpoint.embedding_model.as_deref() else {
        return Err(ModelError::Refused("no embedding model is configured".to_owned()));
    };
    let mut all: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        let vectors = one_batch(ctx, endpoint, model, batch).await?;
        if let (Some(before), Some(now)) = (all.first(), vectors.first())
            && before.len() != now.len()
        {
            return Err(bad("vectors of different lengths"));
        }
        all.extend(vectors);
    }
    Ok(all)
}

async fn one_batch(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    model: &str,
    texts: &[String],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let extra = Duration::from_millis(500).saturating_mul(u32::try_from(texts.len()).unwrap_or(u32::MAX));
    let whole = Duration::from_secs(10).saturating_add(extra);
    let timeouts = Timeouts { first_token: whole, gap: whole, whole, ..Timeouts::default() };
    let mut attempts = Attempts::new(ctx, SERVICE, whole);
    let mut deadline = ctx.clock.sleep(whole);
    let work = async {
        loop {
            match attempt(ctx, endpoint, model, texts, &timeouts).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => attempts.again(error).await?,
            }
        }
    };
    within(&mut deadline, work).await.unwrap_or(Err(ModelError::Timeout(Deadline::Whole)))
}

async fn attempt(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    model: &str,
    texts: &[String],
    timeouts: &Timeouts,
) -> Result<Vec<Vec<f32>>, ModelError> {
    let request =
        request::post(endpoint, "/embeddings", "application/json", &EmbeddingsBody { model, input: texts })?;
    let mut guarded = breaker::enter(ctx, SERVICE, &endpoint.base_url).ok_or(ModelError::CircuitOpen)?;
    let result = async {
        let response =
            ctx.http.send(request, timeouts.limits(MAX_BODY)).await.map_err(ModelError::before_head)?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(ModelError::from_status(head.status, &head.headers, &body::of_error(body).await));
        }
        parse(&body::whole(body).await.map_err(|error| ModelError::in_body(&error))?, texts.len())
    }
    .await;
    match &result {
        Ok(_) => guarded.success(),
        Err(error) => judge(&mut guarded, error),
    }
    result
}

#[derive(Serialize)]
struct EmbeddingsBody<'a> {
    model: &'a str,
    input: &'a [String],
}

#[derive(Deserialize)]
struct EmbeddingsAnswer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    /// Little-endian floats: the default of some servers.
    Base64(String),
}

fn parse(body: &[u8], count: usize) -> Result<Vec<Vec<f32>>, ModelError> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| bad("not JSON"))?;
    if let Some(error) = ModelError::from_frame(&answer) {
        return Err(error);
    }
    let answer: EmbeddingsAnswer = serde_json::from_value(answer).map_err(|_| bad("no list of vectors"))?;
    if answer.data.len() != count {
        return Err(bad("another number of vectors than of texts"));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; count];
    let mut length = None;
    for (position, item) in answer.data.into_iter().enumerate() {
        let vector = match item.embedding {
            Vector::Numbers(numbers) => numbers,
            Vector::Base64(text) => floats(&text).ok_or_else(|| bad("a vector that is no base64"))?,
        };
        if vector.is_empty()
            || vector.len() > MAX_DIMENSIONS
            || *length.get_or_insert(vector.len()) != vector.len()
        {
            return Err(bad("vectors of different or impossible lengths"));
        }
        if !vector.iter().all(|number| number.is_finite()) {
            return Err(bad("a vector that is not finite"));
        }
        match vectors.get_mut(item.index.unwrap_or(position)) {
            Some(free @ None) => *free = Some(vector),
            _ => return Err(bad("an index twice or out of range")),
        }
    }
    Ok(vectors.into_iter().flatten().collect())
}

fn floats(text: &str) -> Option<Vec<f32>> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn bad(what: &str) -> ModelError {
    ModelError::BadResponse(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, count: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        parse(body.as_bytes(), count)
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let body = r#"{"data":[{"index":1,"embedding":[0,1]},{"index":0,"embedding":[1,0]}],"usage":{}}"#;
        assert_eq!(read(body, 2).unwrap(), [[1.0, 0.0], [0.0, 1.0]]);
        let body = r#"{"data":[{"embedding":[1,0]},{"embedding":[0,1]}]}"#;
        assert_eq!(read(body, 2).unwrap(), [[1.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(read(r#"{"data":[{"index":0,"embedding":"AACAPwAAAMA="}]}"#, 1).unwrap(), [[1.0, -2.0]]);
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        for (name, body, count) in [
            ("no JSON", "<html>", 1),
            ("no list", "{}", 1),
            ("too few", r#"{"data":[]}"#, 1),
            ("too many", r#"{"data":[{"embedding":[1]},{"embedding":[1]}]}"#, 1),
            ("twice", r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#, 2),
            ("out of range", r#"{"data":[{"index":5,"embedding":[1]}]}"#, 1),
            ("lengths", r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#, 2),
            ("empty", r#"{"data":[{"embedding":[]}]}"#, 1),
            ("infinite", r#"{"data":[{"embedding":[1e300]}]}"#, 1),
            ("three bytes", r#"{"data":[{"embedding":"AACA"}]}"#, 1),
        ] {
            assert!(matches!(read(body, count), Err(ModelError::BadResponse(_))), "{name}");
        }
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        assert_eq!(read(r#"{"error":{"code":429}}"#, 1), Err(ModelError::RateLimited { retry_after: None }));
    }
}
