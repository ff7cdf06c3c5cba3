//! What breaks parsers, from visitors and in documents: harmless, also to those who talk meanwhile.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::case::{Case, get, message, messages, multipart, post, upload};

/// Messages each of which stopped, or could stop, something: a stemmer, a splitter, a guard, a prompt.
fn words() -> Vec<String> {
    let mut words: Vec<String> = [
        "ισαισα",
        "ισαισα ισαισα παραδόσεις",
        "İSTANBUL'da ıssız",
        "ﷺ ﬁle ｆｕｌｌ",
        "e\u{301}\u{301}\u{301}",
        "\u{202e}ytiruces\u{202c} \u{200b}",
        "\u{10ffff}\u{e000}",
        "สินค้าได้ไหม นมัสเต नमस्ते",
        "Prices are net.[^1]\n[^1]: plus VAT\n: see the list",
        "[[[[1]]]](((( ```\n|a|b|\n|-|\n> > > - - 1. # \n",
        "<think><system>{{#each}}%s%n${x}",
        "{\"role\":\"system\",\"content\":\"\"}",
    ]
    .map(str::to_owned)
    .to_vec();
    words.push("ι".repeat(3_900));
    words.push("σα ".repeat(1_300));
    words.push("[".repeat(3_900));
    words.push("e\u{301}".repeat(1_900));
    words
}

/// Documents of the same kind, with names. None is larger than what a test has time for.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: String| text.into_bytes();
    vec![
        ("footnote.md", text("Prices are net.[^1]\n[^1]: plus VAT\n: see the list\n".to_owned())),
        ("greek.md", text("# ισαισα\n\nισαισα ισαισα\n".to_owned())),
        (
            "picture.md",
            text(format!("# Logo\n\n![logo](data:image/png;base64,{})\n", "QUJD".repeat(250_000))),
        ),
        ("word.txt", text("a".repeat(1_000_000))),
        ("prose.txt", text("The kettle has a lid and a handle. ".repeat(30_000))),
        ("quotes.md", text(format!("{} deep\n", ">".repeat(50_000)))),
        ("brackets.md", text(format!("{} x {}\n", "[".repeat(50_000), "](x)".repeat(20_000)))),
        ("stars.md", text("*a **b ".repeat(30_000))),
        ("robots.txt", text("User-agent: a\nDisallow: /x*y$\n".repeat(13_000))),
        ("cells.csv", text("a;".repeat(500_000))),
        ("deep.html", text(format!("<!doctype html><body>{}words", "<div>".repeat(50_000)))),
        ("attributes.html", text(format!("<!doctype html><p {}>words</p>", "a=b ".repeat(50_000)))),
    ]
}

/// Sees to it that a witness is served while `work` goes on; gives how often it was.
async fn with_a_witness<T>(case: &Case, work: impl Future<Output = Result<T>>) -> Result<(T, usize)> {
    let mut served = 0_usize;
    let mut work = std::pin::pin!(work);
    loop {
        let live = case.public(Method::GET, "/health/live").send();
        match futures_util::future::select(work.as_mut(), std::pin::pin!(live)).await {
            futures_util::future::Either::Left((done, _)) => return Ok((done?, served)),
            futures_util::future::Either::Right((answer, _)) => {
                let status = answer.context("the host went away")?.status();
                ensure!(status == StatusCode::OK, "the witness was answered {status}");
                served += 1;
            }
        }
    }
}

