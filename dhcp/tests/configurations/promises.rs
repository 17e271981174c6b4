//! What must hold of every reply, worked out anew from the settings.

use dhcp::class::{ClassSet, Facts};
use dhcp::client::ServerMessage;
use dhcp::message::{Message, MessageType};
use dhcp::options::code;
use dhcp::reply::Reply;
use dhcp::settings::{NetworkId, Reservation, ReservedFor, Scope, Settings, Subnet};
use dhcproto::Decodable;
use dhcproto::v4;

use crate::Seen;
use crate::packets::{Sent, relay_agent_info};
use crate::settings::{CODES, client_id, hardware};

/// dhcproto reads the header and every option that we read.
pub(crate) fn read_by_dhcproto(reply: &Reply, datagram: &[u8], dropped: &[u8]) {
    let theirs = v4::Message::from_bytes(datagram).unwrap_or_else(|error| panic!("dhcproto: {error}: {reply:?}"));
    assert_eq!((theirs.xid(), theirs.yiaddr(), theirs.giaddr()), (reply.xid, reply.yiaddr, reply.giaddr));
    let ours = ServerMessage::parse(datagram).unwrap();
    assert_eq!(ours.malformed, []);
    assert_eq!(ours.message_type, reply.message_type);
    for (code, data) in &reply.options {
        let is_there = ours.options.get(code) == Some(data);
        assert!(is_there != dropped.contains(&code), "option {code} of {reply:?}, dropped {dropped:?}");
        // It does not look into file and sname.
        if is_there && ours.options.get(code::OPTION_OVERLOAD).is_none() {
            assert!(
                theirs.opts().iter().any(|(key, _)| u8::from(*key) == code),
                "dhcproto misses option {code}: {reply:?}"
            );
        }
    }
}

pub(crate) fn keep(settings: &Settings, sent: &Sent, reply: &Reply, seen: &mut Seen) {
    let message = Message::parse(&sent.datagram).unwrap();
    assert_eq!((reply.xid, reply.giaddr, reply.hardware), (message.xid, message.giaddr, message.hardware));
    match reply.message_type {
        MessageType::Offer => seen.offers += 1,
        MessageType::Ack if reply.yiaddr.is_unspecified() => seen.informed += 1,
        MessageType::Ack => seen.acks += 1,
        MessageType::Nak => {
            seen.naks += 1;
            assert!(reply.yiaddr.is_unspecified() && reply.siaddr.is_unspecified() && reply.ciaddr.is_unspecified());
            assert!(reply.options.iter().all(|(code, _)| !CODES.contains(&code)), "{reply:?}");
            return;
        }
        other => panic!("a server does not say {other}"),
    }
    if reply.yiaddr.is_unspecified() {
        return;
    }
    let holding = |address| settings.subnets.iter().find(|subnet| subnet.prefix.contains(&address));
    let subnet = holding(reply.yiaddr).unwrap_or_else(|| panic!("{} is in no subnet", reply.yiaddr));
    assert!(![subnet.prefix.network(), subnet.prefix.broadcast()].contains(&reply.yiaddr));
    assert!(subnet.active);
    if !message.giaddr.is_unspecified() {
        let relays = holding(message.giaddr).expect("a relay of ours");
        assert!(same_link(relays, subnet), "{} behind the relay {}", reply.yiaddr, message.giaddr);
    }
    let of_address = subnet.reservations.iter().find(|reservation| reservation.address == Some(reply.yiaddr));
    assert!(of_address.is_none_or(|reservation| is_for(reservation, sent)), "{} is another's", reply.yiaddr);
    seen.reserved += usize::from(of_address.is_some());
    let in_pool = subnet.ranges().iter().any(|range| (range.first..=range.last).contains(&reply.yiaddr));
    assert!(in_pool || of_address.is_some(), "{} is in no pool and not reserved", reply.yiaddr);
    order_holds(settings, subnet, sent, &message, reply, seen);
}

