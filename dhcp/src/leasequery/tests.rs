//! What a binding tells.

#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use super::*;

const NOW: u64 = 1_790_000_000;

/// An hour's lease, ten minutes old.
pub(crate) fn binding() -> Binding {
    Binding {
        lease: Lease {
            address: [192, 168, 30, 100].into(),
            subnet: "192.168.30.0/24".parse().unwrap(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
            client_id: Some(ClientId([0, 7, 7].into())),
            started_at: NOW - 5_000,
            renewed_at: NOW - 600,
            expires_at: NOW + 3_000,
            hostname: b"pc"[..].into(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: [10, 7, 0, 1].into(),
            relay_agent_info: [1, 2, b'a', b'b', 2, 1, b'r', 12, 1, b'x'].into(),
            server_identifier_override: None,
        },
        secs_left: Some(3_000),
        is_available: false,
        timers_permille: (500, 875),
    }
}

fn told(binding: &Binding, requested: &[u8], wanted: u8) -> Option<Box<[u8]>> {
    let options = binding.options(NOW, requested, &[]);
    options.into_iter().find(|(code, _)| *code == wanted).map(|(_, data)| data)
}

#[test]
fn rfc4388_section_6_4_2_times_are_what_is_left_of_them() {
    let binding = binding();
    let requested = [51, 58, 59, 91];
    let secs = |code| told(&binding, &requested, code).map(|data| u32::from_be_bytes((*data).try_into().unwrap()));
    assert_eq!([51, 58, 59, 91].map(secs), [Some(3_000), Some(1_200), Some(2_550), Some(600)]);
}

#[test]
fn rfc4388_section_6_4_2_a_time_that_has_passed_is_not_told() {
    let late = Binding { secs_left: Some(1_000), ..binding() };
    assert_eq!(told(&late, &[58], 58), None, "T1 was at half the lease");
    assert!(told(&late, &[59], 59).is_some());
    let endless = Binding { secs_left: Some(u32::MAX), ..binding() };
    assert_eq!(told(&endless, &[51], 51), Some([255; 4].into()));
    assert_eq!((told(&endless, &[58], 58), told(&endless, &[59], 59)), (None, None));
    let ended = Binding { secs_left: None, ..binding() };
    assert_eq!((told(&ended, &[51], 51), told(&ended, &[58], 58)), (None, None));
}

#[test]
fn rfc4388_section_6_4_2_the_request_list_says_what_is_told_beside_the_client_identifier() {
    let codes = |requested: &[u8]| -> Vec<u8> {
        binding().options(NOW, requested, &[]).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes(&[91, 12]), [61, 91, 12]);
    assert_eq!(codes(&[61, 60, 3]), [61], "what is not known is not told");
    assert_eq!(codes(&[]), [61, 51, 58, 59, 12, 91], "without a list, all that is known");
    assert_eq!(binding().relay_agent_info(&[91]), &[0_u8; 0]);
    assert_eq!(binding().relay_agent_info(&[82]), &*binding().lease.relay_agent_info);
}

#[test]
fn rfc4388_section_6_4_2_a_client_with_several_addresses_has_them_associated() {
    let two = [[192, 168, 30, 100].into(), [10, 7, 0, 100].into()];
    let options = binding().options(NOW, &[92], &two);
    assert_eq!(options[1], (92, [192, 168, 30, 100, 10, 7, 0, 100].into()));
    assert_eq!(binding().options(NOW, &[92], &two[..1]).len(), 1);
}

#[test]
fn rfc6926_section_6_2_7_states_and_since_when() {
    let stands = |state, is_available| {
        let lease = Lease { state, expires_at: NOW - 10, ..binding().lease };
        let binding = Binding { lease, secs_left: None, is_available, ..binding() };
        (binding.state(), NOW - binding.state_since())
    };
    assert_eq!((binding().state(), NOW - binding().state_since()), (DhcpState::Active, 5_000));
    assert_eq!(stands(LeaseState::Released, false), (DhcpState::Released, 10));
    assert_eq!(stands(LeaseState::Expired, false), (DhcpState::Expired, 10));
    assert_eq!(stands(LeaseState::Quarantined, false), (DhcpState::Abandoned, 600));
    assert_eq!(stands(LeaseState::Quarantined, true), (DhcpState::Available, 10));
}
