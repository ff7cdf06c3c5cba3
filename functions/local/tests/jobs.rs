//! The queue of jobs: claimed once, fenced, fair among organisations, in order, once for each key, at their time, kept when
//! they are given up, and left alone when they are of a kind that this version does not know.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::jobs::{self, Claimed, Failure, Kind, NewJob, Step, Work};
use frontdesk_domain::document::reasons::{self, Told};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::{JobId, OrgId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{Clock as _, Ctx, Statement, Value};
use frontdesk_testkit::ManualClock;
use futures_util::future::{join, join_all};
use tokio::sync::Notify;

thread_local! {
    /// The subjects of the jobs that ran, in order.
    static RAN: RefCell<Vec<String>> = RefCell::default();
    /// How attempts at a job of `TROUBLE` end from now on.
    static TROUBLE_IS: Cell<Option<fn() -> Failure>> = const { Cell::new(None) };
    /// How many attempts at a job of `SLOW` stop and wait.
    static STOPS: Cell<u32> = const { Cell::new(0) };
    static STOPPED: Rc<Notify> = Rc::default();
    static GO_ON: Rc<Notify> = Rc::default();
}

const fn kind(name: &'static str, work: Work) -> Kind {
    Kind {
        name,
        max_attempts: Some(3),
        lease: Duration::from_secs(60),
        pause: Duration::from_secs(10),
        work,
        claimed: None,
        failed: None,
        dead_letters: true,
    }
}

/// Is done at once.
static QUICK: Kind = kind("quick", Work::Organisation(quick));
/// Is done in as many steps as its payload says.
static LONG: Kind = kind("long", Work::Organisation(long));
/// Fails as the test says.
static TROUBLE: Kind = kind("trouble", Work::Organisation(trouble));
/// Stops in its midst when the test says.
static SLOW: Kind = kind("slow", Work::Organisation(slow));
/// Is about the deployment.
static GLOBAL: Kind = kind("global", Work::Deployment(global));

static ALL: [&Kind; 8] =
    [&QUICK, &LONG, &TROUBLE, &SLOW, &GLOBAL, &jobs::CLEAN_UP, &jobs::SWEEP_UPLOADS, &jobs::WAKE];

fn ran(job: &Claimed) {
    RAN.with_borrow_mut(|ran| ran.push(job.subject.clone()));
}

fn quick<'a>(ctx: &'a Ctx, _: &'a TenantScope, job: &'a Claimed) -> Step<'a> {
    Box::pin(async {
        ran(job);
        jobs::finish(ctx, job, Vec::new()).await
    })
}

fn long<'a>(ctx: &'a Ctx, _: &'a TenantScope, job: &'a Claimed) -> Step<'a> {
    Box::pin(async {
        ran(job);
        match job.payload.parse::<u32>().unwrap_or(1) {
            0 | 1 => jobs::finish(ctx, job, Vec::new()).await,
            left => jobs::go_on(ctx, job, &(left - 1).to_string(), Vec::new()).await,
        }
    })
}

fn trouble<'a>(ctx: &'a Ctx, _: &'a TenantScope, job: &'a Claimed) -> Step<'a> {
    Box::pin(async {
        ran(job);
        match TROUBLE_IS.get() {
            Some(failure) => Err(failure()),
            None => jobs::finish(ctx, job, Vec::new()).await,
        }
    })
}

fn slow<'a>(ctx: &'a Ctx, _: &'a TenantScope, job: &'a Claimed) -> Step<'a> {
    Box::pin(async {
        if let Some(left) = STOPS.get().checked_sub(1) {
            STOPS.set(left);
            STOPPED.with(Rc::clone).notify_one();
            GO_ON.with(Rc::clone).notified().await;
        }
        let made = Statement::new("INSERT INTO made (what) VALUES (?1)").bind(job.subject.as_str());
        jobs::finish(ctx, job, vec![made]).await
    })
}

fn global<'a>(ctx: &'a Ctx, job: &'a Claimed) -> Step<'a> {
    Box::pin(async {
        ran(job);
        jobs::finish(ctx, job, Vec::new()).await
    })
}

struct Queue {
    world: World,
    clock: ManualClock,
}

