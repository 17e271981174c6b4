//! Changes of the file's text: a reservation, a record or a machine put or taken out, whatever else stands there left alone.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::machines::{self, Machine};
use super::{HEADER, records};

pub use super::records::{NewRecords, RecordKey, WrittenRecord, records};

/// How a reservation knows its client: the key of the file, and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// By its hardware address, in any way of writing it.
    Hardware(String),
    /// By its client identifier (option 61): `hex:` and its bytes, or `text:` and its characters.
    ClientId(String),
    /// By the DUID in it: `hex:` and its bytes.
    Duid(String),
}

impl Client {
    /// Every key of the file that one can be written with.
    pub(super) const KEYS: [&str; 3] = ["hardware", "client_id", "duid"];

    /// As it is written with a key.
    pub(super) fn of(key: &str, text: String) -> Self {
        match key {
            "duid" => Self::Duid(text),
            "client_id" => Self::ClientId(text),
            _ => Self::Hardware(text),
        }
    }

    /// As one text says it: `duid:hex:…` for a DUID, `hex:…` or `text:…` for an identifier, else a hardware address.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("duid:") {
            Some(duid) => Self::Duid(duid.to_owned()),
            None if text.starts_with("hex:") || text.starts_with("text:") => Self::ClientId(text.to_owned()),
            None => Self::Hardware(text.to_owned()),
        }
    }

    /// The same for every way of writing one client, and another for each client.
    #[must_use]
    pub fn to_normal(&self) -> String {
        let text = match self {
            // What a text is in octets.
            Self::ClientId(text) if text.starts_with("text:") => {
                text["text:".len()..].bytes().map(|octet| format!("{octet:02x}")).collect()
            }
            _ => self.normal(),
        };
        format!("{} {text}", self.key())
    }

    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Hardware(_) => "hardware",
            Self::ClientId(_) => "client_id",
            Self::Duid(_) => "duid",
        }
    }

    pub(super) fn text(&self) -> &str {
        let (Self::Hardware(text) | Self::ClientId(text) | Self::Duid(text)) = self;
        text
    }

    /// The same for every way of writing one client.
    fn normal(&self) -> String {
        let text = self.text();
        match text.strip_prefix("text:") {
            Some(_) => text.to_owned(),
            None => text.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect(),
        }
    }

    fn is_of(&self, table: &Table) -> bool {
        let written = table.get(self.key()).and_then(Item::as_str);
        written.is_some_and(|text| match self {
            Self::Hardware(_) => Self::Hardware(text.to_owned()).normal() == self.normal(),
            Self::ClientId(_) => Self::ClientId(text.to_owned()).normal() == self.normal(),
            Self::Duid(_) => Self::Duid(text.to_owned()).normal() == self.normal(),
        })
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Duid(duid) => write!(f, "duid:{duid}"),
            Self::Hardware(text) | Self::ClientId(text) => f.write_str(text),
        }
    }
}

/// A reservation as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReservation {
    /// Whom it is for.
    pub client: Client,
    /// The address; `None`: one from the pools.
    pub address: Option<Ipv4Addr>,
    /// The subnet; `None`: the one that the address is in.
    pub subnet: Option<Ipv4Net>,
    /// The host's name.
    pub hostname: Option<String>,
}

/// A change of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Put a reservation, in the place of the one that its client has in this subnet.
    Reserve(NewReservation),
    /// Take out what a client has reserved: in one subnet, or everywhere.
    Unreserve(Client, Option<Ipv4Net>),
    /// Put records, in the place of those of this name and type.
    PutRecords(NewRecords),
    /// Put records beside those of this name and type.
    AddRecords(NewRecords),
    /// Take records out: those with this data, all where none is told.
    RemoveRecords(RecordKey, Vec<String>),
    /// Put a machine, in the place of the one of its name and domain.
    PutMachine(Machine),
    /// Take out the machine of this name: a full name, or its label where only one has it.
    RemoveMachine(String),
}

/// Why a text cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is not TOML.
    #[error("the file of reservations and records is not TOML, and is left as it is: {0}")]
    NotToml(String),
    /// The tables are written in a way that cannot be added to.
    #[error("`{0}` is written as one list in the file of reservations and records: write `[[{0}]]` tables instead")]
    OneList(&'static str),
    /// What is to be taken out is not there.
    #[error("{0}")]
    Absent(String),
    /// More than one is meant.
    #[error("several machines are called {0}: say the full name of one")]
    Several(String),
}

