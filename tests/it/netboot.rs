//! A machine without a disk (qemu, with iPXE in its network card's ROM) boots from what the daemon tells it by DHCP and
//! hands it by TFTP; its serial console tells how far it came.

use std::fs;
use std::time::Duration;

use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::Running;

/// A machine that is emulated step by step needs some ten seconds to its first DISCOVER.
const PATIENCE: Duration = Duration::from_secs(90);
const HARDWARE: &str = "52:54:00:12:34:56";

/// A server and a machine on one link. The machine's host has a bridge between its cable and qemu's tap.
fn scene(lab: &Lab) -> (Host, Host) {
    let (server, machine) = (lab.host("server"), lab.host("machine"));
    lab.cable(&server, "eth0", &machine, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    machine.ip("tuntap add tap0 mode tap");
    machine.ip("link add name br0 type bridge");
    for port in ["eth0", "tap0"] {
        machine.ip(&format!("link set dev {port} master br0"));
    }
    for interface in ["tap0", "br0"] {
        machine.ip(&format!("link set dev {interface} up"));
    }
    fs::create_dir_all(server.path("/run/tftp")).unwrap();
    (server, machine)
}

/// Without KVM, so that it is the same everywhere.
fn power_on(machine: &Host) -> Running {
    let card = format!("tap,ifname=tap0,script=no,downscript=no,model=virtio-net-pci,mac={HARDWARE}");
    let arguments = ["-machine", "pc", "-accel", "tcg", "-m", "64", "-nographic", "-no-reboot", "-boot", "n"];
    let mut command = machine.command("qemu-system-x86_64");
    Running::start("qemu", command.args(arguments).args(["-nic", &card]))
}

#[test]
fn an_ipxe_machine_boots_by_dhcp_and_tftp() {
    let lab = Lab::new();
    let (server, machine) = scene(&lab);
    fs::write(
        server.path("/run/tftp/boot.ipxe"),
        "#!ipxe\necho BOOTED ${net0/ip} of ${net0/dhcp-server} in ${net0/domain}\nchain next.ipxe || echo NOTHING MORE\n",
    )
    .unwrap();
    fs::write(server.path("/run/tftp/next.ipxe"), "#!ipxe\necho CHAINED\nshell\n").unwrap();
    let mut daemon = Leasehold::start(&server, &config());
    let mut machine = power_on(&machine);
    machine.wait_log("BOOTED 192.168.30.100 of 192.168.30.1 in nasir.xyz", 1, PATIENCE);
    machine.wait_log("CHAINED", 1, PATIENCE);
    // The machine may be quicker to run a script than the daemon to say that it has read it.
    for file in ["boot.ipxe", "next.ipxe"] {
        daemon.process().wait_log(&format!("192.168.30.100 has read {file}: "), 1, PATIENCE);
    }
    let leases = daemon.leases();
    assert_eq!((leases[0].state.as_str(), leases[0].hardware.as_str()), ("bound", HARDWARE));
    machine.kill();
    daemon.stop();
}

/// The example, with its root among the host's private directories.
fn config() -> String {
    let example = include_str!("../../examples/network-boot.toml");
    let config =
        example.replace("/srv/tftp", "/run/tftp").replace("[[subnet]]\n", "[[subnet]]\ndomain_name = \"nasir.xyz\"\n");
    assert!(config.contains("/run/tftp") && config.contains("nasir.xyz"));
    config
}
