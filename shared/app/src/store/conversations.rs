//! `conversations`: the head of each room.

use frontdesk_domain::conversation::{Channel, Conversation, Mode, Priority, Seq, Status};
use frontdesk_domain::id::{ConversationId, OrgId, SiteId, VisitorId};
use frontdesk_domain::room::{OpenTurn, RoomHead, TurnToken, Unread};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A stored head with whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The site it was begun on.
    pub site: SiteId,
    /// That site's name.
    pub site_name: String,
    /// Whose it is.
    pub visitor: VisitorId,
    /// Who keeps its log: empty for the main database, otherwise the name of an object.
    pub log_owner: String,
    /// The head.
    pub head: RoomHead,
}

/// A new conversation.
pub fn insert(scope: &TenantScope, site: SiteId, visitor: VisitorId, head: &RoomHead) -> Statement {
    Statement::new(
        "INSERT INTO conversations
            (org_id, id, site_id, visitor_id, channel, mode, status, epoch, last_seq, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?9)",
    )
    .bind_id(scope.org())
    .bind_id(head.conversation.id)
    .bind_id(site)
    .bind_id(visitor)
    .bind(CHANNELS.name(head.channel))
    .bind(MODES.name(head.conversation.mode))
    .bind(STATUSES.name(head.conversation.status))
    .bind(head.conversation.epoch)
    .bind(head.last_at)
}

