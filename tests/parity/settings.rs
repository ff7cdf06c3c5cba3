//! Settings: versions, ranges, and what the public may know. No other file changes settings, so that versions begin at 0
//! here.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, poll};
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{Case, events, get, message, messages, patch, post};

const SETTINGS: &str = "/api/v1/settings";

#[tokio::test]
async fn a_change_names_the_version_it_starts_from() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    case.title("As they are");
    let now = case.send(get(&operator, SETTINGS), 200).await?;
    let version = now.body["version"].as_u64().context("a version")?;

    case.title("A change");
    let change = json!({ "limits": { "max_message_chars": 100 }, "retrieval": { "passages": 3 } });
    let changed = case.send(patch(&operator, SETTINGS, version, &change), 200).await?;
    ensure!(changed.body["version"] == version + 1, "{}", changed.body);
    case.title("From the old version");
    case.send(patch(&operator, SETTINGS, version, &json!({ "maintenance": true })), 412).await?;
    case.title("From none");
    case.send(operator.request(Method::PATCH, SETTINGS).json(&change), 422).await?;
    case.title("Back to the defaults");
    let back = json!({ "limits": null, "retrieval": { "passages": null } });
    let changed = case.send(patch(&operator, SETTINGS, version + 1, &back), 200).await?;
    ensure!(changed.body["values"] == now.body["values"], "{}", changed.body);

    case.title("Everything that is wrong is told at once");
    let wrong = json!({
        "limits": { "max_message_chars": 0, "max_upload_bytes": "much", "colour": 1 },
        "model": { "temperature": 2.1, "max_answer_tokens": -1 },
        "retrieval": { "mode": "psychic", "min_evidence": 1.5 },
        "guardrails": { "blocked_topics": [1], "fallback_text": { "nonsense language": "x" } },
        "maintenance": "yes",
        "nothing": {},
    });
    case.send(patch(&operator, SETTINGS, version + 2, &wrong), 422).await?;
    case.title("Values that do not go together");
    let wrong = json!({ "timeouts": { "first_token_ms": 60_000, "answer_ms": 1_000 } });
    case.send(patch(&operator, SETTINGS, version + 2, &wrong), 422).await?;
    case.title("No object");
    case.send(patch(&operator, SETTINGS, version + 2, &json!([])), 422).await?;

    in_force(&mut case, &operator, version + 2).await?;
    case.end("settings")
}

/// Where a model is asked without evidence, nothing is left to quote when it fails: people take over.
async fn in_force(case: &mut Case, operator: &Caller, version: u64) -> Result<()> {
    let visitor = case.visitor("visitor").await?;
    case.title("A model is asked without evidence, too");
    let change = json!({ "guardrails": { "only_from_evidence": false } });
    case.send(patch(operator, SETTINGS, version, &change), 200).await?;
    // Another process may learn of it a little later.
    let conversation = poll("the change to be in force", async || {
        case.model.reset().await?;
        case.script(&["status=401", "status=401"]).await?;
        let conversation = visitor.begin().await?;
        let question = message("a", "Who is the president of France?");
        post(&visitor, &messages(&conversation), &question).send().await?;
        let log = case.answered(&visitor, &conversation, 1).await?;
        Ok(log.iter().any(|event| event["outcome"] == "handed_off").then_some(conversation))
    })
    .await?;
    case.title("When it fails, people take over");
    case.send(get(&visitor, &events(&conversation, "after=0")), 200).await?;
    let session = json!({ "site_key": case.host.site_key, "visitor_token": visitor.token });
    let session = case.public(Method::POST, "/api/v1/widget/sessions").json(&session).send().await?;
    let session: Value = session.json().await?;
    ensure!(session["conversation"]["status"] == "waiting", "{session}");

    case.title("As it was");
    let back = json!({ "guardrails": { "only_from_evidence": null } });
    case.send(patch(operator, SETTINGS, version + 1, &back), 200).await?;
    // Another process may learn of it a little later, and the next case must not find it so.
    poll("the change back to be in force", async || {
        for _ in 0..5 {
            let conversation = visitor.begin().await?;
            let question = message("a", "Who is the president of France?");
            post(&visitor, &messages(&conversation), &question).send().await?;
            let log = case.answered(&visitor, &conversation, 1).await?;
            if !log.iter().any(|event| event["outcome"] == "no_answer") {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn limits_are_public() -> Result<()> {
    let mut case = Case::begin().await?;
    let limits = |case: &Case, query: &str| case.public(Method::GET, &format!("{SETTINGS}/limits{query}"));
    case.title("Of the only organisation");
    case.send(limits(&case, ""), 200).await?;
    case.title("Of a site, for a page of any origin");
    let query = format!("?site_key={}", case.host.site_key);
    case.send(limits(&case, &query).header("origin", "https://camomile.example"), 200).await?;
    case.title("Of a site that there is not");
    case.send(limits(&case, "?site_key=pk_unknown"), 404).await?;
    case.title("Of something else");
    case.send(limits(&case, "?colour=red"), 422).await?;
    case.title("The settings are not");
    case.send(case.public(Method::GET, SETTINGS), 401).await?;
    case.end("settings_limits")
}
