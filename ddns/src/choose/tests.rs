#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

mod rules;

use super::*;
use crate::settings::{ZoneRoute, ZoneServer};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn settings() -> Settings {
    let route = |apex: &str| ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
    Settings {
        zones: vec![route("nasir.xyz"), route("lab.example"), route("30.168.192.in-addr.arpa")].into(),
        protected: [name("dc1.nasir.xyz"), name("ns.nasir.xyz")].into_iter().collect(),
        reserved: [name("nas.nasir.xyz")].into(),
        ..Settings::default()
    }
}

fn naming() -> Naming {
    Naming::of_domain(name("nasir.xyz"))
}

fn identity(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

fn question(naming: &Naming) -> Question<'_> {
    Question {
        hostname: b"",
        client_fqdn: None,
        reserved_hostname: None,
        address: "192.168.30.100".parse().unwrap(),
        hardware: &[2, 0, 0x5e, 0x10, 0, 1],
        lease_secs: 86_400,
        identity: identity(1),
        naming,
    }
}

fn nobody(_: &Fqdn, _: &HostIdentity) -> bool {
    false
}

/// Answers for a client whose question differs from the plain one as `change` says.
fn answer_to<'a>(naming: &'a Naming, change: impl FnOnce(&mut Question<'a>)) -> Answer {
    let mut question = question(naming);
    change(&mut question);
    choose(&question, &settings(), &nobody)
}

fn published(answer: &Answer) -> String {
    answer.name.as_ref().map(|name| name.fqdn.to_string()).unwrap_or_default()
}

/// Option 81 in wire form with these flags.
fn wire(flags: u8, text: &str) -> Vec<u8> {
    [&[flags | 4, 0, 0], name(text).as_wire()].concat()
}

/// RFC 8375 makes `home.arpa` the domain of homes: not every zone under `arpa` is a reverse zone.
#[test]
fn rfc8375_names_under_home_arpa_are_names_of_hosts() {
    let route = |apex: &str| ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
    let zones = vec![route("home.arpa"), route("30.168.192.in-addr.arpa"), route("8.b.d.0.1.0.0.2.ip6.arpa")];
    let settings = Settings { zones: zones.into(), ..Settings::default() };
    let naming = Naming { domain: name("home.arpa"), ..naming() };
    let published_as = |hostname: &'static str| {
        let question = Question { hostname: hostname.as_bytes(), ..question(&naming) };
        published(&choose(&question, &settings, &nobody))
    };
    assert_eq!(published_as("tv"), "tv.home.arpa.");
    assert_eq!(published_as("tv.home.arpa"), "tv.home.arpa.");
    // A reverse zone holds no host: the first label goes under the domain.
    assert_eq!(published_as("pc.30.168.192.in-addr.arpa"), "pc.home.arpa.");
    assert_eq!(published_as("pc.8.b.d.0.1.0.0.2.ip6.arpa"), "pc.home.arpa.");
}

#[test]
fn with_option_12_alone_the_server_writes_both() {
    let answer = answer_to(&naming(), |q| q.hostname = b"client1");
    let chosen = answer.name.as_ref().unwrap();
    assert_eq!(published(&answer), "client1.nasir.xyz.");
    assert!(chosen.forward && chosen.reverse);
    assert_eq!((chosen.ttl_secs, answer.reason), (600, Reason::Hostname));
}

/// "Windows clients send S=0, N=0 by default ... the server overrides S (and says so with O)".
#[test]
fn rfc4702_windows_defaults_are_overridden_and_told_so() {
    let answer = answer_to(&naming(), |q| q.client_fqdn = Some(b"\x00\0\0DESKTOP-7"));
    assert!(answer.name.as_ref().is_some_and(|name| name.forward && name.reverse));
    assert_eq!(answer.client_fqdn.as_deref(), Some(&b"\x03\xff\xffdesktop-7.nasir.xyz"[..]));
}

