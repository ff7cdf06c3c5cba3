//! What one process remembers for a short time. It lives here, not in statics: one process may carry several hosts.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::rc::Rc;

use frontdesk_domain::id::{ApiKeyId, OrgId, SiteId, UserId};
use frontdesk_domain::networks::Networks;
use frontdesk_domain::scope::{Actor, Credential, Role, TenantScope};
use frontdesk_domain::settings::Settings;
use frontdesk_domain::time::Timestamp;
use lru::LruCache;

use crate::{AtOnce, Dialects, Outcomes};

/// Every cache. Each is bounded.
#[derive(Debug, Default)]
pub struct Caches {
    /// Settings by organisation.
    pub settings: SettingsCache,
    /// Keys for programs that were shown lately.
    pub keys: KeyCache,
    /// The only organisation of this deployment, if there is exactly one.
    pub only_org: RefCell<Option<(Timestamp, Option<OrgId>)>>,
    /// The last result of each health probe.
    pub health: RefCell<HashMap<&'static str, CachedProbe>>,
    /// How calls to other services went lately.
    pub outcomes: Outcomes,
    /// How models want to be asked.
    pub dialects: Dialects,
    /// How full the queue was when it was measured last.
    pub queue: Cell<Option<QueueDepth>>,
    /// How the database's schema is.
    pub schema: RefCell<Option<CachedSchema>>,
    /// Uploads that are under way; bounded by the connections.
    pub uploads: AtOnce,
}

/// How the database's schema was when it was asked.
#[derive(Debug, Clone)]
pub struct CachedSchema {
    /// How it is.
    pub state: SchemaState,
    /// When a caller went to ask last.
    pub asked: Timestamp,
}

/// How the database's schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// This version can serve from it.
    Right,
    /// This version must not; with the reason, for a person.
    Wrong(Rc<str>),
    /// The database does not answer.
    Unreachable,
}

/// How full the queue of jobs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// When it was measured.
    pub at: Timestamp,
    /// Jobs that are due and that no worker has.
    pub waiting: u64,
    /// Since when the first of them is due.
    pub oldest_due: Option<Timestamp>,
    /// Open jobs of kinds that this version does not know.
    pub unknown: u64,
    /// Jobs that were given up.
    pub dead: u64,
}

/// Settings that were read.
#[derive(Debug, Clone)]
pub struct CachedSettings {
    /// Their version; 0 when nothing differs from the defaults yet.
    pub version: u64,
    /// The settings.
    pub settings: Rc<Settings>,
    /// When they were read.
    pub read_at: Timestamp,
    /// When a request began to read them again.
    pub refreshing: Option<Timestamp>,
    /// Sites that were removed, of those whose visitors may have a token still.
    pub removed_sites: Rc<BTreeSet<SiteId>>,
    /// The origins of the others.
    pub origins: Rc<BTreeMap<SiteId, Vec<String>>>,
    /// What was taken away from users whose tokens have not ended yet.
    pub revoked: Rc<Revoked>,
}

/// What was taken away from an organisation's users lately, as long as tokens from before may be around.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Members that changed, with what each may do now; `None` for those that may not come in.
    pub members: BTreeMap<UserId, Option<Role>>,
    /// Logins and keys that were ended.
    pub credentials: BTreeSet<Credential>,
}

impl Revoked {
    /// Whether a caller that was authenticated is not let in any more: it was disabled or removed, has another role than its
    /// token says, or its login or key was ended.
    #[must_use]
    pub fn holds(&self, scope: &TenantScope) -> bool {
        let Actor::User { user, role, .. } = scope.actor() else { return false };
        self.members.get(user).is_some_and(|now| *now != Some(*role))
            || scope.credential().is_some_and(|credential| self.credentials.contains(&credential))
    }
}

/// Settings by organisation, at most [`SettingsCache::CAPACITY`] of them. Those that were asked for longest ago are
/// forgotten first.
#[derive(Debug)]
pub struct SettingsCache(RefCell<LruCache<OrgId, CachedSettings>>);

impl Default for SettingsCache {
    fn default() -> Self {
        Self(RefCell::new(LruCache::new(Self::CAPACITY)))
    }
}

impl SettingsCache {
    /// How many organisations are remembered.
    pub const CAPACITY: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

    /// What is remembered of an organisation.
    #[must_use]
    pub fn get(&self, org: OrgId) -> Option<CachedSettings> {
        self.0.borrow_mut().get(&org).cloned()
    }

    /// Remembers. An older version never replaces a newer one: a read that began before a change may end after it.
    pub fn put(&self, org: OrgId, entry: CachedSettings) {
        let mut all = self.0.borrow_mut();
        if all.peek(&org).is_some_and(|known| known.version > entry.version) {
            return;
        }
        all.put(org, entry);
    }