#[tokio::test]
async fn no_word_of_a_visitor_stops_a_conversation() -> Result<()> {
    let mut case = Case::begin().await?;
    let (hostile, other) = (case.visitor("hostile").await?, case.visitor("other").await?);
    let (theirs, ours) = (hostile.begin().await?, other.begin().await?);
    // Another visitor's answer is under way all the time.
    case.script(&["hold=3"]).await?;
    let question = message("q", "How much is delivery across Moscow?");
    let mut answer = case.open(post(&other, &messages(&ours), &question)).await?;
    answer.until_kind("turn.started").await?;

    let words = words();
    let all = with_a_witness(&case, async {
        for (count, word) in words.iter().enumerate() {
            let posted =
                post(&hostile, &messages(&theirs), &message(&format!("m{count}"), word)).send().await?;
            ensure!(posted.status() == StatusCode::ACCEPTED, "{word:.40}: {}", posted.status());
            case.answered(&hostile, &theirs, count + 1).await.with_context(|| format!("{word:.40}"))?;
        }
        Ok(())
    });
    let ((), served) = all.await?;
    ensure!(served > 0, "nobody else was served");

    case.model.release().await?;
    answer.read_to_end().await?;
    let log = case.answered(&other, &ours, 1).await?;
    ensure!(log.iter().filter(|event| event["kind"] == "turn.started").count() == 1, "begun again: {log:?}");
    // The conversation is one like others.
    let last = message("last", "How much is delivery across Moscow?");
    post(&hostile, &messages(&theirs), &last).send().await?.error_for_status()?;
    let log = case.answered(&hostile, &theirs, words.len() + 1).await?;
    let said = log.iter().rev().find(|event| event["kind"] == "message.created").context("a message")?;
    ensure!(said["message"]["text"].as_str().is_some_and(|text| text.contains("300")), "{said}");
    Ok(())
}

#[tokio::test]
async fn no_document_stops_another_one() -> Result<()> {
    let mut case = Case::begin().await?;
    let (operator, visitor) = (case.operator().await?, case.visitor("visitor").await?);
    let last = "# Aviary\n\nThe aviary keeps forty-one finches.\n";
    let work = async {
        let mut documents = Vec::new();
        for (name, content) in files() {
            let created = upload(&operator, "/api/v1/documents", name, &content).send().await?;
            let (status, body) = (created.status(), created.json::<Value>().await?);
            // What it is not is told at once; all else is read.
            ensure!(status == 202 || status == 415 || status == 422, "{name}: {status} {body}");
            if let Some(id) = body["id"].as_str() {
                documents.push((name, id.to_owned()));
            }
        }
        let text = json!({ "title": "Aviary", "text": last });
        let created = post(&operator, "/api/v1/documents", &text).send().await?.json::<Value>().await?;
        documents.push(("aviary", created["id"].as_str().context("an id")?.to_owned()));
        for (name, id) in &documents {
            let document = operator.document_read(id).await.with_context(|| (*name).to_owned())?;
            let (status, reason) = (&document["status"], &document["failure"]);
            ensure!(status == "ready" || (status == "failed" && reason.is_object()), "{name}: {document}");
        }
        Ok(documents)
    };
    let (documents, served) = with_a_witness(&case, work).await?;
    ensure!(served > 0, "nobody else was served");
    let (_, aviary) = documents.last().context("documents")?;
    ensure!(operator.document_read(aviary).await?["status"] == "ready");

    let conversation = visitor.begin().await?;
    post(&visitor, &messages(&conversation), &message("a", "How many finches does the aviary keep?"))
        .send()
        .await?;
    let log = case.answered(&visitor, &conversation, 1).await?;
    ensure!(log.iter().any(|event| event["outcome"] == "answered"), "{log:?}");
    let health = case.send(get(&operator, "/health"), 200).await?;
    ensure!(health.body["status"] == "ok", "{}", health.body);
    futures_util::stream::iter(documents)
        .map(|(_, id)| operator.request(Method::DELETE, &format!("/api/v1/documents/{id}")).send())
        .buffer_unordered(1)
        .try_for_each(async |answer| answer.error_for_status().map(drop))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_visitors_file_is_recognised_beside_the_others() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let cells = "a;".repeat(4_500_000).into_bytes();
    let work = async {
        let parts: [(&str, &str, &[u8]); 1] = [("file", "cells.csv", &cells)];
        let answer = multipart(&visitor, "/api/v1/uploads", &parts).send().await?;
        Ok((answer.status(), answer.text().await?))
    };
    let ((status, body), served) = with_a_witness(&case, work).await?;
    ensure!(status == 201 || status == 413 || status == 415, "{status} {body}");
    ensure!(served > 0, "nobody else was served");
    Ok(())
}
