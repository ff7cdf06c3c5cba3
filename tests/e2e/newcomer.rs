//! What a person meets who starts the program for the first time, and clients that write HTTP by hand.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::program::{Options, Program, binary};

/// Runs the program to its end.
async fn told(args: &[&str], vars: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OPENAI_")) {
        command.env_remove(name);
    }
    Ok(command.args(args).envs(vars.iter().copied()).kill_on_drop(true).output().await?)
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_before_anything_is_made() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let port = taken.local_addr()?.port().to_string();
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let output = told(&["dev", "--port", &port, "--data", data.to_str().context("a path")?], &[]).await?;
    let errors = String::from_utf8(output.stderr)?;
    ensure!(!output.status.success());
    ensure!(errors.contains(&port) && errors.contains("--port"), "{errors}");
    ensure!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    ensure!(!data.exists(), "a data directory was made");
    Ok(())
}

#[tokio::test]
async fn a_misspelt_variable_is_noticed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let data = data.to_str().context("a path")?;
    let vars = [("OPENAI_API_BASE", "http://127.0.0.1:9/v1"), ("FRONTDESK_DATE", "x")];
    let output = told(&["seed", "--empty", "--data", data], &vars).await?;
    let errors = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{errors}");
    for (name, meant) in [("OPENAI_API_BASE", "OPENAI_BASE_URL"), ("FRONTDESK_DATE", "FRONTDESK_DATA")] {
        ensure!(errors.lines().any(|line| line.contains(name) && line.contains(meant)), "{name}: {errors}");
    }
    ensure!(!errors.contains("127.0.0.1:9"), "a value is repeated: {errors}");
    Ok(())
}

/// The status line that bytes as they are get.
async fn status(program: &Program, request: &str) -> Result<String> {
    let authority = program.ready.base_url.strip_prefix("http://").context("an address")?;
    let mut connection = TcpStream::connect(authority).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_request_of_http_1_1_names_its_host_once() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty")).await?;
    for (head, expected) in [
        ("HTTP/1.1\r\nHost: x\r\n", "200"),
        ("HTTP/1.1\r\n", "400"),
        ("HTTP/1.1\r\nHost: x\r\nHost: y\r\n", "400"),
        ("HTTP/1.0\r\n", "200"),
        ("HTTP/1.0\r\nHost: x\r\n", "200"),
    ] {
        for path in ["/health/live", "/api/v1/settings/limits"] {
            let got = status(&program, &format!("GET {path} {head}Connection: close\r\n\r\n")).await?;
            ensure!(got.split(' ').nth(1) == Some(expected), "{path} {head:?}: {got}");
        }
    }
    Ok(())
}
