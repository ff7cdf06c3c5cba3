//! Whether what was read is words. A text of signs that mean nothing is never taken for one.

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;

use crate::unreadable;

/// How much of a text is looked at, in characters.
const SAMPLE: usize = 200_000;

/// Below this many letters nothing is said.
const FEW: usize = 8;

/// Refuses what is no text in any language.
///
/// # Errors
/// [`ExtractFailure::Unreadable`].
pub(crate) fn check(text: &str) -> Result<(), ExtractFailure> {
    let mut count = Count::default();
    for c in text.chars().take(SAMPLE) {
        count.add(c);
    }
    if count.is_garbage() {
        return Err(unreadable(reasons::MEANINGLESS));
    }
    Ok(())
}

#[derive(Default)]
struct Count {
    letters: usize,
    /// Replaced, private, or parts of frames and blocks.
    senseless: usize,
    /// Of the second half of Latin-1, which no language has more than a few of.
    latin1: usize,
}

impl Count {
    fn add(&mut self, c: char) {
        match c {
            '\u{FFFD}' | '\u{E000}'..='\u{F8FF}' | '\u{2500}'..='\u{259F}' => {
                self.senseless = self.senseless.saturating_add(1);
            }
            '\u{A1}'..='\u{BF}' | '\u{C0}'..='\u{FF}' if !matches!(c, '«' | '»' | '°' | '·') => {
                self.latin1 = self.latin1.saturating_add(1);
            }
            c if c.is_alphabetic() => self.letters = self.letters.saturating_add(1),
            _ => {}
        }
    }

    fn is_garbage(&self) -> bool {
        let all = self.letters.saturating_add(self.senseless).saturating_add(self.latin1);
        if all < FEW {
            return self.senseless > 0 && self.letters == 0;
        }
        self.senseless.saturating_mul(5) > all || self.latin1.saturating_mul(5) > all.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn languages_are_text_and_signs_are_not() {
        for text in [
            "Ömür boyu çay içmek güzeldir",
            "Тёплый чай",
            "中文茶",
            "Þetta er íslenskur texti um te og bolla",
            "5 °C",
            "│ tea │ cups and kettles │",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
        for text in [
            "Äîñòàâêà ïî Ìîñêâå",
            "\u{E123}\u{E124}",
            "te\u{FFFD}\u{FFFD} \u{FFFD}u\u{FFFD} ke\u{FFFD}\u{FFFD}le",
            "╨ö╨╛╤ü╤é╨░╨▓╨║╨░",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
