//! The log of a room in the database.

use std::rc::Rc;

use frontdesk_domain::conversation::{Message, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::{Command, RoomHead};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Appended, Ctx, DbError};

use crate::store::{conversations, events};

/// What is stored of a room, in one round trip: its head, and its latest messages, oldest first.
pub async fn read(
    ctx: &Ctx,
    scope: &TenantScope,
    id: ConversationId,
) -> Result<Option<(conversations::Stored, Vec<(Seq, Rc<Message>)>)>> {
    let statements = vec![conversations::select(scope, id), events::select_recent_messages(scope, id)];
    let results = ctx.db.query(statements).await?;
    let [heads, messages] = results.as_slice() else { return Err(Error::ours("two results expected")) };
    let Some(head) = heads.first() else { return Ok(None) };
    let mut recent = messages.rows.iter().map(events::message).collect::<Result<Vec<_>, DbError>>()?;
    recent.reverse();
    Ok(Some((conversations::stored(head)?, recent)))
}

/// Stores events and the head after them, all or nothing, in one round trip.
pub async fn store(
    ctx: &Ctx,
    scope: &TenantScope,
    id: ConversationId,
    appended: &[Rc<Event>],
    head: &RoomHead,
) -> Result<(), DbError> {
    let mut batch: Vec<_> = appended.iter().map(|event| events::insert(scope, id, event)).collect();
    batch.push(conversations::update(scope, head));
    for event in appended {
        if let EventBody::TurnFinished { usage, .. } = &event.body {
            let spent = crate::usage::Spent {
                turns: 1,
                prompt_tokens: usage.as_ref().map_or(0, |usage| usage.prompt_tokens),
                completion_tokens: usage.as_ref().map_or(0, |usage| usage.completion_tokens),
            };
            let model = usage.as_ref().map_or("", |usage| usage.model.as_str());
            batch.push(crate::usage::record_statement(scope, event.at, model, spent));
        }
    }
    ctx.db.batch(batch).await.map(|_| ())
}

/// A piece of the log, in order.
pub async fn page(
    ctx: &Ctx,
    scope: &TenantScope,
    id: ConversationId,
    after: Seq,
    limit: u32,
) -> Result<Vec<Rc<Event>>> {
    let results = ctx.db.query(vec![events::select_after(scope, id, after, limit)]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    Ok(rows.iter().map(events::event).collect::<Result<_, DbError>>()?)
}

/// The message that was stored before under the same `client_id`, however long ago.
pub async fn find_repeated(
    ctx: &Ctx,
    scope: &TenantScope,
    id: ConversationId,
    command: &Command,
) -> Result<Option<Appended>> {
    let Command::Post { message, .. } = command else { return Ok(None) };
    let Some(client_id) = &message.client_id else { return Ok(None) };
    let statements = vec![
        events::select_by_client_id(scope, id, &message.author, client_id),
        conversations::select(scope, id),
    ];
    let results = ctx.db.query(statements).await?;
    let [found, heads] = results.as_slice() else { return Err(Error::ours("two results expected")) };
    let (Some(row), Some(head)) = (found.first(), heads.first()) else { return Ok(None) };
    let (seq, known) = events::message(row)?;
    let receipt = message.repeats(&known, seq).map_err(super::refused)?;
    let conversation = conversations::stored(head)?.head.conversation;
    Ok(Some(Appended { events: Vec::new(), receipt: Some(receipt), deduplicated: true, conversation }))
}
