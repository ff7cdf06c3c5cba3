//! The audit log: who changed what.

use frontdesk_domain::id::{AuditId, OrgId};
use frontdesk_domain::scope::{Actor, Credential, TenantScope};
use frontdesk_ports::Ctx;

use crate::store::audit::Entry;

/// A new entry for what `scope` does. `detail` holds no secret and no message text.
#[must_use]
pub fn entry(
    ctx: &Ctx,
    scope: &TenantScope,
    action: &'static str,
    target: impl Into<String>,
    detail: serde_json::Value,
) -> Entry {
    let actor = match (scope.actor(), scope.credential()) {
        (Actor::User { .. }, Some(Credential::Key(key))) => key.to_string(),
        (Actor::User { user, .. }, _) => user.to_string(),
        (Actor::Visitor { visitor, .. }, _) => visitor.to_string(),
        (Actor::System, _) => "system".to_owned(),
    };
    entry_of(ctx, scope.org(), actor, action, target, detail)
}

/// As [`entry`], for what happens before a caller is authenticated.
#[must_use]
pub(crate) fn entry_of(
    ctx: &Ctx,
    org: OrgId,
    actor: String,
    action: &'static str,
    target: impl Into<String>,
    detail: serde_json::Value,
) -> Entry {
    let at = ctx.clock.now();
    Entry {
        id: AuditId::new(at, ctx.random.entropy()),
        org,
        at,
        actor,
        action,
        target: target.into(),
        detail,
    }
}
