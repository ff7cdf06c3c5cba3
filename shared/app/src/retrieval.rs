//! Retrieval: passages into the index, and the passages that answer a question out of it.

pub mod catch_up;
mod fusion;
mod index;
mod search;

pub use frontdesk_domain::settings::SearchMode;
pub(crate) use index::{Embeddable, records};
pub use index::{Keep, NewPassage, Origin, index, unindex};
pub use search::{
    Found, MAX_LIMIT, MAX_QUERY_CHARS, Results, Search, has_embedding_model, search, vocabulary,
};
