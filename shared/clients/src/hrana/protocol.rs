//! The few messages of Hrana 2 that are spoken here.
//! <https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_2_SPEC.md>
//!
//! Types of our own: the crate `libsql-hrana` builds for WebAssembly, but brings Protocol Buffers and a second `base64`
//! with it, copies every text and blob into its own values, and reads answers through three layers of buffered tags: 70 KB
//! (18 KB compressed) more than what is here, where requests borrow what they send and answers are read in one pass.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::display::Base64Display;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use frontdesk_ports::{DbError, Row, Rows, Statement, Value};
use serde::{Deserialize, Serialize, Serializer};

/// Hrana writes no padding, and reads both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A transaction around statements; one statement is a transaction by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transaction {
    /// Sees one snapshot. `READONLY` is libSQL's own: a replica may answer.
    Read,
    /// All or nothing. Takes the write lock at its beginning: a lock that is taken later can be refused half-way.
    Write,
}

impl Transaction {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN READONLY",
            Self::Write => "BEGIN IMMEDIATE",
        }
    }
}

/// The body of a call: one batch, and the end of the stream, which leaves nothing behind at the server.
///
/// # Errors
/// [`DbError::Other`] for a value that cannot be sent.
pub(super) fn request(transaction: Transaction, statements: &[Statement]) -> Result<Bytes, DbError> {
    let steps = match statements {
        [one] => vec![BatchStep { condition: None, stmt: Stmt::of(one)? }],
        many => {
            let mut steps = vec![BatchStep { condition: None, stmt: Stmt::bare(transaction.begin()) }];
            for (before, statement) in (0_u32..).zip(many) {
                steps.push(BatchStep {
                    condition: Some(StepCondition::Ok { step: before }),
                    stmt: Stmt::of(statement)?,
                });
            }
            let last = u32::try_from(many.len()).unwrap_or(u32::MAX);
            let commit = last.saturating_add(1);
            steps.push(BatchStep {
                condition: Some(StepCondition::Ok { step: last }),
                stmt: Stmt::bare("COMMIT"),
            });
            let not_committed = StepCondition::Not { cond: Box::new(StepCondition::Ok { step: commit }) };
            steps.push(BatchStep { condition: Some(not_committed), stmt: Stmt::bare("ROLLBACK") });
            steps
        }
    };
    let pipeline = Pipeline { requests: [Request::Batch { batch: Batch { steps } }, Request::Close] };
    serde_json::to_vec(&pipeline).map(Bytes::from).map_err(|error| DbError::Other(error.to_string()))
}

#[derive(Serialize)]
struct Pipeline<'a> {
    requests: [Request<'a>; 2],
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request<'a> {
    Batch { batch: Batch<'a> },
    Close,
}

#[derive(Serialize)]
struct Batch<'a> {
    steps: Vec<BatchStep<'a>>,
}

#[derive(Serialize)]
struct BatchStep<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<StepCondition>,
    stmt: Stmt<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StepCondition {
    Ok { step: u32 },
    Not { cond: Box<Self> },
}

#[derive(Serialize)]
struct Stmt<'a> {
    sql: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Arg<'a>>,
}

impl<'a> Stmt<'a> {
    const fn bare(sql: &'static str) -> Self {
        Self { sql, args: Vec::new() }
    }

    fn of(statement: &'a Statement) -> Result<Self, DbError> {
        let args = statement.params.iter().map(Arg::of).collect::<Result<_, _>>()?;
        Ok(Self { sql: statement.sql, args })
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Arg<'a> {
    Null,
    Integer {
        #[serde(serialize_with = "as_text")]
        value: i64,
    },
    Float {
        value: f64,
    },
    Text {
        value: &'a str,
    },
    Blob {
        #[serde(serialize_with = "as_base64")]
        base64: &'a [u8],
    },
}

impl<'a> Arg<'a> {
    fn of(value: &'a Value) -> Result<Self, DbError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Integer(value) => Self::Integer { value: *value },
            Value::Real(value) if !value.is_finite() => {
                return Err(DbError::Other("a number that is not finite".to_owned()));
            }
            Value::Real(value) => Self::Float { value: *value },
            Value::Text(value) if value.contains('\0') => {
                return Err(DbError::Other("a text with a NUL".to_owned()));
            }
            Value::Text(value) => Self::Text { value },
            Value::Blob(value) => Self::Blob { base64: value },
        })
    }
}

/// Numbers of JSON are exact up to 2^53 only.
fn as_text<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &BASE64))
}

