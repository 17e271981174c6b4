//! The embedded server: whether it runs, where it listens, whom it asks.

use config::settings::{Listen, Upstreams};

use super::{GOOD, and, config, refused, warned};

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
