//! The configuration changes between two starts, or while the daemon runs: what DNS holds follows it, without waiting for
//! the clients' renewals, and nothing of before becomes stale. Each test is made both ways, since a reload must lead to
//! what a restart with the new file would.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_NAME, KEY_SECRET};
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::wait_for;
use crate::servers::{self, DnsServer};

const REVERSE: &str = "30.168.192.in-addr.arpa";
const PATIENCE: Duration = Duration::from_secs(30);
const BIND: ([u8; 4], u16) = ([127, 0, 0, 1], 5300);

/// A server and a client's host on one cable. Leases are an hour long, so that no client speaks again by itself.
fn hosts(lab: &Lab) -> (Host, Host) {
    let (server, host) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &host, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    (server, host)
}

/// Zones held by the daemon itself.
fn embedded(zones: &[&str]) -> String {
    zones.iter().map(|zone| format!("[[zone]]\nname = \"{zone}\"\n")).collect()
}

/// Zones held by the tests' BIND.
fn at_bind(zones: &[&str]) -> String {
    let server = SocketAddr::from(BIND);
    let zones: String = zones
        .iter()
        .map(|zone| format!("[[zone]]\nname = \"{zone}\"\nserver = \"{server}\"\nkey = \"{KEY_NAME}\"\n"))
        .collect();
    format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n{zones}")
}

/// One subnet with what else its table says, after the zones.
fn config(zones: &str, subnet: &str) -> String {
    format!(
        "{zones}\n[dns]\nenabled = true\n\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
         pools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"1h\"\n{subnet}\n"
    )
}

/// How a daemon comes to another configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// It is ended, and started on the same store.
    Restart,
    /// It reads its file again.
    Reload,
}

/// Brings the daemon to another configuration.
fn change(by: By, leasehold: &mut Leasehold<'_>, host: &Host, config: &str) {
    match by {
        By::Restart => {
            leasehold.stop();
            Leasehold::rewrite(host, config);
            leasehold.resume();
        }
        By::Reload => {
            Leasehold::rewrite(host, config);
            leasehold.reload();
        }
    }
}

fn own<'lab>(server: &'lab Host) -> Dig<'lab> {
    Dig::new(server, SocketAddr::from(([192, 168, 30, 1], 53)))
}

fn udhcpc<'lab>(host: &'lab Host, name: &str) -> Client<'lab> {
    Client::new(Kind::Udhcpc, host, Naming::Hostname(name.to_owned()))
}

/// Waits until the name has no address.
fn wait_nameless(dig: &Dig<'_>, name: &str) {
    wait_for(&format!("{name} is gone"), PATIENCE, || {
        (dig.rcode(name, "A").as_deref() == Some("NXDOMAIN")).then_some(())
    });
}

fn domain(name: &str) -> String {
    format!("domain = \"{name}\"\n")
}

#[test]
fn names_follow_a_domain_that_changes_and_leave_the_old_one() {
    bodies::names_follow_a_domain_that_changes_and_leave_the_old_one(By::Restart);
}

#[test]
fn names_go_when_a_subnet_names_nobody_any_more() {
    bodies::names_go_when_a_subnet_names_nobody_any_more(By::Restart);
}

#[test]
fn names_follow_a_zone_to_bind_and_back() {
    bodies::names_follow_a_zone_to_bind_and_back(By::Restart);
}

#[test]
fn names_left_at_a_server_whose_zone_went_are_removed_when_it_comes_back() {
    bodies::names_left_at_a_server_whose_zone_went_are_removed_when_it_comes_back(By::Restart);
}

#[test]
fn names_of_reservations_and_static_records_are_taken_from_their_present_holders() {
    bodies::names_of_reservations_and_static_records_are_taken_from_their_present_holders(By::Restart);
}

#[test]
fn names_of_a_subnet_that_went_stay_until_their_leases_end() {
    bodies::names_of_a_subnet_that_went_stay_until_their_leases_end(By::Restart);
}

#[test]
fn names_are_kept_up_with_a_key_that_was_rotated() {
    bodies::names_are_kept_up_with_a_key_that_was_rotated(By::Restart);
}

mod without_a_restart {
    use super::{By, bodies};

    #[test]
    fn names_follow_a_domain_that_changes_and_leave_the_old_one() {
        bodies::names_follow_a_domain_that_changes_and_leave_the_old_one(By::Reload);
    }

    #[test]
    fn names_go_when_a_subnet_names_nobody_any_more() {
        bodies::names_go_when_a_subnet_names_nobody_any_more(By::Reload);
    }

    #[test]
    fn names_follow_a_zone_to_bind_and_back() {
        bodies::names_follow_a_zone_to_bind_and_back(By::Reload);
    }

    #[test]
    fn names_left_at_a_server_whose_zone_went_are_removed_when_it_comes_back() {
        bodies::names_left_at_a_server_whose_zone_went_are_removed_when_it_comes_back(By::Reload);
    }

