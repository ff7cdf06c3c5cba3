//! Answers that come compressed, though that was not asked for.

use std::io::Write as _;

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::error::ModelError;
use crate::body;

/// So many compressed bytes are taken at once: what they can become stays within about a megabyte.
const AT_ONCE: usize = 1024;

/// Undoes the encoding of a body.
pub(super) enum Inflate {
    /// There is none.
    Plain,
    Gzip(MultiGzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Inflate {
    /// For the body of an answer with these headers.
    ///
    /// # Errors
    /// When it is encoded otherwise; the text says what to change.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ModelError> {
        let encoding =
            headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "gzip" | "x-gzip" => Ok(Self::Gzip(MultiGzDecoder::new(Vec::new()))),
            "deflate" => Ok(Self::Deflate(ZlibDecoder::new(Vec::new()))),
            _ => Err(ModelError::BadResponse(
                "the answer is compressed in a way that was not asked for; turn compression off at the endpoint or its proxy"
                    .to_owned(),
            )),
        }
    }

    /// The beginning of an error's body. What cannot be read is left out: the status says enough.
    pub(super) fn error_body(headers: &HeaderMap, raw: &[u8]) -> Vec<u8> {
        let mut told = Vec::new();
        if let Ok(mut inflate) = Self::of(headers) {
            let _ = inflate.each(raw, |bytes| {
                told.extend_from_slice(bytes);
                if told.len() > body::MAX_ERROR { Err(ModelError::Cut) } else { Ok(()) }
            });
        }
        told
    }

    /// Gives the bytes in `bytes` to `take`.
    pub(super) fn each(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        for part in bytes.chunks(AT_ONCE) {
            let inflated = match self {
                Self::Plain => return take(bytes),
                Self::Gzip(decoder) => decoder
                    .write_all(part)
                    .and_then(|()| decoder.flush())
                    .map(|()| std::mem::take(decoder.get_mut())),
                Self::Deflate(decoder) => decoder
                    .write_all(part)
                    .and_then(|()| decoder.flush())
                    .map(|()| std::mem::take(decoder.get_mut())),
            };
            take(&inflated.map_err(|_| {
                ModelError::BadResponse("the answer says that it is compressed, and is not".to_owned())
            })?)?;
        }
        Ok(())
    }
}
