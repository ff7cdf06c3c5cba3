//! OpenAI-compatible services: chat completions as a stream, and embeddings.
//!
//! ```text
//! request   what is sent             frames   bytes → pieces          chat         deadlines, retries, breaker
//! adapt     what is sent instead     answer   pieces → ChatEvent      embeddings   batches of vectors
//! error     what goes wrong, from report (what a provider says) and words (as a log may hold it)
//! ```

mod adapt;
mod answer;
mod chat;
mod embeddings;
mod error;
mod frames;
mod inflate;
mod models;
mod report;
mod request;
mod words;

pub use answer::{ChatEvent, FinishReason, MAX_ANSWER, MAX_TOOL_CALLS};
pub use chat::{SERVICE as MODEL_SERVICE, chat, dialect};
pub use embeddings::{BATCH, SERVICE as EMBEDDINGS_SERVICE, embed, embed_question, vector_length};
pub use error::{Deadline, ModelError};
pub use frames::MAX_FRAME;
pub use models::{Listed, list as list_models};
pub use request::{ChatMessage, ChatRequest, ChatRole, Timeouts, is_near};
