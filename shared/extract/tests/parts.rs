//! A long pdf comes in parts that make the same text together, and a reader that runs apart says the same.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_extract::{ExtractFailure, Extracted, Limits, Resume, extract, wire};
use frontdesk_ports::ExtractRequest;
use frontdesk_testkit::pdf_of;
use proptest::prelude::*;

/// Pages with a heading and some text; those of `empty` are pictures.
fn manual(pages: usize, empty: &[usize]) -> Vec<u8> {
    let page = |number: usize| {
        if empty.contains(&number) {
            return Vec::new();
        }
        let line = |n: usize| (11, format!("Line {n} of page {number} tells about kettles."));
        let heading = (20, format!("Chapter {number}"));
        std::iter::once(heading).chain((0..5).map(line)).collect()
    };
    pdf_of(&(0..pages).map(page).collect::<Vec<_>>())
}

fn limits(pages_at_once: u32) -> Limits {
    Limits { pages_at_once, ..Limits::default() }
}

/// Every part, from the first to the last.
fn parts(file: &[u8], limits: &Limits) -> Result<Vec<Extracted>, ExtractFailure> {
    let mut parts = vec![extract(file, "manual.pdf", None, limits)?];
    while let Some(from) = parts.last().unwrap().rest.clone() {
        parts.push(extract(file, "manual.pdf", Some(&from), limits)?);
    }
    Ok(parts)
}

fn text(parts: &[Extracted]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect()
}

#[test]
fn parts_together_are_the_whole() {
    let file = manual(7, &[]);
    let whole = extract(&file, "manual.pdf", None, &limits(7)).unwrap();
    assert_eq!((whole.pages, &whole.rest), (Some(7), &None));
    assert!(whole.text.starts_with("# Chapter 0\n\nLine 0 of page 0"), "{}", whole.text);
    assert_eq!(whole.text.matches("\n\n---\n\n").count(), 6);
    for at_once in 1..8 {
        let parts = parts(&file, &limits(at_once)).unwrap();
        assert_eq!(parts.len(), 7_usize.div_ceil(at_once as usize));
        assert_eq!(text(&parts), whole.text, "{at_once} pages at once");
        let names = |part: &Extracted| (part.media_type.clone(), part.title.clone(), part.pages);
        assert!(parts.iter().all(|part| names(part) == names(&whole)));
    }
}

#[test]
fn a_part_without_text_is_none_of_a_document_without_text() {
    let file = manual(6, &[0, 1, 4, 5]);
    let whole = extract(&file, "a", None, &limits(6)).unwrap();
    let parts = parts(&file, &limits(2)).unwrap();
    assert_eq!(parts.iter().map(|part| part.text.is_empty()).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(text(&parts), whole.text);
}

#[test]
fn a_document_without_text_is_known_at_its_last_part() {
    let failure = parts(&manual(5, &[0, 1, 2, 3, 4]), &limits(2)).unwrap_err();
    assert!(failure.to_string().contains("holds no text"), "{failure}");
}

#[test]
fn the_limit_of_text_is_that_of_all_parts() {
    let file = manual(6, &[]);
    let length = text(&parts(&file, &limits(6)).unwrap()).len() as u64;
    assert!(parts(&file, &Limits { max_text: length, ..limits(2) }).is_ok());
    let over = parts(&file, &Limits { max_text: length - 1, ..limits(2) });
    assert_eq!(over, Err(ExtractFailure::OverLimit { what: "text in bytes".to_owned(), limit: length - 1 }));
}

#[test]
fn a_reader_apart_says_the_same() {
    let file = manual(5, &[]);
    let limits = limits(3);
    for from in [None, Some(Resume { page: 3, text: 100, headings: vec![80] })] {
        let request = ExtractRequest {
            bytes: Bytes::from(file.clone()),
            name: "Line\nof \"tea\".pdf".to_owned(),
            from: from.clone(),
            typed: false,
            deadline: Duration::from_secs(1),
        };
        let header = wire::text_header(&request, &limits).unwrap();
        let answer = wire::answer(&wire::request(&header, &file)).unwrap();
        let here = extract(&file, &request.name, from.as_ref(), &limits);
        assert!(here.is_ok());
        assert_eq!(wire::outcome(&answer), Some(here));
    }
    assert!(wire::answer(b"").is_err() && wire::answer(b"{}\nfile").is_err());
    assert_eq!(wire::outcome::<Extracted>(b"Segmentation fault"), None);
    let asked = wire::request(&wire::media_type_header(&Limits::default()).unwrap(), b"# A\n");
    assert_eq!(wire::outcome(&wire::answer(&asked).unwrap()), Some(Ok("text/markdown".to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) })]

    #[test]
    fn no_place_to_go_on_from_makes_it_panic(page: u32, text: u64, headings: Vec<i64>, at_once: u32) {
        let from = Resume { page, text, headings };
        let _ = extract(&manual(3, &[]), "a", Some(&from), &limits(at_once));
    }
}
