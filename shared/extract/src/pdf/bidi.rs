//! Lines in which something is written from right to left: from the order in which it stands on the page, from the left,
//! to the order in which it is read. The rules are those of Unicode's algorithm, the other way round.

/// Letters of Hebrew, Arabic and their relatives, with their signs and digits.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(u32::from(c), 0x590..=0x8FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF)
}

/// What direction a piece asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineSide {
    Left,
    Right,
    /// Digits go to the right in every script.
    Number,
    Neutral,
}

impl LineSide {
    fn of(piece: &str) -> Self {
        let is_letter = |c: char| c.is_alphabetic() || is_rtl(c);
        match piece.chars().find(|c| c.is_numeric() || is_letter(*c)) {
            Some(c) if c.is_numeric() => Self::Number,
            Some(c) if is_rtl(c) => Self::Right,
            Some(_) => Self::Left,
            None => Self::Neutral,
        }
    }
}

/// The text of a line's pieces, which are given as they stand, spaces among them. `rtl` says whether the line as a whole
/// goes from right to left.
pub(super) fn read(pieces: &[String], rtl: bool) -> String {
    let sides = sides(pieces, rtl);
    let level = |side: LineSide| match side {
        LineSide::Left => u8::from(rtl).saturating_mul(2),
        LineSide::Right | LineSide::Neutral => 1,
        LineSide::Number => 2,
    };
    let mut order: Vec<(&str, u8)> =
        pieces.iter().zip(&sides).map(|(piece, side)| (piece.as_str(), level(*side))).collect();
    for least in [1, 2] {
        for run in order.chunk_by_mut(|a, b| (a.1 >= least) == (b.1 >= least)) {
            if run.first().is_some_and(|(_, level)| *level >= least) {
                run.reverse();
            }
        }
    }
    let brackets = || order.iter().filter(|(_, level)| *level == 1).map(|(piece, _)| *piece);
    // Brackets are drawn as they look from this side, and named so by some programs.
    let is_mirrored =
        brackets().find(|piece| mirrored(piece).is_some()).is_some_and(|first| CLOSING.contains(&first));
    order
        .iter()
        .map(|(piece, level)| mirrored(piece).filter(|_| is_mirrored && *level == 1).unwrap_or(piece))
        .collect()
}

const CLOSING: [&str; 4] = [")", "]", "}", "»"];

fn mirrored(piece: &str) -> Option<&'static str> {
    let pairs = [("(", ")"), ("[", "]"), ("{", "}"), ("«", "»")];
    pairs.into_iter().find_map(|(open, close)| match piece {
        _ if piece == open => Some(close),
        _ if piece == close => Some(open),
        _ => None,
    })
}

/// The direction of each piece, no longer neutral.
fn sides(pieces: &[String], rtl: bool) -> Vec<LineSide> {
    let mut sides: Vec<LineSide> = pieces.iter().map(|piece| LineSide::of(piece)).collect();
    // After Arabic letters a hyphen does not join numbers, as a point does.
    let is_arabic = |c: char| matches!(u32::from(c), 0x600..=0x8FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF);
    let arabic = pieces.iter().any(|piece| piece.chars().any(|c| is_arabic(c) && !c.is_numeric()));
    let joins =
        |piece: &str| matches!(piece, "." | "," | ":" | "/") || (!arabic && matches!(piece, "-" | "+"));
    let belongs = |piece: &str| matches!(piece, "%" | "$" | "€" | "£" | "₽" | "°" | "٪");
    let before = sides.clone();
    let at = |index: Option<usize>| index.and_then(|index| before.get(index)) == Some(&LineSide::Number);
    for (index, (side, piece)) in sides.iter_mut().zip(pieces).enumerate() {
        let (left, right) = (at(index.checked_sub(1)), at(index.checked_add(1)));
        if *side == LineSide::Neutral
            && ((joins(piece) && left && right) || (belongs(piece) && (left || right)))
        {
            *side = LineSide::Number;
        }
    }
    let base = if rtl { LineSide::Right } else { LineSide::Left };
    resolve(
        &mut sides,
        |side| side == LineSide::Number,
        |left, right| match (left, right) {
            // In a text to the left, numbers beside its words belong to those; between words to the right, to these.
            (LineSide::Right, LineSide::Right) => LineSide::Number,
            _ if !rtl || left == LineSide::Left || right == LineSide::Left => LineSide::Left,
            _ => LineSide::Number,
        },
    );
    resolve(
        &mut sides,
        |side| side == LineSide::Neutral,
        |left, right| {
            let strong = |side: LineSide| if side == LineSide::Number { LineSide::Right } else { side };
            if strong(left) == strong(right) { strong(left) } else { base }
        },
    );
    sides
}

/// Gives the pieces that are `open` a side by those around them.
fn resolve(
    sides: &mut [LineSide],
    open: impl Fn(LineSide) -> bool,
    side: impl Fn(LineSide, LineSide) -> LineSide,
) {
    // What is next on the right that is neither neutral nor open.
    let is_firm = |side: LineSide| side != LineSide::Neutral && !open(side);
    let mut right = LineSide::Neutral;
    let rights: Vec<LineSide> = sides
        .iter()
        .rev()
        .map(|side| {
            let next = right;
            if is_firm(*side) {
                right = *side;
            }
            next
        })
        .collect();
    let mut left = LineSide::Neutral;
    for (own, right) in sides.iter_mut().zip(rights.into_iter().rev()) {
        if is_firm(*own) {
            left = *own;
        } else if open(*own) {
            *own = side(left, right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    /// A line as it stands on the page, letter by letter.
    fn line(shown: &str, rtl: bool) -> String {
        read(&shown.chars().map(String::from).collect::<Vec<_>>(), rtl)
    }

    /// The same from the right.
    fn from_right(shown: &str) -> String {
        line(&shown.chars().rev().collect::<String>(), true)
    }

    #[test]
    fn words_are_read_from_the_right_and_numbers_from_the_left() {
        assert_eq!(line("90 הת ריחמ", true), "מחיר תה 90");
        assert_eq!(line("1,234.56 ₪ הת", true), "תה ₪ 1,234.56");
        assert_eq!(line("50% החנה", true), "הנחה 50%");
        // Numbers in a row follow each other from the right, and a telephone number is one.
        assert_eq!(line("20 10 רוח", true), "חור 10 20");
        assert_eq!(line("03-555-12 ןופלט", true), "טלפון 03-555-12");
        // 14 April 1434, drawn as a person sees it.
        assert_eq!(from_right("٤١ إبريل ٤٣٤١"), "١٤ إبريل ١٤٣٤");
        assert_eq!(from_right("٤١-إبريل-٤٣٤١"), "١٤-إبريل-١٤٣٤");
    }

    #[test]
    fn foreign_words_keep_their_direction_and_their_order() {
        assert_eq!(line("USB Type-C לבכ", true), "כבל USB Type-C");
        assert_eq!(line("USB 3 לבכ", true), "כבל USB 3");
        assert_eq!(line("An Arabic ةيبرعلا word.", false), "An Arabic العربية word.");
        assert_eq!(line("Two ריחמ הת words, 90.", false), "Two תה מחיר words, 90.");
        assert_eq!(line("a ריחמ 90 הת b", false), "a תה 90 מחיר b");
        assert_eq!(line("No 5 here", false), "No 5 here");
    }

    #[test]
    fn brackets_open_before_they_close() {
        assert_eq!(from_right(")يناير("), "(يناير)");
        assert_eq!(from_right("(يناير)"), "(يناير)");
        assert_eq!(line("a (ת) b", false), "a (ת) b");
    }
}
