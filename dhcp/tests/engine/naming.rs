//! What the engine asks about names, and what it does with the answer.

use std::cell::RefCell;
use std::net::Ipv4Addr;

use dhcp::class::{Class, Classes, Condition, Fact, Test};
use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEventKind};
use dhcp::lease::LeaseName;
use dhcp::names::{NameAnswer, NameChooser, NameQuestion};
use dhcp::options::code;
use dhcp::settings::{Naming, NamingPart, Reservation, ReservedFor, Scope, Settings, Subnet};
use dns::HostIdentity;

use crate::network::*;

/// Puts the reserved name or the hostname under the domain, and answers every option 81 with one byte.
#[derive(Default)]
struct Chooser {
    asked: RefCell<Vec<Asked>>,
}

struct Asked {
    hostname: Vec<u8>,
    reserved: Option<String>,
    identity: HostIdentity,
    lease_secs: u32,
}

impl NameChooser for Chooser {
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer {
        self.asked.borrow_mut().push(Asked {
            hostname: question.hostname.into(),
            reserved: question.reserved_hostname.map(str::to_owned),
            identity: question.identity.clone(),
            lease_secs: question.lease_secs,
        });
        let label =
            String::from_utf8(question.reserved_hostname.map_or(question.hostname, str::as_bytes).into()).unwrap();
        let name = (!label.is_empty()).then(|| LeaseName {
            fqdn: question.naming.domain.prepend_label(label.as_bytes()).unwrap(),
            identity: question.identity.clone(),
            forward: true,
            reverse: true,
            ttl_secs: 300,
            guard: dns::ConflictGuard::default(),
        });
        NameAnswer { name, client_fqdn: question.client_fqdn.map(|_| [7].into()), foreign: false }
    }
}

fn naming() -> Option<Naming> {
    Some(Naming::of_domain("nasir.xyz".parse().unwrap()))
}

fn server(subnet: Subnet) -> Server {
    Server::new(settings([Subnet { naming: naming(), ..subnet }]))
}

fn hear(server: &mut Server, chooser: &Chooser, way: &Way, message: &ClientMessage) -> Decision {
    let mut datagram = Vec::new();
    message.encode(&mut datagram);
    let ingress = Ingress {
        interface: way.interface,
        addresses: &way.addresses,
        source: way.source,
        destination: way.destination,
    };
    let decision = server.engine.handle_message(server.now, &ingress, &datagram, chooser);
    if let Some(ticket) = decision.ticket {
        server.engine.settle(ticket, CommitOutcome::Committed);
    }
    decision
}

fn named(message: ClientMessage) -> ClientMessage {
    message.with(code::HOST_NAME, *b"pc")
}

#[test]
fn a_binding_takes_the_name_and_its_end_gives_it_up() {
    let (mut server, chooser) = (server(subnet()), Chooser::default());
    let bound = hear(&mut server, &chooser, &on_link(), &named(selecting(1, FIRST)));
    let name = bound.events[0].lease.name.clone().unwrap();
    assert_eq!(name.fqdn, "pc.nasir.xyz".parse().unwrap());
    assert_eq!(bound.events[0].lease.name.as_ref(), Some(&name));
    let asked = chooser.asked.borrow_mut().pop().unwrap();
    assert_eq!((asked.lease_secs, &*asked.hostname), (3600, &b"pc"[..]));

    let released = hear(&mut server, &chooser, &unicast(FIRST), &release(1, FIRST));
    assert_eq!(released.events[0].lease.name, None);
    assert_eq!(released.events[0].previous.as_ref().unwrap().name.as_ref(), Some(&name));
    assert_eq!(&*released.events[0].lease.hostname, b"pc");
}

#[test]
fn a_renewal_that_does_not_repeat_its_name_keeps_it_and_one_that_does_changes_it() {
    let (mut server, chooser) = (server(subnet()), Chooser::default());
    let bound = hear(&mut server, &chooser, &on_link(), &named(selecting(1, FIRST)));
    let renewed = hear(&mut server, &chooser, &unicast(FIRST), &extending(1, FIRST));
    assert_eq!(renewed.events[0].lease.name, bound.events[0].lease.name);
    let renaming = extending(1, FIRST).with(code::HOST_NAME, *b"mac");
    let renamed = hear(&mut server, &chooser, &unicast(FIRST), &renaming);
    assert_eq!(renamed.events[0].lease.name.as_ref().unwrap().fqdn, "mac.nasir.xyz".parse().unwrap());
    // Who comes next does not inherit it.
    hear(&mut server, &chooser, &unicast(FIRST), &release(1, FIRST));
    let next = hear(&mut server, &chooser, &on_link(), &selecting(2, FIRST));
    assert_eq!((&next.events[0].lease.name, &*next.events[0].lease.hostname), (&None, &b""[..]));
}

