//! Characters that follow each other on a line become a run: a piece of text without wide gaps.

use std::collections::HashMap;

use super::bidi::{self, is_rtl};
use super::interpret::Glyph;
use super::sorted;

/// A gap of this share of the size is a space between words.
const SPACE: f64 = 0.14;

/// A wider gap begins another run.
const WIDE: f64 = 1.2;

/// How far from its line a character may stand and still belong to it.
const OFF_LINE: f64 = 0.45;

/// A piece of a line, in a plane that is turned so that lines go to the right and down.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextRun {
    /// The direction of the line, in half degrees of a circle's 720.
    pub(super) turn: i32,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) text: String,
}

impl TextRun {
    pub(super) fn characters(&self) -> usize {
        self.text.chars().count()
    }

    /// Whether both stand on one line.
    pub(super) fn is_level_with(&self, other: &Self) -> bool {
        (self.y - other.y).abs() <= self.size.max(other.size) * OFF_LINE
    }
}

/// A glyph in the run's plane.
struct Placed<'g> {
    left: f64,
    right: f64,
    y: f64,
    glyph: &'g Glyph,
}

/// A run in the making.
struct OpenRun<'g> {
    turn: i32,
    along: (f64, f64),
    y: f64,
    size: f64,
    end: f64,
    has_rtl: bool,
    placed: Vec<Placed<'g>>,
}

/// The runs of a page, in the order of its content.
pub(super) fn runs(glyphs: &[Glyph]) -> Vec<TextRun> {
    let mut runs = Vec::new();
    let mut open: Option<OpenRun<'_>> = None;
    for glyph in glyphs {
        let blank = glyph.text.trim().is_empty();
        if let Some(run) = &mut open
            && run.takes(glyph, blank)
        {
            continue;
        }
        // A space alone begins nothing.
        if blank {
            continue;
        }
        runs.extend(open.take().and_then(OpenRun::close));
        open = Some(OpenRun::begin(glyph));
    }
    runs.extend(open.and_then(OpenRun::close));
    once(runs)
}

#[expect(clippy::cast_possible_truncation, reason = "an angle in half degrees")]
fn turn_of(along: (f64, f64)) -> i32 {
    // Scans are turned by a degree or so; that is one direction.
    ((along.1.atan2(along.0).to_degrees() / 2.0).round() * 4.0) as i32
}

fn plane(along: (f64, f64), glyph: &Glyph) -> (f64, f64) {
    (glyph.x * along.0 + glyph.y * along.1, glyph.y * along.0 - glyph.x * along.1)
}

impl<'g> OpenRun<'g> {
    fn begin(glyph: &'g Glyph) -> Self {
        let (left, y) = plane(glyph.along, glyph);
        let mut run = Self {
            turn: turn_of(glyph.along),
            along: glyph.along,
            y,
            size: glyph.size,
            end: left,
            has_rtl: false,
            placed: Vec::new(),
        };
        run.push(glyph, left, y);
        run
    }

    fn push(&mut self, glyph: &'g Glyph, left: f64, y: f64) {
        let right = left + glyph.width;
        self.has_rtl |= glyph.text.chars().any(is_rtl);
        self.placed.push(Placed { left, right, y, glyph });
    }

