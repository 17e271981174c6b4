//! A daemon without a subnet: DNS alone, with views, access lists and update rules. The configuration is that of
//! `examples/dns-alone.toml`, more or less.
//!
//! Needs root, network namespaces, `dig` and `nsupdate`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::lan;
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::finish;

const SERVER: &str = "192.168.30.1:53";

fn config() -> String {
    let key = |name: &str| format!("[[key]]\nname = \"{name}\"\nsecret = \"{KEY_SECRET}\"\n");
    format!(
        "[dns]\nupstreams = [\"192.0.2.53\"]\nforward_for = [\"192.168.30.0/24\"]\n\
         [[view]]\nname = \"office\"\nclients = [\"192.168.30.0/24\"]\n{}{}\
         [[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [\"{KEY_NAME}\"]\nrecords = [\n\
         {{ name = \"@\", type = \"CAA\", data = '0 issue \"letsencrypt.org\"' }},\n\
         {{ name = \"www\", type = \"A\", data = \"198.51.100.80\" }},\n\
         {{ name = \"www\", type = \"A\", data = \"192.168.30.80\", views = [\"office\"] }},\n]\n\
         [[zone.update]]\ngrant = \"certbot\"\nname = \"_acme-challenge\"\ntypes = [\"TXT\"]\n\
         [[zone]]\nname = \"lab.nasir.xyz\"\nviews = [\"office\"]\nallow_update = [\"192.168.30.0/24\"]\n\
         update_keys = [\"{KEY_NAME}\"]\nrecords = [{{ name = \"bench\", type = \"A\", data = \"192.168.30.90\" }}]\n\
         [[zone]]\nname = \"secret.test\"\nallow_query = [\"key:{KEY_NAME}\", \"192.168.30.5\"]\n\
         records = [{{ name = \"a\", type = \"A\", data = \"192.168.30.91\" }}]\n",
        key(KEY_NAME),
        key("certbot"),
    )
}

/// A host that is in the office and, at 203.0.113.5, outside.
fn asker(lab: &Lab, server: &Host) -> Host {
    let host = lan::client_host(lab, server, "asker");
    server.ip("address add 203.0.113.1/24 dev lan");
    host.ip("address add 192.168.30.5/24 dev eth0");
    host.ip("address add 203.0.113.5/24 dev eth0");
    host.ip("link set dev eth0 up");
    host
}

const INSIDE: (&str, &str) = ("192.168.30.5", "192.168.30.1:53");
const OUTSIDE: (&str, &str) = ("203.0.113.5", "203.0.113.1:53");

fn ask(host: &Host, (source, server): (&str, &str), words: &[&str]) -> String {
    Dig::new(host, server.parse::<SocketAddr>().unwrap()).raw(&[&["-b", source], words].concat())
}

