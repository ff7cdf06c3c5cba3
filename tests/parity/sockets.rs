//! Conversations over WebSockets.

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::{Behaviour, Endpoint};
use frontdesk_tests::client::{Caller, Seen};
use frontdesk_tests::cuts::Dice;
use frontdesk_tests::socket::{Handshake, Socket, handshake, request};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::case::{host, message, messages, model, patch};

const QUESTION: &str = "How much is delivery in Moscow?";
/// A frame's limit, in bytes.
const LIMIT: usize = 64 * 1024;

fn send(client_id: &str, text: &str) -> Value {
    json!({ "t": "send", "client_id": client_id, "text": text })
}

/// Whether the socket answers.
async fn stays(socket: &mut Socket) -> Result<()> {
    socket.say(&json!({ "t": "ping" })).await?;
    socket.until(|frame| frame["t"] == "pong").await.map(|_| ())
}

#[tokio::test]
async fn who_may_not_listen_is_refused_at_the_handshake() -> Result<()> {
    let host = host()?;
    let (visitor, other) = (Caller::visitor(&host).await?, Caller::visitor(&host).await?);
    let conversation = visitor.begin().await?;
    let good = format!("frontdesk.v1, fd.{}", visitor.token);
    let refused = async |protocols: &str, origin: Option<&str>, status: u16| -> Result<()> {
        let mut request = request(&host.base_url, &conversation, protocols)?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse()?);
        }
        match handshake(&host.base_url, request).await? {
            Handshake::Refused(told, problem) => {
                // A proxy in front may pass on the status of a refused handshake and nothing else.
                let fits = problem.is_null() || problem["status"] == status;
                ensure!(told == status && fits, "{told} {problem}, not {status}");
            }
            Handshake::Open(..) => anyhow::bail!("{protocols} from {origin:?} was let in"),
        }
        Ok(())
    };
    refused("frontdesk.v1", None, 401).await?;
    refused("frontdesk.v1, fd.nobody", None, 401).await?;
    refused(&format!("frontdesk.v1, fd.{}x", visitor.token), None, 401).await?;
    refused(&format!("frontdesk.v1, fd.{}", other.token), None, 404).await?;
    refused(&format!("fd.{}", visitor.token), None, 400).await?;
    refused(&good, Some("https://evil.example"), 403).await?;
    let own = {
        let mut request = request(&host.base_url, &conversation, &good)?;
        request.headers_mut().insert("origin", host.base_url.parse()?);
        handshake(&host.base_url, request).await?
    };
    ensure!(matches!(own, Handshake::Open(..)), "{own:?}");

    let path = format!("/api/v1/conversations/{conversation}/socket");
    let plain = visitor.request(Method::GET, &path).send().await?;
    ensure!(plain.status() == 426, "{plain:?}");
    // The header is for the next hop alone: a proxy in front keeps it.
    ensure!(plain.headers().get("upgrade").is_none_or(|kind| kind == "websocket"), "{plain:?}");
    // In the address a token is none.
    let address = format!("{}{path}?token={}", host.base_url, visitor.token);
    ensure!(visitor.http.get(address).send().await?.status() == 401);
    Ok(())
}

#[tokio::test]
async fn a_question_is_asked_and_answered() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut socket, welcome) = Socket::begin(&visitor, &conversation, 0).await?;
    ensure!(
        welcome["conversation"] == conversation.as_str()
            && welcome["last_seq"] == 0
            && welcome["participants"] == json!([]),
        "{welcome}"
    );
    socket.say(&send("a", QUESTION)).await?;
    let frames = socket.until(|frame| frame["kind"] == "turn.finished").await?;
    ensure!(frames.contains(&json!({ "t": "ack", "client_id": "a", "seq": 1 })), "{frames:?}");
    let mut seen = Seen::default();
    for event in frames.iter().filter(|frame| frame["t"] == "event") {
        seen.take(event)?;
    }
    ensure!(seen.outcome() == "answered", "{seen:?}");
    ensure!(
        seen.partial.as_ref().is_some_and(|(_, shown)| shown == seen.answer()),
        "deltas are not the text"
    );
    ensure!(visitor.log(&conversation).await?.len() == 4);
    Ok(())
}

