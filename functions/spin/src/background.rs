//! What goes on beside requests: signs of life, jobs, and turns whose instance died. There is no timer that outlives an instance, so requests
//! drive it; a probe of `/health/live` is one that comes in any case.

use std::cell::Cell;
use std::time::Duration;

use frontdesk_app::life::{self, Sign};
use frontdesk_app::rooms::LogRooms;
use frontdesk_app::{jobs, rounds, schema};
use frontdesk_domain::error::Result;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

use wit_bindgen::spawn_local;

/// How often the deployment polls for what was left behind, all instances together. Well under the pauses of those that ask
/// it anything, so that each of these counts.
const EVERY: Duration = Duration::from_secs(10);
/// The name of that among what is done once in a while.
const LEFT_BEHIND: &str = "left_behind";
/// The name of a sign of life alone, which is given while the schema is wrong.
const SIGNED: &str = "signed";
/// How long an instance waits for leases of turns to end: whose worker died just now has one that lasts.
const TURNS_PATIENCE: Duration = Duration::from_secs(25);
/// How long it waits at least between two polls for such turns.
const TURNS_PAUSE: Duration = Duration::from_secs(1);
/// How long the deployment's sign of life is good; its instances give one sign together.
const SIGN_LASTS: Duration = Duration::from_secs(90);
/// How many jobs are worked on at once.
const AT_ONCE: u32 = 2;
/// How long an instance waits for a job that is due later; then a request finds it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon who waits sees that there is a new one.
const GLANCE: Duration = Duration::from_millis(100);

thread_local! {
    /// When this instance asked last whether it is to poll.
    static ASKED: Cell<Option<Timestamp>> = const { Cell::new(None) };
    /// Whether it waits for leases of turns to end.
    static WAITING: Cell<bool> = const { Cell::new(false) };
    /// Whether it works through the queue.
    static WORKING: Cell<bool> = const { Cell::new(false) };
    /// Whether what is done once in a while is in the queue for certain.
    static SCHEDULED: Cell<bool> = const { Cell::new(false) };
    /// Whether there is a new job.
    static ANNOUNCED: Cell<bool> = const { Cell::new(false) };
}

/// Once in a while, beside a request: jobs that are due, and turns that no worker runs any more. Instances may live for one
/// request alone, so that when it was done last stands in the database and not here.
pub fn poll_what_is_due(ctx: &Ctx, rooms: Option<LogRooms>) {
    let now = ctx.clock.now();
    if ASKED.get().is_some_and(|at| at <= now && now.since(at) < EVERY) {
        return;
    }
    ASKED.set(Some(now));
    let ctx = ctx.clone();
    spawn_local(async move {
        if schema::ready(&ctx).await.is_err() {
            // Where even the rounds are missing, every instance signs.
            if !matches!(rounds::claim(&ctx, SIGNED, EVERY).await, Ok(false)) {
                sign(&ctx).await;
            }
            return;
        }
        match rounds::claim(&ctx, LEFT_BEHIND, EVERY).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "what was left behind was not polled for");
                return;
            }
        }
        sign(&ctx).await;
        if let Some(rooms) = rooms {
            let ctx = ctx.clone();
            spawn_local(async move { take_up(&ctx, &rooms).await });
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

async fn sign(ctx: &Ctx) {
    let id = "spin".to_owned();
    life::sign(ctx, &Sign { id, kind: "spin", lasts: SIGN_LASTS }).await;
}

/// Takes up turns whose lease is over, and those whose lease ends soon.
async fn take_up(ctx: &Ctx, rooms: &LogRooms) {
    if WAITING.replace(true) {
        return;
    }
    let until = ctx.clock.now().after(TURNS_PATIENCE);
    while let Err(error) = take_up_next(ctx, rooms, until).await {
        tracing::warn!(%error, "turns that were left open were not taken up");
        if ctx.clock.now() >= until {
            break;
        }
        ctx.clock.sleep(TURNS_PAUSE).await;
    }
    WAITING.set(false);
}

/// As long as a lease ends before `until`.
async fn take_up_next(ctx: &Ctx, rooms: &LogRooms, until: Timestamp) -> Result<()> {
    rooms.recover().await?;
    while let Some(end) = rooms.next_lease_end().await?
        && end < until
        && ctx.clock.now() < until
    {
        ctx.clock.sleep(end.since(ctx.clock.now()).max(TURNS_PAUSE)).await;
        rooms.recover().await?;
    }
    Ok(())
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
