//! Repair: a new store of all that can be read, the old files kept aside, suspect addresses quarantined.
//!
//! The new snapshot holds every row that a checksum vouches for; its number is greater than that of every old file, so
//! its rename is the one step that puts the new store in force. Only then are the old files moved aside, into
//! `kept-` and the time of the repair; if that is interrupted, the next opening finishes it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use ipnet::Ipv4Net;

use super::survey::{Known, Loss, RowId, Scope, Survey};
use crate::journal::format::{Kind, Listing, Loaded, SnapshotWriter, Superblock, begin_segment, keep_aside, take_lock};
use crate::journal::{Batch, Cut, OpenError, Options, names};
use crate::rows::{LEASES, Row, STREAMS, ZONE_COPIES, ZONE_DIFFERENCES, ZONE_STATED};
use crate::storage::Storage;

/// How many addresses one repair quarantines at most: what a new snapshot may grow by.
const QUARANTINE_MAX: usize = 256 * 1024;

/// Addresses that the configuration gives out: a pool, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The subnet it belongs to.
    pub subnet: Ipv4Net,
    /// The first.
    pub first: Ipv4Addr,
    /// The last.
    pub last: Ipv4Addr,
}

/// How a store is repaired.
#[derive(Clone, Debug)]
pub struct RepairOptions {
    /// As for opening.
    pub open: Options,
    /// UTC seconds, now: names the directory of the old files, and tells which leases still run.
    pub now: u64,
    /// UTC seconds: suspect addresses go to nobody before. No lease that was lost should end later.
    pub quarantine_until: u64,
    /// The pools. Without them only addresses that the damaged bytes themselves name are quarantined.
    pub pools: Vec<AddressRange>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Everything that is lost, or was restored. Empty: the store was sound.
    pub losses: Vec<Loss>,
    /// The torn end of the newest segment, which was never acknowledged.
    pub cut: Option<Cut>,
    /// The directory, within the store's, that keeps the old files; `None`: nothing had to be changed.
    pub kept: Option<String>,
    /// Rows in the new store.
    pub rows: u64,
    /// Addresses that nobody gets before the quarantine ends, sorted.
    pub quarantined: Vec<Ipv4Addr>,
    /// Suspect addresses beyond the first 262,144, which are not quarantined.
    pub not_quarantined: u64,
}

/// Makes a store that is not in use whole again from what can be read of it. A sound store is not changed.
///
/// Which addresses are suspect: those of records that are whole but cannot be read; those of the pools between the
/// neighbours of a lost block of the snapshot; and where anything may have been lost, every address of the pools that
/// is not bound as far as is known, because a key that no checksum vouches for may be as wrong as what it belongs to.
/// An address whose record was written again after the loss is not suspect. What cannot be told is
/// whether a binding that still stands had been released, and its address given to another, in the transactions that
/// were lost: then the older binding is believed.
///
/// # Errors
/// See [`OpenError`]; the old files are all there then, and the repair can be tried again.
pub fn repair<S: Storage>(storage: &S, options: &RepairOptions) -> Result<RepairReport, OpenError> {
    let directory = storage.describe();
    let _lock = take_lock(storage, &options.open.program)?;
    let io = |file: &str, bytes, source| OpenError::io(directory.clone(), file, bytes, source);
    let listing = Listing::new(storage.list().map_err(|e| io("the directory", 0, e))?);
    if listing.segments.is_empty() && listing.snapshots.is_empty() {
        return Err(OpenError::NoStore { directory });
    }
    let mut survey = Survey::new(storage).map_err(|fault| fault.into_open_error(directory.clone()))?;
    let sound = survey.losses.is_empty()
        && Loaded::read(storage, &listing).and_then(|mut loaded| loaded.visit(&STREAMS, |_, _, _| Ok(()))).is_ok();
    if sound {
        let rows = survey.rows.values().filter(|known| known.value.is_some()).count() as u64;
        return Ok(RepairReport { rows, cut: survey.cut, ..RepairReport::default() });
    }
    let mut suspects = suspects(&survey, options);
    let not_quarantined = suspects.len().saturating_sub(QUARANTINE_MAX) as u64;
    if let Some(&beyond) = suspects.iter().nth(QUARANTINE_MAX) {
        suspects.split_off(&beyond);
    }
    for &address in &suspects {
        put_in_quarantine(&mut survey, address, options);
    }
    // The past of zones of which something may be missing leads nowhere: secondaries take them whole, with a serial beyond what
    // they have; and a copy of which something may be missing is none, so that it is taken anew.
    let known =
        survey.rows.iter().filter(|((stream, _), _)| !matches!(*stream, ZONE_DIFFERENCES | ZONE_STATED | ZONE_COPIES));
    let live = known.filter_map(|((stream, key), known)| Some((*stream, &key[..], known.value.as_deref()?)));
    let rows = write_rows(storage, &survey, &options.open, options.now, live)?;
    let kept = keep_aside(storage, &survey.files, options.now).map_err(|e| io(&names::kept(options.now), 0, e))?;
    Ok(RepairReport {
        losses: survey.losses,
        cut: survey.cut,
        kept: Some(kept),
        rows,
        quarantined: suspects.into_iter().collect(),
        not_quarantined,
    })
}

