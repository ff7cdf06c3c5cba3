//! When turns that a dead worker left can be taken up.

use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Rows;

use super::LogRooms;
use crate::store::conversations;

impl LogRooms {
    /// When the first lease of a turn in progress ends, in any process; `None` when no turn is.
    ///
    /// # Errors
    /// When the database is out of reach.
    pub async fn next_lease_end(&self) -> Result<Option<Timestamp>> {
        let results = self.ctx()?.db.query(vec![conversations::select_next_lease_end()]).await?;
        let end = results.first().and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
        Ok(end.map(Timestamp::from_millis))
    }
}