/// "N=0, S=0: the client writes A, the server still writes PTR", where the subnet leaves it to the client.
#[test]
fn rfc4702_s0_n0_left_to_the_client_writes_only_the_ptr() {
    let naming = Naming { client_updates: ClientUpdates::Allow, ..naming() };
    let sent = wire(0, "pc.nasir.xyz");
    let answer = answer_to(&naming, |q| q.client_fqdn = Some(&sent));
    assert!(answer.name.is_some_and(|name| !name.forward && name.reverse));
    assert_eq!(answer.client_fqdn.as_deref(), Some(&[&[4, 255, 255], name("pc.nasir.xyz").as_wire()].concat()[..]));
}

#[test]
fn rfc4702_s1_is_done_without_override() {
    let sent = wire(1, "pc.nasir.xyz");
    let answer = answer_to(&naming(), |q| q.client_fqdn = Some(&sent));
    assert_eq!(answer.client_fqdn.unwrap()[0], 0b0101);
}

#[test]
fn rfc4702_n1_is_honoured_and_nothing_is_written() {
    let sent = wire(8, "pc.nasir.xyz");
    let answer = answer_to(&naming(), |q| {
        q.client_fqdn = Some(&sent);
        q.hostname = b"pc";
        q.reserved_hostname = Some("pc");
    });
    assert_eq!((answer.name, answer.reason), (None, Reason::ClientDeclined));
    assert_eq!(answer.client_fqdn.unwrap()[0], 0b1100);
}

#[test]
fn rfc4702_2_1_n1_with_s1_is_invalid_and_read_as_n1() {
    let sent = wire(9, "pc.nasir.xyz");
    assert!(ClientFqdn::parse(&sent).unwrap().is_contradictory());
    let answer = answer_to(&naming(), |q| q.client_fqdn = Some(&sent));
    assert_eq!(answer.name, None);
    // The reply never has both: N says that nothing is written, O that the client's S was not followed.
    assert_eq!(answer.client_fqdn.unwrap()[0], 0b1110);
}

#[test]
fn rfc4702_the_e_bit_is_copied_and_rcodes_are_255() {
    let sent = wire(1, "pc.nasir.xyz");
    let in_wire = answer_to(&naming(), |q| q.client_fqdn = Some(&sent)).client_fqdn.unwrap();
    assert_eq!((in_wire[0] & 4, &in_wire[1..3]), (4, &[255, 255][..]));
    assert_eq!(&in_wire[3..], name("pc.nasir.xyz").as_wire());
    let in_ascii = answer_to(&naming(), |q| q.client_fqdn = Some(b"\x01\x07\x09pc")).client_fqdn.unwrap();
    assert_eq!((in_ascii[0] & 4, &in_ascii[1..]), (0, &b"\xff\xffpc.nasir.xyz"[..]));
}

#[test]
fn rfc4702_option_81_only_when_the_client_sent_81() {
    assert_eq!(answer_to(&naming(), |q| q.hostname = b"pc").client_fqdn, None);
    // Too short to be one.
    assert_eq!(answer_to(&naming(), |q| q.client_fqdn = Some(b"\x01")).client_fqdn, None);
}

#[test]
fn rfc4702_option_81_beats_option_12() {
    let sent = wire(1, "by81.nasir.xyz");
    let answer = answer_to(&naming(), |q| {
        q.client_fqdn = Some(&sent);
        q.hostname = b"by12";
    });
    assert_eq!((published(&answer).as_str(), answer.reason), ("by81.nasir.xyz.", Reason::ClientFqdn));
    // An option 81 that leaves the name to the server, or holds none that can be read, leaves option 12.
    for sent in [&b"\x05\0\0"[..], b"\x05\0\0\xc0\x0c"] {
        let answer = answer_to(&naming(), |q| {
            q.client_fqdn = Some(sent);
            q.hostname = b"by12";
        });
        assert_eq!((published(&answer).as_str(), answer.reason), ("by12.nasir.xyz.", Reason::Hostname));
        assert_eq!(&answer.client_fqdn.unwrap()[3..], name("by12.nasir.xyz").as_wire());
    }
}

