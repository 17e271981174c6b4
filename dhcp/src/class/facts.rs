//! What can be asked about a message.

use std::fmt;
use std::net::Ipv4Addr;

use crate::message::Message;
use crate::options::{RelayAgentInfo, code, relay_code};
use crate::relay_info::{CircuitId, RemoteId};

/// The most values that are read of a fact that has several.
const VALUES_MAX: usize = 64;

/// One thing that is known about a message. Numbers and addresses are compared as bytes in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The client has a reservation on its link: present or absent.
    Reservation,
    /// The hardware address: `hlen` bytes of `chaddr`.
    Hardware,
    /// `htype`, one byte.
    HardwareType,
    /// Option 53, one byte.
    MessageType,
    /// The relay's address, four bytes; absent for 0.0.0.0.
    Giaddr,
    /// `ciaddr`, four bytes; absent for 0.0.0.0.
    Ciaddr,
    /// `secs`, two bytes.
    Secs,
    /// The broadcast bit of `flags`: present or absent.
    Broadcast,
    /// The name of the interface that the message came in on.
    Interface,
    /// An option's data, joined (RFC 3396).
    Option(u8),
    /// A sub-option of an option that holds sub-options (code, length, data): 43 and 82 above all. Of a repeated one
    /// the first counts.
    SubOption(u8, u8),
    /// The client's VLAN, two bytes, where the circuit identifier tells it ([`CircuitId::vlan`]).
    Vlan,
    /// The switch's port, as [`CircuitId::port`] writes it.
    Port,
    /// The switch's MAC address, six bytes, where the remote identifier holds one ([`RemoteId::Mac`]).
    Switch,
    /// Option 77: each user class (RFC 3004). Data that is not of the RFC's form is one user class, as iPXE sends it.
    UserClass,
    /// Option 93: each architecture, two bytes (RFC 4578 section 2.1).
    Architecture,
    /// Option 124: each vendor class of an enterprise (RFC 3925 section 3).
    VendorClass(u32),
    /// Option 125: a sub-option of an enterprise (RFC 3925 section 4).
    VendorOption(u32, u8),
}

impl Fact {
    /// Option 82's circuit identifier (RFC 3046 section 3.1).
    pub const CIRCUIT_ID: Self = Self::SubOption(code::RELAY_AGENT_INFORMATION, relay_code::AGENT_CIRCUIT_ID);
    /// Option 82's remote identifier (RFC 3046 section 3.2).
    pub const REMOTE_ID: Self = Self::SubOption(code::RELAY_AGENT_INFORMATION, relay_code::AGENT_REMOTE_ID);
    /// Option 82's subscriber identifier (RFC 3993).
    pub const SUBSCRIBER_ID: Self = Self::SubOption(code::RELAY_AGENT_INFORMATION, 6);
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Reservation => f.write_str("a reservation"),
            Self::Hardware => f.write_str("the hardware address"),
            Self::HardwareType => f.write_str("the hardware type"),
            Self::MessageType => f.write_str("the message type"),
            Self::Giaddr => f.write_str("giaddr"),
            Self::Ciaddr => f.write_str("ciaddr"),
            Self::Secs => f.write_str("secs"),
            Self::Broadcast => f.write_str("the broadcast flag"),
            Self::Interface => f.write_str("the interface"),
            Self::CIRCUIT_ID => f.write_str("the circuit identifier (option 82, sub-option 1)"),
            Self::REMOTE_ID => f.write_str("the remote identifier (option 82, sub-option 2)"),
            Self::SUBSCRIBER_ID => f.write_str("the subscriber identifier (option 82, sub-option 6)"),
            Self::Option(code::VENDOR_CLASS_IDENTIFIER) => f.write_str("the vendor class (option 60)"),
            Self::Option(code) => write!(f, "option {code}"),
            Self::SubOption(option, code) => write!(f, "sub-option {code} of option {option}"),
            Self::Vlan => f.write_str("the VLAN of the circuit identifier"),
            Self::Port => f.write_str("the port of the circuit identifier"),
            Self::Switch => f.write_str("the switch of the remote identifier"),
            Self::UserClass => f.write_str("the user class (option 77)"),
            Self::Architecture => f.write_str("the client architecture (option 93)"),
            Self::VendorClass(enterprise) => write!(f, "the vendor class of enterprise {enterprise} (option 124)"),
            Self::VendorOption(enterprise, code) => {
                write!(f, "sub-option {code} of enterprise {enterprise} (option 125)")
            }
        }
    }
}

/// What conditions are decided by.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a, 'd> {
    /// The message.
    pub message: &'a Message<'d>,
    /// The data of option 82: the message's, or what is remembered of a client that now turns to us past its relay.
    pub relay: &'a [u8],
    /// `giaddr`: the message's, or likewise what is remembered.
    pub giaddr: Ipv4Addr,
    /// The name of the interface that it came in on.
    pub interface: &'a str,
    /// Whether the client has a reservation on its link.
    pub is_known: bool,
}

