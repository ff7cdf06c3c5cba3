//! What a stranger's pdf may cost. The libraries below inflate, walk and allocate what a file says, without a limit: so it
//! is checked before they see it, and streams that are read here are undone here.

use std::cell::Cell;

use frontdesk_ports::ExtractFailure;
use hayro_syntax::object::{Dict, Name, Number, Object, Stream};

use super::filters::{self, StreamFilter, Unfiltered, filters_of};
use crate::{Limits, as_u64, over};

/// What one layer of one stream may become, in bytes.
pub(super) const MAX_STREAM: u64 = 16 << 20;

/// The most that a byte becomes by inflating it.
const MAX_INFLATION: u64 = 1032;

/// The widest row of a predictor, in samples.
pub(super) const MAX_COLUMNS: u64 = 1 << 20;

/// Bytes that may still be unpacked for one part of a file.
pub(super) struct Guard {
    left: Cell<u64>,
    limit: u64,
}

/// Why a stream is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It, or all of them together, would be too large.
    TooLarge,
    /// It is none that can be read.
    NoData,
}

impl Guard {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { left: Cell::new(limits.max_unpacked), limit: limits.max_unpacked }
    }

    /// Whether nothing more may be unpacked.
    pub(super) fn spent(&self) -> Option<ExtractFailure> {
        (self.left.get() == 0).then(|| over("unpacked size in bytes", self.limit))
    }

    fn take(&self, bytes: u64) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(bytes));
        bytes <= left
    }

    /// The stream without its filters.
    pub(super) fn bytes(&self, stream: &Stream<'_>) -> Result<Vec<u8>, Refused> {
        let filters = filters_of(stream.dict());
        let parameters = parameters(stream.dict());
        if parameters.iter().any(|one| one.get::<u32>(b"Predictor").is_some_and(|kind| kind > 1)) {
            // Content that is written like a picture: rare, and not worth a second implementation.
            self.allow(stream)?;
            return stream.decoded_data().map(std::borrow::Cow::into_owned).map_err(|_| Refused::NoData);
        }
        let early = parameters.first().and_then(|one| one.get::<u32>(b"EarlyChange")).unwrap_or(1) != 0;
        let limit = MAX_STREAM.min(self.left.get());
        match filters::undo(&stream.raw_data(), &filters, early, limit) {
            Unfiltered::Bytes(bytes) if self.take(as_u64(bytes.len()).max(1)) => Ok(bytes),
            Unfiltered::Bytes(_) => Err(Refused::TooLarge),
            Unfiltered::TooLarge => {
                self.take(limit);
                Err(Refused::TooLarge)
            }
            Unfiltered::NoData => Err(Refused::NoData),
        }
    }

    /// Whether a stream that a library reads by itself stays within the limits.
    pub(super) fn allow(&self, stream: &Stream<'_>) -> Result<(), Refused> {
        if parameters(stream.dict()).iter().any(|one| !sane_predictor(one)) {
            return Err(Refused::TooLarge);
        }
        let raw = stream.raw_data();
        let filters = filters_of(stream.dict());
        let bound = filters.iter().fold(as_u64(raw.len()), |size, filter| {
            size.saturating_mul(match filter {
                StreamFilter::Flate => MAX_INFLATION,
                StreamFilter::Lzw => 4096,
                StreamFilter::RunLength => 64,
                _ => 2,
            })
        });
        if bound <= MAX_STREAM / 8 {
            return if self.take(bound.min(1 << 16)) { Ok(()) } else { Err(Refused::TooLarge) };
        }
        match filters::undo(&raw, &filters, true, MAX_STREAM.min(self.left.get())) {
            Unfiltered::Bytes(bytes) if !self.take(as_u64(bytes.len())) => Err(Refused::TooLarge),
            Unfiltered::TooLarge => Err(Refused::TooLarge),
            Unfiltered::Bytes(_) => Ok(()),
            Unfiltered::NoData => Err(Refused::NoData),
        }
    }
}

fn parameters<'a>(dictionary: &Dict<'a>) -> Vec<Dict<'a>> {
    let found = dictionary.get::<Object<'_>>(b"DecodeParms").or_else(|| dictionary.get::<Object<'_>>(b"DP"));
    match found {
        Some(Object::Dict(one)) => vec![one],
        Some(Object::Array(all)) => {
            all.iter::<Object<'_>>().take(8).map(|one| one.into_dict().unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    }
}

fn sane_predictor(parameters: &Dict<'_>) -> bool {
    let number = |key: &[u8], default: i64| {
        let given = parameters.get::<Number>(key).map_or(default, |number| number.as_i64());
        u64::try_from(given).unwrap_or(u64::MAX)
    };
    let row = number(b"Columns", 1)
        .saturating_mul(number(b"Colors", 1))
        .saturating_mul(number(b"BitsPerComponent", 8));
    row > 0 && row <= MAX_COLUMNS.saturating_mul(8)
}

/// A name in a dictionary, as text.
pub(super) fn name_of(dictionary: &Dict<'_>, key: &[u8]) -> Option<String> {
    dictionary.get::<Name<'_>>(key).map(|name| String::from_utf8_lossy(name.as_ref()).into_owned())
}
