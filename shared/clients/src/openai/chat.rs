//! One answer of a model, as a stream.

use std::collections::VecDeque;
use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{
    BoxFuture, BoxStream, ByteStream, CallOutcome, Ctx, Dialect, FetchError, ModelEndpoint,
};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

use super::adapt::{self, RequestRefusal};
use super::answer::{AnswerReader, ChatEvent};
use super::error::{Deadline, ModelError};
use super::inflate::Inflate;
use super::report::Report;
use super::request::{self, ChatRequest, Timeouts};
use crate::body;
use crate::breaker::{self, Guarded};
use crate::retry::{Attempts, judge, retry_after, within};

/// The service's name in metrics, logs, errors and outcomes.
pub const SERVICE: &str = "model";
/// Bytes of one answer on the wire: about 250 for each token.
const MAX_BODY: u64 = 32 * 1024 * 1024;
/// After the answer's end: how long usage and `[DONE]` are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A failure that comes later than this is not followed by another attempt: whoever asked has waited long enough.
const SOON: Duration = Duration::from_secs(10);

/// How a model wants to be asked, as far as that is known.
#[must_use]
pub fn dialect(ctx: &Ctx, endpoint: &ModelEndpoint, model: &str) -> Dialect {
    let known = ctx.caches.dialects.get(&endpoint.base_url, model);
    known.unwrap_or_else(|| request::first_dialect(&endpoint.base_url))
}

/// Asks the model and gives its answer as it arrives. The stream ends with [`ChatEvent::Finished`] or with one error.
///
/// Connecting, the first token, each gap and the whole have deadlines of their own. As long as no text was given, a
/// failure that may pass is followed by up to two more attempts, inside the whole deadline. Dropping the stream ends
/// the call. A circuit breaker per base URL and model answers at once while the service is down. What the endpoint does not
/// take of the request is left out, and remembered.
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
        dialect: dialect(ctx, endpoint, &request.model),
        adapted: 0,
        tried: Vec::new(),
        guarded: None,
        began: ctx.clock.now(),
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
    /// How often the request was said in other words.
    adapted: u8,
    /// The fields that were left out.
    tried: Vec<&'static str>,
    /// What the breaker let through: the call with all its attempts, which count as one.
    guarded: Option<Guarded>,
    /// When the attempt began.
    began: Timestamp,
    attempts: Attempts<ModelError>,
    whole: BoxFuture<'static, ()>,
    state: StreamState,
}

enum StreamState {
    Idle,
    Reading(Box<OpenAnswer>),
    /// What came before the error that ended the call, and the error.
    Ending(VecDeque<ChatEvent>, Option<ModelError>),
    Done,
}

