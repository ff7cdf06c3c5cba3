//! A libSQL server that dies, hangs, cuts off or answers nonsense; and the program on one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::migrations;
use frontdesk_clients::hrana::{HranaDatabase, HranaServer};
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_local::testing::{Place, Sqld, run};
use frontdesk_local::{OsRandom, SystemClock};
use frontdesk_ports::{ByteStream, Database, DbError, FetchError, FetchLimits, HttpClient, Statement, Value};
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn sqld() -> Sqld {
    let program = std::env::var_os("FRONTDESK_SQLD").expect("FRONTDESK_SQLD names the program");
    Sqld::start(program.into()).unwrap()
}

/// Waits for an answer less long than sqld lets a transaction keep its lock, 5 s.
struct Impatient(ReqwestClient);

#[async_trait(?Send)]
impl HttpClient for Impatient {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        self.0.send(request, FetchLimits { head: Duration::from_secs(3), ..limits }).await
    }
}

fn database(url: &str, impatient: bool) -> HranaDatabase {
    let client = ReqwestClient::new().unwrap();
    let http: Rc<dyn HttpClient> = if impatient { Rc::new(Impatient(client)) } else { Rc::new(client) };
    HranaDatabase::new(http, Rc::new(SystemClock), Rc::new(OsRandom), HranaServer::new(url, None).unwrap())
}

/// What becomes of one call on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It reaches the server, and the answer the client.
    Passed,
    /// The connection breaks before the server has it.
    CutBefore,
    /// The server does it, and the connection breaks before the answer.
    CutAfter,
    /// The server does it, and the connection breaks in the middle of the answer.
    CutWithin,
    /// The server does it, and the answer says nothing one could read.
    Garbled,
    /// Nothing comes, for ever.
    Silent,
}

/// Stands between client and server.
struct Proxy {
    url: String,
    fates: Rc<RefCell<VecDeque<Fate>>>,
    calls: Rc<Cell<u32>>,
}

impl Proxy {
    async fn before(server: &Sqld) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = server.url().strip_prefix("http://").unwrap().to_owned();
        let (fates, calls) = (Rc::<RefCell<VecDeque<Fate>>>::default(), Rc::<Cell<u32>>::default());
        let (plan, count) = (Rc::clone(&fates), Rc::clone(&calls));
        tokio::task::spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, plan, count) = (upstream.clone(), Rc::clone(&plan), Rc::clone(&count));
                tokio::task::spawn_local(async move {
                    // The client ends the connection when it likes.
                    let _ = relay(client, &upstream, &plan, &count).await;
                });
            }
        });
        Self { url, fates, calls }
    }

    /// What becomes of the next calls; those after them pass.
    fn plan(&self, fates: &[Fate]) {
        self.fates.borrow_mut().extend(fates);
        self.calls.set(0);
    }
}

async fn relay(
    mut client: TcpStream,
    upstream: &str,
    plan: &RefCell<VecDeque<Fate>>,
    calls: &Cell<u32>,
) -> std::io::Result<()> {
    loop {
        let request = message(&mut client).await?;
        calls.set(calls.get() + 1);
        let fate = plan.borrow_mut().pop_front().unwrap_or(Fate::Passed);
        match fate {
            Fate::CutBefore => return Ok(()),
            Fate::Silent => std::future::pending::<()>().await,
            Fate::Passed | Fate::CutAfter | Fate::CutWithin | Fate::Garbled => {}
        }
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(&request).await?;
        let answer = message(&mut server).await?;
        match fate {
            Fate::CutAfter => return Ok(()),
            Fate::CutWithin => return client.write_all(&answer[..answer.len() - 20]).await,
            Fate::Garbled => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n\x16\x03\x01\x00garbl";
                client.write_all(answer).await?;
            }
            Fate::Passed | Fate::CutBefore | Fate::Silent => client.write_all(&answer).await?,
        }
    }
}