#[test]
fn rfc4702_5_ttl_is_at_most_a_third_of_the_lease_and_ten_minutes_at_least() {
    for (lease_secs, ttl_secs) in [(86_400, 600), (1_800, 600), (1_799, 599), (120, 40), (2, 0), (u32::MAX, 600)] {
        let answer = answer_to(&naming(), |q| {
            q.hostname = b"pc";
            q.lease_secs = lease_secs;
        });
        assert_eq!(answer.name.unwrap().ttl_secs, ttl_secs, "lease of {lease_secs} s");
    }
    let fixed = Naming { ttl: Ttl::Fixed(60), ..naming() };
    assert_eq!(answer_to(&fixed, |q| q.hostname = b"pc").name.unwrap().ttl_secs, 60);
}

/// "A name outside every zone: its first label under the subnet's domain, or refused, by one setting, and option 81
/// tells the client the truth".
#[test]
fn a_name_outside_every_zone_is_moved_or_refused_and_option_81_tells_the_truth() {
    let sent = wire(1, "pc.corp.example");
    let moved = answer_to(&naming(), |q| q.client_fqdn = Some(&sent));
    assert_eq!(published(&moved), "pc.nasir.xyz.");
    assert_eq!(&moved.client_fqdn.unwrap()[3..], name("pc.nasir.xyz").as_wire());

    let refusing = Naming { outside: OutsideName::Refuse, ..naming() };
    let refused = answer_to(&refusing, |q| q.client_fqdn = Some(&sent));
    assert_eq!((refused.name, refused.reason), (None, Reason::OutsideZones));
    // N=1, S=0, and O because the client's S was not followed; the name is the client's own.
    assert_eq!(refused.client_fqdn.unwrap(), [&[0b1110, 255, 255], name("pc.corp.example").as_wire()].concat().into());
}

#[test]
fn a_full_name_in_any_zone_of_ours_is_taken_as_it_is() {
    let sent = wire(1, "pc.lab.example");
    assert_eq!(published(&answer_to(&naming(), |q| q.client_fqdn = Some(&sent))), "pc.lab.example.");
    // Partial in form (no root label), full in meaning: clients that leave out the final dot send this.
    let partial = b"\x05\0\0\x02pc\x03lab\x07example";
    assert_eq!(published(&answer_to(&naming(), |q| q.client_fqdn = Some(partial))), "pc.lab.example.");
    assert_eq!(published(&answer_to(&naming(), |q| q.hostname = b"pc.lab.example.")), "pc.lab.example.");
}

#[test]
fn no_client_names_itself_into_a_reverse_zone() {
    let sent = wire(1, "7.30.168.192.in-addr.arpa");
    assert_eq!(published(&answer_to(&naming(), |q| q.client_fqdn = Some(&sent))), "7.nasir.xyz.");
}

#[test]
fn a_domain_in_no_zone_publishes_nothing() {
    let naming = Naming { domain: name("elsewhere.example"), generate: Some(GeneratedName::Address), ..naming() };
    assert_eq!(answer_to(&naming, |q| q.hostname = b"pc").reason, Reason::OutsideZones);
}

/// "Trailing NUL, spaces, dots, underscores, non-ASCII, 255 octets, empty after clean-up: each has a defined result."
#[test]
fn names_each_odd_character_has_a_defined_result() {
    let long = [b'x'; 255];
    let deep = b"a.".repeat(127);
    for (hostname, expected) in [
        (&b"pc\0"[..], "pc.nasir.xyz."),
        (b"pc\0\0junk", "pc.nasir.xyz."),
        (b"  my pc ", "my-pc.nasir.xyz."),
        (b"..pc..", "pc.nasir.xyz."),
        (b"my_pc", "my-pc.nasir.xyz."),
        (b"K\xc3\xbcche", "xn--kche-0ra.nasir.xyz."),
        (b"K\xfcche.lab.example", "xn--kche-0ra.lab.example."),
        (b"pc..nasir.xyz", "pc.nasir.xyz."),
        (b"PC", "pc.nasir.xyz."),
        (b"_.pc", "pc.nasir.xyz."),
        (&deep, "a.nasir.xyz."),
    ] {
        assert_eq!(published(&answer_to(&naming(), |q| q.hostname = hostname)), expected, "{hostname:?}");
    }
    let cut = answer_to(&naming(), |q| q.hostname = &long);
    assert_eq!(published(&cut), format!("{}.nasir.xyz.", "x".repeat(63)));
}

