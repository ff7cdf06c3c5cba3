use super::super::tests::source;
use super::*;
use proptest::prelude::*;

const PASSAGE: &str =
    "Pay at https://pay.shop.example/now (or [here](https://help.shop.example/)). Mail help@shop.example.";

fn filtered(pieces: &[&str]) -> String {
    let mut filter = CitationFilter::new(&[source(PASSAGE, 0), source("Two.", 0)]);
    let mut shown: String = pieces.iter().map(|piece| filter.push(piece)).collect();
    shown.push_str(&filter.finish());
    shown
}

#[test]
fn references_to_passages_that_do_not_exist_are_removed() {
    for (answer, shown) in [
        ("Yes [1]. No [9].", "Yes [1]. No."),
        ("Yes [1, 2, 7] and [3][2]", "Yes [1][2] and [2]"),
        ("A [0] b", "A b"),
        ("Costs [9], so", "Costs, so"),
        ("[7] First", " First"),
        ("An array b[5] and [ ] and [x] and [12345]", "An array b and [ ] and [x] and [12345]"),
        ("cut [1", "cut [1"),
        ("[1](https://evil.example) ok", "[1] ok"),
        ("Since [2024] `a[0]` and a[0] [1]", "Since [2024] `a[0]` and a[0] [1]"),
    ] {
        assert_eq!(filtered(&[answer]), shown, "{answer}");
    }
}

#[test]
fn links_that_no_passage_has_are_removed() {
    for (answer, shown) in [
        ("See https://pay.shop.example/now.", "See https://pay.shop.example/now."),
        ("See https://evil.example/now.", "See."),
        ("See [our page](https://evil.example/x) now", "See our page now"),
        ("See [the help](https://help.shop.example) now", "See [the help](https://help.shop.example) now"),
        ("[https://evil.example](https://evil.example) x", " x"),
        ("![pic](https://evil.example/a.png)!", "pic!"),
        ("at www.evil.example, or", "at, or"),
        ("[mail](mailto:help@shop.example) [call](tel:+100)", "[mail](mailto:help@shop.example) call"),
        ("[x](javascript:alert(1))", "x"),
        ("how we wait when https", "how we wait when https"),
        ("HTTPS://PAY.SHOP.EXAMPLE/now", "HTTPS://PAY.SHOP.EXAMPLE/now"),
        ("https://pay.shop.example.evil.example/now", ""),
    ] {
        assert_eq!(filtered(&[answer]), shown, "{answer}");
    }
}

#[test]
fn every_usual_shape_of_a_reference_is_one() {
    for shape in [
        "Yes [1].",
        "Yes 【1】.",
        "Yes【1†source】.",
        "Yes [^1].",
        "Yes (1).",
        "Yes [[1]].",
        "Yes [Source 1].",
        "Yes [Document 1].",
        "Yes [doc1].",
        "Yes [1: Kettle manual].",
        "Yes¹.",
        "Yes [#1].",
        "Yes \\[1\\].",
        "Yes ［1］.",
        "Yes [ 1 ].",
        "Yes [1](#).",
        "Yes <sup>1</sup>.",
        "Yes [документ 1].",
        "Yes [источник №1].",
        "Yes [1]. \n\n[1]: Kettle manual\n",
        "Yes [1].\n\n[^1]: Manual, 2.",
        "Yes [1].\n\nSources:\n[1] Kettle manual\n[2] Delivery",
        "Yes [1].\n\n**Источники:**\n1. Чайник\n2. Доставка\n",
    ] {
        let shown = filtered(&[shape]);
        assert_eq!(
            shown.split_whitespace().collect::<Vec<_>>().join(" ").replace("Yes[", "Yes ["),
            "Yes [1].",
            "{shape}"
        );
    }
    for (shape, shown) in [
        ("Yes [1, 2].", "Yes [1][2]."),
        ("Yes [1; 2].", "Yes [1][2]."),
        ("Yes [1 and 2].", "Yes [1][2]."),
        ("Yes [1-2].", "Yes [1][2]."),
        ("Yes [1–9].", "Yes [1][2]."),
        ("Yes [1] [2].", "Yes [1][2]."),
        ("Yes **[1]**.", "Yes **[1]**."),
        ("Yes 【4:0†source】.", "Yes."),
        ("Yes [[9]].", "Yes."),
        ("10 m² and x³, step (1) first (7).", "10 m² and x³, step (1) first (7)."),
        ("Sources: we buy from farmers.", "Sources: we buy from farmers."),
        ("[see [1]", "[see [1]"),
    ] {
        assert_eq!(filtered(&[shape]), shown, "{shape}");
    }
}

#[test]
fn what_its_passage_does_not_have_is_not_shown_as_proven() {
    let passage = source("Courier delivery in Moscow costs 300 roubles.", 0);
    let shown = |answer: &str| {
        let mut filter = CitationFilter::new(&[passage]);
        filter.push(answer) + &filter.finish()
    };
    assert_eq!(
        shown("It costs 300 roubles [1]. In Kazan it costs 400 roubles [1]."),
        "It costs 300 roubles [1]. In Kazan it costs 400 roubles."
    );
}

