//! The rules of names one by one, what a choice tells of itself, and what holds of any.

use proptest::prelude::*;

use super::super::*;
use super::{answer_to, name, naming, nobody, published, question, settings, wire};

fn told(naming: &Naming, hostname: &[u8], client_fqdn: Option<&[u8]>) -> String {
    let question = Question { hostname, client_fqdn, ..question(naming) };
    let (answer, steps) = explain_choice(&question, &settings(), &nobody);
    assert_eq!(answer, choose(&question, &settings(), &nobody));
    steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn rfc4702_a_client_that_wants_no_update_gets_none_unless_that_is_overridden() {
    let sent = wire(8, "pc.nasir.xyz");
    let heeded = answer_to(&naming(), |q| q.client_fqdn = Some(&sent));
    assert_eq!((heeded.name, heeded.reason), (None, Reason::ClientDeclined));
    assert_eq!(heeded.client_fqdn.unwrap()[0], 0b1100, "N=1 and S=0, as it asked");
    let overriding = Naming { override_no_update: true, ..naming() };
    let answer = answer_to(&overriding, |q| q.client_fqdn = Some(&sent));
    assert_eq!(published(&answer), "pc.nasir.xyz.");
    assert!(answer.name.as_ref().is_some_and(|name| name.forward && name.reverse));
    assert_eq!(answer.client_fqdn.unwrap()[0], 0b0111, "S=1 and O=1: it was overridden");
    // Who writes A records elsewhere is another question.
    for client_updates in [ClientUpdates::Allow, ClientUpdates::Deny] {
        let overriding = Naming { client_updates, ..overriding.clone() };
        assert!(answer_to(&overriding, |q| q.client_fqdn = Some(&sent)).name.is_some_and(|name| name.forward));
    }
}

#[test]
fn client_updates_that_are_denied_leave_no_records_and_the_client_is_told() {
    let denying = Naming { client_updates: ClientUpdates::Deny, ..naming() };
    let sent = wire(0, "pc.nasir.xyz");
    let denied = answer_to(&denying, |q| {
        q.client_fqdn = Some(&sent);
        q.reserved_hostname = Some("nas");
    });
    assert_eq!((denied.name, denied.reason), (None, Reason::UpdatesDenied));
    assert_eq!(denied.client_fqdn.unwrap()[0], 0b1100, "N=1, O=0");
    let asking = wire(1, "pc.nasir.xyz");
    assert_eq!(published(&answer_to(&denying, |q| q.client_fqdn = Some(&asking))), "pc.nasir.xyz.");
    assert_eq!(published(&answer_to(&denying, |q| q.hostname = b"pc")), "pc.nasir.xyz.");
}

#[test]
fn client_updates_that_are_ignored_leave_option_81_unread_and_unanswered() {
    let ignoring = Naming { client_updates: ClientUpdates::Ignore, ..naming() };
    for flags in [0, 1, 8] {
        let sent = wire(flags, "by81.nasir.xyz");
        let answer = answer_to(&ignoring, |q| {
            q.client_fqdn = Some(&sent);
            q.hostname = b"by12";
        });
        assert_eq!((published(&answer).as_str(), answer.reason), ("by12.nasir.xyz.", Reason::Hostname));
        assert!(answer.client_fqdn.is_none() && answer.name.is_some_and(|name| name.forward));
    }
}

#[test]
fn names_are_made_by_address_by_hardware_address_and_by_pattern() {
    for (form, label) in [
        (GeneratedName::Address, "host-192-168-30-100"),
        (GeneratedName::Hardware, "host-02-00-5e-10-00-01"),
        (GeneratedName::Pattern("dev-{mac6}".into()), "dev-100001"),
        (GeneratedName::Pattern("lab-{last}".into()), "lab-100"),
    ] {
        let naming = Naming { generate: Some(form), ..naming() };
        let expected = format!("{label}.nasir.xyz.");
        assert_eq!(published(&answer_to(&naming, |_| ())), expected);
        // Learnt, and sent back from another address or as another machine: it is no name.
        let elsewhere = answer_to(&naming, |q| {
            q.hostname = label.as_bytes();
            q.address = "192.168.30.7".parse().unwrap();
            q.hardware = &[2, 0, 0x5e, 0x10, 0, 7];
        });
        assert_eq!(elsewhere.reason, Reason::Generated);
        assert_ne!(published(&elsewhere), expected);
        assert_eq!(published(&answer_to(&naming, |q| q.hostname = b"pc")), "pc.nasir.xyz.");
    }
}

#[test]
fn a_name_made_by_the_pattern_of_another_subnet_is_no_name() {
    let settings = Settings { patterns: vec!["guest-{mac6}".into()], ..settings() };
    let naming = naming();
    let sent = Question { hostname: b"guest-100001", ..question(&naming) };
    assert_eq!(choose(&sent, &settings, &nobody).reason, Reason::NoName);
}

#[test]
fn a_made_name_replaces_the_clients_always_or_where_it_sent_one() {
    let replacing = |replace| Naming { generate: Some(GeneratedName::Address), replace, ..naming() };
    let made = "host-192-168-30-100.nasir.xyz.";
    for (replace, sent, absent) in [
        (ReplaceName::WhenAbsent, "pc.nasir.xyz.", made),
        (ReplaceName::Always, made, made),
        (ReplaceName::WhenPresent, made, ""),
    ] {
        let naming = replacing(replace);
        assert_eq!(published(&answer_to(&naming, |q| q.hostname = b"pc")), sent, "{replace:?}");
        assert_eq!(published(&answer_to(&naming, |_| ())), absent, "{replace:?}");
        // What it was told it is called stays its name.
        let back = answer_to(&naming, |q| q.hostname = b"host-192-168-30-100");
        assert_eq!(published(&back), made, "{replace:?}");
        let reserved = answer_to(&naming, |q| {
            q.hostname = b"pc";
            q.reserved_hostname = Some("nas");
        });
        assert_eq!(published(&reserved), "nas.nasir.xyz.", "a reservation's name is never replaced");
    }
}

#[test]
fn a_ttl_can_be_a_share_of_the_lease_between_bounds() {
    let naming = Naming { ttl: Ttl::Share { percent: 50, min_secs: 60, max_secs: 3_600 }, ..naming() };
    for (lease_secs, ttl_secs) in [(100, 60), (600, 300), (7_200, 3_600), (86_400, 3_600), (u32::MAX, 3_600)] {
        let answer = answer_to(&naming, |q| {
            q.hostname = b"pc";
            q.lease_secs = lease_secs;
        });
        assert_eq!(answer.name.unwrap().ttl_secs, ttl_secs, "lease of {lease_secs} s");
    }
}

#[test]
fn odd_characters_are_dropped_or_refuse_the_name_where_that_is_written() {
    let cleaning = |clean| Naming { clean, ..naming() };
    let sent = |clean, hostname| published(&answer_to(&cleaning(clean), |q| q.hostname = hostname));
    assert_eq!(sent(CleanUp::Drop, b"my_pc"), "mypc.nasir.xyz.");
    assert_eq!(sent(CleanUp::Refuse, b"my_pc"), "");
    assert_eq!(sent(CleanUp::Refuse, b"my-pc.lab.example"), "my-pc.lab.example.");
    // What is refused in option 81 leaves option 12.
    let naming = cleaning(CleanUp::Refuse);
    let both = answer_to(&naming, |q| {
        q.client_fqdn = Some(b"\x01\0\0my_pc");
        q.hostname = b"pc";
    });
    assert_eq!((published(&both).as_str(), both.reason), ("pc.nasir.xyz.", Reason::Hostname));
}

/// What people ask of other servers: a sanitiser that runs over the whole name makes one label of it.
#[test]
fn users_a_sanitiser_ate_the_dots() {
    let dotted = answer_to(&naming(), |q| q.hostname = b"my_pc.lab.example");
    assert_eq!(published(&dotted), "my-pc.lab.example.", "each label is cleaned by itself");
    let sent = wire(1, "my_pc.lab.example");
    assert_eq!(published(&answer_to(&naming(), |q| q.client_fqdn = Some(&sent))), "my-pc.lab.example.");
    assert_eq!(published(&answer_to(&naming(), |q| q.hostname = b"John.Doe's PC")), "john.nasir.xyz.");
}

#[test]
fn users_phones_send_no_hostname() {
    let naming = Naming { generate: Some(GeneratedName::Pattern("phone-{mac6}".into())), ..naming() };
    let silent = answer_to(&naming, |_| ());
    assert_eq!((published(&silent).as_str(), silent.reason), ("phone-100001.nasir.xyz.", Reason::Generated));
    let moved = answer_to(&naming, |q| q.address = "192.168.30.7".parse().unwrap());
    assert_eq!(published(&moved), published(&silent), "its name stays where its address does not");
}

/// Ten boards with one name: where a name is made of the hardware address, each has its own.
#[test]
fn users_ten_esp32s_send_the_same_hostname() {
    let naming = Naming {
        generate: Some(GeneratedName::Pattern("esp-{mac6}".into())),
        replace: ReplaceName::Always,
        ..naming()
    };
    let boards: Vec<[u8; 6]> = (0..10).map(|n| [2, 0, 0x5e, 0x10, 0, n]).collect();
    let names: std::collections::HashSet<String> = boards
        .iter()
        .map(|hardware| {
            let asked = Question { hostname: b"espressif", hardware, ..question(&naming) };
            published(&choose(&asked, &settings(), &nobody))
        })
        .collect();
    assert_eq!(names.len(), 10, "{names:?}");
}

#[test]
fn users_nobody_can_tell_why_a_name_is_what_it_is() {
    assert_eq!(
        told(&naming(), b"My PC\0", None),
        "option 12 has \"My PC\", cleaned to \"my-pc\"; my-pc.nasir.xyz. lies in the zone nasir.xyz.; the name is that of \
         option 12"
    );
    let sent = wire(0, "pc.corp.example");
    assert_eq!(
        told(&naming(), b"", Some(&sent)),
        "option 81 says S=0, N=0, E=1; the client would write its A record, and the server does (client_updates = \
         \"override\"); option 81 has \"pc.corp.example\"; pc.corp.example lies in no zone of ours, so its first label is \
         put under nasir.xyz.; pc.nasir.xyz. lies in the zone nasir.xyz.; the name is that of option 81"
    );
    let generating = Naming { generate: Some(GeneratedName::Address), ..naming() };
    assert_eq!(
        told(&generating, b"localhost", None),
        "option 12 has \"localhost\"; no name from option 12: clients call themselves so without meaning it, and programs \
         trust that name; host-192-168-30-100.nasir.xyz. lies in the zone nasir.xyz.; the name is made by the server \
         (generate)"
    );
    assert_eq!(
        told(&naming(), b"", Some(&wire(8, "pc"))),
        "option 81 says S=0, N=1, E=1; the client asked for no update (option 81 with N=1)"
    );
    assert_eq!(
        told(&naming(), b"", None),
        "no name from option 12: nothing that a name can be made of is there; no usable name was sent, and none is made"
    );
}

fn any_naming() -> impl Strategy<Value = Naming> {
    let forms = vec![
        None,
        Some(GeneratedName::Address),
        Some(GeneratedName::Hardware),
        Some(GeneratedName::Pattern("dev-{mac6}".into())),
        Some(GeneratedName::Pattern("{last}-{mac}".into())),
    ];
    (
        prop::sample::select(forms),
        prop::sample::select(vec![ReplaceName::WhenAbsent, ReplaceName::Always, ReplaceName::WhenPresent]),
        prop::sample::select(vec![CleanUp::Hyphen, CleanUp::Drop, CleanUp::Refuse]),
        prop::sample::select(vec![
            ClientUpdates::Override,
            ClientUpdates::Allow,
            ClientUpdates::Ignore,
            ClientUpdates::Deny,
        ]),
        prop::sample::select(vec![OutsideName::FirstLabel, OutsideName::Refuse]),
        any::<bool>(),
        prop::sample::select(vec!["nasir.xyz", "deep.nasir.xyz", "lab.example"]),
    )
        .prop_map(|(generate, replace, clean, client_updates, outside, override_no_update, domain)| Naming {
            generate,
            replace,
            clean,
            client_updates,
            outside,
            override_no_update,
            ..Naming::of_domain(name(domain))
        })
}

/// Option 12 as clients send it: any bytes, or texts that look like names.
fn any_hostname() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..255),
        "[a-zA-Z0-9_ .\u{fc}\u{5bb6}'-]{0,40}(\\.nasir\\.xyz|\\.lab\\.example)?".prop_map(String::into_bytes),
    ]
}

