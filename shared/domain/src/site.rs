//! A website on which the widget is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{OrgId, SiteId};

/// A website of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub id: SiteId,
    /// Its public key, `pk_…`: stands in the page, opens nothing but new visitor sessions.
    pub site_key: String,
    /// Its name, as visitors see it.
    pub name: String,
    /// Exact origins on which the widget may be embedded; the deployment's own is always one.
    pub origins: Vec<String>,
    /// How the widget looks.
    pub theme: Theme,
    /// The first words, by language.
    pub greeting: BTreeMap<String, String>,
    /// The language when a visitor's is not known.
    pub locale: String,
}

impl Site {
    /// The language to speak with somebody whose browser asks for `wanted` (`ru-RU`).
    #[must_use]
    pub fn locale_for(&self, wanted: Option<&str>) -> String {
        let language = wanted.and_then(|tag| tag.split(['-', '_']).next()).map(str::to_ascii_lowercase);
        language
            .filter(|language| self.greeting.contains_key(language))
            .unwrap_or_else(|| self.locale.clone())
    }

    /// The first words in this language.
    #[must_use]
    pub fn greeting_in(&self, locale: &str) -> &str {
        self.greeting.get(locale).or_else(|| self.greeting.get(&self.locale)).map_or("", String::as_str)
    }
}

/// How the widget looks on a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Main colour, `#rrggbb`.
    #[schema(pattern = "^#[0-9a-f]{6}$")]
    pub accent: String,
    /// The corner.
    pub position: Position,
    /// Light, dark, or as the visitor's system is.
    pub scheme: Scheme,
}

impl Default for Theme {
    fn default() -> Self {
        Self { accent: "#2f6f4f".to_owned(), position: Position::Right, scheme: Scheme::Auto }
    }
}

/// The corner of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Bottom right.
    Right,
    /// Bottom left.
    Left,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// As the visitor's system is.
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}
