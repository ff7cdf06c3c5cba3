//! How a pdf is put together: tables of objects, the tree of pages, references, lengths.

use super::Expected::{Ended, Refused, Text};
use super::Hostile;
use crate::pdf::{HELVETICA, PdfFile, deflated};

const MEBIBYTE: usize = 1 << 20;

const HELLO: &str = "BT /F1 12 Tf 50 780 Td (Hello page) Tj ET";

/// A file of one page, to be changed.
fn hello() -> PdfFile {
    let mut file = PdfFile::default();
    let font = file.add(HELVETICA);
    file.page(&format!("/Font<</F1 {font} 0 R>>"), HELLO, "");
    file
}

/// The same with one thing written in another way.
fn changed(from: &str, to: &str) -> Vec<u8> {
    String::from_utf8(hello().bytes()).unwrap_or_default().replacen(from, to, 1).into_bytes()
}

/// The same without the place where its table of objects is, so that they have to be looked for.
fn without_a_table(more: &str) -> Vec<u8> {
    let file = String::from_utf8(hello().bytes()).unwrap_or_default();
    let objects = file.split_once("xref\n").map_or(file.as_str(), |(objects, _)| objects);
    format!("{objects}{more}").into_bytes()
}

/// A page whose stream says that it is one of objects.
fn stream_of(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut file = hello();
    file.stream(dictionary, data);
    file.bytes()
}

fn tables() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("objects that become 20 MiB", Refused("unpacked"), || {
            let data = deflated(&vec![b' '; 20 * MEBIBYTE]);
            stream_of("/Type/ObjStm/N 1/First 10/Filter/FlateDecode", &data)
        }),
        file("a table that becomes 20 MiB", Refused("unpacked"), || {
            let data = deflated(&vec![b' '; 20 * MEBIBYTE]);
            stream_of("/Type/XRef/W[1 4 2]/Size 9/Root 1 0 R/Filter/FlateDecode", &data)
        }),
        file("2^31 objects in a stream of none", Ended, || {
            stream_of("/Type/ObjStm/N 2147483647/First 2147483647/Filter/FlateDecode", &deflated(b"1 0 2 0"))
        }),
        file("a table of 2^31 rows", Ended, || changed("xref\n0 6", "xref\n0 2147483647")),
        file("a size of 2^32", Ended, || changed("/Size 6", "/Size 4294967295")),
        file("a table whose rows are wider than numbers", Ended, || {
            let mut file = hello().bytes();
            let start = file.len();
            let data = vec![0xFF_u8; 4096];
            file.extend(
                format!(
                    "9 0 obj\n<</Type/XRef/W[2147483647 2147483647 2147483647]/Index[0 2147483647 0 2147483647]/Size 2147483647/Root 1 0 R/Length {}>>\nstream\n",
                    data.len()
                )
                .into_bytes(),
            );
            file.extend(data);
            file.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").into_bytes());
            file
        }),
        file("a table before itself", Text("Hello page"), || {
            let mut file = hello().bytes();
            let start = file.len();
            file.extend(
                format!(
                    "xref\n0 0\ntrailer\n<</Size 6/Root 1 0 R/Prev {start}>>\nstartxref\n{start}\n%%EOF\n"
                )
                .into_bytes(),
            );
            file
        }),
        file("a million objects of nothing", Ended, || without_a_table(&"9 0 obj\n".repeat(MEBIBYTE))),
        file("a million ends of objects", Ended, || without_a_table(&"endobj\n".repeat(MEBIBYTE))),
        file("a hundred thousand trailers", Ended, || {
            without_a_table(&"trailer\n<</Root 1 0 R>>\n".repeat(100_000))
        }),
        file("a million beginnings of streams", Ended, || without_a_table(&"stream\n".repeat(MEBIBYTE))),
        file("a hundred thousand objects that begin streams", Ended, || {
            without_a_table(&"8 0 obj <</Length 9>> stream\n".repeat(100_000))
        }),
        file("a million digits", Ended, || without_a_table(&"1 ".repeat(4 * MEBIBYTE))),
        file("a file that is a head alone", Refused(""), || b"%PDF-1.7\n".repeat(200_000)),
    ]
}

