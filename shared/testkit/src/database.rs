//! Databases that fail, and what every database must do.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_ports::{Database, DbError, Rows, Statement, Value};

/// How a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// As it should.
    None,
    /// Nothing is stored or read, and an error is reported.
    NotStored,
    /// It is stored, but an error is reported: the connection broke before the answer came. A read just fails.
    StoredButReportedFailed,
}

/// A database whose calls fail by plan: batches by one, reads by another.
pub struct FaultyDatabase {
    inner: Rc<dyn Database>,
    batches: RefCell<VecDeque<Fault>>,
    queries: RefCell<VecDeque<Fault>>,
    calls: Cell<usize>,
    nth: Cell<Option<(usize, Fault)>>,
}

impl FaultyDatabase {
    /// Wraps `inner`; without a plan nothing fails.
    #[must_use]
    pub fn new(inner: Rc<dyn Database>) -> Self {
        Self {
            inner,
            batches: RefCell::default(),
            queries: RefCell::default(),
            calls: Cell::new(0),
            nth: Cell::new(None),
        }
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.batches.borrow_mut().clear();
        self.queries.borrow_mut().clear();
        self.nth.set(None);
    }

    /// How the next batches go, in order.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.batches.borrow_mut().extend(faults);
    }

    /// How the next reads go, in order.
    pub fn plan_reads(&self, faults: impl IntoIterator<Item = Fault>) {
        self.queries.borrow_mut().extend(faults);
    }

    /// How the `nth` call from now on goes, from 0, be it a read or a batch; the others go as they should.
    pub fn plan_nth(&self, nth: usize, fault: Fault) {
        self.calls.set(0);
        self.nth.set(Some((nth, fault)));
    }

    /// How many calls there were since the last [`FaultyDatabase::plan_nth`], or since the beginning.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    fn next(&self, plan: &RefCell<VecDeque<Fault>>) -> Fault {
        let call = self.calls.replace(self.calls.get().saturating_add(1));
        match self.nth.get() {
            Some((nth, fault)) if nth == call => fault,
            _ => plan.borrow_mut().pop_front().unwrap_or(Fault::None),
        }
    }
}

fn lost() -> DbError {
    DbError::Retryable("the connection broke (planned)".to_owned())
}

#[async_trait(?Send)]
impl Database for FaultyDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        match self.next(&self.queries) {
            Fault::None => self.inner.query(statements).await,
            Fault::NotStored | Fault::StoredButReportedFailed => Err(lost()),
        }
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        match self.next(&self.batches) {
            Fault::None => self.inner.batch(statements).await,
            Fault::NotStored => Err(lost()),
            Fault::StoredButReportedFailed => {
                self.inner.batch(statements).await?;
                Err(lost())
            }
        }
    }
}

/// What every `Database` must do. The database is empty and may be changed.
///
/// # Panics
/// When it does not.
#[expect(clippy::expect_used, clippy::panic, reason = "a contract suite fails by panicking")]
pub async fn database_contract(db: &dyn Database) {
    db.batch(vec![Statement::new("CREATE TABLE contract (id INTEGER PRIMARY KEY, value)")])
        .await
        .expect("create");
    let insert = |id: i64, value: Value| {
        Statement::new("INSERT INTO contract (id, value) VALUES (?1, ?2)").bind(id).with(value)
    };
    let count = || Statement::new("SELECT count(*) FROM contract");

    // Every type comes back as it was, also the largest integers and empty values.
    let values = [
        Value::Null,
        Value::Integer(i64::MAX),
        Value::Integer(i64::MIN),
        Value::Real(0.1),
        Value::Text(String::new()),
        Value::Text("чай \u{1f375}".to_owned()),
        Value::Blob(vec![0, 255, 10].into()),
        Value::Blob(bytes::Bytes::new()),
        Value::Blob(vec![7; 3_000_000].into()),
    ];
    for (id, value) in (1_i64..).zip(&values) {
        let results = db.batch(vec![insert(id, value.clone())]).await.expect("insert");
        assert_eq!(results.first().map(|rows| rows.affected), Some(1));
        let select = Statement::new("SELECT value FROM contract WHERE id = ?1").bind(id);
        let results = db.query(vec![select]).await.expect("select");
        let row = results.first().and_then(Rows::first).expect("a row");
        assert_eq!(row.0.first(), Some(value));
    }
    let stored = i64::try_from(values.len()).unwrap_or(0);

    // A NUL would cut a text short without a word: it is refused.
    assert!(db.batch(vec![insert(99, Value::Text("a\u{0}b".to_owned()))]).await.is_err());

    // A batch is stored whole or not at all, and a broken constraint is a conflict.
    let error =
        db.batch(vec![insert(100, Value::Null), insert(1, Value::Null)]).await.expect_err("a conflict");
    assert!(matches!(error, DbError::Conflict(_)), "{error:?}");
    let results = db.query(vec![count()]).await.expect("count");
    assert_eq!(results.first().and_then(Rows::first).map(|row| row.int(0)), Some(Ok(stored)));

    // Statements of a batch see the ones before; results come in order; RETURNING gives rows.
    let returning = Statement::new("INSERT INTO contract (id, value) VALUES (?1, ?2) RETURNING id, value")
        .bind(200_i64)
        .bind("x");
    let results = db.batch(vec![returning, count()]).await.expect("returning");
    assert_eq!(results.first().and_then(Rows::first).map(|row| row.text(1)), Some(Ok("x")));
    assert_eq!(
        results.get(1).and_then(Rows::first).map(|row| row.int(0)),
        Some(Ok(stored.saturating_add(1)))
    );

    // A wrong statement is an error, and the database goes on.
    assert!(db.query(vec![Statement::new("SELECT * FROM nowhere")]).await.is_err());
    assert!(db.batch(vec![Statement::new("INSERT INTO nowhere VALUES (1)")]).await.is_err());
    match db.query(vec![count(), count()]).await {
        Ok(results) => assert_eq!(results.len(), 2),
        Err(error) => panic!("{error}"),
    }
}
