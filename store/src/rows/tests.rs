#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ddns::kerberos::KerberosFault;
use ddns::reconcile::{LastAnswer, Unsure};
use ddns::settings::Site;
use ddns::suffixes::NUMBER_MAX;
use ddns::wanted::{Held, Want};
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{LeaseName, LeaseState};
use dns::{ConflictGuard, HostIdentity, Rcode, Rdata, RecordType};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use zones::DifferenceWriter;

use super::*;
use crate::journal::Batch;

fn bytes(most: usize) -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..=most).prop_map(Vec::into_boxed_slice)
}

fn names() -> impl Strategy<Value = Fqdn> {
    vec(vec(any::<u8>(), 1..=20), 0..=4).prop_map(|labels| Fqdn::from_labels(labels).unwrap())
}

fn identities() -> impl Strategy<Value = HostIdentity> {
    prop_oneof![
        (any::<u8>(), bytes(16)).prop_map(|(htype, chaddr)| HostIdentity::Hardware { htype, chaddr: chaddr.into() }),
        bytes(255).prop_map(|id| HostIdentity::ClientId(id.into())),
        bytes(255).prop_map(|duid| HostIdentity::Duid(duid.into())),
        vec(bytes(255).prop_map(Rdata), 1..4).prop_map(|records| HostIdentity::Stated(records.into())),
    ]
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![v4().prop_map(IpAddr::from), any::<u128>().prop_map(|a| Ipv6Addr::from(a).into())]
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 1_700_000_000..2_000_000_000_u64, any::<u64>()]
}

fn guards() -> impl Strategy<Value = ConflictGuard> {
    (0_u8..4).prop_map(|code| ConflictGuard::from_code(code).unwrap())
}

prop_compose! {
    fn lease_names()(
        fqdn in names(), identity in identities(), forward: bool, reverse: bool, ttl_secs: u32, guard in guards(),
    ) -> LeaseName {
        LeaseName { fqdn, identity, forward, reverse, ttl_secs, guard }
    }
}

prop_compose! {
    fn leases()(
        (address, subnet_at, prefix_len, state, htype) in (v4(), v4(), 0_u8..=32, 0..4, any::<u8>()),
        chaddr in vec(any::<u8>(), 0..=16),
        client_id in option::of(bytes(255)),
        times in [seconds(), seconds(), seconds()],
        (hostname, client_fqdn, relay_agent_info) in (bytes(255), bytes(255), bytes(255)),
        name in option::of(lease_names()),
        relay in prop_oneof![Just(Ipv4Addr::UNSPECIFIED), v4()],
        server_identifier_override in option::of(v4()),
    ) -> Lease {
        use LeaseState::{Bound, Expired, Quarantined, Released};
        Lease {
            address,
            subnet: Ipv4Net::new(subnet_at, prefix_len).unwrap(),
            state: [Bound, Released, Expired, Quarantined][state as usize],
            hardware: HardwareAddress::new(htype, &chaddr).unwrap(),
            client_id: client_id.map(|id| ClientId(id.into())),
            started_at: times[0],
            renewed_at: times[1],
            expires_at: times[2],
            hostname: hostname.into(),
            client_fqdn: client_fqdn.into(),
            name,
            relay,
            relay_agent_info: relay_agent_info.into(),
            server_identifier_override,
        }
    }
}

fn row_keys() -> impl Strategy<Value = RowKey> {
    prop_oneof![
        names().prop_map(RowKey::Forward),
        addresses().prop_map(RowKey::Reverse),
        (names(), any::<u16>()).prop_map(|(name, rtype)| RowKey::Stated(name, RecordType(rtype))),
    ]
}

prop_compose! {
    fn held()(
        name in names(),
        identity in identities(),
        addresses in vec(addresses(), 0..40),
        guard in guards(),
    ) -> Held {
        Held { name, identity, addresses, guard }
    }
}

