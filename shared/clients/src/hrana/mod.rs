//! libSQL over HTTP: sqld and Turso, spoken to in Hrana. One call is one `POST`, and no state stays at the server.

mod protocol;
mod server;

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{
    Clock, Database, DbError, Egress, FetchError, FetchLimits, HttpClient, Random, Rows, Statement,
};
use http::{HeaderValue, Method, StatusCode, header};

use protocol::{ServerFault, Transaction};

pub use server::{HranaServer, HranaServerError};

/// A server answers 10 MB of rows at most, unless told otherwise; as JSON that is more.
const MAX_ANSWER: u64 = 32 * 1024 * 1024;
/// sqld makes a writer wait up to 5 s for another one.
const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(3),
    head: Duration::from_secs(20),
    gap: Duration::from_secs(10),
    total: Duration::from_secs(30),
    max_bytes: MAX_ANSWER,
    egress: Egress::Configured,
};
/// The longest pause before the second attempt; before each further one it is longer by that.
const PAUSE: Duration = Duration::from_millis(200);

/// A [`Database`] behind HTTP.
///
/// A call that cannot have stored anything is made again, after a random pause: a lost read and a write that found no
/// connection once, what was told that the database is busy up to four times. Parameters are never logged and stand in no error.
///
/// There is no circuit breaker: nothing works without the database, and most of its restarts are shorter than a breaker's
/// pause.
pub struct HranaDatabase {
    http: Rc<dyn HttpClient>,
    clock: Rc<dyn Clock>,
    random: Rc<dyn Random>,
    server: HranaServer,
}

impl HranaDatabase {
    /// The database at `server`. Nothing is sent yet.
    #[must_use]
    pub fn new(
        http: Rc<dyn HttpClient>,
        clock: Rc<dyn Clock>,
        random: Rc<dyn Random>,
        server: HranaServer,
    ) -> Self {
        Self { http, clock, random, server }
    }

    async fn run(&self, transaction: Transaction, statements: &[Statement]) -> Result<Vec<Rows>, DbError> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let body = protocol::request(transaction, statements)?;
        let mut attempt = 1_u32;
        loop {
            match self.call(transaction, body.clone(), statements.len()).await {
                Ok(rows) => return Ok(rows),
                Err(FailedCall { error, attempts }) if attempt >= attempts => return Err(error),
                Err(FailedCall { error, .. }) => {
                    tracing::warn!(%error, attempt, "database call failed, trying again");
                }
            }
            self.clock.sleep(self.jitter().saturating_mul(attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    async fn call(
        &self,
        transaction: Transaction,
        body: Bytes,
        count: usize,
    ) -> Result<Vec<Rows>, FailedCall> {
        let broken = |error| FailedCall::of_call(transaction, &error);
        let response = self.http.send(self.post(body), LIMITS).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return Err(FailedCall::of_status(head.status));
        }
        let body = crate::body::whole(body).await.map_err(broken)?;
        match protocol::answer(&body, count) {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(fault)) => Err(FailedCall::of_fault(fault)),
            Err(why) => Err(FailedCall::last(DbError::Retryable(why.to_owned()))),
        }
    }

    fn post(&self, body: Bytes) -> http::Request<Bytes> {
        let mut request = http::Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.server.pipeline.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.server.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        request
    }

    fn jitter(&self) -> Duration {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        PAUSE.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
    }
}

#[async_trait(?Send)]
impl Database for HranaDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.run(Transaction::Read, &statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.run(Transaction::Write, &statements).await
    }
}

/// What is worth another attempt: a lost connection.
const TWICE: u32 = 2;
/// What is worth some: a database whose one writer was another process.
const WHILE_BUSY: u32 = 5;

/// Why a call failed, and how often it may be made in all: nothing was stored, and it may go better.
struct FailedCall {
    error: DbError,
    attempts: u32,
}

impl FailedCall {
    const fn last(error: DbError) -> Self {
        Self { error, attempts: 1 }
    }

    fn of_call(transaction: Transaction, error: &FetchError) -> Self {
        let read = transaction == Transaction::Read;
        let retryable = DbError::Retryable(error.to_string());
        match error {
            FetchError::Connect(_) | FetchError::Timeout("connect") => {
                Self { error: retryable, attempts: TWICE }
            }
            FetchError::Lost(_) if read => Self { error: retryable, attempts: TWICE },
            FetchError::Lost(_) => Self::last(retryable),
            FetchError::Timeout(_) | FetchError::CircuitOpen => Self::last(retryable),
            // What was written may be stored; what was read will be as large the next time.
            FetchError::TooLarge(_) if !read => Self::last(retryable),
            FetchError::TooLarge(_) | FetchError::Refused(_) => Self::last(DbError::Other(error.to_string())),
        }
    }

    /// The body is not read: it may repeat a parameter.
    fn of_status(status: StatusCode) -> Self {
        Self::last(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                DbError::Other(format!("the server refuses the token ({status})"))
            }
            StatusCode::NOT_FOUND => DbError::Other("there is no database at this address (404)".to_owned()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                DbError::Retryable(format!("the server answers {status}"))
            }
            _ if status.is_server_error() => DbError::Retryable(format!("the server answers {status}")),
            _ => DbError::Other(format!("the server answers {status}")),
        })
    }

    /// The kinds are those of the embedded database; the codes, those of libSQL server's `hrana/stmt.rs`.
    fn of_fault(ServerFault { message, code }: ServerFault) -> Self {
        let code = code.unwrap_or_default();
        let is = |prefixes: &[&str]| prefixes.iter().any(|prefix| code.starts_with(prefix));
        if is(&["SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_BUSY", "TRANSACTION_TIMEOUT"]) {
            // Another writer held the lock or took it away: nothing was stored.
            return Self { error: DbError::Retryable(message), attempts: WHILE_BUSY };
        }
        Self::last(if is(&["SQLITE_CONSTRAINT"]) {
            DbError::Conflict(message)
        } else if is(&["SQLITE_IOERR", "SQLITE_FULL", "SQLITE_INTERRUPT", "STREAM_", "PROXY_ERROR"]) {
            DbError::Retryable(message)
        } else if is(&["SQLITE_ERROR", "SQLITE_UNKNOWN", "SQL_", "SQLITE_CORRUPT", "SQLITE_NOTADB"]) {
            // `SQLITE_UNKNOWN` is what sqld calls SQLite's code 1, `SQLITE_ERROR`.
            DbError::Schema(message)
        } else {
            DbError::Other(message)
        })
    }
}
