//! From what clients send to labels that a name can be made of.

use std::borrow::Cow;

use dns::name::LABEL_OCTETS_MAX;
use dns::naming::CleanUp;

use super::idna;

/// One label made of letters, digits and hyphens (RFC 1123 section 2.1), in lower case; `None` when nothing is left.
///
/// What is not ASCII is read as UTF-8, or else as Latin-1, and brought into its `xn--` form. Of the characters that
/// even then no host name has (a space, an underscore) becomes what `clean` says; hyphens at either end go; what
/// exceeds 63 octets is cut. An `xn--` form that means nothing loses a hyphen, so that nobody reads it as one.
#[must_use]
pub fn clean_label(raw: &[u8], clean: CleanUp) -> Option<Vec<u8>> {
    if is_clean(raw) {
        return Some(raw.to_ascii_lowercase());
    }
    cleaned(raw, clean)
}

fn cleaned(raw: &[u8], clean: CleanUp) -> Option<Vec<u8>> {
    let label = if raw.is_ascii() { plain(&String::from_utf8_lossy(raw), clean)? } else { beyond_ascii(raw, clean)? };
    let label = cut(&label);
    let label = if idna::is_false_a_label(label) {
        if clean == CleanUp::Refuse {
            return None;
        }
        Cow::Owned(label.replacen("xn--", "xn-", 1))
    } else {
        Cow::Borrowed(label)
    };
    // Without the rest of such a form, its beginning can end in a hyphen, or begin one anew.
    let label = label.trim_end_matches('-');
    if label.starts_with("xn--") && idna::is_false_a_label(label) {
        return cleaned(label.as_bytes(), clean);
    }
    (!label.is_empty()).then(|| label.as_bytes().to_vec())
}

/// Whether a label has nothing to be cleaned but its case, as nearly all have.
fn is_clean(raw: &[u8]) -> bool {
    let [first, .., last] = raw else { return false };
    raw.len() <= LABEL_OCTETS_MAX
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && raw.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
        && !raw.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"))
}

/// Whether [`clean_label`] leaves a label as it is. It may do so too where this is false.
pub(super) fn is_clean_and_lower(raw: &[u8]) -> bool {
    let [first, .., last] = raw else { return false };
    let stays = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
    raw.len() <= LABEL_OCTETS_MAX
        && stays(first)
        && stays(last)
        && raw.iter().all(|octet| stays(octet) || *octet == b'-')
        && !raw.starts_with(b"xn--")
}

/// All labels of a name, cleaned; those of which nothing is left are skipped. `None` when one of them is refused.
pub(super) fn clean_labels<'l>(raw: &[&'l [u8]], clean: CleanUp) -> Option<Vec<Cow<'l, [u8]>>> {
    let mut labels = Vec::with_capacity(raw.len());
    for label in raw {
        match clean_label_of(label, clean) {
            Some(label) => labels.push(label),
            None if clean == CleanUp::Refuse => return None,
            None => {}
        }
    }
    Some(labels)
}

/// [`clean_label`], without a copy where nothing is to be changed.
fn clean_label_of(raw: &[u8], clean: CleanUp) -> Option<Cow<'_, [u8]>> {
    if is_clean_and_lower(raw) {
        return Some(Cow::Borrowed(raw));
    }
    clean_label(raw, clean).map(Cow::Owned)
}

fn cut(label: &str) -> &str {
    label.get(..LABEL_OCTETS_MAX).unwrap_or(label).trim_matches('-')
}

/// A text of which only the letters and digits of ASCII, and hyphens, can stay.
fn plain(text: &str, clean: CleanUp) -> Option<String> {
    kept(text, clean, |character| character.is_ascii_alphanumeric())
}

fn beyond_ascii(raw: &[u8], clean: CleanUp) -> Option<String> {
    let text = idna::decode(raw);
    // First all that words are written with, then letters and digits, then what is ASCII: each attempt has a result for
    // more labels, and leaves less of them.
    let all = kept(&text, clean, |character| {
        character.is_alphanumeric() || !(character.is_ascii() || idna::is_symbol(character))
    });
    if let Some(label) = all.as_deref().and_then(idna::to_a_label) {
        return Some(label);
    }
    if clean == CleanUp::Refuse {
        return None;
    }
    let words = kept(&text, clean, |character| character.is_alphanumeric());
    words.as_deref().and_then(idna::to_a_label).or_else(|| plain(&text, clean))
}

