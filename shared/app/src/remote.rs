//! Calls to an object: a piece of the core that another process runs, under a name. Who may call was settled before; whoever
//! takes calls must let nobody else send them.

use async_trait::async_trait;
use frontdesk_ports::{ByteStream, FetchError};

/// Brings a call to the object of a name, and its answer back.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends `call`. Dropping the stream ends a call that goes on.
    ///
    /// # Errors
    /// [`FetchError`] when the object is out of reach; the stream gives the same errors later.
    async fn send(&self, name: &str, call: String) -> Result<ByteStream, FetchError>;
}
