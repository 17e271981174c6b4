//! ISC dhcpd, in both of its styles, and Kea with D2 each fill a BIND zone; then Leasehold serves the same clients. Every
//! name is kept, and nothing of the former server is left.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Record};
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::{Running, wait_for};
use crate::servers::{self, DnsServer};

const PATIENCE: Duration = Duration::from_secs(40);
const ZONES: [&str; 2] = ["nasir.xyz", "30.168.192.in-addr.arpa"];
/// dhcpd knows no other port than 53.
const BIND: ([u8; 4], u16) = ([127, 0, 0, 1], 53);

/// The clients: how each says who it is.
const CLIENTS: [(&str, Program); 6] = [
    // Its hardware address as a client identifier, as udhcpc does by itself.
    ("client1", Program::Udhcpc(&[])),
    // None.
    ("client2", Program::Udhcpc(&["-C"])),
    // RFC 4361: type 255, an IAID, a DUID.
    ("client3", Program::Udhcpc(&["-C", "-x", "0x3d:ff0000000a000300010242ac110003"])),
    // None, and its name in option 81.
    ("client4", Program::Dhclient(None)),
    // As RFC 4361 has it, and its name in option 81.
    ("client5", Program::Dhclient(Some("ff:00:00:00:05:00:03:00:01:02:42:ac:11:00:05"))),
    // The same by a DUID of its own making.
    ("client6", Program::Dhcpcd),
];

#[derive(Clone, Copy)]
enum Program {
    /// With these words of its command line.
    Udhcpc(&'static [&'static str]),
    /// With this client identifier.
    Dhclient(Option<&'static str>),
    Dhcpcd,
}

