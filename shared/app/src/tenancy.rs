//! Organisations.

use std::collections::BTreeMap;

use frontdesk_domain::error::Result;
use frontdesk_domain::id::OrgId;
use frontdesk_domain::site::{Site, Theme};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Statement};

use crate::{auth, projects, sites, store};

/// A new organisation with its first site.
pub struct NewSite<'a> {
    /// The organisation's name.
    pub organisation: &'a str,
    /// The site's name, as visitors see it.
    pub name: &'a str,
    /// Exact origins on which the widget may be embedded.
    pub origins: Vec<String>,
    /// How the widget looks.
    pub theme: Theme,
    /// The first words, by language.
    pub greeting: BTreeMap<String, String>,
    /// The language when a visitor's is not known.
    pub locale: &'a str,
}

/// Makes an organisation with its first site.
///
/// # Errors
/// When the database is out of reach.
pub async fn create(ctx: &Ctx, new: NewSite<'_>) -> Result<Site> {
    let now = ctx.clock.now();
    let org = OrgId::new(now, ctx.random.entropy());
    let site = Site {
        name: new.name.to_owned(),
        origins: new.origins,
        theme: new.theme,
        greeting: new.greeting,
        locale: new.locale.to_owned(),
        ..sites::blank(ctx, &auth::system(org))
    };
    let mut batch = founding(org, new.organisation, now);
    batch.push(store::sites::insert(&site, sites::MAX_SITES));
    ctx.db.batch(batch).await?;
    Ok(site)
}

/// The statements that make an organisation, with its first project.
pub(crate) fn founding(org: OrgId, name: &str, now: Timestamp) -> Vec<Statement> {
    vec![store::tenancy::insert_organisation(org, name, now), projects::founding(org, name, now)]
}

/// Whether there is any organisation yet.
///
/// # Errors
/// When the database is out of reach.
pub async fn any(ctx: &Ctx) -> Result<bool> {
    let results = ctx.db.query(vec![store::settings::select_two_organisations()]).await?;
    Ok(results.first().is_some_and(|rows| rows.first().is_some()))
}
