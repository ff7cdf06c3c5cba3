//! Bodies, on every host.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_ports::{BoxStream, Ctx};
use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::future::select;

/// How much of a body that nobody reads is read all the same, in bytes.
const LINGER_BYTES: usize = 256 << 20;
/// How long.
const LINGER: Duration = Duration::from_secs(10);

/// The connection broke before the body was whole.
#[derive(Debug, thiserror::Error)]
#[error("the body was cut: {0}")]
pub struct BodyError(pub String);

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

/// A request's body. One that is dropped half-read is read on and thrown away for a while: a client that is still sending
/// would see a reset connection instead of the answer that refuses it.
#[must_use]
pub fn lingering(ctx: &Ctx, body: Pieces) -> Pieces {
    Box::pin(Lingering { ctx: ctx.clone(), body: Some(body) })
}

struct Lingering {
    ctx: Ctx,
    /// None when it is at its end.
    body: Option<Pieces>,
}

impl Stream for Lingering {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let piece = std::task::ready!(body.poll_next_unpin(cx));
        if !matches!(piece, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(piece)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
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