/// A client that holds a lease.
enum Holder<'lab> {
    Udhcpc(&'lab Host, Running),
    Other(Client<'lab>),
}

impl<'lab> Holder<'lab> {
    /// Takes a lease, of that address if there is one.
    fn start(host: &'lab Host, name: &str, program: Program, request: Option<Ipv4Addr>) -> (Self, Ipv4Addr) {
        let full = || Naming::Fqdn(format!("{name}.{}", ZONES[0]));
        let mut client = match program {
            Program::Udhcpc(identity) => {
                let (running, address) = start_udhcpc(host, name, identity, request);
                return (Self::Udhcpc(host, running), address);
            }
            Program::Dhclient(None) => Client::new(Kind::Dhclient, host, full()),
            Program::Dhclient(Some(identity)) => {
                Client::new(Kind::Dhclient, host, full()).with(&format!("send dhcp-client-identifier {identity};\n"))
            }
            Program::Dhcpcd => Client::new(Kind::Dhcpcd, host, full()),
        };
        let address = client.take();
        (Self::Other(client), address)
    }

    /// Is gone without a word.
    fn vanish(self) {
        match self {
            Self::Udhcpc(host, mut running) => {
                running.kill();
                host.ip("addr flush dev eth0");
            }
            Self::Other(mut client) => client.vanish(),
        }
    }

    fn release(self) {
        match self {
            Self::Udhcpc(_, mut running) => {
                running.signal(Signal::SIGUSR2);
                running.wait_log("entering released state", 1, PATIENCE);
                running.kill();
            }
            Self::Other(mut client) => client.release(),
        }
    }
}

fn start_udhcpc(host: &Host, name: &str, identity: &[&str], request: Option<Ipv4Addr>) -> (Running, Ipv4Addr) {
    let hostname = format!("hostname:{name}");
    let mut words = vec!["-f", "-i", "eth0", "-t", "20", "-T", "1", "-A", "1", "-x", &hostname];
    words.extend(identity);
    let asked = request.map(|address| address.to_string());
    if let Some(asked) = &asked {
        words.extend(["-r", asked]);
    }
    let mut running = host.start("udhcpc", &words);
    running.wait_log(" obtained from ", 1, PATIENCE);
    let log = running.log();
    let line = log.lines().find(|line| line.contains(" obtained from ")).unwrap();
    let address = line.split_whitespace().find_map(|word| word.trim_end_matches(',').parse().ok()).unwrap();
    (running, address)
}

fn dhcpd(host: &Host, more: &str) -> Vec<Running> {
    let zone = |name: &str| format!("zone {name}. {{ primary 127.0.0.1; key {KEY_NAME}; }}\n");
    host.write(
        "/etc/dhcp/dhcpd.conf",
        &format!(
            "authoritative; ddns-updates on; ignore client-updates; ping-check false;\n{more}\n\
             ddns-domainname \"nasir.xyz.\"; ddns-rev-domainname \"in-addr.arpa.\";\n\
             default-lease-time 3600; max-lease-time 3600;\n\
             key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n{}{}\
             subnet 192.168.30.0 netmask 255.255.255.0 {{ range 192.168.30.100 192.168.30.199; }}\n",
            zone(ZONES[0]),
            zone(ZONES[1])
        ),
    );
    host.write("/var/lib/dhcp/dhcpd.leases", "");
    let words =
        ["-4", "-f", "-d", "--no-pid", "-cf", "/etc/dhcp/dhcpd.conf", "-lf", "/var/lib/dhcp/dhcpd.leases", "lan"];
    let mut running = host.start("dhcpd", &words);
    running.wait_log("Server starting service", 1, PATIENCE);
    vec![running]
}

fn kea(host: &Host) -> Vec<Running> {
    let server = format!("[{{\"ip-address\": \"{}\", \"port\": {}}}]", Ipv4Addr::from(BIND.0), BIND.1);
    let domain = |name: &str| {
        format!(
            "{{\"ddns-domains\": [{{\"name\": \"{name}.\", \"key-name\": \"{KEY_NAME}\", \"dns-servers\": {server}}}]}}"
        )
    };
    let loggers = |name: &str| {
        format!(
            "\"loggers\": [{{\"name\": \"{name}\", \"severity\": \"INFO\", \"output_options\": [{{\"output\": \"stdout\"}}]}}]"
        )
    };
    host.write(
        "/etc/kea/d2.conf",
        &format!(
            "{{\"DhcpDdns\": {{\"ip-address\": \"127.0.0.1\", \"port\": 53001, \"tsig-keys\": [{{\"name\": \"{KEY_NAME}\", \
             \"algorithm\": \"HMAC-SHA256\", \"secret\": \"{KEY_SECRET}\"}}], \"forward-ddns\": {}, \"reverse-ddns\": {}, {}}}}}",
            domain(ZONES[0]),
            domain(ZONES[1]),
            loggers("kea-dhcp-ddns")
        ),
    );
    host.write(
        "/etc/kea/dhcp4.conf",
        &format!(
            "{{\"Dhcp4\": {{\"interfaces-config\": {{\"interfaces\": [\"lan\"]}}, \
             \"lease-database\": {{\"type\": \"memfile\", \"persist\": false}}, \"valid-lifetime\": 3600, \
             \"dhcp-ddns\": {{\"enable-updates\": true, \"server-ip\": \"127.0.0.1\", \"server-port\": 53001}}, \
             \"ddns-send-updates\": true, \"ddns-qualifying-suffix\": \"nasir.xyz.\", \"ddns-override-no-update\": true, \
             \"subnet4\": [{{\"id\": 1, \"subnet\": \"192.168.30.0/24\", \
             \"pools\": [{{\"pool\": \"192.168.30.100 - 192.168.30.199\"}}]}}], {}}}}}",
            loggers("kea-dhcp4")
        ),
    );
    let mut running = Vec::new();
    for (program, file, ready) in [
        ("kea-dhcp-ddns", "/etc/kea/d2.conf", "DHCP_DDNS_STARTED"),
        ("kea-dhcp4", "/etc/kea/dhcp4.conf", "DHCP4_STARTED"),
    ] {
        let mut command = host.command(program);
        command.args(["-c", file]);
        for place in ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR"] {
            command.env(place, "/run");
        }
        let mut started = Running::start(program, &mut command);
        started.wait_log(ready, 1, PATIENCE);
        running.push(started);
    }
    running
}

fn config(inherit: &str) -> String {
    let server = format!("server = \"{}\"\nkey = \"{KEY_NAME}\"\n", SocketAddr::from(BIND));
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n[dns]\nenabled = false\n\n\
         [ddns]\ndomain = \"nasir.xyz\"\n{inherit}\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}\n[[zone]]\nprefix = \"192.168.30.0/24\"\n{server}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"10m\"\n"
    )
}

/// What is compared: owner and type of each record, in both zones, and the data of all but DHCID.
fn shown(records: &[Record]) -> Vec<String> {
    let data = |record: &Record| if record.rtype == "DHCID" { String::new() } else { record.data.clone() };
    let shown = records.iter().filter(|record| record.rtype != "SOA");
    let mut lines: Vec<String> =
        shown.map(|record| format!("{} {} {}", record.owner, record.rtype, data(record))).collect();
    lines.sort();
    lines
}

