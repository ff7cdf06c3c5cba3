//! Measures of a ranking with binary judgements.

use std::collections::HashSet;

/// Normalised discounted cumulative gain of the first `depth` documents (Järvelin and Kekäläinen 2002, log2 discount).
pub fn ndcg(ranking: &[String], relevant: &HashSet<String>, depth: usize) -> f64 {
    let gain = |rank: usize| 1.0 / (as_f64(rank) + 2.0).log2();
    let found: f64 = ranking
        .iter()
        .take(depth)
        .enumerate()
        .filter(|(_, id)| relevant.contains(*id))
        .map(|(rank, _)| gain(rank))
        .sum();
    let ideal: f64 = (0..relevant.len().min(depth)).map(gain).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

/// The share of the relevant documents among the first `depth`.
pub fn recall(ranking: &[String], relevant: &HashSet<String>, depth: usize) -> f64 {
    let found = ranking.iter().take(depth).filter(|id| relevant.contains(*id)).count();
    as_f64(found) / as_f64(relevant.len().max(1))
}

/// One over the rank of the first relevant document.
pub fn reciprocal_rank(ranking: &[String], relevant: &HashSet<String>) -> f64 {
    ranking.iter().position(|id| relevant.contains(id)).map_or(0.0, |rank| 1.0 / (as_f64(rank) + 1.0))
}

/// The value below which `share` of the sorted values lie.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a short list")]
    let at = ((as_f64(sorted.len()) * share).ceil() as usize).saturating_sub(1);
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
pub fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn measures_of_a_known_ranking() {
        let relevant: HashSet<String> = ids("a c x").into_iter().collect();
        let ranking = ids("b a c d");
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        assert!((ndcg(&ranking, &relevant, 10) - (1.0 / 3f64.log2() + 0.5) / ideal).abs() < 1e-12);
        assert!((recall(&ranking, &relevant, 2) - 1.0 / 3.0).abs() < 1e-12);
        assert!((reciprocal_rank(&ranking, &relevant) - 0.5).abs() < 1e-12);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
