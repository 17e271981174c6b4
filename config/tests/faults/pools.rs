//! Prefixes, pools, exclusions, routers.

use super::{config, pooled, refused, subnet, warned};

fn pool(text: &str) -> String {
    subnet(&format!("pools = [\"{text}\"]"))
}

#[test]
fn a_pool_in_addresses_that_no_host_has() {
    for (pool_text, block, what) in [
        ("127.0.0.10-127.0.0.20", "127.0.0.0/8", "loopback, which never leaves a host (RFC 1122 section 3.2.1.3)"),
        (
            "169.254.1.0-169.254.1.255",
            "169.254.0.0/16",
            "link-local addresses, which hosts choose themselves (RFC 3927)",
        ),
        ("224.0.0.1-224.0.0.9", "224.0.0.0/4", "multicast groups, not hosts (RFC 1112)"),
        ("239.1.1.1-239.1.1.2", "224.0.0.0/4", "multicast groups, not hosts (RFC 1112)"),
        ("240.0.0.1-240.0.0.2", "240.0.0.0/4", "reserved, and hosts do not accept them (RFC 1112 section 4)"),
        ("0.0.0.1-0.0.0.9", "0.0.0.0/8", "\"this network\", not an address of a host (RFC 1122 section 3.2.1.3)"),
        ("126.255.255.250-127.0.0.5", "127.0.0.0/8", "loopback, which never leaves a host (RFC 1122 section 3.2.1.3)"),
    ] {
        refused(
            &pool(pool_text),
            &[(
                "5:10",
                &format!("\"{pool_text}\""),
                &format!("the pool {pool_text} is in {block}: {what}"),
                "lease addresses that hosts can have",
            )],
        );
    }
}

#[test]
fn a_subnet_in_addresses_that_no_host_has() {
    refused(
        "[[subnet]]\nprefix = \"169.254.0.0/16\"\npools = [\"169.254.1.1\"]",
        &[
            (
                "2:10",
                "\"169.254.0.0/16\"",
                "the subnet 169.254.0.0/16 is in 169.254.0.0/16: link-local addresses, which hosts choose themselves (RFC \
                 3927)",
                "192.168.30.0/24",
            ),
            (
                "3:10",
                "\"169.254.1.1\"",
                "the pool 169.254.1.1 is in 169.254.0.0/16: link-local addresses, which hosts choose themselves (RFC 3927)",
                "",
            ),
        ],
    );
    refused(
        "[[subnet]]\nprefix = \"10.0.0.0/7\"\npools = [\"10.0.0.1\"]",
        &[("2:10", "\"10.0.0.0/7\"", "a subnet of 10.0.0.0/7 would be a good part of the whole Internet", "the link")],
    );
}

#[test]
fn a_pool_outside_its_subnet() {
    for outside in ["192.168.31.10-192.168.31.20", "192.168.30.250-192.168.31.5", "192.168.29.9-192.168.30.9"] {
        refused(
            &pool(outside),
            &[(
                "5:10",
                &format!("\"{outside}\""),
                &format!("the pool {outside} is not within its subnet 192.168.30.0/24"),
                "192.168.30.1-192.168.30.254",
            )],
        );
    }
}

#[test]
fn a_pool_with_the_network_or_broadcast_address_is_not_cut_in_silence() {
    for (written, what, mend) in [
        ("192.168.30.0-192.168.30.9", "the network address", "write \"192.168.30.1-192.168.30.9\""),
        ("192.168.30.250-192.168.30.255", "the broadcast address", "write \"192.168.30.250-192.168.30.254\""),
        ("192.168.30.255", "the broadcast address", "choose addresses from 192.168.30.1-192.168.30.254"),
    ] {
        refused(
            &pool(written),
            &[(
                "5:10",
                &format!("\"{written}\""),
                &format!("the pool {written} includes {what} of 192.168.30.0/24"),
                mend,
            )],
        );
    }
    refused(
        &pool("192.168.30.0/24"),
        &[(
            "5:10",
            "\"192.168.30.0/24\"",
            "the pool 192.168.30.0-192.168.30.255 includes the network address and the broadcast address of \
             192.168.30.0/24",
            "write \"192.168.30.1-192.168.30.254\"",
        )],
    );
}

