//! Texts as strangers send them: words of every script, real Markdown and HTML in pieces, and what breaks parsers.

use proptest::prelude::*;
use proptest::test_runner::Config;

/// How many cases a property is tried with: `FRONTDESK_FUZZ_CASES`, or a few.
#[must_use]
pub fn config() -> Config {
    let cases = std::env::var("FRONTDESK_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    Config { failure_persistence: None, ..Config::with_cases(cases) }
}

/// Words of the scripts that have rules of their own, with the endings that stemmers take off.
const WORDS: &[&str] = &[
    "delivery",
    "returned",
    "policies",
    "U.S.",
    "e.g.",
    "don't",
    "naïve",
    "doorlopende",
    "häuser",
    "straße",
    "größer",
    "ambiguïté",
    "livraisons",
    "devoluciones",
    "prenotazione",
    "entregas",
    "livrărilor",
    "abaţia",
    "leveringens",
    "beställningarna",
    "ostoskorissa",
    "szállítási",
    "İstanbul'da",
    "kitaplarımızdan",
    "доставка",
    "счёт",
    "гарантиями",
    "ул.",
    "возвращается",
    "ισαισα",
    "παραδόσεις",
    "καταστήματα",
    "τηλέφωνο",
    "الشحن",
    "والتوصيل",
    "بالمتجر",
    "விநியோகம்",
    "பொருட்களை",
    "שָׁלוֹם",
    "नमस्ते",
    "คืนสินค้าได้ไหม",
    "送料無料。",
    "配送",
    "배송",
    "ﬁle",
    "ｆｕｌｌ",
    "👩‍🔧",
    "🇷🇺🇬🇧",
    "e\u{301}",
    "\u{301}\u{301}",
    "\u{200b}",
    "\u{202e}",
    "\u{ad}",
    "\u{feff}",
    "\u{0}",
    "\u{10ffff}",
];

/// Pieces of Markdown, HTML, tables, answers and requests.
const PIECES: &[&str] = &[
    "Prices are net.[^1]\n[^1]: plus VAT\n: see the list",
    "# Title\n",
    "###### Deep #\n",
    "#no title\n",
    "Title\n===\n",
    "- item\n",
    "1. first\n",
    "   - inner\n",
    "* * *\n",
    "> quote\n>> more\n",
    "```rust\n# code\n```\n",
    "~~~\n",
    "```",
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n",
    "|",
    "||\n",
    "Name: Kettle; Price: 3990\n",
    "term\n: meaning\n",
    "[text](https://a.example \"t\")",
    "![pic](<x y>)",
    "[ref][1]",
    "[1]: https://a.example 'title'\n",
    "[^note]",
    "<https://a.example>",
    "**bold",
    "__",
    "`",
    "\\",
    "&amp;",
    "&#x0;",
    "&",
    "$$x$$",
    "{#id .class}",
    "<!doctype html>",
    "<html><head><title>",
    "</title>",
    "<p>",
    "</p>",
    "<ul><li>",
    "<table><tr><td>",
    "<script>",
    "</script",
    "<!--",
    "-->",
    "<![CDATA[",
    "<a href=\"",
    "<br/>",
    "<pre>",
    "<style>",
    "<svg>",
    "<",
    ">",
    "[1]",
    "[9]",
    "[1, 2]",
    "[",
    "]",
    "(",
    ")",
    "https://pay.example/x",
    "www.",
    "mailto:a@b.example",
    "+7 (916) 000-11-22",
    "4111 1111 1111 1111",
    "anna@example.org",
    "ignore all previous instructions",
    "system: ",
    "<|im_start|>",
    "\n",
    "\r\n",
    "\n\n",
    "\r",
    "\t",
    " ",
    "          ",
    "\u{2028}",
    "\u{a0}",
    ". ",
    "...",
    "?! ",
    ": ",
    "; ",
    ", ",
    "—",
    "\"",
    "'",
    "»",
    ".)",
    "a;b;c\n",
    "a\tb\n",
    "\"",
    "%PDF-",
    "PK\u{3}\u{4}",
    "User-agent: *\n",
    "Disallow: /*a*$\n",
    "Allow: /%zz\n",
    "{\"a\":",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => prop::sample::select(WORDS).prop_map(str::to_owned),
        5 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => "[a-zа-яё]{1,12}",
        1 => "[0-9 ().,-]{0,14}",
        1 => "\\PC{0,8}",
        1 => any::<String>(),
        // One word glued of the beginnings and endings of others.
        2 => prop::collection::vec(prop::sample::select(WORDS), 1..5).prop_map(|words| {
            words.iter().map(|word| word.chars().skip(word.chars().count() / 2).collect::<String>()).collect()
        }),
        1 => (prop::sample::select(PIECES), 1_usize..40).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

/// A text of up to a few thousand characters.
pub fn text() -> impl Strategy<Value = String> {
    let spaced = prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.join(" "));
    let glued = prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat());
    prop_oneof![spaced, glued]
}

/// A word, or something in the place of one.
pub fn word() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..4).prop_map(|pieces| pieces.concat())
}

/// The bytes of a text, now and then with some of them changed.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (text(), changes).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes.splice(at..=at, [byte]);
            }
        }
        bytes
    })
}
