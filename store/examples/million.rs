//! How fast the store is: commits a second by batch size, and opening with a million leases.
//!
//! `cargo run --release -p leasehold-store --example million -- DIRECTORY` (an empty one on the disk in question).

use std::net::Ipv4Addr;
use std::time::Instant;

use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseName, LeaseState};
use dns::{Fqdn, HostIdentity};
use store::{FileStorage, Options, Row, Store};

const LEASES: u32 = 1_000_000;

fn lease(nth: u32, renewed_at: u64) -> Option<Lease> {
    let chaddr = [2, 0, (nth >> 24) as u8, (nth >> 16) as u8, (nth >> 8) as u8, nth as u8];
    let hostname = format!("client{nth}");
    let fqdn = Fqdn::from_labels([hostname.as_str(), "home", "example"]).ok()?;
    Some(Lease {
        address: Ipv4Addr::from(0x0a00_0000 + nth),
        subnet: "10.0.0.0/8".parse().ok()?,
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &chaddr)?,
        client_id: None,
        started_at: 1_790_000_000,
        renewed_at,
        expires_at: renewed_at + 86_400,
        hostname: hostname.into_bytes().into(),
        client_fqdn: dns::Bytes::default(),
        name: Some(LeaseName {
            fqdn,
            identity: HostIdentity::Hardware { htype: 1, chaddr: chaddr.into() },
            forward: true,
            reverse: true,
            ttl_secs: 600,
            guard: dns::ConflictGuard::default(),
        }),
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).ok_or("name an empty directory")?;
    let storage = FileStorage::new(std::path::PathBuf::from(directory));
    let options = Options::default();
    let (mut store, ..) = Store::open(storage.clone(), &options)?;
    let rows = |range: std::ops::Range<u32>, stamp| {
        range.filter_map(|nth| Some(vec![Row::Lease(lease(nth % LEASES, stamp)?)])).collect::<Vec<_>>()
    };
    for size in [1, 16, 64, 256] {
        let batches: Vec<_> = (0..1000).map(|nth| rows(nth * size..(nth + 1) * size, 1_790_000_001)).collect();
        let start = Instant::now();
        for batch in &batches {
            store.commit(1_790_000_001, batch)?;
        }
        println!("batch of {size}: {:.0} commits/s", 1000.0 / start.elapsed().as_secs_f64());
    }
    for start in (0..LEASES).step_by(4096) {
        store.commit(1_790_000_002, rows(start..(start + 4096).min(LEASES), 1_790_000_002))?;
    }
    println!("sizes: {:?}", store.sizes());
    drop(store);
    let start = Instant::now();
    let (mut store, contents, _) = Store::open(storage.clone(), &options)?;
    println!("opened {} leases from segments in {:?}", contents.leases.len(), start.elapsed());
    drop(contents);
    let start = Instant::now();
    while let Some(compaction) = store.begin_compaction()? {
        println!("compacted: {:?}", compaction.run()?);
    }
    println!("compaction took {:?}, sizes: {:?}", start.elapsed(), store.sizes());
    drop(store);
    let start = Instant::now();
    let (_, contents, _) = Store::open(storage, &options)?;
    println!("opened {} leases from the snapshot in {:?}", contents.leases.len(), start.elapsed());
    Ok(())
}
