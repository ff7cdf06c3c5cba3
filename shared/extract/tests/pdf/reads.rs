//! What a person reads in a pdf is what comes out of it.

use crate::support::{File, HELVETICA, Read as _, deflated, page, read, wide};
use frontdesk_extract::{ExtractFailure, UnreadPart};

/// A composite font; `entries` are of the font itself, `inner` of its descendant.
fn composite(file: &mut File, entries: &str, inner: &str) -> usize {
    let descriptor = file.add("<</Type/FontDescriptor/FontName/Calibri/Flags 32/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 900/Descent -200/CapHeight 700/StemV 80>>");
    let descendant = file.add(format!(
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Calibri/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor {descriptor} 0 R{inner}>>"
    ));
    file.add(format!(
        "<</Type/Font/Subtype/Type0/BaseFont/Calibri/DescendantFonts[{descendant} 0 R]{entries}>>"
    ))
}

/// A map to Unicode: codes `from` to `to`, which mean themselves.
fn map(digits: usize) -> Vec<u8> {
    let code = |n: u32| format!("<{n:0digits$x}>");
    let (low, high, first, last) =
        (code(0), code(if digits == 2 { 0xFF } else { 0xFFFF }), code(0x20), code(0x7E));
    format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n1 begincodespacerange {low} {high} endcodespacerange\n1 beginbfrange {first} {last} <0020> endbfrange\nendcmap end end"
    )
    .into_bytes()
}

fn composite_page(font: impl Fn(&mut File) -> usize, content: &str) -> File {
    let mut file = File::default();
    let helvetica = file.add(HELVETICA);
    let other = font(&mut file);
    file.page(&format!("/Font<</F1 {helvetica} 0 R/F2 {other} 0 R>>"), content, "");
    file
}

#[test]
fn widths_that_are_given_as_ranges_keep_words_whole() {
    let text = "Beautiful is better than ugly";
    for widths in ["/W[32 126 556]", "/W[32[278] 33 126 556]", "/DW 556"] {
        let file = composite_page(
            |file| {
                let map = file.stream("", &map(4));
                composite(file, &format!("/Encoding/Identity-H/ToUnicode {map} 0 R"), widths)
            },
            &format!("BT /F2 12 Tf 50 780 Td {} Tj ET", wide(text)),
        );
        assert_eq!(file.text(), text, "{widths}");
    }
}

#[test]
fn quotes_show_text_on_the_next_line() {
    let text = page("BT /F1 12 Tf 14 TL 50 780 Td (The returns address is Lemur street five.) ' 2 1 (Parcels need a label.) \" ET").text();
    assert!(
        text.contains("The returns address is Lemur street five.") && text.contains("Parcels need a label."),
        "{text}"
    );
}

#[test]
fn a_filter_may_be_a_reference() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let filter = file.add("/FlateDecode");
    let content = file.stream(
        &format!("/Filter {filter} 0 R"),
        &deflated(b"BT /F1 12 Tf 50 780 Td (Invoice 4711 is payable within thirty days.) Tj ET"),
    );
    file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &format!("{content} 0 R"), "");
    assert_eq!(file.text(), "Invoice 4711 is payable within thirty days.");
}

#[test]
fn every_way_of_a_font_to_letters_is_gone() {
    // Codes of one byte, by an encoding of the file's own.
    let own = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /OneByteIdentityH def /CMapType 1 def /WMode 0 def\n1 begincodespacerange <00> <FF> endcodespacerange\n1 begincidrange <00> <FF> 0 endcidrange\nendcmap end end";
    let one_byte = composite_page(
        |file| {
            let (encoding, map) = (
                file.stream("/Type/CMap/CMapName/OneByteIdentityH", own.as_bytes()),
                file.stream("", &map(2)),
            );
            composite(file, &format!("/Encoding {encoding} 0 R/ToUnicode {map} 0 R"), "/DW 556")
        },
        "BT /F2 12 Tf 50 740 Td (Lorem ipsum dolor sit amet) Tj ET",
    );
    assert_eq!(one_byte.text(), "Lorem ipsum dolor sit amet");
    // The map is a name, or there is none and the font is not in the file: codes are characters.
    for entries in ["/Encoding/Identity-H/ToUnicode/Identity-H", "/Encoding/Identity-H"] {
        let file = composite_page(
            |file| composite(file, entries, "/DW 556"),
            &format!("BT /F2 12 Tf 50 740 Td {} Tj ET", wide("Faktura numer 12")),
        );
        assert_eq!(file.text(), "Faktura numer 12", "{entries}");
    }
    // A predefined map of a national encoding.
    let japanese = composite_page(
        |file| composite(file, "/Encoding/90ms-RKSJ-H", "/DW 1000"),
        "BT /F2 12 Tf 50 740 Td <93FA967B> Tj ET",
    );
    assert_eq!(japanese.text(), "日本");
}

