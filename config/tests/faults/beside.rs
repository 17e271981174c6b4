//! The file beside the main one: faults name the file that they are in, and the other one's place.

use config::beside::{AllFound, Text, check};

use super::secrets;

const MAIN: &str = "[[zone]]\nname = \"nasir.xyz\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.168.30.2\" }]\n\
                    [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                    domain = \"nasir.xyz\"\n\
                    [[subnet.reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"192.168.30.5\"\n";

/// One name twice, for those inside and for guests, and once more for all others.
const SPLIT: &str = "[[view]]\nname = \"inside\"\nclients = [\"10.0.0.0/8\"]\n\
                     [[view]]\nname = \"lan\"\nclients = [\"192.168.0.0/16\"]\n\
                     [[view]]\nname = \"guests\"\nclients = [\"172.16.0.0/12\"]\n\
                     [[zone]]\nname = \"nasir.xyz\"\nviews = [\"inside\", \"lan\"]\n\
                     [[zone]]\nname = \"nasir.xyz\"\nviews = [\"guests\"]\n\
                     [[zone]]\nname = \"one.test\"\n";
const FOR_ALL_OTHERS: &str = "[[zone]]\nname = \"nasir.xyz\"\n";

fn both(beside: &str) -> Result<config::Config, AllFound> {
    both_of(MAIN, beside)
}

fn both_of(main: &str, beside: &str) -> Result<config::Config, AllFound> {
    let main = Text { name: "main.toml", text: main };
    check(main, Some(Text { name: "local.toml", text: beside }), &secrets).map(|(config, _)| config)
}

/// What is told of each fault: file, line and column, message, and what stands beside the text.
fn told(beside: &str) -> Vec<String> {
    told_of(MAIN, beside)
}

fn told_of(main: &str, beside: &str) -> Vec<String> {
    let found = both_of(main, beside).unwrap_err().to_json();
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

fn record(keys: &str) -> String {
    format!("[[record]]\n{keys}name = \"www\"\ntype = \"A\"\ndata = \"10.0.0.9\"\n")
}

#[test]
fn a_record_that_stands_by_itself_is_for_the_zone_of_its_view() {
    let zone = "zone = \"nasir.xyz\"\n";
    let with = |main: &str, view: &str| {
        let view = if view.is_empty() { String::new() } else { format!("view = \"{view}\"\n") };
        let config = both_of(main, &record(&format!("{zone}{view}"))).unwrap();
        let has = config
            .dns
            .zones
            .iter()
            .filter(|zone| zone.records.iter().any(|set| set.name.to_string() == "www.nasir.xyz."));
        has.map(|zone| zones::zone_id::words(&zone.sight.id)).collect::<Vec<_>>()
    };
    for view in ["inside", "lan"] {
        assert_eq!(with(SPLIT, view), ["nasir.xyz. (view inside+lan)"]);
    }
    assert_eq!(with(SPLIT, "guests"), ["nasir.xyz. (view guests)"]);
    let whole = format!("{SPLIT}{FOR_ALL_OTHERS}");
    assert_eq!(with(&whole, "guests"), ["nasir.xyz. (view guests)"]);
    assert_eq!(with(&whole, ""), ["nasir.xyz."], "the one for all others");
    // Where it is the only one of its name, its view may be told and need not be.
    let sole = SPLIT.replacen("[[zone]]\nname = \"nasir.xyz\"\nviews = [\"guests\"]\n", "", 1);
    assert_eq!(
        (with(&sole, ""), with(&sole, "lan")),
        (vec!["nasir.xyz. (view inside+lan)".to_owned()], with(SPLIT, "lan"))
    );
}

#[test]
fn a_record_that_stands_by_itself_must_say_which_zone_of_a_name_it_is_for() {
    let table = [
        (
            "zone = \"nasir.xyz\"\n",
            "local.toml:2:8 there are several [[zone]]s named nasir.xyz, each for other views (which of them is not told)",
        ),
        (
            "zone = \"nasir.xyz\"\nview = \"outside\"\n",
            "local.toml:3:8 no [[zone]] named nasir.xyz is for the view outside (no zone of this view)",
        ),
        (
            "zone = \"one.test\"\nview = \"inside\"\n",
            "local.toml:3:8 the zone one.test is for all views alike (it has no `views`)",
        ),
        ("zone = \"nasir.xyz\"\nview = 5\n", "local.toml:3:8 "),
    ];
    for (keys, expected) in table {
        let found = told_of(SPLIT, &record(keys));
        assert!(found.iter().any(|one| one.starts_with(expected)), "{keys}\n{found:#?}");
    }
    let within = "[[zone]]\nname = \"a.test\"\nrecords = [{ view = \"inside\", name = \"x\", type = \"A\", data = \"10.0.0.1\" }]\n";
    let found = told_of(&format!("{SPLIT}{within}"), "");
    assert!(found[0].contains("the record stands in a zone's table already"), "{found:#?}");
}
