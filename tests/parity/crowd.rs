//! Many at once: what they say is all there, once and in order, and nobody gets a word of anybody else. Variables, with
//! their defaults:
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_APPENDS` | how many messages are written to the same few conversations (400) |
//! | `FRONTDESK_VISITORS` | how many visitors talk at once (24) |

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, Ready, events as events_of, http, poll, up};
use futures_util::{StreamExt, TryStreamExt};
use regex::Regex;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::case::{events, host, message, messages, model, patch, upload};

/// How many requests are under way.
const AT_ONCE: usize = 24;
/// How many conversations share the messages.
const ROOMS: usize = 8;

fn number(name: &str, default: usize) -> Result<usize> {
    Ok(std::env::var(name).ok().map_or(Ok(default), |number| number.parse())?)
}

/// Posts until it is stored: a host may be busy for a moment.
async fn posted(caller: &Caller, path: &str, body: &Value) -> Result<Value> {
    poll("the message to be stored", async || {
        let response = caller.post(path, body, "application/json").await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(Some(response.json().await?)),
            StatusCode::SERVICE_UNAVAILABLE => Ok(None),
            status => anyhow::bail!("{status}: {}", response.text().await?),
        }
    })
    .await
}

/// A conversation in an operator's hands, so that no message begins a turn.
async fn in_hand(visitor: &Caller, operator: &Caller) -> Result<String> {
    let conversation = visitor.begin().await?;
    let path = format!("/api/v1/conversations/{conversation}");
    let taken = patch(operator, &path, 1, &json!({ "mode": "operator" })).send().await?;
    ensure!(taken.status() == StatusCode::OK, "{}", taken.text().await?);
    Ok(conversation)
}

/// The whole log, in pieces.
async fn whole_log(caller: &Caller, conversation: &str) -> Result<Vec<Value>> {
    let mut log = Vec::new();
    loop {
        let path = events(conversation, &format!("after={}&limit=500", log.len()));
        let page: Value = up(caller.get(&path, "application/json").await?)?.json().await?;
        let events = page["events"].as_array().context("events")?;
        if events.is_empty() {
            return Ok(log);
        }
        log.extend(events.iter().cloned());
    }
}

#[tokio::test]
async fn what_many_write_at_once_is_dense_and_there_once() -> Result<()> {
    let host = host()?;
    let appends = number("FRONTDESK_APPENDS", 400)?;
    let (visitor, operator) = (Caller::visitor(&host).await?, Caller::operator(&host).await?);
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(in_hand(&visitor, &operator).await?);
    }
    let (visitor, operator, rooms) = (&visitor, &operator, &rooms);
    let repeated: usize = futures_util::stream::iter(0..appends)
        .map(|number| async move {
            let path = messages(&rooms[number % ROOMS]);
            // Visitor and operator write to the same rooms; some messages are sent twice at the same moment.
            let caller = if (number / ROOMS).is_multiple_of(2) { visitor } else { operator };
            let body = message(&format!("m-{number}"), &format!("text {number}"));
            if number % 7 > 0 {
                posted(caller, &path, &body).await?;
                return Ok(0);
            }
            let (one, other) =
                futures_util::try_join!(posted(caller, &path, &body), posted(caller, &path, &body))?;
            ensure!(one["seq"] == other["seq"], "{one} and {other}");
            anyhow::Ok(1)
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, one| Ok(sum + one))
        .await?;
    println!("{appends} messages to {ROOMS} conversations, {repeated} of them twice");

    for (room, conversation) in rooms.iter().enumerate() {
        let log = whole_log(visitor, conversation).await?;
        for (event, seq) in log.iter().zip(1_u64..) {
            ensure!(event["seq"] == seq, "{event} is number {seq} of {conversation}");
        }
        let said: Vec<&str> = log.iter().filter_map(|event| event["message"]["client_id"].as_str()).collect();
        let once: BTreeSet<&str> = said.iter().copied().collect();
        ensure!(said.len() == once.len(), "{} are there twice", said.len() - once.len());
        let expected = (0..appends).filter(|number| number % ROOMS == room).count();
        ensure!(once.len() == expected, "{} of {expected} messages of {conversation}", once.len());
    }
    Ok(())
}

/// One visitor: says who it is, again and again, and reads everything that it is told.
async fn visit(host: &Ready, number: usize) -> Result<()> {
    let marks = Regex::new("visitor-([0-9]+)-")?;
    let own = |text: &str| {
        let foreign = marks.captures_iter(text).find(|mark| mark[1] != number.to_string());
        ensure!(foreign.is_none(), "visitor {number} was told: {text}");
        Ok(())
    };
    let visitor = Caller::visitor(host).await?;
    let mut ids = BTreeSet::new();
    for round in 0..3 {
        let conversation = visitor.begin().await?;
        let path = messages(&conversation);
        let text = format!("visitor-{number}-{round} asks: how much is delivery in Moscow?");
        let body = message(&format!("c-{round}"), &text);
        let response = visitor.post(&path, &body, "text/event-stream").await?;
        ensure!(response.status() == StatusCode::OK, "{}", response.text().await?);
        let id = response.headers()["x-request-id"].to_str()?.to_owned();
        ensure!(ids.insert(id), "two requests have one id");
        let mut stream = events_of(response);
        let mut finished = false;
        while let Some(event) = stream.next().await {
            let event = event?;
            own(&event.to_string())?;
            finished |= event["kind"] == "turn.finished";
        }
        ensure!(finished, "visitor {number} was cut off");
        let log = visitor.get(&events(&conversation, "after=0"), "application/json").await?.text().await?;
        own(&log)?;
        ensure!(log.contains(&text), "visitor {number} misses its own words: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_gets_a_word_of_anybody_else() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let host = &host;
    futures_util::stream::iter(0..number("FRONTDESK_VISITORS", 24)?)
        .map(|number| visit(host, number))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Bytes that are hard on whoever reads them.
fn nasty() -> Vec<Vec<u8>> {
    let deep = |open: &str, times: usize| open.repeat(times).into_bytes();
    let mut bodies = vec![
        Vec::new(),
        b"\0".to_vec(),
        b"\xff\xfe\xfd".to_vec(),
        b"{\"client_id\":\"\\ud800\",\"text\":\"x\"}".to_vec(),
        b"{\"client_id\":1e999,\"text\":-0}".to_vec(),
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 1 0 R>>endobj\ntrailer<</Root 1 0 R/Size -1>>".to_vec(),
        b"%PDF-1.4\nxref\n0 99999999999\nstartxref\n18446744073709551615\n%%EOF".to_vec(),
        b"PK\x03\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
            .to_vec(),
        b"<!DOCTYPE html><table><tr><td>\xf0\x9f".to_vec(),
        "\u{202e}\u{0}\u{feff}\u{1f468}\u{200d}\u{1f469}".repeat(500).into_bytes(),
    ];
    for open in ["[", "{\"a\":", "<div><p>", "> - ", "((", "\"\""] {
        bodies.push(deep(open, 20_000));
    }
    bodies
}

#[tokio::test]
async fn whatever_comes_the_others_go_on() -> Result<()> {
    let host = host()?;
    let (visitor, operator) = (Caller::visitor(&host).await?, Caller::operator(&host).await?);
    let conversation = in_hand(&visitor, &operator).await?;
    // A death would end this stream, too, where it is in the same instance.
    let stream = visitor.get(&events(&conversation, "after=0"), "text/event-stream").await?;
    let mut stream = events_of(stream);
    let mut taken = Vec::new();
    for (number, body) in nasty().into_iter().enumerate() {
        for (caller, path) in [
            (&visitor, messages(&conversation)),
            (&visitor, "/api/v1/conversations".to_owned()),
            (&operator, "/api/v1/settings".to_owned()),
            (&operator, "/api/v1/documents".to_owned()),
        ] {
            for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain", "\"';,"] {
                let request = caller.request(Method::POST, &path).header("content-type", kind);
                let status = request.body(body.clone()).send().await?.status();
                ensure!(status.as_u16() < 500, "{status} for body {number} as {kind} to {path}");
            }
        }
        let file = upload(&operator, "/api/v1/documents", "file.bin", &body).send().await?;
        let status = file.status();
        ensure!(status.as_u16() < 500, "{status} for body {number} as a file");
        if status == StatusCode::ACCEPTED {
            let document: Value = file.json().await?;
            taken.push(document["id"].as_str().context("an id")?.to_owned());
        }
        let query = String::from_utf8_lossy(&body).chars().take(500).collect::<String>();
        let search = operator.request(Method::POST, "/api/v1/search").json(&json!({ "query": query }));
        let status = search.send().await?.status();
        ensure!(status.as_u16() < 500, "{status} for a search by body {number}");
    }
    ensure!(!taken.is_empty(), "none of it was taken as a document");
    for id in taken {
        // Read, or refused with a reason.
        let path = format!("/api/v1/documents/{id}");
        poll("the document to be read", async || {
            let document: Value = operator.get(&path, "application/json").await?.json().await?;
            Ok(matches!(document["status"].as_str(), Some("ready" | "failed")).then_some(()))
        })
        .await?;
        ensure!(operator.request(Method::DELETE, &path).send().await?.status() == StatusCode::NO_CONTENT);
    }
    let live = http()?.get(format!("{}/health/live", host.base_url)).send().await?;
    ensure!(live.status() == StatusCode::OK, "{}", live.status());
    posted(&operator, &messages(&conversation), &message("still", "still here")).await?;
    loop {
        let event = stream.next().await.context("the stream was cut")??;
        if event["message"]["client_id"] == "still" {
            return Ok(());
        }
    }
}
