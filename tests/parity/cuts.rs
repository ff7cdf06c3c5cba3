//! Random cuts of a host that runs already. Variables, with their defaults:
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_CUTS` | how many connections are cut at least (200) |
//! | `FRONTDESK_CONVERSATIONS` | in how many conversations at least (24) |
//! | `FRONTDESK_RESTART_CMD` | a shell command that kills the host's server; somebody starts it again (none) |
//! | `FRONTDESK_RESTARTS` | how often it is run, evenly over the cuts (5) |
//!
//! Where rooms are objects, they lose their memory meanwhile, too.

use std::str::FromStr;

use anyhow::{Result, ensure};
use frontdesk_tests::client::{http, poll};
use frontdesk_tests::cuts::{Plan, run};
use frontdesk_tests::door::Door;
use tokio::process::Command;

use crate::case::{host, model};

fn number(name: &str, default: usize) -> Result<usize> {
    Ok(std::env::var(name).ok().map_or(Ok(default), |number| usize::from_str(&number))?)
}

/// Of so many events of a room one is followed by the loss of its memory.
const EVICTED_ONE_IN: u32 = 12;

#[tokio::test]
async fn random_cuts_lose_and_double_nothing() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let command = std::env::var("FRONTDESK_RESTART_CMD").ok();
    let plan = Plan {
        conversations: number("FRONTDESK_CONVERSATIONS", 24)?,
        cuts: number("FRONTDESK_CUTS", 200)?,
        restarts: if command.is_some() { number("FRONTDESK_RESTARTS", 5)? } else { 0 },
    };
    let (http, live) = (http()?, format!("{}/health/live", host.base_url));
    let restart = async || {
        let killed = Command::new("sh").args(["-c", command.as_deref().unwrap_or_default()]).status().await?;
        ensure!(killed.success(), "{killed}");
        poll("the server to be started again", async || {
            let response = http.get(&live).send().await;
            Ok(response.is_ok_and(|response| response.status().is_success()).then_some(()))
        })
        .await
    };
    let door = host.door.as_deref().map(Door::at).transpose()?;
    let disturb = async |on: bool| match &door {
        Some(door) => {
            let one_in = if on { EVICTED_ONE_IN } else { 0 };
            poll("the door to open", async || Ok(door.evict_one_in(one_in).await.ok())).await
        }
        None => Ok(()),
    };
    let cuts = run(&host, &model, plan, restart, disturb).await?;
    println!("{cuts} cut connections and {} killed servers", plan.restarts);
    Ok(())
}
