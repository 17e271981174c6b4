//! A Kerberos realm, a BIND that takes its tickets, and a network to lease addresses in; all on one host but the client.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::leasehold::{CONFIG, CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{Running, finish, succeed};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The realm.
pub(crate) const REALM: &str = "NASIR.XYZ";
/// Whose tickets sign.
pub(crate) const PRINCIPAL: &str = "dhcp/server.nasir.xyz@NASIR.XYZ";
/// Known to the KDC, and allowed nothing by BIND.
pub(crate) const STRANGER: &str = "dhcp/stranger.nasir.xyz@NASIR.XYZ";
/// BIND's own principal.
pub(crate) const SERVICE: &str = "DNS/ns.nasir.xyz";
/// Where our keytab is, as the host sees it.
pub(crate) const KEYTAB: &str = "/run/krb5/leasehold.keytab";
/// The zones.
pub(crate) const ZONES: [&str; 2] = ["nasir.xyz", "30.168.192.in-addr.arpa"];
const DNS: ([u8; 4], u16) = ([127, 0, 0, 1], 5300);
const NAMED: [&str; 5] = ["-g", "-n", "1", "-c", "/etc/bind/named.conf"];

const KRB5_CONF: &str = "[libdefaults]\ndefault_realm = NASIR.XYZ\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
                         rdns = false\n[realms]\nNASIR.XYZ = {\n kdc = 127.0.0.1:88\n}\n";
const KDC_CONF: &str = "[kdcdefaults]\nkdc_listen = 127.0.0.1:88\nkdc_tcp_listen = 127.0.0.1:88\n[realms]\nNASIR.XYZ = {\n \
                        database_name = /run/krb5/principal\n key_stash_file = /run/krb5/stash\n max_life = 10h\n \
                        supported_enctypes = aes256-cts-hmac-sha1-96:normal\n}\n";

/// What the programs of this host know of Kerberos. Nothing is kept about what was seen before, which would stand in a
/// file of the machine's.
const ENVIRONMENT: [(&str, &str); 3] =
    [("KRB5_CONFIG", "/run/krb5/krb5.conf"), ("KRB5_KDC_PROFILE", "/run/krb5/kdc.conf"), ("KRB5RCACHENAME", "none:")];

pub(crate) struct Realm<'lab> {
    pub(crate) server: &'lab Host,
    client: &'lab Host,
    kdc: Option<Running>,
    named: Option<Running>,
}

/// The two hosts, cabled.
pub(crate) fn hosts(lab: &Lab) -> (Host, Host) {
    let (server, client) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &client, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    (server, client)
}

impl<'lab> Realm<'lab> {
    /// A realm with our principal, a stranger's and BIND's, and both servers running.
    pub(crate) fn start(server: &'lab Host, client: &'lab Host) -> Self {
        server.write("/run/krb5/krb5.conf", KRB5_CONF);
        server.write("/run/krb5/kdc.conf", KDC_CONF);
        let mut realm = Self { server, client, kdc: None, named: None };
        succeed(realm.command("kdb5_util").args(["create", "-s", "-r", REALM, "-P", "master"]));
        for principal in [PRINCIPAL, STRANGER, SERVICE] {
            realm.kadmin(&format!("addprinc -randkey {principal}"));
        }
        realm.kadmin(&format!("ktadd -k {KEYTAB} {PRINCIPAL}"));
        realm.kadmin(&format!("ktadd -k /etc/bind/dns.keytab {SERVICE}"));
        realm.configure_bind();
        realm.start_kdc();
        realm.start_bind();
        realm
    }