#[test]
fn names_empty_after_clean_up_is_no_name_or_the_generated_one() {
    for hostname in
        [&b""[..], b"\0", b"...", b" ", b"\x80\x81", b"192.168.30.7", b"__", b"localhost", b"localhost.localdomain"]
    {
        let without = answer_to(&naming(), |q| q.hostname = hostname);
        assert_eq!((without.name, without.reason), (None, Reason::NoName), "{hostname:?}");
        let generating = Naming { generate: Some(GeneratedName::Address), ..naming() };
        let with = answer_to(&generating, |q| q.hostname = hostname);
        assert_eq!((published(&with).as_str(), with.reason), ("host-192-168-30-100.nasir.xyz.", Reason::Generated));
    }
    let generating = Naming { generate: Some(GeneratedName::Address), ..naming() };
    let moved = answer_to(&generating, |q| q.hostname = b"host-192-168-30-7");
    assert_eq!(published(&moved), "host-192-168-30-100.nasir.xyz.");
    let v6 = answer_to(&generating, |q| q.address = "2001:db8::1".parse().unwrap());
    assert_eq!(published(&v6), "host-2001-db8-0-0-0-0-0-1.nasir.xyz.");
}

#[test]
fn names_a_name_that_would_exceed_255_octets_is_not_published() {
    let domain = Fqdn::from_labels([&[b'd'; 63][..], &[b'd'; 63], &[b'd'; 63], &[b'd'; 40], b"nasir", b"xyz"]).unwrap();
    let naming = Naming { domain, ..naming() };
    assert_eq!(answer_to(&naming, |q| q.hostname = b"pc").reason, Reason::Hostname);
    assert_eq!(answer_to(&naming, |q| q.hostname = b"much-too-long-to-fit-there").reason, Reason::OutsideZones);
}

/// "No client takes a reserved, static or protected name (a domain controller's, the zone's apex, the server's own)."
#[test]
fn names_no_client_takes_a_reserved_static_or_protected_name() {
    for sent in ["dc1.nasir.xyz", "ns.nasir.xyz", "NASIR.xyz", "lab.example", "nas.nasir.xyz"] {
        let answer = answer_to(&naming(), |q| q.hostname = sent.as_bytes());
        assert_eq!((answer.name, answer.reason), (None, Reason::Protected), "{sent}");
    }
    let sent = wire(1, "dc1.nasir.xyz");
    let answer = answer_to(&naming(), |q| q.client_fqdn = Some(&sent));
    assert_eq!(answer.client_fqdn.unwrap()[0] & 0b1001, 0b1000);
}

#[test]
fn names_a_reservation_wins_over_what_the_client_sends() {
    let sent = wire(1, "evil.nasir.xyz");
    let answer = answer_to(&naming(), |q| {
        q.client_fqdn = Some(&sent);
        q.hostname = b"evil";
        q.reserved_hostname = Some("nas");
    });
    assert_eq!((published(&answer).as_str(), answer.reason), ("nas.nasir.xyz.", Reason::Reservation));
    assert_eq!(&answer.client_fqdn.unwrap()[3..], name("nas.nasir.xyz").as_wire());
    let full = answer_to(&naming(), |q| q.reserved_hostname = Some("nas.lab.example"));
    assert_eq!(published(&full), "nas.lab.example.");
}

/// "Two clients with one name: DHCID decides, and the loser gets a defined, stable outcome".
#[test]
fn names_two_clients_with_one_name_the_loser_gets_none_and_is_told() {
    let naming = Naming { generate: Some(GeneratedName::Address), ..naming() };
    let holder = identity(9);
    let taken = |held: &Fqdn, asking: &HostIdentity| *held == name("pc.nasir.xyz") && *asking != holder;
    let sent = wire(1, "pc");
    let loser = Question { client_fqdn: Some(&sent), ..question(&naming) };
    for _ in 0..3 {
        let answer = choose(&loser, &settings(), &taken);
        assert_eq!((answer.name, answer.reason), (None, Reason::Taken));
        assert_eq!(answer.client_fqdn.unwrap()[0], 0b1110);
    }
    let winner = Question { identity: holder.clone(), ..loser };
    assert_eq!(published(&choose(&winner, &settings(), &taken)), "pc.nasir.xyz.");
}

