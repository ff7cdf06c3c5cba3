use proptest::prelude::*;
use serde_json::json;

use super::*;

fn wrong(patch: &Value) -> Vec<(String, String)> {
    let errors = Settings::default().patched(patch).unwrap_err();
    errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
}

#[test]
fn defaults_are_in_their_ranges_and_go_together() {
    let defaults = Settings::default();
    for field in FIELDS {
        let value = (field.get)(&defaults);
        if !value.is_null() {
            assert_eq!(field.range.check(&value), vec![], "{}", field.pointer());
        }
        assert!(!field.doc.is_empty() && field.doc.ends_with('.'), "{}: {:?}", field.pointer(), field.doc);
    }
    assert_eq!(defaults.contradictions(), vec![]);
}

#[test]
fn only_what_differs_is_stored() {
    let settings = Settings::default()
        .patched(&json!({"limits": {"max_message_chars": 100}, "maintenance": true}))
        .unwrap();
    assert_eq!(settings.to_stored(), json!({"limits": {"max_message_chars": 100}, "maintenance": true}));
    assert_eq!(Settings::from_stored(&settings.to_stored()), settings);
    let back = settings.patched(&json!({"limits": null, "maintenance": null})).unwrap();
    assert_eq!(back.to_stored(), json!({}));
}

#[test]
fn what_a_newer_version_stored_stays_when_this_one_changes_something_else() {
    let newer = json!({
        "of_tomorrow": { "level": 3 },
        "switch": true,
        "limits": { "max_message_chars": 100, "bursts": 7 },
        "retrieval": { "mode": "telepathy" },
        "budget": 12,
    });
    let read = Settings::from_stored(&newer);
    assert_eq!(read.retrieval.mode, SearchMode::Hybrid, "what is not known is at its default");
    let changed =
        read.patched(&json!({ "limits": { "max_message_chars": null }, "maintenance": true })).unwrap();
    let mut expected = newer.clone();
    expected["limits"] = json!({ "bursts": 7 });
    expected["maintenance"] = json!(true);
    assert_eq!(changed.to_stored_over(&newer), expected);
    let chosen = changed.patched(&json!({ "retrieval": { "mode": "lexical" } })).unwrap();
    expected["retrieval"] = json!({ "mode": "lexical" });
    assert_eq!(chosen.to_stored_over(&newer), expected, "a choice made here is one");
    for known in [&read, &changed, &chosen, &Settings::default()] {
        assert_eq!(known.to_stored_over(&json!({})), known.to_stored());
        assert_eq!(known.to_stored_over(&Settings::default().to_stored()), known.to_stored());
        assert_eq!(Settings::default().to_stored_over(&known.to_stored()), json!({}));
    }
}

#[test]
fn a_default_that_is_set_again_is_not_stored() {
    let settings = Settings::default().patched(&json!({"limits": {"reads_per_minute": 100}})).unwrap();
    assert_eq!(settings.to_stored(), json!({}));
}

#[test]
fn every_error_is_told_at_once_with_its_pointer_and_range() {
    let errors = wrong(&json!({
        "model": {"temperature": 2.5, "chat_model": "", "colour": 1},
        "limits": {"max_message_chars": 1.5, "reads_per_minute": -1},
        "guardrails": {"blocked_topics": ["ok", ""], "fallback_text": {"english": "x", "ru": 5}},
        "retrieval": {"mode": "magic"},
        "budget": 7,
        "maintenance": "yes",
        "a/b": 1,
    }));
    let pointers: Vec<&str> = errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for expected in [
        "/model/temperature",
        "/model/chat_model",
        "/model/colour",
        "/limits/max_message_chars",
        "/limits/reads_per_minute",
        "/guardrails/blocked_topics/1",
        "/guardrails/fallback_text/english",
        "/guardrails/fallback_text/ru",
        "/retrieval/mode",
        "/budget",
        "/maintenance",
        "/a~1b",
    ] {
        assert!(pointers.contains(&expected), "{expected} is missing in {pointers:?}");
    }
    assert_eq!(pointers.len(), 12);
    let text = |pointer: &str| {
        errors.iter().find(|(at, _)| at == pointer).map(|(_, detail)| detail.as_str()).unwrap()
    };
    assert_eq!(text("/model/temperature"), "must be a number from 0 to 2");
    assert_eq!(text("/limits/max_message_chars"), "must be a whole number from 1 to 32000");
    assert_eq!(text("/retrieval/mode"), "must be one of lexical, vector, hybrid");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let errors = wrong(&json!({"timeouts": {"answer_ms": 1000}}));
    assert_eq!(errors[0].0, "/timeouts/answer_ms");
    assert!(errors[0].1.contains("15000"), "{}", errors[0].1);
    assert_eq!(wrong(&json!({"model": {"max_answer_tokens": 8000}}))[0].0, "/model/context_tokens");
}

