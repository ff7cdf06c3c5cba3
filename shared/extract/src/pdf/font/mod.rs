//! Fonts: what a code of a shown text means, and how far it goes.

mod composite;
mod names;
mod program;
mod simple;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use encoding_rs::Encoding;
use hayro_cmap::{BfString, CMap};
use hayro_syntax::object::{Array, Dict, Name, Stream};

use self::composite::Composite;
use self::simple::Simple;
use super::guard::{Guard, Refused, name_of};

/// The letters that one code may stand for, at most.
const MAX_LETTERS: usize = 32;
/// Codes whose meaning is kept; a font that has more forgets.
const MAX_KEPT: usize = 1 << 16;

/// The streams of a font, within the limits.
struct Programs<'g> {
    guard: &'g Guard,
    refused: std::cell::Cell<bool>,
}

impl Programs<'_> {
    fn bytes(&self, stream: &Stream<'_>) -> Option<Vec<u8>> {
        match self.guard.bytes(stream) {
            Ok(bytes) => Some(bytes),
            Err(refused) => {
                self.refused.set(self.refused.get() || refused == Refused::TooLarge);
                None
            }
        }
    }

    fn to_unicode(&self, dictionary: &Dict<'_>) -> Option<CMap> {
        CMap::parse(&self.bytes(&dictionary.get::<Stream<'_>>(b"ToUnicode")?)?, |_| None)
    }

    /// The first of the programs that is there.
    fn program(&self, descriptor: &Dict<'_>, keys: &[&[u8]]) -> Option<Vec<u8>> {
        self.bytes(&keys.iter().find_map(|key| descriptor.get::<Stream<'_>>(key))?)
    }
}

fn bf_text(map: &CMap, code: u32) -> Option<String> {
    map.lookup_bf_string(code).map(|text| match text {
        BfString::Char(c) => c.to_string(),
        BfString::String(text) => text,
    })
}

fn descendant<'a>(dictionary: &Dict<'a>) -> Option<Dict<'a>> {
    dictionary.get::<Array<'_>>(b"DescendantFonts")?.iter::<Dict<'_>>().next()
}

fn descriptor<'a>(dictionary: &Dict<'a>) -> Dict<'a> {
    let own = dictionary.get::<Dict<'_>>(b"FontDescriptor");
    own.or_else(|| descendant(dictionary)?.get::<Dict<'_>>(b"FontDescriptor")).unwrap_or_default()
}

