//! `leasehold explain --packet`: what a configuration makes of a packet, without serving. Needs neither root nor network.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use dhcp::client::ClientMessage;
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::code;
use serde_json::Value;

use crate::leasehold::PROGRAM;
use crate::process::finish;

const CONFIG: &str = r#"
[[class]]
name = "phones"
match = { option = 60, prefix = "Phone" }
options = { tftp_server_address = "192.0.2.9" }

[[subnet]]
prefix = "192.168.30.0/24"
pools = ["192.168.30.100-192.168.30.199"]
routers = ["192.168.30.1"]
dns_servers = ["192.168.30.53"]

[[subnet.reservation]]
address = "192.168.30.7"
hardware = "52:54:00:00:00:07"
hostname = "printer"

[[subnet]]
prefix = "10.20.0.0/24"
pools = ["10.20.0.10-10.20.0.19"]

[[switch]]
name = "floor2-sw1"
remote_id = "00:1b:2c:3d:4e:5f"
ports = { "1/4" = "room 204" }
"#;

struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("leasehold.toml"), CONFIG).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ask(&self, packet: &Path, more: &[&str]) -> (bool, String, String) {
        let mut command = Command::new(PROGRAM);
        command.args(["explain", "--config"]).arg(self.path("leasehold.toml")).arg("--packet").arg(packet).args(more);
        let output = finish(&mut command);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn explain(&self, message: &ClientMessage, more: &[&str]) -> String {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        fs::write(self.path("packet"), bytes).unwrap();
        let (done, told, error) = self.ask(&self.path("packet"), more);
        assert!(done, "{error}");
        told
    }
}

fn discover(host: u8) -> ClientMessage {
    let hardware = HardwareAddress::new(1, &[0x52, 0x54, 0, 0, 0, host]).unwrap();
    ClientMessage::new(MessageType::Discover, 7, hardware).with(code::PARAMETER_REQUEST_LIST, [1, 3, 6, 150])
}

fn has(told: &str, words: &str) {
    // Columns are aligned with spaces: they do not count.
    let told: Vec<String> = told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(told.iter().any(|line| line == words), "no `{words}` in:\n{}", told.join("\n"));
}

#[test]
fn a_client_on_the_link_is_told_its_subnet_class_address_and_where_each_option_came_from() {
    let phone = discover(1).with(code::VENDOR_CLASS_IDENTIFIER, *b"Phone/2");
    let told = Desk::new().explain(&phone, &["--on", "192.168.30.1/24"]);
    for words in [
        "MESSAGE DISCOVER of 52:54:00:00:00:01, xid 00000007",
        "SUBNET 192.168.30.0/24, found by the interface that the message came in on",
        "CLASS is phones: the vendor class (option 60) is \"Phone/2\", which begins with \"Phone\"",
        "ADDRESS 192.168.30.100 of 192.168.30.0/24: it is the next free one",
        "OUTCOME answered with OFFER",
        "REPLY OFFER to 192.168.30.100 in a frame to 52:54:00:00:00:01",
        "3 router 192.168.30.1 (subnet 192.168.30.0/24)",
        "6 domain_name_server 192.168.30.53 (subnet 192.168.30.0/24)",
        "150 tftp_server_address 192.0.2.9 (class phones)",
    ] {
        has(&told, words);
    }
}

#[test]
fn a_reservation_and_a_relay_are_told() {
    let desk = Desk::new();
    let told = desk.explain(&discover(7), &["--on", "192.168.30.1/24"]);
    has(&told, "RESERVATION 192.168.30.7 in 192.168.30.0/24, as printer, for hardware address 52:54:00:00:00:07");
    has(&told, "ADDRESS 192.168.30.7 of 192.168.30.0/24: it is reserved for this client");
    let relayed = ClientMessage { giaddr: Ipv4Addr::new(10, 20, 0, 1), ..discover(7) };
    let told = desk.explain(&relayed, &[]);
    has(&told, "SUBNET 10.20.0.0/24, found by the relay's address 10.20.0.1 (giaddr)");
    has(&told, "ADDRESS 10.20.0.10 of 10.20.0.0/24: it is the next free one");
    has(&told, "REPLY OFFER to the relay 10.20.0.1, port 67");
    has(&told, "BEHIND relay 10.20.0.1");
    let marks = *b"\x01\x06\0\x04\0\x14\x01\x04\x02\x08\0\x06\0\x1b\x2c\x3d\x4e\x5f";
    let told = desk.explain(&relayed.with(code::RELAY_AGENT_INFORMATION, marks), &[]);
    has(&told, "BEHIND floor2-sw1, VLAN 20, module 1, port 4 (room 204)");
}

