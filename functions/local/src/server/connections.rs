//! Who is connected, and who may be.
//!
//! There are as many connections as the machine has descriptors for, and strangers can ask for more. So one address has a
//! part of them at most; when they are scarce, the one that has been idle longest makes room for a new one; and beside them
//! is a small reserve, in which a connection is told no more than how the deployment is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use frontdesk_api::Pace;
use frontdesk_ports::Metrics;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many connections there may be, and how slow they may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that are served.
    pub most: usize,
    /// Connections beside them that are told how the deployment is and nothing else.
    pub reserve: usize,
    /// Of those that are served, how many may come from one address; an IPv6 network of 64 bits is one address.
    pub per_address: usize,
    /// Whether that is so for this machine itself, too. Its own are most often a proxy's, which speaks for everyone.
    pub counts_loopback: bool,
    /// How long the head of a request may take.
    pub head: Duration,
    /// The same in the reserve.
    pub reserve_head: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write: Duration,
    /// How slowly a body may come.
    pub pace: Pace,
}

impl Limits {
    /// More connections than this are of no use: each costs the core some of its one thread.
    const MOST: usize = 10_000;
    /// Descriptors that are no connections: the database, logs, readers of files.
    const OWN: usize = 64;

    /// The limits of a process with so many descriptors. A connection may have a file open beside it, one that it is sent or
    /// one that waits until it is whole; an eighth is kept for calls to other services.
    #[must_use]
    pub fn of(descriptors: usize) -> Self {
        let connections = descriptors.saturating_sub(Self::OWN).saturating_mul(7) / 16;
        let reserve = (connections / 8).clamp(4, 64);
        let most = connections.saturating_sub(reserve).clamp(4, Self::MOST);
        Self {
            most,
            reserve,
            per_address: (most / 4).max(4),
            counts_loopback: false,
            head: Duration::from_secs(10),
            reserve_head: Duration::from_secs(2),
            write: Duration::from_secs(20),
            pace: Pace::STANDARD,
        }
    }
}

/// Why a connection was ended, or got no more than a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// It was idle and made room for another.
    Idle,
    /// There was no room.
    Full,
    /// Its address has its part already.
    Address,
    /// There was no room in the reserve either.
    Reserve,
    /// No request came, or only a part of one's head.
    Silent,
    /// Its client took nothing of what was sent.
    Stalled,
}

impl Cut {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Full => "full",
            Self::Address => "address",
            Self::Reserve => "reserve",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
        }
    }
}

/// How often one reason is logged at most.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Every connection of a server. Clones share it.
#[derive(Clone)]
pub struct Connections(Rc<Inner>);

struct Inner {
    limits: Limits,
    metrics: Rc<Metrics>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, Open>,
    served: Part,
    reserve: Part,
    /// How many are served of each address.
    addresses: BTreeMap<IpAddr, usize>,
    /// Since the last line of each reason: when that was, and how many there were.
    logged: BTreeMap<Cut, (Instant, u64)>,
}

#[derive(Default)]
struct Part {
    count: usize,
    /// Those that are between two requests, by since when: a number that grows.
    idle: BTreeMap<u64, u64>,
}

struct Open {
    address: IpAddr,
    /// Why it is in the reserve, when it is.
    refused: Option<Cut>,
    /// Since when it is idle; none while it works.
    idle: Option<u64>,
    cut: Rc<Notify>,
}

impl State {
    fn part(&mut self, refused: Option<Cut>) -> &mut Part {
        if refused.is_some() { &mut self.reserve } else { &mut self.served }
    }

    fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    fn enter(&mut self, address: IpAddr, refused: Option<Cut>) -> (u64, Rc<Notify>) {
        let id = self.number();
        let cut = Rc::new(Notify::new());
        let part = self.part(refused);
        part.count = part.count.saturating_add(1);
        part.idle.insert(id, id);
        if refused.is_none() {
            let of_address = self.addresses.entry(address).or_default();
            *of_address = of_address.saturating_add(1);
        }
        self.open.insert(id, Open { address, refused, idle: Some(id), cut: Rc::clone(&cut) });
        (id, cut)
    }

