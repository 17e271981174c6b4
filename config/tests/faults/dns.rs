//! Zones: their names, who holds them, names in none.

use ddns::settings::{Auth, ZoneServer};

use super::{GOOD, and, config, pooled, refused, warned};

pub(super) const KEY: &str = "[[key]]\nname = \"k\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";

pub(super) fn apexes(text: &str) -> Vec<String> {
    config(text).ddns.zones.iter().map(|zone| zone.apex.to_string()).collect()
}

#[test]
fn a_domain_in_no_zone() {
    refused(
        &pooled("domain = \"other.example\""),
        &[(
            "6:10",
            "\"other.example\"",
            "the domain `other.example` is in no zone",
            "add a [[zone]] with `name = \"other.example\"`",
        )],
    );
    // A zone whose name cannot be read may be the one that was meant.
    refused(
        "[[zone]]\nname = \"a b\"\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\ndomain = \"nasir.xyz\"\n",
        &[("2:8", "\"a b\"", "`a b` is not a domain name", "letters, digits")],
    );
}

#[test]
fn names_that_are_none() {
    for (bad, why) in [
        ("", "empty"),
        ("a..b", "an empty label"),
        ("näsir.xyz", "xn--"),
        (&format!("{}.xyz", "a".repeat(64)), "longer than 63 octets"),
    ] {
        refused(
            &format!("[[zone]]\nname = \"{bad}\"\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]"),
            &[("2:8", &format!("\"{bad}\""), &format!("`{bad}` is not a domain name"), why)],
        );
    }
}

#[test]
fn a_zone_that_is_defined_twice() {
    refused(
        &and("[[zone]]\nname = \"NASIR.xyz.\"\n"),
        &[("8:8", "\"NASIR.xyz.\"", "the zone `nasir.xyz` is defined twice", "take one of the two out")],
    );
}

#[test]
fn a_zone_without_a_name_or_with_two() {
    refused(&and("[[zone]]\n"), &[("7:1", "[[zone]]", "the zone has no name", "add `name")]);
    refused(
        &and("[[zone]]\nname = \"a.example\"\nprefix = \"10.0.0.0/24\"\n"),
        &[(
            "9:10",
            "\"10.0.0.0/24\"",
            "a zone has `name` or `prefix`, not both, unless the prefix is longer than 24 (RFC 2317)",
            "take one of them out",
        )],
    );
    refused(
        &and("[[zone]]\nprefix = \"10.0.0.128/25\"\n"),
        &[(
            "8:10",
            "\"10.0.0.128/25\"",
            "no reverse zone has the prefix 10.0.0.128/25: they end at octets",
            "write `prefix = \"10.0.0.0/24\"`",
        )],
    );
}

