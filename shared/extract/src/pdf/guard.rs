//! What a stranger's pdf may cost. The libraries below inflate, walk and allocate what a file says, without a limit: so it
//! is checked before they see it, and streams that are read here are undone here.

use std::cell::Cell;

use frontdesk_ports::ExtractFailure;
use hayro_syntax::object::{Dict, Name, Number, Object, Stream};

use super::filters::{self, StreamFilter, Unfiltered, filters_of};
use crate::kind::find;
use crate::{Limits, as_u64, inflate, over};

/// What one layer of one stream may become, in bytes.
const MAX_STREAM: u64 = 16 << 20;

/// The most that a byte becomes by inflating it.
const MAX_INFLATION: u64 = 1032;

/// What a damaged stream might become in a reader that goes on after the damage.
const MAX_DAMAGED: u64 = 64 << 20;

/// The widest row of a predictor, in samples.
const MAX_COLUMNS: u64 = 1 << 20;

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

/// Checks what is unpacked while a file is opened: streams that hold objects or tables of them, and the list of pages.
pub(super) fn check_structure(bytes: &[u8], limits: &Limits) -> Result<(), ExtractFailure> {
    let mut left = limits.max_unpacked;
    let mut pages = kids(bytes);
    let (mut from, mut carried) = (0_usize, false);
    let finder = memchr::memmem::Finder::new(b"stream");
    while let Some(found) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
        let start = from.saturating_add(found);
        let dictionary = bytes.get(from..start).unwrap_or_default();
        from = start.saturating_add(6);
        if dictionary.ends_with(b"end") {
            carried = false;
            continue;
        }
        if !carried && !holds_objects(dictionary) {
            continue;
        }
        let data = bytes.get(from..).unwrap_or_default();
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let size = size_of(data, dictionary, left.min(MAX_STREAM), &mut pages);
        left = left.saturating_sub(size);
        if size > MAX_STREAM || left == 0 {
            return Err(over("unpacked size in bytes", MAX_STREAM));
        }
        carried = size == 0;
        if pages > u64::from(limits.max_pages).saturating_mul(8) {
            break;
        }
    }
    if pages > u64::from(limits.max_pages).saturating_mul(8) {
        return Err(over("pages", limits.max_pages.into()));
    }
    Ok(())
}

/// Whether a stream could be one of objects (`/First`) or of a table of them (`/W`); a name may be written in other ways.
fn holds_objects(dictionary: &[u8]) -> bool {
    let own = dictionary.len().saturating_sub(4096);
    let own = dictionary.get(own..).unwrap_or_default();
    find(own, b"/First").is_some()
        || find(own, b"/ObjStm").is_some()
        || find(own, b"/XRef").is_some()
        || own.windows(3).any(|name| matches!(name, [b'/', b'W', b'[' | b' ' | b'\r' | b'\n' | b'\t']))
        || own.contains(&b'#')
}

/// What the layers of a stream become, the largest of them.
fn size_of(data: &[u8], dictionary: &[u8], limit: u64, pages: &mut u64) -> u64 {
    let own = dictionary.len().saturating_sub(4096);
    let own = dictionary.get(own..).unwrap_or_default();
    if columns(own) > MAX_COLUMNS {
        return u64::MAX;
    }
    if find(own, b"LZW").is_some() || find(own, b"RunLength").is_some() {
        // No program writes objects so.
        let end = memchr::memmem::find(data, b"endstream").unwrap_or(data.len());
        return as_u64(end).saturating_mul(64);
    }
    let (mut size, mut layer) = (0_u64, None::<Vec<u8>>);
    for _ in 0..4 {
        let input = layer.as_deref().unwrap_or(data);
        let [first, second, ..] = input else { break };
        let is_packed = first & 0x0F == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31);
        // Without a head of its own it may be packed all the same, but then only as a whole.
        if !is_packed && layer.is_some() {
            break;
        }
        let output = inflate::zlib(input, limit);
        size = size.max(as_u64(output.len()));
        if size > limit || output.is_empty() {
            break;
        }
        layer = Some(output);
    }
    *pages = pages.saturating_add(layer.as_deref().map_or(0, kids));
    if size > limit { size.max(MAX_STREAM.saturating_add(1)) } else { size.min(MAX_DAMAGED) }
}

/// The number after `/Columns`.
fn columns(dictionary: &[u8]) -> u64 {
    let Some(found) = find(dictionary, b"/Columns") else { return 0 };
    let after = dictionary.get(found.saturating_add(8)..).unwrap_or_default();
    let digits =
        after.iter().skip_while(|byte| byte.is_ascii_whitespace()).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit.saturating_sub(b'0')))
    })
}

/// How many pages and branches the page tree lists, at most: each takes memory as soon as a file is opened.
fn kids(bytes: &[u8]) -> u64 {
    let mut count = 0_u64;
    let mut rest = bytes;
    while let Some(found) = memchr::memmem::find(rest, b"/Kids") {
        rest = rest.get(found.saturating_add(5)..).unwrap_or_default();
        let end = memchr::memchr(b']', rest).unwrap_or(rest.len());
        let (list, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let entries = list.iter().filter(|byte| matches!(byte, b'R' | b'<')).count();
        count = count.saturating_add(as_u64(entries));
        rest = after;
    }
    count
}

/// A name in a dictionary, as text.
pub(super) fn name_of(dictionary: &Dict<'_>, key: &[u8]) -> Option<String> {
    dictionary.get::<Name<'_>>(key).map(|name| String::from_utf8_lossy(name.as_ref()).into_owned())
}