fn same_link(one: &Subnet, other: &Subnet) -> bool {
    one.prefix == other.prefix || (one.network.is_some() && one.network == other.network)
}

fn is_for(reservation: &Reservation, sent: &Sent) -> bool {
    reservation.clients.iter().any(|client| match client {
        ReservedFor::Hardware(address) => *address == hardware(sent.client),
        ReservedFor::ClientId(id) => Some(id) == client_id(sent.client).as_ref(),
        _ => false,
    })
}

/// Reservation, class, pool, subnet, shared network, server: what the narrowest says is what the client is told.
fn order_holds(
    settings: &Settings,
    subnet: &Subnet,
    sent: &Sent,
    message: &Message<'_>,
    reply: &Reply,
    seen: &mut Seen,
) {
    let with = |relay: &[u8], seen: &mut Seen| {
        let facts = Facts { message, relay, giaddr: message.giaddr, interface: "eth0", is_known: false };
        order_holds_in(settings, subnet, sent, &settings.classes.of(&facts), message, reply, seen)
    };
    let mut held = with(message.relay_agent_info().0, seen);
    // A client that renews past its relay is still behind it: the lease remembers what the relay said.
    if held.is_err() && message.relay_agent_info().0.is_empty() && !message.ciaddr.is_unspecified() {
        held = with(&relay_agent_info(sent.client), seen);
    }
    held.unwrap_or_else(|fault| panic!("{fault} of {reply:?}"));
}

/// The error is what was told otherwise.
fn order_holds_in(
    settings: &Settings,
    subnet: &Subnet,
    sent: &Sent,
    classes: &ClassSet,
    message: &Message<'_>,
    reply: &Reply,
    seen: &mut Seen,
) -> Result<(), String> {
    let mut scopes: Vec<(usize, &Scope)> = Vec::new();
    scopes.extend(subnet.reservations.iter().filter(|one| is_for(one, sent)).map(|one| (0, &one.scope)));
    assert!(scopes.len() <= 1);
    scopes.extend(settings.classes.iter().filter(|(id, _)| classes.contains(*id)).map(|(_, class)| (1, &class.scope)));
    let pool = subnet
        .pools
        .iter()
        .find(|pool| pool.ranges.iter().any(|range| (range.first..=range.last).contains(&reply.yiaddr)));
    scopes.extend(pool.map(|pool| (2, &pool.scope)));
    scopes.push((3, &subnet.scope));
    let network = subnet.network.map(|NetworkId(place)| &settings.networks[usize::from(place)]);
    scopes.extend(network.map(|network| (4, &network.scope)));
    scopes.push((5, &settings.scope));

    let wanted = &message.parameter_request_list;
    for code in CODES {
        let told = reply.options.get(code);
        let winner = scopes.iter().find_map(|(level, scope)| Some((level, scope.options.0.get(&code)?)));
        let is_wanted = wanted.is_empty() || wanted.contains(&code);
        let expected = winner.filter(|_| is_wanted);
        let data = expected.map(|(_, data)| {
            let router = scopes.iter().find_map(|(_, scope)| scope.options.0.get(&code::ROUTER)?.get(..4));
            // RFC 3442: whoever reads 121 passes 3 over, so the default route is among the others.
            let default_route = router.filter(|_| code == code::CLASSLESS_STATIC_ROUTE);
            default_route.map_or(data.clone(), |router| [data, &[0][..], router].concat().into())
        });
        if told != data.as_deref() {
            return Err(format!("option {code} is not {data:?}, as {scopes:?} want it:"));
        }
        if let Some((level, _)) = expected {
            seen.options_of[*level] += 1;
        }
    }
    let next_server = scopes.iter().find_map(|(_, scope)| scope.boot.next_server);
    let next_server = next_server.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
    if reply.siaddr == next_server { Ok(()) } else { Err(format!("siaddr is not {next_server}:")) }
}
