//! Option 82 in words: which switch, which VLAN, which port.
//!
//! RFC 3046 leaves what a circuit and a remote identifier hold to the relay agent. The encodings that switches really
//! send are read here; everything else is shown in hexadecimal. What is shown comes from the network and goes to
//! terminals and logs, so it holds printable ASCII only, and has a limit.
//!
//! | sub-option | bytes | read as | sent by |
//! |---|---|---|---|
//! | 1 | `00 04`, VLAN (2), module, port | [`CircuitId::Port`] | Cisco, and D-Link, HPE Comware, Huawei, Eltex, TP-Link |
//! | 1 | `01`, length, text | [`CircuitId::Text`] | Cisco, where the text is configured |
//! | 1 | text | [`CircuitId::Text`] | Juniper, Aruba CX, MikroTik bridges, TR-101, ISC's relay |
//! | 1 | two bytes | [`CircuitId::Index`] | HP ProCurve, ArubaOS-Switch |
//! | 1 | six bytes | [`CircuitId::Mac`] | MikroTik's relay: the interface's own |
//! | 2 | `00 06`, MAC | [`RemoteId::Mac`] | Cisco and those above |
//! | 2 | `01`, length, text | [`RemoteId::Text`] | Cisco, where the text is configured |
//! | 2 | six bytes | [`RemoteId::Mac`] | HP, Aruba, many others |
//! | 2 | four bytes | [`RemoteId::Address`] | HP, where it is an address of the switch |
//! | 2 | text | [`RemoteId::Text`], or a MAC address that is written out | Juniper, MikroTik, TR-101 |

use std::fmt;
use std::net::Ipv4Addr;

use crate::options::{RelayAgentInfo, read_address, relay_code};

mod switches;
#[cfg(test)]
mod tests;

pub use switches::{Switch, SwitchKey, Switches, Whereabouts};

/// What is shown of one text or of one run of bytes; what follows becomes three dots.
const TEXT_BYTES_MAX: usize = 64;
const HEX_BYTES_MAX: usize = 32;
/// How many sub-options are shown.
const SUB_OPTIONS_MAX: usize = 16;
/// IEEE 802.1Q: 12 bits, of which 0 and 4095 are kept.
const VLAN_MAX: u16 = 4_094;

/// Sub-option 1, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitId<'a> {
    /// By number.
    Port {
        /// The VLAN that the client is in.
        vlan: u16,
        /// The module of a chassis, or the member of a stack.
        module: u8,
        /// The port, counted as the switch does.
        port: u8,
    },
    /// The port's number within the switch.
    Index(u16),
    /// The hardware address of the interface that heard the client.
    Mac([u8; 6]),
    /// The interface by its name, or whatever somebody wrote down for it.
    Text {
        /// Without the VLAN.
        name: &'a str,
        /// From names such as `ge-0/0/1.0:20` and `ge-0/0/1.0:vlan20`.
        vlan: Option<u16>,
    },
    /// In an encoding that is not known.
    Unknown(&'a [u8]),
}

impl<'a> CircuitId<'a> {
    /// Reads the data of sub-option 1.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        if let Some(text) = printable(data) {
            return Self::of_text(text);
        }
        match *data {
            [0, 4, high, low, module, port] if (1..=VLAN_MAX).contains(&u16::from_be_bytes([high, low])) => {
                Self::Port { vlan: u16::from_be_bytes([high, low]), module, port }
            }
            [1, len, ref text @ ..] if usize::from(len) == text.len() => {
                printable(text).map_or(Self::Unknown(data), Self::of_text)
            }
            [high, low] => Self::Index(u16::from_be_bytes([high, low])),
            // A zero in front is no maker's number that a switch would have; it begins many other encodings.
            [first, ..] if first != 0 => data.try_into().map_or(Self::Unknown(data), Self::Mac),
            _ => Self::Unknown(data),
        }
    }

    fn of_text(text: &'a str) -> Self {
        let plain = Self::Text { name: text, vlan: None };
        let Some((name, last)) = text.rsplit_once(':').filter(|(name, _)| !name.is_empty()) else { return plain };
        let named = last.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("vlan"));
        let digits = if named { last[4..].trim_start_matches(['-', '_']) } else { last };
        // A number behind a colon is a VLAN only where the path of a port stands in front: MAC addresses, and
        // switches that write slot:port, have colons too.
        let is_vlan = (named || name.contains('/')) && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(vlan @ 1..=VLAN_MAX) if is_vlan => Self::Text { name, vlan: Some(vlan) },
            _ => plain,
        }
    }

    /// The client's VLAN, where the identifier tells it.
    #[must_use]
    pub fn vlan(&self) -> Option<u16> {
        match *self {
            Self::Port { vlan, .. } => Some(vlan),
            Self::Text { vlan, .. } => vlan,
            _ => None,
        }
    }

    /// The port as a table of ports names it: `1/4` for module and port, the number, the interface's name, else the
    /// bytes in hexadecimal.
    #[must_use]
    pub fn port(&self) -> String {
        match *self {
            Self::Port { module, port, .. } => format!("{module}/{port}"),
            Self::Index(port) => port.to_string(),
            Self::Mac(mac) => Mac(mac).to_string(),
            Self::Text { name, .. } => name.to_owned(),
            Self::Unknown(data) => Hex(data).to_string(),
        }
    }
}

