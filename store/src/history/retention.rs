//! What is kept: for so long, and so much.

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For so many seconds.
    pub keep_secs: u64,
    /// So many bytes on disk, the open file included.
    pub bytes_max: u64,
}

/// A part as retention sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSize {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// UTC seconds: when its last record was written.
    pub newest: u64,
}

/// How many of the oldest `parts` (sorted by number) are to be dropped for their age, and how many more for their size, when
/// the open file has `open` bytes.
#[must_use]
pub fn dropped(parts: &[PartSize], open: u64, limits: &Limits, now: u64) -> (usize, usize) {
    let aged = parts.iter().take_while(|part| part.newest.saturating_add(limits.keep_secs) < now).count();
    let mut bytes = open + parts[aged..].iter().map(|part| part.bytes).sum::<u64>();
    let mut large = 0;
    for part in &parts[aged..] {
        if bytes <= limits.bytes_max {
            break;
        }
        bytes -= part.bytes;
        large += 1;
    }
    (aged, large)
}
