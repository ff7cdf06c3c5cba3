//! What was not read of a file, for a person.

/// More of one kind are not listed one by one.
pub(crate) const MAX_OF_A_KIND: usize = 20;

/// `2, 5–7`: numbers in their order, as ranges; at most [`MAX_OF_A_KIND`] of them.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let follows = |a: &u32, b: &u32| a.saturating_add(1) == *b;
    let mut pieces: Vec<String> = numbers
        .chunk_by(follows)
        .take(MAX_OF_A_KIND)
        .filter_map(|run| match run {
            [one] => Some(one.to_string()),
            [first, .., last] => Some(format!("{first}–{last}")),
            [] => None,
        })
        .collect();
    if numbers.chunk_by(follows).count() > MAX_OF_A_KIND {
        pieces.push("…".to_owned());
    }
    pieces.join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_that_follow_each_other_are_a_range() {
        assert_eq!(super::ranges(&[2, 5, 6, 7, 9]), "2, 5–7, 9");
        let odd: Vec<u32> = (0..100).map(|n| n * 2).collect();
        assert!(super::ranges(&odd).ends_with("38, …"));
    }
}
