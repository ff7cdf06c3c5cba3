//! Small pdfs, and what is read of them.

use std::fmt::Write as _;

use frontdesk_extract::{ExtractFailure, Extracted, Limits, extract};
pub use frontdesk_testkit::pdf::{HELVETICA, PdfFile as File, deflated};

pub fn read(bytes: &[u8]) -> Result<Extracted, ExtractFailure> {
    extract(bytes, "file", None, &Limits::default())
}

/// A file that is read.
pub trait Read {
    fn read(&self) -> Result<Extracted, ExtractFailure>;

    fn text(&self) -> String {
        self.read().unwrap().text
    }
}

impl Read for File {
    fn read(&self) -> Result<Extracted, ExtractFailure> {
        read(&self.bytes())
    }
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

/// Text in an Identity-H font: each character two bytes.
pub fn wide(text: &str) -> String {
    text.encode_utf16().fold(String::from("<"), |mut hex, unit| {
        write!(hex, "{unit:04x}").unwrap();
        hex
    }) + ">"
}
