//! Archives, and documents of Word in them.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

use super::Expected::{Ended, Refused, Text};
use super::Hostile;

const MEBIBYTE: usize = 1 << 20;

/// An archive of these parts.
fn zip_of<'p>(parts: impl IntoIterator<Item = (&'p str, &'p [u8])>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        // Writing to memory does not fail.
        let _ = zip.start_file(name, SimpleFileOptions::default());
        let _ = zip.write_all(bytes);
    }
    zip.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// A document of Word with this body and these other parts.
fn docx_with(body: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    let parts = parts.iter().map(|(name, text)| (*name, text.as_bytes()));
    zip_of([("word/document.xml", document.as_bytes())].into_iter().chain(parts))
}

fn docx(body: &str) -> Vec<u8> {
    docx_with(body, &[])
}

const TEA: &str = "<w:p><w:r><w:t>Tea for two</w:t></w:r></w:p>";

/// A part that says in the directory that it is small.
fn lying(mut zip: Vec<u8>) -> Vec<u8> {
    if let Some(directory) = zip.windows(4).position(|sign| sign == b"PK\x01\x02")
        && let Some(size) = zip.get_mut(directory.saturating_add(24)..directory.saturating_add(28))
    {
        size.copy_from_slice(&100_u32.to_le_bytes());
    }
    zip
}

fn tables() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("tables in tables", Ended, || {
            docx(&format!("{}{TEA}{}", "<w:tbl><w:tr><w:tc>".repeat(60), "</w:tc></w:tr></w:tbl>".repeat(60)))
        }),
        file("cells that go on over twenty thousand rows", Ended, || {
            let row = |merge: &str, text: &str| {
                format!(
                    "<w:tr><w:tc><w:vMerge{merge}/><w:p><w:t>{text}</w:t></w:p></w:tc><w:tc><w:p><w:t>a</w:t></w:p></w:tc></w:tr>"
                )
            };
            let rows = row("", "").repeat(20_000);
            docx(&format!("<w:tbl>{}{rows}</w:tbl>", row(" w:val=\"restart\"", &"tea ".repeat(10_000))))
        }),
        file("cells that are a hundred columns wide", Ended, || {
            let cell =
                "<w:tc><w:tcPr><w:gridSpan w:val=\"2147483647\"/></w:tcPr><w:p><w:t>a</w:t></w:p></w:tc>";
            docx(&format!("<w:tbl>{}</w:tbl>", format!("<w:tr>{}</w:tr>", cell.repeat(50)).repeat(500)))
        }),
        file("long names over many narrow columns", Ended, || {
            let cell = |text: &str| format!("<w:tc><w:p><w:t>{text}</w:t></w:p></w:tc>");
            let names = cell(&"name ".repeat(39)).repeat(500);
            let rows = format!("<w:tr>{}</w:tr>", cell("a").repeat(500)).repeat(300);
            docx(&format!("<w:tbl><w:tr><w:trPr><w:tblHeader/></w:trPr>{names}</w:tr>{rows}</w:tbl>"))
        }),
    ]
}

fn words() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("a part that becomes 64 MiB", Refused("unpacked"), || {
            zip_of([("word/document.xml", vec![b' '; 64 * MEBIBYTE].as_slice())])
        }),
        file("a part that becomes 64 MiB and says otherwise", Refused(""), || {
            lying(zip_of([("word/document.xml", vec![b' '; 64 * MEBIBYTE].as_slice())]))
        }),
        file("five thousand parts", Refused("entries"), || {
            let names: Vec<String> = (0..5_000).map(|n| format!("word/{n}.xml")).collect();
            let parts = names.iter().map(|name| (name.as_str(), b"".as_slice()));
            zip_of([("word/document.xml", b"<a/>".as_slice())].into_iter().chain(parts))
        }),
        file("paragraphs in paragraphs", Refused("nesting depth"), || docx(&"<w:p>".repeat(100_000))),
        file("a hundred thousand attributes", Ended, || {
            let attributes = (0..100_000_u32).fold(String::new(), |mut all, n| {
                let _ = write!(all, " a{n}=\"\"");
                all
            });
            docx(&format!("<w:p><w:pStyle{attributes} w:val=\"a\"/></w:p>{TEA}"))
        }),
        file("an attribute of four million letters", Ended, || {
            docx(&format!("<w:p><w:pStyle w:val=\"{}\"/></w:p>{TEA}", "a".repeat(4 * MEBIBYTE)))
        }),
        file("a tag that does not end", Ended, || docx(&format!("{TEA}<w:p {}", "a ".repeat(MEBIBYTE)))),
        file("entities of entities", Ended, || {
            let mut entities = String::from("<!ENTITY a \"ha\">");
            let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
            for (inner, outer) in names.iter().zip(names.iter().skip(1)) {
                let _ = write!(entities, "<!ENTITY {outer} \"{}\">", format!("&{inner};").repeat(10));
            }
            let page = format!("<!DOCTYPE a [{entities}]><w:p><w:t>tea &j; cup</w:t></w:p>");
            zip_of([("word/document.xml", page.as_bytes())])
        }),
        file("a million references of characters", Ended, || {
            docx(&format!("<w:p><w:t>{}</w:t></w:p>", "&#x10FFFF;".repeat(MEBIBYTE)))
        }),
        file("a million paragraphs of nothing", Ended, || {
            docx(&format!("{}{TEA}", "<w:p><w:t/></w:p>".repeat(700_000)))
        }),
        file("styles that are based on each other", Text("Tea for two"), || {
            let styles = (0..50_000_u32).fold(String::new(), |mut all, n| {
                let next = n.saturating_add(1).checked_rem(50_000).unwrap_or_default();
                let _ = write!(
                    all,
                    "<w:style w:styleId=\"s{n}\"><w:name w:val=\"s{n}\"/><w:basedOn w:val=\"s{next}\"/></w:style>"
                );
                all
            });
            let styles = format!("<w:styles xmlns:w=\"w\">{styles}</w:styles>");
            docx_with(
                &format!("<w:p><w:pPr><w:pStyle w:val=\"s1\"/></w:pPr></w:p>{TEA}"),
                &[("word/styles.xml", &styles)],
            )
        }),
        file("lists of 2^31 levels", Text("Tea for two"), || {
            let item = "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"255\"/><w:numId w:val=\"2147483647\"/></w:numPr></w:pPr><w:r><w:t>a</w:t></w:r></w:p>";
            docx(&format!("{}{TEA}", item.repeat(20_000)))
        }),
        file("a long note, referred to a hundred thousand times", Text("Tea for two"), || {
            let notes = format!(
                "<w:footnotes xmlns:w=\"w\"><w:footnote w:id=\"1\"><w:p><w:t>{}</w:t></w:p></w:footnote></w:footnotes>",
                "note ".repeat(20_000)
            );
            let references = "<w:r><w:footnoteReference w:id=\"1\"/></w:r>".repeat(100_000);
            docx_with(&format!("<w:p>{references}</w:p>{TEA}"), &[("word/footnotes.xml", &notes)])
        }),
        file("a main part that is a relation of itself", Ended, || {
            let relations = "<Relationships><Relationship Id=\"a\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"_rels/.rels\"/></Relationships>";
            zip_of([("_rels/.rels", relations.as_bytes()), ("[Content_Types].xml", b"<Types/>")])
        }),
    ]
}

pub(super) fn all() -> Vec<Hostile> {
    [words(), tables()].into_iter().flatten().collect()
}
