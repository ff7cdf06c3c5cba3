//! Pauses between attempts.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use crate::Random;

/// The pause after `failures` attempts in a row that failed: about `first`, then four times as long each time, about
/// `longest` at most. What failed together does not come back together: between three quarters and one and a half of that.
#[must_use]
pub fn backoff(
    random: &(impl Random + ?Sized),
    first: Duration,
    longest: Duration,
    failures: u32,
) -> Duration {
    let least = |mean: Duration| mean.saturating_mul(3).checked_div(4).unwrap_or(mean);
    let mut seed = [0; 8];
    random.fill(&mut seed);
    let pauses = ExponentialBuilder::new()
        .with_factor(4.0)
        .with_min_delay(least(first))
        .with_max_delay(least(longest))
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(u64::from_le_bytes(seed));
    let number = usize::try_from(failures.saturating_sub(1).min(20)).unwrap_or_default();
    pauses.build().nth(number).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let (first, longest) = (Duration::from_secs(10), Duration::from_secs(3600));
        for seed in 0..=u8::MAX {
            for (failures, mean) in
                [(0, 10.0), (1, 10.0), (2, 40.0), (3, 160.0), (9, 3600.0), (u32::MAX, 3600.0)]
            {
                let pause = backoff(&Fixed(seed), first, longest, failures).as_secs_f64();
                assert!((0.74 * mean..1.51 * mean).contains(&pause), "{pause} s after {failures}");
            }
        }
        assert_ne!(backoff(&Fixed(1), first, longest, 1), backoff(&Fixed(2), first, longest, 1));
    }
}