#[test]
fn rfc4702_section_4_option_81_is_answered_in_offer_and_ack_only_when_it_was_sent() {
    let (mut server, chooser) = (server(subnet()), Chooser::default());
    let fqdn = |message: ClientMessage| message.with(code::CLIENT_FQDN, *b"\0\0\0pc");
    let told = |decision: &Decision| option(decision.reply(), code::CLIENT_FQDN).map(<[u8]>::to_vec);
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &fqdn(discover(1)))), Some(vec![7]));
    let ack = hear(&mut server, &chooser, &on_link(), &fqdn(selecting(1, FIRST)));
    assert_eq!((told(&ack), &*ack.events[0].lease.client_fqdn), (Some(vec![7]), &b"\0\0\0pc"[..]));
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &discover(1))), None);
    let renewed = hear(&mut server, &chooser, &unicast(FIRST), &extending(1, FIRST));
    assert_eq!((told(&renewed), &*renewed.events[0].lease.client_fqdn), (None, &b"\0\0\0pc"[..]));
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &fqdn(init_reboot(1, SECOND)))), None);
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &fqdn(inform(1, FIRST)))), None);
}

#[test]
fn rfc4361_the_duid_inside_a_client_identifier_is_the_hosts_identity() {
    let identity = |ignore_client_id, id: &[u8]| {
        let (mut server, chooser) = (server(Subnet { ignore_client_id, ..subnet() }), Chooser::default());
        let message = selecting(1, FIRST);
        let message = if id.is_empty() { message } else { message.with(code::CLIENT_IDENTIFIER, id.to_vec()) };
        hear(&mut server, &chooser, &on_link(), &message);
        chooser.asked.take().pop().unwrap().identity
    };
    let hardware = HostIdentity::Hardware { htype: 1, chaddr: mac(1).as_bytes().into() };
    assert_eq!(identity(false, b""), hardware);
    assert_eq!(identity(false, b"\xff\0\0\0\x01\0\x04uuid"), HostIdentity::Duid(b"\0\x04uuid"[..].into()));
    assert_eq!(identity(false, b"\x01abcdef"), HostIdentity::ClientId(b"\x01abcdef"[..].into()));
    assert_eq!(identity(false, b"\xff\0\0\0\x01"), HostIdentity::ClientId(b"\xff\0\0\0\x01"[..].into()));
    // Where identifiers are ignored because they change, the name's owner must not change with them.
    assert_eq!(identity(true, b"\x01abcdef"), hardware);
}

#[test]
fn a_reservations_name_is_handed_on() {
    let reserved =
        Reservation { hostname: Some("printer".into()), ..reservation(FIRST, ReservedFor::Hardware(mac(1))) };
    let (mut server, chooser) = (server(Subnet { reservations: vec![reserved], ..subnet() }), Chooser::default());
    hear(&mut server, &chooser, &on_link(), &named(selecting(1, FIRST)));
    assert_eq!(chooser.asked.take().pop().unwrap().reserved.as_deref(), Some("printer"));
    hear(&mut server, &chooser, &on_link(), &named(selecting(2, SECOND)));
    assert_eq!(chooser.asked.take().pop().unwrap().reserved, None);
}

/// Renames whoever is to be called otherwise, as the daemon does after a start.
fn rename(server: &mut Server, chooser: &Chooser) -> Vec<Decision> {
    let (mut decisions, mut after) = (Vec::new(), None);
    loop {
        let renaming = server.engine.rename_next(after, 2, chooser);
        assert!(renaming.looked <= 2);
        if let Some(ticket) = renaming.decision.ticket {
            server.engine.settle(ticket, CommitOutcome::Committed);
            decisions.push(renaming.decision);
        }
        if renaming.done {
            return decisions;
        }
        after = renaming.at;
    }
}

