//! Faults planted on purpose, one at a time, to show that the simulation has the power to find them.
//!
//! Without the feature `planted` (every build but the one test that wants them) [`planted`] is the
//! constant `false`, so that a branch on it costs nothing and cannot be taken.

#[cfg(feature = "planted")]
use std::sync::atomic::{AtomicU32, Ordering};

/// One fault that the simulation must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Fault {
    /// No fault.
    None = 0,
    /// An address that is offered to one client is offered to another too.
    OfferReused = 1,
    /// A declined address goes back to the pool at once.
    QuarantineForgotten = 2,
    /// Anyone's DECLINE takes an address from the client that holds it.
    DeclineByAnyone = 3,
    /// Anyone's RELEASE ends the lease of the client that holds the address.
    ReleaseByAnyone = 4,
    /// A failed commit leaves the engine's memory as it was decided.
    UndoForgotten = 5,
    /// Leases expire a minute before their clients think so.
    ExpiryEarly = 6,
    /// The ACK promises a longer lease than is stored.
    AckLongerThanStored = 7,
    /// A reserved address is given to whoever comes.
    ReservedGivenAway = 8,
    /// A renewal is acknowledged but leaves the stored lease's end as it was.
    RenewalNotStored = 9,
    /// A REQUEST that names another server is taken as one that names us.
    OtherServersRequestTaken = 10,
    /// A client that gets another address keeps the one it had too.
    FormerBindingKept = 11,
    /// An address is offered though somebody answered when it was probed.
    ProbeAnswerIgnored = 12,
    /// A zone change that could not be stored stays among what the next update is decided upon.
    ZoneFailureKept = 20,
    /// Zone changes are published when they are decided, not when they are stored.
    ZonePublishedUnstored = 21,
    /// Updates are decided upon the published zones, without those that are being stored.
    ZoneDecidedUponPublished = 22,
    /// A zone's serial stays when its contents change.
    ZoneSerialStays = 23,
    /// The updater takes an older wanted row after a newer one of the same key.
    OlderUpdateOvertakes = 40,
    /// A wanted row does not remember who may have been written before, so that nobody removes it.
    FormerForgotten = 41,
    /// A PTR is written without looking whether somebody else wrote one.
    PtrOverwritesForeign = 42,
    /// A name is removed without looking whose it is.
    DeleteForeignName = 43,
    /// A DNS row is confirmed though nothing was sent.
    RowConfirmedUnsent = 44,
    /// "The name is in use" counts as success though somebody else may use it.
    YxdomainTakenAsSuccess = 45,
    /// An update that failed is not tried again.
    RetryForgotten = 46,
    /// A failed update of several names is taken as done for each of them.
    BatchTakenAsDone = 48,
    /// A name that an expired lease has left for a time stays for ever.
    GraceForgotten = 49,
    /// A name that an expired lease has left does not yield to a host that wants it.
    LingeringNeverYields = 50,
    /// A reservation that is called otherwise keeps the records of its former name too.
    ReservedNotRenamed = 51,
    /// A reservation's records stay away after its host's lease has ended.
    ReservedNotRestored = 52,
    /// The names of machines that are configured by hand are not published.
    HostForgotten = 54,
    /// A record that the configuration states no more is removed whatever stands there by now.
    StatedRemovedUnasked = 47,
    /// A zone that cannot be updated is probed again at once.
    ProbedWithoutPause = 53,
    /// A server that was passed over once is never taken back.
    ServerNeverTakenBack = 59,
    /// With another server the state of a name that failed at the one before is told, not the newest.
    OlderStateToTheNextServer = 55,
    /// A name whose update failed by itself travels with others all the same.
    GuiltyInCompany = 56,
    /// What a changed configuration deletes is deleted, however much it is.
    DeletedUnasked = 57,
    /// What a DNS server refused is not known after a start.
    RefusalsForgotten = 58,
    /// The journal writes a transaction's rows as two frames, so that a crash can keep one half.
    CommitHalfApplied = 60,
    /// The journal acknowledges a commit without fdatasync.
    SyncSkipped = 61,
    /// The journal accepts a frame at its end whatever its checksum says.
    TornTailAccepted = 62,
    /// A compaction leaves out some rows that are in force.
    CompactionDropsLiveRow = 63,
    /// Replies and events leave when they are decided, not when they are committed.
    AckBeforeSync = 80,
    /// The rows of a lease's DNS work are left out of its transaction.
    DnsRowDropped = 81,
    /// A compaction forgets that rows are gone, so that they come back.
    TombstoneLost = 64,
    /// A new segment gets its name without the directory being synced.
    RenameWithoutDirSync = 65,
}

#[cfg(feature = "planted")]
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Plants `fault` for the whole process, or removes the planted one with [`Fault::None`].
#[cfg(feature = "planted")]
pub fn plant(fault: Fault) {
    ACTIVE.store(fault as u32, Ordering::Relaxed);
}

/// Whether `fault` is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn planted(fault: Fault) -> bool {
    ACTIVE.load(Ordering::Relaxed) == fault as u32
}

/// Whether `fault` is planted: never, in a build without the feature.
#[cfg(not(feature = "planted"))]
#[inline(always)]
#[must_use]
pub const fn planted(_fault: Fault) -> bool {
    false
}
