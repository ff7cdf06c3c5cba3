//! The rooms in memory of one process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use frontdesk_domain::conversation::{Message, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::Event;
use frontdesk_domain::id::{ConversationId, OrgId, SiteId, VisitorId};
use frontdesk_domain::room::Room;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use futures_util::lock::Mutex;
use lru::LruCache;

use super::listeners::Listeners;
use crate::store::conversations::Stored;

/// How many rooms are tried, the least recently used first, for one that is not in use.
const TRIED: usize = 8;

/// Which room.
pub type RoomKey = (OrgId, ConversationId);

/// Rooms in memory. Those in use stay; of the others the least recently used goes when there are too many.
pub struct RoomCache {
    most: usize,
    /// Whether this is the only process: then a turn in progress runs here, and its room stays.
    alone: bool,
    entries: RefCell<LruCache<RoomKey, Rc<RoomEntry>>>,
}

/// One room in memory.
#[derive(Default)]
pub struct RoomEntry {
    /// Held while a call appends, and while one reads the room from the log.
    pub gate: Mutex<()>,
    /// The room, once it was read.
    pub state: RefCell<Option<Open>>,
    /// Whether the log may have more than the room: a write was reported as failed and may be stored.
    pub stale: Cell<bool>,
    /// Whether a copy of the log is about to begin.
    pub copying: Cell<bool>,
    /// When something happened last.
    pub stirred: Cell<Option<Timestamp>>,
}

/// A room that was read.
pub struct Open {
    /// The room.
    pub room: Room,
    /// The site it was begun on.
    pub site: SiteId,
    /// That site's name.
    pub site_name: String,
    /// Whose it is.
    pub visitor: VisitorId,
    /// Who keeps its log, as the main database names it.
    pub log_owner: String,
    /// Who listens in this process.
    pub listeners: Listeners,
}

impl RoomCache {
    /// At most so many rooms that are not in use.
    pub fn new(most: usize, alone: bool) -> Self {
        Self { most, alone, entries: RefCell::new(LruCache::unbounded()) }
    }

    /// The entry of a room; a new one that is not read yet when there is none.
    pub fn entry(&self, key: RoomKey) -> Rc<RoomEntry> {
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get(&key) {
            return Rc::clone(entry);
        }
        for _ in 0..TRIED {
            if entries.len() < self.most {
                break;
            }
            let Some((key, entry)) = entries.pop_lru() else { break };
            if entry.in_use(self.alone) {
                entries.put(key, entry);
            }
        }
        let entry = Rc::<RoomEntry>::default();
        entries.put(key, Rc::clone(&entry));
        entry
    }

    /// The entry of a room, if there is one.
    pub fn known(&self, key: &RoomKey) -> Option<Rc<RoomEntry>> {
        self.entries.borrow().peek(key).cloned()
    }

    /// Forgets a room that does not exist.
    pub fn remove(&self, key: &RoomKey) {
        self.entries.borrow_mut().pop(key);
    }

    /// Ends every listener's stream.
    pub fn close_listeners(&self) {
        for (_, entry) in self.entries.borrow().iter() {
            if let Some(open) = entry.state.borrow_mut().as_mut() {
                open.listeners.close();
            }
        }
    }
}

impl RoomEntry {
    /// Held elsewhere (by a call, or by the poller as long as it is followed), listened to, or with a turn of this process.
    fn in_use(self: &Rc<Self>, alone: bool) -> bool {
        let state = self.state.borrow();
        Rc::strong_count(self) > 1
            || state.as_ref().is_some_and(|open| (alone && open.has_turn()) || !open.listeners.is_empty())
    }

    /// Whether it has a listener in this process.
    pub fn is_listened_to(&self) -> bool {
        self.state.borrow().as_ref().is_some_and(|open| !open.listeners.is_empty())
    }

    /// Whose it is: a visitor reaches its own conversations only.
    pub fn check(&self, scope: &TenantScope) -> Result<()> {
        let state = self.state.borrow();
        let open = state.as_ref().ok_or_else(unread)?;
        match scope.actor() {
            Actor::Visitor { site, visitor } if *site != open.site || *visitor != open.visitor => {
                Err(Error::not_found("conversation"))
            }
            Actor::Visitor { .. } | Actor::User { .. } | Actor::System => Ok(()),
        }
    }
}

impl Open {
    /// A room as it is stored.
    pub fn new(stored: Stored, recent: impl IntoIterator<Item = (Seq, Rc<Message>)>) -> Self {
        Self {
            room: Room::restore(stored.head, recent),
            site: stored.site,
            site_name: stored.site_name,
            visitor: stored.visitor,
            log_owner: stored.log_owner,
            listeners: Listeners::default(),
        }
    }

    /// Whether a turn is in progress, here or elsewhere.
    pub fn has_turn(&self) -> bool {
        self.room.head().turn.is_some()
    }

    /// The last `seq` that is folded in.
    pub fn last_seq(&self) -> Seq {
        self.room.head().conversation.last_seq
    }

    /// Whether the room has events at the places of these.
    pub fn has(&self, events: &[Rc<Event>]) -> bool {
        events.first().is_some_and(|event| event.seq <= self.last_seq())
    }
}

/// The entry was made and the room is not read: a defect, or the log was out of reach meanwhile.
pub fn unread() -> Error {
    let detail = "the room is to be read first".to_owned();
    Error::Upstream { service: "database", retryable: true, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> RoomKey {
        let at = Timestamp::from_millis(1);
        (OrgId::new(at, [0; 10]), ConversationId::new(at, [n; 10]))
    }

    #[test]
    fn the_least_recently_used_goes_and_what_is_held_stays() {
        let cache = RoomCache::new(3, true);
        let held = cache.entry(key(1));
        for n in 2..=3 {
            cache.entry(key(n));
        }
        cache.entry(key(2));
        cache.entry(key(4));
        assert!(cache.known(&key(1)).is_some_and(|entry| Rc::ptr_eq(&entry, &held)));
        assert!(cache.known(&key(3)).is_none() && cache.known(&key(2)).is_some());
        for n in 10..200 {
            cache.entry(key(n));
        }
        assert_eq!(cache.entries.borrow().len(), 3);
        assert!(cache.known(&key(1)).is_some());
    }

    #[test]
    fn with_everything_in_use_a_call_tries_a_few_and_goes_on() {
        let cache = RoomCache::new(2, true);
        let held: Vec<_> = (0..50).map(|n| cache.entry(key(n))).collect();
        assert_eq!(cache.entries.borrow().len(), held.len());
        drop(held);
        for n in 100..110 {
            cache.entry(key(n));
        }
        assert_eq!(cache.entries.borrow().len(), 2);
    }
}
