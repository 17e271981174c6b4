//! What is wrong with an account is told beforehand and in words that say what to mend.

use crate::netns::Lab;
use crate::realm::{KEYTAB, PRINCIPAL, REALM, Realm, STRANGER, account, dns, hosts};

fn gss(principal: &str, keytab: &str, more: &str) -> String {
    format!("gss = {{ principal = \"{principal}\", keytab = \"{keytab}\"{more} }}")
}

/// Each is "not ready", and says these words.
#[test]
fn check_online_tells_what_is_wrong_with_an_account() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let mut realm = Realm::start(&server, &client);
    let nobody = format!("nobody@{REALM}");
    realm.kadmin(&format!("ktadd -k /run/krb5/stranger.keytab {STRANGER}"));
    // A key for somebody whom the KDC has never heard of.
    realm.kadmin(&format!("addprinc -randkey {nobody}"));
    realm.kadmin(&format!("ktadd -k /run/krb5/nobody.keytab {nobody}"));
    realm.kadmin(&format!("delprinc -force {nobody}"));
    let (code, told) = realm.check(&account(), &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("ready: zone nasir.xyz.: 127.0.0.1:5300 takes updates"), "{told}");
    for (table, words) in [
        (gss(PRINCIPAL, "/run/krb5/none.keytab", ""), "/run/krb5/none.keytab cannot be read"),
        (gss(STRANGER, KEYTAB, ""), "holds no key of dhcp/stranger.nasir.xyz@NASIR.XYZ"),
        (gss(&nobody, "/run/krb5/nobody.keytab", ""), "does not know nobody@NASIR.XYZ"),
        (gss(PRINCIPAL, KEYTAB, ", service = \"DNS/other.nasir.xyz\""), "does not know the service"),
        // Its ticket is good, and BIND's policy grants it nothing.
        (gss(STRANGER, "/run/krb5/stranger.keytab", ""), "the ticket of dhcp/stranger.nasir.xyz@NASIR.XYZ: REFUSED"),
    ] {
        let (code, told) = realm.check(&table, &[]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(words), "{words:?} in:\n{told}");
    }
    // The KDC has another key than the keytab.
    realm.kadmin(&format!("cpw -randkey {PRINCIPAL}"));
    let (code, told) = realm.check(&account(), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("does not accept the key of dhcp/server.nasir.xyz@NASIR.XYZ"), "{told}");
    realm.kadmin(&format!("ktadd -k {KEYTAB} {PRINCIPAL}"));
    // A server that has no key for what the KDC knows it by.
    realm.kill_bind();
    std::fs::remove_file(server.path("/etc/bind/dns.keytab")).unwrap();
    realm.kadmin(&format!("ktadd -k /etc/bind/dns.keytab {STRANGER}"));
    realm.start_bind();
    let (code, told) = realm.check(&account(), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("does not accept the ticket of dhcp/server.nasir.xyz@NASIR.XYZ"), "{told}");
    realm.stop_kdc();
    let (code, told) = realm.check(&account(), &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no KDC of the realm NASIR.XYZ answers"), "{told}");
}

#[test]
fn a_clock_that_is_off_by_an_hour_is_told() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    for off in ["+3600", "-3600"] {
        let environment = [("LD_PRELOAD", library), ("FAKETIME", off), ("DONT_FAKE_MONOTONIC", "1")];
        let (code, told) = realm.check(&account(), &environment);
        assert_eq!(code, Some(1), "{off}: {told}");
        assert!(told.contains("set the time"), "{off}: {told}");
    }
}

#[test]
fn a_principal_that_may_not_is_told_with_the_name_that_waits() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    realm.kadmin(&format!("ktadd -k /run/krb5/stranger.keytab {STRANGER}"));
    let daemon = realm.leasehold(&gss(STRANGER, "/run/krb5/stranger.keytab", ""));
    realm.lease(1, "pc");
    let told = crate::process::wait_for("the refusal is told", crate::realm::PATIENCE, || {
        Some(dns(&daemon, &[])).filter(|told| told.contains("REFUSED"))
    });
    assert!(told.contains("the ticket of dhcp/stranger.nasir.xyz@NASIR.XYZ"), "{told}");
    assert!(realm.bind_log().contains("rejected by secure update"), "{}", realm.bind_log());
    assert!(realm.dig().addresses("pc.nasir.xyz").is_empty());
}
