//! The embedded libSQL file: one writer thread, a few reader threads, WAL.
//!
//! Batches that wait at the same time share one transaction and one fsync (group commit), each inside its own
//! savepoint: a batch that fails is rolled back alone. A batch is answered after the commit is on disk.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_ports::{Clock as _, Database, DbError, Row, Rows, Statement, Supervision, Value, cause};
use futures_channel::oneshot;
use futures_util::FutureExt;

use crate::runtime::SystemClock;

/// Reader threads. Reads are short; two keep both cores of a small machine busy.
const READERS: usize = 2;
/// How long a connection waits for another process that holds the file (a backup, the CLI).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many batches share one commit at most.
const GROUP: usize = 64;
/// When a new connection cannot be made after a panic: how soon that is tried again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

type Answer = Result<Vec<Rows>, DbError>;

struct Request {
    statements: Vec<Statement>,
    answer: oneshot::Sender<Answer>,
}

/// An embedded libSQL database file.
#[derive(Clone)]
pub struct LibsqlDatabase {
    reader: mpsc::Sender<Request>,
    writer: mpsc::Sender<Request>,
}

impl LibsqlDatabase {
    /// Opens or creates the file. A thread that panics goes on with a new connection, and tells `supervision`.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
    pub fn open(path: &Path, supervision: &Supervision) -> anyhow::Result<Self> {
        make(path)?;
        let database = Arc::new(now(libsql::Builder::new_local(path).build())?);
        let writer = Connection::open(&database)?;
        let (write_to, writes) = mpsc::channel::<Request>();
        let (at, told) = (Arc::clone(&database), supervision.clone());
        std::thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || serve("database writer", writer, &at, &told, |on| write_loop(on, &writes)))?;

