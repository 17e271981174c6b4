//! Reservations in DNS: what is there before their hosts have ever been seen, what follows the configuration, and what
//! stays while they are away.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dig::Dig;
use crate::explain_names::{Clients, hardware, option_12};
use crate::field::{self, DNS, SERVER, ZONES};
use crate::leasehold::Leasehold;
use crate::netns::Lab;
use crate::process::wait_for;
use crate::servers::{DnsServer, Kind};

const RESERVED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);

/// The field's configuration with a reservation that has these keys besides its address.
fn config(remote: bool, keys: &str) -> String {
    format!("{}\n[[subnet.reservation]]\naddress = \"{RESERVED}\"\n{keys}\n", field::config(remote))
}

fn reserved(hostname: &str, clients: &[u8]) -> String {
    let hardware: Vec<String> = clients.iter().map(|client| format!("\"{}\"", hardware(*client))).collect();
    format!("hardware = [{}]\nhostname = \"{hostname}\"\n", hardware.join(", "))
}

fn full(hostname: &str) -> String {
    format!("{hostname}.{}", ZONES[0])
}

/// In an embedded zone and in BIND.
#[test]
fn users_a_reservation_has_no_record_until_its_client_appears_a_renamed_one_keeps_the_old_name() {
    for remote in [false, true] {
        let lab = Lab::new();
        let (server, relay) = field::hosts(&lab);
        let dns = remote.then(|| DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES));
        let mut leasehold = Leasehold::start(&server, &config(remote, &reserved("printer", &[1])));
        let dig = dns.as_ref().map_or_else(|| Dig::new(&server, SocketAddr::from((SERVER, 53))), DnsServer::dig);
        // Nobody has seen the printer yet.
        dig.wait_agree(&full("printer"), RESERVED);
        // It comes, and says another name.
        let mut clients = Clients::behind(&relay);
        assert_eq!(clients.take(1, &[option_12("HP-4711")]), RESERVED);
        assert_eq!(dig.addresses(&full("hp-4711")), Vec::<Ipv4Addr>::new());
        assert_eq!(dig.addresses(&full("printer")), [RESERVED]);
        leasehold.stop();
        Leasehold::rewrite(&server, &config(remote, &reserved("laser", &[1])));
        leasehold.resume();
        dig.wait_agree(&full("laser"), RESERVED);
        let is_gone = || dig.addresses(&full("printer")).is_empty() && dig.names(RESERVED).len() == 1;
        wait_for("the old name is gone", Duration::from_secs(30), || is_gone().then_some(()));
        // Taken out of the configuration while nobody has its address.
        let moved = config(remote, &reserved("laser", &[1])).replace(&RESERVED.to_string(), "10.77.0.51");
        leasehold.stop();
        Leasehold::rewrite(&server, &moved);
        leasehold.resume();
        assert_eq!(clients.take(1, &[]), Ipv4Addr::new(10, 77, 0, 51));
        dig.wait_agree(&full("laser"), Ipv4Addr::new(10, 77, 0, 51));
        leasehold.stop();
        Leasehold::rewrite(&server, &config(remote, &reserved("other", &[2])));
        leasehold.resume();
        dig.wait_agree(&full("other"), RESERVED);
    }
}

#[test]
fn users_roaming_between_wired_and_wireless_locks_the_name_to_the_first_interface() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let _leasehold = Leasehold::start(&server, &config(true, &reserved("laptop", &[1, 2])));
    let mut clients = Clients::behind(&relay);
    assert_eq!(clients.take(1, &[option_12("laptop")]), RESERVED);
    dns.dig().wait_agree(&full("laptop"), RESERVED);
    // The other interface comes while the first has its lease: both have the name.
    let wireless = clients.take(2, &[option_12("laptop")]);
    assert_ne!(wireless, RESERVED);
    let both = [RESERVED, wireless];
    wait_for("the name has both addresses", Duration::from_secs(30), || {
        let mut found = dns.dig().addresses(&full("laptop"));
        found.sort();
        (found == both).then_some(())
    });
    assert_eq!(dns.dig().names(wireless), [format!("{}.", full("laptop"))]);
}
