//! Shared networks, allocators, second servers, and whom reservations are for.

use std::fmt::Write;
use std::net::Ipv4Addr;

use dhcp::settings::{Allocator, ReservedFor};

use super::{config, found, pooled, refused, reserved, subnet, warned};

/// Two subnets, the second with its header on line 8, with `one` on line 4 and `two` on line 10.
fn two(one: &str, two: &str) -> String {
    format!(
        "[[network]]\nname = \"office\"\n[[subnet]]\n{one}\nprefix = \"192.168.30.0/24\"\n\
         pools = [\"192.168.30.100-192.168.30.199\"]\nnetwork = \"office\"\n[[subnet]]\nnetwork = \"office\"\n{two}\n\
         prefix = \"10.0.0.0/24\"\npools = [\"10.0.0.100-10.0.0.199\"]\n"
    )
}

#[test]
fn a_networks_subnets_are_filled_in_the_order_in_which_they_are_written() {
    let config = config(&two("", ""));
    let order: Vec<String> = config.dhcp.networks[0].order.iter().map(ToString::to_string).collect();
    assert_eq!(order, ["192.168.30.0/24", "10.0.0.0/24"]);
    assert!(config.dhcp.subnets.iter().all(|subnet| subnet.network.is_some()));
}

#[test]
fn a_network_is_one_link() {
    refused(
        &two("interfaces = [\"eth1\", \"eth2\"]", "interfaces = [\"eth3\"]"),
        &[(
            "9:11",
            "\"office\"",
            "the network `office` is one link, but this subnet is on eth3, and not on eth1, eth2",
            "write the interfaces in the [[network]] alone",
        )],
    );
    warned(&two("interfaces = [\"eth1\", \"eth2\"]", "interfaces = [\"eth2\", \"eth1\"]"), &[]);
    let by_network = two("", "interfaces = [\"eth3\"]")
        .replace("\"office\"\n[[subnet]]\n\n", "\"office\"\ninterfaces = [\"eth1\"]\n[[subnet]]\n");
    refused(
        &by_network,
        &[(
            "9:11",
            "\"office\"",
            "the network `office` is one link, but this subnet is on eth3, and not on eth1",
            "take this subnet out of it",
        )],
    );
    warned(
        &pooled("[[network]]\nname = \"lab\""),
        &[("7:8", "\"lab\"", "no subnet is a part of the network `lab`", "write `network = \"lab\"`")],
    );
}

#[test]
fn a_networks_interfaces_are_those_of_its_subnets() {
    let text = two("", "").replace("[[network]]\nname", "[[network]]\ninterfaces = [\"eth1\"]\nname");
    assert_eq!(config(&text).interfaces().into_iter().collect::<Vec<_>>(), ["eth1"]);
}

#[test]
fn a_client_has_one_reserved_address_in_a_network() {
    let reservation =
        |address: &str| format!("[[subnet.reservation]]\naddress = \"{address}\"\nhardware = \"52:54:00:12:34:56\"\n");
    let text = two("", "") + &reservation("10.0.0.5");
    let text = text.replace(
        "network = \"office\"\n[[subnet]]\n",
        &format!("network = \"office\"\n{}[[subnet]]\n", reservation("192.168.30.5")),
    );
    refused(
        &text,
        &[(
            "18:12",
            "\"52:54:00:12:34:56\"",
            "the client has an address in 192.168.30.0/24 and in 10.0.0.0/24, which are both of the network `office`",
            "a client has one address on a link",
        )],
    );
    let apart = text.replace("network = \"office\"\n", "").replace("[[network]]\nname = \"office\"\n", "");
    warned(&apart, &[]);
}

