//! Zip archives that lie: nothing is believed but the bytes that really come out.
//!
//! What a docx has of the format is small: an entry is stored or deflated, and found by its name in the directory at the end.

use std::collections::HashMap;

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;

use crate::{Limits, as_u64, inflate, over, unreadable};

/// A packed byte can become at most this many by deflate; a whole document stays far below.
const MAX_RATIO: u64 = 400;

/// Below this many bytes the ratio says nothing.
const RATIO_FROM: u64 = 4 << 20;

/// How far from the end of a file its directory's end may lie: a comment and its own record.
const END_WITHIN: usize = (64 << 10) + 22;

/// An archive in memory and what it may still unpack. Entries are only read by exact names that the reader knows; their
/// names are never used as paths.
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    entries: HashMap<&'a [u8], ArchiveEntry>,
    budget: u64,
    limit: u64,
}

/// What the directory says of an entry.
#[derive(Debug, Clone, Copy)]
struct ArchiveEntry {
    locked: bool,
    method: u16,
    checksum: u32,
    packed: usize,
    /// Where its own header begins.
    header: usize,
}

pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Archive<'a>, ExtractFailure> {
    // Checked before the directory is built: each entry has a record of at least 46 bytes with this signature.
    let entries = bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count();
    if as_u64(entries) > u64::from(limits.max_entries) {
        return Err(over("entries of the archive", limits.max_entries.into()));
    }
    let entries = directory(bytes).ok_or_else(|| unreadable(reasons::ARCHIVE_DAMAGED))?;
    Ok(Archive { bytes, entries, budget: limits.max_unpacked, limit: limits.max_unpacked })
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let [low, high] = bytes.get(at..at.checked_add(2)?)? else { return None };
    Some(u16::from_le_bytes([*low, *high]).into())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn place(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(bytes, at)?).ok()
}

/// What stands in the place of a number of eight bytes that stands elsewhere.
const ELSEWHERE: usize = 0xFFFF_FFFF;

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// The numbers of eight bytes of an entry: one of the fields behind its name.
fn large_numbers(mut extra: &[u8]) -> &[u8] {
    while let (Some(kind), Some(length)) = (word(extra, 0), word(extra, 2)) {
        let Some((field, rest)) = extra.get(4..).and_then(|rest| rest.split_at_checked(length)) else {
            break;
        };
        if kind == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// The entries by name; of several with one name the last. `None` where the end of the directory is not found.
fn directory(bytes: &[u8]) -> Option<HashMap<&[u8], ArchiveEntry>> {
    let from = bytes.len().saturating_sub(END_WITHIN);
    let end = memchr::memmem::rfind(bytes.get(from..)?, b"PK\x05\x06")?.checked_add(from)?;
    let (size, first) = (place(bytes, end.checked_add(12)?)?, place(bytes, end.checked_add(16)?)?);
    let (end, size, first) = if size == ELSEWHERE || first == ELSEWHERE {
        // Some programs write the record of large archives for every archive.
        let large = memchr::memmem::rfind(bytes.get(from..end)?, b"PK\x06\x06")?.checked_add(from)?;
        (large, long(bytes, large.checked_add(40)?)?, long(bytes, large.checked_add(48)?)?)
    } else {
        (end, size, first)
    };
    // Something may stand before the archive; places are counted from where it begins.
    let mut at = end.checked_sub(size)?;
    let begin = at.checked_sub(first)?;
    let mut entries = HashMap::new();
    while let Some(record) = bytes.get(at..end).filter(|record| record.starts_with(b"PK\x01\x02")) {
        let name_end = word(record, 28)?.checked_add(46)?;
        let extra = record.get(name_end..name_end.checked_add(word(record, 30)?)?)?;
        let mut large = large_numbers(extra).chunks_exact(8);
        // Those that have no room where they belong, in this order.
        let mut whole = |at: usize| match place(record, at)? {
            ELSEWHERE => long(large.next()?, 0),
            small => Some(small),
        };
        let (_, packed, header) = (whole(24)?, whole(20)?, whole(42)?);
        let entry = ArchiveEntry {
            locked: word(record, 8)? & 1 != 0,
            method: u16::try_from(word(record, 10)?).ok()?,
            checksum: number(record, 16)?,
            packed,
            header: begin.checked_add(header)?,
        };
        entries.insert(record.get(46..name_end)?, entry);
        let behind = word(record, 30)?.checked_add(word(record, 32)?)?;
        at = at.checked_add(name_end)?.checked_add(behind)?;
    }
    Some(entries)
}

impl Archive<'_> {
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name.as_bytes())
    }

    /// The part with exactly this name, `None` when there is none.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, ExtractFailure> {
        let Some(entry) = self.entries.get(name.as_bytes()).copied() else { return Ok(None) };
        if entry.locked {
            return Err(unreadable(reasons::LOCKED));
        }
        let damaged = || unreadable(reasons::ARCHIVE_DAMAGED);
        let packed = packed(self.bytes, entry).ok_or_else(damaged)?;
        let by_ratio = as_u64(packed.len()).saturating_mul(MAX_RATIO).max(RATIO_FROM);
        let allowed = self.budget.min(by_ratio);
        let bytes = match entry.method {
            0 => packed.to_vec(),
            8 => inflate::deflated(packed, allowed),
            _ => return Err(damaged()),
        };
        let size = as_u64(bytes.len());
        if size > allowed {
            return Err(over("unpacked size in bytes", self.limit.min(by_ratio)));
        }
        if checksum(&bytes) != entry.checksum {
            return Err(damaged());
        }
        self.budget = self.budget.saturating_sub(size);
        Ok(Some(bytes))
    }
}

/// The bytes of an entry, behind its own header.
fn packed(bytes: &[u8], entry: ArchiveEntry) -> Option<&[u8]> {
    let header = bytes.get(entry.header..)?.strip_prefix(b"PK\x03\x04")?;
    let names = word(header, 22)?.checked_add(word(header, 24)?)?;
    let start = names.checked_add(26)?;
    header.get(start..start.checked_add(entry.packed)?)
}

/// CRC-32 as archives have it. Its table is made here: one for speed would be as large as the rest of this file, packed.
fn checksum(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|index| {
        let mut value = u32::try_from(index).unwrap_or(0);
        for _ in 0..8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
        }
        value
    });
    let step = |sum: u32, byte: &u8| {
        let index = usize::from(sum.to_le_bytes()[0] ^ byte);
        table.get(index).copied().unwrap_or(0) ^ sum >> 8
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_archives() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn what_is_no_archive_is_damaged() {
        for bytes in [
            &b""[..],
            b"PK\x05\x06",
            b"PK\x03\x04PK\x05\x06\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0",
        ] {
            assert!(open(bytes, &Limits::default()).is_err());
        }
    }
}
