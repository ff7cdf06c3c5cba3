//! Coming back: nothing is missing, nothing comes twice.

use anyhow::{Result, ensure};

use crate::case::{Case, events, get, message, messages, post};

#[tokio::test]
async fn a_client_that_was_cut_off_in_mid_answer_goes_on() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;

    case.script(&["hold=4"]).await?;
    case.title("An answer begins, and the connection is cut");
    let request = post(&visitor, &messages(&conversation), &message("a", "How much is delivery in Moscow?"));
    let mut stream = case.open(request).await?;
    stream.until_kind("turn.delta").await?;
    case.close(stream)?;

    case.title("Comes back after its message, by the query");
    let mut second = case.open(get(&visitor, &events(&conversation, "after=1"))).await?;
    let so_far = second.until_kind("turn.delta").await?;
    ensure!(so_far["offset"] == 0, "the answer so far is missing: {so_far}");
    case.title("Another page of the same visitor, by the header, which counts more");
    let request = get(&visitor, &events(&conversation, "after=0")).header("last-event-id", "2");
    let mut third = case.open(request).await?;
    let so_far = third.until_kind("turn.delta").await?;
    ensure!(so_far["offset"] == 0, "the answer so far is missing: {so_far}");

    case.model.release().await?;
    second.until_kind("turn.finished").await?;
    third.until_kind("turn.finished").await?;
    case.title("What the first one got");
    case.close(second)?;
    case.title("What the other one got");
    case.close(third)?;

    case.title("After it all, from a place in the middle");
    let mut rest = case.open(get(&visitor, &events(&conversation, "after=2"))).await?;
    rest.until_kind("turn.finished").await?;
    case.close(rest)?;
    case.end("resume")
}

#[tokio::test]
async fn the_log_is_read_in_pieces() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    visitor.ask(&conversation, "How long is the kettle's warranty?").await?;

    for (title, query) in [
        ("The first two", "after=0&limit=2"),
        ("The rest", "after=2"),
        ("Nothing more", "after=4&limit=500"),
        ("From the beginning, without saying so", ""),
    ] {
        case.title(title);
        case.send(get(&visitor, &events(&conversation, query)), 200).await?;
    }
    case.title("Positions and sizes that there are not");
    for query in ["after=5", "after=-1", "after=x", "limit=0", "limit=501", "colour=red"] {
        case.send(get(&visitor, &events(&conversation, query)), 422).await?;
    }
    let stream = get(&visitor, &events(&conversation, "")).header("accept", "text/event-stream");
    case.send(stream.header("last-event-id", "nonsense"), 422).await?;
    case.end("log")
}
