//! OpenAI-compatible services: chat completions as a stream, and embeddings.
//!
//! ```text
//! request   what is sent          sse     bytes → events        chat         deadlines, retries, breaker
//! error     what goes wrong       answer  events → ChatEvent    embeddings   batches of vectors
//! ```

mod answer;
mod chat;
mod embeddings;
mod error;
mod request;
mod sse;

pub use answer::{ChatEvent, FinishReason, MAX_ANSWER, MAX_TOOL_CALLS};
pub use chat::{SERVICE as MODEL_SERVICE, chat};
pub use embeddings::{BATCH, SERVICE as EMBEDDINGS_SERVICE, embed};
pub use error::{Deadline, ModelError};
pub use request::{ChatMessage, ChatRequest, ChatRole, Timeouts};
pub use sse::MAX_FRAME;
