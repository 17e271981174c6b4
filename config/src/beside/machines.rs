//! Machines in the text of a file (`[[host]]`): read, put, taken out.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value, value};

use super::edit::Client;

/// A machine as a file writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its name: one label, or a full name.
    pub name: String,
    /// The domain of a name of one label, where it is written.
    pub domain: Option<String>,
    /// Addresses that are configured at the machine itself.
    pub addresses: Vec<String>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Time to live, as it is written: a number of seconds, or such as `1h`.
    pub ttl: Option<String>,
}

/// An interface of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// By what DHCP knows it; none for one that is configured by hand.
    pub clients: Vec<Client>,
    /// Its address; `None`: one from the pools.
    pub address: Option<String>,
}

/// The machines of a text; none of one that is not TOML.
#[must_use]
pub fn machines(text: &str) -> Vec<Machine> {
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let read = document.get("host").map(|item| tables(item).into_iter().map(read).collect());
    read.unwrap_or_default()
}

/// Puts a machine, in the place of the one of its name and domain. What is written so already keeps the way it is written.
pub(super) fn put(list: &mut ArrayOfTables, machine: &Machine) {
    // One of the same label in another domain is another machine.
    let full = full(&machine.name, machine.domain.as_deref());
    let found = list.iter_mut().find(|table| full_of(table) == full);
    let Some(table) = found else {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        write(&mut table, machine);
        list.push(table);
        return;
    };
    if read(table) != *machine {
        let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
        keys.iter().for_each(|key| _ = table.remove(key));
        write(table, machine);
    }
}

/// Takes the machine of this name out: the one that is written so in full, else one of this label. How many were called so;
/// nothing is taken out unless it is one.
pub(super) fn remove(list: &mut ArrayOfTables, name: &str) -> usize {
    let name = full(name, None);
    let places = |is_meant: &dyn Fn(&Table) -> bool| -> Vec<usize> {
        list.iter().enumerate().filter(|(_, table)| is_meant(table)).map(|(at, _)| at).collect()
    };
    let mut found = places(&|table| full_of(table) == name);
    if found.is_empty() {
        found = places(&|table| full(&text(table, "name").unwrap_or_default(), None) == name);
    }
    if let [at] = found[..] {
        list.remove(at);
    }
    found.len()
}

fn full_of(table: &Table) -> String {
    full(&text(table, "name").unwrap_or_default(), text(table, "domain").as_deref())
}

/// A machine's name with its domain, where one is written.
fn full(name: &str, domain: Option<&str>) -> String {
    let plain = |text: &str| text.trim().trim_end_matches('.').to_ascii_lowercase();
    match domain {
        Some(domain) => format!("{}.{}", plain(name), plain(domain)),
        None => plain(name),
    }
}

fn write(table: &mut Table, machine: &Machine) {
    table["name"] = value(&machine.name);
    if let Some(domain) = &machine.domain {
        table["domain"] = value(domain);
    }
    if let Some(written) = one_or_more(&machine.addresses) {
        table["address"] = written;
    }
    if let Some(ttl) = &machine.ttl {
        table["ttl"] = ttl.parse::<i64>().map_or_else(|_| value(ttl), value);
    }
    let mut interfaces = ArrayOfTables::new();
    for one in &machine.interfaces {
        let mut interface = Table::new();
        for key in Client::KEYS {
            let texts: Vec<String> =
                one.clients.iter().filter(|one| one.key() == key).map(|one| one.text().to_owned()).collect();
            if let Some(written) = one_or_more(&texts) {
                interface[key] = written;
            }
        }
        if let Some(address) = &one.address {
            interface["address"] = value(address);
        }
        interfaces.push(interface);
    }
    if !interfaces.is_empty() {
        table["interface"] = Item::ArrayOfTables(interfaces);
    }
}

fn one_or_more(texts: &[String]) -> Option<Item> {
    match texts {
        [] => None,
        [one] => Some(value(one)),
        more => Some(value(more.iter().collect::<Array>())),
    }
}

fn read(table: &(impl TableLike + ?Sized)) -> Machine {
    let interface = |table: &dyn TableLike| Interface {
        clients: Client::KEYS
            .into_iter()
            .flat_map(|key| texts(table, key).into_iter().map(move |text| Client::of(key, text)))
            .collect(),
        address: text(table, "address"),
    };
    Machine {
        name: text(table, "name").unwrap_or_default(),
        domain: text(table, "domain"),
        addresses: texts(table, "address"),
        interfaces: table.get("interface").map(tables).unwrap_or_default().into_iter().map(interface).collect(),
        ttl: table.get("ttl").and_then(|ttl| match ttl.as_integer() {
            Some(seconds) => Some(seconds.to_string()),
            None => ttl.as_str().map(str::to_owned),
        }),
    }
}

/// Tables, whichever way a list of them is written.
fn tables(item: &Item) -> Vec<&dyn TableLike> {
    match item {
        Item::ArrayOfTables(list) => list.iter().map(|table| table as &dyn TableLike).collect(),
        Item::Value(Value::Array(list)) => {
            list.iter().filter_map(|one| one.as_inline_table().map(|table| table as &dyn TableLike)).collect()
        }
        _ => Vec::new(),
    }
}

