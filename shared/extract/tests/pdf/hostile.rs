//! Files made to break a reader: each gives text or a clear failure within two seconds and 128 MB, in a process; the same
//! files are sent to the edge hosts (`tests/reader.rs`).

use frontdesk_extract::{ExtractFailure, Extracted};
use frontdesk_testkit::hostile::{self, KINDS, MEMORY, SECONDS};
use frontdesk_testkit::pdf::HELVETICA;

use crate::memory::peak;
use crate::support::{File, read};

/// Processor time of this thread so far, in seconds: other tests may keep it waiting.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// What came of a file, or what was wrong with the way there.
fn in_time(file: &[u8]) -> Result<Result<Extracted, ExtractFailure>, String> {
    let begun = worked();
    let (read, held) = peak(|| read(file));
    let seconds = worked() - begun;
    if seconds >= SECONDS {
        return Err(format!("took {seconds:.1} s"));
    }
    if held >= MEMORY {
        return Err(format!("held {} MB", held / 1_000_000));
    }
    Ok(read)
}

fn all_end(kind: &str) {
    let (_, all) = KINDS.into_iter().find(|(name, _)| *name == kind).unwrap();
    let mut wrong = Vec::new();
    for file in all() {
        let checked = in_time(&file.bytes()).and_then(|read| {
            let read = read.map(|read| read.text).map_err(|failure| failure.to_string());
            file.expected.check(read.as_deref().map_err(String::as_str))
        });
        if let Err(fault) = checked {
            wrong.push(format!("{}: {fault}", file.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (ordinary, piece) = hostile::ordinary();
    assert!(read(&ordinary).unwrap().text.contains(piece));
}

#[test]
fn what_stands_on_hostile_pages_ends_in_time_and_memory_with_text_or_a_reason() {
    all_end("the pages of a pdf");
}

#[test]
fn hostile_pdfs_end_in_time_and_memory_with_text_or_a_reason() {
    all_end("the parts of a pdf");
}

#[test]
fn hostile_archives_end_in_time_and_memory_with_text_or_a_reason() {
    all_end("archives");
}

#[test]
fn hostile_texts_end_in_time_and_memory_with_text_or_a_reason() {
    all_end("texts");
}

#[test]
fn what_is_given_up_of_a_page_is_said() {
    for name in ["forms in forms, ten to the twelfth of them", "26 MB of text"] {
        let file = hostile::hostile().into_iter().find(|file| file.name == name).unwrap();
        // The page is given up at its budget, or the file at that of its text.
        let read = read(&file.bytes());
        assert!(read.is_err() || read.is_ok_and(|read| !read.unread.is_empty()), "{name}");
    }
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
        let cut = in_time(&whole[..whole.len() * share / 100]).unwrap();
        assert!(cut.is_ok_and(|read| read.text.contains("Page 0 tells of kettles.")), "{share} %");
    }
}
