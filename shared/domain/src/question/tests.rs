use super::*;

#[test]
fn one_code_is_written_in_many_ways() {
    for text in ["К-17", "k17", "K 17", "сколько стоит К17?", "K-17."] {
        assert_eq!(codes(text), ["K17"], "{text}");
    }
    assert_eq!(codes("есть ТЕ05?"), ["TE05"]);
    assert_eq!(codes("TE-05; 1290 ₽"), ["TE05"]);
    assert_eq!(codes("К17-В почём"), ["K17B"]);
    assert!(codes("доставка при заказе на 5 000 рублей, 3 дня").is_empty());
    assert!(codes("I have 200 points").is_empty());
}

#[test]
fn numbers_are_read_without_what_groups_their_digits() {
    assert_eq!(numbers("от 5 000 ₽, 10,000 и 300"), ["5000", "10000", "300"]);
    assert_eq!(numbers("1 января, 2026"), ["1", "2026"]);
}

#[test]
fn a_question_that_names_no_subject_takes_the_one_before_and_one_that_stands_alone_does_not() {
    let carried = |text: &str, before: &[&str]| -> Vec<String> {
        let question = Question::new(text, before);
        question.words.into_iter().filter(|word| word.age > 0).map(|word| word.term.word).collect()
    };
    let delivery = ["How much is delivery in Moscow?"];
    assert_eq!(carried("what about Kazan?", &delivery).len(), 2);
    assert!(carried("how long does it take", &delivery).contains(&"moscow".to_owned()));
    assert!(carried("opening hours", &delivery).is_empty());
    assert!(carried("warranty", &delivery).is_empty());
    assert!(carried("how much", &["Do you deliver to Belarus?", "thanks"]).contains(&"belarus".to_owned()));
    assert!(carried("а белый?", &["Есть чёрный чайник?"]).contains(&"чайник".to_owned()));
    assert!(!carried("а белый?", &["Есть чёрный чайник?"]).contains(&"черный".to_owned()));
}

proptest::proptest! {
    #[test]
    fn no_question_panics(text in "\\PC{0,200}", before in proptest::collection::vec("\\PC{0,60}", 0..8)) {
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let _ = Question::new(&text, &before).search_terms();
    }
}

#[test]
fn a_code_in_small_letters_with_a_blank_is_one_where_nothing_else_can_be_meant() {
    for (text, code) in
        [("к 17", "K17"), ("c 25?", "C25"), ("сколько стоит c 25", "C25"), ("price of te 05", "TE05")]
    {
        assert_eq!(Question::new(text, &[]).codes, [code], "{text}");
    }
    for text in ["приду к 17 часам", "I come at 17", "с 9 до 21"] {
        assert!(Question::new(text, &[]).codes.is_empty(), "{text}");
    }
}

#[test]
fn what_is_told_asks_for_nothing_and_a_wish_does() {
    let told = |text: &str| Question::new(text, &[]).wants.told;
    assert!(told("I was charged twice") && told("с меня списали деньги два раза"));
    for text in [
        "I was charged twice, why?",
        "my parcel is late, what now",
        "I need a kettle",
        "How much is it",
        "мне нужен чайник",
    ] {
        assert!(!told(text), "{text}");
    }
}