/// An error as the server tells it.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ServerFault {
    pub message: String,
    /// `SQLITE_CONSTRAINT`, `SQL_INPUT_ERROR`, `TRANSACTION_TIMEOUT`, ….
    #[serde(default)]
    pub code: Option<String>,
}

/// Reads the answer to `count` statements (1 or more): their rows, or the error of the one that failed.
///
/// # Errors
/// A word on why it cannot be read; nothing of its content.
pub(super) fn answer(body: &[u8], count: usize) -> Result<Result<Vec<Rows>, ServerFault>, &'static str> {
    let answer: PipelineAnswer<'_> =
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => "an answer that is cut off",
            serde_json::error::Category::Data => "an answer of another form",
            _ => "an answer that is no JSON",
        })?;
    let Some(first) = answer.results.into_iter().next() else { return Err("an answer without a result") };
    let result = match first {
        StreamResult { error: Some(fault), .. } => return Ok(Err(fault)),
        StreamResult { response: Some(Response { result: Some(result) }), .. } => result,
        _ => return Err("an answer without a result"),
    };
    let BatchResult { step_results, step_errors } = result;
    // BEGIN, the statements, COMMIT, ROLLBACK; a statement alone has nothing around it.
    let around = if count == 1 { 0 } else { 3 };
    let steps = count.saturating_add(around);
    if step_results.len() != steps || step_errors.len() != steps {
        return Err("an answer with another number of steps");
    }
    // The first error is the cause; what came after it was not run, but for the ROLLBACK.
    if let Some(fault) = step_errors.into_iter().flatten().next() {
        return Ok(Err(fault));
    }
    let mut results = step_results.into_iter().skip(usize::from(count > 1));
    let rows = results.by_ref().take(count).map(|result| result.ok_or("a step that was not run")?.rows());
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    match (count, results.next()) {
        (1, _) | (_, Some(Some(_))) => Ok(Ok(rows)),
        _ => Err("a transaction without an end"),
    }
}

#[derive(Deserialize)]
struct PipelineAnswer<'a> {
    #[serde(borrow)]
    results: Vec<StreamResult<'a>>,
}

/// `{"type": "ok", "response": …}` or `{"type": "error", "error": …}`: which one it is shows in what it has.
#[derive(Deserialize)]
struct StreamResult<'a> {
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<ServerFault>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    result: Option<BatchResult<'a>>,
}

#[derive(Deserialize)]
struct BatchResult<'a> {
    #[serde(borrow)]
    step_results: Vec<Option<StmtResult<'a>>>,
    step_errors: Vec<Option<ServerFault>>,
}

#[derive(Deserialize)]
struct StmtResult<'a> {
    #[serde(borrow)]
    rows: Vec<Vec<Cell<'a>>>,
    affected_row_count: u64,
}

impl StmtResult<'_> {
    fn rows(self) -> Result<Rows, &'static str> {
        let row =
            |cells: Vec<Cell<'_>>| cells.into_iter().map(Cell::value).collect::<Result<_, _>>().map(Row);
        let rows = self.rows.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Rows { rows, affected: self.affected_row_count })
    }
}

/// A column of a row.
#[derive(Deserialize)]
struct Cell<'a> {
    #[serde(rename = "type")]
    kind: ValueKind,
    /// Of integers and texts a text, of floats a number.
    #[serde(borrow, default)]
    value: Option<Scalar<'a>>,
    /// Of blobs.
    #[serde(borrow, default)]
    base64: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ValueKind {
    Null,
    Integer,
    Float,
    Text,
    Blob,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Number(f64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

impl Cell<'_> {
    fn value(self) -> Result<Value, &'static str> {
        match (self.kind, self.value, self.base64) {
            (ValueKind::Null, _, _) => Ok(Value::Null),
            (ValueKind::Integer, Some(Scalar::Text(text)), _) => {
                text.parse().map(Value::Integer).map_err(|_| "an integer that is none")
            }
            (ValueKind::Float, Some(Scalar::Number(number)), _) => Ok(Value::Real(number)),
            (ValueKind::Text, Some(Scalar::Text(text)), _) => Ok(Value::Text(text.into_owned())),
            (ValueKind::Blob, _, Some(text)) => BASE64
                .decode(text.as_bytes())
                .map(|bytes| Value::Blob(bytes.into()))
                .map_err(|_| "a blob that is no base64"),
            // JSON has no infinity: servers write null.
            _ => Err("a value that does not fit its type"),
        }
    }
}
