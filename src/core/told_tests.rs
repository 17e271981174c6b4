//! What clients are told of their names is what DNS is to hold.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dhcp::client::ClientMessage;
use dhcp::message::MessageType;
use dhcp::options::code;
use dhcp::settings::{
    ClientUpdates, ConflictOutcome, GeneratedName, Naming, OutsideName, ReplaceName, Reservation, Subnet,
};
use dns::Fqdn;
use proptest::prelude::*;

use super::tests::{Bench, message, selecting, subnet};

fn any_naming() -> impl Strategy<Value = Naming> {
    (
        prop::sample::select(vec![None, Some(GeneratedName::Address), Some(GeneratedName::Hardware)]),
        prop::sample::select(vec![ReplaceName::WhenAbsent, ReplaceName::Always, ReplaceName::WhenPresent]),
        prop::sample::select(vec![
            ClientUpdates::Override,
            ClientUpdates::Allow,
            ClientUpdates::Ignore,
            ClientUpdates::Deny,
        ]),
        prop::sample::select(vec![
            ConflictOutcome::Refuse,
            ConflictOutcome::Suffix { keep_secs: 600 },
            ConflictOutcome::TakeOver,
        ]),
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(vec!["nasir.xyz", "lab.nasir.xyz"]),
    )
        .prop_map(|(generate, replace, client_updates, conflict, refuse, override_no_update, domain)| Naming {
            generate,
            replace,
            client_updates,
            conflict,
            override_no_update,
            outside: if refuse { OutsideName::Refuse } else { OutsideName::FirstLabel },
            ..Naming::of_domain(domain.parse().unwrap())
        })
}

/// Few names, so that clients want the same one.
fn any_hostname() -> impl Strategy<Value = String> {
    "(pc|a_b|nas|localhost|host-192-168-30-7|K\u{fc}che)?(\\.nasir\\.xyz|\\.else\\.where)?"
}

#[derive(Clone, Debug)]
struct Says {
    client: u8,
    hostname: Option<String>,
    /// Flags and name.
    client_fqdn: Option<(u8, String)>,
    asks: bool,
    informs: bool,
}

fn any_word() -> impl Strategy<Value = Says> {
    (
        1..5_u8,
        prop::option::of(any_hostname()),
        prop::option::of((0..16_u8, any_hostname())),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(client, hostname, client_fqdn, asks, informs)| Says {
            client,
            hostname,
            client_fqdn,
            asks,
            informs,
        })
}

impl Says {
    fn add_to(&self, mut message: ClientMessage) -> ClientMessage {
        if let Some(hostname) = &self.hostname {
            message = message.with(code::HOST_NAME, hostname.as_bytes());
        }
        if let Some((flags, name)) = &self.client_fqdn {
            message = message.with(code::CLIENT_FQDN, [&[flags & !4, 0, 0], name.as_bytes()].concat());
        }
        if self.asks {
            message = message.with(code::PARAMETER_REQUEST_LIST, [code::DOMAIN_NAME, code::HOST_NAME]);
        }
        message
    }
}

/// What option 12 says, with the domain that option 15 would add to a single label.
fn told_by_option_12(data: &[u8], domain: &Fqdn) -> Fqdn {
    match data.contains(&b'.') {
        true => String::from_utf8(data.to_vec()).unwrap().parse().unwrap(),
        false => domain.prepend_label(data).unwrap(),
    }
}

fn check(
    reply: &dhcp::reply::Reply,
    published: Option<&Fqdn>,
    naming: &Naming,
    says: &Says,
) -> Result<(), TestCaseError> {
    let data = |wanted| reply.options.get(wanted);
    if let Some(option12) = data(code::HOST_NAME) {
        // Client 1 has a reservation, whose name it is told whatever comes of it.
        let reserved = naming.domain.prepend_label(b"nas").unwrap();
        let truth = published.or_else(|| (says.client == 1).then_some(&reserved));
        prop_assert_eq!(Some(&told_by_option_12(option12, &naming.domain)), truth);
    } else if published.is_some() {
        prop_assert!(
            !says.asks && says.hostname.as_ref().is_none_or(String::is_empty),
            "it asked, and was told nothing"
        );
    }
    if let Some(option81) = data(code::CLIENT_FQDN) {
        prop_assert_eq!(option81[0] & 8 == 8, published.is_none());
        if let Some(published) = published {
            let told: Fqdn = String::from_utf8(option81[3..].to_vec()).unwrap().parse().unwrap();
            prop_assert_eq!(&told, published);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Four clients, one of them with a reservation, say one thing after the other by any rules: options 81 and 12 of
    /// every ACK say what is stored as published, or nothing.
    #[test]
    fn options_81_and_12_say_what_is_published(naming in any_naming(), words in prop::collection::vec(any_word(), 1..12)) {
        let reservation = Reservation {
            address: None,
            clients: vec![dhcp::settings::ReservedFor::Hardware(message(MessageType::Discover, 1).hardware)],
            hostname: Some("nas".to_owned()),
            scope: Default::default(),
            host: None,
        };
        let mut bench =
            Bench::with(Subnet { naming: Some(naming.clone()), reservations: vec![reservation], ..subnet() });
        for says in &words {
            let discover = says.add_to(message(MessageType::Discover, says.client));
            let offered = bench.hear(&discover).1.departures[0].reply.yiaddr;
            let (_, output) = bench.hear(&says.add_to(selecting(says.client, offered)));
            let name = |bench: &Bench| bench.pipeline.core().engine().lease(offered).unwrap().name;
            let published = name(&bench).map(|name| name.fqdn);
            check(&output.departures[0].reply, published.as_ref(), &naming, says)?;
            if says.informs {
                let inform = ClientMessage { ciaddr: offered, ..message(MessageType::Inform, says.client) };
                let (_, output) = bench.hear(&Says { hostname: None, client_fqdn: None, ..says.clone() }.add_to(inform));
                check(&output.departures[0].reply, published.as_ref(), &naming, &Says { asks: says.asks, hostname: None, ..says.clone() })?;
            }
        }
    }
}

/// It would be told a name at its REQUEST that no later message finds to be its own.
#[test]
fn a_client_that_writes_its_own_address_takes_no_name_over() {
    let naming = Naming {
        client_updates: ClientUpdates::Allow,
        conflict: ConflictOutcome::TakeOver,
        ..Naming::of_domain("nasir.xyz".parse().unwrap())
    };
    let mut bench = Bench::with(Subnet { naming: Some(naming), ..subnet() });
    let mut lease = |client: u8, flags: u8| {
        let says =
            Says { client, hostname: None, client_fqdn: Some((flags, "nas".into())), asks: true, informs: false };
        let offered = bench.hear(&says.add_to(message(MessageType::Discover, client))).1.departures[0].reply.yiaddr;
        bench.hear(&says.add_to(selecting(client, offered)));
        bench.pipeline.core().engine().lease(offered).unwrap().name.map(|name| name.fqdn)
    };
    let nas: Fqdn = "nas.nasir.xyz".parse().unwrap();
    // S=1: the server writes its A record.
    assert_eq!(lease(2, 1), Some(nas.clone()));
    assert_eq!(lease(3, 0), None);
    assert_eq!(lease(4, 1), Some(nas));
}
