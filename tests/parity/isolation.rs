//! No organisation sees another one. Every call of `openapi.json`, with every id of one organisation, is made by callers of
//! another one and by a visitor of another site; what they are answered is, to the byte, what an id that never was is
//! answered. Sockets, event streams, ids in bodies and lists, too.
//!
//! `FRONTDESK_WALK` says how many calls are made at least; by default as many as one round has. Wants a host of its own where
//! registration is open.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, http};
use frontdesk_tests::socket::{self, Handshake};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::case::host;

/// How many calls are under way at once.
const AT_ONCE: usize = 8;
/// Ids are told from other texts by their form.
const ID_CHARS: usize = 26;

/// One call that a caller makes about an object.
#[derive(Debug, Clone)]
struct Walk {
    method: Method,
    path: String,
    body: Option<Value>,
    accept: &'static str,
}

/// What is answered, without what differs from call to call.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    kind: String,
    body: String,
}

async fn told(caller: &Caller, walk: &Walk, ids: &[&str]) -> Result<Told> {
    let mut request = caller.request(walk.method.clone(), &walk.path).header("accept", walk.accept);
    if let Some(body) = &walk.body {
        request = request.json(body);
    }
    let response = request.send().await?;
    let status = response.status().as_u16();
    let kind =
        response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap_or("?")).to_owned();
    if kind.starts_with("text/event-stream") {
        // It is open: that is all that has to be known, and it would go on.
        return Ok(Told { status, kind, body: String::new() });
    }
    let mut body = response.text().await?;
    if let Ok(Value::Object(mut problem)) = serde_json::from_str::<Value>(&body) {
        problem.remove("request_id");
        body = Value::Object(problem).to_string();
    }
    for id in ids {
        body = body.replace(id, "ID");
    }
    Ok(Told { status, kind, body })
}

/// An id of the same kind that never was.
fn never(id: &str) -> String {
    let (prefix, number) = id.rsplit_once('_').unwrap_or((id, ""));
    // The last letter is of the random part.
    let (head, last) = number.split_at(number.len().saturating_sub(1));
    let other = if last == "0" { "1" } else { "0" };
    let flipped: String = head
        .chars()
        .rev()
        .enumerate()
        .map(|(at, letter)| match (at, letter) {
            (0..=2, '7') => '3',
            (0..=2, _) => '7',
            _ => letter,
        })
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    format!("{prefix}_{flipped}{other}")
}

/// Every id in a JSON text.
fn ids_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
                let is_id = word
                    .rsplit_once('_')
                    .is_some_and(|(prefix, number)| number.len() == ID_CHARS && !prefix.is_empty());
                if is_id {
                    found.insert(word.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| ids_in(field, found)),
        _ => {}
    }
}

