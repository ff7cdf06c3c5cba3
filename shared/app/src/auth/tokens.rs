//! Signed tokens. Each kind has a key and an audience of its own, so that one can never be taken for another.
//!
//! The deployment has one secret, or a new one and the one before it. The new one signs and both verify, so what was signed
//! before is good until the old one is taken away. Where several processes serve, each has to know the new one before any
//! signs with it; `docs/SECURITY.md` says in which steps.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{InviteId, LoginId, OrgId, SiteId, UserId, VisitorId};
use frontdesk_domain::scope::{Actor, Credential, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Config, Ctx};
use hkdf::Hkdf;
use jwt_simple::algorithms::{HS256Key, MACLike};
use jwt_simple::claims::{Audiences, JWTClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::prelude::{Duration as Seconds, Token};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Authenticated;

/// How long an access token is valid, in seconds.
pub const ACCESS_SECONDS: u64 = 15 * 60;
/// How long a visitor token is valid, in seconds.
pub const VISITOR_SECONDS: u64 = 30 * 24 * 60 * 60;
/// The longest token that is read, in bytes.
const MAX_TOKEN_BYTES: usize = 4 * 1024;
/// How long a browser is known from which a user logged in, in seconds.
pub const DEVICE_SECONDS: u64 = 365 * 24 * 60 * 60;
const ISSUER: &str = "frontdesk";
const ACCESS: &str = "frontdesk:user";
const VISITOR: &str = "frontdesk:visitor";
const REFRESH: &str = "frontdesk:refresh";
const SUCCESSOR: &str = "frontdesk:refresh:successor";
const INVITE: &str = "frontdesk:invite";
const DEVICE: &str = "frontdesk:device";
const KEY_ID: &str = "frontdesk:kid";

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    org: OrgId,
    name: String,
    role: Role,
    login: LoginId,
}

#[derive(Serialize, Deserialize)]
struct VisitorClaims {
    org: OrgId,
    site: SiteId,
}

/// A key of its own for each purpose, of the secret that signs. What is made with it has no meaning once that was replaced.
pub(crate) fn derived_key(config: &Config, purpose: &str) -> [u8; 32] {
    derive(&config.jwt_secret, purpose)
}

/// A key of its own for each purpose (HKDF-SHA-256, RFC 5869).
fn derive<const BYTES: usize>(secret: &SecretString, purpose: &str) -> [u8; BYTES] {
    let mut key = [0; BYTES];
    let source = Hkdf::<Sha256>::new(None, secret.expose_secret().as_bytes());
    // Within what HKDF can give (255 × 32 bytes) for every length here.
    let _ = source.expand(purpose.as_bytes(), &mut key);
    key
}

/// The secrets that verify, the one that signs first.
fn secrets(config: &Config) -> impl Iterator<Item = &SecretString> {
    std::iter::once(&config.jwt_secret).chain(&config.old_jwt_secret)
}

/// What names a secret in the head of a token. It follows from it one way only, so it may be seen.
fn key_id(secret: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(derive::<9>(secret, KEY_ID))
}

fn sign<C: Serialize + DeserializeOwned>(
    ctx: &Ctx,
    audience: &'static str,
    subject: String,
    seconds: u64,
    custom: C,
) -> Result<String> {
    let now = ctx.clock.now().unix_seconds();
    let claims = JWTClaims {
        issued_at: Some(Seconds::from_secs(now)),
        expires_at: Some(Seconds::from_secs(now.saturating_add(seconds))),
        invalid_before: None,
        issuer: Some(ISSUER.to_owned()),
        subject: Some(subject),
        audiences: Some(Audiences::AsString(audience.to_owned())),
        jwt_id: None,
        nonce: None,
        custom,
    };
    let secret = &ctx.config.jwt_secret;
    HS256Key::from_bytes(&derive::<32>(secret, audience))
        .with_key_id(&key_id(secret))
        .authenticate(claims)
        .map_err(|error| Error::ours(format!("token: {error}")))
}

