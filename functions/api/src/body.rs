//! Bodies, on every host.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use frontdesk_ports::BoxStream;
use futures_util::StreamExt;

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