/// A value that a schema of the description takes, with these ids where it wants one.
fn value_for(schema: &Value, whole: &Value, ids: &BTreeMap<String, Vec<String>>, depth: usize) -> Value {
    if depth > 6 {
        return Value::Null;
    }
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return whole.pointer(pointer).map_or(Value::Null, |schema| value_for(schema, whole, ids, depth + 1));
    }
    for any in ["oneOf", "anyOf", "allOf"] {
        if let Some(options) = schema[any].as_array() {
            let option = options.iter().find(|option| option["type"] != "null");
            return option.map_or(Value::Null, |option| value_for(option, whole, ids, depth + 1));
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").cloned().unwrap_or_default(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let filled: Map<String, Value> = fields
                .iter()
                .map(|(name, schema)| (name.clone(), value_for(schema, whole, ids, depth + 1)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            Value::Object(filled)
        }
        Some("array") => json!([value_for(&schema["items"], whole, ids, depth + 1)]),
        Some("integer" | "number") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("boolean") => true.into(),
        Some("string") => {
            let prefix =
                schema["pattern"].as_str().and_then(|pattern| pattern.strip_prefix('^')?.split('_').next());
            match prefix.and_then(|prefix| ids.get(prefix)?.first()) {
                Some(id) => id.as_str().into(),
                None if schema["format"] == "date-time" => "2031-01-01T00:00:00Z".into(),
                None => "walk".into(),
            }
        }
        _ => Value::Null,
    }
}

/// Callers of another organisation and of another site.
async fn strangers(owner: &Caller) -> Result<Vec<(&'static str, Caller)>> {
    let host = host()?;
    let body = json!({
        "organisation": "Tulip", "name": "Olga", "email": format!("olga-{}@tulip.example", std::process::id()),
        "password": "violet-harbour-19",
    });
    let http = http()?;
    let answer = http.post(format!("{}/api/v1/auth/register", host.base_url)).json(&body).send().await?;
    ensure!(answer.status() == StatusCode::CREATED, "registration: {}", answer.text().await?);
    let answer: Value = answer.json().await?;
    let token = answer["access_token"].as_str().context("a token")?.to_owned();
    let olga = Caller { http: http.clone(), base: host.base_url.clone(), token };
    let visitor_of = async |operator: &Caller| {
        let new = json!({ "name": "Other", "origins": ["https://other.example"] });
        let site: Value = operator
            .post("/api/v1/sites", &new, "application/json")
            .await?
            .error_for_status()?
            .json()
            .await?;
        let key = site["site_key"].as_str().context("a key")?.to_owned();
        Caller::visitor(&frontdesk_tests::client::Ready { site_key: key, ..host.clone() }).await
    };
    let new = json!({ "name": "Program", "role": "owner" });
    let made: Value =
        olga.post("/api/v1/api-keys", &new, "application/json").await?.error_for_status()?.json().await?;
    let token = made["key"].as_str().context("a key")?.to_owned();
    let program = Caller { http, base: host.base_url.clone(), token };
    let theirs = visitor_of(&olga).await?;
    let elsewhere = visitor_of(owner).await?;
    Ok(vec![
        ("an owner", olga),
        ("a program", program),
        ("a visitor", theirs),
        ("a visitor of another site", elsewhere),
    ])
}

/// Makes one of everything in the organisation of the administrator, and gives every id that it has.
async fn objects(owner: &Caller) -> Result<BTreeSet<String>> {
    let host = host()?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let file = reqwest::multipart::Part::bytes(b"one two three".to_vec()).file_name("note.txt");
    let form = reqwest::multipart::Form::new().part("file", file);
    let upload: Value = visitor
        .request(Method::POST, "/api/v1/uploads")
        .multipart(form)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let message = json!({ "client_id": "walk-1", "text": "How long does delivery take?", "attachments": [upload["id"]] });
    let path = format!("/api/v1/conversations/{conversation}/messages");
    visitor.post(&path, &message, "application/json").await?.error_for_status()?;
    let document = json!({ "title": "Walk", "text": "Parcels are handed to the courier every morning at nine o'clock." });
    let document: Value = owner
        .post("/api/v1/documents", &document, "application/json")
        .await?
        .error_for_status()?
        .json()
        .await?;
    let id = document["id"].as_str().context("a document")?.to_owned();
    owner.document_read(&id).await?;
    let invite =
        json!({ "email": format!("walk-{}@camomile.example", std::process::id()), "role": "viewer" });
    owner.post("/api/v1/members/invites", &invite, "application/json").await?.error_for_status()?;
    owner
        .post("/api/v1/projects", &json!({ "name": "Walk" }), "application/json")
        .await?
        .error_for_status()?;
    let key = json!({ "name": "Walk", "role": "viewer" });
    owner.post("/api/v1/api-keys", &key, "application/json").await?.error_for_status()?;
    let mut found = BTreeSet::from([conversation.clone(), id.clone()]);
    ids_in(&upload, &mut found);
    for path in [
        "/api/v1/me".to_owned(),
        "/api/v1/me/sessions".to_owned(),
        "/api/v1/sites?limit=100".to_owned(),
        "/api/v1/members".to_owned(),
        "/api/v1/members/invites".to_owned(),
        "/api/v1/projects".to_owned(),
        "/api/v1/api-keys?limit=100".to_owned(),
        "/api/v1/documents?limit=100".to_owned(),
        format!("/api/v1/documents/{id}/passages"),
        format!("/api/v1/conversations/{conversation}/events?after=0&limit=500"),
    ] {
        let list = owner.get(&path, "application/json").await?.error_for_status()?.json().await?;
        ids_in(&list, &mut found);
    }
    Ok(found)
}

/// What the organisation itself sees of it all: it must be the same before and after.
async fn seen(owner: &Caller) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in [
        "/api/v1/sites?limit=100",
        "/api/v1/members",
        "/api/v1/members/invites",
        "/api/v1/projects",
        "/api/v1/api-keys?limit=100",
        "/api/v1/documents?limit=100",
        "/api/v1/settings",
    ] {
        all.push(owner.get(path, "application/json").await?.error_for_status()?.text().await?);
    }
    Ok(all)
}

/// Every call of the description that names an object in its path or in its body.
fn walks(description: &Value, ids: &BTreeSet<String>) -> Vec<(Walk, String)> {
    let mut by_prefix: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in ids {
        let prefix = id.rsplit_once('_').map_or("", |(prefix, _)| prefix);
        by_prefix.entry(prefix.to_owned()).or_default().push(id.clone());
    }
    let mut all = Vec::new();
    let paths = description["paths"].as_object().cloned().unwrap_or_default();
    for (path, operations) in &paths {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            // What ends or changes the caller itself is no call about another's object.
            if path.ends_with("/auth/logout")
                || path.ends_with("/auth/login")
                || path.ends_with("/auth/register")
            {
                continue;
            }
            for id in ids {
                let prefix = id.rsplit_once('_').map_or("", |(prefix, _)| prefix);
                let mut own = by_prefix.clone();
                own.insert(prefix.to_owned(), vec![id.clone()]);
                let body = (!schema.is_null()).then(|| value_for(schema, description, &own, 0));
                let names_it = body.as_ref().is_some_and(|body| body.to_string().contains(id.as_str()));
                if !path.contains('{') && !names_it {
                    continue;
                }
                let filled: String = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { id.as_str() } else { part })
                    .collect::<Vec<_>>()
                    .join("/");
                for accept in ["application/json", "text/event-stream"] {
                    let walk =
                        Walk { method: method.clone(), path: filled.clone(), body: body.clone(), accept };
                    all.push((walk, id.clone()));
                }
            }
        }
    }
    all
}

