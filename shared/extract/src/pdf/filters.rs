//! Filters of streams, undone under a limit, layer by layer. What a damaged stream gave before the damage counts.

use hayro_syntax::object::{Array, Dict, Name, Object};
use weezl::{BitOrder, LzwStatus, decode::Decoder};

use crate::as_u64;
use crate::inflate::zlib as inflate;

/// More layers are not data but a trap.
const MAX_LAYERS: usize = 6;

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamFilter {
    Flate,
    Lzw,
    Hexadecimal,
    Ascii85,
    RunLength,
    /// The key of an encrypted file, which was used before.
    Crypt,
    /// Of pictures, or not known.
    Other,
}

/// The filters of a stream, in the order in which they are undone.
pub(super) fn filters_of(dictionary: &Dict<'_>) -> Vec<StreamFilter> {
    let entry = dictionary.get::<Object<'_>>(b"Filter").or_else(|| dictionary.get::<Object<'_>>(b"F"));
    match entry {
        Some(Object::Name(name)) => vec![StreamFilter::named(&name)],
        Some(Object::Array(names)) => names_of(&names),
        _ => Vec::new(),
    }
}

fn names_of(names: &Array<'_>) -> Vec<StreamFilter> {
    names
        .iter::<Name<'_>>()
        .take(MAX_LAYERS.saturating_add(1))
        .map(|name| StreamFilter::named(&name))
        .collect()
}

impl StreamFilter {
    pub(super) fn named(name: &[u8]) -> Self {
        match name {
            b"FlateDecode" | b"Fl" => Self::Flate,
            b"LZWDecode" | b"LZW" => Self::Lzw,
            b"ASCIIHexDecode" | b"AHx" => Self::Hexadecimal,
            b"ASCII85Decode" | b"A85" => Self::Ascii85,
            b"RunLengthDecode" | b"RL" => Self::RunLength,
            b"Crypt" => Self::Crypt,
            _ => Self::Other,
        }
    }
}

/// What is left of a stream without its filters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfiltered {
    /// All of it, or what comes before a damaged place.
    Bytes(Vec<u8>),
    /// A layer became larger than the limit.
    TooLarge,
    /// A picture, or a filter that is not known.
    NoData,
}

/// Undoes `filters` in their order; no layer may give more than `limit` bytes.
pub(super) fn undo(data: &[u8], filters: &[StreamFilter], early_change: bool, limit: u64) -> Unfiltered {
    if filters.len() > MAX_LAYERS {
        return Unfiltered::TooLarge;
    }
    let mut bytes: Option<Vec<u8>> = None;
    for (index, filter) in filters.iter().enumerate() {
        let input = bytes.as_deref().unwrap_or(data);
        let output = match filter {
            StreamFilter::Flate => inflate(input, limit),
            StreamFilter::Lzw => lzw(input, early_change, limit),
            StreamFilter::Hexadecimal => hexadecimal(input, limit),
            StreamFilter::Ascii85 => ascii85(input, limit),
            StreamFilter::RunLength => run_lengths(input, limit),
            // The key was used before.
            StreamFilter::Crypt if index == 0 => continue,
            _ => return Unfiltered::NoData,
        };
        if as_u64(output.len()) > limit {
            return Unfiltered::TooLarge;
        }
        bytes = Some(output);
    }
    match bytes {
        Some(bytes) => Unfiltered::Bytes(bytes),
        None if as_u64(data.len()) > limit => Unfiltered::TooLarge,
        None => Unfiltered::Bytes(data.to_vec()),
    }
}

fn lzw(data: &[u8], early_change: bool, limit: u64) -> Vec<u8> {
    let mut decoder = if early_change {
        Decoder::with_tiff_size_switch(BitOrder::Msb, 8)
    } else {
        Decoder::new(BitOrder::Msb, 8)
    };
    let (mut bytes, mut rest) = (Vec::new(), data);
    let mut piece = vec![0; 16 << 10];
    loop {
        let step = decoder.decode_bytes(rest, &mut piece);
        bytes.extend_from_slice(piece.get(..step.consumed_out).unwrap_or_default());
        rest = rest.get(step.consumed_in..).unwrap_or_default();
        let moves = step.consumed_out > 0 || step.consumed_in > 0;
        let goes_on = moves && matches!(step.status, Ok(LzwStatus::Ok));
        if !goes_on || as_u64(bytes.len()) > limit {
            return bytes;
        }
    }
}