    #[test]
    fn names_of_reservations_and_static_records_are_taken_from_their_present_holders() {
        bodies::names_of_reservations_and_static_records_are_taken_from_their_present_holders(By::Reload);
    }

    #[test]
    fn names_of_a_subnet_that_went_stay_until_their_leases_end() {
        bodies::names_of_a_subnet_that_went_stay_until_their_leases_end(By::Reload);
    }

    #[test]
    fn names_are_kept_up_with_a_key_that_was_rotated() {
        bodies::names_are_kept_up_with_a_key_that_was_rotated(By::Reload);
    }
}

mod bodies {
    use super::*;

    pub(super) fn names_follow_a_domain_that_changes_and_leave_the_old_one(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let dig = own(&server);
        let mut leasehold = Leasehold::start(&server, &config(&embedded(&["one.test"]), &domain("one.test")));
        let address = udhcpc(&host, "client1").take();
        dig.wait_agree("client1.one.test", address);
        // The old zone stays for a while: its names go all the same.
        let both = embedded(&["one.test", "two.test"]);
        change(by, &mut leasehold, &server, &config(&both, &domain("two.test")));
        dig.wait_agree("client1.two.test", address);
        wait_nameless(&dig, "client1.one.test");
        // The domain changes together with its zone.
        change(by, &mut leasehold, &server, &config(&embedded(&["one.test"]), &domain("one.test")));
        dig.wait_agree("client1.one.test", address);
        let told = "1 names and addresses of this server's are taken out of the stored zone two.test.";
        assert!(leasehold.log().contains(told), "{}", leasehold.log());
        // What was left of the zone that went is not there when it comes back.
        change(by, &mut leasehold, &server, &config(&both, &domain("one.test")));
        assert_eq!(dig.rcode("client1.two.test", "A").as_deref(), Some("NXDOMAIN"));
        dig.wait_agree("client1.one.test", address);
        wait_for("nothing is left to be done", PATIENCE, || {
            leasehold.names().iter().all(|name| name.done).then_some(())
        });
    }

    pub(super) fn names_go_when_a_subnet_names_nobody_any_more(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let dig = own(&server);
        let mut leasehold = Leasehold::start(&server, &config(&embedded(&["one.test"]), &domain("one.test")));
        let address = udhcpc(&host, "client1").take();
        dig.wait_agree("client1.one.test", address);
        let without = config(&embedded(&["one.test", REVERSE]), "domain_name = \"one.test\"\n");
        change(by, &mut leasehold, &server, &without);
        dig.wait_gone("client1.one.test", address);
        wait_for("nothing is left to be done", PATIENCE, || leasehold.names().is_empty().then_some(()));
    }

    pub(super) fn names_follow_a_zone_to_bind_and_back(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let zones = ["one.test", REVERSE];
        let bind = DnsServer::start(servers::Kind::Bind, &server, SocketAddr::from(BIND), &zones);
        let (own, theirs) = (own(&server), bind.dig());
        let (here, there) =
            (config(&embedded(&zones), &domain("one.test")), config(&at_bind(&zones), &domain("one.test")));
        let mut leasehold = Leasehold::start(&server, &here);
        let mut client = udhcpc(&host, "client1");
        let address = client.take();
        own.wait_agree("client1.one.test", address);
        change(by, &mut leasehold, &server, &there);
        theirs.wait_agree("client1.one.test", address);
        client.release();
        theirs.wait_gone("client1.one.test", address);
        // What the embedded zone held before is long over.
        change(by, &mut leasehold, &server, &here);
        own.wait_gone("client1.one.test", address);
        // And the other way round.
        assert_eq!(client.take(), address);
        own.wait_agree("client1.one.test", address);
        change(by, &mut leasehold, &server, &there);
        theirs.wait_agree("client1.one.test", address);
        change(by, &mut leasehold, &server, &here);
        own.wait_agree("client1.one.test", address);
        wait_for("nothing is left to be done", PATIENCE, || {
            leasehold.names().iter().all(|name| name.done).then_some(())
        });
    }

    pub(super) fn names_left_at_a_server_whose_zone_went_are_removed_when_it_comes_back(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let zones = ["one.test", REVERSE];
        let bind = DnsServer::start(servers::Kind::Bind, &server, SocketAddr::from(BIND), &zones);
        let theirs = bind.dig();
        let there = config(&at_bind(&zones), &domain("one.test"));
        let mut leasehold = Leasehold::start(&server, &there);
        let mut client = udhcpc(&host, "client1");
        let address = client.take();
        theirs.wait_agree("client1.one.test", address);
        let other = format!("{}{}", at_bind(&[REVERSE]), embedded(&["two.test"]));
        change(by, &mut leasehold, &server, &config(&other, &domain("two.test")));
        wait_for("the new name", PATIENCE, || (own(&server).addresses("client1.two.test") == [address]).then_some(()));
        // Nobody can be asked to remove them now; that is told, at the start too.
        let told = "client1.one.test.: no zone of the configuration holds them any more; what a DNS server still has of them is";
        assert!(leasehold.log().contains(told), "{}", leasehold.log());
        let left: Vec<String> =
            leasehold.names().into_iter().filter(|name| !name.done).map(|name| name.state).collect();
        assert!(left.iter().any(|state| state.contains("no zone of the configuration")), "{left:?}");
        client.release();
        change(by, &mut leasehold, &server, &there);
        theirs.wait_gone("client1.one.test", address);
        wait_for("nothing is left to be done", PATIENCE, || leasehold.names().is_empty().then_some(()));
    }

