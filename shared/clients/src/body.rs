//! Bodies of answers.

use frontdesk_ports::{ByteStream, FetchError};
use futures_util::StreamExt as _;

/// How much of an error's body is read.
pub(crate) const MAX_ERROR: usize = 64 * 1024;

/// The whole body; the call's limits bound it.
pub(crate) async fn whole(mut body: ByteStream) -> Result<Vec<u8>, FetchError> {
    let mut read = Vec::new();
    while let Some(bytes) = body.next().await {
        read.extend_from_slice(&bytes?);
    }
    Ok(read)
}

/// The body of an error, as far as it is of interest; what cannot be read is left out.
pub(crate) async fn of_error(mut body: ByteStream) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(bytes)) = body.next().await {
        let room = MAX_ERROR.saturating_sub(read.len());
        read.extend(bytes.iter().take(room));
        if bytes.len() >= room {
            break;
        }
    }
    read
}
