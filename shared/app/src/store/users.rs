//! `users`: persons, each with one address and one password. Where a person may come in, `members` says; `org_id`, `role`
//! and `disabled_at` here are for versions before that table.

use frontdesk_domain::id::{OrgId, UserId};
use frontdesk_domain::scope::Role;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A person as it is stored.
#[derive(Debug, Clone)]
pub struct Person {
    /// Its id.
    pub id: UserId,
    /// Its e-mail address, as [`crate::auth::normal_email`] writes it.
    pub email: String,
    /// Its name, as others see it.
    pub name: String,
    /// argon2id, as a PHC string.
    pub password_hash: String,
}

/// A new person, made in this organisation with this role. A second one with the same address is refused by the table.
pub fn insert(person: &Person, org: OrgId, role: Role, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO users (org_id, id, email, name, role, password_hash, created_at, disabled_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)",
    )
    .bind_id(org)
    .bind_id(person.id)
    .bind(&person.email)
    .bind(&person.name)
    .bind(role.name())
    .bind(&person.password_hash)
    .bind(now)
}

/// A new person who accepts an invitation: only when that was accepted by this login.
pub fn insert_invited(
    person: &Person,
    org: OrgId,
    invite: impl std::fmt::Display,
    login: impl std::fmt::Display,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO users (org_id, id, email, name, role, password_hash, created_at, disabled_at)
         SELECT i.org_id, ?2, i.email, ?4, i.role, ?5, ?6, NULL FROM invites i
         WHERE i.org_id = ?1 AND i.id = ?3 AND i.accepted_by = ?7 AND i.email = ?8",
    )
    .bind_id(org)
    .bind_id(person.id)
    .bind_id(invite)
    .bind(&person.name)
    .bind(&person.password_hash)
    .bind(now)
    .bind_id(login)
    .bind(&person.email)
}

/// The person with this address. Before an organisation is chosen.
pub fn select_by_email(email: &str) -> Statement {
    Statement::new("SELECT id, email, name, password_hash FROM users WHERE email = ?1").bind(email)
}

/// A person by its id: its own row alone.
pub fn select(user: UserId) -> Statement {
    Statement::new("SELECT id, email, name, password_hash FROM users WHERE id = ?1").bind_id(user)
}

/// Gives a person another name.
pub fn set_name(user: UserId, name: &str) -> Statement {
    Statement::new("UPDATE users SET name = ?2 WHERE id = ?1").bind_id(user).bind(name)
}

/// Replaces a password, if it is this one still; gives a row only then.
pub fn set_password(user: UserId, old_hash: &str, new_hash: &str) -> Statement {
    Statement::new("UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 RETURNING id")
        .bind_id(user)
        .bind(old_hash)
        .bind(new_hash)
}

/// A row of the selects above, and of [`super::logins::select_person`].
///
/// # Errors
/// When the row is of another shape.
pub fn person(row: &Row) -> Result<Person, DbError> {
    Ok(Person {
        id: row.parse(0)?,
        email: row.text(1)?.to_owned(),
        name: row.text(2)?.to_owned(),
        password_hash: row.text(3)?.to_owned(),
    })
}
