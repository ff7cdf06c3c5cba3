//! Visitor sessions: how the widget begins.

use frontdesk_domain::conversation::Conversation;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::VisitorId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::site::Site;
use frontdesk_ports::{Ctx, Rows};

use crate::policy::{self, Via};
use crate::{auth, documents, settings, sites, store};

/// What the widget says when it begins.
#[derive(Debug, Clone)]
pub struct BeginSession {
    /// The site's public key.
    pub site_key: String,
    /// The token of an earlier session in this browser.
    pub visitor_token: Option<String>,
    /// The visitor's language (`ru-RU`).
    pub locale: Option<String>,
    /// By which way it comes.
    pub via: Via,
    /// The page's origin, unless it is the deployment's own. A browser always names the origin of a cross-origin
    /// request; without one it is no browser, which no origin check could hold back.
    pub origin: Option<String>,
}

impl BeginSession {
    /// A visitor that says nothing of itself.
    #[must_use]
    pub const fn new(site_key: String, via: Via) -> Self {
        Self { site_key, visitor_token: None, locale: None, via, origin: None }
    }
}

/// A visitor's session.
#[derive(Debug, Clone)]
pub struct WidgetSession {
    /// The token for every further call.
    pub visitor_token: String,
    /// Who it is.
    pub visitor: VisitorId,
    /// The site.
    pub site: Site,
    /// The language chosen.
    pub locale: String,
    /// The conversation that goes on.
    pub conversation: Option<Conversation>,
    /// The longest message, in characters.
    pub max_message_chars: u32,
    /// The largest upload, in bytes.
    pub max_upload_bytes: u64,
}

/// Begins or goes on with a visitor's session. A token that is not valid any more begins a new visitor.
///
/// # Errors
/// 422 for an unknown site key; 403 when the page's origin is not one of the site's.
pub async fn begin_session(ctx: &Ctx, command: BeginSession) -> Result<WidgetSession> {
    let unknown = || Error::invalid("/site_key", "no site has this key");
    if command.site_key.is_empty() || command.site_key.len() > 64 {
        return Err(unknown());
    }
    let results = ctx.db.query(vec![store::sites::select_by_key(&command.site_key)]).await?;
    let site = store::sites::site(results.first().and_then(Rows::first).ok_or_else(unknown)?)?;
    check_origin(&site, command.origin.as_deref())?;
    let now = ctx.clock.now();
    let known =
        command.visitor_token.as_deref().and_then(|token| auth::verify_visitor_token(ctx, token).ok());
    let known = known.and_then(|known| match known.scope.actor() {
        Actor::Visitor { site: of, visitor } if *of == site.id && known.scope.org() == site.org => {
            Some(*visitor)
        }
        _ => None,
    });
    let visitor = known.unwrap_or_else(|| VisitorId::new(now, ctx.random.entropy()));
    let locale = site.locale_for(command.locale.as_deref());
    #[expect(clippy::disallowed_methods, reason = "the site is known, and the visitor by its token or new")]
    let scope = TenantScope::authenticated(site.org, Actor::Visitor { site: site.id, visitor });
    // A page view of a visitor that is known writes nothing.
    let conversation = if known.is_some() {
        ctx.rooms.latest(&scope, visitor).await?
    } else {
        policy::newcomer(ctx, &scope, &command.via).await?;
        ctx.db.batch(vec![store::tenancy::insert_visitor(site.org, site.id, visitor, &locale, now)]).await?;
        None
    };
    let visitor_token = auth::issue_visitor_token(ctx, site.org, site.id, visitor)?;
    let max_message_chars = settings::current(ctx, &scope).await?.limits.max_message_chars;
    let max_upload_bytes = documents::max_upload_bytes(ctx, &scope).await?;
    Ok(WidgetSession {
        visitor_token,
        visitor,
        site,
        locale,
        conversation,
        max_message_chars,
        max_upload_bytes,
    })
}

/// Whether the caller may come from a page of this origin: a visitor from its site's pages, a user from those that the
/// deployment names.
///
/// # Errors
/// 403 when not.
pub async fn check_caller_origin(ctx: &Ctx, scope: &TenantScope, origin: &str) -> Result<()> {
    match scope.actor() {
        Actor::Visitor { site, .. } if sites::has_origin(ctx, scope, *site, origin).await? => Ok(()),
        Actor::Visitor { .. } => Err(foreign()),
        Actor::User { .. } if ctx.config.allowed_origins.iter().any(|known| known == origin) => Ok(()),
        Actor::User { .. } | Actor::System => {
            Err(CallerError::Forbidden("this origin is not one of the deployment's").into())
        }
    }
}

fn check_origin(site: &Site, origin: Option<&str>) -> Result<()> {
    match origin {
        Some(origin) if !site.origins.iter().any(|known| known == origin) => Err(foreign()),
        _ => Ok(()),
    }
}

fn foreign() -> Error {
    CallerError::Forbidden("this origin is not one of the site's").into()
}