fn text(table: &(impl TableLike + ?Sized), key: &str) -> Option<String> {
    table.get(key)?.as_str().map(str::to_owned)
}

/// One text, or a list of them.
fn texts(table: &(impl TableLike + ?Sized), key: &str) -> Vec<String> {
    match table.get(key).and_then(Item::as_value) {
        Some(Value::String(one)) => vec![one.value().clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::edit::{Edit, EditError, edited};
    use super::*;

    fn nas() -> Machine {
        let interface = |clients: &[&str], address: Option<&str>| Interface {
            clients: clients.iter().map(|text| Client::parse(text)).collect(),
            address: address.map(str::to_owned),
        };
        Machine {
            name: "nas".to_owned(),
            interfaces: vec![
                interface(&["52:54:00:12:34:56", "52:54:00:12:34:58", "hex:01:02"], Some("10.0.0.5")),
                interface(&["duid:hex:00:01"], None),
            ],
            addresses: vec!["10.0.1.5".to_owned(), "2001:db8::5".to_owned()],
            ttl: Some("60".to_owned()),
            ..Machine::default()
        }
    }

    #[test]
    fn a_machine_is_put_once_read_back_and_taken_out_again() {
        let begun = "# mine\n\n[[host]] # the printer\nname = \"printer\"\naddress = \"10.0.0.9\"\n\n\
                     [[reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"10.0.0.7\"\n";
        let text = edited(begun, &Edit::PutMachine(nas())).unwrap();
        assert!(text.contains("# the printer") && text.matches("[[host.interface]]").count() == 2, "{text}");
        assert!(text.contains("hardware = [\"52:54:00:12:34:56\", \"52:54:00:12:34:58\"]"), "{text}");
        assert_eq!(machines(&text)[1], nas());
        assert_eq!(edited(&text, &Edit::PutMachine(nas())).unwrap(), text, "the same again changes nothing");
        let moved = Machine { addresses: vec!["10.0.0.10".to_owned()], ..Machine::default() };
        let moved = Machine { name: "PRINTER".to_owned(), ..moved };
        let other = edited(&text, &Edit::PutMachine(moved.clone())).unwrap();
        assert_eq!(machines(&other), [moved, nas()], "{other}");
        assert!(!other.contains("10.0.0.9"), "{other}");
        let none = edited(&text, &Edit::RemoveMachine("NAS.".to_owned())).unwrap();
        assert_eq!(none, begun);
        assert!(matches!(edited(&none, &Edit::RemoveMachine("nas".to_owned())), Err(EditError::Absent(_))));
    }

    #[test]
    fn each_way_of_writing_a_machine_is_read() {
        let text = "host = [{ name = \"a\", domain = \"lan\", ttl = \"1h\", interface = [{ hardware = \"02:00:00:00:00:01\" }] }]\n";
        let found = machines(text);
        assert_eq!((found[0].ttl.as_deref(), found[0].interfaces[0].clients.len()), (Some("1h"), 1));
        assert_eq!(edited(text, &Edit::PutMachine(nas())), Err(EditError::OneList("host")));
        assert_eq!(machines("= x"), []);
        let named = edited(
            "[[host]]\nname = \"a\"\ndomain = \"lan\"\naddress = \"10.0.0.1\"\n",
            &Edit::RemoveMachine("a.lan".to_owned()),
        );
        assert!(!named.unwrap().contains("[[host]]"));
    }

    #[test]
    fn machines_of_one_label_in_two_domains_are_two() {
        let of = |domain: &str, address: &str| Machine {
            name: "nas".to_owned(),
            domain: Some(domain.to_owned()),
            addresses: vec![address.to_owned()],
            ..Machine::default()
        };
        let (a, b) = (of("a.lan", "10.1.0.1"), of("b.lan", "10.2.0.1"));
        let one = edited("", &Edit::PutMachine(a.clone())).unwrap();
        let both = edited(&one, &Edit::PutMachine(b.clone())).unwrap();
        assert_eq!(machines(&both), [a.clone(), b.clone()]);
        let remove = |text: &str, name: &str| edited(text, &Edit::RemoveMachine(name.to_owned()));
        let told = remove(&both, "nas").unwrap_err();
        assert!(matches!(told, EditError::Several(_)), "{told}");
        assert_eq!(machines(&remove(&both, "nas.A.lan.").unwrap()), [b]);
        assert_eq!(machines(&remove(&one, "nas").unwrap()), [], "the label is enough for one");
        // The same machine with its full name, and another without a domain.
        let moved = Machine { name: "nas.b.lan".to_owned(), domain: None, ..of("", "10.2.0.2") };
        let changed = edited(&both, &Edit::PutMachine(moved.clone())).unwrap();
        assert_eq!(machines(&changed), [a.clone(), moved]);
        let bare = Machine { domain: None, ..of("", "10.3.0.1") };
        let three = edited(&one, &Edit::PutMachine(bare.clone())).unwrap();
        assert_eq!(machines(&three), [a.clone(), bare]);
        assert_eq!(machines(&remove(&three, "nas").unwrap()), [a], "as it is written, it is one");
    }
}
