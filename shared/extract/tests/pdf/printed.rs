//! Pages that programs of every day printed are read as a person reads them: `../printed/README.md` says how they were made.

use std::path::Path;

use frontdesk_extract::{Extracted, Limits, extract};

const GENERATORS: [&str; 8] = [
    "chromium",
    "fpdf2",
    "libreoffice-web",
    "reportlab",
    "typst",
    "weasyprint",
    "word-abiword",
    "word-libreoffice",
];

/// What stands on the two pages, from above.
struct Printed {
    language: &'static str,
    header: &'static str,
    heading: &'static str,
    intro: &'static str,
    rows: [[&'static str; 3]; 3],
    footer: &'static str,
    /// The second page: its heading, one column after the other, and the note.
    second: [&'static str; 4],
}

const PRINTED: [Printed; 2] = [
    Printed {
        language: "en",
        header: "Lemur teas, price list",
        heading: "Prices of kettles",
        intro: "All prices hold until 31 May and include the cord, the base and a bag of camomile tea; delivery is charged apart.",
        rows: [
            ["Camomile K-17", "2,200 W", "$1,249.90"],
            ["Juniper J-5", "1,850 W", "$989.00"],
            ["Travel mug", "650 W", "$350.50"],
        ],
        footer: "Questions: +7 495 123-45-67",
        second: [
            "# Care and returns*\n",
            "Descale the kettle every 2 months with 50 g of citric acid. Boil it, leave it for one hour and rinse it three times before it is used again.\n",
            "A parcel may be returned within 14 days. Keep the box and the receipt, and write the number of the order on the label of the parcel.\n",
            "* A kettle that was descaled with vinegar has no warranty.",
        ],
    },
    Printed {
        language: "ru",
        header: "Чаи «Лемур», список цен",
        heading: "Цены чайников",
        intro: "Все цены действуют до 31 мая и включают шнур, подставку и пакет ромашкового чая; доставка оплачивается отдельно.",
        rows: [
            ["Ромашка К-17", "2 200 Вт", "12 490,90 ₽"],
            ["Можжевельник", "1 850 Вт", "9 890,00 ₽"],
            ["Кружка", "650 Вт", "3 500,50 ₽"],
        ],
        footer: "Вопросы: +7 495 123-45-67",
        second: [
            "# Уход и возврат*\n",
            "Удаляйте накипь каждые 2 месяца: 50 г лимонной кислоты. Вскипятите воду, оставьте её на час и три раза промойте чайник, прежде чем пить чай.\n",
            "Посылку можно вернуть за 14 дней. Сохраните коробку и чек и напишите номер заказа на ярлыке посылки, чтобы мы сразу вернули вам деньги.\n",
            "* На чайник, который чистили уксусом, гарантии нет.",
        ],
    },
];

fn read(path: &Path) -> Extracted {
    let bytes = std::fs::read(path).unwrap();
    let read = extract(&bytes, "", None, &Limits::default()).unwrap();
    assert!(read.unread.is_empty(), "{}: {:?}", path.display(), read.unread);
    read
}

/// Asserts that the pieces follow each other.
fn in_order<'t>(text: &'t str, pieces: &[&str], of: &str) -> &'t str {
    pieces.iter().fold(text, |rest, piece| {
        let at =
            rest.find(piece).unwrap_or_else(|| panic!("{of}: {piece:?} is not where it belongs in\n{text}"));
        &rest[at + piece.len()..]
    })
}

fn page(generator: &str, printed: &Printed) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/printed");
    read(&here.join(format!("{generator}-{}.pdf", printed.language))).text
}

#[test]
fn paragraphs_columns_and_notes_follow_each_other_whole() {
    for printed in &PRINTED {
        for generator in GENERATORS {
            let text = page(generator, printed);
            let rest = in_order(&text, &[printed.intro, "\n"], generator);
            in_order(rest, &printed.second, generator);
        }
    }
}

#[test]
fn each_row_of_a_table_is_one_line_with_its_numbers_whole() {
    for printed in &PRINTED {
        for generator in GENERATORS {
            let text = page(generator, printed);
            for row in printed.rows {
                let line = text.lines().find(|line| line.contains(row[0])).unwrap_or_default();
                in_order(line, &row, generator);
                assert!(line.ends_with(row[2]), "{generator}: {line}");
            }
        }
    }
}

#[test]
fn headings_headers_and_footers_are_lines_of_their_own() {
    for printed in &PRINTED {
        // One of them prints none.
        for generator in GENERATORS.into_iter().filter(|name| *name != "libreoffice-web") {
            let text = page(generator, printed);
            let heading = format!("# {}\n", printed.heading);
            in_order(&text, &[&heading, printed.intro, printed.rows[2][2]], generator);
            for edge in [printed.header, printed.footer] {
                let lines = text.lines().filter(|line| line.trim_start_matches(['#', ' ']) == edge);
                assert_eq!(lines.count(), 2, "{generator}: {edge}\n{text}");
            }
        }
    }
}

#[test]
fn the_demos_manuals_are_quoted_with_their_numbers_whole() {
    let manuals = [
        (
            "en",
            [
                "The volume is 1.7 litres, the power 2,200 W, the voltage 220–240 V.",
                "add 50 g of citric acid",
                "+7 495 123-45-67",
            ],
        ),
        (
            "ru",
            [
                "1,7 литра, мощность — 2200 Вт, напряжение — 220–240 В.",
                "50 г лимонной кислоты",
                "+7 495 123-45-67",
            ],
        ),
    ];
    for (language, numbers) in manuals {
        let name = format!("../../functions/local/demo/kettle-manual-{language}.pdf");
        let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).text;
        in_order(&text, &numbers, language);
    }
}
