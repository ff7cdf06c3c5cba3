//! Texts that show nothing.

/// Whether a reader sees nothing of a text: it is empty, or has nothing but white space, control characters, the blank of
/// Braille, and what Unicode says is not shown (`Default_Ignorable_Code_Point`).
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || letter.is_control() || is_not_shown(letter))
}

/// What is said of a name that [`has_controls`].
pub const NO_CONTROLS: &str =
    "must not contain control characters or those that turn the direction of writing";

/// Whether a text has characters that are not shown and change how what is around them is: control characters, and those
/// that turn the direction of writing (`Bidi_Control`). A name with one can pass for another name.
#[must_use]
pub fn has_controls(text: &str) -> bool {
    text.chars().any(|letter| letter.is_control() || turns_direction(letter))
}

const fn turns_direction(letter: char) -> bool {
    matches!(
        letter,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

const fn is_not_shown(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_blank() {
        for text in [
            "",
            " \t\n",
            "\u{a0}\u{3000}",
            "\u{200b}",
            "\u{2060}\u{feff}",
            "\u{ad} \u{200d}",
            "\u{3164}",
            "\u{2800}",
            "\u{e0041}",
            "\u{202e}\u{7}",
        ] {
            assert!(is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn what_turns_the_writing_or_controls_a_terminal_is_found() {
        for text in
            ["a\u{1b}[2J", "a\n", "\u{85}", "\u{61c}a", "a\u{200e}", "\u{202e}gpj.exe", "a\u{2066}b\u{2069}"]
        {
            assert!(has_controls(text), "{text:?}");
        }
        for text in ["", "Чай и кофе", "שלום", "👨\u{200d}👩", "می\u{200c}خواهم", "❤\u{fe0f}"]
        {
            assert!(!has_controls(text), "{text:?}");
        }
    }

    #[test]
    fn what_shows_anything_is_not() {
        for text in [
            "a",
            ".",
            "👍",
            "👨\u{200d}👩",
            "\u{200b}я",
            "🏴\u{e0067}\u{e007f}",
            "ש\u{200f}",
            "❤\u{fe0f}",
            "\u{301}",
        ] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
