//! Names that the server makes, and how it knows them again.

use std::fmt::Write;
use std::net::IpAddr;

use dns::naming::GeneratedName;

/// What the names begin with that no pattern makes.
const PREFIX: &str = "host-";

/// A part of a pattern.
enum Part<'p> {
    Text(&'p str),
    Address,
    Last,
    Mac,
    Mac6,
}

/// A pattern as `config` has checked it. What stands in braces and is not known makes nothing.
fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> {
    pattern.split_inclusive('}').flat_map(|piece| {
        let (text, word) = match piece.strip_suffix('}').and_then(|piece| piece.split_once('{')) {
            Some((text, word)) => (text, Some(word)),
            None => (piece, None),
        };
        let placed = word.and_then(|word| match word {
            "address" => Some(Part::Address),
            "last" => Some(Part::Last),
            "mac" => Some(Part::Mac),
            "mac6" => Some(Part::Mac6),
            _ => None,
        });
        [Some(Part::Text(text)), placed].into_iter().flatten()
    })
}

/// The label of a client; `None` when it has nothing to make it of.
pub(super) fn make(generated: &GeneratedName, address: IpAddr, hardware: &[u8]) -> Option<String> {
    // Such a label would be longer than it may be.
    let hardware = &hardware[..hardware.len().min(16)];
    match generated {
        GeneratedName::Address => Some(format!("{PREFIX}{}", dashed(address))),
        GeneratedName::Hardware => {
            let octets: Vec<String> = hardware.iter().map(|octet| format!("{octet:02x}")).collect();
            (!octets.is_empty()).then(|| format!("{PREFIX}{}", octets.join("-")))
        }
        GeneratedName::Pattern(pattern) => {
            let mut label = String::new();
            for part in parts(pattern) {
                match part {
                    Part::Text(text) => label.push_str(text),
                    Part::Address => label.push_str(&dashed(address)),
                    Part::Last => label.push_str(&last(address)),
                    Part::Mac | Part::Mac6 if hardware.is_empty() => return None,
                    Part::Mac => label.push_str(&hex(hardware)),
                    Part::Mac6 => label.push_str(&hex(&hardware[hardware.len().saturating_sub(3)..])),
                }
            }
            Some(label)
        }
    }
}

/// `192-168-30-100`; of IPv6 the eight groups in hexadecimal.
fn dashed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.octets().map(|octet| octet.to_string()).join("-"),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:x}")).join("-"),
    }
}

fn last(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.octets()[3].to_string(),
        IpAddr::V6(v6) => format!("{:x}", v6.segments()[7]),
    }
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// Whether a label is one that we make of some address or hardware address. A client that learnt such a name as its own
/// sends it back from its next address, where it would be wrong.
pub(super) fn is_made<'p>(label: &[u8], patterns: impl Iterator<Item = &'p str>) -> bool {
    let Ok(label) = std::str::from_utf8(label) else { return false };
    is_made_of_address_or_hardware(label) || patterns.into_iter().any(|pattern| fits(label, pattern))
}

fn is_made_of_address_or_hardware(label: &str) -> bool {
    let Some(rest) = label.strip_prefix(PREFIX) else { return false };
    let words: Vec<&str> = rest.split('-').collect();
    let of_address = words.len() == 4 && words.iter().all(|word| is_octet(word));
    let of_v6 = words.len() == 8 && words.iter().all(|word| (1..=4).contains(&word.len()) && is_hex(word));
    let of_hardware = (6..=16).contains(&words.len()) && words.iter().all(|word| word.len() == 2 && is_hex(word));
    of_address || of_v6 || of_hardware
}

