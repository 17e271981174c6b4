//! The OPT record of a query, and the one that answers it (RFC 6891).

use crate::cookie::{self, Answered, Presented};

/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
const OPT: usize = 11;
/// Octets of an option's head: its number and the length of its data.
const OPTION_HEAD: usize = 4;

/// What an OPT record of version 0 says that matters here.
#[derive(Clone, Copy)]
pub(super) struct Edns {
    /// The asker's payload size, in octets.
    pub(super) size: u16,
    /// RFC 3225.
    dnssec_ok: bool,
    /// The first COOKIE option; others are unknown here and ignored (RFC 6891 section 6.1.2).
    pub(super) cookie: Option<Presented>,
}

impl Edns {
    /// Reads what follows the question where one more record is promised: that record and nothing behind it. `None` for
    /// what is no such record, and for what its options say wrongly.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        // The root, type 41, a payload size, no extended code, version 0, flags, the options' length.
        let [0, 0, 41, s0, s1, 0, 0, flags, _, l0, l1, options @ ..] = octets else { return None };
        let mut options: &[u8] = options;
        if options.len() != usize::from(u16::from_be_bytes([*l0, *l1])) {
            return None;
        }
        let mut cookie = None;
        while let [n0, n1, l0, l1, rest @ ..] = options {
            let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
            if u16::from_be_bytes([*n0, *n1]) == cookie::OPTION && cookie.is_none() {
                cookie = Some(Presented::read(data).ok()?);
            }
            options = behind;
        }
        let size = u16::from_be_bytes([*s0, *s1]);
        options.is_empty().then_some(Self { size, dnssec_ok: flags & 0x80 != 0, cookie })
    }

    /// How many octets the answering record takes.
    pub(super) fn octets(cookie: Option<&Answered>) -> usize {
        OPT + cookie.map_or(0, |_| OPTION_HEAD + cookie::OCTETS)
    }

    /// Writes the answering record: our own payload size, version 0, and the high bits of the response code.
    pub(super) fn write(self, payload: u16, rcode: u16, cookie: Option<&Answered>, out: &mut Vec<u8>) {
        let ([high, low], extended) = (payload.to_be_bytes(), (rcode >> 4) as u8);
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        // An option's data is shorter than 256 octets here.
        let length = (Self::octets(cookie) - OPT) as u8;
        out.extend_from_slice(&[0, 0, 41, high, low, extended, 0, flags, 0, 0, length]);
        if let Some(cookie) = cookie {
            out.extend_from_slice(&[0, cookie::OPTION as u8, 0, cookie::OCTETS as u8]);
            out.extend_from_slice(&cookie.octets);
        }
    }
}