fn hexadecimal(data: &[u8], limit: u64) -> Vec<u8> {
    let mut digits = data.iter().take_while(|byte| **byte != b'>').filter_map(|byte| match byte {
        b'0'..=b'9' => Some(byte.saturating_sub(b'0')),
        b'a'..=b'f' => Some(byte.saturating_sub(b'a').saturating_add(10)),
        b'A'..=b'F' => Some(byte.saturating_sub(b'A').saturating_add(10)),
        _ => None,
    });
    let mut bytes = Vec::new();
    while let Some(high) = digits.next()
        && as_u64(bytes.len()) <= limit
    {
        bytes.push((high << 4) | digits.next().unwrap_or(0));
    }
    bytes
}

fn ascii85(data: &[u8], limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut group: Vec<u32> = Vec::with_capacity(5);
    for byte in data.strip_prefix(b"<~").unwrap_or(data) {
        match byte {
            b'z' if group.is_empty() => bytes.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => group.push(u32::from(byte.saturating_sub(b'!'))),
            b'~' => break,
            _ => {}
        }
        if as_u64(bytes.len()) > limit {
            return bytes;
        }
        if group.len() == 5 {
            bytes.extend_from_slice(&base85(&group));
            group.clear();
        }
    }
    if let kept @ 1.. = group.len().saturating_sub(1) {
        group.resize(5, 84);
        bytes.extend_from_slice(base85(&group).get(..kept).unwrap_or_default());
    }
    bytes
}

fn base85(group: &[u32]) -> [u8; 4] {
    group.iter().fold(0_u32, |value, digit| value.wrapping_mul(85).wrapping_add(*digit)).to_be_bytes()
}

fn run_lengths(data: &[u8], limit: u64) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), data);
    while let Some((length, after)) = rest.split_first() {
        let count = match length {
            128 => break,
            0..128 => usize::from(*length).saturating_add(1),
            _ => 257_usize.saturating_sub(usize::from(*length)),
        };
        let taken = if *length < 128 { count.min(after.len()) } else { 1 };
        let Some((literal, next)) = after.split_at_checked(taken) else { break };
        match literal {
            [byte] if *length > 128 => bytes.resize(bytes.len().saturating_add(count), *byte),
            literal => bytes.extend_from_slice(literal),
        }
        if as_u64(bytes.len()) > limit {
            break;
        }
        rest = next;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(data).unwrap();
        packed.finish().unwrap()
    }

    fn undone(data: &[u8], filters: &[StreamFilter]) -> String {
        match undo(data, filters, true, 1000) {
            Unfiltered::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_filter_is_undone() {
        assert_eq!(undone(&deflated(b"tea"), &[StreamFilter::Flate]), "tea");
        assert_eq!(undone(b"74 65 6 1>rest", &[StreamFilter::Hexadecimal]), "tea");
        // The examples of the PDF Association's and of Adobe's specification.
        assert_eq!(undone(b"87cURD]j7BEbo80~>", &[StreamFilter::Ascii85]), "Hello world!");
        assert_eq!(undone(b"\x02tea\xfe!\x80rest", &[StreamFilter::RunLength]), "tea!!!");
        let lzw = [0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01];
        assert_eq!(undone(&lzw, &[StreamFilter::Lzw]), "-----A---B");
        let twice = deflated(&deflated(b"tea"));
        assert_eq!(undone(&twice, &[StreamFilter::Flate, StreamFilter::Flate]), "tea");
    }

    #[test]
    fn every_layer_is_bounded() {
        let inner = deflated(&vec![b' '; 1 << 20]);
        let outer = deflated(&inner);
        let flate = StreamFilter::Flate;
        assert_eq!(undo(&inner, &[flate], true, 1 << 19), Unfiltered::TooLarge);
        assert_eq!(undo(&outer, &[flate, flate], true, 1 << 19), Unfiltered::TooLarge);
        assert_eq!(undo(&outer, &[flate; 7], true, 1 << 30), Unfiltered::TooLarge);
        assert_eq!(
            undo(&[0x81, b' '].repeat(100), &[StreamFilter::RunLength], true, 1000),
            Unfiltered::TooLarge
        );
    }

    #[test]
    fn what_comes_before_a_damaged_place_is_kept() {
        let text: String = (0..5000).map(|n| format!("{n} ")).collect();
        let mut packed = deflated(text.as_bytes());
        packed.truncate(packed.len() / 2);
        let Unfiltered::Bytes(bytes) = undo(&packed, &[StreamFilter::Flate], true, 1 << 20) else { panic!() };
        assert!(bytes.len() > 1000 && text.as_bytes().starts_with(&bytes), "{}", bytes.len());
    }
}
