//! How long a connection may stay open: to the end of its token, and a user's no longer than the user is enabled.

use std::time::Duration;

use frontdesk_app::auth;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

/// How often it is checked whether a user is enabled.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);
/// The longest sleep in one piece: timers of some runtimes end at 24 days.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its token did.
    Expired,
    /// Its user was disabled or deleted.
    Disabled,
}

/// Waits until the connection of `scope`, whose token is valid until `expires`, has to end.
pub async fn end(ctx: &Ctx, scope: &TenantScope, expires: Timestamp) -> Ended {
    let longest = if is_checked(scope) { CHECK_EVERY } else { LONGEST_SLEEP };
    loop {
        let now = ctx.clock.now();
        if now >= expires {
            return Ended::Expired;
        }
        if !auth::may_stay(ctx, scope).await {
            return Ended::Disabled;
        }
        ctx.clock.sleep(expires.since(now).min(longest)).await;
    }
}

/// Whether there is more to check than the token's end.
pub const fn is_checked(scope: &TenantScope) -> bool {
    matches!(scope.actor(), Actor::User { .. })
}
