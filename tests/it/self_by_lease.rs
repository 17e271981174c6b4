//! `self_by_lease`: the holder of a live lease keeps its own A record over TCP and without a key, and nothing else.
//!
//! Needs root, network namespaces, dhclient, `dig` and `nsupdate`.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{Dig, KEY_NAME, KEY_SECRET};
use crate::lan;
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::wait_for;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const PATIENCE: Duration = Duration::from_secs(20);
const CONFIG: &str = "[ddns]\nclient_updates = \"allow\"\ndomain = \"nasir.xyz\"\n\
     [[zone]]\nname = \"nasir.xyz\"\nself_by_lease = true\n\
     records = [{ name = \"www\", type = \"A\", data = \"192.168.30.2\" }]\n\
     [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"10m\"\n";

/// What nsupdate says of these lines, sent from `host` without a key; nothing when the server takes them.
fn nsupdate(host: &Host, tcp: bool, lines: &str) -> String {
    let mut command = host.tool("nsupdate");
    command.args(["-t", "5"]).args(tcp.then_some("-v"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script = format!("server {SERVER} 53\n{lines}\nsend\n");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A client that says that it writes its A record itself.
fn writes_itself<'lab>(host: &'lab Host, name: &str) -> Client<'lab> {
    Client::new(Kind::Dhclient, host, Naming::Silent)
        .with(&format!("send fqdn.fqdn \"{name}.nasir.xyz.\";\nsend fqdn.encoded on;\nsend fqdn.server-update off;\n"))
}

#[test]
fn the_holder_of_a_lease_keeps_its_own_a_record_and_nothing_else() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let (pc, other) = (lan::client_host(&lab, &server, "pc"), lan::client_host(&lab, &server, "other"));
    let mut daemon = Leasehold::start(&server, CONFIG);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut client = writes_itself(&pc, "pc");
    let address = client.take();
    wait_for("the server's part", PATIENCE, || (dig.names(address) == ["pc.nasir.xyz."]).then_some(()));
    assert_eq!(dig.addresses("pc.nasir.xyz"), [Ipv4Addr::UNSPECIFIED; 0], "the client's part is the client's");

    let add = format!("zone nasir.xyz\nupdate add pc.nasir.xyz 86400 A {address}");
    assert!(nsupdate(&pc, false, &add).contains("REFUSED"), "an address in a datagram proves nothing");
    assert_eq!(nsupdate(&pc, true, &add), "");
    assert_eq!(dig.addresses("pc.nasir.xyz"), [address]);
    // No longer than its PTR record.
    let ttl = dig.raw(&["+noall", "+answer", "pc.nasir.xyz", "A"]).split_whitespace().nth(1).unwrap().to_owned();
    assert!(ttl.parse::<u32>().unwrap() <= 600, "{ttl}");

    let reverse = "100.30.168.192.in-addr.arpa";
    for lines in [
        "zone nasir.xyz\nupdate add www.nasir.xyz 60 A 192.168.30.100".to_owned(),
        format!("zone nasir.xyz\nupdate add new.nasir.xyz 60 A {address}"),
        format!("zone nasir.xyz\nupdate add x.pc.nasir.xyz 60 A {address}"),
        "zone nasir.xyz\nupdate add pc.nasir.xyz 60 A 192.168.30.2".to_owned(),
        "zone nasir.xyz\nupdate delete pc.nasir.xyz A 192.168.30.2".to_owned(),
        "zone nasir.xyz\nupdate add pc.nasir.xyz 60 AAAA 2001:db8::1".to_owned(),
        "zone nasir.xyz\nupdate add pc.nasir.xyz 60 TXT text".to_owned(),
        "zone nasir.xyz\nupdate delete pc.nasir.xyz".to_owned(),
        "zone nasir.xyz\nupdate delete nasir.xyz".to_owned(),
        format!("{add}\nupdate add new.nasir.xyz 60 A {address}"),
        // Whatever the answer were, it would tell what there is.
        format!("zone nasir.xyz\nprereq yxdomain www.nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}"),
        format!("zone nasir.xyz\nprereq nxdomain secret.nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}"),
        "zone nasir.xyz\nprereq nxdomain secret.nasir.xyz".to_owned(),
        format!("zone 30.168.192.in-addr.arpa\nupdate add {reverse} 60 PTR www.nasir.xyz."),
    ] {
        let told = nsupdate(&pc, true, &lines);
        assert!(told.contains("REFUSED"), "{lines}: {told}");
    }
    // Nobody else either: it has no lease.
    other.ip("address add 192.168.30.7/24 dev eth0");
    other.ip("link set dev eth0 up");
    assert!(nsupdate(&other, true, &add).contains("REFUSED"));
    assert!(nsupdate(&other, true, "zone nasir.xyz\nupdate delete pc.nasir.xyz A").contains("REFUSED"));
    assert_eq!(
        (dig.addresses("pc.nasir.xyz"), dig.addresses("www.nasir.xyz")),
        (vec![address], vec![[192, 168, 30, 2].into()])
    );

    // Away and again, as Windows and dhclient do it in one.
    assert_eq!(nsupdate(&pc, true, "zone nasir.xyz\nupdate delete pc.nasir.xyz A"), "");
    assert_eq!(dig.rcode("pc.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"));
    let again = format!("zone nasir.xyz\nupdate delete pc.nasir.xyz A\nupdate add pc.nasir.xyz 60 A {address}");
    assert_eq!(nsupdate(&pc, true, &again), "");
    assert_eq!(dig.addresses("pc.nasir.xyz"), [address]);
    // The reconciler has nothing to say against it.
    let names = daemon.names();
    assert!(names.iter().all(|name| name.done), "{names:?}");

    // With the lease the right ends, and the record goes.
    client.release();
    dig.wait_gone("pc.nasir.xyz", address);
    pc.ip("address flush dev eth0");
    pc.ip(&format!("address add {address}/24 dev eth0"));
    pc.ip("link set dev eth0 up");
    assert!(nsupdate(&pc, true, &add).contains("REFUSED"), "the lease has ended");
    assert_eq!(dig.rcode("pc.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"));
    let log = daemon.log();
    assert!(log.contains("the client at") && log.contains("was refused: "), "{log}");
    daemon.stop();
}

