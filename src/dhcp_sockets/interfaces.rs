//! The machine's interfaces as they are now, and which of them are served.
//!
//! A table is one look at the machine (`getifaddrs`), immutable afterwards. [`select_served`] is a pure
//! function of a table and the settings, so what is served, and why something is not, is tested without a
//! machine.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::LinkAddr;

use super::SocketSettings;

/// One interface of the machine, as of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// The kernel's index: never 0, and a new one when an interface of the same name is made anew.
    pub index: u32,
    /// The name, at most 15 bytes.
    pub name: String,
    /// What kind of link it is.
    pub kind: LinkKind,
    /// IPv4 addresses with their prefixes, the kernel's first (primary) first.
    pub addresses: Vec<Ipv4Net>,
    /// Set up by the administrator (IFF_UP); the cable may still be out.
    pub up: bool,
    /// The bridge whose port it is: what arrives here belongs to the bridge.
    pub bridge: Option<String>,
    /// The kernel's own name of this link for packet sockets. `None` in tables made by hand.
    pub(super) link_address: Option<LinkAddr>,
}

/// What kind of link an interface is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet and what looks like it (wireless, bridges, VLANs), with the interface's own address.
    Ethernet([u8; 6]),
    /// The machine itself.
    Loopback,
    /// Anything else, by its number in the kernel's ARPHRD list: no frames of ours are built for it.
    Other(u16),
}

/// All interfaces, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceTable {
    by_index: BTreeMap<u32, Arc<InterfaceInfo>>,
}

/// An interface that the settings name but that cannot be served now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotServed {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: WhyNotServed,
}

/// Why an interface is not served. None of these ends the daemon: the interface is served once it is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNotServed {
    /// There is none of this name; these there are.
    Missing(Vec<String>),
    /// It is not set up.
    Down,
    /// It has no IPv4 address, so no reply could have a source.
    NoAddress,
    /// It is a port of this bridge, which gets all that arrives here.
    BridgePort(String),
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.why {
            WhyNotServed::Missing(there) => {
                write!(f, "interface {name} does not exist; there are: {}", there.join(", "))?;
                f.write_str("; it is served as soon as it appears")
            }
            WhyNotServed::Down => {
                write!(f, "interface {name} is down; it is served as soon as it is up (ip link set {name} up)")
            }
            WhyNotServed::NoAddress => {
                write!(f, "interface {name} has no IPv4 address; it is served as soon as it has one")
            }
            WhyNotServed::BridgePort(bridge) => {
                write!(f, "interface {name} is a port of the bridge {bridge}, which takes all that arrives there; ")?;
                write!(f, "name {bridge} instead")
            }
        }
    }
}

impl InterfaceTable {
    /// Looks at the machine.
    ///
    /// # Errors
    /// What the kernel says when it cannot list its interfaces.
    pub fn snapshot() -> io::Result<Self> {
        let mut found: BTreeMap<String, InterfaceInfo> = BTreeMap::new();
        let mut addresses: Vec<(String, Ipv4Net)> = Vec::new();
        for entry in getifaddrs()? {
            let Some(address) = entry.address else { continue };
            if let Some(link) = address.as_link_addr() {
                let name = entry.interface_name;
                let info = InterfaceInfo {
                    index: u32::try_from(link.ifindex()).unwrap_or(0),
                    kind: LinkKind::from_kernel(link),
                    addresses: Vec::new(),
                    up: entry.flags.contains(InterfaceFlags::IFF_UP),
                    bridge: bridge_of(&name),
                    link_address: Some(*link),
                    name: name.clone(),
                };
                found.insert(name, info);
            } else if let Some(inet) = address.as_sockaddr_in() {
                let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in().map(|m| m.ip()));
                let mask = mask.unwrap_or(Ipv4Addr::BROADCAST);
                let Ok(net) = Ipv4Net::with_netmask(inet.ip(), mask) else { continue };
                // An IPv4 address carries its label for a name, such as `eth0:1`; no interface has a colon.
                let name = entry.interface_name.split(':').next().unwrap_or_default().to_owned();
                addresses.push((name, net));
            }
        }
        for (name, net) in addresses {
            if let Some(info) = found.get_mut(&name) {
                info.addresses.push(net);
            }
        }
        Ok(found.into_values().collect())
    }

    /// The interface with this index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Arc<InterfaceInfo>> {
        self.by_index.get(&index)
    }

    /// The interface of this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<InterfaceInfo>> {
        self.iter().find(|info| info.name == name)
    }

    /// Every interface, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InterfaceInfo>> {
        self.by_index.values()
    }

    /// Whether `address` is an address of this machine.
    #[must_use]
    pub fn is_ours(&self, address: Ipv4Addr) -> bool {
        self.iter().any(|info| info.has_address(address))
    }
}

