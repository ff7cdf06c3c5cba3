//! Each format gives the text that a person reads in it. The files are the demo shop's own.

use frontdesk_extract::{Extracted, Limits, extract};

fn demo(name: &str) -> Extracted {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/local/demo").join(name);
    extract(&std::fs::read(path).unwrap(), name, None, &Limits::default()).unwrap()
}

fn has(document: &Extracted, piece: &str) {
    assert!(document.text.contains(piece), "{piece:?} is not in:\n{}", document.text);
}

#[test]
fn pdf_text_keeps_cyrillic_headings_and_pages() {
    let manual = demo("kettle-manual-ru.pdf");
    assert_eq!(manual.media_type, "application/pdf");
    assert_eq!(manual.title.as_deref(), Some("Чайник «Ромашка К-17»: руководство"));
    assert_eq!(manual.pages, Some(3));
    has(&manual, "# Чайник «Ромашка К-17»: руководство");
    has(&manual, "## Очистка от накипи");
    has(&manual, "Очищайте чайник от накипи каждые 2 месяца");
    has(&manual, "\n---\n");
    let english = demo("kettle-manual-en.pdf");
    has(&english, "## Temperatures for teas");
    has(&english, "Descale the kettle every 2 months");
}

#[test]
fn docx_text_keeps_headings_lists_and_tables() {
    let policy = demo("warranty-ru.docx");
    assert_eq!(policy.media_type, "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
    assert_eq!(policy.title.as_deref(), Some("Условия гарантии"));
    has(&policy, "# Условия гарантии\n");
    has(&policy, "## Срок гарантии\n");
    has(&policy, "\nТовар: Электрические чайники; Гарантия: 24 месяца; Кто чинит: наш сервисный центр\n");
    has(&policy, "\n- Царапины и следы обычного использования.\n- Чайники");
}

#[test]
fn lines_of_html_end_where_it_says_so_and_not_where_its_source_does() {
    let page = "<!doctype html><p>Green\ntea <b>and\r\nblack</b><br>tea</p><pre>10 g\n20 g</pre>";
    let read = extract(page.as_bytes(), "a.html", None, &Limits::default()).unwrap();
    assert_eq!(read.text, "Green tea and black\ntea\n\n10 g\n20 g");
}

#[test]
fn html_text_keeps_structure_and_leaves_scripts_and_navigation() {
    let page = demo("returns-ru.html");
    assert_eq!(page.media_type, "text/html");
    assert_eq!(page.title.as_deref(), Some("Возврат и обмен"));
    has(
        &page,
        "# Возврат и обмен\n\n## За сколько дней можно вернуть товар\n\nВозврат возможен в течение 14 дней с",
    );
    has(&page, "- Подарочные карты.");
    has(&page, "Товар: Посуда; Срок возврата: 14 дней; Условие: не использована, в упаковке");
    assert!(!page.text.contains("console.log") && !page.text.contains("Корзина"), "{}", page.text);
}

#[test]
fn csv_rows_carry_their_headers() {
    let prices = demo("price-list-ru.csv");
    assert_eq!(prices.media_type, "text/csv");
    assert_eq!(prices.title.as_deref(), Some("price list ru"));
    has(&prices, "Товар: Дорожный чайник «Ромашка К-05»; Артикул: K05; Цена: 2490 ₽; Объём или вес: 0,5 л");
    has(&demo("price-list-en.csv"), "Product: Porcelain cup; Article: C25; Price: 590 ₽");
}

#[test]
fn markdown_and_plain_text_stay_as_they_are() {
    let delivery = demo("delivery-ru.md");
    assert_eq!(
        (delivery.media_type.as_str(), delivery.title.as_deref()),
        ("text/markdown", Some("Доставка"))
    );
    has(&delivery, "## Москва\n\nДоставка курьером по Москве стоит 300 ₽");
    let hours = demo("opening-hours-en.txt");
    assert_eq!((hours.media_type.as_str(), hours.title.as_deref()), ("text/plain", Some("opening hours en")));
}

#[test]
fn the_type_is_told_by_content_not_by_name() {
    let limits = Limits::default();
    let kind = |bytes: &[u8], name: &str| extract(bytes, name, None, &limits).unwrap().media_type;
    assert_eq!(kind(b"<!DOCTYPE html><p>Tea</p>", "a.pdf"), "text/html");
    assert_eq!(kind("Просто текст про чай.".as_bytes(), "a.docx"), "text/plain");
    assert_eq!(kind(b"name;price\ntea;5\n", "a.txt"), "text/csv");
    // Text that begins like a picture or a program.
    assert_eq!(kind(b"BM is short for Black Mountain tea", "a.bmp"), "text/plain");
    assert_eq!(kind(b"MZ", "a.exe"), "text/plain");
}

#[test]
fn legacy_encodings_of_russian_come_out_right() {
    let text = "Гарантия на чайник двадцать четыре месяца со дня покупки. Звоните нам ежедневно.";
    let limits = Limits::default();
    let read = |bytes: &[u8]| extract(bytes, "a.txt", None, &limits).unwrap().text;
    assert_eq!(read(&encoding_rs::WINDOWS_1251.encode(text).0), text);
    assert_eq!(read(&encoding_rs::KOI8_R.encode(text).0), text);
    assert_eq!(read(&encoding_rs::IBM866.encode(text).0), text);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&utf16), text);
    let with_mark: Vec<u8> =
        [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    assert_eq!(read(&with_mark), text);
    let page = "<html><head><meta charset=\"windows-1251\"></head><body><p>Чай</p></body></html>";
    assert_eq!(read(&encoding_rs::WINDOWS_1251.encode(page).0), "Чай");
}
