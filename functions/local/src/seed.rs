//! What a new data directory begins with: an organisation, a site, an administrator and, for a demonstration, documents.

use std::collections::BTreeMap;

use anyhow::Result;
use frontdesk_app::{auth, documents, jobs, tenancy};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::site::Theme;
use frontdesk_ports::Ctx;

use crate::demo_documents::DOCUMENTS;

/// The administrator of a new data directory.
pub struct Admin<'a> {
    /// Who logs in.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
}

/// Makes the organisation, its site and its administrator, unless there is one already. Returns whether it did.
///
/// # Errors
/// When the password is too weak, or the database is out of reach.
pub async fn organisation(ctx: &Ctx, admin: &Admin<'_>) -> Result<bool> {
    if tenancy::first_site(ctx).await?.is_some() {
        return Ok(false);
    }
    let greeting = BTreeMap::from([
        ("en".to_owned(), "Hello! Ask me about delivery, returns, prices or our kettles.".to_owned()),
        (
            "ru".to_owned(),
            "Здравствуйте! Спросите о доставке, возврате, ценах или наших чайниках.".to_owned(),
        ),
    ]);
    let site = tenancy::NewSite {
        organisation: "Camomile",
        name: "Camomile · Ромашка",
        origins: Vec::new(),
        theme: Theme::default(),
        greeting,
        locale: "en",
    };
    let site = tenancy::create(ctx, site).await?;
    auth::create_admin(ctx, site.org, admin.email, admin.password).await?;
    Ok(true)
}

/// Adds the demonstration's documents and waits until they can be searched. Those that are there stay.
///
/// # Errors
/// When one cannot be read.
pub async fn demo_documents(ctx: &Ctx, mut progress: impl FnMut(&str)) -> Result<usize> {
    let Some(site) = tenancy::first_site(ctx).await? else { return Ok(0) };
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line acts for the organisation of its data directory"
    )]
    let scope = TenantScope::authenticated(site.org, Actor::System);
    let mut added = 0_usize;
    for (name, bytes) in DOCUMENTS {
        documents::create_from_file(ctx, &scope, name, bytes::Bytes::from_static(bytes)).await?;
        progress(name);
        added = added.saturating_add(1);
    }
    while jobs::run(ctx, 4).await?.is_some_and(|next| next <= ctx.clock.now()) {}
    Ok(added)
}
