//! A website on which the widget is shown.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// The language to speak with a visitor whose browser asks for `wanted` (`ru-RU`).
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

impl Theme {
    /// The theme from what is stored. What this version does not know, or not allow, is as by default.
    #[must_use]
    pub fn from_stored(stored: &Value) -> Self {
        fn known<T: DeserializeOwned>(stored: &Value, name: &str) -> Option<T> {
            T::deserialize(stored.get(name)?).ok()
        }
        let default = Self::default();
        Self {
            accent: known(stored, "accent").unwrap_or(default.accent),
            position: known(stored, "position").unwrap_or(default.position),
            scheme: known(stored, "scheme").unwrap_or(default.scheme),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_theme_of_another_version_is_a_theme() {
        let stored =
            serde_json::json!({ "accent": "#112233", "position": "top", "scheme": "dark", "font": "Inter" });
        let expected =
            Theme { accent: "#112233".to_owned(), position: Position::Right, scheme: Scheme::Dark };
        assert_eq!(Theme::from_stored(&stored), expected);
        let whole = serde_json::to_value(&expected).unwrap();
        assert_eq!(whole, serde_json::json!({ "accent": "#112233", "position": "right", "scheme": "dark" }));
        assert_eq!(Theme::from_stored(&Value::Null), Theme::default());
    }
}
