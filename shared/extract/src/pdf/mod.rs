//! PDF: the operators of its pages give characters with their places, and those become lines, columns, tables, paragraphs
//! and headings, page by page.
//!
//! What the libraries below may still do with a hostile file (a panic, a stack that overflows) ends the process or the
//! instance, which is why hosts run this in one of its own; a panic becomes a failure here where it can.

mod across;
mod annotations;
mod bidi;
mod filters;
mod font;
mod grid;
mod guard;
mod interpret;
mod matrix;
mod order;
mod prose;
mod runs;
mod sorted;
mod structure;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use frontdesk_domain::document::reasons::{self, Reason};
use frontdesk_ports::{ExtractFailure, NotRead, UnreadPart};
use hayro_syntax::object::Dict;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use self::guard::Guard;
use self::interpret::{Glyph, Interpreter, Missing};
use self::prose::PageText;
use crate::{Limits, ReadText, Resume, as_u64, over, unreadable, warnings};

/// Characters of a font that nothing explains, on one page, that are worth a warning. A bullet is none.
const MANY_LOST: u64 = 4;

pub(crate) fn read(bytes: &[u8], from: Option<&Resume>, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    structure::check_structure(bytes, limits)?;
    let open = AssertUnwindSafe(|| Pdf::new(bytes.to_vec()));
    let pdf = catch_unwind(open).unwrap_or(Err(LoadPdfError::Invalid)).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => unreadable(reasons::LOCKED),
        LoadPdfError::Decryption(_) => unreadable(reasons::LOCKED_OTHERWISE),
        LoadPdfError::Invalid => unreadable(reasons::PAGES_NOT_FOUND),
    })?;
    catch_unwind(AssertUnwindSafe(|| read_part(&pdf, from, limits)))
        .unwrap_or_else(|_| Err(unreadable(reasons::BROKEN)))
}

fn read_part(pdf: &Pdf, from: Option<&Resume>, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let pages = pdf.pages();
    if as_u64(pages.len()) > u64::from(limits.max_pages) {
        return Err(over("pages", limits.max_pages.into()));
    }
    let index = |page: u32| usize::try_from(page).unwrap_or(usize::MAX).min(pages.len());
    let first = from.map_or(0, |from| from.page);
    let (first, last) = (index(first), index(first.saturating_add(limits.pages_at_once.max(1))));
    let part = pages.get(first..last).unwrap_or_default();
    if part.is_empty() {
        return Err(unreadable(reasons::NO_PAGES));
    }
    let guard = Guard::new(limits);
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id());
    let mut interpreter = Interpreter::new(&guard, catalog.as_ref());
    let mut lost = Lost::default();
    let mut texts: Vec<PageText> = Vec::with_capacity(part.len());
    let mut bytes = 0_u64;
    for (number, page) in (first.saturating_add(1)..).zip(part) {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let (glyphs, missing) = interpreter.page(page);
            let length = interpret::bytes_of(&glyphs);
            // What is too long already is not laid out.
            let over = bytes.saturating_add(length) > limits.max_text;
            (length, if over { PageText::new() } else { laid_out(&glyphs) }, missing)
        }));
        let (length, text, missing) =
            read.unwrap_or_else(|_| (0, PageText::new(), Missing { content: true, ..Missing::default() }));
        bytes = bytes.saturating_add(length);
        if bytes > limits.max_text {
            return Err(over("text in bytes", limits.max_text));
        }
        lost.note(as_u32(number), length, missing);
        texts.push(text);
    }
    // The first part that has text tells headings from the rest; the others follow it.
    let headings = match from {
        Some(from) if from.text > 0 => from.headings.clone(),
        _ => prose::heading_sizes(&texts),
    };
    let text = prose::markdown(&texts, &headings, limits)?;
    let rest = (last < pages.len()).then(|| Resume { page: as_u32(last), text: 0, headings });
    if rest.is_none()
        && text.is_empty()
        && let Some(failure) = guard.spent()
    {
        return Err(failure);
    }
    Ok(ReadText {
        title: info_title(pdf),
        text,
        pages: Some(as_u32(pages.len())),
        rest,
        why_empty: Some(lost.why_empty()),
        unread: lost.warnings(),
    })
}

fn laid_out(glyphs: &[Glyph]) -> PageText {
    order::blocks(runs::runs(glyphs)).into_iter().map(grid::pieces).collect()
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What could not be read of the pages of a part.
#[derive(Default)]
struct Lost {
    pages: Vec<u32>,
    fonts: BTreeMap<String, Vec<u32>>,
    unexplained: u64,
    explained: u64,
}

impl Lost {
    fn note(&mut self, page: u32, bytes: u64, missing: Missing) {
        self.explained = self.explained.saturating_add(bytes);
        if missing.content {
            self.pages.push(page);
        }
        for (font, characters) in missing.fonts {
            self.unexplained = self.unexplained.saturating_add(characters);
            // A few signs are bullets and ornaments, unless the page has nothing else.
            if characters >= MANY_LOST || bytes == 0 {
                self.fonts.entry(font).or_default().push(page);
            }
        }
    }

    fn why_empty(&self) -> Reason {
        if self.unexplained > 0 {
            reasons::UNKNOWN_LETTERS
        } else if !self.pages.is_empty() {
            reasons::PAGES_NOT_READ
        } else {
            reasons::PICTURES
        }
    }

    fn warnings(self) -> Vec<NotRead> {
        let mut all = Vec::new();
        if !self.pages.is_empty() {
            all.push(NotRead::new(UnreadPart::Pages, warnings::ranges(&self.pages)));
        }
        for (font, pages) in self.fonts.into_iter().take(warnings::MAX_OF_A_KIND) {
            let name = if font.is_empty() { "?".to_owned() } else { font };
            all.push(NotRead::new(UnreadPart::Font { pages: warnings::ranges(&pages) }, name));
        }
        all
    }
}

/// The title in the document's properties, unless a program put the name of a file there.
fn info_title(pdf: &Pdf) -> Option<String> {
    let title = interpret::text_of(pdf.metadata().title.as_deref()?);
    let is_file =
        title.starts_with("Microsoft Word") || title.starts_with("file:") || title.contains("about:blank");
    let has_extension =
        title.rsplit_once('.').is_some_and(|(_, end)| (2..=5).contains(&end.len()) && !end.contains(' '));
    (!is_file && !has_extension && !title.trim().is_empty()).then_some(title)
}