impl fmt::Display for CircuitId<'_> {
    /// `VLAN 20, module 1, port 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(vlan) = self.vlan() {
            write!(f, "VLAN {vlan}, ")?;
        }
        match *self {
            Self::Port { module, port, .. } => write!(f, "module {module}, port {port}"),
            Self::Index(port) => write!(f, "port {port}"),
            Self::Mac(mac) => write!(f, "interface {}", Mac(mac)),
            Self::Text { name, .. } => write!(f, "port {}", Text(name)),
            Self::Unknown(data) => write!(f, "circuit {}", Hex(data)),
        }
    }
}

/// Sub-option 2, read: who the relay agent says that it is, as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteId<'a> {
    /// A hardware address.
    Mac([u8; 6]),
    /// An IPv4 address of the switch.
    Address(Ipv4Addr),
    /// A name.
    Text(&'a str),
    /// In an encoding that is not known.
    Unknown(&'a [u8]),
}

impl<'a> RemoteId<'a> {
    /// Reads the data of sub-option 2.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Self {
        if let Some(text) = printable(data) {
            return Self::of_text(text);
        }
        match *data {
            [0, 6, ref mac @ ..] if mac.len() == 6 => mac.try_into().map_or(Self::Unknown(data), Self::Mac),
            [1, len, ref text @ ..] if usize::from(len) == text.len() => {
                printable(text).map_or(Self::Unknown(data), Self::of_text)
            }
            [_, _, _, _] => read_address(data).map_or(Self::Unknown(data), Self::Address),
            _ => data.try_into().map_or(Self::Unknown(data), Self::Mac),
        }
    }

    pub(crate) fn of_text(text: &'a str) -> Self {
        read_mac(text).map_or(Self::Text(text), Self::Mac)
    }
}

impl fmt::Display for RemoteId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mac(mac) => Mac(mac).fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Text(text) => Text(text).fmt(f),
            Self::Unknown(data) => Hex(data).fmt(f),
        }
    }
}

/// A MAC address as people and switches write it: `00:1b:2c:3d:4e:5f`, with hyphens, `001b.2c3d.4e5f` or bare.
#[must_use]
pub fn read_mac(text: &str) -> Option<[u8; 6]> {
    let bytes = text.as_bytes();
    let is_separated = match bytes.len() {
        17 => (2..17).step_by(3).all(|at| bytes[at] == bytes[2]) && matches!(bytes[2], b':' | b'-'),
        14 => bytes[4] == b'.' && bytes[9] == b'.',
        // A run of digits alone is rather somebody's number.
        12 => bytes.iter().any(u8::is_ascii_alphabetic),
        _ => false,
    };
    if !is_separated {
        return None;
    }
    let mut digits = bytes.iter().filter(|byte| !matches!(byte, b':' | b'-' | b'.'));
    let mut mac = [0; 6];
    for byte in &mut mac {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        *byte = u8::try_from(digit()? << 4 | digit()?).ok()?;
    }
    digits.next().is_none().then_some(mac)
}

/// The whole of option 82 in one line.
impl fmt::Display for RelayAgentInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut read = 0;
        for (place, (code, data)) in self.iter().enumerate() {
            read += data.len() + 2;
            match place {
                0 => {}
                _ if place < SUB_OPTIONS_MAX => f.write_str("; ")?,
                SUB_OPTIONS_MAX => f.write_str("; ...")?,
                _ => {}
            }
            if place < SUB_OPTIONS_MAX {
                sub_option(f, code, data)?;
            }
        }
        match self.0.len() - read {
            0 => Ok(()),
            rest => write!(f, "{}{rest} bytes that cannot be read", if read == 0 { "" } else { "; " }),
        }
    }
}

