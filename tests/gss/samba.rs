//! A domain controller of Samba, whose DNS server takes secure updates only. It knows no DHCID records, so names are written
//! without, and PTR records, which always have one beside them, not at all.

use std::net::SocketAddr;
use std::process::Command;

use crate::dig::Dig;
use crate::leasehold::{CONFIG, Leasehold, PROGRAM};
use crate::netns::{Host, Lab};
use crate::process::{Running, finish, succeed, wait_for};
use crate::realm::{PATIENCE, hosts, lease};

const REALM: &str = "AD.NASIR.XYZ";
const SMB_CONF: &str = "--configfile=/run/dc/etc/smb.conf";
const KRB5_CONF: &str = "[libdefaults]\ndefault_realm = AD.NASIR.XYZ\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
                         rdns = false\n[realms]\nAD.NASIR.XYZ = {\n kdc = 127.0.0.1:88\n}\n";
const ENVIRONMENT: (&str, &str) = ("KRB5_CONFIG", "/run/krb5.conf");

/// The daemon's configuration; `naming` is more of `[ddns]`.
fn config(naming: &str) -> String {
    format!(
        "[ddns]\nserver = \"127.0.0.1\"\ndomain = \"ad.nasir.xyz\"\nretry_first = \"1s\"\nretry_max = \"2s\"\n\
         gss = {{ principal = \"leasehold@{REALM}\", keytab = \"/run/leasehold.keytab\" }}\n{naming}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"10m\"\nreverse = \"none\"\n"
    )
}

const WITHOUT_DHCID: &str = "conflict_check = \"no-check-without-dhcid\"\n";

fn tool(server: &Host, words: &[&str]) -> Command {
    let mut command = server.command("samba-tool");
    command.args(words).arg(SMB_CONF).env(ENVIRONMENT.0, ENVIRONMENT.1);
    command
}

/// A domain with an account of ours; the controller runs, on loopback alone.
fn domain(server: &Host) -> Running {
    server.write("/run/krb5.conf", KRB5_CONF);
    std::fs::create_dir_all(server.path("/run/samba")).unwrap();
    std::fs::create_dir_all(server.path("/var/log/samba")).unwrap();
    let mut provision = server.command("samba-tool");
    provision.args(["domain", "provision", "--realm=AD.NASIR.XYZ", "--domain=AD", "--server-role=dc"]);
    provision.args(["--dns-backend=SAMBA_INTERNAL", "--adminpass=Passw0rd!23", "--host-name=dc1"]);
    provision.args(["--host-ip=127.0.0.1", "--targetdir=/run/dc", "--option=interfaces=lo"]);
    provision.args(["--option=bind interfaces only=yes", "--use-rfc2307"]);
    succeed(&mut provision);
    let mut samba = server.command("samba");
    samba.args(["--foreground", "--no-process-group", "--debug-stdout", SMB_CONF]);
    samba.args(["--option=server services=rpc, ldap, cldap, kdc, dns", "--option=dns forwarder="]);
    samba.args(["--option=allow dns updates=secure only"]);
    let running = Running::start("samba", &mut samba);
    dig(server).wait_serves("ad.nasir.xyz");
    succeed(&mut tool(server, &["user", "create", "leasehold", "Passw0rd!24"]));
    succeed(&mut tool(server, &["domain", "exportkeytab", "/run/leasehold.keytab", "--principal=leasehold"]));
    running
}

fn dig(server: &Host) -> Dig<'_> {
    Dig::new(server, SocketAddr::from(([127, 0, 0, 1], 53)))
}

#[test]
fn a_domain_controller_with_secure_updates_only_takes_names() {
    let lab = Lab::new();
    let (server, client) = hosts(&lab);
    let _samba = domain(&server);
    Leasehold::rewrite(&server, &config(WITHOUT_DHCID));
    let mut check = server.command(PROGRAM);
    check.args(["check", "--online", CONFIG]).env(ENVIRONMENT.0, ENVIRONMENT.1);
    let output = finish(&mut check);
    let told = String::from_utf8_lossy(&output.stdout);
    // It says what has to be written for it.
    assert!(output.status.success(), "{told}");
    assert!(told.contains("unknown: zone ad.nasir.xyz.: 127.0.0.1:53 takes updates, but none of DHCID"), "{told}");
    assert!(told.contains("no-check-without-dhcid"), "{told}");

    let mut daemon = Leasehold::prepare(&server, &config(WITHOUT_DHCID));
    daemon.launch_under(&["env", &format!("{}={}", ENVIRONMENT.0, ENVIRONMENT.1)]);
    daemon.wait_ready();
    let address = lease(&client, 1, "pc");
    let dig = dig(&server);
    let resolves = |name: &str| {
        let has_it = || (dig.addresses(name) == [address]).then_some(());
        wait_for(&format!("{name} resolves"), PATIENCE, has_it);
    };
    resolves("pc.ad.nasir.xyz");
    // The same client under another name.
    assert_eq!(lease(&client, 1, "laptop"), address);
    resolves("laptop.ad.nasir.xyz");
    wait_for("the old name is gone", PATIENCE, || dig.addresses("pc.ad.nasir.xyz").is_empty().then_some(()));
    wait_for("all is as it should be", PATIENCE, || daemon.names().iter().all(|name| name.done).then_some(()));
    daemon.process().wait_log("a context with 127.0.0.1:53 as DNS/dc1.ad.nasir.xyz@AD.NASIR.XYZ", 1, PATIENCE);
    daemon.stop();

    // Unsigned, nothing can be changed.
    let unsigned = "server 127.0.0.1\nupdate delete laptop.ad.nasir.xyz A\nsend\n";
    server.write("/run/unsigned", unsigned);
    let told = finish(server.command("nsupdate").arg("/run/unsigned"));
    assert!(String::from_utf8_lossy(&told.stderr).contains("REFUSED"), "{told:?}");
    assert_eq!(dig.addresses("laptop.ad.nasir.xyz"), [address]);
}
