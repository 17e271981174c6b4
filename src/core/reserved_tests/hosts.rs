//! Machines with one name for several addresses, by DHCP and by hand.

use ddns::hosts::ByHand;
use dhcp::settings::NamingPart;
use dns::{ConflictGuard, Rdata, RecordType};

use super::*;

fn by_hand(list: &[(&str, &str)]) -> Hosts {
    let one = |(name, address): &(&str, &str)| {
        let name: Fqdn = format!("{name}.lan").parse().unwrap();
        let identity = HostIdentity::of_name(&name);
        let guard = ConflictGuard::default();
        ByHand { address: address.parse().unwrap(), name, identity, ttl_secs: 60, guard }
    };
    Hosts::new(list.iter().map(one).collect())
}

/// An interface of a host that is another's too.
fn interface(n: u8, client: u8, host: &HostIdentity) -> Reservation {
    let naming = NamingPart { domain: Some("lan".parse().unwrap()), ..NamingPart::default() };
    Reservation {
        host: Some(Box::new(host.clone())),
        scope: Scope { naming: Some(Box::new(naming)), ..Scope::default() },
        ..reserved(n, "nas", &[client])
    }
}

#[test]
fn a_machine_configured_by_hand_is_in_dns_from_the_start_renamed_and_removed_with_the_settings() {
    for most in [1, 2, 100] {
        let mut bench = Bench::new(dhcp(&[], |_| {}));
        bench.most = most;
        bench.by_hand = by_hand(&[("nas", "10.0.0.7"), ("nas", "2001:db8::7"), ("router", "192.0.2.1")]);
        bench.configure(dhcp(&[], |_| {}));
        // There is no zone for the other two addresses' PTR.
        let all = ["10.0.0.7 nas.lan.", "nas.lan. 10.0.0.7 2001:db8::7", "router.lan. 192.0.2.1"];
        assert_eq!(bench.wanted(), all);
        let rows = bench.rows;
        bench.restart();
        assert_eq!((bench.wanted(), bench.rows), (all.map(str::to_owned).to_vec(), rows));
        bench.by_hand = by_hand(&[("store", "10.0.0.7"), ("nas", "10.0.0.8")]);
        bench.configure(dhcp(&[], |_| {}));
        let all = ["10.0.0.7 store.lan.", "10.0.0.8 nas.lan.", "nas.lan. 10.0.0.8", "store.lan. 10.0.0.7"];
        assert_eq!(bench.wanted(), all);
        let left = bench.core.wanted().get(&forward("router.lan")).unwrap();
        assert!(left.want.is_none() && left.by_configuration, "it is counted before it is deleted");
        bench.by_hand = Hosts::default();
        bench.configure(dhcp(&[], |_| {}));
        assert_eq!(bench.wanted(), Vec::<String>::new());
    }
}

#[test]
fn records_that_are_stated_follow_the_settings_and_what_was_edited_while_no_daemon_ran() {
    let text =
        |owner: &str, text: &str| Rrset::single(owner.parse().unwrap(), RecordType::TXT, 60, Rdata::txt(&[text]));
    for most in [1, 2, 100] {
        let mut bench = Bench::new(dhcp(&[], |_| {}));
        bench.most = most;
        bench.stated = vec![text("a.lan", "one"), text("b.lan", "one"), text("c.lan", "one")];
        bench.configure(dhcp(&[], |_| {}));
        assert_eq!(bench.wanted(), ["a.lan. TXT \"one\"", "b.lan. TXT \"one\"", "c.lan. TXT \"one\""]);
        let rows = bench.rows;
        bench.restart();
        assert_eq!(bench.rows, rows);
        bench.stated = vec![text("a.lan", "one"), text("b.lan", "two")];
        bench.configure(dhcp(&[], |_| {}));
        assert_eq!(bench.wanted(), ["a.lan. TXT \"one\"", "b.lan. TXT \"two\""]);
        let row = |bench: &Bench, owner: &str| {
            let key = RowKey::Stated(owner.parse().unwrap(), RecordType::TXT);
            bench.core.wanted().get(&key).unwrap()
        };
        assert_eq!(row(&bench, "b.lan").former.len(), 1, "what may be changed is known");
        assert!(row(&bench, "c.lan").by_configuration, "it is counted before it is deleted");
        bench.stated = vec![text("d.lan", "one")];
        bench.restart();
        assert_eq!(bench.wanted(), ["d.lan. TXT \"one\""]);
        bench.stated = Vec::new();
        bench.restart();
        assert_eq!(bench.wanted(), Vec::<String>::new());
    }
}

#[test]
fn what_was_edited_while_no_daemon_ran_is_made_up_for_at_the_start() {
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    bench.by_hand = by_hand(&[("nas", "10.0.0.7"), ("nas", "2001:db8::7"), ("old", "10.0.0.8")]);
    bench.configure(dhcp(&[], |_| {}));
    bench.by_hand = by_hand(&[("nas", "10.0.0.7"), ("new", "10.0.0.9")]);
    bench.restart();
    assert_eq!(bench.wanted(), ["10.0.0.7 nas.lan.", "10.0.0.9 new.lan.", "nas.lan. 10.0.0.7", "new.lan. 10.0.0.9"]);
    bench.by_hand = Hosts::default();
    bench.restart();
    assert_eq!(bench.wanted(), Vec::<String>::new());
}

