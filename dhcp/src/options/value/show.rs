//! An option in words: `router 192.0.2.1`, `netbios_node_type h-node`.

use std::fmt::{Display, Write as _};

use dns::Fqdn;

use super::{Resolver, Value, decode};
use crate::options::kind::{Kind, Number};
use crate::options::registry::{Definition, by_code, in_space};

/// An option's name, or `option 230` for one that has none.
#[must_use]
pub fn name_of(code: u8) -> String {
    by_code(code).map_or_else(|| format!("option {code}"), |known| known.name.to_owned())
}

/// An option's data in words: by its type where it has one and follows it, else its bytes in hexadecimal. Texts of
/// clients are quoted, with what does not print escaped.
#[must_use]
pub fn show(code: u8, data: &[u8]) -> String {
    let read = by_code(code).and_then(|known| Some(words(&known.kind, &decode(&known.kind, data)?)));
    // Sub-options that hold nothing but their end have no words.
    read.filter(|words| !words.is_empty()).unwrap_or_else(|| hex(data))
}

fn words(kind: &Kind, value: &Value) -> String {
    match value {
        Value::Empty => "yes".to_owned(),
        Value::Bool(on) => if *on { "true" } else { "false" }.to_owned(),
        Value::Number(number) => number_words(kind, *number),
        Value::Numbers(list) => join(list.iter().map(|number| number_words(kind, *number))),
        Value::Address(address) => address.to_string(),
        Value::Addresses(list) => join(list),
        Value::AddressPairs(list) => join(list.iter().map(|(one, other)| format!("{one} {other}"))),
        Value::Ipv6Address(address) => address.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Texts(list) => join(list.iter().map(|text| format!("{text:?}"))),
        Value::Names(names) => join(names.iter().map(plain)),
        Value::Routes(routes) => join(routes.iter().map(|(to, via)| format!("{to} via {via}"))),
        Value::AddressLists(lists) => join(lists.iter().map(|list| format!("[{}]", join(list)))),
        Value::Resolvers(list) => join(list.iter().map(resolver)),
        Value::Uuid(_, bytes) => uuid(bytes),
        Value::Record(values) => match kind {
            Kind::Record(fields) => join(
                fields.iter().zip(values).map(|(field, value)| format!("{} {}", field.name, words(&field.kind, value))),
            ),
            _ => String::new(),
        },
        Value::Suboptions(list) => join(list.iter().map(|(code, value)| suboption(kind, *code, value))),
        Value::Enterprises(list) => join(list.iter().map(|(number, data)| format!("{number}: {}", hex(data)))),
        Value::Bytes(data) => hex(data),
    }
}

fn number_words(kind: &Kind, number: i64) -> String {
    let word = match kind {
        Kind::Number(kind) | Kind::Numbers(kind) => Number::word(kind, number),
        _ => None,
    };
    word.map_or_else(|| number.to_string(), str::to_owned)
}

fn suboption(kind: &Kind, code: u8, value: &Value) -> String {
    let known: Option<&Definition> = match kind {
        Kind::Suboptions(space) => in_space(space, code),
        _ => None,
    };
    match known {
        Some(known) => format!("{} {}", known.name, words(&known.kind, value)),
        None => format!("{code}: {}", words(&Kind::Empty, value)),
    }
}

/// RFC 9463: what a client needs to find it.
fn resolver(resolver: &Resolver) -> String {
    let mut out = format!("{} {}", resolver.priority, plain(&resolver.name));
    for address in &resolver.addresses {
        let _ = write!(out, " {address}");
    }
    for (key, value) in &resolver.parameters {
        let _ = write!(out, " key{key}={}", hex(value));
    }
    out
}

fn plain(name: &Fqdn) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|stem| !stem.is_empty()).unwrap_or(&text).to_owned()
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn hex(data: &[u8]) -> String {
    let mut out = String::from("hex:");
    for (at, byte) in data.iter().enumerate() {
        let colon = if at == 0 { "" } else { ":" };
        let _ = write!(out, "{colon}{byte:02x}");
    }
    out
}

fn join<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for (at, item) in items.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{item}");
    }
    out
}
