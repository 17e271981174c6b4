//! A real client is told its vendor's options, and options set by name, as it reads them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::succeed;

const CONFIG: &str = r#"
[[option]]
name = "controller"
code = 241
type = "address"
vendor = "ACME"

[[subnet]]
prefix = "192.168.30.0/24"
pools  = ["192.168.30.100-192.168.30.199"]
vendor = [
  { identifier = "MSFT 5.0", options = { disable_netbios = "disabled" } },
  { prefix = "ACME", options = { controller = "192.0.2.9" } },
]

[subnet.options]
log_server              = ["192.0.2.1", "192.0.2.2"]
root_path               = "192.0.2.3:/srv/root"
netbios_name_server     = ["192.0.2.4"]
tzdb_timezone           = "Europe/Zurich"
default_ip_time_to_live = 61
"#;

/// Prints what udhcpc hands to its script once it is bound.
const SCRIPT: &str = "#!/bin/sh\n[ \"$1\" = bound ] && env\nexit 0\n";

/// What a udhcpc of this vendor class was told, as `name=value` lines.
fn told(host: &Host, vendor_class: &str) -> Vec<String> {
    host.write("/run/told", SCRIPT);
    std::fs::set_permissions(host.path("/run/told"), Permissions::from_mode(0o755)).expect("an executable script");
    let mut command = host.command("udhcpc");
    command.args(["-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-s", "/run/told", "-V", vendor_class]);
    command.args(["-O", "43", "-O", "7", "-O", "rootpath", "-O", "ipttl", "-O", "wins", "-O", "tzdbstr"]);
    succeed(&mut command).lines().map(str::to_owned).collect()
}

#[test]
fn udhcpc_reads_the_options_of_its_vendor_and_those_set_by_name() {
    let lab = Lab::new();
    let (server, client) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "lan", &client, "eth0");
    server.ip("address add 192.168.30.1/24 dev lan");
    let _leasehold = Leasehold::start(&server, CONFIG);
    for (vendor_class, expected) in
        [("MSFT 5.0", Some("opt43=010400000002")), ("ACME.AP-5", Some("opt43=f104c0000209")), ("another", None)]
    {
        let told = told(&client, vendor_class);
        let option_43 = told.iter().find(|line| line.starts_with("opt43=")).map(String::as_str);
        assert_eq!(option_43, expected, "{vendor_class}: {told:?}");
        for line in [
            "opt7=c0000201c0000202",
            "rootpath=192.0.2.3:/srv/root",
            "ipttl=61",
            "wins=192.0.2.4",
            "tzdbstr=Europe/Zurich",
        ] {
            assert!(told.iter().any(|one| one == line), "{line} is not in {told:?}");
        }
    }
}