fn is_octet(word: &str) -> bool {
    word.bytes().all(|octet| octet.is_ascii_digit()) && word.parse::<u8>().is_ok()
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// Whether the pattern makes such a label. Each place takes as much as it can, and no place but one for text can stand
/// directly behind another of its kind and leave doubt about what is whose that matters here.
fn fits(label: &str, pattern: &str) -> bool {
    let mut rest = label;
    for part in parts(pattern) {
        let taken = match part {
            Part::Text(text) => rest.strip_prefix(text),
            Part::Address => take_address(rest),
            Part::Last => take(rest, 3, |octet| octet.is_ascii_digit()),
            Part::Mac6 => take_exactly(rest, 6),
            // Hardware addresses of other kinds of network are longer or shorter; twelve digits are all but theirs.
            Part::Mac => take_exactly(rest, 12).or_else(|| take(rest, 32, |octet| octet.is_ascii_hexdigit())),
        };
        let Some(after) = taken else { return false };
        rest = after;
    }
    rest.is_empty() && pattern.contains('{')
}

/// What follows one to `most` octets that are `such`.
fn take(text: &str, most: usize, such: impl Fn(u8) -> bool) -> Option<&str> {
    let length = text.bytes().take(most).take_while(|octet| such(*octet)).count();
    (length > 0).then(|| &text[length..])
}

fn take_exactly(text: &str, digits: usize) -> Option<&str> {
    let (word, after) = text.split_at_checked(digits)?;
    is_hex(word).then_some(after)
}

fn take_address(text: &str) -> Option<&str> {
    let mut rest = take(text, 3, |octet| octet.is_ascii_digit())?;
    for _ in 1..4 {
        rest = take(rest.strip_prefix('-')?, 3, |octet| octet.is_ascii_digit())?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const MAC: [u8; 6] = [0x02, 0, 0x5e, 0x10, 0, 0xab];

    fn pattern(text: &str) -> GeneratedName {
        GeneratedName::Pattern(text.into())
    }

    #[test]
    fn each_form_makes_its_label_and_knows_it_again() {
        let address = "192.168.30.100".parse().unwrap();
        for (generated, label) in [
            (GeneratedName::Address, "host-192-168-30-100"),
            (GeneratedName::Hardware, "host-02-00-5e-10-00-ab"),
            (pattern("dev-{mac6}"), "dev-1000ab"),
            (pattern("{mac}"), "02005e1000ab"),
            (pattern("lab-{last}-x"), "lab-100-x"),
            (pattern("h-{address}"), "h-192-168-30-100"),
            (pattern("{mac6}-{last}"), "1000ab-100"),
        ] {
            assert_eq!(make(&generated, address, &MAC).as_deref(), Some(label));
            let patterns = match &generated {
                GeneratedName::Pattern(pattern) => Some(&**pattern),
                _ => None,
            };
            assert!(is_made(label.as_bytes(), patterns.into_iter()), "{label}");
            assert!(!is_made(format!("{label}z").as_bytes(), patterns.into_iter()), "{label}");
        }
        let v6 = make(&GeneratedName::Address, "2001:db8::1".parse().unwrap(), &MAC).unwrap();
        assert_eq!(v6, "host-2001-db8-0-0-0-0-0-1");
        assert!(is_made(v6.as_bytes(), [].into_iter()));
    }

    #[test]
    fn a_client_without_a_hardware_address_gets_no_name_made_of_it() {
        let address = "192.168.30.100".parse().unwrap();
        for generated in [GeneratedName::Hardware, pattern("x-{mac}"), pattern("x-{mac6}")] {
            assert_eq!(make(&generated, address, &[]), None);
        }
        assert_eq!(make(&pattern("x-{last}"), address, &[]).as_deref(), Some("x-100"));
    }

    #[test]
    fn names_that_people_give_are_not_taken_for_made_ones() {
        for label in
            ["host", "host-1", "host-192-168-30", "host-192-168-30-256", "host-a-b-c-d", "dev-12345", "dev-printer"]
        {
            assert!(!is_made(label.as_bytes(), ["dev-{mac6}"].into_iter()), "{label}");
        }
    }
}
