//! What an option's data is made of.

use super::registry::Definition;

/// The type of an option's data. Whatever has no type of its own is [`Kind::Bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No data: it is there, or it is not.
    Empty,
    /// One byte, 0 or 1.
    Bool,
    /// One number.
    Number(Number),
    /// Numbers one after another, one at least.
    Numbers(Number),
    /// One IPv4 address.
    Address,
    /// IPv4 addresses one after another.
    Addresses,
    /// IPv4 addresses, or none at all (option 68).
    MaybeAddresses,
    /// Pairs of IPv4 addresses: an address and a mask, or a destination and a router.
    AddressPairs,
    /// One IPv6 address.
    Ipv6Address,
    /// UTF-8 (of which NVT ASCII is a part), without a final NUL.
    Text,
    /// Texts, each after its length: one byte of it in option 77, two in option 143.
    Texts {
        /// Two bytes of length; else one.
        long: bool,
    },
    /// One domain name in the form of RFC 1035 section 3.1.
    Name,
    /// Domain names in the form of RFC 1035 section 3.1.
    Names {
        /// Tails may be pointed to (RFC 1035 section 4.1.4); they are read so in any case.
        compressed: bool,
    },
    /// Classless routes (RFC 3442).
    Routes,
    /// An encoding byte, then domain names (0) or IPv4 addresses (1), as in option 120 (RFC 3361).
    NamesOrAddresses,
    /// Lists of IPv4 addresses, each after its length in bytes (RFC 7291).
    AddressLists,
    /// Encrypted DNS resolvers (RFC 9463).
    Resolvers,
    /// A type byte and 16 bytes (RFC 4578 section 2.3).
    Uuid,
    /// Bytes.
    Bytes {
        /// The fewest.
        min: u16,
        /// The most.
        max: u16,
    },
    /// Fields one after another; only the last may vary in length.
    Record(&'static [Field]),
    /// Sub-options, each with its code and its length.
    Suboptions(&'static [Definition]),
    /// For each enterprise, by its number, data after its length (RFC 3925).
    Enterprises,
}

/// A part of a [`Kind::Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// A number's width in network order, its bounds and the words for some of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// In bytes: 1, 2 or 4.
    pub bytes: u8,
    /// The least value.
    pub min: i64,
    /// The greatest value. A signed number has a `min` under 0.
    pub max: i64,
    /// Values that have a word. Where there are words, other values are read from the wire and not configured.
    pub words: &'static [(i64, &'static str)],
}

impl Number {
    /// Unsigned, of this many bytes.
    #[must_use]
    pub const fn unsigned(bytes: u8) -> Self {
        Self { bytes, min: 0, max: (1 << (8 * bytes)) - 1, words: &[] }
    }

    /// Whether it may be configured.
    #[must_use]
    pub fn allows(&self, number: i64) -> bool {
        (self.min..=self.max).contains(&number)
            && (self.words.is_empty() || self.words.iter().any(|(value, _)| *value == number))
    }

    /// The word for a value.
    #[must_use]
    pub fn word(&self, number: i64) -> Option<&'static str> {
        self.words.iter().find(|(value, _)| *value == number).map(|(_, word)| *word)
    }

    /// The value of a word.
    #[must_use]
    pub fn value_of(&self, word: &str) -> Option<i64> {
        self.words.iter().find(|(_, known)| *known == word).map(|(value, _)| *value)
    }

    fn takes(&self, several: bool) -> String {
        if !self.words.is_empty() {
            let words: Vec<String> = self.words.iter().map(|(_, word)| format!("{word:?}")).collect();
            return format!("{} {}", if several { "a list of" } else { "one of" }, words.join(", "));
        }
        let what = if several { "whole numbers" } else { "a whole number" };
        format!("{what} between {} and {}", self.min, self.max)
    }
}

/// An unsigned byte.
pub const U8: Kind = Kind::Number(Number::unsigned(1));
/// Two bytes, unsigned.
pub const U16: Kind = Kind::Number(Number::unsigned(2));
/// Four bytes, unsigned.
pub const U32: Kind = Kind::Number(Number::unsigned(4));
/// Four bytes, signed.
pub const I32: Kind = Kind::Number(Number { bytes: 4, min: i32::MIN as i64, max: i32::MAX as i64, words: &[] });
/// Bytes, one at least.
pub const BYTES: Kind = Kind::Bytes { min: 1, max: u16::MAX };

