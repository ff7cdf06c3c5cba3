//! Text as guards compare it.

use unicode_normalization::UnicodeNormalization;

/// Characters that are not seen and that hide text from people or patterns: zero width, direction, tags, soft hyphen.
/// The two joiners are kept: scripts and emoji need them.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    ) || (letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
}

/// The text without invisible characters.
pub(super) fn visible(text: &str) -> String {
    text.chars().filter(|letter| !is_invisible(*letter)).collect()
}

/// Latin letters that Cyrillic ones pass for.
const fn latin_twin(letter: char) -> char {
    match letter {
        'а' => 'a',
        'в' => 'b',
        'е' => 'e',
        'к' => 'k',
        'м' => 'm',
        'н' => 'h',
        'о' => 'o',
        'р' => 'p',
        'с' => 'c',
        'т' => 't',
        'у' => 'y',
        'х' => 'x',
        'і' => 'i',
        'ѕ' => 's',
        'ј' => 'j',
        other => other,
    }
}

/// The words: compatibility forms folded, lower case, ё as е, disguised letters undone.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded: String = text
        .nfkc()
        .filter(|letter| !is_invisible(*letter) && !matches!(letter, '\u{200c}' | '\u{200d}'))
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == 'ё' { 'е' } else { letter })
        .collect();
    folded
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '\'' || letter == '’'))
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| {
            // A word of both scripts is a disguise.
            if word.chars().any(|letter| letter.is_ascii_alphabetic()) {
                word.chars().map(latin_twin).collect()
            } else {
                word.to_owned()
            }
        })
        .collect()
}
