//! Simple fonts: a byte is a code, and the code's glyph has a name.

use std::collections::HashMap;

use hayro_cmap::CMap;
use hayro_syntax::object::{Array, Dict, Name, Number, Object};

use super::names::{self, Codes, Standard};
use super::{Programs, bf_text, descriptor, plain_name, program};

/// Entries of `Differences` and `Widths` that are read: there are 256 codes, and each has a place of its own.
const MAX_ENTRIES: usize = 2_000;

/// A font of one-byte codes.
pub(super) struct Simple {
    to_unicode: Option<CMap>,
    differences: HashMap<u8, String>,
    codes: Option<Codes>,
    /// Names that the program gives by itself, where the file gives none.
    own: Option<HashMap<u8, String>>,
    standard: Standard,
    widths: Option<HashMap<u8, f64>>,
    missing_width: f64,
    /// What widths are multiplied with.
    scale: f64,
    pictures: bool,
}

impl Simple {
    pub(super) fn new(dictionary: &Dict<'_>, programs: &Programs<'_>) -> Self {
        let described = dictionary.get::<Dict<'_>>(b"FontDescriptor");
        let descriptor = descriptor(dictionary);
        let subtype = dictionary.get::<Name<'_>>(b"Subtype");
        let is = |kind: &[u8]| subtype.as_ref().is_some_and(|name| name.as_ref() == kind);
        let pictures = is(b"Type3");
        let name = plain_name(dictionary);
        let number = |key: &[u8]| descriptor.get::<Number>(key).map(|number| number.as_f64());
        let flags = descriptor.get::<u32>(b"Flags").unwrap_or(0);
        let standard = Standard::like(
            &name,
            number(b"FontWeight").is_some_and(|weight| weight >= 700.0),
            number(b"ItalicAngle").is_some_and(|angle| angle != 0.0),
            flags & 2 != 0,
        );
        let (codes, differences) = encoding(dictionary);
        let embedded = described.is_some() && super::is_embedded(dictionary);
        let is_symbols = matches!(standard, Standard::Symbol | Standard::Dingbats);
        // The encodings of such fonts are their own, whatever a file says, unless it brings them along.
        let codes = if is_symbols && !embedded { None } else { codes };
        let own = if codes.is_none() && embedded && !is(b"TrueType") {
            programs
                .program(&descriptor, &[b"FontFile3", b"FontFile"])
                .and_then(|bytes| program::own_names(&bytes))
        } else {
            None
        };
        let scale = dictionary.get::<[f64; 6]>(b"FontMatrix").map_or(0.001, |[scale, ..]| scale);
        Self {
            to_unicode: programs.to_unicode(dictionary),
            differences,
            codes,
            own,
            standard,
            widths: widths(dictionary),
            missing_width: number(b"MissingWidth").unwrap_or(0.0),
            scale: if pictures { scale * 1000.0 } else { 1.0 },
            pictures,
        }
    }

    /// What is used where the resources lack a font.
    pub(super) fn helvetica() -> Self {
        Self {
            to_unicode: None,
            differences: HashMap::new(),
            codes: None,
            own: None,
            standard: Standard::Helvetica,
            widths: None,
            missing_width: 0.0,
            scale: 1.0,
            pictures: false,
        }
    }

    fn name(&self, code: u8) -> Option<&str> {
        if let Some(name) = self.differences.get(&code) {
            return Some(name);
        }
        match (self.codes, &self.own) {
            (None, Some(own)) => own.get(&code).map(String::as_str),
            // In the encodings of the standard it is no character.
            _ if code == 0 => Some(".notdef"),
            (Some(codes), _) => codes.name(code),
            (None, None) if self.pictures => None,
            (None, None) => self.standard.codes().name(code),
        }
    }

    pub(super) fn text(&self, code: u8) -> Option<String> {
        let told = self.to_unicode.as_ref().and_then(|map| bf_text(map, code.into()));
        // Some maps say that a code is the character 0.
        if let Some(told) = told.filter(|told| told != "\0") {
            return Some(told);
        }
        names::characters(self.name(code)?)
    }

    pub(super) fn advance(&self, code: u8) -> f64 {
        let own = self.widths.as_ref().map(|widths| widths.get(&code).copied().unwrap_or(self.missing_width));
        let standard = || self.standard.width(self.name(code)?);
        let advance = match own {
            Some(own) => own,
            None if self.pictures => self.missing_width,
            None => standard().unwrap_or(0.0),
        };
        advance * self.scale
    }
}

fn encoding(dictionary: &Dict<'_>) -> (Option<Codes>, HashMap<u8, String>) {
    let mut differences = HashMap::new();
    let Some(own) = dictionary.get::<Dict<'_>>(b"Encoding") else {
        let name = dictionary.get::<Name<'_>>(b"Encoding");
        return (name.and_then(|name| Codes::named(name.as_ref())), differences);
    };
    let mut code = 0_i64;
    for entry in
        own.get::<Array<'_>>(b"Differences").iter().flat_map(Array::iter::<Object<'_>>).take(MAX_ENTRIES)
    {
        match entry {
            Object::Number(number) => code = number.as_i64(),
            Object::Name(name) => {
                if let Ok(code) = u8::try_from(code) {
                    differences.insert(code, String::from_utf8_lossy(name.as_ref()).into_owned());
                }
                code = code.saturating_add(1);
            }
            _ => {}
        }
    }
    let base = own.get::<Name<'_>>(b"BaseEncoding");
    (base.and_then(|name| Codes::named(name.as_ref())), differences)
}

fn widths(dictionary: &Dict<'_>) -> Option<HashMap<u8, f64>> {
    let first = dictionary.get::<Number>(b"FirstChar")?.as_i64();
    let last = dictionary.get::<Number>(b"LastChar")?.as_i64();
    let array = dictionary.get::<Array<'_>>(b"Widths")?;
    let entries = array.iter::<Number>().take(MAX_ENTRIES);
    let places = (first..=last).map(u8::try_from);
    Some(places.zip(entries).filter_map(|(code, width)| Some((code.ok()?, width.as_f64()))).collect())
}
