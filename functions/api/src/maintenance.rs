//! Who may still write while the organisation is closed for maintenance.

use std::time::Duration;

use frontdesk_domain::error::CallerError;
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::settings::Settings;

/// Why `scope` may not write during maintenance.
pub fn closed_for(scope: Option<&TenantScope>, settings: &Settings) -> Option<CallerError> {
    let exempt = scope.is_some_and(|scope| scope.has_role(Role::Admin));
    (settings.maintenance && !exempt).then_some(CallerError::Unavailable {
        reason: "closed for maintenance; please try again later",
        retry_after: Duration::from_secs(60),
    })
}
