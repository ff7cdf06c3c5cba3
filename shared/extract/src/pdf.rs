//! PDF: characters with their places become lines, paragraphs and headings, page by page.
//!
//! The pdf libraries are not proof against hostile files: a panic becomes a failure here, everything worse (a stack that
//! overflows, memory) ends the process, which is why hosts run this in one of its own.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use frontdesk_ports::ExtractFailure;
use pdf_extract::{Document, MediaBox, Object, OutputDev, OutputError, Transform};

use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText, Resume, as_u64, kind, over, unreadable};

pub(crate) fn read(bytes: &[u8], from: Option<&Resume>, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    check_unpacked(bytes, limits)?;
    catch_unwind(AssertUnwindSafe(|| read_inner(bytes, from, limits)))
        .unwrap_or_else(|_| Err(unreadable("the pdf is broken and cannot be read")))
}

/// Inflates what looks like a compressed stream and counts, without keeping anything: the pdf library has no limit.
fn check_unpacked(bytes: &[u8], limits: &Limits) -> Result<(), ExtractFailure> {
    let mut total = 0_u64;
    let mut at = 0_usize;
    let mut buffer = vec![0_u8; 64 * 1024];
    while let Some(found) = bytes.get(at..).and_then(|rest| kind::find(rest, b"stream")) {
        let start = at.saturating_add(found);
        at = start.saturating_add(6);
        let dictionary = bytes.get(start.saturating_sub(512)..start).unwrap_or_default();
        if dictionary.ends_with(b"end") || is_picture(dictionary) {
            continue;
        }
        let data = bytes.get(at..).unwrap_or_default();
        let data = data.strip_prefix(b"\r").unwrap_or(data);
        let data = data.strip_prefix(b"\n").unwrap_or(data);
        let mut inflated = flate2::read::ZlibDecoder::new(data);
        while let Ok(count @ 1..) = inflated.read(&mut buffer) {
            total = total.saturating_add(as_u64(count));
            if total > limits.max_unpacked {
                return Err(over("unpacked size in bytes", limits.max_unpacked));
            }
        }
    }
    Ok(())
}

/// Pictures are never unpacked by the text reader.
fn is_picture(dictionary: &[u8]) -> bool {
    let from = dictionary
        .windows(5)
        .rposition(|window| window == b" obj\n" || window == b" obj<" || window == b" obj\r");
    let own = from.and_then(|from| dictionary.get(from..)).unwrap_or(dictionary);
    kind::find(own, b"/Subtype/Image").or_else(|| kind::find(own, b"/Subtype /Image")).is_some()
}

fn read_inner(bytes: &[u8], from: Option<&Resume>, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let mut document = Document::load_mem(bytes).map_err(|error| match error {
        pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword => encrypted(),
        other => unreadable(format!("the pdf is broken: {other}")),
    })?;
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(encrypted());
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    if as_u64(pages.len()) > u64::from(limits.max_pages) {
        return Err(over("pages", limits.max_pages.into()));
    }
    let (done, part) = part_of(&pages, from, limits);
    if part.is_empty() {
        // Objects that cannot be decrypted are not there.
        let locked = document.trailer.has(b"Encrypt");
        return Err(if locked { encrypted() } else { unreadable("the pdf has no pages") });
    }
    let mut lines = PdfLines { max_text: limits.max_text, ..PdfLines::default() };
    let mut broken = 0_usize;
    for page in part {
        let output =
            catch_unwind(AssertUnwindSafe(|| pdf_extract::output_doc_page(&document, &mut lines, *page)));
        lines.end_line();
        if lines.full {
            return Err(over("text in bytes", limits.max_text));
        }
        broken = broken.saturating_add(usize::from(!matches!(output, Ok(Ok(())))));
    }
    let read = done.saturating_add(part.len());
    if broken == part.len() {
        let first = done.saturating_add(1);
        return Err(unreadable(format!("the pdf is broken: its pages {first} to {read} cannot be read")));
    }
    // The first part that has text tells headings from the rest; the others follow it.
    let headings = match from {
        Some(from) if from.text > 0 => from.headings.clone(),
        _ => lines.heading_sizes(),
    };
    let text = lines.markdown(&headings, limits)?;
    let rest = (read < pages.len()).then(|| Resume { page: as_u32(read), text: 0, headings });
    Ok(ReadText { title: info_title(&document), text, pages: Some(as_u32(pages.len())), rest })
}

