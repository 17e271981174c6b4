//! Static records in the file's text: put, added and taken out, whatever else stands there left alone.
//!
//! Data is compared by what it says, so that the same again is no change in whatever way it is written. Records that are
//! there for some views alone are left to whoever wrote them.

use dns::{Fqdn, Rdata, RecordType};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::edit::{apart, remove_where};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::resolve::{parse_duration, record_data, relative};

/// A record set as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecords {
    /// Whose they are.
    pub key: RecordKey,
    /// The data of each, as in a zone file.
    pub data: Vec<String>,
    /// Time to live in seconds; `None`: the zone's.
    pub ttl_secs: Option<u32>,
}

/// Which records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordKey {
    /// The zone's name.
    pub zone: String,
    /// Where several zones have that name: a view of the one that is meant; `None`: the only one, or the one for all others.
    pub view: Option<String>,
    /// The owner, relative to the zone, or a full name with a final dot.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// What else may stand in the place of `view` for the same zone: it may have several views, and a sole one needs none. As
    /// far as the configuration is known.
    pub same: Vec<Option<String>>,
}

impl std::fmt::Display for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} of zone {}", self.name, self.rtype, self.zone)?;
        self.view.iter().try_for_each(|view| write!(f, " (view {view})"))
    }
}

/// A record as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRecord {
    /// Whose it is, as it is written.
    pub key: RecordKey,
    /// Its data, as it is written.
    pub data: String,
    /// Time to live in seconds; `None`: the zone's.
    pub ttl_secs: Option<u32>,
    /// What it says: owner, type and data; `None` where that cannot be read.
    pub says: Option<(Fqdn, RecordType, Rdata)>,
}

impl RecordKey {
    fn of(table: &Table) -> Self {
        let text = |key: &str| table.get(key).and_then(Item::as_str).unwrap_or_default().to_owned();
        let view = table.get("view").and_then(Item::as_str).map(str::to_owned);
        Self { zone: text("zone"), view, name: text("name"), rtype: text("type"), same: Vec::new() }
    }

    /// The zone's name.
    #[must_use]
    pub fn apex(&self) -> Option<Fqdn> {
        self.zone.trim_end_matches('.').to_ascii_lowercase().parse().ok()
    }

    /// The full name of the owner.
    #[must_use]
    pub fn owner(&self) -> Option<Fqdn> {
        relative(&self.name, Span::default(), &self.apex()?, &mut Findings::default())
    }

    /// The type.
    #[must_use]
    pub fn record_type(&self) -> Option<RecordType> {
        self.rtype.trim().parse().ok()
    }

    /// Whether both mean the records of one name and type. What cannot be read is itself alone.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let read = |key: &Self| Some((key.apex()?, key.owner()?, key.record_type()?));
        match (read(self), read(other)) {
            (Some(one), Some(two)) => one == two && (self.view == other.view || self.same.contains(&other.view)),
            (None, None) => self == other,
            _ => false,
        }
    }

    /// What data of these records says.
    fn says(&self, data: &str) -> Option<Rdata> {
        let at = At { value: FreeText(data.to_owned()), span: Span::default() };
        record_data(self.record_type()?, &at, &self.apex()?, &mut Findings::default())
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        one.trim() == other.trim() || self.says(one).is_some_and(|says| Some(says) == self.says(other))
    }

    fn is_of(&self, table: &Table) -> bool {
        !table.contains_key("views") && self.is(&Self::of(table))
    }
}

/// The records of a text, but for those of some views alone; none of one that is not TOML.
#[must_use]
pub fn records(text: &str) -> Vec<WrittenRecord> {
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let list = document.get("record").and_then(Item::as_array_of_tables);
    let of = |table: &Table| {
        let key = RecordKey::of(table);
        let data = data_of(table);
        let says = key.owner().zip(key.record_type()).zip(key.says(&data));
        let says = says.map(|((owner, rtype), rdata)| (owner, rtype, rdata));
        WrittenRecord { key, data, ttl_secs: ttl_of(table), says }
    };
    list.into_iter().flatten().filter(|table| !table.contains_key("views")).map(of).collect()
}

fn data_of(table: &Table) -> String {
    table.get("data").and_then(Item::as_str).unwrap_or_default().to_owned()
}

fn ttl_of(table: &Table) -> Option<u32> {
    match table.get("ttl")? {
        item if item.is_integer() => item.as_integer().and_then(|secs| u32::try_from(secs).ok()),
        item => item.as_str().and_then(parse_duration),
    }
}

/// Puts records in the place of those of their name and type. What is there already stays as it is written.
pub(super) fn put(list: &mut ArrayOfTables, new: &NewRecords) {
    let key = &new.key;
    let wanted = |table: &Table| new.data.iter().any(|data| key.is_same(data, &data_of(table)));
    remove_where(list, |table| key.is_of(table) && !wanted(table));
    set_ttl(list, key, new.ttl_secs);
    push(list, new, new.ttl_secs);
}

