//! Whether another DHCP server is found on a real link.
//!
//! Needs root, network namespaces, veth.

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp::destination::{Destination, destination};
use dhcp::message::{Message, MessageType};
use dhcp::reply::Reply;
use etherparse::{PacketBuilder, VlanId};
use leasehold::dhcp_sockets::{Batch, DhcpSockets, Outgoing, SocketSettings};
use leasehold::link_check::{FoundServer, find_servers};

use crate::netns::{Host, Lab};
use crate::wire::{Wire, within};

const XID: u32 = 0x1ea5_e401;
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 254);
const OFFERED: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 57);

fn ask(host: &Host) -> Vec<FoundServer> {
    within(host, async || {
        let served = DhcpSockets::open(SocketSettings::default()).unwrap().served();
        find_servers(&served, (67, 68), XID, Duration::from_millis(1500)).await.unwrap()
    })
}

/// Answers DISCOVER with an offer when `offers`, and INFORM always, until the listener is gone.
async fn other_server(offers: bool) {
    let mut sockets = DhcpSockets::open(SocketSettings::default()).unwrap();
    let mut batch = Batch::new();
    loop {
        sockets.receive(&mut batch).await;
        for datagram in batch.iter() {
            let Ok(request) = Message::parse(datagram.payload) else { continue };
            let (answer, yiaddr) = match request.message_type {
                MessageType::Discover if offers => (MessageType::Offer, OFFERED),
                MessageType::Inform => (MessageType::Ack, Ipv4Addr::UNSPECIFIED),
                _ => continue,
            };
            let mut reply = Reply::answering(&request, answer, OTHER);
            reply.yiaddr = yiaddr;
            let mut payload = Vec::new();
            reply.encode(&mut payload);
            let destination: Destination = destination(&request, &reply, datagram.source.1, false);
            let (interface, source) = (datagram.interface.index, datagram.reply_source(OTHER));
            sockets.sender().send(&[Outgoing { payload: &payload, destination, interface, source }]);
        }
    }
}

/// Our host with a quiet link `eth0` and `eth1`, on which the other server is.
fn link_with_a_server(offers: bool) -> Vec<FoundServer> {
    let lab = Lab::new();
    let (ours, quiet, theirs) = (lab.host("ours"), lab.host("quiet"), lab.host("theirs"));
    lab.cable(&ours, "eth0", &quiet, "eth0");
    lab.cable(&ours, "eth1", &theirs, "eth0");
    ours.ip("address add 10.0.0.1/24 dev eth0");
    ours.ip("address add 192.168.30.1/24 dev eth1");
    theirs.ip("address add 192.168.30.254/24 dev eth0");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let theirs = &theirs;
        scope.spawn(move || {
            within(theirs, async || {
                tokio::select! {
                    () = other_server(offers) => {}
                    _ = stopped => {}
                }
            });
        });
        let found = ask(&ours);
        drop(stop);
        found
    })
}

#[test]
fn another_server_on_the_link_is_found_with_its_offer() {
    let found = link_with_a_server(true);
    assert_eq!(found.len(), 1, "{found:?}");
    let server = &found[0];
    assert_eq!((server.interface.as_str(), server.identifier, server.source), ("eth1", Some(OTHER), OTHER));
    assert_eq!(server.offered, Some(OFFERED));
}

#[test]
fn a_server_that_offers_nothing_to_strangers_is_found_by_its_answer_to_inform() {
    let found = link_with_a_server(false);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].identifier, found[0].offered), (Some(OTHER), None));
}

/// On a link without a server nobody is found, also while answers to others, or of a VLAN, go by.
#[test]
fn answers_that_are_not_for_us_are_no_server() {
    let lab = Lab::new();
    let (ours, peer) = (lab.host("ours"), lab.host("peer"));
    lab.cable(&ours, "eth0", &peer, "eth0");
    ours.ip("address add 192.168.30.1/24 dev eth0");
    let wire = Wire::open(&peer, "eth0");
    let offer = |xid: u32| {
        let mut request = Vec::new();
        let hardware = dhcp::identity::HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
        dhcp::client::ClientMessage::new(MessageType::Discover, xid, hardware).encode(&mut request);
        let mut reply = Reply::answering(&Message::parse(&request).unwrap(), MessageType::Offer, OTHER);
        reply.yiaddr = OFFERED;
        let mut payload = Vec::new();
        reply.encode(&mut payload);
        payload
    };
    let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [255; 6]);
    let (from, to) = (OTHER.octets(), [255; 4]);
    let (mut of_a_vlan, mut to_another) = (Vec::new(), Vec::new());
    let tagged = ethernet().single_vlan(VlanId::try_new(7).unwrap()).ipv4(from, to, 64).udp(67, 68);
    tagged.write(&mut of_a_vlan, &offer(XID)).unwrap();
    ethernet().ipv4(from, to, 64).udp(67, 68).write(&mut to_another, &offer(XID + 1)).unwrap();
    let found = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&ours));
        while !asking.is_finished() {
            wire.send(&of_a_vlan);
            wire.send(&to_another);
            std::thread::sleep(Duration::from_millis(50));
        }
        asking.join().unwrap()
    });
    assert_eq!(found, []);
}
