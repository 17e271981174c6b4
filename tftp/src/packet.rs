//! Packets (RFC 1350 section 5) and their options (RFC 2347).

use std::fmt;

/// The most options of one request that are looked at. There are four that mean anything.
const OPTIONS_MAX: usize = 16;

/// A packet that a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: a client wants a file.
    Read(Request<'a>),
    /// WRQ: a client wants to leave one.
    Write,
    /// ACK of a block, by the 16 bits of its number.
    Ack(u16),
    /// ERROR: the client gives up.
    Error(u16),
    /// DATA or OACK, which only somebody who sends a file, or grants options, sends; and what has no meaning.
    Other,
}

/// An RRQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// As it came, without its closing zero.
    pub name: &'a [u8],
    /// How the file is to be sent.
    pub mode: Mode,
    /// The options that were understood.
    pub wanted: Wanted,
}

/// RFC 1350 section 1. The mail mode is obsolete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Bytes as they are.
    Octet,
    /// Text: each line ends with CR and LF, and a CR alone is followed by NUL (RFC 764).
    Netascii,
    /// Something else, which nobody serves.
    Unknown,
}

/// What a client asks for; an option that is malformed or out of its range is left out, as if it were unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `blksize` (RFC 2348): 8 to 65,464 bytes.
    pub block_bytes: Option<u16>,
    /// `timeout` (RFC 2349): 1 to 255 seconds.
    pub timeout_secs: Option<u8>,
    /// `tsize` (RFC 2349): the client wants to hear the file's length.
    pub length: bool,
    /// `windowsize` (RFC 7440): 1 to 65,535 blocks.
    pub window_blocks: Option<u16>,
}

/// What of it is granted, as the OACK tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// See [`Wanted::block_bytes`].
    pub block_bytes: Option<u16>,
    /// See [`Wanted::timeout_secs`].
    pub timeout_secs: Option<u8>,
    /// The file's length in bytes.
    pub length: Option<u64>,
    /// See [`Wanted::window_blocks`].
    pub window_blocks: Option<u16>,
}

/// RFC 1350's and RFC 2347's error codes that a server that is only read from has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// The message tells.
    NotDefined = 0,
    /// No such file.
    FileNotFound = 1,
    /// Not to be had by this name.
    AccessViolation = 2,
    /// Not an operation that is served.
    IllegalOperation = 4,
    /// From an address or port that is no party to the transfer.
    UnknownTransferId = 5,
}

/// The datagram is no packet of RFC 1350.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a TFTP packet")]
pub struct Malformed;

impl<'a> Packet<'a> {
    /// Reads a datagram. The work is bounded by its length, and nothing is kept of it but the name.
    ///
    /// # Errors
    /// It is cut off, or a request whose strings do not end.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (opcode, rest) = datagram.split_first_chunk::<2>().ok_or(Malformed)?;
        let number = || rest.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(Malformed);
        Ok(match u16::from_be_bytes(*opcode) {
            1 => Self::Read(Request::parse(rest)?),
            2 => Self::Write,
            4 => Self::Ack(number()?),
            5 => Self::Error(number()?),
            _ => Self::Other,
        })
    }
}

impl<'a> Request<'a> {
    fn parse(rest: &'a [u8]) -> Result<Self, Malformed> {
        let mut strings = Strings(rest);
        let name = strings.next().ok_or(Malformed)?;
        let mode = match strings.next().ok_or(Malformed)? {
            mode if mode.eq_ignore_ascii_case(b"octet") => Mode::Octet,
            mode if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
            _ => Mode::Unknown,
        };
        let mut wanted = Wanted::default();
        for _ in 0..OPTIONS_MAX {
            let (Some(option), Some(value)) = (strings.next(), strings.next()) else { break };
            wanted.take(option, value);
        }
        Ok(Self { name, mode, wanted })
    }
}

impl Wanted {
    /// RFC 2347: options are ASCII, whatever its case.
    fn take(&mut self, option: &[u8], value: &[u8]) {
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        let within = |min: u64, max: u64| number.filter(|number| (min..=max).contains(number));
        match option.to_ascii_lowercase().as_slice() {
            b"blksize" => self.block_bytes = within(8, 65_464).and_then(|number| number.try_into().ok()),
            b"timeout" => self.timeout_secs = within(1, 255).and_then(|number| number.try_into().ok()),
            b"tsize" => self.length = number.is_some(),
            b"windowsize" => self.window_blocks = within(1, 65_535).and_then(|number| number.try_into().ok()),
            _ => {}
        }
    }
}

