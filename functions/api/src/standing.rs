//! How long a connection may stay open: to the end of its token, a user's no longer than the user is enabled, and a
//! visitor's no longer than its site is there.

use std::time::Duration;

use frontdesk_app::{auth, settings, sites};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

/// How often it is checked whether a user is enabled.
const USER_CHECK: Duration = Duration::from_secs(5);
/// How often it is checked whether a visitor's site is there.
const SITE_CHECK: Duration = Duration::from_secs(15);
/// The longest sleep in one piece: timers of some runtimes end at 24 days.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its token did.
    Expired,
    /// Its user was disabled or deleted.
    Disabled,
    /// Its site was removed.
    Removed,
}

impl Ended {
    /// Why, in a word for the person who debugs a client.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired",
            Self::Disabled => "the user is not enabled any more",
            Self::Removed => "the site of this token was removed",
        }
    }
}

/// Waits until the connection of `scope`, whose token is valid until `expires`, has to end.
pub async fn end(ctx: &Ctx, scope: &TenantScope, expires: Timestamp) -> Ended {
    let longest = check_every(scope).unwrap_or(LONGEST_SLEEP);
    loop {
        let now = ctx.clock.now();
        if now >= expires {
            return Ended::Expired;
        }
        if let Some(ended) = over(ctx, scope).await {
            return ended;
        }
        ctx.clock.sleep(expires.since(now).min(longest)).await;
    }
}

/// How often there is more to check than the token's end; `None` where nothing is.
pub const fn check_every(scope: &TenantScope) -> Option<Duration> {
    match scope.actor() {
        Actor::User { .. } => Some(USER_CHECK),
        Actor::Visitor { .. } => Some(SITE_CHECK),
        Actor::System => None,
    }
}

/// Why the caller may not stay, by what is stored of it. A database that does not answer ends no connection: the token does,
/// soon enough.
pub async fn over(ctx: &Ctx, scope: &TenantScope) -> Option<Ended> {
    let checked = match scope.actor() {
        Actor::User { .. } => Ok((!auth::may_stay(ctx, scope).await).then_some(Ended::Disabled)),
        Actor::Visitor { .. } => settings::current(ctx, scope)
            .await
            .map(|_| sites::is_removed(ctx, scope).then_some(Ended::Removed)),
        Actor::System => Ok(None),
    };
    checked.unwrap_or_else(|error| {
        tracing::warn!(%error, "whether a caller may stay cannot be read; its connection goes on");
        None
    })
}
