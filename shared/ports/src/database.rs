//! The database: libSQL, embedded or over HTTP.

use async_trait::async_trait;
use bytes::Bytes;

/// A parameter or a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A 64-bit integer; exact on every host.
    Integer(i64),
    /// A double.
    Real(f64),
    /// UTF-8 text without NUL, which a database refuses: C strings end there.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

macro_rules! value_from {
    ($($from:ty => |$x:ident| $make:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($x: $from) -> Self {
                $make
            }
        }
    )*};
}

value_from! {
    i64 => |x| Self::Integer(x);
    i32 => |x| Self::Integer(i64::from(x));
    u32 => |x| Self::Integer(i64::from(x));
    u64 => |x| Self::Integer(i64::try_from(x).unwrap_or(i64::MAX));
    usize => |x| Self::Integer(i64::try_from(x).unwrap_or(i64::MAX));
    bool => |x| Self::Integer(i64::from(x));
    f64 => |x| Self::Real(x);
    f32 => |x| Self::Real(f64::from(x));
    &str => |x| Self::Text(x.to_owned());
    String => |x| Self::Text(x);
    &String => |x| Self::Text(x.clone());
    Bytes => |x| Self::Blob(x);
    Vec<u8> => |x| Self::Blob(x.into());
    frontdesk_domain::time::Timestamp => |x| Self::Integer(x.millis());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One SQL statement. The text is static: nothing a caller sends can become SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text, with `?1`, `?2`, … for parameters.
    pub sql: &'static str,
    /// The parameters in order.
    pub params: Vec<Value>,
}

impl Statement {
    /// A statement without parameters yet.
    #[must_use]
    pub const fn new(sql: &'static str) -> Self {
        Self { sql, params: Vec::new() }
    }

    /// Adds the next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Adds the next parameter as it is.
    #[must_use]
    pub fn with(mut self, value: Value) -> Self {
        self.params.push(value);
        self
    }

    /// Adds an identifier as text.
    #[must_use]
    pub fn bind_id(self, id: impl std::fmt::Display) -> Self {
        self.bind(id.to_string())
    }
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    /// How many rows it changed.
    pub affected: u64,
}

impl Rows {
    /// The first row.
    #[must_use]
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }
}

/// One row: columns by position.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row(pub Vec<Value>);

impl Row {
    fn get(&self, column: usize) -> Result<&Value, DbError> {
        self.0.get(column).ok_or_else(|| DbError::Schema(format!("no column {column}")))
    }

    /// A text column.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn text(&self, column: usize) -> Result<&str, DbError> {
        match self.get(column)? {
            Value::Text(text) => Ok(text),
            other => Err(DbError::type_of(column, "text", other)),
        }
    }

    /// A text column that may be NULL.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, DbError> {
        match self.get(column)? {
            Value::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    /// An integer column.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn int(&self, column: usize) -> Result<i64, DbError> {
        match self.get(column)? {
            Value::Integer(value) => Ok(*value),
            other => Err(DbError::type_of(column, "integer", other)),
        }
    }

    /// An integer column that may be NULL.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        match self.get(column)? {
            Value::Null => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    /// An integer column that is never negative.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type or negative.
    pub fn count(&self, column: usize) -> Result<u64, DbError> {
        u64::try_from(self.int(column)?).map_err(|_| DbError::Schema(format!("column {column} is negative")))
    }

    /// A number column (integers become doubles).
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn real(&self, column: usize) -> Result<f64, DbError> {
        match self.get(column)? {
            Value::Real(value) => Ok(*value),
            #[expect(clippy::cast_precision_loss, reason = "scores, not counters")]
            Value::Integer(value) => Ok(*value as f64),
            other => Err(DbError::type_of(column, "real", other)),
        }
    }

    /// A blob column.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type.
    pub fn blob(&self, column: usize) -> Result<&Bytes, DbError> {
        match self.get(column)? {
            Value::Blob(bytes) => Ok(bytes),
            other => Err(DbError::type_of(column, "blob", other)),
        }
    }

    /// A column of milliseconds.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is no integer.
    pub fn time(&self, column: usize) -> Result<frontdesk_domain::time::Timestamp, DbError> {
        self.int(column).map(frontdesk_domain::time::Timestamp::from_millis)
    }

    /// A text column that is parsed (an identifier, a name).
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type or does not parse.
    pub fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T, DbError> {
        self.text(column)?.parse().map_err(|_| DbError::Schema(format!("column {column} does not parse")))
    }

    /// A text column that holds JSON.
    ///
    /// # Errors
    /// [`DbError::Schema`] when it is of another type or no such JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, DbError> {
        serde_json::from_str(self.text(column)?)
            .map_err(|error| DbError::Schema(format!("column {column}: {error}")))
    }
}

/// Why the database did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// A unique or check constraint refused it: another writer was first. Nothing of the batch was stored.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The same call may succeed later; it may also have been stored already.
    #[error("retryable: {0}")]
    Retryable(String),
    /// The stored data or the schema is not what the code expects.
    #[error("schema: {0}")]
    Schema(String),
    /// Anything else: a defect of ours.
    #[error("{0}")]
    Other(String),
}

impl DbError {
    fn type_of(column: usize, expected: &'static str, found: &Value) -> Self {
        let found = match found {
            Value::Null => "null",
            Value::Integer(_) => "integer",
            Value::Real(_) => "real",
            Value::Text(_) => "text",
            Value::Blob(_) => "blob",
        };
        Self::Schema(format!("column {column}: expected {expected}, found {found}"))
    }
}

impl From<DbError> for frontdesk_domain::error::Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Retryable(detail) => Self::Upstream { service: "database", retryable: true, detail },
            DbError::Conflict(detail) | DbError::Schema(detail) | DbError::Other(detail) => {
                Self::Ours(format!("database: {detail}"))
            }
        }
    }
}

/// libSQL. Each call is one round trip; there are no interactive transactions.
#[async_trait(?Send)]
pub trait Database {
    /// Reads: the statements see one snapshot. One result per statement.
    ///
    /// # Errors
    /// [`DbError`].
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError>;

    /// Writes: all of them or none. One result per statement.
    ///
    /// # Errors
    /// [`DbError`]; after [`DbError::Retryable`] it is unknown whether the batch was stored.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError>;
}
