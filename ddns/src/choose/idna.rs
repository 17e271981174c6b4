//! Labels beyond ASCII: what people call their machines, as DNS can hold it (UTS 46, RFC 5891).

use std::borrow::Cow;

use dns::name::LABEL_OCTETS_MAX;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// What an internationalised label begins with (RFC 5890 section 2.3.2.1).
const ACE_PREFIX: &str = "xn--";

/// The label as text: UTF-8 where it is that, else Latin-1, in which every byte is a character.
pub(super) fn decode(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(raw.iter().copied().map(char::from).collect()),
    }
}

/// The label in ASCII, of at most 63 octets, what exceeds them being cut; `None` when its characters make no label.
///
/// `text` has letters, digits and hyphens of ASCII, and anything beyond it.
pub(super) fn to_a_label(text: &str) -> Option<String> {
    let whole = ascii(text)?;
    if whole.len() <= LABEL_OCTETS_MAX {
        return Some(whole);
    }
    // Of a longer text comes no shorter label. So as many characters as fit are found by halving: seven attempts for
    // the longest label that an option can hold.
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).take(LABEL_OCTETS_MAX + 1).collect();
    let (mut fits, mut best, mut fails) = (0, None, ends.len());
    while fits + 1 < fails {
        let middle = usize::midpoint(fits, fails);
        let cut = ends.get(middle).and_then(|end| text.get(..*end)).map(|cut| cut.trim_end_matches('-'));
        match cut.and_then(ascii).filter(|label| label.len() <= LABEL_OCTETS_MAX && !label.is_empty()) {
            Some(label) => (fits, best) = (middle, Some(label)),
            None => fails = middle,
        }
    }
    best
}

/// Whether a character is punctuation, a pictogram or a control: RFC 5892 has none of them in labels, and UTS 46 lets
/// most pass. Marks, which some scripts write words with, are none of these.
pub(super) fn is_symbol(character: char) -> bool {
    matches!(
        u32::from(character),
        0x80..=0xbf | 0xd7 | 0xf7 | 0x2000..=0x2bff | 0x3000..=0x3004 | 0x3008..=0x303f | 0xe000..=0xf8ff
            | 0xfe00..=0xfe0f | 0xfe30..=0xfe6f | 0xff00..=0xff0f | 0xfff0..=0xffff | 0x1f000..
    )
}

/// Whether a label of letters, digits and hyphens claims to be an internationalised one and is none.
pub(super) fn is_false_a_label(label: &str) -> bool {
    label.starts_with(ACE_PREFIX) && ascii(label).is_none_or(|same| same != label)
}

fn ascii(text: &str) -> Option<String> {
    let made = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore).ok()?;
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    // Some characters stand for dots, and a label has none.
    made.bytes().all(plain).then(|| made.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_utf_8_and_else_as_latin_1() {
        assert_eq!(decode(b"K\xc3\xbcche"), "K\u{fc}che");
        assert_eq!(decode(b"K\xfcche"), "K\u{fc}che");
    }

    #[test]
    fn words_of_every_script_have_their_form_in_ascii() {
        for (text, label) in [
            ("K\u{fc}che", "xn--kche-0ra"),
            ("Ku\u{308}che", "xn--kche-0ra"),
            ("\u{5bb6}", "xn--fct"),
            ("stra\u{df}e", "xn--strae-oqa"),
            ("\u{430}\u{43d}\u{43d}\u{430}", "xn--80aa2ba"),
            ("pc", "pc"),
        ] {
            assert_eq!(to_a_label(text).as_deref(), Some(label), "{text}");
        }
        // A dot in disguise, and letters of two directions.
        assert_eq!(to_a_label("a\u{3002}b"), None);
        assert_eq!(to_a_label("a\u{5d0}1"), None);
    }

    #[test]
    fn a_label_that_only_looks_internationalised_is_found_out() {
        assert!(!is_false_a_label("xn--kche-0ra") && !is_false_a_label("pc"));
        for label in ["xn--", "xn--a", "xn--\u{fc}", "xn--pc-", "xn--99999999999", "xn--kche-0r"] {
            assert!(is_false_a_label(label), "{label}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_where_it_fits() {
        let long = "\u{fc}".repeat(200);
        let label = to_a_label(&long).unwrap_or_default();
        assert!(label.len() <= 63 && label.len() > 50 && label.starts_with("xn--"), "{label}");
    }
}
