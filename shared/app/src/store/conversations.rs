//! `conversations`: the head of each room.

use frontdesk_domain::conversation::{Conversation, Mode, Status};
use frontdesk_domain::id::{ConversationId, OrgId, SiteId, VisitorId};
use frontdesk_domain::room::{OpenTurn, RoomHead};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A stored head with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The site it was begun on.
    pub site: SiteId,
    /// That site's name.
    pub site_name: String,
    /// Whose it is.
    pub visitor: VisitorId,
    /// The head.
    pub head: RoomHead,
}

/// A new conversation, in which the AI may speak.
pub fn insert(
    scope: &TenantScope,
    id: ConversationId,
    site: SiteId,
    visitor: VisitorId,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO conversations
            (org_id, id, site_id, visitor_id, mode, status, epoch, last_seq, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 'ai', 'open', 1, 0, ?5, ?5)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(site)
    .bind_id(visitor)
    .bind(now)
}

/// The head of a room.
pub fn select(scope: &TenantScope, id: ConversationId) -> Statement {
    Statement::new(
        "SELECT c.id, c.site_id, c.visitor_id, c.mode, c.status, c.epoch, c.last_seq, c.open_turn, c.unanswered,
            c.updated_at, s.name
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
            c.updated_at, s.name
         FROM conversations c JOIN sites s ON s.org_id = c.org_id AND s.id = c.site_id
         WHERE c.org_id = ?1 AND c.visitor_id = ?2 AND c.mode <> 'closed'
         ORDER BY c.created_at DESC LIMIT 1",
    )
    .bind_id(scope.org())
    .bind_id(visitor)
}

/// Writes the head as it is after its last event; one that is further already stays.
pub fn update(scope: &TenantScope, head: &RoomHead) -> Statement {
    let conversation = &head.conversation;
    Statement::new(
        "UPDATE conversations SET mode = ?3, status = ?4, epoch = ?5, last_seq = ?6, open_turn = ?7,
            lease_until = ?8, unanswered = ?9, updated_at = ?10
         WHERE org_id = ?1 AND id = ?2 AND last_seq <= ?6",
    )
    .bind_id(scope.org())
    .bind_id(conversation.id)
    .bind(mode_name(conversation.mode))
    .bind(status_name(conversation.status))
    .bind(conversation.epoch)
    .bind(conversation.last_seq)
    .bind(head.turn.as_ref().map(|open| serde_json::to_string(open).unwrap_or_default()))
    .bind(head.turn.as_ref().map(|open| open.lease_until))
    .bind(head.unanswered)
    .bind(head.last_at)
}

/// Writes who works on the turn in progress and until when. Gives no row, and changes nothing, when it is another turn by
/// now or was begun another number of times than `attempt`.
pub fn update_lease(scope: &TenantScope, id: ConversationId, open: &OpenTurn, attempt: u32) -> Statement {
    Statement::new(
        "UPDATE conversations SET open_turn = ?3, lease_until = ?4
         WHERE org_id = ?1 AND id = ?2 AND json_extract(open_turn, '$.turn') = ?5
            AND json_extract(open_turn, '$.attempt') = ?6
         RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(serde_json::to_string(open).unwrap_or_default())
    .bind(open.lease_until)
    .bind_id(open.turn)
    .bind(attempt)
}

/// Conversations of every organisation whose turn has no worker any more at `now`, at most 500.
pub fn select_abandoned(now: Timestamp) -> Statement {
    Statement::new(
        "SELECT org_id, id FROM conversations WHERE open_turn IS NOT NULL AND lease_until <= ?1 LIMIT 500",
    )
    .bind(now)
}

/// A row of [`select_abandoned`].
///
/// # Errors
/// When the row is of another shape.
pub fn abandoned(row: &Row) -> Result<(OrgId, ConversationId), DbError> {
    Ok((row.parse(0)?, row.parse(1)?))
}

/// A row of [`select`] or [`select_latest`].
///
/// # Errors
/// When the row is of another shape.
pub fn stored(row: &Row) -> Result<Stored, DbError> {
    let turn = row.opt_text(7)?.map(|_| row.json(7)).transpose()?;
    Ok(Stored {
        site: row.parse(1)?,
        site_name: row.text(10)?.to_owned(),
        visitor: row.parse(2)?,
        head: RoomHead {
            conversation: Conversation {
                id: row.parse(0)?,
                mode: mode(row.text(3)?),
                status: status(row.text(4)?),
                epoch: row.count(5)?,
                last_seq: row.count(6)?,
            },
            turn,
            unanswered: row.opt_int(8)?.map(i64::unsigned_abs),
            last_at: row.time(9)?,
        },
    })
}

const MODES: [(Mode, &str); 3] = [(Mode::Ai, "ai"), (Mode::Operator, "operator"), (Mode::Closed, "closed")];
const STATUSES: [(Status, &str); 4] = [
    (Status::Open, "open"),
    (Status::Waiting, "waiting"),
    (Status::Snoozed, "snoozed"),
    (Status::Closed, "closed"),
];

fn mode_name(mode: Mode) -> &'static str {
    MODES.iter().find(|(known, _)| *known == mode).map_or("closed", |(_, name)| name)
}

/// As of events: in a mode of a newer version the AI is silent.
fn mode(name: &str) -> Mode {
    MODES.iter().find(|(_, known)| *known == name).map_or(Mode::Operator, |(mode, _)| *mode)
}

fn status_name(status: Status) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("closed", |(_, name)| name)
}

/// As of events: what stands in a newer version's place stays in sight of operators.
fn status(name: &str) -> Status {
    STATUSES.iter().find(|(_, known)| *known == name).map_or(Status::Open, |(status, _)| *status)
}
