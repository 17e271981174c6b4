//! EDNS options in the octets of a message (RFC 6891 section 6.1.2), read and added without taking the message apart.

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// The type of an OPT record (RFC 6891 section 6.1.1).
const OPT: u16 = 41;
/// Octets of an option's code and length.
pub(crate) const OPTION_HEAD: usize = 4;

/// The data of the first option with this code.
pub(crate) fn data_of(message: &[u8], code: u16) -> Option<&[u8]> {
    let (start, end) = opt_data(message)?;
    let mut options = &message[start..end];
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        if u16::from_be_bytes([*c0, *c1]) == code {
            return Some(data);
        }
        options = behind;
    }
    None
}

/// Adds an option to a message. One without an OPT record at its end, by which a signature behind it is meant too, and one
/// that has no room for it stays as it is: there is no place for an option, or it would not be what was signed.
pub(crate) fn append(message: &mut Vec<u8>, code: u16, data: &[u8]) {
    let Some((start, end)) = opt_data(message) else { return };
    let room = usize::from(u16::MAX).saturating_sub(message.len());
    if end != message.len() || room < OPTION_HEAD + data.len() {
        return;
    }
    message.extend_from_slice(&code.to_be_bytes());
    // No message is longer than 65,535 octets, and so no part of it.
    message.extend_from_slice(&(data.len() as u16).to_be_bytes());
    message.extend_from_slice(data);
    let length = (message.len() - start) as u16;
    message[start - 2..start].copy_from_slice(&length.to_be_bytes());
}

/// Where the data of the OPT record stands.
fn opt_data(message: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let mut at = HEADER;
    for _ in 0..number(4)? {
        at = name_end(message, at)? + 4;
    }
    let before = usize::from(number(6)?) + usize::from(number(8)?);
    for record in 0..before + usize::from(number(10)?) {
        let fixed = name_end(message, at)?;
        let start = fixed + 10;
        let end = start + usize::from(number(fixed + 8)?);
        if end > message.len() {
            return None;
        }
        // RFC 6891 section 6.1.1: in the additional section, of the root.
        if number(fixed)? == OPT && record >= before && message[at] == 0 {
            return Some((start, end));
        }
        at = end;
    }
    None
}

/// Where a name ends: at its root, or behind its first pointer (RFC 1035 section 4.1.4).
fn name_end(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            label @ 1..=63 => at += usize::from(label) + 1,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}
