#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use ddns::settings::{ZoneRoute, ZoneServer};
use ddns::wanted::Claim;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{LeaseName, LeaseState};
use dns::HostIdentity;

use super::*;

const NOW: Now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };

fn named_lease() -> Lease {
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
    let identity = HostIdentity::Hardware { htype: 1, chaddr: [2, 0, 0, 0, 0, 1].into() };
    Lease {
        address: Ipv4Addr::new(10, 0, 0, 4),
        subnet: "10.0.0.0/24".parse().unwrap(),
        state: LeaseState::Bound,
        hardware,
        client_id: None,
        started_at: NOW.wall_secs,
        renewed_at: NOW.wall_secs,
        expires_at: NOW.wall_secs + 600,
        hostname: dns::Bytes::default(),
        client_fqdn: dns::Bytes::default(),
        name: Some(LeaseName {
            fqdn: "pc.home.test".parse().unwrap(),
            identity,
            forward: true,
            reverse: true,
            ttl_secs: 200,
            guard: dns::ConflictGuard::default(),
        }),
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    }
}

#[test]
fn names_that_leases_claim_are_wanted_again_when_their_rows_were_lost() {
    let zones = ["home.test", "10.in-addr.arpa"]
        .map(|apex| ZoneRoute { apex: apex.parse().unwrap(), server: ZoneServer::Embedded });
    let ddns = ddns::settings::Settings { zones: zones.to_vec().into(), ..ddns::settings::Settings::default() };
    let dhcp = Arc::new(dhcp::settings::Settings::default());
    let mut core = Core::new(dhcp, Arc::new(ddns), vec![named_lease()], WantedTable::default(), NOW);
    let work = core.mend_wanted();
    assert_eq!(work.rows.len(), 2, "forward and reverse: {:?}", work.rows);
    core.settle(work.transaction.unwrap(), CommitOutcome::Committed);
    assert!(core.mend_wanted().rows.is_empty(), "what is wanted already is left alone");
}

#[test]
fn names_that_no_lease_claims_are_given_up_when_their_leases_were_lost() {
    let claim = |host: &str, chaddr: u8| Claim {
        name: format!("{host}.home.test").parse().unwrap(),
        identity: HostIdentity::Hardware { htype: 1, chaddr: [2, 0, 0, 0, 0, chaddr].into() },
        forward: true,
        reverse: true,
        ttl_secs: 200,
        guard: dns::ConflictGuard::default(),
    };
    let at = |last| IpAddr::from([10, 0, 0, last]);
    let mut wanted = WantedTable::default();
    let _ = wanted.apply(at(4), None, Some(claim("pc", 1)));
    // The same host by another interface, and another host: both leases are lost.
    let _ = wanted.apply(at(5), None, Some(claim("pc", 1)));
    let _ = wanted.apply(at(6), None, Some(claim("tv", 2)));
    let dhcp = Arc::new(dhcp::settings::Settings::default());
    let mut core = Core::new(dhcp, Arc::default(), vec![named_lease()], wanted, NOW);
    assert!(core.mend_wanted().rows.is_empty());
    assert_eq!(core.poll_timeout(), Some(0));
    let mut rows = 0;
    while core.poll_timeout() == Some(0) {
        for work in core.handle_timeout(NOW, 1) {
            rows += work.rows.len();
            core.settle(work.transaction.unwrap(), CommitOutcome::Committed);
        }
    }
    assert_eq!(rows, 4, "pc, tv and the two addresses");
    let want = |key| core.wanted().get(&key).and_then(|row| row.want.clone());
    let forward = |host: &str| RowKey::Forward(format!("{host}.home.test").parse().unwrap());
    assert_eq!(want(forward("pc")).unwrap().addresses, [at(4)]);
    assert!(want(RowKey::Reverse(at(4))).is_some());
    for gone in [forward("tv"), RowKey::Reverse(at(5)), RowKey::Reverse(at(6))] {
        assert_eq!(want(gone.clone()), None, "{gone:?}");
        assert!(!core.wanted().get(&gone).unwrap().former.is_empty(), "what is in DNS is still to be removed");
    }
    assert!(core.mend_wanted().rows.is_empty(), "what is wanted already is left alone");
}