impl Facts<'_, '_> {
    /// Calls `each` with every value of a fact; with none when it is absent.
    pub(super) fn values(&self, fact: Fact, each: &mut impl FnMut(&[u8])) {
        let message = self.message;
        match fact {
            Fact::Reservation if self.is_known => each(&[]),
            Fact::Broadcast if message.broadcast => each(&[]),
            Fact::Reservation | Fact::Broadcast => {}
            Fact::Hardware => each(message.hardware.as_bytes()),
            Fact::HardwareType => each(&[message.hardware.htype]),
            Fact::MessageType => each(&[message.message_type as u8]),
            Fact::Giaddr if self.giaddr.is_unspecified() => {}
            Fact::Giaddr => each(&self.giaddr.octets()),
            Fact::Ciaddr if message.ciaddr.is_unspecified() => {}
            Fact::Ciaddr => each(&message.ciaddr.octets()),
            Fact::Secs => each(&message.secs.to_be_bytes()),
            Fact::Interface => each(self.interface.as_bytes()),
            Fact::Option(code) => {
                if let Some(data) = message.options.get(code) {
                    each(data);
                }
            }
            Fact::SubOption(option, wanted) => {
                let is_relay = option == code::RELAY_AGENT_INFORMATION;
                let data = if is_relay { Some(self.relay) } else { message.options.get(option) };
                if let Some(data) = sub_option(data.unwrap_or_default(), wanted, !is_relay) {
                    each(data);
                }
            }
            Fact::Vlan => {
                if let Some(vlan) = self.circuit().and_then(|circuit| circuit.vlan()) {
                    each(&vlan.to_be_bytes());
                }
            }
            Fact::Port => {
                if let Some(circuit) = self.circuit() {
                    each(circuit.port().as_bytes());
                }
            }
            Fact::Switch => {
                if let Some(RemoteId::Mac(mac)) = RelayAgentInfo(self.relay).remote_id().map(RemoteId::read) {
                    each(&mac);
                }
            }
            Fact::UserClass => user_classes(message.options.get(code::USER_CLASS), each),
            Fact::Architecture => {
                let data = message.options.get(code::CLIENT_SYSTEM_ARCHITECTURE).unwrap_or_default();
                data.chunks_exact(2).take(VALUES_MAX).for_each(each);
            }
            Fact::VendorClass(wanted) => {
                let data = message.options.get(VENDOR_CLASS).unwrap_or_default();
                let ours = by_enterprise(data).filter(|(enterprise, _)| *enterprise == wanted);
                ours.take(VALUES_MAX).for_each(|(_, data)| each(data));
            }
            Fact::VendorOption(wanted, code) => {
                let data = message.options.get(VENDOR_INFORMATION).unwrap_or_default();
                let mut ours = by_enterprise(data).filter(|(enterprise, _)| *enterprise == wanted);
                if let Some(data) = ours.find_map(|(_, data)| sub_option(data, code, false)) {
                    each(data);
                }
            }
        }
    }
}

impl<'a> Facts<'a, '_> {
    fn circuit(&self) -> Option<CircuitId<'a>> {
        RelayAgentInfo(self.relay).circuit_id().map(CircuitId::read)
    }
}

/// RFC 3925 section 3.
const VENDOR_CLASS: u8 = 124;
/// RFC 3925 section 4.
const VENDOR_INFORMATION: u8 = 125;

/// The first sub-option of a code: code, length, data, one after the other. RFC 2132 section 8.4: encapsulated options
/// can hold padding (0) and end with 255; in those of relays neither has that meaning. One that is cut off costs
/// itself and what would follow.
fn sub_option(mut rest: &[u8], wanted: u8, has_marks: bool) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [0, after @ ..] if has_marks => after,
            [255, ..] if has_marks => return None,
            [code, len, after @ ..] => {
                let (data, after) = after.split_at_checked(usize::from(*len))?;
                if *code == wanted {
                    return Some(data);
                }
                after
            }
            _ => return None,
        };
    }
}

/// RFC 3004 section 4: each user class is preceded by its length, which is never 0.
fn user_classes(data: Option<&[u8]>, each: &mut impl FnMut(&[u8])) {
    let Some(data) = data.filter(|data| !data.is_empty()) else { return };
    let listed = || {
        let mut rest = data;
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first()?;
            // `Err` for data of another form, with which the walk ends.
            let split = (*len > 0).then(|| after.split_at_checked(usize::from(*len))).flatten();
            rest = split.map_or(&[][..], |(_, after)| after);
            Some(split.map(|(class, _)| class))
        })
    };
    if listed().all(|class| class.is_some()) {
        listed().flatten().take(VALUES_MAX).for_each(each);
    } else {
        each(data);
    }
}

/// RFC 3925: enterprise number, length and data, one after the other.
fn by_enterprise(mut rest: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (enterprise, after) = rest.split_first_chunk::<4>()?;
        let (len, after) = after.split_first()?;
        let (data, after) = after.split_at_checked(usize::from(*len))?;
        rest = after;
        Some((u32::from_be_bytes(*enterprise), data))
    })
}