#[test]
fn a_name_that_the_server_keeps_stays_as_it_keeps_it() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let pc = lan::client_host(&lab, &server, "pc");
    let config = CONFIG.replace("client_updates = \"allow\"\n", "");
    let mut daemon = Leasehold::start(&server, &config);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut client = Client::new(Kind::Dhclient, &pc, Naming::Hostname("pc".to_owned()));
    let address = client.take();
    dig.wait_agree("pc.nasir.xyz", address);
    let before = dig.serial("nasir.xyz");
    let again = format!("zone nasir.xyz\nupdate delete pc.nasir.xyz A\nupdate add pc.nasir.xyz 60 A {address}");
    assert_eq!(nsupdate(&pc, true, &again), "", "it is there already");
    assert!(nsupdate(&pc, true, "zone nasir.xyz\nupdate delete pc.nasir.xyz A").contains("REFUSED"));
    assert_eq!(dig.serial("nasir.xyz"), before, "nothing has changed");
    client.release();
    dig.wait_gone("pc.nasir.xyz", address);
    daemon.stop();
}

#[test]
fn without_the_key_of_the_zone_leases_are_no_right() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let pc = lan::client_host(&lab, &server, "pc");
    let mut daemon = Leasehold::start(&server, &CONFIG.replace("self_by_lease = true\n", ""));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let address = writes_itself(&pc, "pc").take();
    wait_for("the server's part", PATIENCE, || (dig.names(address) == ["pc.nasir.xyz."]).then_some(()));
    let add = format!("zone nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}");
    assert!(nsupdate(&pc, true, &add).contains("REFUSED"));
    daemon.stop();
}

#[test]
fn a_client_that_leaves_its_record_to_the_server_later_has_it_kept_there() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let pc = lan::client_host(&lab, &server, "pc");
    let mut daemon = Leasehold::start(&server, CONFIG);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut client = writes_itself(&pc, "pc");
    let address = client.take();
    assert_eq!(nsupdate(&pc, true, &format!("zone nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}")), "");
    assert_eq!(dig.short(&["pc.nasir.xyz", "DHCID"]), [""; 0]);
    client.vanish();
    // Its own record would look like somebody else's to the server, which keeps the name from now on.
    let mut client = Client::new(Kind::Dhclient, &pc, Naming::Fqdn("pc.nasir.xyz".to_owned()));
    assert_eq!(client.take(), address);
    wait_for("the server keeps the name", PATIENCE, || {
        (dig.short(&["pc.nasir.xyz", "DHCID"]).len() == 1).then_some(())
    });
    dig.wait_agree("pc.nasir.xyz", address);
    wait_for("nothing is left to do", PATIENCE, || daemon.names().iter().all(|name| name.done).then_some(()));
    daemon.stop();
}

