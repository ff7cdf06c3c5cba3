//! No text that a stranger sends makes anything panic, and what comes out keeps its promises. More cases than the few of
//! every run: `FRONTDESK_FUZZ_CASES=1000000 cargo test --release -p frontdesk-testkit --test strangers`.

use frontdesk_domain::citation::{CitationFilter, Source, cited, is_exact};
use frontdesk_domain::guard::{self, InputVerdict, OutputFilter};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::question::{Question, talk};
use frontdesk_domain::quote::{MAX_QUOTE_CHARS, Offered, quoted_answer, topics};
use frontdesk_domain::robots::Robots;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::speech::Speech;
use frontdesk_domain::text::{
    self, Language, MAX_PASSAGE_CHARS, MAX_QUERY_TERMS, MAX_WORD_CHARS, OVERLAP_CHARS, TextPlace, Window,
};
use frontdesk_domain::time::Timestamp;
use frontdesk_testkit::strangers;
use proptest::prelude::*;

fn source(text: &str) -> Source<'_> {
    Source {
        passage_id: PassageId::new(Timestamp::from_millis(1), [1; 10]),
        document_id: DocumentId::new(Timestamp::from_millis(1), [2; 10]),
        title: "Delivery",
        version: 1,
        url: Some("https://pay.example/x"),
        heading: Some("Delivery › Courier"),
        start: 0,
        text,
    }
}

/// A text in pieces of the lengths that are given, over and over.
fn pieces<'a>(text: &'a str, lengths: &[usize]) -> Vec<&'a str> {
    let mut lengths = lengths.iter().cycle();
    let (mut rest, mut pieces) = (text, Vec::new());
    while !rest.is_empty() {
        let chars = lengths.next().copied().unwrap_or(1);
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at);
        let (piece, left) = rest.split_at(end);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

