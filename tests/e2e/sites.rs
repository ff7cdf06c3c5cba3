//! `frontdesk site`, beside the program that serves.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::http;
use serde_json::{Value, json};

use crate::program::{Options, Program};

/// How a session from a page of this origin is answered.
async fn session(program: &Program, key: &str, origin: &str) -> Result<u16> {
    let url = format!("{}/api/v1/widget/sessions", program.ready.base_url);
    let request = http()?.post(url).header("origin", origin).json(&json!({ "site_key": key }));
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_site_is_made_changed_and_removed_by_the_command_line_while_the_program_serves() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty")).await?;
    let site = async |args: &[&str]| -> Result<Value> {
        let (well, said, wrong) = program.run(&[&["site", "--json"], args].concat()).await?;
        ensure!(well, "{args:?}: {wrong}");
        Ok(serde_json::from_str(&said)?)
    };
    let made = site(&["add", "--name", "Tea", "--origin", "https://Tea.example", "--locale", "ru"]).await?;
    ensure!(made["origins"] == json!(["https://tea.example"]) && made["locale"] == "ru", "{made}");
    let key = made["site_key"].as_str().context("a key")?.to_owned();
    ensure!(made["snippet"].as_str().is_some_and(|snippet| snippet.contains(&key)), "{made}");
    ensure!(session(&program, &key, "https://tea.example").await? == 201);

    let moved = ["set", &key, "--origin", "https://a.example", "--origin", "http://localhost:3000"];
    let moved = site(&[&moved[..], &["--greeting", "en=Hello!", "--scheme", "dark"]].concat()).await?;
    ensure!(moved["origins"] == json!(["https://a.example", "http://localhost:3000"]), "{moved}");
    ensure!((&moved["name"], &moved["greeting"]) == (&json!("Tea"), &json!({ "en": "Hello!" })), "{moved}");
    ensure!(session(&program, &key, "https://tea.example").await? == 403);
    ensure!(session(&program, &key, "http://localhost:3000").await? == 201);

    let (well, said, _) = program.run(&["site", "list"]).await?;
    ensure!(well && said.contains(&key) && said.contains("https://a.example"), "{said}");

    let id = moved["id"].as_str().context("an id")?;
    let (well, _, wrong) = program.run(&["site", "remove", id]).await?;
    ensure!(!well && wrong.contains("--yes"), "{wrong}");
    site(&["remove", id, "--yes"]).await?;
    ensure!(session(&program, &key, "http://localhost:3000").await? == 422);
    Ok(())
}

#[tokio::test]
async fn what_the_command_line_cannot_do_it_says_in_words() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty")).await?;
    for (args, words) in [
        (
            &["add", "--name", "Tea", "--origin", "https://*.tea.example"][..],
            &["/origins/0", "without an asterisk"][..],
        ),
        (&["add", "--name", " ", "--accent", "red"], &["/name", "/theme/accent"]),
        (&["set", "pk_unknown", "--name", "Tea"], &["pk_unknown", "site list"]),
        (&["add", "--name", "Tea", "--greeting", "Hello"], &["LANGUAGE=TEXT"]),
    ] {
        let (well, said, wrong) = program.run(&[&["site"], args].concat()).await?;
        ensure!(!well && words.iter().all(|word| wrong.contains(word)), "{args:?}: {said}{wrong}");
    }
    Ok(())
}