#[test]
fn what_gets_no_answer_is_told_why() {
    let stranger = ClientMessage { giaddr: Ipv4Addr::new(10, 99, 0, 1), ..discover(1) };
    let told = Desk::new().explain(&stranger, &[]);
    assert!(told.contains("no subnet, found by the relay's address 10.99.0.1"), "{told}");
    assert!(told.contains("OUTCOME      no answer: "), "{told}");
}

#[test]
fn json_holds_the_same() {
    let told = Desk::new().explain(&discover(7), &["--on", "192.168.30.1/24", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[0]["address"]["address"], "192.168.30.7");
    assert_eq!(told[0]["reply"]["message_type"], "OFFER");
    assert_eq!(told[0]["classes"][0]["holds"], false);
}

#[test]
fn a_machine_that_boots_is_told_its_file_by_architecture_loader_and_http() {
    let desk = Desk::new();
    fs::copy("examples/network-boot.toml", desk.path("leasehold.toml")).unwrap();
    let machine = |vendor: &[u8], architecture: u8| {
        discover(1)
            .with(code::VENDOR_CLASS_IDENTIFIER, vendor)
            .with(code::CLIENT_SYSTEM_ARCHITECTURE, [0, architecture])
    };
    let told = |message: &ClientMessage| {
        let told: Value = serde_json::from_str(&desk.explain(message, &["--json"])).unwrap();
        told[0]["reply"].clone()
    };
    for (architecture, file) in
        [(0, "undionly.kpxe"), (6, "ipxe-i386.efi"), (7, "ipxe.efi"), (9, "ipxe.efi"), (11, "ipxe-arm64.efi")]
    {
        let reply = told(&machine(b"PXEClient:Arch:00000:UNDI:002001", architecture));
        assert_eq!((&reply["boot_file"], &reply["next_server"]), (&file.into(), &"192.168.30.1".into()));
    }
    // The loader itself, whatever firmware it runs on.
    let loader = machine(b"PXEClient:Arch:00007:UNDI:003010", 7).with(code::USER_CLASS, *b"iPXE");
    assert_eq!(told(&loader)["boot_file"], "boot.ipxe");
    // UEFI's HTTP boot takes an answer only when its vendor class comes back, also without asking for it.
    let reply = told(&machine(b"HTTPClient:Arch:00016:UNDI:003001", 16));
    assert_eq!(reply["boot_file"], "http://192.168.30.1/ipxe.efi");
    let options = reply["options"].as_array().unwrap();
    let vendor_class = options.iter().find(|option| option["code"] == 60).expect("option 60 is answered");
    assert_eq!((&vendor_class["value"], &vendor_class["from"]), (&"\"HTTPClient\"".into(), &"class uefi-http".into()));
    // And no file for a machine that does not boot from the network.
    assert!(told(&discover(1)).get("boot_file").is_none());
}

#[test]
fn a_bad_file_and_a_bad_packet_are_told_apart() {
    let desk = Desk::new();
    let (done, _, error) = desk.ask(Path::new("nothing"), &[]);
    assert!(!done && error.contains("neither a file nor hexadecimal digits"), "{error}");
    fs::write(desk.path("leasehold.toml"), "[[subnet]]\n").unwrap();
    let (done, _, error) = desk.ask(Path::new("00"), &[]);
    assert!(!done && error.contains("leasehold.toml has faults"), "{error}");
}
