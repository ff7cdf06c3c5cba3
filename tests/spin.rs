//! `spin.toml`: what Spin's documentation of the manifest allows, and every variable that Frontdesk is told.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use frontdesk_app::config;
use serde::Deserialize;
use serde_json::Value;

/// Variables that mean nothing to the component on Spin.
const NOT_ON_SPIN: [(&str, &str); 3] = [
    ("ADMIN_EMAIL", "the first administrator is made from elsewhere, by `seed`"),
    ("ADMIN_PASSWORD", "the first administrator is made from elsewhere, by `seed`"),
    ("READER_URL", "the reader is a component of the same manifest"),
];

/// What may be connected to, by the variable that says where something is.
const HOSTS: [(&str, &str); 5] = [
    ("database_url", "database_host"),
    ("openai_base_url", "openai_host"),
    ("qdrant_url", "qdrant_host"),
    ("rooms_url", "rooms_host"),
    ("s3_endpoint", "s3_host"),
];

#[derive(Deserialize)]
struct Manifest {
    variables: BTreeMap<String, Variable>,
    component: BTreeMap<String, Component>,
    trigger: Triggers,
}

#[derive(Deserialize)]
struct Variable {
    #[serde(default)]
    required: bool,
    #[serde(default)]
    secret: bool,
    default: Option<String>,
}

#[derive(Deserialize)]
struct Component {
    source: String,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Triggers {
    http: Vec<Http>,
}

#[derive(Deserialize)]
struct Http {
    component: String,
    route: Value,
}

fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest() -> Manifest {
    toml::from_str(&text("spin.toml")).unwrap_or_else(|error| panic!("spin.toml: {error}"))
}

/// Everything that is wrong with a manifest, and where.
fn offences(manifest: &str) -> Vec<String> {
    let manifest: Value = toml::from_str(manifest).unwrap_or_else(|error| panic!("{error}"));
    let schema: Value = serde_json::from_str(&text("ops/spin-manifest.schema.json")).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    schema.iter_errors(&manifest).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// A placeholder of a manifest.
fn template(name: &str) -> String {
    format!("{{{{ {name} }}}}")
}

#[test]
fn the_manifest_is_as_spin_documents_it() {
    let found = offences(&text("spin.toml"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_slip_in_the_manifest_is_found() {
    let manifest = text("spin.toml");
    for (right, wrong) in [
        ("spin_manifest_version = 2", "spin_manifest_version = 1"),
        ("allowed_outbound_hosts = [\n", "allowed_outbound_host = [\n"),
        ("route = { private = true }", "route = { privat = true }"),
        ("route = \"/...\"", "route = \"...\""),
        ("jwt_secret = { required = true, secret = true }", "jwt_secret = { secret = true }"),
        (
            "jwt_secret = { required = true, secret = true }",
            "JWT_SECRET = { required = true, secret = true }",
        ),
        ("http://reader.spin.internal", "reader.spin.internal"),
        ("http://reader.spin.internal", "http://*"),
        ("[component.frontdesk.build]", "[component.frontdesk.builds]"),
        ("destination = \"/web\"", "destination = \"web\""),
    ] {
        assert!(manifest.contains(right), "spin.toml has no {right}");
        assert!(!offences(&manifest.replacen(right, wrong, 1)).is_empty(), "{wrong} was not found");
    }
}

#[test]
fn every_variable_is_declared_and_passed_on() {
    let Manifest { mut variables, mut component, .. } = manifest();
    let frontdesk = &mut component.get_mut("frontdesk").unwrap().variables;
    for told in config::variables() {
        let name = told.name.to_ascii_lowercase();
        if NOT_ON_SPIN.iter().any(|(not, _)| *not == told.name) {
            continue;
        }
        let declared = variables.remove(&name).unwrap_or_else(|| panic!("{name} is not declared"));
        assert_eq!(declared.secret, told.secret, "whether {name} is a secret");
        let required = told.default == "required" || told.name == "DATABASE_URL";
        assert_eq!(declared.required, required, "whether {name} is required");
        // The default is Frontdesk's own.
        assert_eq!(declared.default.as_deref(), (!required).then_some(""), "{name}");
        assert_eq!(frontdesk.remove(&name), Some(template(&name)), "how {name} is passed on");
    }
    for (_, host) in HOSTS {
        variables.remove(host);
    }
    assert_eq!(variables.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "declared for nothing");
    assert_eq!(frontdesk.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "passed on for nothing");
}

#[test]
fn what_is_left_out_is_a_variable() {
    for (name, _) in NOT_ON_SPIN {
        assert!(config::variables().any(|told| told.name == name), "{name} is no variable");
    }
}

#[test]
fn connections_go_where_variables_say_and_nowhere_else() {
    let Manifest { variables, component, trigger } = manifest();
    let mut allowed = vec!["http://reader.spin.internal".to_owned()];
    for (address, host) in HOSTS {
        allowed.push(template(host));
        let host = variables.get(host).unwrap_or_else(|| panic!("{host} is not declared"));
        let needed = variables.get(address).is_some_and(|address| address.required);
        assert_eq!(host.required, needed);
        // Earlier versions of Spin take no empty one.
        assert_ne!(host.default.as_deref(), Some(""));
    }
    assert_eq!(component["frontdesk"].allowed_outbound_hosts, allowed);
    assert!(component["reader"].allowed_outbound_hosts.is_empty());
    assert!(component["reader"].variables.is_empty());
    let reader = trigger.http.iter().find(|trigger| trigger.component == "reader").unwrap();
    assert_eq!(reader.route, serde_json::json!({ "private": true }));
}

#[test]
fn every_trigger_has_its_component_and_every_component_its_trigger() {
    let Manifest { component, trigger, .. } = manifest();
    let mut asked: Vec<_> = trigger.http.iter().map(|trigger| trigger.component.as_str()).collect();
    asked.sort_unstable();
    assert_eq!(asked, component.keys().map(String::as_str).collect::<Vec<_>>());
    let mut sources: Vec<_> = component.values().map(|component| component.source.as_str()).collect();
    sources.sort_unstable();
    // As `cargo xtask build spin` leaves them.
    assert_eq!(
        sources,
        [
            "target/wasm32-wasip2/edge/frontdesk_for_spin.wasm",
            "target/wasm32-wasip2/edge/frontdesk_reader.wasm"
        ]
    );
}
