//! From an option's data as it is written to a typed value, by its kind.

use std::net::{Ipv4Addr, Ipv6Addr};

use dhcp::options::kind::{Field, Kind, Number};
use dhcp::options::registry::Definition;
use dhcp::options::value::{EncodeError, Resolver, Value, encode};
use dns::Fqdn;
use ipnet::Ipv4Net;

use super::raw_option;
use super::scalars::hex;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::option_value::{OptionTable, OptionValue};

/// The most bytes of one option's data. More than a few hundred never fit a reply.
pub(super) const DATA_BYTES_MAX: usize = 1_024;

/// The data of an option of `kind`, which `name` is written for.
pub(super) fn read(at: &At<OptionValue>, name: &str, kind: &Kind, findings: &mut Findings) -> Option<Box<[u8]>> {
    let wrong = |span: Span, message: String, label: &str, mend: String, findings: &mut Findings| {
        findings.fault(span, message, label, mend);
        None
    };
    if let OptionValue::Text(text) = &at.value
        && (raw_option::is_raw(text) || matches!(kind, Kind::Bytes { .. }))
    {
        let data = raw_option::read(text, at.span, findings)?;
        let (least, most) = kind.lengths();
        let fits = data.is_empty() || (least..=most.unwrap_or(DATA_BYTES_MAX)).contains(&data.len());
        if matches!(kind, Kind::Bytes { .. }) && !fits {
            let mend = format!("write it like `{name} = {}`", kind.example());
            return wrong(at.span, format!("option `{name}` takes {}", kind.takes()), "not taken here", mend, findings);
        }
        // Of another kind, it is the way out: it is sent as it stands.
        return Some(data);
    }
    let value = match value(kind, at) {
        Ok(value) => value,
        Err(Wrong::Value(span)) => {
            let mend = format!("write it like `{name} = {}`", kind.example());
            return wrong(span, format!("option `{name}` takes {}", kind.takes()), "not taken here", mend, findings);
        }
        Err(Wrong::Part { span, part, kind: part_kind }) => {
            let message = format!("`{part}` of option `{name}` takes {}", part_kind.takes());
            let mend = format!("write it like `{part} = {}`", part_kind.example());
            return wrong(span, message, "not taken here", mend, findings);
        }
        Err(Wrong::Unknown { span, key, known }) => {
            let mend = unknown_mend(&key, &known);
            return wrong(span, format!("unknown key `{key}` in option `{name}`"), "not a key here", mend, findings);
        }
        Err(Wrong::Missing(part)) => {
            let mend = format!("write it like `{name} = {}`", kind.example());
            return wrong(at.span, format!("`{part}` is missing in option `{name}`"), "incomplete", mend, findings);
        }
    };
    match encode(kind, &value) {
        Ok(data) if data.len() <= DATA_BYTES_MAX => Some(data),
        Ok(_) | Err(EncodeError::TooLong) => wrong(
            at.span,
            format!("the data of option `{name}` is too long"),
            "too long",
            format!("write {DATA_BYTES_MAX} bytes at most, and 255 at most for each sub-option or enterprise"),
            findings,
        ),
        Err(error) => wrong(
            at.span,
            format!("option `{name}` cannot be sent so: {error}"),
            "not taken here",
            format!("write it like `{name} = {}`", kind.example()),
            findings,
        ),
    }
}

/// What to write instead of an unknown key.
pub(super) fn unknown_mend(key: &str, known: &[&str]) -> String {
    match crate::file::suggest::nearest(key, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "write its number".to_owned(),
        None => format!("the keys here are: {}", known.join(", ")),
    }
}

