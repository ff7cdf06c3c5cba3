//! One answer of a model, as a stream.

use std::collections::VecDeque;
use std::time::Duration;

use frontdesk_ports::{BoxFuture, BoxStream, ByteStream, CallOutcome, Ctx, FetchError, ModelEndpoint};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use http::StatusCode;

use super::answer::{AnswerReader, ChatEvent};
use super::error::{Deadline, ModelError};
use super::request::{self, ChatRequest, Dialect, Timeouts};
use crate::body;
use crate::breaker::{self, Guarded};
use crate::retry::{Attempts, ServiceFailure as _, judge, within};

/// The service's name in metrics, logs, errors and outcomes.
pub const SERVICE: &str = "model";
/// Bytes of one answer on the wire: about 250 for each token.
const MAX_BODY: u64 = 32 * 1024 * 1024;
/// After the answer's end: how long usage and `[DONE]` are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a request may be said in other words (fields that this provider does not take).
const MAX_DIALECTS: u8 = 3;

/// Asks the model and gives its answer as it arrives. The stream ends with [`ChatEvent::Finished`] or with one error.
///
/// Connecting, the first token, each gap and the whole have deadlines of their own. As long as no text was given, a
/// failure that may pass is followed by up to two more attempts, inside the whole deadline. Dropping the stream ends
/// the call. A circuit breaker per base URL answers at once while the service is down.
#[must_use]
pub fn chat(
    ctx: &Ctx,
    endpoint: &ModelEndpoint,
    request: ChatRequest,
    timeouts: Timeouts,
) -> BoxStream<'static, Result<ChatEvent, ModelError>> {
    let call = Call {
        attempts: Attempts::new(ctx, SERVICE, timeouts.whole),
        whole: ctx.clock.sleep(timeouts.whole),
        dialect: Dialect::of(&endpoint.base_url),
        dialects: 0,
        ctx: ctx.clone(),
        endpoint: endpoint.clone(),
        request,
        timeouts,
        state: StreamState::Idle,
    };
    futures_util::stream::unfold(call, |mut call| async move {
        let item = call.next().await?;
        Some((item, call))
    })
    // Unfold panics when it is polled after its end.
    .fuse()
    .boxed_local()
}

struct Call {
    ctx: Ctx,
    endpoint: ModelEndpoint,
    request: ChatRequest,
    timeouts: Timeouts,
    dialect: Dialect,
    dialects: u8,
    attempts: Attempts<ModelError>,
    whole: BoxFuture<'static, ()>,
    state: StreamState,
}

enum StreamState {
    Idle,
    Reading(Box<OpenAnswer>),
    Done,
}

struct OpenAnswer {
    body: ByteStream,
    answer: AnswerReader,
    events: VecDeque<ChatEvent>,
    error: Option<ModelError>,
    shown: bool,
    deadline: BoxFuture<'static, ()>,
    deadline_is: Deadline,
    guarded: Guarded,
}

/// What came first.
enum Arrival<T> {
    Work(T),
    Deadline,
    Whole,
}

async fn first<T>(
    work: impl Future<Output = T>,
    deadline: &mut BoxFuture<'static, ()>,
    whole: &mut BoxFuture<'static, ()>,
) -> Arrival<T> {
    match select(std::pin::pin!(work), select(deadline, whole)).await {
        Either::Left((value, _)) => Arrival::Work(value),
        Either::Right((Either::Left(_), _)) => Arrival::Deadline,
        Either::Right((Either::Right(_), _)) => Arrival::Whole,
    }
}

impl Call {
    async fn next(&mut self) -> Option<Result<ChatEvent, ModelError>> {
        loop {
            let failure = match &mut self.state {
                StreamState::Done => return None,
                StreamState::Idle => match self.open().await {
                    Ok(Some(reading)) => {
                        self.state = StreamState::Reading(Box::new(reading));
                        continue;
                    }
                    Ok(None) => continue,
                    Err(error) => error,
                },
                StreamState::Reading(reading) => {
                    if reading.error.is_none() && reading.events.is_empty() {
                        reading.read(&self.ctx, &self.timeouts, &mut self.whole).await;
                    }
                    // What no listener has seen yet may be said anew.
                    let anew = !reading.shown
                        && reading.error.as_ref().is_some_and(ModelError::worth_another_attempt);
                    if anew {
                        reading.events.clear();
                    }
                    if let Some(event) = reading.events.pop_front() {
                        reading.shown = true;
                        if matches!(event, ChatEvent::Finished { .. }) {
                            self.state = StreamState::Done;
                            self.record(CallOutcome::Ok);
                        }
                        return Some(Ok(event));
                    }
                    let Some(error) = reading.error.take() else { continue };
                    if reading.shown {
                        self.state = StreamState::Done;
                        self.record(error.outcome());
                        return Some(Err(error));
                    }
                    self.state = StreamState::Idle;
                    error
                }
            };
            let retry = within(&mut self.whole, self.attempts.again(failure.clone())).await;
            if let Err(error) = retry.unwrap_or(Err(failure)) {
                tracing::warn!(%error, service = SERVICE, "model call failed");
                self.state = StreamState::Done;
                self.record(error.outcome());
                return Some(Err(error));
            }
        }
    }

