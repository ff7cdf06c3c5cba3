//! Rate limits at the door: what is counted against what, and the fields that tell a client where it stands
//! (draft-ietf-httpapi-ratelimit-headers).
//!
//! Counted are visitors and users for reads, addresses for everything else (IPv6 by /64: who has one address there has
//! them all). When the store is down or slow, requests go through: a front desk that no visitor can reach is worse than one
//! that is busy.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::rooms::MAX_REPLAY;
use frontdesk_app::settings;
use frontdesk_domain::conversation::Seq;
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::settings::Settings;
use frontdesk_ports::{Ctx, LimitKey, Rule, Verdict};
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::call::Peer;

const WINDOW: Duration = Duration::from_secs(60);
/// How long a verdict is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which limit a route counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitClass {
    /// None.
    Unlimited,
    /// Reads, per session.
    Read,
    /// Writes, per address.
    Write,
    /// Logins, per address.
    Login,
}

impl LimitClass {
    const fn name(self) -> &'static str {
        match self {
            Self::Unlimited => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Login => "login",
        }
    }

    fn rule(self, settings: &Settings) -> Option<Rule> {
        let limit = match self {
            Self::Unlimited => return None,
            Self::Read => settings.limits.reads_per_minute,
            Self::Write => settings.limits.writes_per_minute,
            Self::Login => settings.limits.logins_per_minute,
        };
        Some(Rule { limit, window: WINDOW })
    }
}

/// A verdict with the rule that gave it.
pub struct Limited {
    class: LimitClass,
    verdict: Verdict,
}

impl Limited {
    /// The error for the caller, when it has to wait.
    pub fn refusal(&self) -> Option<CallerError> {
        (!self.verdict.allowed).then_some(CallerError::RateLimited { retry_after: self.verdict.retry_after })
    }
}

/// Takes one from the caller's allowance. `None` when nothing is counted.
pub async fn check(
    ctx: &Ctx,
    class: LimitClass,
    scope: Option<&TenantScope>,
    peer: Peer,
    settings: &Settings,
) -> Option<Limited> {
    let rule = class.rule(settings)?;
    take(ctx, class, &whose(class, scope, peer), 1, rule).await
}

/// Who is counted.
fn whose(class: LimitClass, scope: Option<&TenantScope>, peer: Peer) -> String {
    match (class, scope.map(|scope| (scope.org(), scope.actor()))) {
        (LimitClass::Read, Some((org, Actor::Visitor { visitor, .. }))) => format!("{org}:{visitor}"),
        (LimitClass::Read, Some((org, Actor::User { user, .. }))) => format!("{org}:{user}"),
        _ => address(peer),
    }
}

/// How many calls it takes over HTTP to read everything after `after`, at least one.
pub fn pages(last_seq: Seq, after: Seq) -> u32 {
    let pages = last_seq.saturating_sub(after).div_ceil(MAX_REPLAY.into()).max(1);
    u32::try_from(pages).unwrap_or(u32::MAX)
}

/// Takes so many pages of a log from the caller's allowance of reads, however they are read: by a call, by an event stream or
/// over a socket. Never more than a whole allowance has beside the call that asks.
///
/// # Errors
/// 429.
pub async fn replay(ctx: &Ctx, scope: &TenantScope, peer: Peer, pages: u32) -> Result<()> {
    if pages == 0 {
        return Ok(());
    }
    let settings = door_settings(ctx, Some(scope)).await;
    let Some(rule) = LimitClass::Read.rule(&settings) else { return Ok(()) };
    let cost = pages.min(rule.limit.saturating_sub(1).max(1));
    let whose = whose(LimitClass::Read, Some(scope), peer);
    match take(ctx, LimitClass::Read, &whose, cost, rule).await.and_then(|limited| limited.refusal()) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// Takes one attempt to log in from the allowance of an account, from whichever address it comes.
///
/// # Errors
/// 429.
pub async fn account(ctx: &Ctx, email: &str) -> Result<()> {
    let settings = door_settings(ctx, None).await;
    let Some(rule) = LimitClass::Login.rule(&settings) else { return Ok(()) };
    let whose = format!("account:{}", email.trim().to_lowercase());
    match take(ctx, LimitClass::Login, &whose, 1, rule).await.and_then(|limited| limited.refusal()) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

/// The settings that apply at the door; the defaults when they cannot be read.
pub async fn door_settings(ctx: &Ctx, scope: Option<&TenantScope>) -> Rc<Settings> {
    let read = match scope {
        Some(scope) => settings::current(ctx, scope).await,
        None => settings::public(ctx, None).await,
    };
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "settings cannot be read; the defaults apply");
        Rc::default()
    })
}

