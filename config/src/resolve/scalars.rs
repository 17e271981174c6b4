//! Texts to values: addresses, prefixes, ranges, names, times. Each reports what is wrong where it is written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::settings::AddressRange;
use dns::Fqdn;
use ipnet::Ipv4Net;

use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{
    Address, BytesText, ClientIdText, DuidText, Duration, MacAddress, Prefix, Range, ServerAddress,
};

/// "Infinite" (RFC 2131 section 3.3: "The time value of 0xffffffff is reserved to represent 'infinity'").
pub(super) const INFINITE: u32 = u32::MAX;

pub(super) fn address(at: &At<Address>, findings: &mut Findings) -> Option<Ipv4Addr> {
    let parsed = at.value.0.trim().parse().ok();
    if parsed.is_none() {
        not_an_address(&at.value.0, at.span, findings);
    }
    parsed
}

fn not_an_address(text: &str, span: Span, findings: &mut Findings) {
    findings.fault(
        span,
        format!("`{text}` is not an IPv4 address"),
        "not an address",
        "write four numbers up to 255 with dots between, such as 192.168.30.1",
    );
}

/// Every address of a list that can be read.
pub(super) fn addresses(list: &[At<Address>], findings: &mut Findings) -> Vec<Ipv4Addr> {
    list.iter().filter_map(|at| address(at, findings)).collect()
}

pub(super) fn prefix(at: &At<Prefix>, findings: &mut Findings) -> Option<Ipv4Net> {
    let text = at.value.0.trim();
    let Ok(prefix) = text.parse::<Ipv4Net>() else {
        findings.fault(
            at.span,
            format!("`{text}` is not an IPv4 prefix"),
            "not a prefix",
            "write an address, a slash and a length up to 32, such as 192.168.30.0/24",
        );
        return None;
    };
    if prefix.trunc() != prefix {
        findings.fault(
            at.span,
            format!("`{text}` has bits set beyond its length"),
            format!("the prefix ends after {} bits", prefix.prefix_len()),
            format!("write {}", prefix.trunc()),
        );
    }
    Some(prefix.trunc())
}

pub(super) fn range(at: &At<Range>, findings: &mut Findings) -> Option<AddressRange> {
    let text = at.value.0.trim();
    if let Ok(prefix) = text.parse::<Ipv4Net>() {
        return Some(AddressRange { first: prefix.network(), last: prefix.broadcast() });
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Ok(first), Ok(last)) = (first.trim().parse::<Ipv4Addr>(), last.trim().parse::<Ipv4Addr>()) else {
        findings.fault(
            at.span,
            format!("`{text}` is not a range of addresses"),
            "not a range",
            "write the first and the last address with a hyphen between, such as 192.168.30.100-192.168.30.199",
        );
        return None;
    };
    if last < first {
        findings.fault(
            at.span,
            format!("the range `{text}` ends before it begins"),
            "the last address comes first",
            format!("write {last}-{first}"),
        );
        return None;
    }
    Some(AddressRange { first, last })
}

/// An address with a port, or without: then `default_port`.
pub(super) fn server_address(at: &At<ServerAddress>, default_port: u16, findings: &mut Findings) -> Option<SocketAddr> {
    let text = at.value.0.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = text.parse::<SocketAddr>().or_else(|_| bare.parse::<IpAddr>().map(|ip| (ip, default_port).into()));
    match parsed {
        Ok(address) if address.port() != 0 => Some(address),
        _ => {
            findings.fault(
                at.span,
                format!("`{text}` is not an IP address with or without a port"),
                "not a server's address",
                "write an address such as 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353; \
                 a host name is not taken, since it would have to be resolved first",
            );
            None
        }
    }
}

/// A domain name in letters, digits, hyphens and underscores.
pub(super) fn name<T: AsRef<str>>(at: &At<T>, findings: &mut Findings) -> Option<Fqdn> {
    name_from(at.value.as_ref().trim(), at.span, findings)
}