impl Queue {
    async fn open() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
        Self { world: World::new(&[], overrides).await.unwrap(), clock }
    }

    fn ctx(&self) -> &Ctx {
        self.world.ctx()
    }

    /// An organisation of its own.
    fn organisation(&self) -> TenantScope {
        let org = OrgId::new(self.clock.now(), self.ctx().random.entropy());
        #[expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]
        TenantScope::authenticated(org, Actor::System)
    }

    async fn add(&self, scope: &TenantScope, kind: &'static Kind, subject: &str) -> JobId {
        let new = NewJob { subject, ..NewJob::new(kind) };
        jobs::enqueue(self.ctx(), scope, &new).await.unwrap().id
    }

    /// A round of a worker that takes up to `at_once` jobs; whether something was due.
    async fn round(&self, at_once: u32) -> bool {
        let now = self.clock.now();
        jobs::run_kinds(self.ctx(), &ALL, at_once).await.unwrap().is_some_and(|next| next <= now)
    }

    /// Rounds of one job each until nothing is due; what ran, in order.
    async fn drain(&self) -> Vec<String> {
        while self.round(1).await {}
        RAN.take()
    }

    async fn execute(&self, sql: &'static str, value: impl Into<Value>) {
        self.ctx().db.batch(vec![Statement::new(sql).bind(value)]).await.unwrap();
    }

    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let results = self.ctx().db.query(vec![Statement::new(sql)]).await.unwrap();
        results[0].rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect()
    }

    /// 1,000 jobs of the organisation that have been due for a long time.
    async fn crowd(&self, scope: &TenantScope) {
        self.execute(
            "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             SELECT ?1, 'job_' || substr('01h455vb4pex5vsknk084s0000', 1, 22) || printf('%04d', i), 'quick', 'crowd', '{}',
                'queued', 0, 0, 0, 0 FROM n",
            scope.org().to_string(),
        )
        .await;
    }

    fn gauge(&self, name: &str) -> u64 {
        let text = self.ctx().metrics.text();
        let line = text.lines().find(|line| line.starts_with(&format!("frontdesk_{name} ")));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    }

    fn count(&self, result: &str) -> u64 {
        let text = self.ctx().metrics.text();
        let lines = text.lines().filter(|line| {
            line.starts_with("frontdesk_jobs_total") && line.contains(&format!("result=\"{result}\""))
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

#[test]
fn each_job_is_claimed_once_among_workers_that_race() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        for number in 0..40 {
            queue.add(&scope, &QUICK, &format!("{number:02}")).await;
        }
        let worker = || async { while queue.round(3).await {} };
        join_all((0..5).map(|_| worker())).await;
        let mut ran = RAN.take();
        ran.sort();
        assert_eq!(ran, (0..40).map(|number| format!("{number:02}")).collect::<Vec<_>>());
        assert!(queue.rows("SELECT id FROM jobs").await.is_empty(), "finished jobs leave no rows");
    });
}

#[test]
fn what_a_worker_stores_after_its_lease_is_refused() {
    run(async {
        let queue = Queue::open().await;
        queue.ctx().db.batch(vec![Statement::new("CREATE TABLE made (what TEXT)")]).await.unwrap();
        queue.add(&queue.organisation(), &SLOW, "parcel").await;
        STOPS.set(1);
        let late = async {
            queue.round(1).await;
        };
        let meanwhile = async {
            STOPPED.with(Rc::clone).notified().await;
            assert!(!queue.round(1).await, "its lease holds");
            queue.clock.advance(SLOW.lease);
            assert!(queue.round(1).await, "another worker does it again");
            assert_eq!(queue.rows("SELECT what FROM made").await, ["parcel"]);
            GO_ON.with(Rc::clone).notify_one();
        };
        join(late, meanwhile).await;
        assert_eq!(queue.rows("SELECT what FROM made").await, ["parcel"], "stored once");
        assert_eq!((queue.count("done"), queue.count("superseded")), (1, 1));
    });
}

/// Until when the only job is its worker's.
async fn lease_end(queue: &Queue) -> Timestamp {
    let rows = queue.ctx().db.query(vec![Statement::new("SELECT run_after FROM jobs")]).await.unwrap();
    rows[0].rows[0].time(0).unwrap()
}