    /// Whether the glyph goes on this run; then it is part of it, or was there already.
    fn takes(&mut self, glyph: &'g Glyph, blank: bool) -> bool {
        if turn_of(glyph.along) != self.turn {
            return false;
        }
        let (left, y) = plane(self.along, glyph);
        let step = self.size.max(glyph.size).max(0.1);
        if (y - self.y).abs() > step * OFF_LINE {
            return false;
        }
        let gap = left - self.end;
        let follows = gap < step * WIDE && gap > -step * 0.6;
        let last = self.placed.last().map_or(left, |last| last.left);
        let rtl = self.has_rtl || glyph.text.chars().any(is_rtl);
        let precedes = rtl && (last - left - glyph.width).abs() < step * WIDE;
        // Drawn later, into a place that was left free for it.
        let fills = !blank && !follows && gap > -step * 4.0 && gap < 0.0 && self.is_free(left, glyph.width);
        if !follows && !precedes && !fills && !self.is_twice(glyph, left, step) {
            return false;
        }
        // Bold that is made by drawing a letter again, a little aside.
        if self.is_twice(glyph, left, step) {
            return true;
        }
        if blank {
            if follows {
                self.end = left + glyph.width;
                self.push(glyph, left, y);
            }
            return true;
        }
        if glyph.size > self.size {
            (self.size, self.y) = (glyph.size, y);
        }
        self.end = if fills { self.end.max(left + glyph.width) } else { left + glyph.width };
        self.push(glyph, left, y);
        true
    }

    /// Whether nothing of the run stands here, but between what does.
    fn is_free(&self, left: f64, width: f64) -> bool {
        let (from, to) = (left + width * 0.15, left + width * 0.85);
        let before = self.placed.iter().rev().take(8);
        let mut around = (false, false);
        for one in before.filter(|one| !one.glyph.text.trim().is_empty()) {
            if one.left < to && one.right > from {
                return false;
            }
            around.0 |= one.right <= from;
            around.1 |= one.left >= to;
        }
        around == (true, true)
    }

    fn is_twice(&self, glyph: &Glyph, left: f64, step: f64) -> bool {
        let near = (step * 0.12).min(glyph.width * 0.4);
        let before = self.placed.iter().rev().take(4);
        !glyph.text.trim().is_empty()
            && before.into_iter().any(|one| (one.left - left).abs() < near && one.glyph.text == glyph.text)
    }

