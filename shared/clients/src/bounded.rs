//! The limits of an outbound call, for hosts whose own HTTP has none.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{ByteStream, Clock, FetchError, FetchLimits};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

/// Waits for the response's head, at most `limits.head` and `limits.total`.
///
/// # Errors
/// [`FetchError::Timeout`] with the limit that was hit; the call is dropped then.
pub async fn head<T>(
    clock: &dyn Clock,
    limits: FetchLimits,
    call: impl Future<Output = T>,
) -> Result<T, FetchError> {
    let (limit, name) = nearer(limits.head, "head", limits.total);
    match select(std::pin::pin!(call), clock.sleep(limit)).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(FetchError::Timeout(name)),
    }
}

/// The body under the limits between pieces, of the whole call that began at `started`, and of its size. The stream
/// ends after the first error, and the call is dropped with it.
pub fn body(clock: Rc<dyn Clock>, limits: FetchLimits, started: Timestamp, pieces: ByteStream) -> ByteStream {
    futures_util::stream::unfold((Some(pieces), 0_u64), move |(pieces, read)| {
        let clock = clock.clone();
        async move {
            let mut pieces = pieces?;
            let left = limits.total.saturating_sub(clock.now().since(started));
            let (limit, name) = nearer(limits.gap, "gap", left);
            let next = match select(pieces.next(), clock.sleep(limit)).await {
                Either::Left((next, _)) => next?,
                Either::Right(_) => return Some((Err(FetchError::Timeout(name)), (None, read))),
            };
            Some(match counted(next, read, limits.max_bytes) {
                Ok((piece, read)) => (Ok(piece), (Some(pieces), read)),
                Err(error) => (Err(error), (None, read)),
            })
        }
    })
    .boxed_local()
}

/// The piece and how many bytes there were with it.
fn counted(piece: Result<Bytes, FetchError>, read: u64, max: u64) -> Result<(Bytes, u64), FetchError> {
    let piece = piece?;
    let read = read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    if read > max { Err(FetchError::TooLarge(max)) } else { Ok((piece, read)) }
}

/// The limit that is hit first, by name.
fn nearer(limit: Duration, name: &'static str, total: Duration) -> (Duration, &'static str) {
    if total <= limit { (total, "total") } else { (limit, name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_ports::{BoxFuture, Egress};
    use futures_executor::block_on;
    use futures_util::stream;

    /// Stands still; sleeps shorter than `fires_from` never end, others end at once.
    struct StillClock {
        fires_from: Duration,
    }

    impl Clock for StillClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            if duration >= self.fires_from {
                Box::pin(std::future::ready(()))
            } else {
                Box::pin(std::future::pending())
            }
        }
    }

    const fn limits(head: u64, gap: u64, total: u64, max_bytes: u64) -> FetchLimits {
        FetchLimits {
            connect: Duration::from_secs(1),
            head: Duration::from_secs(head),
            gap: Duration::from_secs(gap),
            total: Duration::from_secs(total),
            max_bytes,
            egress: Egress::Configured,
        }
    }

    fn never() -> Rc<dyn Clock> {
        Rc::new(StillClock { fires_from: Duration::MAX })
    }

    fn at_once() -> Rc<dyn Clock> {
        Rc::new(StillClock { fires_from: Duration::ZERO })
    }

    fn collect(
        clock: Rc<dyn Clock>,
        limits: FetchLimits,
        pieces: ByteStream,
    ) -> Vec<Result<Bytes, FetchError>> {
        block_on(body(clock, limits, Timestamp::from_millis(0), pieces).collect())
    }

    #[test]
    fn pieces_within_the_limits_arrive_unchanged() {
        let pieces = stream::iter([Ok(Bytes::from("ab")), Ok(Bytes::from("c"))]).boxed_local();
        assert_eq!(
            collect(never(), limits(1, 1, 9, 3), pieces),
            [Ok(Bytes::from("ab")), Ok(Bytes::from("c"))]
        );
    }

    #[test]
    fn a_body_over_the_limit_ends_with_an_error_and_nothing_after() {
        let pieces = stream::iter(["ab", "cd", "ef"].map(|text| Ok(Bytes::from(text)))).boxed_local();
        assert_eq!(
            collect(never(), limits(1, 1, 9, 3), pieces),
            [Ok(Bytes::from("ab")), Err(FetchError::TooLarge(3))]
        );
    }

    #[test]
    fn a_silent_body_ends_by_the_limit_between_pieces() {
        let pieces = stream::pending().boxed_local();
        assert_eq!(collect(at_once(), limits(1, 2, 9, 3), pieces), [Err(FetchError::Timeout("gap"))]);
    }

    #[test]
    fn the_limit_of_the_whole_call_is_named_when_it_is_nearer() {
        let pieces = stream::pending().boxed_local();
        assert_eq!(collect(at_once(), limits(1, 20, 9, 3), pieces), [Err(FetchError::Timeout("total"))]);
        let waited = block_on(head(&*at_once(), limits(10, 1, 9, 3), std::future::pending::<()>()));
        assert_eq!(waited, Err(FetchError::Timeout("total")));
    }

    #[test]
    fn a_head_that_never_comes_ends_by_its_limit() {
        let waited = block_on(head(&*at_once(), limits(1, 1, 9, 3), std::future::pending::<()>()));
        assert_eq!(waited, Err(FetchError::Timeout("head")));
    }
}
