//! Text as retrieval sees it: languages, words, stems and passages.
//!
//! The same functions serve the index and the query; whatever they do to a word, they do it on both sides.

mod blank;
mod cut;
mod evidence;
mod language;
pub(crate) mod line;
mod passage;
mod section;
pub(crate) mod sentence;
mod split;
mod stop;
mod term;
mod word;

pub use blank::{NO_CONTROLS, has_controls, is_blank};
pub(crate) use evidence::has_related;
pub use evidence::{Coverage, combine};
pub use language::{Language, Script, detect};
pub use passage::{MAX_PASSAGE_CHARS, OVERLAP_CHARS, Span, parts, passages};
pub use split::{NoTerms, Split, SplitPassage, Terms, TextPlace, WINDOW_BYTES, Window, split};
pub use stop::is_stop_word;
pub use term::{MAX_QUERY_TERMS, QueryTerm, Term, query_terms, stems, terms};
pub use word::{MAX_WORD_CHARS, Word, words};
