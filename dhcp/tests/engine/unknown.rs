//! Devices that nobody knows, where they wait for approval.

use std::sync::Arc;

use dhcp::devices::{DeviceVerdict, Devices, UnknownClients};
use dhcp::message::{DropReason, MessageType};
use dhcp::settings::{Reservation, ReservedFor, Subnet};

use crate::network::*;

fn waiting() -> Subnet {
    let reserved = Reservation::new([192, 168, 30, 200].into(), ReservedFor::Hardware(mac(9)));
    Subnet { unknown_clients: UnknownClients::Wait, reservations: vec![reserved], ..subnet() }
}

fn decided(server: &mut Server, n: u8, verdict: DeviceVerdict) {
    server.engine.set_devices(Arc::new(Devices([(mac(n), verdict)].into())));
}

#[test]
fn a_device_that_nobody_knows_gets_no_address_until_it_is_approved() {
    let mut server = Server::new(settings([waiting()]));
    assert_eq!(server.hear(&discover(1)).silence(), DropReason::WaitsForApproval);
    assert_eq!(
        server.hear(&discover(1).with(dhcp::options::code::RAPID_COMMIT, [])).silence(),
        DropReason::WaitsForApproval
    );
    // Also one that remembers an address of another server here.
    assert_eq!(server.hear(&init_reboot(1, FIRST)).silence(), DropReason::WaitsForApproval);
    decided(&mut server, 1, DeviceVerdict::Approved);
    let offered = server.hear(&discover(1)).offered();
    assert_eq!(server.hear(&selecting(1, offered)).acked(), offered);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::WaitsForApproval, "another");
}

#[test]
fn who_has_a_reservation_or_a_lease_is_known() {
    let mut server = Server::new(settings([waiting()]));
    assert_eq!(server.hear(&discover(9)).offered(), std::net::Ipv4Addr::new(192, 168, 30, 200));
    // Served before the switch was turned.
    let mut server = Server::new(settings([subnet()]));
    let offered = server.hear(&discover(1)).offered();
    server.hear(&selecting(1, offered));
    server.engine.reconfigure(Arc::new(settings([waiting()])), server.now);
    assert_eq!(server.hear(&discover(1)).offered(), offered);
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::WaitsForApproval);
}

#[test]
fn a_device_that_was_denied_loses_what_it_had_and_only_where_unknown_ones_wait() {
    let mut server = Server::new(settings([waiting()]));
    decided(&mut server, 1, DeviceVerdict::Approved);
    let offered = server.hear(&discover(1)).offered();
    assert_eq!(server.hear(&selecting(1, offered)).acked(), offered);
    decided(&mut server, 1, DeviceVerdict::Denied);
    assert_eq!(server.hear(&discover(1)).silence(), DropReason::DeviceDenied);
    assert_eq!(server.hear(&init_reboot(1, offered)).reply().message_type, MessageType::Nak);
    server.engine.reconfigure(Arc::new(settings([subnet()])), server.now);
    assert_eq!(server.hear(&discover(1)).offered(), offered);
}
