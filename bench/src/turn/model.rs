//! The stand-in model with fixed timing, on a thread of its own.

use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use frontdesk_stand_ins::fake_ai::{FakeAi, Options};

/// A running stand-in. Dropping it stops it.
pub struct Model {
    /// What a client is configured with.
    pub base_url: String,
    fake: FakeAi,
    // Dropped last: its thread ends when nobody holds this any more.
    _running: tokio::sync::oneshot::Sender<()>,
}

impl Model {
    /// Starts: the first token after 200 ms, 60 tokens, 50 per second.
    pub fn start() -> Result<Self> {
        Self::with(Options {
            first_token: Duration::from_millis(200),
            tokens_per_second: Some(50.0),
            tokens: Some(60),
            ..Options::default()
        })
    }

    /// Starts one that answers at once.
    pub fn quick() -> Result<Self> {
        Self::with(Options {
            first_token: Duration::ZERO,
            tokens_per_second: None,
            tokens: Some(8),
            ..Options::default()
        })
    }

    fn with(options: Options) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (started, starting) = mpsc::channel();
        let (running, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new().name("model".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Nobody receives when the starter has given up.
                let _ = started.send(FakeAi::start(options).await);
                let _ = stopped.await;
            });
        })?;
        let fake = starting.recv().context("the stand-in did not start")??;
        Ok(Self { base_url: fake.base_url.clone(), fake, _running: running })
    }

    /// The body of the latest request.
    pub fn last_request(&self) -> Option<Bytes> {
        self.fake.requests().last().map(|request| Bytes::from(request.body.to_string()))
    }
}
