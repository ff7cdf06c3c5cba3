//! A document's text and a visitor's question.
#![no_main]

use frontdesk_domain::guard;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::text::{self, Language, MAX_PASSAGE_CHARS, TextPlace, Window};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let language = text::detect(text);
    for language in Language::all() {
        let _ = language.stem(text);
    }
    let _ = text::query_terms(text, language);
    let _ = guard::check_input(&Settings::default(), text, &[text]);
    let mut covered = 0;
    for span in text::passages(text) {
        let passage = &text[span.start..span.end];
        assert!(!passage.is_empty() && passage.chars().count() <= MAX_PASSAGE_CHARS);
        assert!(span.start <= covered || text[covered..span.start].trim().is_empty());
        covered = span.end;
        let _ = text::parts(passage, 4);
    }
    assert!(text[covered..].trim().is_empty());
    let place = TextPlace::default();
    let window = Window { text, is_last: true, title: "", place: &place, most: 64 };
    assert!(text::split(&window).fits(&window));
});
