//! What stands on the pages of a pdf: streams, fonts, forms, operators, places.

use std::fmt::Write as _;

use super::Expected::{self, Ended, Refused, Text};
use super::Hostile;
use crate::pdf::{HELVETICA, PdfFile, deflated};

const MEBIBYTE: usize = 1 << 20;

/// More than any stream may become.
const BOMB: usize = 40 * MEBIBYTE;

/// A page whose content is this stream.
fn page_of_stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut file = PdfFile::default();
    let font = file.add(HELVETICA);
    let stream = file.stream(dictionary, data);
    file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &format!("{stream} 0 R"), "");
    file.bytes()
}

/// A page of these operators, packed.
fn page(content: &str) -> Vec<u8> {
    page_of_stream("/Filter/FlateDecode", &deflated(content.as_bytes()))
}

/// A page with a font as F2, and text in it and after it.
fn page_of_font(font: impl Fn(&mut PdfFile) -> String) -> Vec<u8> {
    let mut file = PdfFile::default();
    let helvetica = file.add(HELVETICA);
    let font = font(&mut file);
    let font = file.add(font);
    file.page(
        &format!("/Font<</F1 {helvetica} 0 R/F2 {font} 0 R>>"),
        "BT /F2 12 Tf 50 780 Td (ab) Tj ET BT /F1 12 Tf 50 700 Td (after the font) Tj ET",
        "",
    );
    file.bytes()
}

fn composite(file: &mut PdfFile, entries: &str, inner: &str) -> String {
    let descendant = file.add(format!(
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Arial/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>{inner}>>"
    ));
    format!("<</Type/Font/Subtype/Type0/BaseFont/Arial/DescendantFonts[{descendant} 0 R]{entries}>>")
}

fn map(entries: &str) -> String {
    format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n1 begincodespacerange <00000000> <ffffffff> endcodespacerange\n{entries}\nendcmap end end"
    )
}

/// So many layers of `/FlateDecode` around spaces.
fn layers(count: usize, size: usize) -> Vec<u8> {
    let packed = (0..count).fold(vec![b' '; size], |data, _| deflated(&data));
    page_of_stream(&format!("/Filter[{}]", "/FlateDecode".repeat(count)), &packed)
}

fn streams() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("a stream that becomes 20 MiB", Refused(""), || layers(1, 20 * MEBIBYTE)),
        file("two layers of packing", Refused(""), || layers(2, BOMB)),
        file("four layers of packing", Refused(""), || layers(4, BOMB)),
        file("thirty names of filters", Ended, || {
            page_of_stream(&format!("/Filter[{}]", "/FlateDecode".repeat(30)), &deflated(b"tea"))
        }),
        file("the older packing", Refused(""), || {
            let spaces = vec![b' '; 20 * MEBIBYTE];
            let mut lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            page_of_stream("/Filter/LZWDecode", &lzw.encode(&spaces).unwrap_or_default())
        }),
        file("runs of one byte, packed", Refused(""), || {
            page_of_stream(
                "/Filter[/FlateDecode/RunLengthDecode]",
                &deflated(&[129, b' '].repeat(4 * MEBIBYTE)),
            )
        }),
        file("zeros in base 85", Ended, || {
            page_of_stream("/Filter/ASCII85Decode", &vec![b'z'; 8 * MEBIBYTE])
        }),
        file("a row of 2^31 samples", Refused(""), || {
            page_of_stream(
                "/Filter/FlateDecode/DecodeParms<</Predictor 12/Colors 1/BitsPerComponent 16/Columns 2147483647>>",
                &deflated(b"tea"),
            )
        }),
        file("a row of no samples", Ended, || {
            page_of_stream(
                "/Filter/FlateDecode/DecodeParms<</Predictor 12/Colors 0/BitsPerComponent 0/Columns 0>>",
                &deflated(&vec![b' '; MEBIBYTE]),
            )
        }),
        file("twenty thousand streams on one page", Ended, || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let stream = file.stream("/Filter/FlateDecode", &deflated(&vec![b' '; 8 * MEBIBYTE]));
            let contents = format!("[{}]", format!("{stream} 0 R ").repeat(20_000));
            file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &contents, "");
            file.bytes()
        }),
        file("two hundred pages of one large stream", Ended, || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let content = format!("BT /F1 9 Tf 9 9 Td {} ET", "0 0 Td ".repeat(2 * MEBIBYTE));
            let stream = file.stream("/Filter/FlateDecode", &deflated(content.as_bytes()));
            for _ in 0..200 {
                file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &format!("{stream} 0 R"), "");
            }
            file.bytes()
        }),
    ]
}