/// Subject, claims and end of a token that is valid for `audience` now.
fn verify<C: Serialize + DeserializeOwned>(
    ctx: &Ctx,
    audience: &'static str,
    token: &str,
) -> Option<(String, C, Timestamp)> {
    let options = VerificationOptions {
        // Only its end counts: a clock that was set back must not lock all callers out.
        accept_future: true,
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        allowed_audiences: Some(HashSet::from([audience.to_owned()])),
        time_tolerance: Some(Seconds::from_secs(0)),
        max_token_length: Some(MAX_TOKEN_BYTES),
        artificial_time: Some(Seconds::from_secs(ctx.clock.now().unix_seconds())),
        ..VerificationOptions::default()
    };
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    // The first versions named no key: then each is tried. The algorithm is never the choice of the token.
    let head = Token::decode_metadata(token).ok()?;
    let claims = secrets(&ctx.config)
        .filter(|secret| head.key_id().is_none_or(|named| named == key_id(secret)))
        .find_map(|secret| {
            let key = HS256Key::from_bytes(&derive::<32>(secret, audience));
            key.verify_token::<C>(token, Some(options.clone())).ok()
        })?;
    // A token that never ends was not made here.
    let millis = i64::try_from(claims.expires_at?.as_millis()).unwrap_or(i64::MAX);
    let expires = Timestamp::from_millis(millis);
    // RFC 7519: not "on or after" it. The library lets the second of the end itself pass.
    (ctx.clock.now() < expires).then_some((claims.subject?, claims.custom, expires))
}

/// An access token for a user.
pub(super) fn issue_access_token(
    ctx: &Ctx,
    org: OrgId,
    user: UserId,
    name: &str,
    role: Role,
    login: LoginId,
) -> Result<String> {
    sign(
        ctx,
        ACCESS,
        user.to_string(),
        ACCESS_SECONDS,
        AccessClaims { org, name: name.to_owned(), role, login },
    )
}

/// Who an access token stands for.
#[expect(clippy::disallowed_methods, reason = "this is authentication")]
pub(super) fn verify_access_token(ctx: &Ctx, token: &str) -> Option<Authenticated> {
    let (subject, claims, expires) = verify::<AccessClaims>(ctx, ACCESS, token)?;
    let actor = Actor::User { user: subject.parse().ok()?, name: claims.name, role: claims.role };
    let scope = TenantScope::authenticated(claims.org, actor).by(Some(Credential::Login(claims.login)));
    Some(Authenticated { scope, expires })
}

/// A visitor token: one browser on one site, for 30 days.
///
/// # Errors
/// Only a defect of ours.
pub fn issue_visitor_token(ctx: &Ctx, org: OrgId, site: SiteId, visitor: VisitorId) -> Result<String> {
    sign(ctx, VISITOR, visitor.to_string(), VISITOR_SECONDS, VisitorClaims { org, site })
}

/// Who a visitor token stands for; the actor is always a visitor.
///
/// # Errors
/// 401 when it is not valid (any more).
#[expect(clippy::disallowed_methods, reason = "this is authentication")]
pub fn verify_visitor_token(ctx: &Ctx, token: &str) -> Result<Authenticated> {
    let invalid = || Error::from(CallerError::Unauthenticated("the token is not valid or has expired"));
    let (subject, claims, expires) = verify::<VisitorClaims>(ctx, VISITOR, token).ok_or_else(invalid)?;
    let visitor = subject.parse().map_err(|_| invalid())?;
    let scope = TenantScope::authenticated(claims.org, Actor::Visitor { site: claims.site, visitor });
    Ok(Authenticated { scope, expires })
}

/// A refresh token: `org.login.secret.tag`. The tag proves that it was issued here, so that only a stolen or repeated
/// token, and not an invented one, can end a login.
///
/// The first secret of a login is random; each next one follows from the token before under a key of the deployment. So a
/// token that is shown again has the same successor, in every process and without any token being stored, and a
/// successor can be told from the token before by this deployment alone.
///
/// Where there are two keys, a token has a successor under each. An exchange gives the one under the key that signs; while a
/// change of the keys is rolled out, another process may sign with the other one, and an exchange that is repeated there gives
/// what the first one gave, as that is stored. A process that does not know the new key yet takes what was exchanged under it
/// for no token (401, and the login goes on elsewhere), and an exchange that is repeated there ends the login: so the new key
/// goes second to every process first.
pub(super) struct RefreshToken {
    pub org: OrgId,
    pub login: LoginId,
    text: String,
}

