//! Sites: made, changed and removed while a host serves. Each case takes away what it made.

use anyhow::{Result, ensure};
use frontdesk_tests::client::{Caller, poll};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::case::{Case, get, patch, post};

const SITES: &str = "/api/v1/sites";
const SESSIONS: &str = "/api/v1/widget/sessions";

fn begin(case: &Case, key: &str, origin: &str) -> RequestBuilder {
    case.public(Method::POST, SESSIONS).header("origin", origin).json(&json!({ "site_key": key }))
}

fn change(operator: &Caller, path: &str, body: &Value) -> RequestBuilder {
    operator.request(Method::PATCH, path).json(body)
}

#[tokio::test]
async fn a_site_is_made_changed_and_removed() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;

    case.title("A new site; its origins as browsers write them");
    let new = json!({
        "name": "Tea shop",
        "origins": ["https://Tea.example:443/", "http://localhost:3000"],
        "theme": { "accent": "#AA3300", "position": "left" },
        "greeting": { "en": "Hello!", "ru": "Здравствуйте!" },
        "locale": "ru",
    });
    let site = case.send(post(&operator, SITES, &new), 201).await?;
    let (key, path) = (site.text("/site_key")?, format!("{SITES}/{}", site.text("/id")?));
    case.title("A visitor comes from its page");
    let session = case.send(begin(&case, &key, "https://tea.example"), 201).await?;
    let visitor = case.with_token(&session.text("/visitor_token")?, "visitor");
    case.send(post(&visitor, "/api/v1/conversations", &json!({})), 201).await?;
    case.title("And not from another one");
    case.send(begin(&case, &key, "https://www.tea.example"), 403).await?;

    case.title("It moves");
    let moved = json!({ "origins": ["https://www.tea.example"], "greeting": { "ru": null } });
    case.send(patch(&operator, &path, 1, &moved), 200).await?;
    case.send(begin(&case, &key, "https://www.tea.example"), 201).await?;
    case.send(begin(&case, &key, "https://tea.example"), 403).await?;
    case.title("From the version before");
    case.send(patch(&operator, &path, 1, &json!({ "name": "Tea" })), 412).await?;
    case.title("From whichever is there");
    case.send(change(&operator, &path, &json!({ "name": "Tea", "theme": { "scheme": "dark" } })), 200)
        .await?;
    case.send(get(&operator, &path), 200).await?;

    case.title("It is removed");
    case.send(operator.request(Method::DELETE, &path), 204).await?;
    case.send(begin(&case, &key, "https://www.tea.example"), 422).await?;
    case.send(get(&operator, &path), 404).await?;
    // Another process may learn of it a little later.
    poll("the visitor's token to end", async || {
        let refused = post(&visitor, "/api/v1/conversations", &json!({})).send().await?;
        Ok((refused.status() == 401).then_some(()))
    })
    .await?;
    case.title("Its visitor's token counts no longer");
    case.send_until(|| post(&visitor, "/api/v1/conversations", &json!({})), 401).await?;
    case.end("sites")
}

#[tokio::test]
async fn what_is_wrong_with_a_site_is_told_at_once() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let visitor = case.visitor("visitor").await?;
    case.title("Everything is wrong");
    let wrong = json!({
        "name": " ",
        "origins": ["*", "https://*.tea.example", "tea.example", "https://tea.example/shop", "null"],
        "theme": { "accent": "red" },
        "greeting": { "en-GB": "Hello!" },
        "locale": "english",
    });
    case.send(post(&operator, SITES, &wrong), 422).await?;
    for (title, body) in [
        ("Without origins", json!({ "name": "Tea" })),
        ("A field that there is not", json!({ "name": "Tea", "origins": [], "colour": "red" })),
        (
            "A corner that there is not",
            json!({ "name": "Tea", "origins": [], "theme": { "position": "top" } }),
        ),
    ] {
        case.title(title);
        case.send(post(&operator, SITES, &body), 422).await?;
    }
    case.title("No such site");
    case.send(get(&operator, &format!("{SITES}/site_01h455vb4pex5vsknk084sn02q")), 404).await?;
    case.title("A cursor that is none");
    case.send(get(&operator, &format!("{SITES}?cursor=x")), 422).await?;
    case.title("Not for visitors");
    case.send(get(&visitor, SITES), 401).await?;
    case.end("sites_refused")
}

#[tokio::test]
async fn sites_are_listed_oldest_first() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let mut ids = Vec::new();
    for name in ["One", "Two"] {
        let new = post(&operator, SITES, &json!({ "name": name, "origins": [] })).send().await?;
        let new: Value = new.error_for_status()?.json().await?;
        ids.push(new["id"].as_str().unwrap_or_default().to_owned());
    }
    let (mut cursor, mut names) = (String::new(), Vec::new());
    loop {
        let page = get(&operator, &format!("{SITES}?limit=1{cursor}")).send().await?;
        let page: Value = page.error_for_status()?.json().await?;
        names.extend(page["items"][0]["name"].as_str().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ensure!(names == ["Camomile · Ромашка", "One", "Two"], "{names:?}");
    for id in ids {
        operator.request(Method::DELETE, &format!("{SITES}/{id}")).send().await?.error_for_status()?;
    }
    Ok(())
}