impl FromIterator<InterfaceInfo> for InterfaceTable {
    fn from_iter<I: IntoIterator<Item = InterfaceInfo>>(interfaces: I) -> Self {
        Self { by_index: interfaces.into_iter().map(|info| (info.index, Arc::new(info))).collect() }
    }
}

impl InterfaceInfo {
    /// An interface for a test: up, of no bridge, and unknown to the kernel.
    #[cfg(test)]
    pub(crate) fn made_by_hand(index: u32, name: &str, kind: LinkKind, addresses: Vec<Ipv4Net>) -> Self {
        Self { index, name: name.to_owned(), kind, addresses, up: true, bridge: None, link_address: None }
    }

    /// Whether `address` is one of this interface's own.
    #[must_use]
    pub fn has_address(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|net| net.addr() == address)
    }

    /// Its first address, for a reply that no other source suits.
    #[must_use]
    pub fn first_address(&self) -> Option<Ipv4Addr> {
        self.addresses.first().map(Ipv4Net::addr)
    }

    /// The kernel's name of this link for packet sockets.
    pub(crate) fn link_address(&self) -> Option<&LinkAddr> {
        self.link_address.as_ref()
    }

    fn why_not_served(&self) -> Option<WhyNotServed> {
        if let Some(bridge) = &self.bridge {
            return Some(WhyNotServed::BridgePort(bridge.clone()));
        }
        if !self.up {
            return Some(WhyNotServed::Down);
        }
        self.addresses.is_empty().then_some(WhyNotServed::NoAddress)
    }
}

impl LinkKind {
    fn from_kernel(link: &LinkAddr) -> Self {
        match (link.hatype(), link.addr()) {
            (libc::ARPHRD_ETHER, Some(mac)) if link.halen() == 6 => Self::Ethernet(mac),
            (libc::ARPHRD_LOOPBACK, _) => Self::Loopback,
            (other, _) => Self::Other(other),
        }
    }
}

/// Which interfaces of `table` are served, and which named ones are not.
///
/// Named interfaces are served when they can be (loopback too, when it is named). With no name given: every
/// interface but loopback that has an address, and, when `within` is not empty, one within those prefixes; and those
/// of `besides`.
#[must_use]
pub fn select_served(settings: &SocketSettings, table: &InterfaceTable) -> (Vec<Arc<InterfaceInfo>>, Vec<NotServed>) {
    let mut served: Vec<Arc<InterfaceInfo>> = Vec::new();
    let mut not_served = Vec::new();
    let mut named = &settings.interfaces;
    if named.is_empty() {
        let wanted = |info: &&Arc<InterfaceInfo>| {
            let within = |net: &Ipv4Net| settings.within.iter().any(|prefix| prefix.contains(&net.addr()));
            info.kind != LinkKind::Loopback
                && info.why_not_served().is_none()
                && (settings.within.is_empty() || info.addresses.iter().any(within))
        };
        served.extend(table.iter().filter(wanted).cloned());
        named = &settings.besides;
    }
    for name in named {
        let why = match table.by_name(name) {
            Some(info) => match info.why_not_served() {
                None if served.iter().any(|other| other.index == info.index) => continue,
                None => {
                    served.push(Arc::clone(info));
                    continue;
                }
                Some(why) => why,
            },
            None => WhyNotServed::Missing(table.iter().map(|info| info.name.clone()).collect()),
        };
        not_served.push(NotServed { name: name.clone(), why });
    }
    (served, not_served)
}