struct OpenAnswer {
    body: ByteStream,
    inflate: Inflate,
    answer: AnswerReader,
    events: VecDeque<ChatEvent>,
    error: Option<ModelError>,
    shown: bool,
    /// The model has given a sign of life.
    lives: bool,
    /// That was noted for the circuit breaker.
    lived: bool,
    deadline: BoxFuture<'static, ()>,
    deadline_is: Deadline,
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
            let mut unseen_events = VecDeque::new();
            let failure = match &mut self.state {
                StreamState::Done => return None,
                StreamState::Ending(events, error) => {
                    let item = events.pop_front().map(Ok).or_else(|| error.take().map(Err));
                    if item.is_none() {
                        self.state = StreamState::Done;
                    }
                    return item;
                }
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
                    if reading.lives
                        && !std::mem::replace(&mut reading.lived, true)
                        && let Some(guarded) = &mut self.guarded
                    {
                        guarded.success();
                    }
                    // What no listener has seen yet may be said anew.
                    let unseen = !reading.shown && reading.error.is_some();
                    if !unseen && let Some(event) = reading.events.pop_front() {
                        reading.shown |= !matches!(event, ChatEvent::Anew);
                        if matches!(event, ChatEvent::Finished { .. }) {
                            self.learn(true);
                            self.state = StreamState::Done;
                            self.record(CallOutcome::Ok);
                        }
                        return Some(Ok(event));
                    }
                    let Some(error) = reading.error.take() else { continue };
                    let events = std::mem::take(&mut reading.events);
                    if reading.shown || matches!(error, ModelError::Empty { .. }) {
                        self.learn(false);
                        return Some(Err(self.give_up(error)));
                    }
                    self.state = StreamState::Idle;
                    unseen_events = events;
                    error
                }
            };
            let failure = failure.without(self.said());
            let late = self.ctx.clock.now().since(self.began) > SOON;
            let retry =
                if late { None } else { within(&mut self.whole, self.attempts.again(failure.clone())).await };
            if let Err(error) = retry.unwrap_or(Err(failure)) {
                let error = self.give_up(error);
                if matches!(error, ModelError::ContentFilter(_)) {
                    unseen_events.clear();
                }
                self.state = StreamState::Ending(unseen_events, Some(error));
            }
        }
    }

    /// The call is over, with this error.
    fn give_up(&mut self, error: ModelError) -> ModelError {
        if let Some(guarded) = &mut self.guarded {
            judge(guarded, &error);
        }
        self.state = StreamState::Done;
        self.record(error.outcome());
        error.without(self.said())
    }

    /// The words of whoever asked.
    fn said(&self) -> &str {
        self.request.messages.last().map_or("", |message| message.content.as_str())
    }

    /// Remembers what the answer was like.
    fn learn(&self, whole: bool) {
        let StreamState::Reading(reading) = &self.state else { return };
        let (thought, first) = (reading.answer.thought(), reading.answer.thinks_first());
        if self.adapted == 0
            && self.ctx.caches.dialects.get(&self.endpoint.base_url, &self.request.model).is_none()
            && !thought
        {
            return;
        }
        let dialect = self.dialect.clone();
        self.ctx.caches.dialects.learn(
            &self.endpoint.base_url,
            &self.request.model,
            || dialect,
            |dialect| {
                dialect.reasons |= thought;
                // How an answer begins, only a whole one tells.
                dialect.thinks_first = if whole { first } else { dialect.thinks_first || first };
            },
        );
    }

    /// Remembers how the model wants to be asked.
    fn remember(&self) {
        if self.adapted == 0 {
            return;
        }
        let told = self.dialect.clone();
        self.ctx.caches.dialects.learn(
            &self.endpoint.base_url,
            &self.request.model,
            Dialect::default,
            |dialect| *dialect = told,
        );
    }

    fn record(&self, outcome: CallOutcome) {
        self.ctx.caches.outcomes.record(SERVICE, outcome, self.ctx.clock.now());
    }

    /// Makes one attempt up to the head of the answer; `None` when the request has to be said in other words.
    async fn open(&mut self) -> Result<Option<OpenAnswer>, ModelError> {
        let request = request::chat(&self.endpoint, &self.request, &self.dialect)?;
        if self.guarded.is_none() {
            let address = format!("{} {}", self.endpoint.base_url, self.request.model);
            let guarded = breaker::enter(&self.ctx, SERVICE, &address).ok_or(ModelError::CircuitOpen)?;
            self.guarded = Some(guarded.on_behalf_of(self.request.caller));
        }
        self.began = self.ctx.clock.now();
        let mut deadline = self.ctx.clock.sleep(self.timeouts.first_token);
        let exchange = async {
            let limits = self.timeouts.limits(MAX_BODY);
            let response = self.ctx.http.send(request, limits).await.map_err(ModelError::before_head)?;
            let (head, body) = response.into_parts();
            if head.status.is_success() {
                return Ok(Ok((Inflate::of(&head.headers)?, body)));
            }
            let told = Inflate::error_body(&head.headers, &body::of_error(body).await);
            Ok(Err((head.status, head.headers, told)))
        };
        match first(exchange, &mut deadline, &mut self.whole).await {
            Arrival::Work(Ok(Ok((inflate, body)))) => {
                self.remember();
                Ok(Some(OpenAnswer {
                    body,
                    inflate,
                    answer: AnswerReader::new(&self.request.model, self.dialect.thinks_first),
                    events: VecDeque::new(),
                    error: None,
                    shown: false,
                    lives: false,
                    lived: false,
                    deadline,
                    deadline_is: Deadline::FirstToken,
                }))
            }
            Arrival::Work(Ok(Err((status, headers, body)))) => {
                let report = Report::of_body(&body);
                if self.adapted < adapt::MOST {
                    let refusal = RequestRefusal { status, headers: &headers, report: &report };
                    if let Some(dialect) =
                        adapt::next(&self.endpoint, &self.dialect, &refusal, &mut self.tried)?
                    {
                        tracing::info!(model = self.request.model, %status, told = report.words, "a model is asked in another way");
                        self.dialect = dialect;
                        self.adapted = self.adapted.saturating_add(1);
                        return Ok(None);
                    }
                }
                if matches!(status.as_u16(), 404 | 405) {
                    // What was tried below another path did not help.
                    self.dialect.url = None;
                }
                Err(ModelError::from_status(
                    status,
                    retry_after(&headers, Some(self.ctx.clock.now())),
                    &report,
                ))
            }
            Arrival::Work(Err(error)) => Err(error),
            Arrival::Deadline => Err(ModelError::Timeout(Deadline::FirstToken)),
            Arrival::Whole => Err(ModelError::Timeout(Deadline::Whole)),
        }
    }
}

