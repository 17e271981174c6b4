//! Four real DHCP clients behind one set of verbs.
//!
//! | | renews | releases | retakes |
//! |---|---|---|---|
//! | dhclient | by itself at T1 | `dhclient -r` | started again |
//! | udhcpc | SIGUSR1 | SIGUSR2 | SIGUSR1 |
//! | dhcpcd | `dhcpcd -N` | `dhcpcd -k` | started again |
//! | systemd-networkd | by itself at T1 | when stopped | started again |
//!
//! So a test that renews with dhclient or systemd-networkd gives leases with a T1 of a few seconds. What each has
//! printed is the witness of a step, not the server's word.

use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::netns::Host;
use crate::process::{Running, finish, succeed, wait_for};

/// The interface that the client configures.
const INTERFACE: &str = "eth0";
/// Slow machines and clients that wait a random while before they speak.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dhclient,
    Udhcpc,
    Dhcpcd,
    Networkd,
}

/// The name that the client tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// None at all.
    Silent,
    /// Option 12.
    Hostname(String),
    /// Option 81 with S=1: the server shall write the A record. dhcpcd sends the first label only, the others all.
    Fqdn(String),
}

/// A client on `eth0` of a host.
pub(crate) struct Client<'lab> {
    kind: Kind,
    host: &'lab Host,
    naming: Naming,
    running: Option<Running>,
}

impl<'lab> Client<'lab> {
    /// A client that has not spoken yet.
    pub(crate) fn new(kind: Kind, host: &'lab Host, naming: Naming) -> Self {
        let client = Self { kind, host, naming, running: None };
        client.configure();
        client
    }

    /// With another line of dhclient's own configuration.
    pub(crate) fn with(self, line: &str) -> Self {
        assert_eq!(self.kind, Kind::Dhclient, "a line of its configuration");
        self.host.write("/etc/dhcp/dhclient.conf", &(dhclient_config(&self.naming) + line));
        self
    }

    /// Takes a lease (the first, or again after a release) and returns the address that is then on the interface.
    pub(crate) fn take(&mut self) -> Ipv4Addr {
        let times = match (&self.running, self.kind) {
            (Some(running), Kind::Udhcpc) => {
                let times = running.count(self.acknowledged()) + 1;
                running.signal(Signal::SIGUSR1);
                times
            }
            (Some(_), _) => panic!("{:?} holds a lease already", self.kind),
            (None, _) => {
                self.running = Some(self.launch());
                1
            }
        };
        let needle = self.acknowledged();
        self.process().wait_log(needle, times, PATIENCE);
        self.wait_address()
    }

    /// Renews, or waits for the client to do so at T1; returns the address.
    pub(crate) fn renew(&mut self) -> Ipv4Addr {
        let needle = self.acknowledged();
        let times = self.process().count(needle) + 1;
        match self.kind {
            Kind::Dhclient | Kind::Networkd => {}
            Kind::Udhcpc => self.process().signal(Signal::SIGUSR1),
            Kind::Dhcpcd => {
                succeed(self.host.command("dhcpcd").args(["-4", "-N", INTERFACE]));
            }
        }
        self.process().wait_log(needle, times, PATIENCE);
        self.wait_address()
    }

    /// Tells the server that the lease is no longer wanted.
    pub(crate) fn release(&mut self) {
        match self.kind {
            Kind::Dhclient => {
                succeed(self.host.command("dhclient").arg("-r").args(DHCLIENT));
                self.end();
            }
            Kind::Udhcpc => {
                let times = self.process().count("entering released state") + 1;
                self.process().signal(Signal::SIGUSR2);
                self.process().wait_log("entering released state", times, PATIENCE);
            }
            Kind::Dhcpcd => {
                finish(self.host.command("dhcpcd").args(["-4", "-k", INTERFACE]));
                self.end();
            }
            Kind::Networkd => {
                self.process().signal(Signal::SIGTERM);
                self.end();
            }
        }
        wait_for("the client gives its address up", PATIENCE, || self.address().is_none().then_some(()));
    }

    /// Leaves without a word: the lease runs out on the server.
    pub(crate) fn vanish(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
        self.host.ip(&format!("addr flush dev {INTERFACE}"));
    }

