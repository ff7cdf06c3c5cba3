//! What is unpacked while a pdf is opened: streams that hold objects or tables of them. The library does that by itself and
//! without a limit, so their dictionaries are found and read here before, as far as that needs.
//!
//! Every object that the library can open begins with `obj`; an `obj` in a text or in a stream costs little and does no harm.

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;

use super::filters::{StreamFilter, Unfiltered, undo};
use super::guard::{MAX_COLUMNS, MAX_STREAM};
use crate::{Limits, as_u64, over, unreadable};

/// The most that a byte becomes by any filter, where it is not known which.
const MAX_GROWTH: u64 = 4096;

/// More filters, each with its name and value, in one dictionary are a trap.
const MAX_ENTRIES: usize = 8;

/// The names of a dictionary that matter here.
const KEYS: [&str; 9] =
    ["First", "ObjStm", "XRef", "W", "F", "Filter", "Columns", "Colors", "BitsPerComponent"];

/// How many tokens after such a name are kept: more than any value that is read.
const KEPT_AFTER: u32 = 16;

/// How many are kept of one dictionary; more of them are a trap.
const MAX_KEPT: usize = 4096;

/// Checks streams of objects, and how long the list of pages is.
pub(super) fn check_structure(bytes: &[u8], limits: &Limits) -> Result<(), ExtractFailure> {
    let length = as_u64(bytes.len());
    let mut check = Check {
        limits,
        left: limits.max_unpacked,
        pages: kids(bytes),
        work: length.saturating_mul(4).saturating_add(1 << 20),
    };
    for at in memchr::memmem::find_iter(bytes, b"obj") {
        let rest = bytes.get(at.saturating_add(3)..).unwrap_or_default();
        if bytes.get(..at).is_some_and(|before| before.ends_with(b"end")) {
            continue;
        }
        let mut tokens = Tokens { rest };
        let dictionary = dictionary(&mut tokens);
        tokens.skip_space();
        check.spend(rest.len().saturating_sub(tokens.rest.len()))?;
        let Some(dictionary) = dictionary else { continue };
        let Some(data) = tokens.rest.strip_prefix(b"stream") else { continue };
        if holds_objects(&dictionary) {
            let data = data.strip_prefix(b"\r").unwrap_or(data);
            check.stream(&dictionary, data.strip_prefix(b"\n").unwrap_or(data))?;
        }
        check.pages()?;
    }
    check.pages()
}

struct Check<'a> {
    limits: &'a Limits,
    /// Bytes that may still be unpacked.
    left: u64,
    /// Pages and branches of the page tree, at most.
    pages: u64,
    /// Bytes that may still be read: a file that has itself read again and again is a trap.
    work: u64,
}

impl Check<'_> {
    fn spend(&mut self, bytes: usize) -> Result<(), ExtractFailure> {
        let left = self.work.checked_sub(as_u64(bytes));
        self.work = left.ok_or_else(|| unreadable(reasons::BROKEN))?;
        Ok(())
    }

    fn pages(&self) -> Result<(), ExtractFailure> {
        if self.pages > u64::from(self.limits.max_pages).saturating_mul(8) {
            return Err(over("pages", self.limits.max_pages.into()));
        }
        Ok(())
    }

    /// One of them would be too large, or all together.
    fn too_large(&self) -> ExtractFailure {
        over(
            "unpacked size in bytes",
            if self.left < MAX_STREAM { self.limits.max_unpacked } else { MAX_STREAM },
        )
    }

    /// What a stream becomes by each of the filters that its dictionary may mean.
    fn stream(&mut self, dictionary: &[PdfToken<'_>], data: &[u8]) -> Result<(), ExtractFailure> {
        let limit = self.left.min(MAX_STREAM);
        let all = filters(dictionary);
        let is_trap = dictionary.len() >= MAX_KEPT || all.len() > MAX_ENTRIES;
        if is_trap || row(dictionary) > MAX_COLUMNS.saturating_mul(8) {
            return Err(self.too_large());
        }
        let (mut largest, mut pages) = (0, 0);
        for filters in all {
            let Some(filters) = filters else {
                let end = memchr::memmem::find(data, b"endstream").unwrap_or(data.len());
                self.spend(end)?;
                if as_u64(end).saturating_mul(MAX_GROWTH) > limit {
                    return Err(self.too_large());
                }
                continue;
            };
            for early in [true, false] {
                if !early && !filters.contains(&StreamFilter::Lzw) {
                    break;
                }
                if filters.first() != Some(&StreamFilter::Flate) {
                    self.spend(data.len().min(usize::try_from(limit).unwrap_or(usize::MAX)))?;
                }
                match undo(data, &filters, early, limit) {
                    Unfiltered::Bytes(bytes) => {
                        largest = largest.max(as_u64(bytes.len()));
                        pages = pages.max(kids(&bytes));
                    }
                    Unfiltered::TooLarge => return Err(self.too_large()),
                    Unfiltered::NoData => {}
                }
            }
        }
        self.pages = self.pages.saturating_add(pages);
        self.left = self.left.saturating_sub(largest);
        if self.left == 0 { Err(self.too_large()) } else { Ok(()) }
    }
}

