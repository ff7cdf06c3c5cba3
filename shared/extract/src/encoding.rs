//! Bytes to text: UTF-8, UTF-16, and the legacy encodings that browsers know (windows-1251, KOI8-R, …).

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a file decides whether it is binary, and what it declares.
const SAMPLE: usize = 64 * 1024;

/// How much of a text decides about its encoding: by the detector, and by Russian letters.
const DETECTED: usize = 256 * 1024;
const SCORED: usize = 8 * 1024;

/// A text with its lines ended by LF.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Places where bytes are no characters; each is a U+FFFD in the text.
    pub(crate) damaged: usize,
}

/// The text, or `None` when it is no text.
pub(crate) fn decode(bytes: &[u8]) -> Option<Decoded<'_>> {
    // Programs of old end a text with Ctrl-Z.
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, 0x1A | b'\r' | b'\n'))
        .map_or(0, |last| last.saturating_add(1));
    let bytes = match bytes.get(end..) {
        Some(rest) if rest.contains(&0x1A) => bytes.get(..end).unwrap_or(bytes),
        _ => bytes,
    };
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return Some(lossy(encoding, bytes.get(mark..).unwrap_or_default()));
    }
    if let Some(encoding) = utf16_without_bom(bytes) {
        return Some(lossy(encoding, bytes));
    }
    if is_binary(bytes) {
        return None;
    }
    if bytes.windows(2).take(SAMPLE).any(|pair| pair == b"\x1B$") {
        let text = encoding_rs::ISO_2022_JP.decode_without_bom_handling_and_without_replacement(bytes);
        return text.map(|text| Decoded { text: lines(text), damaged: 0 });
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Decoded { text: lines(Cow::Borrowed(text)), damaged: 0 });
    }
    // A damaged place in UTF-8 costs its character and makes no other encoding of the rest.
    if is_mostly_utf8(bytes) {
        return Some(lossy(UTF_8, bytes));
    }
    let found =
        declared(bytes).map(|encoding| lossy(encoding, bytes)).filter(|text| is_plausible(text, bytes));
    let found =
        found.or_else(|| Some(lossy(detected(bytes), bytes)).filter(|text| is_plausible(text, bytes)));
    found.filter(|found| !found.text.is_empty())
}

fn lossy<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Decoded<'a> {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let damaged = if broken { text.matches('\u{FFFD}').count() } else { 0 };
    Decoded { text: lines(text), damaged }
}

/// At most a few characters of those that are not ASCII are damaged.
fn is_plausible(text: &Decoded<'_>, bytes: &[u8]) -> bool {
    let special = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    text.damaged == 0 || text.damaged.saturating_mul(20) <= special
}

fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        whole = whole.saturating_add(chunk.valid().chars().filter(|c| !c.is_ascii()).count());
        broken = broken.saturating_add(usize::from(!chunk.invalid().is_empty()));
    }
    whole >= broken.saturating_mul(4)
}

/// Whether it is no text: it has NULs, or more than a few control characters that no text has.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let odd = sample.iter().filter(|byte| matches!(byte, 1..=8 | 0x0E..=0x1A | 0x1C..=0x1F)).count();
    sample.contains(&0) || odd > (sample.len() / 100).saturating_add(1)
}

/// What a page says about itself: `charset` of its `meta`, or the encoding of an XML declaration.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(bytes.get(..SAMPLE).unwrap_or(bytes)).to_ascii_lowercase();
    let start = head.trim_start();
    if !start.starts_with('<') {
        return None;
    }
    let by_xml = start
        .strip_prefix("<?xml")
        .and_then(|declaration| declaration.split_once("?>"))
        .and_then(|(declaration, _)| declaration.split_once("encoding="))
        .map(|(_, after)| after);
    let by_meta = || {
        head.split("<meta")
            .skip(1)
            .filter_map(|tag| tag.split('>').next()?.split_once("charset="))
            .map(|(_, after)| after)
            .next()
    };
    let label: String = by_xml
        .or_else(by_meta)?
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))
        .collect();
    let encoding = Encoding::for_label(label.as_bytes())?;
    // One that says UTF-8 here is wrong, and one of UTF-16 could not be read at all.
    (encoding != UTF_8 && encoding != UTF_16LE && encoding != UTF_16BE).then_some(encoding)
}

fn detected(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // What it is, the first letters beyond ASCII tell; the detector is slow on more of them.
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0).saturating_sub(256);
    let told = bytes.get(first..).unwrap_or(bytes);
    let sample = told.get(..DETECTED).unwrap_or(told);
    detector.feed(sample, sample.len() == told.len());
    let guess = detector.guess(None, Utf8Detection::Deny);
    // A few words are too little for it. In Russian most letters are beyond ASCII, and their order tells the encoding.
    let sample = bytes.get(..SCORED).unwrap_or(bytes);
    let special = sample.iter().filter(|byte| !byte.is_ascii()).count();
    if special <= sample.iter().filter(|byte| byte.is_ascii_alphabetic()).count() {
        return guess;
    }
    let candidates = [
        encoding_rs::WINDOWS_1251,
        encoding_rs::KOI8_R,
        encoding_rs::IBM866,
        encoding_rs::ISO_8859_5,
        encoding_rs::X_MAC_CYRILLIC,
    ];
    let scored = candidates.into_iter().map(|encoding| {
        let (text, _) = encoding.decode_without_bom_handling(sample);
        (russian(&text), encoding)
    });
    // The first of equals, as the candidates stand in the order of their use.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best {
        Some((score, encoding)) if score > i64::try_from(special).unwrap_or(i64::MAX) => encoding,
        _ => guess,
    }
}

