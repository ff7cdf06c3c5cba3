//! What collections and aliases are called.
//!
//! ```text
//! frontdesk-text-embedding-3-small-6f9a2c41          alias: what is searched
//! frontdesk-text-embedding-3-small-6f9a2c41.3        collection: its third generation
//! frontdesk-text-embedding-3-small-6f9a2c41.next     alias: the generation that is being built, if one is
//! frontdesk-text-embedding-3-small-6f9a2c41-multi    alias of the same model with several vectors for each passage
//! ```
//!
//! The model's name is only there for people; its hash keeps `bge/M3` and `bge-m3` apart.

use sha2::{Digest as _, Sha256};

use super::VectorMode;

/// Every name begins with it.
pub(super) const PREFIX: &str = "frontdesk-";
/// No collection is called so; whether there is one is asked to see that the server answers.
pub(super) const PROBE: &str = "frontdesk";
/// How much of a model's name is kept, in characters. Qdrant takes 255 in all.
const MAX_MODEL: usize = 80;

/// The alias under which a model's vectors are searched. Needs no escaping in an address.
pub(super) fn alias(model: &str, mode: VectorMode) -> String {
    let readable: String = model
        .chars()
        .take(MAX_MODEL)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let hash = hex::encode(Sha256::digest(model).iter().take(4).copied().collect::<Vec<u8>>());
    let multi = if mode == VectorMode::Multi { "-multi" } else { "" };
    format!("{PREFIX}{readable}-{hash}{multi}")
}

/// The alias of the generation that is being built.
pub(super) fn next(alias: &str) -> String {
    format!("{alias}.next")
}

/// The collection of a generation, from 1.
pub(super) fn collection(alias: &str, generation: u32) -> String {
    format!("{alias}.{generation}")
}

/// Which generation of `alias` a collection is; `None` when it is none.
pub(super) fn generation(alias: &str, collection: &str) -> Option<u32> {
    collection.strip_prefix(alias)?.strip_prefix('.')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_tell_models_apart() {
        let name = alias("BAAI/bge-m3", VectorMode::Single);
        assert_eq!(name, "frontdesk-baai-bge-m3-d790e737");
        assert_ne!(name, alias("baai-bge-m3", VectorMode::Single));
        assert_eq!(alias("BAAI/bge-m3", VectorMode::Multi), format!("{name}-multi"));
        let long = alias(&"модель ".repeat(40), VectorMode::Multi);
        assert!(long.is_ascii() && long.len() < 200, "{long}");
    }

    #[test]
    fn generations_are_of_their_own_alias_alone() {
        let (single, multi) = (alias("m", VectorMode::Single), alias("m", VectorMode::Multi));
        assert_eq!(generation(&single, &collection(&single, 7)), Some(7));
        assert_eq!(generation(&single, &collection(&multi, 7)), None);
        assert_eq!(generation(&single, &next(&single)), None);
        assert_eq!(generation(&single, &single), None);
    }
}