/// The head of a room.
pub fn select(scope: &TenantScope, id: ConversationId) -> Statement {
    Statement::new(
        "SELECT c.id, c.site_id, c.visitor_id, c.mode, c.status, c.epoch, c.last_seq, c.open_turn, c.unanswered,
            c.updated_at, s.name, c.log_owner, c.channel, c.assignee, c.labels, c.priority, c.snoozed_until,
            c.waiting_since, c.last_message, c.unread_visitor, c.unread_operators
         FROM conversations c JOIN sites s ON s.org_id = c.org_id AND s.id = c.site_id
         WHERE c.org_id = ?1 AND c.id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// The visitor's latest conversation that is not closed.
pub fn select_latest(scope: &TenantScope, visitor: VisitorId) -> Statement {
    Statement::new(
        "SELECT c.id, c.site_id, c.visitor_id, c.mode, c.status, c.epoch, c.last_seq, c.open_turn, c.unanswered,
            c.updated_at, s.name, c.log_owner, c.channel, c.assignee, c.labels, c.priority, c.snoozed_until,
            c.waiting_since, c.last_message, c.unread_visitor, c.unread_operators
         FROM conversations c JOIN sites s ON s.org_id = c.org_id AND s.id = c.site_id
         WHERE c.org_id = ?1 AND c.visitor_id = ?2 AND c.mode <> 'closed'
         ORDER BY c.created_at DESC LIMIT 1",
    )
    .bind_id(scope.org())
    .bind_id(visitor)
}

/// Writes the head as it is after its last event; one that is further already stays. Who works on a turn that was open before
/// stays as it is stored: a process that appends may not know yet that another worker took it up.
pub fn update(scope: &TenantScope, head: &RoomHead) -> Statement {
    let conversation = &head.conversation;
    Statement::new(
        "UPDATE conversations SET mode = ?3, status = ?4, epoch = ?5, last_seq = ?6,
            lease_until = CASE WHEN json_extract(open_turn, '$.turn') = json_extract(?7, '$.turn')
                THEN lease_until ELSE ?8 END,
            open_turn = CASE WHEN json_extract(open_turn, '$.turn') = json_extract(?7, '$.turn')
                THEN open_turn ELSE ?7 END,
            unanswered = ?9, updated_at = ?10, assignee = ?11, labels = ?12, priority = ?13,
            snoozed_until = ?14, waiting_since = ?15, last_message = ?16, unread_visitor = ?17,
            unread_operators = ?18
         WHERE org_id = ?1 AND id = ?2 AND last_seq <= ?6",
    )
    .bind_id(scope.org())
    .bind_id(conversation.id)
    .bind(MODES.name(conversation.mode))
    .bind(STATUSES.name(conversation.status))
    .bind(conversation.epoch)
    .bind(conversation.last_seq)
    .bind(head.turn.as_ref().map(json))
    .bind(head.turn.as_ref().map(|open| open.lease_until))
    .bind(head.unanswered)
    .bind(head.last_at)
    .bind(head.assignee.map(|user| user.to_string()))
    .bind(json(&head.labels))
    .bind(PRIORITIES.name(head.priority))
    .bind(head.snoozed_until)
    .bind(head.waiting_since)
    .bind(head.last_message.as_ref().map(json))
    .bind(head.unread.visitor)
    .bind(head.unread.operators)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Refuses the whole batch, as a conflict, when another owner keeps the conversation's log: a row that the table cannot
/// hold is inserted then.
pub fn fence_owner(scope: &TenantScope, id: ConversationId, owner: &str) -> Statement {
    Statement::new(
        "INSERT INTO conversations (org_id) SELECT NULL WHERE NOT EXISTS (
            SELECT 1 FROM conversations WHERE org_id = ?1 AND id = ?2 AND log_owner = ?3)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(owner)
}

/// The same when another run of the turn is in progress by now, or none.
pub fn fence_run(scope: &TenantScope, id: ConversationId, run: &TurnToken) -> Statement {
    Statement::new(
        "INSERT INTO conversations (org_id) SELECT NULL WHERE NOT EXISTS (
            SELECT 1 FROM conversations WHERE org_id = ?1 AND id = ?2 AND json_extract(open_turn, '$.turn') = ?3
                AND json_extract(open_turn, '$.attempt') = ?4 AND json_extract(open_turn, '$.worker') = ?5)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(run.turn)
    .bind(run.attempt)
    .bind_id(run.worker)
}

/// Gives a conversation's log from one owner to another, unless it is longer than `upto` (`None`: however long). Gives a row
/// when it did.
pub fn give_log(
    scope: &TenantScope,
    id: ConversationId,
    from: &str,
    to: &str,
    upto: Option<Seq>,
) -> Statement {
    Statement::new(
        "UPDATE conversations SET log_owner = ?4
         WHERE org_id = ?1 AND id = ?2 AND log_owner = ?3 AND (?5 IS NULL OR last_seq <= ?5) RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(from)
    .bind(to)
    .bind(upto)
}

/// Writes who works on the turn in progress and until when. Gives no row, and changes nothing, when `run` is not the run in
/// progress any more.
pub fn update_lease(
    scope: &TenantScope,
    id: ConversationId,
    run: &TurnToken,
    next: &OpenTurn,
    owner: &str,
) -> Statement {
    Statement::new(
        "UPDATE conversations SET open_turn = ?3, lease_until = ?4
         WHERE org_id = ?1 AND id = ?2 AND json_extract(open_turn, '$.turn') = ?5
            AND json_extract(open_turn, '$.attempt') = ?6 AND json_extract(open_turn, '$.worker') = ?7
            AND log_owner = ?8
         RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(json(next))
    .bind(next.lease_until)
    .bind_id(run.turn)
    .bind(run.attempt)
    .bind_id(run.worker)
    .bind(owner)
}

/// When the first lease of a turn in progress ends; no row when none is.
pub fn select_next_lease_end() -> Statement {
    Statement::new(
        "SELECT lease_until FROM conversations WHERE open_turn IS NOT NULL AND log_owner = ''
         ORDER BY lease_until, id LIMIT 1",
    )
}

/// Conversations of every organisation whose log is in the main database and whose turn has no worker any more at `now`,
/// page by page: those after a lease's end and an id.
pub fn select_abandoned(now: Timestamp, after: (Timestamp, &str), limit: u32) -> Statement {
    Statement::new(
        "SELECT org_id, id, lease_until FROM conversations
         WHERE open_turn IS NOT NULL AND lease_until <= ?1 AND (lease_until, id) > (?2, ?3) AND log_owner = ''
         ORDER BY lease_until, id LIMIT ?4",
    )
    .bind(now)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
}

/// Conversations of every organisation that were put aside until a time that has come, page by page: those after a time and an
/// id.
pub fn select_snoozed(now: Timestamp, after: Option<(Timestamp, ConversationId)>, limit: u32) -> Statement {
    Statement::new(
        "SELECT org_id, id, snoozed_until FROM conversations
         WHERE snoozed_until IS NOT NULL AND snoozed_until <= ?1 AND (snoozed_until, id) > (?2, ?3)
         ORDER BY snoozed_until, id LIMIT ?4",
    )
    .bind(now)
    .bind(after.map_or(Timestamp::from_millis(0), |(time, _)| time))
    .bind(after.map(|(_, id)| id.to_string()).unwrap_or_default())
    .bind(limit)
}

/// A row of [`select_abandoned`] or [`select_snoozed`].
///
/// # Errors
/// When the row is of another shape.
pub fn due(row: &Row) -> Result<(OrgId, ConversationId, Timestamp), DbError> {
    Ok((row.parse(0)?, row.parse(1)?, row.time(2)?))
}

/// A row of [`select`] or [`select_latest`].
///
/// # Errors
/// When the row is of another shape.
pub fn stored(row: &Row) -> Result<Stored, DbError> {
    let time = |column| row.opt_int(column).map(|time| time.map(Timestamp::from_millis));
    let turn = row.opt_text(7)?.map(|_| row.json(7)).transpose()?;
    let count = |column| row.count(column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(Stored {
        site: row.parse(1)?,
        site_name: row.text(10)?.to_owned(),
        visitor: row.parse(2)?,
        log_owner: row.text(11)?.to_owned(),
        head: RoomHead {
            conversation: Conversation {
                id: row.parse(0)?,
                mode: mode(row.text(3)?),
                status: status(row.text(4)?),
                epoch: row.count(5)?,
                last_seq: row.count(6)?,
            },
            channel: CHANNELS.value(row.text(12)?)?,
            assignee: row.opt_text(13)?.map(|_| row.parse(13)).transpose()?,
            labels: row.json(14)?,
            priority: PRIORITIES.value(row.text(15)?)?,
            snoozed_until: time(16)?,
            waiting_since: time(17)?,
            last_message: row.opt_text(18)?.map(|_| row.json(18)).transpose()?,
            unread: Unread { visitor: count(19)?, operators: count(20)? },
            turn,
            unanswered: row.opt_int(8)?.map(i64::unsigned_abs),
            last_at: row.time(9)?,
        },
    })
}

/// The names of an enumeration's values in the database.
struct Names<T: 'static>(&'static str, &'static [(T, &'static str)]);

impl<T: Copy + PartialEq> Names<T> {
    fn name(&self, value: T) -> &'static str {
        self.1.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
    }

    fn value(&self, name: &str) -> Result<T, DbError> {
        let found = self.1.iter().find(|(_, known)| *known == name).map(|(value, _)| *value);
        found.ok_or_else(|| DbError::Schema(format!("unknown {}: {name}", self.0)))
    }
}

const MODES: Names<Mode> =
    Names("mode", &[(Mode::Ai, "ai"), (Mode::Operator, "operator"), (Mode::Closed, "closed")]);
const STATUSES: Names<Status> = Names(
    "status",
    &[
        (Status::Open, "open"),
        (Status::Waiting, "waiting"),
        (Status::Snoozed, "snoozed"),
        (Status::Closed, "closed"),
    ],
);
const PRIORITIES: Names<Priority> = Names(
    "priority",
    &[
        (Priority::Low, "low"),
        (Priority::Normal, "normal"),
        (Priority::High, "high"),
        (Priority::Urgent, "urgent"),
    ],
);
const CHANNELS: Names<Channel> = Names(
    "channel",
    &[
        (Channel::Widget, "widget"),
        (Channel::Api, "api"),
        (Channel::Telegram, "telegram"),
        (Channel::Chatwoot, "chatwoot"),
        (Channel::Kommo, "kommo"),
    ],
);

/// As of events: in a mode of a newer version the AI is silent.
fn mode(name: &str) -> Mode {
    MODES.value(name).unwrap_or(Mode::Operator)
}

/// As of events: what stands in a newer version's place stays in sight of operators.
fn status(name: &str) -> Status {
    STATUSES.value(name).unwrap_or(Status::Open)
}
