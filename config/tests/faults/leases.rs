//! Times, reservations, options.

use dhcp::probing::{PastCap, ProbeWhen, Probing};
use dhcp::settings::ReservedFor;

use super::{config, pooled, refused, reserved, subnet, warned};

const HARDWARE: &str = "hardware = \"52:54:00:12:34:56\"";

/// The lease times of a subnet with `keys`.
fn lease_time(keys: &str) -> dhcp::settings::LeaseTime {
    dhcp::settings::LeaseTime::of([config(&pooled(keys)).dhcp.subnets[0].scope.lease_secs])
}

#[test]
fn times_that_contradict_each_other() {
    refused(
        &pooled("lease_time_min = \"2d\"\nlease_time_max = \"1d\""),
        &[("6:18", "\"2d\"", "`lease_time_min` (2d) is more than `lease_time_max` (1d)", "less than the other")],
    );
    refused(
        &pooled("lease_time = \"7d\"\nlease_time_max = \"1d\""),
        &[("6:14", "\"7d\"", "`lease_time` (1w) is more than `lease_time_max` (1d)", "`lease_time_max` allows")],
    );
    refused(
        &pooled("lease_time = \"1m\"\nlease_time_min = 3600"),
        &[("6:14", "\"1m\"", "`lease_time` (1m) is less than `lease_time_min` (1h)", "`lease_time_min` allows")],
    );
    // The bound can stand in [dhcp].
    refused(
        &pooled("lease_time = \"2d\"\n[dhcp]\nlease_time_max = \"1d\""),
        &[("6:14", "\"2d\"", "`lease_time` (2d) is more than `lease_time_max` (1d)", "")],
    );
}

#[test]
fn times_that_are_none() {
    refused(&pooled("lease_time = 0"), &[("6:14", "0", "`lease_time` cannot be zero", "\"12h\"")]);
    for bad in ["12", "h", "12 hours", "-5s", "1.5h", "5000000000s", ""] {
        refused(
            &pooled(&format!("lease_time = \"{bad}\"")),
            &[(
                "6:14",
                &format!("\"{bad}\""),
                &format!("`{bad}` is not a length of time"),
                "\"90s\", \"30m\", \"12h\"",
            )],
        );
    }
    refused(
        &pooled("ttl = \"infinite\"\ndomain = \"nasir.xyz\""),
        &[("6:7", "\"infinite\"", "`ttl` cannot be infinite", "60s")],
    );
}

#[test]
fn times_as_people_write_them() {
    for (text, seconds) in [
        ("\"90s\"", 90),
        ("\"30m\"", 1_800),
        ("\"12h\"", 43_200),
        ("\"7d\"", 604_800),
        ("\"2w\"", 1_209_600),
        ("\"1d12h\"", 129_600),
        ("\"1d 12h\"", 129_600),
        ("3600", 3_600),
        ("\"infinite\"", u32::MAX),
    ] {
        let lease = lease_time(&format!("lease_time = {text}"));
        assert_eq!(lease.default, seconds, "{text}");
        assert!(lease.min <= lease.default && lease.default <= lease.max, "{text}: {lease:?}");
    }
    let lease = lease_time("");
    assert_eq!((lease.default, lease.min, lease.max), (43_200, 120, 86_400));
    let lease = lease_time("lease_time_max = \"1h\"");
    assert_eq!((lease.default, lease.max), (3_600, 3_600), "the default gives way to a bound that is written");
}

#[test]
fn timers_in_the_wrong_order() {
    refused(&pooled("t1 = 0.9"), &[("6:6", "0.9", "`t1` (0.9) must be less than `t2` (0.875)", "usually 0.5")]);
    refused(&pooled("t1 = 0.5\nt2 = 0.5"), &[("6:6", "0.5", "`t1` (0.5) must be less than `t2` (0.5)", "usually 0.5")]);
    for bad in ["0", "1", "1.5", "-0.5", "nan"] {
        refused(
            &pooled(&format!("t2 = {bad}")),
            &[("6:6", bad, "`t2` is a share of the lease time, so it lies between 0 and 1", "such as 0.875")],
        );
    }
    let subnet = &config(&pooled("t1 = 0.25\nt2 = 0.75")).dhcp.subnets[0];
    assert_eq!((subnet.renewal_permille, subnet.rebinding_permille), (250, 750));
}