    /// The IPv4 address on the interface.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        let shown = self.host.ip(&format!("-4 -o address show dev {INTERFACE}"));
        let mut words = shown.split_whitespace().skip_while(|word| *word != "inet");
        words.nth(1)?.split('/').next()?.parse().ok()
    }

    fn wait_address(&self) -> Ipv4Addr {
        wait_for("an address on the client's interface", PATIENCE, || self.address())
    }

    fn process(&mut self) -> &mut Running {
        self.running.as_mut().expect("the client runs")
    }

    fn end(&mut self) {
        self.process().wait_end(PATIENCE);
        self.running = None;
    }

    /// What the client prints once for every ACK that it takes.
    fn acknowledged(&self) -> &'static str {
        match self.kind {
            Kind::Dhclient => "bound to ",
            Kind::Udhcpc => " obtained from ",
            Kind::Dhcpcd => ": leased ",
            Kind::Networkd => "DHCPv4 client: ACK",
        }
    }

    fn launch(&self) -> Running {
        match self.kind {
            Kind::Dhclient => self.host.start("dhclient", &[&["-d", "-v"], &DHCLIENT[..]].concat()),
            Kind::Udhcpc => {
                let mut arguments = vec!["-f", "-i", INTERFACE, "-t", "20", "-T", "1", "-A", "1"];
                let hostname;
                match &self.naming {
                    Naming::Silent => {}
                    Naming::Hostname(name) => {
                        hostname = format!("hostname:{name}");
                        arguments.extend(["-x", &hostname]);
                    }
                    Naming::Fqdn(name) => arguments.extend(["-F", name]),
                }
                self.host.start("udhcpc", &arguments)
            }
            Kind::Dhcpcd => self.host.start("dhcpcd", &["-B", "-4", "-d", "-f", DHCPCD_CONFIG, INTERFACE]),
            Kind::Networkd => {
                let mut command = self.host.command("/lib/systemd/systemd-networkd");
                // ip, unshare and sh hand their environment on.
                command.env("SYSTEMD_LOG_LEVEL", "debug").env("SYSTEMD_LOG_TARGET", "console");
                Running::start("systemd-networkd", &mut command)
            }
        }
    }

    fn configure(&self) {
        match self.kind {
            Kind::Dhclient => self.host.write("/etc/dhcp/dhclient.conf", &dhclient_config(&self.naming)),
            Kind::Udhcpc => {}
            Kind::Dhcpcd => self.host.write(DHCPCD_CONFIG, &dhcpcd_config(&self.naming)),
            Kind::Networkd => {
                self.host.write("/etc/systemd/network/10-client.network", &networkd_config(&self.naming));
            }
        }
    }
}

const DHCLIENT: [&str; 9] = [
    "-4",
    "-v",
    "-cf",
    "/etc/dhcp/dhclient.conf",
    "-lf",
    "/var/lib/dhcp/dhclient.leases",
    "-pf",
    "/run/dhclient.pid",
    INTERFACE,
];

const DHCPCD_CONFIG: &str = "/run/dhcpcd.conf";

fn dhclient_config(naming: &Naming) -> String {
    let mut text = "timeout 60; retry 1; initial-interval 1; backoff-cutoff 2; select-timeout 0;\n\
         request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers,\n\
         dhcp-renewal-time, dhcp-rebinding-time;\n"
        .to_owned();
    match naming {
        Naming::Silent => {}
        Naming::Hostname(name) => text += &format!("send host-name \"{name}\";\n"),
        Naming::Fqdn(name) => {
            text += &format!(
                "send fqdn.fqdn \"{name}.\";\nsend fqdn.encoded on;\nsend fqdn.server-update on;\nalso request fqdn.fqdn;\n"
            );
        }
    }
    text
}

fn dhcpcd_config(naming: &Naming) -> String {
    let mut text = "duid\nipv4only\nnoarp\nnodelay\noption domain_name_servers, domain_name\n".to_owned();
    match naming {
        Naming::Silent => text += "fqdn disable\n",
        Naming::Hostname(name) => text += &format!("hostname {name}\nfqdn disable\n"),
        Naming::Fqdn(name) => text += &format!("hostname {name}\nfqdn both\n"),
    }
    text
}

/// It sends option 81 for a dotted name and option 12 for a bare one.
fn networkd_config(naming: &Naming) -> String {
    let send = match naming {
        Naming::Silent => "SendHostname=no\n".to_owned(),
        Naming::Hostname(name) | Naming::Fqdn(name) => format!("SendHostname=yes\nHostname={name}\n"),
    };
    format!(
        "[Match]\nName={INTERFACE}\n\n\
         [Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n\
         [DHCPv4]\nUseHostname=no\n{send}"
    )
}
