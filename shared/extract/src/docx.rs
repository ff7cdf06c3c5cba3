//! Word documents: paragraphs, headings, lists and tables of `word/document.xml`, in one pass over its events.

use std::collections::HashMap;

use frontdesk_ports::ExtractFailure;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::archive::{self, Archive};
use crate::encoding;
use crate::table::{is_header, row_line};
use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText, as_u64, over, unreadable};

pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let mut archive = archive::open(bytes, limits)?;
    let Some(document) = part(&mut archive, "word/document.xml")? else {
        return Err(unreadable("the docx has no text part (word/document.xml)"));
    };
    let styles = part(&mut archive, "word/styles.xml")?;
    let properties = part(&mut archive, "docProps/core.xml")?;
    let headings = styles.map_or_else(|| Ok(HashMap::new()), |xml| heading_styles(&xml, limits))?;
    let mut body = DocxBody { headings, ..DocxBody::new(limits) };
    walk(&document, limits, |event| body.on(event))?;
    body.end_paragraph()?;
    let own = properties.map_or(Ok(None), |xml| core_title(&xml, limits))?;
    let title = own.filter(|title| !title.trim().is_empty()).or(body.first_heading);
    Ok(ReadText { title, text: body.writer.finish(), ..ReadText::default() })
}

fn part(archive: &mut Archive<'_>, name: &str) -> Result<Option<String>, ExtractFailure> {
    let Some(bytes) = archive.part(name)? else { return Ok(None) };
    encoding::decode(&bytes)
        .map(|text| Some(text.into_owned()))
        .ok_or_else(|| unreadable(format!("the docx is broken: {name} is no text")))
}

/// What the readers of parts see: names without their prefix.
enum Node<'a> {
    Open(&'a str, &'a BytesStart<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// Goes through the events of a part; depth is bounded, entities of a DTD are not expanded.
fn walk(
    xml: &str,
    limits: &Limits,
    mut on: impl FnMut(&Node<'_>) -> Result<(), ExtractFailure>,
) -> Result<(), ExtractFailure> {
    let broken = |error: &dyn std::fmt::Display| unreadable(format!("the docx is broken: {error}"));
    let mut reader = Reader::from_str(xml);
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|error| broken(&error))? {
            Event::Start(tag) => {
                depth = depth.saturating_add(1);
                if depth > limits.max_depth {
                    return Err(over("nesting depth", limits.max_depth.into()));
                }
                on(&Node::Open(tag.local_name().as_ref(), &tag))?;
            }
            Event::Empty(tag) => {
                on(&Node::Open(tag.local_name().as_ref(), &tag))?;
                on(&Node::Close(tag.local_name().as_ref()))?;
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                on(&Node::Close(tag.local_name().as_ref()))?;
            }
            Event::Text(text) => on(&Node::Text(&text.xml10_content()))?,
            Event::CData(text) => on(&Node::Text(&text.xml10_content()))?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().ok().flatten().map(String::from);
                let name = reference.xml10_content();
                let text = match (&character, name.as_ref()) {
                    (Some(character), _) => character.as_str(),
                    (None, "amp") => "&",
                    (None, "lt") => "<",
                    (None, "gt") => ">",
                    (None, "quot") => "\"",
                    (None, "apos") => "'",
                    (None, _) => "",
                };
                on(&Node::Text(text))?;
            }
            Event::Eof if depth > 0 => return Err(broken(&"it ends in the middle")),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| attribute.value.into_owned())
}

