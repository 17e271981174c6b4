//! What no lease makes, in BIND: machines that are configured by hand, and records that the configuration states.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dig::Dig;
use crate::explain_names::{Clients, option_12};
use crate::field::{self, DNS, ZONES};
use crate::leasehold::Leasehold;
use crate::netns::Lab;
use crate::process::wait_for;
use crate::servers::{DnsServer, Kind};

/// The field's configuration at BIND, with records in the forward zone and `more` at its end.
fn config(records: &str, more: &str) -> String {
    let zone = "[[zone]]\nname = \"nasir.xyz\"\n";
    field::config(true).replace(zone, &format!("{zone}records = [\n{records}]\n")) + more
}

fn record(name: &str, rtype: &str, data: &str) -> String {
    format!("{{ name = \"{name}\", type = \"{rtype}\", data = \"{data}\" }},\n")
}

fn full(name: &str) -> String {
    format!("{name}.{}", ZONES[0])
}

fn wait_is(dig: &Dig<'_>, words: &[&str], expected: &[&str]) {
    wait_for(&format!("{words:?} is {expected:?}"), Duration::from_secs(30), || {
        let mut found = dig.short(words);
        found.sort();
        (found == expected).then_some(())
    });
}

fn configure(leasehold: &mut Leasehold<'_>, host: &crate::netns::Host, config: &str) {
    leasehold.stop();
    Leasehold::rewrite(host, config);
    leasehold.resume();
}

#[test]
fn records_that_are_stated_are_published_changed_and_removed_and_somebody_elses_are_left_alone() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    let dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let dig = dns.dig();
    dig.nsupdate("update add taken.nasir.xyz. 60 TXT \"by hand\"");
    let first = [
        record("www", "CNAME", "web"),
        record("web", "A", "192.0.2.80"),
        record("@", "MX", "10 web"),
        record("_sip._udp", "SRV", "0 5 5060 web"),
        record("note", "TXT", "one two"),
        record("v6", "AAAA", "2001:db8::80"),
        record("taken", "TXT", "ours"),
    ]
    .concat();
    let mut leasehold = Leasehold::start(&server, &config(&first, ""));
    wait_is(&dig, &[&full("www"), "CNAME"], &["web.nasir.xyz."]);
    wait_is(&dig, &[&full("web"), "A"], &["192.0.2.80"]);
    wait_is(&dig, &[ZONES[0], "MX"], &["10 web.nasir.xyz."]);
    wait_is(&dig, &[&full("_sip._udp"), "SRV"], &["0 5 5060 web.nasir.xyz."]);
    wait_is(&dig, &[&full("note"), "TXT"], &["\"one two\""]);
    wait_is(&dig, &[&full("v6"), "AAAA"], &["2001:db8::80"]);
    // What stands there already is told of, and stays.
    let state = wait_for("the conflict is told", Duration::from_secs(30), || {
        let names = leasehold.names();
        let taken = names.into_iter().find(|name| name.key == "taken.nasir.xyz." && !name.done);
        taken.filter(|name| name.state.contains("other records")).map(|name| name.state)
    });
    assert!(state.contains("`records`"), "{state}");
    assert_eq!(dig.short(&[&full("taken"), "TXT"]), ["\"by hand\""]);
    // Somebody changes one of ours by hand; the configuration changes that one and others, and takes some out.
    dig.nsupdate("update add note.nasir.xyz. 60 TXT \"beside it\"");
    let second =
        [record("www", "TXT", "no alias"), record("web", "A", "192.0.2.81"), record("note", "TXT", "three")].concat();
    configure(&mut leasehold, &server, &config(&second, ""));
    wait_is(&dig, &[&full("web"), "A"], &["192.0.2.81"]);
    wait_is(&dig, &[&full("www"), "TXT"], &["\"no alias\""]);
    for (name, rtype) in [("v6", "AAAA"), ("_sip._udp", "SRV"), ("www", "CNAME")] {
        wait_is(&dig, &[&full(name), rtype], &[]);
    }
    wait_is(&dig, &[ZONES[0], "MX"], &[]);
    wait_is(&dig, &[&full("note"), "TXT"], &["\"beside it\"", "\"one two\""]);
    assert_eq!(dig.short(&[&full("taken"), "TXT"]), ["\"by hand\""]);
    // And all is taken out: what was changed by hand stays, and nothing else.
    configure(&mut leasehold, &server, &config("", ""));
    wait_is(&dig, &[&full("web"), "A"], &[]);
    wait_is(&dig, &[&full("www"), "TXT"], &[]);
    wait_is(&dig, &[&full("note"), "TXT"], &["\"beside it\"", "\"one two\""]);
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_machine_configured_by_hand_is_in_bind_renamed_removed_and_its_address_is_offered_to_nobody() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let dig = dns.dig();
    let by_hand = Ipv4Addr::new(10, 77, 1, 0);
    let host = |name: &str| format!("[[host]]\nname = \"{name}\"\naddress = [\"{by_hand}\", \"2001:db8::5\"]\n");
    let mut leasehold = Leasehold::start(&server, &config("", &host("nas")));
    dig.wait_agree(&full("nas"), by_hand);
    wait_is(&dig, &[&full("nas"), "AAAA"], &["2001:db8::5"]);
    // The first address of the pool is the machine's, and the name too.
    let mut clients = Clients::behind(&relay);
    let other = clients.take(1, &[option_12("nas")]);
    assert_ne!(other, by_hand);
    assert_eq!(dig.addresses(&full("nas")), [by_hand]);
    configure(&mut leasehold, &server, &config("", &host("store")));
    dig.wait_agree(&full("store"), by_hand);
    configure(&mut leasehold, &server, &config("", ""));
    dig.wait_gone(&full("store"), by_hand);
}
