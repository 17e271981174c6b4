//! What records are found by, beside the address.

use dhcp::identity::{ClientId, HardwareAddress};

use super::record::Record;

/// A key's hash: records with the same one are in the blocks that it names, among others.
pub(crate) fn of_hardware(hardware: &HardwareAddress) -> u32 {
    of_octets(hardware.as_bytes())
}

/// Of the octets of a hardware address.
pub(crate) fn of_octets(hardware: &[u8]) -> u32 {
    hash(b'h', hardware)
}

/// Of a client identifier.
pub(crate) fn of_client_id(client_id: &ClientId) -> u32 {
    hash(b'c', &client_id.0)
}

/// Of a name by its first label, or of what a client calls itself; in any case of letters.
pub(crate) fn of_label(label: &[u8]) -> u32 {
    let mut lower = [0; SHORT];
    match lower.get_mut(..label.len()) {
        Some(lower) => {
            lower.copy_from_slice(label);
            lower.make_ascii_lowercase();
            hash(b'n', lower)
        }
        None => hash(b'n', &label.to_ascii_lowercase()),
    }
}

/// Most labels and addresses are no longer.
const SHORT: usize = 63;

fn hash(kind: u8, octets: &[u8]) -> u32 {
    // As one piece, which costs half of what two do.
    let mut all = [0; 1 + SHORT];
    let crc = match all.get_mut(..=octets.len()) {
        Some(all) => {
            all[0] = kind;
            all[1..].copy_from_slice(octets);
            crc32fast::hash(all)
        }
        None => crc32fast::hash(&[&[kind], octets].concat()),
    };
    // CRC-32 of short texts that differ little differs in few bits: the first byte is to be spread.
    crc.wrapping_mul(0x9e37_79b1)
}

/// Whether an identifier is the hardware address behind its type: then it is no key of its own.
pub(crate) fn is_hardware(client_id: &ClientId, hardware: &HardwareAddress) -> bool {
    client_id.0.get(1..) == Some(hardware.as_bytes())
}

/// Every key of a record.
pub(crate) fn of(record: &Record, mut take: impl FnMut(u32)) {
    take(of_hardware(&record.hardware));
    // Nearly all are the hardware address behind its type.
    if let Some(client_id) = record.client_id.as_ref().filter(|id| !is_hardware(id, &record.hardware)) {
        take(of_client_id(client_id));
    }
    let label = record.name.as_ref().and_then(|name| name.first_label());
    if let Some(label) = label {
        take(of_label(label));
    }
    if !record.hostname.is_empty() {
        let first = first_label(&record.hostname);
        if label.is_none_or(|label| !label.eq_ignore_ascii_case(first)) {
            take(of_label(first));
        }
    }
}

/// What stands before the first dot.
pub(crate) fn first_label(hostname: &[u8]) -> &[u8] {
    hostname.split(|&byte| byte == b'.').next().unwrap_or_default()
}
