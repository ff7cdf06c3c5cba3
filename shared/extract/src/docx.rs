//! Word documents: paragraphs, headings, lists and tables of `word/document.xml`, in one pass over its events.

use std::collections::HashMap;

use frontdesk_domain::document::reasons;
use frontdesk_ports::{ExtractFailure, NotRead, UnreadPart};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::archive::{self, Archive};
use crate::encoding;
use crate::numbering::Numbering;
use crate::table::{ColumnNames, has_header, is_header};
use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText, as_u64, over, unreadable};

pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let mut archive = archive::open(bytes, limits)?;
    let Some(main) = main_part(&mut archive, limits)? else {
        return Err(unreadable(reasons::TEXT_PART_MISSING));
    };
    let Some(document) = part(&mut archive, &main)? else {
        return Err(unreadable(reasons::TEXT_PART_MISSING));
    };
    let mut unread = Vec::new();
    let related = relations(&mut archive, &main, limits, &mut unread);
    let (styles, numbering) = (related.first("styles"), related.first("numbering"));
    let styles = optional(&mut archive, styles, &mut unread, |xml| Styles::read(xml, limits));
    let numbering = optional(&mut archive, numbering, &mut unread, |xml| Numbering::read(xml, limits));
    let mut notes = HashMap::new();
    for kind in ["footnotes", "endnotes"] {
        let read = optional(&mut archive, related.first(kind), &mut unread, |xml| notes_of(xml, limits));
        notes.extend(read.into_iter().map(|(id, text)| ((kind, id), text)));
    }
    let mut body = DocxBody { styles, numbering, notes, ..DocxBody::new(limits) };
    walk(&document, limits, |event| body.on(event))?;
    body.end_paragraph()?;
    // What stands above and below each page, once.
    let mut margins: Vec<String> = Vec::new();
    for name in related.all("header").chain(related.all("footer")).take(MAX_MARGINS) {
        let text = optional(&mut archive, Some(name), &mut unread, |xml| margin(xml, limits));
        if text.chars().any(char::is_alphabetic) && !margins.contains(&text) {
            body.writer.block("", &text)?;
            margins.push(text);
        }
    }
    let own =
        optional(&mut archive, Some("docProps/core.xml"), &mut Vec::new(), |xml| core_title(xml, limits));
    let title = own.filter(|title| !title.trim().is_empty()).or(body.first_heading);
    unread.dedup();
    Ok(ReadText { title, text: body.writer.finish(), unread, ..ReadText::default() })
}

/// How many headers and footers are read.
const MAX_MARGINS: usize = 40;

/// How many relations of a part are known.
const MAX_RELATIONS: usize = 2_000;

fn part(archive: &mut Archive<'_>, name: &str) -> Result<Option<String>, ExtractFailure> {
    let Some(bytes) = archive.part(name)? else { return Ok(None) };
    encoding::decode(&bytes)
        .map(|decoded| Some(decoded.text.into_owned()))
        .ok_or_else(|| unreadable(reasons::DOCX_DAMAGED))
}

/// A part that the text can do without. When it cannot be read, that is noted; limits stay limits.
fn optional<T: Default>(
    archive: &mut Archive<'_>,
    name: Option<&str>,
    unread: &mut Vec<NotRead>,
    read: impl FnOnce(&str) -> Result<T, ExtractFailure>,
) -> T {
    let Some(name) = name else { return T::default() };
    let found = part(archive, name).and_then(|xml| xml.map(|xml| read(&xml)).transpose());
    found
        .unwrap_or_else(|_| {
            if unread.len() < crate::warnings::MAX_OF_A_KIND {
                unread.push(NotRead::new(UnreadPart::Part, name));
            }
            None
        })
        .unwrap_or_default()
}

/// The names of parts that belong to another, by their kind.
#[derive(Debug, Default)]
struct Relations(Vec<(String, String)>);

impl Relations {
    fn first(&self, kind: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == kind).map(|(_, name)| name.as_str())
    }

    fn all<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r str> {
        self.0.iter().filter(move |(of, _)| of == kind).map(|(_, name)| name.as_str())
    }

    fn read(xml: &str, folder: &str, limits: &Limits) -> Result<Self, ExtractFailure> {
        let mut relations = Vec::new();
        walk(xml, limits, |node| {
            if let Node::Open("Relationship", tag) = node
                && attribute(tag, "TargetMode").as_deref() != Some("External")
                && relations.len() < MAX_RELATIONS
            {
                let kind = attribute(tag, "Type").unwrap_or_default();
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                let target = attribute(tag, "Target").unwrap_or_default();
                relations.push((kind, within(folder, &target)));
            }
            Ok(())
        })?;
        Ok(Self(relations))
    }
}