    /// A program that sees the realm.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.server.command(program);
        command.envs(ENVIRONMENT);
        command
    }

    /// Asks the KDC's database.
    pub(crate) fn kadmin(&self, query: &str) -> String {
        succeed(self.command("kadmin.local").args(["-r", REALM, "-q", query]))
    }

    pub(crate) fn start_kdc(&mut self) {
        self.kdc = Some(Running::start("krb5kdc", self.command("krb5kdc").args(["-n", "-r", REALM])));
        // It logs into a file; that it answers is seen by its first word to whom it does not know.
        let mut first = self.command("kinit");
        first.args(["-c", "/run/krb5/first", "nobody"]);
        crate::process::wait_for("the KDC answers", PATIENCE, || {
            let said = String::from_utf8_lossy(&finish(&mut first).stderr).into_owned();
            (!said.contains("Cannot contact")).then_some(())
        });
    }

    pub(crate) fn stop_kdc(&mut self) {
        self.kdc.take().expect("the KDC runs").kill();
    }

    pub(crate) fn start_bind(&mut self) {
        let mut named = Running::start("named", self.command("named").args(NAMED));
        named.wait_log("all zones loaded", 1, PATIENCE);
        self.named = Some(named);
    }

    /// Kills it: ended in order, it would keep its contexts in a file.
    pub(crate) fn kill_bind(&mut self) {
        self.named.take().expect("BIND runs").kill();
    }

    /// What BIND has said.
    pub(crate) fn bind_log(&self) -> String {
        self.named.as_ref().map(Running::log).unwrap_or_default()
    }

    pub(crate) fn dig(&self) -> Dig<'lab> {
        Dig::new(self.server, SocketAddr::from(DNS))
    }

    fn configure_bind(&self) {
        let mut text = format!(
            "options {{\n\
               directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no; notify no;\n\
               listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; dnssec-validation no;\n\
               tkey-gssapi-keytab \"/etc/bind/dns.keytab\";\n\
               allow-transfer {{ key {KEY_NAME}; key \"{PRINCIPAL}\"; }};\n\
             }};\n\
             controls {{ }};\n\
             key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n",
            DNS.1
        );
        for zone in ZONES {
            let soa = "@ SOA ns.nasir.xyz. admin.nasir.xyz. 7 3600 600 86400 60";
            self.server.write(
                &format!("/var/lib/bind/{zone}.zone"),
                &format!(
                    "$TTL 300\n{soa}\n@ NS ns.nasir.xyz.\n{}",
                    if zone == ZONES[0] { "ns A 127.0.0.1\n" } else { "" }
                ),
            );
            text += &format!(
                "zone \"{zone}\" {{ type primary; file \"/var/lib/bind/{zone}.zone\"; \
                 update-policy {{ grant \"{PRINCIPAL}\" zonesub ANY; grant {KEY_NAME} zonesub ANY; }}; }};\n"
            );
        }
        self.server.write("/etc/bind/named.conf", &text);
    }

    /// A daemon whose updates this account signs; it waits until it serves.
    pub(crate) fn leasehold(&self, gss: &str) -> Leasehold<'lab> {
        self.leasehold_with(gss, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn leasehold_with(&self, gss: &str, more: &[&str]) -> Leasehold<'lab> {
        let mut daemon = Leasehold::prepare(self.server, &config(gss));
        self.resume(&mut daemon, more);
        daemon
    }

    pub(crate) fn resume(&self, daemon: &mut Leasehold<'lab>, more: &[&str]) {
        let words = ENVIRONMENT.map(|(name, value)| format!("{name}={value}"));
        let mut wrapper = vec!["env"];
        wrapper.extend(words.iter().map(String::as_str));
        wrapper.extend(more);
        daemon.launch_under(&wrapper);
        daemon.wait_ready();
    }

    /// `leasehold check --online`: its exit code and what it says.
    pub(crate) fn check(&self, gss: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
        Leasehold::rewrite(self.server, &config(gss));
        let mut command = self.command(crate::leasehold::PROGRAM);
        command.args(["check", "--online", CONFIG]).envs(environment.iter().copied());
        let output = finish(&mut command);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    /// A client of this number takes a lease and says this name. Its address.
    pub(crate) fn lease(&self, number: u8, name: &str) -> Ipv4Addr {
        lease(self.client, number, name)
    }
}

/// On the client's host, a client of this number takes a lease and says this name. Its address.
pub(crate) fn lease(client: &Host, number: u8, name: &str) -> Ipv4Addr {
    client.ip("link set dev eth0 down");
    client.ip(&format!("link set dev eth0 address 02:00:00:00:00:{number:02x}"));
    client.ip("link set dev eth0 up");
    let mut command = client.tool("udhcpc");
    command.args(["-i", "eth0", "-f", "-q", "-n", "-t", "10", "-T", "1", "-s", "/bin/true"]);
    command.args(["-x", &format!("hostname:{name}")]);
    let output = finish(&mut command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let address = said.split("lease of ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    address.unwrap_or_else(|| panic!("no lease: {said}"))
}

/// Our account's table.
pub(crate) fn account() -> String {
    format!("gss = {{ principal = \"{PRINCIPAL}\", keytab = \"{KEYTAB}\" }}")
}

/// The daemon's configuration.
pub(crate) fn config(gss: &str) -> String {
    let server = SocketAddr::from(DNS);
    let zones = ["name = \"nasir.xyz\"", "prefix = \"192.168.30.0/24\""]
        .map(|zone| format!("[[zone]]\n{zone}\nserver = \"{server}\"\n{gss}\n"));
    format!(
        "[dhcp.limits]\npackets_per_client = \"unlimited\"\n\
         [ddns]\ndomain = \"nasir.xyz\"\nretry_first = \"1s\"\nretry_max = \"2s\"\n{}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\nlease_time = \"10m\"\n",
        zones.join("\n")
    )
}

/// `leasehold dns` with these words, and what it prints.
pub(crate) fn dns(daemon: &Leasehold<'_>, words: &[&str]) -> String {
    let all: Vec<&str> = [&["dns"], words, &["--socket", CONTROL]].concat();
    let output = finish(&mut daemon.command(&all));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
