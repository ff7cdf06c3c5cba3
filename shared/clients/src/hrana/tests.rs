//! Servers that answer by script: what goes out, what comes of each answer, and what is asked again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, ByteStream, Row, Value};
use futures_executor::block_on;
use futures_util::StreamExt as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// One answer: a status and a body in pieces, or no answer at all.
type Scripted = Result<(u16, Vec<Result<Bytes, FetchError>>), FetchError>;

/// Answers by script, and keeps what it was sent.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Scripted>>,
    sent: RefCell<Vec<http::Request<Bytes>>>,
}

#[async_trait(?Send)]
impl HttpClient for Script {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        assert_eq!(limits, LIMITS);
        self.sent.borrow_mut().push(request);
        let (status, pieces) = self.answers.borrow_mut().pop_front().expect("one call too many")?;
        let mut response = http::Response::new(futures_util::stream::iter(pieces).boxed_local());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    }
}

/// Time that does not pass; counts the pauses.
#[derive(Default)]
struct Still(Cell<u32>);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        assert!(duration <= PAUSE * (self.0.get() + 1), "longer with every attempt, and no longer");
        self.0.set(self.0.get() + 1);
        Box::pin(std::future::ready(()))
    }
}

struct Most;

impl Random for Most {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0xff);
    }
}

struct World {
    script: Rc<Script>,
    clock: Rc<Still>,
    db: HranaDatabase,
}

impl World {
    fn new(answers: impl IntoIterator<Item = Scripted>) -> Self {
        let script =
            Rc::new(Script { answers: RefCell::new(answers.into_iter().collect()), ..Script::default() });
        let clock = Rc::new(Still::default());
        let server = HranaServer::new("libsql://db.example/", Some(&"token-SENTINEL".into())).unwrap();
        let db = HranaDatabase::new(script.clone(), clock.clone(), Rc::new(Most), server);
        Self { script, clock, db }
    }

    fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        block_on(self.db.query(statements))
    }

    fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        block_on(self.db.batch(statements))
    }

    fn sent(&self, call: usize) -> serde_json::Value {
        serde_json::from_slice(self.script.sent.borrow()[call].body()).unwrap()
    }

    fn calls(&self) -> usize {
        assert!(self.script.answers.borrow().is_empty(), "an answer was not asked for");
        assert_eq!(self.clock.0.get() as usize + 1, self.script.sent.borrow().len(), "each repetition waits");
        self.script.sent.borrow().len()
    }
}

fn body(bytes: impl Into<Bytes>) -> Scripted {
    Ok((200, vec![Ok(bytes.into())]))
}

/// What a server answers to a batch of steps.
fn answered(step_results: &serde_json::Value, step_errors: &serde_json::Value) -> Scripted {
    let result =
        json!({ "step_results": step_results, "step_errors": step_errors, "replication_index": "5" });
    let results = json!([
        { "type": "ok", "response": { "type": "batch", "result": result } },
        { "type": "ok", "response": { "type": "close" } },
    ]);
    body(json!({ "baton": null, "base_url": null, "results": results }).to_string())
}

fn rows(rows: &serde_json::Value, affected: u64) -> serde_json::Value {
    json!({ "cols": [{ "name": "n", "decltype": null }], "rows": rows, "affected_row_count": affected })
}

fn nothing() -> serde_json::Value {
    rows(&json!([]), 0)
}

/// The answer to one statement that fails.
fn failed(code: Option<&str>, message: &str) -> Scripted {
    answered(&json!([null]), &json!([{ "message": message, "code": code }]))
}

fn one() -> Scripted {
    answered(&json!([rows(&json!([[{ "type": "integer", "value": "1" }]]), 0)]), &json!([null]))
}

fn select() -> Vec<Statement> {
    vec![Statement::new("SELECT 1")]
}

fn insert() -> Vec<Statement> {
    vec![Statement::new("INSERT INTO t VALUES (?1)").bind("PARAMETER")]
}

