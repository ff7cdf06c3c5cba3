//! Organisations and their sites.

use std::collections::BTreeMap;

use frontdesk_domain::error::Result;
use frontdesk_domain::id::{OrgId, SiteId};
use frontdesk_domain::site::{Site, Theme};
use frontdesk_ports::{Ctx, Rows};

use crate::store;

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
    let mut key = [0_u8; 16];
    ctx.random.fill(&mut key);
    let site = Site {
        org,
        id: SiteId::new(now, ctx.random.entropy()),
        site_key: format!("pk_{}", hex::encode(key)),
        name: new.name.to_owned(),
        origins: new.origins,
        theme: new.theme,
        greeting: new.greeting,
        locale: new.locale.to_owned(),
    };
    let batch = vec![
        store::tenancy::insert_organisation(org, new.organisation, now),
        store::tenancy::insert_site(&site, now),
    ];
    ctx.db.batch(batch).await?;
    Ok(site)
}

/// The first site of the deployment: the demo page's.
///
/// # Errors
/// When the database is out of reach.
pub async fn first_site(ctx: &Ctx) -> Result<Option<Site>> {
    let results = ctx.db.query(vec![store::tenancy::select_first_site()]).await?;
    Ok(results.first().and_then(Rows::first).map(store::tenancy::site).transpose()?)
}
