//! The store, typed: what the daemon opens and commits to.

use std::cell::RefCell;
use std::sync::Arc;

use ddns::reconcile::ConfirmedRow;
use ddns::suffixes::Assignment;
use ddns::wanted::WantedRow;
use dhcp::lease::Lease;
use dns::{Fqdn, RecordType, Rrset};
use zones::Difference;

use crate::journal::{
    Batch, CommitError, Compaction, Journal, JournalReport, OpenError, Options, Room, Sizes, Zeroing,
};
use crate::rows::{Row, STREAMS};
use crate::storage::Storage;

/// What a store holds when it is opened. Each list is sorted by its key's bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// One record an address.
    pub leases: Vec<Lease>,
    /// One a row key.
    pub wanted: Vec<WantedRow>,
    /// One a row key.
    pub confirmed: Vec<ConfirmedRow>,
    /// Apex and set.
    pub zone_sets: Vec<(Fqdn, Rrset)>,
    /// Apex and step.
    pub zone_differences: Vec<(Fqdn, Arc<Difference>)>,
    /// Apex, owner and type of the sets that the configuration stated.
    pub zone_stated: Vec<(Fqdn, Fqdn, RecordType)>,
    /// Apex of each zone that is a copy, and when a primary last was known to have nothing newer, in UTC seconds.
    pub zone_copies: Vec<(Fqdn, u64)>,
    /// One a name and host.
    pub suffixes: Vec<Assignment>,
    /// UTC seconds: no time before this one is believed.
    pub newest_stamp: u64,
    /// The number that the next transaction gets.
    pub next_sequence: u64,
}

impl Contents {
    pub(crate) fn add(&mut self, row: Row) {
        match row {
            Row::Lease(lease) => self.leases.push(lease),
            Row::Wanted(row) => self.wanted.push(row),
            Row::Confirmed(row) => self.confirmed.push(row),
            // It is never read: see there.
            Row::WantedNew(_) | Row::ConfirmedNew { .. } => {}
            Row::ZoneSet { zone, set: Some(set), .. } => self.zone_sets.push((zone, set)),
            Row::ZoneName { zone, name, node } => {
                self.zone_sets.extend(node.rrsets(&name).map(|set| (zone.clone(), set)));
            }
            Row::Suffix(assignment) => self.suffixes.push(assignment),
            Row::ZoneDifference { zone, difference } => self.zone_differences.push((zone, difference)),
            Row::ZoneStated { zone, name, rtype, stated: true } => self.zone_stated.push((zone, name, rtype)),
            Row::ZoneCopy { zone, checked_at } => self.zone_copies.push((zone, checked_at)),
            Row::LeaseGone(_)
            | Row::WantedGone(_)
            | Row::ConfirmedGone(_)
            | Row::SuffixGone(..)
            | Row::ZoneSet { set: None, .. }
            | Row::ZoneDifferenceGone { .. }
            | Row::ZoneStated { stated: false, .. }
            | Row::ZoneCopyGone { .. } => {}
        }
    }
}

/// What opening found, for the log.
pub type OpenReport = JournalReport;

/// The lease store, held by this process and open for writing.
#[derive(Debug)]
pub struct Store<S: Storage> {
    journal: Journal<S>,
    batch: Batch,
}

impl<S: Storage> Store<S> {
    /// Takes the store, makes it when its directory is empty or only its parent is there, and reads all of it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is lost then.
    pub fn open(storage: S, options: &Options) -> Result<(Self, Contents, OpenReport), OpenError> {
        let mut leases = Vec::new();
        let (store, mut contents, report) = Self::open_with(storage, options, |_| |lease| leases.push(lease))?;
        contents.leases = leases;
        Ok((store, contents, report))
    }

    /// The same, but gives each lease to what `begin` makes of the newest stamp (UTC seconds), as it is read: a million
    /// of them need not be in memory beside what is made of them. They are nothing when this fails after all.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with<L: FnMut(Lease)>(
        storage: S,
        options: &Options,
        begin: impl FnOnce(u64) -> L,
    ) -> Result<(Self, Contents, OpenReport), OpenError> {
        let mut contents = Contents::default();
        let leases = RefCell::new(None);
        let begin = |newest_stamp| _ = leases.replace(Some(begin(newest_stamp)));
        let (journal, report) = Journal::open(storage, options, &STREAMS, begin, |stream, key, value| {
            match (Row::read(stream, key, Some(value))?, &mut *leases.borrow_mut()) {
                (Row::Lease(lease), Some(take)) => take(lease),
                (row, _) => contents.add(row),
            }
            Ok(())
        })?;
        contents.newest_stamp = journal.newest_stamp();
        contents.next_sequence = journal.next_sequence();
        Ok((Self { journal, batch: Batch::new() }, contents, report))
    }

    /// Stores every transaction of `batch`, each wholly or not at all, with one append and one sync. `Ok`: all are
    /// durable. `stamp_wall_secs` is UTC seconds; one below the newest stored is raised to it.
    ///
    /// # Errors
    /// See [`CommitError`]: after `NoSpace` and `TooLarge` nothing was changed and the store goes on; after `Failed`
    /// drop it and open it again: what it then holds is the truth.
    pub fn commit(
        &mut self,
        stamp_wall_secs: u64,
        batch: impl IntoIterator<Item = impl AsRef<[Row]>>,
    ) -> Result<(), CommitError> {
        for rows in batch {
            let mut transaction = self.batch.transaction();
            for row in rows.as_ref() {
                row.write(&mut transaction);
            }
            transaction.finish();
        }
        let committed = self.journal.commit(stamp_wall_secs, &mut self.batch);
        // Also what one great batch took, which no later one may need for days.
        self.batch.clear();
        committed
    }

    /// A compaction to be run on another thread while commits go on; `None` when one is under way or nothing is there
    /// to be compacted.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn begin_compaction(&mut self) -> Result<Option<Compaction<S>>, CommitError> {
        self.journal.begin_compaction()
    }

    /// Whether it is time for [`Store::begin_compaction`]; `in_rush`: see [`crate::journal::compaction_due`].
    #[must_use]
    pub fn compaction_due(&self, in_rush: bool) -> bool {
        self.journal.compaction_due(in_rush)
    }

    /// Reserves the next segment's space when it is not; whether it is now. Worth a call now and then while the disk
    /// is full, so that the store recovers before it needs to.
    pub fn prepare_spare(&mut self) -> bool {
        self.journal.prepare_spare()
    }

    /// Whether [`Store::begin_zeroing`] has something to write.
    #[must_use]
    pub fn zeroing_due(&self) -> bool {
        self.journal.zeroing_due()
    }

    /// The writing of zeros to the next segment's space, to be run on another thread while commits go on, so that their
    /// syncs have less to do; `None` when there is nothing to be written.
    pub fn begin_zeroing(&mut self) -> Option<Zeroing<S>> {
        self.journal.begin_zeroing()
    }

    /// What is left before the disk is asked for more.
    #[must_use]
    pub fn room(&self) -> Room {
        self.journal.room()
    }

    /// How large snapshot and segments are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.journal.sizes()
    }

    /// UTC seconds: the newest stamp stored.
    #[must_use]
    pub fn newest_stamp(&self) -> u64 {
        self.journal.newest_stamp()
    }

    /// Whether a commit failed, so that the store must be opened again.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.journal.failed()
    }
}
