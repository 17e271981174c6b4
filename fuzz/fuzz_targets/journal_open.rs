//! A store whose files hold what they should not: opened, checked, dumped and repaired.

#![no_main]

use std::net::Ipv4Addr;

use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseName, LeaseState};
use dns::HostIdentity;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use store::db::{self, RepairOptions};
use store::simulated::SimStorage;
use store::{Contents, OpenError, Options, Row, Store};

fuzz_target!(|input: &[u8]| {
    let _ = run(&mut Unstructured::new(input));
});

const SEGMENT: &str = "segment-0000000001";
/// The superblock, behind which the frames begin.
const SUPERBLOCK: usize = 4096;
const FRAME_HEADER: usize = 32;
const NOW: u64 = 1_790_000_000;

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, ..Options::default() }
}

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let disk = SimStorage::new(1);
    let states = write(&disk, input.int_in_range(1..=6)?);
    match input.int_in_range(0..=3_u8)? {
        // The disk changed bytes that lie together, and no checksum follows.
        0 => {
            let (at, change) = (input.int_in_range(0..=2047_usize)?, input.arbitrary::<[u8; 4]>()?);
            disk.damage(SEGMENT, |bytes| {
                bytes[SUPERBLOCK + at..].iter_mut().zip(change).for_each(|(byte, bits)| *byte ^= bits);
            });
            let read = examine(&disk, true);
            // A torn end is the last batch; damage that reaches into the one before it may look the same.
            let last = states.len() - 1;
            assert!(read.is_none_or(|leases| states[last.saturating_sub(2)..].contains(&leases)));
        }
        // The same, in the superblock too, and cut off somewhere.
        1 => {
            let changes: Vec<(u16, u8)> = input.arbitrary()?;
            let len = input.int_in_range(0..=16 * 1024)?;
            disk.damage(SEGMENT, |bytes| {
                for (at, bits) in changes {
                    let at = usize::from(at) % bytes.len();
                    bytes[at] ^= bits;
                }
                bytes.truncate(len);
            });
            examine(&disk, false);
        }
        // Rows that another program could have written: the checksums are right, what they cover is not.
        2 => {
            let changes: Vec<(u16, u8)> = input.arbitrary()?;
            disk.damage(SEGMENT, |bytes| {
                for (at, bits) in changes {
                    bytes[SUPERBLOCK + usize::from(at) % 2048] ^= bits;
                }
                seal(bytes);
            });
            examine(&disk, true);
        }
        _ => {
            let body = input.bytes(input.len())?;
            disk.damage(SEGMENT, |bytes| {
                let frame = &mut bytes[SUPERBLOCK..];
                let len = body.len().min(frame.len() - FRAME_HEADER);
                frame.fill(0);
                frame[..4].copy_from_slice(&u32::try_from(len).unwrap_or(0).to_le_bytes());
                frame[8] = 1;
                frame[28..32].copy_from_slice(&1_u32.to_le_bytes());
                frame[FRAME_HEADER..][..len].copy_from_slice(&body[..len]);
                seal(bytes);
            });
            examine(&disk, true);
        }
    }
    Ok(())
}

/// Commits some batches; the leases as they stood after each, and before the first.
fn write(disk: &SimStorage, batches: u8) -> Vec<Vec<Lease>> {
    let (mut store, contents, _) = Store::open(disk.clone(), &options()).expect("a new store");
    let mut states = vec![contents.leases];
    for batch in 0..batches {
        let row = if batch == 3 { Row::LeaseGone(lease(1).address) } else { Row::Lease(lease(batch)) };
        let mut state = states.last().cloned().unwrap_or_default();
        match &row {
            Row::Lease(lease) => state.push(lease.clone()),
            _ => state.retain(|known| known.address != lease(1).address),
        }
        store.commit(NOW + u64::from(batch), [[row]]).expect("room for one row");
        states.push(state);
    }
    states
}

