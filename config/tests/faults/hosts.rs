//! `[[host]]`: machines with one name for all their addresses.

use std::net::{IpAddr, Ipv4Addr};

use dns::HostIdentity;

use super::{and, config, refused, warned};

/// A good subnet and zone, and a host with `keys` from line 8 on.
fn host(keys: &str) -> String {
    and(&format!("[[host]]\n{keys}\n"))
}

#[test]
fn a_host_is_one_name_for_interfaces_in_several_subnets() {
    let config = config(&host(
        "name = \"nas\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:56\"\naddress = \"192.168.30.5\"\n\
         [[host.interface]]\nhardware = \"52:54:00:12:34:57\"\naddress = \"192.168.31.5\"\n\
         [[host.interface]]\nclient_id = \"hex:01:02\"\n[[host.interface]]\naddress = \"2001:db8::5\"\n\
         [[subnet]]\nprefix = \"192.168.31.0/24\"",
    ));
    // The client identifier says more of a host than a hardware address does.
    let identity = HostIdentity::ClientId([1, 2].into());
    let reserved = |place: usize| {
        let list = &config.dhcp.subnets[place].reservations;
        assert!(list.iter().all(|one| one.identity().as_ref() == Some(&identity)));
        assert!(list.iter().all(|one| one.hostname.as_deref() == Some("nas.nasir.xyz")));
        list.iter().map(|one| one.address.map(|address| address.to_string())).collect::<Vec<_>>()
    };
    // The interface without an address is known in every subnet.
    assert_eq!(reserved(0), [None, Some("192.168.30.5".to_owned())]);
    assert_eq!(reserved(1), [None, Some("192.168.31.5".to_owned())]);
    let [by_hand] = config.ddns.hosts.all() else { panic!("{:?}", config.ddns.hosts) };
    assert_eq!((&by_hand.identity, by_hand.name.to_string()), (&identity, "nas.nasir.xyz.".to_owned()));
    assert_eq!(by_hand.address, "2001:db8::5".parse::<IpAddr>().unwrap());
    assert!(config.ddns.reserved.contains(&"nas.nasir.xyz".parse().unwrap()), "no client can take it");
    // Both subnets have their reverse zones, the second one for the host alone.
    let reverse = |apex: &str| config.ddns.zones.iter().any(|zone| zone.apex == apex.parse().unwrap());
    assert!(reverse("30.168.192.in-addr.arpa") && reverse("31.168.192.in-addr.arpa"));
}

#[test]
fn an_address_that_is_configured_by_hand_is_taken_out_of_the_pools() {
    let config = config(&host("name = \"printer\"\naddress = [\"192.168.30.100\", \"192.168.30.150\"]\nttl = 60"));
    let ranges: Vec<String> =
        config.dhcp.subnets[0].pools[0].ranges.iter().map(|one| format!("{}-{}", one.first, one.last)).collect();
    assert_eq!(ranges, ["192.168.30.101-192.168.30.149", "192.168.30.151-192.168.30.199"]);
    let name = "printer.nasir.xyz".parse().unwrap();
    let claim = config.ddns.claim_by_hand(Ipv4Addr::new(192, 168, 30, 150).into()).unwrap();
    assert_eq!((claim.identity, claim.ttl_secs), (HostIdentity::of_name(&name), 60));
    assert!(claim.forward && claim.reverse);
    assert_eq!(config.ddns.hosts.addresses_of(&name).count(), 2);
}

#[test]
fn a_name_of_one_label_is_put_under_the_domain_of_its_address() {
    let name = |text: &str| config(text).ddns.hosts.all()[0].name.to_string();
    assert_eq!(name(&host("name = \"tv\"\naddress = \"192.168.30.9\"")), "tv.nasir.xyz.");
    assert_eq!(name(&host("name = \"tv\"\naddress = \"10.9.9.9\"\ndomain = \"lab.nasir.xyz\"")), "tv.lab.nasir.xyz.");
    assert_eq!(name(&host("name = \"tv.nasir.xyz\"\naddress = \"10.9.9.9\"")), "tv.nasir.xyz.");
    refused(
        &host("name = \"tv\"\naddress = \"10.9.9.9\""),
        &[("8:8", "\"tv\"", "the name `tv` is in no domain", "\"tv.nasir.xyz\"")],
    );
    refused(
        &host("name = \"tv.example\"\naddress = \"10.9.9.9\""),
        &[("8:8", "\"tv.example\"", "the name `tv.example` is in no zone", "add the [[zone]]")],
    );
}

