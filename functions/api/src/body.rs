//! Bodies, on every host.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_ports::{BoxFuture, BoxStream, Ctx};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::select;

/// How much of a body that no handler reads is read all the same, in bytes.
const LINGER_BYTES: usize = 256 << 20;
/// How long.
const LINGER: Duration = Duration::from_secs(10);

/// Why a body is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection broke.
    #[error("the body was cut: {0}")]
    Cut(String),
    /// It came more slowly than its [`Pace`].
    #[error("the body came too slowly")]
    Slow,
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Cut(_) => CallerError::Unreadable(error.to_string()).into(),
            BodyError::Slow => {
                CallerError::TooSlow("the body ceased to come, or came too slowly; send it again").into()
            }
        }
    }
}

/// A request's or a response's body.
pub enum Body {
    /// Whole.
    Full(Bytes),
    /// In pieces, as they come.
    Stream(BoxStream<'static, Result<Bytes, BodyError>>),
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl Body {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Full(Bytes::new())
    }

    /// A body from text or bytes.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(bytes.into())
    }

    /// The whole body; `None` when it is longer than `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError`] when it was cut.
    pub async fn collect(self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        match self {
            Self::Full(bytes) => Ok((bytes.len() <= limit).then_some(bytes)),
            Self::Stream(mut stream) => {
                let mut all = Vec::new();
                while let Some(piece) = stream.next().await {
                    let piece = piece?;
                    if all.len().saturating_add(piece.len()) > limit {
                        return Ok(None);
                    }
                    all.extend_from_slice(&piece);
                }
                Ok(Some(all.into()))
            }
        }
    }

    /// The body as a stream of pieces.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, BodyError>> {
        match self {
            Self::Full(bytes) => futures_util::stream::once(async move { Ok(bytes) }).boxed_local(),
            Self::Stream(stream) => stream,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(http_body::Frame::data(std::mem::take(bytes))))),
            Self::Stream(stream) => {
                stream.poll_next_unpin(cx).map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Full(bytes) => {
                http_body::SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Self::Stream(_) => http_body::SizeHint::default(),
        }
    }
}

type Pieces = BoxStream<'static, Result<Bytes, BodyError>>;

/// How slowly a request's body may come, as the host knows its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long nothing may come at all.
    pub silence: Duration,
    /// How long it may be slower than `least`.
    pub grace: Duration,
    /// From then on, what must have come on average, in bytes a second.
    pub least: u32,
    /// How long a body may be as slow as that. Beyond, [`FASTER`] times as much must have come for each second more, so the
    /// time that a body may take follows from its size: 5 minutes, and 43 more for the largest file.
    pub patience: Duration,
    /// Whether a body that is dropped half-read is read on and thrown away for a while: where a client that is still
    /// sending would see a reset connection instead of the answer that refuses it.
    pub lingers: bool,
}

impl Pace {
    /// Where nothing else is known. A phone on the slowest mobile network sends several times as fast.
    pub const STANDARD: Self = Self {
        silence: Duration::from_secs(15),
        grace: Duration::from_secs(20),
        least: 1024,
        patience: Duration::from_secs(300),
        lingers: true,
    };

    fn tick(&self) -> Duration {
        self.silence.checked_div(TICKS).unwrap_or(self.silence)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// How many times as fast a body must come once its sender's patience is used up.
pub const FASTER: u32 = 8;

/// Of how many ticks a permitted silence consists. Time is counted in ticks and not read from the clock, which may be set
/// while a body comes.
const TICKS: u32 = 8;

/// A request's body under its pace.
pub(crate) fn incoming(ctx: &Ctx, body: Body, pace: Pace) -> Body {
    match body {
        Body::Full(bytes) => Body::Full(bytes),
        Body::Stream(pieces) => Body::Stream(Box::pin(Incoming {
            ctx: ctx.clone(),
            body: Some(pieces),
            pace,
            timer: None,
            ticks: 0,
            silent: 0,
            bytes: 0,
        })),
    }
}

struct Incoming {
    ctx: Ctx,
    /// None when it is at its end.
    body: Option<Pieces>,
    pace: Pace,
    /// The tick under way; none until something was waited for.
    timer: Option<BoxFuture<'static, ()>>,
    /// How many ticks have passed.
    ticks: u32,
    /// For how many of them nothing came.
    silent: u32,
    /// What came.
    bytes: u64,
}

impl Incoming {
    /// One more tick has passed. Gives whether the body may go on.
    fn tick(&mut self) -> bool {
        self.ticks = self.ticks.saturating_add(1);
        self.silent = self.silent.saturating_add(1);
        let late = self.pace.tick().saturating_mul(self.ticks).saturating_sub(self.pace.grace);
        let later = late.saturating_sub(self.pace.patience).saturating_mul(FASTER.saturating_sub(1));
        let due = u128::from(self.pace.least).saturating_mul(late.saturating_add(later).as_millis()) / 1000;
        self.silent < TICKS && u128::from(self.bytes) >= due
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(piece) = body.poll_next_unpin(cx) {
            match &piece {
                Some(Ok(bytes)) => {
                    this.silent = 0;
                    this.bytes = this.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                }
                Some(Err(_)) | None => this.body = None,
            }
            return Poll::Ready(piece);
        }
        loop {
            let tick = this.pace.tick();
            let timer = this.timer.get_or_insert_with(|| this.ctx.clock.sleep(tick));
            std::task::ready!(timer.as_mut().poll(cx));
            this.timer = None;
            if !this.tick() {
                // Nothing is read on: a client that sends nothing does not miss the answer.
                this.body = None;
                this.ctx.metrics.connections_cut.get_or_create(&[("reason", "slow_body")]).inc();
                return Poll::Ready(Some(Err(BodyError::Slow)));
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|_| self.pace.lingers) else { return };
        let clock = self.ctx.clock.clone();
        let rest = async move {
            let mut left = LINGER_BYTES;
            let read = async {
                while let Some(Ok(piece)) = body.next().await {
                    let Some(rest) = left.checked_sub(piece.len()) else { break };
                    left = rest;
                }
            };
            select(pin!(read), clock.sleep(LINGER)).await;
        };
        self.ctx.tasks.spawn("linger", Box::pin(rest));
    }
}