#[test]
fn letters_that_nothing_explains_are_said_and_never_garbage() {
    // Of a font that is in the file, with an encoding of its own and no way to letters.
    let private = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Own def\n1 begincodespacerange <00> <FF> endcodespacerange\n1 begincidrange <00> <FF> 0 endcidrange\nendcmap end end";
    let font = |file: &mut File| {
        let encoding = file.stream("/Type/CMap/CMapName/Own", private.as_bytes());
        composite(file, &format!("/Encoding {encoding} 0 R"), "/DW 556")
    };
    let alone = composite_page(font, "BT /F2 12 Tf 50 740 Td (Kettle three thousand) Tj ET");
    let Err(ExtractFailure::Unreadable { reason }) = alone.read() else { panic!("{:?}", alone.read()) };
    assert!(reason.contains("which letters its fonts stand for"), "{reason}");
    let mixed = composite_page(
        font,
        "BT /F1 12 Tf 50 780 Td (Price list 2026) Tj ET BT /F2 12 Tf 50 740 Td (Kettle three thousand) Tj ET",
    );
    let read = mixed.read().unwrap();
    assert_eq!(read.text, "Price list 2026");
    assert_eq!(read.unread.len(), 1);
    assert_eq!(read.unread[0].name, "Calibri");
    assert_eq!(read.unread[0].part, UnreadPart::Font { pages: "1".to_owned() });
}

#[test]
fn text_after_a_comment_is_read() {
    let text = page("BT /F1 12 Tf 50 780 Td (Opening hours are Monday to Friday.) Tj ET\n% next (paragraph\n  BT /F1 12 Tf 50 700 Td (We close at six.) Tj ET").text();
    assert_eq!(text, "Opening hours are Monday to Friday.\n\nWe close at six.");
}

#[test]
fn a_page_that_cannot_be_read_is_named() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let resources = format!("/Font<</F1 {font} 0 R>>");
    file.page(&resources, "BT /F1 12 Tf 50 780 Td (First page: delivery takes three days.) Tj ET", "");
    file.page_of(&resources, "99 0 R", "");
    file.page(&resources, "BT /F1 12 Tf 50 780 Td (Third page: returns within fourteen days.) Tj ET", "");
    let read = file.read().unwrap();
    assert_eq!(
        read.text,
        "First page: delivery takes three days.\n\n---\n\nThird page: returns within fourteen days."
    );
    assert_eq!((read.pages, read.unread.len()), (Some(3), 1));
    assert_eq!((&read.unread[0].part, read.unread[0].name.as_str()), (&UnreadPart::Pages, "2"));
}

#[test]
fn turned_pages_and_turned_lines_are_read_along_the_line() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let content = "BT /F1 12 Tf 0 1 -1 0 100 100 Tm (Delivery takes three days) Tj 0 1 -1 0 120 100 Tm (Second line of the landscape page) Tj ET";
    for turn in ["", "/Rotate 90", "/Rotate 270"] {
        let mut file = File::default();
        let font = file.add(HELVETICA);
        file.page(&format!("/Font<</F1 {font} 0 R>>"), content, turn);
        let text = file.text();
        let (first, second) =
            (text.find("Delivery takes three days"), text.find("Second line of the landscape page"));
        assert!(first.is_some() && first < second, "{turn}: {text}");
    }
    file.page(&format!("/Font<</F1 {font} 0 R>>"), "BT /F1 12 Tf 50 780 Td (Upright) Tj ET", "");
    assert_eq!(file.text(), "Upright");
}

#[test]
fn letters_that_are_spaced_stretched_or_drawn_twice_are_words() {
    assert_eq!(
        page("BT /F1 12 Tf 2 Tc 50 780 Td (Opening hours and delivery) Tj ET").text(),
        "Opening hours and delivery"
    );
    assert_eq!(
        page("BT /F1 12 Tf 300 Tz 50 780 Td (Stretched text of an OCR layer) Tj ET").text(),
        "Stretched text of an OCR layer"
    );
    let line = "BT /F1 12 Tf 1 0 0 1 50 780 Tm (Delivery in two days) Tj 1 0 0 1 50.3 780 Tm (Delivery in two days) Tj ET";
    assert_eq!(page(line).text(), "Delivery in two days");
    let letters: String = "Delivery"
        .chars()
        .enumerate()
        .flat_map(|(index, c)| {
            [0.0, 0.3].map(|aside| format!("1 0 0 1 {} 780 Tm ({c}) Tj ", 50.0 + 8.0 * index as f64 + aside))
        })
        .collect();
    assert_eq!(page(&format!("BT /F1 12 Tf {letters}ET")).text(), "Delivery");
}

