//! Letters that no answer needs: what a terminal would obey, what hides text from people or turns it round.

/// The longest control sequence of a terminal that is taken as one.
const LONGEST_SEQUENCE: u8 = 32;

/// Half of a letter that JSON writes in two: how [`crate::speech`] gets it, as texts cannot hold one. Letters of these
/// planes' end are nobody's.
const HALVES: std::ops::RangeInclusive<u32> = 0x0010_F800..=0x0010_FFFF;

/// How a half that JSON names by `code` (U+D800 to U+DFFF) is written until its other half is there.
#[must_use]
pub fn half(code: u32) -> Option<char> {
    let at = code.checked_sub(0xD800).filter(|at| *at < 0x800)?;
    char::from_u32(HALVES.start().checked_add(at)?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Terminal {
    #[default]
    Off,
    Escape,
    Sequence(u8),
}

/// Cleans a text that comes letter by letter.
#[derive(Debug, Clone, Default)]
pub(super) struct Letters {
    terminal: Terminal,
    after_return: bool,
    first_half: Option<u32>,
}

impl Letters {
    /// The letter as it may be shown; none when it is left out, or belongs to the next one.
    pub(super) fn clean(&mut self, letter: char) -> Option<char> {
        match self.terminal {
            Terminal::Off => {}
            Terminal::Escape if letter == '[' => {
                self.terminal = Terminal::Sequence(0);
                return None;
            }
            Terminal::Sequence(length) if length < LONGEST_SEQUENCE && matches!(letter, ' '..='?') => {
                self.terminal = Terminal::Sequence(length.saturating_add(1));
                return None;
            }
            Terminal::Sequence(_) if matches!(letter, '@'..='~') => {
                self.terminal = Terminal::Off;
                return None;
            }
            Terminal::Escape | Terminal::Sequence(_) => self.terminal = Terminal::Off,
        }
        let first_half = self.first_half.take();
        if HALVES.contains(&u32::from(letter)) {
            return self.half(u32::from(letter), first_half);
        }
        let after_return = std::mem::take(&mut self.after_return);
        match letter {
            '\u{1b}' => {
                self.terminal = Terminal::Escape;
                None
            }
            '\r' => {
                self.after_return = true;
                Some('\n')
            }
            '\n' if after_return => None,
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}' => Some('\n'),
            letter if is_left_out(letter) => None,
            letter => Some(letter),
        }
    }

    fn half(&mut self, letter: u32, first: Option<u32>) -> Option<char> {
        let at = letter.checked_sub(*HALVES.start())?;
        let Some(low) = at.checked_sub(0x400) else {
            self.first_half = Some(at);
            return None;
        };
        char::from_u32(first?.checked_mul(0x400)?.checked_add(low)?.checked_add(0x1_0000)?)
    }
}

/// Controls, directions, letters without a width (but for the two joiners, which scripts and emoji need), tags, and the
/// sign for what could not be read.
fn is_left_out(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e007f}'
    ) || (letter.is_control() && !matches!(letter, '\n' | '\t'))
}
