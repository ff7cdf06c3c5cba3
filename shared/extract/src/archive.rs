//! Zip archives that lie: nothing is believed but the bytes that really come out.

use std::io::{Cursor, ErrorKind, Read};

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Limits, as_u64, over, unreadable};

/// A packed byte can become at most this many by deflate; a whole document stays far below.
const MAX_RATIO: u64 = 400;

/// Below this many bytes the ratio says nothing.
const RATIO_FROM: u64 = 4 << 20;

/// An archive in memory and what it may still unpack. Entries are only read by exact names that the reader knows; their
/// names are never used as paths.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    budget: u64,
    limit: u64,
}

pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Archive<'a>, ExtractFailure> {
    // Checked before the directory is built: each entry has a record of at least 46 bytes with this signature.
    let entries = bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count();
    if as_u64(entries) > u64::from(limits.max_entries) {
        return Err(over("entries of the archive", limits.max_entries.into()));
    }
    let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| unreadable(reasons::ARCHIVE_DAMAGED))?;
    if as_u64(zip.len()) > u64::from(limits.max_entries) {
        return Err(over("entries of the archive", limits.max_entries.into()));
    }
    Ok(Archive { zip, budget: limits.max_unpacked, limit: limits.max_unpacked })
}

impl Archive<'_> {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The part with exactly this name, `None` when there is none.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, ExtractFailure> {
        let part = match self.zip.by_name(name) {
            Ok(part) => part,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(message)) if message.contains("assword") => {
                return Err(unreadable(reasons::LOCKED));
            }
            Err(_) => return Err(unreadable(reasons::ARCHIVE_DAMAGED)),
        };
        let packed = part.compressed_size();
        let by_ratio = packed.saturating_mul(MAX_RATIO).max(RATIO_FROM);
        let allowed = self.budget.min(by_ratio);
        let too_large = || over("unpacked size in bytes", self.limit.min(by_ratio));
        // What it says of its size, where it is true, saves room; one byte more, so that the end is found without growing.
        let mut bytes = Vec::new();
        let size = usize::try_from(part.size().min(allowed).saturating_add(1)).unwrap_or(0);
        bytes.try_reserve_exact(size).map_err(|_| too_large())?;
        part.take(allowed.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::OutOfMemory => too_large(),
            _ => unreadable(reasons::ARCHIVE_DAMAGED),
        })?;
        let size = as_u64(bytes.len());
        if size > allowed {
            return Err(too_large());
        }
        self.budget = self.budget.saturating_sub(size);
        Ok(Some(bytes))
    }
}
