//! No file that a stranger sends makes a reader panic or grow without bounds. More cases than the few of every run:
//! `FRONTDESK_FUZZ_CASES=1000000 cargo test --release -p frontdesk-extract --test strangers`.

use std::io::{Cursor, Write};

use frontdesk_extract::{ExtractFailure, Limits, extract, kind_of, wire};
use frontdesk_testkit::strangers;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_pages: 20,
    pages_at_once: 5,
    max_unpacked: 1 << 20,
    max_entries: 100,
    max_text: 1 << 20,
    max_depth: 64,
};

fn docx_of(body: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
    zip.write_all(body.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// What is read is bounded, and of the type that was told.
fn check(file: &[u8]) -> Result<(), TestCaseError> {
    let kind = kind_of(file, &LIMITS);
    match extract(file, "a/b.txt", None, &LIMITS) {
        Ok(read) => {
            prop_assert_eq!(kind.map(|kind| kind.media_type().to_owned()), Ok(read.media_type));
            prop_assert!(!read.text.is_empty() && read.text.len() as u64 <= LIMITS.max_text);
            prop_assert!(!read.text.contains('\0'));
        }
        Err(ExtractFailure::Unsupported { .. }) => prop_assert!(kind.is_err()),
        Err(_) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(strangers::config())]

    #[test]
    fn texts_of_every_kind_are_read_or_refused(file in strangers::bytes()) {
        check(&file)?;
    }

    #[test]
    fn pages_are_read_or_refused(page in strangers::bytes()) {
        check(&[b"<!doctype html>", page.as_slice()].concat())?;
    }

    #[test]
    fn tables_are_read_or_refused(rows in prop::collection::vec("[a-zа-я\"]{0,9};[0-9\" ]{0,9}(;x)?\r?\n?", 1..30)) {
        check(format!("name;price\ntea;5\n{}", rows.concat()).as_bytes())?;
    }

    #[test]
    fn word_files_are_read_or_refused(body in strangers::text()) {
        check(&docx_of(&format!("<w:document><w:body><w:p><w:t>{body}</w:t></w:p></w:body></w:document>")))?;
    }

    #[test]
    fn archives_are_read_or_refused(body in strangers::bytes(), at: prop::sample::Index, byte: u8) {
        let mut file = docx_of(&String::from_utf8_lossy(&body));
        let at = at.index(file.len());
        file[at] = byte;
        check(&file)?;
    }

    #[test]
    fn pieces_of_pdf_are_read_or_refused(file in strangers::bytes()) {
        check(&[b"%PDF-1.7\n1 0 obj\n<<", file.as_slice(), b"\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF"].concat())?;
    }

    #[test]
    fn any_request_is_answered_or_none(line in strangers::bytes(), file in strangers::bytes()) {
        let _ = wire::answer(&[line.as_slice(), b"\n", &file].concat());
        let header = br#"{"ask":{"split":{"title":"","place":{"above":{"path":[[9,"x"]],"fence":"`","inside":true},"language":null},"most":0,"is_last":false}},"limits":"#;
        let limits = serde_json::to_vec(&LIMITS).unwrap();
        let answer = wire::answer(&[header.as_slice(), &limits, b"}\n", &file].concat());
        prop_assert!(answer.is_ok_and(|answer| wire::outcome::<frontdesk_domain::text::Split>(&answer).is_some()));
    }
}