    fn close(mut self) -> Option<TextRun> {
        // Signs of another font may be drawn after what follows them.
        let is_back = |pair: &[Placed<'_>]| matches!(pair, [a, b] if b.left < a.left - self.size * 0.2);
        if !self.has_rtl && self.placed.windows(2).any(is_back) {
            sorted::by(&mut self.placed, |one| one.left);
        }
        let text = if self.has_rtl { self.in_both_directions() } else { self.left_to_right() };
        let text = crate::text::squeeze(&text);
        let shown = || self.placed.iter().filter(|one| !one.glyph.text.trim().is_empty());
        let left = shown().map(|one| one.left).fold(f64::MAX, f64::min);
        let right = shown().map(|one| one.right).fold(f64::MIN, f64::max);
        let bold = shown().filter(|one| one.glyph.bold).count().saturating_mul(2) > shown().count();
        let Self { turn, y, size, .. } = self;
        (!text.is_empty()).then_some(TextRun { turn, left, right, y, size, bold, text })
    }

    fn left_to_right(&self) -> String {
        let mut text = String::new();
        self.each(&self.placed.iter().collect::<Vec<_>>(), |one| match one {
            Some(one) => self.write(&mut text, one),
            None => text.push(' '),
        });
        text
    }

    fn in_both_directions(&self) -> String {
        let letters = |rtl: bool| {
            let of = |c: char| c.is_alphabetic() && is_rtl(c) == rtl;
            self.placed.iter().filter(|one| one.glyph.text.chars().any(of)).count()
        };
        let mut placed: Vec<&Placed<'_>> = self.placed.iter().collect();
        // A sign above a letter comes after it, from the right.
        sorted::by(&mut placed, |one| -one.right);
        placed.reverse();
        let mut pieces: Vec<String> = Vec::with_capacity(placed.len());
        self.each(&placed, |one| pieces.push(one.map_or(" ", |one| &one.glyph.text).to_owned()));
        bidi::read(&pieces, letters(true) > letters(false))
    }

    /// Each glyph from the left, and `None` where there is room between two words.
    fn each<'p>(&self, placed: &[&'p Placed<'g>], mut take: impl FnMut(Option<&'p Placed<'g>>)) {
        let usual = self.usual_gap();
        let pitch = self.pitch();
        let mut before: Option<&Placed<'_>> = None;
        for one in placed.iter().copied() {
            let is_apart = |before: &Placed<'_>| match pitch {
                Some(pitch) => one.left - before.left > pitch * 1.5,
                None => one.left - before.right > self.size * SPACE + before.glyph.spacing + usual,
            };
            if before.is_some_and(is_apart) {
                take(None);
            }
            take(Some(one));
            before = Some(one);
        }
    }

    /// A mark of a note after a number is no digit of it.
    fn write(&self, text: &mut String, one: &Placed<'_>) {
        let raised = one.glyph.size < self.size * 0.85 && self.y - one.y > self.size * 0.1;
        if raised && text.ends_with(|c: char| c.is_ascii_digit() || is_raised(c)) {
            text.extend(one.glyph.text.chars().map(raised_digit));
        } else {
            text.push_str(&one.glyph.text);
        }
    }

    /// The gap between letters, where a text is spaced out without saying so.
    fn usual_gap(&self) -> f64 {
        let shown = |one: &Placed<'_>| !one.glyph.text.trim().is_empty();
        let mut gaps: Vec<f64> = self
            .placed
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if shown(a) && shown(b) => Some(b.left - a.right - a.glyph.spacing),
                _ => None,
            })
            .collect();
        if gaps.len() < 6 {
            return 0.0;
        }
        sorted::by(&mut gaps, |number| *number);
        let at = |place: usize| gaps.get(place).copied().unwrap_or(0.0);
        // Pairs of letters with room between the pairs are words, not letters that stand apart.
        if at(gaps.len() / 4) > self.size * 0.1 { at(gaps.len() / 2) } else { 0.0 }
    }

    /// The distance at which letters stand, where it is one for all of them although they are not equally wide.
    fn pitch(&self) -> Option<f64> {
        let letters =
            self.placed.iter().filter(|one| one.glyph.text.chars().all(char::is_alphabetic)).count();
        if letters < 6 || letters < self.placed.len() {
            return None;
        }
        let widths = self.placed.iter().map(|one| one.glyph.width);
        let (narrow, wide) = (widths.clone().fold(f64::MAX, f64::min), widths.fold(f64::MIN, f64::max));
        let mut steps: Vec<f64> = self
            .placed
            .windows(2)
            .filter_map(|pair| if let [a, b] = pair { Some(b.left - a.left) } else { None })
            .collect();
        sorted::by(&mut steps, |number| *number);
        let pitch = steps.get(steps.len() / 2).copied().filter(|pitch| *pitch > 0.0)?;
        let near = |step: &&f64| (**step - pitch).abs() < pitch * 0.08;
        let is_even = steps.iter().filter(near).count().saturating_mul(5) >= steps.len().saturating_mul(4);
        (is_even && wide > narrow * 1.4).then_some(pitch)
    }
}

fn is_raised(c: char) -> bool {
    matches!(c, '¹' | '²' | '³' | '⁰' | '⁴'..='⁹')
}

fn raised_digit(c: char) -> char {
    match c {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        other => other,
    }
}