/// Whether a stream could be one of objects or of a table of them.
fn holds_objects(dictionary: &[PdfToken<'_>]) -> bool {
    dictionary.len() >= MAX_KEPT
        || ["First", "ObjStm", "XRef", "W"].iter().any(|name| entries(dictionary, name).next().is_some())
}

/// What comes after each entry of this name, however deep.
fn entries<'a, 'b>(
    dictionary: &'b [PdfToken<'a>],
    name: &'b str,
) -> impl Iterator<Item = &'b [PdfToken<'a>]> {
    let found = dictionary.iter().enumerate().filter(move |(_, token)| token.is(name));
    found.filter_map(|(at, _)| dictionary.get(at.saturating_add(1)..))
}

/// The filters that a dictionary names: the library takes `F` before `Filter`. `None` where they stand elsewhere.
fn filters(dictionary: &[PdfToken<'_>]) -> Vec<Option<Vec<StreamFilter>>> {
    let all =
        entries(dictionary, "F").chain(entries(dictionary, "Filter")).take(MAX_ENTRIES.saturating_add(1));
    all.filter_map(|value| match value {
        [name @ PdfToken::Name(_), ..] => Some(Some(name.filter().into_iter().collect())),
        [PdfToken::Other(b"["), names @ ..] => {
            let count = names.len();
            let names: Vec<&PdfToken<'_>> =
                names.iter().take_while(|token| !matches!(token, PdfToken::Other(b"]"))).collect();
            let known = names.len() < count && names.iter().all(|token| matches!(token, PdfToken::Name(_)));
            Some(known.then(|| names.iter().filter_map(|name| name.filter()).collect()))
        }
        [PdfToken::Other([b'0'..=b'9', ..]), ..] => Some(None),
        // A file elsewhere, or nothing: the library does not read it.
        _ => None,
    })
    .collect()
}

/// How many bits a row of a predictor has, at most.
fn row(dictionary: &[PdfToken<'_>]) -> u64 {
    let most = |name: &str, default: u64| {
        entries(dictionary, name).map(|value| number(value).unwrap_or(u64::MAX)).fold(default, u64::max)
    };
    most("Columns", 1).saturating_mul(most("Colors", 1)).saturating_mul(most("BitsPerComponent", 8))
}

/// A number that stands there itself.
fn number(value: &[PdfToken<'_>]) -> Option<u64> {
    match value {
        [PdfToken::Other(_), PdfToken::Other(_), PdfToken::Other(b"R"), ..] => None,
        [PdfToken::Other(digits), ..] => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
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

/// What matters of the dictionary that stands next, if one does.
fn dictionary<'a>(tokens: &mut Tokens<'a>) -> Option<Vec<PdfToken<'a>>> {
    if !matches!(tokens.next()?, PdfToken::Other(b"<<")) {
        return None;
    }
    let (mut all, mut depth, mut keep) = (Vec::new(), 1_u32, 0_u32);
    loop {
        let token = tokens.next()?;
        match token {
            PdfToken::Other(b"<<") => depth = depth.saturating_add(1),
            PdfToken::Other(b">>") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(all);
        }
        if KEYS.iter().any(|key| token.is(key)) {
            keep = KEPT_AFTER;
        }
        if keep > 0 && all.len() < MAX_KEPT {
            all.push(token);
        }
        keep = keep.saturating_sub(1);
    }
}

/// A piece of a file's syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PdfToken<'a> {
    /// What comes after a slash.
    Name(&'a [u8]),
    /// A text.
    Text,
    /// A bracket, a number or a word.
    Other(&'a [u8]),
}

impl PdfToken<'_> {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(raw) if unescaped(raw).eq(name.bytes()))
    }

    /// The filter of this name; what is none is passed over.
    fn filter(&self) -> Option<StreamFilter> {
        let Self::Name(raw) = self else { return None };
        let filter = StreamFilter::named(&unescaped(raw).collect::<Vec<u8>>());
        (filter != StreamFilter::Other).then_some(filter)
    }
}

/// A name without its escapes: `#5a` is `Z`.
fn unescaped(raw: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if *first == b'#'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            rest = after;
            return Some((high << 4) | low);
        }
        rest = after;
        Some(*first)
    })
}

