//! `frontdesk site`: the pages on which the widget is shown, for the operator of the machine. It works beside a process that
//! serves, which reads a site each time a session begins.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use frontdesk_app::{auth, sites};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::{ProjectId, SiteId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::site::{Site, SiteChange, ThemeChange};
use frontdesk_ports::{Ctx, OwnOrigin};
use serde_json::{Value, json};

/// What is done to sites.
#[derive(Subcommand)]
pub enum Step {
    /// Makes a site and prints its key and its snippet.
    Add {
        /// Its name, as visitors see it.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        values: Values,
    },
    /// Lists the sites.
    List,
    /// Changes a site: what is named, and nothing else.
    Set {
        /// Its id or its key.
        site: String,
        /// Its name, as visitors see it.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        values: Values,
        /// Leaves the site without origins: only the deployment's own pages may show the widget.
        #[arg(long, conflicts_with = "origins")]
        no_origins: bool,
    },
    /// Removes a site: its key begins no session any more, and its visitors' tokens end. What was said there stays.
    Remove {
        /// Its id or its key.
        site: String,
        /// Does not ask: for scripts.
        #[arg(long)]
        yes: bool,
    },
}

/// What can be said of a site.
#[derive(Args)]
pub struct Values {
    /// An origin on which the widget may be embedded: scheme, host and, unless it is the usual one, port. May be given several
    /// times; all of them are named each time.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// The widget's main colour.
    #[arg(long, value_name = "#RRGGBB")]
    accent: Option<String>,
    /// The corner.
    #[arg(long, value_parser = ["right", "left"])]
    position: Option<String>,
    /// Light, dark, or as the visitor's system is.
    #[arg(long, value_parser = ["auto", "light", "dark"])]
    scheme: Option<String>,
    /// The first words in a language: `--greeting "en=Hello!"`. May be given several times; without a text they are taken away.
    #[arg(long = "greeting", value_name = "LANGUAGE=TEXT")]
    greetings: Vec<String>,
    /// The language when a visitor's is not known.
    #[arg(long, value_name = "LANGUAGE")]
    locale: Option<String>,
    /// The project that it belongs to; a new site belongs to the organisation's first one.
    #[arg(long, value_name = "ID")]
    project: Option<ProjectId>,
}

impl Values {
    fn change(self, name: Option<String>) -> Result<SiteChange> {
        let word = |word: Option<String>| word.map_or(Value::Null, Value::String);
        let theme = json!({ "position": word(self.position), "scheme": word(self.scheme), "accent": word(self.accent) });
        let theme: ThemeChange = serde_json::from_value(theme)?;
        let mut greeting = BTreeMap::new();
        for text in self.greetings {
            let (language, text) = text.split_once('=').context("--greeting is written LANGUAGE=TEXT")?;
            greeting.insert(language.to_owned(), (!text.is_empty()).then(|| text.to_owned()));
        }
        Ok(SiteChange {
            project: self.project,
            name,
            origins: (!self.origins.is_empty()).then_some(self.origins),
            theme: Some(theme),
            greeting: Some(greeting),
            locale: self.locale,
        })
    }
}

/// Does it, and gives what is said of it: a text for a person, or JSON.
///
/// # Errors
/// What is wrong, in words for the person at the terminal.
pub async fn run(ctx: &Ctx, step: Step, as_json: bool) -> Result<String> {
    let Some(scope) = auth::only_organisation(ctx).await? else {
        bail!(
            "there is not exactly one organisation here; use the API of the one that you mean (/api/v1/sites)"
        );
    };
    let base = match &ctx.config.own_origin {
        OwnOrigin::Known(origin) => origin.as_str(),
        OwnOrigin::ByAddress | OwnOrigin::Routed => "https://your-frontdesk",
    };
    let shown = |site: &Site| if as_json { as_value(site, base).to_string() } else { as_text(site, base) };
    match step {
        Step::Add { name, values } => {
            let mut new = values.change(Some(name))?;
            new.origins.get_or_insert_default();
            Ok(shown(&sites::create(ctx, &scope, &new).await.map_err(in_words)?))
        }
        Step::List => {
            let all = all(ctx, &scope).await?;
            let texts: Vec<String> = all.iter().map(shown).collect();
            Ok(match texts.as_slice() {
                [] if !as_json => "there is no site".to_owned(),
                _ => texts.join(if as_json { "\n" } else { "\n\n" }),
            })
        }
        Step::Set { site, name, values, no_origins } => {
            let id = find(ctx, &scope, &site).await?.id;
            let mut change = values.change(name)?;
            if no_origins {
                change.origins = Some(Vec::new());
            }
            Ok(shown(&sites::change(ctx, &scope, id, None, &change).await.map_err(in_words)?))
        }
        Step::Remove { site, yes: _ } => {
            let site = find(ctx, &scope, &site).await?;
            sites::remove(ctx, &scope, site.id, None).await?;
            Ok(if as_json {
                json!({ "removed": site.id }).to_string()
            } else {
                format!("removed {} ({})", site.id, site.name)
            })
        }
    }
}

async fn all(ctx: &Ctx, scope: &TenantScope) -> Result<Vec<Site>> {
    Ok(sites::list(ctx, scope, sites::MAX_SITES, None).await?.items)
}

/// The site with this id or key.
async fn find(ctx: &Ctx, scope: &TenantScope, named: &str) -> Result<Site> {
    let id: Option<SiteId> = named.parse().ok();
    let mut all = all(ctx, scope).await?.into_iter();
    let found = all.find(|site| Some(site.id) == id || site.site_key == named);
    found.with_context(|| format!("no site has the id or key {named}; `frontdesk site list` shows them"))
}

/// A refusal that names fields, one a line.
fn in_words(error: Error) -> anyhow::Error {
    match error {
        Error::Caller(CallerError::Invalid(fields)) => {
            let lines = fields.iter().map(|field| format!("\n  {}: {}", field.pointer, field.detail));
            anyhow::anyhow!("this is not right:{}", lines.collect::<String>())
        }
        other => other.into(),
    }
}

fn as_text(site: &Site, base: &str) -> String {
    let origins = if site.origins.is_empty() {
        "none but the deployment's own".to_owned()
    } else {
        site.origins.join(", ")
    };
    format!(
        "{}  {}\n  Key      {}\n  Origins  {origins}\n  Snippet  {}",
        site.id,
        site.name,
        site.site_key,
        site.snippet(base)
    )
}

fn as_value(site: &Site, base: &str) -> Value {
    let Site { id, project, site_key, name, origins, theme, greeting, locale, version, .. } = site;
    json!({
        "id": id, "project": project, "site_key": site_key, "snippet": site.snippet(base), "name": name, "origins": origins, "theme": theme,
        "greeting": greeting, "locale": locale, "version": version,
    })
}