#[test]
fn each_statement_is_held_to_its_own_passages() {
    let sources = [
        source("Delivery in the Moscow region costs 450 ₽ and takes 2–3 days.", 0),
        source("Courier delivery in Moscow costs 300 ₽.", 0),
    ];
    let answer = "## Moscow region [1] Delivery in the Moscow region costs 450 ₽ and takes 2–3 days. [1] Courier delivery in Moscow costs 300 ₽. [2]";
    let mut filter = CitationFilter::new(&sources);
    assert_eq!(filter.push(answer) + &filter.finish(), answer);
}

#[test]
fn a_tick_without_a_partner_is_no_code() {
    let passage = source("Press the ` key. The courier costs 300 roubles.", 0);
    let shown = |answer: &str| {
        let mut filter = CitationFilter::new(&[passage]);
        filter.push(answer) + &filter.finish()
    };
    let right = "Press the ` key. The courier costs 300 roubles [1].";
    assert_eq!(shown(right), right);
    assert_eq!(crate::citation::cited(right, &[passage]).len(), 1);
    let wrong = "Press ` to open. The courier costs 999 roubles [1].";
    assert_eq!(shown(wrong), "Press ` to open. The courier costs 999 roubles.");
    let code = "Write `a [1]` for the courier.";
    assert_eq!(shown(code), code);
    assert!(crate::citation::cited(code, &[passage]).is_empty());
}

#[test]
fn brackets_in_any_number_are_read_in_bounded_depth_and_time() {
    for repeated in ["[", "[[", "【", "\\[", "(", "[1]", "<sup>", "`", "!", "[a](", "¹"] {
        let answer = repeated.repeat(20_000);
        let mut whole = CitationFilter::new(&[source("One.", 0)]);
        let shown = whole.push(&answer) + &whole.finish();
        let mut filter = CitationFilter::new(&[source("One.", 0)]);
        let pieces: String = answer
            .chars()
            .collect::<Vec<_>>()
            .chunks(997)
            .map(|piece| filter.push(&piece.iter().collect::<String>()))
            .collect();
        assert_eq!(pieces + &filter.finish(), shown, "{repeated}");
    }
}

#[test]
fn no_link_is_hidden_by_how_it_is_written() {
    for (answer, shown) in [
        ("See [click\nhere](https:evil.example/a) now", "See [click\nhere] now"),
        ("See [see \\[1\\] here](https:evil.example/a)", "See [see here]"),
        ("See 𝐀https://evil.example/a b", "See 𝐀 b"),
        ("See [x](\nhttps:evil.example/a) b", "See x b"),
        ("See <https://evil.example/a> b", "See b"),
        ("See <a href=\"https://evil.example/a\">here</a> b", "See here b"),
        ("See [here][x] b\n\n[x]: https://evil.example/a", "See here b\n\n"),
        ("See ftp://evil.example/a b", "See ftp b"),
        ("+7 999 111-22-33(https:evil.example)", "+7 999 111-22-33()"),
        ("[a](https://help.shop.example/ \"t\")", "[a](https://help.shop.example/)"),
    ] {
        assert_eq!(filtered(&[answer]), shown, "{answer}");
    }
    let long = format!("See [{}](https:evil.example/a) b", "word ".repeat(90));
    assert_eq!(filtered(&[&long]), format!("See [{}] b", "word ".repeat(90)));
}

#[test]
fn only_what_may_become_a_reference_is_held_back() {
    let mut filter = CitationFilter::new(&[source(PASSAGE, 0)]);
    assert_eq!(filter.push("It is free [1"), "It is free");
    assert_eq!(filter.push("2"), "");
    assert_eq!(filter.push("]. Also"), ". Also");
    assert_eq!(filter.finish(), "");
}

/// Texts that are full of the beginnings of references and links.
fn answers() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("[1]".to_owned()),
        Just("[9]".to_owned()),
        Just("[1, 9]".to_owned()),
        Just(" ".to_owned()),
        Just("https://pay.shop.example/now".to_owned()),
        Just("http://evil.example".to_owned()),
        Just("www.".to_owned()),
        Just("![".to_owned()),
        Just("](https://evil.example)".to_owned()),
        Just("](https://help.shop.example/)".to_owned()),
        Just("\n".to_owned()),
        Just("ё.".to_owned()),
        "[a-zh w.:/!]{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_text(answer in answers(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let borders: Vec<usize> = answer.char_indices().map(|(at, _)| at).collect();
        let mut at: Vec<usize> =
            if borders.is_empty() { Vec::new() } else { cuts.iter().map(|cut| *cut.get(&borders)).collect() };
        at.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in at {
            pieces.push(&answer[from..cut]);
            from = cut;
        }
        pieces.push(&answer[from..]);
        prop_assert_eq!(filtered(&pieces), filtered(&[&answer]));
    }

    #[test]
    fn no_invented_address_or_reference_survives(answer in answers()) {
        prop_assume!(!answer.contains('`'));
        let shown = filtered(&[&answer]);
        prop_assert!(super::super::references(&shown).all(|(_, _, n)| (0..=2).contains(&n)), "{}", shown);
    }
}