fn any_client_fqdn() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..255),
        (0..16_u8, any_hostname()).prop_map(|(flags, text)| [&[flags & !4, 0, 0], &text[..]].concat()),
        (0..16_u8, "[a-z0-9_]{1,20}(\\.nasir\\.xyz|\\.lab\\.example|\\.else\\.where)?")
            .prop_map(|(flags, text)| wire(flags, &text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Whatever is sent, by whatever rules: the name is one of hosts, in a forward zone, and nobody's own; option 81
    /// tells what is done; and a client that sends back what it was told keeps its name.
    #[test]
    fn any_bytes_by_any_rules_have_a_true_and_lasting_answer(
        naming in any_naming(), hostname in any_hostname(), option81 in prop::option::of(any_client_fqdn()),
    ) {
        let settings = settings();
        let asked = Question { hostname: &hostname, client_fqdn: option81.as_deref(), ..question(&naming) };
        let answer = choose(&asked, &settings, &nobody);
        if let Some(reply) = &answer.client_fqdn {
            let (flags, told) = (reply[0], ClientFqdn::parse(reply).unwrap());
            prop_assert_eq!(flags & 1 == 1, answer.name.as_ref().is_some_and(|name| name.forward));
            prop_assert_eq!(flags & 8 == 8, answer.name.is_none());
            if let Some(published) = &answer.name {
                let told: Vec<Vec<u8>> = told.labels().iter().map(|label| label.to_vec()).collect();
                prop_assert_eq!(Fqdn::from_labels(&told).ok(), Some(published.fqdn.clone()));
            }
        }
        let Some(chosen) = &answer.name else { return Ok(()) };
        prop_assert!(settings.zone_of(&chosen.fqdn).is_some_and(|zone| !zone.apex.is_reverse()));
        prop_assert!(!settings.protected.contains(&chosen.fqdn) && !settings.reserved.contains(&chosen.fqdn));
        prop_assert!(chosen.fqdn != naming.domain && settings.zones.iter().all(|zone| zone.apex != chosen.fqdn));
        for label in chosen.fqdn.labels() {
            let plain = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
            prop_assert!(label.iter().all(plain), "{}", chosen.fqdn);
            prop_assert!(label.first() != Some(&b'-') && label.last() != Some(&b'-'), "{}", chosen.fqdn);
        }
        // As a client sends it back: by the option that it learnt it from, in full or, under the domain, its first label.
        let text = chosen.fqdn.to_string();
        let told81 = option81.as_ref().filter(|sent| sent.len() >= 3).map(|sent| [&[sent[0] | 4, 0, 0], chosen.fqdn.as_wire()].concat());
        let full = Question { hostname: text.as_bytes(), client_fqdn: told81.as_deref(), ..question(&naming) };
        let again = choose(&full, &settings, &nobody).name;
        prop_assert_eq!(again.as_ref(), Some(chosen));
        if chosen.fqdn.parent().as_ref() == Some(&naming.domain) && told81.is_none() {
            let short = Question { hostname: chosen.fqdn.first_label().unwrap(), ..question(&naming) };
            let again = choose(&short, &settings, &nobody).name;
            prop_assert_eq!(again.as_ref(), Some(chosen));
        }
    }
}