#[test]
fn allocators_and_the_keys_of_a_second_server_are_inherited() {
    let text = "[dhcp]\nallocate = \"by-hash\"\noffer_delay_ms = 500\nmin_secs = 2\n".to_owned()
        + &subnet(
            "pools = [\"192.168.30.100\"]\noffer_delay_ms = 1000\n[[subnet.pool]]\nrange = \"192.168.30.101\"\n\
             min_secs = 9\noffer_delay_ms = 0\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.5\"]\nallocate = \"random\"",
        );
    let config = config(&text);
    let [other, first] = &*config.dhcp.subnets else { panic!("two subnets") };
    assert_eq!((other.allocate, first.allocate), (Allocator::Random, Allocator::ByHash));
    let held_back = |subnet: &dhcp::settings::Subnet| {
        subnet.pools.iter().map(|pool| (pool.offer_delay_ms, pool.min_secs)).collect::<Vec<_>>()
    };
    assert_eq!((held_back(first), held_back(other)), (vec![(1000, 2), (0, 9)], vec![(500, 2)]));
}

#[test]
fn what_no_client_waits_for() {
    refused(
        &pooled("offer_delay_ms = 20000"),
        &[("6:18", "20000", "no client waits for an offer for 20000 milliseconds", "not more than 10000")],
    );
    refused(
        &pooled("[dhcp]\noffer_delay_ms = 20000"),
        &[("7:18", "20000", "no client waits for an offer for 20000 milliseconds", "not more than 10000")],
    );
    warned(
        &pooled("min_secs = 300"),
        &[("6:12", "300", "few clients try for 300 seconds: this server would hardly ever help out", "write 4 or so")],
    );
    assert!(found(&pooled("min_secs = 70000")).refuse());
    refused(
        &pooled("allocate = \"by-hahs\""),
        &[("6:12", "\"by-hahs\"", &found(&pooled("allocate = \"by-hahs\"")).list[0].message, "by-hash")],
    );
}

#[test]
fn reservations_know_their_hosts_by_any_of_several_keys() {
    let config = config(&reserved(
        "address = \"192.168.30.5\"\nhardware = [\"52:54:00:12:34:56\", \"52:54:00:12:34:57\"]\n\
         duid = \"hex:00:03:00:01:52:54:00:12:34:56\"\nsubscriber_id = \"text:nasir\"\n\
         [[subnet.reservation]]\naddress = \"192.168.30.6\"\ncircuit_id = [\"text:Gi1/0/7\", \"hex:00 04\"]\n\
         [[subnet.reservation]]\nremote_id = \"hex:0102\"\nhostname = \"lamp\"\n\
         [[subnet.reservation]]\naddress = \"192.168.30.7\"\nremote_id = \"hex:03\"\ncircuit_id = \"hex:04\"",
    ));
    let reservations = &config.dhcp.subnets[0].reservations;
    let addresses: Vec<Option<Ipv4Addr>> = reservations.iter().map(|one| one.address).collect();
    let nth = |n| Some(Ipv4Addr::new(192, 168, 30, n));
    assert_eq!(addresses, [None, nth(5), nth(6), nth(7)]);
    assert_eq!(reservations[0].clients, [ReservedFor::RemoteId([1, 2].into())]);
    let [ReservedFor::Hardware(_), ReservedFor::Hardware(_), ReservedFor::Duid(duid), ReservedFor::SubscriberId(who)] =
        &*reservations[1].clients
    else {
        panic!("{:?}", reservations[1].clients)
    };
    assert_eq!((&**duid, &**who), (&[0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56][..], &b"nasir"[..]));
    assert_eq!(
        reservations[2].clients,
        [ReservedFor::CircuitId(b"Gi1/0/7"[..].into()), ReservedFor::CircuitId([0, 4].into())]
    );
    let port = ReservedFor::Port { circuit_id: [4].into(), remote_id: [3].into() };
    assert_eq!(reservations[3].clients, [port]);
}