/// Time passes until the worker has prolonged its lease.
async fn prolonged(queue: &Queue) {
    let before = lease_end(queue).await;
    queue.clock.advance(Duration::from_secs(5));
    let mut asked = 0;
    while lease_end(queue).await <= before {
        asked += 1;
        // It may have begun to sleep only after the clock was moved.
        if asked % 2_000 == 0 {
            queue.clock.advance(Duration::from_secs(1));
        }
    }
}

#[test]
fn a_step_that_is_at_work_keeps_its_lease_and_one_whose_worker_died_is_soon_taken_up() {
    run(async {
        let queue = Queue::open().await;
        queue.ctx().db.batch(vec![Statement::new("CREATE TABLE made (what TEXT)")]).await.unwrap();
        queue.add(&queue.organisation(), &SLOW, "parcel").await;
        STOPS.set(1);
        let mut worker = Box::pin(queue.round(1));
        let at_work = async {
            STOPPED.with(Rc::clone).notified().await;
            for _ in 0..3 {
                prolonged(&queue).await;
                assert!(!queue.round(1).await, "another worker took it");
            }
        };
        tokio::select! {
            _ = &mut worker => panic!("it waits"),
            () = at_work => {}
        }
        // It dies: nothing of it runs any more.
        drop(worker);
        let end = lease_end(&queue).await;
        assert!(end <= queue.clock.now().after(Duration::from_secs(20)), "it is taken up soon");
        queue.clock.set(end.before(Duration::from_millis(1)));
        assert!(!queue.round(1).await, "its lease holds");
        queue.clock.set(end);
        assert!(queue.round(1).await, "it is taken up");
        assert_eq!(queue.rows("SELECT what FROM made").await, ["parcel"]);
    });
}

#[test]
fn a_step_is_kept_no_longer_than_its_kind_allows() {
    run(async {
        let queue = Queue::open().await;
        queue.ctx().db.batch(vec![Statement::new("CREATE TABLE made (what TEXT)")]).await.unwrap();
        queue.add(&queue.organisation(), &SLOW, "parcel").await;
        let begun = queue.clock.now();
        STOPS.set(1);
        let late = async {
            queue.round(1).await;
        };
        let meanwhile = async {
            STOPPED.with(Rc::clone).notified().await;
            while lease_end(&queue).await < begun.after(SLOW.lease) {
                prolonged(&queue).await;
            }
            queue.clock.set(begun.after(SLOW.lease));
            assert!(queue.round(1).await, "another worker does it again");
            GO_ON.with(Rc::clone).notify_one();
        };
        join(late, meanwhile).await;
        assert_eq!(queue.rows("SELECT what FROM made").await, ["parcel"], "stored once");
    });
}

#[test]
fn an_organisation_with_a_thousand_jobs_does_not_delay_the_only_one_of_another() {
    run(async {
        let queue = Queue::open().await;
        let (busy, other) = (queue.organisation(), queue.organisation());
        queue.crowd(&busy).await;
        for _ in 0..5 {
            queue.round(1).await;
        }
        assert_eq!(RAN.take().len(), 5);
        queue.add(&other, &QUICK, "the only one").await;
        queue.round(1).await;
        assert_eq!(RAN.take(), ["the only one"], "its turn was longest ago");
        queue.add(&other, &QUICK, "the next one").await;
        queue.round(2).await;
        assert!(
            RAN.take().contains(&"the next one".to_owned()),
            "one of each comes before the second of one"
        );
    });
}