fn fonts() -> Vec<Hostile> {
    const AFTER: Expected = Text("after the font");
    let font = |name, make: fn(&mut PdfFile) -> String| Hostile::new(name, AFTER, move || page_of_font(make));
    let simple = |name, entries: &'static str| {
        let make = move |_: &mut PdfFile| {
            format!("<</Type/Font/Subtype/TrueType/BaseFont/Arial/Widths[500]{entries}>>")
        };
        Hostile::new(name, AFTER, move || page_of_font(make))
    };
    vec![
        simple("a first character of 2^32", "/FirstChar 4294967295/LastChar 4294967295"),
        simple("a last character of 2^32", "/FirstChar 0/LastChar 4294967295"),
        simple("characters that begin below nothing", "/FirstChar -2147483648/LastChar 2147483647"),
        font("widths of a range of 2^32", |file| {
            composite(file, "/Encoding/Identity-H", "/W[0 4294967294 500]")
        }),
        font("ten thousand ranges of widths", |file| {
            composite(file, "/Encoding/Identity-H", &format!("/W[{}]", "0 65535 500 ".repeat(10_000)))
        }),
        font("vertical widths of a range of 2^32", |file| {
            composite(file, "/Encoding/Identity-H", "/W2[0 4294967294 500 500 500]")
        }),
        font("letters of a range of 2^32", |file| {
            let entries = map("1 beginbfrange <00000000> <ffffffff> <0041> endbfrange");
            let map = file.stream("", entries.as_bytes());
            composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), "")
        }),
        font("a hundred thousand ranges of letters", |file| {
            let one = "1 beginbfrange <00000000> <0000ffff> <0041> endbfrange\n";
            let map = file.stream("", map(&one.repeat(100_000)).as_bytes());
            composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), "")
        }),
        font("a letter that is a hundred thousand letters", |file| {
            let entries = format!("1 beginbfchar <00006162> <{}> endbfchar", "0041".repeat(100_000));
            let map = file.stream("", map(&entries).as_bytes());
            composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), "")
        }),
        font("codes of a range of 2^32", |file| {
            let entries = map("1 begincidrange <00000000> <ffffffff> 0 endcidrange");
            let codes = file.stream("/Type/CMap", entries.as_bytes());
            composite(file, &format!("/Encoding {codes} 0 R"), "")
        }),
        font("a map of codes that uses itself", |file| {
            let own = file.add("null").saturating_add(1);
            file.stream(&format!("/Type/CMap/UseCMap {own} 0 R"), map("/X usecmap").as_bytes());
            composite(file, &format!("/Encoding {own} 0 R/ToUnicode {own} 0 R"), "")
        }),
        font("a map of letters that becomes 40 MiB", |file| {
            let map = file.stream("/Filter/FlateDecode", &deflated(&vec![b' '; BOMB]));
            composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), "")
        }),
        font("a million names of letters", |_| {
            let names = "/a ".repeat(MEBIBYTE);
            format!("<</Type/Font/Subtype/Type1/BaseFont/X/Encoding<</Differences[0 {names}]>>>>")
        }),
        font("a font that is its own part", |file| {
            let own = file.add("null").saturating_add(1);
            format!("<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[{own} 0 R]>>")
        }),
        font("a drawn font whose letters show text in it", |file| {
            let own = file.add("null").saturating_add(2);
            let letter = file.stream("", b"1000 0 d0 BT /F2 1 Tf (ab) Tj ET");
            format!(
                "<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 98/Widths[1 1]/Encoding<</Differences[97/a/b]>>/CharProcs<</a {letter} 0 R/b {letter} 0 R>>/Resources<</Font<</F2 {own} 0 R>>>>>>"
            )
        }),
        font("a program of a font that is 2^32 letters", |file| {
            let program = file.stream("", &font_program());
            let descriptor =
                file.add(format!("<</Type/FontDescriptor/FontName/X/Flags 4/FontFile2 {program} 0 R>>"));
            composite(file, "/Encoding/Identity-H", &format!("/FontDescriptor {descriptor} 0 R"))
        }),
        font("a program of a font that becomes 40 MiB", |file| {
            let program = file.stream("/Filter/FlateDecode", &deflated(&vec![0_u8; BOMB]));
            let descriptor =
                file.add(format!("<</Type/FontDescriptor/FontName/X/Flags 4/FontFile2 {program} 0 R>>"));
            composite(file, "/Encoding/Identity-H", &format!("/FontDescriptor {descriptor} 0 R"))
        }),
        font("a packed program of a font that claims 65,535 letters", |file| {
            // A header, and an index of names that claims more than is there.
            let program =
                file.stream("/Subtype/CIDFontType0C", &[1, 0, 4, 4, 0xFF, 0xFF, 4, 0xFF, 0xFF, 0xFF]);
            let descriptor =
                file.add(format!("<</Type/FontDescriptor/FontName/X/Flags 4/FontFile3 {program} 0 R>>"));
            composite(file, "/Encoding/Identity-H", &format!("/FontDescriptor {descriptor} 0 R"))
        }),
    ]
}

