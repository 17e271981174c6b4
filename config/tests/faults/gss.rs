//! Accounts of Kerberos that sign updates.

use std::path::Path;

use config::{ReadSecret, Severity};
use ddns::settings::{Auth, ZoneServer};

use super::{and, config, refused, warned};

const TABLE: &str = "gss = { principal = \"dhcp@EXAMPLE.COM\", keytab = \"/k\" }\n";

fn zone(servers: &str, keys: &str) -> String {
    and(&format!("[[zone]]\nname = \"a.example\"\nserver = {servers}\n{keys}"))
}

fn account(text: &str) -> ddns::kerberos::Gss {
    let config = config(text);
    let ZoneServer::Remote { auth: Auth::Gss(gss), .. } = &config.ddns.zones[1].server else { panic!("an account") };
    (**gss).clone()
}

#[test]
fn an_account_for_a_zone_and_for_all_others() {
    let gss = account(&zone("\"192.0.2.53\"", TABLE));
    assert_eq!((&*gss.principal, &*gss.keytab, gss.services.len()), ("dhcp@EXAMPLE.COM", Path::new("/k"), 0));
    let all = config(&format!(
        "[ddns]\nserver = \"192.0.2.53\"\ndomain = \"a.example\"\n{TABLE}\
         [[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\n"
    ));
    assert!(all.ddns.quests.iter().all(|quest| matches!(&quest.server, ZoneServer::Remote { auth: Auth::Gss(_), .. })));
    assert!(!all.ddns.quests.is_empty());
}

#[test]
fn a_service_is_of_the_accounts_realm_unless_it_names_another() {
    let table = "gss = { principal = \"dhcp@EXAMPLE.COM\", keytab = \"/k\", \
                 service = [\"DNS/dc1.example.com\", \"DNS/dc2.other.example@OTHER.EXAMPLE\"] }\n";
    let gss = account(&zone("[\"192.0.2.1\", \"192.0.2.2:5353\"]", table));
    assert_eq!(gss.service_of("192.0.2.1:53".parse().unwrap()), Some("DNS/dc1.example.com@EXAMPLE.COM"));
    assert_eq!(gss.service_of("192.0.2.2:5353".parse().unwrap()), Some("DNS/dc2.other.example@OTHER.EXAMPLE"));
}

#[test]
fn an_account_beside_a_key_or_without_a_server() {
    let key = "key = \"k\"\n";
    let keys = "[[key]]\nname = \"k\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n";
    let table = "{ principal = \"dhcp@EXAMPLE.COM\", keytab = \"/k\" }";
    refused(
        &zone("\"192.0.2.53\"", &format!("{key}{TABLE}{keys}")),
        &[("11:7", table, "updates are signed by `key` or by `gss`, not by both", "take one of them out")],
    );
    refused(
        &and(&format!("[[zone]]\nname = \"a.example\"\n{TABLE}")),
        &[("9:7", table, "`gss` signs updates to a `server`, and this zone is embedded", "add `server`")],
    );
    refused(
        &and(&format!("[ddns]\n{TABLE}")),
        &[("8:7", table, "`gss` signs updates to a `server`, and [ddns] names none", "add `server`")],
    );
}

#[test]
fn an_account_without_realm_keytab_or_principal() {
    let with = |table: &str| zone("\"192.0.2.53\"", &format!("gss = {table}\n"));
    refused(
        &with("{ principal = \"dhcp\", keytab = \"/k\" }"),
        &[("10:21", "\"dhcp\"", "the principal `dhcp` has no realm", "klist -k")],
    );
    refused(
        &with("{ principal = \"dhcp@EXAMPLE.COM\", keytab = \"k\" }"),
        &[("10:50", "\"k\"", "the path of a keytab begins with `/`", "the whole path")],
    );
    refused(
        &with("{ keytab = \"/k\" }"),
        &[("10:7", "{ keytab = \"/k\" }", "`principal` is missing in `gss`", "add `principal")],
    );
    let table = "{ principal = \"dhcp@EXAMPLE.COM\" }";
    refused(&with(table), &[("10:7", table, "`keytab` is missing in `gss`", "add `keytab")]);
    warned(
        &with("{ principal = \"dhcp@Example.com\", keytab = \"/k\" }"),
        &[(
            "10:21",
            "\"dhcp@Example.com\"",
            "the realm `Example.com` is not in capitals, as the names of realms are",
            "write `dhcp@EXAMPLE.COM`",
        )],
    );
}

