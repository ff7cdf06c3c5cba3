//! Pdf files, written object by object.

use std::fmt::Write as _;
use std::io::Write as _;

/// A font that every reader knows.
pub const HELVETICA: &str = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>";

/// A file of numbered objects; 1 is the catalog, 2 the page tree.
#[derive(Debug, Default)]
pub struct PdfFile {
    objects: Vec<Vec<u8>>,
    pages: Vec<usize>,
    catalog: String,
}

impl PdfFile {
    /// Adds an object; its number.
    pub fn add(&mut self, object: impl Into<Vec<u8>>) -> usize {
        self.objects.push(object.into());
        self.objects.len().saturating_add(2)
    }

    /// Adds a stream; its number.
    pub fn stream(&mut self, dictionary: &str, data: &[u8]) -> usize {
        let mut object = format!("<<{dictionary}/Length {}>>\nstream\n", data.len()).into_bytes();
        object.extend_from_slice(data);
        object.extend_from_slice(b"\nendstream");
        self.add(object)
    }

    /// Entries of the catalog.
    pub fn catalog(&mut self, entries: &str) {
        self.catalog.push_str(entries);
    }

    /// A page of A4 with these resources, content, and entries of its own.
    pub fn page(&mut self, resources: &str, content: &str, entries: &str) -> usize {
        let content = self.stream("", content.as_bytes());
        self.page_of(resources, &format!("{content} 0 R"), entries)
    }

    /// A page whose content is elsewhere.
    pub fn page_of(&mut self, resources: &str, contents: &str, entries: &str) -> usize {
        let page = self.add(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<{resources}>>/Contents {contents}{entries}>>"
        ));
        self.pages.push(page);
        page
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let kids: String = self.pages.iter().fold(String::new(), |mut kids, page| {
            // Writing to a string does not fail.
            let _ = write!(kids, "{page} 0 R ");
            kids
        });
        let catalog = format!("<</Type/Catalog/Pages 2 0 R{}>>", self.catalog).into_bytes();
        let tree = format!("<</Type/Pages/Count {}/Kids[{kids}]>>", self.pages.len()).into_bytes();
        let mut file = b"%PDF-1.7\n".to_vec();
        let mut table = String::new();
        for (number, object) in (1_usize..).zip([catalog, tree].iter().chain(&self.objects)) {
            let _ = writeln!(table, "{:010} 00000 n ", file.len());
            file.extend(format!("{number} 0 obj\n").into_bytes());
            file.extend_from_slice(object);
            file.extend(b"\nendobj\n");
        }
        let (start, size) = (file.len(), self.objects.len().saturating_add(3));
        file.extend(
            format!("xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n")
                .into_bytes(),
        );
        file
    }
}

/// A pdf with one page for each list of lines, each a font size in points and a text (ASCII, no brackets), from the top
/// of the page down.
#[must_use]
pub fn pdf_of(pages: &[Vec<(u32, String)>]) -> Vec<u8> {
    let mut file = PdfFile::default();
    let font = file.add(HELVETICA);
    for lines in pages {
        let mut content = String::from("BT 0 0 0 rg 1 0 0 1 50 800 Tm\n");
        for (size, text) in lines {
            let _ = writeln!(content, "/F1 {size} Tf 0 -{} Td ({text}) Tj", size.saturating_mul(2));
        }
        content.push_str("ET");
        file.page(&format!("/Font<</F1 {font} 0 R>>"), &content, "");
    }
    file.bytes()
}

/// Data as `/FlateDecode` undoes it.
#[must_use]
pub fn deflated(data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory does not fail.
    let _ = packed.write_all(data);
    packed.finish().unwrap_or_default()
}
