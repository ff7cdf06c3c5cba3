//! Web pages, Markdown, tables and plain text.

use std::fmt::Write as _;

use super::Expected::{Ended, Text};
use super::Hostile;

const MEBIBYTE: usize = 1 << 20;

fn web() -> Vec<Hostile> {
    let page = |name, expected, body: fn() -> String| {
        Hostile::new(name, expected, move || format!("<!doctype html><p>Tea</p>{}", body()).into_bytes())
    };
    let tea = Text("Tea");
    vec![
        page("a hundred thousand elements in each other", tea, || {
            format!("{}cups{}", "<div>".repeat(100_000), "</div>".repeat(100_000))
        }),
        page("lists in tables in lists", tea, || "<ul><li><table><tr><td>".repeat(40_000)),
        page("bold in bold", tea, || "<b><i><a href=x>".repeat(100_000)),
        page("a hundred thousand attributes", tea, || {
            (0..100_000_u32).fold(String::from("<a "), |mut all, n| {
                let _ = write!(all, "a{n} ");
                all
            })
        }),
        page("an attribute that does not end", tea, || format!("<a href=\"{}", "x <y ".repeat(MEBIBYTE))),
        page("a comment that does not end", tea, || format!("<!--{}", "-- >".repeat(MEBIBYTE))),
        page("kinds of what is not read that do not end", tea, || {
            let open = ["nav", "svg", "canvas", "audio", "video", "template", "annotation"];
            let hidden = "<i hidden>".repeat(1000);
            let open: String = open.iter().map(|name| format!("<{name}>")).collect();
            format!("{hidden}{open}{}", "words and words ".repeat(100_000))
        }),
        page("scripts that do not end", tea, || "<script><!--".repeat(200_000)),
        page("a cell over 2^31 columns and rows", tea, || {
            let cell = "<td colspan=2147483647 rowspan=2147483647>cups</td>";
            format!("<table>{}</table>", format!("<tr>{}</tr>", cell.repeat(10)).repeat(2_000))
        }),
        page("long names over many narrow columns", Ended, || {
            let names = format!("<tr>{}</tr>", format!("<th>{}</th>", "name ".repeat(39)).repeat(900));
            let rows = format!("<tr>{}</tr>", "<td>a".repeat(900)).repeat(300);
            format!("<table>{names}{rows}</table>")
        }),
        page("a row of a million cells", tea, || format!("<table><tr>{}</table>", "<td>a".repeat(MEBIBYTE))),
        page("a list that begins at 2^32", tea, || {
            format!("<ol start=4294967295>{}</ol>", "<li>cups".repeat(100_000))
        }),
        page("signs that begin no tag", tea, || "<".repeat(4 * MEBIBYTE)),
        page("references of characters", tea, || {
            "&#x1F375;&CounterClockwiseContourIntegral;".repeat(100_000)
        }),
        page("a reference that does not end", tea, || format!("&#{}", "9".repeat(MEBIBYTE))),
        page("headings that are opened and not closed", tea, || "<h1>".repeat(MEBIBYTE)),
        page("lines within one text", tea, || format!("<pre>{}", "\n".repeat(4 * MEBIBYTE))),
        page("a title of a million letters", tea, || format!("<title>{}", "a".repeat(MEBIBYTE))),
    ]
}

fn markdown() -> Vec<Hostile> {
    let text = |name, body: fn() -> String| {
        Hostile::new(name, Text("Tea"), move || format!("# Tea\n\n{}", body()).into_bytes())
    };
    let whole = |name, body: fn() -> String| Hostile::new(name, Ended, move || body().into_bytes());
    vec![
        text("quotes in quotes", || format!("{} deep\n", ">".repeat(MEBIBYTE))),
        text("brackets in brackets", || format!("{} x {}\n", "[".repeat(500_000), "](x)".repeat(200_000))),
        text("emphasis that does not end", || "*a **b _c ".repeat(200_000)),
        text("code that does not end", || format!("```\n{}", "~~~ ` ``\n".repeat(300_000))),
        text("a picture in the text", || {
            format!("![logo](data:image/png;base64,{})\n", "QUJD".repeat(MEBIBYTE))
        }),
        text("underlines without headings", || "===\n---\n".repeat(500_000)),
        text("a paragraph of a million lines", || "tea\n".repeat(MEBIBYTE)),
        text("items in items", || {
            (0..2_000_usize).fold(String::new(), |mut all, depth| {
                let _ = writeln!(all, "{}- tea", " ".repeat(depth));
                all
            })
        }),
        text("rows of a table", || format!("|{}\n", "a|".repeat(MEBIBYTE))),
        whole("front matter that does not end", || format!("---\n{}", "a: b c def\n".repeat(300_000))),
        whole("front matter of one long list", || {
            format!("---\ntags: {}{}\n---\n\n# Tea\n", "[".repeat(MEBIBYTE), "]".repeat(MEBIBYTE))
        }),
    ]
}

fn tables() -> Vec<Hostile> {
    let table = |name, body: fn() -> String| Hostile::new(name, Ended, move || body().into_bytes());
    vec![
        table("a row of a million cells", || "a;".repeat(MEBIBYTE)),
        table("a thousand names, and rows of one sign", || {
            let names = vec!["a long name of a column, as long as one may be"; 900].join("\t");
            format!("{names}\n{}", format!("{}\n", vec!["1"; 900].join("\t")).repeat(2_000))
        }),
        table("quotes that do not end", || format!("a,b\n\"{}", "c,\"\n".repeat(MEBIBYTE))),
        table("rows of every width", || {
            (1..2_000_usize).fold(String::new(), |mut all, width| {
                let _ = writeln!(all, "{}", vec!["1"; width].join(";"));
                all
            })
        }),
        table("a sign that is declared and not there", || format!("sep=|\n{}", "a;b\n".repeat(MEBIBYTE))),
    ]
}

fn plain() -> Vec<Hostile> {
    let bytes = |name, body: fn() -> Vec<u8>| Hostile::new(name, Ended, body);
    vec![
        bytes("one word of eight million letters", || vec![b'a'; 8 * MEBIBYTE]),
        bytes("nothing but zeros", || vec![0; 8 * MEBIBYTE]),
        bytes("bytes that are no text", || vec![0xFF; 4 * MEBIBYTE]),
        bytes("every second byte is damaged", || b"a\xE9".repeat(2 * MEBIBYTE)),
        bytes("half of a pair, over and over", || {
            [b"\xFF\xFE".to_vec(), b"\x00\xD8".repeat(2 * MEBIBYTE)].concat()
        }),
        bytes("an accent two million times", || format!("e{}", "\u{301}".repeat(2 * MEBIBYTE)).into_bytes()),
        bytes("signs that turn the direction", || "\u{202e}a\u{202c}".repeat(500_000).into_bytes()),
        bytes("the beginning of a letter in Japanese", || b"\x1b$B".repeat(MEBIBYTE)),
        bytes("line ends", || b"\r".repeat(8 * MEBIBYTE)),
        bytes("blanks", || b" \t".repeat(4 * MEBIBYTE)),
    ]
}

pub(super) fn all() -> Vec<Hostile> {
    [web(), markdown(), tables(), plain()].into_iter().flatten().collect()
}
