//! The Client FQDN option (81), after RFC 4702: what a client sent, and what it is told.

use dns::name::NAME_OCTETS_MAX;
use dns::{Bytes, Fqdn};

use super::label;

/// Bit 0. RFC 4702 section 2.1: "whether the server SHOULD or SHOULD NOT perform the A RR (FQDN-to-address) DNS updates".
const S: u8 = 0x01;
/// Bit 1: "whether the server has overridden the client's preference for the 'S' bit".
const O: u8 = 0x02;
/// Bit 2: "1 indicates canonical wire format, without compression"; 0 the deprecated ASCII encoding.
const E: u8 = 0x04;
/// Bit 3: "whether the server SHOULD NOT perform any DNS updates".
const N: u8 = 0x08;

/// The option as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFqdn<'a> {
    /// The client wants the server to write its A record.
    pub server_updates_a: bool,
    /// The client wants the server to write nothing.
    pub no_updates: bool,
    /// The name is in wire form; else in ASCII (section 2.3.1).
    pub wire: bool,
    /// The Domain Name field as sent.
    pub raw_name: &'a [u8],
}

impl<'a> ClientFqdn<'a> {
    /// Reads the option's data; `None` when it is too short to hold flags and RCODEs.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        // Section 2.2: the RCODE fields are deprecated, and a server "MUST ignore them on receipt".
        let (&[flags, _rcode1, _rcode2], raw_name) = data.split_first_chunk()?;
        Some(Self {
            server_updates_a: flags & S != 0,
            // Section 2.1: "If the 'N' bit is 1, the 'S' bit MUST be 0." Where both are set, N is believed: a record
            // that is not there does less harm than one that the client did not want.
            no_updates: flags & N != 0,
            wire: flags & E != 0,
            raw_name,
        })
    }

    /// The labels of the name, as sent, without empty ones. None at all: the client leaves the name to the server,
    /// or what it sent cannot be read. Whether the name was full or partial is not told: clients get it wrong often,
    /// and what counts is whether the name lies in a zone.
    #[must_use]
    pub fn labels(&self) -> Vec<&'a [u8]> {
        match self.wire {
            true => wire_labels(self.raw_name).unwrap_or_default(),
            // No text begins with a control character. Clients exist that send wire form and leave E at 0.
            false if self.raw_name.first().is_some_and(|first| (1..0x20).contains(first)) => {
                wire_labels(self.raw_name).unwrap_or_else(|| ascii_labels(self.raw_name))
            }
            false => ascii_labels(self.raw_name),
        }
    }

    /// The name, where it is a full one of several labels in wire form of which none has anything to be cleaned: then these
    /// octets are the name, and [`ClientFqdn::labels`] its labels. It may be so too where this is `None`.
    pub(super) fn plain_name(&self) -> Option<&'a [u8]> {
        let (mut rest, mut labels) = (self.raw_name, 0);
        if !self.wire || rest.len() > NAME_OCTETS_MAX {
            return None;
        }
        while let Some((&length, tail)) = rest.split_first() {
            if length == 0 {
                return (tail.is_empty() && labels > 1).then_some(self.raw_name);
            }
            let (label, tail) = tail.split_at_checked(usize::from(length))?;
            if !label::is_clean_and_lower(label) {
                return None;
            }
            (rest, labels) = (tail, labels + 1);
        }
        None
    }

    /// The client set both N and S, which section 2.1 forbids.
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        self.no_updates && self.server_updates_a
    }

    /// The data of the option to reply with. `writes_a` and `writes_anything` are what the server will really do;
    /// `name` the name it will really be published by, `None` when it will not be.
    #[must_use]
    pub fn build_reply(&self, writes_a: bool, writes_anything: bool, name: Option<&Fqdn>) -> Bytes {
        let mut flags = 0;
        if writes_a {
            flags |= S;
        }
        if writes_a != self.server_updates_a {
            flags |= O;
        }
        // Section 4: the server answers in the encoding that it was asked in.
        if self.wire {
            flags |= E;
        }
        if !writes_anything {
            flags |= N;
        }
        // Section 2.2: "A server SHOULD set these to 255 when sending the option".
        let head = [flags, 255, 255];
        match name {
            Some(name) if self.wire => joined(head, name.as_wire()),
            Some(name) => joined(head, name.to_string().trim_end_matches('.').as_bytes()),
            None => joined(head, self.raw_name),
        }
    }
}

