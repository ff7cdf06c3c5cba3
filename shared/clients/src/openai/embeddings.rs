//! Vectors of texts.

use std::time::Duration;

use base64::Engine as _;
use frontdesk_domain::error::Result;
use frontdesk_ports::{CallOutcome, Ctx, Dialect, ModelEndpoint};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::adapt;
use super::chat::dialect;
use super::error::{Deadline, ModelError};
use super::inflate::Inflate;
use super::report::{Cause, Report};
use super::request::{self, RequestTarget, Timeouts};
use crate::retry::{Attempts, judge, retry_after, within};
use crate::{body, breaker};

/// Texts of one call; longer lists are asked in several calls.
pub const BATCH: usize = 96;
/// The service's name in metrics, logs, errors and outcomes.
pub const SERVICE: &str = "embeddings";
/// The most dimensions of a vector.
const MAX_DIMENSIONS: usize = 8192;
/// Bytes of one answer: a full batch of the longest vectors, as decimal numbers.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// The vectors of `texts`, in their order, all of one length; none where the endpoint makes none of a text, however little
/// of it it is given. Each call of up to [`BATCH`] texts has 10 s and half a second for each text, retries included; an
/// endpoint that takes fewer at once gets fewer, and it is remembered.
///
/// # Errors
/// An upstream error of `embeddings`.
pub async fn embed(ctx: &Ctx, endpoint: &ModelEndpoint, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>> {
    recorded(ctx, vectors(ctx, endpoint, texts).await)
}

/// The vector of a question, for which no visitor waits longer than `deadline`.
///
/// # Errors
/// As [`embed`].
pub async fn embed_question(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    text: &str,
    deadline: Duration,
) -> Result<Vec<f32>> {
    let asked = async {
        let model = model(endpoint)?;
        let texts = [text.to_owned()];
        let vector = one_batch(ctx, endpoint, model, &texts, deadline).await?.pop().flatten();
        vector.ok_or_else(|| bad("no vector of the question"))
    };
    recorded(ctx, asked.await)
}

fn recorded<T>(ctx: &Ctx, result: Result<T, ModelError>) -> Result<T> {
    let outcome = result.as_ref().map_or_else(ModelError::outcome, |_| CallOutcome::Ok);
    ctx.caches.outcomes.record(SERVICE, outcome, ctx.clock.now());
    result.map_err(|error| error.of_service(SERVICE))
}

fn model(endpoint: &ModelEndpoint) -> Result<&str, ModelError> {
    let missing = || ModelError::Refused("no embedding model is configured".to_owned());
    endpoint.embedding_model.as_deref().ok_or_else(missing)
}

async fn vectors(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    texts: &[String],
) -> Result<Vec<Option<Vec<f32>>>, ModelError> {
    let model = model(endpoint)?;
    let mut texts = texts.to_vec();
    let mut all: Vec<Option<Vec<f32>>> = vec![None; texts.len()];
    let (mut refused, mut alone) = (None, 0_u32);
    let mut waiting: Vec<std::ops::Range<usize>> = Vec::new();
    waiting.push(0..texts.len());
    while let Some(range) = waiting.pop() {
        let batch = dialect(ctx, endpoint, &key(model)).batch.unwrap_or(BATCH).max(1);
        if range.len() > batch {
            let border = range.start.saturating_add(batch);
            waiting.push(border..range.end);
            waiting.push(range.start..border);
            continue;
        }
        let extra = Duration::from_millis(500).saturating_mul(u32::try_from(range.len()).unwrap_or(u32::MAX));
        let whole = Duration::from_secs(10).saturating_add(extra);
        let some = texts.get(range.clone()).unwrap_or_default();
        if some.is_empty() {
            continue;
        }
        match one_batch(ctx, endpoint, model, some, whole).await {
            Ok(vectors) => {
                let length = all.iter().flatten().map(Vec::len).next();
                if let Some(other) = vectors
                    .iter()
                    .flatten()
                    .find(|vector| length.is_some_and(|length| vector.len() != length))
                {
                    return Err(bad(&format!("vectors of different lengths, one of {}", other.len())));
                }
                for (place, vector) in all.iter_mut().skip(range.start).zip(vectors) {
                    *place = vector;
                }
            }
            Err(error) if !lies_in_the_texts(&error) => return Err(error),
            Err(error) if range.len() > 1 => {
                let most = most_at_once(&error, range.len());
                if let Some(most) = most {
                    tracing::info!(model, most, "an endpoint makes fewer vectors at once");
                    learn(ctx, endpoint, model, |dialect| dialect.batch = Some(most));
                    waiting.push(range);
                } else {
                    let half = range.start.saturating_add(range.len().div_ceil(2));
                    waiting.push(half..range.end);
                    waiting.push(range.start..half);
                }
            }
            Err(error) => match texts.get_mut(range.start).filter(|text| text.chars().count() > SHORTEST) {
                Some(text) => {
                    let half = text.chars().count() / 2;
                    *text = text.chars().take(half.max(SHORTEST)).collect();
                    waiting.push(range);
                }
                None => {
                    alone = alone.saturating_add(1);
                    refused = Some(error);
                    // Not one of them was taken, and these were short: it does not lie in the texts.
                    if alone >= FEW && all.iter().all(Option::is_none) {
                        break;
                    }
                }
            },
        }
    }
    match refused {
        // Not one of them was taken: it does not lie in the texts.
        Some(error) if all.iter().all(Option::is_none) => Err(error),
        Some(error) => {
            let without = all.iter().filter(|vector| vector.is_none()).count();
            tracing::warn!(%error, without, "texts have no vector; they are found by words alone");
            Ok(all)
        }
        None => Ok(all),
    }
}

/// How many short texts are tried alone at an endpoint that took none.
const FEW: u32 = 3;

/// A text that is refused is tried with half of it, down to this many characters.
const SHORTEST: usize = 100;

/// Whether fewer or shorter texts may be taken where these were not.
const fn lies_in_the_texts(error: &ModelError) -> bool {
    matches!(
        error,
        ModelError::Request(_)
            | ModelError::ContextTooLong { .. }
            | ModelError::TooLong(_)
            | ModelError::Empty { .. }
    )
}

/// How many texts the endpoint takes, when it says that these were too many.
fn most_at_once(error: &ModelError, asked: usize) -> Option<usize> {
    let ModelError::Request(detail) = error else { return None };
    let lower = detail.to_lowercase();
    let about = ["batch", "inputs", "input array", "too many", "array length"];
    if !about.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let told = lower
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse::<usize>().ok())
        .rfind(|number| (1..asked).contains(number));
    Some(told.unwrap_or_else(|| asked.div_ceil(2)))
}