    /// Marks that a request reads them again.
    pub fn refreshing(&self, org: OrgId, since: Timestamp) {
        if let Some(entry) = self.0.borrow_mut().peek_mut(&org) {
            entry.refreshing = Some(since);
        }
    }

    /// Forgets an organisation.
    pub fn forget(&self, org: OrgId) {
        self.0.borrow_mut().pop(&org);
    }
}

/// What is stored of a key for programs.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// Whose it is.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// From where it counts.
    pub addresses: Networks,
    /// Until when it counts.
    pub expires_at: Option<Timestamp>,
    /// When it was noted last that it was used.
    pub used_at: Option<Timestamp>,
    /// When this was read.
    pub read_at: Timestamp,
}

/// Keys for programs, at most [`KeyCache::CAPACITY`] of them. Those that were shown longest ago are forgotten first.
#[derive(Debug)]
pub struct KeyCache(RefCell<LruCache<ApiKeyId, KnownKey>>);

impl Default for KeyCache {
    fn default() -> Self {
        Self(RefCell::new(LruCache::new(Self::CAPACITY)))
    }
}

impl KeyCache {
    /// How many keys are remembered.
    pub const CAPACITY: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

    /// What is remembered of a key.
    #[must_use]
    pub fn get(&self, id: ApiKeyId) -> Option<KnownKey> {
        self.0.borrow_mut().get(&id).cloned()
    }

    /// Remembers.
    pub fn put(&self, id: ApiKeyId, known: KnownKey) {
        self.0.borrow_mut().put(id, known);
    }

    /// Forgets a key.
    pub fn forget(&self, id: ApiKeyId) {
        self.0.borrow_mut().pop(&id);
    }
}

/// A health probe that ran.
#[derive(Debug, Clone)]
pub struct CachedProbe {
    /// `ok`, `degraded`, `down` or `off`; none while the first one runs.
    pub status: Option<&'static str>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// What there is to say.
    pub detail: String,
    /// When it began.
    pub at: Timestamp,
    /// When the one that runs now began.
    pub running: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use frontdesk_domain::id::LoginId;

    use super::*;

    fn entry(version: u64, at: i64) -> CachedSettings {
        CachedSettings {
            version,
            settings: Rc::default(),
            read_at: Timestamp::from_millis(at),
            refreshing: None,
            removed_sites: Rc::default(),
            origins: Rc::default(),
            revoked: Rc::default(),
        }
    }

    fn org(n: usize) -> OrgId {
        let mut entropy = [0; 10];
        entropy[2..].copy_from_slice(&n.to_be_bytes());
        OrgId::new(Timestamp::from_millis(1), entropy)
    }

    #[test]
    fn an_older_version_never_replaces_a_newer_one() {
        let cache = SettingsCache::default();
        cache.put(org(1), entry(5, 10));
        cache.put(org(1), entry(4, 20));
        assert_eq!(cache.get(org(1)).unwrap().version, 5);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes callers")]
    fn a_caller_is_out_when_it_its_role_or_its_login_is_gone() {
        let user = UserId::new(Timestamp::from_millis(1), [1; 10]);
        let login = |n: u8| Credential::Login(LoginId::new(Timestamp::from_millis(1), [n; 10]));
        let caller = |role, credential| {
            let actor = Actor::User { user, name: "Vera".to_owned(), role };
            TenantScope::authenticated(org(1), actor).by(Some(credential))
        };
        let revoked = |now: Option<Role>| Revoked {
            members: BTreeMap::from([(user, now)]),
            credentials: BTreeSet::from([login(9)]),
        };
        assert!(!Revoked::default().holds(&caller(Role::Operator, login(1))));
        assert!(
            !revoked(Some(Role::Operator)).holds(&caller(Role::Operator, login(1))),
            "it was made just now"
        );
        assert!(revoked(None).holds(&caller(Role::Operator, login(1))));
        assert!(revoked(Some(Role::Viewer)).holds(&caller(Role::Operator, login(1))));
        assert!(
            revoked(Some(Role::Owner)).holds(&caller(Role::Operator, login(1))),
            "it has to fetch its new role"
        );
        assert!(revoked(Some(Role::Operator)).holds(&caller(Role::Operator, login(9))));
        assert!(!revoked(None).holds(&caller(Role::Operator, login(1)).as_system()));
    }

    #[test]
    fn it_stays_bounded_and_forgets_what_was_asked_for_longest_ago() {
        let cache = SettingsCache::default();
        for n in 0..SettingsCache::CAPACITY.get() + 5 {
            cache.put(org(n), entry(1, 1));
            assert!(cache.get(org(0)).is_some(), "asked for all the time, and forgotten after {n}");
        }
        assert_eq!(cache.0.borrow().len(), SettingsCache::CAPACITY.get());
        assert!(cache.get(org(1)).is_none() && cache.get(org(7)).is_some());
    }
}
