//! From bytes of the network to a value. What does not follow its kind has no value; nothing panics, and what is
//! made of the data is never much larger than it.

use std::net::{Ipv4Addr, Ipv6Addr};

use dns::Fqdn;
use ipnet::Ipv4Net;

use super::{Resolver, Value};
use crate::options::kind::{Kind, Number};
use crate::options::registry::{Definition, in_space};

/// The most names that are read of one option: with pointers, each costs two bytes and may stand for 255.
const NAMES_MAX: usize = 128;

/// The value of an option's data; `None` where the data does not follow its kind.
///
/// A number that has no word is read as it stands; a text loses its final NULs
/// (RFC 2132 section 2).
#[must_use]
pub fn decode(kind: &Kind, data: &[u8]) -> Option<Value> {
    let (least, most) = kind.lengths();
    if data.len() < least || most.is_some_and(|most| data.len() > most) {
        return None;
    }
    Some(match kind {
        Kind::Empty => Value::Empty,
        Kind::Bool => match data {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        Kind::Number(kind) => Value::Number(number(kind, data)),
        Kind::Numbers(kind) => Value::Numbers(numbers(kind, data)?),
        Kind::Address => Value::Address(address(data)?),
        Kind::Addresses | Kind::MaybeAddresses => Value::Addresses(addresses(data)?),
        Kind::AddressPairs => Value::AddressPairs(pairs(data)?),
        Kind::Ipv6Address => Value::Ipv6Address(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        Kind::Text => Value::Text(text(data)?),
        Kind::Texts { long } => Value::Texts(counted(data, *long)?.into_iter().map(text).collect::<Option<_>>()?),
        Kind::Name => Value::Names(names(data).filter(|names| names.len() == 1)?),
        Kind::Names { .. } => Value::Names(names(data)?),
        Kind::Routes => Value::Routes(routes(data)?),
        Kind::NamesOrAddresses => match data {
            [0, rest @ ..] => Value::Names(names(rest)?),
            [1, rest @ ..] => Value::Addresses(addresses(rest)?),
            _ => return None,
        },
        Kind::AddressLists => {
            Value::AddressLists(counted(data, false)?.into_iter().map(addresses).collect::<Option<_>>()?)
        }
        Kind::Resolvers => Value::Resolvers(counted(data, true)?.into_iter().map(resolver).collect::<Option<_>>()?),
        Kind::Uuid => Value::Uuid(*data.first()?, data.get(1..)?.try_into().ok()?),
        Kind::Bytes { .. } => Value::Bytes(data.into()),
        Kind::Record(fields) => {
            let mut rest = data;
            let mut values = Vec::with_capacity(fields.len());
            for (at, field) in fields.iter().enumerate() {
                let last = at + 1 == fields.len();
                let (part, after) = if last { (rest, &[][..]) } else { rest.split_at_checked(field.kind.lengths().0)? };
                // A last text may be empty, as the words of a status are.
                let empty_text = part.is_empty() && field.kind == Kind::Text;
                values.push(if empty_text { Value::Text(String::new()) } else { decode(&field.kind, part)? });
                rest = after;
            }
            Value::Record(values)
        }
        Kind::Suboptions(space) => Value::Suboptions(suboptions(space, data)?),
        Kind::Enterprises => Value::Enterprises(enterprises(data)?),
    })
}

fn number(kind: &Number, data: &[u8]) -> i64 {
    let negative = kind.min < 0 && data.first().is_some_and(|first| *first >= 0x80);
    data.iter().fold(if negative { -1 } else { 0 }, |value, byte| (value << 8) | i64::from(*byte))
}

fn numbers(kind: &Number, data: &[u8]) -> Option<Vec<i64>> {
    let bytes = usize::from(kind.bytes).max(1);
    data.len().is_multiple_of(bytes).then(|| data.chunks_exact(bytes).map(|one| number(kind, one)).collect())
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))
}

fn addresses(data: &[u8]) -> Option<Vec<Ipv4Addr>> {
    if !data.len().is_multiple_of(4) {
        return None;
    }
    data.chunks_exact(4).map(address).collect()
}

fn pairs(data: &[u8]) -> Option<Vec<(Ipv4Addr, Ipv4Addr)>> {
    if !data.len().is_multiple_of(8) {
        return None;
    }
    data.chunks_exact(8).map(|pair| Some((address(&pair[..4])?, address(&pair[4..])?))).collect()
}

/// RFC 2132 section 2: "the receiver of such options MUST be prepared to delete trailing nulls if they exist."
fn text(data: &[u8]) -> Option<String> {
    Some(std::str::from_utf8(data).ok()?.trim_end_matches('\0').to_owned())
}

