//! One sort for everything that is sorted by a number: each that the compiler makes for a type of its own takes kilobytes.

/// Sorts by a number; what has the same one stays in its order.
pub(super) fn by<T>(items: &mut Vec<T>, number: impl Fn(&T) -> f64) {
    let mut order: Vec<(f64, usize)> = items.iter().map(number).zip(0..).collect();
    sort(&mut order);
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|(_, index)| taken.get_mut(index)?.take()));
}

#[inline(never)]
fn sort(order: &mut [(f64, usize)]) {
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_has_one_number_stays_in_its_order() {
        let mut words = vec![("c", 2.0), ("a", 1.0), ("b", 1.0), ("z", -1.0)];
        super::by(&mut words, |word| word.1);
        assert_eq!(words.iter().map(|word| word.0).collect::<String>(), "zabc");
    }
}