async fn take(ctx: &Ctx, class: LimitClass, whose: &str, cost: u32, rule: Rule) -> Option<Limited> {
    if !ctx.config.rate_limits {
        return None;
    }
    // Hashed also in memory: a dump of it names no caller.
    let key = LimitKey(hex::encode(Sha256::digest(format!("{}:{whose}", class.name()))));
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
    verdict.map(|verdict| Limited { class, verdict })
}

/// The address as it is counted.
fn address(peer: Peer) -> String {
    match peer.ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => format!("ip:{ip}"),
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("ip:{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "ip:unknown".to_owned(),
    }
}

/// The `RateLimit` fields. Seconds are rounded up: who waits that long succeeds.
pub fn write_fields(limited: &Limited, headers: &mut HeaderMap) {
    let Limited { class, verdict } = limited;
    let name = class.name();
    // Who is refused is told one time, here and in Retry-After.
    let reset = if verdict.allowed { verdict.reset } else { verdict.retry_after };
    let reset = reset.as_millis().div_ceil(1000).max(u128::from(!verdict.allowed));
    let fields = [
        ("ratelimit-policy", format!("\"{name}\";q={};w={}", verdict.limit, WINDOW.as_secs())),
        ("ratelimit", format!("\"{name}\";r={};t={reset}", verdict.remaining)),
    ];
    for (field, text) in fields {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static(field), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(ip: &str) -> String {
        address(Peer { ip: ip.parse().ok(), ..Peer::default() })
    }

    #[test]
    fn ipv6_is_counted_by_64_bits_and_mapped_ipv4_as_ipv4() {
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::9"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:203.0.113.7"), counted("203.0.113.7"));
        assert_ne!(counted("203.0.113.7"), counted("203.0.113.8"));
    }

    #[test]
    fn a_replay_costs_what_its_pages_cost_over_http() {
        for (last_seq, after, cost) in
            [(0, 0, 1), (5, 5, 1), (5, 9, 1), (500, 0, 1), (501, 0, 2), (501, 1, 1), (6_345, 345, 12)]
        {
            assert_eq!(pages(last_seq, after), cost, "{last_seq} {after}");
        }
    }

    #[test]
    fn fields_are_as_the_draft_writes_them() {
        let verdict = Verdict {
            allowed: true,
            limit: 100,
            remaining: 57,
            reset: Duration::from_millis(11_001),
            retry_after: Duration::ZERO,
        };
        let mut headers = HeaderMap::new();
        write_fields(&Limited { class: LimitClass::Read, verdict }, &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"read\";q=100;w=60");
        assert_eq!(headers["ratelimit"], "\"read\";r=57;t=12");
    }

    #[test]
    fn who_is_refused_is_told_the_time_of_retry_after() {
        let verdict = Verdict {
            allowed: false,
            limit: 100,
            remaining: 0,
            reset: Duration::from_secs(60),
            retry_after: Duration::from_millis(2_001),
        };
        let mut headers = HeaderMap::new();
        write_fields(&Limited { class: LimitClass::Read, verdict }, &mut headers);
        assert_eq!(headers["ratelimit"], "\"read\";r=0;t=3");
    }
}