#[test]
fn a_reservation_outside_its_subnet() {
    refused(
        &reserved(&format!("address = \"192.168.31.5\"\n{HARDWARE}")),
        &[(
            "8:11",
            "\"192.168.31.5\"",
            "the reserved address 192.168.31.5 is not within its subnet 192.168.30.0/24",
            "192.168.30.1-192.168.30.254",
        )],
    );
    refused(
        &reserved(&format!("address = \"192.168.30.255\"\n{HARDWARE}")),
        &[(
            "8:11",
            "\"192.168.30.255\"",
            "192.168.30.255 is the broadcast address of 192.168.30.0/24; no client can have it",
            "",
        )],
    );
}

#[test]
fn reservations_that_take_the_same() {
    let second = "\n[[subnet.reservation]]\naddress = \"192.168.30.6\"\nhardware = ";
    refused(
        &reserved(&format!("address = \"192.168.30.6\"\n{HARDWARE}{second}\"52:54:00:00:00:02\"")),
        &[("11:11", "\"192.168.30.6\"", "the address 192.168.30.6 is reserved twice", "another address")],
    );
    refused(
        &reserved(&format!("address = \"192.168.30.5\"\n{HARDWARE}{second}\"52-54-00-12-34-56\"")),
        &[(
            "12:12",
            "\"52-54-00-12-34-56\"",
            "the client with the hardware address 52-54-00-12-34-56 has two reservations in this subnet",
            "one address in a subnet",
        )],
    );
    warned(
        &reserved(&format!(
            "address = \"192.168.30.5\"\nhostname = \"a\"\n{HARDWARE}{second}\"52:54:00:00:00:02\"\nhostname = \"A\""
        )),
        &[("14:12", "\"A\"", "two reservations have the name `a.nasir.xyz`", "another one")],
    );
}

#[test]
fn a_reservation_for_whom() {
    refused(
        &reserved("address = \"192.168.30.5\""),
        &[("7:1", "[[subnet.reservation]]", "the reservation does not say for whom", "add `hardware")],
    );
    refused(
        &reserved("address = \"192.168.30.5\"\nhardware = []"),
        &[("7:1", "[[subnet.reservation]]", "the reservation does not say for whom", "add `hardware")],
    );
}

#[test]
fn a_reservation_is_for_all_that_it_lists() {
    let keys = "address = \"192.168.30.5\"\nhardware = [\"52:54:00:00:00:01\", \"52:54:00:00:00:02\"]\n\
                client_id = \"hex:01:02\"";
    let config = config(&reserved(keys).replace("domain = \"nasir.xyz\"\n", ""));
    let hardware =
        |n| ReservedFor::Hardware(dhcp::identity::HardwareAddress::new(1, &[0x52, 0x54, 0, 0, 0, n]).unwrap());
    let id = ReservedFor::ClientId(dhcp::identity::ClientId([1, 2].into()));
    assert_eq!(config.dhcp.subnets[0].reservations[0].clients, [hardware(1), hardware(2), id]);
    let twice = reserved("address = \"192.168.30.5\"\nhardware = [\"52:54:00:00:00:01\", \"52-54-00-00-00-01\"]");
    let message = "the client with the hardware address 52-54-00-00-00-01 has two reservations in this subnet";
    refused(&twice, &[("9:34", "\"52-54-00-00-00-01\"", message, "take one of the two out")]);
}

#[test]
fn a_hardware_address_that_is_none() {
    for bad in ["52:54:00:12:34", "52:54:00:12:34:5g", "525400123456", "52:54:00:12:34:56:78", "5254.0012.34", ""] {
        refused(
            &reserved(&format!("address = \"192.168.30.5\"\nhardware = \"{bad}\"")),
            &[("9:12", &format!("\"{bad}\""), &format!("`{bad}` is not a hardware address"), "52:54:00:12:34:56")],
        );
    }
    for nobody in ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"] {
        refused(
            &reserved(&format!("address = \"192.168.30.5\"\nhardware = \"{nobody}\"")),
            &[(
                "9:12",
                &format!("\"{nobody}\""),
                &format!("`{nobody}` is the address of a group or of nobody, not of one device"),
                "the device shows",
            )],
        );
    }
    for good in ["52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456", "52:54:00:AB:cd:56"] {
        warned(&reserved(&format!("address = \"192.168.30.5\"\nhardware = \"{good}\"")), &[]);
    }
}

