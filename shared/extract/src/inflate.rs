//! Inflating under a limit. What a damaged stream gave before the damage counts.

use flate2::{Decompress, FlushDecompress, Status};

/// Grows by at most so much at once.
const STEP: usize = 1 << 20;

/// A zlib stream, or a bare one where it is none; a byte more than `limit` when there is more.
pub(crate) fn zlib(data: &[u8], limit: u64) -> Vec<u8> {
    let bytes = inflate(Decompress::new(true), data, limit);
    if bytes.is_empty() { deflated(data, limit) } else { bytes }
}

/// A bare stream; a byte more than `limit` when there is more.
pub(crate) fn deflated(data: &[u8], limit: u64) -> Vec<u8> {
    inflate(Decompress::new(false), data, limit)
}

fn inflate(mut state: Decompress, data: &[u8], limit: u64) -> Vec<u8> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let room = most.saturating_sub(bytes.len()).min(bytes.len().clamp(4 << 10, STEP));
        bytes.reserve_exact(room);
        let before = (state.total_in(), bytes.len());
        let rest = data.get(usize::try_from(before.0).unwrap_or(usize::MAX)..).unwrap_or_default();
        // After an error what was written before it is there.
        let status = state.decompress_vec(rest, &mut bytes, FlushDecompress::None);
        let moves = (state.total_in(), bytes.len()) != before;
        if bytes.len() >= most || !moves || !matches!(status, Ok(Status::Ok)) {
            bytes.truncate(most);
            return bytes;
        }
    }
}
