//! Fonts: what a code of a shown text means, and how far it goes.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use encoding_rs::Encoding;
use hayro_font::hayro_cmap::{self, BfString, CMap, CMapName, CidFamily};
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontResolverFn, StandardFont};
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as PdfString};
use skrifa::MetadataProvider as _;

use super::guard::{Guard, name_of};
use super::stub;

/// Codes whose meaning is kept; a font that has more forgets.
const MAX_KEPT: usize = 1 << 16;

/// The fonts of a file.
pub(super) struct Faces<'a> {
    cache: FontCache<'a>,
    substitutes: FontResolverFn,
    cmaps: CMapResolverFn,
}

impl<'a> Faces<'a> {
    pub(super) fn new() -> Self {
        let stub: hayro_font::FontData = Arc::new(stub::font());
        Self {
            cache: FontCache::new(),
            // Without any, fonts that are not embedded lose their text.
            substitutes: Arc::new(move |_| Some((Arc::clone(&stub), 0))),
            cmaps: Arc::new(hayro_cmap::load_embedded),
        }
    }

    /// A font of the resources.
    pub(super) fn face(&self, dictionary: &Dict<'a>, guard: &Guard) -> Result<Face<'a>, String> {
        let name = font_name(dictionary);
        if !guard.allow_font(dictionary) {
            return Err(name);
        }
        let encoding = east_asian(dictionary);
        let Some(font) = self.cache.font(dictionary, &self.substitutes, &self.cmaps) else {
            let encoding = encoding.ok_or_else(|| name.clone())?;
            return Ok(Face::new(FaceKind::Encoded(encoding), name, None));
        };
        let subtype = name_of(dictionary, b"Subtype").unwrap_or_default();
        let has_map = dictionary.get::<Stream<'_>>(b"ToUnicode").is_some();
        let composite = subtype == "Type0";
        let flags = descriptor(dictionary).get::<u32>(b"Flags").unwrap_or(0);
        let known = Known {
            simple: !composite,
            symbolic: flags & 4 != 0,
            identity: composite && !has_map && is_identity(dictionary),
            collection: if composite && !has_map { self.collection(dictionary) } else { None },
            encoding: if has_map { None } else { encoding },
            program: OnceCell::new(),
        };
        let em = if subtype == "Type3" { type3_em(dictionary) } else { None };
        Ok(Face::new(FaceKind::Font(Box::new(font), Box::new(known)), name, em))
    }

    /// What is used where the resources lack a font.
    pub(super) fn default_face(&self) -> Option<Face<'a>> {
        let font = self.cache.standard_font(StandardFont::Helvetica, &self.substitutes)?;
        let known = Known { simple: true, ..Known::default() };
        Some(Face::new(FaceKind::Font(Box::new(font), Box::new(known)), "Helvetica".to_owned(), None))
    }

    /// A character collection of Adobe's says what its numbers mean.
    fn collection(&self, dictionary: &Dict<'a>) -> Option<(CMap, CMap)> {
        let load = |name: CMapName<'_>| {
            let cmaps = Arc::clone(&self.cmaps);
            CMap::parse((self.cmaps)(name)?, move |name| cmaps(name))
        };
        let codes = match dictionary.get::<Object<'_>>(b"Encoding")? {
            Object::Name(name) => match CMapName::from_bytes(&name) {
                CMapName::IdentityH | CMapName::IdentityV => CMap::identity_h(),
                other => load(other)?,
            },
            Object::Stream(stream) => {
                let cmaps = Arc::clone(&self.cmaps);
                CMap::parse(&stream.decoded_data().ok()?, move |name| cmaps(name))?
            }
            _ => return None,
        };
        let own = codes.metadata().character_collection.clone().map(|collection| collection.family);
        let family = own.filter(|family| family.ucs2_cmap().is_some()).or_else(|| {
            let info = descendant(dictionary)?.get::<Dict<'_>>(b"CIDSystemInfo")?;
            let text = |key: &[u8]| info.get::<PdfString<'_>>(key).map(|text| text.as_bytes().to_vec());
            Some(CidFamily::from_registry_ordering(&text(b"Registry")?, &text(b"Ordering")?))
        })?;
        Some((codes, load(family.ucs2_cmap()?)?))
    }
}

fn descendant<'a>(dictionary: &Dict<'a>) -> Option<Dict<'a>> {
    dictionary.get::<Array<'_>>(b"DescendantFonts")?.iter::<Dict<'_>>().next()
}

fn descriptor<'a>(dictionary: &Dict<'a>) -> Dict<'a> {
    let own = dictionary.get::<Dict<'_>>(b"FontDescriptor");
    own.or_else(|| descendant(dictionary)?.get::<Dict<'_>>(b"FontDescriptor")).unwrap_or_default()
}