#[test]
fn a_slow_step_holds_up_nothing_that_could_be_done_beside_it() {
    run(async {
        let queue = Queue::open().await;
        queue.ctx().db.batch(vec![Statement::new("CREATE TABLE made (what TEXT)")]).await.unwrap();
        let (one, other) = (queue.organisation(), queue.organisation());
        queue.add(&one, &SLOW, "slow").await;
        STOPS.set(1);
        let worker = async {
            queue.round(2).await;
        };
        let meanwhile = async {
            STOPPED.with(Rc::clone).notified().await;
            queue.add(&other, &QUICK, "quick").await;
            while RAN.with_borrow(Vec::is_empty) {
                // The lease of the slow one must hold: time passes as the database's threads need it.
                queue.clock.advance(Duration::from_millis(10));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(queue.rows("SELECT what FROM made").await.is_empty(), "the slow one is not done yet");
            GO_ON.with(Rc::clone).notify_one();
        };
        let both = join(worker, meanwhile);
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("it is done beside the slow one");
        assert_eq!(queue.rows("SELECT what FROM made").await, ["slow"]);
    });
}

#[test]
fn organisations_take_turns() {
    run(async {
        let queue = Queue::open().await;
        let all: BTreeMap<_, _> = ["a", "b", "c"].map(|name| (name, queue.organisation())).into();
        for (name, scope) in &all {
            for _ in 0..4 {
                queue.add(scope, &QUICK, name).await;
            }
        }
        let mut ran = Vec::new();
        for _ in 0..12 {
            queue.clock.advance(Duration::from_millis(1));
            queue.round(1).await;
            ran.extend(RAN.take());
        }
        for turn in ran.chunks(3) {
            let mut turn = turn.to_vec();
            turn.sort();
            assert_eq!(turn, ["a", "b", "c"], "{ran:?}");
        }
    });
}

#[test]
fn higher_priorities_come_first_within_an_organisation_and_not_before_others() {
    run(async {
        let queue = Queue::open().await;
        let (one, other) = (queue.organisation(), queue.organisation());
        for (subject, priority) in [("usual", 0), ("low", -5), ("high", 5), ("higher", 6)] {
            let new = NewJob { subject, priority, ..NewJob::new(&QUICK) };
            jobs::enqueue(queue.ctx(), &one, &new).await.unwrap();
            queue.clock.advance(Duration::from_millis(1));
        }
        queue.add(&other, &QUICK, "another's").await;
        let mut ran = Vec::new();
        for _ in 0..5 {
            queue.clock.advance(Duration::from_millis(1));
            queue.round(1).await;
            ran.extend(RAN.take());
        }
        assert_eq!(ran, ["higher", "another's", "high", "usual", "low"]);
    });
}

#[test]
fn while_a_job_with_a_key_is_open_the_same_one_is_not_made_again() {
    run(async {
        let queue = Queue::open().await;
        let (one, other) = (queue.organisation(), queue.organisation());
        let new = NewJob { key: Some("sync shop"), subject: "s", ..NewJob::new(&QUICK) };
        let enqueue = |scope| jobs::enqueue(queue.ctx(), scope, &new);
        let all = join_all((0..8).map(|_| enqueue(&one))).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert!(all.iter().all(|enqueued| enqueued.id == all[0].id), "{all:?}");
        assert_eq!(all.iter().filter(|enqueued| !enqueued.known).count(), 1);
        assert!(!enqueue(&other).await.unwrap().known, "another organisation's is its own");
        let long = NewJob { key: Some("sync shop"), ..NewJob::new(&LONG) };
        assert!(!jobs::enqueue(queue.ctx(), &one, &long).await.unwrap().known, "so is another kind's");
        assert_eq!(queue.drain().await.len(), 3);
        let again = enqueue(&one).await.unwrap();
        assert!(!again.known && again.id != all[0].id, "once it is done it can come again");
    });
}

#[test]
fn too_many_open_jobs_of_one_kind_are_refused_with_a_time_to_come_back() {
    run(async {
        let queue = Queue::open().await;
        let (busy, other) = (queue.organisation(), queue.organisation());
        queue.crowd(&busy).await;
        let refused = jobs::enqueue(queue.ctx(), &busy, &NewJob::new(&QUICK)).await;
        assert!(matches!(refused, Err(Error::Caller(CallerError::Unavailable { .. }))), "{refused:?}");
        queue.add(&busy, &LONG, "of another kind").await;
        queue.add(&other, &QUICK, "of another organisation").await;
    });
}

#[test]
fn what_is_too_long_for_the_queue_is_named() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        let (name, payload) = ("x".repeat(257), "x".repeat(65_537));
        for (what, new) in [
            ("subject", NewJob { subject: &name, ..NewJob::new(&QUICK) }),
            ("key", NewJob { key: Some(&name), ..NewJob::new(&QUICK) }),
            ("payload", NewJob { payload: &payload, ..NewJob::new(&QUICK) }),
        ] {
            let refused = jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap_err().to_string();
            assert!(refused.contains(what), "{refused}");
        }
        assert!(queue.rows("SELECT id FROM jobs").await.is_empty());
    });
}

