//! The program when strangers take more than their part.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, http};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{Options, Program};

const HELD: &[u8] =
    b"POST /api/v1/widget/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                      content-length: 100\r\n\r\n{";

#[tokio::test]
async fn three_hundred_held_bodies_and_256_descriptors_leave_health_and_words_for_others() -> Result<()> {
    let options = Options::default().flag("--empty").flag("--no-limits").descriptors(256, 256);
    let program = Program::start(options).await?;
    let address = program.ready.base_url.trim_start_matches("http://");
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut connection = TcpStream::connect(address).await?;
        // Refused ones may be closed already.
        let _ = connection.write_all(HELD).await;
        held.push(connection);
    }
    let client = http()?;
    let get = async |path: &str| -> Result<reqwest::Response> {
        let request = client.get(format!("{}{path}", program.ready.base_url));
        Ok(request.timeout(Duration::from_secs(5)).send().await?)
    };
    for path in ["/health/live", "/health", "/health/db"] {
        for _ in 0..20 {
            ensure!(get(path).await?.status() == StatusCode::OK, "{path}");
        }
    }
    let refused = get("/demo/").await?;
    ensure!(refused.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", refused.status());
    ensure!(refused.headers().contains_key("retry-after"));

    // Those that held on are told that they were too slow, and then there is room again.
    let mut told = String::new();
    for connection in &mut held {
        // Refused ones may have been reset.
        let _ = tokio::time::timeout(Duration::from_secs(60), connection.read_to_string(&mut told)).await?;
    }
    let times = |status: &str| told.matches(&format!("HTTP/1.1 {status} ")).count();
    ensure!(times("408") > 50 && times("503") > 50, "{} and {}", times("408"), times("503"));
    Caller::visitor(&program.ready).await?.begin().await?;
    Ok(())
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").descriptors(200, 1000)).await?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid()?))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).context("the limit")?;
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    ensure!(numbers == ["1000", "1000"], "{files}");
    Ok(())
}
