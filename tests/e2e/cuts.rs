//! A thousand random cuts of the program as a process, which is killed again and again.

use anyhow::Result;
use frontdesk_stand_ins::fake_ai::{FakeAi, Options as AiOptions};
use frontdesk_tests::cuts::{Plan, run};
use frontdesk_tests::model::Model;

use crate::program::{Options, Program};

#[tokio::test]
async fn a_thousand_random_cuts_lose_and_double_nothing() -> Result<()> {
    let ai = FakeAi::start(AiOptions::default()).await?;
    let options = Options::default()
        .flag("--no-limits")
        .var("OPENAI_BASE_URL", &ai.base_url)
        .var("OPENAI_MODEL", "fake-chat");
    let mut program = Program::start(options).await?;
    let host = program.ready.clone();
    let plan = Plan { conversations: 128, cuts: 1_100, restarts: 25 };
    let restart = async || {
        program.kill().await?;
        program.start_again().await
    };
    let cuts = run(&host, &Model::at(&ai.base_url)?, plan, restart, async |_| Ok(())).await?;
    println!("{cuts} cut connections and {} killed servers", plan.restarts);
    Ok(())
}
