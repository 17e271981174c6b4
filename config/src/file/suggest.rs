//! "Did you mean": which key or word was probably meant.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every key of the schema, with the headers of the tables that have it.
pub(super) struct KnownKeys {
    tables_of: BTreeMap<String, Vec<String>>,
}

impl KnownKeys {
    pub(super) fn of(schema: &Value) -> Self {
        let mut tables_of = BTreeMap::new();
        collect(schema, schema, "", "at the top of the file", &mut Vec::new(), &mut tables_of);
        Self { tables_of }
    }

    fn tables(&self, key: &str) -> Option<&[String]> {
        self.tables_of.get(key).map(Vec::as_slice)
    }
}

/// `way` holds the tables above: conditions hold conditions, and so on without an end.
fn collect<'s>(
    root: &'s Value,
    table: &'s Value,
    dotted: &str,
    header: &str,
    way: &mut Vec<&'s Value>,
    into: &mut BTreeMap<String, Vec<String>>,
) {
    let Some(properties) = table.get("properties").and_then(Value::as_object) else { return };
    if way.iter().any(|above| std::ptr::eq(*above, table)) {
        return;
    }
    way.push(table);
    for (key, property) in properties {
        into.entry(key.clone()).or_default().push(header.to_owned());
        let below = if dotted.is_empty() { key.clone() } else { format!("{dotted}.{key}") };
        let property = follow(root, property);
        match property.get("items").map(|items| follow(root, items)) {
            Some(items) => collect(root, items, &below, &format!("[[{below}]]"), way, into),
            None => collect(root, property, &below, &format!("[{below}]"), way, into),
        }
    }
    way.pop();
}

fn follow<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#"));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Words that other servers use for what is called otherwise here.
const SYNONYMS: [(&str, &str); 35] = [
    ("gateway", "routers"),
    ("gateways", "routers"),
    ("router", "routers"),
    ("default_gateway", "routers"),
    ("range", "pools"),
    ("ranges", "pools"),
    ("pool", "pools"),
    ("network", "prefix"),
    ("subnet", "prefix"),
    ("cidr", "prefix"),
    ("excluded", "exclude"),
    ("mac", "hardware"),
    ("mac_address", "hardware"),
    ("hw_address", "hardware"),
    ("hardware_address", "hardware"),
    ("ip", "address"),
    ("ip_address", "address"),
    ("name", "hostname"),
    ("host", "hostname"),
    ("dns", "dns_servers"),
    ("nameservers", "dns_servers"),
    ("name_servers", "dns_servers"),
    ("ntp", "ntp_servers"),
    ("search", "domain_search"),
    ("reservations", "reservation"),
    ("interface", "interfaces"),
    ("netmask", "mask"),
    ("valid_lifetime", "lease_time"),
    ("lease", "lease_time"),
    ("gw", "via"),
    ("forwarders", "upstreams"),
    ("dhcp_port", "server_port"),
    ("nameserver", "dns_servers"),
    ("next_hop", "via"),
    ("destination", "to"),
];

/// The one of `siblings` that was probably meant by the unknown `key`.
pub(super) fn meant_key<'s>(key: &str, siblings: &[&'s str]) -> Option<&'s str> {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    let ours = SYNONYMS.iter().filter(|(word, _)| *word == plain).map(|(_, ours)| *ours);
    let synonym = ours.filter_map(|ours| siblings.iter().copied().find(|sibling| *sibling == ours)).next();
    synonym.or_else(|| nearest(&plain, siblings))
}

/// What to do about the unknown `key`, which is near to none of `siblings`, in the table `place` (dotted; empty at
/// the top).
pub(super) fn mend_unknown_key(key: &str, siblings: &[&str], place: &str, known: &KnownKeys) -> String {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    if let Some(tables) = known.tables(&plain) {
        let list = tables.iter().filter(|table| !table.is_empty()).map(String::as_str).collect::<Vec<_>>().join(", ");
        let parent = place.rsplit_once('.').map(|(parent, _)| format!("[[{parent}]]"));
        if let Some(parent) = parent.filter(|parent| tables.contains(parent)) {
            return format!("`{plain}` is a key of {parent}: write it above [[{place}]]");
        }
        return format!("`{plain}` is a key of another table: {list}");
    }
    if siblings.is_empty() {
        return "take it out".to_owned();
    }
    format!("the keys here are: {}", siblings.join(", "))
}

/// The one of `candidates` that `text` most probably was meant to be, if any is near enough.
pub(crate) fn nearest<'c>(text: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let plain = text.to_ascii_lowercase().replace('-', "_");
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&plain, &candidate.to_ascii_lowercase().replace('-', "_"));
    let (least, best) = candidates.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    // One slip in three letters, and at most three in all: `pool` is `pools`, but `foo` is nothing.
    (least <= (plain.chars().count() / 3).min(3)).then_some(best)
}
