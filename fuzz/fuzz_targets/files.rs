//! A file of any type, read as the reader does.
#![no_main]

use frontdesk_extract::{Limits, extract, kind_of, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let limits = Limits { max_text: 1 << 20, max_unpacked: 4 << 20, max_pages: 20, ..Limits::default() };
    let kind = kind_of(file, &limits);
    if let Ok(read) = extract(file, "a.txt", None, &limits) {
        assert_eq!(kind.map(|kind| kind.media_type()).ok(), Some(read.media_type.as_str()));
        assert!(!read.text.is_empty());
    }
    let _ = wire::answer(file);
});
