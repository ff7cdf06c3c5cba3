//! What a new data directory begins with: an organisation, a site, an administrator and, for a demonstration, documents.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use frontdesk_app::{auth, documents, jobs, sites, tenancy};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::site::Theme;
use frontdesk_ports::Ctx;
use serde_json::Value;

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
    if tenancy::any(ctx).await? {
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
    let Some(site) = sites::first(ctx).await? else { return Ok(0) };
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

/// Sends the demonstration's documents through the API of a running deployment and waits until each can be searched.
/// Documents that are there stay as they are.
///
/// # Errors
/// When the deployment refuses one, or could not read it.
pub async fn through_the_api(url: &str, admin: &Admin<'_>, mut progress: impl FnMut(&str)) -> Result<usize> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
    let url = url.trim_end_matches('/');
    let login = serde_json::json!({ "email": admin.email, "password": admin.password });
    let answer = client.post(format!("{url}/api/v1/auth/login")).json(&login).send().await?;
    let answer: Value = answer.error_for_status().context("the login")?.json().await?;
    let token = text(&answer, "access_token").context("the login gave no token")?;
    let mut waiting = Vec::new();
    for (name, bytes) in DOCUMENTS {
        let part = reqwest::multipart::Part::bytes(*bytes).file_name(*name);
        // Names go as browsers send them, in UTF-8; what is percent-encoded would not be read.
        let form = reqwest::multipart::Form::new().percent_encode_noop().part("file", part);
        let request = client.post(format!("{url}/api/v1/documents")).bearer_auth(token).multipart(form);
        let answer: Value = request.send().await?.error_for_status().context(*name)?.json().await?;
        waiting.push((*name, text(&answer, "id").context("a document without an id")?.to_owned()));
        progress(&format!("sent {name}"));
    }
    for (name, id) in &waiting {
        loop {
            let request = client.get(format!("{url}/api/v1/documents/{id}")).bearer_auth(token);
            let document: Value = request.send().await?.error_for_status().context(*name)?.json().await?;
            match text(&document, "status") {
                Some("ready") => break,
                Some("failed") => {
                    bail!("{name} was not read: {}", text(&document, "reason").unwrap_or_default())
                }
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        progress(&format!("read {name}"));
    }
    Ok(waiting.len())
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}