pub(super) fn name_from(text: &str, span: Span, findings: &mut Findings) -> Option<Fqdn> {
    let why = if text.is_ascii() {
        match text.parse::<Fqdn>() {
            Ok(parsed) if is_plain(text) => return Some(parsed),
            Ok(_) => "it has characters other than letters, digits, hyphens and dots".to_owned(),
            Err(error) => error.to_string(),
        }
    } else {
        "it has characters outside ASCII; write them in the form that starts with xn--".to_owned()
    };
    findings.fault(span, format!("`{text}` is not a domain name"), "not a name", why);
    None
}

fn is_plain(text: &str) -> bool {
    let stem = text.strip_suffix('.').unwrap_or(text);
    !stem.is_empty() && stem.split('.').all(|label| !label.is_empty() && label.bytes().all(is_label_byte))
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'/'
}

/// Seconds; [`INFINITE`] for `infinite`.
pub(super) fn seconds(at: &At<Duration>, findings: &mut Findings) -> Option<u32> {
    let parsed = match &at.value {
        Duration::Seconds(seconds) => u32::try_from(*seconds).ok().filter(|seconds| *seconds != INFINITE),
        Duration::Text(text) => parse_duration(text.trim()),
    };
    if parsed.is_none() {
        let shown = match &at.value {
            Duration::Seconds(seconds) => seconds.to_string(),
            Duration::Text(text) => text.clone(),
        };
        findings.fault(
            at.span,
            format!("`{shown}` is not a length of time"),
            "not a length of time",
            "write a number and a unit, such as \"90s\", \"30m\", \"12h\", \"7d\", \"2w\" (at most 4294967294 seconds), \
             or \"infinite\"",
        );
    }
    parsed
}

/// Seconds, of which there is at least one and an end.
pub(super) fn finite_seconds(at: &At<Duration>, key: &str, findings: &mut Findings) -> Option<u32> {
    let seconds = seconds(at, findings)?;
    if seconds == 0 || seconds == INFINITE {
        let shown = if seconds == 0 { "zero" } else { "infinite" };
        findings.fault(
            at.span,
            format!("`{key}` cannot be {shown}"),
            shown,
            "write a length of time such as \"60s\" or \"12h\"",
        );
        return None;
    }
    Some(seconds)
}

/// Seconds of a length of time as the file writes it (`90s`, `12h`, `1d12h`); `u32::MAX` for `infinite`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u32> {
    if text == "infinite" {
        return Some(INFINITE);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let secs = match unit.bytes().next()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(secs)?)?;
        rest = unit[1..].trim_start();
    }
    (!text.is_empty()).then(|| u32::try_from(total).ok().filter(|secs| *secs != INFINITE))?
}

/// Seconds as people write them: the largest unit that divides them.
pub(super) fn show_seconds(seconds: u32) -> String {
    if seconds == INFINITE {
        return "infinite".to_owned();
    }
    let (size, unit) = [(604_800, 'w'), (86_400, 'd'), (3_600, 'h'), (60, 'm')]
        .into_iter()
        .find(|(size, _)| seconds != 0 && seconds.is_multiple_of(*size))
        .unwrap_or((1, 's'));
    format!("{}{unit}", seconds / size)
}

/// An Ethernet address: `aa:bb:cc:dd:ee:ff`, with hyphens, or `aabb.ccdd.eeff`.
pub(super) fn hardware(at: &At<MacAddress>, findings: &mut Findings) -> Option<HardwareAddress> {
    let text = at.value.0.trim();
    let address = mac_bytes(text).and_then(|bytes| HardwareAddress::new(1, &bytes));
    match address {
        Some(address) if address.is_ethernet() => return Some(address),
        Some(_) => findings.fault(
            at.span,
            format!("`{text}` is the address of a group or of nobody, not of one device"),
            "not a device's address",
            "write the hardware address that the device shows, such as 52:54:00:12:34:56",
        ),
        None => findings.fault(
            at.span,
            format!("`{text}` is not a hardware address"),
            "not a hardware address",
            "write six bytes in hexadecimal with colons between, such as 52:54:00:12:34:56",
        ),
    };
    None
}

