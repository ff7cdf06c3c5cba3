//! Content streams: the operators that show text, and what decides where it stands and whether it is seen.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction as Op;
use hayro_syntax::object::{Array, Dict, MaybeRef, Name, ObjRef, Object, Stream, String as PdfString};
use hayro_syntax::page::Resources;

use super::across;
use super::annotations;
use super::font::Face;
use super::guard::{Guard, Refused};
use super::matrix::Matrix;
use crate::as_u64;

/// What a page may cost.
const MAX_CONTENT: usize = 24 << 20;
const MAX_OPERATORS: u64 = 4_000_000;
const MAX_GLYPHS: usize = 200_000;
const MAX_FORMS: u32 = 2_000;
const MAX_FORM_DEPTH: u32 = 12;
const MAX_STATES: usize = 512;
const MAX_MARKS: usize = 10_000;

/// What counts for how many: a name has to be looked up in the page's dictionaries.
fn work(operator: &Op<'_, '_>) -> u64 {
    match operator {
        Op::TextFont(_)
        | Op::SetGraphicsState(_)
        | Op::XObject(_)
        | Op::BeginMarkedContentWithProperties(_) => 8,
        _ => 1,
    }
}

/// A character, or a few that one glyph stands for, where it is drawn: x to the right, y down.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The direction of the line, of length 1.
    pub(super) along: (f64, f64),
    pub(super) width: f64,
    /// Space that is added after each character.
    pub(super) spacing: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
    /// Whether its font is written downwards.
    pub(super) downwards: bool,
    pub(super) text: Rc<str>,
}

/// What was not read of a page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// A stream could not be read, or a budget was used up.
    pub(super) content: bool,
    /// Fonts that could not be loaded, or whose codes nothing explains, and how many characters were lost so.
    pub(super) fonts: HashMap<String, u64>,
}

/// How text is shown.
#[derive(Clone)]
pub(super) struct TextState {
    pub(super) matrix: Matrix,
    face: Option<Rc<Face>>,
    size: f64,
    character_spacing: f64,
    word_spacing: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

impl TextState {
    pub(super) fn new(matrix: Matrix) -> Self {
        Self {
            matrix,
            face: None,
            size: 1.0,
            character_spacing: 0.0,
            word_spacing: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

/// Where the next line and the next character begin.
struct Pen {
    line: Matrix,
    at: Matrix,
}

impl Pen {
    fn next_line(&mut self, x: f64, y: f64) {
        self.line = Matrix::shift(x, y).within(self.line);
        self.at = self.line;
    }
}

/// Marked content that is open.
enum Mark {
    Plain,
    Hidden,
    /// Its text, until its first character took it.
    Instead(Option<Rc<str>>),
}

/// Where a font stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum FontPlace {
    Object(ObjRef),
    /// In the resources themselves, which stay where they are as long as the file.
    Here(usize),
}

/// Reads pages one after the other.
pub(super) struct Interpreter<'g> {
    pub(super) guard: &'g Guard,
    default_face: Option<Rc<Face>>,
    hidden_layers: HashSet<ObjRef>,
    loaded: HashMap<FontPlace, Result<Rc<Face>, String>>,
    marks: Vec<Mark>,
    hidden: u32,
    instead: u32,
    operators: u64,
    forms: u32,
    pub(super) glyphs: Vec<Glyph>,
    pub(super) missing: Missing,
}

impl<'g> Interpreter<'g> {
    pub(super) fn new<'a>(guard: &'g Guard, catalog: Option<&Dict<'a>>) -> Self {
        Self {
            guard,
            default_face: None,
            hidden_layers: catalog.map(hidden_layers).unwrap_or_default(),
            loaded: HashMap::new(),
            marks: Vec::new(),
            hidden: 0,
            instead: 0,
            operators: 0,
            forms: 0,
            glyphs: Vec::new(),
            missing: Missing::default(),
        }
    }