/// The text with the change made. `text` is empty for a file that is not there.
///
/// # Errors
/// [`EditError`]; nothing is different then.
pub fn edited(text: &str, edit: &Edit) -> Result<String, EditError> {
    let begun = if text.trim().is_empty() { HEADER } else { text };
    let (heading, begun) = begun.split_at(heading(begun));
    let mut document: DocumentMut =
        begun.parse().map_err(|error: toml_edit::TomlError| EditError::NotToml(error.message().to_owned()))?;
    match edit {
        Edit::Reserve(new) => reserve(tables(&mut document, "reservation")?, new),
        Edit::Unreserve(client, subnet) => {
            let list = tables(&mut document, "reservation")?;
            let meant = |table: &Table| client.is_of(table) && subnet.is_none_or(|subnet| is_in(table, subnet));
            if remove_where(list, meant) == 0 {
                return Err(EditError::Absent(format!(
                    "no reservation for {client} was made by a command, the API or the page; what the main file says is \
                     changed there"
                )));
            }
        }
        Edit::PutRecords(new) => records::put(tables(&mut document, "record")?, new),
        Edit::AddRecords(new) => records::add(tables(&mut document, "record")?, new),
        Edit::RemoveRecords(key, data) => {
            let of = match records::remove(tables(&mut document, "record")?, key, data) {
                Ok(0) => String::new(),
                Ok(_) => return Ok(format!("{heading}{document}")),
                Err(absent) => format!(" with the data {absent}"),
            };
            return Err(EditError::Absent(format!(
                "no record {key}{of} was made by a command, the API or the page; what the main file says is changed there"
            )));
        }
        Edit::PutMachine(machine) => machines::put(tables(&mut document, "host")?, machine),
        Edit::RemoveMachine(name) => match machines::remove(tables(&mut document, "host")?, name) {
            1 => {}
            0 => {
                return Err(EditError::Absent(format!(
                    "no machine {name} was made by a command, the API or the page; what the main file says is changed there"
                )));
            }
            _ => return Err(EditError::Several(name.clone())),
        },
    }
    Ok(format!("{heading}{document}"))
}

/// How long the comment is that is about the whole file: it would else go with the table that happens to come first.
fn heading(text: &str) -> usize {
    let comments: usize = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    let rest = &text[comments..];
    if rest.is_empty() || rest.starts_with('\n') { comments } else { 0 }
}

/// The reservations of a text, each with its address; none of one that is not TOML.
#[must_use]
pub fn reservations(text: &str) -> Vec<(Client, Option<Ipv4Addr>)> {
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let list = document.get("reservation").and_then(Item::as_array_of_tables);
    let of = |table: &Table| {
        let text = |key: &str| table.get(key).and_then(Item::as_str).map(str::to_owned);
        let hardware = text("hardware").map(Client::Hardware);
        let client =
            hardware.or_else(|| text("client_id").map(Client::ClientId)).or_else(|| text("duid").map(Client::Duid));
        Some((client?, text("address").and_then(|address| address.parse().ok())))
    };
    list.into_iter().flatten().filter_map(of).collect()
}

fn reserve(list: &mut ArrayOfTables, new: &NewReservation) {
    let subnet = new.subnet;
    let meant = |table: &Table| {
        new.client.is_of(table)
            && match (subnet, new.address) {
                (Some(subnet), _) => is_in(table, subnet),
                // The subnets are not known here: whoever asks tells which one it is.
                (None, _) => true,
            }
    };
    let found = list.iter().position(meant);
    let at = found.unwrap_or_else(|| {
        let mut table = Table::new();
        table[new.client.key()] = value(new.client.text());
        list.push(apart(table));
        list.len() - 1
    });
    let Some(written) = list.get_mut(at) else { return };
    set(written, "address", new.address.map(|address| address.to_string()));
    // An address tells the subnet by itself.
    set(written, "subnet", subnet.filter(|_| new.address.is_none()).map(|subnet| subnet.to_string()));
    set(written, "hostname", new.hostname.clone());
}

