//! Persons and their accounts: one address, one password, any number of organisations.

use frontdesk_domain::error::{CallerError, Error, FieldError, Result};
use frontdesk_domain::id::{LoginId, OrgId, UserId};
use frontdesk_domain::password::weakness;
use frontdesk_domain::scope::{Credential, Role, TenantScope};
use frontdesk_domain::text::{NO_CONTROLS, has_controls, is_blank};
use frontdesk_ports::{Ctx, DbError};
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use super::email::{WRONG as WRONG_EMAIL, normal_email};
use super::sessions::{LoginFrom, NewSession, Session, WRONG, find, first, user_of};
use super::{members, passwords, system};
use crate::store::members::Membership;
use crate::store::users::Person;
use crate::{audit, policy, store, tenancy};

/// The longest name of a person or an organisation, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// The most organisations that one person founds or belongs to.
pub const MAX_ORGANISATIONS: usize = 50;

/// Who may make an account here.
pub use frontdesk_ports::RegistrationMode;

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

/// An organisation with its first member, as one registers it.
#[derive(Debug, Clone, Copy)]
pub struct NewAccount<'a> {
    /// The organisation's name.
    pub organisation: &'a str,
    /// The person's name, as others see it.
    pub name: &'a str,
    /// The address to log in with.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
}

/// Makes an organisation with its owner, and logs the owner in. A person who has an account shows its password and gets one
/// organisation more.
///
/// That an address is taken shows in the answer: one who registers is logged in at once. Attempts are counted by address and
/// account; where that is not enough, registration is by invitation, which is the default.
///
/// # Errors
/// 403 where registration is not open, 422 naming every wrong field, 401 when the address has an account with another
/// password, 409 for too many organisations, 429.
pub async fn register(ctx: &Ctx, new: NewAccount<'_>, caller: &LoginFrom) -> Result<Session> {
    if ctx.config.registration != RegistrationMode::Open {
        return Err(
            CallerError::Forbidden("registration is not open here; ask a member for an invitation").into()
        );
    }
    let mut wrong = Vec::new();
    let organisation = name_in(new.organisation, "/organisation", &mut wrong);
    let person = checked(new.name, new.email, new.password, &mut wrong);
    let (Some(organisation), Some((name, email))) = (organisation, person) else {
        return Err(CallerError::Invalid(wrong).into());
    };
    let found = find(ctx, &email, caller).await?;
    policy::login(ctx, &found.counted).await?;
    // One hash is computed either way.
    let (person, is_new) = match found.person {
        Some(person) => {
            if !passwords::verify(ctx, new.password, Some(&person.password_hash)).await? {
                return Err(WRONG.into());
            }
            (person, false)
        }
        None => (new_person(ctx, name, email, new.password).await?, true),
    };
    if found.memberships.len() >= MAX_ORGANISATIONS {
        return Err(CallerError::Conflict("a person belongs to at most 50 organisations").into());
    }
    let now = ctx.clock.now();
    let org = OrgId::new(now, ctx.random.entropy());
    let mut batch = tenancy::founding(org, &organisation, now);
    if is_new {
        batch.push(store::users::insert(&person, org, Role::Owner, now));
    }
    batch.push(store::members::insert(org, person.id, Role::Owner, members::MOST, now));
    let login = NewSession::new(ctx, org, person.id, caller);
    let entry = audit::entry_of(
        ctx,
        org,
        person.id.to_string(),
        "organisation.created",
        org.to_string(),
        json!({ "name": organisation }),
    );
    batch.push(store::audit::insert(&entry));
    let outcome = ctx.db.batch(login.statements(ctx, batch, None)).await;
    let results = match outcome {
        // Another one registered the address meanwhile.
        Err(DbError::Conflict(_)) => return Err(WRONG.into()),
        other => other?,
    };
    NewSession::begun(&results)?;
    *ctx.caches.only_org.borrow_mut() = None;
    let mut memberships = found.memberships;
    memberships.push(Membership { org, name: organisation, role: Role::Owner });
    login.session(ctx, person, memberships)
}

/// Creates the first administrator of an organisation, its owner.
///
/// # Errors
/// As [`create_user`].
pub async fn create_admin(ctx: &Ctx, org: OrgId, email: &str, password: &str) -> Result<UserId> {
    create_user(ctx, org, NewUser { name: "Admin", email, password, role: Role::Owner }).await
}

