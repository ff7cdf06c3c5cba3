//! Pdfs made to break a reader: each gives text or a clear failure within two seconds and 128 MB.

use std::time::{Duration, Instant};

use crate::memory::peak;
use crate::support::{File, HELVETICA, deflated, page, read};
use frontdesk_extract::{ExtractFailure, Extracted};

const MEBIBYTE: usize = 1 << 20;

/// What a file may take beside its own bytes.
const MOST_MEMORY: usize = 128_000_000;

fn in_time(name: &str, file: &[u8]) -> Result<Extracted, ExtractFailure> {
    let begun = Instant::now();
    let (read, held) = peak(|| read(file));
    assert!(begun.elapsed() < Duration::from_secs(2), "{name} took {:?}", begun.elapsed());
    assert!(held < MOST_MEMORY, "{name} held {} MB", held / 1_000_000);
    if let Err(failure) = &read {
        assert!(!failure.to_string().is_empty());
    }
    read
}

/// A page whose content is this stream.
fn page_of_stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let stream = file.stream(dictionary, data);
    file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &format!("{stream} 0 R"), "");
    file.bytes()
}

/// A page with this font as F2, and text in it and after it.
fn page_of_font(font: impl Fn(&mut File) -> String) -> Vec<u8> {
    let mut file = File::default();
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

fn composite(file: &mut File, entries: &str, inner: &str) -> String {
    let descendant = file.add(format!(
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Arial/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>{inner}>>"
    ));
    format!("<</Type/Font/Subtype/Type0/BaseFont/Arial/DescendantFonts[{descendant} 0 R]{entries}>>")
}

#[test]
fn streams_that_become_huge_are_given_up_at_every_layer() {
    let spaces = vec![b' '; 20 * MEBIBYTE];
    let once = deflated(&spaces);
    let twice = deflated(&once);
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&spaces).unwrap();
    for (name, filter, data) in [
        ("once", "/FlateDecode", &once),
        ("twice", "[/FlateDecode/FlateDecode]", &twice),
        ("lzw", "/LZWDecode", &lzw),
    ] {
        let read = in_time(name, &page_of_stream(&format!("/Filter {filter}"), data));
        assert!(read.is_err(), "{name}");
    }
    let predicted =
        "/Filter/FlateDecode/DecodeParms<</Predictor 12/Colors 1/BitsPerComponent 16/Columns 2147483647>>";
    assert!(in_time("predictor", &page_of_stream(predicted, &deflated(b"tea"))).is_err());
}

#[test]
fn streams_of_objects_are_bounded_before_they_are_opened() {
    let bomb = deflated(&vec![b' '; 20 * MEBIBYTE]);
    for dictionary in [
        "/Type/ObjStm/N 1/First 10/Filter/FlateDecode",
        "/Type/XRef/W[1 4 2]/Size 9/Root 1 0 R/Filter/FlateDecode",
    ] {
        let failure = in_time(dictionary, &page_of_stream(dictionary, &bomb)).unwrap_err();
        assert!(failure.to_string().contains("unpacked"), "{failure}");
    }
}

#[test]
fn ranges_of_fonts_are_not_counted_through() {
    let ranges = |entries: &str| {
        format!(
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n1 begincodespacerange <00000000> <ffffffff> endcodespacerange\n{entries}\nendcmap end end"
        )
    };
    let simple = |entries: &str| {
        let font = format!("<</Type/Font/Subtype/TrueType/BaseFont/Arial/Widths[500]{entries}>>");
        page_of_font(move |_| font.clone())
    };
    let width = |width: &str| {
        let width = width.to_owned();
        page_of_font(move |file| composite(file, "/Encoding/Identity-H", &width))
    };
    let many = "0 65535 500 ".repeat(10_000);
    let files = [
        ("first", simple("/FirstChar 4294967295/LastChar 4294967295")),
        ("last", simple("/FirstChar 0/LastChar 4294967295")),
        ("widths", width("/W[0 4294967294 500]")),
        ("many widths", width(&format!("/W[{many}]"))),
        ("vertical widths", width("/W2[0 4294967294 500 500 500]")),
        (
            "letters",
            page_of_font(move |file| {
                let map = file
                    .stream("", ranges("1 beginbfrange <00000000> <ffffffff> <0041> endbfrange").as_bytes());
                composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), "")
            }),
        ),
        (
            "codes",
            page_of_font(move |file| {
                let codes = file.stream(
                    "/Type/CMap",
                    ranges("1 begincidrange <00000000> <ffffffff> 0 endcidrange").as_bytes(),
                );
                composite(file, &format!("/Encoding {codes} 0 R"), "")
            }),
        ),
    ];
    for (name, file) in files {
        let read = in_time(name, &file).unwrap();
        assert!(read.text.contains("after the font"), "{name}: {}", read.text);
    }
}