/// A TrueType font whose table of letters has one group, of all that 32 bits can say.
fn font_program() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut letters = words(&[1, 0x0003_000A, 12]);
    letters.extend(words(&[0x000C_0000, 28, 0, 1, 0, u32::MAX, 0]));
    let length = u32::try_from(letters.len()).unwrap_or_default();
    let mut file = words(&[0x0001_0000, 0x0001_0010, 0]);
    file.extend(b"cmap");
    file.extend(words(&[0, 28, length]));
    file.extend(letters);
    file
}

fn forms() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("a form in itself", Text("after the loop"), || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let form = font.saturating_add(1);
            let resources = format!("/Font<</F1 {font} 0 R>>/XObject<</X {form} 0 R>>");
            let dictionary = format!("/Subtype/Form/BBox[0 0 9 9]/Resources<<{resources}>>");
            file.stream(&dictionary, b"/X Do /X Do");
            file.page(&resources, "/X Do BT /F1 12 Tf 50 780 Td (after the loop) Tj ET", "");
            file.bytes()
        }),
        file("forms in forms, ten to the twelfth of them", Ended, || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let mut inner = file.stream(
                &format!("/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F1 {font} 0 R>>>>"),
                b"BT /F1 12 Tf (lol) Tj ET",
            );
            for _ in 0..11 {
                inner = file.stream(
                    &format!("/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X {inner} 0 R>>>>"),
                    "/X Do ".repeat(10).as_bytes(),
                );
            }
            file.page(&format!("/XObject<</X {inner} 0 R>>"), "/X Do", "");
            file.bytes()
        }),
        file("a form that is large, two thousand times", Ended, || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let form = file.stream(
                &format!(
                    "/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F1 {font} 0 R>>>>/Filter/FlateDecode"
                ),
                &deflated("q Q ".repeat(2 * MEBIBYTE).as_bytes()),
            );
            file.page(&format!("/XObject<</X {form} 0 R>>"), &"/X Do ".repeat(2_000), "");
            file.bytes()
        }),
        file("a field of a form that is its own part", Text("Hello page"), || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let field = font.saturating_add(1);
            file.add(format!(
                "<</FT/Tx/T(a)/V(b)/Subtype/Widget/Rect[9 9 99 99]/Parent {field} 0 R/Kids[{field} 0 R {field} 0 R]/AP<</N {field} 0 R>>>>"
            ));
            file.catalog(&format!("/AcroForm<</Fields[{field} 0 R]/DR<</Font<</F1 {font} 0 R>>>>>>"));
            let resources = format!("/Font<</F1 {font} 0 R>>");
            file.page(
                &resources,
                "BT /F1 12 Tf 50 780 Td (Hello page) Tj ET",
                &format!("/Annots[{}]", format!("{field} 0 R ").repeat(10_000)),
            );
            file.bytes()
        }),
    ]
}

/// Text of one letter at each of these places.
fn letters(places: impl Iterator<Item = (u32, u32)>) -> Vec<u8> {
    let mut content = String::from("BT /F1 8 Tf\n");
    for (x, y) in places {
        // Writing to a string does not fail.
        let _ = writeln!(content, "1 0 0 1 {x} {y} Tm (a) Tj");
    }
    content.push_str("ET");
    page(&content)
}

/// Numbers without an order.
fn scattered(count: u32, most: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |n| (n.wrapping_mul(2_654_435_761) >> 8).checked_rem(most).unwrap_or_default())
}

