//! Where a room's log is kept, and how it is read and written.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::conversation::{Message, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::{Command, OpenTurn, Refusal, RoomHead, TurnToken};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Appended, Ctx, Database, DbError, Rows};

use super::outbox;
use crate::store::conversations::{self, Stored};
use crate::store::{events, feed, live_answers};
use crate::usage;

/// Where rooms keep their log.
#[derive(Clone)]
pub enum Log {
    /// In the database of everything else.
    Main,
    /// In a database that is the room's own. An outbox copies it to the main one.
    Own(OwnLog),
}

/// A log in a database of the room's own.
#[derive(Clone)]
pub struct OwnLog {
    /// It has the tables of [`outbox::create`].
    pub db: Rc<dyn Database>,
    /// Wakes the room's host.
    pub alarm: Rc<dyn Alarm>,
    /// Under which name the room owns its log in the main database: unique among all deployments, never empty.
    pub owner: Rc<str>,
}

/// A timer that survives the host: what it announces happens even if the process is gone meanwhile.
#[async_trait(?Send)]
pub trait Alarm {
    /// Goes off in `delay`, or earlier when it was set so.
    ///
    /// # Errors
    /// When it could not be set.
    async fn within(&self, delay: Duration) -> Result<(), DbError>;
}

/// What was stored since a room was read last.
pub struct News {
    /// The head.
    pub stored: Stored,
    /// Events, in order; at most a page of them.
    pub events: Vec<Rc<Event>>,
}

/// After an append: how soon the log is copied at the latest.
const COPY_WITHIN: Duration = Duration::from_secs(2);

impl Log {
    /// The database that has the log.
    pub fn db<'a>(&'a self, ctx: &'a Ctx) -> &'a Rc<dyn Database> {
        match self {
            Self::Main => &ctx.db,
            Self::Own(own) => &own.db,
        }
    }

    /// What is stored of a room, in one round trip: its head, and its latest messages, oldest first.
    pub async fn read(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
    ) -> Result<Option<(Stored, Vec<(Seq, Rc<Message>)>)>> {
        let read = || async {
            let statements =
                vec![conversations::select(scope, id), events::select_recent_messages(scope, id)];
            let results = self.db(ctx).query(statements).await?;
            let [heads, messages] = results.as_slice() else {
                return Err(Error::ours("two results expected"));
            };
            let Some(head) = heads.first() else { return Ok(None) };
            let recent = messages.rows.iter().rev().filter_map(|row| events::message(row).transpose());
            let recent = recent.collect::<Result<Vec<_>, DbError>>()?;
            Ok(Some((conversations::stored(head)?, recent)))
        };
        let found = read().await?;
        match self {
            Self::Own(own) if found.is_none() && outbox::adopt(ctx, own, scope, id).await? => read().await,
            _ => Ok(found),
        }
    }

    /// Stores events and the head after them, all or nothing, in one round trip. When they end a run, only as long as that
    /// run is the one in progress.
    ///
    /// # Errors
    /// [`DbError::Conflict`] when other events are at their places, another owner keeps the log, or the run is over.
    pub async fn store(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        appended: &[Rc<Event>],
        head: &RoomHead,
        run: Option<&TurnToken>,
    ) -> Result<(), DbError> {
        let fence = run.map(|run| conversations::fence_run(scope, id, run));
        let inserts = appended.iter().map(|event| events::insert(scope, id, event));
        let update = conversations::update(scope, head);
        match self {
            Self::Main => {
                let owner = conversations::fence_owner(scope, id, self.owner());
                let counted = appended.iter().flat_map(|event| usage::record_statements(scope, id, event));
                let fed = appended.iter().map(|event| feed::append(scope, id, event));
                let over = |event: &Rc<Event>| matches!(event.body, EventBody::TurnFinished { .. });
                let said = appended.iter().any(over).then(|| live_answers::delete(scope, id));
                let batch = [owner].into_iter().chain(fence).chain(counted).chain(inserts).chain(fed);
                ctx.db.batch(batch.chain([update]).chain(said).collect()).await?;
            }
            Self::Own(own) => {
                // First the alarm: once the events are stored, something must wake to copy them.
                own.alarm.within(COPY_WITHIN).await?;
                own.db.batch(fence.into_iter().chain(inserts).chain([update]).collect()).await?;
            }
        }
        Ok(())
    }

    /// Writes who works on the turn in progress and until when; whether `run` was still the run in progress.
    pub async fn store_lease(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        run: &TurnToken,
        next: &OpenTurn,
    ) -> Result<bool, DbError> {
        // An object's own database names no owner: only the object writes to it.
        let owner = match self {
            Self::Main => self.owner(),
            Self::Own(_) => "",
        };
        let update = conversations::update_lease(scope, id, run, next, owner);
        let results = self.db(ctx).batch(vec![update]).await?;
        Ok(results.first().and_then(Rows::first).is_some())
    }

    /// Whether a conversation with this owner is kept here.
    pub fn keeps(&self, owner: &str) -> bool {
        // An object has taken over what is in its database.
        matches!(self, Self::Own(_)) || owner == self.owner()
    }

    /// Who keeps the log, as the main database names it.
    pub fn owner(&self) -> &str {
        match self {
            Self::Main => "",
            Self::Own(own) => &own.owner,
        }
    }

    /// What was stored after `after`, in one round trip.
    pub async fn news(&self, ctx: &Ctx, scope: &TenantScope, id: ConversationId, after: Seq) -> Result<News> {
        let statements =
            vec![conversations::select(scope, id), events::select_after(scope, id, after, super::MAX_REPLAY)];
        let results = self.db(ctx).query(statements).await?;
        let [heads, found] = results.as_slice() else {
            return Err(Error::ours("two results expected"));
        };
        let head = heads.first().ok_or_else(|| Error::not_found("conversation"))?;
        Ok(News {
            stored: conversations::stored(head)?,
            events: found.rows.iter().map(events::event).collect::<Result<_, DbError>>()?,
        })
    }

    /// A piece of the log, in order.
    pub async fn page(
        &self,
        ctx: &Ctx,
        scope: &TenantScope,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Rc<Event>>> {
        page(self.db(ctx).as_ref(), scope, id, after, limit).await
    }

    /// The message that was stored before under the same `client_id`, however long ago.
    pub async fn find_repeated(
        &self,
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
        let results = self.db(ctx).query(statements).await?;
        let [found, heads] = results.as_slice() else { return Err(Error::ours("two results expected")) };
        let (Some(row), Some(head)) = (found.first(), heads.first()) else { return Ok(None) };
        // One that this version cannot read is there all the same, and not this message.
        let Some((seq, known)) = events::message(row)? else {
            return Err(super::refused(Refusal::ClientIdReused));
        };
        let receipt = message.repeats(&known, seq).map_err(super::refused)?;
        let conversation = conversations::stored(head)?.head.conversation;
        Ok(Some(Appended { events: Vec::new(), receipt: Some(receipt), deduplicated: true, conversation }))
    }
}

/// A piece of the log in `db`, in order.
pub async fn page(
    db: &dyn Database,
    scope: &TenantScope,
    id: ConversationId,
    after: Seq,
    limit: u32,
) -> Result<Vec<Rc<Event>>> {
    let results = db.query(vec![events::select_after(scope, id, after, limit)]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    Ok(rows.iter().map(events::event).collect::<Result<_, DbError>>()?)
}
