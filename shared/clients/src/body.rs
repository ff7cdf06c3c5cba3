//! Bodies of answers.

use frontdesk_ports::{ByteStream, FetchError};
use futures_util::StreamExt as _;

/// The whole body; the call's limits bound it.
pub(crate) async fn whole(mut body: ByteStream) -> Result<Vec<u8>, FetchError> {
    let mut read = Vec::new();
    while let Some(bytes) = body.next().await {
        read.extend_from_slice(&bytes?);
    }
    Ok(read)
}
