//! Vectors without a model: hashed parts of words, so that texts with common words are near each other.

/// A unit vector of `dimensions` for `text`; the same text gives the same vector on every machine.
///
/// Words, their first five letters, and their letters by three with the borders marked are hashed with a sign each
/// (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009).
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let mut add = |feature: &str, weight: f32| {
        let hash = fnv(feature.as_bytes());
        let place = usize::try_from(hash >> 1).unwrap_or(usize::MAX).checked_rem(dimensions);
        if let Some(value) = place.and_then(|place| vector.get_mut(place)) {
            *value += if hash & 1 == 0 { weight } else { -weight };
        }
    };
    let lower = text.to_lowercase().replace('ё', "е");
    for word in lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let letters: Vec<char> = format!("<{word}>").chars().collect();
        // Short words are mostly grammar.
        let weight = if letters.len() <= 5 { 0.3 } else { 1.0 };
        add(word, weight);
        add(&letters.iter().take(6).collect::<String>(), 2.0 * weight);
        for part in letters.windows(3) {
            add(&part.iter().collect::<String>(), 0.3 * weight);
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}

/// FNV-1a, 64 bits, with a last mix of the high bits into the low ones.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        vector(a, 256).iter().zip(vector(b, 256)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_are_of_unit_length_and_repeatable() {
        for text in ["", "a", "Доставка по Москве", "We open at nine"] {
            assert!((similarity(text, text) - 1.0).abs() < 1e-5, "{text}");
            assert_eq!(vector(text, 256), vector(text, 256));
        }
    }

    #[test]
    fn common_words_in_other_forms_bring_texts_near() {
        let near = similarity("доставка заказов", "сроки доставки заказа");
        assert!(near > 0.4, "{near}");
        assert!(near > similarity("доставка заказов", "гарантия на технику") + 0.2);
        assert!(
            similarity("opening hours", "when do you open") > similarity("opening hours", "return policy")
        );
    }
}
