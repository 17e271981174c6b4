//! The power of the simulation: faults planted one at a time, each found.
//!
//! `cargo test --features planted-faults --test simulation`; `LEASEHOLD_FAULT` names one of them. A fault is planted for
//! the whole process, so no other test may run beside this one.

use faults::{Fault, plant};

use crate::{ALONE, first_failure, number};

/// Seeds within which every fault must be found.
const WITHIN: u64 = 10_000;

const PLANTED: [Fault; 43] = [
    Fault::OfferReused,
    Fault::QuarantineForgotten,
    Fault::DeclineByAnyone,
    Fault::ReleaseByAnyone,
    Fault::UndoForgotten,
    Fault::ExpiryEarly,
    Fault::AckLongerThanStored,
    Fault::ReservedGivenAway,
    Fault::RenewalNotStored,
    Fault::OtherServersRequestTaken,
    Fault::FormerBindingKept,
    Fault::ZoneFailureKept,
    Fault::ZonePublishedUnstored,
    Fault::ZoneDecidedUponPublished,
    Fault::ZoneSerialStays,
    Fault::OlderUpdateOvertakes,
    Fault::FormerForgotten,
    Fault::PtrOverwritesForeign,
    Fault::DeleteForeignName,
    Fault::RowConfirmedUnsent,
    Fault::YxdomainTakenAsSuccess,
    Fault::RetryForgotten,
    Fault::BatchTakenAsDone,
    Fault::GraceForgotten,
    Fault::LingeringNeverYields,
    Fault::ReservedNotRenamed,
    Fault::ReservedNotRestored,
    Fault::HostForgotten,
    Fault::StatedRemovedUnasked,
    Fault::ProbedWithoutPause,
    Fault::ServerNeverTakenBack,
    Fault::OlderStateToTheNextServer,
    Fault::GuiltyInCompany,
    Fault::DeletedUnasked,
    Fault::RefusalsForgotten,
    Fault::CommitHalfApplied,
    Fault::SyncSkipped,
    Fault::TornTailAccepted,
    Fault::CompactionDropsLiveRow,
    Fault::TombstoneLost,
    Fault::RenameWithoutDirSync,
    Fault::AckBeforeSync,
    Fault::DnsRowDropped,
];

#[test]
fn every_planted_fault_is_found() {
    let _alone = ALONE.lock();
    let within = number("LEASEHOLD_SEEDS").unwrap_or(WITHIN);
    let mut missed = Vec::new();
    let only = std::env::var("LEASEHOLD_FAULT").ok();
    for fault in PLANTED.into_iter().filter(|fault| only.as_ref().is_none_or(|only| *only == format!("{fault:?}"))) {
        let began = std::time::Instant::now();
        plant(fault);
        let found = first_failure(1..within + 1);
        plant(Fault::None);
        match found {
            Some((seed, violation)) => {
                let violation = violation.lines().next().unwrap_or_default();
                println!("{fault:?}: seed {seed}, {:.1?}: {violation:.150}", began.elapsed());
            }
            None => missed.push(fault),
        }
    }
    assert_eq!(missed, [], "not found within {within} seeds");
}
