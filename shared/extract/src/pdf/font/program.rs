//! Programs of embedded fonts, as far as they say which characters their glyphs are. Nothing is drawn here.

use std::collections::HashMap;

use read_fonts::ps::cff::{CffFontRef, Encoding};
use read_fonts::tables::cmap::CmapIterLimits;
use read_fonts::{FontRef, TableProvider as _, types::GlyphId, types::Tag};

/// Glyphs whose characters are kept.
const MAX_GLYPHS: usize = 1 << 16;

/// The names of the glyphs of the 256 codes that a Type 1 or CFF program gives them by itself.
pub(super) fn own_names(program: &[u8]) -> Option<HashMap<u8, String>> {
    if let Some(table) = cff_table(program) {
        return cff_names(table);
    }
    type1_names(program)
}

/// A CFF program, bare or within an OpenType file.
fn cff_table(program: &[u8]) -> Option<&[u8]> {
    if program.starts_with(&[1, 0]) && !program.starts_with(&[1, 0, 0]) {
        return Some(program);
    }
    let font = FontRef::from_index(program, 0).ok()?;
    Some(font.table_data(Tag::new(b"CFF "))?.as_bytes())
}

fn cff_names(table: &[u8]) -> Option<HashMap<u8, String>> {
    let font = CffFontRef::new(table, 0, None).ok().filter(|font| !font.is_cid())?;
    let encoding: Encoding<'_> = font.encoding()?;
    let name = |code: u8| {
        let name = font.string(encoding.charset().string_id(encoding.map(code)?)?)?;
        Some((code, std::str::from_utf8(name).ok()?.to_owned()))
    };
    Some((0..=u8::MAX).filter_map(name).collect())
}

/// The name of a glyph of a bare CFF program whose glyphs have names.
pub(super) fn glyph_name(program: &[u8], glyph: u32) -> Option<String> {
    let font = CffFontRef::new(cff_table(program)?, 0, None).ok().filter(|font| !font.is_cid())?;
    let name = font.string(font.charset()?.string_id(GlyphId::new(glyph))?)?;
    std::str::from_utf8(name).ok().map(str::to_owned)
}

/// `/Encoding` of a Type 1 program: `StandardEncoding`, or rows of `dup 65 /A put`.
fn type1_names(program: &[u8]) -> Option<HashMap<u8, String>> {
    let end = memchr::memmem::find(program, b"eexec").unwrap_or(program.len());
    let clear = program.get(..end)?;
    let start = memchr::memmem::find(clear, b"/Encoding")?.saturating_add(9);
    let text = String::from_utf8_lossy(clear.get(start..)?);
    // A name may follow its number without a space.
    let spaced = text.replace('/', " /");
    let mut words = spaced.split_ascii_whitespace();
    let mut names = HashMap::new();
    if words.clone().next() == Some("StandardEncoding") {
        let named = |code: u8| Some((code, super::names::Codes::Standard.name(code)?.to_owned()));
        return Some((0..=u8::MAX).filter_map(named).collect());
    }
    while let Some(word) = words.next() {
        match word {
            "dup" => {
                let code = words.next().and_then(code_of);
                let name = words.next().and_then(|name| name.strip_prefix('/'));
                if let (Some(code), Some(name)) = (code, name) {
                    names.insert(code, name.to_owned());
                }
            }
            "def" | "readonly" if !names.is_empty() => break,
            _ => {}
        }
    }
    Some(names)
}

/// `65`, or `8#101`.
fn code_of(word: &str) -> Option<u8> {
    match word.split_once('#') {
        Some((base, digits)) => {
            let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
            u8::from_str_radix(digits, base).ok()
        }
        None => word.parse().ok(),
    }
}

/// The table of characters of a TrueType or OpenType program, backwards.
pub(super) fn characters(program: &[u8]) -> HashMap<u32, char> {
    let mut characters = HashMap::new();
    let Ok(font) = FontRef::from_index(program, 0) else { return characters };
    let Some((_, _, subtable)) = font.cmap().ok().and_then(|table| table.best_subtable()) else {
        return characters;
    };
    for (code, glyph) in subtable.iter_with_limits(CmapIterLimits::default_for_font(&font)).take(MAX_GLYPHS) {
        if let Some(c) = char::from_u32(code) {
            characters.entry(glyph.to_u32()).or_insert(c);
        }
    }
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type1_program_names_its_codes() {
        let program = b"%!PS-AdobeFont-1.0: T\n/Encoding 256 array\n0 1 255 {1 index exch /.notdef put} for\n\
            dup 65 /A put dup 8#102/B put\ndup 300 /C put\nreadonly def\ndup 67 /D put currentfile eexec dup 68 /E put";
        let names = type1_names(program).unwrap();
        assert_eq!(names.get(&65).map(String::as_str), Some("A"));
        assert_eq!(names.get(&66).map(String::as_str), Some("B"));
        assert_eq!(names.len(), 2);
        let standard = type1_names(b"/Encoding StandardEncoding def eexec").unwrap();
        assert_eq!(standard.get(&0xAE).map(String::as_str), Some("fi"));
        assert_eq!(type1_names(b"no font"), None);
    }

    #[test]
    fn what_is_no_program_says_nothing() {
        for bytes in
            [&b""[..], b"\x01\0\x04", b"\x01\0\x04\x01\xFF\xFF\xFF\xFF", b"\0\x01\0\0\xFF\xFF", b"OTTO"]
        {
            assert!(own_names(bytes).is_none_or(|names| names.is_empty()), "{bytes:?}");
            assert!(characters(bytes).is_empty());
            assert_eq!(glyph_name(bytes, 1), None);
        }
    }
}