/// Runs the former server, then Leasehold with these keys of `[ddns]`; `marks` is how many records of this type the
/// former server left in both zones.
fn take_over(former: impl FnOnce(&Host) -> Vec<Running>, inherit: &str, marks: (&str, usize)) {
    let lab = Lab::new();
    let server = lab.host("server");
    server.ip("link add name lan type bridge forward_delay 0 stp_state 0");
    server.ip("link set dev lan addrgenmode none");
    server.ip("address add 192.168.30.1/24 dev lan");
    server.ip("link set dev lan up");
    let bind = DnsServer::start(servers::Kind::Bind, &server, SocketAddr::from(BIND), &ZONES);
    let dig = bind.dig();
    let hosts: Vec<Host> = CLIENTS
        .iter()
        .map(|(name, _)| {
            let host = lab.host(name);
            lab.cable(&host, "eth0", &server, name);
            server.ip(&format!("link set dev {name} master lan"));
            host
        })
        .collect();
    let former = former(&server);
    let mut addresses = Vec::new();
    for (host, (name, program)) in hosts.iter().zip(CLIENTS) {
        let (holder, address) = Holder::start(host, name, program, None);
        dig.wait_agree(&format!("{name}.nasir.xyz"), address);
        holder.vanish();
        addresses.push(address);
    }
    for mut server in former {
        server.kill();
    }
    let both = || ZONES.iter().flat_map(|zone| dig.transfer(zone)).collect::<Vec<Record>>();
    let before = both();
    let marked = before.iter().filter(|record| record.rtype == marks.0).count();
    assert_eq!(marked, marks.1, "the former server wrote {before:?}");

    let daemon = Leasehold::start(&server, &config(inherit));
    let mut running = Vec::new();
    for ((host, (name, program)), address) in hosts.iter().zip(CLIENTS).zip(&addresses) {
        let (holder, taken) = Holder::start(host, name, program, Some(*address));
        assert_eq!(taken, *address, "{name} keeps its address");
        running.push(holder);
    }
    let mut expected: Vec<String> = ZONES.iter().map(|zone| format!("{zone}. NS ns.tests.example.")).collect();
    for ((name, _), address) in CLIENTS.iter().zip(&addresses) {
        let [a, b, c, d] = address.octets();
        let arpa = format!("{d}.{c}.{b}.{a}.in-addr.arpa.");
        expected.push(format!("{name}.nasir.xyz. A {address}"));
        expected.push(format!("{name}.nasir.xyz. DHCID "));
        expected.push(format!("{arpa} PTR {name}.nasir.xyz."));
        expected.push(format!("{arpa} DHCID "));
    }
    expected.sort();
    let mut last = Vec::new();
    wait_for("every name is kept and nothing is left", PATIENCE, || {
        last = daemon.names();
        (last.len() == 2 * CLIENTS.len() && last.iter().all(|name| name.done)).then_some(())
    });
    let after = both();
    assert_eq!(shown(&after), expected, "before: {:?}\n{}", shown(&before), daemon.log());
    // What is ours can be taken away again: each DHCID is the one that we would have written.
    running.into_iter().for_each(Holder::release);
    let bare: Vec<String> = ZONES.iter().map(|zone| format!("{zone}. NS ns.tests.example.")).rev().collect();
    wait_for("nothing but the zones themselves is left", PATIENCE, || (shown(&both()) == bare).then_some(()));
}

#[test]
fn users_moving_away_from_isc_dhcpd_standard_keeps_every_name() {
    take_over(|host| dhcpd(host, "ddns-update-style standard;"), "inherit = [\"isc-dhcpd\"]", ("DHCID", 6));
}

#[test]
fn users_moving_away_from_isc_dhcpd_interim_keeps_every_name_and_leaves_no_txt() {
    take_over(|host| dhcpd(host, "ddns-update-style interim;"), "inherit = [\"isc-dhcpd\"]", ("TXT", 6));
}

/// It names all clients by their hardware addresses: other DHCID records than we would make of the same clients.
#[test]
fn dhcpd_that_ignored_client_identifiers_is_inherited_by_hardware_address() {
    take_over(
        |host| dhcpd(host, "ddns-update-style standard; ignore-client-uids true;"),
        "inherit = [\"isc-dhcpd\"]",
        ("DHCID", 6),
    );
}

#[test]
fn users_moving_away_from_kea_keeps_every_name() {
    take_over(kea, "", ("DHCID", 12));
}

/// Names of dhcpd's that its DHCID records say to be other hosts' are the clients' own: no number, and nothing taken over.
#[test]
fn names_that_are_inherited_get_no_number_where_conflicts_are_numbered() {
    take_over(
        |host| dhcpd(host, "ddns-update-style standard; ignore-client-uids true;"),
        "inherit = [\"isc-dhcpd\"]\nconflict = \"suffix\"",
        ("DHCID", 6),
    );
}

#[test]
fn names_that_are_inherited_are_kept_where_conflicts_take_over() {
    take_over(
        |host| dhcpd(host, "ddns-update-style interim;"),
        "inherit = [\"isc-dhcpd\"]\nconflict = \"take-over\"",
        ("TXT", 6),
    );
}
