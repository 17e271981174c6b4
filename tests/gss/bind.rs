//! Names brought into BIND, and contexts that end: by time, by a restart, by another key.

use std::time::Duration;

use crate::netns::Lab;
use crate::process::wait_for;
use crate::realm::{KEYTAB, PATIENCE, PRINCIPAL, Realm, SERVICE, account, dns, hosts};

#[test]
fn rfc3645_a_name_is_added_changed_and_removed_with_a_ticket() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    let mut daemon = realm.leasehold(&account());
    let dig = realm.dig();
    let address = realm.lease(1, "pc");
    dig.wait_agree("pc.nasir.xyz", address);
    // The same client under another name.
    assert_eq!(realm.lease(1, "laptop"), address);
    dig.wait_agree("laptop.nasir.xyz", address);
    wait_for("the old name is gone", PATIENCE, || dig.addresses("pc.nasir.xyz").is_empty().then_some(()));
    // One context for all of it, and each zone of the server.
    assert_eq!(daemon.process().count("a context with 127.0.0.1:5300 as DNS/ns.nasir.xyz@NASIR.XYZ"), 1);
    // A zone is read with the same context.
    let told = dns(&daemon, &["audit"]);
    assert!(told.contains("transfer"), "{told}");
    dig.nsupdate(&format!("update delete laptop.nasir.xyz. A {address}"));
    let told = dns(&daemon, &["repair"]);
    dig.wait_agree("laptop.nasir.xyz", address);
    assert!(told.contains("laptop.nasir.xyz"), "{told}");
    daemon.stop();
}

#[test]
fn a_context_that_ends_is_negotiated_anew_before() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    // BIND forgets a context with its ticket.
    realm.kadmin(&format!("modprinc -maxlife 5sec {PRINCIPAL}"));
    let mut daemon = realm.leasehold(&account());
    let dig = realm.dig();
    for number in 1..=3 {
        let name = format!("pc{number}");
        let address = realm.lease(number, &name);
        dig.wait_agree(&format!("{name}.nasir.xyz"), address);
        std::thread::sleep(Duration::from_millis(5_200));
    }
    let contexts = daemon.process().count("a context with 127.0.0.1:5300");
    assert!(contexts >= 3, "{contexts} contexts, each good for 5 s");
    // Renewed before they were refused.
    assert_eq!(daemon.process().count("the server refused a signature"), 0);
}

#[test]
fn a_server_that_was_started_anew_gets_another_context_at_once() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let mut realm = Realm::start(&server, &client);
    let mut daemon = realm.leasehold(&account());
    let dig = realm.dig();
    dig.wait_agree("pc1.nasir.xyz", realm.lease(1, "pc1"));
    realm.kill_bind();
    realm.start_bind();
    let address = realm.lease(2, "pc2");
    dig.wait_agree("pc2.nasir.xyz", address);
    // It was told BADKEY once, and nobody else heard of it.
    let log = daemon.process().log();
    assert!(log.contains("the server refused a signature: BADKEY"), "{log}");
    assert!(!log.contains("updates of zone nasir.xyz. fail"), "{log}");
    assert_eq!(daemon.process().count("a context with 127.0.0.1:5300"), 2);
}

#[test]
fn the_kdc_goes_and_comes_back() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let mut realm = Realm::start(&server, &client);
    realm.stop_kdc();
    let mut daemon = realm.leasehold(&account());
    let address = realm.lease(1, "pc");
    daemon.process().wait_log("no KDC of the realm NASIR.XYZ answers", 1, PATIENCE);
    let told = dns(&daemon, &[]);
    assert!(told.contains("no KDC of the realm NASIR.XYZ answers"), "{told}");
    realm.start_kdc();
    realm.dig().wait_agree("pc.nasir.xyz", address);
    // It goes again: what was negotiated needs it no more.
    realm.stop_kdc();
    let address = realm.lease(2, "other");
    realm.dig().wait_agree("other.nasir.xyz", address);
}

#[test]
fn a_keytab_that_is_replaced_is_used_without_a_restart() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    let mut daemon = realm.leasehold(&account());
    let dig = realm.dig();
    dig.wait_agree("pc1.nasir.xyz", realm.lease(1, "pc1"));
    // The KDC has another key now, and our file the old one.
    realm.kadmin(&format!("ktadd -k /run/krb5/new.keytab {PRINCIPAL}"));
    dig.wait_agree("pc2.nasir.xyz", realm.lease(2, "pc2"));
    // BIND's key changes too, so that it is started anew and forgets.
    let mut realm = realm;
    realm.kill_bind();
    std::fs::remove_file(server.path("/etc/bind/dns.keytab")).unwrap();
    realm.kadmin(&format!("ktadd -k /etc/bind/dns.keytab {SERVICE}"));
    realm.start_bind();
    let address = realm.lease(3, "pc3");
    daemon.process().wait_log("it has been changed since; export the keytab anew", 1, PATIENCE);
    std::fs::rename(server.path("/run/krb5/new.keytab"), server.path(KEYTAB)).unwrap();
    dig.wait_agree("pc3.nasir.xyz", address);
    daemon.process().wait_log("accepts the ticket of dhcp/server.nasir.xyz@NASIR.XYZ again", 1, PATIENCE);
}
