//! Updates of our own zones, signed with tickets: `nsupdate -g` against the embedded server.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use crate::dig::Dig;
use crate::leasehold::Leasehold;
use crate::netns::Lab;
use crate::process::succeed;
use crate::realm::{KEYTAB, PRINCIPAL, Realm, STRANGER, hosts};

const SERVER: &str = "127.0.0.1:53";
const CONFIG: &str = "[dns]\nlisten = [\"127.0.0.1\"]\ngss_keytab = \"/etc/bind/dns.keytab\"\nforward = false\n\
     [[zone]]\nname = \"nasir.xyz\"\n\
     [[zone.update]]\ngrant = \"dhcp/server.nasir.xyz@NASIR.XYZ\"\nname = \"pc\"\ntypes = [\"A\", \"TXT\"]\n\
     [[zone.update]]\ngrant = \"host/*@NASIR.XYZ\"\nself = \"name\"\ntypes = [\"A\"]\n";
const HOST: &str = "host/laptop.nasir.xyz@NASIR.XYZ";

/// What `nsupdate -g` says of these lines with this principal's ticket; nothing when the server takes them.
fn nsupdate(realm: &Realm<'_>, principal: &str, lines: &str) -> String {
    let cache = "FILE:/run/krb5/cache";
    succeed(realm.command("kinit").args(["-k", "-t", KEYTAB, "-c", cache, principal]));
    let mut command = realm.command("nsupdate");
    command.args(["-g", "-t", "10"]).env("KRB5CCNAME", cache);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let address: SocketAddr = SERVER.parse().unwrap();
    let script = format!("server {} {}\nzone nasir.xyz\n{lines}\nsend\n", address.ip(), address.port());
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn rfc3645_a_principal_changes_what_the_rules_grant_it_by_a_ticket() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    for principal in [STRANGER, HOST] {
        if principal == HOST {
            realm.kadmin(&format!("addprinc -randkey {principal}"));
        }
        realm.kadmin(&format!("ktadd -k {KEYTAB} {principal}"));
    }
    let mut daemon = Leasehold::prepare(&server, CONFIG);
    realm.resume(&mut daemon, &[]);
    let dig = Dig::new(&server, SERVER.parse().unwrap());
    assert_eq!(nsupdate(&realm, PRINCIPAL, "update add pc.nasir.xyz 60 A 192.168.30.7"), "");
    assert_eq!(dig.short(&["pc.nasir.xyz"]), ["192.168.30.7"]);
    for lines in ["update add other.nasir.xyz 60 A 192.168.30.8", "update add pc.nasir.xyz 60 MX 1 a.nasir.xyz."] {
        assert!(nsupdate(&realm, PRINCIPAL, lines).contains("REFUSED"), "{lines}");
    }
    // A machine has its own name, whoever else is in the realm nothing.
    assert_eq!(nsupdate(&realm, HOST, "update add laptop.nasir.xyz 60 A 192.168.30.9"), "");
    assert!(nsupdate(&realm, HOST, "update add pc.nasir.xyz 60 A 192.168.30.9").contains("REFUSED"));
    assert!(nsupdate(&realm, STRANGER, "update add pc.nasir.xyz 60 A 192.168.30.9").contains("REFUSED"));
    assert_eq!(dig.short(&["laptop.nasir.xyz"]), ["192.168.30.9"]);
    let log = daemon.log();
    assert!(log.contains(&format!("by the principal {PRINCIPAL} was refused: no rule")), "{log}");
    daemon.stop();
    // Its contexts are gone with it: a client negotiates another.
    realm.resume(&mut daemon, &[]);
    assert_eq!(nsupdate(&realm, PRINCIPAL, "update delete pc.nasir.xyz A"), "");
    daemon.stop();
}

#[test]
fn a_ticket_that_the_server_has_no_key_for_is_not_accepted_and_datagrams_lead_to_a_connection() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let realm = Realm::start(&server, &client);
    // The keys that the server has are older than those that the KDC gives tickets for.
    realm.kadmin("cpw -randkey DNS/ns.nasir.xyz");
    let mut daemon = Leasehold::prepare(&server, CONFIG);
    realm.resume(&mut daemon, &[]);
    let told = nsupdate(&realm, PRINCIPAL, "update add pc.nasir.xyz 60 A 192.168.30.7");
    assert_ne!(told, "");
    let dig = Dig::new(&server, SERVER.parse().unwrap());
    assert_eq!(dig.rcode("pc.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"));
    assert!(daemon.log().contains("a ticket of the DNS client"), "{}", daemon.log());
    let over_udp = dig.raw(&["+notcp", "+ignore", "x.nasir.xyz", "TYPE249"]);
    assert!(over_udp.contains(" tc"), "{over_udp}");
    daemon.stop();
}