fn operators() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    let end = "BT /F1 12 Tf 50 780 Td (Hello page) Tj ET";
    let after = move |name, before: fn() -> String| {
        Hostile::new(name, Ended, move || page(&format!("{} {end}", before())))
    };
    vec![
        file("26 MB of text", Ended, || {
            let line = format!("({}) Tj T*\n", "tea and cups ".repeat(80));
            let times = (26 * MEBIBYTE).checked_div(line.len()).unwrap_or_default();
            page(&format!("BT /F1 12 Tf 14 TL 50 780 Td {}ET", line.repeat(times)))
        }),
        file("letters all over the page", Ended, || {
            letters(scattered(190_000, 595).zip(scattered(190_000, 841).map(|y| y ^ 1)))
        }),
        file("letters in one place", Ended, || letters((0..190_000).map(|_| (50, 700)))),
        file("letters in one line", Ended, || letters((0..190_000).map(|n| (n, 700)))),
        file("letters in one column", Ended, || letters((0..190_000).map(|n| (50, n)))),
        file("letters in a grid of narrow columns", Ended, || {
            let steps = || (0..8_000).step_by(20);
            letters(steps().flat_map(|y| steps().map(move |x| (x, y))))
        }),
        file("letters on a slope", Ended, || letters((0..190_000).map(|n| (n, n)))),
        file("letters in stairs", Ended, || letters((0..190_000_u32).map(|n| (n.wrapping_mul(7) & 511, n)))),
        file("letters turned by any angle", Ended, || {
            let mut content = String::from("BT /F1 8 Tf\n");
            for n in 0..100_000_u32 {
                let (sin, cos) = f64::from(n).sin_cos();
                let _ = writeln!(content, "{cos:.4} {sin:.4} {:.4} {cos:.4} 300 400 Tm (a) Tj", -sin);
            }
            page(&(content + "ET"))
        }),
        file("a page as wide as numbers go", Ended, || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let huge = "9".repeat(400);
            file.page(
                &format!("/Font<</F1 {font} 0 R>>"),
                &format!("{huge} 0 0 {huge} 0 0 cm BT /F1 {huge} Tf {huge} Tz {huge} TL {huge} Tc 1 0 0 1 {huge} -{huge} Tm (Hello page) Tj T* (tea) Tj ET"),
                &format!("/UserUnit {huge}/Rotate {huge}/CropBox[-{huge} -{huge} {huge} {huge}]"),
            );
            file.bytes()
        }),
        file("text of no size", Ended, || {
            page("0 0 0 0 0 0 cm BT /F1 0 Tf 0 Tz 0 0 0 0 0 0 Tm (Hello page) Tj ET BT /F1 12 Tf (tea) Tj ET")
        }),
        after("states that are saved and never taken back", || "q ".repeat(2 * MEBIBYTE)),
        after("marks that begin and do not end", || "/P BMC ".repeat(MEBIBYTE)),
        after("marks with text of their own that begin and do not end", || {
            "/Span <</ActualText (tea)>> BDC ".repeat(200_000)
        }),
        after("texts that begin and do not end", || "BT ".repeat(MEBIBYTE)),
        after("a million changes of the font", || "/F1 1 Tf ".repeat(MEBIBYTE)),
        after("four million numbers without an operator", || "1 ".repeat(4 * MEBIBYTE)),
        after("a picture that does not end", || format!("BI /W 9 /H 9 ID {}", "EI".repeat(MEBIBYTE))),
        after("a picture that claims 2^31 rows", || {
            "BI /W 2147483647 /H 2147483647 /BPC 16 /CS /RGB ID x EI".to_owned()
        }),
        after("a hundred thousand pictures", || "BI /W 1 /H 1 ID x EI ".repeat(100_000)),
        after("a string that does not end", || "(".repeat(2 * MEBIBYTE)),
        after("a string of digits that does not end", || format!("<{}", "41 ".repeat(2 * MEBIBYTE))),
        after("a name of two million letters", || format!("/{}", "#41".repeat(2 * MEBIBYTE))),
        after("lists in lists", || "[".repeat(MEBIBYTE)),
        after("dictionaries in dictionaries", || {
            format!("/Span {}{} BDC EMC", "<</A".repeat(100_000), ">>".repeat(100_000))
        }),
        after("a list of a million pieces of text", || {
            format!("BT /F1 1 Tf [{}] TJ ET", "(a) -1 ".repeat(MEBIBYTE))
        }),
        after("comments", || "%\n".repeat(2 * MEBIBYTE)),
    ]
}

pub(super) fn all() -> Vec<Hostile> {
    [streams(), fonts(), forms(), operators()].into_iter().flatten().collect()
}
