//! Documents: what an organisation's answers come from.

pub mod reasons;
mod unread;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use unread::{MAX_UNREAD, NotRead, UnreadPart};

/// A text that is no name of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownName;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The name in the database and the API.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(UnknownName) }
            }
        }
    };
}

named! {
    /// Where a document comes from.
    DocumentSource {
        /// An uploaded file.
        File = "file",
        /// Text that was typed in.
        Text = "text",
        /// A web page.
        Url = "url",
    }
}

named! {
    /// How far a document is. One whose version is not 0 is searched in that version, whatever its status is.
    DocumentStatus {
        /// Waits to be read.
        Queued = "queued",
        /// Is being read.
        Processing = "processing",
        /// Its newest version is searched.
        Ready = "ready",
        /// It could not be read; the reason says why.
        Failed = "failed",
    }
}

/// The longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;

/// The longest file name, in characters.
pub const MAX_NAME_CHARS: usize = 120;

/// A file's name as it is stored and shown: without folders and control characters, never empty, not hidden.
#[must_use]
pub fn clean_name(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or("");
    let kept: String = last
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
        .collect();
    let kept = kept.trim().trim_start_matches('.').trim();
    let count = kept.chars().count();
    if kept.is_empty() {
        return "file".to_owned();
    }
    if count <= MAX_NAME_CHARS {
        return kept.to_owned();
    }
    // The end is kept too: it is the extension that tells people what it is.
    let head = kept.chars().take(MAX_NAME_CHARS.saturating_sub(12));
    head.chain(['…']).chain(kept.chars().skip(count.saturating_sub(11))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_path_and_tricks() {
        for (raw, clean) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\docs\\price.pdf", "price.pdf"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            (".htaccess", "htaccess"),
            ("price\u{202e}fdp.exe\0", "pricefdp.exe"),
            (" цены.csv ", "цены.csv"),
        ] {
            assert_eq!(clean_name(raw), clean, "{raw:?}");
        }
        let long = clean_name(&format!("{}.pdf", "я".repeat(500)));
        assert!(long.chars().count() <= MAX_NAME_CHARS && long.ends_with(".pdf"), "{long}");
    }

    #[test]
    fn stored_names_are_unchanged() {
        assert_eq!("ready".parse(), Ok(DocumentStatus::Ready));
        assert_eq!("url".parse(), Ok(DocumentSource::Url));
        assert_eq!("Ready".parse::<DocumentStatus>(), Err(UnknownName));
        assert_eq!(serde_json::to_string(&DocumentStatus::Processing).unwrap(), "\"processing\"");
    }
}