#[test]
fn a_link_of_two_has_no_network_or_broadcast_address() {
    let config = config("[[subnet]]\nprefix = \"10.0.0.0/31\"\npools = [\"10.0.0.0/31\"]");
    assert_eq!(config.dhcp.subnets[0].ranges()[0].first.to_string(), "10.0.0.0");
    assert!(!config.dhcp.subnets[0].scope.options.0.contains_key(&28), "RFC 3021: no broadcast address");
}

#[test]
fn pools_that_overlap() {
    let text = subnet("pools = [\"192.168.30.10-192.168.30.50\",\n  \"192.168.30.40-192.168.30.60\"]");
    refused(
        &text,
        &[(
            "6:3",
            "\"192.168.30.40-192.168.30.60\"",
            "two pools overlap: both have 192.168.30.40-192.168.30.50",
            "one pool of both",
        )],
    );
    warned(&subnet("pools = [\"192.168.30.10-192.168.30.50\", \"192.168.30.51-192.168.30.60\"]"), &[]);
}

#[test]
fn subnets_that_overlap() {
    let wide = "[[subnet]]\nprefix = \"192.168.0.0/16\"\npools = [\"192.168.1.1\"]\n";
    refused(
        &pooled(wide),
        &[(
            "7:10",
            "\"192.168.0.0/16\"",
            "two subnets overlap: 192.168.30.0/24 is a part of 192.168.0.0/16",
            "one of both",
        )],
    );
    refused(
        &pooled("[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.10\"]"),
        &[("7:10", "\"192.168.30.0/24\"", "the subnet 192.168.30.0/24 is defined twice", "one of both")],
    );
}

#[test]
fn a_range_that_is_none() {
    refused(
        &pool("192.168.30.20-192.168.30.10"),
        &[(
            "5:10",
            "\"192.168.30.20-192.168.30.10\"",
            "the range `192.168.30.20-192.168.30.10` ends before it begins",
            "write 192.168.30.10-192.168.30.20",
        )],
    );
    for bad in ["", "-", "192.168.30.10-", "192.168.30.10-300", "192.168.30.10,192.168.30.20", "a-b"] {
        refused(
            &pool(bad),
            &[(
                "5:10",
                &format!("\"{bad}\""),
                &format!("`{bad}` is not a range of addresses"),
                "with a hyphen between",
            )],
        );
    }
}

#[test]
fn a_prefix_that_is_none() {
    for bad in ["192.168.30.0", "192.168.30.0/33", "192.168.300.0/24", "fd00::/64", ""] {
        refused(
            &format!("[[subnet]]\nprefix = \"{bad}\"\npools = []"),
            &[("2:10", &format!("\"{bad}\""), &format!("`{bad}` is not an IPv4 prefix"), "192.168.30.0/24")],
        );
    }
    refused(
        "[[subnet]]\nprefix = \"192.168.30.1/24\"\npools = [\"192.168.30.5\"]",
        &[("2:10", "\"192.168.30.1/24\"", "`192.168.30.1/24` has bits set beyond its length", "write 192.168.30.0/24")],
    );
}

#[test]
fn exclusions_are_cut_out_and_must_be_of_use() {
    let cut = config(&pooled("exclude = [\"192.168.30.100\", \"192.168.30.110-192.168.30.119\"]"));
    let shown: Vec<String> =
        cut.dhcp.subnets[0].ranges().iter().map(|pool| format!("{}-{}", pool.first, pool.last)).collect();
    assert_eq!(shown, ["192.168.30.101-192.168.30.109", "192.168.30.120-192.168.30.199"]);
    warned(
        &pooled("exclude = [\"192.168.30.20\"]"),
        &[(
            "6:12",
            "\"192.168.30.20\"",
            "the exclusion 192.168.30.20 is in no pool of 192.168.30.0/24, so it does nothing",
            "take it out",
        )],
    );
    warned(
        &pooled("exclude = [\"192.168.30.100-192.168.30.199\"]"),
        &[("5:10", "\"192.168.30.100-192.168.30.199\"", "the exclusions leave nothing of the pools", "exclude less")],
    );
}

