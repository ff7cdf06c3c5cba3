//! Answers as the widget gets them. The filter here and the widget's Markdown read links and references by one grammar: what
//! the filter lets through of these texts is written to a file, and a test of the widget asserts that it makes no foreign
//! link and no foreign reference of any of them (`web/widget/test/answers.test.ts`).

use frontdesk_domain::citation::{CitationFilter, Source};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::time::Timestamp;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/widget/test/answers.json");
const COUNT: u64 = 400;

/// What links and references are made of, known and foreign ones.
const PARTS: &[&str] = &[
    "[",
    "]",
    "(",
    ")",
    "](",
    "](https:evil.example/a)",
    "](https://evil.example/b)",
    "](\nhttps:evil.example/c)",
    "](<https://evil.example/d>)",
    "](https://evil.example/e \"t\")",
    "](https://evil.example/(f))",
    "](mailto:a@evil.example)",
    "](https://help.shop.example/)",
    "](https://pay.shop.example/now)",
    "![",
    "!",
    "[1]",
    "[2]",
    "[9]",
    "[1, 9]",
    "[0]",
    "[2024]",
    "【1】",
    "(1)",
    "\\[",
    "\\]",
    "\\",
    "\\(",
    "https://pay.shop.example/now",
    "https://evil.example/g",
    "HTTPS://EVIL.EXAMPLE/H",
    "http://",
    "https:",
    "www.evil.example",
    "<https://evil.example/i>",
    "<a href=\"https://evil.example/j\">",
    "</a>",
    "𝐀",
    "🅰",
    "ё",
    "\u{93e}",
    "é",
    "`",
    "```",
    "**",
    "_",
    "~~",
    "> ",
    "- ",
    "1. ",
    "| ",
    "|\n|---|\n|",
    "\n",
    "\n\n",
    " ",
    "  ",
    "# ",
    "word ",
    "a long label of words ",
    "x",
    "javascript:alert(1)",
    "[x]: https://evil.example/k\n",
    "Sources:\n",
    "\"",
    "'",
    "<",
    ">",
    "^",
    "{",
    "}",
    ".",
    ",",
    "§",
];

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        // Xorshift (Marsaglia 2003): the same on every machine.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(count).unwrap()).unwrap()
    }
}

fn answer(seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    random.below(2);
    let count = 2 + random.below(14);
    let mut text: String = (0..count).map(|_| PARTS[random.below(PARTS.len())]).collect();
    if random.below(12) == 0 {
        text = format!("[{}{text}", "a long label of words ".repeat(30));
    }
    text
}

fn shown(answer: &str) -> String {
    let source = |text| Source {
        passage_id: PassageId::new(Timestamp::from_millis(1), [1; 10]),
        document_id: DocumentId::new(Timestamp::from_millis(1), [2; 10]),
        title: "Payment",
        version: 1,
        url: None,
        heading: None,
        start: 0,
        text,
    };
    let passage = "Pay at https://pay.shop.example/now (or [here](https://help.shop.example/)). 1 2 0 2024";
    let mut filter = CitationFilter::new(&[source(passage), source("Two. 1 2 0 2024")]);
    let mut shown = filter.push(answer);
    shown.push_str(&filter.finish());
    shown
}

/// As many as `FRONTDESK_FUZZ_CASES` says, into the file that `ANSWERS` names, for a longer run of the widget's test.
#[test]
fn many_more_answers_are_written_where_they_are_asked_for() {
    let (Ok(file), Ok(count)) = (std::env::var("ANSWERS"), std::env::var("FRONTDESK_FUZZ_CASES")) else {
        return;
    };
    let answers: Vec<String> = (COUNT..count.parse().unwrap()).map(|seed| shown(&answer(seed))).collect();
    std::fs::write(file, json!(answers).to_string()).unwrap();
}

#[test]
fn what_the_widget_is_tested_with_is_what_the_filter_gives() {
    let lines: Vec<String> = (0..COUNT).map(|seed| json!(shown(&answer(seed))).to_string()).collect();
    let file = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        std::fs::write(FILE, &file).unwrap();
    }
    let stored: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let fresh: Vec<Value> = serde_json::from_str(&file).unwrap();
    assert!(stored == fresh, "written anew by UPDATE_ANSWERS=1");
}