/// The font's name without the prefix of a subset.
fn plain_name(dictionary: &Dict<'_>) -> String {
    let name = name_of(dictionary, b"BaseFont").or_else(|| name_of(dictionary, b"Name")).unwrap_or_default();
    let plain = match name.split_once('+') {
        Some((prefix, rest)) if prefix.len() == 6 => rest,
        _ => &name,
    };
    plain.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// Whether a font says that its codes are characters: by a map that is a name, or by having neither map nor program.
fn is_identity(dictionary: &Dict<'_>) -> bool {
    let says_so = dictionary.get::<Name<'_>>(b"ToUnicode").is_some_and(|name| name.starts_with(b"Identity"));
    let plain = name_of(dictionary, b"Encoding").is_some_and(|name| name.starts_with("Identity"));
    says_so || (plain && !is_embedded(dictionary))
}

fn is_embedded(dictionary: &Dict<'_>) -> bool {
    let descriptor = descriptor(dictionary);
    [&b"FontFile"[..], b"FontFile2", b"FontFile3"].iter().any(|key| descriptor.contains_key(key))
}

/// The encoding behind the name of a predefined map of codes, where it is one that browsers know.
fn east_asian(dictionary: &Dict<'_>) -> Option<&'static Encoding> {
    let name = name_of(dictionary, b"Encoding")?;
    let has = |piece: &str| name.contains(piece);
    Some(if has("UCS2") || has("UTF16") {
        encoding_rs::UTF_16BE
    } else if has("RKSJ") {
        encoding_rs::SHIFT_JIS
    } else if has("GBK") || has("GB-EUC") || has("GBpc") {
        encoding_rs::GBK
    } else if has("B5") || has("ETen") || has("HKscs") {
        encoding_rs::BIG5
    } else if has("KSC") {
        encoding_rs::EUC_KR
    } else if name == "EUC-H" || name == "EUC-V" {
        encoding_rs::EUC_JP
    } else {
        return None;
    })
}

/// How large a character of a font of pictures is, in thousandths of its size: its size alone says nothing.
fn type3_em(dictionary: &Dict<'_>) -> Option<f64> {
    let [_, _, _, scale, ..] = dictionary.get::<[f64; 6]>(b"FontMatrix")?;
    let [_, bottom, _, top] = dictionary.get::<[f64; 4]>(b"FontBBox").unwrap_or_default();
    let height = (top - bottom).abs();
    let em = if height > 0.0 { height * scale.abs() / 1.2 } else { scale.abs() * 1000.0 };
    (em.is_finite() && em > 0.0).then_some(em)
}

/// One font.
pub(super) struct Face {
    reading: FaceKind,
    pub(super) name: String,
    pub(super) bold: bool,
    /// What its size is multiplied with to compare it with that of others.
    pub(super) em: f64,
    kept: RefCell<HashMap<(u32, usize), Rc<FontSign>>>,
}

enum FaceKind {
    Simple {
        font: Box<Simple>,
        symbolic: bool,
    },
    Composite {
        font: Box<Composite>,
        /// Whether its codes are characters.
        identity: bool,
        encoding: Option<&'static Encoding>,
    },
    /// Codes of an encoding that needs no map.
    Encoded(&'static Encoding),
}

/// What a code is.
#[derive(Debug, Clone)]
pub(super) struct FontSign {
    /// `None` when nothing says it.
    pub(super) text: Option<Rc<str>>,
    /// Along the line, in thousandths of the size.
    pub(super) advance: f64,
}

impl Face {
    /// A font of the resources; without one its name.
    pub(super) fn new(dictionary: &Dict<'_>, guard: &Guard) -> Result<Self, String> {
        let name = plain_name(dictionary);
        let programs = Programs { guard, refused: std::cell::Cell::new(false) };
        let subtype = name_of(dictionary, b"Subtype").unwrap_or_default();
        let reading = if subtype == "Type0" || dictionary.contains_key(b"DescendantFonts") {
            let encoding = east_asian(dictionary);
            let has_map = dictionary.get::<Stream<'_>>(b"ToUnicode").is_some();
            match (Composite::new(dictionary, &programs), encoding) {
                (Some(font), encoding) => FaceKind::Composite {
                    font: Box::new(font),
                    identity: !has_map && is_identity(dictionary),
                    encoding: if has_map { None } else { encoding },
                },
                (None, Some(encoding)) => FaceKind::Encoded(encoding),
                (None, None) => return Err(name),
            }
        } else {
            let flags = descriptor(dictionary).get::<u32>(b"Flags").unwrap_or(0);
            let font = Box::new(Simple::new(dictionary, &programs));
            FaceKind::Simple { font, symbolic: flags & 4 != 0 }
        };
        if programs.refused.get() {
            return Err(name);
        }
        let em = if subtype == "Type3" { type3_em(dictionary) } else { None };
        Ok(Self::of(reading, name, em))
    }

    /// What is used where the resources lack a font.
    pub(super) fn helvetica() -> Self {
        let font = Box::new(Simple::helvetica());
        Self::of(FaceKind::Simple { font, symbolic: false }, "Helvetica".to_owned(), None)
    }

    fn of(reading: FaceKind, name: String, em: Option<f64>) -> Self {
        let lower = name.to_ascii_lowercase();
        let bold = ["bold", "black", "heavy", "demi"].iter().any(|word| lower.contains(word));
        Self { reading, name, bold, em: em.unwrap_or(1.0), kept: RefCell::default() }
    }

    pub(super) fn is_horizontal(&self) -> bool {
        match &self.reading {
            FaceKind::Composite { font, .. } => font.is_horizontal(),
            FaceKind::Simple { .. } | FaceKind::Encoded(_) => true,
        }
    }

    /// The next code of a text and its length, not 0. `at` lies in it.
    pub(super) fn code(&self, text: &[u8], at: usize) -> (u32, usize) {
        match &self.reading {
            FaceKind::Simple { .. } => (text.get(at).copied().unwrap_or(0).into(), 1),
            FaceKind::Composite { font, .. } => font.code(text, at),
            FaceKind::Encoded(encoding) => {
                let rest = text.get(at..).unwrap_or_default();
                let length = length_in(encoding, rest);
                (rest.iter().take(length).fold(0, |code, byte| code << 8 | u32::from(*byte)), length)
            }
        }
    }

    pub(super) fn sign(&self, code: u32, length: usize) -> Rc<FontSign> {
        if let Some(kept) = self.kept.borrow().get(&(code, length)) {
            return Rc::clone(kept);
        }
        let text = self.text(code, length).and_then(readable);
        // A ligature has a few letters; a file may claim a book for one code.
        let text = text.map(|text| text.chars().take(MAX_LETTERS).collect::<String>());
        let sign = Rc::new(FontSign { text: text.map(Rc::from), advance: self.advance(code, length) });
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert((code, length), Rc::clone(&sign));
        sign
    }

    fn advance(&self, code: u32, length: usize) -> f64 {
        let advance = match &self.reading {
            FaceKind::Simple { font, .. } => font.advance(byte(code)),
            FaceKind::Composite { font, .. } => font.advance(code, length),
            FaceKind::Encoded(_) if length == 1 => 500.0,
            FaceKind::Encoded(_) => 1000.0,
        };
        if advance.is_finite() { advance } else { 0.0 }
    }

    fn text(&self, code: u32, length: usize) -> Option<String> {
        let as_is = || char::from_u32(code).filter(|c| !c.is_control()).map(String::from);
        match &self.reading {
            FaceKind::Encoded(encoding) => decoded(encoding, code, length),
            FaceKind::Simple { font, symbolic } => {
                let plain = code < 0x7F || (code > 0xA0 && !symbolic);
                font.text(byte(code)).or_else(|| if plain { as_is() } else { None })
            }
            FaceKind::Composite { font, identity, encoding } => font
                .text(code)
                .or_else(|| encoding.and_then(|encoding| decoded(encoding, code, length)))
                .or_else(|| if *identity { as_is() } else { font.text_of_program(code, length) }),
        }
    }
}

fn byte(code: u32) -> u8 {
    u8::try_from(code).unwrap_or(0)
}

/// How many bytes the first character has.
fn length_in(encoding: &'static Encoding, bytes: &[u8]) -> usize {
    let Some(first) = bytes.first() else { return 1 };
    let double = if encoding == encoding_rs::UTF_16BE {
        true
    } else if encoding == encoding_rs::SHIFT_JIS {
        matches!(first, 0x81..=0x9F | 0xE0..=0xFC)
    } else {
        *first >= 0x81
    };
    if double && bytes.len() > 1 { 2 } else { 1 }
}

fn decoded(encoding: &'static Encoding, code: u32, length: usize) -> Option<String> {
    let bytes = code.to_be_bytes();
    let own = bytes.get(bytes.len().saturating_sub(length)..)?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(own)?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.into_owned())
}

/// Private characters of the fonts of bullets and ticks, and ligatures as the letters they are.
fn readable(text: String) -> Option<String> {
    let is_plain =
        |c: char| !matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{FB00}'..='\u{FB06}') && !c.is_control();
    if text.chars().all(is_plain) {
        return Some(text);
    }
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '\u{FB00}' => plain.push_str("ff"),
            '\u{FB01}' => plain.push_str("fi"),
            '\u{FB02}' => plain.push_str("fl"),
            '\u{FB03}' => plain.push_str("ffi"),
            '\u{FB04}' => plain.push_str("ffl"),
            '\u{FB05}' | '\u{FB06}' => plain.push_str("st"),
            '\u{F0FC}' | '\u{F0FE}' => plain.push('✓'),
            '\u{F06C}' | '\u{F06E}' | '\u{F071}' | '\u{F075}' | '\u{F076}' | '\u{F0A7}' | '\u{F0A8}'
            | '\u{F0B7}' | '\u{F0D8}' | '\u{F0E0}' => plain.push('•'),
            // A symbol font's own place for ASCII.
            '\u{F020}'..='\u{F07E}' => {
                plain.extend(char::from_u32(u32::from(c).saturating_sub(0xF000)));
            }
            '\t' | '\n' | '\r' => plain.push(' '),
            c if is_plain(c) => plain.push(c),
            _ => {}
        }
    }
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bullets_and_ligatures_are_readable() {
        assert_eq!(readable("\u{F0B7}".to_owned()).as_deref(), Some("•"));
        assert_eq!(readable("e\u{FB03}cient".to_owned()).as_deref(), Some("efficient"));
        assert_eq!(readable("\u{E123}".to_owned()), None);
    }

    #[test]
    fn predefined_maps_of_encodings_need_no_table() {
        assert_eq!(decoded(encoding_rs::SHIFT_JIS, 0x93FA, 2).as_deref(), Some("日"));
        assert_eq!(decoded(encoding_rs::UTF_16BE, 0x4E2D, 2).as_deref(), Some("中"));
        assert_eq!(length_in(encoding_rs::SHIFT_JIS, &[0x93, 0xFA]), 2);
        assert_eq!(length_in(encoding_rs::SHIFT_JIS, b"a"), 1);
    }
}
