use super::*;
use proptest::prelude::*;

/// What a listener has in the end.
fn heard(pieces: &[&str]) -> String {
    let mut speech = Speech::new(false);
    let mut shown = String::new();
    let mut take = |spoken: Spoken| {
        if spoken.anew {
            shown.clear();
        }
        shown.push_str(&spoken.text);
    };
    for piece in pieces {
        take(speech.push(piece));
    }
    take(speech.finish());
    shown
}

const SAID: &[(&str, &str)] = &[
    ("Yes, we do [1].", "Yes, we do [1]."),
    ("<think>\nWell, document [1].\n</think>\n\nYes [1].", "Yes [1]."),
    ("<thinking>a</thinking>Yes.", "Yes."),
    ("<THINK>a</THINK>Yes.", "Yes."),
    ("<think>a <b>c</b> d</think>Yes.", "Yes."),
    ("Yes <think>hm</think>we do.", "Yes we do."),
    ("<think>never ends", ""),
    ("Weigh first: what do they want?\n</think>\nYes.", "Yes."),
    ("Okay, the visitor asks.\n</think>\n\nYes.", "Yes."),
    ("Okay, we ship tomorrow.", "Okay, we ship tomorrow."),
    ("[THINK]a[/THINK]Yes.", "Yes."),
    ("◁think▷a◁/think▷Yes.", "Yes."),
    (
        "<|channel|>analysis<|message|>Let me<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
        "Yes.",
    ),
    ("<|channel|>final<|message|>Yes.", "Yes."),
    ("analysisWe need to look.assistantfinalYes.", "Yes."),
    ("analysis of the water is free.", "analysis of the water is free."),
    ("<|START_THINKING|>a<|END_THINKING|>Yes.", "Yes."),
    ("<seed:think>a</seed:think>Yes.", "Yes."),
    ("<unused94>thought\na<unused95>Yes.", "Yes."),
    ("Here is my thought process:\na\nHere is my response:\nYes.", "Yes."),
    ("Yes.<|im_end|>", "Yes."),
    ("Yes.</s>", "Yes."),
    ("Yes.<｜end▁of▁sentence｜>", "Yes."),
    ("Yes.<|im_end|>\n<|im_start|>user\nThanks", "Yes."),
    ("<s> Yes.", "Yes."),
    ("Yes.\n\nUser: thanks\nAssistant: welcome", "Yes."),
    ("Users: two.\nUsers may return goods.", "Users: two.\nUsers may return goods."),
    ("assistant: Yes.", "Yes."),
    ("<answer>Yes.</answer>", "Yes."),
    ("```markdown\nYes **we** do.\n```", "Yes **we** do."),
    ("```sh\nmake\n```", "```sh\nmake\n```"),
    ("Write `<think>` and `</think>` around it.", "Write `<think>` and `</think>` around it."),
    ("Write `<think>a</think>`, <think>hm</think>please.", "Write `<think>a</think>`, please."),
    (
        "So:\n```xml\n<think>a</think>\nUser: b\n</s>\n```\nYes.",
        "So:\n```xml\n<think>a</think>\nUser: b\n</s>\n```\nYes.",
    ),
    ("So:\n```\n[INST] a [/INST]\n```\n<think>b</think>Yes.", "So:\n```\n[INST] a [/INST]\n```\nYes."),
    ("So:\n```\nmake\n<|im_end|>", "So:\n```\nmake"),
    ("A lone ` tick <think>hm</think>is none.", "A lone ` tick is none."),
    ("A lone ` tick\n<think>a`b</think>Yes.", "A lone ` tick\nYes."),
    ("Let us see:\n```\nf(1)\n</think>\nYes.", "Yes."),
    ("<think>```\na</think>Yes.", "Yes."),
    ("```markdown\n<think>a</think>Yes.\n```", "Yes."),
    ("<tool_call>\n{\"name\": \"search\"}\n</tool_call>", ""),
    ("{\"name\": \"search\", \"parameters\": {\"q\": 1}}", ""),
    ("{\"answer\": \"Yes.\"}", "Yes."),
    ("{braces} are text", "{braces} are text"),
    ("\n\n Yes.\n\n\n", "Yes."),
    ("\u{1b}[31mYes\u{1b}[0m \u{202e}we\u{202c} do\u{200b}.\u{fffd}\0", "Yes we do."),
    ("a\r\nb\u{2028}c\rd", "a\nb\nc\nd"),
    ("1 < 2 and <b>bold</b>, a[0], [x](y)", "1 < 2 and <b>bold</b>, a[0], [x](y)"),
    ("5 <|> 6 <", "5 <|> 6 <"),
    ("👩‍🔧 می‌خواهم", "👩‍🔧 می‌خواهم"),
];

#[test]
fn only_the_answer_is_left_wherever_it_is_cut() {
    for (text, answer) in SAID {
        assert_eq!(heard(&[text]), *answer, "{text:?}");
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(heard(&letters), *answer, "{text:?} letter by letter");
        for (at, _) in text.char_indices() {
            let (head, tail) = text.split_at(at);
            assert_eq!(heard(&[head, tail]), *answer, "{text:?} cut at {at}");
        }
    }
}

#[test]
fn halves_of_a_letter_come_together() {
    let (high, low) = (half(0xD83C).unwrap(), half(0xDF4B).unwrap());
    assert_eq!(heard(&[&format!("a {high}"), &format!("{low} b")]), "a 🍋 b");
    assert_eq!(heard(&[&format!("a {high} b {low}c")]), "a  b c");
    assert_eq!(half(0x61), None);
}

#[test]
fn words_are_let_go_as_they_come() {
    let mut speech = Speech::new(false);
    assert_eq!(speech.push("Delivery").text, "Delivery");
    assert_eq!(speech.push(" costs ").text, " costs");
    assert_eq!(speech.push("300 [").text, " 300");
    assert_eq!(speech.push("1]").text, " [1]");
}

#[test]
fn a_model_that_thinks_first_is_held_until_it_speaks() {
    let mut speech = Speech::new(true);
    assert_eq!(speech.push("Document 1 says so."), Spoken::default());
    assert_eq!(speech.push("</think>Yes").text, "Yes");
    assert!(speech.thinks_first() && speech.thought());
    let mut plain = Speech::new(true);
    assert_eq!(plain.push("Yes.<|im_end|>"), Spoken::default());
    assert_eq!(plain.finish().text, "Yes.");
}

fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        proptest::sample::select(vec![
            "<think>",
            "</think>",
            "<|channel|>",
            "<|message|>",
            "analysis",
            "final",
            "<|end|>",
            "[THINK]",
            "[/THINK]",
            "<answer>",
            "</s>",
            "<|im_end|>",
            "User: ",
            "\n",
            "\n\n",
            "```markdown\n",
            "```",
            "`",
            "``",
            "{",
            "}",
            "assistant:",
            "Okay, ",
            "<",
            "[",
            "◁",
            "<|",
            "\u{1b}[",
            "\r",
            " ",
            "[1]",
            "<tool_call>",
            "</tool_call>",
            "\u{10fffd}",
        ])
        .prop_map(str::to_owned),
        "[a-z ]{0,5}",
        any::<String>(),
    ];
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_answer(text in texts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| *cut.get(&borders)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(heard(&pieces), heard(&[&text]));
    }

    #[test]
    fn plain_words_pass(text in "[A-Z][a-z]{2,8}( [a-z0-9,.\\[\\]]{1,9}){0,20}") {
        prop_assume!(!THINKING.iter().any(|begin| format!("{text} ").to_lowercase().starts_with(begin.trim())));
        prop_assert_eq!(heard(&[&text]), text);
    }
}
