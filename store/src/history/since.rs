//! What the journal tells of leases since a moment: what the history may have missed.

use std::io;

use dhcp::lease::{Lease, LeaseState};

use super::record::{Kind, Record};
use crate::journal::OpenError;
use crate::journal::format::{Listing, Loaded, ReadFault, RowRef, Rows};
use crate::rows::lease::{Times, times, with_stored};
use crate::rows::{LEASES, Row};
use crate::storage::Storage;

/// How often the files are listed again when a compaction changes them meanwhile.
const TRIES: usize = 8;
/// How much earlier than it was stored something may have happened (seconds): a lease that ran out did so before that was
/// noticed, and no commit waits so long for its disk. Of what happened earlier still, a compacted row tells when it was stored.
pub const SLACK_SECS: u64 = 600;

/// Gives `take` what was stored about leases at `since` (UTC seconds) and later, oldest first, as records with the time at
/// which each was stored; also from beside a daemon that writes. What a compaction has taken since is told as it stands now:
/// the last that happened to each address, as far as it happened at most [`SLACK_SECS`] before `since`.
///
/// # Errors
/// A store that is not there, damaged, or not to be read.
pub fn journal_leases<S: Storage>(storage: &S, since: u64, mut take: impl FnMut(u64, Record)) -> Result<(), OpenError> {
    let mut tries = 0;
    let mut loaded = loop {
        tries += 1;
        let names = storage.list().map_err(|source| ReadFault::Io { file: "the directory".to_owned(), source });
        let listing = Listing::new(names.map_err(|fault| fault.into_open_error(storage.describe()))?);
        if listing.segments.is_empty() && listing.snapshots.is_empty() {
            return Ok(());
        }
        match Loaded::read(storage, &listing) {
            Ok(loaded) => break loaded,
            Err(ReadFault::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            Err(ReadFault::Damaged(_)) if tries < TRIES / 2 => {}
            Err(other) => return Err(other.into_open_error(storage.describe())),
        }
    };
    let fault = |fault: ReadFault| fault.into_open_error(storage.describe());
    let compacted = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.superblock.newest_stamp);
    if let Some(snapshot) = loaded.snapshot.as_mut().filter(|_| compacted >= since) {
        while let Some((body, _)) = snapshot.next_block().map_err(fault)? {
            for row in Rows::new(body).filter(|row| row.stream == LEASES) {
                if row.value.is_some_and(|value| times(value).is_ok_and(|times| may_be_since(times, since)))
                    && let Ok(Row::Lease(lease)) = Row::read(row.stream, row.key, row.value)
                {
                    take(compacted, Record::new(kind_of(&lease), &lease, compacted));
                }
            }
        }
    }
    for (index, segment) in loaded.segments.iter().enumerate() {
        let later = loaded.segments.get(index + 1).map(|next| next.superblock);
        // All that is in it was stored before.
        if later.is_some_and(|next| next.newest_stamp < since) {
            continue;
        }
        segment.walk(later.map(|next| next.sequence), |frame, _| {
            if frame.stamp < since {
                return;
            }
            for row in Rows::new(frame.body).filter(|row| row.stream == LEASES) {
                if let Ok(Row::Lease(lease)) = Row::read(row.stream, row.key, row.value) {
                    take(frame.stamp, Record::new(kind_of(&lease), &lease, frame.stamp));
                }
            }
        });
    }
    Ok(())
}

/// Whether a compacted row may have been stored at `since` or later.
fn may_be_since(times: Times, since: u64) -> bool {
    times.stored.map_or_else(|| times.last >= since.saturating_sub(SLACK_SECS), |stored| stored >= since)
}

/// What a compaction writes in the place of a row that it takes out of a frame with this stamp (UTC seconds): where its lease's
/// own times would not tell that it was stored as late as that, the row with its stamp. A lease that ran out while no server
/// ran is one, and one that got another name long after it was renewed. `None`: the row as it is.
pub(crate) fn compacted(row: RowRef<'_>, stamp: impl FnOnce() -> Option<u64>) -> Option<Vec<u8>> {
    let value = row.value.filter(|_| row.stream == LEASES)?;
    // What cannot be read is carried along as it is.
    let times = times(value).ok().filter(|times| times.stored.is_none())?;
    let stamp = stamp().filter(|stamp| *stamp > times.last.saturating_add(SLACK_SECS))?;
    Some(with_stored(value, stamp))
}

/// What happened to a lease that is now as it is. A row does not tell everything that an event does: an address that was
/// found in use is told as declined, and a new name as a renewal.
fn kind_of(lease: &Lease) -> Kind {
    match lease.state {
        LeaseState::Bound if lease.started_at == lease.renewed_at => Kind::Assigned,
        LeaseState::Bound => Kind::Renewed,
        LeaseState::Released => Kind::Released,
        LeaseState::Expired => Kind::Expired,
        LeaseState::Quarantined => Kind::Declined,
    }
}