/// Strings that end with a zero, one after another.
struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let (string, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Some(string)
    }
}

impl Granted {
    /// Whether there is nothing to tell: then the first block answers the request (RFC 2347).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Appends an OACK to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 6]);
        let mut tell = |option: &str, value: Option<u64>| {
            if let Some(value) = value {
                out.extend_from_slice(format!("{option}\0{value}\0").as_bytes());
            }
        };
        tell("blksize", self.block_bytes.map(u64::from));
        tell("timeout", self.timeout_secs.map(u64::from));
        tell("tsize", self.length);
        tell("windowsize", self.window_blocks.map(u64::from));
    }
}

/// Appends the head of a DATA packet; its data is to follow.
pub fn encode_data_head(block: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 3]);
    out.extend_from_slice(&block.to_be_bytes());
}

/// Appends an ERROR to `out`.
pub fn encode_error(code: ErrorCode, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 5]);
    out.extend_from_slice(&(code as u16).to_be_bytes());
    out.extend(message.bytes().filter(|byte| *byte != 0));
    out.push(0);
}

/// A file's bytes in netascii.
#[must_use]
pub fn netascii(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for byte in bytes {
        match byte {
            b'\n' => text.extend_from_slice(b"\r\n"),
            b'\r' => text.extend_from_slice(b"\r\0"),
            byte => text.push(*byte),
        }
    }
    text
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
#[allow(clippy::octal_escapes, reason = "a string's closing zero often stands before a number")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc1350_section_5_a_request_is_a_name_and_a_mode() {
        let request = Request { name: b"boot/ipxe.efi", mode: Mode::Octet, wanted: Wanted::default() };
        assert_eq!(Packet::parse(b"\0\x01boot/ipxe.efi\0OCTET\0"), Ok(Packet::Read(request)));
        assert_eq!(Packet::parse(b"\0\x01a\0octet"), Err(Malformed));
        assert_eq!(Packet::parse(b"\0\x01a"), Err(Malformed));
        assert_eq!(Packet::parse(b"\0\x02a\0octet\0"), Ok(Packet::Write));
        assert_eq!(Packet::parse(b"\0\x04\xff\xfe"), Ok(Packet::Ack(0xfffe)));
        assert_eq!(Packet::parse(b"\0\x05\0\x08no\0"), Ok(Packet::Error(8)));
        assert_eq!(Packet::parse(b"\0\x03\0\x01data"), Ok(Packet::Other));
        assert_eq!(Packet::parse(b"\0"), Err(Malformed));
    }

    #[test]
    fn rfc2347_options_are_read_whatever_their_case_and_unknown_ones_are_passed_over() {
        let read = |options: &[u8]| match Packet::parse(&[b"\0\x01a\0octet\0", options].concat()) {
            Ok(Packet::Read(request)) => request.wanted,
            other => panic!("{other:?}"),
        };
        let all = Wanted { block_bytes: Some(1432), timeout_secs: Some(3), length: true, window_blocks: Some(8) };
        assert_eq!(read(b"BLKSIZE\01432\0multicast\0\0tsize\00\0timeout\03\0WindowSize\08\0"), all);
        // Out of range, not a number, or without a value: as if it were unknown.
        for options in [b"blksize\07\0".as_slice(), b"blksize\065465\0", b"blksize\0x\0", b"timeout\00\0", b"blksize\0"]
        {
            assert_eq!(read(options), Wanted::default(), "{options:?}");
        }
    }

    #[test]
    fn rfc2347_an_oack_tells_what_is_granted_and_nothing_else() {
        let mut out = Vec::new();
        Granted { block_bytes: Some(1432), length: Some(70_000), ..Granted::default() }.encode(&mut out);
        assert_eq!(out, b"\0\x06blksize\01432\0tsize\070000\0");
        assert!(Granted::default().is_empty());
    }

    #[test]
    fn errors_and_data_are_written_as_in_rfc1350_section_5() {
        let mut out = Vec::new();
        encode_error(ErrorCode::FileNotFound, "no such file", &mut out);
        assert_eq!(out, b"\0\x05\0\x01no such file\0");
        out.clear();
        encode_data_head(0x0102, &mut out);
        assert_eq!(out, b"\0\x03\x01\x02");
    }

    #[test]
    fn netascii_ends_lines_with_cr_and_lf() {
        assert_eq!(netascii(b"a\nb\rc"), b"a\r\nb\r\0c");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_not(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&datagram);
        }
    }
}
