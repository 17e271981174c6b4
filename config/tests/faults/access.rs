//! Who may see and change what of embedded zones.

use zones::policy::{OwnName, Who};
use zones::{AccessList, Requestor};

use super::dns::KEY;
use super::{and, config, refused};

/// A zone with these keys from line 9 on, a key and a view.
fn zone(keys: &str) -> String {
    and(&format!(
        "[[zone]]\nname = \"a.example\"\n{keys}\n{KEY}[[view]]\nname = \"inside\"\nclients = [\"10.0.0.0/8\"]\n"
    ))
}

fn of_zone(keys: &str) -> config::settings::EmbeddedZone {
    let config = config(&zone(keys));
    config.dns.zones.into_iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap()
}

#[test]
fn rules_of_updates_are_read_in_their_order() {
    let zone = of_zone(
        "[[zone.update]]\ndeny = \"*\"\nname = [\"www\", \"@\"]\n\
         [[zone.update]]\ngrant = [\"k\", \"host/*@NASIR.XYZ\"]\nsubdomain = \"lab\"\nwildcard = \"*.dyn\"\n\
         self = \"subdomain\"\nleases = true\ntypes = [\"A\", \"txt\", \"ANY\", \"TYPE65280\"]\n",
    );
    let [deny, grant] = zone.policy.rules.as_slice() else { panic!("{:?}", zone.policy) };
    assert_eq!((deny.grants, &deny.who, &deny.types), (false, &vec![Who::Anybody], &None));
    assert_eq!(deny.names.exact, ["www.a.example".parse().unwrap(), "a.example".parse().unwrap()]);
    assert!(grant.grants);
    assert_eq!(grant.who, [Who::Key("k".parse().unwrap()), Who::Principal("host/*@NASIR.XYZ".to_owned())]);
    assert_eq!(grant.names.subdomains, ["lab.a.example".parse().unwrap()]);
    assert_eq!(grant.names.wildcards, ["*.dyn.a.example".parse().unwrap()]);
    assert_eq!((grant.names.own, grant.names.leases), (Some(OwnName::Beneath), true));
    assert_eq!(grant.types.as_ref().unwrap().iter().map(|rtype| rtype.0).collect::<Vec<_>>(), [1, 16, 255, 65_280]);
    // The key of a rule is known to the server, and may change what the rules say.
    assert_eq!(zone.keys.len(), 1);
    assert!(zone.policy.knows(&Requestor::Key("k".parse().unwrap())) && zone.policy.keys.is_empty());
}

#[test]
fn rules_do_not_reach_what_the_configuration_states() {
    let zone = of_zone(
        "update_keys = [\"k\"]\nrecords = [{ name = \"www\", type = \"A\", data = \"10.0.0.1\" }, \
         { name = \"in\", type = \"A\", data = \"10.0.0.2\", views = [\"inside\"] }]",
    );
    for name in ["www.a.example", "in.a.example", "ns.a.example"] {
        assert!(zone.policy.protected.contains(&name.parse().unwrap()), "{name}");
    }
    assert!(!zone.policy.protected.contains(&"other.a.example".parse().unwrap()));
}

#[test]
fn rules_that_are_wrong() {
    for (rule, place, underlined, message, mend) in [
        ("name = \"x\"", "9:1", "[[zone.update]]", "the rule is about nobody", "`grant = "),
        ("grant = \"k\"\ndeny = \"*\"", "11:8", "\"*\"", "a rule has `grant` or `deny`, not both", "two rules"),
        ("grant = \"kk\"", "10:9", "\"kk\"", "the key `kk` is not defined", "did you mean \"k\"?"),
        (
            "grant = \"k\"\nname = \"x.b.\"",
            "11:8",
            "\"x.b.\"",
            "`x.b.` is not within the zone `a.example`",
            "relative to the zone",
        ),
        ("grant = \"k\"\nwildcard = \"lab\"", "11:12", "\"lab\"", "`lab.a.example` does not begin with `*`", "*.lab"),
        ("grant = \"k\"\ntypes = [\"A\", \"AXFR\"]", "11:15", "\"AXFR\"", "`AXFR` is not a type of record", "TYPE"),
        ("grant = []", "10:9", "[]", "the rule is about nobody", "\"*\" for whoever signs"),
        ("deny = []", "10:8", "[]", "the rule is about nobody", "take the rule out"),
        ("grant = \"k\"\nname = []", "11:8", "[]", "the rule says no name here", "such as \"www\""),
        ("grant = \"k\"\nsubdomain = []", "11:13", "[]", "the rule says no name here", "take the key out"),
        ("grant = \"k\"\nwildcard = []", "11:12", "[]", "the rule says no name here", "take the key out"),
        ("grant = \"k\"\ntypes = []", "11:9", "[]", "the rule is about no type", "take `types` out"),
        ("grant = \"k\"\nself = \"mine\"", "11:8", "\"mine\"", "\"mine\" is not a value of `self`", "subdomain"),
    ] {
        refused(&zone(&format!("[[zone.update]]\n{rule}")), &[(place, underlined, message, mend)]);
    }
}

