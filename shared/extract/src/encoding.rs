//! Bytes to text: UTF-8, UTF-16, and the legacy encodings that browsers know (windows-1251, KOI8-R, …).

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// How much of a file decides whether it is binary.
const SAMPLE: usize = 64 * 1024;

/// The text, or `None` when it is no text.
pub(crate) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        let (text, _, broken) = encoding.decode(bytes);
        return (!broken).then_some(text);
    }
    if let Some(encoding) = utf16_without_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(bytes);
        return (!broken).then_some(text);
    }
    if is_binary(bytes) {
        return None;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    let encoding = declared(bytes).unwrap_or_else(|| {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(bytes, true);
        detector.guess(None, Utf8Detection::Deny)
    });
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    // One damaged byte in a long UTF-8 text is a damaged character, not another encoding.
    if broken && encoding != encoding_rs::UTF_8 {
        return None;
    }
    Some(text)
}

/// Whether control characters that no text has are in it.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(SAMPLE).any(|byte| matches!(byte, 0..=8 | 0x0E..=0x1A | 0x1C..=0x1F))
}

/// What an HTML page says about itself in its first kilobyte.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(bytes.get(..1024).unwrap_or(bytes)).to_ascii_lowercase();
    if !head.contains('<') {
        return None;
    }
    let (_, after) = head.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    Encoding::for_label(label.as_bytes()).filter(|encoding| *encoding != UTF_16LE && *encoding != UTF_16BE)
}

/// UTF-16 without a mark: in most languages one of the two bytes takes very few values, zero or the script's page.
fn utf16_without_bom(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..4096).unwrap_or(bytes);
    if !bytes.len().is_multiple_of(2) || sample.len() < 4 || !sample.contains(&0) {
        return None;
    }
    let is_page = |byte: &u8| matches!(byte, 0 | 4);
    let pairs = sample.chunks_exact(2).count();
    let high_first = sample.iter().step_by(2).filter(|byte| is_page(byte)).count();
    let high_last = sample.iter().skip(1).step_by(2).filter(|byte| is_page(byte)).count();
    let enough = |count: usize| count.saturating_mul(100) >= pairs.saturating_mul(95);
    let encoding = match (enough(high_first), enough(high_last)) {
        (false, true) => UTF_16LE,
        (true, false) => UTF_16BE,
        _ => return None,
    };
    // Binary data of the same pattern decodes to control characters.
    let (text, broken) = encoding.decode_without_bom_handling(sample);
    let control = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'));
    (!broken && !control).then_some(encoding)
}