#[test]
fn a_statement_alone_is_one_post_without_a_transaction() {
    let world = World::new([one()]);
    let results = world.query(vec![Statement::new("SELECT ?1").bind(7_i64)]).unwrap();
    assert_eq!(results, [Rows { rows: vec![Row(vec![Value::Integer(1)])], affected: 0 }]);
    assert_eq!(world.calls(), 1);
    let sent = &world.script.sent.borrow()[0];
    assert_eq!(sent.method(), Method::POST);
    assert_eq!(sent.uri(), "https://db.example/v2/pipeline");
    assert_eq!(sent.headers()[header::AUTHORIZATION], "Bearer token-SENTINEL");
    assert!(!format!("{sent:?}").contains("SENTINEL"));
    let stmt = json!({ "sql": "SELECT ?1", "args": [{ "type": "integer", "value": "7" }] });
    let batch = json!({ "type": "batch", "batch": { "steps": [{ "stmt": stmt }] } });
    assert_eq!(world.sent(0), json!({ "requests": [batch, { "type": "close" }] }));
}

#[test]
fn several_statements_are_a_transaction_of_conditional_steps() {
    for (begin, write) in [("BEGIN IMMEDIATE", true), ("BEGIN READONLY", false)] {
        let results = json!([nothing(), rows(&json!([]), 2), rows(&json!([]), 3), nothing(), null]);
        let world = World::new([answered(&results, &json!([null, null, null, null, null]))]);
        let statements = vec![Statement::new("A"), Statement::new("B")];
        let results = if write { world.batch(statements) } else { world.query(statements) }.unwrap();
        assert_eq!(results.iter().map(|rows| rows.affected).collect::<Vec<_>>(), [2, 3]);
        let ok = |step: u32| json!({ "type": "ok", "step": step });
        assert_eq!(
            world.sent(0)["requests"][0]["batch"]["steps"],
            json!([
                { "stmt": { "sql": begin } },
                { "stmt": { "sql": "A" }, "condition": ok(0) },
                { "stmt": { "sql": "B" }, "condition": ok(1) },
                { "stmt": { "sql": "COMMIT" }, "condition": ok(2) },
                { "stmt": { "sql": "ROLLBACK" }, "condition": { "type": "not", "cond": ok(3) } },
            ])
        );
    }
}

