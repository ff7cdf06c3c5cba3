//! The feed: several processes append, several readers go through it, and any of them may be gone at any moment. Each reader
//! meets each event once, in one order.
//!
//! `FRONTDESK_FEED_EVENTS` and `FRONTDESK_FEED_ROOMS` make it larger.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::feed;
use frontdesk_app::policy::Via;
use frontdesk_app::rooms::{Log, LogRooms};
use frontdesk_domain::conversation::Mode;
use frontdesk_domain::id::{ConversationId, WorkerId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{BoxFuture, Ctx, Database, DbError, Ports, Rows, Statement, Tasks};
use frontdesk_testkit::SeededRandom;
use tokio::task::JoinHandle;

const PROCESSES: usize = 4;
const READERS: [&str; 3] = ["inbox", "webhooks", "search"];

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Tasks of one life of a process: with it they are gone, wherever they are.
#[derive(Default)]
struct Life(std::cell::RefCell<Vec<JoinHandle<()>>>);

impl Tasks for Life {
    fn spawn(&self, _: &'static str, work: BoxFuture<'static, ()>) {
        self.0.borrow_mut().push(tokio::task::spawn_local(work));
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        for task in self.0.take() {
            task.abort();
        }
    }
}

/// A database that now and then loses a call, or the answer to it.
struct Lossy {
    inner: Rc<dyn Database>,
    dice: Rc<SeededRandom>,
}

#[async_trait(?Send)]
impl Database for Lossy {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.inner.query(statements).await
    }
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        let lost = || DbError::Retryable("the connection broke (drawn)".to_owned());
        match self.dice.below(50) {
            0 => Err(lost()),
            1 => self.inner.batch(statements).await.and(Err(lost())),
            _ => self.inner.batch(statements).await,
        }
    }
}

/// One life of a process.
struct Process {
    ctx: Ctx,
    _life: Rc<Life>,
}

fn process(world: &Ctx, dice: &Rc<SeededRandom>) -> Process {
    let worker = WorkerId::new(world.clock.now(), world.random.entropy());
    let life = Rc::<Life>::default();
    let db = Rc::new(Lossy { inner: Rc::clone(&world.db), dice: Rc::clone(dice) });
    let ports = Rc::new_cyclic(|ports| Ports {
        rooms: Rc::new(LogRooms::new(ports.clone(), Log::Main, worker, false)),
        db,
        tasks: Rc::clone(&life) as Rc<dyn Tasks>,
        ..frontdesk_testkit::ports(world)
    });
    Process { ctx: Ctx::new(ports), _life: life }
}

/// Goes through the feed, storing what it meets with how far it is.
async fn read(ctx: Ctx, scope: TenantScope, reader: &'static str) {
    loop {
        let page = feed::next(&ctx, &scope, reader, 40).await;
        let Some(page) = page.ok().filter(|page| !page.entries.is_empty()) else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let seen = page.entries.iter().map(|entry| {
            Statement::new("INSERT INTO seen (reader, position, event) VALUES (?1, ?2, ?3)")
                .bind(reader)
                .bind(entry.position)
                .bind(format!("{}/{}", entry.conversation, entry.seq))
        });
        let batch = page.done(&scope, reader, ctx.clock.now()).into_iter().chain(seen).collect();
        // Lost, or another life of the reader was quicker: it goes on from what is stored.
        let _ = ctx.db.batch(batch).await;
    }
}

