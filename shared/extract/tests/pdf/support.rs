//! Small pdfs, written object by object.

use std::fmt::Write as _;
use std::io::Write as _;

use frontdesk_extract::{ExtractFailure, Extracted, Limits, extract};

pub const HELVETICA: &str = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>";

/// A file of numbered objects; 1 is the catalog, 2 the page tree.
#[derive(Default)]
pub struct File {
    objects: Vec<Vec<u8>>,
    pages: Vec<usize>,
    catalog: String,
}

impl File {
    /// Adds an object; its number.
    pub fn add(&mut self, object: impl Into<Vec<u8>>) -> usize {
        self.objects.push(object.into());
        self.objects.len() + 2
    }

    pub fn stream(&mut self, dictionary: &str, data: &[u8]) -> usize {
        let mut object = format!("<<{dictionary}/Length {}>>\nstream\n", data.len()).into_bytes();
        object.extend_from_slice(data);
        object.extend_from_slice(b"\nendstream");
        self.add(object)
    }

    pub fn catalog(&mut self, entries: &str) {
        self.catalog.push_str(entries);
    }

    /// A page of A4 with these resources, content, and entries of its own.
    pub fn page(&mut self, resources: &str, content: &str, entries: &str) -> usize {
        let content = self.stream("", content.as_bytes());
        self.page_of(resources, &format!("{content} 0 R"), entries)
    }

    pub fn page_of(&mut self, resources: &str, contents: &str, entries: &str) -> usize {
        let page = self.add(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<{resources}>>/Contents {contents}{entries}>>"
        ));
        self.pages.push(page);
        page
    }

    pub fn bytes(&self) -> Vec<u8> {
        let kids: String = self.pages.iter().fold(String::new(), |mut kids, page| {
            write!(kids, "{page} 0 R ").unwrap();
            kids
        });
        let catalog = format!("<</Type/Catalog/Pages 2 0 R{}>>", self.catalog).into_bytes();
        let tree = format!("<</Type/Pages/Count {}/Kids[{kids}]>>", self.pages.len()).into_bytes();
        let mut file = b"%PDF-1.7\n".to_vec();
        let mut table = String::new();
        for (number, object) in [catalog, tree].iter().chain(&self.objects).enumerate() {
            writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
            file.extend(format!("{} 0 obj\n", number + 1).into_bytes());
            file.extend_from_slice(object);
            file.extend(b"\nendobj\n");
        }
        let (start, size) = (file.len(), self.objects.len() + 3);
        file.extend(
            format!("xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n")
                .into_bytes(),
        );
        file
    }

    pub fn read(&self) -> Result<Extracted, ExtractFailure> {
        read(&self.bytes())
    }

    pub fn text(&self) -> String {
        self.read().unwrap().text
    }
}

pub fn read(bytes: &[u8]) -> Result<Extracted, ExtractFailure> {
    extract(bytes, "file", None, &Limits::default())
}

/// One page in Helvetica, `F1`.
pub fn page(content: &str) -> File {
    page_with("", content)
}

/// The same with other fonts as well.
pub fn page_with(fonts: &str, content: &str) -> File {
    let mut file = File::default();
    let font = file.add(HELVETICA);
    file.page(&format!("/Font<</F1 {font} 0 R{fonts}>>"), content, "");
    file
}

pub fn deflated(data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

/// Text in an Identity-H font: each character two bytes.
pub fn wide(text: &str) -> String {
    text.encode_utf16().fold(String::from("<"), |mut hex, unit| {
        write!(hex, "{unit:04x}").unwrap();
        hex
    }) + ">"
}