/// How many pages were read already, and those of the next part.
fn part_of<'a>(pages: &'a [u32], from: Option<&Resume>, limits: &Limits) -> (usize, &'a [u32]) {
    let index = |page: u32| usize::try_from(page).unwrap_or(usize::MAX).min(pages.len());
    let first = from.map_or(0, |from| from.page);
    let (first, last) = (index(first), index(first.saturating_add(limits.pages_at_once.max(1))));
    (first, pages.get(first..last).unwrap_or_default())
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn encrypted() -> ExtractFailure {
    unreadable("the pdf is protected with a password; save it without one and upload it again")
}

/// The title in the document's properties, unless a program put the name of a file there.
fn info_title(document: &Document) -> Option<String> {
    let info = document.trailer.get(b"Info").ok()?;
    let info = match info {
        Object::Reference(id) => document.get_object(*id).ok()?,
        direct => direct,
    };
    let title = pdf_extract::decode_text_string(info.as_dict().ok()?.get(b"Title").ok()?).ok()?;
    let is_file =
        title.starts_with("Microsoft Word") || title.starts_with("file:") || title.contains("about:blank");
    let has_extension =
        title.rsplit_once('.').is_some_and(|(_, end)| (2..=5).contains(&end.len()) && !end.contains(' '));
    (!is_file && !has_extension && !title.trim().is_empty()).then_some(title)
}

/// One line of a page.
struct Line {
    page: u32,
    y: f64,
    size: f64,
    text: String,
}

/// Collects characters into lines.
#[derive(Default)]
struct PdfLines {
    lines: Vec<Line>,
    current: Option<Line>,
    page: u32,
    flip: Transform,
    end_x: f64,
    start_x: f64,
    bytes: u64,
    max_text: u64,
    full: bool,
}

impl PdfLines {
    fn end_line(&mut self) {
        if let Some(line) = self.current.take() {
            let text = squeeze(&line.text);
            if !text.is_empty() {
                self.lines.push(Line { text, ..line });
            }
        }
    }

    /// The lines as paragraphs and headings; a rule between pages.
    fn markdown(&self, headings: &[i64], limits: &Limits) -> Result<String, ExtractFailure> {
        let mut writer = Writer::new(limits);
        let mut before: Option<&Line> = None;
        let mut paragraph = String::new();
        for line in &self.lines {
            let level = headings
                .iter()
                .position(|size| *size == rounded(line.size))
                .filter(|_| line.text.chars().count() <= 150);
            let continues = before.is_some_and(|before| {
                before.page == line.page
                    && rounded(before.size) == rounded(line.size)
                    && (line.y - before.y).abs() < line.size.max(1.0) * 1.75
            });
            if !continues && !paragraph.is_empty() {
                writer.block("", &std::mem::take(&mut paragraph))?;
            }
            if before.is_some_and(|before| before.page != line.page) {
                writer.block("", "---")?;
            }
            match level {
                // Nothing of a paragraph is open, so the line before was a heading too: it goes on.
                Some(_) if continues && paragraph.is_empty() => {
                    writer.push(" ")?;
                    writer.push(&line.text)?;
                }
                Some(level) => {
                    if !paragraph.is_empty() {
                        writer.block("", &std::mem::take(&mut paragraph))?;
                    }
                    writer.block(&format!("{} ", "#".repeat(level.saturating_add(1))), &line.text)?;
                }
                None => join(&mut paragraph, &line.text),
            }
            before = Some(line);
        }
        writer.block("", &paragraph)?;
        Ok(writer.finish())
    }

    /// The size that most characters have.
    fn body_size(&self) -> i64 {
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        for line in &self.lines {
            let count = counts.entry(rounded(line.size)).or_default();
            *count = count.saturating_add(line.text.len());
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(size, _)| size)
    }

    /// Up to three sizes that are clearly larger than the body's, largest first.
    fn heading_sizes(&self) -> Vec<i64> {
        let body = self.body_size();
        let mut sizes: Vec<i64> = self.lines.iter().map(|line| rounded(line.size)).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        sizes.retain(|size| size.saturating_mul(100) >= body.saturating_mul(115));
        sizes.truncate(3);
        sizes
    }
}

/// Quarters of a point.
#[expect(clippy::cast_possible_truncation, reason = "a font size; saturates")]
fn rounded(size: f64) -> i64 {
    (size * 4.0).round() as i64
}

/// Joins lines of a paragraph; list items keep their line.
fn join(paragraph: &mut String, line: &str) {
    let is_item = line.starts_with(['•', '–', '—', '-', '▪', '●', '◦']);
    let text = if is_item {
        format!("- {}", line.trim_start_matches(['•', '–', '—', '-', '▪', '●', '◦']).trim_start())
    } else {
        line.to_owned()
    };
    if paragraph.is_empty() {
        paragraph.push_str(&text);
    } else {
        paragraph.push('\n');
        paragraph.push_str(&text);
    }
}

impl OutputDev for PdfLines {
    fn begin_page(
        &mut self,
        page: u32,
        media_box: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.end_line();
        self.page = page;
        self.flip = Transform::row_major(1.0, 0.0, 0.0, -1.0, 0.0, media_box.ury - media_box.lly);
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.end_line();
        Ok(())
    }

    fn output_character(
        &mut self,
        trm: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.bytes = self.bytes.saturating_add(as_u64(text.len()));
        if self.bytes > self.max_text {
            self.full = true;
            return Err(OutputError::FormatError(std::fmt::Error));
        }
        let place = trm.post_transform(&self.flip);
        let (x, y) = (place.m31, place.m32);
        let across = (trm.m11 * font_size).hypot(trm.m12 * font_size);
        let upright = (trm.m21 * font_size).hypot(trm.m22 * font_size);
        let size = (across * upright).sqrt();
        let same_line = self.current.as_ref().is_some_and(|line| {
            let step = size.max(line.size).max(0.1);
            (y - line.y).abs() < step * 0.4 && x > self.end_x - step * 2.0
        });
        if !same_line {
            self.end_line();
            self.start_x = x;
            self.current = Some(Line { page: self.page, y, size, text: String::new() });
        }
        if let Some(line) = &mut self.current {
            let gap = if same_line { x - self.end_x } else { 0.0 };
            if gap > size * 2.5 {
                line.text.push_str(" | ");
            } else if gap > size * 0.12 {
                line.text.push(' ');
            }
            line.text.push_str(text);
        }
        self.end_x = x + width * across;
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