prop_compose! {
    fn wants()(held in held(), ttl_secs: u32, after_forward: bool, guard in guards()) -> Want {
        Want { name: held.name, identity: held.identity, addresses: held.addresses, ttl_secs, after_forward, guard }
    }
}

fn answers() -> impl Strategy<Value = LastAnswer> {
    prop_oneof![
        Just(LastAnswer::None),
        Just(LastAnswer::Done),
        Just(LastAnswer::Conflict),
        any::<u16>().prop_map(|code| LastAnswer::Refused(Rcode(code))),
        Just(LastAnswer::Timeout),
        Just(LastAnswer::BadAnswer),
        Just(LastAnswer::NoZone),
        select(&KerberosFault::ALL[..]).prop_map(LastAnswer::Kerberos),
    ]
}

fn rows() -> impl Strategy<Value = Row> {
    let wanted = (row_keys(), any::<u64>(), option::of(wants()), vec(held(), 0..4)).prop_map(
        |(key, generation, want, former)| {
            let by_configuration = want.is_none() && generation % 2 == 1;
            Row::Wanted(WantedRow { key, generation, want, former, by_configuration })
        },
    );
    let sites = (any::<u8>(), option::of(any::<std::net::SocketAddr>())).prop_map(|(apex_labels, server)| {
        // Neither a scope nor a flow is stored.
        let server = server.map(|server| std::net::SocketAddr::new(server.ip(), server.port()));
        Site { apex_labels, server }
    });
    let unsure = (seconds(), vec(held(), 0..4)).prop_map(|(until, held)| Unsure { until, held });
    let seen = (any::<bool>(), option::of(held()), option::of(sites), option::of(unsure));
    let confirmed = (row_keys(), any::<u64>(), seen, answers(), any::<u32>(), seconds()).prop_map(
        |(key, generation, (done, holds, site, unsure), last, attempts, at)| {
            Row::Confirmed(ConfirmedRow { key, generation, done, holds, site, last, attempts, at, unsure })
        },
    );
    let sets = (names(), names(), any::<u16>(), any::<u32>(), vec(bytes(300).prop_map(Rdata), 0..5)).prop_map(
        |(zone, name, rtype, ttl, rdata)| {
            let rtype = RecordType(rtype);
            Row::ZoneSet { set: Rrset::new(name.clone(), rtype, ttl, rdata), zone, name, rtype }
        },
    );
    let numbers = (names(), identities(), 1..=NUMBER_MAX, any::<u32>(), option::of(seconds())).prop_map(
        |(base, identity, number, keep_secs, left_at)| {
            Row::Suffix(Assignment { base, identity, number, keep_secs, left_at })
        },
    );
    let step = (names(), names(), any::<(u32, u32, u16, u32)>(), vec(bytes(300).prop_map(Rdata), 0..5)).prop_map(
        |(zone, name, (before, after, rtype, ttl), rdata)| {
            let mut former = DifferenceWriter::default();
            former.push(&name, RecordType(rtype), ttl, &rdata);
            Row::ZoneDifference { zone, difference: Arc::new(former.finish(before, after)) }
        },
    );
    let stated = (names(), names(), any::<(u16, bool)>()).prop_map(|(zone, name, (rtype, stated))| Row::ZoneStated {
        zone,
        name,
        rtype: RecordType(rtype),
        stated,
    });
    prop_oneof![
        1 => step,
        1 => (names(), any::<u32>()).prop_map(|(zone, serial_after)| Row::ZoneDifferenceGone { zone, serial_after }),
        1 => stated,
        1 => (names(), seconds()).prop_map(|(zone, checked_at)| Row::ZoneCopy { zone, checked_at }),
        1 => names().prop_map(|zone| Row::ZoneCopyGone { zone }),
        1 => numbers,
        1 => (names(), identities()).prop_map(|(base, identity)| Row::SuffixGone(base, identity)),
        4 => leases().prop_map(Row::Lease),
        1 => v4().prop_map(Row::LeaseGone),
        2 => wanted,
        1 => row_keys().prop_map(Row::WantedGone),
        2 => confirmed,
        1 => row_keys().prop_map(Row::ConfirmedGone),
        2 => sets,
    ]
}

