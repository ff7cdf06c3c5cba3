//! Background work in a Durable Object's alarm: step by step, each well under the runtime's limits. There is one such
//! object; what it works through is the queue in the database, so losing it loses nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::life::{self, Sign};
use frontdesk_app::{jobs, schema};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Clock, Ctx};
use worker::{
    DurableObject, Env, Error, Request, Response, Result, Socket, State, durable_object, wasm_bindgen,
};

use crate::host;
use crate::runtime::{AfterResponse, JsClock};

/// How many jobs are worked on at once.
const AT_ONCE: u32 = 4;
/// How many rounds one alarm makes before it hands over to the next, which has limits of its own.
const ROUNDS: u32 = 8;
/// How long a sign of life is good: the cron event wakes this object every minute.
const SIGN_LASTS: Duration = Duration::from_secs(180);
/// When the queue could not be read: how soon it is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Works through the queue.
#[durable_object(alarm)]
pub struct JobsObject {
    ctx: Ctx,
    state: Rc<State>,
    /// When the deployment's sign of life was given last.
    signed: Cell<Option<Timestamp>>,
    /// Whether what is done once in a while is in the queue for certain.
    scheduled: Cell<bool>,
}

impl JobsObject {
    /// Sets the alarm, unless it goes off earlier already.
    async fn come_again(&self, delay: Duration) -> Result<()> {
        let at = JsClock.now().after(delay).millis();
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none_or(|known| known > at) {
            storage.set_alarm(delay).await?;
        }
        Ok(())
    }

    /// Some rounds; when to come again.
    async fn work(&self) -> frontdesk_domain::error::Result<Option<Duration>> {
        schema::ready(&self.ctx).await?;
        if !self.scheduled.get() {
            jobs::schedule(&self.ctx).await?;
            self.scheduled.set(true);
        }
        for _ in 0..ROUNDS {
            let now = self.ctx.clock.now();
            match jobs::run(&self.ctx, AT_ONCE).await? {
                None => return Ok(None),
                Some(next) if next > now => return Ok(Some(next.since(now))),
                Some(_) => {}
            }
        }
        Ok(Some(Duration::ZERO))
    }
}

impl DurableObject for JobsObject {
    fn new(state: State, env: Env) -> Self {
        let state = Rc::new(state);
        let tasks = Rc::new(AfterResponse::Object(state.clone()));
        let ctx = host::ctx(&env, tasks, |ports| host::all_rooms(&env, ports));
        Self { ctx, state, signed: Cell::new(None), scheduled: Cell::new(false) }
    }

    /// There is something to do.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        self.come_again(Duration::ZERO).await?;
        Response::empty()
    }

    async fn alarm(&self) -> Result<Response> {
        let now = self.ctx.clock.now();
        if self.signed.get().is_none_or(|at| now.since(at) >= life::EVERY) {
            self.signed.set(Some(now));
            let id = "cloudflare".to_owned();
            life::sign(&self.ctx, &Sign { id, kind: "cloudflare", lasts: SIGN_LASTS }).await;
        }
        let next = self.work().await.unwrap_or_else(|error| {
            tracing::error!(%error, "jobs could not be run");
            Some(AGAIN)
        });
        if let Some(delay) = next {
            self.come_again(delay).await?;
        }
        Response::empty()
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(Error::from("this object takes no connections"))
    }
}