/// One HTTP message with a length.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(from.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body).await?;
    bytes.extend(body);
    Ok(bytes)
}

async fn table(db: &dyn Database) {
    db.batch(vec![Statement::new("CREATE TABLE t (id INTEGER PRIMARY KEY)")]).await.unwrap();
}

/// Two statements, so that it is a transaction.
fn insert(id: i64) -> Vec<Statement> {
    let insert = |id: i64| Statement::new("INSERT INTO t (id) VALUES (?1)").bind(id);
    vec![insert(id), insert(-id)]
}

async fn ids(db: &dyn Database) -> Result<Vec<i64>, DbError> {
    let results = db.query(vec![Statement::new("SELECT id FROM t WHERE id > 0 ORDER BY id")]).await?;
    results[0].rows.iter().map(|row| row.int(0)).collect()
}

#[test]
fn what_was_acknowledged_outlives_a_server_that_is_killed() {
    run(async {
        let mut server = sqld();
        let db = database(&server.url(), false);
        table(&db).await;
        db.batch(insert(1)).await.unwrap();
        server.kill().unwrap();
        for result in [db.batch(insert(2)).await.map(|_| ()), ids(&db).await.map(|_| ())] {
            assert!(matches!(result, Err(DbError::Retryable(_))), "{result:?}");
        }
        server.start_again().unwrap();
        let db = database(&server.url(), false);
        db.batch(insert(3)).await.unwrap();
        assert_eq!(ids(&db).await.unwrap(), [1, 3]);
    });
}

#[test]
fn a_write_that_is_lost_on_its_way_is_reported_and_not_sent_again() {
    // Whether it is stored.
    let cases = [
        (Fate::CutBefore, false),
        (Fate::CutAfter, true),
        (Fate::CutWithin, true),
        (Fate::Garbled, true),
        (Fate::Silent, false),
    ];
    run(async {
        let server = sqld();
        let proxy = Proxy::before(&server).await;
        let (db, direct) = (database(&proxy.url, true), database(&server.url(), false));
        table(&direct).await;
        let mut expected = Vec::new();
        for (id, (fate, stored)) in (1_i64..).zip(cases) {
            proxy.plan(&[fate]);
            let result = db.batch(insert(id)).await;
            assert!(matches!(result, Err(DbError::Retryable(_))), "{fate:?}: {result:?}");
            assert_eq!(proxy.calls.get(), 1, "{fate:?}");
            if stored {
                expected.push(id);
            }
            assert_eq!(ids(&db).await.unwrap(), expected, "{fate:?}");
        }
    });
}

#[test]
fn a_read_that_is_lost_is_read_again_once() {
    run(async {
        let server = sqld();
        let proxy = Proxy::before(&server).await;
        let db = database(&proxy.url, true);
        table(&db).await;
        for (fates, calls, fine) in [
            (&[Fate::CutBefore][..], 2, true),
            (&[Fate::CutAfter], 2, true),
            (&[Fate::CutWithin], 2, true),
            (&[Fate::CutWithin, Fate::CutAfter], 2, false),
            (&[Fate::Garbled], 1, false),
            (&[Fate::Silent], 1, false),
        ] {
            proxy.plan(fates);
            let result = ids(&db).await;
            assert_eq!(result.is_ok(), fine, "{fates:?}: {result:?}");
            assert_eq!(proxy.calls.get(), calls, "{fates:?}");
            assert_eq!(ids(&db).await, Ok(Vec::new()), "the next call works");
        }
    });
}

#[test]
fn a_call_that_fails_leaves_no_lock_behind() {
    run(async {
        let server = sqld();
        let db = database(&server.url(), true);
        table(&db).await;
        for _ in 0..3 {
            // The second statement fails, after the first took the lock.
            let broken = vec![insert(1).remove(0), Statement::new("INSERT INTO nowhere VALUES (1)")];
            assert!(matches!(db.batch(broken).await, Err(DbError::Schema(_))));
            assert_eq!(db.batch(insert(1)).await.map(|_| ()), Ok(()));
            db.batch(vec![Statement::new("DELETE FROM t")]).await.unwrap();
        }
    });
}

