//! Records that the configuration states: which there are, and which of them were made by commands, the API and the page.

use std::collections::HashSet;
use std::path::Path;

use config::Config;
use config::beside::edit::{RecordKey, WrittenRecord, records};
use config::beside::path_beside;
use dns::{Fqdn, Rdata, RecordType, Rrset};
use web::ETag;
use web::model::{RecordsSet, StaticRecord};
use zones::zone_id;

/// Those that the file beside the main one has.
#[derive(Clone, Debug, Default)]
pub struct Made(HashSet<(Option<String>, Fqdn, RecordType, Rdata)>);

/// By which words a record that stands by itself is for a zone.
#[derive(Clone, Debug, Default)]
pub struct MadeFor(Vec<Option<String>>);

impl MadeFor {
    /// The zone of the configuration that is known by this: by each of its views, and by none where it is the only one of its
    /// name or that for all others.
    #[must_use]
    pub fn zone(config: &Config, id: &Fqdn) -> Self {
        let views = zone_id::views(id);
        let apex = zone_id::apex(id);
        let of_name = config.dns.zones.iter().filter(|zone| zone.apex == apex).count();
        let unsaid = (views.is_empty() || of_name < 2).then_some(None);
        Self(unsaid.into_iter().chain(views.into_iter().map(Some)).collect())
    }

    /// A zone of another server's, which no view has.
    #[must_use]
    pub fn remote() -> Self {
        Self(vec![None])
    }
}

impl Made {
    /// Of what that file says.
    #[must_use]
    pub fn of(beside: &str) -> Self {
        let said = |one: WrittenRecord| one.says.map(|(name, rtype, data)| (one.key.view, name, rtype, data));
        Self(records(beside).into_iter().filter_map(said).collect())
    }

    /// Of the file beside this one; none where there is no file that can be read. The main file is not looked at, and
    /// no change that is being checked is waited for: a view of records needs neither.
    #[must_use]
    pub fn beside(main: &Path) -> Self {
        std::fs::read_to_string(path_beside(main)).map_or_else(|_| Self::default(), |text| Self::of(&text))
    }

    /// Whether this one is, of such a zone.
    #[must_use]
    pub fn has(&self, zone: &MadeFor, name: &Fqdn, rtype: RecordType, data: &Rdata) -> bool {
        // A record is known by all of these; a copy is made of what is small.
        let is_made = |view: &Option<String>| self.0.contains(&(view.clone(), name.clone(), rtype, data.clone()));
        !self.0.is_empty() && zone.0.iter().any(is_made)
    }
}

/// The key of records by the zone that they lead to: of several views that it has the first is written, of a sole zone or that
/// for all others none; all of them are found.
#[must_use]
pub fn canonical(config: &Config, key: RecordKey) -> RecordKey {
    let Some(apex) = key.apex() else { return key };
    let zones = config.dns.zones.iter().filter(|zone| zone.apex == apex);
    let ways = zones.map(|zone| MadeFor::zone(config, &zone.sight.id).0);
    let Some(same) = ways.into_iter().find(|ways| ways.contains(&key.view)) else { return key };
    let view = same.first().cloned().flatten();
    RecordKey { view, same, ..key }
}

/// Every static record, of one zone or of all, by zone and name; those of some views alone are not among them.
#[must_use]
pub fn list(config: &Config, beside: &str, zone: Option<&Fqdn>) -> Vec<StaticRecord> {
    let made = Made::of(beside);
    let routes = &config.ddns.zones;
    let stated = config.ddns.stated.iter().filter_map(|set| Some((&routes[routes.place_of(&set.name)?].apex, set)));
    let is_meant = |apex: &Fqdn| zone.is_none_or(|zone| zone == apex);
    let mut list: Vec<StaticRecord> = Vec::new();
    for zone in config.dns.zones.iter().filter(|zone| is_meant(&zone.apex)) {
        let of_zone = MadeFor::zone(config, &zone.sight.id);
        list.extend(zone.records.iter().flat_map(|set| rows(&zone.sight.id, &set, (&made, &of_zone))));
    }
    let remote = MadeFor::remote();
    let stated = stated.filter(|(apex, _)| is_meant(apex));
    list.extend(stated.flat_map(|(apex, set)| rows(apex, set, (&made, &remote))));
    list.sort();
    list
}

fn rows(id: &Fqdn, set: &Rrset, (made, zone): (&Made, &MadeFor)) -> Vec<StaticRecord> {
    let row = |data: &Rdata| StaticRecord {
        zone: crate::http::shown(&zone_id::apex(id)),
        views: zone_id::views(id),
        name: crate::http::shown(&set.name),
        rtype: set.rtype.to_string(),
        ttl: set.ttl,
        data: data.words(set.rtype),
        made: made.has(zone, &set.name, set.rtype, data),
    };
    set.rdata.iter().map(row).collect()
}