/// Parts that each stand after their length, of one byte or of two.
fn counted(mut data: &[u8], long: bool) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !data.is_empty() {
        let (len, rest) = match (long, data) {
            (true, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]).into(), rest),
            (false, [len, rest @ ..]) => (usize::from(*len), rest),
            _ => return None,
        };
        let (part, rest) = rest.split_at_checked(len)?;
        parts.push(part);
        data = rest;
    }
    Some(parts)
}

/// RFC 3397 section 2: the names of the whole option, joined before, point into it.
fn names(data: &[u8]) -> Option<Vec<Fqdn>> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < data.len() {
        if names.len() == NAMES_MAX {
            return None;
        }
        let (name, after) = name_at(data, at)?;
        names.push(name);
        at = after;
    }
    Some(names)
}

/// The name at an offset, and where the next one begins. A pointer leads backwards only, so it ends.
fn name_at(data: &[u8], start: usize) -> Option<(Fqdn, usize)> {
    let mut labels: Vec<&[u8]> = Vec::new();
    let (mut at, mut lowest, mut after) = (start, start, None);
    loop {
        match *data.get(at)? {
            0 => break,
            len @ 1..=63 => {
                // A name of 255 octets has 127 labels at most.
                if labels.len() == 127 {
                    return None;
                }
                labels.push(data.get(at + 1..at + 1 + usize::from(len))?);
                at += 1 + usize::from(len);
            }
            high @ 0xC0.. => {
                let target = usize::from(u16::from_be_bytes([high & 0x3F, *data.get(at + 1)?]));
                after.get_or_insert(at + 2);
                if target >= lowest {
                    return None;
                }
                (at, lowest) = (target, target);
            }
            _ => return None,
        }
    }
    Some((Fqdn::from_labels(labels).ok()?, after.unwrap_or(at + 1)))
}

fn routes(mut data: &[u8]) -> Option<Vec<(Ipv4Net, Ipv4Addr)>> {
    let mut routes = Vec::new();
    while let [len, rest @ ..] = data {
        let (significant, rest) = rest.split_at_checked(usize::from(*len).div_ceil(8)).filter(|_| *len <= 32)?;
        let (router, rest) = rest.split_at_checked(4)?;
        let mut octets = [0; 4];
        octets[..significant.len()].copy_from_slice(significant);
        // Bits beyond the length mean nothing.
        routes.push((Ipv4Net::new(octets.into(), *len).ok()?.trunc(), address(router)?));
        data = rest;
    }
    Some(routes)
}

/// RFC 9463 section 5.1. One that ends after its name is in "ADN-only mode".
fn resolver(data: &[u8]) -> Option<Resolver> {
    let [high, low, name_len, rest @ ..] = data else { return None };
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let mut resolver = Resolver {
        priority: u16::from_be_bytes([*high, *low]),
        name: Fqdn::from_wire(name).ok()?,
        addresses: Vec::new(),
        parameters: Vec::new(),
    };
    if let [len, rest @ ..] = rest {
        let (list, mut rest) = rest.split_at_checked(usize::from(*len))?;
        resolver.addresses = addresses(list).filter(|list| !list.is_empty())?;
        while let [k1, k2, l1, l2, after @ ..] = rest {
            let (value, after) = after.split_at_checked(u16::from_be_bytes([*l1, *l2]).into())?;
            resolver.parameters.push((u16::from_be_bytes([*k1, *k2]), value.into()));
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(resolver)
}

/// Sub-options to the end, or to an END (255), with which RFC 2132 section 8.4 lets option 43 end.
fn suboptions(space: &'static [Definition], mut data: &[u8]) -> Option<Vec<(u8, Value)>> {
    let mut list = Vec::new();
    while let [code, rest @ ..] = data {
        match (*code, rest) {
            (255, _) => break,
            (0, rest) => data = rest,
            (code, [len, rest @ ..]) => {
                let (part, rest) = rest.split_at_checked(usize::from(*len))?;
                let known = in_space(space, code).and_then(|known| decode(&known.kind, part));
                list.push((code, known.unwrap_or_else(|| Value::Bytes(part.into()))));
                data = rest;
            }
            _ => return None,
        }
    }
    Some(list)
}

fn enterprises(mut data: &[u8]) -> Option<Vec<(u32, Box<[u8]>)>> {
    let mut list = Vec::new();
    while let [a, b, c, d, len, rest @ ..] = data {
        let (part, rest) = rest.split_at_checked(usize::from(*len))?;
        list.push((u32::from_be_bytes([*a, *b, *c, *d]), part.into()));
        data = rest;
    }
    data.is_empty().then_some(list)
}