#[test]
fn a_subnet_that_leases_nothing() {
    warned(
        &subnet(""),
        &[(
            "4:10",
            "\"192.168.30.0/24\"",
            "the subnet has neither pools nor reservations, so it leases nothing",
            "add `pools",
        )],
    );
    warned("", &[("1:1", "", "the file has no [[subnet]], so nothing is leased", "add a [[subnet]]")]);
}

#[test]
fn a_router_outside_the_subnet() {
    warned(
        &pooled("routers = [\"192.168.31.1\"]"),
        &[(
            "6:11",
            "[\"192.168.31.1\"]",
            "the router 192.168.31.1 is not within the subnet 192.168.30.0/24, so clients cannot reach it",
            "on this subnet",
        )],
    );
    warned(
        &pooled("routes = [{ to = \"10.0.0.0/8\", via = \"192.168.31.1\" }]"),
        &[(
            "6:10",
            "[{ to = \"10.0.0.0/8\", via = \"192.168.31.1\" }]",
            "the router 192.168.31.1 of the route to 10.0.0.0/8 is not within the subnet 192.168.30.0/24",
            "0.0.0.0",
        )],
    );
}

#[test]
fn a_router_or_server_inside_a_pool() {
    for (key, what) in [("routers", "router"), ("dns_servers", "DNS server"), ("ntp_servers", "NTP server")] {
        let underlined = "[\"192.168.30.150\"]";
        refused(
            &pooled(&format!("{key} = {underlined}")),
            &[(
                &format!("6:{}", key.len() + 4),
                underlined,
                &format!(
                    "the {what} 192.168.30.150 is in the pool 192.168.30.100-192.168.30.199, so a client could be given \
                     its address"
                ),
                "add `exclude = [\"192.168.30.150\"]`",
            )],
        );
    }
    warned(&pooled("routers = [\"192.168.30.150\"]\nexclude = [\"192.168.30.150\"]"), &[]);
    warned(
        &pooled(
            "routers = [\"192.168.30.150\"]\n[[subnet.reservation]]\naddress = \"192.168.30.150\"\n\
             hardware = \"52:54:00:00:00:01\"",
        ),
        &[],
    );
}

#[test]
fn interfaces_to_serve_on() {
    let names = |text: &str| {
        let config = config(text);
        config.interfaces().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let other = |keys: &str| format!("[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\n{keys}");
    assert_eq!(names(&pooled("")), [""; 0], "any");
    assert_eq!(
        names(&pooled(&format!("interfaces = [\"eth1\"]\n{}", other("interfaces = [\"eth0\"]")))),
        ["eth0", "eth1"]
    );
    assert_eq!(names(&pooled(&format!("interfaces = [\"eth1\"]\n{}", other("")))), [""; 0], "one is open");
    assert_eq!(names(&pooled("[server]\ninterfaces = [\"eth2\"]")), ["eth2"]);
}

#[test]
fn an_interface_that_cannot_be() {
    refused(
        &pooled("interfaces = [\"a name far too long\", \"eth0/1\"]"),
        &[
            ("6:15", "\"a name far too long\"", "`a name far too long` is not the name of an interface", "ip link"),
            ("6:38", "\"eth0/1\"", "`eth0/1` is not the name of an interface", "ip link"),
        ],
    );
    warned(
        &pooled("interfaces = [\"eth1\"]\n[server]\ninterfaces = [\"eth0\"]"),
        &[(
            "6:15",
            "\"eth1\"",
            "the interface eth1 is not among those of [server], so the subnet is not served there",
            "add it to `interfaces` in [server]",
        )],
    );
}