impl OpenAnswer {
    /// Reads on until there is an event or an error.
    async fn read(&mut self, ctx: &Ctx, timeouts: &Timeouts, whole: &mut BoxFuture<'static, ()>) {
        while self.events.is_empty() && self.error.is_none() {
            let (size, finished) = (self.answer.size(), self.answer.is_finished());
            let arrival = first(self.body.next(), &mut self.deadline, whole).await;
            let (answer, events) = (&mut self.answer, &mut self.events);
            let result = match arrival {
                Arrival::Work(Some(Ok(bytes))) => self
                    .inflate
                    .each(&bytes, |bytes| answer.push(bytes, &mut |event| events.push_back(event))),
                // The HTTP client's own limit is the same one, seen from below.
                Arrival::Work(Some(Err(FetchError::Timeout("gap")))) => {
                    Err(ModelError::Timeout(self.deadline_is))
                }
                Arrival::Work(Some(Err(error))) => Err(ModelError::in_body(&error)),
                Arrival::Deadline => Err(ModelError::Timeout(self.deadline_is)),
                Arrival::Whole => Err(ModelError::Timeout(Deadline::Whole)),
                Arrival::Work(None) => return self.end(),
            };
            self.lives |= self.answer.size() > size;
            match result {
                Ok(()) if self.answer.is_done() => return self.end(),
                Ok(()) => {}
                // The provider's filter may speak up after the answer's end.
                Err(error @ ModelError::ContentFilter(_)) => {
                    self.error = Some(error);
                    return;
                }
                // The answer is whole; only usage or `[DONE]` are missing.
                Err(_) if self.answer.is_finished() => return self.end(),
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
            if self.answer.size() > size {
                self.deadline_is = Deadline::Gap;
                let last = self.answer.is_finished();
                self.deadline =
                    ctx.clock.sleep(if last { timeouts.gap.min(LAST_WORDS) } else { timeouts.gap });
            } else if self.answer.is_finished() && !finished {
                self.deadline = ctx.clock.sleep(timeouts.gap.min(LAST_WORDS));
            }
        }
    }

    fn end(&mut self) {
        let events = &mut self.events;
        match self.answer.end(&mut |event| events.push_back(event)) {
            Ok(()) => self.lives = true,
            Err(error) => self.error = Some(error),
        }
    }
}
