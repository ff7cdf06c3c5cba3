//! When a failed call is made again, and under which deadline it is made.

use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, ByteStream, Ctx};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

use super::error::ModelError;
use crate::breaker::Guarded;

/// At most so many attempts after the first.
const MAX_RETRIES: u32 = 2;
/// The longest first pause; it doubles with each attempt.
const BACKOFF: Duration = Duration::from_millis(200);
/// A provider that wants a longer pause is not asked again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How much of an error's body is read.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The attempts of one call.
pub(super) struct Attempts {
    ctx: Ctx,
    started: Timestamp,
    whole: Duration,
    made: u32,
    last: Option<ModelError>,
}

impl Attempts {
    /// Attempts that are over `whole` from now.
    pub(super) fn new(ctx: &Ctx, whole: Duration) -> Self {
        Self { ctx: ctx.clone(), started: ctx.clock.now(), whole, made: 0, last: None }
    }

    /// After `error`: waits and gives `Ok` when another attempt is due, else the error to report.
    ///
    /// Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015): a pause between nothing
    /// and the bound spreads callers better than one around the bound.
    pub(super) async fn again(&mut self, error: ModelError) -> Result<(), ModelError> {
        if let (ModelError::CircuitOpen, Some(cause)) = (&error, self.last.take()) {
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
        tracing::warn!(%error, attempt = self.made, pause_ms = pause.as_millis(), "model call failed, trying again");
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
pub(super) async fn within<T>(
    deadline: &mut BoxFuture<'static, ()>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(std::pin::pin!(work), deadline).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Tells the breaker how a call ended.
pub(super) fn judge(guarded: &mut Guarded, error: &ModelError) {
    if error.blames_service() { guarded.failure() } else { guarded.success() }
}

/// The body of an error, as far as it is of interest; what cannot be read is left out.
pub(super) async fn error_body(mut body: ByteStream) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(bytes)) = body.next().await {
        let room = MAX_ERROR_BODY.saturating_sub(read.len());
        read.extend(bytes.iter().take(room));
        if bytes.len() >= room {
            break;
        }
    }
    read
}
