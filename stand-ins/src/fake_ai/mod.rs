//! An OpenAI-compatible server that answers from the passages it is given, at a speed and with the faults it is told.
//!
//! | call | does |
//! |---|---|
//! | `GET /v1/models` | the models there are |
//! | `POST /v1/chat/completions` | an answer, streamed or whole; the same context gives the same bytes |
//! | `POST /v1/embeddings` | vectors of hashed word parts: texts with common words are near |
//! | `POST /control/script` | a list of [`Behaviour`]s (objects or `"cut-after=20,crlf"`), one for each next request |
//! | `POST /control/behaviour` | one [`Behaviour`], for requests that neither script nor marker says anything about |
//! | `POST /control/release` | lets one answer go on that is held, or will be; `{"answers": 3}`: so many |
//! | `GET /control/requests` | what was asked, and [`Counts`] |
//! | `GET /control/counts` | [`Counts`] alone |
//! | `POST /control/reset` | forgets the script, the behaviour, releases, the requests and the counts |
//!
//! A request is also told how to behave by `!fault:cut-after=20` in the last message of the user.

mod answer;
mod behaviour;
mod chat;
mod embedding;
mod record;
mod server;
mod validate;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use behaviour::{Behaviour, Endpoint};
pub use record::{Counts, Ending, Recorded};

use record::Record;

/// The models there are unless [`Options::models`] says otherwise: for chat, as fallback, for embeddings.
pub const MODELS: [&str; 3] = ["fake-chat", "fake-chat-small", "fake-embedding"];

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// From the request to the first token.
    pub first_token: Duration,
    /// Tokens per second after the first; `None` is as fast as it goes. Token `i` is due at a fixed time after the
    /// first, however late the ones before it were.
    pub tokens_per_second: Option<f64>,
    /// The length of every answer in tokens; `None` leaves it to the answer.
    pub tokens: Option<usize>,
    /// The key that is demanded, if one is.
    pub api_key: Option<String>,
    /// The models there are; another one is 404.
    pub models: Vec<String>,
    /// Tokens of context and answer together, counted as four bytes each.
    pub context_tokens: usize,
    /// Dimensions of vectors.
    pub dimensions: usize,
    /// Whether a body without a stated length is refused.
    pub strict: bool,
    /// How requests are treated that neither script nor marker says anything about, until `POST /control/behaviour`.
    pub behaviour: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_token: Duration::ZERO,
            tokens_per_second: None,
            tokens: None,
            api_key: None,
            models: MODELS.map(str::to_owned).to_vec(),
            context_tokens: 128_000,
            dimensions: 256,
            strict: true,
            behaviour: Behaviour::default(),
        }
    }
}

/// A running server. Dropping it stops it: open answers have a second to end.
#[derive(Debug)]
pub struct FakeAi {
    /// What a client is configured with: `http://127.0.0.1:PORT/v1`.
    pub base_url: String,
    record: Arc<Record>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl FakeAi {
    /// Starts on a free port of the loopback address, in the running tokio runtime.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(options: Options) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), options).await
    }

    /// Starts at `address`; port 0 is any free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let record = Arc::new(Record::default());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server::run(listener, Arc::new(options), Arc::clone(&record), stopped));
        Ok(Self { base_url: format!("http://{address}/v1"), record, stop: Some(stop), server: Some(server) })
    }

    /// Adds to the script: one behaviour for each next request it fits.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.record.script(behaviours);
    }

    /// The latest requests, oldest first (at most [`record::MAX_REQUESTS`]).
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.record.requests()
    }

    /// What is and was going on.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.record.counts()
    }

    /// Waits until `condition` holds for the counts: woken by each change, never by time.
    pub async fn until(&self, condition: impl FnMut(&Counts) -> bool) {
        self.record.until(condition).await;
    }

    /// Stops and waits until no client is served any more.
    pub async fn stop(mut self) {
        let server = self.server.take();
        drop(self);
        if let Some(server) = server {
            // It ends early only with its runtime.
            let _ = server.await;
        }
    }

    /// Forgets the script, the requests and the counts of what is over.
    pub fn reset(&self) {
        self.record.reset();
    }
}

impl Drop for FakeAi {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended with its runtime.
            let _ = stop.send(());
        }
    }
}

/// Serves at `address` until the process is asked to end (Ctrl-C, SIGTERM); `ready` is given the base URL.
///
/// # Errors
/// When the address cannot be had.
pub async fn serve(address: SocketAddr, options: Options, ready: impl FnOnce(&str)) -> io::Result<()> {
    let server = FakeAi::start_at(address, options).await?;
    ready(&server.base_url);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}
