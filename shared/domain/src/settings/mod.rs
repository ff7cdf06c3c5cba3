//! The settings of an organisation: typed, each with a range and a default.
//!
//! The table below is the one place that knows a setting. The struct, the check of a change, the texts of errors, the
//! documentation and the OpenAPI ranges all come from it. Stored is only what differs from the defaults, so that a
//! better default reaches every organisation that did not choose otherwise.

mod field;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::SchemaType};

pub use field::{ByLanguage, Field, Range, SEARCH_MODES, SearchMode};
pub(crate) use field::{LANGUAGE, is_language};

use crate::error::FieldError;

macro_rules! settings {
    (
        $($(#[doc = $group_doc:literal])* $group:ident: $type:ident {
            $($(#[doc = $doc:literal])* $name:ident: $kind:ty = $default:expr, $range:expr;)*
        })*
        { $($(#[doc = $top_doc:literal])* $top:ident: $top_kind:ty = $top_default:expr, $top_range:expr;)* }
    ) => {
        /// The settings of an organisation.
        #[derive(Debug, Clone, PartialEq, Default, Serialize)]
        pub struct Settings {
            $($(#[doc = $group_doc])* pub $group: $type,)*
            $($(#[doc = $top_doc])* pub $top: $top_kind,)*
        }

        $(
            $(#[doc = $group_doc])*
            #[derive(Debug, Clone, PartialEq, Serialize)]
            pub struct $type {
                $($(#[doc = $doc])* pub $name: $kind,)*
            }

            impl Default for $type {
                fn default() -> Self {
                    Self { $($name: $default,)* }
                }
            }
        )*

        /// Every setting, in the order of the documentation.
        pub static FIELDS: &[Field] = &[
            $($(Field {
                group: Some(stringify!($group)),
                name: stringify!($name),
                doc: concat!($($doc),*).trim_ascii(),
                range: $range,
                get: |settings| field::to_json(&settings.$group.$name),
                set: |settings, value| {
                    settings.$group.$name = match value {
                        Some(value) => field::from_json::<$kind>(value)?,
                        None => $default,
                    };
                    Ok(())
                },
            },)*)*
            $(Field {
                group: None,
                name: stringify!($top),
                doc: concat!($($top_doc),*).trim_ascii(),
                range: $top_range,
                get: |settings| field::to_json(&settings.$top),
                set: |settings, value| {
                    settings.$top = match value {
                        Some(value) => field::from_json::<$top_kind>(value)?,
                        None => $top_default,
                    };
                    Ok(())
                },
            },)*
        ];

        /// The groups, each with what it is about.
        pub const GROUPS: &[(&str, &str)] =
            &[$((stringify!($group), concat!($($group_doc),*).trim_ascii()),)*];
    };
}

settings! {
    /// Which models answer, and how.
    model: ModelSettings {
        /// The chat model; null means the deployment's (`OPENAI_MODEL`).
        chat_model: Option<String> = None, Range::OptionalText { max_chars: 200 };
        /// The smaller model that is asked when the first one fails; null means the deployment's (`OPENAI_FALLBACK_MODEL`).
        fallback_model: Option<String> = None, Range::OptionalText { max_chars: 200 };
        /// Sampling temperature: 0 repeats itself, 2 is wild.
        temperature: f64 = 0.2, Range::Number { min: 0.0, max: 2.0 };
        /// Whether the temperature is sent at all; off leaves it to the provider.
        send_temperature: bool = true, Range::Switch;
        /// The longest answer, in tokens.
        max_answer_tokens: u32 = 800, Range::Whole { min: 16, max: 16_000 };
        /// Everything the model is given and answers, in tokens: instructions, history, passages and the answer. A model that says it
        /// takes less gets less.
        context_tokens: u32 = 8_000, Range::Whole { min: 1_000, max: 200_000 };
    }
    /// How evidence is looked for in the documents.
    retrieval: RetrievalSettings {
        /// By words, by meaning, or both. Without an embedding model, and while it does not answer, it is by words; by meaning alone
        /// can be chosen only where there is one.
        mode: SearchMode = SearchMode::Hybrid, Range::OneOf(SEARCH_MODES);
        /// How many passages the model is given.
        passages: u32 = 6, Range::Whole { min: 1, max: 20 };
        /// How much of a question a statement must cover to be quoted where no model answers, 0 to 1: with more, less is quoted.
        min_evidence: f64 = crate::quote::LEAST_COVERAGE, Range::Number { min: 0.0, max: 1.0 };
        /// The weight of meaning against words in a hybrid search, 0 to 1.
        vector_weight: f64 = 0.5, Range::Number { min: 0.0, max: 1.0 };
    }
    /// How long is waited for a model, in milliseconds. A model on this machine or in its network may take longer where a
    /// default stands: it may have to be loaded first, and writes slowly.
    timeouts: TimeoutSettings {
        /// Until a connection is there.
        connect_ms: u32 = 3_000, Range::Whole { min: 100, max: 30_000 };
        /// Until the first token is there.
        first_token_ms: u32 = 15_000, Range::Whole { min: 500, max: 120_000 };
        /// Between two tokens.
        token_gap_ms: u32 = 10_000, Range::Whole { min: 500, max: 120_000 };
        /// For the whole answer.
        answer_ms: u32 = 60_000, Range::Whole { min: 1_000, max: 600_000 };
    }
    /// How much is accepted, and how often.
    limits: LimitSettings {
        /// The longest message of a visitor, in characters.
        max_message_chars: u32 = 4_000, Range::Whole { min: 1, max: 32_000 };
        /// The largest file, in bytes. The readers of Cloudflare and Spin take 24 MiB at most, a database that keeps files 20 MiB.
        max_upload_bytes: u64 = 20 * 1024 * 1024, Range::Whole { min: 1_024, max: 104_857_600 };
        /// Files that one visitor may upload in 24 hours.
        uploads_per_day: u32 = 50, Range::Whole { min: 1, max: 100_000 };
        /// What the files that one visitor uploads in 24 hours may take together, in bytes.
        upload_bytes_per_day: u64 = 200 * 1024 * 1024, Range::Whole { min: 1_024, max: 1_099_511_627_776 };
        /// What all uploads of the organisation may take together, in bytes.
        uploads_total_bytes: u64 = 10 * 1024 * 1024 * 1024, Range::Whole { min: 1_024, max: 1_125_899_906_842_624 };
        /// Reads per minute of one visitor or user.
        reads_per_minute: u32 = 100, Range::Whole { min: 1, max: 100_000 };
        /// Writes per minute of one visitor or user.
        writes_per_minute: u32 = 30, Range::Whole { min: 1, max: 100_000 };
        /// Calls per minute of one address, behind which there may be many people: those without a token (a page view is one, a
        /// new visitor counts as four more), and all writes.
        address_calls_per_minute: u32 = 1_200, Range::Whole { min: 1, max: 1_000_000 };
        /// Attempts to log in per minute of one address, and for one account.
        logins_per_minute: u32 = 5, Range::Whole { min: 1, max: 1_000 };
    }
    /// What is refused, hidden or said instead.
    guardrails: GuardrailSettings {
        /// Answer from the documents alone; without evidence the fallback text is said.
        only_from_evidence: bool = true, Range::Switch;
        /// Refuse messages that try to change the assistant's instructions.
        block_injections: bool = true, Range::Switch;
        /// Hide personal data (e-mail, phone, card, passport and insurance numbers) from the model and in its answers.
        mask_personal_data: bool = true, Range::Switch;
        /// Words or phrases the assistant does not talk about, in any inflection.
        blocked_topics: Vec<String> = Vec::new(), Range::Texts { max_items: 100, max_chars: 100 };
        /// What is said when the documents have no answer, by language; a language without one has a built-in text.
        fallback_text: ByLanguage = ByLanguage::new(), Range::ByLanguage { max_items: 20, max_chars: 1_000 };
    }
    /// How much may be spent.
    budget: BudgetSettings {
        /// Tokens per UTC day, then answers step down to quotes; 0 means without a limit.
        tokens_per_day: u64 = 0, Range::Whole { min: 0, max: 10_000_000_000 };
    }
    {
        /// Whether the service is closed for maintenance: reading goes on, changes are answered with 503 (but an admin's).
        maintenance: bool = false, Range::Switch;
    }
}

/// The types of files that are read. They are recognised by content, never by name.
pub const UPLOAD_TYPES: &[&str] = &[
    "text/plain",
    "text/markdown",
    "text/html",
    "text/csv",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
];

/// `~` and `/` in a name, as JSON pointers write them.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// One field that a change touched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingChange {
    /// The JSON pointer to it.
    pub field: String,
    /// Its value before.
    pub old: Value,
    /// Its value now.
    pub new: Value,
}

impl Settings {
    /// Settings from what is stored. A stored value that this version does not know or allow is its default: an older
    /// version of Frontdesk may have stored it, and an organisation must not lose its front desk for it.
    #[must_use]
    pub fn from_stored(changed: &Value) -> Self {
        let mut settings = Self::default();
        for field in FIELDS {
            let stored = match field.group {
                Some(group) => changed.get(group).and_then(|group| group.get(field.name)),
                None => changed.get(field.name),
            };
            if let Some(value) = stored.filter(|value| !value.is_null()) {
                // Left at its default when it does not fit.
                let _ = field.apply(&mut settings, value);
            }
        }
        settings
    }

    /// What is stored: only what differs from the defaults.
    #[must_use]
    pub fn to_stored(&self) -> Value {
        let defaults = Self::default();
        let mut all = Map::new();
        for field in FIELDS {
            let value = (field.get)(self);
            if value == (field.get)(&defaults) {
                continue;
            }
            match field.group {
                None => drop(all.insert(field.name.to_owned(), value)),
                Some(group) => {
                    let group = all.entry(group).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(group) = group {
                        group.insert(field.name.to_owned(), value);
                    }
                }
            }
        }
        Value::Object(all)
    }

    /// What is stored in place of `before`: what only a newer version knows, or allows, stays there.
    #[must_use]
    pub fn to_stored_over(&self, before: &Value) -> Value {
        let mut all = match before {
            Value::Object(all) => all.clone(),
            _ => Map::new(),
        };
        let read = Self::from_stored(before);
        for field in FIELDS {
            let Some(fields) = (match field.group {
                None => Some(&mut all),
                Some(group) => all.entry(group).or_insert_with(|| Value::Object(Map::new())).as_object_mut(),
            }) else {
                continue;
            };
            let (value, default) = ((field.get)(self), (field.get)(&Self::default()));
            let stored = fields.get(field.name);
            let unreadable = stored.is_some_and(|stored| field.apply(&mut Self::default(), stored).is_err());
            if unreadable && value == (field.get)(&read) {
                continue;
            }
            if value == default {
                fields.remove(field.name);
            } else {
                fields.insert(field.name.to_owned(), value);
            }
        }
        let known = |name: &String| GROUPS.iter().any(|(group, _)| group == name);
        all.retain(|name, group| !known(name) || group.as_object().is_none_or(|fields| !fields.is_empty()));
        Value::Object(all)
    }

    /// These settings with a JSON merge patch applied: only what it names changes, `null` brings a default back.
    ///
    /// # Errors
    /// Every field that is unknown, of the wrong type or out of its range, all at once.
    pub fn patched(&self, patch: &Value) -> Result<Self, Vec<FieldError>> {
        let mut next = self.clone();
        let mut errors = Vec::new();
        let mut wrong = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
        let Value::Object(patch) = patch else {
            wrong(String::new(), "must be an object".to_owned());
            return Err(errors);
        };
        for (name, value) in patch {
            let pointer = format!("/{}", escape(name));
            if let Some(field) = field_of(None, name) {
                apply(field, &mut next, value, &mut wrong);
            } else if GROUPS.iter().any(|(group, _)| group == name) {
                match value {
                    Value::Null => {
                        for field in FIELDS.iter().filter(|field| field.group == Some(name)) {
                            apply(field, &mut next, value, &mut wrong);
                        }
                    }
                    Value::Object(fields) => {
                        for (field_name, value) in fields {
                            match field_of(Some(name), field_name) {
                                Some(field) => apply(field, &mut next, value, &mut wrong),
                                None => wrong(
                                    format!("{pointer}/{}", escape(field_name)),
                                    format!("unknown setting; {name} has {}", names_of(Some(name))),
                                ),
                            }
                        }
                    }
                    _ => wrong(pointer, format!("must be an object with {}", names_of(Some(name)))),
                }
            } else {
                wrong(pointer, format!("unknown setting; there are {}", names_of(None)));
            }
        }
        if errors.is_empty() {
            errors = next.contradictions();
        }
        if errors.is_empty() { Ok(next) } else { Err(errors) }
    }

    /// Settings that are each in range but do not go together.
    fn contradictions(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |ok: bool, pointer: &str, detail: String| {
            if !ok {
                errors.push(FieldError { pointer: pointer.to_owned(), detail });
            }
        };
        let timeouts = &self.timeouts;
        check(
            timeouts.answer_ms >= timeouts.first_token_ms,
            "/timeouts/answer_ms",
            format!("must be at least timeouts.first_token_ms, which is {}", timeouts.first_token_ms),
        );
        check(
            timeouts.first_token_ms >= timeouts.connect_ms,
            "/timeouts/first_token_ms",
            format!("must be at least timeouts.connect_ms, which is {}", timeouts.connect_ms),
        );
        check(
            self.model.context_tokens > self.model.max_answer_tokens,
            "/model/context_tokens",
            format!("must be more than model.max_answer_tokens, which is {}", self.model.max_answer_tokens),
        );
        errors
    }

    /// What differs in `next`.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<SettingChange> {
        FIELDS
            .iter()
            .filter_map(|field| {
                let (old, new) = ((field.get)(self), (field.get)(next));
                (old != new).then(|| SettingChange { field: field.pointer(), old, new })
            })
            .collect()
    }
}

fn field_of(group: Option<&str>, name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.group == group && field.name == name)
}

fn names_of(group: Option<&str>) -> String {
    let fields = FIELDS.iter().filter(|field| field.group == group).map(|field| field.name);
    match group {
        Some(_) => fields.collect::<Vec<_>>().join(", "),
        None => GROUPS.iter().map(|(name, _)| *name).chain(fields).collect::<Vec<_>>().join(", "),
    }
}

fn apply(field: &Field, settings: &mut Settings, value: &Value, wrong: &mut impl FnMut(String, String)) {
    if let Err(errors) = field.apply(settings, value) {
        for (inner, detail) in errors {
            wrong(format!("{}{inner}", field.pointer()), detail);
        }
    }
}

/// A change of settings: any of the fields of [`Settings`], `null` for the default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct SettingsPatch(pub Value);

fn schema(patch: bool) -> RefOr<Schema> {
    let defaults = Settings::default();
    let closed = || {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
    };
    let mut all = closed();
    for (group, doc) in GROUPS {
        let mut object = closed().description(Some(*doc));
        if patch {
            object = object.schema_type(SchemaType::from_iter([Type::Object, Type::Null]));
        }
        for field in FIELDS.iter().filter(|field| field.group == Some(group)) {
            object =
                object.property(field.name, field.range.schema(field.doc, &(field.get)(&defaults), patch));
            if !patch {
                object = object.required(field.name);
            }
        }
        all = all.property(*group, object);
        if !patch {
            all = all.required(*group);
        }
    }
    for field in FIELDS.iter().filter(|field| field.group.is_none()) {
        all = all.property(field.name, field.range.schema(field.doc, &(field.get)(&defaults), patch));
        if !patch {
            all = all.required(field.name);
        }
    }
    all.into()
}

impl utoipa::PartialSchema for Settings {
    fn schema() -> RefOr<Schema> {
        schema(false)
    }
}

impl utoipa::ToSchema for Settings {}

impl utoipa::PartialSchema for SettingsPatch {
    fn schema() -> RefOr<Schema> {
        schema(true)
    }
}

impl utoipa::ToSchema for SettingsPatch {}

/// The settings as a table for the documentation.
#[must_use]
pub fn markdown() -> String {
    let defaults = Settings::default();
    let mut text = String::from("| setting | what it does | allowed | default |\n|---|---|---|---|\n");
    for field in FIELDS {
        let name = field.pointer().trim_start_matches('/').replace('/', ".");
        let default = (field.get)(&defaults);
        text.push_str(&format!("| `{name}` | {} | {} | `{default}` |\n", field.doc, field.range));
    }
    text
}

#[cfg(test)]
mod tests;