/// The name of a part that is given relative to a folder. Names are looked up in the archive and are never paths.
fn within(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            ".." => {
                steps.pop();
            }
            "" | "." => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn relations(archive: &mut Archive<'_>, main: &str, limits: &Limits, unread: &mut Vec<NotRead>) -> Relations {
    let (folder, file) = main.rsplit_once('/').unwrap_or(("", main));
    let name = within(folder, &format!("_rels/{file}.rels"));
    optional(archive, Some(&name), unread, |xml| Relations::read(xml, folder, limits))
}

/// The part that holds the text: where the archive's relations say, or where it usually is.
pub(crate) fn main_part(
    archive: &mut Archive<'_>,
    limits: &Limits,
) -> Result<Option<String>, ExtractFailure> {
    const USUAL: &str = "word/document.xml";
    if archive.contains(USUAL) {
        return Ok(Some(USUAL.to_owned()));
    }
    let Some(xml) = part(archive, "_rels/.rels")? else { return Ok(None) };
    let Ok(relations) = Relations::read(&xml, "", limits) else { return Ok(None) };
    let found =
        relations.first("officeDocument").filter(|name| archive.contains(name) && name.starts_with("word/"));
    Ok(found.map(str::to_owned))
}

/// The texts of notes, by their ids.
fn notes_of(xml: &str, limits: &Limits) -> Result<HashMap<String, String>, ExtractFailure> {
    let mut notes: HashMap<String, String> = HashMap::new();
    let (mut id, mut in_text) = (None::<String>, false);
    let mut size = 0_u64;
    walk(xml, limits, |node| {
        match node {
            // Lines between text and notes are of a type of their own.
            Node::Open("footnote" | "endnote", tag) if attribute(tag, "type").is_none() => {
                id = attribute(tag, "id");
            }
            Node::Close("footnote" | "endnote") => id = None,
            Node::Open("t", _) => in_text = true,
            Node::Close("t") => in_text = false,
            Node::Text(text) if in_text => {
                size = size.saturating_add(as_u64(text.len()));
                if size > limits.max_text {
                    return Err(over("text in bytes", limits.max_text));
                }
                if let Some(id) = &id {
                    notes.entry(id.clone()).or_default().push_str(text);
                }
            }
            Node::Close("p") => {
                if let Some(note) = id.as_ref().and_then(|id| notes.get_mut(id)) {
                    note.push(' ');
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(notes)
}

/// The text of a header or footer, without the numbers of pages that programs fill in.
fn margin(xml: &str, limits: &Limits) -> Result<String, ExtractFailure> {
    let mut body = DocxBody::new(limits);
    walk(xml, limits, |event| body.on(event))?;
    body.end_paragraph()?;
    Ok(body.writer.finish())
}

/// What the readers of parts see: names without their prefix.
pub(crate) enum Node<'a> {
    Open(&'a str, &'a BytesStart<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// Goes through the events of a part; depth is bounded, entities of a DTD are not expanded.
pub(crate) fn walk(
    xml: &str,
    limits: &Limits,
    mut on: impl FnMut(&Node<'_>) -> Result<(), ExtractFailure>,
) -> Result<(), ExtractFailure> {
    let broken = || unreadable(reasons::DOCX_DAMAGED);
    let mut reader = Reader::from_str(xml);
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|_| broken())? {
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
            Event::Eof if depth > 0 => return Err(broken()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.attributes()
        .with_checks(false)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| attribute.value.into_owned())
}

/// What styles say of paragraphs: of which level of headings they are, by outline level or by name, in English and Russian
/// Word; and of which list.
#[derive(Debug, Default)]
struct Styles {
    headings: HashMap<String, u8>,
    lists: HashMap<String, String>,
}

impl Styles {
    fn read(xml: &str, limits: &Limits) -> Result<Self, ExtractFailure> {
        let mut styles = Self::default();
        let mut style = None;
        walk(xml, limits, |node| {
            if let Node::Open(name, tag) = node {
                match *name {
                    "style" => style = attribute(tag, "styleId"),
                    "name" | "outlineLvl" => {
                        let value = attribute(tag, "val").unwrap_or_default();
                        let level =
                            if *name == "name" { level_of_name(&value) } else { outline_level(&value) };
                        if let (Some(id), Some(level)) = (&style, level) {
                            styles.headings.entry(id.clone()).or_insert(level);
                        }
                    }
                    "numId" => {
                        if let (Some(id), Some(list)) = (&style, attribute(tag, "val")) {
                            styles.lists.insert(id.clone(), list);
                        }
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(styles)
    }
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
    styles: Styles,
    numbering: Numbering,
    notes: HashMap<(&'static str, String), String>,
    first_heading: Option<String>,
    paragraph: String,
    heading: Option<u8>,
    /// The list of the paragraph, by its style and by itself, and its level.
    style_list: Option<String>,
    list: Option<String>,
    list_level: Option<u8>,
    after_item: bool,
    /// Open elements whose content counts not: deleted text, and what is there a second time for old versions of Word.
    ignored: u32,
    in_text: bool,
    tables: Vec<DocxTable>,
}

#[derive(Default)]
struct DocxTable {
    rows: Vec<Vec<String>>,
    has_header: bool,
    row: Vec<String>,
    cell: String,
    /// How many columns the cell takes, and whether it goes on from the row above.
    columns: usize,
    goes_on: bool,
    /// Bytes that were repeated for cells that go on.
    repeated: usize,
}

/// How much of cells that go on over many rows is repeated in these, in bytes.
const MAX_REPEATED: usize = 1 << 20;

/// The most columns that a cell may take.
const MAX_SPAN: usize = 100;

impl DocxBody {
    fn new(limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            max_text: limits.max_text,
            styles: Styles::default(),
            numbering: Numbering::default(),
            notes: HashMap::new(),
            first_heading: None,
            paragraph: String::new(),
            heading: None,
            style_list: None,
            list: None,
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
            Node::Open("footnoteReference", tag) => self.note("footnotes", tag)?,
            Node::Open("endnoteReference", tag) => self.note("endnotes", tag)?,
            Node::Open("pStyle", tag) => {
                let id = attribute(tag, "val").unwrap_or_default();
                self.heading = self.styles.headings.get(&id).copied().or_else(|| level_of_name(&id));
                self.style_list = self.styles.lists.get(&id).cloned();
            }
            Node::Open("outlineLvl", tag) => {
                self.heading = attribute(tag, "val").and_then(|value| outline_level(&value)).or(self.heading);
            }
            Node::Open("ilvl", tag) => {
                self.list_level =
                    Some(attribute(tag, "val").and_then(|value| value.parse().ok()).unwrap_or(0));
            }
            Node::Open("numId", tag) => {
                self.list = attribute(tag, "val");
                if self.list.as_deref() == Some("0") {
                    (self.list, self.style_list, self.list_level) = (None, None, None);
                }
            }
            Node::Open("numPr", _) => self.list_level = Some(0),
            Node::Close("p") => self.end_paragraph()?,
            Node::Open("tbl", _) => {
                self.end_paragraph()?;
                self.tables.push(DocxTable::default());
            }
            Node::Open(name @ ("tc" | "gridSpan" | "vMerge" | "tblHeader"), tag) => {
                if let Some(table) = self.tables.last_mut() {
                    table.note(name, attribute(tag, "val").as_deref());
                }
            }
            Node::Close("tc") => {
                if let Some(table) = self.tables.last_mut() {
                    table.end_cell();
                }
            }
            Node::Close("tr") => {
                if let Some(table) = self.tables.last_mut() {
                    let row = std::mem::take(&mut table.row);
                    if !row.iter().all(String::is_empty) {
                        table.rows.push(row);
                    }
                }
            }
            Node::Close("tbl") => self.end_table()?,
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

    /// A note stands where it is referred to.
    fn note(&mut self, kind: &'static str, tag: &BytesStart<'_>) -> Result<(), ExtractFailure> {
        let id = attribute(tag, "id").unwrap_or_default();
        // Once: each is referred to once in what Word writes, and a hostile file may do so without end.
        let Some(note) = self.notes.remove(&(kind, id)) else { return Ok(()) };
        let note = squeeze(&note);
        if note.is_empty() { Ok(()) } else { self.characters(&format!(" ({note})")) }
    }

    fn end_paragraph(&mut self) -> Result<(), ExtractFailure> {
        let raw = std::mem::take(&mut self.paragraph);
        let heading = self.heading.take();
        let level = self.list_level.take();
        let list = self.list.take();
        let list = self.style_list.take().filter(|_| list.is_none()).or(list);
        let text =
            raw.split('\n').map(squeeze).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        if let Some(table) = self.tables.last_mut() {
            if as_u64(table.cell.len()).saturating_add(as_u64(text.len())) > self.max_text {
                return Err(over("text in bytes", self.max_text));
            }
            // Items of a list within a cell stay apart.
            let is_item = level.is_some() || list.is_some();
            if is_item && !table.cell.trim().is_empty() && !text.is_empty() {
                table.cell.push(',');
            }
            table.cell.push(' ');
            table.cell.push_str(&text);
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        let sign = match (&list, level) {
            (Some(list), level) => Some(self.numbering.next(list, level.unwrap_or(0))),
            (None, Some(_)) => Some("-".to_owned()),
            (None, None) => None,
        };
        if let Some(heading) = heading {
            let line = squeeze(&text);
            if self.first_heading.is_none() {
                self.first_heading = Some(line.clone());
            }
            self.after_item = false;
            let number = sign.filter(|sign| sign != "-").map_or_else(String::new, |sign| format!("{sign} "));
            return self.writer.block(&format!("{} {number}", "#".repeat(heading.into())), &line);
        }
        let is_item = sign.is_some();
        let depth = usize::from(level.unwrap_or(0).min(6));
        let prefix = sign.map_or_else(String::new, |sign| format!("{}{sign} ", "  ".repeat(depth)));
        let gap = if is_item && self.after_item { "\n" } else { "\n\n" };
        self.after_item = is_item;
        self.writer.block_after(gap, &prefix, &text)
    }

    fn end_table(&mut self) -> Result<(), ExtractFailure> {
        let Some(table) = self.tables.pop() else { return Ok(()) };
        let (mut names, rows) = match table.rows.split_first() {
            Some((first, rest))
                if (table.has_header && !rest.is_empty() && is_header(first)) || has_header(&table.rows) =>
            {
                (ColumnNames::new(first.clone()), rest)
            }
            _ => (ColumnNames::default(), table.rows.as_slice()),
        };
        let mut lines: Vec<String> = rows.iter().map(|row| names.row(row)).collect();
        lines.extend(Some(names.unsaid()).filter(|unsaid| !unsaid.is_empty()));
        for (index, line) in lines.iter().enumerate() {
            if let Some(outer) = self.tables.last_mut() {
                // A table within a cell is read as the cell's text.
                if as_u64(outer.cell.len()).saturating_add(as_u64(line.len())) > self.max_text {
                    return Err(over("text in bytes", self.max_text));
                }
                outer.cell.push_str(if index == 0 { " " } else { "; " });
                outer.cell.push_str(line);
                continue;
            }
            self.after_item = false;
            self.writer.block_after(if index == 0 { "\n\n" } else { "\n" }, "", line)?;
        }
        Ok(())
    }
}

impl DocxTable {
    fn note(&mut self, name: &str, value: Option<&str>) {
        match name {
            "tc" => (self.columns, self.goes_on) = (1, false),
            "gridSpan" => {
                let columns = value.and_then(|value| value.parse().ok()).unwrap_or(1);
                self.columns = usize::clamp(columns, 1, MAX_SPAN);
            }
            "vMerge" => self.goes_on = value != Some("restart"),
            _ => self.has_header |= self.rows.is_empty(),
        }
    }

    fn end_cell(&mut self) {
        let mut cell = squeeze(&std::mem::take(&mut self.cell));
        if self.goes_on
            && cell.is_empty()
            && self.repeated < MAX_REPEATED
            && let Some(above) = self.rows.last().and_then(|row| row.get(self.row.len()))
        {
            self.repeated = self.repeated.saturating_add(above.len());
            cell.clone_from(above);
        }
        self.row.push(cell);
        for _ in 1..self.columns {
            self.row.push(String::new());
        }
    }
}