/// Without what is drawn a second time at nearly the same place: shadows, and bold that is made so.
fn once(runs: Vec<TextRun>) -> Vec<TextRun> {
    let mut seen: HashMap<(i32, String), Vec<(f64, f64)>> = HashMap::new();
    runs.into_iter()
        .filter(|run| {
            let places = seen.entry((run.turn, run.text.clone())).or_default();
            let near = run.size * 0.15;
            // A page full of one word is no shadow: those that were drawn last tell it.
            let twice = places
                .iter()
                .rev()
                .take(16)
                .any(|(x, y)| (x - run.left).abs() < near && (y - run.y).abs() < near);
            places.push((run.left, run.y));
            !twice
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    /// Letters of width 5 and size 10, beginning at `x`, with `gap` between them.
    fn letters(text: &str, x: f64, y: f64, gap: f64) -> Vec<Glyph> {
        let glyph = |(index, c): (usize, char)| Glyph {
            x: x + f64::from(u32::try_from(index).unwrap()) * (5.0 + gap),
            y,
            along: (1.0, 0.0),
            width: 5.0,
            spacing: 0.0,
            size: 10.0,
            bold: false,
            downwards: false,
            text: Rc::from(c.to_string()),
        };
        text.chars().enumerate().map(glyph).collect()
    }

    fn texts(glyphs: &[Glyph]) -> Vec<String> {
        runs(glyphs).into_iter().map(|run| run.text).collect()
    }

    #[test]
    fn letters_that_stand_apart_evenly_are_one_word() {
        assert_eq!(texts(&letters("Opening", 0.0, 0.0, 3.0)), ["Opening"]);
        assert_eq!(texts(&letters("Opening hours", 0.0, 0.0, 3.0)), ["Opening hours"]);
    }

    #[test]
    fn short_words_with_room_between_them_stay_apart() {
        let pairs = ["OA", "OB", "OC", "u"].into_iter().zip([0.0, 18.0, 36.0, 54.0]);
        let line: Vec<Glyph> = pairs.flat_map(|(pair, x)| letters(pair, x, 0.0, 0.0)).collect();
        assert_eq!(texts(&line), ["OA OB OC u"]);
    }

    #[test]
    fn letters_at_one_distance_are_a_word_however_wide_they_are() {
        let mut word = letters("Delivery", 0.0, 0.0, 3.0);
        for narrow in [2, 3, 6] {
            word[narrow].width = 2.2;
        }
        word[0].width = 8.6;
        assert_eq!(texts(&word), ["Delivery"]);
    }

    #[test]
    fn a_wide_gap_ends_a_run_and_a_narrow_one_a_word() {
        let mut line = letters("tea", 0.0, 0.0, 0.0);
        line.extend(letters("cup", 17.0, 0.0, 0.0));
        line.extend(letters("90", 60.0, 0.0, 0.0));
        assert_eq!(texts(&line), ["tea cup", "90"]);
    }

    #[test]
    fn a_letter_that_is_drawn_twice_counts_once() {
        let bold: Vec<Glyph> = letters("tea", 0.0, 0.0, 0.0)
            .into_iter()
            .flat_map(|glyph| [glyph.clone(), Glyph { x: glyph.x + 0.3, ..glyph }])
            .collect();
        assert_eq!(texts(&bold), ["tea"]);
        let shadow = [letters("tea", 0.0, 0.0, 0.0), letters("tea", 0.4, 0.3, 0.0)].concat();
        assert_eq!(texts(&shadow), ["tea"]);
        // Double letters stay.
        assert_eq!(texts(&letters("coffee", 0.0, 0.0, 0.0)), ["coffee"]);
    }

    #[test]
    fn signs_that_are_drawn_later_stand_where_they_are() {
        let mut price = letters("90", 0.0, 0.0, 0.0);
        price.extend(letters(".", 18.5, 0.0, 0.0));
        price.extend(letters("₽", 13.0, 0.0, 0.0));
        assert_eq!(texts(&price), ["90 ₽."]);
    }

    #[test]
    fn the_mark_of_a_note_is_no_digit_of_a_price() {
        let mut price = letters("500", 0.0, 0.0, 0.0);
        price.push(Glyph {
            x: 15.0,
            y: -4.0,
            size: 6.0,
            width: 3.0,
            ..letters("1", 0.0, 0.0, 0.0).remove(0)
        });
        assert_eq!(texts(&price), ["500¹"]);
    }

    #[test]
    fn lines_right_to_left_to_left_keep_their_numbers() {
        // As drawn from the left: the price of tea in Hebrew, its letters reversed.
        assert_eq!(texts(&letters("90 הת ריחמ", 0.0, 0.0, 0.0)), ["מחיר תה 90"]);
    }
}
