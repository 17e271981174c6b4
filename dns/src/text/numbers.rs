//! Numbers, addresses, times and mnemonics.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The IANA "DNS Security Algorithm Numbers" that have mnemonics which BIND writes.
const ALGORITHMS: [(&str, u8); 15] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("ECC", 4),
    ("RSASHA1", 5),
    ("NSEC3DSA", 6),
    ("NSEC3RSASHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECCGOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
];
/// RFC 4398 section 2.1.
const CERTIFICATES: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// A whole number up to `most`, in so many octets.
pub(super) fn whole(text: &str, most: u32, octets: usize) -> Result<Vec<u8>, String> {
    let value = text.parse::<u32>().ok().filter(|value| *value <= most && text.bytes().all(|b| b.is_ascii_digit()));
    let value = value.ok_or_else(|| format!("`{text}` is not a number from 0 to {most}"))?;
    Ok(value.to_be_bytes()[4 - octets..].to_vec())
}

pub(super) fn v4(text: &str) -> Result<Vec<u8>, String> {
    let address: Ipv4Addr = text.parse().map_err(|_| format!("`{text}` is not an IPv4 address"))?;
    Ok(address.octets().to_vec())
}

pub(super) fn v6(text: &str) -> Result<Vec<u8>, String> {
    let address: Ipv6Addr = text.parse().map_err(|_| format!("`{text}` is not an IPv6 address"))?;
    Ok(address.octets().to_vec())
}

/// Seconds: a number, or BIND's units as in `1w2d3h4m5s`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn duration_from_text(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is not a time: seconds, or such as 1h30m");
    let (mut total, mut number) = (0_u64, None::<u64>);
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let grown = number.unwrap_or(0).saturating_mul(10).saturating_add(u64::from(byte - b'0'));
            number = Some(grown);
            continue;
        }
        let unit = match byte.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(number.take().ok_or_else(wrong)?.saturating_mul(unit));
    }
    // What has no unit is seconds.
    let total = match number {
        Some(seconds) => total.saturating_add(seconds),
        None if text.is_empty() => return Err(wrong()),
        None => total,
    };
    u32::try_from(total).map_err(|_| format!("`{text}` is more than 32 bits of seconds"))
}

pub(super) fn algorithm(text: &str) -> Result<Vec<u8>, String> {
    let known = ALGORITHMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map_or_else(|| whole(text, u8::MAX.into(), 1), |(_, number)| Ok(vec![*number]))
}

pub(super) fn certificate(text: &str) -> Result<Vec<u8>, String> {
    let known = CERTIFICATES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map_or_else(|| whole(text, u16::MAX.into(), 2), |(_, number)| Ok(number.to_be_bytes().to_vec()))
}

/// RFC 4034 section 3.2: `YYYYMMDDHHmmSS` in UTC, or the seconds since 1970, in 32 bits.
pub(super) fn time(text: &str) -> Result<Vec<u8>, String> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole(text, u32::MAX, 4);
    }
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap_or(0);
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    let sound = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sound || hour > 23 || minute > 59 || second > 60 {
        return Err(format!("`{text}` is not a time as YYYYMMDDHHmmSS"));
    }
    // Days since 1970 by the civil calendar, March being the first month of a year.
    let (shifted, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (month_from_march * 153 + 2) / 5 + day;
    let seconds = (days - 719_469) * 86_400 + hour * 3_600 + minute * 60 + second;
    // Serial arithmetic (RFC 4034 section 3.1.5): the time modulo 2^32.
    Ok((seconds as u32).to_be_bytes().to_vec())
}
