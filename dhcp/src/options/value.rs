//! Typed option data: [`encode`] to bytes, [`decode`] from whatever the network sends, [`show`] in words.

mod decode;
mod encode;
mod show;

use std::net::{Ipv4Addr, Ipv6Addr};

use dns::Fqdn;
use ipnet::Ipv4Net;
use thiserror::Error;

pub use decode::decode;
pub use encode::encode;
pub use show::{name_of, show};

/// An option's data, understood. Which variant belongs to which kind is told beside each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `Empty`.
    Empty,
    /// `Bool`.
    Bool(bool),
    /// `Number`.
    Number(i64),
    /// `Numbers`.
    Numbers(Vec<i64>),
    /// `Address`.
    Address(Ipv4Addr),
    /// `Addresses` and `MaybeAddresses`; `NamesOrAddresses` where they are addresses.
    Addresses(Vec<Ipv4Addr>),
    /// `AddressPairs`.
    AddressPairs(Vec<(Ipv4Addr, Ipv4Addr)>),
    /// `Ipv6Address`.
    Ipv6Address(Ipv6Addr),
    /// `Text`.
    Text(String),
    /// `Texts`.
    Texts(Vec<String>),
    /// `Name` (one) and `Names`; `NamesOrAddresses` where they are names.
    Names(Vec<Fqdn>),
    /// `Routes`: destinations and their routers.
    Routes(Vec<(Ipv4Net, Ipv4Addr)>),
    /// `AddressLists`.
    AddressLists(Vec<Vec<Ipv4Addr>>),
    /// `Resolvers`.
    Resolvers(Vec<Resolver>),
    /// `Uuid`: its type and its bytes.
    Uuid(u8, [u8; 16]),
    /// `Record`: a value for each field.
    Record(Vec<Value>),
    /// `Suboptions`: codes and their values, [`Value::Bytes`] for those that are not known.
    Suboptions(Vec<(u8, Value)>),
    /// `Enterprises`: numbers and their data.
    Enterprises(Vec<(u32, Box<[u8]>)>),
    /// `Bytes`, and any kind's data as it stands.
    Bytes(Box<[u8]>),
}

/// An encrypted DNS resolver (RFC 9463 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The lower is preferred.
    pub priority: u16,
    /// Its authentication domain name.
    pub name: Fqdn,
    /// Its addresses; none for "ADN-only mode", and then there are no parameters.
    pub addresses: Vec<Ipv4Addr>,
    /// Service parameters (RFC 9460) by key, in the order of the keys.
    pub parameters: Vec<(u16, Box<[u8]>)>,
}

/// Why a value has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The value is none of this kind.
    #[error("the value is of another type")]
    WrongKind,
    /// A number is out of its bounds.
    #[error("a number is out of range")]
    OutOfRange,
    /// A part does not fit its length byte, or the whole is longer than the option may be.
    #[error("it is too long")]
    TooLong,
    /// There is less than the option must have.
    #[error("it is too short")]
    TooShort,
}

#[cfg(test)]
mod tests;
