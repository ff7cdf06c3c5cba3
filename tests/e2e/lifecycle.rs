//! Start, stop, start again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::{FakeAi, Options as AiOptions};
use frontdesk_tests::client::{Caller, Seen, events};
use futures_util::StreamExt;
use serde_json::json;

use crate::program::{Options, Program};

#[tokio::test]
async fn a_terminated_server_finishes_its_answers_first() -> Result<()> {
    let ai = FakeAi::start(AiOptions {
        tokens: Some(200),
        tokens_per_second: Some(200.0),
        ..AiOptions::default()
    })
    .await?;
    let options = Options::default()
        .flag("--no-limits")
        .var("OPENAI_BASE_URL", &ai.base_url)
        .var("OPENAI_MODEL", "fake-chat");
    let mut program = Program::start(options).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let body = json!({ "client_id": "q", "text": "How much is delivery in Moscow?" });
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let mut stream = events(visitor.post(&path, &body, "text/event-stream").await?);
    let mut transcript = Seen::default();
    while transcript.partial.is_none() {
        transcript.take(&stream.next().await.context("the answer's beginning")??)?;
    }
    let (ended, rest) = tokio::join!(program.terminate(), async {
        while let Some(Ok(event)) = stream.next().await {
            if transcript.take(&event)? {
                return Ok::<_, anyhow::Error>(true);
            }
        }
        Ok(false)
    });
    ensure!(ended?, "it ended with an error");
    ensure!(rest?, "the answer was cut by an orderly stop");
    ensure!(transcript.outcome() == "answered");

    program.start_again().await?;
    let log = visitor.log(&conversation).await?;
    ensure!(log.len() == 4 && log[2]["message"]["text"] == transcript.answer());
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_everything_and_asks_for_nothing() -> Result<()> {
    let mut program = Program::start(Options::default()).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let before = visitor.ask(&conversation, "When are you open?").await?;
    let ready = program.ready.clone();
    program.kill().await?;
    program.start_again().await?;
    ensure!(program.ready.site_key == ready.site_key && program.ready.admin_password == ready.admin_password);
    let log = visitor.log(&conversation).await?;
    ensure!(log.len() == 4 && log[2]["message"]["text"] == before.answer(), "{log:?}");
    let after = visitor.ask(&visitor.begin().await?, "When are you open?").await?;
    ensure!(after.answer() == before.answer());
    Ok(())
}

/// What others than its owner may read of a directory or a file, and of everything in it.
fn open_to_others(path: &Path) -> Result<Vec<PathBuf>> {
    let meta = std::fs::symlink_metadata(path)?;
    let mut open = Vec::new();
    if meta.permissions().mode() & 0o077 != 0 {
        open.push(path.to_owned());
    }
    if meta.is_dir() {
        for entry in std::fs::read_dir(path)? {
            open.extend(open_to_others(&entry?.path())?);
        }
    }
    Ok(open)
}

/// Lets everybody read it, and everything in it, but for the secrets.
fn open_up(path: &Path) -> Result<()> {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    if !path.ends_with("secrets.env") {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            open_up(&entry?.path())?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_data_directory_is_its_owners_alone_from_the_first_start_on_and_after_it_was_not() -> Result<()> {
    let mut program = Program::start(Options::default().flag("--no-limits")).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    visitor.begin().await?;
    let (data, ready) = (program.data(), program.ready_file());
    ensure!(data.join("blobs").is_dir(), "nothing is kept in files");
    for place in [&data, &ready] {
        let open = open_to_others(place)?;
        ensure!(open.is_empty(), "{open:?} can be read by others");
    }

    program.terminate().await?;
    open_up(&data)?;
    open_up(&ready)?;
    program.start_again().await?;
    visitor.begin().await?;
    for place in [&data, &ready] {
        let open = open_to_others(place)?;
        ensure!(open.is_empty(), "{open:?} can be read by others");
    }
    Ok(())
}
