//! Zones that are copies of other servers'.

use zones::intake::Limits;

use super::{GOOD, and, config, refused, warned};

const KEY: &str = "[[key]]\nname = \"transfer\"\nsecret_file = \"good.key\"\n";

/// A copy, with these keys behind its kind, from line 10 on.
fn copy(keys: &str) -> String {
    and(&format!("[[zone]]\nname = \"other.example\"\nkind = \"secondary\"\n{keys}"))
}

#[test]
fn a_copy_has_primaries_limits_and_secondaries_of_its_own() {
    let text = copy(
        "primaries = [{ address = \"192.0.2.1\", key = \"transfer\" }, { address = \"[2001:db8::1]:5353\" }]\n\
         allow_notify = [\"192.0.2.0/28\"]\nsecondaries = [{ address = \"192.0.2.9\" }]\n\
         records_max = 1000\ntransfer_mib_max = 2\ntransfer_time_max = \"90s\"\n",
    );
    let dns = config(&format!("{text}{KEY}")).dns;
    let [zone] = &dns.secondary[..] else { panic!("{:?}", dns.secondary) };
    let addresses: Vec<String> = zone.primaries.iter().map(|primary| primary.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1:53", "[2001:db8::1]:5353"]);
    assert!(zone.primaries[0].key.is_some() && zone.primaries[1].key.is_none() && zone.keys.len() == 1);
    assert_eq!(zone.limits, Limits { records: 1_000, octets: 2 * 1024 * 1024, time_ms: 90_000 });
    assert_eq!((zone.transfers.secondaries.len(), zone.notify.prefixes.len()), (1, 1));
    assert!(!dns.zones.iter().any(|own| own.apex == zone.apex), "it is not our own");
    let plain = config(&copy("primaries = [{ address = \"192.0.2.1\" }]\n"));
    assert_eq!(plain.dns.secondary[0].limits, Limits::default());
    // No name is sent anywhere for it.
    assert!(plain.ddns.zones.iter().all(|route| route.apex != plain.dns.secondary[0].apex));
    // A copy alone makes the server run.
    let alone = "[[zone]]\nname = \"other.example\"\nkind = \"secondary\"\nprimaries = [{ address = \"192.0.2.1\" }]\n";
    assert!(config(alone).dns.enabled);
}

#[test]
fn a_copy_of_nobody() {
    let whom = "nobody is named whom the zone is taken from";
    refused(&copy(""), &[("8:8", "\"other.example\"", whom, "add `primaries")]);
    refused(&copy("primaries = []\n"), &[("10:13", "[]", whom, "add `primaries")]);
    refused(
        &copy("primaries = [{ address = \"192.0.2.1\" }, { address = \"192.0.2.1:53\" }, { address = \"0.0.0.0\" }]\n"),
        &[
            ("10:53", "\"192.0.2.1:53\"", "the primary 192.0.2.1:53 stands here twice", "take one"),
            ("10:83", "\"0.0.0.0\"", "no server has this address", "write its address"),
        ],
    );
}

#[test]
fn what_the_primary_of_a_copy_decides() {
    let primaries = "primaries = [{ address = \"192.0.2.1\" }]\n";
    for (key, value) in [
        ("server", "\"192.0.2.1\""),
        ("self_by_lease", "true"),
        ("ns", "\"ns.other.example\""),
        ("hostmaster", "\"a@b.example\""),
        ("ttl", "\"1h\""),
        ("file", "\"zones/good.zone\""),
    ] {
        let message = format!("`{key}` is not for a copy of another server's zone");
        let place = format!("11:{}", key.len() + 4);
        refused(&copy(&format!("{primaries}{key} = {value}\n")), &[(&place, value, &message, "take it out")]);
    }
    let record = "{ name = \"www\", type = \"A\", data = \"192.0.2.1\" }";
    refused(
        &copy(&format!("{primaries}records = [{record}]\n")),
        &[("11:12", record, "`records` is not for a copy of another server's zone", "the primary decides")],
    );
}

#[test]
fn what_is_only_for_a_copy() {
    for (key, value) in [
        ("primaries", "[{ address = \"192.0.2.1\" }]"),
        ("records_max", "10"),
        ("transfer_mib_max", "10"),
        ("transfer_time_max", "\"10s\""),
    ] {
        let message = format!("`{key}` is for zones that are copies of another server's");
        let place = format!("9:{}", key.len() + 4);
        refused(
            &and(&format!("[[zone]]\nname = \"other.example\"\n{key} = {value}\n")),
            &[(&place, value, &message, "kind = \"secondary\"")],
        );
    }
}

#[test]
fn limits_out_of_bounds() {
    let text = "primaries = [{ address = \"192.0.2.1\" }]\nrecords_max = 0\ntransfer_mib_max = 129\n";
    refused(
        &copy(text),
        &[
            ("11:15", "0", "`records_max` is at least 1 and at most 100000000", "write a number"),
            ("12:20", "129", "`transfer_mib_max` is at least 1 and at most 128", "write a number"),
        ],
    );
}

#[test]
fn names_of_clients_are_not_put_into_a_copy() {
    let kind = "kind = \"secondary\"\nprimaries = [{ address = \"192.0.2.1\" }]\n";
    let text = GOOD.replacen("name = \"nasir.xyz\"\n", &format!("name = \"nasir.xyz\"\n{kind}"), 1);
    refused(
        &text,
        &[(
            "8:10",
            "\"nasir.xyz\"",
            "the domain `nasir.xyz` is in the zone `nasir.xyz`, which is a copy of another server's",
            "write `server` with the primary's address",
        )],
    );
    let reverse = and(&format!("[[zone]]\nprefix = \"192.168.0.0/16\"\n{kind}"));
    refused(
        &reverse,
        &[(
            "4:10",
            "\"192.168.30.0/24\"",
            "the reverse names of 192.168.30.0/24 are in the zone `168.192.in-addr.arpa`, which is a copy of another \
             server's",
            "write `reverse = \"none\"` in the subnet",
        )],
    );
    let without = reverse.replacen("domain = \"nasir.xyz\"\n", "domain = \"nasir.xyz\"\nreverse = \"none\"\n", 1);
    warned(&without, &[]);
    let host = copy(
        "primaries = [{ address = \"192.0.2.1\" }]\n[[host]]\nname = \"printer.other.example\"\naddress = \"192.0.2.9\"\n",
    );
    refused(
        &host,
        &[(
            "12:8",
            "\"printer.other.example\"",
            "the name `printer.other.example` is in the zone `other.example`, which is a copy of another server's",
            "or choose another zone",
        )],
    );
}
