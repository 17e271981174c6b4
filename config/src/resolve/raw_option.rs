//! An option's data whatever its type: `hex:01:02`, `text:abc`, `ip:192.0.2.1, 192.0.2.2`, `u16:1500`.

use std::net::Ipv4Addr;

use super::option_value::DATA_BYTES_MAX;
use super::scalars::hex;
use crate::fault::{Findings, Span};

/// Whether a text is meant so.
pub(super) fn is_raw(text: &str) -> bool {
    let kind = text.split_once(':').map(|(kind, _)| kind);
    kind.is_some_and(|kind| ["hex", "text", "ip", "u8", "u16", "u32"].contains(&kind))
}

pub(super) fn read(text: &str, span: Span, findings: &mut Findings) -> Option<Box<[u8]>> {
    match parse(text) {
        Some(data) if data.len() <= DATA_BYTES_MAX => Some(data.into()),
        Some(data) => {
            findings.fault(
                span,
                format!("an option of {} bytes does not fit a reply", data.len()),
                "too long",
                format!("write {DATA_BYTES_MAX} bytes at most"),
            );
            None
        }
        None => {
            not_data(text, span, findings);
            None
        }
    }
}

/// Reports data that cannot be read.
pub(super) fn not_data(text: &str, span: Span, findings: &mut Findings) {
    findings.fault(
        span,
        format!("`{text}` is not an option's data"),
        "not an option's data",
        "write \"hex:01:02\", \"text:abc\", \"ip:192.0.2.1\" (several with commas between), or \"u8:1\", \
         \"u16:1500\", \"u32:3600\"",
    );
}

pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "hex" if rest.is_empty() => Some(Vec::new()),
        "hex" => hex(rest.trim()),
        "text" => Some(rest.as_bytes().to_vec()),
        "ip" => rest
            .split(',')
            .map(|one| one.trim().parse::<Ipv4Addr>().ok().map(|address| address.octets()))
            .collect::<Option<Vec<_>>>()
            .map(|addresses| addresses.concat()),
        "u8" => rest.trim().parse::<u8>().ok().map(|number| vec![number]),
        "u16" => rest.trim().parse::<u16>().ok().map(|number| number.to_be_bytes().to_vec()),
        "u32" => rest.trim().parse::<u32>().ok().map(|number| number.to_be_bytes().to_vec()),
        _ => None,
    }
}
