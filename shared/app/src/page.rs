//! Pages of lists.

use std::str::FromStr;

use frontdesk_domain::error::{Error, Result};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` after the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Takes the one row more than asked for away; it only told that there is a next page.
    pub(crate) fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        Self { next_cursor: items.last().filter(|_| more).map(cursor), items }
    }
}

/// Where a page begins: what the `next_cursor` of the page before says.
///
/// # Errors
/// 422 when it is no cursor of such a list.
pub(crate) fn after<C: FromStr>(cursor: Option<&str>) -> Result<Option<C>> {
    let parse =
        |cursor: &str| cursor.parse().map_err(|_| Error::invalid("?cursor", "not a cursor of this list"));
    cursor.map(parse).transpose()
}
