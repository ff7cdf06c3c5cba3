//! A model that says what the test dictates.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::SettingsPatch;
use frontdesk_ports::{ByteStream, Ctx, FetchError, FetchLimits, HttpClient};
use futures_channel::mpsc;
use futures_util::StreamExt;
use serde_json::json;

/// What the model does next.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    /// It says this.
    Words(&'static str),
    /// It counts tokens: prompt, completion.
    Usage(u64, u64),
    /// The answer is whole.
    End,
    /// The connection breaks.
    Break,
    /// What reads the answer panics.
    Panic,
}

struct Call {
    lines: mpsc::UnboundedSender<Line>,
    take: RefCell<Option<mpsc::UnboundedReceiver<Line>>>,
    taken: Rc<Cell<usize>>,
}

/// A model whose n-th answer is dictated line by line.
pub struct Dictated {
    calls: Vec<Call>,
    asked: Cell<usize>,
    always: Option<&'static str>,
}

impl Dictated {
    /// Up to so many answers.
    pub fn new(answers: usize) -> Rc<Self> {
        let calls = (0..answers).map(|_| {
            let (lines, take) = mpsc::unbounded();
            Call { lines, take: RefCell::new(Some(take)), taken: Rc::default() }
        });
        Rc::new(Self { calls: calls.collect(), asked: Cell::new(0), always: None })
    }

    /// The same answer to everything.
    pub fn always(words: &'static str) -> Rc<Self> {
        Rc::new(Self { calls: Vec::new(), asked: Cell::new(0), always: Some(words) })
    }

    /// What the `n`-th answer says next.
    pub fn say(&self, n: usize, line: Line) {
        let _ = self.calls[n].lines.unbounded_send(line);
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    /// How many lines of the `n`-th answer were read.
    pub fn taken(&self, n: usize) -> usize {
        self.calls[n].taken.get()
    }

    /// Whether nobody reads the `n`-th answer any more.
    pub fn hung_up(&self, n: usize) -> bool {
        self.calls[n].lines.is_closed()
    }
}

fn piece(line: Line) -> Result<Bytes, FetchError> {
    let frame = match line {
        Line::Words(words) => json!({ "choices": [{ "index": 0, "delta": { "content": words } }] }),
        Line::Usage(prompt, completion) => {
            json!({ "choices": [], "usage": { "prompt_tokens": prompt, "completion_tokens": completion } })
        }
        Line::End => json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
        Line::Break => return Err(FetchError::Lost("the connection broke (dictated)".to_owned())),
        Line::Panic => panic!("dictated"),
    };
    let done = if matches!(line, Line::End) { "data: [DONE]\n\n" } else { "" };
    Ok(Bytes::from(format!("data: {frame}\n\n{done}")))
}

#[async_trait(?Send)]
impl HttpClient for Dictated {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let n = self.asked.replace(self.asked.get() + 1);
        let body: ByteStream = match (self.always, self.calls.get(n)) {
            (Some(words), _) => {
                futures_util::stream::iter([Line::Words(words), Line::End].map(piece)).boxed_local()
            }
            (None, Some(call)) => {
                let taken = Rc::clone(&call.taken);
                let lines = call.take.borrow_mut().take().expect("each answer is asked for once");
                // After the end nothing comes, but the connection stays for whoever counts.
                let lines = lines.map(move |line| {
                    taken.set(taken.get() + 1);
                    line
                });
                let over = Cell::new(false);
                lines
                    .take_while(move |line| {
                        let go_on = !over.replace(matches!(line, Line::End | Line::Break));
                        std::future::ready(go_on)
                    })
                    .map(piece)
                    .boxed_local()
            }
            (None, None) => return Err(FetchError::Refused("asked too often".to_owned())),
        };
        let mut response = http::Response::new(body);
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }
}

/// Nothing is indexed here: lets the model answer without evidence.
pub async fn answers_without_evidence(ctx: &Ctx, of: &TenantScope) {
    let patch = SettingsPatch(json!({ "guardrails": { "only_from_evidence": false } }));
    let admin = of.as_system();
    let version = frontdesk_app::settings::read(ctx, &admin).await.unwrap().version;
    frontdesk_app::settings::patch(ctx, &admin, version, &patch).await.unwrap();
}

/// Asks again until there is an answer.
pub async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.expect("it never happened")
}