fn trees() -> Vec<Hostile> {
    let file = |name, expected, make: fn() -> Vec<u8>| Hostile::new(name, expected, make);
    vec![
        file("a million pages without anything", Refused("pages"), || {
            changed("/Kids[5 0 R ]", &format!("/Kids[{}5 0 R]", "<<>>".repeat(MEBIBYTE)))
        }),
        file("one page a million times", Refused("pages"), || {
            changed("/Kids[5 0 R ]", &format!("/Kids[{}]", "5 0 R ".repeat(MEBIBYTE)))
        }),
        file("a tree of pages 15,000 deep", Text("Hello page"), || {
            let mut file = PdfFile::default();
            let font = file.add(HELVETICA);
            let content = file.stream("", HELLO.as_bytes());
            let mut inner = file.add(format!(
                "<</Type/Page/MediaBox[0 0 595 842]/Resources<</Font<</F1 {font} 0 R>>>>/Contents {content} 0 R>>"
            ));
            for _ in 0..15_000 {
                inner = file.add(format!("<</Type/Pages/Kids[{inner} 0 R]>>"));
            }
            String::from_utf8(file.bytes())
                .unwrap_or_default()
                .replacen("/Kids[]", &format!("/Kids[{inner} 0 R]"), 1)
                .into_bytes()
        }),
        file("branches that double twenty times", Ended, || {
            let mut file = hello();
            let mut inner = 5;
            for _ in 0..20 {
                inner = file.add(format!("<</Type/Pages/Kids[{inner} 0 R {inner} 0 R]>>"));
            }
            String::from_utf8(file.bytes())
                .unwrap_or_default()
                .replacen("/Kids[5 0 R ]", &format!("/Kids[{inner} 0 R]"), 1)
                .into_bytes()
        }),
        file("a tree of pages in itself", Text("Hello page"), || {
            changed("/Kids[5 0 R ]", "/Kids[2 0 R 5 0 R]")
        }),
        file("a page that is above itself", Text("Hello page"), || changed("/Parent 2 0 R", "/Parent 5 0 R")),
        file("a page whose content is the page", Ended, || {
            changed("/Contents 4 0 R", "/Contents[5 0 R 5 0 R]")
        }),
        file("a length that is the stream itself", Text("Hello page"), || {
            changed("/Length 41", "/Length 4 0 R")
        }),
        file("a length of 2^31", Text("Hello page"), || changed("/Length 41", "/Length 2147483647")),
        file("a length below nothing", Text("Hello page"), || changed("/Length 41", "/Length -2147483648")),
        file("a length of nothing", Text("Hello page"), || changed("/Length 41", "/Length 0")),
        file("a font that refers to itself", Text("Hello page"), || changed(HELVETICA, "3 0 R")),
        file("references in a ring of a hundred thousand", Ended, || {
            let mut file = hello();
            let first = file.add("null").saturating_add(1);
            for n in 1..100_000_usize {
                file.add(format!("{} 0 R", first.saturating_add(n)));
            }
            file.add(format!("{first} 0 R"));
            file.catalog(&format!("/Odd {first} 0 R/AcroForm {first} 0 R/OCProperties {first} 0 R"));
            file.bytes()
        }),
        file("lists in lists in the catalog", Ended, || {
            let mut file = hello();
            file.catalog(&format!("/Odd {}{}", "[".repeat(100_000), "]".repeat(100_000)));
            file.bytes()
        }),
        file("dictionaries in dictionaries in the catalog", Ended, || {
            let mut file = hello();
            file.catalog(&format!("/Odd {}{}", "<</A".repeat(100_000), ">>".repeat(100_000)));
            file.bytes()
        }),
        file("lists that do not end", Ended, || changed("/Type/Catalog", &"[".repeat(500_000))),
        file("a hundred thousand entries of one name", Ended, || {
            let mut file = hello();
            file.catalog(&"/Odd 1".repeat(100_000));
            file.bytes()
        }),
        file("two hundred thousand layers", Ended, || {
            let mut file = hello();
            let layers = "5 0 R ".repeat(200_000);
            file.catalog(&format!("/OCProperties<</OCGs[{layers}]/D<</OFF[{layers}]/Order[{layers}]>>>>"));
            file.bytes()
        }),
        file("a key that is no key", Refused(""), || {
            let key = "0123456789abcdef0123456789abcdef";
            changed(
                "/Root 1 0 R",
                &format!(
                    "/Root 1 0 R/ID[({key})({key})]/Encrypt<</Filter/Standard/V 5/R 6/Length 2147483647/O({key})/U({key})/OE({key})/UE({key})/Perms({key})/P -4>>"
                ),
            )
        }),
    ]
}

pub(super) fn all() -> Vec<Hostile> {
    [tables(), trees()].into_iter().flatten().collect()
}
