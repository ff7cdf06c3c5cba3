//! Rate limits counted by a Durable Object, in its own SQLite.

use std::cell::Cell;
use std::rc::Rc;

use frontdesk_app::limits::{self, DatabaseLimiter};
use frontdesk_ports::Database;
use worker::{DurableObject, Env, Error, Request, Response, Result, State, durable_object, wasm_bindgen};

use crate::host;
use crate::object_database::ObjectDatabase;
use crate::runtime::JsClock;

/// Counts a share of the keys.
#[durable_object(fetch)]
pub struct LimiterObject {
    db: Rc<dyn Database>,
    limiter: DatabaseLimiter,
    /// Whether the table is known to be there.
    created: Cell<bool>,
}

impl DurableObject for LimiterObject {
    fn new(state: State, env: Env) -> Self {
        let db: Rc<dyn Database> = Rc::new(ObjectDatabase::new(Rc::new(state)));
        let limiter = DatabaseLimiter::new(db.clone(), Rc::new(JsClock), &host::config(&env));
        Self { db, limiter, created: Cell::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if !self.created.get() {
            limits::create(self.db.as_ref()).await.map_err(|error| failed(&error))?;
            self.created.set(true);
        }
        let call = request.bytes().await?;
        Response::from_bytes(limits::answer(&self.limiter, &call).await.map_err(|error| failed(&error))?)
    }
}

fn failed(error: &impl ToString) -> Error {
    Error::from(error.to_string())
}