#[test]
fn columns_are_read_one_after_the_other() {
    let rows = [
        ("Delivery in Moscow costs", "Returns are accepted for"),
        ("three hundred roubles and", "fourteen days after the"),
        ("takes two working days.", "parcel was received."),
    ];
    let content: String = rows
        .iter()
        .enumerate()
        .map(|(row, (left, right))| {
            let y = 780 - 14 * row;
            format!("1 0 0 1 50 {y} Tm ({left}) Tj 1 0 0 1 320 {y} Tm ({right}) Tj ")
        })
        .collect();
    let text = page(&format!("BT /F1 12 Tf {content}ET")).text();
    assert_eq!(
        text,
        "Delivery in Moscow costs three hundred roubles and takes two working days.\n\nReturns are accepted for fourteen days after the parcel was received."
    );
}

#[test]
fn rows_of_a_table_stay_rows_and_carry_a_bold_header() {
    let mut file = File::default();
    let (font, bold) =
        (file.add(HELVETICA), file.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>"));
    let cell =
        |font: &str, x: u32, y: u32, text: &str| format!("/{font} 12 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ");
    let mut content = String::from("BT ");
    for (x, name) in [(50, "Tea"), (200, "Grams"), (300, "Price")] {
        content += &cell("F2", x, 780, name);
    }
    for (y, row) in [(760, ["Green tea", "100", "450"]), (740, ["Black tea of", "250", "900"])] {
        for (x, text) in [50, 200, 300].into_iter().zip(row) {
            content += &cell("F1", x, y, text);
        }
    }
    content += &cell("F1", 50, 727, "the mountains");
    file.page(&format!("/Font<</F1 {font} 0 R/F2 {bold} 0 R>>"), &format!("{content}ET"), "");
    let text = file.text();
    assert!(text.contains("Tea: Green tea; Grams: 100; Price: 450"), "{text}");
    assert!(text.contains("Grams: 250; Price: 900") && text.contains("Black tea of"), "{text}");
}

#[test]
fn a_table_without_a_header_gets_no_names() {
    let rows = [("Delivery price", "300"), ("Return period", "14 days"), ("Warranty", "24 months")];
    let content: String = rows
        .iter()
        .enumerate()
        .map(|(row, (left, right))| {
            let y = 780 - 20 * row;
            format!("1 0 0 1 50 {y} Tm ({left}) Tj 1 0 0 1 250 {y} Tm ({right}) Tj ")
        })
        .collect();
    let text = page(&format!("BT /F1 12 Tf {content}ET")).text();
    assert_eq!(text, "Delivery price | 300\nReturn period | 14 days\nWarranty | 24 months");
}

#[test]
fn raised_and_broken_words_are_in_place() {
    let raised =
        "BT /F1 12 Tf 50 780 Td (Area 10 m) Tj 5 Ts /F1 7 Tf (2) Tj 0 Ts /F1 12 Tf ( costs 90 euros.) Tj ET";
    assert_eq!(page(raised).text(), "Area 10 m2 costs 90 euros.");
    let broken =
        "BT /F1 12 Tf 14 TL 50 780 Td (Our internationali-) Tj T* (sation department handles all) Tj ET";
    assert_eq!(page(broken).text(), "Our internationalisation department handles all");
}

#[test]
fn a_list_in_a_form_shows_its_choices_and_a_closed_one_what_is_chosen() {
    let mut file = File::default();
    let field = |place: &str, entries: &str| {
        format!("<</Type/Annot/Subtype/Widget/FT/Ch/T({place})/Rect[50 {place} 200 {place}9]{entries}/F 4>>")
    };
    let annotations: Vec<String> = [
        field("30", "/Opt[(Tea)(Coffee)[(w)(Still water)]]/V(Tea)"),
        field("20", "/Ff 131072/Opt[(By courier)(By post)]/V(By post)"),
        field("10", "/V[(One)(Two)]"),
    ]
    .into_iter()
    .map(|field| format!("{} 0 R", file.add(field)))
    .collect();
    file.page("", "", &format!("/Annots[{}]", annotations.join(" ")));
    let text = file.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["Tea; Coffee; Still water", "By post", "One; Two"]);
}