impl Kind {
    /// The fewest and the most bytes of the data; no most where only the message ends it.
    #[must_use]
    pub fn lengths(&self) -> (usize, Option<usize>) {
        match self {
            Self::Empty => (0, Some(0)),
            Self::Bool => (1, Some(1)),
            Self::Number(number) => (number.bytes.into(), Some(number.bytes.into())),
            Self::Numbers(number) => (number.bytes.into(), None),
            Self::Address => (4, Some(4)),
            Self::Addresses => (4, None),
            Self::MaybeAddresses => (0, None),
            Self::AddressPairs => (8, None),
            Self::Ipv6Address => (16, Some(16)),
            Self::Text => (1, None),
            Self::Texts { long } => (if *long { 3 } else { 2 }, None),
            Self::Name => (1, Some(255)),
            Self::Names { .. } => (1, None),
            // RFC 3442: a default route is a zero and its router.
            Self::Routes => (5, None),
            Self::NamesOrAddresses => (2, None),
            Self::AddressLists => (5, None),
            // RFC 9463 section 5.1: two lengths, a priority and a name of one label at least.
            Self::Resolvers => (6, None),
            Self::Uuid => (17, Some(17)),
            Self::Bytes { min, max } => ((*min).into(), (*max < u16::MAX).then_some((*max).into())),
            Self::Record(fields) => fields.iter().fold((0, Some(0)), |(min, max), field| {
                let (least, most) = field.kind.lengths();
                (min + least, max.zip(most).map(|(one, other)| one + other))
            }),
            Self::Suboptions(_) => (2, None),
            // RFC 3925: a number and a length.
            Self::Enterprises => (5, None),
        }
    }

    /// What stands in the configuration, to go after "takes": "an address", "a whole number between 1 and 255".
    #[must_use]
    pub fn takes(&self) -> String {
        let fixed = match self {
            Self::Number(number) => return number.takes(false),
            Self::Numbers(number) => return number.takes(true),
            Self::Record(fields) => {
                let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
                return format!("a table of {}", names.join(", "));
            }
            Self::Bytes { min, max } if min == max => return format!("{min} bytes in hexadecimal"),
            Self::Empty => "true, for it has no data",
            Self::Bool => "true or false",
            Self::Address => "an address",
            Self::Addresses | Self::MaybeAddresses => "addresses",
            Self::AddressPairs => "pairs of addresses",
            Self::Ipv6Address => "an IPv6 address",
            Self::Text => "a text",
            Self::Texts { .. } => "texts",
            Self::Name => "a domain name",
            Self::Names { .. } => "domain names",
            Self::Routes => "routes",
            Self::NamesOrAddresses => "domain names, or addresses",
            Self::AddressLists => "lists of addresses",
            Self::Resolvers => "a list of resolvers",
            Self::Uuid => "a UUID",
            Self::Bytes { .. } => "bytes in hexadecimal",
            Self::Suboptions(_) => "a table of sub-options",
            Self::Enterprises => "a table of enterprise number and data",
        };
        fixed.to_owned()
    }

    /// An example, as TOML.
    #[must_use]
    pub fn example(&self) -> String {
        let fixed = match self {
            Self::Number(number) | Self::Numbers(number) => {
                let one = match number.words.last() {
                    Some((_, word)) => format!("{word:?}"),
                    None => number.min.max(1).to_string(),
                };
                return if matches!(self, Self::Number(_)) { one } else { format!("[{one}]") };
            }
            Self::Record(fields) => {
                let parts: Vec<String> =
                    fields.iter().map(|field| format!("{} = {}", field.name, field.kind.example())).collect();
                return format!("{{ {} }}", parts.join(", "));
            }
            Self::Suboptions(known) => {
                return match known.first() {
                    Some(one) => format!("{{ {} = {} }}", one.name, one.kind.example()),
                    None => "{ 1 = \"hex:01\" }".to_owned(),
                };
            }
            Self::Bytes { min, .. } => return format!("{:?}", format!("hex:{}", bytes_example(*min))),
            Self::Empty | Self::Bool => "true",
            Self::Address => "\"192.0.2.1\"",
            Self::Addresses | Self::MaybeAddresses => "[\"192.0.2.1\", \"192.0.2.2\"]",
            Self::AddressPairs => "[[\"192.0.2.0\", \"255.255.255.0\"]]",
            Self::Ipv6Address => "\"2001:db8::1\"",
            Self::Text => "\"text\"",
            Self::Texts { .. } => "[\"one\", \"two\"]",
            Self::Name => "\"a.example\"",
            Self::Names { .. } | Self::NamesOrAddresses => "[\"a.example\", \"b.example\"]",
            Self::Routes => "[{ to = \"10.0.0.0/8\", via = \"192.0.2.1\" }]",
            Self::AddressLists => "[[\"192.0.2.1\", \"192.0.2.2\"]]",
            Self::Resolvers => {
                "[{ priority = 1, name = \"dns.example\", addresses = [\"192.0.2.53\"], parameters = { alpn = [\"dot\"] } }]"
            }
            Self::Uuid => "\"00112233-4455-6677-8899-aabbccddeeff\"",
            Self::Enterprises => "{ 4491 = \"hex:01:01:02\" }",
        };
        fixed.to_owned()
    }
}

fn bytes_example(min: u16) -> String {
    (1..=min.clamp(2, 16)).map(|number| format!("{number:02x}")).collect::<Vec<_>>().join(":")
}