#[test]
fn services_that_are_none_or_not_one_for_each_server() {
    let with = |servers: &str, service: &str| {
        let table = format!("{{ principal = \"dhcp@EXAMPLE.COM\", keytab = \"/k\", service = {service} }}");
        zone(servers, &format!("gss = {table}\n"))
    };
    refused(
        &with("\"192.0.2.53\"", "\"dc1.example.com\""),
        &[(
            "10:66",
            "\"dc1.example.com\"",
            "`dc1.example.com` is not the principal of a DNS server",
            "DNS/dc1.example.com",
        )],
    );
    refused(
        &with("[\"192.0.2.1\", \"192.0.2.2\"]", "\"DNS/dc1.example.com\""),
        &[(
            "10:66",
            "\"DNS/dc1.example.com\"",
            "there are 2 servers and 1 services: each server has a principal of its own",
            "a list with one for each server",
        )],
    );
}

/// A program that was built without, on a machine whose files are open to all.
struct Without {
    kerberos: bool,
}

impl ReadSecret for Without {
    fn read_secret(&self, _path: &Path) -> Result<String, String> {
        Err("no such file".to_owned())
    }

    fn is_open_to_all(&self, _path: &Path) -> bool {
        true
    }

    fn has_kerberos(&self) -> bool {
        self.kerberos
    }
}

#[test]
fn a_program_without_kerberos_and_a_keytab_that_is_open_to_all_refuse_an_account() {
    let text = zone("\"192.0.2.53\"", TABLE);
    for (kerberos, message, mend) in [
        (false, "this leasehold was built without Kerberos", "build it with `--features gss`"),
        (true, "every user of this machine can read the keytab /k", "chmod o-r /k"),
    ] {
        let faults = config::check(&text, "test.toml", &Without { kerberos }).unwrap_err();
        assert_eq!(faults.list.len(), 1, "{faults:?}");
        assert_eq!(faults.list[0].severity, Severity::Fault);
        assert_eq!(faults.list[0].message, message);
        assert!(faults.list[0].mend.contains(mend), "{}", faults.list[0].mend);
    }
}

#[test]
fn a_keytab_of_ones_own_service_needs_kerberos_and_is_nobody_elses_to_read() {
    let text = format!("[dns]\ngss_keytab = \"/k\"\n{}", and(""));
    assert_eq!(config(&text).dns.gss_keytab.as_deref(), Some(Path::new("/k")));
    for (kerberos, message) in [
        (false, "this leasehold was built without Kerberos"),
        (true, "every user of this machine can read the keytab /k"),
    ] {
        let faults = config::check(&text, "test.toml", &Without { kerberos }).unwrap_err();
        assert_eq!(faults.list.iter().map(|fault| &*fault.message).collect::<Vec<_>>(), [message]);
    }
    refused(
        &format!("[dns]\ngss_keytab = \"k\"\n{}", and("")),
        &[("2:14", "\"k\"", "the path of a keytab begins with `/`", "the whole path")],
    );
    // A rule about principals is for nobody then.
    let rule = and("[[zone]]\nname = \"a.example\"\n[[zone.update]]\ngrant = \"host/*@EXAMPLE.COM\"\n");
    let faults = config::check(&rule, "test.toml", &Without { kerberos: false }).unwrap_err();
    let told = "`host/*@EXAMPLE.COM` is a principal, and this program is built without Kerberos";
    assert_eq!(faults.list.iter().map(|fault| &*fault.message).collect::<Vec<_>>(), [told]);
}