#[test]
fn forms_and_filled_fields_are_read_where_they_stand() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let fonts = format!("/Font<</F1 {font} 0 R>>");
    let form = file.stream(
        &format!("/Type/XObject/Subtype/Form/BBox[0 0 600 900]/Matrix[1 0 0 1 0 -100]/Resources<<{fonts}>>"),
        b"BT /F1 12 Tf 50 780 Td (Line inside a form, far below.) Tj ET",
    );
    let name =
        file.add("<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Ivan Petrov)/Rect[50 300 200 320]/F 4>>");
    let note = file
        .add("<</Type/Annot/Subtype/FreeText/Contents(Closed on public holidays)/Rect[50 200 300 220]/F 4>>");
    let hidden = file.add("<</Type/Annot/Subtype/Widget/FT/Tx/T(id)/V(4711)/Rect[50 100 200 120]/F 2>>");
    file.page(
        &format!("{fonts}/XObject<</X1 {form} 0 R>>"),
        "BT /F1 12 Tf 50 780 Td (Top line of the page.) Tj ET q 1 0 0 1 0 -200 cm /X1 Do Q",
        &format!("/Annots[{name} 0 R {note} 0 R {hidden} 0 R]"),
    );
    let text = file.text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "Top line of the page.",
            "Line inside a form, far below.",
            "Ivan Petrov",
            "Closed on public holidays"
        ]
    );
}

#[test]
fn layers_that_are_off_are_not_read_and_replaced_text_is() {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let layer = file.add("<</Type/OCG/Name(Draft)>>");
    file.catalog(&format!("/OCProperties<</OCGs[{layer} 0 R]/D<</OFF[{layer} 0 R]>>>>"));
    file.page(
        &format!("/Font<</F1 {font} 0 R>>/Properties<</MC0 {layer} 0 R>>"),
        "/OC /MC0 BDC BT /F1 12 Tf 50 780 Td (Not yet decided) Tj ET EMC /Span<</ActualText(office)>>BDC BT /F1 12 Tf 50 740 Td (o\\001ce) Tj ET EMC",
        "",
    );
    assert_eq!(file.text(), "office");
}

#[test]
fn files_whose_table_of_objects_is_lost_are_read() {
    let whole = page("BT /F1 12 Tf 50 780 Td (Opening hours are Monday to Friday.) Tj ET").bytes();
    let text = String::from_utf8(whole).unwrap();
    let wrong = text.replacen("startxref\n", "startxref\n9", 1);
    let without = text.split("xref\n0").next().unwrap();
    for file in [wrong.as_str(), without] {
        assert_eq!(read(file.as_bytes()).unwrap().text, "Opening hours are Monday to Friday.");
    }
}

#[test]
fn text_after_a_picture_in_the_content_is_read() {
    for data in ["\x01(\x02BT\x03", "EI (", "Q q BT"] {
        let content = format!(
            "q BI /W 2 /H 2 /BPC 8 /CS /G ID {data}\nEI Q BT /F1 12 Tf 50 780 Td (Text after a picture.) Tj ET"
        );
        assert_eq!(page(&content).text(), "Text after a picture.", "{data:?}");
    }
}

#[test]
fn what_is_left_of_a_damaged_file_is_read() {
    let line = |n: usize| {
        format!("BT /F1 12 Tf 50 {} Td (Line {n} tells of kettles and their teas.) Tj ET\n", 800 - n * 14)
    };
    let content: String = (0..50).map(line).collect();
    let mut file = File::default();
    let font = file.add(HELVETICA);
    let stream = file.stream("/Filter/FlateDecode", &deflated(content.as_bytes()));
    file.page_of(&format!("/Font<</F1 {font} 0 R>>"), &format!("{stream} 0 R"), "");
    let whole = file.bytes();
    let at = whole.windows(8).position(|window| window == b"\nstream\n").unwrap() + 300;
    let mut flipped = whole.clone();
    flipped[at] ^= 0x40;
    let read = read(&flipped).unwrap();
    assert!(read.text.starts_with("Line 0 tells of kettles and their teas."), "{}", read.text);
}

#[test]
fn locked_files_say_so() {
    let failure = read(include_bytes!("../files/locked.pdf")).unwrap_err();
    assert!(failure.to_string().contains("password"), "{failure}");
}
