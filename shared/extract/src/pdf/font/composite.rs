//! Composite fonts: codes of several bytes, whose maps say which characters, widths and glyphs are theirs.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use hayro_cmap::{CMap, CMapName, WritingMode};
use hayro_syntax::object::{Array, Dict, Number, Object, Stream};

use super::{Programs, bf_text, descendant, descriptor, names, program};

/// Entries of a table of widths that are kept: a font has 65,536 characters.
const MAX_WIDTHS: usize = 1 << 17;

/// A font of codes of one to four bytes.
pub(super) struct Composite {
    codes: CMap,
    to_unicode: Option<CMap>,
    horizontal: bool,
    widths: Widths,
    default_width: f64,
    program: Option<Vec<u8>>,
    /// Glyphs by their numbers in the file, two bytes each; without it they are the same.
    glyphs: Option<Vec<u8>>,
    characters: OnceCell<HashMap<u32, char>>,
}

impl Composite {
    /// `None` when the font does not say how its codes are read.
    pub(super) fn new(dictionary: &Dict<'_>, programs: &Programs<'_>) -> Option<Self> {
        let codes = match dictionary.get::<Object<'_>>(b"Encoding")? {
            Object::Name(name) => match CMapName::from_bytes(name.as_ref()) {
                CMapName::IdentityH => CMap::identity_h(),
                CMapName::IdentityV => CMap::identity_v(),
                _ => return None,
            },
            Object::Stream(stream) => CMap::parse(&programs.bytes(&stream)?, |_| None)?,
            _ => return None,
        };
        let inner = descendant(dictionary)?;
        let horizontal = codes.metadata().writing_mode != Some(WritingMode::Vertical);
        let number = |key: &[u8]| inner.get::<Number>(key).map(|number| number.as_f64());
        let (widths, default_width) = if horizontal {
            (Widths::read(&inner, b"W", 3), number(b"DW").unwrap_or(1000.0))
        } else {
            let default = inner.get::<[f64; 2]>(b"DW2").map_or(-1000.0, |[_, down]| down);
            (Widths::read(&inner, b"W2", 5), default)
        };
        let to_unicode = programs.to_unicode(dictionary);
        // Asked where the map has holes.
        let keys = [&b"FontFile2"[..], b"FontFile3", b"FontFile"];
        let program = programs.program(&descriptor(dictionary), &keys);
        let glyphs = program.is_some().then(|| programs.bytes(&inner.get::<Stream<'_>>(b"CIDToGIDMap")?));
        Some(Self {
            codes,
            to_unicode,
            horizontal,
            widths,
            default_width,
            program,
            glyphs: glyphs.flatten(),
            characters: OnceCell::new(),
        })
    }

    pub(super) const fn is_horizontal(&self) -> bool {
        self.horizontal
    }

    /// The next code and its length, not 0. `at` lies in the text.
    pub(super) fn code(&self, text: &[u8], at: usize) -> (u32, usize) {
        let mut code = 0_u32;
        for (byte, length) in text.iter().skip(at).zip(1_u8..=4) {
            code = code << 8 | u32::from(*byte);
            if self.codes.lookup_cid_code(code, length).is_some() {
                return (code, length.into());
            }
        }
        (0, 1)
    }

    /// The number of a code's character: `0041` and `41` may be two of them.
    fn number(&self, code: u32, length: usize) -> Option<u32> {
        self.codes.lookup_cid_code(code, u8::try_from(length).ok()?)
    }

    pub(super) fn text(&self, code: u32) -> Option<String> {
        bf_text(self.to_unicode.as_ref()?, code)
    }

    /// What the font's program says of a code's glyph.
    pub(super) fn text_of_program(&self, code: u32, length: usize) -> Option<String> {
        let program = self.program.as_deref()?;
        let number = self.number(code, length)?;
        let glyph = self.glyphs.as_deref().map_or(Some(number), |glyphs| {
            let at = usize::try_from(number).ok()?.checked_mul(2)?;
            let [high, low] = glyphs.get(at..at.checked_add(2)?)? else { return None };
            Some(u32::from(u16::from_be_bytes([*high, *low])))
        })?;
        let characters = self.characters.get_or_init(|| program::characters(program));
        match characters.get(&glyph) {
            Some(c) => Some(c.to_string()),
            None => names::characters(&program::glyph_name(program, glyph)?),
        }
    }

    /// Along the line, in thousandths of the size.
    pub(super) fn advance(&self, code: u32, length: usize) -> f64 {
        self.widths.of(self.number(code, length).unwrap_or(0)).unwrap_or(self.default_width)
    }
}

/// Widths by numbers of characters: the first and last number, and their width.
struct Widths(BTreeMap<u32, (u32, f64)>);

impl Widths {
    /// `first [width …]` or `first last width`; in tables for vertical lines a width is followed by two other numbers.
    fn read(font: &Dict<'_>, key: &[u8], length: usize) -> Self {
        let mut widths = BTreeMap::new();
        let Some(array) = font.get::<Array<'_>>(key) else { return Self(widths) };
        let each = length.saturating_sub(2);
        let mut run: Vec<f64> = Vec::new();
        for entry in array.iter::<Object<'_>>() {
            if widths.len() >= MAX_WIDTHS {
                break;
            }
            match entry {
                Object::Number(number) => run.push(number.as_f64()),
                Object::Array(list) => {
                    if let Some(first) = run.last().copied().and_then(whole) {
                        let list = list.iter::<Number>().step_by(each).take(MAX_WIDTHS);
                        widths.extend((first..).zip(list).map(|(at, width)| (at, (at, width.as_f64()))));
                    }
                    run.clear();
                }
                _ => run.clear(),
            }
            if run.len() == length {
                if let [first, last, width, ..] = run.as_slice()
                    && let (Some(first), Some(last)) = (whole(*first), whole(*last))
                {
                    widths.insert(first, (last, *width));
                }
                run.clear();
            }
        }
        Self(widths)
    }

    fn of(&self, number: u32) -> Option<f64> {
        let (_, (last, width)) = self.0.range(..=number).next_back()?;
        (number <= *last).then_some(*width)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn whole(number: f64) -> Option<u32> {
    (0.0..=65_535.0).contains(&number).then_some(number as u32)
}