#[tokio::test]
async fn a_socket_that_is_cut_in_mid_answer_goes_on() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    model.script(&[Behaviour { on: Endpoint::Chat, hold: Some(4), ..Behaviour::default() }]).await?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut socket, _) = Socket::begin(&visitor, &conversation, 0).await?;
    socket.say(&send("a", QUESTION)).await?;
    let mut seen = Seen::default();
    let delta = |frame: &Value| frame["kind"] == "turn.delta";
    for event in socket.until(delta).await?.iter().filter(|frame| frame["t"] == "event") {
        seen.take(event)?;
    }
    drop(socket);

    seen.reconnected();
    let (mut socket, _) = Socket::begin(&visitor, &conversation, seen.last_seq).await?;
    let so_far = socket.next().await?;
    ensure!(
        so_far["kind"] == "turn.delta" && so_far["offset"] == 0,
        "the answer so far is missing: {so_far}"
    );
    seen.take(&so_far)?;
    model.release().await?;
    for event in socket.until(|frame| frame["kind"] == "turn.finished").await? {
        seen.take(&event)?;
    }
    ensure!(seen.partial.as_ref().is_some_and(|(_, shown)| shown == seen.answer()));
    Ok(())
}

/// `FRONTDESK_CUTS` says how many.
#[tokio::test]
async fn random_cuts_of_sockets_lose_and_double_nothing() -> Result<()> {
    const AT_ONCE: usize = 8;
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let long = Behaviour { tokens: Some(150), tokens_per_second: Some(300.0), ..Behaviour::default() };
    model.behave(&long).await?;
    let visitor = Caller::visitor(&host).await?;
    let expected = visitor.ask(&visitor.begin().await?, QUESTION).await?.answer().to_owned();
    ensure!(expected.len() > 300, "too short to be cut");
    let least = std::env::var("FRONTDESK_CUTS").ok().map_or(Ok(500), |cuts| cuts.parse())?;
    let cuts = std::cell::Cell::new(0_usize);
    futures_util::stream::iter(0..)
        .take_while(|_| std::future::ready(cuts.get() < least))
        .map(|number| {
            let (host, cuts, expected) = (&host, &cuts, &expected);
            async move {
                let visitor = Caller::visitor(host).await?;
                let conversation = converse(&visitor, Dice::new(number), cuts, expected);
                conversation.await.with_context(|| format!("conversation {number}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    println!("{} cut sockets", cuts.get());
    Ok(())
}

/// One question over sockets that are cut again and again until the whole answer is there.
async fn converse(
    visitor: &Caller,
    mut dice: Dice,
    cuts: &std::cell::Cell<usize>,
    expected: &str,
) -> Result<()> {
    let conversation = visitor.begin().await?;
    let mut seen = Seen::default();
    let mut acknowledged = false;
    while seen.finished.is_empty() {
        // A page that was killed knows nothing any more; a connection that was cut goes on where it was.
        if dice.below(4) == 0 {
            seen = Seen::default();
        }
        seen.reconnected();
        let (mut socket, _) = Socket::begin(visitor, &conversation, seen.last_seq).await?;
        if !acknowledged || dice.below(4) == 0 {
            socket.say(&send("q", QUESTION)).await?;
        }
        for _ in 0..1 + dice.below(8) {
            let frame = socket.next().await?;
            match frame["t"].as_str() {
                Some("event") => seen.take(&frame).map(|_| ())?,
                Some("ack") => {
                    ensure!(frame["seq"] == 1, "{frame}");
                    acknowledged = true;
                }
                _ => anyhow::bail!("{frame}"),
            }
            if !seen.finished.is_empty() {
                break;
            }
        }
        if seen.finished.is_empty() {
            cuts.set(cuts.get() + 1);
        }
    }
    ensure!(seen.answer() == expected, "the stored answer differs:\n{}\n{expected}", seen.answer());
    let log = visitor.log(&conversation).await?;
    let kinds: Vec<_> = log.iter().map(|event| event["kind"].as_str().unwrap_or("")).collect();
    ensure!(kinds == ["message.created", "turn.started", "message.created", "turn.finished"], "{kinds:?}");
    Ok(())
}

#[tokio::test]
async fn the_same_message_from_two_sockets_at_once_is_one_message() -> Result<()> {
    let host = host()?;
    model()?.reset().await?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut one, _) = Socket::begin(&visitor, &conversation, 0).await?;
    let (mut other, _) = Socket::begin(&visitor, &conversation, 0).await?;
    for number in 0..20 {
        let same = send(&format!("m{number}"), "Hello");
        let acked = async |socket: &mut Socket| -> Result<Value> {
            socket.say(&same).await?;
            socket.until(|frame| frame["t"] == "ack").await?.pop().context("an ack")
        };
        let (first, second) = tokio::try_join!(acked(&mut one), acked(&mut other))?;
        ensure!(first == second, "{first} and {second}");
    }
    let log = visitor.log(&conversation).await?;
    let mine = log.iter().filter(|event| event["message"]["author"]["kind"] == "visitor").count();
    ensure!(mine == 20, "{mine} messages");
    Ok(())
}

#[tokio::test]
async fn bad_frames_are_answered_and_a_flood_is_ended() -> Result<()> {
    let host = host()?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut socket, _) = Socket::begin(&visitor, &conversation, 0).await?;
    for (bad, status) in [
        (Message::text("{"), 400),
        (Message::text(r#"{"t":"fly"}"#), 422),
        (Message::text(r#"{"t":"ping","x":1}"#), 422),
        (Message::text("x".repeat(LIMIT + 1)), 413),
        (Message::binary(vec![0; 10]), 400),
        (Message::binary(vec![0; LIMIT + 1]), 400),
    ] {
        socket.send(bad).await?;
        let refused = socket.next().await?;
        ensure!(refused["t"] == "error" && refused["status"] == status, "{refused}, not {status}");
        stays(&mut socket).await?;
    }

    let flood = async {
        for _ in 0..1_000 {
            // It is closed on the way. Not pings: a host may answer those without counting them.
            if socket.say(&json!({ "t": "typing", "on": true })).await.is_err() {
                break;
            }
        }
        socket.closed().await
    };
    let code = flood.await?;
    ensure!(code == 1008, "closed with {code}");
    // The visitor itself is welcome again.
    stays(&mut Socket::begin(&visitor, &conversation, 0).await?.0).await
}

#[tokio::test]
async fn a_frame_of_33_mib_ends_its_socket_and_nothing_else() -> Result<()> {
    let host = host()?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut bystander, _) = Socket::begin(&visitor, &conversation, 0).await?;
    let (mut socket, _) = Socket::begin(&visitor, &conversation, 0).await?;
    // It may be closed before all of it is sent.
    let _ = socket.send(Message::text("x".repeat(33 * 1024 * 1024))).await;
    let code = socket.closed().await?;
    ensure!(code == 1009, "closed with {code}");
    stays(&mut bystander).await?;
    stays(&mut Socket::begin(&visitor, &conversation, 0).await?.0).await
}

#[tokio::test]
async fn no_word_of_the_ai_reaches_a_socket_after_a_take_over() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let long = Behaviour { tokens: Some(300), tokens_per_second: Some(300.0), ..Behaviour::default() };
    model.behave(&long).await?;
    let (visitor, operator) = (Caller::visitor(&host).await?, Caller::operator(&host).await?);
    let conversation = visitor.begin().await?;
    let (mut socket, welcome) = Socket::begin(&visitor, &conversation, 0).await?;
    let epoch = welcome["epoch"].as_u64().context("an epoch")?;
    let (mut desk, _) = Socket::begin(&operator, &conversation, 0).await?;
    socket.say(&send("q", QUESTION)).await?;
    socket.until(|frame| frame["kind"] == "turn.delta").await?;

    let change = format!("/api/v1/conversations/{conversation}");
    let taken = patch(&operator, &change, epoch, &json!({ "mode": "operator" })).send().await?;
    ensure!(taken.status() == 200, "{}", taken.text().await?);
    desk.say(&send("o", "Vera here.")).await?;
    desk.until(|frame| frame["t"] == "ack").await?;
    model.until("the model's end", |counts| counts.in_flight == 0).await?;
    desk.say(&send("p", "It is 300 ₽.")).await?;

    let frames = socket.until(|frame| frame["message"]["client_id"] == "p").await?;
    let over = frames.iter().position(|frame| frame["kind"] == "mode.changed").context("the take-over")?;
    let after = frames.get(over..).unwrap_or_default();
    ensure!(after.iter().all(|frame| frame["kind"] != "turn.delta"), "the AI spoke on: {after:?}");
    let log = visitor.log(&conversation).await?;
    ensure!(log.iter().all(|event| event["message"]["author"]["kind"] != "ai"), "{log:?}");
    Ok(())
}

#[tokio::test]
async fn each_side_sees_the_other_come_write_and_go() -> Result<()> {
    let host = host()?;
    let (visitor, operator) = (Caller::visitor(&host).await?, Caller::operator(&host).await?);
    let conversation = visitor.begin().await?;
    let (mut page, _) = Socket::begin(&visitor, &conversation, 0).await?;
    let (mut desk, welcome) = Socket::begin(&operator, &conversation, 0).await?;
    ensure!(welcome["participants"][0]["kind"] == "visitor", "{welcome}");
    ensure!(welcome["participants"][1]["kind"] == "operator", "{welcome}");

    let came = page.next().await?;
    let name = welcome["participants"][1]["name"].clone();
    let operators = json!([{ "kind": "operator", "name": name }]);
    ensure!(came == json!({ "t": "event", "kind": "presence", "participants": operators }), "{came}");
    desk.say(&json!({ "t": "typing", "on": true })).await?;
    let typing = page.next().await?;
    ensure!(typing == json!({ "t": "event", "kind": "typing", "by": operators[0], "on": true }), "{typing}");
    page.say(&json!({ "t": "typing", "on": true })).await?;
    let typing = desk.next().await?;
    ensure!(typing["kind"] == "typing" && typing["by"]["kind"] == "visitor", "{typing}");

    desk.say(&send("o", "Vera here.")).await?;
    let said = page.until(|frame| frame["message"]["client_id"] == "o").await?;
    let seq = said.last().context("a message")?["seq"].clone();
    page.say(&json!({ "t": "read", "seq": seq })).await?;
    let read = desk.until(|frame| frame["kind"] == "read").await?;
    ensure!(read.last().is_some_and(|read| read["upto"] == seq), "{read:?}");
    drop(desk);
    let left = page.until(|frame| frame["kind"] == "presence").await?;
    ensure!(left.last().is_some_and(|left| left["participants"] == json!([])), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_posted_over_http_reaches_sockets() -> Result<()> {
    let host = host()?;
    model()?.reset().await?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    let (mut socket, _) = Socket::begin(&visitor, &conversation, 0).await?;
    let posted = visitor.post(&messages(&conversation), &message("a", QUESTION), "application/json").await?;
    ensure!(posted.status() == 202, "{}", posted.text().await?);
    let frames = socket.until(|frame| frame["kind"] == "turn.finished").await?;
    ensure!(frames.iter().any(|frame| frame["message"]["client_id"] == "a"), "{frames:?}");
    // And sent again over the socket it is the same message.
    socket.say(&send("a", QUESTION)).await?;
    let ack = socket.next().await?;
    ensure!(ack == json!({ "t": "ack", "client_id": "a", "seq": 1 }), "{ack}");
    Ok(())
}