#[test]
fn texts_are_merged_language_by_language() {
    let first = Settings::default()
        .patched(&json!({"guardrails": {"fallback_text": {"ru": "Не знаю", "en": "No idea"}}}))
        .unwrap();
    let second =
        first.patched(&json!({"guardrails": {"fallback_text": {"en": null, "de": "Keine Ahnung"}}})).unwrap();
    let texts: Vec<_> =
        second.guardrails.fallback_text.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(texts, [("de", "Keine Ahnung"), ("ru", "Не знаю")]);
}

#[test]
fn a_stored_value_that_is_no_longer_allowed_is_its_default() {
    let stored = json!({"limits": {"max_message_chars": 0, "writes_per_minute": 7}, "gone": {"x": 1}, "maintenance": 3});
    let settings = Settings::from_stored(&stored);
    assert_eq!(settings.limits.max_message_chars, 4_000);
    assert_eq!(settings.limits.writes_per_minute, 7);
    assert!(!settings.maintenance);
}

#[test]
fn changes_name_field_and_values() {
    let old = Settings::default();
    let new = old.patched(&json!({"model": {"temperature": 1}})).unwrap();
    assert_eq!(
        old.changes(&new),
        [SettingChange { field: "/model/temperature".into(), old: json!(0.2), new: json!(1.0) }]
    );
}

#[test]
fn the_stored_form_is_unchanged() {
    let settings = Settings::default()
        .patched(&json!({"retrieval": {"mode": "lexical"}, "model": {"chat_model": "m"}, "budget": {"tokens_per_day": 5}}))
        .unwrap();
    assert_eq!(
        settings.to_stored().to_string(),
        r#"{"budget":{"tokens_per_day":5},"model":{"chat_model":"m"},"retrieval":{"mode":"lexical"}}"#
    );
}

#[test]
fn openapi_says_the_ranges_that_are_checked() {
    let schema = serde_json::to_value(<Settings as utoipa::PartialSchema>::schema()).unwrap();
    for field in FIELDS {
        let pointer = match field.group {
            Some(group) => format!("/properties/{group}/properties/{}", field.name),
            None => format!("/properties/{}", field.name),
        };
        let said = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        match field.range {
            Range::Whole { min, max } => {
                assert_eq!(
                    (said["minimum"].as_u64(), said["maximum"].as_u64()),
                    (Some(min), Some(max)),
                    "{pointer}"
                );
            }
            Range::Number { min, max } => {
                assert_eq!(
                    (said["minimum"].as_f64(), said["maximum"].as_f64()),
                    (Some(min), Some(max)),
                    "{pointer}"
                );
            }
            _ => assert!(said.is_object()),
        }
        assert_eq!(said["description"], field.doc);
    }
    let patch = serde_json::to_value(<SettingsPatch as utoipa::PartialSchema>::schema()).unwrap();
    assert_eq!(patch["additionalProperties"], json!(false));
    assert_eq!(
        patch.pointer("/properties/model/properties/temperature/type"),
        Some(&json!(["number", "null"]))
    );
}

proptest! {
    #[test]
    fn whatever_a_whole_number_is_set_to_it_stays_in_range(value in any::<i64>()) {
        let patched = Settings::default().patched(&json!({"limits": {"writes_per_minute": value}}));
        match patched {
            Ok(settings) => prop_assert_eq!(i64::from(settings.limits.writes_per_minute), value),
            Err(errors) => {
                prop_assert!(!(1..=100_000).contains(&value));
                prop_assert_eq!(&errors[0].pointer, "/limits/writes_per_minute");
            }
        }
    }

    #[test]
    fn any_json_is_either_applied_or_refused_with_a_pointer(text in "[a-z{}\\[\\]\":0-9,]{0,60}") {
        if let Ok(value) = serde_json::from_str::<Value>(&text)
            && let Err(errors) = Settings::default().patched(&value) {
            prop_assert!(!errors.is_empty());
        }
    }
}
