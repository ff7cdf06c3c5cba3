//! When a failed call is made again, and under which deadline it is made.
//!
//! Not by `backon`: it draws its jitter from a generator that has no seed in WebAssembly, so that all isolates would wait
//! for the same time, and knows no pause that the service asks for or that the deadline cuts.

use std::fmt;
use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Ctx};
use futures_util::future::{Either, select};
use http::HeaderMap;

use crate::breaker::Guarded;

/// At most so many attempts after the first.
const MAX_RETRIES: u32 = 2;
/// The longest first pause; it doubles with each attempt.
const BACKOFF: Duration = Duration::from_millis(200);
/// A service that wants a longer pause is not asked again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What has to be known of a failed call.
pub(crate) trait ServiceFailure: fmt::Display {
    /// Whether a second attempt is worth the waiting.
    fn worth_another_attempt(&self) -> bool;
    /// How long the service wants us to wait.
    fn retry_after(&self) -> Option<Duration>;
    /// Whether it speaks against the service, for the circuit breaker.
    fn blames_service(&self) -> bool;
    /// Whether the circuit was open and the service was not asked.
    fn is_circuit_open(&self) -> bool;
}

/// The attempts of one call.
pub(crate) struct Attempts<E> {
    ctx: Ctx,
    service: &'static str,
    started: Timestamp,
    whole: Duration,
    made: u32,
    last: Option<E>,
}

impl<E: ServiceFailure> Attempts<E> {
    /// Attempts at `service` that are over `whole` from now.
    pub(crate) fn new(ctx: &Ctx, service: &'static str, whole: Duration) -> Self {
        Self { ctx: ctx.clone(), service, started: ctx.clock.now(), whole, made: 0, last: None }
    }

    /// After `error`: waits and gives `Ok` when another attempt is due, else the error to report.
    ///
    /// Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015): a pause between nothing
    /// and the bound spreads callers better than one around the bound.
    pub(crate) async fn again(&mut self, error: E) -> Result<(), E> {
        if error.is_circuit_open()
            && let Some(cause) = self.last.take()
        {
            // The failure that opened the circuit says more.
            return Err(cause);
        }
        if !error.worth_another_attempt() || self.made >= MAX_RETRIES {
            return Err(error);
        }
        let asked = error.retry_after().unwrap_or_default();
        let pause = asked.max(self.jitter());
        let left = self.whole.saturating_sub(self.ctx.clock.now().since(self.started));
        if asked > MAX_RETRY_AFTER || pause >= left {
            return Err(error);
        }
        tracing::warn!(service = self.service, %error, attempt = self.made, pause_ms = pause.as_millis(), "a call failed, trying again");
        self.made = self.made.saturating_add(1);
        self.last = Some(error);
        self.ctx.clock.sleep(pause).await;
        Ok(())
    }

    fn jitter(&self) -> Duration {
        let mut bytes = [0; 4];
        self.ctx.random.fill(&mut bytes);
        let share = f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0);
        BACKOFF.saturating_mul(2_u32.saturating_pow(self.made)).mul_f64(share)
    }
}

/// Runs `work` until `deadline` is over; `None` then. Work that is ready wins.
pub(crate) async fn within<T>(
    deadline: &mut BoxFuture<'static, ()>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(std::pin::pin!(work), deadline).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Tells the breaker how a call ended.
pub(crate) fn judge(guarded: &mut Guarded, error: &impl ServiceFailure) {
    if error.blames_service() { guarded.failure() } else { guarded.success() }
}

/// `Retry-After` in seconds or as a date (also `retry-after-ms`, which OpenAI and Azure send). A date counts from the
/// answer's own `Date`, as clocks differ, and without one from `now`, where that is given.
pub(crate) fn retry_after(headers: &HeaderMap, now: Option<Timestamp>) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|millis| millis / 1000.0).or_else(|| number("retry-after"));
    let Some(seconds) = seconds else {
        let until = date(text("retry-after")?)?;
        let from = text("date").and_then(date).or(now)?;
        // A date is cut to its second: the moment that is meant may be later.
        let wait = until.since(from);
        return Some(
            if wait.is_zero() && until < from { wait } else { wait.saturating_add(SECOND) }.min(LONGEST_WISH),
        );
    };
    if seconds.is_nan() {
        return None;
    }
    Duration::try_from_secs_f64(seconds.min(LONGEST_WISH.as_secs_f64())).ok()
}

const SECOND: Duration = Duration::from_secs(1);
/// A longer pause than this is as good as it.
const LONGEST_WISH: Duration = Duration::from_secs(86_400);

/// A date as HTTP writes it.
fn date(text: &str) -> Option<Timestamp> {
    let parsed =
        jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(parsed.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_milliseconds() {
        let after = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers, Some(Timestamp::from_millis(1_445_412_475_000)))
        };
        assert_eq!(after("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(after("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after", "1e300"), Some(Duration::from_secs(86_400)));
        assert_eq!(after("retry-after", "-1"), None);
        assert_eq!(after("retry-after", "NaN"), None);
        // Five seconds after the moment it is read, or almost six.
        assert_eq!(after("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(6)));
        assert_eq!(after("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("retry-after", "tomorrow"), None);
    }

    #[test]
    fn a_date_counts_from_the_service_s_own_clock() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap());
        headers.insert("date", "Wed, 21 Oct 2015 07:27:57 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers, None), Some(Duration::from_secs(4)));
    }
}