/// Creates a person as a member of an organisation, for the operator of the machine.
///
/// # Errors
/// 422 when the address or the password will not do, 409 when the address is taken, or an upstream error.
pub async fn create_user(ctx: &Ctx, org: OrgId, new: NewUser<'_>) -> Result<UserId> {
    let mut wrong = Vec::new();
    let Some((name, email)) = checked(new.name, new.email, new.password, &mut wrong) else {
        return Err(CallerError::Invalid(wrong).into());
    };
    let now = ctx.clock.now();
    let person = new_person(ctx, name, email, new.password).await?;
    let detail = json!({ "role": new.role });
    let entry = audit::entry(ctx, &system(org), "user.created", person.id.to_string(), detail);
    let batch = vec![
        store::users::insert(&person, org, new.role, now),
        store::members::insert(org, person.id, new.role, members::MOST, now),
        store::audit::insert(&entry),
    ];
    match ctx.db.batch(batch).await {
        Ok(results) if first(&results, 1).is_none() => Err(members::FULL.into()),
        Ok(_) => Ok(person.id),
        Err(DbError::Conflict(_)) => {
            Err(CallerError::Conflict("a user with this e-mail address exists").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the user that asks another name.
///
/// # Errors
/// 422, 401 when no user asks, or an upstream error.
pub async fn change_name(ctx: &Ctx, scope: &TenantScope, name: &str) -> Result<()> {
    let user = user_of(scope)?;
    let name = person_name(name).map_err(|detail| Error::invalid("/name", detail))?;
    let entry = audit::entry(ctx, scope, "user.renamed", user.to_string(), json!({}));
    let batch = vec![store::users::set_name(user, &name), store::audit::insert_if_changed(&entry)];
    ctx.db.batch(batch).await?;
    Ok(())
}

/// Replaces the password of the user that asks. Its other logins end.
///
/// # Errors
/// 422 naming the field, 401 when no user asks, 409 when it was replaced meanwhile, 429.
pub async fn change_password(ctx: &Ctx, scope: &TenantScope, current: &str, new: &str) -> Result<()> {
    let user = user_of(scope)?;
    // A stolen access token is no way to guess the password.
    policy::login(ctx, &format!("password:{user}")).await?;
    let results = ctx.db.query(vec![store::users::select(user)]).await?;
    let person = first(&results, 0).map(store::users::person).transpose()?;
    let person = person.ok_or_else(|| Error::not_found("user"))?;
    if !passwords::verify(ctx, current, Some(&person.password_hash)).await? {
        return Err(Error::invalid("/current", "is not the password"));
    }
    if current == new {
        return Err(Error::invalid("/new", "is the password that you have"));
    }
    if let Some(weak) = weakness(new, &[&person.email, &person.name]) {
        return Err(Error::invalid("/new", weak));
    }
    let hash = passwords::hash(ctx, new).await?;
    let kept = match scope.credential() {
        Some(Credential::Login(login)) => Some(login),
        Some(Credential::Key(_)) | None => None,
    };
    replace_password(ctx, scope, &person, &hash, kept).await
}

async fn replace_password(
    ctx: &Ctx,
    scope: &TenantScope,
    person: &Person,
    hash: &str,
    kept: Option<LoginId>,
) -> Result<()> {
    let entry = audit::entry(ctx, scope, "user.password_changed", person.id.to_string(), json!({}));
    let batch = vec![
        store::users::set_password(person.id, &person.password_hash, hash),
        store::audit::insert_if_changed(&entry),
        // Also when it was replaced meanwhile: whoever did that is out as well.
        store::logins::revoke_others(person.id, kept, ctx.clock.now()),
    ];
    let results = ctx.db.batch(batch).await?;
    ctx.caches.settings.forget(scope.org());
    first(&results, 0)
        .map(|_| ())
        .ok_or_else(|| CallerError::Conflict("the password was replaced meanwhile").into())
}

/// A person that is not stored yet.
pub(super) async fn new_person(ctx: &Ctx, name: String, email: String, password: &str) -> Result<Person> {
    let password_hash = passwords::hash(ctx, password).await?;
    Ok(Person { id: UserId::new(ctx.clock.now(), ctx.random.entropy()), email, name, password_hash })
}

/// The name and the address as they are stored.
fn checked(name: &str, email: &str, password: &str, wrong: &mut Vec<FieldError>) -> Option<(String, String)> {
    let normal = normal_email(email);
    if normal.is_none() {
        wrong.push(FieldError { pointer: "/email".to_owned(), detail: WRONG_EMAIL.to_owned() });
    }
    let name = name_in(name, "/name", wrong);
    let about = [normal.as_deref().unwrap_or(email), name.as_deref().unwrap_or_default()];
    if let Some(weak) = weakness(password, &about) {
        wrong.push(FieldError { pointer: "/password".to_owned(), detail: weak.to_owned() });
    }
    if wrong.is_empty() { Some((name?, normal?)) } else { None }
}

fn name_in(text: &str, pointer: &str, wrong: &mut Vec<FieldError>) -> Option<String> {
    match person_name(text) {
        Ok(name) => Some(name),
        Err(detail) => {
            wrong.push(FieldError { pointer: pointer.to_owned(), detail });
            None
        }
    }
}

/// A name as it is stored: of a person, an organisation or a project. Letters are composed (NFC), blanks single.
///
/// # Errors
/// What is wrong with it.
pub fn person_name(text: &str) -> Result<String, String> {
    if text.len() > MAX_NAME_CHARS.saturating_mul(16) {
        return Err(format!("must have at most {MAX_NAME_CHARS} characters"));
    }
    let name = text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect::<String>();
    if has_controls(&name) {
        return Err(NO_CONTROLS.to_owned());
    }
    if is_blank(&name) || name.chars().count() > MAX_NAME_CHARS {
        return Err(format!("must be a text of 1 to {MAX_NAME_CHARS} characters that shows something"));
    }
    Ok(name)
}