impl RefreshToken {
    /// The first one of a login.
    pub fn new(ctx: &Ctx, org: OrgId, login: LoginId) -> Self {
        let mut random = [0; 24];
        ctx.random.fill(&mut random);
        Self::of(&ctx.config.jwt_secret, org, login, &random)
    }

    /// What it may be exchanged for: always the same, the first one here, the others by processes that sign with another key.
    pub fn successors(&self, ctx: &Ctx) -> Vec<Self> {
        secrets(&ctx.config)
            .map(|secret| Self::of(secret, self.org, self.login, &mac(secret, SUCCESSOR, &self.text)))
            .collect()
    }

    fn of(secret: &SecretString, org: OrgId, login: LoginId, random: &[u8]) -> Self {
        let body = format!("{org}.{login}.{}", URL_SAFE_NO_PAD.encode(random));
        Self { org, login, text: tagged(secret, REFRESH, &body) }
    }

    /// The token, if it was issued here.
    pub fn parse(ctx: &Ctx, text: &str) -> Option<Self> {
        let mut parts = untagged(ctx, REFRESH, text)?.split('.');
        let (org, login) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { org, login, text: text.to_owned() })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is stored of it.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

/// A text with a tag that this deployment alone can make, for one purpose: nothing of it has to be stored.
fn tagged(secret: &SecretString, purpose: &'static str, body: &str) -> String {
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(mac(secret, purpose, body)))
}

/// The text of [`tagged`], if it was made here for this purpose.
fn untagged<'a>(ctx: &Ctx, purpose: &'static str, token: &'a str) -> Option<&'a str> {
    if token.len() > 512 {
        return None;
    }
    let (body, shown) = token.rsplit_once('.')?;
    let shown = URL_SAFE_NO_PAD.decode(shown).ok()?;
    secrets(&ctx.config).any(|secret| bool::from(shown.ct_eq(&mac(secret, purpose, body)))).then_some(body)
}

/// The token of an invitation. Whether it counts, the invitation's row says.
pub(super) fn issue_invite_token(ctx: &Ctx, org: OrgId, invite: InviteId) -> String {
    tagged(&ctx.config.jwt_secret, INVITE, &format!("{org}.{invite}"))
}

/// Which invitation a token is of.
pub(super) fn verify_invite_token(ctx: &Ctx, token: &str) -> Option<(OrgId, InviteId)> {
    let (org, invite) = untagged(ctx, INVITE, token)?.split_once('.')?;
    Some((org.parse().ok()?, invite.parse().ok()?))
}

/// What a browser keeps from which a user has logged in: it opens nothing, and keeps strangers from using up the user's
/// attempts to log in.
pub(super) fn issue_device_token(ctx: &Ctx, user: UserId) -> String {
    let mut random = [0; 12];
    ctx.random.fill(&mut random);
    let made = ctx.clock.now().unix_seconds().to_be_bytes();
    tagged(
        &ctx.config.jwt_secret,
        DEVICE,
        &format!("{user}.{}", URL_SAFE_NO_PAD.encode([&made[..], &random[..]].concat())),
    )
}

/// Whether a browser has this from a login of the user in the last year.
pub(super) fn is_device_of(ctx: &Ctx, token: &str, user: UserId) -> bool {
    let Some((whose, text)) = untagged(ctx, DEVICE, token).and_then(|body| body.split_once('.')) else {
        return false;
    };
    let made = URL_SAFE_NO_PAD.decode(text).ok();
    let made =
        made.as_deref().and_then(|bytes| bytes.first_chunk::<8>()).map(|made| u64::from_be_bytes(*made));
    let age = made.map(|made| ctx.clock.now().unix_seconds().saturating_sub(made));
    whose.parse() == Ok(user) && age.is_some_and(|age| age < DEVICE_SECONDS)
}

/// HMAC-SHA-256, as HKDF-Extract is defined.
fn mac(secret: &SecretString, purpose: &str, text: &str) -> [u8; 32] {
    Hkdf::<Sha256>::extract(Some(&derive::<32>(secret, purpose)), text.as_bytes()).0.into()
}

/// When a login ends that is not used again.
pub(super) fn refresh_expiry(now: Timestamp) -> Timestamp {
    now.after(super::sessions::IDLE)
}