/// Puts records beside those of their name and type, whose time to live they have unless another is told; then all have
/// that one, since the records of a set have one (RFC 2181 section 5.2).
pub(super) fn add(list: &mut ArrayOfTables, new: &NewRecords) {
    if new.ttl_secs.is_some() {
        set_ttl(list, &new.key, new.ttl_secs);
    }
    let there = list.iter().find(|table| new.key.is_of(table)).and_then(ttl_of);
    push(list, new, new.ttl_secs.or(there));
}

/// Takes records out: those with this data, all of them where none is told. How many were there; where one of the data is
/// not there, that one, and nothing is taken out.
pub(super) fn remove(list: &mut ArrayOfTables, key: &RecordKey, data: &[String]) -> Result<usize, String> {
    let is_there = |one: &&String| list.iter().any(|table| key.is_of(table) && key.is_same(one, &data_of(table)));
    if let Some(absent) = data.iter().find(|one| !is_there(one)) {
        return Err(absent.clone());
    }
    let meant = |table: &Table| data.is_empty() || data.iter().any(|one| key.is_same(one, &data_of(table)));
    Ok(remove_where(list, |table| key.is_of(table) && meant(table)))
}

fn set_ttl(list: &mut ArrayOfTables, key: &RecordKey, ttl_secs: Option<u32>) {
    for table in list.iter_mut().filter(|table| key.is_of(table) && ttl_of(table) != ttl_secs) {
        match ttl_secs {
            Some(ttl) => table["ttl"] = value(i64::from(ttl)),
            None => drop(table.remove("ttl")),
        }
    }
}