#[test]
fn a_running_lease_is_renamed_by_new_settings_as_its_next_renewal_would() {
    let chooser = Chooser::default();
    let mut server = server(subnet());
    for n in 1..=5 {
        let offered = hear(&mut server, &chooser, &on_link(), &named(discover(n))).offered();
        hear(&mut server, &chooser, &on_link(), &named(selecting(n, offered)));
    }
    assert_eq!(rename(&mut server, &chooser), [], "nothing has changed");
    let before: Vec<_> = server.engine.leases().collect();
    // The subnet names nobody any more; and again.
    let nameless = settings([Subnet { naming: None, ..subnet() }]);
    server.engine.reconfigure(nameless.into(), server.now);
    let decisions = rename(&mut server, &chooser);
    assert_eq!(decisions.len(), 5);
    for (decision, before) in decisions.iter().zip(&before) {
        let [event] = &decision.events[..] else { panic!("{decision:?}") };
        assert_eq!((event.kind, event.previous.as_ref()), (LeaseEventKind::Renamed, Some(&before.into())));
        let expected = dhcp::lease::Lease { name: None, ..before.clone() };
        assert_eq!(event.lease, expected);
        assert!(decision.reply.is_none());
    }
    server.engine.reconfigure(settings([Subnet { naming: naming(), ..subnet() }]).into(), server.now);
    assert_eq!(rename(&mut server, &chooser).len(), 5);
    assert_eq!(server.engine.leases().collect::<Vec<_>>(), before);
    // A subnet that is gone, or serves nobody, keeps the names of its leases until they end.
    for others in [settings([]), settings([Subnet { naming: naming(), active: false, ..subnet() }])] {
        server.engine.reconfigure(others.into(), server.now);
        assert_eq!(rename(&mut server, &chooser), []);
    }
    // Nothing is decided that cannot be stored.
    server.engine.reconfigure(settings([Subnet { naming: None, ..subnet() }]).into(), server.now);
    server.engine.set_storage_full(true);
    let renaming = server.engine.rename_next(None, 100, &chooser);
    assert!(renaming.looked == 0 && !renaming.done && renaming.decision == Decision::default());
}

fn domain(text: &str) -> Scope {
    let part = NamingPart { domain: Some(text.parse().unwrap()), ..NamingPart::default() };
    Scope { naming: Some(part.into()), ..Scope::default() }
}

fn name_of(server: &Server, address: Ipv4Addr) -> String {
    server.engine.lease(address).and_then(|lease| lease.name).map(|name| name.fqdn.to_string()).unwrap_or_default()
}

/// The domains that a client's name and option 15 are in, by what says something of a domain.
fn domains(reservation: Option<Reservation>, class: bool, pool: bool, phone: bool) -> (String, String) {
    let mut subnet = Subnet { naming: naming(), reservations: reservation.into_iter().collect(), ..subnet() };
    subnet.scope.options.0.remove(&code::DOMAIN_NAME);
    if pool {
        subnet.pools[0].scope = domain("pool.nasir.xyz");
    }
    let test = Test::Equal(b"phone"[..].into());
    let mut phones = Class::new("phones", Condition::Is(Fact::Option(code::VENDOR_CLASS_IDENTIFIER), test));
    if class {
        phones.scope = domain("phones.nasir.xyz");
    }
    let classes = Classes::compile(vec![phones]).unwrap();
    let (mut server, chooser) = (Server::new(Settings { classes, ..settings([subnet]) }), Chooser::default());
    let mut message = named(selecting(1, FIRST)).with(code::PARAMETER_REQUEST_LIST, [code::DOMAIN_NAME]);
    if phone {
        message = message.with(code::VENDOR_CLASS_IDENTIFIER, *b"phone");
    }
    let bound = hear(&mut server, &chooser, &on_link(), &message);
    let told = option(bound.reply(), code::DOMAIN_NAME).map(|data| String::from_utf8_lossy(data).into_owned());
    (name_of(&server, FIRST), told.unwrap_or_default())
}

#[test]
fn names_and_option_15_follow_the_domain_of_the_reservation_then_the_class_then_the_pool_then_the_subnet() {
    let reserved = |hostname: Option<&str>, scope| Reservation {
        hostname: hostname.map(str::to_owned),
        scope,
        ..reservation(FIRST, ReservedFor::Hardware(mac(1)))
    };
    let told = |name: &str, domain: &str| (name.to_owned(), domain.to_owned());
    assert_eq!(domains(None, false, false, true), told("pc.nasir.xyz.", "nasir.xyz"));
    assert_eq!(domains(None, false, true, true), told("pc.pool.nasir.xyz.", "pool.nasir.xyz"));
    assert_eq!(domains(None, true, true, true), told("pc.phones.nasir.xyz.", "phones.nasir.xyz"));
    assert_eq!(domains(None, true, true, false), told("pc.pool.nasir.xyz.", "pool.nasir.xyz"));
    let nameless = reserved(None, domain("one.nasir.xyz"));
    assert_eq!(domains(Some(nameless), true, true, true), told("pc.one.nasir.xyz.", "one.nasir.xyz"));
    // A reserved name is known before its client comes, so it does not follow from what the client is.
    let named = reserved(Some("nas"), Scope::default());
    assert_eq!(domains(Some(named.clone()), true, false, true), told("nas.nasir.xyz.", "nasir.xyz"));
    assert_eq!(domains(Some(named), true, true, true), told("nas.pool.nasir.xyz.", "pool.nasir.xyz"));
    let elsewhere = reserved(Some("nas"), domain("one.nasir.xyz"));
    assert_eq!(domains(Some(elsewhere), true, true, true), told("nas.one.nasir.xyz.", "one.nasir.xyz"));
}

