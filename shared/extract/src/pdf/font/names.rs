//! Names of glyphs: which characters they are, how wide the standard fonts have them, and which codes mean them.

use std::sync::OnceLock;

use crate::inflate;

/// The tables of `data`, as long as a process or an instance lives.
struct Tables {
    glyphs: String,
    codes: String,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let unpack = |packed: &[u8]| String::from_utf8(inflate::zlib(packed, 1 << 20)).unwrap_or_default();
        Tables {
            glyphs: unpack(include_bytes!(concat!(env!("OUT_DIR"), "/glyphs"))),
            codes: unpack(include_bytes!(concat!(env!("OUT_DIR"), "/codes"))),
        }
    })
}

/// What follows the key in the line that begins with it. Lines are sorted.
fn row<'t>(table: &'t str, key: &str) -> Option<&'t str> {
    let mut rest = table;
    loop {
        let before = rest.as_bytes().get(..rest.len() / 2)?;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
        let from = rest.get(start..)?;
        let (line, after) = from.split_once('\n').unwrap_or((from, ""));
        let (found, fields) = line.split_once(';')?;
        match key.cmp(found) {
            std::cmp::Ordering::Equal => return Some(fields),
            std::cmp::Ordering::Less => rest = rest.get(..start)?,
            std::cmp::Ordering::Greater => rest = after,
        }
    }
}

/// An encoding that needs no table in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codes {
    Standard,
    MacRoman,
    WinAnsi,
    MacExpert,
    Symbol,
    Dingbats,
}

impl Codes {
    /// By its name in a pdf.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"StandardEncoding" => Self::Standard,
            b"MacRomanEncoding" => Self::MacRoman,
            b"WinAnsiEncoding" => Self::WinAnsi,
            b"MacExpertEncoding" => Self::MacExpert,
            _ => return None,
        })
    }

    /// The name of the glyph of a code.
    pub(super) fn name(self, code: u8) -> Option<&'static str> {
        let column = match self {
            Self::Standard => 0,
            Self::MacRoman => 1,
            Self::WinAnsi => 2,
            Self::MacExpert => 3,
            Self::Symbol => 4,
            Self::Dingbats => 5,
        };
        let fields = row(&tables().codes, &format!("{code:02X}"));
        let name = fields.and_then(|fields| fields.split(';').nth(column)).filter(|name| !name.is_empty());
        // As viewers have it, what WinAnsi leaves free is a bullet.
        name.or_else(|| (self == Self::WinAnsi && code > 40).then_some("bullet"))
    }
}

/// One of the fonts that every viewer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standard {
    Courier,
    Helvetica,
    HelveticaBold,
    Times,
    TimesBold,
    TimesItalic,
    TimesBoldItalic,
    Symbol,
    Dingbats,
}

impl Standard {
    /// The font of a name, or the one most like it.
    pub(super) fn like(name: &str, heavy: bool, slanted: bool, serif: bool) -> Self {
        let lower = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let bold = heavy || has(&["bold", "demi"]);
        let italic = slanted || has(&["italic", "oblique"]);
        if name == "Symbol" {
            Self::Symbol
        } else if has(&["dingbats"]) {
            Self::Dingbats
        } else if has(&["courier", "mono"]) {
            Self::Courier
        } else if has(&["times"]) || (serif || has(&["serif"])) && !has(&["helvetica", "arial", "sans"]) {
            match (bold, italic) {
                (false, false) => Self::Times,
                (true, false) => Self::TimesBold,
                (false, true) => Self::TimesItalic,
                (true, true) => Self::TimesBoldItalic,
            }
        } else if bold {
            Self::HelveticaBold
        } else {
            Self::Helvetica
        }
    }

    /// What its codes mean where a file does not say it.
    pub(super) const fn codes(self) -> Codes {
        match self {
            Self::Symbol => Codes::Symbol,
            Self::Dingbats => Codes::Dingbats,
            _ => Codes::Standard,
        }
    }

