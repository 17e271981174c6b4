//! Names for switches and their ports, and the words for where a client is.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::Ipv4Addr;

use super::{Bytes, CircuitId, RemoteId};
use crate::identity::HardwareAddress;
use crate::options::RelayAgentInfo;

/// The switches that the administrator has named.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Switches {
    list: Vec<Switch>,
    by_key: HashMap<SwitchKey, usize>,
}

/// A switch, or another relay agent, with names for people.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Switch {
    /// Its name; printable.
    pub name: String,
    /// What is behind its ports, by [`CircuitId::port`]; printable.
    pub ports: BTreeMap<String, String>,
}

/// What a switch is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SwitchKey {
    /// A remote identifier that is a hardware address.
    Mac([u8; 6]),
    /// A remote identifier that is an IPv4 address.
    Address(Ipv4Addr),
    /// A remote identifier that is text.
    Text(Box<str>),
    /// A remote identifier in another encoding: all of its bytes.
    Bytes(Box<[u8]>),
    /// No remote identifier, or none that is named: `giaddr`.
    Relay(Ipv4Addr),
}

impl SwitchKey {
    /// The key of a remote identifier.
    #[must_use]
    pub fn of(remote: &RemoteId<'_>) -> Self {
        match *remote {
            RemoteId::Mac(mac) => Self::Mac(mac),
            RemoteId::Address(address) => Self::Address(address),
            RemoteId::Text(text) => Self::Text(text.into()),
            RemoteId::Unknown(data) => Self::Bytes(data.into()),
        }
    }
}

impl Switches {
    /// Adds a switch under all that it is known by. Of two under one key the later counts.
    pub fn add(&mut self, keys: impl IntoIterator<Item = SwitchKey>, switch: Switch) {
        self.by_key.extend(keys.into_iter().map(|key| (key, self.list.len())));
        self.list.push(switch);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn get(&self, key: &SwitchKey) -> Option<&Switch> {
        self.list.get(*self.by_key.get(key)?)
    }

    fn find(&self, relay: Option<Ipv4Addr>, data: Option<&[u8]>) -> Option<&Switch> {
        let by_remote = data.and_then(|data| {
            // Six bytes that happen to be printable are a hardware address if the table says so.
            let as_mac = || Some(SwitchKey::Mac(data.try_into().ok()?));
            self.get(&SwitchKey::of(&RemoteId::read(data))).or_else(|| self.get(&as_mac()?))
        });
        by_remote.or_else(|| self.get(&SwitchKey::Relay(relay?)))
    }
}

/// Where a client is, as far as its relay agent tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// `giaddr`.
    pub relay: Option<Ipv4Addr>,
    /// The switch's row in the table.
    pub switch: Option<&'a Switch>,
    /// Sub-option 2, unless it is the client's own address, which some relay agents put there.
    pub remote: Option<RemoteId<'a>>,
    /// Sub-option 1.
    pub circuit: Option<CircuitId<'a>>,
    /// Sub-option 6.
    pub subscriber: Option<&'a [u8]>,
}

impl<'a> Whereabouts<'a> {
    /// Reads what came with a client's message: `giaddr` (0.0.0.0 for none) and option 82 (empty for none). `None`
    /// when they tell nothing.
    #[must_use]
    pub fn read(switches: &'a Switches, giaddr: Ipv4Addr, marks: &'a [u8], client: &HardwareAddress) -> Option<Self> {
        let marks = RelayAgentInfo(marks);
        let relay = Some(giaddr).filter(|giaddr| !giaddr.is_unspecified());
        let remote = marks.remote_id().map(RemoteId::read);
        let found = Self {
            relay,
            switch: switches.find(relay, marks.remote_id()),
            remote: remote.filter(|remote| !matches!(remote, RemoteId::Mac(mac) if client.as_bytes() == mac)),
            circuit: marks.circuit_id().map(CircuitId::read),
            subscriber: marks.subscriber_id(),
        };
        let tells = found.relay.is_some() || found.remote.is_some() || found.circuit.is_some();
        (tells || found.switch.is_some() || found.subscriber.is_some()).then_some(found)
    }

    /// What is behind the port, from the table.
    #[must_use]
    pub fn port_name(&self) -> Option<&'a str> {
        let port = self.circuit?.port();
        let ports = &self.switch?.ports;
        // A switch that is no stack counts its one module as 0, and nobody writes that.
        let found = ports.get(&port).or_else(|| ports.get(port.strip_prefix("0/")?));
        found.map(String::as_str)
    }
}

impl fmt::Display for Whereabouts<'_> {
    /// `floor2-sw1, VLAN 20, module 1, port 4 (room 204)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        match (self.switch, &self.remote, self.relay) {
            (Some(switch), ..) => f.write_str(&switch.name)?,
            (None, Some(remote), _) => write!(f, "switch {remote}")?,
            (None, None, Some(relay)) => write!(f, "relay {relay}")?,
            (None, None, None) => {}
        }
        if self.switch.is_some() || self.remote.is_some() || self.relay.is_some() {
            comma = ", ";
        }
        if let Some(circuit) = &self.circuit {
            write!(f, "{comma}{circuit}")?;
            comma = ", ";
        }
        if let Some(name) = self.port_name() {
            write!(f, " ({name})")?;
        }
        match self.subscriber {
            Some(subscriber) => write!(f, "{comma}subscriber {}", Bytes(subscriber)),
            None => Ok(()),
        }
    }
}