#[test]
fn references_to_themselves_end() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let form = font + 1;
    let resources = format!("/Font<</F1 {font} 0 R>>/XObject<</X {form} 0 R>>");
    let dictionary = format!("/Subtype/Form/BBox[0 0 9 9]/Resources<<{resources}>>");
    assert_eq!(file.stream(&dictionary, b"/X Do /X Do"), form);
    file.page(&resources, "/X Do BT /F1 12 Tf 50 780 Td (after the loop) Tj ET", "");
    let read = in_time("form", &file.bytes()).unwrap();
    assert_eq!(read.text, "after the loop");

    let whole = String::from_utf8(page("BT /F1 12 Tf 50 780 Td (Hello page) Tj ET").bytes()).unwrap();
    for (name, from, to) in [
        ("pages", "/Kids[5 0 R ]", "/Kids[2 0 R 5 0 R]"),
        ("length", "/Length 41", "/Length 4 0 R"),
        ("reference", HELVETICA, "3 0 R"),
    ] {
        let looped = whole.replacen(from, to, 1);
        assert_ne!(looped, whole, "{name}");
        let read = in_time(name, looped.as_bytes());
        assert!(read.is_ok_and(|read| read.text == "Hello page"), "{name}");
    }
}

#[test]
fn forms_within_forms_do_not_multiply() {
    let mut file = File::default();
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
    let read = in_time("forms", &file.bytes()).unwrap();
    assert!(!read.unread.is_empty());
}

#[test]
fn trees_of_pages_are_bounded_and_may_be_deep() {
    let whole = String::from_utf8(page("BT /F1 12 Tf 50 780 Td (Hello page) Tj ET").bytes()).unwrap();
    let crowded = whole.replacen("/Kids[5 0 R ]", &format!("/Kids[{}5 0 R]", "<<>>".repeat(MEBIBYTE)), 1);
    let failure = in_time("kids", crowded.as_bytes()).unwrap_err();
    assert!(matches!(&failure, ExtractFailure::OverLimit { what, .. } if what == "pages"), "{failure}");
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let content = file.stream("", b"BT /F1 12 Tf 50 780 Td (Hello page) Tj ET");
    let mut inner = file.add(format!(
        "<</Type/Page/MediaBox[0 0 595 842]/Resources<</Font<</F1 {font} 0 R>>>>/Contents {content} 0 R>>"
    ));
    for _ in 0..15_000 {
        inner = file.add(format!("<</Type/Pages/Kids[{inner} 0 R]>>"));
    }
    let deep =
        String::from_utf8(file.bytes()).unwrap().replacen("/Kids[]", &format!("/Kids[{inner} 0 R]"), 1);
    assert_eq!(in_time("deep", deep.as_bytes()).unwrap().text, "Hello page");
}

#[test]
fn what_is_nested_without_end_is_left() {
    for (open, close) in [("[", "]"), ("<</A", ">>")] {
        let nested = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        let content = format!("/Span {nested} BDC EMC BT /F1 12 Tf 50 780 Td (Hello page) Tj ET");
        let _ = in_time(open, &page(&content).bytes());
        let mut file = page("BT /F1 12 Tf 50 780 Td (Hello page) Tj ET");
        file.catalog(&format!("/Odd {nested}"));
        let _ = in_time(open, &file.bytes());
    }
}

#[test]
fn very_much_text_is_refused_by_its_size() {
    let line = format!("({}) Tj T*\n", "tea and cups ".repeat(80));
    let content = format!("BT /F1 12 Tf 14 TL 50 780 Td {}ET", line.repeat(26 * MEBIBYTE / line.len()));
    let read = in_time("text", &page_of_stream("/Filter/FlateDecode", &deflated(content.as_bytes())));
    // The page is given up at its budget, or the file at that of its text.
    assert!(read.is_err() || read.is_ok_and(|read| !read.unread.is_empty()));
}

#[test]
fn cut_files_give_what_is_there_or_a_reason() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    for n in 0..20 {
        file.page(
            &format!("/Font<</F1 {font} 0 R>>"),
            &format!("BT /F1 12 Tf 50 780 Td (Page {n} tells of kettles.) Tj ET"),
            "",
        );
    }
    let whole = file.bytes();
    for share in [30, 60, 90, 99] {
        let cut = in_time("cut", &whole[..whole.len() * share / 100]);
        assert!(cut.is_ok_and(|read| read.text.contains("Page 0 tells of kettles.")), "{share} %");
    }
}
