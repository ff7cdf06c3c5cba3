use proptest::prelude::*;

use super::*;
use crate::answer::Citation;
use crate::citation::Source;
use crate::id::{DocumentId, PassageId};
use crate::question::Question;
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

/// What is quoted, of documents in the language that their text is in.
fn quoted(question: &str, sources: &[Source<'_>]) -> Option<(String, Vec<Citation>)> {
    let offered: Vec<Offered<'_>> =
        sources.iter().map(|source| Offered { source: *source, language: detect(source.text) }).collect();
    quoted_answer(&Question::new(question, &[]), &offered, LEAST_COVERAGE)
}

fn answer(question: &str, text: &str) -> String {
    let (answer, citations) = quoted(question, &[source(text, None)]).unwrap();
    assert_eq!(citations[0].quote, text[citations[0].start as usize..citations[0].end as usize]);
    answer
}

#[test]
fn prose_is_quoted_by_whole_sentences_with_their_paragraph() {
    let text = "Мы открылись в 2015 году. Магазин на ул. Ленина, д. 5 работает с 10 до 20 часов без выходных.\n\nДоставка есть.";
    assert_eq!(
        answer("До скольки работает магазин?", text),
        "Мы открылись в 2015 году. Магазин на ул. Ленина, д. 5 работает с 10 до 20 часов без выходных. [1]"
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
fn a_code_is_found_however_it_is_joined_and_what_is_asked_of_it_is_wanted_too() {
    let rows = "Product: Kettle Camomile K-17; Article: K17-W; Price: 3,990 ₽\nProduct: Puer Shu; Article: TE-05; Price: 1,290 ₽";
    for (question, article) in [
        ("K-17", "K17-W"),
        ("К-17", "K17-W"),
        ("k17", "K17-W"),
        ("TE-05", "TE-05"),
        ("ТЕ05?", "TE-05"),
        ("сколько стоит К-17?", "K17-W"),
        ("price of TE 05", "TE-05"),
    ] {
        let (said, _) = quoted(question, &[source(rows, None)]).unwrap_or_else(|| panic!("{question}"));
        assert!(said.contains(article) && said.lines().count() == 1, "{question}: {said}");
    }
    for question in ["TE-99", "how much does the K-17 weigh", "is K-17 made in Italy"] {
        assert!(quoted(question, &[source(rows, None)]).is_none(), "{question}");
    }
}

#[test]
fn a_list_is_quoted_by_its_items() {
    let text = "Delivery:\n\n- Courier in Moscow: 300 roubles\n- Post: 250 roubles\n- Pickup: free\n";
    // Under the line that opens the list, as an item alone says little.
    assert_eq!(answer("how much is pickup", text), "Delivery:\nPickup: free [1]");
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
        quoted("warranty", &sources).unwrap().0,
        "Two years on everything. Batteries: one year only. [1]"
    );
}

#[test]
fn a_second_passage_is_quoted_when_it_adds_something() {
    let sources =
        [source("Courier delivery takes two days.", None), source("Pickup is free of charge.", None)];
    let (text, citations) = quoted("courier delivery or free pickup", &sources).unwrap();
    assert_eq!(text, "Courier delivery takes two days. [1]\n\nPickup is free of charge. [2]");
    assert_eq!(citations.len(), 2);
    assert_eq!(quoted("courier delivery", &sources).unwrap().1.len(), 1);
}

#[test]
fn nothing_is_quoted_from_nothing() {
    assert!(quoted("warranty", &[]).is_none());
    assert!(quoted("warranty", &[source("---\n", None)]).is_none());
}

#[test]
fn an_item_of_what_is_not_so_is_never_without_its_heading() {
    let text = "## How long you have\n\nYou can return a purchase within 14 days.\n\n## What cannot be returned\n\n\
                - Opened packs of tea.\n- Gift cards.\n";
    assert_eq!(
        answer("can I return opened tea?", text),
        "What cannot be returned:\nOpened packs of tea. [1]"
    );
    let list = answer("what cannot be returned?", text);
    assert!(list.contains("Opened packs") && list.contains("Gift cards"), "{list}");
    let rule = answer("What can I return?", text);
    assert!(rule.contains("within 14 days") && !rule.contains("Gift"), "{rule}");
}

#[test]
fn the_row_of_the_product_is_quoted_by_its_code_however_that_is_typed() {
    let rows = "Article: K17-W; Price: 3990 ₽; Colour: white\nArticle: K17-B; Price: 4190 ₽; Colour: black\n\
                Article: TE-05; Price: 1290 ₽; Note: puer";
    assert!(answer("price of К17-В", rows).contains("4190"));
    assert!(answer("te05", rows).contains("1290"));
    assert!(!answer("te05", rows).contains("3990"));
}

#[test]
fn words_that_only_meet_by_chance_are_no_answer() {
    let text = "Pay with Mir and Visa cards. Write to us at any time. A porcelain cup costs 590 ₽.";
    for question in
        ["Кто написал Войну и мир?", "who won the world cup in 2018?", "tell me a joke about cats"]
    {
        assert_eq!(quoted(question, &[source(text, None)]), None, "{question}");
    }
}

#[test]
fn a_document_in_the_language_of_the_question_comes_first() {
    let sources = [source("Delivery costs 300 roubles.", None), source("Доставка стоит 300 рублей.", None)];
    assert!(quoted("сколько стоит доставка", &sources).unwrap().0.starts_with("Доставка"));
    assert!(quoted("how much is delivery", &sources).unwrap().0.starts_with("Delivery"));
}

#[test]
fn a_miss_offers_the_nearest_headings() {
    let sources = [source("We ship.", Some("Delivery › Moscow")), source("You may.", Some("Returns"))];
    let offered = sources.map(|source| Offered { source, language: crate::text::Language::English });
    assert_eq!(topics(&Question::new("bicycles", &[]), &offered, 2), ["Moscow", "Returns"]);
}

proptest! {
    #[test]
    fn quotes_are_exact_and_bounded(question in any::<String>(), text in "(#{1,3} |- |\\| ?|[a-zа-яё .:;!?\n]{0,60}|\\PC){0,12}") {
        let sources = [source(&text, None), source("Something else entirely.", None)];
        if let Some((_, citations)) = quoted(&question, &sources) {
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

#[test]
fn the_general_rule_goes_before_the_exception_and_the_special_case() {
    let returns = "## What cannot be returned\n\nOpened packs cannot be returned.\n\n\
                   ## How to return something\n\nWrite to returns@shop.example to return goods and name the order.";
    assert!(answer("how do I return goods", returns).contains("returns@shop.example"));
    assert!(answer("what can't be returned", returns).contains("Opened packs"));
    let warranty = "## After the warranty\n\nAfter the warranty has ended, diagnosis costs 500 roubles.\n\n\
                    ## Service and warranty\n\nThe warranty of a kettle is 24 months.";
    assert!(answer("warranty", warranty).contains("24 months"));
}

#[test]
fn a_trouble_is_answered_by_what_is_said_of_it_and_not_by_an_order() {
    let manual = "Do not switch the kettle on empty.\n\nThe kettle does not switch on: check the socket.";
    assert!(answer("my kettle doesn't switch on", manual).contains("check the socket"));
}

#[test]
fn of_two_words_both_are_answered_and_what_names_nothing_is_not() {
    let text = "Delivery costs 300 roubles. We are open from 9:00 to 21:00.";
    for question in ["delivery by drone", "how much is it?", "have you a pharmacy with delivery"] {
        assert!(quoted(question, &[source(text, None)]).is_none(), "{question}");
    }
    assert!(quoted("how much is delivery", &[source(text, None)]).is_some());
}

#[test]
fn a_measure_is_answered_in_its_unit_and_a_place_by_a_place() {
    let kettle = "- Product: Kettle; Volume or weight: 1.7 l; Stock: yes\n\nThe kettle weighs 1.2 kg.";
    assert!(answer("how much does the kettle weigh", kettle).contains("1.2 kg"));
    let carpets = "The warranty covers carpets.\n\nBring carpets to our shop in Lime Street.";
    assert!(answer("where do you take carpets", carpets).contains("Lime Street"));
    assert!(quoted("where do you take carpets", &[source("The warranty covers carpets.", None)]).is_none());
}

#[test]
fn the_cheapest_is_the_row_with_the_least_price_of_its_kind() {
    let rows = "These are the prices of everything that we have in our shop.\n\n- Product: Green tea; Price: 690 ₽\n- Product: Black tea; Price: 490 ₽\n- Product: Cup; Price: 190 ₽";
    assert_eq!(answer("what is the cheapest tea?", rows), "Product: Black tea; Price: 490 ₽ [1]");
    assert_eq!(answer("most expensive tea", rows), "Product: Green tea; Price: 690 ₽ [1]");
}

#[test]
fn what_happened_is_not_answered_by_what_a_thing_costs() {
    let rows = "- Service: First visit; Price: 2,400 ₽\n- Service: Second visit; Price: 1,800 ₽";
    for text in [rows, "A visit costs 300 roubles.", "Visits are free of charge."] {
        assert!(quoted("I was charged twice for a visit", &[source(text, None)]).is_none(), "{text}");
    }
    assert!(quoted("how much is a second visit", &[source(rows, None)]).is_some());
}

#[test]
fn forms_that_the_stemmer_cuts_apart_meet_and_words_of_one_short_stem_do_not() {
    let cancelling = "## Отмена и перенос записи\n\nОтменить приём можно за 4 часа до начала.";
    assert!(answer("как отменить запись", cancelling).contains("4 часа"));
    let oolong = [source("- Товар: Улун те гуань инь; Цена: 890 ₽", None)];
    assert!(quoted("какой у вас ИНН", &oolong).is_none() && quoted("гуань инь", &oolong).is_some());
}

#[test]
fn a_word_of_first_letters_is_met_by_the_words_that_it_stands_for() {
    let scans = "- Service: Magnetic resonance imaging of the head; Price: 6,800 ₽\n- Service: Blood test of the head; Price: 650 ₽";
    assert!(answer("price of MRI of the head", scans).contains("6,800"));
}

#[test]
fn a_part_of_a_joined_word_goes_behind_the_word_itself() {
    let loans = "We lend e-books for a month. We lend books for a week.\n\n- E-books: up to 6 at a time.\n- Books: up to 10 at a time.";
    assert!(answer("how many books can I take", loans).contains("Books: up to 10"));
    assert!(!answer("how many books can I take", loans).contains("E-books"));
}

#[test]
fn two_questions_joined_by_and_are_answered_by_two_statements() {
    let shop = "We close at 17:00 on 31 December.\n\nParking: there are six free spaces in the courtyard.";
    let both = answer("when do you close on 31 December and is there parking?", shop);
    assert!(both.contains("17:00") && both.contains("six free spaces"), "{both}");
}