/// Which style ids are headings, and of which level: by outline level or by name, in English and Russian Word.
fn heading_styles(xml: &str, limits: &Limits) -> Result<HashMap<String, u8>, ExtractFailure> {
    let mut headings = HashMap::new();
    let mut style = None;
    walk(xml, limits, |node| {
        if let Node::Open(name, tag) = node {
            match *name {
                "style" => style = attribute(tag, "styleId"),
                "name" | "outlineLvl" => {
                    let value = attribute(tag, "val").unwrap_or_default();
                    let level = if *name == "name" { level_of_name(&value) } else { outline_level(&value) };
                    if let (Some(id), Some(level)) = (&style, level) {
                        headings.entry(id.clone()).or_insert(level);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(headings)
}

fn level_of_name(name: &str) -> Option<u8> {
    let name = name.to_lowercase();
    if name == "title" || name == "название" {
        return Some(1);
    }
    let rest = name.strip_prefix("heading").or_else(|| name.strip_prefix("заголовок"))?;
    rest.trim().parse().ok().filter(|level| (1..=6).contains(level))
}

fn outline_level(value: &str) -> Option<u8> {
    value.parse::<u8>().ok().filter(|level| *level < 6).map(|level| level.saturating_add(1))
}

fn core_title(xml: &str, limits: &Limits) -> Result<Option<String>, ExtractFailure> {
    let mut inside = false;
    let mut title: Option<String> = None;
    walk(xml, limits, |node| {
        match node {
            Node::Open("title", _) => inside = true,
            Node::Close("title") => inside = false,
            Node::Text(text) if inside => title.get_or_insert_default().push_str(text),
            _ => {}
        }
        Ok(())
    })?;
    Ok(title)
}

/// The document's body as far as it was read.
struct DocxBody {
    writer: Writer,
    max_text: u64,
    headings: HashMap<String, u8>,
    first_heading: Option<String>,
    paragraph: String,
    heading: Option<u8>,
    list_level: Option<u8>,
    after_item: bool,
    /// Open elements whose content counts not: deleted text, and what is there a second time for old versions of Word.
    ignored: u32,
    in_text: bool,
    tables: Vec<DocxTable>,
}

#[derive(Default)]
struct DocxTable {
    header: Option<Vec<String>>,
    rows: u64,
    row: Vec<String>,
    cell: String,
}

impl DocxBody {
    fn new(limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            max_text: limits.max_text,
            headings: HashMap::new(),
            first_heading: None,
            paragraph: String::new(),
            heading: None,
            list_level: None,
            after_item: false,
            ignored: 0,
            in_text: false,
            tables: Vec::new(),
        }
    }

    fn on(&mut self, node: &Node<'_>) -> Result<(), ExtractFailure> {
        match node {
            Node::Open("del" | "Fallback" | "moveFrom", _) => self.ignored = self.ignored.saturating_add(1),
            Node::Close("del" | "Fallback" | "moveFrom") => self.ignored = self.ignored.saturating_sub(1),
            _ if self.ignored > 0 => {}
            Node::Open("t", _) => self.in_text = true,
            Node::Close("t") => self.in_text = false,
            Node::Text(text) if self.in_text => self.characters(text)?,
            Node::Open("tab", _) => self.characters(" ")?,
            Node::Open("br" | "cr", _) => self.characters("\n")?,
            Node::Open("noBreakHyphen", _) => self.characters("-")?,
            Node::Open("pStyle", tag) => {
                let id = attribute(tag, "val").unwrap_or_default();
                self.heading = self.headings.get(&id).copied().or_else(|| level_of_name(&id));
            }
            Node::Open("outlineLvl", tag) => {
                self.heading = attribute(tag, "val").and_then(|value| outline_level(&value)).or(self.heading);
            }
            Node::Open("ilvl", tag) => {
                self.list_level =
                    Some(attribute(tag, "val").and_then(|value| value.parse().ok()).unwrap_or(0));
            }
            Node::Open("numId", tag) if attribute(tag, "val").as_deref() == Some("0") => {
                self.list_level = None;
            }
            Node::Open("numPr", _) => self.list_level = Some(0),
            Node::Close("p") => self.end_paragraph()?,
            Node::Open("tbl", _) => {
                self.end_paragraph()?;
                self.tables.push(DocxTable::default());
            }
            Node::Close("tc") => {
                if let Some(table) = self.tables.last_mut() {
                    let cell = squeeze(&std::mem::take(&mut table.cell));
                    table.row.push(cell);
                }
            }
            Node::Close("tr") => self.end_row()?,
            Node::Close("tbl") => {
                self.tables.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn characters(&mut self, text: &str) -> Result<(), ExtractFailure> {
        if as_u64(self.paragraph.len()).saturating_add(as_u64(text.len())) > self.max_text {
            return Err(over("text in bytes", self.max_text));
        }
        self.paragraph.push_str(text);
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), ExtractFailure> {
        let raw = std::mem::take(&mut self.paragraph);
        let heading = self.heading.take();
        let list_level = self.list_level.take();
        let text =
            raw.split('\n').map(squeeze).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        if let Some(table) = self.tables.last_mut() {
            if as_u64(table.cell.len()).saturating_add(as_u64(text.len())) > self.max_text {
                return Err(over("text in bytes", self.max_text));
            }
            table.cell.push(' ');
            table.cell.push_str(&text);
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        if let Some(level) = heading {
            let line = squeeze(&text);
            if self.first_heading.is_none() {
                self.first_heading = Some(line.clone());
            }
            self.after_item = false;
            return self.writer.block(&format!("{} ", "#".repeat(level.into())), &line);
        }
        let prefix =
            list_level.map_or_else(String::new, |level| format!("{}- ", "  ".repeat(level.min(6).into())));
        let gap = if list_level.is_some() && self.after_item { "\n" } else { "\n\n" };
        self.after_item = list_level.is_some();
        self.writer.block_after(gap, &prefix, &text)
    }

    fn end_row(&mut self) -> Result<(), ExtractFailure> {
        let nested = self.tables.len() > 1;
        let Some(table) = self.tables.last_mut() else { return Ok(()) };
        let row = std::mem::take(&mut table.row);
        if row.iter().all(String::is_empty) {
            return Ok(());
        }
        if table.rows == 0 && table.header.is_none() && row.len() >= 2 && is_header(&row) {
            table.header = Some(row);
            return Ok(());
        }
        table.rows = table.rows.saturating_add(1);
        let line = row_line(table.header.as_deref(), &row);
        let first = table.rows == 1;
        if nested {
            // A table within a cell is read as the cell's text.
            let outer = self.tables.len().saturating_sub(2);
            if let Some(outer) = self.tables.get_mut(outer) {
                outer.cell.push(' ');
                outer.cell.push_str(&line);
            }
            return Ok(());
        }
        self.after_item = false;
        self.writer.block_after(if first { "\n\n" } else { "\n" }, "", &line)
    }
}
