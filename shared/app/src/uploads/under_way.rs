//! How many uploads are under way at once.
//!
//! The quotas count a file when it is noted, and that is when all of it is there. What comes slowly waits before, in room
//! that all callers share; without a bound of its own one caller could fill it with files that it never ends.

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_domain::address::is_public;
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Ctx, Place};

use crate::policy::{self, Via};

/// How many uploads of one visitor or user are under way at once, in one process.
pub const PER_PERSON: usize = 3;
/// How many of one address, whoever they are of.
pub const PER_ADDRESS: usize = 8;
/// When one of them may have ended.
const RETRY: Duration = Duration::from_secs(10);

/// An upload that is under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    _person: Option<Place>,
    _address: Option<Place>,
}

/// Begins an upload, before anything of it is read. Addresses that are not public are not counted: they are most often a
/// proxy's, which speaks for everyone.
///
/// # Errors
/// 429 naming the limit.
pub fn begin(ctx: &Ctx, scope: &TenantScope, via: &Via) -> Result<UnderWay> {
    let person = policy::person(scope);
    let public = via.address.map(|ip| ip.to_canonical()).filter(|ip: &IpAddr| is_public(*ip));
    let address = public.map(|ip| policy::address(Some(ip)));
    Ok(UnderWay {
        _person: enter(ctx, person, PER_PERSON, "uploads of one person at once")?,
        _address: enter(ctx, address, PER_ADDRESS, "uploads from one address at once")?,
    })
}

fn enter(ctx: &Ctx, whose: Option<String>, most: usize, what: &'static str) -> Result<Option<Place>> {
    let Some(whose) = whose else { return Ok(None) };
    if let Some(place) = ctx.caches.uploads.enter(whose, most) {
        return Ok(Some(place));
    }
    tracing::info!(what, most, "an upload was refused: so many are under way");
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    Err(CallerError::Quota { what, limit, retry_after: RETRY }.into())
}
