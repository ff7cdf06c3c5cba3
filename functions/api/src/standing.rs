//! How long a connection may stay open: to the end of its token, a user's no longer than the user is enabled, and a
//! visitor's no longer than its site is there and the page that opened it is one of the site's.

use std::time::Duration;

use frontdesk_app::auth::Stay;
use frontdesk_app::{auth, settings, sites, widget};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

/// How often it is checked whether a user is let in still.
const USER_CHECK: Duration = Duration::from_secs(3);
/// How old what is known of users may be then: with [`USER_CHECK`] and [`READ_AGAIN`] under 5 s.
const USER_KNOWN_FOR: Duration = Duration::from_secs(1);
/// When a connection asks again that was told what is older, as another one was reading.
const READ_AGAIN: Duration = Duration::from_millis(500);
/// How often it is checked whether a visitor's site is there, with the page's origin.
const SITE_CHECK: Duration = Duration::from_secs(15);
/// The longest sleep in one piece: timers of some runtimes end at 24 days.
const LONGEST_SLEEP: Duration = Duration::from_secs(60 * 60);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its token did.
    Expired,
    /// Its user was disabled, removed or given another role, or its login was ended.
    Disabled,
    /// Its site was removed.
    Removed,
    /// The origin of its page was taken away from the site.
    Foreign,
}

impl Ended {
    /// Why, in a word for the person who debugs a client.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "the token has expired",
            Self::Disabled => "the user is not enabled any more, has another role, or this login has ended",
            Self::Removed => "the site of this token was removed",
            Self::Foreign => "the origin of this page is not one of the site's any more",
        }
    }
}

/// Waits until the connection of `scope`, whose token is valid until `expires`, has to end. `page` is the foreign origin that
/// opened it.
pub async fn end(ctx: &Ctx, scope: &TenantScope, page: Option<&str>, expires: Timestamp) -> Ended {
    let longest = check_every(scope).unwrap_or(LONGEST_SLEEP);
    loop {
        let now = ctx.clock.now();
        if now >= expires {
            return Ended::Expired;
        }
        let next = match over(ctx, scope, page).await {
            Over::Yes(ended) => return ended,
            Over::NotYet => longest,
            Over::NotKnown => READ_AGAIN,
        };
        ctx.clock.sleep(expires.since(now).min(next)).await;
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

/// Whether a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It has to.
    Yes(Ended),
    /// It may go on.
    NotYet,
    /// It may go on, and is to ask again soon: what says so is being read again.
    NotKnown,
}

/// Whether the connection has to end, by what is stored of its caller. A database that does not answer ends no connection: the
/// token does, soon enough.
pub async fn over(ctx: &Ctx, scope: &TenantScope, page: Option<&str>) -> Over {
    let checked = match scope.actor() {
        Actor::User { .. } => {
            return match auth::may_stay(ctx, scope, USER_KNOWN_FOR).await {
                Stay::Yes => Over::NotYet,
                Stay::SoFar => Over::NotKnown,
                Stay::No => Over::Yes(Ended::Disabled),
            };
        }
        Actor::Visitor { .. } => visitor_over(ctx, scope, page).await,
        Actor::System => Ok(None),
    };
    match checked {
        Ok(Some(ended)) => Over::Yes(ended),
        Ok(None) => Over::NotYet,
        Err(error) => {
            tracing::warn!(%error, "whether a caller may stay cannot be read; its connection goes on");
            Over::NotYet
        }
    }
}

async fn visitor_over(ctx: &Ctx, scope: &TenantScope, page: Option<&str>) -> Result<Option<Ended>> {
    settings::current(ctx, scope).await?;
    if sites::is_removed(ctx, scope) {
        return Ok(Some(Ended::Removed));
    }
    let Some(origin) = page else { return Ok(None) };
    match widget::check_caller_origin(ctx, scope, origin).await {
        Ok(()) => Ok(None),
        Err(Error::Caller(CallerError::Forbidden(_))) => Ok(Some(Ended::Foreign)),
        Err(Error::Caller(CallerError::NotFound { .. })) => Ok(Some(Ended::Removed)),
        Err(error) => Err(error),
    }
}