/// The records of one name and type that the file beside the main one has, with their version: the same for the same
/// records in whatever way and order they are written.
#[must_use]
pub fn set(beside: &str, key: &RecordKey) -> Option<(ETag, RecordsSet)> {
    let all: Vec<_> = records(beside).into_iter().filter(|one| key.is(&one.key)).collect();
    let (owner, rtype) = (key.owner()?, key.record_type()?);
    let ttl = all.iter().filter_map(|one| one.ttl_secs).min();
    let said = |one: &WrittenRecord| match &one.says {
        Some((_, rtype, data)) => data.words(*rtype),
        None => one.data.clone(),
    };
    let mut says: Vec<String> = all.iter().map(said).collect();
    says.sort();
    let tag = ETag::of(&(owner.to_string(), rtype.to_string(), ttl, says));
    let data: Vec<String> = all.into_iter().map(|one| one.data).collect();
    let name = crate::http::shown(&owner);
    let zone = key.zone.trim_end_matches('.').to_ascii_lowercase();
    let view = key.view.clone();
    (!data.is_empty()).then_some((tag, RecordsSet { zone, view, name, rtype: rtype.to_string(), data, ttl }))
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
        RecordKey { zone: "lan".to_owned(), view: None, name: name.to_owned(), rtype: "MX".to_owned(), same: vec![] }
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
        let here = MadeFor::remote();
        assert!(made.has(&here, &apex, *rtype, data) && !made.has(&here, &"www.lan".parse().unwrap(), *rtype, data));
    }

    #[test]
    fn of_several_zones_of_one_name_a_record_was_made_for_that_of_its_view() {
        let text = "[[view]]\nname = \"inside\"\nclients = [\"10.0.0.0/8\"]\n\
                    [[zone]]\nname = \"lan\"\nviews = [\"inside\"]\n[[zone]]\nname = \"lan\"\n";
        let beside = "[[record]]\nzone = \"lan\"\nview = \"inside\"\nname = \"www\"\ntype = \"A\"\ndata = \"10.0.0.1\"\n\
                      [[record]]\nzone = \"lan\"\nname = \"www\"\ntype = \"A\"\ndata = \"192.0.2.1\"\n";
        let no_secrets = |_: &Path| Err(String::new());
        let config = config::check(&format!("{text}{beside}"), "test.toml", &no_secrets).unwrap().config;
        let listed = list(&config, beside, None);
        let told: Vec<_> = listed.iter().map(|one| (one.views.join(","), one.data.as_str(), one.made)).collect();
        assert_eq!(told, [(String::new(), "192.0.2.1", true), ("inside".to_owned(), "10.0.0.1", true)]);
        let only_inside = beside.split_once("[[record]]\nzone = \"lan\"\nname").unwrap().0;
        let made: Vec<bool> = list(&config, only_inside, None).iter().map(|one| one.made).collect();
        assert_eq!(made, [false, true]);
        let key = RecordKey { view: Some("inside".to_owned()), rtype: "A".to_owned(), ..key("www") };
        let (tag, told) = set(beside, &key).unwrap();
        assert_eq!((told.view.as_deref(), told.data), (Some("inside"), vec!["10.0.0.1".to_owned()]));
        let of_others = set(beside, &RecordKey { view: None, ..key }).unwrap();
        assert!(of_others.1.data == ["192.0.2.1"] && of_others.0 != tag);
    }

    #[test]
    fn however_the_view_is_said_a_zones_records_have_one_key() {
        let views = |names: &str| {
            let one = |name: &str, at: u8| format!("[[view]]\nname = \"{name}\"\nclients = [\"10.{at}.0.0/16\"]\n");
            let text = format!(
                "{}{}{}[[zone]]\nname = \"lan\"\nviews = [\"lan\", \"inside\"]\n{names}",
                one("lan", 1),
                one("inside", 2),
                one("guests", 3)
            );
            let no_secrets = |_: &Path| Err(String::new());
            config::check(&text, "test.toml", &no_secrets).unwrap().config
        };
        let said =
            |view: Option<&str>| RecordKey { view: view.map(str::to_owned), rtype: "A".to_owned(), ..key("www") };
        let several = views("[[zone]]\nname = \"lan\"\nviews = [\"guests\"]\n[[zone]]\nname = \"lan\"\n");
        let of = |view| canonical(&several, said(view)).view;
        assert_eq!([of(Some("lan")), of(Some("inside"))], [Some("inside".to_owned()), Some("inside".to_owned())]);
        assert_eq!((of(Some("guests")), of(None)), (Some("guests".to_owned()), None));
        assert_eq!(of(Some("other")), Some("other".to_owned()), "the fault is told by the configuration's check");
        assert!(!canonical(&several, said(Some("lan"))).is(&said(None)), "that for all others is another zone");
        // A sole zone needs no view.
        let sole = views("");
        for view in [None, Some("lan"), Some("inside")] {
            let key = canonical(&sole, said(view));
            assert_eq!(key.view, None);
            assert!([None, Some("lan"), Some("inside")].into_iter().all(|other| key.is(&said(other))), "{view:?}");
        }
        let written = "[[record]]\nzone = \"lan\"\nview = \"lan\"\nname = \"www\"\ntype = \"A\"\ndata = \"10.0.0.1\"\n";
        let (_, told) = set(written, &canonical(&several, said(Some("inside")))).unwrap();
        assert_eq!(told.data, ["10.0.0.1"], "what the page lists it can change");
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
