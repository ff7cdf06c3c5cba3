//! Answers that come compressed, though that was not asked for.

use std::io::Write as _;

use flate2::write::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::error::ModelError;
use crate::body;

/// So many compressed bytes are taken at once: what they can become stays within about a megabyte.
const AT_ONCE: usize = 1024;

/// What a body may become, in bytes: a small one could go on for gigabytes.
const MOST: u64 = 64 << 20;

/// Undoes the encoding of a body.
pub(super) struct Inflate {
    encoding: Encoding,
    /// How much of it was given.
    given: u64,
}

enum Encoding {
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
        let encoding = match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Encoding::Plain,
            "gzip" | "x-gzip" => Encoding::Gzip(MultiGzDecoder::new(Vec::new())),
            "deflate" => Encoding::Deflate(ZlibDecoder::new(Vec::new())),
            _ => return Err(ModelError::BadResponse(
                "the answer is compressed in a way that was not asked for; turn compression off at the endpoint or its proxy"
                    .to_owned(),
            )),
        };
        Ok(Self { encoding, given: 0 })
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
    ///
    /// # Errors
    /// What `take` says; when it is not so encoded, or becomes too much.
    pub(super) fn each(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        for part in bytes.chunks(AT_ONCE) {
            let inflated = match &mut self.encoding {
                Encoding::Plain => return take(bytes),
                Encoding::Gzip(decoder) => decoder
                    .write_all(part)
                    .and_then(|()| decoder.flush())
                    .map(|()| std::mem::take(decoder.get_mut())),
                Encoding::Deflate(decoder) => decoder
                    .write_all(part)
                    .and_then(|()| decoder.flush())
                    .map(|()| std::mem::take(decoder.get_mut())),
            };
            let inflated = inflated.map_err(|_| {
                ModelError::BadResponse("the answer says that it is compressed, and is not".to_owned())
            })?;
            self.given = self.given.saturating_add(u64::try_from(inflated.len()).unwrap_or(u64::MAX));
            if self.given > MOST {
                return Err(ModelError::TooLong(MOST));
            }
            take(&inflated)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_too_much_is_refused() {
        let blank = vec![b'\n'; 1 << 20];
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..65 {
            packed.write_all(&blank).unwrap();
        }
        let packed = packed.finish().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        let mut given = 0_u64;
        let ended = Inflate::of(&headers).unwrap().each(&packed, |bytes| {
            given += bytes.len() as u64;
            Ok(())
        });
        assert!(matches!(ended, Err(ModelError::TooLong(MOST))), "{ended:?}");
        assert!(given <= MOST);
    }
}