        let (read_to, reads) = mpsc::channel::<Request>();
        let reads = Arc::new(Mutex::new(reads));
        for number in 0..READERS {
            let reader = Connection::open(&database)?;
            let (at, told, reads) = (Arc::clone(&database), supervision.clone(), Arc::clone(&reads));
            std::thread::Builder::new()
                .name(format!("db-reader-{number}"))
                .spawn(move || serve("database reader", reader, &at, &told, |on| read_loop(on, &reads)))?;
        }
        Ok(Self { reader: read_to, writer: write_to })
    }

    async fn ask(to: &mpsc::Sender<Request>, statements: Vec<Statement>) -> Answer {
        let (answer, answered) = oneshot::channel();
        to.send(Request { statements, answer }).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

fn stopped() -> DbError {
    DbError::Retryable("the database thread has ended".to_owned())
}

#[async_trait(?Send)]
impl Database for LibsqlDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Answer {
        Self::ask(&self.reader, statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Answer {
        Self::ask(&self.writer, statements).await
    }
}

/// Makes the file before libSQL does: what that makes beside it has the same permissions. One that is there is not touched:
/// when a process closes a file, all its locks on it go, also those of connections that it has open. Another process would
/// take itself for the last one then, and take the log away under this one.
fn make(path: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Runs the loop of a thread on a connection, and after a panic on a new one: what was begun on the old one ends with it, and
/// the caller is told that its answer was lost.
fn serve(
    name: &'static str,
    first: Connection,
    database: &libsql::Database,
    supervision: &Supervision,
    work: impl Fn(&mut Connection),
) {
    let mut next = Some(first);
    loop {
        let Some(mut connection) = next.take().or_else(|| reopened(database)) else { continue };
        let work = &work;
        let ended = catch_unwind(AssertUnwindSafe(move || work(&mut connection)));
        match ended {
            Ok(()) => return,
            Err(panic) => supervision.died(name, &cause(panic.as_ref()), SystemClock.now()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, which follows the real clock")]
fn reopened(database: &libsql::Database) -> Option<Connection> {
    match Connection::open(database) {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::error!(%error, "a connection to the database cannot be made anew");
            std::thread::sleep(REOPEN_EVERY);
            None
        }
    }
}

fn read_loop(connection: &mut Connection, requests: &Mutex<mpsc::Receiver<Request>>) {
    // A read that writes is a defect. Should this fail, the first read says so.
    let _ = connection.run_sql("PRAGMA query_only = ON");
    loop {
        let received = match requests.lock() {
            Ok(requests) => requests.recv(),
            Err(_) => return,
        };
        let Ok(request) = received else { return };
        let answer = connection.read(&request.statements);
        // The caller may be gone.
        let _ = request.answer.send(answer);
    }
}

fn write_loop(connection: &mut Connection, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = requests.try_recv()
        {
            group.push(next);
        }
        let (statements, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|request| (request.statements, request.answer)).unzip();
        let results = connection.write_group(&statements);
        for (answer, result) in answers.into_iter().zip(results) {
            // The caller may be gone; the batch is stored all the same.
            let _ = answer.send(result);
        }
    }
}

/// A database in memory, on the caller's thread: each call is over before it returns, so a test decides what comes when.
pub struct ImmediateDatabase(RefCell<Connection>);

impl ImmediateDatabase {
    /// An empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let database = now(libsql::Builder::new_local(":memory:").build())?;
        Ok(Self(RefCell::new(Connection::open(&database)?)))
    }
}

#[async_trait(?Send)]
impl Database for ImmediateDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Answer {
        self.0.borrow_mut().read(&statements)
    }

    async fn batch(&self, statements: Vec<Statement>) -> Answer {
        self.0.borrow_mut().write_group(&[statements]).pop().unwrap_or_else(|| Err(stopped()))
    }
}

/// One connection with its prepared statements.
struct Connection {
    inner: libsql::Connection,
    prepared: HashMap<&'static str, libsql::Statement>,
}

impl Connection {
    fn open(database: &libsql::Database) -> anyhow::Result<Self> {
        let connection = Self { inner: database.connect()?, prepared: HashMap::new() };
        connection.inner.busy_timeout(BUSY_TIMEOUT)?;
        // FULL: an acknowledged message survives a power cut, not only a crash of the process.
        for pragma in [
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA cache_size = -8000",
        ] {
            connection.run_sql(pragma)?;
        }
        Ok(connection)
    }

    fn run_sql(&self, sql: &str) -> Result<(), DbError> {
        let rows = now(self.inner.query(sql, ())).map_err(failure)?;
        drain(rows).map(|_| ())
    }

    fn read(&mut self, statements: &[Statement]) -> Answer {
        if let [one] = statements {
            return self.run(one).map(|rows| vec![rows]);
        }
        self.run_sql("BEGIN")?;
        let answer = statements.iter().map(|statement| self.run(statement)).collect();
        self.run_sql("COMMIT")?;
        answer
    }

    fn write_group(&mut self, batches: &[Vec<Statement>]) -> Vec<Answer> {
        if let Err(error) = self.run_sql("BEGIN IMMEDIATE") {
            return batches.iter().map(|_| Err(error.clone())).collect();
        }
        let answers: Vec<Answer> = batches.iter().map(|batch| self.write_one(batch)).collect();
        match self.run_sql("COMMIT") {
            Ok(()) => answers,
            Err(error) => {
                let _ = self.run_sql("ROLLBACK");
                answers.into_iter().map(|answer| answer.and(Err(error.clone()))).collect()
            }
        }
    }

    fn write_one(&mut self, batch: &[Statement]) -> Answer {
        self.run_sql("SAVEPOINT batch")?;
        let answer: Answer = batch.iter().map(|statement| self.run(statement)).collect();
        if answer.is_err() {
            self.run_sql("ROLLBACK TO batch")?;
        }
        self.run_sql("RELEASE batch")?;
        answer
    }

    fn run(&mut self, statement: &Statement) -> Result<Rows, DbError> {
        #[cfg(test)]
        assert_ne!(statement.sql, tests::DEADLY, "a defect");
        if !self.prepared.contains_key(statement.sql) {
            let prepared = now(self.inner.prepare(statement.sql)).map_err(failure)?;
            self.prepared.insert(statement.sql, prepared);
        }
        let prepared = self.prepared.get(statement.sql).ok_or_else(stopped)?;
        let params = statement.params.iter().map(to_libsql).collect::<Result<Vec<_>, _>>()?;
        let before = self.inner.total_changes();
        let result = now(prepared.query(params)).map_err(failure).and_then(drain);
        let affected = self.inner.total_changes().saturating_sub(before);
        prepared.reset();
        result.map(|rows| Rows { rows, affected })
    }
}

fn drain(mut rows: libsql::Rows) -> Result<Vec<Row>, DbError> {
    let columns = rows.column_count();
    let mut all = Vec::new();
    while let Some(row) = now(rows.next()).map_err(failure)? {
        let values = (0..columns)
            .map(|column| row.get_value(column).map(from_libsql).map_err(failure))
            .collect::<Result<_, _>>();
        all.push(Row(values?));
    }
    Ok(all)
}

fn to_libsql(value: &Value) -> Result<libsql::Value, DbError> {
    Ok(match value {
        Value::Null => libsql::Value::Null,
        Value::Integer(value) => libsql::Value::Integer(*value),
        Value::Real(value) => libsql::Value::Real(*value),
        Value::Text(text) if text.contains('\0') => {
            return Err(DbError::Other("a text with a NUL".to_owned()));
        }
        Value::Text(text) => libsql::Value::Text(text.clone()),
        Value::Blob(bytes) => libsql::Value::Blob(bytes.to_vec()),
    })
}

fn from_libsql(value: libsql::Value) -> Value {
    match value {
        libsql::Value::Null => Value::Null,
        libsql::Value::Integer(value) => Value::Integer(value),
        libsql::Value::Real(value) => Value::Real(value),
        libsql::Value::Text(text) => Value::Text(text),
        libsql::Value::Blob(bytes) => Value::Blob(bytes.into()),
    }
}

fn failure(error: libsql::Error) -> DbError {
    // SQLite's result codes: https://www.sqlite.org/rescode.html
    match error {
        libsql::Error::SqliteFailure(code, text) => match code & 0xff {
            19 => DbError::Conflict(text),
            5 | 6 | 10 | 13 => DbError::Retryable(text),
            1 | 11 | 26 => DbError::Schema(text),
            _ => DbError::Other(text),
        },
        other => DbError::Other(other.to_string()),
    }
}

/// The embedded driver's futures never wait: they are ready at the first poll.
fn now<T>(future: impl Future<Output = libsql::Result<T>>) -> libsql::Result<T> {
    future
        .now_or_never()
        .unwrap_or_else(|| Err(libsql::Error::Misuse("the embedded driver waited".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What panics in here.
    pub const DEADLY: &str = "SELECT 'deadly'";

    /// Whether this process holds a lock on the file, as other processes see it. Linux alone tells.
    #[cfg(target_os = "linux")]
    fn is_locked(path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
        let own = format!(" {} ", std::process::id());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains(&inode) && line.contains(&own))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_opened_once_more_stays_locked_against_other_processes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let supervision = Supervision::default();
        let open = || LibsqlDatabase::open(&path, &supervision).unwrap();
        let first = open();
        crate::testing::run(async {
            first.batch(vec![Statement::new("CREATE TABLE t (id INTEGER)")]).await.unwrap();
            assert!(is_locked(&path));
            let second = open();
            assert!(is_locked(&path), "another process would take the log away under this one");
            second.query(vec![Statement::new("SELECT count(*) FROM t")]).await.unwrap();
            assert!(is_locked(&path));
        });
    }

    #[test]
    fn a_thread_that_panics_loses_one_answer_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let supervision = Supervision::default();
        let db = LibsqlDatabase::open(&directory.path().join("db"), &supervision).unwrap();
        let batch = |statements: &[Statement]| db.batch(statements.to_vec()).boxed_local();
        crate::testing::run(async {
            let insert = Statement::new("INSERT INTO t (id) VALUES (1)");
            batch(&[Statement::new("CREATE TABLE t (id INTEGER)")]).await.unwrap();
            let lost = batch(&[insert.clone(), Statement::new(DEADLY)]).await;
            assert!(matches!(lost, Err(DbError::Retryable(_))), "{lost:?}");
            batch(&[insert]).await.unwrap();
            for _ in 0..5 {
                assert!(db.query(vec![Statement::new(DEADLY)]).await.is_err());
                let count = db.query(vec![Statement::new("SELECT count(*) FROM t")]).await.unwrap();
                assert_eq!(count[0].rows[0].int(0), Ok(1), "what was begun before the panic is undone");
            }
            // A thread tells of its panic right after the answer is lost.
            let told = async {
                loop {
                    let troubles = supervision.troubles(SystemClock.now());
                    if troubles.iter().map(|trouble| trouble.deaths).sum::<usize>() >= 5 {
                        return troubles;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let troubles = tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
            assert_eq!(
                troubles.len(),
                1,
                "one death of the writer is tolerated, five of the readers are not"
            );
            assert_eq!((troubles[0].name, troubles[0].deaths), ("database reader", 5));
        });
    }
}
