//! A new generation of one model's vectors, built beside the one that is searched and put in its place.

use frontdesk_domain::error::Result;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::VectorRecord;
use http::Method;

use super::error::QdrantError;
use super::wire::{AliasAction, Aliases, Collections};
use super::{Qdrant, change_aliases, names};

/// A generation that is being built. From its beginning on, every process that stores or deletes vectors of the model does
/// so in it, too. One that is left unfinished is removed by the next.
pub struct Rebuild<'a> {
    qdrant: &'a Qdrant,
    alias: String,
    /// What is searched now.
    live: Option<String>,
    /// What is being built.
    next: String,
    length: usize,
}

impl Qdrant {
    /// Begins a new generation of a model's vectors, which have `length` dimensions.
    ///
    /// # Errors
    /// An upstream error.
    pub async fn begin_rebuild(&self, model: &str, length: usize) -> Result<Rebuild<'_>> {
        let ctx = self.ctx()?;
        let caller = self.caller(&ctx);
        let alias = names::alias(model, self.server.mode);
        let aliases: Aliases = caller.get("/aliases").await?;
        let live = aliases
            .aliases
            .into_iter()
            .find(|known| known.alias_name == alias)
            .map(|known| known.collection_name);
        let all: Collections = caller.get("/collections").await?;
        for left in all.collections {
            if names::generation(&alias, &left.name).is_some() && Some(&left.name) != live.as_ref() {
                remove(&caller, &left.name).await?;
            }
        }
        let last = live.as_deref().and_then(|live| names::generation(&alias, live)).unwrap_or(0);
        let next = names::collection(&alias, last.saturating_add(1));
        self.create(&caller, &next, length).await?;
        let building =
            AliasAction::CreateAlias { collection_name: next.clone(), alias_name: names::next(&alias) };
        change_aliases(&caller, vec![building]).await?;
        Ok(Rebuild { qdrant: self, alias, live, next, length })
    }
}

impl Rebuild<'_> {
    /// Stores vectors in the new generation alone.
    ///
    /// # Errors
    /// An upstream error; also when another rebuild has begun and removed this one's collection.
    pub async fn upsert(&self, scope: &TenantScope, records: &[VectorRecord]) -> Result<()> {
        let Some((length, points)) = self.qdrant.points(scope, records)? else { return Ok(()) };
        if length != self.length {
            return Err(QdrantError::WrongLength { found: length, expected: self.length }.into());
        }
        let ctx = self.qdrant.ctx()?;
        Ok(self.qdrant.put(&self.qdrant.caller(&ctx), &self.next, length, &points).await?)
    }

    /// Searches go to the new generation from now on, in one step; the old one is removed.
    ///
    /// # Errors
    /// An upstream error. The new generation may be in place then.
    pub async fn finish(self) -> Result<()> {
        let ctx = self.qdrant.ctx()?;
        let caller = self.qdrant.caller(&ctx);
        let swap = vec![
            AliasAction::DeleteAlias { alias_name: self.alias.clone() },
            AliasAction::CreateAlias { collection_name: self.next, alias_name: self.alias.clone() },
            AliasAction::DeleteAlias { alias_name: names::next(&self.alias) },
        ];
        change_aliases(&caller, swap).await?;
        if let Some(old) = &self.live {
            remove(&caller, old).await?;
        }
        Ok(())
    }
}

async fn remove(caller: &super::Caller<'_>, collection: &str) -> Result<(), QdrantError> {
    match caller.change(Method::DELETE, &format!("/collections/{collection}"), None::<&()>).await {
        // An answer that was lost made it a second attempt.
        Ok(()) | Err(QdrantError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}