fn nsupdate(host: &Host, server: &str, key: &str, lines: &str) -> String {
    let address: SocketAddr = server.parse().unwrap();
    let mut command = host.tool("nsupdate");
    command.args(["-t", "5", "-y", &format!("{KEY_ALGORITHM}:{key}:{KEY_SECRET}")]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script = format!("server {} {}\n{lines}\nsend\n", address.ip(), address.port());
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn dns_is_served_alone_and_no_dhcp_socket_is_opened() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let mut daemon = Leasehold::start(&server, &config());
    let open = |path: &str| String::from_utf8(finish(server.tool("cat").arg(path)).stdout).unwrap();
    let udp = open("/proc/net/udp");
    assert!(udp.contains(":0035 ") && !udp.contains(":0043 "), "port 53 and not 67: {udp}");
    assert_eq!(open("/proc/net/packet").lines().count(), 1, "its heading alone");
    assert_eq!(open("/proc/net/raw").lines().count(), 1);

    assert!(ask(&host, INSIDE, &["nasir.xyz", "CAA"]).contains("0 issue \"letsencrypt.org\""));
    // The server itself, on every address of its own.
    assert_eq!(Dig::new(&server, "127.0.0.1:53".parse().unwrap()).short(&["www.nasir.xyz"]), ["198.51.100.80"]);
    let status = String::from_utf8(finish(&mut daemon.command(&["status", "--socket", CONTROL])).stdout).unwrap();
    assert!(status.contains("no subnet: no DHCP is served"), "{status}");
    assert!(daemon.log().contains("ready: no subnet, DNS alone; zones "), "{}", daemon.log());
    daemon.stop();
    // What updates wrote is there again.
    daemon.resume();
    assert!(ask(&host, INSIDE, &["www.nasir.xyz"]).contains("192.168.30.80"));
    daemon.stop();
}

#[test]
fn another_answer_for_other_clients_and_refused_with_the_reason_where_nobody_may_ask() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let mut daemon = Leasehold::start(&server, &config());
    for tcp in ["+notcp", "+tcp"] {
        assert!(ask(&host, INSIDE, &[tcp, "www.nasir.xyz"]).contains("\t192.168.30.80\n"));
        assert!(ask(&host, OUTSIDE, &[tcp, "www.nasir.xyz"]).contains("\t198.51.100.80\n"));
        assert!(ask(&host, INSIDE, &[tcp, "bench.lab.nasir.xyz"]).contains("\t192.168.30.90\n"));
        // Not there for others: a name of the zone above that does not exist.
        assert!(ask(&host, OUTSIDE, &[tcp, "bench.lab.nasir.xyz"]).contains("status: NXDOMAIN"));
        assert!(ask(&host, INSIDE, &[tcp, "a.secret.test"]).contains("\t192.168.30.91\n"));
        let refused = ask(&host, OUTSIDE, &[tcp, "a.secret.test"]);
        assert!(refused.contains("status: REFUSED") && refused.contains("EDE: 18 (Prohibited)"), "{refused}");
        // A signature is as good as an address.
        let key = format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}");
        assert!(ask(&host, OUTSIDE, &[tcp, "-y", &key, "a.secret.test"]).contains("\t192.168.30.91\n"));
        // No open resolver.
        let other = ask(&host, OUTSIDE, &[tcp, "+recurse", "www.example.org"]);
        assert!(other.contains("status: REFUSED") && other.contains("EDE: 18 (Prohibited)"), "{other}");
    }
    // A transfer is what its asker sees.
    let key = format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}");
    let inside = ask(&host, INSIDE, &["-y", &key, "nasir.xyz", "AXFR"]);
    let outside = ask(&host, OUTSIDE, &["-y", &key, "nasir.xyz", "AXFR"]);
    assert!(inside.contains("192.168.30.80") && !inside.contains("198.51.100.80"), "{inside}");
    assert!(outside.contains("198.51.100.80") && !outside.contains("192.168.30.80"), "{outside}");
    daemon.stop();
}

#[test]
fn a_key_changes_what_the_rules_grant_it_and_the_log_says_why_not() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = asker(&lab, &server);
    let mut daemon = Leasehold::start(&server, &config());
    let certbot = |lines: &str| nsupdate(&host, SERVER, "certbot", &format!("zone nasir.xyz\n{lines}"));
    assert_eq!(certbot("update add _acme-challenge.nasir.xyz 60 TXT token"), "");
    for from in [INSIDE, OUTSIDE] {
        assert!(ask(&host, from, &["_acme-challenge.nasir.xyz", "TXT"]).contains("\"token\""), "in every view");
    }
    assert!(certbot("update add _acme-challenge.nasir.xyz 60 CAA 0 issue ca").contains("REFUSED"));
    assert!(certbot("update delete www.nasir.xyz").contains("REFUSED"));
    assert!(
        certbot("update add _acme-challenge.nasir.xyz 60 TXT more\nupdate add x.nasir.xyz 60 TXT x")
            .contains("REFUSED")
    );
    let log = daemon.log();
    let why = "an update of zone nasir.xyz. by the key certbot. was refused: no rule of the zone's `update` grants \
               _acme-challenge.nasir.xyz. CAA";
    assert!(log.contains(why), "{log}");
    // From where updates are not taken the best key is none.
    let lab_update = "zone lab.nasir.xyz\nupdate add new.lab.nasir.xyz 60 A 192.168.30.92";
    assert!(
        nsupdate(&host, "203.0.113.1:53", KEY_NAME, lab_update).contains("NOTAUTH"),
        "the zone is not there for others"
    );
    assert_eq!(nsupdate(&host, SERVER, KEY_NAME, lab_update), "");
    assert!(ask(&host, INSIDE, &["new.lab.nasir.xyz"]).contains("192.168.30.92"));
    daemon.stop();
}