#[test]
fn no_statements_are_no_call() {
    let world = World::new([]);
    assert_eq!(world.batch(Vec::new()), Ok(Vec::new()));
    assert!(world.script.sent.borrow().is_empty());
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_call() {
    for value in [Value::Text("a\0b".into()), Value::Real(f64::NAN), Value::Real(f64::INFINITY)] {
        let world = World::new([]);
        let refused = world.batch(vec![Statement::new("INSERT INTO t VALUES (?1)").with(value.clone())]);
        assert!(matches!(refused, Err(DbError::Other(_))), "{value:?}");
        assert!(world.script.sent.borrow().is_empty());
    }
}

#[test]
fn the_first_error_of_a_transaction_is_its_cause() {
    let fault = |message: &str, code: &str| json!({ "message": message, "code": code });
    let unique = fault("SQLite error: UNIQUE constraint failed: t.id", "SQLITE_CONSTRAINT");
    let world = World::new([answered(
        &json!([nothing(), null, null, null, nothing()]),
        &json!([null, unique, null, null, null]),
    )]);
    let error = world.batch([insert(), insert()].concat()).unwrap_err();
    assert_eq!(error, DbError::Conflict("SQLite error: UNIQUE constraint failed: t.id".to_owned()));

    let syntax = fault("SQLite error: disk I/O error", "SQLITE_IOERR");
    let rollback = fault("SQLite error: cannot rollback - no transaction is active", "SQLITE_UNKNOWN");
    let world = World::new([answered(
        &json!([null, null, null, null, null]),
        &json!([syntax, null, null, null, rollback]),
    )]);
    let error = world.batch([insert(), insert()].concat()).unwrap_err();
    assert_eq!(error, DbError::Retryable("SQLite error: disk I/O error".to_owned()));
}

#[test]
fn errors_have_the_kinds_of_the_embedded_database() {
    let kind = |error: &DbError| match error {
        DbError::Conflict(_) => "conflict",
        DbError::Retryable(_) => "retryable",
        DbError::Schema(_) => "schema",
        DbError::Other(_) => "other",
    };
    for (code, expected) in [
        (Some("SQLITE_CONSTRAINT"), "conflict"),
        (Some("SQLITE_CONSTRAINT_PRIMARYKEY"), "conflict"),
        (Some("SQLITE_UNKNOWN"), "schema"),
        (Some("SQLITE_ERROR"), "schema"),
        (Some("SQL_INPUT_ERROR"), "schema"),
        (Some("SQL_PARSE_ERROR"), "schema"),
        (Some("SQLITE_CORRUPT"), "schema"),
        (Some("SQLITE_IOERR"), "retryable"),
        (Some("STREAM_EXPIRED"), "retryable"),
        (Some("ARGS_INVALID"), "other"),
        (Some("RESPONSE_TOO_LARGE"), "other"),
        (None, "other"),
    ] {
        let in_a_step = World::new([failed(code, "m")]).batch(insert()).unwrap_err();
        assert_eq!(kind(&in_a_step), expected, "{code:?}");
        let results = json!([{ "type": "error", "error": { "message": "m", "code": code } }]);
        let whole = World::new([body(json!({ "results": results }).to_string())]);
        assert_eq!(kind(&whole.query(select()).unwrap_err()), expected, "{code:?}");
    }
}

#[test]
fn a_status_decides_and_its_body_is_not_repeated() {
    for (status, retryable) in [
        (500, true),
        (502, true),
        (503, true),
        (429, true),
        (408, true),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (307, false),
    ] {
        for write in [true, false] {
            let world = World::new([Ok((status, vec![Ok(Bytes::from("invalid value: PARAMETER"))]))]);
            let result = if write { world.batch(insert()) } else { world.query(select()) };
            let error = result.unwrap_err();
            assert_eq!(matches!(error, DbError::Retryable(_)), retryable, "{status}: {error}");
            assert!(!error.to_string().contains("PARAMETER"));
            assert_eq!(world.calls(), 1);
        }
    }
}

#[test]
fn an_answer_that_cannot_be_read_leaves_it_unknown_whether_it_was_stored() {
    let whole = match one().unwrap().1.remove(0) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error}"),
    };
    let mut bodies: Vec<Bytes> = (0..whole.len()).map(|end| whole.slice(..end)).collect();
    let cell = |cell: serde_json::Value| match answered(&json!([rows(&json!([[cell]]), 0)]), &json!([null])) {
        Ok((_, mut pieces)) => pieces.remove(0).unwrap(),
        Err(error) => panic!("{error}"),
    };
    bodies.extend([
        Bytes::from("<html>bad gateway</html>"),
        Bytes::from(vec![0xff; 1000]),
        Bytes::from("[".repeat(100_000)),
        Bytes::from("null"),
        Bytes::from(r#"{"results":[]}"#),
        Bytes::from(r#"{"results":[{"type":"ok"}]}"#),
        Bytes::from(r#"{"results":[{"type":"ok","response":{"type":"close"}}]}"#),
        cell(json!({ "type": "integer", "value": "9223372036854775808" })),
        cell(json!({ "type": "integer", "value": 1 })),
        cell(json!({ "type": "float", "value": null })),
        cell(json!({ "type": "blob", "base64": "!" })),
        cell(json!({ "type": "blob" })),
        cell(json!({ "type": "date", "value": "x" })),
    ]);
    for body_of in bodies {
        for write in [true, false] {
            let world = World::new([body(body_of.clone())]);
            let result = if write { world.batch(insert()) } else { world.query(select()) };
            assert!(matches!(result, Err(DbError::Retryable(_))), "{body_of:?}: {result:?}");
            assert_eq!(world.calls(), 1);
        }
    }
}

#[test]
fn another_number_of_steps_is_no_answer() {
    let two = || [insert(), insert()].concat();
    for (results, errors) in [
        (json!([nothing()]), json!([null])),
        (json!([nothing(), nothing(), nothing(), nothing()]), json!([null, null, null, null])),
        (json!([nothing(), nothing(), nothing(), nothing(), null]), json!([null])),
        // Nothing failed, and yet something was not run.
        (json!([nothing(), nothing(), nothing(), null, null]), json!([null, null, null, null, null])),
        (json!([nothing(), nothing(), null, nothing(), null]), json!([null, null, null, null, null])),
    ] {
        let world = World::new([answered(&results, &errors)]);
        assert!(matches!(world.batch(two()), Err(DbError::Retryable(_))), "{results}");
    }
}

#[test]
fn a_huge_answer_is_an_error_and_a_write_may_be_stored() {
    let huge = || Ok((200, vec![Ok(Bytes::from("{")), Err(FetchError::TooLarge(MAX_ANSWER))]));
    assert!(matches!(World::new([huge()]).query(select()), Err(DbError::Other(_))));
    assert!(matches!(World::new([huge()]).batch(insert()), Err(DbError::Retryable(_))));
}

#[test]
fn only_what_cannot_have_been_stored_is_sent_again_and_not_for_ever() {
    let lost = || FetchError::Lost("reset".to_owned());
    let refused = || FetchError::Connect("refused".to_owned());
    let half = || Ok((200, vec![Ok(Bytes::from("{")), Err(lost())]));
    let busy = || failed(Some("SQLITE_BUSY"), "SQLite error: database is locked");
    // The first answer; how often a write and a read are sent in all.
    let cases: [(&dyn Fn() -> Scripted, u32, u32); 8] = [
        (&|| Err(refused()), 2, 2),
        (&|| Err(FetchError::Timeout("connect")), 2, 2),
        (&busy, 5, 5),
        (&|| failed(Some("TRANSACTION_TIMEOUT"), "Transaction timed out"), 5, 5),
        (&|| Err(lost()), 1, 2),
        (&half, 1, 2),
        (&|| Err(FetchError::Timeout("head")), 1, 1),
        (&|| Ok((503, Vec::new())), 1, 1),
    ];
    for (number, (first, write, read)) in cases.into_iter().enumerate() {
        for (most, is_write) in [(write, true), (read, false)] {
            let again = most > 1;
            let call = |world: &World| if is_write { world.batch(insert()) } else { world.query(select()) };
            let world = World::new([first()].into_iter().chain(again.then(one)));
            let result = call(&world);
            assert_eq!(result.is_ok(), again, "case {number}: {result:?}");
            assert_eq!(world.calls(), if again { 2 } else { 1 });
            if again {
                assert_eq!(world.sent(0), world.sent(1));
                let world = World::new((0..most).map(|_| first()));
                assert!(matches!(call(&world), Err(DbError::Retryable(_))), "case {number}: at most {most}");
                assert_eq!(world.calls(), most as usize);
            }
        }
    }
}

#[test]
fn an_address_that_is_not_allowed_is_our_defect() {
    let refused = || Err(FetchError::Refused("not public".to_owned()));
    assert!(matches!(World::new([refused()]).query(select()), Err(DbError::Other(_))));
}

/// A server that sends every parameter back, as a real one writes it.
fn echoed(sent: &serde_json::Value, padding: bool) -> Bytes {
    let mut row = sent["requests"][0]["batch"]["steps"][0]["stmt"]["args"].clone();
    for cell in row.as_array_mut().unwrap() {
        if let (true, Some(base64)) = (padding, cell.get("base64").and_then(|text| text.as_str())) {
            let padded = format!("{base64}{}", "=".repeat((4 - base64.len() % 4) % 4));
            cell["base64"] = padded.into();
        }
    }
    match answered(&json!([rows(&json!([row]), 1)]), &json!([null])) {
        Ok((_, mut pieces)) => pieces.remove(0).unwrap(),
        Err(error) => panic!("{error}"),
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Real),
        any::<String>().prop_map(|text| Value::Text(text.replace('\0', " "))),
        any::<Vec<u8>>().prop_map(|bytes| Value::Blob(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn every_value_comes_back_as_it_was(
        values in proptest::collection::vec(values(), 1..20),
        padding in any::<bool>(),
    ) {
        let statement = values.iter().fold(Statement::new("SELECT …"), |all, value| all.with(value.clone()));
        let sent = protocol::request(Transaction::Write, &[statement]).unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        let rows = protocol::answer(&echoed(&sent, padding), 1).unwrap().unwrap();
        prop_assert_eq!(&rows[0].rows[0].0, &values);
    }

    #[test]
    fn no_answer_is_a_panic(bytes in any::<Vec<u8>>(), count in 1_usize..5) {
        let _ = protocol::answer(&bytes, count);
    }
}

#[test]
fn a_large_blob_comes_back() {
    let blob = Value::Blob((0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<u8>>().into());
    let sent = protocol::request(Transaction::Write, &[Statement::new("…").with(blob.clone())]).unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    let rows = protocol::answer(&echoed(&sent, false), 1).unwrap().unwrap();
    assert!(rows[0].rows[0].0[0] == blob);
}