proptest! {
    #![proptest_config(strangers::config())]

    #[test]
    fn a_stem_is_about_a_word_long_in_every_language(word in strangers::word()) {
        for language in Language::all() {
            let stem = language.stem(&word);
            prop_assert!(stem.len() <= word.len().saturating_mul(2).saturating_add(8), "{language} {word} {stem}");
        }
    }

    #[test]
    fn words_and_terms_are_bounded_and_in_order(text in strangers::text()) {
        let language = text::detect(&text);
        let mut last = 0;
        for (term, word) in text::terms(&text, language) {
            prop_assert!(word.start >= last && word.end > word.start && text.get(word.start..word.end).is_some());
            prop_assert!(word.text.chars().count() <= MAX_WORD_CHARS && !term.stem.is_empty());
            last = word.end;
        }
        prop_assert!(text::query_terms(&text, language).len() <= MAX_QUERY_TERMS);
    }

    #[test]
    fn passages_hold_everything_but_white_space(text in strangers::text(), times in 1_usize..4) {
        let text = text.repeat(times);
        let (mut covered, mut last) = (0, 0);
        let mut before: Option<text::Span> = None;
        for span in text::passages(&text) {
            let passage = text.get(span.start..span.end).unwrap();
            prop_assert!(!passage.is_empty() && passage.chars().count() <= MAX_PASSAGE_CHARS);
            prop_assert!(span.start >= last && span.end > covered, "out of order");
            if span.start > covered {
                prop_assert!(text[covered..span.start].trim().is_empty(), "lost {:?}", &text[covered..span.start]);
            }
            if let Some(before) = &before && span.start < before.end {
                prop_assert!(text[span.start..before.end].chars().count() <= OVERLAP_CHARS);
                prop_assert_eq!(&before.heading, &span.heading, "two sections overlap");
            }
            for most in 0..6 {
                let parts = text::parts(passage, most);
                prop_assert!(parts.is_empty() || (2..=most).contains(&parts.len()));
                let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
                let all: usize = parts.iter().map(|part| letters(part)).sum();
                prop_assert!(parts.is_empty() || all == letters(passage), "{:?}", parts);
            }
            (covered, last) = (span.end, span.start);
            before = Some(span);
        }
        prop_assert!(text[covered..].trim().is_empty(), "lost the end");
    }

    #[test]
    fn what_the_reader_says_of_a_window_fits_it(
        text in strangers::text(), title in strangers::word(), most in 1_usize..70, is_last: bool,
    ) {
        let text = text.repeat(1 + 14_000 / text.len().max(1));
        let place = TextPlace::default();
        let title: String = title.chars().take(200).collect();
        let window = Window { text: &text, is_last, title: &title, place: &place, most };
        let split = text::split(&window);
        prop_assert!(split.fits(&window));
        let wire = serde_json::to_string(&split).unwrap();
        prop_assert_eq!(serde_json::from_str::<text::Split>(&wire).ok(), Some(split));
    }

    #[test]
    fn guards_pass_or_refuse(text in strangers::text(), history in prop::collection::vec(strangers::text(), 0..3)) {
        let history: Vec<&str> = history.iter().map(String::as_str).collect();
        let settings = Settings::default();
        if let InputVerdict::Pass { for_model } = guard::check_input(&settings, &text, &history) {
            prop_assert_eq!(guard::for_model(&settings, &text), for_model);
        }
        let _ = guard::mask(&text);
    }

    #[test]
    fn an_answer_is_the_same_in_any_pieces(
        answer in strangers::text(), passage in strangers::text(), lengths in prop::collection::vec(1_usize..9, 1..9),
    ) {
        let (settings, sources) = (Settings::default(), [source(&passage), source("Two.")]);
        let shown = |pieces: &[&str]| {
            let mut output = OutputFilter::new(&settings, &[&passage], "You are the front desk.");
            let mut citations = CitationFilter::new(&sources);
            let mut shown: String = pieces.iter().map(|piece| citations.push(&output.push(piece))).collect();
            shown.push_str(&citations.push(&output.finish()));
            shown.push_str(&citations.finish());
            shown
        };
        let whole = shown(&[&answer]);
        prop_assert_eq!(shown(&pieces(&answer, &lengths)), whole.clone());
        for citation in cited(&whole, &sources) {
            let text = if citation.n == 1 { passage.as_str() } else { "Two." };
            prop_assert!(is_exact(&citation, text));
        }
    }

    #[test]
    fn a_quoted_answer_is_exact(
        question in strangers::text(),
        before in strangers::text(),
        passage in strangers::text(),
    ) {
        let passage: String = passage.chars().take(MAX_PASSAGE_CHARS).collect();
        let offered = Offered { source: source(&passage), language: text::detect(&passage) };
        let asked = Question::new(&question, &[&before]);
        let _ = talk(&question);
        prop_assert!(topics(&asked, &[offered], 2).len() <= 2);
        if let Some((_, citations)) = quoted_answer(&asked, &[offered], 0.0) {
            for citation in citations {
                prop_assert!(is_exact(&citation, &passage));
                prop_assert!(citation.quote.chars().count() <= MAX_QUOTE_CHARS);
            }
        }
    }

    #[test]
    fn rules_for_robots_decide(file in strangers::bytes(), path in strangers::text()) {
        let _ = Robots::parse(&file, "ExampleBot").allow(&path);
    }
}

/// What is found out about a long text takes as long as its length, not as its square: with the square each of these would
/// take minutes.
mod in_time {
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    fn of(unit: &str, bytes: usize) -> String {
        unit.repeat(bytes.div_ceil(unit.len()))
    }

    fn covers(text: &str) {
        let spans = text::passages(text);
        let between =
            |pair: &[text::Span]| text.get(pair[0].end..pair[1].start).unwrap_or("").trim().is_empty();
        assert!(spans.windows(2).all(between));
        assert!(spans.last().is_some_and(|last| text[last.end..].trim().is_empty()));
    }