struct Tokens<'a> {
    rest: &'a [u8],
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'a> Tokens<'a> {
    /// Takes the first `count` bytes.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn until(&self, end: impl Fn(u8) -> bool) -> usize {
        self.rest.iter().position(|byte| end(*byte)).unwrap_or(self.rest.len())
    }

    /// White space and comments.
    fn skip_space(&mut self) {
        loop {
            self.take(self.until(|byte| !is_space(byte)));
            if self.rest.first() != Some(&b'%') {
                return;
            }
            self.take(self.until(|byte| matches!(byte, b'\r' | b'\n')));
        }
    }

    fn next(&mut self) -> Option<PdfToken<'a>> {
        self.skip_space();
        let word = |tokens: &Self| tokens.until(|byte| is_space(byte) || is_delimiter(byte));
        match self.rest {
            [] => None,
            [b'/', ..] => {
                self.take(1);
                Some(PdfToken::Name(self.take(word(self))))
            }
            [b'(', ..] => {
                self.text();
                Some(PdfToken::Text)
            }
            [b'<', b'<', ..] | [b'>', b'>', ..] => Some(PdfToken::Other(self.take(2))),
            [b'<', ..] => {
                self.take(self.until(|byte| byte == b'>'));
                self.take(1);
                Some(PdfToken::Text)
            }
            [first, ..] if is_delimiter(*first) => Some(PdfToken::Other(self.take(1))),
            _ => Some(PdfToken::Other(self.take(word(self)))),
        }
    }

    /// A text in round brackets, which may have some in it.
    fn text(&mut self) {
        let (mut depth, mut escaped) = (0_u32, false);
        let end = self.rest.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'(' => depth = depth.saturating_add(1),
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        self.take(end.map_or(self.rest.len(), |end| end.saturating_add(1)));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use frontdesk_ports::ExtractFailure;

    use super::*;

    const LARGE: usize = 17 << 20;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(data).unwrap();
        packed.finish().unwrap()
    }

    fn lzw(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap()
    }

    fn run_lengths(count: usize) -> Vec<u8> {
        [&[0x81, b' '].repeat(count / 128)[..], &[128]].concat()
    }

    fn hexadecimal(data: &[u8]) -> Vec<u8> {
        let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digits}>").into_bytes()
    }

    fn object(dictionary: &str, data: &[u8]) -> Vec<u8> {
        [format!("%PDF-1.7\n1 0 obj\n<<{dictionary}>>\nstream\n").as_bytes(), data, b"\nendstream\nendobj\n"]
            .concat()
    }

    fn checked(file: &[u8]) -> Result<(), String> {
        check_structure(file, &Limits::default()).map_err(|failure| match failure {
            ExtractFailure::OverLimit { what, limit } => format!("{what} {limit}"),
            other => other.to_string(),
        })
    }

    fn too_large() -> Result<(), String> {
        Err(format!("unpacked size in bytes {MAX_STREAM}"))
    }

    #[test]
    fn every_filter_of_a_stream_of_objects_is_bounded_however_its_dictionary_is_written() {
        let spaces = vec![b' '; LARGE];
        let (flate, lzw) = (deflated(&spaces), lzw(&spaces));
        let twice = deflated(&flate);
        let pad = " ".repeat(100_000);
        for (dictionary, data) in [
            ("/Type/ObjStm/First 9/Filter/FlateDecode", &flate),
            ("/Type/ObjStm/First 9/Filter[/FlateDecode/FlateDecode]", &twice),
            ("/Type/ObjStm/First 9/Filter/LZWDecode", &lzw),
            ("/Type/ObjStm/First 9/Filter/LZWDecode/DecodeParms<</EarlyChange 1>>", &lzw),
            ("/Type/ObjStm/First 9/Filter/RunLengthDecode", &run_lengths(LARGE)),
            ("/Type/ObjStm/First 9/Filter[/ASCIIHexDecode/FlateDecode]", &hexadecimal(&flate)),
            ("/Type/ObjStm/First 9/Filter[/AHx /LZW]", &hexadecimal(&lzw)),
            ("/Type/ObjStm/First 9/Filter[/Unknown/LZWDecode]", &lzw),
            ("/Type/XRef/W[1 4 2]/Filter[/ASCIIHexDecode/FlateDecode]", &hexadecimal(&flate)),
            ("/#46irst 9/F#69lter/L#5aWDecode", &lzw),
            ("/W%\n[1 4 2]/F/Fl", &flate),
            ("/First 9/Filter/DCTDecode/F[/LZW]", &lzw),
            ("/First 9/Filter % endstream\n/LZWDecode", &lzw),
            ("/First 9/Filter/LZWDecode/Title(endobj 2 0 obj<<\\))", &lzw),
            ("/First 9/Filter 7 0 R", &flate),
            (&format!("/First 9/Filter/LZWDecode{pad}"), &lzw),
        ] {
            let dictionary_shown = dictionary.trim_end();
            assert_eq!(checked(&object(dictionary, data)), too_large(), "{dictionary_shown}");
        }
    }

    #[test]
    fn the_row_of_a_predictor_is_bounded() {
        let tea = deflated(b"tea");
        for parameters in [
            "/Columns 2147483647",
            "/Columns 1/Columns 2147483647",
            "/Columns 1000000/Colors 32/BitsPerComponent 16",
            "/Columns 9 0 R",
        ] {
            let dictionary = format!("/First 9/Filter/FlateDecode/DecodeParms<</Predictor 12{parameters}>>");
            assert_eq!(checked(&object(&dictionary, &tea)), too_large(), "{parameters}");
        }
    }

    #[test]
    fn what_is_no_bomb_passes() {
        let text = b"1 0 <</Type/Catalog>>".repeat(100);
        for (dictionary, data) in [
            ("/Type/ObjStm/First 9", &text),
            ("/Type/ObjStm/First 9/Filter/FlateDecode", &deflated(&text)),
            ("/Type/ObjStm/First 9/Filter/LZWDecode", &lzw(&text)),
            ("/Type/ObjStm/First 9/Filter[/AHx/Fl]", &hexadecimal(&deflated(&text))),
            (
                "/Type/XRef/W[1 2 1]/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 4>>",
                &deflated(&text),
            ),
        ] {
            assert_eq!(checked(&object(dictionary, data)), Ok(()), "{dictionary}");
        }
        // A large picture beside a font whose widths are told.
        let font = b"2 0 obj<</Type/Font/W[1[500]]>>endobj\n".to_vec();
        let picture = object("/Subtype/Image/Filter/FlateDecode", &deflated(&vec![0; LARGE]));
        assert_eq!(checked(&[font, picture].concat()), Ok(()));
    }

    #[test]
    fn what_all_of_them_become_together_is_bounded_and_told_by_its_own_limit() {
        let stream = object("/First 9/Filter/FlateDecode", &deflated(&vec![b' '; 15 << 20]));
        let file = stream.repeat(9);
        assert_eq!(checked(&file), Err(format!("unpacked size in bytes {}", Limits::default().max_unpacked)));
    }

    #[test]
    fn a_file_that_has_itself_read_again_and_again_is_given_up_in_time() {
        let began = std::time::Instant::now();
        for piece in [
            "1 0 obj<<",
            "1 0 obj<<(",
            "1 0 obj<</First 1/Filter/AHx>>stream\n",
            "1 0 obj<</First 1/F/A85>>stream z",
        ] {
            let _either = checked(piece.repeat(100_000).as_bytes());
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