fn instead(walk: &Walk, id: &str, other: &str) -> Walk {
    let body = walk.body.as_ref().map(|body| {
        serde_json::from_str(&body.to_string().replace(id, other)).unwrap_or_else(|_| body.clone())
    });
    Walk { path: walk.path.replace(id, other), body, ..walk.clone() }
}

#[tokio::test]
async fn what_another_organisation_has_is_answered_as_what_never_was() -> Result<()> {
    let owner = Caller::operator(&host()?).await?;
    let ids = objects(&owner).await?;
    let kinds: BTreeSet<&str> =
        ids.iter().filter_map(|id| id.rsplit_once('_')).map(|(prefix, _)| prefix).collect();
    for kind in [
        "conv", "msg", "doc", "psg", "upl", "site", "user", "invite", "proj", "key", "login", "org",
        "visitor",
    ] {
        ensure!(kinds.contains(kind), "there is no {kind} in {kinds:?}");
    }
    let description: Value = owner.get("/api/v1/openapi.json", "application/json").await?.json().await?;
    let walks = walks(&description, &ids);
    ensure!(walks.len() > 500, "only {} calls", walks.len());
    let strangers = strangers(&owner).await?;
    let before = seen(&owner).await?;
    let wanted: usize = std::env::var("FRONTDESK_WALK").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut made, mut leaks) = (0_usize, Vec::new());
    while made == 0 || made < wanted {
        for (who, caller) in &strangers {
            let mut answers = futures_util::stream::iter(walks.iter().map(async |(walk, id)| {
                let other = never(id);
                let real = told(caller, walk, &[id, &other]).await?;
                let none = told(caller, &instead(walk, id, &other), &[id, &other]).await?;
                anyhow::Ok((walk, real, none))
            }))
            .buffer_unordered(AT_ONCE);
            while let Some(answer) = answers.next().await {
                let (walk, real, none) = answer?;
                made += 2;
                if real != none && leaks.len() < 20 {
                    leaks.push(format!(
                        "{who}: {} {} ({}): {real:?} and {none:?}",
                        walk.method, walk.path, walk.accept
                    ));
                }
            }
        }
        ensure!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
    println!("{made} calls");
    ensure!(seen(&owner).await? == before, "somebody changed what is another's");
    Ok(())
}

#[tokio::test]
async fn lists_and_sockets_show_nothing_of_another_organisation() -> Result<()> {
    let host = host()?;
    let owner = Caller::operator(&host).await?;
    let ids = objects(&owner).await?;
    let conversation = ids.iter().find(|id| id.starts_with("conv_")).context("a conversation")?;
    for (who, caller) in strangers(&owner).await? {
        let mut shown = BTreeSet::new();
        for path in [
            "sites?limit=100",
            "members",
            "members/invites",
            "projects",
            "api-keys?limit=100",
            "documents?limit=100",
            "me",
            "me/sessions",
            "usage",
            "settings",
        ] {
            let answer = caller.get(&format!("/api/v1/{path}"), "application/json").await?;
            ids_in(&answer.json().await?, &mut shown);
        }
        let search = json!({ "query": "When are parcels handed to the courier?", "limit": 10 });
        let found = caller.post("/api/v1/search", &search, "application/json").await?;
        ids_in(&found.json().await?, &mut shown);
        let common: Vec<&String> = shown.intersection(&ids).collect();
        ensure!(common.is_empty(), "{who} sees {common:?}");
        let mut refusals = Vec::new();
        for id in [conversation.clone(), never(conversation)] {
            let request =
                socket::request(&host.base_url, &id, &format!("frontdesk.v1, fd.{}", caller.token))?;
            match socket::handshake(&host.base_url, request).await? {
                Handshake::Open(..) => anyhow::bail!("{who} has a socket of {id}"),
                Handshake::Refused(status, mut body) => {
                    body["request_id"] = Value::Null;
                    refusals.push((status, body.to_string().replace(&id, "ID")));
                }
            }
        }
        ensure!(refusals[0] == refusals[1], "{who}: {refusals:?}");
        for machine in ["/metrics", "/api/v1/rooms/call"] {
            let method = if machine == "/metrics" { Method::GET } else { Method::POST };
            let answer = caller.request(method, machine).send().await?;
            ensure!(matches!(answer.status().as_u16(), 401 | 404), "{who}: {machine} {}", answer.status());
        }
    }
    Ok(())
}
