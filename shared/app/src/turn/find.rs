//! The passages of a turn: searched for by what was meant, however it is spelt.

use frontdesk_domain::error::Result;
use frontdesk_domain::lexicon::{meaning, term_of};
use frontdesk_domain::question::{Question, reading};
use frontdesk_domain::quote::MAX_OFFERED;
use frontdesk_domain::text::Term;

use super::Turn;
use crate::retrieval::{self, Found, Search};

/// The question as it was meant and the passages that fit it, best first. One round trip; another one where long
/// words are in no document, and a third where what was meant by them is.
pub async fn passages(turn: &Turn<'_>, text: &str, before: &[&str]) -> Result<(Question, Vec<Found>)> {
    let (ctx, scope, settings) = (turn.ctx, &turn.run.scope, turn.settings);
    let mut asked = Question::new(text, before);
    let least = u32::try_from(MAX_OFFERED).unwrap_or(u32::MAX);
    let search = |asked: &Question| Search {
        query: asked.text.clone(),
        limit: settings.retrieval.passages.max(least),
        mode: settings.retrieval.mode,
        vector_weight: settings.retrieval.vector_weight,
        words: Some(asked.search_terms()),
    };
    let found = retrieval::search(ctx, scope, &search(&asked)).await?;
    let unknown: Vec<(String, Term)> = found
        .unknown
        .into_iter()
        .filter(|word| word.word.chars().all(char::is_alphabetic) && meaning(&term_of(&word.word)).is_none())
        .map(|word| (word.word.clone(), term_of(&word.word)))
        .filter(|(_, term)| reading::may_be_misspelt(term))
        .collect();
    if unknown.is_empty() {
        return Ok((asked, found.passages));
    }
    let terms: Vec<Term> = unknown.iter().map(|(_, term)| term.clone()).collect();
    let vocabulary = retrieval::vocabulary(ctx, scope, &terms).await?;
    let corrected: Vec<(String, Term)> = unknown
        .into_iter()
        .zip(vocabulary.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..])))
        .filter_map(|((word, term), known)| Some((word, reading::nearest(&term, known.iter())?)))
        .collect();
    if corrected.is_empty() {
        return Ok((asked, found.passages));
    }
    asked.correct(&corrected);
    Ok((asked.clone(), retrieval::search(ctx, scope, &search(&asked)).await?.passages))
}
