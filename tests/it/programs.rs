//! Programs that others wrote to try DHCP servers: dhcping, nmap and perfdhcp.

use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::{finish, succeed};

const CONFIG: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.249\"]\n\
                      routers = [\"192.168.30.1\"]\ndomain_name = \"nasir.xyz\"\nlease_time = \"10m\"\n";
/// Set by hand, and of the pool: dhcping is answered where it says that it is.
const ADDRESS: &str = "192.168.30.240";
const HARDWARE: &str = "02:00:00:00:00:07";

fn scene(lab: &Lab) -> (Host, Host) {
    let (server, client) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &client, "eth0");
    client.ip(&format!("link set dev eth0 address {HARDWARE}"));
    server.ip("address add 192.168.30.1/24 dev eth0");
    client.ip(&format!("address add {ADDRESS}/24 dev eth0"));
    (server, client)
}

#[test]
fn dhcping_hears_an_inform_and_a_request_answered() {
    let lab = Lab::new();
    let (server, client) = scene(&lab);
    let _daemon = Leasehold::start(&server, CONFIG);
    // INFORM (-i), then the REQUEST of a client that extends its lease.
    for kind in ["-i", "-r"] {
        let mut command = client.tool("dhcping");
        command.args(["-v", "-t", "10", kind, "-c", ADDRESS, "-s", "192.168.30.1", "-h", HARDWARE]);
        let output = finish(&mut command);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "dhcping {kind}: {said}");
        assert!(said.contains("Got answer from: 192.168.30.1"), "dhcping {kind}: {said}");
    }
}

#[test]
fn nmap_discovers_the_server_and_what_it_offers() {
    let lab = Lab::new();
    let (server, client) = scene(&lab);
    let _daemon = Leasehold::start(&server, CONFIG);
    let said = succeed(client.tool("nmap").args(["--script", "broadcast-dhcp-discover", "-e", "eth0"]));
    for line in [
        "DHCP Message Type: DHCPOFFER",
        "IP Offered: 192.168.30.100",
        "Server Identifier: 192.168.30.1",
        "IP Address Lease Time: 10m00s",
        "Subnet Mask: 255.255.255.0",
        "Router: 192.168.30.1",
        "Domain Name: nasir.xyz",
        "Renewal Time Value: 5m00s",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}

#[test]
fn perfdhcp_loses_no_exchange() {
    let lab = Lab::new();
    let (server, client) = scene(&lab);
    let daemon = Leasehold::start(&server, CONFIG);
    // 100 exchanges of as many clients, 50 a second.
    let mut command = client.tool("perfdhcp");
    command.args(["-4", "-r", "50", "-R", "100", "-n", "100", "-W", "2000000", "-l", "eth0"]);
    let said = succeed(&mut command);
    let figures = |name: &str| -> Vec<u64> {
        let lines =
            said.lines().filter_map(|line| line.strip_prefix(name)?.trim().trim_start_matches(':').trim().parse().ok());
        lines.collect()
    };
    assert_eq!(figures("sent packets"), [100, 100], "{said}");
    assert_eq!(figures("received packets"), [100, 100], "{said}");
    assert_eq!(figures("drops"), [0, 0], "{said}");
    let bound = daemon.leases().iter().filter(|lease| lease.state == "bound").count();
    assert_eq!(bound, 100, "{said}");
}
