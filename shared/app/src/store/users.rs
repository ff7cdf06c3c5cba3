//! `users`: operators and administrators.

use frontdesk_domain::id::{OrgId, UserId};
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A user as it is stored.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Its organisation.
    pub org: OrgId,
    /// The organisation's name.
    pub org_name: String,
    /// Its id.
    pub id: UserId,
    /// Its e-mail address, in lower case.
    pub email: String,
    /// Its name, as others see it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// argon2id, as a PHC string.
    pub password_hash: String,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
}

/// A new user. A second one with the same address is refused by the table.
pub fn insert(user: &UserRow, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO users (org_id, id, email, name, role, password_hash, created_at, disabled_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
    )
    .bind_id(user.org)
    .bind_id(user.id)
    .bind(&user.email)
    .bind(&user.name)
    .bind(user.role.name())
    .bind(&user.password_hash)
    .bind(now)
}

/// The user with this address, of whichever organisation: the caller is not authenticated yet.
pub fn select_by_email(email: &str) -> Statement {
    Statement::new(
        "SELECT u.org_id, o.name, u.id, u.email, u.name, u.role, u.password_hash, u.disabled_at
         FROM users u JOIN organisations o ON o.id = u.org_id WHERE u.email = ?1",
    )
    .bind(email)
}

/// A user of the organisation.
pub fn select(scope: &TenantScope, user: UserId) -> Statement {
    Statement::new(
        "SELECT u.org_id, o.name, u.id, u.email, u.name, u.role, u.password_hash, u.disabled_at
         FROM users u JOIN organisations o ON o.id = u.org_id WHERE u.org_id = ?1 AND u.id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(user)
}

/// A row when the user is there and enabled.
pub fn select_enabled(scope: &TenantScope, user: UserId) -> Statement {
    Statement::new("SELECT 1 FROM users WHERE org_id = ?1 AND id = ?2 AND disabled_at IS NULL")
        .bind_id(scope.org())
        .bind_id(user)
}

/// A row of the selects above, and of [`super::logins::select_user`].
///
/// # Errors
/// When the row is of another shape.
pub fn user(row: &Row) -> Result<UserRow, DbError> {
    let role = row.text(5)?;
    Ok(UserRow {
        org: row.parse(0)?,
        org_name: row.text(1)?.to_owned(),
        id: row.parse(2)?,
        email: row.text(3)?.to_owned(),
        name: row.text(4)?.to_owned(),
        role: Role::from_name(role).ok_or_else(|| DbError::Schema(format!("unknown role {role}")))?,
        password_hash: row.text(6)?.to_owned(),
        disabled_at: row.opt_int(7)?.map(Timestamp::from_millis),
    })
}