#[test]
fn many_calls_at_once_are_all_answered() {
    run(async {
        let place = Place::new().unwrap();
        let db = place.database().unwrap();
        table(db.as_ref()).await;
        let writes = join_all((1..=150).map(|id| db.batch(insert(id))));
        let reads = join_all((1..=150).map(|_| ids(db.as_ref())));
        let (writes, reads) = futures_util::join!(writes, reads);
        assert_eq!(writes.into_iter().find_map(Result::err), None);
        assert_eq!(reads.into_iter().find_map(Result::err), None);
        assert_eq!(ids(db.as_ref()).await.unwrap().len(), 150);
    });
}

#[test]
fn doubles_come_back_exactly() {
    run(async {
        let server = sqld();
        let db = database(&server.url(), false);
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let doubles: Vec<f64> = std::iter::repeat_with(|| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from_bits(bits)
        })
        .filter(|double| double.is_finite())
        .take(500)
        .chain([f64::MAX, f64::MIN_POSITIVE, f64::EPSILON, 5e-324, -0.0, 1.0, 1e23])
        .collect();
        let select = |double: &f64| Statement::new("SELECT ?1").bind(*double);
        let results = db.query(doubles.iter().map(select).collect()).await.unwrap();
        for (double, result) in doubles.iter().zip(results) {
            match result.rows[0].0[0] {
                Value::Real(back) => assert_eq!(back.to_bits(), double.to_bits(), "{double:e}: {back:e}"),
                ref other => panic!("{other:?}"),
            }
        }
    });
}

/// The program with no other configuration than the database's.
fn frontdesk(server: &str, data: &std::path::Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frontdesk"))
        .args(args)
        .arg("--data")
        .arg(data)
        .env_clear()
        .env("DATABASE_URL", server)
        .env("DATABASE_AUTH_TOKEN", "token-SENTINEL")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(!said.contains("SENTINEL"), "{said}");
    said
}

#[test]
fn the_program_migrates_and_seeds_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let (data, absent) = (directory.path().join("data"), directory.path().join("absent"));
    let server = sqld();
    let url = server.url();
    let steps = migrations::ALL.len();
    let status = || {
        let output = frontdesk(&url, &absent, &["migrate", "status"]);
        assert!(output.status.success(), "{}", said(&output));
        let count = |word: &str| said(&output).matches(word).count();
        (count("applied"), count("pending"))
    };
    assert_eq!(status(), (0, steps));
    for (args, after) in [
        (&["migrate", "up"][..], (steps, 0)),
        (&["migrate", "up"], (steps, 0)),
        (&["migrate", "down", "--steps", "2", "--yes"], (steps - 2, 2)),
        (&["migrate", "up"], (steps, 0)),
    ] {
        let output = frontdesk(&url, &absent, args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        assert_eq!(status(), after, "{args:?}");
    }
    assert!(!absent.exists(), "a server needs no data directory");

    // Twice: the second time nothing is to be done.
    for _ in 0..2 {
        let output = frontdesk(&url, &data, &["seed", "--empty"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(!data.join("frontdesk.db").exists());
    let sites = run(async {
        let db = database(&url, false);
        db.query(vec![Statement::new("SELECT count(*) FROM sites")]).await.unwrap()
    });
    assert_eq!(sites[0].rows[0].int(0), Ok(1));
}

#[test]
fn the_program_says_why_it_cannot_use_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = sqld();
    server.kill().unwrap();
    for (url, why) in [
        (server.url().as_str(), "cannot connect"),
        ("postgres://SENTINEL", "DATABASE_URL must be an address"),
        ("libsql://x?authToken=SENTINEL", "DATABASE_URL must not hold a token"),
    ] {
        let output = frontdesk(url, directory.path(), &["migrate", "status"]);
        assert!(!output.status.success());
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}
