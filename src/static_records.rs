//! Records that the configuration states: which there are, and which of them were made by commands, the API and the page.

use std::collections::HashSet;
use std::path::Path;

use config::Config;
use config::beside::edit::{RecordKey, records};
use config::beside::path_beside;
use dns::{Fqdn, Rdata, RecordType, Rrset};
use web::ETag;
use web::model::{RecordsSet, StaticRecord};

/// Those that the file beside the main one has.
#[derive(Clone, Debug, Default)]
pub struct Made(HashSet<(Fqdn, RecordType, Rdata)>);

impl Made {
    /// Of what that file says.
    #[must_use]
    pub fn of(beside: &str) -> Self {
        Self(records(beside).into_iter().filter_map(|one| one.says).collect())
    }

    /// Of the file beside this one; none where there is no file that can be read. The main file is not looked at, and
    /// no change that is being checked is waited for: a view of records needs neither.
    #[must_use]
    pub fn beside(main: &Path) -> Self {
        std::fs::read_to_string(path_beside(main)).map_or_else(|_| Self::default(), |text| Self::of(&text))
    }

    /// Whether this one is.
    #[must_use]
    pub fn has(&self, name: &Fqdn, rtype: RecordType, data: &Rdata) -> bool {
        // A record is known by all three; a copy is made of what is small.
        !self.0.is_empty() && self.0.contains(&(name.clone(), rtype, data.clone()))
    }
}

/// Every static record, of one zone or of all, by zone and name; those of some views alone are not among them.
#[must_use]
pub fn list(config: &Config, beside: &str, zone: Option<&Fqdn>) -> Vec<StaticRecord> {
    let made = Made::of(beside);
    let embedded = config.dns.zones.iter().flat_map(|zone| zone.records.iter().map(|set| (&zone.apex, set)));
    let routes = &config.ddns.zones;
    let stated = config.ddns.stated.iter().filter_map(|set| Some((&routes[routes.place_of(&set.name)?].apex, set)));
    let of_zone = embedded.chain(stated).filter(|(apex, _)| zone.is_none_or(|zone| zone == *apex));
    let mut list: Vec<StaticRecord> = of_zone.flat_map(|(apex, set)| rows(apex, set, &made)).collect();
    list.sort();
    list
}

fn rows<'a>(apex: &'a Fqdn, set: &'a Rrset, made: &'a Made) -> impl Iterator<Item = StaticRecord> + 'a {
    set.rdata.iter().map(|data| StaticRecord {
        zone: crate::http::shown(apex),
        name: crate::http::shown(&set.name),
        rtype: set.rtype.to_string(),
        ttl: set.ttl,
        data: data.words(set.rtype),
        made: made.has(&set.name, set.rtype, data),
    })
}

/// The records of one name and type that the file beside the main one has, with their version: the same for the same
/// records in whatever way and order they are written.
#[must_use]
pub fn set(beside: &str, key: &RecordKey) -> Option<(ETag, RecordsSet)> {
    let all: Vec<_> = records(beside).into_iter().filter(|one| one.key.is(key)).collect();
    let (owner, rtype) = (key.owner()?, key.record_type()?);
    let ttl = all.iter().filter_map(|one| one.ttl_secs).min();
    let said = |one: &config::beside::edit::WrittenRecord| match &one.says {
        Some((_, rtype, data)) => data.words(*rtype),
        None => one.data.clone(),
    };
    let mut says: Vec<String> = all.iter().map(said).collect();
    says.sort();
    let tag = ETag::of(&(owner.to_string(), rtype.to_string(), ttl, says));
    let data: Vec<String> = all.into_iter().map(|one| one.data).collect();
    let name = crate::http::shown(&owner);
    let zone = key.zone.trim_end_matches('.').to_ascii_lowercase();
    (!data.is_empty()).then_some((tag, RecordsSet { zone, name, rtype: rtype.to_string(), data, ttl }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn file(records: &[(&str, &str)]) -> String {
        let table = |(name, data): &(&str, &str)| {
            format!("[[record]]\nzone = \"lan\"\nname = \"{name}\"\ntype = \"MX\"\ndata = \"{data}\"\n")
        };
        records.iter().map(table).collect()
    }

    fn key(name: &str) -> RecordKey {
        RecordKey { zone: "lan".to_owned(), name: name.to_owned(), rtype: "MX".to_owned() }
    }

    #[test]
    fn a_set_has_one_version_in_whatever_way_and_order_it_is_written() {
        let (tag, told) = set(&file(&[("@", "10 a"), ("www", "10 x"), ("@", "20 b")]), &key("@")).unwrap();
        assert_eq!((told.name.as_str(), told.data), ("lan", vec!["10 a".to_owned(), "20 b".to_owned()]));
        let same = set(&file(&[("lan.", "20  b.lan."), ("@", "10 a")]), &key("lan.")).unwrap();
        assert_eq!(same.0, tag);
        assert_ne!(set(&file(&[("@", "10 a")]), &key("@")).unwrap().0, tag);
        assert_eq!(set(&file(&[("www", "10 a")]), &key("@")), None);
    }

    #[test]
    fn a_record_of_the_file_beside_the_main_one_is_known_by_what_it_says() {
        let made = Made::of(&file(&[("@", "10 a")]));
        let apex: Fqdn = "lan".parse().unwrap();
        let says = &records(&file(&[("lan.", "10 a.lan.")]))[0].says;
        let (_, rtype, data) = says.as_ref().unwrap();
        assert!(made.has(&apex, *rtype, data) && !made.has(&"www.lan".parse().unwrap(), *rtype, data));
    }

    #[test]
    fn what_was_made_is_known_without_a_main_file_and_nothing_is_where_the_other_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (main, local) = (folder.path().join("leasehold.toml"), folder.path().join("leasehold.local.toml"));
        assert!(Made::beside(&main).0.is_empty());
        std::fs::write(&local, file(&[("@", "10 a")])).unwrap();
        assert_eq!(Made::beside(&main).0.len(), 1);
        std::fs::write(&local, [0xff]).unwrap();
        assert!(Made::beside(&main).0.is_empty());
    }
}