/// The text with hyphens and those characters that may stay, in lower case as far as it is ASCII. Each run of others
/// between two that stay becomes one hyphen, or nothing.
fn kept(text: &str, clean: CleanUp, stays: impl Fn(char) -> bool) -> Option<String> {
    let mut label = String::with_capacity(text.len());
    let mut gap = false;
    for character in text.chars() {
        if character == '-' || stays(character) {
            let joins = clean == CleanUp::Hyphen && character != '-' && !label.is_empty() && !label.ends_with('-');
            if gap && joins {
                label.push('-');
            }
            gap = false;
            label.push(character.to_ascii_lowercase());
        } else if clean == CleanUp::Refuse {
            return None;
        } else {
            gap = true;
        }
    }
    let label = label.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn cleaned_as(raw: &[u8], clean: CleanUp) -> String {
        clean_label(raw, clean).map(|label| String::from_utf8(label).unwrap()).unwrap_or_default()
    }

    /// What each label becomes with hyphens, with nothing in the place of what goes, and where it is refused.
    #[test]
    fn each_odd_character_has_a_defined_result() {
        for (raw, hyphen, drop, refuse) in [
            (&b"Living Room TV"[..], "living-room-tv", "livingroomtv", ""),
            (b"my_host", "my-host", "myhost", ""),
            (b"__x__", "x", "x", ""),
            (b"John's iPhone", "john-s-iphone", "johnsiphone", ""),
            (b"K\xc3\xbcche", "xn--kche-0ra", "xn--kche-0ra", "xn--kche-0ra"),
            (b"K\xfcche", "xn--kche-0ra", "xn--kche-0ra", "xn--kche-0ra"),
            (b"K\xc3\xbcche 2", "xn--kche-2-3ya", "xn--kche2-kva", ""),
            (b"\xe5\xae\xb6", "xn--fct", "xn--fct", "xn--fct"),
            ("Anna\u{2019}s Mac".as_bytes(), "anna-s-mac", "annasmac", ""),
            ("\u{1f3e0}lamp\u{a9}".as_bytes(), "lamp", "lamp", ""),
            ("\u{915}\u{94d}\u{937}".as_bytes(), "xn--11b2ezc", "xn--11b2ezc", "xn--11b2ezc"),
            ("a\u{3002}b".as_bytes(), "a-b", "ab", ""),
            ("pc\u{a0}7".as_bytes(), "pc-7", "pc7", ""),
            (b"\x80\x81", "", "", ""),
            (b"-a-", "a", "a", "a"),
            (b"xn--kche-0ra", "xn--kche-0ra", "xn--kche-0ra", "xn--kche-0ra"),
            (b"XN--Kche-0RA", "xn--kche-0ra", "xn--kche-0ra", "xn--kche-0ra"),
            (b"xn--zzzzzz", "xn-zzzzzz", "xn-zzzzzz", ""),
            (b"xn--", "xn", "xn", "xn"),
            (b"xn_-_-x", "xn-x", "xn-x", ""),
            (b"a _ b", "a-b", "ab", ""),
            (b"a-_b", "a-b", "a-b", ""),
            (b"a.b", "a-b", "ab", ""),
            (b"7", "7", "7", "7"),
            (b"", "", "", ""),
            (b"---", "", "", ""),
            (b"*", "", "", ""),
        ] {
            let shown = String::from_utf8_lossy(raw).into_owned();
            assert_eq!(cleaned_as(raw, CleanUp::Hyphen), hyphen, "{shown:?} with hyphens");
            assert_eq!(cleaned_as(raw, CleanUp::Drop), drop, "{shown:?} dropping");
            assert_eq!(cleaned_as(raw, CleanUp::Refuse), refuse, "{shown:?} refusing");
        }
    }

    #[test]
    fn a_long_label_is_cut_and_does_not_end_in_a_hyphen() {
        let raw = [&[b'a'; 62][..], b"-", b"bcd"].concat();
        assert_eq!(cleaned_as(&raw, CleanUp::Hyphen), "a".repeat(62));
        assert_eq!(cleaned_as(&[b'x'; 255], CleanUp::Hyphen).len(), 63);
    }

    #[test]
    fn one_refused_label_refuses_the_name() {
        assert_eq!(clean_labels(&[b"pc", b"a_b"], CleanUp::Refuse), None);
        assert_eq!(clean_labels(&[b"pc", b"__"], CleanUp::Hyphen), Some(vec![Cow::Borrowed(&b"pc"[..])]));
    }

    fn check(raw: &[u8], clean: CleanUp) -> Result<(), TestCaseError> {
        if let Some(label) = clean_label(raw, clean) {
            prop_assert!((1..=63).contains(&label.len()));
            prop_assert!(label.iter().all(|o| o.is_ascii_lowercase() || o.is_ascii_digit() || *o == b'-'));
            prop_assert!(label[0] != b'-' && label[label.len() - 1] != b'-');
            let text = String::from_utf8(label.clone()).unwrap();
            prop_assert!(!idna::is_false_a_label(&text), "{}", text);
            prop_assert_eq!(clean_label(&label, clean), Some(label.clone()), "{}", text);
        }
        Ok(())
    }

    fn any_clean() -> impl Strategy<Value = CleanUp> {
        prop::sample::select(vec![CleanUp::Hyphen, CleanUp::Drop, CleanUp::Refuse])
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_hostname_and_stays_as_it_is(
            raw in prop::collection::vec(any::<u8>(), 0..300), clean in any_clean(),
        ) {
            check(&raw, clean)?;
        }

        #[test]
        fn what_needs_no_cleaning_is_what_cleaning_leaves(raw in "[a-zA-Z0-9-]{1,70}", clean in any_clean()) {
            if is_clean_and_lower(raw.as_bytes()) {
                prop_assert_eq!(clean_label(raw.as_bytes(), clean), Some(raw.clone().into_bytes()));
            }
            if is_clean(raw.as_bytes()) {
                prop_assert_eq!(cleaned(raw.as_bytes(), clean), Some(raw.to_ascii_lowercase().into_bytes()));
            }
        }

        #[test]
        fn so_it_is_of_texts_in_any_script(raw in ".{0,90}", clean in any_clean()) {
            check(raw.as_bytes(), clean)?;
        }

        #[test]
        fn and_of_what_looks_internationalised(raw in "[xX]{0,2}[nN]?[-_ ]{0,4}[a-z0-9\u{fc} -]{0,70}", clean in any_clean()) {
            check(raw.as_bytes(), clean)?;
        }
    }
}