    /// The glyphs of a page, and what is missing of it.
    pub(super) fn page<'a>(&mut self, page: &hayro_syntax::page::Page<'a>) -> (Vec<Glyph>, Missing) {
        (self.operators, self.forms) = (0, 0);
        self.forget_marks();
        self.glyphs.clear();
        self.missing = Missing::default();
        let state = TextState::new(Matrix(page.initial_transform(true).as_coeffs()));
        let content = self.contents(page.raw());
        self.run(&content, page.resources(), state.clone(), 0);
        self.forget_marks();
        annotations::read(self, page.raw(), page.resources(), &state);
        across::lay(&mut self.glyphs);
        (std::mem::take(&mut self.glyphs), std::mem::take(&mut self.missing))
    }

    fn forget_marks(&mut self) {
        self.marks.clear();
        (self.hidden, self.instead) = (0, 0);
    }

    fn contents<'a>(&mut self, page: &Dict<'a>) -> Vec<u8> {
        let streams: Vec<Stream<'a>> = match page.get::<Object<'a>>(b"Contents") {
            Some(Object::Stream(stream)) => vec![stream],
            Some(Object::Array(array)) => {
                let all: Vec<Object<'a>> = array.iter::<Object<'a>>().take(10_000).collect();
                let found: Vec<Stream<'a>> = all.into_iter().filter_map(Object::into_stream).collect();
                // Parts that are not there are lost.
                self.missing.content |= found.len() < array.raw_iter().take(10_000).count();
                found
            }
            _ => {
                self.missing.content |= page.contains_key(b"Contents");
                Vec::new()
            }
        };
        let mut content = Vec::new();
        for stream in streams {
            if content.len() > MAX_CONTENT {
                self.missing.content = true;
                break;
            }
            match self.guard.bytes(&stream) {
                // Mostly there is one, which is not copied.
                Ok(bytes) if content.is_empty() => content = bytes,
                Ok(bytes) => {
                    // A part may end in the middle of a row of operators, but not of a word.
                    content.push(b'\n');
                    content.extend_from_slice(&bytes);
                }
                Err(_) => self.missing.content = true,
            }
        }
        content
    }

    /// Whether a budget of the page is used up.
    fn is_spent(&mut self) -> bool {
        let spent = self.operators > MAX_OPERATORS || self.glyphs.len() > MAX_GLYPHS;
        self.missing.content |= spent;
        spent
    }

    /// A form within a page or another form.
    pub(super) fn form<'a>(
        &mut self,
        form: &Stream<'a>,
        outer: &Resources<'a>,
        mut state: TextState,
        depth: u32,
    ) {
        if self.is_hidden(form.dict().get_ref(b"OC"), form.dict().get::<Dict<'a>>(b"OC").as_ref()) {
            return;
        }
        self.forms = self.forms.saturating_add(1);
        if depth > MAX_FORM_DEPTH || self.forms > MAX_FORMS {
            self.missing.content = true;
            return;
        }
        match self.guard.bytes(form) {
            Ok(bytes) => {
                let own = form.dict().get::<[f64; 6]>(b"Matrix").map_or(Matrix::IDENTITY, Matrix);
                state.matrix = own.within(state.matrix);
                let resources = form.dict().get::<Dict<'a>>(b"Resources").map(Resources::new);
                self.run(&bytes, resources.as_ref().unwrap_or(outer), state, depth);
            }
            Err(Refused::NoData) => {}
            Err(Refused::TooLarge) => self.missing.content = true,
        }
    }

    fn run<'a>(&mut self, content: &[u8], resources: &Resources<'a>, state: TextState, depth: u32) {
        let mut state = state;
        let mut saved: Vec<TextState> = Vec::new();
        let mut pen = Pen { line: Matrix::IDENTITY, at: Matrix::IDENTITY };
        let marks = self.marks.len();
        let mut operators = TypedIter::new(content);
        while let Some(operator) = operators.next() {
            self.operators = self.operators.saturating_add(work(&operator));
            if self.is_spent() {
                return;
            }
            match operator {
                Op::SaveState(_) if saved.len() < MAX_STATES => saved.push(state.clone()),
                Op::RestoreState(_) => state = saved.pop().unwrap_or(state),
                Op::Transform(m) => {
                    let own = [m.0, m.1, m.2, m.3, m.4, m.5].map(|number| number.as_f64());
                    state.matrix = Matrix(own).within(state.matrix);
                }
                Op::BeginText(_) => pen = Pen { line: Matrix::IDENTITY, at: Matrix::IDENTITY },
                Op::SetTextMatrix(m) => {
                    pen.line = Matrix([m.0, m.1, m.2, m.3, m.4, m.5].map(|number| number.as_f64()));
                    pen.at = pen.line;
                }
                Op::TextFont(font) => {
                    state.size = font.1.as_f64();
                    state.face = self.face_named(resources, font.0);
                }
                Op::SetGraphicsState(name) => self.graphics_state(resources, name.0, &mut state),
                Op::CharacterSpacing(n) => state.character_spacing = n.0.as_f64(),
                Op::WordSpacing(n) => state.word_spacing = n.0.as_f64(),
                Op::HorizontalScaling(n) => state.stretch = n.0.as_f64() / 100.0,
                Op::TextLeading(n) => state.leading = n.0.as_f64(),
                Op::TextRise(n) => state.rise = n.0.as_f64(),
                Op::NextLine(n) => pen.next_line(n.0.as_f64(), n.1.as_f64()),
                Op::NextLineAndSetLeading(n) => {
                    state.leading = -n.1.as_f64();
                    pen.next_line(n.0.as_f64(), n.1.as_f64());
                }
                Op::NextLineUsingLeading(_) => pen.next_line(0.0, -state.leading),
                Op::ShowText(text) => self.show(text.0.as_bytes(), &state, &mut pen),
                Op::NextLineAndShowText(text) => {
                    pen.next_line(0.0, -state.leading);
                    self.show(text.0.as_bytes(), &state, &mut pen);
                }
                Op::ShowTextWithParameters(text) => {
                    state.word_spacing = text.0.as_f64();
                    state.character_spacing = text.1.as_f64();
                    pen.next_line(0.0, -state.leading);
                    self.show(text.2.as_bytes(), &state, &mut pen);
                }
                Op::ShowTexts(pieces) => self.show_pieces(pieces.0, &state, &mut pen),
                Op::XObject(name) => {
                    if let Some(object) = resources.get_x_object(name.0)
                        && object
                            .dict()
                            .get::<Name<'_>>(b"Subtype")
                            .is_none_or(|kind| kind.as_ref() == b"Form")
                    {
                        self.form(&object, resources, state.clone(), depth.saturating_add(1));
                    }
                }
                Op::BeginMarkedContent(_) => self.mark(Mark::Plain),
                Op::BeginMarkedContentWithProperties(begin) => {
                    let mark = self.mark_of(resources, begin.0, begin.1);
                    self.mark(mark);
                }
                Op::EndMarkedContent(_) if self.marks.len() > marks => self.unmark(),
                _ => {}
            }
        }
        while self.marks.len() > marks {
            self.unmark();
        }
    }

    fn graphics_state<'a>(&mut self, resources: &Resources<'a>, name: &Name<'_>, state: &mut TextState) {
        let Some(font) = resources.get_ext_g_state(name).and_then(|dict| dict.get::<Array<'a>>(b"Font"))
        else {
            return;
        };
        let mut parts = font.iter::<Object<'a>>();
        if let (Some(Object::Dict(font)), Some(Object::Number(size))) = (parts.next(), parts.next()) {
            state.size = size.as_f64();
            state.face = self.load(&font, None);
        }
    }

    fn face_named<'a>(&mut self, resources: &Resources<'a>, name: &Name<'_>) -> Option<Rc<Face>> {
        match resources.get_font(name) {
            Some(dictionary) => self.load(&dictionary, resources.fonts.get_ref(name)),
            None => Some(Rc::clone(self.default_face.get_or_insert_with(|| Rc::new(Face::helvetica())))),
        }
    }

    fn load<'a>(&mut self, dictionary: &Dict<'a>, reference: Option<ObjRef>) -> Option<Rc<Face>> {
        let place =
            reference.map_or_else(|| FontPlace::Here(dictionary.data().as_ptr().addr()), FontPlace::Object);
        let face = match self.loaded.get(&place) {
            Some(known) => known.clone(),
            None => {
                let face = Face::new(dictionary, self.guard).map(Rc::new);
                self.loaded.insert(place, face.clone());
                face
            }
        };
        match face {
            Ok(face) => Some(face),
            Err(name) => {
                self.lose(&name, 1);
                None
            }
        }
    }

    fn lose(&mut self, font: &str, characters: u64) {
        let lost = self.missing.fonts.entry(font.to_owned()).or_default();
        *lost = lost.saturating_add(characters);
    }

    fn show_pieces(&mut self, pieces: &Array<'_>, state: &TextState, pen: &mut Pen) {
        for piece in pieces.iter::<Object<'_>>() {
            match piece {
                Object::String(text) => self.show(text.as_bytes(), state, pen),
                Object::Number(number) => {
                    let back = -number.as_f64() / 1000.0 * state.size;
                    let horizontal = state.face.as_ref().is_none_or(|face| face.is_horizontal());
                    let (x, y) = if horizontal { (back * state.stretch, 0.0) } else { (0.0, back) };
                    pen.at = Matrix::shift(x, y).within(pen.at);
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, text: &[u8], state: &TextState, pen: &mut Pen) {
        let Some(face) = &state.face else { return };
        let horizontal = face.is_horizontal();
        let (mut at, mut lost) = (0_usize, 0_u64);
        while at < text.len() && self.glyphs.len() <= MAX_GLYPHS {
            let (code, length) = face.code(text, at);
            at = at.saturating_add(length);
            let sign = face.sign(code, length);
            let advance = sign.advance / 1000.0 * state.size;
            if self.hidden == 0 {
                match &sign.text {
                    Some(text) => self.place(Rc::clone(text), advance, state, pen, face),
                    None if self.instead > 0 => self.place(Rc::from(""), advance, state, pen, face),
                    None => lost = lost.saturating_add(1),
                }
            }
            let word = if code == 32 && length == 1 { state.word_spacing } else { 0.0 };
            let (x, y) = if horizontal {
                ((advance + state.character_spacing + word) * state.stretch, 0.0)
            } else {
                (0.0, advance - state.character_spacing - word)
            };
            pen.at = Matrix::shift(x, y).within(pen.at);
        }
        if lost > 0 {
            let name = face.name.clone();
            self.lose(&name, lost);
        }
    }

    /// A glyph at the pen.
    fn place(&mut self, text: Rc<str>, advance: f64, state: &TextState, pen: &Pen, face: &Face) {
        let matrix = pen.at.within(state.matrix);
        let (x, y) = matrix.point(0.0, state.rise);
        let (across, upright) = matrix.axes();
        let horizontal = face.is_horizontal();
        let direction = if horizontal { across } else { (-upright.0, -upright.1) };
        let scale = direction.0.hypot(direction.1);
        let stretch = if horizontal { state.stretch.abs() } else { 1.0 };
        let height = upright.0.hypot(upright.1);
        let size = (scale * stretch * height).sqrt() * state.size.abs() * face.em;
        if !(x.is_finite() && y.is_finite() && size.is_finite() && scale > 1e-9) {
            return;
        }
        let width = advance.abs() * scale * stretch;
        let turn = if state.size < 0.0 { -1.0 } else { 1.0 };
        let along = (turn * direction.0 / scale, turn * direction.1 / scale);
        let mut glyph = Glyph {
            x,
            y,
            along,
            width,
            spacing: (state.character_spacing.max(0.0) * scale * stretch).min(size * 0.8),
            size,
            bold: face.bold,
            downwards: !horizontal,
            text,
        };
        if self.instead > 0 {
            let replacement = self.marks.iter_mut().rev().find_map(|mark| match mark {
                Mark::Instead(text) => text.take(),
                _ => None,
            });
            let Some(replacement) = replacement else {
                // The first one carries the text of all; the others make it longer.
                if let Some(last) = self.glyphs.last_mut() {
                    let end = (x - last.x) * last.along.0 + (y - last.y) * last.along.1 + width;
                    last.width = last.width.max(end);
                }
                return;
            };
            glyph.text = replacement;
        }
        if !glyph.text.is_empty() {
            self.glyphs.push(glyph);
        }
    }

    fn mark_of<'a>(&self, resources: &Resources<'a>, tag: &Name<'_>, properties: &Object<'_>) -> Mark {
        let (reference, dictionary) = match properties {
            Object::Name(name) => {
                (resources.properties.get_ref(name), resources.properties.get::<Dict<'a>>(name))
            }
            _ => (None, None),
        };
        if tag.as_ref() == b"OC" && self.is_hidden(reference, dictionary.as_ref()) {
            return Mark::Hidden;
        }
        let instead = match properties {
            Object::Dict(own) => own.get::<PdfString<'_>>(b"ActualText").map(|text| text_of(text.as_bytes())),
            _ => dictionary
                .and_then(|dict| dict.get::<PdfString<'_>>(b"ActualText"))
                .map(|text| text_of(text.as_bytes())),
        };
        instead.map_or(Mark::Plain, |text| Mark::Instead(Some(Rc::from(text))))
    }

    /// Whether a layer, or a group of layers, is not shown.
    fn is_hidden(&self, reference: Option<ObjRef>, dictionary: Option<&Dict<'_>>) -> bool {
        if reference.is_some_and(|reference| self.hidden_layers.contains(&reference)) {
            return true;
        }
        let Some(dictionary) = dictionary else { return false };
        if let Some(one) = dictionary.get_ref(b"OCGs")
            && self.hidden_layers.contains(&one)
        {
            return true;
        }
        let Some(group) = dictionary.get::<Array<'_>>(b"OCGs") else { return false };
        let layers: Vec<bool> = group
            .raw_iter()
            .take(1000)
            .filter_map(|layer| layer.as_obj_ref())
            .map(|layer| self.hidden_layers.contains(&layer))
            .collect();
        !layers.is_empty() && layers.iter().all(|hidden| *hidden)
    }

    fn mark(&mut self, mark: Mark) {
        if self.marks.len() >= MAX_MARKS {
            return;
        }
        match mark {
            Mark::Hidden => self.hidden = self.hidden.saturating_add(1),
            Mark::Instead(_) => self.instead = self.instead.saturating_add(1),
            Mark::Plain => {}
        }
        self.marks.push(mark);
    }

    fn unmark(&mut self) {
        match self.marks.pop() {
            Some(Mark::Hidden) => self.hidden = self.hidden.saturating_sub(1),
            Some(Mark::Instead(_)) => self.instead = self.instead.saturating_sub(1),
            _ => {}
        }
    }
}

/// The layers that a document begins with hidden.
fn hidden_layers(catalog: &Dict<'_>) -> HashSet<ObjRef> {
    let Some(layers) = catalog.get::<Dict<'_>>(b"OCProperties") else { return HashSet::new() };
    let Some(first) = layers.get::<Dict<'_>>(b"D") else { return HashSet::new() };
    let references = |dictionary: &Dict<'_>, key: &[u8]| -> HashSet<ObjRef> {
        let array = dictionary.get::<Array<'_>>(key);
        let entries = array.iter().flat_map(|array| array.raw_iter()).take(100_000);
        entries
            .filter_map(|entry| if let MaybeRef::Ref(layer) = entry { Some(layer) } else { None })
            .collect()
    };
    let mut hidden = references(&first, b"OFF");
    if first.get::<Name<'_>>(b"BaseState").is_some_and(|state| state.as_ref() == b"OFF") {
        let shown = references(&first, b"ON");
        hidden.extend(references(&layers, b"OCGs").into_iter().filter(|layer| !shown.contains(layer)));
    }
    hidden
}

/// A text string: UTF-16 or UTF-8 with a mark, else PDF's own encoding.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let (encoding, rest) = match bytes {
        [0xFE, 0xFF, rest @ ..] => (encoding_rs::UTF_16BE, rest),
        [0xFF, 0xFE, rest @ ..] => (encoding_rs::UTF_16LE, rest),
        [0xEF, 0xBB, 0xBF, rest @ ..] => (encoding_rs::UTF_8, rest),
        // It agrees with windows-1252 in what titles and forms have.
        rest => (encoding_rs::WINDOWS_1252, rest),
    };
    let (text, _) = encoding.decode_without_bom_handling(rest);
    text.into_owned()
}

/// How long texts are, together.
pub(super) fn bytes_of(glyphs: &[Glyph]) -> u64 {
    glyphs.iter().fold(0, |sum, glyph| sum.saturating_add(as_u64(glyph.text.len())))
}
