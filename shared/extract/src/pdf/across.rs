//! Fonts that are written downwards, but whose letters a program sets one by one from the left to the right.

use super::interpret::Glyph;

/// How far the next letter of a line stands at most, in sizes.
const STEP: f64 = 1.6;

/// How far letters of one line stand off it, in sizes.
const OFF_LINE: f64 = 0.2;

/// Turns the letters of such fonts into lines that go to the right, where most of a page stands so.
pub(super) fn lay(glyphs: &mut [Glyph]) {
    let pairs = || glyphs.array_windows::<2>().filter(|[a, b]| a.downwards && b.downwards);
    let steps = pairs().filter(|[a, b]| step(a, b).is_some()).count();
    if steps == 0 || steps.saturating_mul(2) < pairs().count() {
        return;
    }
    let mut widths: Vec<f64> =
        glyphs.array_windows::<2>().map(|[a, b]| step(a, b).unwrap_or(a.size / 2.0)).collect();
    widths.push(glyphs.last().map_or(0.0, |last| last.size / 2.0));
    for (glyph, width) in glyphs.iter_mut().zip(widths) {
        if glyph.downwards {
            // To the left of its own down.
            (glyph.along, glyph.width) = (across(glyph), width);
        }
    }
}

fn across(glyph: &Glyph) -> (f64, f64) {
    (glyph.along.1, -glyph.along.0)
}

/// How far one letter stands beside the one before it.
fn step(a: &Glyph, b: &Glyph) -> Option<f64> {
    if !(a.downwards && b.downwards) {
        return None;
    }
    let (x, y) = (b.x - a.x, b.y - a.y);
    let down = x * a.along.0 + y * a.along.1;
    let beside = x * across(a).0 + y * across(a).1;
    let size = a.size.max(b.size);
    (down.abs() < size * OFF_LINE && beside > size * 0.1 && beside < size * STEP).then_some(beside)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::runs::runs;
    use super::*;

    fn letter(c: char, x: f64, y: f64) -> Glyph {
        Glyph {
            x,
            y,
            along: (0.0, 1.0),
            width: 10.0,
            spacing: 0.0,
            size: 10.0,
            bold: false,
            downwards: true,
            text: Rc::from(c.to_string()),
        }
    }

    fn read(mut glyphs: Vec<Glyph>) -> Vec<String> {
        lay(&mut glyphs);
        runs(&glyphs).into_iter().map(|run| run.text).collect()
    }

    #[test]
    fn letters_that_are_set_beside_each_other_are_a_line() {
        let beside = "Notice of a hearing".chars().zip(0..).map(|(c, n)| letter(c, f64::from(n) * 6.0, 0.0));
        assert_eq!(read(beside.collect()), ["Notice of a hearing"]);
    }

    #[test]
    fn columns_stay_columns() {
        let column = |text: &str, x: f64| -> Vec<Glyph> {
            text.chars().zip(0..).map(|(c, n)| letter(c, x, f64::from(n) * 10.0)).collect()
        };
        assert_eq!(read([column("日本語", 100.0), column("縦書き", 85.0)].concat()), ["日本語", "縦書き"]);
    }
}
