#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

#[test]
fn presentation_form_has_a_final_dot_and_lower_case() {
    assert_eq!(name("Client1.NASIR.xyz").to_string(), "client1.nasir.xyz.");
    assert_eq!(name("client1.nasir.xyz."), name("CLIENT1.nasir.xyz"));
    assert_eq!(name(".").to_string(), ".");
    assert_eq!(name("a").as_wire(), b"\x01a\x00");
}

#[test]
fn escapes_stand_for_single_octets() {
    assert_eq!(name(r"a\.b.c").as_wire(), b"\x03a.b\x01c\x00");
    assert_eq!(name(r"\065\000.c").as_wire(), b"\x02a\x00\x01c\x00");
    assert_eq!(name(r"a\.b.c").to_string(), r"a\.b.c.");
    assert_eq!(r"a\256".parse::<Fqdn>(), Err(NameError::BadEscape));
    assert_eq!(r"a\".parse::<Fqdn>(), Err(NameError::BadEscape));
    assert_eq!(r"a\1x".parse::<Fqdn>(), Err(NameError::BadEscape));
}

#[test]
fn empty_and_overlong_names_are_refused() {
    assert_eq!("".parse::<Fqdn>(), Err(NameError::Empty));
    assert_eq!("a..b".parse::<Fqdn>(), Err(NameError::EmptyLabel));
    assert_eq!(".a".parse::<Fqdn>(), Err(NameError::EmptyLabel));
    assert_eq!("a".repeat(64).parse::<Fqdn>(), Err(NameError::LabelTooLong));
    let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    assert_eq!(name(&longest).as_wire().len(), NAME_OCTETS_MAX);
    assert_eq!(Fqdn::from_wire(name(&longest).as_wire()), Ok(name(&longest)));
    assert_eq!(format!("{longest}b").parse::<Fqdn>(), Err(NameError::TooLong));
    assert_eq!(name(&longest).prepend_label(b"x"), Err(NameError::TooLong));
}

#[test]
fn wire_form_refuses_pointers_rests_and_cut_names() {
    assert_eq!(Fqdn::from_wire(b"\x01a\xc0\x00"), Err(NameError::Malformed));
    assert_eq!(Fqdn::from_wire(b"\x01a\x00\x00"), Err(NameError::Malformed));
    assert_eq!(Fqdn::from_wire(b"\x05ab"), Err(NameError::Malformed));
    assert_eq!(Fqdn::from_wire(b""), Err(NameError::Malformed));
    assert_eq!(Fqdn::from_wire(&[1].repeat(300)), Err(NameError::TooLong));
    assert_eq!(Fqdn::read_wire(b"\x01A\x00rest"), Ok((name("a"), 3)));
}

#[test]
fn within_compares_whole_labels() {
    assert!(name("a.example.com").is_within(&name("example.com")));
    assert!(name("example.com").is_within(&name("example.com")));
    assert!(name("example.com").is_within(&Fqdn::root()));
    assert!(!name("badexample.com").is_within(&name("example.com")));
    assert!(!name("com").is_within(&name("example.com")));
    // The octets of "\003com\000" also end this name, but inside its label.
    assert!(!Fqdn::from_wire(b"\x05a\x03com\x00").unwrap().is_within(&name("com")));
}

#[test]
fn labels_come_off_and_go_on() {
    let host = name("a.example.com");
    assert_eq!(host.parent(), Some(name("example.com")));
    assert_eq!(Fqdn::root().parent(), None);
    assert_eq!(host.first_label(), Some(&b"a"[..]));
    assert_eq!(name("example.com").prepend_label(b"A"), Ok(host.clone()));
    assert_eq!(name("a").concat(&name("example.com")), Ok(host.clone()));
    assert_eq!(host.label_count(), 3);
    assert_eq!(Fqdn::from_labels(["a", "Example", "com"]), Ok(host));
    assert!(name("*.example.com").is_wildcard());
}

#[test]
fn reverse_names_go_both_ways() {
    let v4: IpAddr = "192.168.30.1".parse().unwrap();
    assert_eq!(Fqdn::reverse(v4), name("1.30.168.192.in-addr.arpa"));
    assert_eq!(Fqdn::reverse(v4).to_reverse_address(), Some(v4));
    let v6: IpAddr = "2001:db8::567:89ab".parse().unwrap();
    let expected = "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(Fqdn::reverse(v6), name(expected));
    assert_eq!(Fqdn::reverse(v6).to_reverse_address(), Some(v6));
    for other in ["30.168.192.in-addr.arpa", "01.30.168.192.in-addr.arpa", "a.b.c.d.in-addr.arpa", "."] {
        assert_eq!(name(other).to_reverse_address(), None, "{other}");
    }
}

#[test]
fn rfc4034_6_1_canonical_order_example() {
    let sorted = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ];
    for pair in sorted.windows(2) {
        assert!(name(pair[0]) < name(pair[1]), "{} < {}", pair[0], pair[1]);
    }
}

prop_compose! {
    fn any_name()(labels in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), 0..3_u8], 1..6), 0..6)) -> Fqdn {
        Fqdn::from_labels(labels).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn text_and_wire_round_trip(name in any_name()) {
        prop_assert_eq!(Fqdn::from_wire(name.as_wire()), Ok(name.clone()));
        prop_assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn a_subtree_is_one_range(mut names in prop::collection::vec(any_name(), 1..40), zone in any_name()) {
        names.extend(names.clone().iter().filter_map(|name| name.concat(&zone).ok()));
        names.sort();
        let runs = names.chunk_by(|a, b| a.is_within(&zone) == b.is_within(&zone));
        prop_assert!(runs.filter(|run| run[0].is_within(&zone)).count() <= 1);
    }

    /// RFC 4034 section 6.1, word for word: label by label from the right, a missing label first.
    #[test]
    fn the_order_is_that_of_labels_from_the_right(a in any_name(), b in any_name(), tail in any_name()) {
        let reversed = |name: &Fqdn| name.labels().map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
        let both = |name: &Fqdn| [Some(name.clone()), name.concat(&tail).ok()];
        for a in both(&a).into_iter().flatten() {
            for b in both(&b).into_iter().flatten() {
                prop_assert_eq!(a.cmp(&b), reversed(&a).cmp(&reversed(&b)), "{} {}", a, b);
            }
        }
    }

    #[test]
    fn bytes_off_the_wire_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok((name, used)) = Fqdn::read_wire(&bytes) {
            prop_assert!(used <= NAME_OCTETS_MAX);
            prop_assert_eq!(name.as_wire().len(), used);
        }
    }
}

#[test]
fn names_of_addresses_are_told_from_other_names_under_arpa() {
    for (text, reverse) in [
        ("in-addr.arpa", true),
        ("30.168.192.in-addr.arpa", true),
        ("8.b.d.0.1.0.0.2.IP6.arpa", true),
        ("home.arpa", false),
        ("arpa", false),
        ("xin-addr.arpa", false),
        (r"x\007in-addr\004arpa", false),
        (".", false),
    ] {
        assert_eq!(text.parse::<Fqdn>().unwrap().is_reverse(), reverse, "{text}");
    }
}
