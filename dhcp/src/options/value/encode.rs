//! From a value to bytes.

use std::net::Ipv4Addr;

use dns::Fqdn;

use super::{EncodeError, Resolver, Value};
use crate::options::build;
use crate::options::kind::{Kind, Number};
use crate::options::registry::{Definition, in_space};

/// The data of an option of this kind.
///
/// # Errors
/// [`EncodeError`]. [`Value::Bytes`] is taken for every kind, and sent as it stands.
pub fn encode(kind: &Kind, value: &Value) -> Result<Box<[u8]>, EncodeError> {
    if let (Value::Bytes(data), false) = (value, matches!(kind, Kind::Bytes { .. })) {
        return Ok(data.clone());
    }
    let mut out = Vec::new();
    append(kind, value, &mut out)?;
    let (least, most) = kind.lengths();
    if out.len() < least {
        return Err(EncodeError::TooShort);
    }
    if most.is_some_and(|most| out.len() > most) || out.len() > usize::from(u16::MAX) {
        return Err(EncodeError::TooLong);
    }
    Ok(out.into())
}

fn append(kind: &Kind, value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match (kind, value) {
        (Kind::Empty, Value::Empty) => {}
        (Kind::Bool, Value::Bool(on)) => out.push(u8::from(*on)),
        (Kind::Number(kind), Value::Number(value)) => append_number(kind, *value, out)?,
        (Kind::Numbers(kind), Value::Numbers(list)) => {
            list.iter().try_for_each(|value| append_number(kind, *value, out))?;
        }
        (Kind::Address, Value::Address(address)) => out.extend(address.octets()),
        (Kind::Addresses | Kind::MaybeAddresses, Value::Addresses(list)) => append_addresses(list, out),
        (Kind::AddressPairs, Value::AddressPairs(list)) => {
            list.iter().for_each(|(one, other)| append_addresses(&[*one, *other], out));
        }
        (Kind::Ipv6Address, Value::Ipv6Address(address)) => out.extend(address.octets()),
        (Kind::Text, Value::Text(text)) => out.extend(text.bytes()),
        (Kind::Texts { long }, Value::Texts(texts)) => {
            texts.iter().try_for_each(|text| append_counted(text.as_bytes(), *long, out))?;
        }
        (Kind::Name, Value::Names(names)) if names.len() == 1 => append_names(names, out),
        (Kind::Names { compressed: false }, Value::Names(names)) => append_names(names, out),
        (Kind::Names { compressed: true }, Value::Names(names)) => out.extend(build::domain_search(names)),
        (Kind::Routes, Value::Routes(routes)) => out.extend(build::classless_static_routes(routes, None)),
        (Kind::NamesOrAddresses, Value::Names(names)) => {
            // RFC 3361 section 3.1: encoding 0. Compression is not used, since not every client reads it.
            out.push(0);
            append_names(names, out);
        }
        (Kind::NamesOrAddresses, Value::Addresses(list)) => {
            out.push(1);
            append_addresses(list, out);
        }
        (Kind::AddressLists, Value::AddressLists(lists)) => {
            for list in lists {
                append_counted(&build::addresses(list), false, out)?;
            }
        }
        (Kind::Resolvers, Value::Resolvers(list)) => {
            list.iter().try_for_each(|resolver| append_resolver(resolver, out))?;
        }
        (Kind::Uuid, Value::Uuid(uuid_type, bytes)) => {
            out.push(*uuid_type);
            out.extend(bytes);
        }
        (Kind::Bytes { .. }, Value::Bytes(data)) => out.extend(data),
        (Kind::Record(fields), Value::Record(values)) if fields.len() == values.len() => {
            fields.iter().zip(values).try_for_each(|(field, value)| append(&field.kind, value, out))?;
        }
        (Kind::Suboptions(space), Value::Suboptions(list)) => append_suboptions(space, list, out)?,
        (Kind::Enterprises, Value::Enterprises(list)) => {
            for (number, data) in list {
                out.extend(number.to_be_bytes());
                append_counted(data, false, out)?;
            }
        }
        _ => return Err(EncodeError::WrongKind),
    }
    Ok(())
}

fn append_number(kind: &Number, value: i64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if !kind.allows(value) {
        return Err(EncodeError::OutOfRange);
    }
    let bytes = value.to_be_bytes();
    out.extend(&bytes[bytes.len() - usize::from(kind.bytes)..]);
    Ok(())
}

fn append_addresses(list: &[Ipv4Addr], out: &mut Vec<u8>) {
    out.extend(list.iter().flat_map(Ipv4Addr::octets));
}

fn append_names(names: &[Fqdn], out: &mut Vec<u8>) {
    names.iter().for_each(|name| out.extend(name.as_wire()));
}

/// The data after its length, of one byte or of two.
fn append_counted(data: &[u8], long: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if long {
        out.extend(u16::try_from(data.len()).map_err(|_| EncodeError::TooLong)?.to_be_bytes());
    } else {
        out.push(u8::try_from(data.len()).map_err(|_| EncodeError::TooLong)?);
    }
    out.extend(data);
    Ok(())
}

/// RFC 9463 section 5.1. Without addresses it ends after the name ("ADN-only mode").
fn append_resolver(resolver: &Resolver, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut one = Vec::new();
    one.extend(resolver.priority.to_be_bytes());
    append_counted(resolver.name.as_wire(), false, &mut one)?;
    if resolver.addresses.is_empty() {
        if !resolver.parameters.is_empty() {
            return Err(EncodeError::TooShort);
        }
    } else {
        append_counted(&build::addresses(&resolver.addresses), false, &mut one)?;
    }
    for (key, data) in &resolver.parameters {
        one.extend(key.to_be_bytes());
        append_counted(data, true, &mut one)?;
    }
    append_counted(&one, true, out)
}

fn append_suboptions(space: &'static [Definition], list: &[(u8, Value)], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    for (code, value) in list {
        let data = match (in_space(space, *code), value) {
            (Some(known), value) => encode(&known.kind, value)?,
            (None, Value::Bytes(data)) => data.clone(),
            (None, _) => return Err(EncodeError::WrongKind),
        };
        out.push(*code);
        append_counted(&data, false, out)?;
    }
    Ok(())
}
