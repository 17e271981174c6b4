//! Two Leaseholds with a subnet each keep names in one forward zone.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{KEY_NAME, KEY_SECRET, Record};
use crate::lan::{add_link, client_host};
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::wait_for;
use crate::servers::{self, DnsServer};
use crate::upkeep::{dns, findings, wait_audit};

const PATIENCE: Duration = Duration::from_secs(20);
const ZONES: [&str; 3] = ["nasir.xyz", "30.168.192.in-addr.arpa", "31.168.192.in-addr.arpa"];
const BIND: ([u8; 4], u16) = ([10, 9, 0, 1], 5300);

fn config(subnet: u8) -> String {
    let server = format!("server = \"{}\"\nkey = \"{KEY_NAME}\"\n", SocketAddr::from(BIND));
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n[ddns]\ndomain = \"nasir.xyz\"\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}[[zone]]\nprefix = \"192.168.{subnet}.0/24\"\n{server}\
         [[subnet]]\nprefix = \"192.168.{subnet}.0/24\"\npools = [\"192.168.{subnet}.100-192.168.{subnet}.199\"]\n"
    )
}

/// A server with a link of its own for clients, and one to the DNS server.
fn server(lab: &Lab, dns: &Host, name: &str, subnet: u8) -> Host {
    let host = lab.host(name);
    add_link(&host, &format!("192.168.{subnet}.1/24"));
    lab.cable(&host, "up", dns, name);
    host.ip(&format!("address add 10.9.0.{subnet}/24 dev up"));
    dns.ip(&format!("link set dev {name} master lan"));
    host
}

fn records(bind: &DnsServer<'_>) -> Vec<Record> {
    ZONES.iter().flat_map(|zone| bind.dig().transfer(zone)).filter(|record| record.rtype != "SOA").collect()
}

fn client<'lab>(host: &'lab Host, name: &str) -> Client<'lab> {
    Client::new(Kind::Udhcpc, host, Naming::Hostname(name.to_owned()))
}

/// What one of them says of the other's names, and of a client that went from one to the other without a word.
#[test]
fn two_servers_of_one_zone_leave_each_others_names_alone() {
    let lab = Lab::new();
    let dns_host = lab.host("dns");
    add_link(&dns_host, "10.9.0.1/24");
    let bind = DnsServer::start(servers::Kind::Bind, &dns_host, SocketAddr::from(BIND), &ZONES);
    let dig = bind.dig();
    let (first, second) = (server(&lab, &dns_host, "first", 30), server(&lab, &dns_host, "second", 31));
    let (one, other) = (Leasehold::start(&first, &config(30)), Leasehold::start(&second, &config(31)));
    let at = |server: &Host, name: &str| {
        let host = client_host(&lab, server, name);
        if name.starts_with("roamer") {
            host.ip("link set dev eth0 address 02:00:00:00:aa:01");
        }
        host
    };
    let hosts = [at(&first, "pc-a"), at(&second, "pc-b"), at(&first, "roamer1"), at(&second, "roamer2")];
    let (mut a, mut b) = (client(&hosts[0], "pc-a"), client(&hosts[1], "pc-b"));
    let (mut here, mut there) = (client(&hosts[2], "roamer"), client(&hosts[3], "roamer"));
    dig.wait_agree("pc-a.nasir.xyz", a.take());
    dig.wait_agree("pc-b.nasir.xyz", b.take());
    dig.wait_agree("roamer.nasir.xyz", here.take());
    for daemon in [&one, &other] {
        wait_audit(daemon, &[]);
        assert_eq!(dns(daemon, &["audit"]).0, 0);
    }

    here.vanish();
    let gone_to = there.take();
    dig.wait_agree("roamer.nasir.xyz", gone_to);
    let whole = records(&bind);
    let (code, audit) = dns(&one, &["audit"]);
    assert_eq!((code, findings(&audit)), (0, vec!["elsewhere roamer.nasir.xyz.".to_owned()]), "{audit}");
    wait_audit(&other, &[]);
    for daemon in [&one, &other, &one] {
        let (code, done) = dns(daemon, &["repair", "--yes"]);
        assert_eq!(code, 0, "{done}");
    }
    assert_eq!(records(&bind), whole, "no repair touches the other's names");

    // Whoever changes it by hand leaves no PTR record that fits: that is mended.
    dig.nsupdate("update delete pc-a.nasir.xyz. A\nupdate add pc-a.nasir.xyz. 300 A 192.168.31.250");
    wait_audit(&one, &["changed pc-a.nasir.xyz.", "elsewhere roamer.nasir.xyz."]);
    assert_eq!(dns(&one, &["repair"]).0, 0);
    wait_for("it is mended", PATIENCE, || (records(&bind) == whole).then_some(()));
    // What the other one lets go, this one's lease that still runs may have again.
    there.release();
    wait_audit(&one, &["missing roamer.nasir.xyz."]);
    assert_eq!(dns(&one, &["repair"]).0, 0);
    wait_audit(&one, &[]);
    wait_audit(&other, &[]);
}
