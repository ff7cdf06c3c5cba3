//! How each model wants to be asked, as far as its endpoint has said so: learnt once, and remembered.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroUsize;

use lru::LruCache;

/// At most so many models are remembered; those that were asked longest ago are forgotten first.
const MOST: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// How one model at one endpoint wants to be asked, and what its answers are like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that an endpoint may refuse on its own")]
pub struct Dialect {
    /// The limit of the answer under its newer name.
    pub max_completion_tokens: bool,
    /// The limit of the answer under its older name.
    pub max_tokens: bool,
    /// The sampling temperature.
    pub temperature: bool,
    /// The wish for usage at the end of a stream.
    pub stream_options: bool,
    /// The wish for a stream.
    pub stream: bool,
    /// Instructions as a message of their own.
    pub system_role: bool,
    /// Where it is asked, when that is not below the base URL.
    pub url: Option<String>,
    /// How many tokens it takes, context and answer together, when it said so.
    pub context_tokens: Option<u32>,
    /// It thinks before it answers: tokens of the answer are used up by what is not shown.
    pub reasons: bool,
    /// It begins its answers with thoughts whose beginning is not marked.
    pub thinks_first: bool,
    /// How many texts it makes vectors of in one call, when it refused more.
    pub batch: Option<usize>,
    /// How long its vectors are, once there was one.
    pub vector_length: Option<usize>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            max_completion_tokens: false,
            max_tokens: true,
            temperature: true,
            stream_options: true,
            stream: true,
            system_role: true,
            url: None,
            context_tokens: None,
            reasons: false,
            thinks_first: false,
            batch: None,
            vector_length: None,
        }
    }
}

/// The dialects by endpoint and model.
pub struct Dialects(RefCell<LruCache<(String, String), Dialect>>);

impl Default for Dialects {
    fn default() -> Self {
        Self(RefCell::new(LruCache::new(MOST)))
    }
}

impl fmt::Debug for Dialects {
    // Addresses may hold an organisation's name; they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialects").field("len", &self.0.borrow().len()).finish()
    }
}

impl Dialects {
    /// What is known of a model.
    #[must_use]
    pub fn get(&self, base_url: &str, model: &str) -> Option<Dialect> {
        self.0.borrow_mut().get(&(base_url.to_owned(), model.to_owned())).cloned()
    }

    /// Remembers what an answer showed. `first` is what a model is like of which nothing is known.
    pub fn learn(
        &self,
        base_url: &str,
        model: &str,
        first: impl FnOnce() -> Dialect,
        change: impl FnOnce(&mut Dialect),
    ) {
        let key = (base_url.to_owned(), model.to_owned());
        // What makes the first one may ask for what is known.
        let new = if self.0.borrow().contains(&key) { None } else { Some(first()) };
        let mut all = self.0.borrow_mut();
        if let Some(new) = new {
            all.put(key.clone(), new);
        }
        if let Some(dialect) = all.get_mut(&key) {
            change(dialect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_at_each_endpoint_has_its_own_and_they_are_bounded() {
        let dialects = Dialects::default();
        dialects.learn("http://a", "m", Dialect::default, |dialect| dialect.temperature = false);
        assert!(!dialects.get("http://a", "m").unwrap().temperature);
        assert_eq!(dialects.get("http://a", "n"), None);
        assert_eq!(dialects.get("http://b", "m"), None);
        for n in 0..2000 {
            dialects.learn("http://b", &n.to_string(), Dialect::default, |_| ());
        }
        assert_eq!(dialects.0.borrow().len(), MOST.get());
    }
}