#[test]
fn a_client_identifier_that_is_none() {
    for bad in ["01:02", "hex:0g", "hex:123", "duid:1"] {
        refused(
            &reserved(&format!("address = \"192.168.30.5\"\nclient_id = \"{bad}\"")),
            &[("9:13", &format!("\"{bad}\""), &format!("`{bad}` is not a client identifier"), "hex:")],
        );
    }
    refused(
        &reserved("address = \"192.168.30.5\"\nclient_id = \"hex:01\""),
        &[("9:13", "\"hex:01\"", "a client identifier has 2 to 255 bytes, this one has 1", "type byte")],
    );
    let text = reserved("address = \"192.168.30.5\"\nclient_id = \"hex:01:5254:00\"");
    refused(&text, &[("9:13", "\"hex:01:5254:00\"", "`hex:01:5254:00` is not a client identifier", "hex:")]);
    let text = reserved("address = \"192.168.30.5\"\nclient_id = \"text:fridge\"");
    let ReservedFor::ClientId(id) = &config(&text).dhcp.subnets[0].reservations[0].clients[0] else {
        panic!("reserved by client identifier")
    };
    assert_eq!(&*id.0, b"fridge");
}

#[test]
fn a_host_name_that_is_none() {
    for (bad, why) in [
        ("", "it is empty"),
        ("my printer", "it has characters other than letters, digits and hyphens"),
        ("-printer", "a part of it begins or ends with a hyphen"),
        ("a..b", "it has an empty part"),
        ("drucker_1", "it has characters other than letters, digits and hyphens"),
        (&"x".repeat(64), "a part of it has more than 63 characters"),
    ] {
        refused(
            &reserved(&format!("address = \"192.168.30.5\"\n{HARDWARE}\nhostname = \"{bad}\"")),
            &[("10:12", &format!("\"{bad}\""), &format!("`{bad}` is not a host name: {why}"), "such as printer")],
        );
    }
}

#[test]
fn a_host_name_that_nobody_can_have() {
    for (name, full, why) in [
        ("ns", "ns.nasir.xyz", "the name server's name"),
        ("nasir.xyz", "nasir.xyz", "the zone's own name"),
        ("www", "www.nasir.xyz", "a static record's name"),
        ("dc1", "dc1.nasir.xyz", "protected"),
        ("lab.nasir.xyz", "lab.nasir.xyz", "the domain's own name"),
    ] {
        let domain = if name.starts_with("lab") { "domain = \"lab.nasir" } else { "domain = \"nasir" };
        let text = reserved(&format!("address = \"192.168.30.5\"\n{HARDWARE}\nhostname = \"{name}\"")).replacen(
            "xyz\"\n",
            "xyz\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.168.30.9\" }]\n",
            1,
        ) + "\n[ddns]\nprotected = [\"dc1.nasir.xyz\"]\n";
        let text = text.replace("domain = \"nasir", domain);
        refused(
            &text,
            &[(
                "11:12",
                &format!("\"{name}\""),
                &format!("no client can have the name `{full}`: it is {why}"),
                "another name",
            )],
        );
    }
}

#[test]
fn a_host_name_in_no_zone() {
    refused(
        &reserved(&format!("address = \"192.168.30.5\"\n{HARDWARE}\nhostname = \"pc.other.example\"")),
        &[(
            "10:12",
            "\"pc.other.example\"",
            "the name `pc.other.example` is in no zone",
            "write \"pc\" for pc.nasir.xyz",
        )],
    );
}

#[test]
fn options_that_the_server_writes_itself_or_under_a_name() {
    for (number, mend) in [
        (0, "only fills or ends"),
        (1, "write `mask`"),
        (3, "write `routers`"),
        (6, "write `dns_servers`"),
        (12, "write `hostname`"),
        (15, "write `domain_name`"),
        (26, "write `mtu`"),
        (28, "write `broadcast`"),
        (42, "write `ntp_servers`"),
        (50, "only clients send it"),
        (51, "write `lease_time`"),
        (52, "the server writes it itself"),
        (53, "the server writes it itself"),
        (54, "the server writes it itself"),
        (55, "only clients send it"),
        (56, "the server writes it itself"),
        (57, "only clients send it"),
        (58, "write `t1`"),
        (59, "write `t2`"),
        (61, "the server answers with it"),
        (66, "write `tftp_server_name`"),
        (67, "write `boot_file_name`"),
        (80, "the server answers with it"),
        (81, "the server answers with it"),
        (82, "the server answers with it"),
        (108, "write `ipv6_only`"),
        (118, "only clients send it"),
        (119, "write `domain_search`"),
        (121, "write `routes`"),
        (255, "only fills or ends"),
    ] {
        refused(
            &pooled(&format!("options = {{ {number} = \"hex:01\" }}")),
            &[("6:13", &number.to_string(), &format!("option {number} cannot be set by its number"), mend)],
        );
    }
}