#[test]
fn the_name_of_a_principal_is_granted_to_a_realm_alone() {
    let told = "a principal of any realm has the name that `self` grants";
    let rule = |who: &str| zone(&format!("[[zone.update]]\ngrant = [\"{who}\"]\nself = \"name\""));
    for who in ["host/*@*", "host/*@*.XYZ", "*@*"] {
        refused(&rule(who), &[("10:10", &format!("\"{who}\""), told, "host/*@NASIR.XYZ")]);
    }
    // Where no tickets are taken everybody who signs has a key of the configuration.
    config(&rule("*"));
    let with_tickets = format!("[dns]\ngss_keytab = \"/k\"\n{}", rule("*"));
    refused(&with_tickets, &[("12:10", "\"*\"", told, "another realm")]);
    config(&with_tickets.replace("\"*\"", "\"host/*@NASIR.XYZ\""));
    // Denied it may be to all.
    config(&with_tickets.replace("grant", "deny"));
}

#[test]
fn views_show_records_and_zones_to_their_clients() {
    let text = zone(
        "views = [\"inside\"]\nrecords = [{ name = \"www\", type = \"A\", data = \"192.0.2.1\" }, \
         { name = \"www\", type = \"A\", data = \"10.0.0.2\", views = [\"inside\"] }]",
    );
    let config = config(&text);
    let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap();
    assert_eq!(config.dns.views.len(), 1);
    assert_eq!(zone.sight.views, Some(vec![0]));
    let [(0, sets)] = zone.sight.overlays.as_slice() else { panic!("{:?}", zone.sight) };
    assert_eq!((sets.len(), zone.records.len()), (1, 1), "each in its place");
    assert!(config.dns.audiences().is_some());
    assert_eq!(super::config(&and("")).dns.audiences(), None, "nothing to look up where all see the same");
}

#[test]
fn views_that_are_wrong() {
    let unknown = |place, underlined| (place, underlined, "the view `outside` is not defined", "inside");
    refused(&zone("views = [\"outside\"]"), &[unknown("9:10", "\"outside\"")]);
    refused(
        &zone("records = [{ name = \"x\", type = \"A\", data = \"10.0.0.1\", views = [\"outside\"] }]"),
        &[unknown("9:66", "\"outside\"")],
    );
    refused(
        &zone("[[view]]\nname = \"inside\"\nclients = []"),
        &[
            ("11:11", "[]", "nobody is in this view", "192.168.30.0/24"),
            ("16:8", "\"inside\"", "the view `inside` is defined twice", "another name"),
        ],
    );
    refused(
        &and("[[view]]\nname = \"v\"\nclients = [\"10.0.0.1/8\", \"here\", \"key:k\"]\n"),
        &[
            ("9:12", "\"10.0.0.1/8\"", "`10.0.0.1/8` has bits set beyond its length", "write 10.0.0.0/8"),
            ("9:26", "\"here\"", "`here` is neither a prefix nor a key", "2001:db8::/32"),
            ("9:34", "\"key:k\"", "the key `k` is not defined", "[[key]]"),
        ],
    );
}

#[test]
fn a_zone_that_says_nothing_of_access_has_what_dns_says() {
    let lists = |config: &config::Config, apex: &str| {
        let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == apex).unwrap();
        (zone.sight.query.clone(), zone.update.clone())
    };
    let text = format!(
        "[dns]\nallow_query = [\"10.0.0.0/8\", \"2001:db8::/32\"]\ndeny_update = [\"192.168.30.66\"]\n{}",
        zone("deny_query = [\"10.6.6.6\"]\nallow_update = [\"key:k\"]")
    );
    let config = config(&text);
    let (query, update) = lists(&config, "nasir.xyz.");
    assert_eq!(query.allow.unwrap().prefixes.len(), 2);
    assert_eq!((update.allow, update.deny.prefixes.len()), (None, 1));
    let (query, update) = lists(&config, "a.example.");
    assert_eq!((query.allow, query.deny.prefixes.len()), (None, 1), "its own list in place of the other");
    assert_eq!((update.allow.unwrap().keys.len(), update.deny.prefixes.len()), (1, 0));
    let (query, _) = lists(&super::config(&and("")), "nasir.xyz.");
    assert_eq!(query, AccessList::default(), "everybody may ask");
}

