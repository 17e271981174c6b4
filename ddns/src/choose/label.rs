//! From what clients send to labels that a name can be made of.

use dns::name::LABEL_OCTETS_MAX;

/// One label made of letters, digits and hyphens (RFC 1123 section 2.1), in lower case; `None` when nothing is left.
///
/// Every run of other octets (a space, an underscore, anything beyond ASCII) between two that stay becomes one
/// hyphen; hyphens at either end go; what exceeds 63 octets is cut.
#[must_use]
pub fn clean_label(raw: &[u8]) -> Option<Vec<u8>> {
    let mut label: Vec<u8> = Vec::with_capacity(raw.len().min(LABEL_OCTETS_MAX));
    let mut gap = false;
    for &octet in raw {
        if octet.is_ascii_alphanumeric() || octet == b'-' {
            if gap && octet != b'-' && label.last().is_some_and(|last| *last != b'-') {
                label.push(b'-');
            }
            gap = false;
            if octet != b'-' || !label.is_empty() {
                label.push(octet.to_ascii_lowercase());
            }
        } else {
            gap = true;
        }
    }
    label.truncate(LABEL_OCTETS_MAX);
    while label.last() == Some(&b'-') {
        label.pop();
    }
    (!label.is_empty()).then_some(label)
}

/// All labels of a name, cleaned; those of which nothing is left are skipped.
#[must_use]
pub fn clean_labels(raw: &[&[u8]]) -> Vec<Vec<u8>> {
    raw.iter().filter_map(|label| clean_label(label)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn cleaned(raw: &[u8]) -> String {
        clean_label(raw).map(|label| String::from_utf8(label).unwrap()).unwrap_or_default()
    }

    #[test]
    fn each_odd_character_has_a_defined_result() {
        for (raw, expected) in [
            (&b"Living Room TV"[..], "living-room-tv"),
            (b"my_host", "my-host"),
            (b"__x__", "x"),
            (b"K\xc3\xbcche", "k-che"),
            (b"\xe5\xae\xb6", ""),
            (b"-a-", "a"),
            (b"xn--kche-0ra", "xn--kche-0ra"),
            (b"a _ b", "a-b"),
            (b"a-_b", "a-b"),
            (b"a.b", "a-b"),
            (b"", ""),
            (b"---", ""),
            (b"*", ""),
        ] {
            assert_eq!(cleaned(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn a_long_label_is_cut_and_does_not_end_in_a_hyphen() {
        let raw = [&[b'a'; 62][..], b"-", b"bcd"].concat();
        assert_eq!(cleaned(&raw), "a".repeat(62));
        assert_eq!(cleaned(&[b'x'; 255]).len(), 63);
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_hostname_and_stays_as_it_is(raw in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(label) = clean_label(&raw) {
                prop_assert!((1..=63).contains(&label.len()));
                prop_assert!(label.iter().all(|o| o.is_ascii_lowercase() || o.is_ascii_digit() || *o == b'-'));
                prop_assert!(label[0] != b'-' && label[label.len() - 1] != b'-');
                prop_assert_eq!(clean_label(&label), Some(label));
            }
        }
    }
}