#[test]
fn each_reader_meets_each_event_once_and_in_order_over_kills() {
    let (events, rooms) = (number("FRONTDESK_FEED_EVENTS", 600), number("FRONTDESK_FEED_ROOMS", 10));
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let ctx = world.ctx();
        let (visitor, _) = world.visitor().await.unwrap();
        let system = visitor.as_system();
        let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        let operator = TenantScope::authenticated(
            visitor.org(),
            Actor::User { user, name: "Vera".to_owned(), role: Role::Operator },
        );
        let table = "CREATE TABLE seen (n INTEGER PRIMARY KEY, reader TEXT, position INTEGER, event TEXT)";
        ctx.db.batch(vec![Statement::new(table)]).await.unwrap();
        let dice = Rc::new(SeededRandom::new(11));
        let mut ids: Vec<ConversationId> = Vec::new();
        for _ in 0..rooms {
            // In an operator's hands, so that no turn adds to what is counted.
            let begun = chat::begin(ctx, &visitor, &Via::widget(None)).await.unwrap();
            let take = Change { mode: Some(Mode::Operator), ..Change::default() };
            chat::change(ctx, &operator, &Via::widget(None), begun.id, begun.epoch, take).await.unwrap();
            ids.push(begun.id);
        }

        let processes: Rc<Vec<std::cell::RefCell<Process>>> =
            Rc::new((0..PROCESSES).map(|_| std::cell::RefCell::new(process(ctx, &dice))).collect());
        let next = Rc::new(Cell::new(0));
        let posted = (0..8).map(|_| {
            let (processes, next, dice, ids) =
                (Rc::clone(&processes), Rc::clone(&next), Rc::clone(&dice), ids.clone());
            let visitor = visitor.clone();
            tokio::task::spawn_local(async move {
                loop {
                    let n = next.replace(next.get() + 1);
                    if n >= events {
                        return;
                    }
                    let post = PostMessage {
                        conversation: ids[n % ids.len()],
                        client_id: format!("m{n}"),
                        text: format!("message {n}"),
                        attachments: Vec::new(),
                        note: false,
                        via: Via::widget(None),
                    };
                    // As a client does: until it is told that its message is stored.
                    loop {
                        let at = usize::try_from(dice.below(PROCESSES as u64)).unwrap();
                        let ctx = processes[at].borrow().ctx.clone();
                        let sent = chat::post_message(&ctx, &visitor, post.clone());
                        if matches!(tokio::time::timeout(Duration::from_secs(2), sent).await, Ok(Ok(_))) {
                            break;
                        }
                    }
                }
            })
        });
        let posted: Vec<_> = posted.collect();
        // Two lives of each reader at once, too: of both one is quicker each time.
        let begin = |reader| tokio::task::spawn_local(read(process(ctx, &dice).ctx, system.clone(), reader));
        let mut readers: Vec<_> =
            READERS.iter().cycle().take(5).map(|reader| (*reader, begin(reader))).collect();
        let total = events + rooms;
        let count = async |sql: &'static str| {
            ctx.db.query(vec![Statement::new(sql)]).await.unwrap()[0].first().unwrap().int(0).unwrap()
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(1200);
        let mut kills = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(15 + dice.below(40))).await;
            let seen = usize::try_from(count("SELECT count(*) FROM seen").await).unwrap();
            if seen >= total * READERS.len() && posted.iter().all(JoinHandle::is_finished) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "{seen} of {}", total * READERS.len());
            let at = usize::try_from(dice.below(PROCESSES as u64)).unwrap();
            processes[at].replace(process(ctx, &dice));
            let at = usize::try_from(dice.below(readers.len() as u64)).unwrap();
            readers[at].1.abort();
            readers[at].1 = begin(readers[at].0);
            kills += 2;
        }
        for (_, reader) in &readers {
            reader.abort();
        }
        assert!(kills > 0);
        let rows = ctx.db.query(vec![Statement::new("SELECT reader, position, event FROM seen ORDER BY n")]);
        let rows = rows.await.unwrap();
        for reader in READERS {
            let of = rows[0].rows.iter().filter(|row| row.text(0) == Ok(reader));
            let positions: Vec<i64> = of.clone().map(|row| row.int(1).unwrap()).collect();
            let dense: Vec<i64> = (1..=i64::try_from(total).unwrap()).collect();
            assert_eq!(positions, dense, "{reader}");
            let different: HashSet<&str> = of.map(|row| row.text(2).unwrap()).collect();
            assert_eq!(different.len(), total, "{reader}");
        }
        assert_eq!(usize::try_from(count("SELECT count(*) FROM events").await).unwrap(), total);
    });
}
