//! Limits on new leases, and on leases behind one port.

use dhcp::client::ClientMessage;
use dhcp::limits::{Limits, Rate};
use dhcp::message::DropReason;
use dhcp::options::code;
use dhcp::settings::{Settings, Subnet};

use crate::network::*;

const RELAY: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 7, 0, 1);
const PER_HOUR: Rate = Rate { count: 3, per_secs: 3_600 };

fn server(limits: Limits) -> Server {
    Server::new(Settings { limits, ..settings([subnet(), remote_subnet(7)]) })
}

/// Client `n` with identifier `id`.
fn as_another(message: ClientMessage, id: u8) -> ClientMessage {
    message.with(code::CLIENT_IDENTIFIER, [0, id])
}

/// A message of client `n` behind a relay's port.
fn at_port(message: ClientMessage, port: u8) -> ClientMessage {
    ClientMessage { giaddr: RELAY, ..message }.with(code::RELAY_AGENT_INFORMATION, [1, 1, port])
}

fn lease_at_port(server: &mut Server, n: u8, port: u8) -> std::net::Ipv4Addr {
    let offered = server.take(&from_relay(RELAY), &at_port(discover(n), port)).offered();
    server.take(&from_relay(RELAY), &at_port(selecting(n, offered), port)).acked()
}

#[test]
fn a_client_that_makes_up_identifiers_does_not_drain_the_pool() {
    let mut server = server(Limits { new_leases_per_client: Some(PER_HOUR), ..Limits::default() });
    let mut last = FIRST;
    for id in 1..=3 {
        last = server.hear(&as_another(discover(1), id)).offered();
        assert_eq!(server.hear(&as_another(selecting(1, last), id)).acked(), last);
    }
    for id in 4..=50 {
        assert_eq!(server.hear(&as_another(discover(1), id)).silence(), DropReason::ClientLeaseLimit);
        let taking = as_another(selecting(1, [192, 168, 30, 107].into()), id);
        assert_eq!(server.hear(&taking).silence(), DropReason::ClientLeaseLimit);
    }
    // What it has it keeps, and others get theirs.
    assert_eq!(server.hear(&as_another(extending(1, last), 3)).acked(), last);
    assert_eq!(server.hear(&as_another(discover(1), 3)).offered(), last);
    server.lease_to(2);
    server.pass(1_200);
    server.hear(&as_another(discover(1), 9)).offered();
}

#[test]
fn a_link_or_relay_past_its_limit_gets_no_new_lease_and_another_does() {
    let mut server = server(Limits { new_leases_per_relay: Some(PER_HOUR), ..Limits::default() });
    let leased: Vec<_> = (1..=3).map(|n| server.lease_to(n)).collect();
    assert_eq!(server.hear(&discover(4)).silence(), DropReason::RelayLeaseLimit);
    assert_eq!(server.hear(&extending(1, leased[0])).acked(), leased[0]);
    lease_at_port(&mut server, 5, 1);
    server.pass(1_200);
    server.lease_to(4);
}

#[test]
fn offers_take_nothing_from_a_limit_and_leases_do() {
    let mut server = server(Limits { new_leases_per_client: Some(PER_HOUR), ..Limits::default() });
    for _ in 0..20 {
        server.hear(&discover(1)).offered();
    }
    server.lease_to(1);
}

#[test]
fn one_port_of_a_switch_holds_so_many_leases_and_no_more() {
    let mut server = server(Limits { leases_per_port: Some(2), ..Limits::default() });
    let first = lease_at_port(&mut server, 1, 1);
    // An offer counts as well, and its taker takes it.
    let offered = server.take(&from_relay(RELAY), &at_port(discover(2), 1)).offered();
    let refused = server.take(&from_relay(RELAY), &at_port(discover(3), 1));
    assert_eq!(refused.silence(), DropReason::PortLeaseLimit);
    let taken = server.take(&from_relay(RELAY), &at_port(selecting(2, offered), 1));
    assert_eq!(taken.acked(), offered);
    let haste = server.take(&from_relay(RELAY), &at_port(selecting(3, [10, 7, 0, 105].into()), 1));
    assert_eq!(haste.silence(), DropReason::PortLeaseLimit);
    // Those who hold one renew; another port, and clients without a port, are free to take theirs.
    assert_eq!(server.take(&from_relay(RELAY), &at_port(discover(1), 1)).offered(), first);
    assert_eq!(server.take(&from_relay(RELAY), &at_port(extending(1, first), 1)).acked(), first);
    lease_at_port(&mut server, 4, 2);
    server.lease_to(5);
    // What ends makes room.
    server.take(&unicast(first), &release(1, first));
    lease_at_port(&mut server, 3, 1);
}

#[test]
fn leases_of_before_are_counted_after_a_start_and_a_change_of_settings() {
    let limits = Limits { leases_per_port: Some(1), ..Limits::default() };
    let mut server = server(Limits::default());
    lease_at_port(&mut server, 1, 1);
    let leases: Vec<_> = server.engine.leases().collect();
    let changed = Settings { limits, ..settings([subnet(), remote_subnet(7)]) };
    let mut restarted = Server::with_leases(changed.clone(), leases);
    server.engine.reconfigure(changed.into(), server.now);
    for server in [&mut server, &mut restarted] {
        let refused = server.take(&from_relay(RELAY), &at_port(discover(2), 1));
        assert_eq!(refused.silence(), DropReason::PortLeaseLimit);
    }
}

#[test]
fn with_rapid_commit_the_limits_hold_too() {
    let hasty = Subnet { rapid_commit: true, ..subnet() };
    let limits = Limits { new_leases_per_client: Some(PER_HOUR), ..Limits::default() };
    let mut server = Server::new(Settings { limits, ..settings([hasty]) });
    let haste = |id| as_another(discover(1), id).with(code::RAPID_COMMIT, []);
    for id in 1..=3 {
        server.hear(&haste(id)).acked();
    }
    assert_eq!(server.hear(&haste(4)).silence(), DropReason::ClientLeaseLimit);
}
