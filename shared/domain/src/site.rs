//! A website on which the widget is shown.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FieldError;
use crate::id::{OrgId, ProjectId, SiteId};
use crate::settings::{LANGUAGE, escape, is_language};
use crate::text::{NO_CONTROLS, has_controls, is_blank};
use crate::time::Timestamp;

/// The longest name, in characters.
pub const MAX_SITE_NAME_CHARS: usize = 100;
/// The most origins of a site.
pub const MAX_ORIGINS: usize = 50;
/// The longest origin, in bytes: a name in the DNS has at most 253.
pub const MAX_ORIGIN_BYTES: usize = 300;
/// The most languages of a greeting.
pub const MAX_GREETINGS: usize = 20;
/// The longest greeting, in characters.
pub const MAX_GREETING_CHARS: usize = 500;

/// A website of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub id: SiteId,
    /// The project that it belongs to.
    pub project: ProjectId,
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
    /// Grows with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl Site {
    /// What a page has to hold to show the widget; `base` is where the deployment is reached.
    #[must_use]
    pub fn snippet(&self, base: &str) -> String {
        format!(r#"<script async src="{base}/widget.js" data-site-key="{}"></script>"#, self.site_key)
    }

    /// The site after a change. `exact` gives an origin as browsers write it, or none for what is no origin.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn changed(
        &self,
        change: &SiteChange,
        exact: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<FieldError>> {
        let mut site = self.clone();
        let mut wrong = Wrong::default();
        if let Some(project) = change.project {
            site.project = project;
        }
        if let Some(name) = &change.name {
            site.name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            if has_controls(&site.name) {
                wrong.is("/name", NO_CONTROLS);
            } else if !is_text(&site.name, MAX_SITE_NAME_CHARS) {
                wrong.is("/name", format!("must be a text of 1 to {MAX_SITE_NAME_CHARS} characters"));
            }
        }
        if let Some(origins) = &change.origins {
            site.origins = exact_origins(origins, exact, &mut wrong);
        }
        if let Some(theme) = &change.theme {
            site.theme = self.theme.changed(theme, &mut wrong);
        }
        if let Some(greeting) = &change.greeting {
            merge(&mut site.greeting, greeting, &mut wrong);
        }
        if let Some(locale) = &change.locale {
            site.locale.clone_from(locale);
            if !is_language(locale) {
                wrong.is("/locale", LANGUAGE);
            }
        }
        if wrong.0.is_empty() { Ok(site) } else { Err(wrong.0) }
    }

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

/// What is said of a site: everything of a new one, or what changes. What is absent or null stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteChange {
    /// The project that it belongs to.
    pub project: Option<ProjectId>,
    /// Its name, as visitors see it.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// All origins on which the widget may be embedded, each exact: scheme, host and, unless it is the usual one, port. The
    /// deployment's own is always one.
    #[schema(max_items = 50)]
    pub origins: Option<Vec<String>>,
    /// How the widget looks.
    pub theme: Option<ThemeChange>,
    /// The first words, by language (`ru`, `en`); null takes those of a language away.
    pub greeting: Option<BTreeMap<String, Option<String>>>,
    /// The language when a visitor's is not known: `ru`, `en`.
    #[schema(pattern = "^[a-z]{2,3}$")]
    pub locale: Option<String>,
}

/// What changes of a theme. What is absent or null stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThemeChange {
    /// Main colour, `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    pub accent: Option<String>,
    /// The corner.
    pub position: Option<Position>,
    /// Light, dark, or as the visitor's system is.
    pub scheme: Option<Scheme>,
}

/// What is wrong so far.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

impl Wrong {
    fn is(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }
}

fn is_text(text: &str, max_chars: usize) -> bool {
    // Counting bytes first spares counting the characters of a huge text.
    text.len() <= max_chars.saturating_mul(4)
        && text.chars().count() <= max_chars
        && !is_blank(text)
        && !text.chars().any(|letter| letter.is_control() && letter != '\n')
}

fn exact_origins(
    origins: &[String],
    exact: impl Fn(&str) -> Option<String>,
    wrong: &mut Wrong,
) -> Vec<String> {
    if origins.len() > MAX_ORIGINS {
        wrong.is("/origins", format!("must be at most {MAX_ORIGINS} origins"));
        return Vec::new();
    }
    let mut made: Vec<String> = Vec::new();
    for (at, origin) in origins.iter().enumerate() {
        match Some(origin).filter(|origin| origin.len() <= MAX_ORIGIN_BYTES).and_then(|origin| exact(origin)) {
            Some(origin) if made.contains(&origin) => {}
            Some(origin) => made.push(origin),
            None => wrong.is(
                format!("/origins/{at}"),
                "must be scheme and host alone, with a port where it is not the usual one and without an asterisk, like \
                 https://shop.example or http://localhost:3000",
            ),
        }
    }
    made
}

