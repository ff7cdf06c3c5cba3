//! Users as they are made.

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{OrgId, UserId};
use frontdesk_domain::password::weakness;
use frontdesk_domain::scope::Role;
use frontdesk_ports::{Ctx, DbError};

use super::{passwords, system};
use crate::store::users::UserRow;
use crate::{audit, store};

/// Who a new user is.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The name that others see.
    pub name: &'a str,
    /// The address to log in with.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
    /// What it may do.
    pub role: Role,
}

/// Creates the first administrator of an organisation, its owner.
///
/// # Errors
/// As [`create_user`].
pub async fn create_admin(ctx: &Ctx, org: OrgId, email: &str, password: &str) -> Result<UserId> {
    create_user(ctx, org, NewUser { name: "Admin", email, password, role: Role::Owner }).await
}

/// Creates a user of an organisation.
///
/// # Errors
/// 422 when the address or the password will not do, 409 when the address is taken, or an upstream error.
pub async fn create_user(ctx: &Ctx, org: OrgId, new: NewUser<'_>) -> Result<UserId> {
    let email =
        normal_email(new.email).ok_or_else(|| Error::invalid("/email", "must be an e-mail address"))?;
    if let Some(weak) = weakness(new.password, &[&email, new.name]) {
        return Err(Error::invalid("/password", weak));
    }
    let now = ctx.clock.now();
    let row = UserRow {
        org,
        org_name: String::new(),
        id: UserId::new(now, ctx.random.entropy()),
        email,
        name: new.name.to_owned(),
        role: new.role,
        password_hash: passwords::hash(ctx, new.password).await?,
        disabled_at: None,
    };
    let entry = audit::entry(
        ctx,
        &system(org),
        "user.created",
        row.id.to_string(),
        serde_json::json!({ "role": new.role }),
    );
    match ctx.db.batch(vec![store::users::insert(&row, now), store::audit::insert(&entry)]).await {
        Ok(_) => Ok(row.id),
        Err(DbError::Conflict(_)) => {
            Err(CallerError::Conflict("a user with this e-mail address exists").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// An address as it is stored: trimmed and in lower case. `None` when it cannot be one.
#[must_use]
pub fn normal_email(email: &str) -> Option<String> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@')?;
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    (email.len() <= 254 && !local.is_empty() && domain.len() >= 3 && email.chars().all(plain))
        .then(|| email.to_lowercase())
}