/// Adds those that are not there.
fn push(list: &mut ArrayOfTables, new: &NewRecords, ttl_secs: Option<u32>) {
    let key = &new.key;
    for data in &new.data {
        if list.iter().any(|table| key.is_of(table) && key.is_same(data, &data_of(table))) {
            continue;
        }
        let mut table = Table::new();
        table["zone"] = value(&key.zone);
        if let Some(view) = &key.view {
            table["view"] = value(view);
        }
        table["name"] = value(&key.name);
        table["type"] = value(&key.rtype);
        table["data"] = value(data);
        if let Some(ttl) = ttl_secs {
            table["ttl"] = value(i64::from(ttl));
        }
        list.push(apart(table));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::HEADER;
    use super::super::edit::{Edit, EditError, edited};
    use super::*;

    fn key(name: &str, rtype: &str) -> RecordKey {
        RecordKey {
            zone: "lan".to_owned(),
            view: None,
            name: name.to_owned(),
            rtype: rtype.to_owned(),
            same: Vec::new(),
        }
    }

    fn new(name: &str, rtype: &str, data: &[&str], ttl_secs: Option<u32>) -> NewRecords {
        let data = data.iter().map(|data| (*data).to_owned()).collect();
        NewRecords { key: key(name, rtype), data, ttl_secs }
    }

    fn put(name: &str, data: &[&str]) -> Edit {
        Edit::PutRecords(new(name, "A", data, None))
    }

    fn remove(name: &str, rtype: &str, data: &[&str]) -> Edit {
        Edit::RemoveRecords(key(name, rtype), data.iter().map(|data| (*data).to_owned()).collect())
    }

    #[test]
    fn records_of_one_name_and_type_are_put_and_taken_out_together() {
        let text = edited("", &put("www", &["10.0.0.1", "10.0.0.2"])).unwrap();
        assert_eq!(text.matches("[[record]]").count(), 2);
        let one = edited(&text, &put("WWW.lan.", &["10.0.0.3"])).unwrap();
        assert!(one.matches("[[record]]").count() == 1 && one.contains("10.0.0.3"), "{one}");
        let key = RecordKey { zone: "LAN.".to_owned(), ..key("www", "a") };
        let none = edited(&one, &Edit::RemoveRecords(key.clone(), Vec::new())).unwrap();
        assert_eq!(none, HEADER, "what is said of the file stays");
        assert!(matches!(edited(&none, &Edit::RemoveRecords(key, Vec::new())), Err(EditError::Absent(_))));
    }

    #[test]
    fn the_same_again_is_no_change_in_whatever_way_it_is_written_and_comments_stay() {
        let text = "[[record]] # the door\nzone = \"lan\"\nname = \"@\"\ntype = \"MX\"\ndata = \"10 mail\"\nttl = \"1h\"\n\n\
                    [[record]]\nzone = \"lan\"\nname = \"b\"\ntype = \"A\"\ndata = \"10.0.0.1\"\n";
        for (name, data) in [("@", "10 mail"), ("lan.", "10  mail.lan."), ("@", "10 MAIL")] {
            let same = edited(text, &Edit::PutRecords(new(name, "mx", &[data], Some(3_600)))).unwrap();
            assert_eq!(same, text, "{name} {data}");
        }
        let more = edited(text, &Edit::PutRecords(new("@", "MX", &["10 mail", "20 mail2"], Some(3_600)))).unwrap();
        assert!(more.starts_with(text) && more.contains("data = \"20 mail2\"\nttl = 3600\n"), "{more}");
        let less = edited(&more, &Edit::PutRecords(new("@", "MX", &["20 mail2"], None))).unwrap();
        assert!(!less.contains("the door") && !less.contains("ttl") && less.contains("mail2"), "{less}");
    }

    #[test]
    fn one_is_added_and_one_taken_out_and_the_others_stay() {
        let two = edited("", &Edit::PutRecords(new("www", "A", &["10.0.0.1", "10.0.0.2"], Some(60)))).unwrap();
        let three = edited(&two, &Edit::AddRecords(new("www", "A", &["10.0.0.2", "10.0.0.3"], None))).unwrap();
        let listed = records(&three);
        let told: Vec<_> = listed.iter().map(|one| (one.data.as_str(), one.ttl_secs)).collect();
        assert_eq!(told, [("10.0.0.1", Some(60)), ("10.0.0.2", Some(60)), ("10.0.0.3", Some(60))]);
        assert_eq!(listed[0].says.as_ref().unwrap().0, "www.lan".parse().unwrap());
        let slow = edited(&three, &Edit::AddRecords(new("www", "A", &["10.0.0.3"], Some(90)))).unwrap();
        assert!(records(&slow).iter().all(|one| one.ttl_secs == Some(90)), "a set has one time to live: {slow}");
        let one = edited(&three, &remove("www", "A", &["10.0.0.3", "10.0.0.1"])).unwrap();
        assert_eq!(records(&one).iter().map(|one| one.data.as_str()).collect::<Vec<_>>(), ["10.0.0.2"]);
        let absent = edited(&one, &remove("www", "A", &["10.0.0.2", "10.0.0.9"])).unwrap_err();
        assert!(absent.to_string().starts_with("no record www A of zone lan with the data 10.0.0.9"), "{absent}");
    }

    #[test]
    fn what_is_of_some_views_alone_is_left_to_whoever_wrote_it() {
        let text =
            "[[record]]\nzone = \"lan\"\nname = \"www\"\ntype = \"A\"\ndata = \"10.0.0.1\"\nviews = [\"inside\"]\n";
        let both = edited(text, &put("www", &["10.0.0.1"])).unwrap();
        assert_eq!((both.matches("[[record]]").count(), records(&both).len()), (2, 1), "{both}");
        assert_eq!(edited(&both, &remove("www", "A", &[])).unwrap(), text);
    }

    #[test]
    fn records_of_zones_of_one_name_are_told_apart_by_their_view() {
        let of = |view: Option<&str>| RecordKey { view: view.map(str::to_owned), ..key("www", "A") };
        let put = |text: &str, view, data: &str| {
            let new = NewRecords { key: of(view), data: vec![data.to_owned()], ttl_secs: None };
            edited(text, &Edit::PutRecords(new)).unwrap()
        };
        let text = put(&put("", Some("inside"), "10.0.0.1"), None, "10.0.0.2");
        assert!(text.contains("zone = \"lan\"\nview = \"inside\"\nname = \"www\""), "{text}");
        let changed = put(&text, Some("inside"), "10.0.0.3");
        let told: Vec<_> = records(&changed).into_iter().map(|one| (one.key.view, one.data)).collect();
        let inside = Some("inside".to_owned());
        assert_eq!(told, [(None, "10.0.0.2".to_owned()), (inside.clone(), "10.0.0.3".to_owned())]);
        let left = edited(&changed, &Edit::RemoveRecords(of(None), vec![])).unwrap();
        assert_eq!(records(&left).len(), 1);
        let absent = edited(&left, &Edit::RemoveRecords(of(None), vec![])).unwrap_err();
        assert!(absent.to_string().contains("no record www A of zone lan "), "{absent}");
        let absent = edited(&left, &Edit::RemoveRecords(of(Some("guests")), vec![])).unwrap_err();
        assert!(absent.to_string().contains("of zone lan (view guests)"), "{absent}");
    }

    #[test]
    fn records_of_one_zone_are_found_by_whichever_of_its_views_they_say() {
        let said = |view: Option<&str>| RecordKey { view: view.map(str::to_owned), ..key("www", "A") };
        let new = |key: RecordKey, data: &str| {
            Edit::PutRecords(NewRecords { key, data: vec![data.to_owned()], ttl_secs: None })
        };
        let text = edited("", &new(said(Some("lan")), "10.0.0.1")).unwrap();
        let whole = RecordKey { same: vec![Some("lan".to_owned()), None], ..said(Some("inside")) };
        let text = edited(&text, &new(whole.clone(), "10.0.0.2")).unwrap();
        let told: Vec<_> = records(&text).into_iter().map(|one| (one.key.view, one.data)).collect();
        assert_eq!(told, [(Some("inside".to_owned()), "10.0.0.2".to_owned())], "in its place, not beside it");
        let by_hand = edited("", &new(said(None), "10.0.0.3")).unwrap();
        assert_eq!(records(&edited(&by_hand, &Edit::RemoveRecords(whole, vec![])).unwrap()).len(), 0);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_itself_alone() {
        let text = "[[record]]\nzone = \"lan\"\nname = \"a b\"\ntype = \"A\"\ndata = \"here\"\n";
        assert_eq!(records(text)[0].says, None);
        assert!(edited(text, &remove("www", "A", &[])).is_err());
        assert!(!edited(text, &remove("a b", "A", &[])).unwrap().contains("here"));
    }
}