#[test]
fn keys_that_are_none() {
    refused(
        &reserved(
            "address = \"192.168.30.5\"\nduid = \"text:x\"\nsubscriber_id = \"\"\ncircuit_id = \"hex:zz\"\n\
             [[subnet.reservation]]\naddress = \"192.168.30.6\"\nduid = \"hex:00\"\nsubscriber_id = \"text:\"",
        ),
        &[
            ("9:8", "\"text:x\"", "`text:x` is not a DUID", "write \"hex:\" and its bytes"),
            ("10:17", "\"\"", "`` is not a subscriber identifier", "\"text:\" and its characters"),
            ("11:14", "\"hex:zz\"", "`hex:zz` is not a circuit identifier", "\"hex:\" and its bytes"),
            ("14:8", "\"hex:00\"", "a DUID has 3 to 130 bytes, this one has 1", "write all of it"),
            (
                "15:17",
                "\"text:\"",
                "a subscriber identifier has 1 to 253 bytes, this one has 0",
                "as the switch sends it",
            ),
        ],
    );
    refused(
        &reserved("address = \"192.168.30.5\"\ncircuit_id = [\"hex:01\", \"hex:02\"]\nremote_id = \"hex:03\""),
        &[(
            "9:14",
            "[\"hex:01\", \"hex:02\"]",
            "beside `remote_id` there is one `circuit_id`, not a list: a client is at one port of one switch",
            "a reservation for each of the others",
        )],
    );
}

#[test]
fn a_key_of_any_kind_has_one_reservation_in_a_subnet() {
    let keys = [
        ("duid", "\"hex:00:03:00:01:52\"", "DUID hex:00:03:00:01:52"),
        ("circuit_id", "\"text:a\"", "circuit identifier text:a"),
        ("remote_id", "\"text:a\"", "remote identifier text:a"),
        ("subscriber_id", "\"text:a\"", "subscriber identifier text:a"),
    ];
    for (key, value, what) in keys {
        let text = reserved(&format!(
            "address = \"192.168.30.5\"\n{key} = {value}\n[[subnet.reservation]]\naddress = \"192.168.30.6\"\n{key} = [{value}]"
        ));
        let message = format!("the client with the {what} has two reservations in this subnet");
        let place = format!("12:{}", key.len() + 5);
        refused(&text, &[(&place, value, &message, "take one of the two out")]);
    }
    // A port of one switch is not that port of another, nor a port of that name anywhere.
    warned(
        &reserved(
            "address = \"192.168.30.5\"\ncircuit_id = \"text:a\"\nremote_id = \"text:b\"\n[[subnet.reservation]]\n\
             address = \"192.168.30.6\"\ncircuit_id = \"text:a\"\nremote_id = \"text:c\"\n[[subnet.reservation]]\n\
             address = \"192.168.30.7\"\ncircuit_id = \"text:a\"",
        ),
        &[],
    );
}

#[test]
fn a_reservation_gives_something() {
    refused(
        &reserved("hardware = \"52:54:00:12:34:56\""),
        &[(
            "7:1",
            "[[subnet.reservation]]",
            "the reservation gives its client nothing",
            "`hostname` for a client that gets its address from the pools",
        )],
    );
    warned(&reserved("hardware = \"52:54:00:12:34:56\"\nlease_time = \"1h\""), &[]);
}

#[test]
fn twenty_thousand_reservations_are_checked_in_no_time() {
    let mut text = String::from("[[subnet]]\nprefix = \"10.0.0.0/16\"\ndomain_name = \"example.org\"\n");
    for n in 1..=20_000_u16 {
        let [high, low] = n.to_be_bytes();
        write!(
            text,
            "[[subnet.reservation]]\naddress = \"10.0.{high}.{low}\"\nhardware = [\"52:54:00:00:{high:02x}:{low:02x}\", \
             \"52:54:00:01:{high:02x}:{low:02x}\"]\nsubscriber_id = \"text:customer {n}\"\n"
        )
        .unwrap();
    }
    let config = config(&text);
    assert_eq!(config.dhcp.subnets[0].reservations.len(), 20_000);
    assert!(config.dhcp.subnets[0].reservations.iter().all(|one| one.clients.len() == 3));
}