fn mac_bytes(text: &str) -> Option<[u8; 6]> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-' | '.'))?;
    let width = if separator == '.' { 4 } else { 2 };
    let groups: Vec<&str> = text.split(separator).collect();
    if groups.len() * width != 12 || groups.iter().any(|group| group.len() != width) {
        return None;
    }
    let bytes = hex_digits(&groups.concat())?;
    bytes.try_into().ok()
}

fn hex_digits(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| if digits.as_bytes()[at] == b'+' { None } else { u8::from_str_radix(&digits[at..at + 2], 16).ok() })
        .collect()
}

/// Bytes in hexadecimal: pairs of digits with or without colons, hyphens or spaces between.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    if text.contains([':', '-', ' ']) {
        // Between separators one digit is a byte too (`1:2`), as other servers write it.
        return text
            .split([':', '-', ' '])
            .map(|group| if group.len() == 1 { hex_digits(&format!("0{group}")) } else { hex_digits(group) })
            .collect::<Option<Vec<_>>>()
            .filter(|groups| groups.iter().all(|group| group.len() == 1))
            .map(|groups| groups.concat());
    }
    hex_digits(text)
}

/// `hex:` and bytes, or `text:` and characters.
fn bytes(text: &str) -> Option<Vec<u8>> {
    match text.split_once(':') {
        Some(("hex", digits)) => hex(digits.trim()),
        Some(("text", characters)) => Some(characters.as_bytes().to_vec()),
        _ => None,
    }
}

/// What a relay or switch says of a client: the sub-option of option 82 that is called `what`.
pub(super) fn relay_bytes(at: &At<BytesText>, what: &str, findings: &mut Findings) -> Option<Box<[u8]>> {
    let text = at.value.0.as_str();
    match bytes(text) {
        Some(bytes) if (1..=253).contains(&bytes.len()) => Some(bytes.into()),
        Some(bytes) => {
            findings.fault(
                at.span,
                format!("a {what} has 1 to 253 bytes, this one has {}", bytes.len()),
                "wrong length",
                "write the sub-option's data as the switch sends it",
            );
            None
        }
        None => {
            findings.fault(
                at.span,
                format!("`{text}` is not a {what}"),
                format!("not a {what}"),
                "write \"hex:\" and its bytes (\"hex:00:04:00:14:01:07\"), or \"text:\" and its characters",
            );
            None
        }
    }
}

/// A DUID.
pub(super) fn duid(at: &At<DuidText>, findings: &mut Findings) -> Option<Box<[u8]>> {
    let bytes = at.value.0.strip_prefix("hex:").and_then(|digits| hex(digits.trim()));
    // RFC 8415 section 11.1: two bytes of type, and at most 128 after them.
    match bytes {
        Some(bytes) if (3..=130).contains(&bytes.len()) => Some(bytes.into()),
        Some(bytes) => {
            findings.fault(
                at.span,
                format!("a DUID has 3 to 130 bytes, this one has {}", bytes.len()),
                "wrong length",
                "write all of it, type included, such as \"hex:00:03:00:01:52:54:00:12:34:56\"",
            );
            None
        }
        None => {
            findings.fault(
                at.span,
                format!("`{}` is not a DUID", at.value.0),
                "not a DUID",
                "write \"hex:\" and its bytes, type included: \"hex:00:03:00:01:52:54:00:12:34:56\"",
            );
            None
        }
    }
}

pub(super) fn client_id(at: &At<ClientIdText>, findings: &mut Findings) -> Option<ClientId> {
    let text = at.value.0.as_str();
    // RFC 2132 section 9.14: "its minimum length is 2".
    match bytes(text) {
        Some(bytes) if (2..=255).contains(&bytes.len()) => Some(ClientId(bytes.into())),
        Some(bytes) => {
            findings.fault(
                at.span,
                format!("a client identifier has 2 to 255 bytes, this one has {}", bytes.len()),
                "wrong length",
                "write all of option 61's data, its type byte included, such as \"hex:01:52:54:00:12:34:56\"",
            );
            None
        }
        None => {
            findings.fault(
                at.span,
                format!("`{text}` is not a client identifier"),
                "not a client identifier",
                "write \"hex:\" and its bytes, type byte included (\"hex:01:52:54:00:12:34:56\"), \
                 or \"text:\" and its characters",
            );
            None
        }
    }
}