#[test]
fn a_machine_configured_by_hand_takes_its_name_and_its_address_from_clients() {
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    let (first, second) = (bench.lease(1, "nas"), bench.lease(2, "guest"));
    // The address of the second is made the machine's, which is called as the first is.
    bench.by_hand = by_hand(&[("nas", &second.to_string())]);
    bench.configure(dhcp(&[], |_| {}));
    assert_eq!(bench.wanted(), [format!("{second} nas.lan."), format!("nas.lan. {second}")]);
    assert_eq!(bench.core.engine().lease(first).unwrap().name, None);
    // What becomes of the lease that is still there changes nothing.
    bench.release(2, second);
    assert_eq!(bench.wanted(), [format!("{second} nas.lan."), format!("nas.lan. {second}")]);
    // No client gets the name, and once it is free, the first of those that say it does.
    bench.lease(3, "nas");
    assert_eq!(bench.wanted(), [format!("{second} nas.lan."), format!("nas.lan. {second}")]);
    bench.by_hand = Hosts::default();
    bench.configure(dhcp(&[], |_| {}));
    assert_eq!(bench.wanted(), [format!("{first} nas.lan."), format!("nas.lan. {first}")]);
}

#[test]
fn a_host_has_the_addresses_of_all_its_interfaces_whichever_of_them_is_up() {
    let host = identity(1);
    let mut bench = Bench::new(dhcp(&[interface(5, 1, &host), interface(6, 2, &host)], |_| {}));
    let all = ["10.0.0.5 nas.lan.", "10.0.0.6 nas.lan.", "nas.lan. 10.0.0.5 10.0.0.6"];
    assert_eq!(bench.wanted(), all);
    let rows = bench.rows;
    let second = bench.lease(2, "whatever");
    assert_eq!(second, at(6));
    let first = bench.lease(1, "");
    assert_eq!((bench.wanted(), bench.rows), (all.map(str::to_owned).to_vec(), rows));
    assert_eq!(bench.want(&forward("nas.lan")).unwrap().identity, host);
    bench.release(1, first);
    bench.release(2, second);
    assert_eq!((bench.wanted(), bench.rows), (all.map(str::to_owned).to_vec(), rows));
    // An address by hand is one of them, if it is the same host's.
    bench.by_hand =
        Hosts::new(vec![ByHand { identity: host.clone(), ..by_hand(&[("nas", "2001:db8::5")]).all()[0].clone() }]);
    let both = dhcp(&[interface(5, 1, &host), interface(6, 2, &host)], |_| {});
    bench.configure(Arc::clone(&both));
    assert_eq!(bench.want(&forward("nas.lan")).unwrap().addresses.len(), 3);
    bench.by_hand = Hosts::default();
    bench.configure(dhcp(&[interface(5, 1, &host)], |_| {}));
    assert_eq!(bench.wanted(), ["10.0.0.5 nas.lan.", "nas.lan. 10.0.0.5"]);
}

#[test]
fn an_interface_that_has_another_lease_yet_is_not_at_its_reserved_address() {
    let host = identity(1);
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    let elsewhere = bench.lease(2, "whatever");
    bench.configure(dhcp(&[interface(5, 1, &host), interface(6, 2, &host)], |_| {}));
    let all = |last: &str| {
        let mut all =
            vec!["10.0.0.5 nas.lan.".to_owned(), format!("{last} nas.lan."), format!("nas.lan. 10.0.0.5 {last}")];
        all.sort();
        all
    };
    assert_ne!(elsewhere, at(6));
    let mut wanted = bench.wanted();
    wanted.sort();
    assert_eq!(wanted, all(&elsewhere.to_string()));
    bench.release(2, elsewhere);
    assert_eq!(bench.wanted(), all("10.0.0.6"));
}

#[test]
fn an_interface_at_its_own_reserved_address_is_another_though_both_send_one_duid() {
    let host = identity(1);
    let naming = NamingPart { domain: Some("lan".parse().unwrap()), ..NamingPart::default() };
    let scope = Scope { naming: Some(Box::new(naming)), ..Scope::default() };
    let first = Reservation {
        hostname: Some("nas".to_owned()),
        host: Some(Box::new(host.clone())),
        scope: scope.clone(),
        ..Reservation::new(at(5), ReservedFor::Duid([0, 3, 7, 7].into()))
    };
    let mut settings = Arc::unwrap_or_clone(dhcp(&[first], |_| {}));
    let (network, other) = ("10.0.1.0/24".parse().unwrap(), Ipv4Addr::new(10, 0, 1, 5));
    let second = Reservation { address: Some(other), ..interface(6, 2, &host) };
    let subnet =
        Subnet { prefix: network, pools: Vec::new(), reservations: vec![second], ..settings.subnets[0].clone() };
    settings.subnets.push(subnet);
    let mut bench = Bench::new(Arc::new(settings));
    let sent = |message_type, n: u8, giaddr: Ipv4Addr| {
        let identifier = vec![255, 0, 0, 0, n, 0, 3, 7, 7];
        ClientMessage { giaddr, ..message(message_type, n, "") }.with(code::CLIENT_IDENTIFIER, identifier)
    };
    let all = ["10.0.0.5 nas.lan.", "10.0.1.5 nas.lan.", "nas.lan. 10.0.0.5 10.0.1.5"];
    assert_eq!(bench.wanted(), all);
    for (n, giaddr, address) in [(1, Ipv4Addr::UNSPECIFIED, at(5)), (2, Ipv4Addr::new(10, 0, 1, 1), other)] {
        assert_eq!(bench.hear(&sent(MessageType::Discover, n, giaddr)), Some(address));
        let request = sent(MessageType::Request, n, giaddr)
            .with(code::REQUESTED_IP_ADDRESS, address.octets())
            .with(code::SERVER_IDENTIFIER, SERVER.octets());
        assert_eq!(bench.hear(&request), Some(address));
    }
    assert_eq!(bench.wanted(), all);
    let release = ClientMessage { ciaddr: at(5), ..sent(MessageType::Release, 1, Ipv4Addr::UNSPECIFIED) };
    assert_eq!(bench.hear(&release), None);
    assert_eq!(bench.wanted(), all);
}