/// How long the model's vectors are, once this process has seen one.
#[must_use]
pub fn vector_length(ctx: &Ctx, endpoint: &ModelEndpoint, model: &str) -> Option<usize> {
    dialect(ctx, endpoint, &key(model)).vector_length
}

/// Under which name it is remembered how a model is asked for vectors: it may chat, too.
fn key(model: &str) -> String {
    format!("{model} (vectors)")
}

fn learn(ctx: &Ctx, endpoint: &ModelEndpoint, model: &str, change: impl FnOnce(&mut Dialect)) {
    ctx.caches.dialects.learn(
        &endpoint.base_url,
        &key(model),
        || dialect(ctx, endpoint, &key(model)),
        change,
    );
}

async fn one_batch(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    model: &str,
    texts: &[String],
    whole: Duration,
) -> Result<Vec<Option<Vec<f32>>>, ModelError> {
    let timeouts =
        Timeouts { connect: whole.min(Timeouts::default().connect), first_token: whole, gap: whole, whole };
    let mut guarded = breaker::enter(ctx, SERVICE, &format!("{} {model}", endpoint.base_url))
        .ok_or(ModelError::CircuitOpen)?;
    let mut attempts = Attempts::new(ctx, SERVICE, whole);
    let mut deadline = ctx.clock.sleep(whole);
    let work = async {
        loop {
            let url = dialect(ctx, endpoint, &key(model)).url;
            match attempt(ctx, endpoint, model, texts, &timeouts, url.as_deref()).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => attempts.again(error).await?,
            }
        }
    };
    let result = within(&mut deadline, work).await.unwrap_or(Err(ModelError::Timeout(Deadline::Whole)));
    match &result {
        Ok(vectors) => {
            guarded.success();
            if let Some(length) = vectors.iter().flatten().map(Vec::len).next() {
                learn(ctx, endpoint, model, |dialect| dialect.vector_length = Some(length));
            }
        }
        Err(error) => judge(&mut guarded, error),
    }
    result
}