/// Of which classes a client is, its lease does not tell: a restart must not take its name away.
#[test]
fn a_name_by_a_class_stays_until_its_clients_next_word() {
    let test = Test::Equal(b"phone"[..].into());
    let phones = Class::new("phones", Condition::Is(Fact::Option(code::VENDOR_CLASS_IDENTIFIER), test));
    let classes = Classes::compile(vec![Class { scope: domain("phones.nasir.xyz"), ..phones }]).unwrap();
    let subnet = Subnet { naming: naming(), ..subnet() };
    let (mut server, chooser) = (Server::new(Settings { classes, ..settings([subnet.clone()]) }), Chooser::default());
    let phone = named(selecting(1, FIRST)).with(code::VENDOR_CLASS_IDENTIFIER, *b"phone");
    hear(&mut server, &chooser, &on_link(), &phone);
    hear(&mut server, &chooser, &on_link(), &named(selecting(2, SECOND)));
    assert_eq!(rename(&mut server, &chooser), []);
    assert_eq!(
        (name_of(&server, FIRST).as_str(), name_of(&server, SECOND).as_str()),
        ("pc.phones.nasir.xyz.", "pc.nasir.xyz.")
    );
    // The class is gone: then its name is nobody's.
    server.engine.reconfigure(settings([subnet]).into(), server.now);
    assert_eq!(rename(&mut server, &chooser).len(), 1);
    assert_eq!(name_of(&server, FIRST), "pc.nasir.xyz.");
}

#[test]
fn rfc2132_section_3_14_option_12_tells_the_name_that_is_published_and_no_other() {
    let (mut server, chooser) = (server(subnet()), Chooser::default());
    let asking =
        |message: ClientMessage| message.with(code::PARAMETER_REQUEST_LIST, [code::HOST_NAME, code::DOMAIN_NAME]);
    let told = |decision: &Decision| {
        option(decision.reply(), code::HOST_NAME).map(|data| String::from_utf8_lossy(data).into_owned())
    };
    // Who asks is told, and who tells its own name; in the OFFER as in the ACK.
    let pc = Some("pc".to_owned());
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &named(discover(1)))), pc);
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &asking(named(discover(1))))), pc);
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &named(selecting(1, FIRST)))), pc);
    // A renewal that does not say it is told what it was called, and an INFORM.
    assert_eq!(told(&hear(&mut server, &chooser, &unicast(FIRST), &asking(extending(1, FIRST)))), pc);
    assert_eq!(told(&hear(&mut server, &chooser, &unicast(FIRST), &asking(inform(1, FIRST)))), pc);
    assert_eq!(told(&hear(&mut server, &chooser, &unicast(FIRST), &extending(1, FIRST))), None, "nobody asked");
    // No name: nothing. And no other's.
    assert_eq!(told(&hear(&mut server, &chooser, &on_link(), &asking(discover(2)))), None);
    assert_eq!(told(&hear(&mut server, &chooser, &unicast(FIRST), &asking(inform(2, FIRST)))), None);
    // The full name, where option 15 says another domain.
    let mut elsewhere = subnet();
    elsewhere.scope.options.0.insert(code::DOMAIN_NAME, b"other.example"[..].into());
    let mut server = self::server(elsewhere);
    let ack = hear(&mut server, &chooser, &on_link(), &asking(named(selecting(1, FIRST))));
    assert_eq!(told(&ack).as_deref(), Some("pc.nasir.xyz"));
    // An operator can forbid it.
    let mut silent = subnet();
    silent.scope.never = vec![code::HOST_NAME];
    let ack = hear(&mut self::server(silent), &chooser, &on_link(), &asking(named(selecting(1, FIRST))));
    assert_eq!(told(&ack), None);
}

#[test]
fn option_12_tells_a_reserved_name_also_where_nothing_is_published() {
    let reserved =
        Reservation { hostname: Some("printer".into()), ..reservation(FIRST, ReservedFor::Hardware(mac(1))) };
    let subnet = Subnet { naming: None, reservations: vec![reserved], ..subnet() };
    let (mut server, chooser) = (Server::new(settings([subnet])), Chooser::default());
    let asking = |message: ClientMessage| named(message).with(code::PARAMETER_REQUEST_LIST, [code::HOST_NAME]);
    let ack = hear(&mut server, &chooser, &on_link(), &asking(selecting(1, FIRST)));
    assert_eq!(option(ack.reply(), code::HOST_NAME), Some(&b"printer"[..]));
    let other = hear(&mut server, &chooser, &on_link(), &asking(selecting(2, SECOND)));
    assert_eq!(option(other.reply(), code::HOST_NAME), None);
}
