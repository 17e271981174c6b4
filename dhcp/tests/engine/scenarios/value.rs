//! How a scenario writes an option's data: by its looks, whatever the option.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// - `192.168.30.1` or `10.0.0.1,10.0.0.2`: addresses;
/// - `3600s`: seconds, in four bytes;
/// - `"text"`; `0x0102`: bytes; `1,3,6` or `5`: one byte each; `empty`: none.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    let fault = || format!("not a value: {text}");
    if text == "empty" {
        return Ok(Vec::new());
    }
    if let Some(quoted) = text.strip_prefix('"') {
        return Ok(quoted.strip_suffix('"').ok_or_else(fault)?.as_bytes().to_vec());
    }
    if let Some(hex) = text.strip_prefix("0x") {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).map(|it| u8::from_str_radix(it, 16)));
        return pairs.map(|byte| byte.map_err(|_| fault())?.map_err(|_| fault())).collect();
    }
    if let Some(Ok(secs)) = text.strip_suffix('s').map(str::parse::<u32>) {
        return Ok(secs.to_be_bytes().to_vec());
    }
    let parts: Vec<&str> = text.split(',').collect();
    if let Ok(addresses) = parts.iter().map(|part| part.parse::<Ipv4Addr>()).collect::<Result<Vec<_>, _>>() {
        return Ok(addresses.iter().flat_map(Ipv4Addr::octets).collect());
    }
    parts.iter().map(|part| part.parse::<u8>().map_err(|_| fault())).collect()
}

/// The same data in the looks of `like`, so that a difference is read without counting bytes.
pub(super) fn write(data: &[u8], like: &str) -> String {
    match data {
        [a, b, c, d] if like.ends_with('s') => format!("{}s", u32::from_be_bytes([*a, *b, *c, *d])),
        [a, b, c, d] if like.contains('.') => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
        _ if like.starts_with('"') => format!("\"{}\"", data.escape_ascii()),
        [a, b, c, d] if like == "absent" => format!("{}s", u32::from_be_bytes([*a, *b, *c, *d])),
        _ => data.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}