    /// How wide a glyph is, in thousandths of the size.
    pub(super) fn width(self, name: &str) -> Option<f64> {
        let column = match self {
            Self::Courier => return Some(600.0),
            Self::Helvetica | Self::Dingbats => 1,
            Self::HelveticaBold => 2,
            Self::Times => 3,
            Self::TimesBold => 4,
            Self::TimesItalic => 5,
            Self::TimesBoldItalic => 6,
            Self::Symbol => 7,
        };
        let name = match name {
            ".notdef" => return Some(250.0),
            "nbspace" => "space",
            "sfthyphen" => "hyphen",
            other => other,
        };
        row(&tables().glyphs, name)?.split(';').nth(column)?.parse().ok()
    }
}

/// The characters of a glyph by its name, as Adobe's specification of its list has it: parts that are joined by `_`, what
/// follows a dot left out, and numbers after `uni` and `u`.
pub(super) fn characters(name: &str) -> Option<String> {
    let base = name.split('.').next()?;
    let mut characters = String::new();
    for part in base.split('_').take(16) {
        let listed = row(&tables().glyphs, part).and_then(|fields| fields.split(';').next());
        match listed.filter(|numbers| !numbers.is_empty()) {
            Some(numbers) => characters.extend(numbers.split(' ').filter_map(number)),
            None => characters.extend(by_number(part).into_iter().flatten()),
        }
    }
    (!characters.is_empty()).then_some(characters)
}

fn number(digits: &str) -> Option<char> {
    let plain = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    if plain { u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) } else { None }
}

/// `uni20AC0308` or `u1040C`.
fn by_number(part: &str) -> Option<Vec<char>> {
    if let Some(digits) = part.strip_prefix("uni")
        && !digits.is_empty()
        && digits.len().is_multiple_of(4)
    {
        return digits.as_bytes().chunks(4).map(|four| number(std::str::from_utf8(four).ok()?)).collect();
    }
    let digits = part.strip_prefix('u')?;
    if (4..=6).contains(&digits.len()) { Some(vec![number(digits)?]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_characters_as_their_specification_has_it() {
        for (name, expected) in [
            ("A", Some("A")),
            ("afii10017", Some("А")),
            ("Lcommaaccent", Some("\u{13B}")),
            ("dalethatafpatah", Some("\u{5D3}\u{5B2}")),
            ("hyphen.case", Some("-")),
            ("f_f_l", Some("ffl")),
            ("uni20AC0308", Some("€\u{308}")),
            ("u1040C", Some("\u{1040C}")),
            ("Lcommaaccent_uni20AC0308_u1040C.alternate", Some("\u{13B}€\u{308}\u{1040C}")),
            ("zukatakana", Some("ズ")),
            ("*a1", Some("✁")),
            ("uniD801DC0C", None),
            ("uni20ac", None),
            ("u41", None),
            ("foo", None),
            ("a1", None),
            (".notdef", None),
            ("", None),
            ("~", None),
        ] {
            assert_eq!(characters(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn every_name_of_the_tables_is_found() {
        for line in tables().glyphs.lines() {
            let (name, fields) = line.split_once(';').unwrap();
            assert_eq!(row(&tables().glyphs, name), Some(fields));
        }
        for code in 0..=255_u8 {
            for codes in [Codes::Standard, Codes::MacRoman, Codes::WinAnsi, Codes::Symbol, Codes::Dingbats] {
                let name = codes.name(code);
                assert!(name.is_none_or(|name| row(&tables().glyphs, name).is_some()), "{code} {name:?}");
            }
        }
    }

    #[test]
    fn encodings_and_widths_are_those_of_the_standard() {
        assert_eq!(Codes::WinAnsi.name(0x80), Some("Euro"));
        assert_eq!(Codes::WinAnsi.name(0x81), Some("bullet"));
        assert_eq!(Codes::Standard.name(0xAE), Some("fi"));
        assert_eq!(Codes::MacRoman.name(0x80), Some("Adieresis"));
        assert_eq!(Codes::Symbol.name(0x61), Some("alpha"));
        assert_eq!(Standard::like("Arial-BoldMT", false, false, false), Standard::HelveticaBold);
        assert_eq!(Standard::like("TimesNewRomanPS", false, true, false), Standard::TimesItalic);
        assert_eq!(Standard::Helvetica.width("A"), Some(667.0));
        assert_eq!(Standard::Times.width("A"), Some(722.0));
        assert_eq!(Standard::Symbol.width("alpha"), Some(631.0));
        assert_eq!(Standard::Dingbats.width("*a1"), Some(974.0));
        assert_eq!(Standard::Courier.width("W"), Some(600.0));
    }
}