async fn attempt(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    model: &str,
    texts: &[String],
    timeouts: &Timeouts,
    url: Option<&str>,
) -> Result<Vec<Option<Vec<f32>>>, ModelError> {
    let target = RequestTarget { path: "/embeddings", url };
    let request =
        request::post(endpoint, target, "application/json", &EmbeddingsBody { model, input: texts })?;
    let response =
        ctx.http.send(request, timeouts.limits(MAX_BODY)).await.map_err(ModelError::before_head)?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let report = Report::of_body(&Inflate::error_body(&head.headers, &body::of_error(body).await));
        if head.status == StatusCode::NOT_FOUND
            && url.is_none()
            && report.cause != Some(Cause::NoModel)
            && let Some(url) = adapt::with_version(&endpoint.base_url, "/embeddings")
        {
            // Nothing is under the base URL: it may lack the API's version. Remembered once that is answered.
            let vectors = Box::pin(attempt(ctx, endpoint, model, texts, timeouts, Some(&url))).await?;
            learn(ctx, endpoint, model, |dialect| dialect.url = Some(url));
            return Ok(vectors);
        }
        return Err(ModelError::from_status(
            head.status,
            retry_after(&head.headers, Some(ctx.clock.now())),
            &report,
        ));
    }
    let mut inflate = Inflate::of(&head.headers)?;
    let mut answer = Vec::new();
    let raw = body::whole(body).await.map_err(|error| ModelError::in_body(&error))?;
    inflate.each(&raw, |bytes| {
        answer.extend_from_slice(bytes);
        if u64::try_from(answer.len()).is_ok_and(|length| length <= MAX_BODY) {
            Ok(())
        } else {
            Err(ModelError::TooLong(MAX_BODY))
        }
    })?;
    parse(&answer, texts.len())
}

#[derive(Serialize)]
struct EmbeddingsBody<'a> {
    model: &'a str,
    input: &'a [String],
}

/// The vectors in an answer: `{"data": [{"embedding": …}]}`, `{"embeddings": [[…]]}`, or such a list alone.
fn parse(body: &[u8], count: usize) -> Result<Vec<Option<Vec<f32>>>, ModelError> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| bad("not JSON"))?;
    let list = ["data", "embeddings"]
        .iter()
        .find_map(|name| answer.get(*name)?.as_array())
        .or_else(|| answer.as_array());
    let Some(items) = list else {
        return Err(ModelError::from_frame(&answer).unwrap_or_else(|| bad("no list of vectors")));
    };
    if items.len() != count {
        return Err(ModelError::Empty {
            detail: format!("{} vectors of {count} texts", items.len()),
            length: false,
        });
    }
    let mut vectors: Vec<Option<Option<Vec<f32>>>> = vec![None; count];
    let mut length = None;
    for (position, item) in items.iter().enumerate() {
        let vector = vector(item.get("embedding").unwrap_or(item))?;
        if let Some(vector) = &vector
            && *length.get_or_insert(vector.len()) != vector.len()
        {
            return Err(bad("vectors of different lengths"));
        }
        let index = item.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
        match vectors.get_mut(index.unwrap_or(position)) {
            Some(free @ None) => *free = Some(vector),
            _ => return Err(bad("an index twice or out of range")),
        }
    }
    Ok(vectors.into_iter().map(Option::flatten).collect())
}

