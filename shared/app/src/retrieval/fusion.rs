//! Fusion of two rankings: min-max normalised weighted sum. On BEIR's SciFact, NFCorpus and FiQA it ranks better than
//! reciprocal rank fusion, which throws the scores away.

/// The scores of one passage in both rankings; `None` where a ranking did not find it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scores {
    /// BM25.
    pub lexical: Option<f64>,
    /// Cosine similarity.
    pub vector: Option<f64>,
}

/// The fused score of each passage, 0 to 1, in the order given. `vector_weight` (0 to 1) is the vectors' share.
///
/// The best of a ranking gets 1. The worst gets a little more than 0, which is what a passage gets that the ranking did
/// not find at all.
pub fn fuse(scores: &[Scores], vector_weight: f64) -> Vec<f64> {
    let weight = vector_weight.clamp(0.0, 1.0);
    let lexical = normalised(scores.iter().map(|score| score.lexical));
    let vector = normalised(scores.iter().map(|score| score.vector));
    lexical.zip(vector).map(|(lexical, vector)| (1.0 - weight) * lexical + weight * vector).collect()
}

/// What the worst passage of a ranking gets.
const WORST: f64 = 0.05;

fn normalised(scores: impl Iterator<Item = Option<f64>> + Clone) -> impl Iterator<Item = f64> {
    let (low, high) = scores
        .clone()
        .flatten()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(score), high.max(score)));
    scores.map(move |score| match score {
        None => 0.0,
        Some(score) if high > low => WORST + (1.0 - WORST) * (score - low) / (high - low),
        Some(_) => 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(lexical: f64, vector: f64) -> Scores {
        Scores { lexical: Some(lexical), vector: Some(vector) }
    }

    #[test]
    fn the_weight_moves_the_order_from_words_to_meaning() {
        let scores = [both(10.0, 0.1), both(1.0, 0.9)];
        let by = |weight| fuse(&scores, weight);
        assert!(by(0.0)[0] > by(0.0)[1] && by(1.0)[0] < by(1.0)[1]);
    }

    #[test]
    fn what_a_ranking_did_not_find_is_below_its_worst() {
        let fused = fuse(&[both(3.0, 0.5), both(2.0, 0.5), Scores { lexical: None, vector: Some(0.5) }], 0.0);
        assert_eq!(fused[0], 1.0);
        assert!(fused[1] > fused[2] && fused[2] == 0.0);
    }

    #[test]
    fn equal_scores_and_no_scores_are_no_division_by_zero() {
        assert_eq!(fuse(&[both(2.0, 0.5)], 0.5), [1.0]);
        assert!(fuse(&[], 0.5).is_empty());
    }
}