    fn record(&self, outcome: CallOutcome) {
        self.ctx.caches.outcomes.record(SERVICE, outcome, self.ctx.clock.now());
    }

    /// Makes one attempt up to the head of the answer; `None` when the request has to be said in other words.
    async fn open(&mut self) -> Result<Option<OpenAnswer>, ModelError> {
        let request = request::chat(&self.endpoint, &self.request, self.dialect)?;
        let mut guarded =
            breaker::enter(&self.ctx, SERVICE, &self.endpoint.base_url).ok_or(ModelError::CircuitOpen)?;
        let mut deadline = self.ctx.clock.sleep(self.timeouts.first_token);
        let exchange = async {
            let limits = self.timeouts.limits(MAX_BODY);
            let response = self.ctx.http.send(request, limits).await.map_err(ModelError::before_head)?;
            let (head, body) = response.into_parts();
            if head.status.is_success() {
                return Ok(Ok(body));
            }
            Ok(Err((head.status, head.headers, body::of_error(body).await)))
        };
        let error = match first(exchange, &mut deadline, &mut self.whole).await {
            Arrival::Work(Ok(Ok(body))) => {
                return Ok(Some(OpenAnswer {
                    body,
                    answer: AnswerReader::new(&self.request.model),
                    events: VecDeque::new(),
                    error: None,
                    shown: false,
                    deadline,
                    deadline_is: Deadline::FirstToken,
                    guarded,
                }));
            }
            Arrival::Work(Ok(Err((status, headers, body)))) => {
                if status == StatusCode::BAD_REQUEST
                    && self.dialects < MAX_DIALECTS
                    && let Some(field) = super::error::unsupported_field(&body)
                    && let Some(dialect) = self.dialect.without(&field)
                {
                    guarded.success();
                    self.dialect = dialect;
                    self.dialects = self.dialects.saturating_add(1);
                    return Ok(None);
                }
                ModelError::from_status(status, &headers, &body)
            }
            Arrival::Work(Err(error)) => error,
            Arrival::Deadline => ModelError::Timeout(Deadline::FirstToken),
            Arrival::Whole => ModelError::Timeout(Deadline::Whole),
        };
        judge(&mut guarded, &error);
        Err(error)
    }
}

impl OpenAnswer {
    /// Reads on until there is an event or an error.
    async fn read(&mut self, ctx: &Ctx, timeouts: &Timeouts, whole: &mut BoxFuture<'static, ()>) {
        while self.events.is_empty() && self.error.is_none() {
            let (size, finished) = (self.answer.size(), self.answer.is_finished());
            let arrival = first(self.body.next(), &mut self.deadline, whole).await;
            let events = &mut self.events;
            let result = match arrival {
                Arrival::Work(Some(Ok(bytes))) => {
                    self.answer.push(&bytes, &mut |event| events.push_back(event))
                }
                // The HTTP client's own limit is the same one, seen from below.
                Arrival::Work(Some(Err(FetchError::Timeout("gap")))) => {
                    Err(ModelError::Timeout(self.deadline_is))
                }
                Arrival::Work(Some(Err(error))) => Err(ModelError::in_body(&error)),
                Arrival::Deadline => Err(ModelError::Timeout(self.deadline_is)),
                Arrival::Whole => Err(ModelError::Timeout(Deadline::Whole)),
                Arrival::Work(None) => {
                    let end = self.answer.end(&mut |event| events.push_back(event));
                    self.judge(end);
                    return;
                }
            };
            let over = match result {
                Ok(()) => self.answer.is_done(),
                // The answer is whole; only usage or `[DONE]` are missing.
                Err(_) if self.answer.is_finished() => true,
                Err(error) => return self.judge(Err(error)),
            };
            if over {
                let events = &mut self.events;
                let end = self.answer.end(&mut |event| events.push_back(event));
                return self.judge(end);
            }
            if self.answer.is_finished() && !finished {
                self.deadline = ctx.clock.sleep(timeouts.gap.min(LAST_WORDS));
            } else if self.answer.size() > size && !finished {
                self.guarded.success();
                self.deadline = ctx.clock.sleep(timeouts.gap);
                self.deadline_is = Deadline::Gap;
            }
        }
    }

    fn judge(&mut self, end: Result<(), ModelError>) {
        match end {
            Ok(()) => self.guarded.success(),
            Err(error) => {
                judge(&mut self.guarded, &error);
                self.error = Some(error);
            }
        }
    }
}