/// One vector; none when its numbers are none, or all nothing.
fn vector(value: &Value) -> Result<Option<Vec<f32>>, ModelError> {
    let numbers = match value {
        // Some servers answer with a list for each text.
        Value::Array(items) if items.first().is_some_and(Value::is_array) => {
            return items.first().map_or(Ok(None), vector);
        }
        Value::Array(items) => {
            #[expect(clippy::cast_possible_truncation, reason = "vectors are stored with this precision")]
            let numbers: Option<Vec<f32>> =
                items.iter().map(|number| number.as_f64().map(|number| number as f32)).collect();
            numbers
        }
        Value::String(text) => Some(floats(text).ok_or_else(|| bad("a vector that is no base64"))?),
        Value::Null => None,
        _ => return Err(bad("no list of vectors")),
    };
    let Some(numbers) = numbers else { return Ok(None) };
    if numbers.is_empty() || numbers.len() > MAX_DIMENSIONS {
        return Err(bad("a vector of an impossible length"));
    }
    let usable =
        numbers.iter().all(|number| number.is_finite()) && numbers.iter().any(|number| *number != 0.0);
    Ok(usable.then_some(numbers))
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
        let vectors = parse(body.as_bytes(), count)?;
        Ok(vectors.into_iter().map(|vector| vector.unwrap_or_default()).collect())
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
            ("twice", r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#, 2),
            ("out of range", r#"{"data":[{"index":5,"embedding":[1]}]}"#, 1),
            ("lengths", r#"{"data":[{"embedding":[1]},{"embedding":[1,2]}]}"#, 2),
            ("empty", r#"{"data":[{"embedding":[]}]}"#, 1),
            ("three bytes", r#"{"data":[{"embedding":"AACA"}]}"#, 1),
        ] {
            assert!(matches!(read(body, count), Err(ModelError::BadResponse(_))), "{name}");
        }
    }

    #[test]
    fn lists_of_other_servers_are_read() {
        for body in [
            r#"{"embeddings":[[1,0],[0,1]]}"#,
            r#"[{"embedding":[1,0]},{"embedding":[0,1]}]"#,
            r#"[[1,0],[0,1]]"#,
            r#"[{"index":0,"embedding":[[1,0]]},{"index":1,"embedding":[[0,1]]}]"#,
        ] {
            assert_eq!(read(body, 2).unwrap(), [[1.0, 0.0], [0.0, 1.0]], "{body}");
        }
    }

    #[test]
    fn a_vector_that_is_none_costs_its_own_text_alone() {
        for none in ["null", "[null,null]", "[0,0]", "[1e300,1]"] {
            let body =
                format!(r#"{{"data":[{{"index":0,"embedding":{none}}},{{"index":1,"embedding":[1,0]}}]}}"#);
            assert_eq!(parse(body.as_bytes(), 2), Ok(vec![None, Some(vec![1.0, 0.0])]), "{none}");
        }
    }

    #[test]
    fn another_number_of_vectors_may_be_another_one_of_fewer_texts() {
        for body in [r#"{"data":[]}"#, r#"{"data":[{"embedding":[1]},{"embedding":[1]}]}"#] {
            assert!(lies_in_the_texts(&read(body, 1).unwrap_err()), "{body}");
        }
    }

    #[test]
    fn how_many_texts_are_taken_is_read_in_anyone_s_words() {
        for (words, most) in [
            (
                "400 InvalidParameter: <400> Value error, batch size is invalid, it should not be larger than 10.",
                Some(10),
            ),
            ("422: batch size 64 > maximum allowed batch size 32", Some(32)),
            ("400: Too many inputs. The max number of inputs is 1.", Some(1)),
            ("413: batch too large", Some(32)),
            ("400: bad", None),
        ] {
            assert_eq!(most_at_once(&ModelError::Request(words.into()), 64), most, "{words}");
        }
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        assert!(matches!(read(r#"{"error":{"code":429}}"#, 1), Err(ModelError::RateLimited { .. })));
    }
}
