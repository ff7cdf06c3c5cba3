//! Conversations that were put aside come back at their time.

use frontdesk_domain::error::Result;
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::room::Command;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;
use serde::{Deserialize, Serialize};

use crate::jobs::{self, Claimed, Ended, Failure};
use crate::{auth, store};

/// How many conversations one step takes up.
const PAGE: u32 = 100;

/// How far a walk through those that are due has come.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Walked {
    /// The last one's time and id; nothing yet at the beginning.
    after: Option<(Timestamp, ConversationId)>,
}

/// Takes up a page of the conversations of all organisations whose time has come. A room that cannot be reached keeps no other
/// from its turn; it is found again the next time.
///
/// # Errors
/// When the database does not answer.
pub async fn wake(ctx: &Ctx, job: &Claimed) -> Result<Ended, Failure> {
    let walked: Walked = serde_json::from_str(&job.payload).unwrap_or_default();
    let now = ctx.clock.now();
    let due = store::conversations::select_snoozed(now, walked.after, PAGE);
    let results = ctx.db.query(vec![due]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let (mut woken, mut last) = (0_u64, None);
    for row in rows {
        let (org, conversation, until) = store::conversations::due(row)?;
        last = Some((until, conversation));
        match ctx.rooms.append(&auth::system(org), conversation, Command::Wake).await {
            Ok(_) => woken = woken.saturating_add(1),
            Err(error) => {
                tracing::warn!(%conversation, %error, "a conversation that was put aside is taken up later");
            }
        }
    }
    if woken > 0 {
        tracing::info!(woken, "conversations that were put aside came back");
    }
    if rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
        return jobs::finish(ctx, job, Vec::new()).await;
    }
    let payload = serde_json::to_string(&Walked { after: last }).unwrap_or_default();
    jobs::go_on(ctx, job, &payload, Vec::new()).await
}
