//! Files that were made to break a reader: each is to end within [`SECONDS`] of work and [`MEMORY`], in text or in a
//! reason, and the next file is to be read. The same for the reader in a process, as a module and as a component.

mod archives;
mod documents;
mod pages;
mod texts;

/// How long one file may be worked at.
pub const SECONDS: f64 = 2.0;

/// What a file may take, in bytes.
pub const MEMORY: usize = 128_000_000;

/// What is to become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is read, and this is in it.
    Text(&'static str),
    /// It is refused, and the reason has this.
    Refused(&'static str),
    /// It is read as far as that goes, or refused.
    Ended,
}

impl Expected {
    /// Whether it became that: the text, or the reason why there is none.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check(self, outcome: Result<&str, &str>) -> Result<(), String> {
        let well = match (self, outcome) {
            (Self::Text(piece), Ok(text)) => text.contains(piece),
            (Self::Refused(piece), Err(reason)) => reason.contains(piece),
            (Self::Ended, Ok(_)) => true,
            (Self::Ended, Err(reason)) => !reason.is_empty(),
            _ => false,
        };
        let shown = |text: &str| text.chars().take(200).collect::<String>();
        if well { Ok(()) } else { Err(format!("{self:?}, not {:?}", outcome.map(shown).map_err(shown))) }
    }
}

/// One file.
pub struct Hostile {
    /// What it does.
    pub name: &'static str,
    /// What is to become of it.
    pub expected: Expected,
    make: Box<dyn Fn() -> Vec<u8>>,
}

impl Hostile {
    fn new(name: &'static str, expected: Expected, make: impl Fn() -> Vec<u8> + 'static) -> Self {
        Self { name, expected, make: Box::new(make) }
    }

    /// The file; none is larger than what a host lets in.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        (self.make)()
    }
}

/// All of them, kind by kind.
#[must_use]
pub fn hostile() -> Vec<Hostile> {
    KINDS.into_iter().flat_map(|(_, all)| all()).collect()
}

/// Files of a kind.
type All = fn() -> Vec<Hostile>;

/// The same by kind.
pub const KINDS: [(&str, All); 4] = [
    ("the pages of a pdf", pages::all),
    ("the parts of a pdf", documents::all),
    ("archives", archives::all),
    ("texts", texts::all),
];

/// An ordinary file, and what is in it.
#[must_use]
pub fn ordinary() -> (Vec<u8>, &'static str) {
    let lines = vec![(14, "Opening hours".to_owned()), (11, "The shop is open from nine to six.".to_owned())];
    (crate::pdf_of(&[lines]), "open from nine to six")
}