/// The font's name without the prefix of a subset.
fn font_name(dictionary: &Dict<'_>) -> String {
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
pub(super) struct Face<'a> {
    reading: FaceKind<'a>,
    pub(super) name: String,
    pub(super) bold: bool,
    /// What its size is multiplied with to compare it with that of others.
    pub(super) em: f64,
    kept: RefCell<HashMap<(u32, usize), Rc<FontSign>>>,
}

enum FaceKind<'a> {
    Font(Box<Font<'a>>, Box<Known>),
    /// Codes of an encoding that needs no map.
    Encoded(&'static Encoding),
}

/// What is known of a font beside its own way to Unicode.
#[derive(Default)]
struct Known {
    simple: bool,
    symbolic: bool,
    identity: bool,
    collection: Option<(CMap, CMap)>,
    encoding: Option<&'static Encoding>,
    /// The characters of the glyphs of its program.
    program: OnceCell<HashMap<u32, char>>,
}

/// What a code is.
#[derive(Debug, Clone)]
pub(super) struct FontSign {
    /// `None` when nothing says it.
    pub(super) text: Option<Rc<str>>,
    /// Along the line, in thousandths of the size.
    pub(super) advance: f64,
}

impl<'a> Face<'a> {
    fn new(reading: FaceKind<'a>, name: String, em: Option<f64>) -> Self {
        let lower = name.to_ascii_lowercase();
        let bold = ["bold", "black", "heavy", "demi"].iter().any(|word| lower.contains(word));
        Self { reading, name, bold, em: em.unwrap_or(1.0), kept: RefCell::default() }
    }

    pub(super) fn is_horizontal(&self) -> bool {
        match &self.reading {
            FaceKind::Font(font, _) => font.is_horizontal(),
            FaceKind::Encoded(_) => true,
        }
    }

    /// The next code of a text and its length, not 0. `at` lies in it.
    pub(super) fn code(&self, text: &[u8], at: usize) -> (u32, usize) {
        match &self.reading {
            FaceKind::Font(font, _) => {
                let (code, length) = font.read_code(text, at);
                (code, length.max(1))
            }
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
            FaceKind::Font(font, _) if font.is_horizontal() => font.code_advance(code).x,
            FaceKind::Font(font, _) => font.code_advance(code).y,
            FaceKind::Encoded(_) if length == 1 => 500.0,
            FaceKind::Encoded(_) => 1000.0,
        };
        if advance.is_finite() { advance } else { 0.0 }
    }

    fn text(&self, code: u32, length: usize) -> Option<String> {
        let (font, known) = match &self.reading {
            FaceKind::Font(font, known) => (font, known),
            FaceKind::Encoded(encoding) => return decoded(encoding, code, length),
        };
        let glyph = font.glyph(font.map_code(code), code);
        let own = match &glyph {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        let collected = || {
            let (codes, characters) = known.collection.as_ref()?;
            characters.lookup_bf_string(codes.lookup_cid_code(code, u8::try_from(length).ok()?)?)
        };
        match own.or_else(collected) {
            Some(BfString::Char(c)) => return Some(c.to_string()),
            Some(BfString::String(text)) => return Some(text),
            None => {}
        }
        if let Some(encoding) = known.encoding
            && let Some(text) = decoded(encoding, code, length)
        {
            return Some(text);
        }
        let as_is = char::from_u32(code).filter(|c| !c.is_control());
        if known.simple && (code < 0x7F || (code > 0xA0 && !known.symbolic)) || known.identity {
            return as_is.map(String::from);
        }
        let FontGlyph::Outline(glyph) = glyph else { return None };
        if !known.simple {
            // Outlines are not looked at: what draws them is larger than all of the rest.
            let characters = known.program.get_or_init(|| {
                let data = glyph.font_data().map(|data| data.data);
                data.map_or_else(HashMap::new, |data| characters_of((*data).as_ref()))
            });
            if let Some(c) = characters.get(&glyph.glyph_id().to_u32()) {
                return Some(c.to_string());
            }
        }
        None
    }
}

/// The table of a font program, backwards.
fn characters_of(program: &[u8]) -> HashMap<u32, char> {
    let mut characters = HashMap::new();
    if let Ok(font) = skrifa::FontRef::new(program) {
        for (code, glyph) in font.charmap().mappings().take(MAX_KEPT) {
            if let Some(c) = char::from_u32(code) {
                characters.entry(glyph.to_u32()).or_insert(c);
            }
        }
    }
    characters
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