#[test]
fn a_name_that_a_client_wrote_itself_is_not_given_to_another_while_its_lease_runs() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let (pc, other) = (lan::client_host(&lab, &server, "pc"), lan::client_host(&lab, &server, "other"));
    let mut daemon = Leasehold::start(&server, CONFIG);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut client = writes_itself(&pc, "pc");
    let address = client.take();
    let add = format!("zone nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}");
    assert_eq!(nsupdate(&pc, true, &add), "");
    // By option 12, which leaves the record to the server, and by option 81, which does not.
    let mut second = Client::new(Kind::Dhclient, &other, Naming::Hostname("pc".to_owned()));
    let taken = second.take();
    assert_eq!(dig.names(taken), [""; 0]);
    // Not in the moment either in which its holder writes it anew.
    assert_eq!(nsupdate(&pc, true, "zone nasir.xyz\nupdate delete pc.nasir.xyz A"), "");
    second.vanish();
    let mut second = writes_itself(&other, "pc");
    assert_eq!(second.take(), taken);
    assert!(
        nsupdate(&other, true, &format!("zone nasir.xyz\nupdate add pc.nasir.xyz 60 A {taken}")).contains("REFUSED")
    );
    assert_eq!(nsupdate(&pc, true, &add), "");
    assert_eq!((dig.addresses("pc.nasir.xyz"), dig.names(address)), (vec![address], vec!["pc.nasir.xyz.".to_owned()]));
    second.vanish();
    // With the lease it is anybody's.
    client.release();
    dig.wait_gone("pc.nasir.xyz", address);
    let mut second = Client::new(Kind::Dhclient, &other, Naming::Hostname("pc".to_owned()));
    assert_eq!(second.take(), taken);
    dig.wait_agree("pc.nasir.xyz", taken);
    daemon.stop();
}

#[test]
fn what_holders_wrote_goes_when_the_right_is_taken_out_and_what_was_made_by_hand_stays() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let pc = lan::client_host(&lab, &server, "pc");
    let key = format!("[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n");
    let open = key
        + &CONFIG.replace("self_by_lease = true\n", &format!("self_by_lease = true\nupdate_keys = [\"{KEY_NAME}\"]\n"));
    let closed = open.replace("self_by_lease = true\n", "");
    let mut daemon = Leasehold::start(&server, &open);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut client = writes_itself(&pc, "pc");
    let address = client.take();
    let add = format!("zone nasir.xyz\nupdate add pc.nasir.xyz 60 A {address}");
    // The same name and address as a holder's would be, and another one.
    let by_hand = |owner: &str| dig.nsupdate(&format!("zone nasir.xyz\nupdate add {owner}.nasir.xyz 60 A {address}"));
    by_hand("hand");
    for by_start in [false, true] {
        assert_eq!(nsupdate(&pc, true, &add), "");
        // What is the holder's stays through a crash.
        daemon.kill();
        daemon.resume();
        assert_eq!(dig.addresses("pc.nasir.xyz"), [address]);
        Leasehold::rewrite(&server, &closed);
        if by_start {
            daemon.stop();
            daemon.resume();
        } else {
            daemon.reload();
        }
        assert_eq!(dig.rcode("pc.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"), "by a start: {by_start}");
        assert_eq!(dig.addresses("hand.nasir.xyz"), [address]);
        assert!(nsupdate(&pc, true, &add).contains("REFUSED"));
        Leasehold::rewrite(&server, &open);
        daemon.reload();
    }
    by_hand("pc");
    Leasehold::rewrite(&server, &closed);
    daemon.reload();
    assert_eq!(dig.addresses("pc.nasir.xyz"), [address], "by hand, though it looks like the holder's");
    daemon.stop();
    daemon.check_store();
}