/// The bridge that `name` is a port of. Only a hint for the operator: the kernel itself hands what arrives at
/// a port to the bridge alone, so a wrong answer here costs a sentence, never a second reply.
fn bridge_of(name: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/sys/class/net/{name}/brport/bridge")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str, addresses: &[&str]) -> InterfaceInfo {
        let kind = if name == "lo" { LinkKind::Loopback } else { LinkKind::Ethernet([2, 0, 0, 0, 0, 1]) };
        InterfaceInfo::made_by_hand(index, name, kind, addresses.iter().map(|a| a.parse().unwrap()).collect())
    }

    fn table() -> InterfaceTable {
        [
            interface(1, "lo", &["127.0.0.1/8"]),
            interface(2, "eth0", &["203.0.113.5/24"]),
            interface(3, "eth1", &["192.168.30.1/24", "10.0.0.1/8"]),
            interface(4, "eth2", &[]),
            InterfaceInfo { up: false, ..interface(5, "eth3", &["192.168.31.1/24"]) },
            InterfaceInfo { bridge: Some("br0".into()), ..interface(6, "eth4", &["192.168.32.1/24"]) },
        ]
        .into_iter()
        .collect()
    }

    fn served_names(settings: &SocketSettings) -> Vec<String> {
        select_served(settings, &table()).0.iter().map(|info| info.name.clone()).collect()
    }

    #[test]
    fn without_names_every_addressed_interface_but_loopback_is_served() {
        assert_eq!(served_names(&SocketSettings::default()), ["eth0", "eth1"]);
    }

    #[test]
    fn prefixes_keep_the_interfaces_outside_them_unserved() {
        let within = vec!["192.168.30.0/24".parse().unwrap()];
        assert_eq!(served_names(&SocketSettings { within, ..SocketSettings::default() }), ["eth1"]);
    }

    #[test]
    fn an_interface_that_a_subnet_names_is_served_beside_those_with_an_address_in_one() {
        let within = vec!["192.168.30.0/24".parse().unwrap()];
        let besides = ["eth0", "eth1", "eth2"].map(String::from).to_vec();
        let settings = SocketSettings { within, besides, ..SocketSettings::default() };
        assert_eq!(served_names(&settings), ["eth1", "eth0"]);
        let (_, not) = select_served(&settings, &table());
        assert_eq!(not, [NotServed { name: "eth2".into(), why: WhyNotServed::NoAddress }]);
    }

    #[test]
    fn named_interfaces_are_served_once_each_and_loopback_too() {
        let interfaces = vec!["eth1".into(), "lo".into(), "eth1".into()];
        assert_eq!(served_names(&SocketSettings { interfaces, ..SocketSettings::default() }), ["eth1", "lo"]);
    }

    #[test]
    fn a_named_interface_that_cannot_be_served_is_told_with_the_mend() {
        let interfaces = ["eth9", "eth2", "eth3", "eth4"].map(String::from).to_vec();
        let (served, not) = select_served(&SocketSettings { interfaces, ..SocketSettings::default() }, &table());
        assert!(served.is_empty());
        let told: Vec<String> = not.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "interface eth9 does not exist; there are: lo, eth0, eth1, eth2, eth3, eth4; it is served as soon as \
                 it appears",
                "interface eth2 has no IPv4 address; it is served as soon as it has one",
                "interface eth3 is down; it is served as soon as it is up (ip link set eth3 up)",
                "interface eth4 is a port of the bridge br0, which takes all that arrives there; name br0 instead",
            ]
        );
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let table = InterfaceTable::snapshot().unwrap();
        let lo = table.by_name("lo").unwrap();
        assert_eq!(lo.kind, LinkKind::Loopback);
        assert!(lo.link_address.is_some());
    }
}