#[test]
fn a_remote_zone() {
    let zone = "[[zone]]\nname = \"a.example\"\nserver = ";
    for (server, address) in [
        ("192.0.2.53", "192.0.2.53:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "[2001:db8::53]:53"),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
    ] {
        let config = config(&and(&format!("{zone}\"{server}\"\nkey = \"k\"\n{KEY}")));
        let ZoneServer::Remote { servers, auth: Auth::Tsig(_) } = &config.ddns.zones[1].server else {
            panic!("a remote zone with a key")
        };
        assert_eq!(servers[0].to_string(), address);
    }
    let several = config(&and(&format!("{zone}[\"192.0.2.53\", \"192.0.2.54:5353\"]\nkey = \"k\"\n{KEY}")));
    let ZoneServer::Remote { servers, .. } = &several.ddns.zones[1].server else { panic!("a remote zone") };
    assert_eq!(servers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.53:53", "192.0.2.54:5353"]);
    refused(
        &and(&format!("{zone}[]\nkey = \"k\"\n{KEY}")),
        &[("9:10", "[]", "the list of servers is empty", "name one")],
    );
    refused(
        &and(&format!("{zone}[\"192.0.2.53\", \"192.0.2.53:53\"]\nkey = \"k\"\n{KEY}")),
        &[("9:25", "\"192.0.2.53:53\"", "the server 192.0.2.53:53 stands here twice", "take one of the two out")],
    );
    for bad in ["ns.example", "192.0.2.53:0", "192.0.2.53:99999", ""] {
        refused(
            &and(&format!("{zone}\"{bad}\"\nkey = \"k\"\n{KEY}")),
            &[(
                "9:10",
                &format!("\"{bad}\""),
                &format!("`{bad}` is not an IP address with or without a port"),
                "a host name is not taken",
            )],
        );
    }
    warned(
        &and(&format!("{zone}\"192.0.2.53\"\n")),
        &[(
            "9:10",
            "\"192.0.2.53\"",
            "updates to this server are not signed, so whoever can send it packets can change the zone",
            "add `key",
        )],
    );
}

#[test]
fn who_has_copies_of_an_embedded_zone() {
    let zone = |lines: &str| and(&format!("[[zone]]\nname = \"a.example\"\n{lines}\n{KEY}"));
    let config = config(&zone(
        "secondaries = [{ address = \"192.0.2.53\", key = \"k\" }, { address = \"[2001:db8::53]:5353\" }]\nnotify_ns = true\n\
         allow_transfer = [\"192.0.2.0/24\", \"2001:db8::1\", \"key:k\"]",
    ));
    let transfers = &config.dns.zones.iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap().transfers;
    let secondaries = transfers.secondaries.iter().map(|one| format!("{} {}", one.address, one.key.is_some()));
    assert_eq!(secondaries.collect::<Vec<_>>(), ["192.0.2.53:53 true", "[2001:db8::53]:5353 false"]);
    assert!(transfers.notify_ns && transfers.keys.iter().all(|key| key.name.to_string() == "k."));
    assert_eq!((transfers.allowed.prefixes.len(), transfers.allowed.keys.len()), (2, 1));
    refused(
        &zone("secondaries = [{ address = \"ns.b.example\" }, { key = \"k\" }]"),
        &[
            (
                "9:28",
                "\"ns.b.example\"",
                "`ns.b.example` is not an IP address with or without a port",
                "a host name is not taken",
            ),
            ("9:46", "{ key = \"k\" }", "`address` is missing in `secondaries`", "add `address"),
        ],
    );
    refused(
        &zone("secondaries = [{ address = \"192.0.2.53\" }, { address = \"192.0.2.53:53\" }]"),
        &[("9:56", "\"192.0.2.53:53\"", "the secondary 192.0.2.53:53 stands here twice", "take one of the two out")],
    );
    refused(
        &zone("allow_transfer = [\"k\"]"),
        &[("9:19", "\"k\"", "`k` is neither a prefix nor a key", "`key:` and a key's name")],
    );
    warned(
        &zone("allow_transfer = [\"0.0.0.0/0\"]"),
        &[(
            "9:19",
            "\"0.0.0.0/0\"",
            "whoever can reach the server may transfer the zone: every name and address in it",
            "`key:` and",
        )],
    );
    refused(
        &zone("server = \"192.0.2.53\"\nkey = \"k\"\nallow_transfer = [\"192.0.2.1\"]"),
        &[(
            "11:19",
            "\"192.0.2.1\"",
            "`allow_transfer` is for embedded zones, and this one has a `server`",
            "take it out",
        )],
    );
}

#[test]
fn reverse_zones_are_made_for_a_subnet_whose_domain_is_embedded() {
    for (prefix, zones) in [
        ("192.168.30.0/24", vec!["30.168.192.in-addr.arpa."]),
        ("192.168.30.128/25", vec!["30.168.192.in-addr.arpa."]),
        ("10.1.0.0/16", vec!["1.10.in-addr.arpa."]),
        ("10.0.0.0/8", vec!["10.in-addr.arpa."]),
        ("10.1.2.0/23", vec!["2.1.10.in-addr.arpa.", "3.1.10.in-addr.arpa."]),
        ("172.16.0.0/15", vec!["16.172.in-addr.arpa.", "17.172.in-addr.arpa."]),
    ] {
        let address = prefix.split('/').next().unwrap().replace(".0.0.0", ".0.0.9").replace(".0.0", ".0.9");
        let host = if prefix.ends_with("/25") { "192.168.30.200".to_owned() } else { address.replace("30.0", "30.9") };
        let host = host.replace("10.1.2.0", "10.1.2.9");
        let text = format!(
            "[[subnet]]\nprefix = \"{prefix}\"\npools = [\"{host}\"]\ndomain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\n"
        );
        let expected: Vec<&str> = zones.into_iter().chain(["nasir.xyz."]).collect();
        assert_eq!(apexes(&text), expected, "{prefix}");
    }
}

#[test]
fn reverse_zones_are_not_made_where_a_zone_covers_them_or_none_is_wanted() {
    assert_eq!(apexes(GOOD), ["30.168.192.in-addr.arpa.", "nasir.xyz."]);
    assert_eq!(apexes(&and("reverse = \"none\"\n")), ["nasir.xyz."]);
    assert_eq!(apexes(&and("[[zone]]\nname = \"168.192.in-addr.arpa\"\n")), ["168.192.in-addr.arpa.", "nasir.xyz."]);
    let remote = "[[zone]]\nprefix = \"192.168.30.0/24\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n";
    let config = config(&and(&format!("{remote}{KEY}")));
    assert!(matches!(config.ddns.zones[0].server, ZoneServer::Remote { .. }));
    assert_eq!(config.dns.zones.len(), 1);
    let derived = &super::config(GOOD).dns.zones[0];
    assert!(derived.derived && derived.ns.to_string() == "ns.nasir.xyz.");
}

#[test]
fn a_subnet_without_ptr_records_has_none_also_where_a_zone_covers_it() {
    let covered = |reverse: &str| {
        let config = config(&and(&format!("{reverse}[[zone]]\nname = \"168.192.in-addr.arpa\"\n")));
        config.ddns.reverse_zone_of("192.168.30.100".parse().unwrap()).is_some()
    };
    assert!(covered("") && covered("reverse = \"auto\"\n") && !covered("reverse = \"none\"\n"));
}

#[test]
fn a_remote_domain_whose_reverse_zone_nobody_holds() {
    let forward = format!(
        "[[zone]]\nname = \"nasir.xyz\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n{KEY}[[subnet]]\nprefix = \"192.168.30.0/25\"\n\
         pools = [\"192.168.30.9\"]\ndomain = \"nasir.xyz\"\n"
    );
    refused(
        &forward,
        &[(
            "9:10",
            "\"192.168.30.0/25\"",
            "no zone holds the reverse names of 192.168.30.0/25",
            "add a [[zone]] with `prefix = \"192.168.30.0/24\"` and `server = \"192.0.2.53\"`",
        )],
    );
    warned(&format!("{forward}reverse = \"none\"\n"), &[]);
    warned(&format!("{forward}[[zone]]\nprefix = \"192.168.30.0/24\"\n"), &[]);
}

#[test]
fn pauses_in_the_wrong_order() {
    refused(
        &and("[ddns]\nretry_first = \"2m\"\nretry_max = \"1m\"\n"),
        &[("8:15", "\"2m\"", "`retry_first` is longer than `retry_max`", "the shorter one")],
    );
    let retry = config(&and("[ddns]\nretry_first = 2\nretry_max = \"1m\"\nretry_conflict = \"5m\"\n")).ddns.retry;
    assert_eq!((retry.first_ms, retry.max_ms, retry.conflict_ms), (2_000, 60_000, 300_000));
}

#[test]
fn naming_of_a_subnet_wins_over_that_of_ddns() {
    use dhcp::settings::{ClientUpdates, GeneratedName, OutsideName, Ttl};
    let text = and("outside = \"refuse\"\n[ddns]\ndomain = \"x.nasir.xyz\"\noutside = \"first-label\"\n\
                    client_updates = \"allow\"\ngenerate = true\nttl = \"5m\"\nreverse = \"rfc4703\"\n");
    let config = config(&text);
    let naming = config.dhcp.subnets[0].naming.as_ref().unwrap();
    assert_eq!(naming.domain.to_string(), "nasir.xyz.");
    assert_eq!((naming.outside, naming.client_updates), (OutsideName::Refuse, ClientUpdates::Allow));
    assert_eq!((naming.generate.as_ref(), naming.ttl), (Some(&GeneratedName::Address), Ttl::Fixed(300)));
    assert_eq!(config.ddns.reverse, ddns::settings::ReverseGuard::Rfc4703);
}

/// What an administrator lists, what static records have, and the name server's own: `ns` of the zone unless said.
#[test]
fn names_that_are_protected_from_clients() {
    let protected =
        |text: &str| -> Vec<String> { config(text).ddns.protected.iter().map(|name| name.to_string()).collect() };
    assert_eq!(protected(GOOD), ["ns.nasir.xyz."]);
    let text = and("[ddns]\nprotected = [\"DC1.nasir.xyz\"]\n[[zone]]\nname = \"lab.example\"\n\
                    ns = \"dns.lab.example\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.168.30.5\" }]\n");
    let mut names = protected(&text);
    names.sort();
    assert_eq!(names, ["dc1.nasir.xyz.", "dns.lab.example.", "ns.nasir.xyz.", "www.lab.example."]);
}

#[test]
fn names_of_reservations_are_theirs_alone() {
    let text = super::reserved("address = \"192.168.30.5\"\nhardware = \"52:54:00:12:34:56\"\nhostname = \"NAS\"");
    assert!(config(&text).ddns.reserved.contains(&"nas.nasir.xyz".parse().unwrap()));
}

#[test]
fn audits_that_cannot_be() {
    refused(
        &and("[ddns]\naudit = \"often\"\n"),
        &[("8:9", "\"often\"", "`often` does not say how often", "write \"hourly\"")],
    );
    refused(
        &and("[ddns]\naudit = \"30s\"\n"),
        &[("8:9", "\"30s\"", "`30s` does not say how often", "write \"hourly\"")],
    );
    refused(
        &and("[ddns]\naudit_repairs = true\n"),
        &[("8:17", "true", "`audit_repairs` without an `audit` repairs nothing", "how often")],
    );
    refused(
        &and("[ddns]\ndelete_share_max = \"150%\"\n"),
        &[("8:20", "\"150%\"", "`150%` is not a share of a hundred", "from 0 to 100")],
    );
    let upkeep = config(&and(
        "[ddns]\naudit = \"6h\"\naudit_repairs = true\ndelete_share_max = \"5%\"\ninherit = [\"isc-dhcpd\"]\n",
    ))
    .ddns
    .upkeep;
    assert_eq!((upkeep.audit_secs, upkeep.audit_repairs, upkeep.delete_share_percent), (Some(21_600), true, 5));
    assert!(upkeep.inherit.isc_dhcpd && !upkeep.inherit.kea);
    let upkeep = config(&and("[ddns]\naudit = \"never\"\n")).ddns.upkeep;
    assert_eq!((upkeep.audit_secs, upkeep.delete_share_percent, upkeep.inherit.any()), (None, 20, false));
}

/// What is asked, and what stands as long as nobody has answered.
fn sought(text: &str) -> (Vec<String>, Vec<String>) {
    let ddns = config(text).ddns;
    let quests = ddns.quests.iter().map(|quest| match &quest.seeks {
        ddns::cuts::Seeks::Zone(name) => format!("{name}{}", if quest.written { " written" } else { "" }),
        ddns::cuts::Seeks::Classless(prefix) => prefix.to_string(),
    });
    (quests.collect(), ddns.zones.iter().map(|zone| zone.apex.to_string()).collect())
}

const SERVER: &str = "[ddns]\nserver = \"192.0.2.53\"\nkey = \"k\"\n";

#[test]
fn zones_that_only_a_server_knows_are_asked_for() {
    let subnet = "[[subnet]]\nprefix = \"192.0.2.128/25\"\npools = [\"192.0.2.200\"]\ndomain = \"lab.example\"\n";
    let (quests, zones) = sought(&format!("{SERVER}{KEY}{subnet}"));
    assert_eq!(quests, ["lab.example.", "2.0.192.in-addr.arpa.", "192.0.2.128/25"]);
    assert_eq!(zones, ["2.0.192.in-addr.arpa.", "lab.example."]);

    // What is embedded is not asked for.
    let zone = "[[zone]]\nname = \"lab.example\"\n[[zone]]\nprefix = \"192.0.2.0/24\"\n";
    assert!(sought(&format!("{SERVER}{KEY}{zone}{subnet}")).0.is_empty());
}

#[test]
fn zones_beneath_those_that_are_written_are_asked_for_within_bounds() {
    let of = |prefix: &str, address: &str| {
        let text = format!(
            "[[zone]]\nname = \"example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n\
             [[zone]]\nprefix = \"10.0.0.0/8\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n{KEY}\
             [[subnet]]\nprefix = \"{prefix}\"\npools = [\"{address}\"]\ndomain = \"lab.example\"\n"
        );
        sought(&text).0
    };
    let near = of("10.1.2.0/24", "10.1.2.9");
    let all = ["example.", "10.in-addr.arpa.", "lab.example.", "2.1.10.in-addr.arpa."];
    assert_eq!(near, all.map(|name| format!("{name} written")));
    assert_eq!(of("10.1.0.0/16", "10.1.2.9").len(), 3 + 1 + 256);
    assert_eq!(of("10.0.0.0/15", "10.1.2.9").len(), 3 + 2, "each /16, and no longer each /24");
}

#[test]
fn a_zone_of_a_prefix_longer_than_24_has_its_own_name() {
    let text = "[[zone]]\nname = \"lab.example\"\n\
                [[zone]]\nname = \"128-25.2.0.192.in-addr.arpa\"\nprefix = \"192.0.2.128/25\"\n\
                [[subnet]]\nprefix = \"192.0.2.128/25\"\npools = [\"192.0.2.200\"]\ndomain = \"lab.example\"\n";
    let ddns = config(text).ddns;
    let address = "192.0.2.200".parse().unwrap();
    assert_eq!(ddns.reverse_name_of(address).to_string(), "200.128-25.2.0.192.in-addr.arpa.");
    assert_eq!(ddns.reverse_zone_of(address).unwrap().apex.to_string(), "128-25.2.0.192.in-addr.arpa.");
    assert_eq!(ddns.zones.len(), 2, "and no zone of the whole /24");
}
