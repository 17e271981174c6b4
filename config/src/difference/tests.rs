#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

const BASE: &str = "[[key]]\nname = \"k\"\nsecret = \"c2VjcmV0c2VjcmV0c2VjcmV0\"\n\
    [[zone]]\nname = \"lan.example\"\nupdate_keys = [\"k\"]\n\
    records = [{ name = \"www\", type = \"A\", data = \"192.0.2.1\" }]\n\
    [[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.10-10.0.0.99\"]\ndomain = \"lan.example\"\n\
    [[subnet.reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"10.0.0.5\"\nhostname = \"printer\"\n\
    [[subnet]]\nprefix = \"10.1.0.0/24\"\npools = [\"10.1.0.10-10.1.0.99\"]\n";

fn config(text: &str) -> Config {
    let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
    let checked = crate::check(text, "test.toml", &no_secrets);
    checked.unwrap_or_else(|faults| panic!("{}", crate::render(&faults, text, false))).config
}

/// What is told when `from` is replaced by `to` in the base.
fn told(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
    assert!(BASE.contains(from), "{from}");
    between(BASE, &BASE.replacen(from, to, 1))
}

fn between(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let found = Difference::between(&config(old), &config(new));
    (found.changes.iter().map(ToString::to_string).collect(), found.refused)
}

#[test]
fn what_a_file_changes_is_told_in_words() {
    let table: &[(&str, &str, &[&str])] = &[
        ("[[key]]", "# a comment\n[[key]]", &[]),
        (
            "10.0.0.10-10.0.0.99",
            "10.0.0.10-10.0.0.50",
            &["the pools of subnet 10.0.0.0/24 changed: from 10.0.0.10-10.0.0.99 to 10.0.0.10-10.0.0.50"],
        ),
        (
            "domain = \"lan.example\"\n",
            "domain = \"lan.example\"\nlease_time = \"2h\"\n",
            &["subnet 10.0.0.0/24 changed: lease times"],
        ),
        (
            "domain = \"lan.example\"\n",
            "domain = \"lan.example\"\nactive = false\n",
            &["subnet 10.0.0.0/24 changed: served or not"],
        ),
        (
            "domain = \"lan.example\"\n",
            "domain = \"lan.example\"\nunknown_clients = \"wait\"\n",
            &["subnet 10.0.0.0/24 changed: devices that nobody knows"],
        ),
        (
            "domain = \"lan.example\"\n",
            "domain = \"lan.example\"\nrouters = [\"10.0.0.1\"]\n",
            &["subnet 10.0.0.0/24 changed: options"],
        ),
        (
            "10.0.0.5",
            "10.0.0.6",
            &[
                "the reservation for 02:00:00:00:00:01 in subnet 10.0.0.0/24 changed: from 10.0.0.5 as printer to 10.0.0.6 as \
             printer",
            ],
        ),
        (
            "00:01\"",
            "00:02\"",
            &[
                "the reservation for 02:00:00:00:00:01 in subnet 10.0.0.0/24 removed: 10.0.0.5 as printer",
                "the reservation for 02:00:00:00:00:02 in subnet 10.0.0.0/24 added: 10.0.0.5 as printer",
            ],
        ),
        ("192.0.2.1", "192.0.2.2", &["static record www.lan.example. A in zone lan.example. changed"]),
        ("c2VjcmV0c2Vj", "c2VjcmV0c2Vq", &["key k. changed: its secret"]),
        (
            "[[key]]",
            "[server]\ninterfaces = [\"eth1\"]\n[[key]]",
            &["the interfaces (`interfaces` in [server]) changed: eth1 is new"],
        ),
        (
            "[[key]]",
            "[dns]\nlisten = [\"127.0.0.1\"]\n[[key]]",
            &["where DNS is served (`listen` in [dns]) changed: from port 53 of the served interfaces to 127.0.0.1:53"],
        ),
    ];
    for (from, to, expected) in table {
        let (changes, refused) = told(from, to);
        let missing: Vec<_> = expected.iter().filter(|one| !changes.contains(&(**one).to_owned())).collect();
        assert!(missing.is_empty(), "{from} to {to}: {changes:#?}");
        assert!(refused.is_empty(), "{from} to {to}: {refused:#?}");
        assert_eq!(expected.is_empty(), changes.is_empty(), "{from} to {to}: {changes:#?}");
    }
}