fn merge(
    greeting: &mut BTreeMap<String, String>,
    change: &BTreeMap<String, Option<String>>,
    wrong: &mut Wrong,
) {
    if change.len() > MAX_GREETINGS {
        return wrong.is("/greeting", format!("must be at most {MAX_GREETINGS} languages"));
    }
    for (language, text) in change {
        let pointer = || format!("/greeting/{}", escape(language));
        if !is_language(language) {
            wrong.is(pointer(), LANGUAGE);
            continue;
        }
        match text {
            None => drop(greeting.remove(language)),
            Some(text) if is_text(text, MAX_GREETING_CHARS) => {
                greeting.insert(language.clone(), text.trim().to_owned());
            }
            Some(_) => wrong.is(pointer(), format!("must be a text of 1 to {MAX_GREETING_CHARS} characters")),
        }
    }
    if greeting.len() > MAX_GREETINGS {
        wrong.is("/greeting", format!("must be at most {MAX_GREETINGS} languages"));
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
    fn changed(&self, change: &ThemeChange, wrong: &mut Wrong) -> Self {
        let mut theme = self.clone();
        if let Some(accent) = &change.accent {
            theme.accent = accent.to_ascii_lowercase();
            let digits = theme.accent.strip_prefix('#').unwrap_or_default();
            if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                wrong.is("/theme/accent", "must be a colour like #2f6f4f");
            }
        }
        theme.position = change.position.unwrap_or(theme.position);
        theme.scheme = change.scheme.unwrap_or(theme.scheme);
        theme
    }

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

    fn site() -> Site {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Site {
            org: "org_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            id: "site_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            project: ProjectId::new(Timestamp::from_millis(1), [3; 10]),
            site_key: "pk_1".to_owned(),
            name: "Camomile".to_owned(),
            origins: vec!["https://camomile.example".to_owned()],
            theme: Theme::default(),
            greeting: BTreeMap::from([("en".to_owned(), "Hello!".to_owned())]),
            locale: "en".to_owned(),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    fn change(json: Value) -> SiteChange {
        serde_json::from_value(json).unwrap()
    }

    fn exact(origin: &str) -> Option<String> {
        origin.starts_with("https://").then(|| origin.trim_end_matches('/').to_owned())
    }

    #[test]
    fn a_change_changes_what_it_names() {
        let changed = site()
            .changed(
                &change(serde_json::json!({
                    "name": "  Camomile \n tea ",
                    "origins": ["https://a.example", "https://a.example/", "https://b.example"],
                    "theme": { "accent": "#AABBCC", "scheme": null },
                    "greeting": { "ru": " Здравствуйте! ", "en": null },
                })),
                exact,
            )
            .unwrap();
        assert_eq!(changed.name, "Camomile tea");
        assert_eq!(changed.origins, ["https://a.example", "https://b.example"]);
        assert_eq!(changed.theme, Theme { accent: "#aabbcc".to_owned(), ..Theme::default() });
        assert_eq!(changed.greeting, BTreeMap::from([("ru".to_owned(), "Здравствуйте!".to_owned())]));
        assert_eq!(changed.locale, "en");
        assert_eq!(site().changed(&change(serde_json::json!({ "name": null })), exact), Ok(site()));
        assert_eq!(
            site().changed(&change(serde_json::json!({ "origins": [] })), exact).unwrap().origins,
            [""; 0]
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let many = vec!["https://a.example"; MAX_ORIGINS + 1];
        let languages: BTreeMap<String, &str> =
            ('a'..='z').map(|letter| (format!("x{letter}"), "Hello")).collect();
        for (wrong, pointers) in [
            (
                serde_json::json!({
                    "name": " ", "origins": ["https://a.example", "*"], "theme": { "accent": "red" },
                    "greeting": { "en": "", "русский/1": "x" }, "locale": "en-GB",
                }),
                &["/name", "/origins/1", "/theme/accent", "/greeting/en", "/greeting/русский~11", "/locale"]
                    [..],
            ),
            (serde_json::json!({ "name": "x".repeat(101), "origins": many }), &["/name", "/origins"]),
            (serde_json::json!({ "name": "a\u{7}b", "greeting": languages }), &["/name", "/greeting"]),
            (serde_json::json!({ "origins": [format!("https://{}", "a".repeat(300))] }), &["/origins/0"]),
            (serde_json::json!({ "theme": { "accent": "#12345é" } }), &["/theme/accent"]),
        ] {
            let told = site().changed(&change(wrong), exact).unwrap_err();
            assert_eq!(told.iter().map(|field| field.pointer.as_str()).collect::<Vec<_>>(), pointers);
        }
    }

    #[test]
    fn languages_that_come_one_by_one_are_bounded_too() {
        let mut site = site();
        for letter in 'a'..'t' {
            let greeting = serde_json::json!({ "greeting": { format!("x{letter}"): "Hello" } });
            site = site.changed(&change(greeting), exact).unwrap();
        }
        let one_more = change(serde_json::json!({ "greeting": { "xz": "Hello" } }));
        assert_eq!(site.changed(&one_more, exact).unwrap_err()[0].pointer, "/greeting");
    }
}