    #[test]
    fn rules_for_robots_are_read() {
        for unit in ["User-agent: a\n", "User-agent: *\nDisallow: /x*y$\n", "Disallow: ", "*", "#\r"] {
            let rules = Robots::parse(of(unit, 400 << 10).as_bytes(), "ExampleBot");
            let _ = rules.allow(&of("/x", 4 << 10));
        }
        let stars = format!("User-agent: *\nDisallow: /{}y$\n", of("*x", 400 << 10));
        assert!(Robots::parse(stars.as_bytes(), "ExampleBot").allow(&of("/x", 4 << 10)));
    }

    #[test]
    fn prose_on_one_line_is_split() {
        let sentence = "Every order is packed in the warehouse and given to the courier on the same day. ";
        covers(&of(sentence, 2 * MEGABYTE));
    }

    #[test]
    fn one_unbroken_word_is_split() {
        covers(&of("a", MEGABYTE));
        covers(&of("e\u{301}", MEGABYTE / 4));
        covers(&of("ก", MEGABYTE / 4));
    }

    #[test]
    fn a_picture_inside_markdown_is_split() {
        let data = of("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ+/", MEGABYTE);
        covers(&format!("# Kettle\n\n![kettle](data:image/png;base64,{data})\n\nIt boils water.\n"));
    }

    #[test]
    fn what_makes_sentences_hard_to_find_is_split() {
        for unit in [
            ".", ". ", ".)", "a.) ", ": ", "1. ", "\n", "|", "[^1]", "# a\n", "- ", "```\n", "> ", "<", "\"",
            "* a\n\n",
        ] {
            let text = of(unit, MEGABYTE / 4);
            let _ = text::passages(&text);
            let _ = text::parts(&text, 4);
        }
        let long = of("x", MEGABYTE / 2);
        covers(&format!("# {long}\n{}", of("## a\nb\n", MEGABYTE / 4)));
    }

    #[test]
    fn a_models_words_are_read() {
        for unit in [
            "\n",
            " ",
            "<think></think>",
            "<think>",
            "</think>",
            "<|channel|>",
            "<|channel|>final<|message|>",
            "[",
            "◁",
            "<",
            "a\n",
            "<tool_call>",
            "`",
            "```\n",
            "{",
            "user:\n",
            "[1]",
            "¹",
            "【",
            "\u{202e}",
        ] {
            let text = of(unit, MEGABYTE / 8);
            let mut speech = Speech::new(false);
            let mut said = speech.push(&text).text;
            said.push_str(&speech.finish().text);
            let mut letter_by_letter = Speech::new(true);
            for letter in text.chars() {
                let _ = letter_by_letter.push(letter.encode_utf8(&mut [0; 4]));
            }
            let _ = letter_by_letter.finish();
            let mut filter = CitationFilter::new(&[source("Two.")]);
            let _ = filter.push(&text);
            let _ = filter.finish();
        }
    }

    #[test]
    fn a_visitors_text_is_looked_at() {
        for unit in ["[", "[1", "a@b.co 1 ", "1 ", "+7 (", "ignore ", "<|", "a", "ё", "ท", "中", ".)"] {
            let text = of(unit, MEGABYTE / 8);
            let _ = guard::check_input(&Settings::default(), &text, &[&text]);
            let _ = guard::mask(&text);
            let _ = cited(&text, &[source("Two.")]);
            let _ = text::query_terms(&text, text::detect(&text));
        }
    }

    #[test]
    fn a_long_file_of_rules_is_read_and_matched() {
        let path = format!("/{}", of("ab", 2000));
        for rule in [
            "allow: /*a*a*a*a*a*b*c\n",
            "disallow: /ab*x$\n",
            "user-agent: a\n",
            "allow: *b\n",
            "#",
            "allow: /%61%",
        ] {
            let file = format!("user-agent: *\n{}", of(rule, 512 << 10));
            assert!(Robots::parse(file.as_bytes(), "ExampleBot").allow(&path), "{rule}");
        }
    }
}