#[test]
fn a_job_waits_for_its_time_and_one_that_repeats_begins_again_with_an_empty_payload() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        let hour = Duration::from_secs(3600);
        let later = queue.clock.now().after(hour);
        let new = NewJob { subject: "later", run_after: Some(later), ..NewJob::new(&QUICK) };
        jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        assert_eq!(jobs::run_kinds(queue.ctx(), &ALL, 1).await.unwrap(), Some(later), "when to come again");
        assert!(queue.drain().await.is_empty());
        queue.clock.advance(hour);
        assert_eq!(queue.drain().await, ["later"]);

        let new = NewJob { subject: "daily", payload: "3", every: Some(24 * hour), ..NewJob::new(&LONG) };
        jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        assert_eq!(queue.drain().await, ["daily"; 3]);
        queue.clock.advance(23 * hour);
        assert!(queue.drain().await.is_empty());
        queue.clock.advance(hour);
        assert_eq!(queue.drain().await, ["daily"]);
        queue.clock.advance(24 * hour);
        assert_eq!(queue.drain().await, ["daily"]);
    });
}

#[test]
fn one_that_repeats_is_never_given_up_and_says_why_it_failed() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        TROUBLE_IS.set(Some(|| Failure::Permanent(Told::of_a_job("no such shop"))));
        let hour = Duration::from_secs(3600);
        let new = NewJob { subject: "hourly", every: Some(hour), ..NewJob::new(&TROUBLE) };
        jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        assert_eq!(queue.drain().await, ["hourly"]);
        assert_eq!(
            queue.rows("SELECT state || ': ' || last_error FROM jobs").await,
            ["queued: no such shop"]
        );
        queue.clock.advance(hour);
        TROUBLE_IS.set(None);
        assert_eq!(queue.drain().await, ["hourly"]);
        assert_eq!(queue.rows("SELECT coalesce(last_error, 'none') FROM jobs").await, ["none"]);
    });
}

#[test]
fn a_passing_failure_is_tried_three_times_with_growing_pauses_and_then_kept_as_a_dead_letter() {
    run(async {
        let queue = Queue::open().await;
        let (scope, other) = (queue.organisation(), queue.organisation());
        TROUBLE_IS.set(Some(|| Failure::Passing(Told::of_a_job("the shop does not answer"))));
        let id = queue.add(&scope, &TROUBLE, "shop").await;
        let mut due = Vec::new();
        for _ in 0..3 {
            let began = queue.clock.now();
            assert_eq!(queue.drain().await, ["shop"]);
            if let Some(next) = jobs::run_kinds(queue.ctx(), &ALL, 1).await.unwrap() {
                due.push(next.since(began).as_secs());
                queue.clock.set(next);
            }
        }
        assert!(matches!(due[..], [5..=15, 30..=60]), "{due:?}");
        assert!(queue.drain().await.is_empty(), "then it is given up");

        let dead = jobs::dead(queue.ctx(), &scope).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!(
            (
                dead[0].id,
                dead[0].kind.as_str(),
                dead[0].subject.as_str(),
                dead[0].attempts,
                dead[0].error.as_str()
            ),
            (id, "trouble", "shop", 3, "the shop does not answer")
        );
        assert!(jobs::dead(queue.ctx(), &other).await.unwrap().is_empty());
        assert_eq!(jobs::retry(queue.ctx(), &other, id).await, Err(Error::not_found("job")));

        TROUBLE_IS.set(None);
        jobs::retry(queue.ctx(), &scope, id).await.unwrap();
        assert_eq!(queue.drain().await, ["shop"]);
        assert!(jobs::dead(queue.ctx(), &scope).await.unwrap().is_empty());
        assert_eq!(jobs::retry(queue.ctx(), &scope, id).await, Err(Error::not_found("job")));
    });
}