#[test]
fn a_subnet_that_comes_or_goes_is_told_with_its_pools_and_its_reverse_zone() {
    let one = "[[subnet]]\nprefix = \"10.1.0.0/24\"\npools = [\"10.1.0.10-10.1.0.99\"]\n";
    let (changes, refused) = told(one, "");
    assert_eq!(changes[0], "subnet 10.1.0.0/24 removed: pools 10.1.0.10-10.1.0.99", "{changes:#?}");
    assert!(refused.is_empty());
    let with = BASE.replace("10.1.0.10-10.1.0.99\"]", "10.1.0.10-10.1.0.99\"]\ndomain = \"lan.example\"");
    let (changes, _) = between(BASE, &with);
    assert!(
        changes.contains(&"zone 0.1.10.in-addr.arpa. added: embedded, made for a subnet".to_owned()),
        "{changes:#?}"
    );
}

#[test]
fn what_only_a_restart_can_change_is_refused_with_its_key_and_what_to_do() {
    let table = [
        ("[server]\nstore = \"/srv/leases\"\n", "`store` was /var/lib/leasehold, and is /srv/leases now"),
        ("[server]\ncontrol = \"/run/other\"\n", "the control socket cannot change while the daemon runs"),
        ("[server]\nserver_port = 6767\n", "the ports of DHCP cannot change"),
        ("[server]\nlog = \"debug\"\n", "what is logged cannot change"),
        ("[dns]\ntls_listen = \"same\"\n", "where DNS is served by TLS and HTTPS"),
        ("[web]\nlisten = \"127.0.0.1:9000\"\n", "the page and the API cannot change"),
        ("[web]\nenabled = false\n", "the page and the API cannot change"),
        ("[service]\nuser = \"leasehold\"\n", "what the daemon gives up cannot change"),
        ("[[hook]]\ncommand = [\"/bin/a\"]\n", "may start no program that was not named when it began (/bin/a"),
    ];
    for (text, expected) in table {
        let (_, refused) = between(BASE, &format!("{text}{BASE}"));
        assert!(refused.iter().any(|one| one.contains(expected)), "{text}: {refused:#?}");
        assert!(refused.iter().all(|one| one.ends_with("restart the daemon, or take it back")), "{refused:#?}");
    }
    let (_, refused) = between(BASE, "[[zone]]\nname = \"lan.example\"\n");
    assert!(refused[0].starts_with("DHCP cannot be turned off while the daemon runs"), "{refused:#?}");
}

#[test]
fn hooks_are_followed_where_no_program_is_new() {
    let (one, other) = ("[[hook]]\nurl = \"http://a/\"\n", "[[hook]]\nurl = \"http://b/\"\n");
    let (changes, refused) = between(&format!("{BASE}{one}"), &format!("{BASE}{other}"));
    assert_eq!(changes, ["who is told of lease events (`[[hook]]`) changed"]);
    assert!(refused.is_empty(), "{refused:#?}");
    let program = "[[hook]]\ncommand = [\"/bin/a\"]\n";
    let (_, refused) = between(&format!("{BASE}{program}"), &format!("{BASE}{program}events = [\"renewed\"]\n"));
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn no_secret_is_among_the_words() {
    let changed = BASE.replace("c2VjcmV0c2Vj", "c2VjcmV0c2Vq");
    let found = Difference::between(&config(BASE), &config(&changed));
    let words = format!("{found:?}");
    assert!(words.contains("its secret") && !words.contains("c2Vj") && !words.contains("secretsecret"), "{words}");
}
