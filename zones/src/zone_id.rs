//! What a zone is known by: its apex, and where it is for certain views alone, by these too.
//!
//! Several zones may have one apex, each for other views (split horizon). In the store and in memory each needs a name of
//! its own. It is made of nothing but the apex and the names of the views, so that it is the same whatever other zones
//! come and go: what clients of one view wrote is never served to those of another. It is written as a name, with a label
//! before the apex that no zone's name of a configuration has: `view=inside+lan.nasir.xyz.`.

use dns::Fqdn;
use siphasher::sip::SipHasher24;

const BEGINNING: &[u8] = b"view=";
/// RFC 1035 section 2.3.4.
const LABEL_OCTETS_MAX: usize = 63;

/// The identity of the zone with this apex for these views; `None`: the apex is too long for it.
#[must_use]
pub fn of_views(apex: &Fqdn, views: &[&str]) -> Option<Fqdn> {
    let mut names = views.to_vec();
    names.sort_unstable();
    names.dedup();
    let mut label = [BEGINNING, names.join("+").as_bytes()].concat();
    if label.len() > LABEL_OCTETS_MAX {
        // Stored: the same names must have the same digest in later versions.
        let digest = SipHasher24::new().hash(&label);
        label = format!("view={digest:016x}").into_bytes();
    }
    apex.prepend_label(&label).ok()
}

/// The apex of the zone that is known by this.
#[must_use]
pub fn apex(id: &Fqdn) -> Fqdn {
    let is_of_views = id.labels().next().is_some_and(|label| label.starts_with(BEGINNING));
    id.parent().filter(|_| is_of_views).unwrap_or_else(|| id.clone())
}

/// The names of its views, or a digest of them where they are long; none: it is for all.
#[must_use]
pub fn views(id: &Fqdn) -> Vec<String> {
    let label = id.labels().next().filter(|_| apex(id) != *id);
    let names = label.and_then(|label| label.get(BEGINNING.len()..)).map(String::from_utf8_lossy);
    names.map_or_else(Vec::new, |names| names.split('+').map(str::to_owned).collect())
}

/// As people are told of it: `nasir.xyz.`, or `nasir.xyz. (view inside+lan)`.
#[must_use]
pub fn words(id: &Fqdn) -> String {
    let (apex, views) = (apex(id), views(id));
    if views.is_empty() { apex.to_string() } else { format!("{apex} (view {})", views.join("+")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_zone_of_views_is_known_by_its_apex_and_their_names_in_any_order() {
        let zone: Fqdn = "nasir.xyz".parse().unwrap();
        let id = of_views(&zone, &["lan", "inside"]).unwrap();
        assert_eq!(Some(&id), of_views(&zone, &["inside", "lan", "lan"]).as_ref());
        assert_eq!((apex(&id), words(&id).as_str()), (zone.clone(), "nasir.xyz. (view inside+lan)"));
        assert_eq!((apex(&zone), words(&zone).as_str()), (zone.clone(), "nasir.xyz."));
        assert_ne!(Some(id), of_views(&zone, &["inside"]));
    }

    #[test]
    fn views_of_long_names_and_apexes_near_the_limit_are_told_apart_too() {
        let zone: Fqdn = "nasir.xyz".parse().unwrap();
        let long = |last: &str| format!("{}{last}", "a".repeat(62));
        let [one, other] = ["b", "c"].map(|last| of_views(&zone, &[&long(last)]).unwrap());
        assert_ne!(one, other);
        assert_eq!([apex(&one), apex(&other)], [zone.clone(), zone]);
        let deep = (0..3).fold("x".parse::<Fqdn>().unwrap(), |name, _| name.prepend_label(&[b'a'; 63]).unwrap());
        let deep = deep.prepend_label(&[b'a'; 55]).unwrap();
        assert_eq!(of_views(&deep, &["inside"]), None, "no name is longer than 255 octets");
    }
}
