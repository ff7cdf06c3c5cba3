//! The SQLite database of a Durable Object behind the `Database` port.
//!
//! Numbers go through JavaScript's: integers beyond 2^53 are refused rather than rounded, and a whole number comes back as
//! an integer whatever it was stored as. What objects store (positions, times, texts) stays well within.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_ports::{Database, DbError, Row, Rows, Statement, Value};
use worker::js_sys::{Function, Reflect};
use worker::wasm_bindgen::closure::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{SqlStorage, SqlStorageValue, State};

/// The largest integer that JavaScript's numbers hold exactly.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// An object's own database. Nothing else runs in the object between two statements of a call.
pub struct ObjectDatabase {
    state: Rc<State>,
    sql: SqlStorage,
}

impl ObjectDatabase {
    /// The database of the object with this state.
    pub fn new(state: Rc<State>) -> Self {
        let sql = state.storage().sql();
        Self { state, sql }
    }

    fn run(&self, statement: Statement) -> Result<Rows, DbError> {
        run(&self.sql, statement)
    }

    /// All or nothing: an exception inside `transactionSync` takes back what ran before it.
    fn atomically(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        let storage = self.state.storage();
        let storage: &JsValue = storage.as_raw().as_ref();
        let transaction = Reflect::get(storage, &"transactionSync".into())
            .and_then(JsCast::dyn_into::<Function>)
            .map_err(|_| DbError::Other("the object has no transactions".to_owned()))?;
        let outcome = Rc::new(RefCell::new(None));
        let (inside, sql) = (Rc::clone(&outcome), self.sql.clone());
        let statements = RefCell::new(Some(statements));
        let work = Closure::<dyn Fn() -> Result<JsValue, JsValue>>::new(move || {
            let statements = statements.borrow_mut().take().unwrap_or_default();
            let done: Result<Vec<Rows>, DbError> =
                statements.into_iter().map(|statement| run(&sql, statement)).collect();
            let failed = done.is_err();
            inside.replace(Some(done));
            if failed { Err("rolled back".into()) } else { Ok(JsValue::UNDEFINED) }
        });
        let called = transaction.call1(storage, work.as_ref());
        match outcome.take() {
            Some(Err(error)) => Err(error),
            Some(Ok(_)) if called.is_err() => Err(DbError::Retryable("the transaction failed".to_owned())),
            Some(Ok(rows)) => Ok(rows),
            None => Err(DbError::Retryable("the transaction was not begun".to_owned())),
        }
    }
}

#[async_trait(?Send)]
impl Database for ObjectDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        statements.into_iter().map(|statement| self.run(statement)).collect()
    }

    async fn batch(&self, mut statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        // One statement is atomic by itself.
        match (statements.pop(), statements.is_empty()) {
            (Some(only), true) => Ok(vec![self.run(only)?]),
            (Some(last), false) => {
                statements.push(last);
                self.atomically(statements)
            }
            (None, _) => Ok(Vec::new()),
        }
    }
}

fn run(sql: &SqlStorage, statement: Statement) -> Result<Rows, DbError> {
    let params = statement.params.into_iter().map(bound).collect::<Result<Vec<_>, _>>()?;
    let cursor = sql.exec(statement.sql, params).map_err(|error| failure(&error))?;
    let mut rows = Vec::new();
    for row in cursor.raw() {
        let columns = row.map_err(|error| failure(&error))?;
        rows.push(Row(columns.into_iter().map(column).collect()));
    }
    Ok(Rows { rows, affected: u64::try_from(cursor.rows_written()).unwrap_or(0) })
}

fn bound(value: Value) -> Result<SqlStorageValue, DbError> {
    Ok(match value {
        Value::Null => SqlStorageValue::Null,
        Value::Integer(number) if number.unsigned_abs() > MAX_INTEGER => {
            return Err(DbError::Other("an integer beyond 2^53".to_owned()));
        }
        Value::Integer(number) => SqlStorageValue::Integer(number),
        Value::Real(number) => SqlStorageValue::Float(number),
        Value::Text(text) if text.contains('\0') => {
            return Err(DbError::Other("a text with a NUL character".to_owned()));
        }
        Value::Text(text) => SqlStorageValue::String(text),
        Value::Blob(bytes) => SqlStorageValue::Blob(bytes.into()),
    })
}

fn column(value: SqlStorageValue) -> Value {
    match value {
        SqlStorageValue::Null => Value::Null,
        SqlStorageValue::Boolean(flag) => Value::Integer(i64::from(flag)),
        SqlStorageValue::Integer(number) => Value::Integer(number),
        SqlStorageValue::Float(number) => Value::Real(number),
        SqlStorageValue::String(text) => Value::Text(text),
        SqlStorageValue::Blob(bytes) => Value::Blob(bytes.into()),
    }
}

fn failure(error: &worker::Error) -> DbError {
    let text = error.to_string();
    if text.contains("constraint failed") {
        DbError::Conflict(text)
    } else if text.contains("no such") {
        DbError::Schema(text)
    } else {
        DbError::Other(text)
    }
}
