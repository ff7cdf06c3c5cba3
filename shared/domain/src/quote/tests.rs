use proptest::prelude::*;

use super::*;
use crate::id::{DocumentId, PassageId};
use crate::time::Timestamp;

fn source<'a>(text: &'a str, heading: Option<&'a str>) -> Source<'a> {
    Source {
        passage_id: PassageId::new(Timestamp::from_millis(1), [1; 10]),
        document_id: DocumentId::new(Timestamp::from_millis(text.as_ptr() as i64 & 0xffff_ffff), [2; 10]),
        title: "Shop",
        version: 1,
        url: None,
        heading,
        start: 0,
        text,
    }
}

fn answer(question: &str, text: &str) -> String {
    let sources = [source(text, None)];
    let (answer, citations) = quoted_answer(question, &sources).unwrap();
    assert_eq!(citations[0].quote, text[citations[0].start as usize..citations[0].end as usize]);
    answer
}

#[test]
fn prose_is_quoted_by_sentences() {
    let text = "Мы открылись в 2015 году. Магазин на ул. Ленина, д. 5 работает с 10 до 20 часов без выходных.\n\nДоставка есть.";
    assert_eq!(
        answer("До скольки работает магазин?", text),
        "Магазин на ул. Ленина, д. 5 работает с 10 до 20 часов без выходных. [1]"
    );
}

#[test]
fn the_answer_of_an_faq_stands_below_its_question() {
    let text = "## How do I return an item?\n\nSend it back within 14 days. We pay the postage.\n\n## Do you ship abroad?\n\nNo.";
    assert_eq!(
        answer("How can I return an item?", text),
        "Send it back within 14 days. We pay the postage. [1]"
    );
}

#[test]
fn a_list_is_quoted_by_its_items() {
    let text = "Delivery:\n\n- Courier in Moscow: 300 roubles\n- Post: 250 roubles\n- Pickup: free\n";
    assert_eq!(answer("how much is pickup", text), "Pickup: free [1]");
    let list = "For a return you need:\n- the receipt\n- your passport\n\nSomething else.";
    assert_eq!(
        answer("what do I need for a return", list),
        "For a return you need:\n- the receipt\n- your passport [1]"
    );
}

#[test]
fn rows_are_quoted_one_by_one() {
    let csv = "Товар: Чайник; Цена: 3990 ₽\nТовар: Утюг; Цена: 2500 ₽";
    assert_eq!(answer("сколько стоит утюг", csv), "Товар: Утюг; Цена: 2500 ₽ [1]");
    let table = "| Item | Price |\n|---|---|\n| Kettle | 39 € |\n| Iron | 25 € |\n";
    assert_eq!(answer("price of the iron", table), "Item: Iron; Price: 25 € [1]");
}

#[test]
fn a_passage_that_only_its_heading_fits_is_quoted_from_its_beginning() {
    let sources = [source("Two years on everything. Batteries: one year only.", Some("Warranty"))];
    assert_eq!(
        quoted_answer("warranty", &sources).unwrap().0,
        "Two years on everything. Batteries: one year only. [1]"
    );
}

#[test]
fn a_second_passage_is_quoted_when_it_adds_something() {
    let sources =
        [source("Courier delivery takes two days.", None), source("Pickup is free of charge.", None)];
    let (text, citations) = quoted_answer("courier delivery or free pickup", &sources).unwrap();
    assert_eq!(text, "Courier delivery takes two days. [1]\n\nPickup is free of charge. [2]");
    assert_eq!(citations.len(), 2);
    assert_eq!(quoted_answer("courier delivery", &sources).unwrap().1.len(), 1);
}

#[test]
fn nothing_is_quoted_from_nothing() {
    assert!(quoted_answer("warranty", &[]).is_none());
    assert!(quoted_answer("warranty", &[source("---\n", None)]).is_none());
}

proptest! {
    #[test]
    fn quotes_are_exact_and_bounded(question in any::<String>(), text in "(#{1,3} |- |\\| ?|[a-zа-яё .:;!?\n]{0,60}|\\PC){0,12}") {
        let sources = [source(&text, None), source("Something else entirely.", None)];
        if let Some((_, citations)) = quoted_answer(&question, &sources) {
            for citation in citations {
                let from = sources.iter().find(|source| source.document_id == citation.document_id).unwrap();
                prop_assert_eq!(from.text.get(citation.start as usize..citation.end as usize), Some(citation.quote.as_str()));
                prop_assert!(!citation.quote.is_empty() && citation.quote.chars().count() <= MAX_QUOTE_CHARS);
            }
        }
        if let Some(range) = nearest(&question, &text) {
            prop_assert!(text.get(range).is_some_and(|quote| !quote.is_empty()));
        }
    }
}
