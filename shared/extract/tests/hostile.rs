//! Files made to break a reader: each gives a clear failure or a bounded text, quickly, and never a panic.

use std::io::{Cursor, Write};

use frontdesk_extract::{ExtractFailure, Extracted, Limits, extract};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

fn read(bytes: &[u8]) -> Result<Extracted, ExtractFailure> {
    extract(bytes, "file", None, &Limits::default())
}

fn reason(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn docx_of(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    zip_of(&[("word/document.xml", document.as_bytes())])
}

/// An archive of one entry, with its numbers where those of large archives stand.
fn with_large_numbers(zip: &[u8]) -> Vec<u8> {
    let find = |sign: &[u8]| zip.windows(4).position(|four| four == sign).unwrap();
    let (first, end) = (find(b"PK\x01\x02"), find(b"PK\x05\x06"));
    let number = |at: usize| u64::from(u32::from_le_bytes(zip[at..at + 4].try_into().unwrap())).to_le_bytes();
    let mut record = zip[first..end].to_vec();
    assert_eq!(record[30..34], [0; 4], "nothing stands behind the name");
    record[20..28].fill(0xFF);
    record[42..46].fill(0xFF);
    record[30] = 28;
    record.extend([1, 0, 24, 0]);
    record.extend([number(first + 24), number(first + 20), number(first + 42)].as_flattened());
    let long = |length: usize| u64::try_from(length).unwrap().to_le_bytes();
    let mut all = [&zip[..first], &record].concat();
    all.extend(b"PK\x06\x06");
    all.extend([0; 36]);
    all.extend([long(record.len()), long(first)].as_flattened());
    all.extend(b"PK\x06\x07");
    all.extend([0; 16]);
    all.extend(b"PK\x05\x06\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0");
    all
}

#[test]
fn archives_with_the_records_of_large_ones_are_read() {
    let large = with_large_numbers(&docx_of("<w:p><w:r><w:t>Tea for two</w:t></w:r></w:p>"));
    assert_eq!(read(&large).unwrap().text, "Tea for two");
    // Cut records, and numbers beyond the file, are damage.
    for at in 0..large.len() {
        let mut broken = large.clone();
        broken[at] = 0xFE;
        let _ = read(&broken);
        let _ = read(&large[..at]);
    }
}

#[test]
fn a_zip_bomb_is_refused_by_the_bytes_that_come_out() {
    let bomb = zip_of(&[("word/document.xml", &vec![b' '; 64 << 20])]);
    assert!(bomb.len() < 100 << 10, "{}", bomb.len());
    assert!(matches!(read(&bomb), Err(ExtractFailure::OverLimit { what, .. }) if what.contains("unpacked")));
}

#[test]
fn a_zip_bomb_that_lies_about_its_size_is_refused_too() {
    let mut bomb = zip_of(&[("word/document.xml", &vec![b' '; 64 << 20])]);
    // The unpacked size in the central directory, 24 bytes after its signature.
    let directory = bomb.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bomb[directory + 24..directory + 28].copy_from_slice(&100_u32.to_le_bytes());
    assert!(read(&bomb).is_err());
}

#[test]
fn parts_together_stay_within_the_unpacked_size() {
    let text = "Чай. ".repeat(10_000);
    let limits = Limits { max_unpacked: 50_000, ..Limits::default() };
    let file = zip_of(&[("word/document.xml", format!("<a>{text}</a>").as_bytes())]);
    assert!(matches!(
        extract(&file, "a", None, &limits),
        Err(ExtractFailure::OverLimit { limit: 50_000, .. })
    ));
}

#[test]
fn an_archive_of_very_many_entries_is_refused() {
    let names: Vec<String> = (0..5_000).map(|n| format!("word/{n}.xml")).collect();
    let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    entries.push(("word/document.xml", b"<a/>"));
    assert!(reason(&zip_of(&entries)).contains("entries"));
}

#[test]
fn names_that_climb_out_are_never_paths() {
    let file = zip_of(&[
        ("../../../../tmp/frontdesk-was-here", b"x"),
        ("/etc/frontdesk-was-here", b"x"),
        ("word/document.xml", "<w:document xmlns:w='w'><w:p><w:t>Чай</w:t></w:p></w:document>".as_bytes()),
    ]);
    assert_eq!(read(&file).unwrap().text, "Чай");
    assert!(!std::path::Path::new("/tmp/frontdesk-was-here").exists());
}

#[test]
fn another_office_file_is_named_as_what_it_is() {
    let workbook = zip_of(&[("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"<a/>")]);
    assert!(matches!(read(&workbook), Err(ExtractFailure::Unsupported { .. })));
}

#[test]
fn elements_nested_without_end_are_refused_in_docx() {
    assert!(reason(&docx_of(&"<w:p>".repeat(100_000))).contains("nesting depth"));
}

#[test]
fn entities_are_not_expanded() {
    let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;&b;\">]><w:p><w:t>tea &c; &amp; cup</w:t></w:p>";
    assert_eq!(read(&zip_of(&[("word/document.xml", laughs.as_bytes())])).unwrap().text, "tea & cup");
}

#[test]
fn a_hundred_thousand_nested_elements_are_read_in_one_pass() {
    let page = format!("<!doctype html>{}<p>Tea</p>{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
    assert_eq!(read(page.as_bytes()).unwrap().text, "Tea");
    let lists = format!("<!doctype html>{}Tea", "<ul><li><table><tr><td>".repeat(20_000));
    assert!(read(lists.as_bytes()).unwrap().text.ends_with("Tea"));
}

#[test]
fn a_page_that_never_ends_is_bounded() {
    let page = format!("<!doctype html>{}", "<p>endless tea ".repeat(100_000));
    let limits = Limits { max_text: 1 << 20, ..Limits::default() };
    let endless = extract(page.as_bytes(), "a", None, &limits);
    assert!(matches!(endless, Err(ExtractFailure::OverLimit { what, .. }) if what.contains("text")));
    for open in ["<!--", "<script>", "<style>", "<title>", "<a href=\"", "<nav>"] {
        let page = format!("<!doctype html><p>Tea</p>{open}{}", "x <y ".repeat(50_000));
        assert!(read(page.as_bytes()).unwrap().text.starts_with("Tea"), "{open}");
    }
}

#[test]
fn a_tag_with_very_many_attributes_is_read_in_time() {
    let mut page = String::from("<!doctype html><p>Tea</p><a ");
    for n in 0..100_000 {
        page.push_str(&format!("a{n} "));
    }
    let text = extract(page.as_bytes(), "a", None, &Limits { max_text: 32 << 20, ..Limits::default() })
        .unwrap()
        .text;
    assert!(text.starts_with("Tea"));
}

#[test]
fn what_is_no_document_is_unsupported() {
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";
    assert!(matches!(read(picture), Err(ExtractFailure::Unsupported { found }) if found == "image/png"));
    let junk: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(matches!(read(&junk), Err(ExtractFailure::Unsupported { .. })));
    assert!(matches!(read(b"{\\rtf1 tea}"), Err(ExtractFailure::Unsupported { .. })));
    assert!(matches!(read(b"<?xml version=\"1.0\"?><a/>"), Err(ExtractFailure::Unsupported { .. })));
    // A kind that is read is not called unsupported when its encoding is the fault.
    let page = [b"<html>\n<body>".as_slice(), &[0x02, 0xC0, 0x00, 0x80].repeat(500)].concat();
    assert!(reason(&page).contains("signs without meaning"), "{}", reason(&page));
}

#[test]
fn nothing_to_read_is_said() {
    assert!(reason(b"").contains("empty"));
    assert!(reason(b" \n\t ").contains("no text"));
    assert!(reason(b"<!doctype html><script>tea()</script>").contains("no text"));
    assert!(reason(&docx_of("")).contains("no text"));
}

#[test]
fn a_file_over_the_limit_is_not_looked_at() {
    let limits = Limits { max_bytes: 10, max_text: 5, ..Limits::default() };
    assert_eq!(
        extract(b"eleven char", "a", None, &limits),
        Err(ExtractFailure::OverLimit { what: "bytes".to_owned(), limit: 10 })
    );
    assert!(matches!(
        extract(b"six chr", "a", None, &limits),
        Err(ExtractFailure::OverLimit { limit: 5, .. })
    ));
}

#[test]
fn cut_files_are_broken_not_fatal() {
    let docx = docx_of("<w:p><w:t>Чай</w:t></w:p>");
    let pdf = include_bytes!("../../../functions/local/demo/kettle-manual-en.pdf");
    for part in [10, 40, 90] {
        assert!(read(&docx[..docx.len() * part / 100]).is_err());
        // What is there of it may be read.
        let _ = read(&pdf[..pdf.len() * part / 100]);
    }
}

#[test]
fn files_with_a_password_say_so() {
    let mut ole = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    ole.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(reason(&ole).contains("password"));
}

#[test]
fn a_pdf_of_too_many_pages_is_refused() {
    let pdf = include_bytes!("../../../functions/local/demo/kettle-manual-en.pdf");
    let limits = Limits { max_pages: 2, ..Limits::default() };
    assert_eq!(
        extract(pdf, "a", None, &limits),
        Err(ExtractFailure::OverLimit { what: "pages".to_owned(), limit: 2 })
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        if let Ok(document) = read(&bytes) {
            prop_assert!(!document.text.is_empty());
        }
    }

    #[test]
    fn no_html_makes_it_panic(page in "(<[!/]?[a-z1-6]{0,6}[ a-z='\"]{0,9}/?>?|[ а-яa-z&;\n]{0,9}|-->){0,60}") {
        let _ = read(format!("<!doctype html>{page}").as_bytes());
    }

    #[test]
    fn no_docx_makes_it_panic(body in "(<w:(p|t|tbl|tr|tc|del)>|</w:(p|t|tbl|tr|tc|del)>|[ a-z&;]{0,9}){0,60}") {
        let _ = read(&docx_of(&body));
    }

    #[test]
    fn plain_text_loses_no_word(words in proptest::collection::vec("[a-zа-я]{1,12}", 1..100)) {
        let text = words.join(" ");
        prop_assert_eq!(read(text.as_bytes()).unwrap().text, text);
    }

}

proptest! {
    // Each case reads a whole pdf.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn a_pdf_with_changed_bytes_does_no_harm(at in 0_usize..37_000, byte: u8) {
        let mut pdf = include_bytes!("../../../functions/local/demo/kettle-manual-en.pdf").to_vec();
        pdf[at] = byte;
        let _ = read(&pdf);
    }
}
