//! The bundle of ports.

use std::ops::Deref;
use std::rc::Rc;

use crate::{
    Blobs, Breakers, Caches, Clock, Compute, Config, Database, Extractor, HttpClient, Limiter, Metrics,
    Random, Rooms, Spool, Tasks, VectorIndex,
};

/// Every port of a host.
pub struct Ports {
    /// Settings of the deployment.
    pub config: Config,
    /// libSQL.
    pub db: Rc<dyn Database>,
    /// Rooms.
    pub rooms: Rc<dyn Rooms>,
    /// Vector search.
    pub vectors: Rc<dyn VectorIndex>,
    /// HTTP.
    pub http: Rc<dyn HttpClient>,
    /// Files.
    pub blobs: Rc<dyn Blobs>,
    /// Where bodies wait until they are whole.
    pub spool: Rc<dyn Spool>,
    /// Text from untrusted files.
    pub extractor: Rc<dyn Extractor>,
    /// Rate limits.
    pub limiter: Rc<dyn Limiter>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub random: Rc<dyn Random>,
    /// Work after the response.
    pub tasks: Rc<dyn Tasks>,
    /// Heavy computation.
    pub compute: Rc<dyn Compute>,
    /// Counters.
    pub metrics: Rc<Metrics>,
    /// What this process remembers for a short time; begins empty.
    pub caches: Rc<Caches>,
    /// Circuit breakers of the services that are called.
    pub breakers: Breakers,
}

/// What every use case gets. Cheap to clone.
#[derive(Clone)]
pub struct Ctx(Rc<Ports>);

impl Ctx {
    /// A context over these ports.
    #[must_use]
    pub fn new(ports: Rc<Ports>) -> Self {
        Self(ports)
    }

    /// The shared ports, for adapters that hold a weak reference to them.
    #[must_use]
    pub fn shared(&self) -> &Rc<Ports> {
        &self.0
    }
}

impl Deref for Ctx {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.0
    }
}
