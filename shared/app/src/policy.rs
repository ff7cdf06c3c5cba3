//! What stands before an action, by whatever channel its caller came: rate limits and maintenance.
//!
//! What clients do in a conversation asks here itself, so that a channel cannot leave it out; for all other routes the
//! router asks.
//!
//! Counted are people: a visitor or a user by its token. Behind one address there may be an office or half a town, so an
//! address has a wide allowance: for calls without a token, for new visitors, and for all writes that come from it.
//!
//! When the limiter's store is down or slow, requests go through: a front desk that no visitor can reach is worse than one
//! that is busy.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::conversation::{Channel, Seq};
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::permission::Permission;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::Settings;
use frontdesk_ports::{Ctx, LimitKey, Rule, Verdict};
use futures_util::future::{Either, select};
use sha2::{Digest, Sha256};

use crate::rooms::MAX_REPLAY;
use crate::{settings, sites};

/// In how long a limit's number is allowed.
pub const WINDOW: Duration = Duration::from_secs(60);
/// What a new visitor costs beside the call, in calls of its address.
const NEWCOMER: u32 = 4;
/// How long a verdict is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a call counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitClass {
    /// Reads, per visitor or user.
    Read,
    /// Writes, per visitor or user.
    Write,
    /// Logins, per address and per account.
    Login,
    /// What an address does without a token, and all of its writes.
    Address,
}

impl LimitClass {
    /// As the `RateLimit` fields and the metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Login => "login",
            Self::Address => "address",
        }
    }

    fn rule(self, settings: &Settings) -> Rule {
        let limit = match self {
            Self::Read => settings.limits.reads_per_minute,
            Self::Write => settings.limits.writes_per_minute,
            Self::Login => settings.limits.logins_per_minute,
            Self::Address => settings.limits.address_calls_per_minute,
        };
        Rule { limit, window: WINDOW }
    }
}

/// By which way a call comes, and where its caller stands once it has been counted.
#[derive(Debug, Clone)]
pub struct Via {
    /// The channel.
    pub channel: Channel,
    /// The caller's address; `None` where it is not known, or another system writes for the caller.
    pub address: Option<IpAddr>,
    standing: Rc<Cell<Option<Standing>>>,
}

impl Via {
    /// A call that has not been counted.
    #[must_use]
    pub fn new(channel: Channel, address: Option<IpAddr>) -> Self {
        Self { channel, address, standing: Rc::default() }
    }

    /// A page with the widget, or a program that speaks as one.
    #[must_use]
    pub fn widget(address: Option<IpAddr>) -> Self {
        Self::new(Channel::Widget, address)
    }

    /// Where the caller stands after what was counted last; `None` when nothing was.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.standing.get()
    }
}

/// A verdict with the class that it is of.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// What was counted.
    pub class: LimitClass,
    /// What the limiter said.
    pub verdict: Verdict,
}

/// Lets a caller write in a conversation, or says why not now: it is counted, and the organisation is open.
///
/// # Errors
/// 429; 503 during maintenance.
pub(crate) async fn write(ctx: &Ctx, scope: &TenantScope, via: &Via) -> Result<Rc<Settings>> {
    let settings = in_force(ctx, Some(scope)).await;
    count(ctx, LimitClass::Write, Some(scope), via, &settings).await?;
    open(Some(scope), &settings)?;
    Ok(settings)
}

/// Takes one from the allowances that a call counts against.
///
/// # Errors
/// 429; 401 for a visitor of a site that was removed, whose token counts no longer.
pub async fn count(
    ctx: &Ctx,
    class: LimitClass,
    scope: Option<&TenantScope>,
    via: &Via,
    settings: &Settings,
) -> Result<()> {
    if scope.is_some_and(|scope| sites::is_removed(ctx, scope)) {
        return Err(CallerError::Unauthenticated("the site of this token was removed").into());
    }
    via.standing.set(None);
    let Counted { own, address } = counted(class, scope, via);
    if let Some((class, whose)) = own {
        via.standing.set(take(ctx, class, &whose, 1, class.rule(settings)).await);
        // First, and alone when it is used up: a page that calls without end takes nothing from its neighbours.
        admitted(via.standing())?;
    }
    if let Some(address) = address {
        let class = LimitClass::Address;
        let standing = take(ctx, class, &address, 1, class.rule(settings)).await;
        // The fields tell of the allowance that is the caller's own, where it has one, unless the other one is used up.
        if via.standing().is_none() || admitted(standing).is_err() {
            via.standing.set(standing);
        }
        admitted(standing)?;
    }
    Ok(())
}