/// Writes the new store beside the old one and puts it in force: its number of rows.
pub(super) fn write_rows<'a, S: Storage>(
    storage: &S,
    survey: &Survey,
    options: &Options,
    now: u64,
    rows: impl Iterator<Item = (u8, &'a [u8], &'a [u8])>,
) -> Result<u64, OpenError> {
    let number = survey.next_number;
    let unfinished = format!("{}{}", names::snapshot(number), names::UNFINISHED);
    let segment_bytes = options.segment_bytes;
    let superblock = |kind, repaired_at| Superblock {
        kind,
        store_id: survey.store_id,
        number,
        sequence: survey.next_sequence,
        newest_stamp: survey.newest_stamp,
        repaired_at,
    };
    let written = (|| {
        // "Segment N is durable before snapshot N is written."
        begin_segment(storage, &superblock(Kind::Segment, 0), segment_bytes)?;
        let file = storage.create(&unfinished, 0)?;
        let mut writer = SnapshotWriter::new(file, &superblock(Kind::Snapshot, now.max(1)))?;
        for (stream, key, value) in rows {
            writer.push(stream, key, value)?;
        }
        let (_, rows) = writer.finish()?;
        storage.rename(&unfinished, &names::snapshot(number))?;
        storage.sync_dir()?;
        Ok(rows)
    })();
    written.map_err(|source| {
        for leftover in [names::LARGE, &unfinished] {
            // What is left over is removed at the next opening or repair anyway.
            let _ = storage.remove(leftover);
        }
        OpenError::io(storage.describe(), &unfinished, segment_bytes, source)
    })
}

/// The addresses that somebody may have been given in what was lost.
fn suspects(survey: &Survey, options: &RepairOptions) -> BTreeSet<Ipv4Addr> {
    let mut suspects = BTreeSet::new();
    for loss in &survey.losses {
        // What was written after the loss is known all the same; a snapshot is older than every transaction.
        let last = match (&loss.scope, loss.transactions) {
            (Scope::Between(..), _) => 0,
            (_, Some((_, last))) => last,
            (_, None) => u64::MAX,
        };
        let unknown_since = |address: &Ipv4Addr| {
            survey.rows.get(&lease_id(*address)).is_none_or(|known| known.sequence == 0 || known.sequence <= last)
        };
        let free = |address: &Ipv4Addr| unknown_since(address) && !is_bound(survey, *address, options.now);
        match &loss.scope {
            Scope::Keys(keys) => suspects.extend(keys.iter().filter_map(leased_address).filter(unknown_since)),
            Scope::Between(from, to) => {
                let within = |address: &Ipv4Addr| {
                    let id = lease_id(*address);
                    from.as_ref().is_none_or(|from| id > *from) && to.as_ref().is_none_or(|to| id < *to)
                };
                let guessed = loss.guessed.iter().filter_map(leased_address);
                let candidates = options.pools.iter().flat_map(addresses).chain(guessed);
                suspects.extend(candidates.filter(within).filter(free));
            }
            Scope::Unknown => {
                let guessed = loss.guessed.iter().filter_map(leased_address);
                suspects.extend(options.pools.iter().flat_map(addresses).chain(guessed).filter(free));
            }
        }
    }
    suspects
}

fn addresses(range: &AddressRange) -> impl Iterator<Item = Ipv4Addr> + use<> {
    (u32::from(range.first)..=u32::from(range.last)).map(Ipv4Addr::from)
}

fn leased_address((stream, key): &RowId) -> Option<Ipv4Addr> {
    match Row::read(*stream, key, None) {
        Ok(Row::LeaseGone(address)) => Some(address),
        _ => None,
    }
}

pub(super) fn encoded(row: &Row) -> (RowId, Option<Vec<u8>>) {
    let mut batch = Batch::new();
    let mut transaction = batch.transaction();
    row.write(&mut transaction);
    transaction.finish();
    let (stream, key, value) = batch.rows().next().unwrap_or((LEASES, &[], None));
    ((stream, key.to_vec()), value.map(<[u8]>::to_vec))
}

fn lease_id(address: Ipv4Addr) -> RowId {
    encoded(&Row::LeaseGone(address)).0
}

fn known_lease(survey: &Survey, address: Ipv4Addr) -> Option<Lease> {
    let (_, key) = lease_id(address);
    let known = survey.rows.get(&(LEASES, key.clone()))?;
    match Row::read(LEASES, &key, Some(known.value.as_deref()?)) {
        Ok(Row::Lease(lease)) => Some(lease),
        _ => None,
    }
}

fn is_bound(survey: &Survey, address: Ipv4Addr, now: u64) -> bool {
    known_lease(survey, address).is_some_and(|lease| lease.state == LeaseState::Bound && lease.expires_at > now)
}

fn put_in_quarantine(survey: &mut Survey, address: Ipv4Addr, options: &RepairOptions) {
    let known = known_lease(survey, address);
    let Some(nobody) = HardwareAddress::new(0, &[]) else { return };
    let pool = options.pools.iter().find(|pool| (pool.first..=pool.last).contains(&address)).map(|pool| pool.subnet);
    let lease = match known {
        // Its name stays, so that what DNS holds for it is still somebody's to remove.
        Some(lease) => Lease { state: LeaseState::Quarantined, expires_at: options.quarantine_until, ..lease },
        None => Lease {
            address,
            subnet: pool.unwrap_or(Ipv4Net::from(address)),
            state: LeaseState::Quarantined,
            hardware: nobody,
            client_id: None,
            started_at: options.now,
            renewed_at: options.now,
            expires_at: options.quarantine_until,
            hostname: dns::Bytes::default(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: dns::Bytes::default(),
            server_identifier_override: None,
        },
    };
    let (id, value) = encoded(&Row::Lease(lease));
    survey.rows.insert(id, Known { value, sequence: 0 });
}
