//! The file beside the main one: faults name the file that they are in, and the other one's place.

use config::beside::{AllFound, Text, check};

use super::secrets;

const MAIN: &str = "[[zone]]\nname = \"nasir.xyz\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.168.30.2\" }]\n\
                    [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                    domain = \"nasir.xyz\"\n\
                    [[subnet.reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"192.168.30.5\"\n";

fn both(beside: &str) -> Result<config::Config, AllFound> {
    let main = Text { name: "main.toml", text: MAIN };
    check(main, Some(Text { name: "local.toml", text: beside }), &secrets).map(|(config, _)| config)
}

/// What is told of each fault: file, line and column, message, and what stands beside the text.
fn told(beside: &str) -> Vec<String> {
    let found = both(beside).unwrap_err().to_json();
    let text = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
    let line = |one: &serde_json::Value| {
        format!(
            "{}:{}:{} {} ({})",
            text(one, "file"),
            one["line"],
            one["column"],
            text(one, "message"),
            text(one, "label")
        )
    };
    found.as_array().unwrap().iter().map(line).collect()
}

#[test]
fn reservations_records_and_hosts_beside_the_main_file_are_as_if_they_stood_in_it() {
    let beside = "[[reservation]]\nhardware = \"02:00:00:00:00:02\"\naddress = \"192.168.30.6\"\nhostname = \"nas\"\n\
                  [[reservation]]\nsubnet = \"192.168.30.0/24\"\nhardware = \"02:00:00:00:00:03\"\nhostname = \"tv\"\n\
                  [[record]]\nzone = \"nasir.xyz\"\nname = \"mail\"\ntype = \"A\"\ndata = \"192.168.30.3\"\n\
                  [[host]]\nname = \"router\"\naddress = \"192.168.30.1\"\n";
    let config = both(beside).unwrap();
    assert_eq!(config.dhcp.subnets[0].reservations.len(), 3);
    let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == "nasir.xyz.").unwrap();
    assert_eq!(
        zone.records.iter().map(|set| set.name.to_string()).collect::<Vec<_>>(),
        ["mail.nasir.xyz.", "www.nasir.xyz."]
    );
    assert_eq!(config.ddns.hosts.all().len(), 1);
    // The same tables may stand in the main file.
    let one = config::check(&format!("{MAIN}{beside}"), "main.toml", &secrets).unwrap().config;
    assert_eq!((one.dhcp, one.dns.zones), (config.dhcp, config.dns.zones));
}

#[test]
fn a_conflict_between_the_two_is_told_with_both_places() {
    let found = told("# made\n[[reservation]]\nhardware = \"02:00:00:00:00:02\"\naddress = \"192.168.30.5\"\n");
    assert_eq!(
        found,
        [
            "local.toml:4:11 the address 192.168.30.5 is reserved twice (reserved again; main.toml:10:11: reserved here first)"
        ]
    );
    let found = told("[[reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"192.168.30.6\"\n");
    assert!(found[0].starts_with("local.toml:2:12 ") && found[0].contains("main.toml:9:12"), "{found:?}");
}

#[test]
fn what_belongs_to_nothing_or_to_the_main_file_is_refused_there() {
    let table = [
        ("[dns]\nenabled = true\n", "local.toml:1:2 `dns` does not belong into this file (the main file's)"),
        ("pools = []\n", "local.toml:1:1 `pools` does not belong into this file (the main file's)"),
        (
            "[[reservation]]\nhardware = \"02:00:00:00:00:02\"\naddress = \"10.0.0.5\"\n",
            "local.toml:3:11 10.0.0.5 is in no [[subnet]] (in no subnet)",
        ),
        (
            "[[reservation]]\nhardware = \"02:00:00:00:00:02\"\nsubnet = \"10.0.0.0/24\"\nhostname = \"x\"\n",
            "local.toml:3:10 there is no [[subnet]] with the prefix 10.0.0.0/24 (no such subnet)",
        ),
        (
            "[[reservation]]\nhardware = \"02:00:00:00:00:02\"\nhostname = \"x\"\n",
            "local.toml:1:1 it is not told in which subnet the reservation is (neither `subnet` nor `address`)",
        ),
        (
            "[[record]]\nname = \"a\"\ntype = \"A\"\ndata = \"192.168.30.3\"\n",
            "local.toml:1:1 it is not told in which zone the record is (no `zone`)",
        ),
        (
            "[[record]]\nzone = \"other.test\"\nname = \"a\"\ntype = \"A\"\ndata = \"192.168.30.3\"\n",
            "local.toml:2:8 there is no [[zone]] named other.test (no such zone)",
        ),
        (
            "[[reservation]]\nhardwar = \"02:00:00:00:00:02\"\naddress = \"192.168.30.7\"\n",
            "local.toml:2:1 unknown key `hardwar` in [[reservation]] (not a key here)",
        ),
    ];
    for (beside, expected) in table {
        let found = told(beside);
        assert!(found.iter().any(|one| one == expected), "{beside}\n{found:#?}");
        assert!(found.iter().all(|one| one.starts_with("local.toml:")), "{beside}\n{found:#?}");
    }
    let found = told("[[reservation]\nhardware = 5\n");
    assert!(found.iter().any(|one| one.starts_with("local.toml:1:")), "{found:#?}");
}
