//! What goes on beside requests: signs of life, jobs, and turns whose instance died. There is no timer that outlives an instance, so requests
//! drive it; a probe of `/health/live` is one that comes in any case.

use std::cell::Cell;
use std::time::Duration;

use frontdesk_app::life::{self, Sign};
use frontdesk_app::rooms::LogRooms;
use frontdesk_app::{jobs, schema};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

use wit_bindgen::spawn_local;

/// How often an instance that is asked anything polls for what was left behind.
const EVERY: Duration = Duration::from_secs(15);
/// Of so many new instances one polls with its first request: where each answers one request only, they must not all.
const NEW_ONE_IN: u8 = 16;
/// How long the deployment's sign of life is good; its instances give one sign together.
const SIGN_LASTS: Duration = Duration::from_secs(90);
/// How many jobs are worked on at once.
const AT_ONCE: u32 = 2;
/// How long an instance waits for a job that is due later; then a request finds it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon who waits sees that there is a new one.
const GLANCE: Duration = Duration::from_millis(100);

thread_local! {
    /// When this instance polled last.
    static POLLED: Cell<Option<Timestamp>> = const { Cell::new(None) };
    /// Whether it works through the queue.
    static WORKING: Cell<bool> = const { Cell::new(false) };
    /// Whether what is done once in a while is in the queue for certain.
    static SCHEDULED: Cell<bool> = const { Cell::new(false) };
    /// Whether there is a new job.
    static ANNOUNCED: Cell<bool> = const { Cell::new(false) };
}

/// Once in a while, beside a request: jobs that are due, and turns that no worker runs any more.
pub fn poll_what_is_due(ctx: &Ctx, rooms: Option<LogRooms>) {
    let now = ctx.clock.now();
    let [chance, ..] = ctx.random.entropy();
    let due = POLLED.get().map_or(chance < u8::MAX / NEW_ONE_IN, |at| now.since(at) >= EVERY);
    if !due {
        POLLED.set(POLLED.get().or(Some(now)));
        return;
    }
    POLLED.set(Some(now));
    let ctx = ctx.clone();
    spawn_local(async move {
        let id = "spin".to_owned();
        life::sign(&ctx, &Sign { id, kind: "spin", lasts: SIGN_LASTS }).await;
        if schema::ready(&ctx).await.is_err() {
            return;
        }
        if let Some(rooms) = rooms
            && let Err(error) = rooms.recover().await
        {
            tracing::warn!(%error, "turns that were left open were not taken up");
        }
        if !SCHEDULED.get() {
            match jobs::schedule(&ctx).await {
                Ok(()) => SCHEDULED.set(true),
                Err(error) => tracing::warn!(%error, "what is done once in a while is not in the queue"),
            }
        }
        work(&ctx).await;
    });
}

/// There is a new job.
pub fn new_job(ctx: Ctx) {
    ANNOUNCED.set(true);
    spawn_local(async move {
        work(&ctx).await;
    });
}

/// Held by the task that works through the queue; ends with it.
struct Working;

impl Working {
    fn begin() -> Option<Self> {
        (!WORKING.replace(true)).then_some(Self)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        WORKING.set(false);
    }
}

/// Works through the queue until nothing is due soon.
async fn work(ctx: &Ctx) {
    let Some(_working) = Working::begin() else { return };
    loop {
        ANNOUNCED.set(false);
        match jobs::run(ctx, AT_ONCE).await {
            Ok(Some(next)) if next.since(ctx.clock.now()) < PATIENCE => {
                while ctx.clock.now() < next && !ANNOUNCED.get() {
                    ctx.clock.sleep(GLANCE).await;
                }
            }
            Ok(_) if !ANNOUNCED.get() => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "jobs could not be run");
                return;
            }
        }
    }
}
