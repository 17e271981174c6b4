//! Zones, keys, records, the embedded server.

use config::settings::{Listen, Upstreams};
use ddns::settings::{Auth, ZoneServer};

use super::{GOOD, and, config, found, pooled, refused, warned};

const KEY: &str = "[[key]]\nname = \"k\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";

fn apexes(text: &str) -> Vec<String> {
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
fn a_key_that_is_not_defined() {
    let zone = "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"kk\"\n";
    refused(&and(zone), &[("10:7", "\"kk\"", "the key `kk` is not defined", "add a [[key]] with `name = \"kk\"`")]);
    refused(&and(&format!("{zone}{KEY}")), &[("10:7", "\"kk\"", "the key `kk` is not defined", "did you mean \"k\"?")]);
    refused(
        &and("[[zone]]\nname = \"a.example\"\nupdate_keys = [\"admin\"]\n"),
        &[("9:16", "\"admin\"", "the key `admin` is not defined", "add a [[key]]")],
    );
}

#[test]
fn a_key_whose_secret_is_none() {
    refused(
        &and("[[key]]\nname = \"k\"\nsecret = \"no base64!\"\n"),
        &[("9:10", "\"no base64!\"", "the secret is not base64", "tsig-keygen")],
    );
    refused(&and("[[key]]\nname = \"k\"\n"), &[("7:1", "[[key]]", "the key `k` has no secret", "add `secret_file")]);
    refused(
        &and("[[key]]\nname = \"k\"\nsecret_file = \"gone.key\"\n[[key]]\nname = \"l\"\nsecret_file = \"bad.key\"\n"),
        &[
            (
                "9:15",
                "\"gone.key\"",
                "the secret of the key cannot be read from gone.key: No such file or directory",
                "let the daemon's user read it",
            ),
            ("12:15", "\"bad.key\"", "the secret is not base64", "tsig-keygen"),
        ],
    );
    refused(
        &and("[[key]]\nname = \"k\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"\nsecret_file = \"good.key\"\n"),
        &[("10:15", "\"good.key\"", "a key has `secret` or `secret_file`, not both", "take one of them out")],
    );
    warned(
        &and("[[key]]\nname = \"k\"\nsecret = \"c2VjcmV0\"\n"),
        &[("9:10", "\"c2VjcmV0\"", "the secret has only 6 bytes, so it can be guessed", "32 bytes")],
    );
}

#[test]
fn a_key_that_is_defined_twice() {
    refused(&and(&format!("{KEY}{KEY}")), &[("11:8", "\"k\"", "the key `k` is defined twice", "take one of them out")]);
}

#[test]
fn an_algorithm_that_is_not_known() {
    refused(
        &and(&format!("{KEY}algorithm = \"hmac-sha3\"\n")),
        &[("10:13", "\"hmac-sha3\"", "\"hmac-sha3\" is not a value of `algorithm`", "did you mean")],
    );
}

#[test]
fn a_key_file_as_tsig_keygen_writes_it() {
    let zone = "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n";
    for (file, algorithm) in [("good.key", "hmac-sha256"), ("bind.key", "hmac-sha512")] {
        let config = config(&and(&format!("{zone}[[key]]\nname = \"k\"\nsecret_file = \"{file}\"\n")));
        let ZoneServer::Remote { auth: Auth::Tsig(key), .. } = &config.ddns.zones[1].server else {
            panic!("a remote zone")
        };
        assert_eq!(&*key.secret, b"0123456789abcdef0123456789abcdef");
        assert_eq!(key.algorithm.to_string(), algorithm);
    }
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
fn keys_that_belong_to_the_other_kind_of_zone() {
    refused(
        &and(&format!("[[zone]]\nname = \"a.example\"\nkey = \"k\"\n{KEY}")),
        &[("9:7", "\"k\"", "`key` signs updates to a `server`, and this zone is embedded", "`update_keys = [...]`")],
    );
    refused(
        &and(&format!(
            "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\nttl = \"1h\"\nupdate_keys = [\"k\"]\n{KEY}"
        )),
        &[
            ("11:7", "\"1h\"", "`ttl` is for embedded zones, and this one has a `server`", "take it out"),
            ("12:16", "\"k\"", "`update_keys` is for embedded zones, and this one has a `server`", "take it out"),
        ],
    );
}

#[test]
fn static_records_of_a_zone_at_another_server_are_kept_there() {
    let zone = |records: &str| {
        and(&format!(
            "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\nttl = 60\nrecords = [\n{records}\n]\n{KEY}"
        ))
    };
    let config = config(&zone(
        "{ name = \"@\", type = \"MX\", data = \"10 mail\" },\n{ name = \"www\", type = \"TXT\", data = \"one\" },\n\
         { name = \"www\", type = \"TXT\", data = \"two\", ttl = \"5m\" },\n{ name = \"lab\", type = \"NS\", data = \"ns.lab\" },",
    ));
    let shown =
        config.ddns.stated.iter().map(|set| format!("{} {} {} {}", set.name, set.ttl, set.rtype, set.rdata.len()));
    let expected = ["a.example. 60 MX 1", "lab.a.example. 60 NS 1", "www.a.example. 60 TXT 2"];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(config.ddns.is_protected(&"www.a.example".parse().unwrap()), "no client can take the name");
    refused(
        &zone("{ name = \"@\", type = \"NS\", data = \"ns\" },"),
        &[(
            "13:1",
            "{ name = \"@\", type = \"NS\", data = \"ns\" }",
            "the name servers of a zone that has a `server` are not ours to say",
            "the server that holds the zone decides that",
        )],
    );
    refused(
        &zone("{ name = \"x\", type = \"CNAME\", data = \"y\" },\n{ name = \"x\", type = \"TXT\", data = \"y\" },"),
        &[(
            "13:1",
            "{ name = \"x\", type = \"CNAME\", data = \"y\" }",
            "`x.a.example` has a CNAME record and other records",
            "RFC 1034 section 3.6.2",
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
fn name_server_and_hostmaster_of_an_embedded_zone() {
    let zone = |keys: &str| {
        let config = config(&format!("{GOOD}[[zone]]\nname = \"a.example\"\n{keys}"));
        let zone = config.dns.zones.into_iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap();
        (zone.ns.to_string(), zone.hostmaster.to_string(), config.dns.own_names.len())
    };
    assert_eq!(zone(""), ("ns.a.example.".into(), "hostmaster.a.example.".into(), 2));
    assert_eq!(
        zone("ns = \"ns1.elsewhere.example\"\nhostmaster = \"jane.doe@b.example\"\n"),
        ("ns1.elsewhere.example.".into(), "jane\\.doe.b.example.".into(), 1)
    );
    // An address that is written is not added to.
    let written = "records = [{ name = \"ns\", type = \"A\", data = \"192.168.30.2\" }]\n";
    assert_eq!(zone(written), ("ns.a.example.".into(), "hostmaster.a.example.".into(), 1));
}

#[test]
fn static_records() {
    let text = and("[[zone]]\nname = \"a.example\"\nttl = \"1h\"\nrecords = [\n\
         { name = \"@\", type = \"MX\", data = \"10 mail\" },\n\
         { name = \"mail\", type = \"A\", data = \"192.168.30.2\", ttl = 60 },\n\
         { name = \"www\", type = \"CNAME\", data = \"mail\" },\n\
         { name = \"v6.a.example.\", type = \"AAAA\", data = \"2001:db8::1\" },\n\
         { name = \"_sip._udp\", type = \"SRV\", data = \"0 5 5060 mail.a.example.\" },\n\
         { name = \"*.apps\", type = \"A\", data = \"192.168.30.3\" },\n\
         { name = \"@\", type = \"TXT\", data = \"hello there\" },\n]\n");
    let config = config(&text);
    let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap();
    let shown: Vec<String> = zone.records.iter().map(|set| format!("{} {} {}", set.name, set.ttl, set.rtype)).collect();
    assert_eq!(
        shown,
        [
            "a.example. 3600 MX",
            "a.example. 3600 TXT",
            "_sip._udp.a.example. 3600 SRV",
            "*.apps.a.example. 3600 A",
            "mail.a.example. 60 A",
            "v6.a.example. 3600 AAAA",
            "www.a.example. 3600 CNAME",
        ]
    );
    assert!(config.ddns.protected.contains(&"mail.a.example".parse().unwrap()));
}

#[test]
fn static_records_that_are_wrong() {
    let zone = |record: &str| and(&format!("[[zone]]\nname = \"a.example\"\nrecords = [\n{record}\n]\n"));
    for (record, place, underlined, message, mend) in [
        (
            "{ name = \"x\", type = \"A\", data = \"192.168.30\" }",
            "10:34",
            "\"192.168.30\"",
            "`192.168.30` is not A data",
            "192.168.30.2",
        ),
        ("{ name = \"x\", type = \"MX\", data = \"mail\" }", "10:35", "\"mail\"", "`mail` is not MX data", "10 mail"),
        (
            "{ name = \"x.b.\", type = \"A\", data = \"192.168.30.2\" }",
            "10:10",
            "\"x.b.\"",
            "`x.b.` is not within the zone `a.example`",
            "relative",
        ),
        (
            "{ name = \"x\", type = \"B\", data = \"y\" }",
            "10:22",
            "\"B\"",
            "\"B\" is not a value of `type`",
            "the values are",
        ),
        (
            "{ name = \"x\", type = \"CNAME\", data = \"y\" },\n{ name = \"x\", type = \"A\", data = \"192.168.30.2\" }",
            "10:1",
            "{ name = \"x\", type = \"CNAME\", data = \"y\" }",
            "`x.a.example` has a CNAME record and other records",
            "RFC 1034",
        ),
    ] {
        refused(&zone(record), &[(place, underlined, message, mend)]);
    }
}

#[test]
fn the_embedded_server_runs_when_a_zone_needs_it() {
    let dns = config(GOOD).dns;
    assert!(dns.enabled && dns.listen == Listen::Interfaces { port: 53 });
    let forward = dns.forward.unwrap();
    assert_eq!(forward.upstreams, Upstreams::ResolvConf);
    assert_eq!(forward.allowed, ["192.168.30.0/24".parse().unwrap()]);
    assert_eq!(dns.own_names, ["ns.nasir.xyz".parse().unwrap()]);
    let without = config("[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\n");
    assert!(!without.dns.enabled && without.dns.forward.is_none() && !without.dhcp.scope.own_dns);
    let forwarder = config(
        "[dns]\nforward_for = [\"10.9.0.0/16\"]\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\n",
    );
    assert_eq!(forwarder.dns.forward.unwrap().allowed.len(), 2);
    let written = config(&and("[dns]\nlisten = [\"127.0.0.1:5353\", \"192.168.30.2\"]\nport = 54\nforward = false\n"));
    let expected: Vec<_> = ["127.0.0.1:5353", "192.168.30.2:54"].iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(written.dns.listen, Listen::Addresses(expected));
    assert!(written.dns.forward.is_none());
}

#[test]
fn an_embedded_zone_with_the_server_turned_off() {
    refused(
        &format!("[dns]\nenabled = false\n{GOOD}"),
        &[(
            "4:8",
            "\"nasir.xyz\"",
            "the zone has no `server`, and the embedded DNS server is turned off",
            "add `server",
        )],
    );
}

#[test]
fn clients_told_a_dns_server_that_does_not_run() {
    refused(
        "[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\ndns_servers = \"self\"\n",
        &[(
            "4:15",
            "\"self\"",
            "clients cannot be told this server as their DNS server: the embedded one does not run",
            "`enabled = true` in [dns]",
        )],
    );
    warned(
        &and("[dns]\nport = 5353\n"),
        &[(
            "8:8",
            "5353",
            "clients ask DNS servers at port 53, so they will not find the embedded one at port 5353",
            "dns_servers",
        )],
    );
}

#[test]
fn clients_told_a_dns_server_that_they_cannot_reach() {
    for listen in ["\"127.0.0.1\"", "\"192.168.30.2:5353\""] {
        let text = and(&format!("[dns]\nlisten = [{listen}]\n"));
        warned(
            &text,
            &[(
                "8:11",
                listen,
                "clients are told this server as their DNS server, and cannot reach it at any of these addresses",
                "at port 53",
            )],
        );
        // With ports of its own it is being tried out.
        warned(&format!("{text}[server]\nserver_port = 6767\n"), &[]);
    }
    warned(&and("[dns]\nlisten = [\"127.0.0.1\", \"192.168.30.2\"]\n"), &[]);
}

#[test]
fn a_forwarder_that_asks_itself() {
    refused(
        &and("[dns]\nlisten = [\"192.168.30.2\"]\nupstreams = [\"192.168.30.2\", \"192.0.2.53\"]\n"),
        &[(
            "9:14",
            "\"192.168.30.2\"",
            "192.168.30.2:53 is this server itself: a question would go round for ever",
            "another DNS server",
        )],
    );
    refused(&and("[dns]\nupstreams = []\n"), &[("8:13", "[]", "`upstreams` names nobody", "forward = false")]);
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

#[test]
fn a_key_without_a_server_in_ddns() {
    refused(
        &format!("[ddns]\nkey = \"k\"\n{KEY}{GOOD}"),
        &[("2:7", "\"k\"", "`key` signs updates to a `server`, and [ddns] names none", "add `server`")],
    );
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

#[test]
fn a_zones_file_gives_records_and_soa() {
    let zone = |more: &str| {
        let text = format!("[[zone]]\nname = \"a.example\"\nfile = \"zones/good.zone\"\n{more}");
        let dns = config(&and(&text)).dns;
        dns.zones.into_iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap()
    };
    let plain = zone("records = [{ name = \"ns1\", type = \"A\", data = \"192.0.2.2\" }]\n");
    assert_eq!(
        (plain.ns.to_string(), plain.hostmaster.to_string()),
        ("ns1.a.example.".into(), "admin.a.example.".into())
    );
    let (soa, ttl) = plain.soa.unwrap();
    assert_eq!((soa.serial, soa.minimum, ttl), (7, 4, 60));
    let held: Vec<String> =
        plain.records.iter().map(|set| format!("{} {} x{}", set.name, set.rtype, set.rdata.len())).collect();
    let expected =
        ["a.example. NS x1", "big.a.example. TYPE65280 x1", "ns1.a.example. A x2", "www.a.example. CNAME x1"];
    assert_eq!(held, expected);
    assert_eq!(zone("ns = \"other.a.example\"\n").ns.to_string(), "other.a.example.");
}

#[test]
fn a_zones_file_with_faults_tells_each_with_its_place() {
    let mend = "mend it at that place";
    let bad = "[[zone]]\nname = \"a.example\"\nfile = \"zones/bad.zone\"\n";
    let leaves =
        "zones/bad.zone:4:10: `../more.zone`: an included file is at or beneath the directory of the zone's file";
    let expected = [
        "zones/bad.zone:1:7: `192.0.2.300` is not an IPv4 address",
        "zones/bad.zone:3:12: nothing more belongs here",
        leaves,
    ];
    let place = "\"zones/bad.zone\"";
    refused(&and(bad), &expected.map(|told| ("9:8", place, told, mend)));
    refused(
        &and("[[zone]]\nname = \"a.example\"\nfile = \"none.zone\"\n"),
        &[(
            "9:8",
            "\"none.zone\"",
            "the zone's file `none.zone` cannot be read: No such file or directory",
            "write the path of a master file",
        )],
    );
    // An alias of the file beside a record of the configuration.
    let clash = "[[zone]]\nname = \"a.example\"\nfile = \"zones/good.zone\"\n\
                 records = [{ name = \"www\", type = \"A\", data = \"192.0.2.2\" }]\n";
    let told = found(&and(clash));
    assert!(told.list.iter().any(|fault| fault.message == "`www.a.example` has a CNAME record and other records"));
}