#[test]
fn options_by_number() {
    refused(
        &pooled("options = { 256 = \"hex:01\", tftp = \"text:x\" }"),
        &[
            ("6:13", "256", "`256` is not the number of an option", "from 1 to 254"),
            ("6:29", "tftp", "unknown option `tftp`", "[[option]]"),
        ],
    );
    for bad in ["01:02", "hex:1", "hex:xx", "ip:1.2.3", "u8:256", "u16:-1", "int:5"] {
        refused(
            &pooled(&format!("options = {{ 43 = \"{bad}\" }}")),
            &[("6:18", &format!("\"{bad}\""), &format!("`{bad}` is not an option's data"), "hex:01:02")],
        );
    }
    let text = pooled(
        "options = { 43 = \"hex:01:02\", 60 = \"text:abc\", 150 = \"ip:192.0.2.1, 192.0.2.2\", 19 = \"u8:1\", \
         22 = \"u16:576\", 2 = \"u32:3600\", 200 = \"hex:0a0B\" }",
    );
    let options = &config(&text).dhcp.subnets[0].scope.options.0;
    for (number, data) in [
        (43, &[1, 2][..]),
        (60, b"abc"),
        (150, &[192, 0, 2, 1, 192, 0, 2, 2]),
        (19, &[1]),
        (22, &[2, 64]),
        (2, &[0, 0, 14, 16]),
        (200, &[10, 11]),
    ] {
        assert_eq!(options.get(&number).map(|data| &**data), Some(data), "option {number}");
    }
}

#[test]
fn options_by_name() {
    let text = pooled(
        "routers = [\"192.168.30.1\"]\ndns_servers = [\"192.0.2.53\", \"192.0.2.54\"]\ndomain_name = \"lab.example\"\n\
         domain_search = [\"lab.example\"]\nntp_servers = [\"192.0.2.1\"]\nmtu = 1400\nipv6_only = \"30m\"\n\
         routes = [{ to = \"10.0.0.0/8\", via = \"192.168.30.2\" }]\ntftp_server_name = \"tftp\"\n\
         boot_file_name = \"x.efi\"\nmask = \"255.255.0.0\"\nbroadcast = \"192.168.255.255\"",
    );
    let options = &config(&text).dhcp.subnets[0].scope.options.0;
    for (number, data) in [
        (1, &[255, 255, 0, 0][..]),
        (3, &[192, 168, 30, 1]),
        (6, &[192, 0, 2, 53, 192, 0, 2, 54]),
        (15, b"lab.example"),
        (26, &[5, 120]),
        (28, &[192, 168, 255, 255]),
        (42, &[192, 0, 2, 1]),
        (66, b"tftp"),
        (67, b"x.efi"),
        (108, &[0, 0, 7, 8]),
        (119, b"\x03lab\x07example\x00"),
        // The default route is added where the reply is made.
        (121, &[8, 10, 192, 168, 30, 2]),
    ] {
        assert_eq!(options.get(&number).map(|data| &**data), Some(data), "option {number}");
    }
}

#[test]
fn each_table_keeps_its_options_to_itself() {
    let text = pooled(
        "routers = [\"192.168.30.1\"]\nntp_servers = []\n[[subnet.reservation]]\naddress = \"192.168.30.5\"\n\
         hardware = \"52:54:00:12:34:56\"\nrouters = [\"192.168.30.2\"]\n[dhcp]\nntp_servers = [\"192.0.2.1\"]\nmtu = 1400\n\
         routes = [{ to = \"10.0.0.0/8\", via = \"0.0.0.0\" }]\n",
    );
    let dhcp = config(&text).dhcp;
    let codes = |scope: &dhcp::settings::Scope| scope.options.0.keys().copied().collect::<Vec<u8>>();
    let subnet = &dhcp.subnets[0];
    assert_eq!(codes(&dhcp.scope), [26, 42, 121]);
    assert_eq!(codes(&subnet.scope), [3, 42]);
    assert!(subnet.scope.options.0[&42].is_empty(), "an empty list takes an option back");
    assert_eq!(codes(&subnet.reservations[0].scope), [3]);
}