/// Opens, checks, dumps, and repairs what does not open; what each says must fit the others.
fn examine(disk: &SimStorage, has_superblock: bool) -> Option<Vec<Lease>> {
    let checked = db::check(disk);
    let dumped = db::dump(disk, |line| {
        assert!(line.starts_with('{') && line.ends_with('}'));
        Ok(())
    });
    match Store::open(disk.clone(), &options()) {
        Ok((store, contents, _)) => {
            assert!(checked.is_ok_and(|report| report.is_sound()), "what opens is sound");
            assert!(dumped.is_ok(), "what opens can be dumped");
            drop(store);
            copy(&contents);
            Some(contents.leases)
        }
        Err(OpenError::Damaged { .. }) => {
            assert!(
                !checked.is_ok_and(|report| report.is_sound()),
                "damage that stops the opening is found by the check"
            );
            let repair = RepairOptions { open: options(), now: NOW, quarantine_until: NOW + 86_400, pools: Vec::new() };
            if let Err(refusal) = db::repair(disk, &repair) {
                // What a later version must have written is refused, never thrown away.
                let damaged = matches!(refusal, OpenError::Damaged { .. });
                assert!(!has_superblock || !damaged, "a store with its superblock can be repaired: {refusal}");
                return None;
            }
            let (store, contents, _) = Store::open(disk.clone(), &options()).expect("a repaired store opens");
            drop(store);
            assert!(db::check(disk).is_ok_and(|report| report.is_sound()));
            copy(&contents);
            None
        }
        Err(_) => None,
    }
}

/// What was read can be written again, and is then read the same.
fn copy(contents: &Contents) {
    let disk = SimStorage::new(2);
    let (mut store, ..) = Store::open(disk.clone(), &options()).expect("a new store");
    let mut rows: Vec<Row> = contents.leases.iter().cloned().map(Row::Lease).collect();
    rows.extend(contents.wanted.iter().cloned().map(Row::Wanted));
    rows.extend(contents.confirmed.iter().cloned().map(Row::Confirmed));
    rows.extend(contents.zone_sets.iter().map(|(zone, set)| Row::ZoneSet {
        zone: zone.clone(),
        name: set.name.clone(),
        rtype: set.rtype,
        set: Some(set.clone()),
    }));
    for row in rows {
        store.commit(NOW, [[row]]).expect("room for one row");
    }
    drop(store);
    let (_, read, _) = Store::open(disk, &options()).expect("a store just written");
    assert_eq!(
        (&read.leases, &read.wanted, &read.confirmed, &read.zone_sets),
        (&contents.leases, &contents.wanted, &contents.confirmed, &contents.zone_sets)
    );
}

/// Makes the checksum of every frame right again, as the head of `store::journal` describes it.
fn seal(bytes: &mut [u8]) {
    let mut seed = crc32fast::Hasher::new();
    seed.update(&bytes[16..40]);
    let seed = seed.finalize();
    let mut rest = &mut bytes[SUPERBLOCK..];
    while let Some(length) = rest.first_chunk().map(|length| u32::from_le_bytes(*length) as usize) {
        let Some(end) = length.checked_add(FRAME_HEADER).filter(|end| length > 0 && *end <= rest.len()) else { return };
        let mut sum = crc32fast::Hasher::new_with_initial(seed);
        sum.update(&rest[..4]);
        sum.update(&rest[8..end]);
        rest[4..8].copy_from_slice(&sum.finalize().to_le_bytes());
        let stride = end.next_multiple_of(8).min(rest.len());
        rest = &mut rest[stride..];
    }
}

fn lease(number: u8) -> Lease {
    Lease {
        address: Ipv4Addr::new(192, 168, 30, 100 + number),
        subnet: "192.168.30.0/24".parse().expect("a prefix"),
        state: [LeaseState::Bound, LeaseState::Released, LeaseState::Quarantined][usize::from(number % 3)],
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, number]).expect("6 bytes"),
        client_id: Some(ClientId([1, 2, 0, 0, 0, 0, number].into())),
        started_at: NOW,
        renewed_at: NOW + 1,
        expires_at: NOW + 3600,
        hostname: b"pc".as_slice().into(),
        client_fqdn: [5, 255, 255, 2, b'p', b'c'].into(),
        name: Some(LeaseName {
            fqdn: "pc.home.example".parse().expect("a name"),
            identity: HostIdentity::ClientId([1, 2, number].into()),
            forward: true,
            reverse: true,
            ttl_secs: 600,
            guard: dns::ConflictGuard::default(),
        }),
        relay: Ipv4Addr::new(10, 0, 0, 1),
        relay_agent_info: [1, 2, 0, number].into(),
        server_identifier_override: Some(Ipv4Addr::new(10, 0, 0, 2)),
    }
}