/// What is wrong, and where.
enum Wrong {
    /// A value is not what the option takes.
    Value(Span),
    /// A field or sub-option is not what it takes.
    Part { span: Span, part: String, kind: Kind },
    /// A key of a table is not known.
    Unknown { span: Span, key: String, known: Vec<&'static str> },
    /// A field is not there.
    Missing(&'static str),
}

type Read<T> = Result<T, Wrong>;

fn value(kind: &Kind, at: &At<OptionValue>) -> Read<Value> {
    if let Some(data) = raw(&at.value) {
        return Ok(Value::Bytes(data.ok_or(Wrong::Value(at.span))?));
    }
    Ok(match kind {
        Kind::Empty if matches!(at.value, OptionValue::Bool(true)) => Value::Empty,
        Kind::Empty | Kind::Bytes { .. } => return Err(Wrong::Value(at.span)),
        Kind::Bool => match at.value {
            OptionValue::Bool(on) => Value::Bool(on),
            _ => return Err(Wrong::Value(at.span)),
        },
        Kind::Number(kind) => Value::Number(number(kind, at)?),
        Kind::Numbers(kind) => Value::Numbers(several(at, |item| number(kind, item))?),
        Kind::Address => Value::Address(parsed(at)?),
        Kind::Addresses | Kind::MaybeAddresses => Value::Addresses(several(at, parsed)?),
        Kind::AddressPairs => Value::AddressPairs(several(at, pair)?),
        Kind::Ipv6Address => Value::Ipv6Address(parsed::<Ipv6Addr>(at)?),
        Kind::Text => Value::Text(text(at)?.to_owned()),
        Kind::Texts { .. } => Value::Texts(several(at, |item| text(item).map(str::to_owned))?),
        Kind::Name => Value::Names(vec![name(at)?]),
        Kind::Names { .. } => Value::Names(several(at, name)?),
        Kind::Routes => Value::Routes(several(at, route)?),
        Kind::NamesOrAddresses => match several(at, parsed) {
            Ok(addresses) => Value::Addresses(addresses),
            Err(_) => Value::Names(several(at, name)?),
        },
        Kind::AddressLists => Value::AddressLists(several(at, |item| several(item, parsed))?),
        Kind::Resolvers => Value::Resolvers(several(at, resolver)?),
        Kind::Uuid => Value::Uuid(0, uuid(text(at)?).ok_or(Wrong::Value(at.span))?),
        Kind::Record(fields) => Value::Record(record(fields, at)?),
        Kind::Suboptions(space) => Value::Suboptions(suboptions(space, at)?),
        Kind::Enterprises => Value::Enterprises(enterprises(at)?),
    })
}

/// `{ hex = "01:02" }` or a raw text; then its bytes, if it is well written.
pub(super) fn raw(value: &OptionValue) -> Option<Option<Box<[u8]>>> {
    match value {
        OptionValue::Text(text) if raw_option::is_raw(text) => Some(raw_option::parse(text).map(Vec::into_boxed_slice)),
        OptionValue::Table(OptionTable(table)) if table.len() == 1 => {
            let (key, data) = table.first_key_value()?;
            match &data.value {
                OptionValue::Text(digits) if key.value.0 == "hex" => {
                    Some(hex(digits.trim()).map(Vec::into_boxed_slice))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn number(kind: &Number, at: &At<OptionValue>) -> Read<i64> {
    let number = match &at.value {
        OptionValue::Number(number) => Some(*number),
        OptionValue::Text(word) => kind.value_of(word),
        _ => None,
    };
    number.filter(|number| kind.allows(*number)).ok_or(Wrong::Value(at.span))
}

/// A list of items, at least one of them; or one item alone.
fn several<T>(at: &At<OptionValue>, read: impl Fn(&At<OptionValue>) -> Read<T>) -> Read<Vec<T>> {
    match &at.value {
        OptionValue::List(list) if list.is_empty() => Err(Wrong::Value(at.span)),
        OptionValue::List(list) => list.iter().map(read).collect(),
        _ => Ok(vec![read(at)?]),
    }
}

fn text(at: &At<OptionValue>) -> Read<&str> {
    match &at.value {
        OptionValue::Text(text) if !text.is_empty() => Ok(text),
        _ => Err(Wrong::Value(at.span)),
    }
}

fn parsed<T: std::str::FromStr>(at: &At<OptionValue>) -> Read<T> {
    text(at)?.trim().parse().map_err(|_| Wrong::Value(at.span))
}

fn pair(at: &At<OptionValue>) -> Read<(Ipv4Addr, Ipv4Addr)> {
    match &at.value {
        OptionValue::List(list) => match list.as_slice() {
            [one, other] => Ok((parsed(one)?, parsed(other)?)),
            _ => Err(Wrong::Value(at.span)),
        },
        _ => Err(Wrong::Value(at.span)),
    }
}

fn name(at: &At<OptionValue>) -> Read<Fqdn> {
    let text = text(at)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    text.parse().ok().filter(|_| plain).ok_or(Wrong::Value(at.span))
}

fn table(at: &At<OptionValue>) -> Read<&OptionTable> {
    match &at.value {
        OptionValue::Table(table) => Ok(table),
        _ => Err(Wrong::Value(at.span)),
    }
}

fn field<'t>(table: &'t OptionTable, name: &str) -> Option<&'t At<OptionValue>> {
    table.0.iter().find(|(key, _)| key.value.0 == name).map(|(_, value)| value)
}

fn only(table: &OptionTable, known: &[&'static str]) -> Read<()> {
    match table.0.keys().find(|key| !known.contains(&key.value.0.as_str())) {
        Some(key) => Err(Wrong::Unknown { span: key.span, key: key.value.0.clone(), known: known.to_vec() }),
        None => Ok(()),
    }
}

fn route(at: &At<OptionValue>) -> Read<(Ipv4Net, Ipv4Addr)> {
    let route = table(at)?;
    only(route, &["to", "via"])?;
    let to: Ipv4Net = parsed(field(route, "to").ok_or(Wrong::Missing("to"))?)?;
    Ok((to.trunc(), parsed(field(route, "via").ok_or(Wrong::Missing("via"))?)?))
}

fn resolver(at: &At<OptionValue>) -> Read<Resolver> {
    let written = table(at)?;
    only(written, &["priority", "name", "addresses", "parameters"])?;
    let priority = field(written, "priority").map_or(Ok(1), |at| number(&Number::unsigned(2), at))?;
    Ok(Resolver {
        priority: u16::try_from(priority).unwrap_or(u16::MAX),
        name: name(field(written, "name").ok_or(Wrong::Missing("name"))?)?,
        addresses: field(written, "addresses").map_or(Ok(Vec::new()), |at| several(at, parsed))?,
        parameters: field(written, "parameters").map_or(Ok(Vec::new()), parameters)?,
    })
}

/// Service parameters (RFC 9460 section 14.3.2) in the order of their keys: `alpn`, `port`, `dohpath` (RFC 9461), and
/// others as `key6 = "hex:.."`.
fn parameters(at: &At<OptionValue>) -> Read<Vec<(u16, Box<[u8]>)>> {
    let mut list = Vec::new();
    for (key, value) in &table(at)?.0 {
        let (number, data) = match key.value.0.as_str() {
            "alpn" => {
                let mut data = Vec::new();
                for protocol in several(value, |item| text(item).map(str::to_owned))? {
                    data.push(u8::try_from(protocol.len()).map_err(|_| Wrong::Value(value.span))?);
                    data.extend(protocol.into_bytes());
                }
                (1, data.into())
            }
            "port" => {
                let port = number(&Number::unsigned(2), value)?;
                (3, u16::try_from(port).unwrap_or(u16::MAX).to_be_bytes()[..].into())
            }
            "dohpath" => (7, text(value)?.as_bytes().into()),
            other => {
                let number = other.strip_prefix("key").and_then(|number| number.parse().ok());
                let known = vec!["alpn", "port", "dohpath"];
                let number = number.ok_or(Wrong::Unknown { span: key.span, key: other.to_owned(), known })?;
                (number, raw(&value.value).flatten().ok_or(Wrong::Value(value.span))?)
            }
        };
        list.push((number, data));
    }
    list.sort_by_key(|(number, _)| *number);
    Ok(list)
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    hex(&text.replace('-', ""))?.try_into().ok()
}

fn record(fields: &[Field], at: &At<OptionValue>) -> Read<Vec<Value>> {
    let written = table(at)?;
    only(written, &fields.iter().map(|field| field.name).collect::<Vec<_>>())?;
    fields
        .iter()
        .map(|part| {
            let at = field(written, part.name).ok_or(Wrong::Missing(part.name))?;
            within(part.name, &part.kind, at)
        })
        .collect()
}

/// A part's value; what is wrong with it is told about the part.
fn within(part: &str, kind: &Kind, at: &At<OptionValue>) -> Read<Value> {
    value(kind, at).map_err(|wrong| match wrong {
        Wrong::Value(span) => Wrong::Part { span, part: part.to_owned(), kind: *kind },
        other => other,
    })
}

fn suboptions(space: &[Definition], at: &At<OptionValue>) -> Read<Vec<(u8, Value)>> {
    let mut list = Vec::new();
    for (key, at) in &table(at)?.0 {
        let written = key.value.0.as_str();
        let number = written.parse::<u8>().ok().filter(|number| (1..=254).contains(number));
        let known = space.iter().find(|known| known.name == written || Some(known.code) == number);
        list.push(match (known, number) {
            (Some(known), _) => (known.code, within(known.name, &known.kind, at)?),
            (None, Some(number)) => {
                let data = raw(&at.value).flatten();
                (
                    number,
                    Value::Bytes(data.ok_or(Wrong::Part {
                        span: at.span,
                        part: written.to_owned(),
                        kind: dhcp::options::kind::BYTES,
                    })?),
                )
            }
            (None, None) => {
                let known = space.iter().map(|known| known.name).collect();
                return Err(Wrong::Unknown { span: key.span, key: written.to_owned(), known });
            }
        });
    }
    list.sort_by_key(|(code, _)| *code);
    Ok(list)
}

fn enterprises(at: &At<OptionValue>) -> Read<Vec<(u32, Box<[u8]>)>> {
    let entries = table(at)?.0.iter();
    entries
        .map(|(key, value)| {
            let number = key.value.0.parse().map_err(|_| Wrong::Value(key.span))?;
            Ok((number, raw(&value.value).flatten().ok_or(Wrong::Value(value.span))?))
        })
        .collect()
}