/// The rows of one transaction, as the journal would write and read them.
fn written(rows: &[Row]) -> Vec<(u8, Vec<u8>, Option<Vec<u8>>)> {
    let mut batch = Batch::new();
    let mut transaction = batch.transaction();
    rows.iter().for_each(|row| row.write(&mut transaction));
    transaction.finish();
    batch.rows().map(|(stream, key, value)| (stream, key.to_vec(), value.map(<[u8]>::to_vec))).collect()
}

proptest! {
    #[test]
    fn every_row_comes_back(rows in vec(rows(), 1..4)) {
        let read = written(&rows);
        prop_assert_eq!(read.len(), rows.len());
        for (row, (stream, key, value)) in rows.iter().zip(&read) {
            prop_assert_eq!(&Row::read(*stream, key, value.as_deref()).unwrap(), row);
        }
    }

    #[test]
    fn a_new_name_is_written_as_its_rows_are(
        (name, identity, address) in (names(), identities(), addresses()),
        (ttl_secs, guard, generation) in (any::<u32>(), guards(), 0..u64::MAX),
        (labels, at) in (any::<(u8, u8)>(), seconds()),
    ) {
        let new = Arc::new(NewName { name, identity, address, ttl_secs, guard, generation });
        let rows = [new.forward(), new.reverse()];
        let sites = [labels.0, labels.1].map(|apex_labels| Site { apex_labels, server: None });
        let seen = rows.iter().zip(sites).map(|(row, site)| Row::Confirmed(ConfirmedRow::written(row, site, at)));
        let apart: Vec<Row> = rows.iter().cloned().map(Row::Wanted).chain(seen).collect();
        prop_assert_eq!(written(&[Row::WantedNew(Arc::clone(&new)), Row::ConfirmedNew { new, sites, at }]), written(&apart));
    }

    #[test]
    fn arbitrary_bytes_are_a_row_or_a_fault(stream in prop_oneof![0x80_u8..0x86, SUFFIXES..=ZONE_COPIES], key: Vec<u8>, value: Option<Vec<u8>>) {
        let _ = Row::read(stream, &key, value.as_deref());
        let _ = describe_key(stream, &key);
    }

    #[test]
    fn a_flipped_octet_is_a_row_or_a_fault(row in rows(), at: prop::sample::Index, flip in 1_u8..) {
        for (stream, key, value) in written(&[row]) {
            let Some(mut value) = value.filter(|value| !value.is_empty()) else { continue };
            let at = at.index(value.len());
            value[at] ^= flip;
            let _ = Row::read(stream, &key, Some(&value));
        }
    }
}

#[test]
fn keys_are_described_for_people() {
    let key = |row: Row| written(&[row]).remove(0);
    let (stream, lease, _) = key(Row::LeaseGone(Ipv4Addr::new(192, 0, 2, 7)));
    assert_eq!(describe_key(stream, &lease), "the lease of 192.0.2.7");
    let name = Fqdn::from_labels(["a", "example"]).unwrap();
    let (stream, wanted, _) = key(Row::WantedGone(RowKey::Forward(name.clone())));
    assert_eq!(describe_key(stream, &wanted), "the wanted DNS content of a.example.");
    let zone = Fqdn::from_labels(["example"]).unwrap();
    let (stream, set, _) = key(Row::ZoneSet { zone, name, rtype: RecordType::A, set: None });
    assert_eq!(describe_key(stream, &set), "the A records of a.example. in the zone example.");
    assert_eq!(describe_key(LEASES, b"\xff\x01"), "the row ff01 of stream 129");
}