#[test]
fn a_permanent_failure_is_not_tried_again_nor_is_a_step_that_kills_its_worker_each_time() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        TROUBLE_IS.set(Some(|| Failure::Permanent(Told::of_a_job("no such shop"))));
        queue.add(&scope, &TROUBLE, "wrong").await;
        assert_eq!(queue.drain().await, ["wrong"]);
        queue.clock.advance(Duration::from_secs(100_000));
        assert!(queue.drain().await.is_empty());

        queue.add(&scope, &SLOW, "deadly").await;
        STOPS.set(u32::MAX);
        for _ in 0..3 {
            let killed = async {
                queue.round(1).await;
            };
            let stopped = STOPPED.with(Rc::clone);
            futures_util::future::select(Box::pin(killed), Box::pin(stopped.notified())).await;
            queue.clock.advance(SLOW.lease);
        }
        queue.round(1).await;
        let dead = jobs::dead(queue.ctx(), &scope).await.unwrap();
        let told: Vec<_> = dead.iter().map(|job| (job.subject.as_str(), job.error.as_str())).collect();
        let interrupted = reasons::INTERRUPTED.with(&[&3]).into_text();
        assert_eq!(told, [("deadly", interrupted.as_str()), ("wrong", "no such shop")]);
    });
}

#[test]
fn a_step_that_panics_fails_its_own_job_alone() {
    run(async {
        let queue = Queue::open().await;
        let (one, other) = (queue.organisation(), queue.organisation());
        TROUBLE_IS.set(Some(|| panic!("a defect")));
        queue.add(&one, &TROUBLE, "defect").await;
        queue.add(&other, &QUICK, "another's").await;
        assert!(queue.round(2).await);
        let mut ran = RAN.take();
        ran.sort();
        assert_eq!(ran, ["another's", "defect"]);
        assert_eq!((queue.count("done"), queue.count("retry")), (1, 1));
        for _ in 0..2 {
            queue.clock.advance(Duration::from_secs(3600));
            queue.round(2).await;
        }
        let dead = jobs::dead(queue.ctx(), &one).await.unwrap();
        assert_eq!(dead[0].error, reasons::DEFECT.en);
        assert!(queue.ctx().metrics.text().contains("frontdesk_deaths_total{name=\"job\"} 3"));
    });
}

#[test]
fn dead_letters_are_bounded_and_go_after_thirty_days() {
    run(async {
        let queue = Queue::open().await;
        let (scope, other) = (queue.organisation(), queue.organisation());
        TROUBLE_IS.set(Some(|| Failure::Permanent(Told::of_a_job("no"))));
        queue.add(&other, &TROUBLE, "another's").await;
        for number in 0..=jobs::MAX_DEAD {
            queue.add(&scope, &TROUBLE, &number.to_string()).await;
            queue.clock.advance(Duration::from_millis(1));
            queue.drain().await;
        }
        let dead = jobs::dead(queue.ctx(), &scope).await.unwrap();
        assert_eq!(dead.len(), 100);
        assert_eq!((dead[0].subject.as_str(), dead[99].subject.as_str()), ("100", "1"), "the newest stay");
        assert_eq!(jobs::dead(queue.ctx(), &other).await.unwrap().len(), 1);

        jobs::schedule(queue.ctx()).await.unwrap();
        jobs::schedule(queue.ctx()).await.unwrap();
        let kinds = queue.rows("SELECT kind FROM jobs WHERE state = 'queued' ORDER BY kind").await;
        assert_eq!(kinds, ["clean_up", "sweep_uploads", "vectors", "wake"], "each once");
        queue.drain().await;
        assert_eq!(jobs::dead(queue.ctx(), &scope).await.unwrap().len(), 100, "they are young");
        queue.clock.advance(jobs::KEEP_DEAD + Duration::from_millis(1));
        queue.drain().await;
        assert!(jobs::dead(queue.ctx(), &scope).await.unwrap().is_empty());
        let kinds = queue.rows("SELECT kind FROM jobs ORDER BY kind").await;
        assert_eq!(kinds, ["clean_up", "sweep_uploads", "vectors", "wake"], "they come again");
        assert_eq!(queue.rows("SELECT org_id FROM job_turns").await, ["deployment"]);
    });
}

