//! Tagged fields: one octet tag (bit 7: must not be ignored), length, bytes.
//!
//! The length is a LEB128 number, one octet below 128. Numbers are little-endian without their trailing zeros: a time
//! takes four octets, and a field that grows from 32 to 64 bits keeps its tag. Addresses are family (4 or 6) and 4 or
//! 16 octets.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns::{ConflictGuard, Fqdn, HostIdentity};

use super::RowFault;

/// Bit 7 of a tag: a reader that does not know it must not read the row.
const CRITICAL: u8 = 0x80;

pub(crate) const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

/// Appends a field whose bytes `value` appends.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0]);
    let start = out.len();
    value(out);
    let mut length = out.len() - start;
    // Nearly every field is shorter than 128 octets: then the one octet reserved is right.
    let mut at = start - 1;
    while length >= 0x80 {
        out[at] = (length & 0x7f) as u8 | 0x80;
        length >>= 7;
        at += 1;
        out.insert(at, 0);
    }
    out[at] = length as u8;
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(length @ 0..0x80) => {
            out.reserve(2 + value.len());
            out.extend_from_slice(&[tag, length]);
            out.extend_from_slice(value);
        }
        _ => put(out, tag, |out| out.extend_from_slice(value)),
    }
}

pub(crate) fn put_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    put_numbers(out, [Some((tag, value))]);
}

/// The fields of those numbers that there are, each with its tag: at most six.
pub(crate) fn put_numbers<const N: usize>(out: &mut Vec<u8>, numbers: [Option<(u8, u64)>; N]) {
    let (mut fields, mut end) = ([0; 6 * NUMBER_MAX], 0);
    for (tag, value) in numbers.into_iter().flatten() {
        let octets = octets_of(value);
        let field = &mut fields[end..end + NUMBER_MAX];
        // At most eight octets.
        field[..2].copy_from_slice(&[tag, octets as u8]);
        field[2..].copy_from_slice(&value.to_le_bytes());
        end += 2 + octets;
    }
    out.extend_from_slice(&fields[..end]);
}

/// A number's tag and length, and its octets.
const NUMBER_MAX: usize = 10;

fn octets_of(number: u64) -> usize {
    8 - number.leading_zeros() as usize / 8
}

pub(crate) fn put_name(out: &mut Vec<u8>, tag: u8, name: &Fqdn) {
    put_bytes(out, tag, name.as_wire());
}

pub(crate) fn put_identity(out: &mut Vec<u8>, tag: u8, identity: &HostIdentity) {
    match identity.stated() {
        Some(_) => put_bytes(out, tag, &identity.to_bytes()),
        None => put(out, tag, |out| identity.parts().iter().for_each(|part| out.extend_from_slice(part))),
    }
}

pub(crate) fn put_addresses(out: &mut Vec<u8>, tag: u8, addresses: &[IpAddr]) {
    put(out, tag, |out| addresses.iter().for_each(|&a| address(out, a)));
}

pub(crate) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            out.push(FAMILY_V4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(FAMILY_V6);
            out.extend_from_slice(&v6.octets());
        }
    }
}

/// Gives `visit` each field in turn; it returns false for a tag that it does not know.
pub(crate) fn read<'a>(
    mut rest: &'a [u8],
    mut visit: impl FnMut(u8, &'a [u8]) -> Result<bool, RowFault>,
) -> Result<(), RowFault> {
    while let Some((&tag, after)) = rest.split_first() {
        let (length, after) = read_length(after).ok_or(RowFault::Fields)?;
        let (value, after) = after.split_at_checked(length).ok_or(RowFault::Fields)?;
        if !visit(tag, value)? && tag & CRITICAL != 0 {
            return Err(RowFault::Later(tag));
        }
        rest = after;
    }
    Ok(())
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0_usize;
    for (index, &byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[index + 1..]));
        }
    }
    None
}

pub(crate) fn read_number(bytes: &[u8], field: &'static str) -> Result<u64, RowFault> {
    let mut octets = [0; 8];
    octets.get_mut(..bytes.len()).ok_or(RowFault::Field(field))?.copy_from_slice(bytes);
    Ok(u64::from_le_bytes(octets))
}

pub(crate) fn read_u32(bytes: &[u8], field: &'static str) -> Result<u32, RowFault> {
    u32::try_from(read_number(bytes, field)?).map_err(|_| RowFault::Field(field))
}

pub(crate) fn read_guard(bytes: &[u8]) -> Result<ConflictGuard, RowFault> {
    match bytes {
        &[code] => ConflictGuard::from_code(code).ok_or(RowFault::Field("guard")),
        _ => Err(RowFault::Field("guard")),
    }
}

pub(crate) fn read_name(bytes: &[u8], field: &'static str) -> Result<Fqdn, RowFault> {
    Fqdn::from_wire(bytes).map_err(|_| RowFault::Field(field))
}

pub(crate) fn read_identity(bytes: &[u8], field: &'static str) -> Result<HostIdentity, RowFault> {
    HostIdentity::from_bytes(bytes).ok_or(RowFault::Field(field))
}

/// The address at the start of `bytes`, and what follows it.
pub(crate) fn split_address(bytes: &[u8]) -> Option<(IpAddr, &[u8])> {
    match bytes {
        [FAMILY_V4, rest @ ..] => {
            let (octets, rest) = rest.split_first_chunk::<4>()?;
            Some((Ipv4Addr::from(*octets).into(), rest))
        }
        [FAMILY_V6, rest @ ..] => {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            Some((Ipv6Addr::from(*octets).into(), rest))
        }
        _ => None,
    }
}

pub(crate) fn read_v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    match split_address(bytes)? {
        (IpAddr::V4(address), []) => Some(address),
        _ => None,
    }
}

pub(crate) fn read_addresses(mut bytes: &[u8], field: &'static str) -> Result<Vec<IpAddr>, RowFault> {
    let mut addresses = Vec::new();
    while !bytes.is_empty() {
        let (address, rest) = split_address(bytes).ok_or(RowFault::Field(field))?;
        addresses.push(address);
        bytes = rest;
    }
    Ok(addresses)
}

/// Two digits an octet.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_length_come_back() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
            let value = vec![7; length];
            let mut out = Vec::new();
            put_bytes(&mut out, 3, &value);
            put_number(&mut out, 4, length as u64);
            let mut seen = Vec::new();
            read(&out, |tag, bytes| {
                seen.push((tag, bytes.to_vec()));
                Ok(true)
            })
            .unwrap();
            assert_eq!(seen[0], (3, value));
            assert_eq!(read_number(&seen[1].1, "n").unwrap(), length as u64);
        }
    }

    #[test]
    fn an_unknown_field_is_ignored_unless_it_is_critical() {
        let mut out = Vec::new();
        put_bytes(&mut out, 0x7f, b"later");
        assert_eq!(read(&out, |_, _| Ok(false)), Ok(()));
        put_bytes(&mut out, 0x80, b"later");
        assert_eq!(read(&out, |_, _| Ok(false)), Err(RowFault::Later(0x80)));
    }

    #[test]
    fn numbers_take_what_they_need() {
        for value in [0, 1, 255, 256, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, 1, value);
            assert_eq!(read_number(&out[2..], "n"), Ok(value));
        }
        assert_eq!(read_number(&[0; 9], "n"), Err(RowFault::Field("n")));
    }
}