#[test]
fn without_a_reverse_zone_only_the_forward_record_is_kept() {
    let naming = naming();
    let far = answer_to(&naming, |q| {
        q.hostname = b"pc";
        q.address = "10.9.9.9".parse().unwrap();
    });
    assert!(far.name.is_some_and(|name| name.forward && !name.reverse));
    let allowing = Naming { client_updates: ClientUpdates::Allow, ..naming.clone() };
    let sent = wire(0, "pc.nasir.xyz");
    let nothing = answer_to(&allowing, |q| {
        q.client_fqdn = Some(&sent);
        q.address = "10.9.9.9".parse().unwrap();
    });
    assert_eq!((nothing.name, nothing.reason), (None, Reason::NothingToWrite));
    assert_eq!(nothing.client_fqdn.unwrap()[0], 0b1100);
}

/// Labels as clients send them, and some that are to be looked at.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let some = [
        "pc",
        "printer-2",
        "nasir",
        "xyz",
        "lab",
        "example",
        "dc1",
        "nas",
        "PC",
        "a",
        "7",
        "10",
        "192-168-30-7",
        "wpad",
        "localhost",
        "client-192-168-30-7",
        "dhcp-1",
        "a_b",
        "-a",
        "xn--kche-0ra",
        "xn--zz",
        "30",
        "168",
        "192",
        "in-addr",
        "arpa",
    ];
    prop_oneof![
        9 => prop::sample::select(some.to_vec()).prop_map(|label| label.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Who asks why is told the answer that the client gets, though that is found in a shorter way where nothing is to be
    /// cleaned.
    #[test]
    fn the_short_way_to_a_plain_name_leads_to_the_same_answer(
        labels in prop::collection::vec(label(), 0..4), zone in 0..4_usize, (flags, end) in (0..16_u8, 0..6_u8),
        (made, replace, patterned) in (0..4_u8, 0..3_u8, any::<bool>()), (reserved, taken) in (0..8_u8, 0..8_u8),
        (refuse, ignores) in (any::<bool>(), 0..4_u8),
    ) {
        let zones: [&[&str]; 4] = [&["nasir", "xyz"], &["lab", "example"], &["30", "168", "192", "in-addr", "arpa"], &[]];
        let mut sent = vec![flags | if end == 5 { 0 } else { 4 }, 0, 0];
        for label in labels.iter().map(Vec::as_slice).chain(zones[zone].iter().map(|label| label.as_bytes())) {
            sent.push(label.len() as u8);
            sent.extend_from_slice(label);
        }
        match end {
            0 => {}
            1 => sent.extend([0, 0]),
            _ => sent.push(0),
        }
        let naming = Naming {
            generate: [None, None, Some(GeneratedName::Address), Some(GeneratedName::Pattern("pc".into()))]
                [usize::from(made)].clone(),
            replace: [ReplaceName::WhenAbsent, ReplaceName::Always, ReplaceName::WhenPresent][usize::from(replace)],
            outside: if refuse { OutsideName::Refuse } else { OutsideName::FirstLabel },
            client_updates: if ignores == 0 { ClientUpdates::Ignore } else { ClientUpdates::Override },
            ..naming()
        };
        let settings = Settings { patterns: patterned.then(|| "printer-{last}".into()).into_iter().collect(), ..settings() };
        let question = Question {
            client_fqdn: Some(&sent),
            reserved_hostname: (reserved == 0).then_some("nas"),
            hostname: b"by12",
            ..question(&naming)
        };
        let holders = |name: &Fqdn, _: &HostIdentity| taken == 0 && name.as_wire().starts_with(b"\x02pc");
        let answer = choose(&question, &settings, &holders);
        prop_assert_eq!(answer, explain_choice(&question, &settings, &holders).0);
    }
}

#[test]
fn a_plain_name_is_taken_as_it_was_sent() {
    let sent = wire(1, "printer-2.nasir.xyz");
    assert_eq!(ClientFqdn::parse(&sent).unwrap().plain_name(), Some(name("printer-2.nasir.xyz").as_wire()));
    for odd in [&b"\x05\0\0\x02pc"[..], b"\x05\0\0\x02pc\0", b"\x05\0\0\x02PC\x03lan\0", b"\x05\0\0\x02pc\x03lan\0\0"] {
        assert_eq!(ClientFqdn::parse(odd).unwrap().plain_name(), None, "{odd:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is sent: no panic, a name is in a zone of ours and protected by nobody, and option 81 tells what is
    /// really done.
    #[test]
    fn any_bytes_have_a_true_answer(
        hostname in prop::collection::vec(any::<u8>(), 0..256),
        option81 in prop::option::of(prop::collection::vec(any::<u8>(), 0..260)),
        generate: bool, refuse: bool, allow: bool, lease_secs: u32,
    ) {
        let naming = Naming {
            generate: generate.then_some(GeneratedName::Address),
            outside: if refuse { OutsideName::Refuse } else { OutsideName::FirstLabel },
            client_updates: if allow { ClientUpdates::Allow } else { ClientUpdates::Override },
            ..naming()
        };
        let answer = answer_to(&naming, |q| {
            q.hostname = &hostname;
            q.client_fqdn = option81.as_deref();
            q.lease_secs = lease_secs;
        });
        prop_assert_eq!(answer.client_fqdn.is_some(), option81.as_ref().is_some_and(|data| data.len() >= 3));
        if let Some(reply) = &answer.client_fqdn {
            prop_assert_eq!(reply[0] & 1 == 1, answer.name.as_ref().is_some_and(|name| name.forward));
            prop_assert_eq!(reply[0] & 8 == 8, answer.name.is_none());
            prop_assert_eq!(reply[0] & 4, option81.as_ref().map_or(0, |data| data[0] & 4));
        }
        if let Some(chosen) = answer.name {
            prop_assert!(settings().zone_of(&chosen.fqdn).is_some());
            prop_assert!(!settings().protected.contains(&chosen.fqdn));
            prop_assert!(chosen.ttl_secs <= lease_secs / 3);
        }
    }

    /// A name that is not the client's to take is not to be had by spelling it otherwise: in another case, with what
    /// cleaning takes away, in either option and encoding, as a full name or under the domain.
    #[test]
    fn names_no_spelling_takes_what_is_not_the_clients(
        target in prop::sample::select(vec![
            "ns", "dc1", "nas", "nasir.xyz", "lab.example", "ns.nasir.xyz", "nas.nasir.xyz", "wpad", "isatap.nasir.xyz",
            "localhost", "*", "*.nasir.xyz", "@", "host-192-168-30-7", "host-192-168-30-7.nasir.xyz", "_ns._nasir.xyz",
        ]),
        before in "[-_ *.]{0,3}", after in "[-_ *.\0]{0,3}", upper: bool, in_wire: bool, in_81: bool,
    ) {
        let spelt = format!("{before}{target}{after}");
        let spelt = if upper { spelt.to_ascii_uppercase() } else { spelt };
        let mut option81 = vec![if in_wire { 5 } else { 1 }, 0, 0];
        match in_wire {
            true => spelt.split('.').filter(|label| !label.is_empty()).for_each(|label| {
                option81.push(u8::try_from(label.len()).unwrap());
                option81.extend_from_slice(label.as_bytes());
            }),
            false => option81.extend_from_slice(spelt.as_bytes()),
        }
        let naming = naming();
        let answer = answer_to(&naming, |q| match in_81 {
            true => q.client_fqdn = Some(&option81),
            false => q.hostname = spelt.as_bytes(),
        });
        if let Some(ChosenName { fqdn, .. }) = answer.name {
            let settings = settings();
            prop_assert!(!settings.protected.contains(&fqdn) && !settings.reserved.contains(&fqdn), "{fqdn}");
            prop_assert!(settings.zones.iter().all(|zone| zone.apex != fqdn), "{fqdn}");
            let first = fqdn.first_label().unwrap();
            prop_assert!(!UNCLAIMABLE.contains(&first) && !generated::is_made(first, [].into_iter()), "{fqdn}");
            let plain = |label: &[u8]| label.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
            prop_assert!(fqdn.labels().all(plain), "{fqdn}");
        }
    }
}