fn set(table: &mut Table, key: &str, text: Option<String>) {
    match text {
        // What is the same keeps the way it is written.
        Some(text) if table.get(key).and_then(Item::as_str) == Some(&text) => {}
        Some(text) => table[key] = value(text),
        None => _ = table.remove(key),
    }
}

/// Whether a reservation is of this subnet.
fn is_in(table: &Table, subnet: Ipv4Net) -> bool {
    let text = |key: &str| table.get(key).and_then(Item::as_str);
    match text("subnet") {
        Some(prefix) => prefix.parse() == Ok(subnet),
        None => text("address").and_then(|text| text.parse().ok()).is_some_and(|at: Ipv4Addr| subnet.contains(&at)),
    }
}

fn tables<'d>(document: &'d mut DocumentMut, key: &'static str) -> Result<&'d mut ArrayOfTables, EditError> {
    let item = document.entry(key).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or(EditError::OneList(key))
}

pub(super) fn remove_where(list: &mut ArrayOfTables, meant: impl Fn(&Table) -> bool) -> usize {
    let before = list.len();
    list.retain(|table| !meant(table));
    before - list.len()
}

/// With an empty line before it.
pub(super) fn apart(mut table: Table) -> Table {
    table.decor_mut().set_prefix("\n");
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn reserve(client: &str, address: &str, hostname: Option<&str>) -> Edit {
        Edit::Reserve(NewReservation {
            client: Client::parse(client),
            address: Some(address.parse().unwrap()),
            subnet: Some("10.0.0.0/24".parse().unwrap()),
            hostname: hostname.map(str::to_owned),
        })
    }

    #[test]
    fn a_reservation_is_put_once_whatever_way_its_client_is_written() {
        let first = edited("", &reserve("52:54:00:12:34:56", "10.0.0.5", Some("nas"))).unwrap();
        let expected = format!(
            "{HEADER}\n[[reservation]]\nhardware = \"52:54:00:12:34:56\"\naddress = \"10.0.0.5\"\nhostname = \"nas\"\n"
        );
        assert_eq!(first, expected);
        assert_eq!(edited(&first, &reserve("5254.0012.3456", "10.0.0.5", Some("nas"))).unwrap(), first, "idempotent");
        let moved = edited(&first, &reserve("52-54-00-12-34-56", "10.0.0.6", None)).unwrap();
        assert!(moved.contains("10.0.0.6") && !moved.contains("10.0.0.5") && !moved.contains("hostname"), "{moved}");
        assert_eq!(moved.matches("[[reservation]]").count(), 1);
        let two = edited(&moved, &reserve("hex:01:52:54", "10.0.0.7", None)).unwrap();
        assert!(two.contains("client_id = \"hex:01:52:54\""), "{two}");
        let client = Client::parse("525400123456");
        let one = edited(&two, &Edit::Unreserve(client.clone(), None)).unwrap();
        assert!(!one.contains("hardware") && one.contains("client_id"), "{one}");
        assert!(matches!(edited(&one, &Edit::Unreserve(client, None)), Err(EditError::Absent(_))));
    }

    #[test]
    fn comments_and_order_are_kept() {
        let text = "# mine\n\n# the printer upstairs\n[[reservation]]\naddress = \"10.0.0.5\" # above the door\n\
                    hardware = \"02:00:00:00:00:01\"\n\n[[host]]\nname = \"router\"\naddress = \"10.0.0.1\"\n";
        let more = edited(text, &reserve("02:00:00:00:00:02", "10.0.0.6", None)).unwrap();
        for kept in ["# mine", "# the printer upstairs", "# above the door", "[[host]]"] {
            assert!(more.contains(kept), "{more}");
        }
        let same = edited(text, &reserve("02:00:00:00:00:01", "10.0.0.5", None)).unwrap();
        assert_eq!(same, text);
    }

    #[test]
    fn a_text_that_cannot_be_changed_is_left_alone() {
        let edit = reserve("02:00:00:00:00:02", "10.0.0.6", None);
        assert!(matches!(edited("= x", &edit), Err(EditError::NotToml(_))));
        assert_eq!(edited("reservation = []\n", &edit), Err(EditError::OneList("reservation")));
    }
}