#[test]
fn options_out_of_range() {
    refused(&pooled("mtu = 60"), &[("6:7", "60", "an MTU is at least 68", "1500")]);
    refused(
        &pooled("ipv6_only = \"1m\""),
        &[(
            "6:13",
            "\"1m\"",
            "`ipv6_only` is at least 300 seconds (RFC 8925 section 3.4), and not infinite",
            "\"30m\"",
        )],
    );
    refused(
        &pooled("mask = \"255.0.255.0\""),
        &[("6:8", "\"255.0.255.0\"", "`255.0.255.0` is not a subnet mask", "255.255.255.0")],
    );
    for bad in ["192.168.30", "192.168.30.256", "fe80::1", "router"] {
        refused(
            &pooled(&format!("routers = [\"{bad}\"]")),
            &[("6:12", &format!("\"{bad}\""), &format!("`{bad}` is not an IPv4 address"), "such as 192.168.30.1")],
        );
    }
}

#[test]
fn what_follows_from_the_subnet_is_in_no_scope() {
    let config = config(&pooled("domain = \"lab.nasir.xyz\""));
    let subnet = &config.dhcp.subnets[0];
    assert!(subnet.scope.options.0.is_empty(), "the engine knows mask, broadcast address and domain by the subnet");
    assert_eq!(subnet.naming.as_ref().unwrap().domain.to_string(), "lab.nasir.xyz.");
    assert_eq!(subnet.own_dns_address, None, "this server's own address is known only when it runs");
    assert!(config.tells_own_dns(&config.dhcp.subnets[0]));
    let filled = config.dhcp_with_own_addresses(|_| Some("192.168.30.2".parse().unwrap()));
    assert_eq!(filled.subnets[0].own_dns_address, Some("192.168.30.2".parse().unwrap()));
}

#[test]
fn switches_of_a_subnet_win_over_those_of_dhcp() {
    let both = subnet(
        "pools = [\"192.168.30.5\"]\nalways_broadcast = false\nactive = false\n[dhcp]\n\
                       always_broadcast = true\nignore_client_id = true\nrefuse_unrelayed_option82 = true\nrapid_commit = true\nbootp = \"dynamic\"\n\
                       offer_hold = \"30s\"\nquarantine = \"1h\"\ndeclines_per_client = 1\n",
    );
    let dhcp = config(&both).dhcp;
    let subnet = &dhcp.subnets[0];
    assert!(!subnet.active && !subnet.always_broadcast && subnet.ignore_client_id && subnet.refuse_unrelayed_option82);
    assert!(subnet.rapid_commit);
    assert_eq!(subnet.bootp, dhcp::settings::BootpClients::Dynamic);
    assert_eq!((dhcp.offer_hold_secs, dhcp.quarantine_secs, dhcp.declines_per_client_max), (30, 3_600, 1));
}

#[test]
fn how_addresses_are_probed_and_where() {
    let dhcp = config(&subnet("pools = [\"192.168.30.5\"]\n")).dhcp;
    assert_eq!((dhcp.subnets[0].probe, dhcp.probing), (ProbeWhen::Off, Probing::default()));
    let text = "pools = [\"192.168.30.5\"]\n[dhcp]\nprobe = \"rested\"\nprobe_timeout_ms = 250\nprobe_rested = \"1h\"\n\
                probes_at_once = 9\nprobes_past_cap = \"silence\"\nprobes_in_a_row = 2\n";
    let dhcp = config(&subnet(text)).dhcp;
    let probing =
        Probing { timeout_ms: 250, at_once_max: 9, past_cap: PastCap::Silence, in_a_row_max: 2, rested_secs: 3_600 };
    assert_eq!((dhcp.subnets[0].probe, dhcp.probing), (ProbeWhen::Rested, probing));
    let own = config(&subnet(&format!("probe = \"always\"\n{text}"))).dhcp;
    assert_eq!(own.subnets[0].probe, ProbeWhen::Always);
}

#[test]
fn a_number_about_probes_that_is_out_of_range_is_refused() {
    for (key, number, range) in [
        ("probe_timeout_ms", "0", "from 10 to 10000"),
        ("probes_at_once", "5000", "from 1 to 4096"),
        ("probes_in_a_row", "0", "from 1 to 16"),
    ] {
        let text = format!("pools = [\"192.168.30.5\"]\n[dhcp]\n{key} = {number}\n");
        let message = format!("`{key}` is a number {range}");
        refused(&subnet(&text), &[(&format!("7:{}", key.len() + 4), number, &message, "or take the key out")]);
    }
}
