//! Keying on the hardware address alone, and changing one's mind about it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::lease::LeaseState;
use dhcp::options::code;
use dhcp::settings::{Settings, Subnet};

use crate::network::*;

fn keyed(ignore_client_id: bool) -> Settings {
    settings([Subnet { ignore_client_id, ..subnet() }])
}

fn identified(message: ClientMessage, id: &[u8; 5]) -> ClientMessage {
    message.with(code::CLIENT_IDENTIFIER, *id)
}

fn bound(server: &Server) -> Vec<Ipv4Addr> {
    let bound = server.engine.leases().filter(|lease| lease.state == LeaseState::Bound);
    bound.map(|lease| lease.address).collect()
}

#[test]
fn rfc2131_section_4_2_a_subnet_can_key_on_the_hardware_address_alone() {
    let mut server = Server::new(keyed(true));
    let first = server.hear(&identified(discover(1), b"\0pxe1")).offered();
    server.hear(&identified(selecting(1, first), b"\0pxe1")).acked();
    // Another identifier, or none, is the same client here.
    assert_eq!(server.hear(&identified(discover(1), b"\0os_1")).offered(), first);
    assert_eq!(server.hear(&discover(1)).offered(), first);
    assert_eq!(server.take(&unicast(first), &extending(1, first)).acked(), first);
    // Another card with the same identifier is not.
    assert_ne!(server.hear(&identified(discover(2), b"\0pxe1")).offered(), first);
}

#[test]
fn rfc2131_section_4_2_flipping_the_key_to_the_identifier_leaves_one_lease() {
    let mut server = Server::new(keyed(true));
    let address = server.hear(&identified(discover(1), b"\0os_1")).offered();
    server.hear(&identified(selecting(1, address), b"\0os_1")).acked();
    server.engine.reconfigure(Arc::new(keyed(false)), server.now);
    assert_eq!(server.take(&unicast(address), &identified(extending(1, address), b"\0os_1")).acked(), address);
    assert_eq!(server.hear(&identified(discover(1), b"\0os_1")).offered(), address);
    assert_eq!(bound(&server), [address]);
}

#[test]
fn rfc2131_section_4_2_flipping_the_key_to_the_hardware_address_ends_the_second_lease() {
    for renewed in [0, 1] {
        let mut server = Server::new(keyed(false));
        let addresses = [b"\0pxe1", b"\0os_1"].map(|id| {
            let address = server.hear(&identified(discover(1), id)).offered();
            server.hear(&identified(selecting(1, address), id)).acked()
        });
        assert_eq!(bound(&server), addresses);
        server.engine.reconfigure(Arc::new(keyed(true)), server.now);
        let (kept, ended) = (addresses[renewed], addresses[1 - renewed]);
        let decision = server.take(&unicast(kept), &identified(extending(1, kept), b"\0os_1"));
        assert_eq!(decision.acked(), kept);
        assert_eq!(kinds(&decision), [(LeaseEventKind::Released, ended), (LeaseEventKind::Renewed, kept)]);
        assert_eq!(bound(&server), [kept]);
        // So too when the flip came with a restart.
        let stored: Vec<_> = server.engine.leases().collect();
        let mut server = Server::with_leases(keyed(true), stored);
        assert_eq!(server.hear(&discover(1)).offered(), kept);
    }
}
