//! Small pdf files.

use std::fmt::Write;

/// A pdf with one page for each list of lines, each a font size in points and a text (ASCII, no brackets), from the top
/// of the page down.
#[must_use]
pub fn pdf_of(pages: &[Vec<(u32, String)>]) -> Vec<u8> {
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        String::new(),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
    ];
    let mut kids = String::new();
    for lines in pages {
        let mut content = String::from("BT 0 0 0 rg 1 0 0 1 50 800 Tm\n");
        for (size, text) in lines {
            // Writing to a string does not fail.
            let _ = writeln!(content, "/F1 {size} Tf 0 -{} Td ({text}) Tj", size.saturating_mul(2));
        }
        content.push_str("ET");
        let page = objects.len().saturating_add(1);
        let stream = page.saturating_add(1);
        let _ = write!(kids, "{page} 0 R ");
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents {stream} 0 R>>"
        ));
        objects.push(format!("<</Length {}>>\nstream\n{content}\nendstream", content.len()));
    }
    if let Some(tree) = objects.get_mut(1) {
        *tree = format!("<</Type/Pages/Count {}/Kids[{kids}]>>", pages.len());
    }

    let mut file = String::from("%PDF-1.7\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1_usize..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{number} 0 obj\n{object}\nendobj\n");
    }
    let (start, size) = (file.len(), objects.len().saturating_add(1));
    let _ = write!(
        file,
        "xref\n0 {size}\n{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}
