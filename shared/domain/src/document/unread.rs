//! What could not be read of a document whose rest is searched.

use serde::{Deserialize, Serialize};

/// The most warnings that a document has.
pub const MAX_UNREAD: usize = 50;

/// The longest name, in bytes: those of 2,000 pages.
const MAX_NAME: usize = 16 << 10;

/// Something of a file that could not be read, while the rest of it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// What it is.
    #[serde(flatten)]
    pub part: UnreadPart,
    /// Which one: the numbers of pages, the name of a font or of a part of the file, how many characters.
    pub name: String,
}

/// What could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum UnreadPart {
    /// Pages, as a whole or in part.
    Pages,
    /// A font that does not say which letters it stands for.
    Font {
        /// The numbers of the pages that are written in it.
        pages: String,
    },
    /// A part of a container: the notes of a text document, say.
    Part,
    /// Places where bytes are no characters; `name` counts them.
    Characters,
}

impl NotRead {
    /// Of a part, the one of this name.
    #[must_use]
    pub fn new(part: UnreadPart, name: impl Into<String>) -> Self {
        Self { part, name: name.into() }
    }

    /// Whether its texts have a length that can be stored and shown.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        let pages = match &self.part {
            UnreadPart::Font { pages } => pages.len(),
            UnreadPart::Pages | UnreadPart::Part | UnreadPart::Characters => 0,
        };
        self.name.len() <= MAX_NAME && pages <= MAX_NAME
    }

    /// What it is, in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.part {
            UnreadPart::Pages => "pages",
            UnreadPart::Font { .. } => "font",
            UnreadPart::Part => "part",
            UnreadPart::Characters => "characters",
        }
    }

    /// For a person, in English.
    #[must_use]
    pub fn en(&self) -> String {
        let name = &self.name;
        match &self.part {
            UnreadPart::Pages => format!("not all of the text of these pages could be read: {name}"),
            UnreadPart::Font { pages } => format!(
                "text in the font {name} could not be read, as the file does not say which letters it stands for (pages {pages})"
            ),
            UnreadPart::Part => format!("this part of the file could not be read: {name}"),
            UnreadPart::Characters => format!("places that hold no characters, marked with \u{FFFD}: {name}"),
        }
    }

    /// For a person, in Russian.
    #[must_use]
    pub fn ru(&self) -> String {
        let name = &self.name;
        match &self.part {
            UnreadPart::Pages => format!("текст этих страниц прочитан не полностью: {name}"),
            UnreadPart::Font { pages } => format!(
                "текст, набранный шрифтом {name}, прочитать не удалось: в файле не сказано, какие буквы означают его знаки (страницы {pages})"
            ),
            UnreadPart::Part => format!("эту часть файла прочитать не удалось: {name}"),
            UnreadPart::Characters => format!("места, где нет символов, отмечены знаком \u{FFFD}: {name}"),
        }
    }
}
