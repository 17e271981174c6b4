//! Octets written as text: hexadecimal, base64, base32hex, character strings and bitmaps of types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Word, unescaped};
use crate::RecordType;

/// Words of hexadecimal digits; a digit's partner may stand in the next word.
pub(super) fn hex(words: &[Word<'_>]) -> Result<Vec<u8>, (usize, String)> {
    let mut octets = Vec::new();
    let mut half: Option<u8> = None;
    for (at, word) in words.iter().enumerate() {
        for digit in word.text.chars() {
            let value = digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
            let value = value.ok_or_else(|| (at, format!("`{digit}` is not a hexadecimal digit")))?;
            half = match half {
                None => Some(value),
                Some(high) => {
                    octets.push(high << 4 | value);
                    None
                }
            };
        }
    }
    if half.is_some() {
        return Err((words.len().saturating_sub(1), "the number of hexadecimal digits is odd".to_owned()));
    }
    Ok(octets)
}

/// Words that together are base64.
pub(super) fn base64(words: &[Word<'_>]) -> Result<Vec<u8>, (usize, String)> {
    if words.is_empty() {
        return Err((0, "base64 is missing".to_owned()));
    }
    let text: String = words.iter().map(|word| word.text).collect();
    STANDARD.decode(text).map_err(|error| (0, format!("this is not base64: {error}")))
}

/// A character string (RFC 1035 section 3.3) with its length octet.
pub(super) fn character_string(text: &str) -> Result<Vec<u8>, String> {
    counted(unescaped(text)?)
}

/// RFC 8659 section 4.1.1: the tag's length is one octet, "tag: is a non-zero-length sequence of ASCII letters and numbers".
pub(super) fn tag(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("`{text}` is not a property: letters and digits, such as issue"));
    }
    counted(text.as_bytes().to_vec())
}

/// RFC 5155 section 3.3: a salt in hexadecimal, `-` for none.
pub(super) fn salt(text: &str) -> Result<Vec<u8>, String> {
    let digits = if text == "-" { "" } else { text };
    counted(hex(&[Word { text: digits, quoted: false }]).map_err(|(_, message)| message)?)
}

/// RFC 5155 section 3.3: a hash in base32 with the extended alphabet, without padding.
pub(super) fn hash(text: &str) -> Result<Vec<u8>, String> {
    let (mut octets, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.chars() {
        let value = digit.to_digit(32).ok_or_else(|| format!("`{digit}` is not a digit of base32hex"))?;
        bits = (bits << 5 | value) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
        }
    }
    if octets.is_empty() {
        return Err("a hash in base32hex is missing".to_owned());
    }
    counted(octets)
}

/// RFC 4034 section 4.1.2: windows of 256 types, each with its number, the length of its bitmap and the bitmap.
pub(super) fn types(words: &[Word<'_>]) -> Result<Vec<u8>, (usize, String)> {
    let mut windows: std::collections::BTreeMap<u8, Vec<u8>> = std::collections::BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        let rtype: RecordType = word.text.parse().map_err(|error| (at, format!("`{}` is {error}", word.text)))?;
        let [window, bit] = rtype.0.to_be_bytes();
        let bitmap = windows.entry(window).or_default();
        let octet = usize::from(bit / 8);
        if bitmap.len() <= octet {
            bitmap.resize(octet + 1, 0);
        }
        bitmap[octet] |= 0x80 >> (bit % 8);
    }
    let mut octets = Vec::new();
    for (window, bitmap) in windows {
        octets.extend([window, bitmap.len() as u8]);
        octets.extend(bitmap);
    }
    Ok(octets)
}

/// `count` groups of `digits` hexadecimal digits each.
pub(super) fn groups(text: &str, between: char, count: usize, digits: usize) -> Result<Vec<u8>, String> {
    let wrong = || format!("`{text}` is not {count} groups of hexadecimal digits with `{between}` between them");
    let mut octets = Vec::new();
    let groups: Vec<&str> = text.split(between).collect();
    for group in &groups {
        if group.is_empty() || group.len() > digits {
            return Err(wrong());
        }
        let value = u16::from_str_radix(group, 16).map_err(|_| wrong())?;
        octets.extend_from_slice(&value.to_be_bytes()[2 - digits / 2..]);
    }
    if groups.len() == count { Ok(octets) } else { Err(wrong()) }
}

fn counted(octets: Vec<u8>) -> Result<Vec<u8>, String> {
    let length = u8::try_from(octets.len()).map_err(|_| format!("{} octets: 255 are the most", octets.len()))?;
    Ok([&[length][..], &octets].concat())
}
