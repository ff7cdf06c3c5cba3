//! A model's answer and the passage that it may cite, apart by a NUL.
#![no_main]

use frontdesk_domain::citation::{CitationFilter, Source, cited, is_exact};
use frontdesk_domain::guard::OutputFilter;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::question::{Question, talk};
use frontdesk_domain::quote::{Offered, quoted_answer, topics};
use frontdesk_domain::settings::Settings;
use frontdesk_domain::text;
use frontdesk_domain::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (answer, passage) = text.split_once('\0').unwrap_or((text, text));
    let source = Source {
        passage_id: PassageId::new(Timestamp::from_millis(1), [1; 10]),
        document_id: DocumentId::new(Timestamp::from_millis(1), [2; 10]),
        title: "Delivery",
        version: 1,
        url: Some("https://pay.example/x"),
        heading: None,
        start: 0,
        text: passage,
    };
    let shown = |pieces: &mut dyn Iterator<Item = String>| {
        let mut output = OutputFilter::new(&Settings::default(), &[passage], "You are the front desk.");
        let mut filter = CitationFilter::new(&[source]);
        let mut shown: String = pieces.map(|piece| filter.push(&output.push(&piece))).collect();
        shown.push_str(&filter.push(&output.finish()));
        shown.push_str(&filter.finish());
        shown
    };
    let whole = shown(&mut std::iter::once(answer.to_owned()));
    assert_eq!(shown(&mut answer.chars().map(String::from)), whole);
    let _ = talk(answer);
    let asked = Question::new(answer, &[passage]);
    let offered = [Offered { source, language: text::detect(passage) }];
    let _ = topics(&asked, &offered, 2);
    let quoted = quoted_answer(&asked, &offered, 0.0).map(|(_, citations)| citations).unwrap_or_default();
    for citation in cited(&whole, &[source]).into_iter().chain(quoted) {
        assert!(is_exact(&citation, passage));
    }
});