#[test]
fn nobody_outside_the_subnets_has_other_names_resolved_and_some_within_may_be_left_out() {
    let forward = config(&format!("[dns]\ndeny_forward = [\"192.168.30.66\"]\n{}", and(""))).dns.forward.unwrap();
    assert_eq!(forward.allowed, ["192.168.30.0/24".parse().unwrap()]);
    assert!(forward.denied.contain("192.168.30.66".parse().unwrap(), None));
    // DNS alone has no subnet: nobody but this machine itself.
    let alone = config("[[zone]]\nname = \"nasir.xyz\"\n");
    assert_eq!(alone.dns.forward.unwrap().allowed, []);
}

#[test]
fn what_is_for_embedded_zones_alone_is_refused_elsewhere() {
    let text = and(&format!(
        "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\nself_by_lease = true\n{KEY}"
    ));
    let message = "`self_by_lease` is for embedded zones, and this one has a `server`";
    refused(&text, &[("11:17", "true", message, "take it out")]);
}

/// Several zones of one name, each with these keys; two views.
fn several(zones: &[&str]) -> String {
    let zones = zones.iter().map(|keys| format!("[[zone]]\nname = \"a.example\"\n{keys}\n"));
    let views = "[[view]]\nname = \"in\"\nclients = [\"10.0.0.0/8\"]\n[[view]]\nname = \"guests\"\nclients = [\"10.9.0.0/16\"]\n";
    and(&(zones.collect::<String>() + views))
}

#[test]
fn several_zones_of_one_name_are_told_apart_by_their_views() {
    let of = |zones: &[&str]| -> Vec<(String, bool)> {
        let zones = config(&several(zones)).dns.zones;
        let held = zones.into_iter().filter(|zone| zone.apex.to_string() == "a.example.");
        held.map(|zone| (zone.sight.id.to_string(), zone.sight.leases)).collect()
    };
    let both = [("a.example.".to_owned(), true), ("view=guests+in.a.example.".to_owned(), false)];
    for order in [
        ["views = [\"in\", \"guests\"]\nleases = false", "ttl = \"1h\""],
        ["ttl = \"1h\"", "views = [\"guests\", \"in\"]\nleases = false"],
    ] {
        assert_eq!(of(&order), both, "whatever their order is");
    }
    assert_eq!(of(&["views = [\"in\"]", "views = [\"guests\"]"]).len(), 2);
    assert_eq!(
        of(&["views = [\"in\"]"]),
        [("view=in.a.example.".to_owned(), true)],
        "known by its view when it is alone too"
    );
}

#[test]
fn two_zones_that_one_client_would_see_are_refused() {
    for (zones, place, mend) in [
        (["", ""], "11:8", "give one of them `views`"),
        (["views = [\"in\"]", "views = [\"guests\", \"in\"]"], "11:8", "name each view in one of the two"),
        (["server = \"192.0.2.1\"\nkey = \"k\"", "views = [\"in\"]"], "12:8", "views see zones that are held here"),
    ] {
        let text = several(&zones) + KEY;
        refused(&text, &[(place, "\"a.example\"", "the zone `a.example` is defined twice", mend)]);
    }
}

#[test]
fn names_of_leases_need_one_zone_of_several_and_no_choice_of_one() {
    refused(
        &several(&["views = [\"in\"]\nleases = false", "leases = false"]),
        &[("12:8", "\"a.example\"", "no zone `a.example` has the names of leases", "take `leases = false` out of one")],
    );
    refused(
        &several(&["leases = true"]),
        &[(
            "9:10",
            "true",
            "`leases` chooses among several zones with one name, and this is the only one",
            "take it out",
        )],
    );
    refused(
        &several(&["kind = \"secondary\"\nprimaries = [{ address = \"192.0.2.1\" }]\nleases = true"]),
        &[("11:10", "true", "`leases` is not for a copy of another server's zone", "the primary decides that")],
    );
}