/// Takes from the address's allowance what a new visitor costs beside the call itself: with it comes an allowance of its own.
///
/// # Errors
/// 429.
pub(crate) async fn newcomer(ctx: &Ctx, scope: &TenantScope, via: &Via) -> Result<()> {
    let class = LimitClass::Address;
    let rule = class.rule(&*in_force(ctx, Some(scope)).await);
    // Never more than a whole allowance has beside the call.
    let cost = NEWCOMER.min(rule.limit.saturating_sub(1));
    if cost == 0 {
        return Ok(());
    }
    let standing = take(ctx, class, &address(via.address), cost, rule).await;
    if standing.is_some_and(|standing| !standing.verdict.allowed) {
        via.standing.set(standing);
    }
    admitted(standing)
}

/// Whether the caller may write: only an administrator may during maintenance.
///
/// # Errors
/// 503 during maintenance.
pub fn open(scope: Option<&TenantScope>, settings: &Settings) -> Result<()> {
    if !settings.maintenance || scope.is_some_and(|scope| scope.may(Permission::ManageSettings)) {
        return Ok(());
    }
    Err(CallerError::Maintenance { retry_after: Duration::from_secs(60) }.into())
}

/// How many calls it takes over HTTP to read everything after `after`, at least one.
#[must_use]
pub fn pages(last_seq: Seq, after: Seq) -> u32 {
    let pages = last_seq.saturating_sub(after).div_ceil(MAX_REPLAY.into()).max(1);
    u32::try_from(pages).unwrap_or(u32::MAX)
}

/// Takes so many pages of a log from the caller's allowance of reads, however they are read: by a call, by an event stream or
/// over a socket. Never more than a whole allowance has beside the call that asks.
///
/// # Errors
/// 429.
pub async fn replay(ctx: &Ctx, scope: &TenantScope, via: &Via, pages: u32) -> Result<()> {
    if pages == 0 {
        return Ok(());
    }
    let class = LimitClass::Read;
    let rule = class.rule(&*in_force(ctx, Some(scope)).await);
    let cost = pages.min(rule.limit.saturating_sub(1).max(1));
    let whose = person(scope).unwrap_or_else(|| address(via.address));
    admitted(take(ctx, class, &whose, cost, rule).await)
}

/// Takes one attempt to log in from the allowance of whom it is counted against: see [`crate::auth::login`].
///
/// # Errors
/// 429.
pub(crate) async fn login(ctx: &Ctx, counted: &str) -> Result<()> {
    let class = LimitClass::Login;
    let rule = class.rule(&*in_force(ctx, None).await);
    admitted(take(ctx, class, counted, 1, rule).await)
}

/// Takes one from an address's allowance for what is read of a caller that shows a key, before it is known whose that is.
///
/// # Errors
/// 429.
pub(crate) async fn lookup(ctx: &Ctx, ip: Option<IpAddr>) -> Result<()> {
    let class = LimitClass::Address;
    let rule = class.rule(&*in_force(ctx, None).await);
    admitted(take(ctx, class, &address(ip), 1, rule).await)
}

/// The settings in force; the defaults when they cannot be read.
pub async fn in_force(ctx: &Ctx, scope: Option<&TenantScope>) -> Rc<Settings> {
    let read = match scope {
        Some(scope) => settings::current(ctx, scope).await,
        None => settings::public(ctx, None).await,
    };
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "settings cannot be read; the defaults apply");
        Rc::default()
    })
}