    pub(super) fn names_of_reservations_and_static_records_are_taken_from_their_present_holders(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let dig = own(&server);
        let plain = config(&embedded(&["one.test"]), &domain("one.test"));
        let mut leasehold = Leasehold::start(&server, &plain);
        let address = udhcpc(&host, "nas").take();
        dig.wait_agree("nas.one.test", address);
        // The client itself gets a reservation under another name.
        let hardware = leasehold.leases()[0].hardware.clone();
        let reserve = |hardware: &str, name: &str| {
            let key = format!("[[subnet.reservation]]\naddress = \"{address}\"\nhardware = \"{hardware}\"\n");
            config(&embedded(&["one.test"]), &format!("{}{key}hostname = \"{name}\"\n", domain("one.test")))
        };
        change(by, &mut leasehold, &server, &reserve(&hardware, "printer"));
        dig.wait_agree("printer.one.test", address);
        wait_nameless(&dig, "nas.one.test");
        // Somebody writes its name into the zone.
        change(by, &mut leasehold, &server, &plain);
        dig.wait_agree("nas.one.test", address);
        let record = "records = [{ name = \"nas\", type = \"A\", data = \"10.0.0.1\" }]\n";
        change(
            by,
            &mut leasehold,
            &server,
            &config(&format!("{}{record}", embedded(&["one.test"])), &domain("one.test")),
        );
        wait_for("the PTR is gone", PATIENCE, || dig.names(address).is_empty().then_some(()));
        assert_eq!(dig.addresses("nas.one.test"), [Ipv4Addr::new(10, 0, 0, 1)]);
        // The record is taken out again, and the name is the client's.
        change(by, &mut leasehold, &server, &plain);
        dig.wait_agree("nas.one.test", address);
    }

    pub(super) fn names_of_a_subnet_that_went_stay_until_their_leases_end(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let dig = own(&server);
        let zones = embedded(&["one.test", REVERSE]);
        let short = format!("{}lease_time_min = \"10s\"\n", domain("one.test"));
        let mut leasehold = Leasehold::start(&server, &config(&zones, &short).replace("\"1h\"", "\"20s\""));
        let mut client = udhcpc(&host, "client1");
        let address = client.take();
        dig.wait_agree("client1.one.test", address);
        client.vanish();
        let other = "prefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]";
        let elsewhere = config(&zones, "domain = \"one.test\"\n")
            .replace(other, "prefix = \"10.7.0.0/24\"\npools = [\"10.7.0.100-10.7.0.199\"]\ninterfaces = [\"eth0\"]");
        change(by, &mut leasehold, &server, &elsewhere.replace("[dns]", "[dns]\nlisten = [\"192.168.30.1\"]"));
        dig.wait_agree("client1.one.test", address);
        wait_for("the lease has ended", Duration::from_secs(30), || {
            dig.addresses("client1.one.test").is_empty().then_some(())
        });
        dig.wait_gone("client1.one.test", address);
        wait_for("nothing is left to be done", PATIENCE, || leasehold.names().is_empty().then_some(()));
    }

    /// The server knows the new key alone: nothing that was done is done again, and what comes is signed by it.
    pub(super) fn names_are_kept_up_with_a_key_that_was_rotated(by: By) {
        let lab = Lab::new();
        let (server, host) = hosts(&lab);
        let zones = ["one.test", REVERSE];
        let bind = DnsServer::start(servers::Kind::Bind, &server, SocketAddr::from(BIND), &zones);
        let theirs = bind.dig();
        let good = config(&at_bind(&zones), &domain("one.test"));
        let old = good.replace(KEY_SECRET, "YW5vdGhlciBzZWNyZXQgYWx0b2dldGhlcg==");
        let mut leasehold = Leasehold::start(&server, &old);
        let mut client = udhcpc(&host, "client1");
        let address = client.take();
        wait_for("the operator is told of the signature", PATIENCE, || {
            leasehold.names().iter().any(|name| name.state.contains("BADSIG")).then_some(())
        });
        change(by, &mut leasehold, &server, &good);
        theirs.wait_agree("client1.one.test", address);
        let serial = theirs.serial("one.test");
        change(by, &mut leasehold, &server, &good);
        wait_for("all is known to be done", PATIENCE, || {
            let names = leasehold.names();
            (names.len() == 2 && names.iter().all(|name| name.done)).then_some(())
        });
        assert_eq!(theirs.serial("one.test"), serial, "what was done is not done again");
        client.release();
        theirs.wait_gone("client1.one.test", address);
    }
}