fn joined(head: [u8; 3], name: &[u8]) -> Bytes {
    let mut data = [0; 3 + 255];
    match data.get_mut(..3 + name.len()) {
        Some(data) => {
            data[..3].copy_from_slice(&head);
            data[3..].copy_from_slice(name);
            Bytes::from(&*data)
        }
        // A client may send more than a name.
        None => [&head, name].concat().into(),
    }
}

/// The labels of a name in wire form. Section 2.3: a partial name is "without the terminating zero-length label".
/// `None` when the bytes are no labels and cannot be ASCII either.
fn wire_labels(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut labels = Vec::new();
    let mut rest = bytes;
    while let Some((&length, tail)) = rest.split_first() {
        if length == 0 {
            break;
        }
        // A compression pointer and a length beyond the end are both no label: "without compression".
        match tail.split_at_checked(usize::from(length)) {
            Some((label, tail)) if length <= 63 => {
                labels.push(label);
                rest = tail;
            }
            // Clients exist that set E and send text all the same.
            _ if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) => return Some(ascii_labels(bytes)),
            _ => return None,
        }
    }
    Some(labels)
}

/// The labels of a name in text, up to the first NUL, without empty ones.
pub(super) fn ascii_labels(text: &[u8]) -> Vec<&[u8]> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    text[..end].trim_ascii().split(|byte| *byte == b'.').filter(|label| !label.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_full_and_a_partial_name_in_wire_form() {
        let full = ClientFqdn::parse(b"\x05\0\0\x02pc\x03lan\0").unwrap();
        assert!(full.server_updates_a && !full.no_updates && full.wire);
        assert_eq!(full.labels(), [&b"pc"[..], b"lan"]);
        assert_eq!(ClientFqdn::parse(b"\x04\0\0\x02pc").unwrap().labels(), [b"pc"]);
    }

    #[test]
    fn the_deprecated_ascii_form() {
        let client = ClientFqdn::parse(b"\x00\0\0pc.example.org\0").unwrap();
        assert!(!client.server_updates_a && !client.wire);
        assert_eq!(client.labels(), [&b"pc"[..], b"example", b"org"]);
    }

    #[test]
    fn text_with_the_e_bit_set_is_read_as_text() {
        assert_eq!(ClientFqdn::parse(b"\x05\0\0pc.lan").unwrap().labels(), [&b"pc"[..], b"lan"]);
    }

    #[test]
    fn wire_form_without_the_e_bit_is_read_as_wire_form() {
        assert_eq!(ClientFqdn::parse(b"\x01\0\0\x02pc\x03lan\0").unwrap().labels(), [&b"pc"[..], b"lan"]);
        assert_eq!(ClientFqdn::parse(b"\x01\0\0\x02pc").unwrap().labels(), [b"pc"]);
        // What it says is not true: then it is text with something odd in it.
        assert_eq!(ClientFqdn::parse(b"\x01\0\0\x07pc").unwrap().labels(), [b"\x07pc"]);
    }

    #[test]
    fn what_is_no_name_gives_no_labels_but_keeps_the_flags() {
        for name in [&b"\xc0\x0c"[..], b"\x05pc", b"\x41aa\xff", b""] {
            let data = [&[0x05, 0, 0], name].concat();
            let client = ClientFqdn::parse(&data).unwrap();
            assert!(client.labels().is_empty(), "{name:?}");
            assert!(client.server_updates_a);
        }
        assert_eq!(ClientFqdn::parse(b"\x05\0"), None);
    }
}