/// One sub-option, by the names of the IANA registry.
fn sub_option(f: &mut fmt::Formatter<'_>, code: u8, data: &[u8]) -> fmt::Result {
    match (code, data) {
        (relay_code::AGENT_CIRCUIT_ID, _) => match CircuitId::read(data) {
            CircuitId::Unknown(_) => write!(f, "circuit {}", Hex(data)),
            circuit => write!(f, "circuit {circuit}"),
        },
        (relay_code::AGENT_REMOTE_ID, _) => write!(f, "remote {}", RemoteId::read(data)),
        // RFC 3256 section 3: a number of 32 bits.
        (relay_code::DOCSIS_DEVICE_CLASS, &[a, b, c, d]) => {
            write!(f, "DOCSIS device class {:#010x}", u32::from_be_bytes([a, b, c, d]))
        }
        (relay_code::LINK_SELECTION, &[a, b, c, d]) => write!(f, "link selection {}", Ipv4Addr::new(a, b, c, d)),
        (relay_code::CISCO_LINK_SELECTION, &[a, b, c, d]) => {
            write!(f, "link selection (Cisco) {}", Ipv4Addr::new(a, b, c, d))
        }
        (relay_code::SUBSCRIBER_ID, _) => write!(f, "subscriber {}", Bytes(data)),
        (relay_code::RADIUS_ATTRIBUTES, _) => write!(f, "RADIUS attributes {}", Hex(data)),
        (relay_code::AUTHENTICATION, _) => write!(f, "authentication ({} bytes, not checked)", data.len()),
        (relay_code::VENDOR_SPECIFIC, &[a, b, c, d, _, ref rest @ ..]) => {
            write!(f, "vendor {} {}", u32::from_be_bytes([a, b, c, d]), Hex(rest))
        }
        // RFC 5010 section 3: one byte, its highest bit says how the relay got the message.
        (relay_code::FLAGS, &[flags]) => {
            write!(f, "client sent by {}", if flags & relay_code::FLAG_UNICAST == 0 { "broadcast" } else { "unicast" })
        }
        (relay_code::SERVER_IDENTIFIER_OVERRIDE, &[a, b, c, d]) => {
            write!(f, "server identifier {}", Ipv4Addr::new(a, b, c, d))
        }
        (relay_code::VSS_CONTROL, &[a, b, c, d]) => {
            write!(f, "server identifier (Cisco) {}", Ipv4Addr::new(a, b, c, d))
        }
        (relay_code::RELAY_AGENT_IDENTIFIER, _) => write!(f, "relay identifier {}", Bytes(data)),
        (relay_code::RELAY_SOURCE_PORT, []) => f.write_str("answer to the relay's own port"),
        // RFC 6607: the first byte says how the rest is to be read; 0 is a name.
        (relay_code::VSS, [0, name @ ..]) => write!(f, "VPN {}", Bytes(name)),
        (relay_code::VSS, _) => write!(f, "VPN {}", Hex(data)),
        (relay_code::VSS_CONTROL, []) => f.write_str("VPN not honoured"),
        _ => write!(f, "sub-option {code} {}", Bytes(data)),
    }
}

/// Printable ASCII, not empty; a switch written in C may leave its zero at the end.
fn printable(data: &[u8]) -> Option<&str> {
    let data = data.strip_suffix(&[0]).unwrap_or(data);
    let is_printable = !data.is_empty() && data.iter().all(|byte| matches!(byte, b' '..=b'~'));
    std::str::from_utf8(data).ok().filter(|_| is_printable)
}

/// Text when all of it is, else hexadecimal.
struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match printable(self.0) {
            Some(text) => Text(text).fmt(f),
            None => Hex(self.0).fmt(f),
        }
    }
}

/// Printable ASCII, in quotation marks where it could be taken for words of ours.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..TEXT_BYTES_MAX).unwrap_or(self.0);
        let more = if shown.len() < self.0.len() { "..." } else { "" };
        if shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-+@#".contains(&byte)) {
            return write!(f, "{shown}{more}");
        }
        f.write_str("\"")?;
        for character in shown.chars() {
            let escape = if matches!(character, '"' | '\\') { "\\" } else { "" };
            write!(f, "{escape}{character}")?;
        }
        write!(f, "{more}\"")
    }
}

/// `0x0102`.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(empty)");
        }
        f.write_str("0x")?;
        self.0.iter().take(HEX_BYTES_MAX).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(if self.0.len() > HEX_BYTES_MAX { "..." } else { "" })
    }
}

/// `00:1b:2c:3d:4e:5f`.
struct Mac([u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
