//! Rate limits at the door.

use frontdesk_domain::error::Result;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Ctx, Verdict};
use http::HeaderMap;

use crate::call::Peer;

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

/// Takes one from the caller's allowance.
pub async fn check(
    _ctx: &Ctx,
    _class: LimitClass,
    _scope: Option<&TenantScope>,
    _peer: Peer,
) -> Result<Option<Verdict>> {
    Ok(None)
}

/// The `RateLimit` fields.
pub fn write_fields(_verdict: &Verdict, _headers: &mut HeaderMap) {}
