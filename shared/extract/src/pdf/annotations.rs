//! What stands on a page beside its content: filled fields, notes and stamps, as they are drawn or, where nothing draws
//! them, as their values say.

use std::rc::Rc;

use hayro_syntax::object::{Array, Dict, Name, Object, Rect, Stream, String as PdfString};
use hayro_syntax::page::Resources;

use super::interpret::{Glyph, Interpreter, TextState, text_of};
use super::matrix::Matrix;

/// More on one page are not read.
const MAX_ANNOTATIONS: usize = 5_000;

/// The longest value of a field, in bytes.
const MAX_VALUE: usize = 64 << 10;

/// More choices of one field are not read.
const MAX_CHOICES: usize = 1000;

/// The flag of a field that shows what is chosen alone, until it is opened.
const COMBO: i32 = 1 << 17;

/// How far up a field is looked for what it inherits.
const MAX_PARENTS: usize = 16;

/// Flags: hidden, and not for the screen.
const UNSEEN: u32 = 0x02 | 0x20;

pub(super) fn read<'a>(
    interpreter: &mut Interpreter<'_>,
    page: &Dict<'a>,
    resources: &Resources<'a>,
    state: &TextState,
) {
    let Some(annotations) = page.get::<Array<'a>>(b"Annots") else { return };
    for annotation in annotations.iter::<Dict<'a>>().take(MAX_ANNOTATIONS) {
        let kind =
            annotation.get::<Name<'_>>(b"Subtype").map(|kind| kind.as_ref().to_vec()).unwrap_or_default();
        if annotation.get::<u32>(b"F").unwrap_or(0) & UNSEEN != 0 || kind == b"Popup" {
            continue;
        }
        let Some(place) = annotation.get::<Rect>(b"Rect") else { continue };
        let before = interpreter.glyphs.len();
        if let Some(form) = appearance(&annotation) {
            let mut state = state.clone();
            state.matrix = fitted(&form, place).within(state.matrix);
            interpreter.form(&form, resources, state, 1);
        }
        if interpreter.glyphs.len() == before
            && let Some(text) = value(&annotation, &kind)
        {
            interpreter.glyphs.extend(written(&text, place, state.matrix));
        }
    }
}

/// The stream that draws an annotation in its present state.
fn appearance<'a>(annotation: &Dict<'a>) -> Option<Stream<'a>> {
    match annotation.get::<Dict<'a>>(b"AP")?.get::<Object<'a>>(b"N")? {
        Object::Stream(form) => Some(form),
        Object::Dict(states) => states.get::<Stream<'a>>(annotation.get::<Name<'_>>(b"AS")?.as_ref()),
        _ => None,
    }
}

/// What moves an appearance's box into the annotation's.
fn fitted(form: &Stream<'_>, place: Rect) -> Matrix {
    let [left, bottom, right, top] = form.dict().get::<[f64; 4]>(b"BBox").unwrap_or_default();
    let own = form.dict().get::<[f64; 6]>(b"Matrix").map_or(Matrix::IDENTITY, Matrix);
    let corners = [(left, bottom), (right, bottom), (left, top), (right, top)].map(|(x, y)| own.point(x, y));
    let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
    for (x, y) in corners {
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    let scale = |wanted: f64, has: f64| if has.abs() > 1e-6 { wanted / has } else { 1.0 };
    let (x, y) = (scale(place.width(), high.0 - low.0), scale(place.height(), high.1 - low.1));
    Matrix([x, 0.0, 0.0, y, place.x0 - x * low.0, place.y0 - y * low.1])
}

/// The value of a field that takes text or a choice, or the text of a note on the page.
fn value(annotation: &Dict<'_>, kind: &[u8]) -> Option<String> {
    if kind == b"FreeText" {
        return annotation.get::<PdfString<'_>>(b"Contents").and_then(|text| shown(text.as_bytes()));
    }
    if kind != b"Widget" {
        return None;
    }
    let sort = inherited(annotation, b"FT")?.into_name()?;
    if !matches!(sort.as_ref(), b"Tx" | b"Ch") {
        return None;
    }
    // A list shows what there is to choose from, beside what is chosen.
    if sort.as_ref() == b"Ch" && flags(annotation) & COMBO == 0 {
        let choices = inherited(annotation, b"Opt").and_then(Object::into_array);
        if let Some(choices) = choices.and_then(|choices| texts(&choices)) {
            return Some(choices);
        }
    }
    match inherited(annotation, b"V")? {
        Object::String(text) => shown(text.as_bytes()),
        Object::Array(chosen) => texts(&chosen),
        _ => None,
    }
}

fn flags(field: &Dict<'_>) -> i32 {
    inherited(field, b"Ff").and_then(Object::into_i32).unwrap_or(0)
}

/// The texts of a list; each may stand behind the value that it is sent as.
fn texts(list: &Array<'_>) -> Option<String> {
    let mut all = String::new();
    for one in list.iter::<Object<'_>>().take(MAX_CHOICES) {
        let text = match one {
            Object::Array(pair) => pair.iter::<PdfString<'_>>().take(2).last(),
            other => other.into_string(),
        };
        let Some(text) = text.and_then(|text| shown(text.as_bytes())) else { continue };
        if all.len().saturating_add(text.len()) > MAX_VALUE {
            break;
        }
        if !all.is_empty() {
            all.push_str("; ");
        }
        all.push_str(&text);
    }
    (!all.is_empty()).then_some(all)
}

fn shown(bytes: &[u8]) -> Option<String> {
    let text = text_of(bytes.get(..MAX_VALUE).unwrap_or(bytes));
    (!text.trim().is_empty()).then(|| text.replace(['\r', '\n'], " "))
}

fn inherited<'a>(field: &Dict<'a>, key: &[u8]) -> Option<Object<'a>> {
    let mut field = field.clone();
    for _ in 0..MAX_PARENTS {
        if let Some(found) = field.get::<Object<'a>>(key) {
            return Some(found);
        }
        field = field.get::<Dict<'a>>(b"Parent")?;
    }
    None
}

/// A text in its place on the page: one piece, as large as it fits.
fn written(text: &str, place: Rect, matrix: Matrix) -> Option<Glyph> {
    let size = (place.height() * 0.7).clamp(1.0, 10.0);
    let (x, y) = matrix.point(place.x0, place.y0 + place.height() * 0.25);
    let ((across_x, across_y), _) = matrix.axes();
    let scale = across_x.hypot(across_y);
    (scale > 1e-9 && x.is_finite() && y.is_finite()).then(|| Glyph {
        x,
        y,
        along: (across_x / scale, across_y / scale),
        width: place.width() * scale,
        spacing: 0.0,
        size: size * scale,
        bold: false,
        downwards: false,
        text: Rc::from(text),
    })
}
