//! What a setting may be: its kind and range, in one value from which checks, texts and OpenAPI are made.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, Array, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::SchemaType};

use super::Settings;

/// The kind and range of one setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Whole {
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A number.
    Number {
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text of 1 to `max_chars` characters, or nothing.
    OptionalText {
        /// The longest allowed, in characters.
        max_chars: usize,
    },
    /// A list of texts of 1 to `max_chars` characters each.
    Texts {
        /// The longest list.
        max_items: usize,
        /// The longest text, in characters.
        max_chars: usize,
    },
    /// Texts by language (`ru`, `en`, …), each of 1 to `max_chars` characters.
    ByLanguage {
        /// The most languages.
        max_items: usize,
        /// The longest text, in characters.
        max_chars: usize,
    },
}

/// One setting: everything there is to know about it.
pub struct Field {
    /// The group it stands in; none for a setting at the top.
    pub group: Option<&'static str>,
    /// Its name.
    pub name: &'static str,
    /// What it does, with its unit.
    pub doc: &'static str,
    /// Its kind and range.
    pub range: Range,
    /// Its value.
    pub get: fn(&Settings) -> Value,
    /// Sets it to a value in range, or back to its default.
    pub(super) set: fn(&mut Settings, Option<Value>) -> Result<(), serde_json::Error>,
}

impl Field {
    /// The JSON pointer to it: `/limits/max_message_chars`.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.group.map_or_else(|| format!("/{}", self.name), |group| format!("/{group}/{}", self.name))
    }

    /// Sets it from what a caller sent; `null` is the default. Texts by language are merged language by language.
    ///
    /// # Errors
    /// Where within the value it is wrong (a JSON pointer, often empty), and what is allowed.
    pub(super) fn apply(&self, settings: &mut Settings, value: &Value) -> Result<(), Vec<(String, String)>> {
        if value.is_null() {
            return (self.set)(settings, None).map_err(|error| vec![(String::new(), error.to_string())]);
        }
        let value = match (self.range, value) {
            (Range::ByLanguage { .. }, Value::Object(patch)) => {
                let mut merged = (self.get)(settings);
                if let Value::Object(merged) = &mut merged {
                    for (language, text) in patch {
                        if text.is_null() {
                            merged.remove(language);
                        } else {
                            merged.insert(language.clone(), text.clone());
                        }
                    }
                }
                merged
            }
            _ => value.clone(),
        };
        let wrong = self.range.check(&value);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        (self.set)(settings, Some(value))
            .map_err(|_| vec![(String::new(), format!("must be {}", self.range))])
    }
}

/// Makes a field's `get`.
pub(super) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Makes a field's `set`.
pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch => f.write_str("true or false"),
            Self::Whole { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::OptionalText { max_chars } => write!(f, "a text of 1 to {max_chars} characters, or null"),
            Self::Texts { max_items, max_chars } => {
                write!(f, "a list of at most {max_items} texts of 1 to {max_chars} characters each")
            }
            Self::ByLanguage { max_items, max_chars } => write!(
                f,
                "an object of at most {max_items} languages (two or three small letters) with texts of 1 to {max_chars} \
                 characters"
            ),
        }
    }
}

fn fits(value: &Value, max_chars: usize) -> bool {
    // Counting bytes first spares counting the characters of a huge text.
    value.as_str().is_some_and(|text| {
        text.len() <= max_chars.saturating_mul(4)
            && text.chars().count() <= max_chars
            && !text.trim().is_empty()
            && !text.contains('\0')
    })
}

/// What is said of a text that is none.
pub(crate) const LANGUAGE: &str = "a language is two or three small letters, like ru or en";