#[test]
fn what_is_wrong_with_a_host() {
    refused(&host("address = \"192.168.30.9\""), &[("7:1", "[[host]]", "`name` is missing in [[host]]", "add `name")]);
    refused(
        &host("name = \"nas.nasir.xyz\""),
        &[("7:1", "[[host]]", "the host has no address", "add `address = \"192.168.30.5\"`")],
    );
    refused(
        &host("name = \"nas\"\naddress = \"192.168.30.9\"\n[[host.interface]]"),
        &[(
            "10:1",
            "[[host.interface]]",
            "the interface has neither an address nor an identifier",
            "add `hardware = \"52:54:00:12:34:56\"`",
        )],
    );
    refused(
        &host(
            "name = \"nas\"\naddress = \"192.168.30.9\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:56\"\naddress = \"10.0.0.1\"",
        ),
        &[(
            "12:11",
            "\"10.0.0.1\"",
            "the address 10.0.0.1 is in no subnet, so no client can be given it",
            "add the [[subnet]]",
        )],
    );
    refused(
        &host(
            "name = \"nas.nasir.xyz\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:56\"\naddress = \"2001:db8::1\"",
        ),
        &[(
            "11:11",
            "\"2001:db8::1\"",
            "an interface with an identifier has an IPv4 address by DHCP",
            "without an identifier",
        )],
    );
    refused(
        &host("name = \"nas.nasir.xyz\"\naddress = [\"nowhere\", \"fe80::1\", \"192.168.30.255\"]"),
        &[
            ("9:12", "\"nowhere\"", "`nowhere` is not an IP address", "2001:db8::5"),
            (
                "9:23",
                "\"fe80::1\"",
                "no name can stand for fe80::1: link-local, which means nothing elsewhere",
                "another one",
            ),
            (
                "9:34",
                "\"192.168.30.255\"",
                "192.168.30.255 is the broadcast address of 192.168.30.0/24; no client can have it",
                "192.168.30.1-192.168.30.254",
            ),
        ],
    );
}

#[test]
fn hosts_are_checked_against_each_other_and_against_reservations() {
    refused(
        &host(
            "name = \"nas\"\naddress = \"192.168.30.9\"\n[[host]]\nname = \"NAS.nasir.xyz\"\naddress = \"192.168.30.10\"",
        ),
        &[("11:8", "\"NAS.nasir.xyz\"", "two hosts have the name `nas.nasir.xyz`", "in one [[host]]")],
    );
    refused(
        &host(
            "name = \"nas\"\naddress = \"10.1.1.9\"\ndomain = \"nasir.xyz\"\n[[host]]\nname = \"tv.nasir.xyz\"\naddress = \"10.1.1.9\"",
        ),
        &[("13:11", "\"10.1.1.9\"", "the address 10.1.1.9 is written twice", "a machine has an address for itself")],
    );
    let reservation =
        "[[subnet.reservation]]\naddress = \"192.168.30.9\"\nhardware = \"52:54:00:12:34:56\"\nhostname = \"nas\"\n";
    refused(
        &and(&format!("{reservation}[[host]]\nname = \"tv\"\naddress = \"192.168.30.9\"\n")),
        &[("8:11", "\"192.168.30.9\"", "the address 192.168.30.9 is reserved twice", "take it out")],
    );
    refused(
        &and(&format!(
            "{reservation}[[host]]\nname = \"nas\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:57\"\n\
             address = \"192.168.30.10\"\n"
        )),
        &[("12:8", "\"nas\"", "a reservation has the name `nas.nasir.xyz` too", "in the [[host]]")],
    );
    refused(
        &and(&format!(
            "{reservation}[[host]]\nname = \"tv\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:56\"\n\
             address = \"192.168.30.10\"\n"
        )),
        &[(
            "14:12",
            "\"52:54:00:12:34:56\"",
            "the client with the hardware address 52:54:00:12:34:56 has two reservations in this subnet",
            "take one of the two out",
        )],
    );
    let two = "name = \"nas\"\n[[host.interface]]\nhardware = \"52:54:00:12:34:56\"\naddress = \"192.168.30.9\"\n\
               [[host.interface]]\nhardware = \"52:54:00:12:34:57\"\naddress = \"192.168.30.10\"";
    warned(&host(two), &[]);
}