#[test]
fn a_dead_letter_whose_place_was_taken_is_not_begun_again() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        TROUBLE_IS.set(Some(|| Failure::Permanent(Told::of_a_job("no"))));
        let new = NewJob { key: Some("k"), ..NewJob::new(&TROUBLE) };
        let old = jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        queue.drain().await;
        let newer = jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        assert!(!newer.known, "a dead letter keeps no key");
        let refused = jobs::retry(queue.ctx(), &scope, old.id).await;
        assert!(matches!(refused, Err(Error::Caller(CallerError::Conflict(_)))), "{refused:?}");
    });
}

#[test]
fn jobs_of_a_kind_that_this_version_does_not_know_are_left_alone_and_counted() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        queue
            .execute(
                "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at)
                 VALUES (?1, 'job_01h455vb4pex5vsknk084sn02q', 'of_tomorrow', 's', '[7]', 'queued', 0, 0, 0, 0)",
                scope.org().to_string(),
            )
            .await;
        assert_eq!(jobs::run_kinds(queue.ctx(), &ALL, 4).await.unwrap(), None, "nothing to come again for");
        queue.add(&scope, &QUICK, "known").await;
        assert_eq!(queue.drain().await, ["known"]);
        let left =
            queue.rows("SELECT kind || ' ' || state || ' ' || attempts || ' ' || step FROM jobs").await;
        assert_eq!(left, ["of_tomorrow queued 0 [7]"]);
        queue.clock.advance(Duration::from_secs(5));
        queue.round(1).await;
        assert_eq!((queue.gauge("jobs_unknown"), queue.gauge("jobs_waiting")), (1, 0));
    });
}

#[test]
fn a_job_of_the_deployment_runs_without_an_organisation_and_no_kind_runs_for_the_wrong_owner() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        let new = NewJob { subject: "sweep", ..NewJob::new(&GLOBAL) };
        jobs::enqueue_for_deployment(queue.ctx(), &new).await.unwrap();
        assert_eq!(queue.drain().await, ["sweep"]);

        queue.add(&scope, &GLOBAL, "wrong owner").await;
        jobs::enqueue_for_deployment(queue.ctx(), &NewJob::new(&QUICK)).await.unwrap();
        assert!(queue.drain().await.is_empty());
        assert_eq!(queue.count("failed"), 2);
        assert_eq!(jobs::dead(queue.ctx(), &scope).await.unwrap().len(), 1);
    });
}

#[test]
fn the_metrics_say_how_much_is_due_and_since_when() {
    run(async {
        let queue = Queue::open().await;
        let scope = queue.organisation();
        for number in 0..3 {
            queue.add(&scope, &QUICK, &number.to_string()).await;
        }
        let later = queue.clock.now().after(Duration::from_secs(1000));
        let new = NewJob { run_after: Some(later), ..NewJob::new(&QUICK) };
        jobs::enqueue(queue.ctx(), &scope, &new).await.unwrap();
        queue.clock.advance(Duration::from_secs(90));
        queue.round(1).await;
        assert_eq!((queue.gauge("jobs_waiting"), queue.gauge("jobs_oldest_due_seconds")), (3, 90));
        queue.drain().await;
        assert_eq!(queue.gauge("jobs_waiting"), 3, "measured every 5 s at most");
        queue.clock.advance(Duration::from_secs(5));
        queue.round(1).await;
        assert_eq!((queue.gauge("jobs_waiting"), queue.gauge("jobs_oldest_due_seconds")), (0, 0));
    });
}

#[test]
fn a_step_that_was_done_is_not_done_again() {
    run(async {
        let queue = Queue::open().await;
        let new = NewJob { subject: "three", payload: "3", ..NewJob::new(&LONG) };
        jobs::enqueue(queue.ctx(), &queue.organisation(), &new).await.unwrap();
        assert_eq!(queue.drain().await, ["three"; 3]);
        assert_eq!((queue.count("step"), queue.count("done")), (2, 1));
    });
}