/// How Russian a text is: common letters count for it, capitals within words and signs between letters against.
fn russian(text: &str) -> i64 {
    let mut score = 0_i64;
    let mut before = ' ';
    for c in text.chars().filter(|c| !matches!(c, '\r')) {
        let worth = match c {
            'о' | 'е' | 'а' | 'и' | 'н' | 'т' | 'с' | 'р' | 'в' | 'л' => 3,
            'а'..='я' | 'ё' => 1,
            'А'..='Я' | 'Ё' if before.is_lowercase() => -4,
            'А'..='Я' | 'Ё' => 1,
            c if c.is_ascii() => 0,
            '«' | '»' | '—' | '–' | '№' | '…' | '„' | '“' | '”' => 0,
            _ => -4,
        };
        score = score.saturating_add(worth);
        before = c;
    }
    score
}

/// Lines ended by LF alone: CR, NEL and vertical tabs end lines, too.
fn lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(['\r', '\u{85}', '\u{B}']) {
        return text;
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{B}'], "\n"))
}

/// UTF-16 without a mark: in most languages one of the two bytes takes very few values, zero or the script's page.
fn utf16_without_bom(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = bytes.get(..4096).unwrap_or(bytes);
    if sample.len() < 4 || !sample.contains(&0) {
        return None;
    }
    let is_page = |byte: &u8| matches!(byte, 0 | 4);
    let pairs = sample.chunks_exact(2).count();
    let high_first =
        sample.chunks_exact(2).filter_map(|pair| pair.first()).filter(|byte| is_page(byte)).count();
    let high_last =
        sample.chunks_exact(2).filter_map(|pair| pair.last()).filter(|byte| is_page(byte)).count();
    let enough = |count: usize| count.saturating_mul(100) >= pairs.saturating_mul(95);
    let encoding = match (enough(high_first), enough(high_last)) {
        (false, true) => UTF_16LE,
        (true, false) => UTF_16BE,
        _ => return None,
    };
    // Binary data of the same pattern decodes to control characters.
    let even = sample.get(..pairs.saturating_mul(2)).unwrap_or(sample);
    let (text, _) = encoding.decode_without_bom_handling(even);
    let control = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'));
    (!control).then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSSIAN: &str = "Режим работы: с 9 до 18\r\nАдрес: улица Ленина, 5";

    #[test]
    fn short_russian_texts_are_told_by_their_letters() {
        for encoding in
            [encoding_rs::WINDOWS_1251, encoding_rs::KOI8_R, encoding_rs::IBM866, encoding_rs::ISO_8859_5]
        {
            for text in [RUSSIAN, "Цена 5 руб"] {
                let bytes = encoding.encode(text).0.into_owned();
                let decoded = decode(&bytes).unwrap();
                assert_eq!(decoded.text, text.replace("\r\n", "\n"), "{}", encoding.name());
            }
        }
    }

    #[test]
    fn a_bad_byte_costs_one_character() {
        let bytes = [RUSSIAN.as_bytes(), b"\xFF", RUSSIAN.as_bytes()].concat();
        let decoded = decode(&bytes).unwrap();
        assert_eq!((decoded.damaged, decoded.text.matches('\u{FFFD}').count()), (1, 1));
        assert!(decoded.text.starts_with("Режим работы") && decoded.text.ends_with("Ленина, 5"));
        let marked = [b"\xEF\xBB\xBF".as_slice(), &bytes].concat();
        assert_eq!(decode(&marked).unwrap().text, decoded.text);
    }

    #[test]
    fn utf16_may_be_cut_or_hold_half_a_character() {
        let mut bytes: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(RUSSIAN.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        bytes.push(0x41);
        assert!(decode(&bytes).unwrap().text.starts_with("Режим работы"));
        bytes.splice(4..4, [0x00, 0xD8]);
        assert!(decode(&bytes).unwrap().text.contains("работы: с 9"));
    }

    #[test]
    fn lines_end_in_every_way_that_there_is() {
        for end in ["\r", "\r\n", "\u{85}", "\u{B}"] {
            assert_eq!(decode(format!("one{end}two").as_bytes()).unwrap().text, "one\ntwo");
        }
        assert_eq!(decode(b"tea\r\n\x1A").unwrap().text, "tea");
        assert!(decode(b"Price list\n\x08Kettle 3990").is_some());
        assert!(decode(b"tea\0cup").is_none());
    }

    #[test]
    fn what_a_page_declares_counts_unless_it_is_wrong() {
        let page =
            |head: &str| encoding_rs::WINDOWS_1251.encode(&format!("{head}<p>{RUSSIAN}")).0.into_owned();
        for head in [
            "<meta charset=\"utf-8\">",
            "<?xml version=\"1.0\" encoding=\"windows-1251\"?>",
            &format!(
                "<!-- {} --><meta http-equiv=\"Content-Type\" content=\"text/html; charset=windows-1251\">",
                "x".repeat(3000)
            ),
        ] {
            assert!(decode(&page(head)).unwrap().text.contains("улица Ленина"), "{head}");
        }
        let chinese = [
            b"<meta charset=gb2312><p>".as_slice(),
            &encoding_rs::GBK.encode("谢谢惠顾，营业时间为九点").0,
            b"\xFF",
        ]
        .concat();
        assert!(decode(&chinese).unwrap().text.contains("谢谢惠顾"));
    }
}