    /// A connection that was cut is gone already.
    fn leave(&mut self, id: u64) -> Option<Rc<Notify>> {
        let open = self.open.remove(&id)?;
        let part = self.part(open.refused);
        part.count = part.count.saturating_sub(1);
        if let Some(since) = open.idle {
            part.idle.remove(&since);
        }
        if open.refused.is_none()
            && let Some(of_address) = self.addresses.get_mut(&open.address)
        {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                self.addresses.remove(&open.address);
            }
        }
        Some(open.cut)
    }

    /// Ends the one that has been idle longest. Gives whether there was one.
    fn cut_idle(&mut self, refused: Option<Cut>) -> bool {
        let oldest = self.part(refused).idle.first_key_value().map(|(_, id)| *id);
        let cut = oldest.and_then(|id| self.leave(id));
        if let Some(cut) = &cut {
            // One that does not wait for it yet finds it when it does.
            cut.notify_one();
        }
        cut.is_some()
    }

    fn set_idle(&mut self, id: u64, idle: bool) {
        let since = self.number();
        let Some(open) = self.open.get_mut(&id) else { return };
        let before = std::mem::replace(&mut open.idle, idle.then_some(since));
        let refused = open.refused;
        let part = self.part(refused);
        if let Some(before) = before {
            part.idle.remove(&before);
        }
        if idle {
            part.idle.insert(since, id);
        }
    }
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits, metrics: Rc<Metrics>) -> Self {
        Self(Rc::new(Inner { limits, metrics, state: RefCell::default() }))
    }

    /// What they may do.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.state.borrow().open.len()
    }

    /// Lets a new connection in: among those that are served, or into the reserve. `None` when there is no room at all.
    #[must_use]
    pub fn enter(&self, ip: IpAddr) -> Option<Connection> {
        let limits = &self.0.limits;
        let address = network(ip);
        let entered = {
            let mut state = self.0.state.borrow_mut();
            let counts = limits.counts_loopback || !ip.to_canonical().is_loopback();
            let of_address = state.addresses.get(&address).copied().unwrap_or(0);
            let refused = if counts && of_address >= limits.per_address {
                Some(Cut::Address)
            } else if state.served.count < limits.most {
                None
            } else if state.cut_idle(None) {
                drop(state);
                self.note(Cut::Idle);
                state = self.0.state.borrow_mut();
                None
            } else {
                Some(Cut::Full)
            };
            let room = refused.is_none() || state.reserve.count < limits.reserve || state.cut_idle(refused);
            room.then(|| {
                let (id, cut) = state.enter(address, refused);
                Connection { of: Rc::downgrade(&self.0), id, refused, cut, working: Cell::new(0) }
            })
        };
        let Some(connection) = entered else {
            self.note(Cut::Reserve);
            return None;
        };
        if let Some(why) = connection.refused {
            self.note(why);
        }
        self.0.metrics.connections.inc();
        Some(connection)
    }

    /// There are no descriptors left: the one that has been idle longest ends.
    pub fn make_room(&self) {
        let cut = self.0.state.borrow_mut().cut_idle(None);
        if cut {
            self.note(Cut::Idle);
        }
    }

    /// Counts it, and now and then says how often it happened.
    pub fn note(&self, why: Cut) {
        let reason = why.name();
        self.0.metrics.connections_cut.get_or_create(&[("reason", reason)]).inc();
        if why == Cut::Silent {
            // Every client that keeps a connection for a while ends like this.
            return;
        }
        let now = Instant::now();
        let mut state = self.0.state.borrow_mut();
        let count = match state.logged.get(&why) {
            Some((at, count)) if now.duration_since(*at) < LOG_EVERY => {
                let (at, count) = (*at, count.saturating_add(1));
                state.logged.insert(why, (at, count));
                return;
            }
            Some((_, count)) => count.saturating_add(1),
            None => 1,
        };
        state.logged.insert(why, (now, 0));
        let open = state.open.len();
        drop(state);
        tracing::warn!(reason, count, open, "connections were cut or refused");
    }
}

/// A connection that counts as long as it is held.
pub struct Connection {
    of: Weak<Inner>,
    id: u64,
    /// Why it is in the reserve, when it is.
    pub refused: Option<Cut>,
    cut: Rc<Notify>,
    /// How many things it does: one request, and the socket that it becomes.
    working: Cell<u32>,
}

impl Connection {
    /// Ends when the connection has to.
    pub async fn cut(&self) {
        self.cut.notified().await;
    }

    /// It works until what this gives is dropped.
    #[must_use]
    pub fn work(self: &Rc<Self>) -> Working {
        self.working.set(self.working.get().saturating_add(1));
        self.set_idle(false);
        Working(Rc::clone(self))
    }

    fn set_idle(&self, idle: bool) {
        if let Some(of) = self.of.upgrade() {
            of.state.borrow_mut().set_idle(self.id, idle);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(of) = self.of.upgrade() {
            of.metrics.connections.dec();
            of.state.borrow_mut().leave(self.id);
        }
    }
}

/// A connection at work: it is not ended to make room.
pub struct Working(Rc<Connection>);

impl Drop for Working {
    fn drop(&mut self) {
        let left = self.0.working.get().saturating_sub(1);
        self.0.working.set(left);
        if left == 0 {
            self.0.set_idle(true);
        }
    }
}

/// Who has one address of an IPv6 network has them all.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_ipv4_or_a_network_of_ipv6() {
        let of = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:203.0.113.7"), of("203.0.113.7"));
        assert_ne!(of("203.0.113.7"), of("203.0.113.8"));
    }
}