/// Whether this is a language as settings name it: `ru`, `en`, `deu`.
pub(crate) fn is_language(text: &str) -> bool {
    (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

impl Range {
    /// What is wrong with `value`, each with a pointer into it; empty when it is in range.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<(String, String)> {
        let whole = || vec![(String::new(), format!("must be {self}"))];
        let ok = match (self, value) {
            (Self::Switch, Value::Bool(_)) => true,
            (Self::Whole { min, max }, Value::Number(number)) => {
                number.as_u64().is_some_and(|number| (*min..=*max).contains(&number))
            }
            (Self::Number { min, max }, Value::Number(number)) => {
                number.as_f64().is_some_and(|number| (*min..=*max).contains(&number))
            }
            (Self::OneOf(words), Value::String(word)) => words.contains(&word.as_str()),
            (Self::OptionalText { max_chars }, text @ Value::String(_)) => fits(text, *max_chars),
            (Self::Texts { max_items, max_chars }, Value::Array(items)) => {
                if items.len() > *max_items {
                    return whole();
                }
                return items
                    .iter()
                    .enumerate()
                    .filter(|(_, item)| !fits(item, *max_chars))
                    .map(|(index, _)| {
                        (format!("/{index}"), format!("must be a text of 1 to {max_chars} characters"))
                    })
                    .collect();
            }
            (Self::ByLanguage { max_items, max_chars }, Value::Object(items)) => {
                if items.len() > *max_items {
                    return whole();
                }
                return items
                    .iter()
                    .filter_map(|(language, text)| {
                        let pointer = format!("/{}", super::escape(language));
                        if !is_language(language) {
                            Some((pointer, LANGUAGE.to_owned()))
                        } else if !fits(text, *max_chars) {
                            Some((pointer, format!("must be a text of 1 to {max_chars} characters")))
                        } else {
                            None
                        }
                    })
                    .collect();
            }
            _ => false,
        };
        if ok { Vec::new() } else { whole() }
    }

    /// The range as OpenAPI says it. In a patch `null` stands for the default.
    pub(super) fn schema(&self, doc: &str, default: &Value, patch: bool) -> RefOr<Schema> {
        let nullable = |kind: Type| {
            if patch || matches!(self, Self::OptionalText { .. }) {
                SchemaType::from_iter([kind, Type::Null])
            } else {
                SchemaType::new(kind)
            }
        };
        let text = |max_chars: usize| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(max_chars))
                .build()
        };
        let object = ObjectBuilder::new().description(Some(doc)).default((!patch).then_some(default.clone()));
        match *self {
            Self::Switch => object.schema_type(nullable(Type::Boolean)).into(),
            Self::Whole { min, max } => object
                .schema_type(nullable(Type::Integer))
                .minimum(Some(usize::try_from(min).unwrap_or(usize::MAX)))
                .maximum(Some(usize::try_from(max).unwrap_or(usize::MAX)))
                .into(),
            Self::Number { min, max } => {
                object.schema_type(nullable(Type::Number)).minimum(Some(min)).maximum(Some(max)).into()
            }
            Self::OneOf(words) => {
                let mut values: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
                if patch {
                    values.push(Value::Null);
                }
                object.schema_type(nullable(Type::String)).enum_values(Some(values)).into()
            }
            Self::OptionalText { max_chars } => object
                .schema_type(nullable(Type::String))
                .min_length(Some(1))
                .max_length(Some(max_chars))
                .into(),
            Self::Texts { max_items, max_chars } => {
                let array: Array = ArrayBuilder::new()
                    .schema_type(nullable(Type::Array))
                    .description(Some(doc))
                    .items(RefOr::T(Schema::Object(text(max_chars))))
                    .max_items(Some(max_items))
                    .build();
                RefOr::T(Schema::Array(array))
            }
            Self::ByLanguage { max_items, max_chars } => {
                let mut value = text(max_chars);
                if patch {
                    value.schema_type = SchemaType::from_iter([Type::String, Type::Null]);
                }
                object
                    .schema_type(nullable(Type::Object))
                    .property_names(Some(Schema::Object(
                        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z]{2,3}$")).build(),
                    )))
                    .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(Schema::Object(value)))))
                    .max_properties(Some(max_items))
                    .into()
            }
        }
    }
}

/// How documents are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// By words.
    Lexical,
    /// By meaning; needs an embedding model.
    Vector,
    /// Both, fused; words alone when there is no embedding model.
    #[default]
    Hybrid,
}

/// The names of [`SearchMode`].
pub const SEARCH_MODES: &[&str] = &["lexical", "vector", "hybrid"];

/// Texts by language.
pub type ByLanguage = BTreeMap<String, String>;