fn admitted(standing: Option<Standing>) -> Result<()> {
    match standing {
        Some(Standing { verdict, .. }) if !verdict.allowed => {
            Err(CallerError::RateLimited { retry_after: verdict.retry_after }.into())
        }
        _ => Ok(()),
    }
}

async fn take(ctx: &Ctx, class: LimitClass, counted: &str, cost: u32, rule: Rule) -> Option<Standing> {
    if !ctx.config.rate_limits {
        return None;
    }
    // Hashed also in memory: a dump of it names no caller.
    let key = LimitKey(hex::encode(Sha256::digest(format!("{}:{counted}", class.name()))));
    let verdict = match select(ctx.limiter.take(key, cost, rule), ctx.clock.sleep(PATIENCE)).await {
        Either::Left((Ok(verdict), _)) => Some(verdict),
        Either::Left((Err(error), _)) => {
            tracing::warn!(%error, rule = class.name(), "the rate limiter failed; the request goes through");
            None
        }
        Either::Right(_) => {
            tracing::warn!(rule = class.name(), "the rate limiter is slow; the request goes through");
            None
        }
    };
    let told = match &verdict {
        Some(verdict) if verdict.allowed => "allowed",
        Some(_) => "refused",
        None => "error",
    };
    ctx.metrics.limiter.get_or_create(&[("rule", class.name()), ("verdict", told)]).inc();
    verdict.map(|verdict| Standing { class, verdict })
}

/// Against what a call counts.
struct Counted {
    /// The allowance that is the caller's own.
    own: Option<(LimitClass, String)>,
    /// The address, whoever calls from it.
    address: Option<String>,
}

fn counted(class: LimitClass, scope: Option<&TenantScope>, via: &Via) -> Counted {
    let address = address(via.address);
    // There the channel's own system stands for all of its visitors.
    let system = matches!(via.channel, Channel::Telegram | Channel::Chatwoot | Channel::Kommo);
    match (class, scope.and_then(person)) {
        (LimitClass::Login, _) => Counted { own: Some((class, address)), address: None },
        (LimitClass::Read, Some(person)) => Counted { own: Some((class, person)), address: None },
        (LimitClass::Write, Some(person)) => {
            Counted { own: Some((class, person)), address: (!system).then_some(address) }
        }
        (_, None) | (LimitClass::Address, _) => Counted { own: None, address: Some(address) },
    }
}

/// Who is counted, where that is known.
pub(crate) fn person(scope: &TenantScope) -> Option<String> {
    match scope.actor() {
        Actor::Visitor { visitor, .. } => Some(format!("{}:{visitor}", scope.org())),
        Actor::User { user, .. } => Some(format!("{}:{user}", scope.org())),
        Actor::System => None,
    }
}

/// The address as it is counted: IPv6 by /64, for a client that has one address there has them all.
pub(crate) fn address(ip: Option<IpAddr>) -> String {
    match ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => format!("ip:{ip}"),
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("ip:{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "ip:unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_address(ip: &str) -> String {
        address(ip.parse().ok())
    }

    #[test]
    fn ipv6_is_counted_by_64_bits_and_mapped_ipv4_as_ipv4() {
        assert_eq!(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:2:ffff::9"));
        assert_ne!(by_address("2001:db8:1:2::1"), by_address("2001:db8:1:3::1"));
        assert_eq!(by_address("::ffff:203.0.113.7"), by_address("203.0.113.7"));
        assert_ne!(by_address("203.0.113.7"), by_address("203.0.113.8"));
    }

    #[test]
    fn a_replay_costs_what_its_pages_cost_over_http() {
        for (last_seq, after, cost) in
            [(0, 0, 1), (5, 5, 1), (5, 9, 1), (500, 0, 1), (501, 0, 2), (501, 1, 1), (6_345, 345, 12)]
        {
            assert_eq!(pages(last_seq, after), cost, "{last_seq} {after}");
        }
    }
}
