//! The kinds of text and number that stand in a file, before they are understood. Each tells the JSON Schema how it
//! looks; `resolve::scalars` reads it and says what is wrong with it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::at::At;

/// Texts of one kind: the documentation is the schema's description, the pattern is for editors only.
macro_rules! text_kind {
    ($(#[doc = $doc:literal])+ $name:ident, $pattern:literal, $example:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "description": concat!($($doc),+).trim(),
                    "pattern": $pattern,
                    "examples": [$example],
                })
            }
        }
    };
}

text_kind!(
    /// An IPv4 address.
    Address, r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$", "192.168.30.1"
);
text_kind!(
    /// An IP address.
    HostAddress, r"^[0-9A-Fa-f.:]+$", "192.168.30.5"
);
text_kind!(
    /// An IPv4 prefix: address, slash, length.
    Prefix, r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$", "192.168.30.0/24"
);
text_kind!(
    /// Addresses: first and last with a hyphen between, one address, or a prefix.
    Range, r"^[0-9.]+(\s*-\s*[0-9.]+|/[0-9]{1,2})?$", "192.168.30.100-192.168.30.199"
);
text_kind!(
    /// So many in a second, a minute or an hour, or `unlimited`.
    RateText, r"^([0-9]+\s*/\s*[smh]|unlimited)$", "300/m"
);
text_kind!(
    /// How often something is done: `hourly`, `daily`, `weekly`, a length of time, or `never`.
    HowOften, r"^(hourly|daily|weekly|never|([0-9]+ ?[smhdw])+)$", "daily"
);
text_kind!(
    /// A size: a number and `MB` or `GB`, which are 2^20 and 2^30 bytes.
    SizeText, r"^[0-9]+ ?([MG]i?B|[MG])$", "512MB"
);
text_kind!(
    /// A share of a hundred.
    PercentText, r"^[0-9]{1,3} ?%$", "20%"
);
text_kind!(
    /// A domain name.
    DomainName, r"^\S+$", "nasir.xyz"
);
text_kind!(
    /// A host name: one label, or a full name.
    HostName, r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "printer"
);
text_kind!(
    /// The name of a network interface.
    InterfaceName, r"^[^\s/]{1,15}$", "eth0"
);
text_kind!(
    /// The name of a class: letters, digits, hyphens and underscores.
    ClassName, r"^[A-Za-z0-9_-]+$", "phones"
);
text_kind!(
    /// The name of a shared network: letters, digits, hyphens and underscores.
    NetworkName, r"^[A-Za-z0-9_-]+$", "office"
);
text_kind!(
    /// An IP address, with a port where it is not 53.
    ServerAddress, r"^\S+$", "192.0.2.53"
);
text_kind!(
    /// An upstream: an address, with a port where it is not 53; `tcp://` in front where no datagrams are to be sent.
    UpstreamText, r"^\S+$", "192.0.2.53"
);
text_kind!(
    /// A hardware address (MAC) of six bytes.
    MacAddress, r"^([0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2})$", "52:54:00:12:34:56"
);
text_kind!(
    /// A client identifier (option 61), type byte included: `hex:` and its bytes, or `text:` and its characters.
    ClientIdText, r"^(hex:[0-9A-Fa-f:]+|text:.+)$", "hex:01:52:54:00:12:34:56"
);
text_kind!(
    /// Bytes: `hex:` and the bytes, or `text:` and characters.
    BytesText, r"^(hex:[0-9A-Fa-f: -]+|text:.+)$", "text:Gi1/0/7"
);
text_kind!(
    /// A DUID (RFC 8415 section 11), type included: `hex:` and its bytes.
    DuidText, r"^hex:[0-9A-Fa-f: -]+$", "hex:00:03:00:01:52:54:00:12:34:56"
);
text_kind!(
    /// A value to compare with: text as it is, or `hex:` and bytes, `text:` and characters, `ip:` and addresses, `u8:`,
    /// `u16:` or `u32:` and a number.
    MatchValue, r"^.*$", "PXEClient"
);
text_kind!(
    /// A hardware address, or the bytes that it begins with.
    HardwareBytes, r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2})*$|^[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}$", "00:04:f2"
);
text_kind!(
    /// An IPv4 address, or a prefix.
    AddressOrPrefix, r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$", "10.20.0.0/16"
);
text_kind!(
    /// Askers: an IP address or a prefix, or `key:` and the name of a key.
    AskerText, r"^([0-9A-Fa-f.:]+(/[0-9]{1,3})?|key:\S+)$", "192.168.30.0/24"
);
text_kind!(
    /// A type of record, by its name, or as `TYPE` and its number.
    RecordTypeText, r"^[A-Za-z0-9-]+$", "A"
);
text_kind!(
    /// The name of a view: letters, digits, hyphens and underscores.
    ViewName, r"^[A-Za-z0-9_-]+$", "inside"
);
text_kind!(
    /// A secret in base64.
    Secret, r"^[A-Za-z0-9+/\s]+=*$", "c2VjcmV0IG9mIDMyIGJ5dGVzLCBmb3IgYSB0ZXN0ISE="
);
text_kind!(
    /// A password's hash by argon2id (a PHC string).
    PasswordHash, r"^\$argon2id\$", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiAxNiBvY3RldA$aGFzaCBvZiAzMiBvY3RldHMsIGFzIGFuIGV4YW1wbGU"
);
text_kind!(
    /// SHA-256 of a token, in hexadecimal.
    TokenHash, r"^[0-9A-Fa-f]{64}$", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
);
text_kind!(
    /// A day: year, month, day.
    DateText, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2027-12-31"
);
text_kind!(
    /// A path of a file or directory.
    FilePath, r"^.+$", "/var/lib/leasehold"
);
text_kind!(
    /// Any text.
    FreeText, r"^.*$", "text"
);

/// An option as a condition names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionName {
    /// By number.
    Code(i64),
    /// By name.
    Name(String),
}

impl<'de> Deserialize<'de> for OptionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = OptionName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of an option, or its name")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OptionName, E> {
                Ok(OptionName::Name(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<OptionName, E> {
                Ok(OptionName::Code(number))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for OptionName {
    fn schema_name() -> Cow<'static, str> {
        "OptionName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A DHCP option, by its number or its name.",
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 254, "examples": [60] },
                { "type": "string", "pattern": "^[a-z0-9_]+$" },
            ],
        })
    }
}

/// A length of time, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duration {
    /// A number and a unit (`90s`, `30m`, `12h`, `7d`, `2w`, also `1d12h`), or `infinite`.
    Text(String),
    /// Seconds.
    Seconds(i64),
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"12h\", or a number of seconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                Ok(Duration::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
                Ok(Duration::Seconds(seconds))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time: a number and a unit (\"90s\", \"30m\", \"12h\", \"7d\", \"2w\", also \
                            \"1d12h\"), \"infinite\", or a whole number of seconds.",
            "anyOf": [
                { "type": "string", "pattern": "^(([0-9]+\\s*[smhdw]\\s*)+|infinite)$", "examples": ["12h"] },
                { "type": "integer", "minimum": 0 },
            ],
        })
    }
}

/// A fixed word that can stand in the place of a list.
pub trait Word {
    /// The word.
    const WORD: &'static str;
    /// The name of the kind in the schema.
    const NAME: &'static str;
    /// What it means.
    const DESCRIPTION: &'static str;
}

/// `"self"`: this server.
#[derive(Clone, Copy, Debug)]
pub struct OwnAddress;

impl Word for OwnAddress {
    const WORD: &'static str = "self";
    const NAME: &'static str = "DnsServers";
    const DESCRIPTION: &'static str =
        "The DNS servers that clients are told: a list of addresses, or \"self\" for this server's own address.";
}

/// `"resolv.conf"`: what the machine itself asks.
#[derive(Clone, Copy, Debug)]
pub struct ResolvConf;

impl Word for ResolvConf {
    const WORD: &'static str = "resolv.conf";
    const NAME: &'static str = "Upstreams";
    const DESCRIPTION: &'static str =
        "Where other names are asked: a list of servers, or \"resolv.conf\" for those that the machine itself uses.";
}

/// `"same"`: where DNS is served without encryption.
#[derive(Clone, Copy, Debug)]
pub struct SameAddresses;

impl Word for SameAddresses {
    const WORD: &'static str = "same";
    const NAME: &'static str = "EncryptedListen";
    const DESCRIPTION: &'static str =
        "Where it is served: a list of addresses, or \"same\" for those that DNS is served on anyway.";
}

/// A fixed word, or a list.
#[derive(Clone, Debug)]
pub enum WordOr<W, T> {
    /// The word.
    Word(PhantomData<W>),
    /// The list.
    List(Vec<At<T>>),
}

impl<'de, W: Word, T: Deserialize<'de>> Deserialize<'de> for WordOr<W, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<W, T>(PhantomData<(W, T)>);
        impl<'de, W: Word, T: Deserialize<'de>> Visitor<'de> for Read<W, T> {
            type Value = WordOr<W, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list, or {:?}", W::WORD)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == W::WORD {
                    return Ok(WordOr::Word(PhantomData));
                }
                Err(E::custom(format_args!("expected a list, or {:?}", W::WORD)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(WordOr::List(list))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

impl<W: Word, T: JsonSchema> JsonSchema for WordOr<W, T> {
    fn schema_name() -> Cow<'static, str> {
        W::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": W::DESCRIPTION,
            "anyOf": [
                { "type": "string", "const": W::WORD },
                { "type": "array", "items": generator.subschema_for::<T>() },
            ],
        })
    }
}

/// One text, or a list of several.
#[derive(Clone, Debug)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// A list.
    More(Vec<At<T>>),
}

impl<T: Clone> At<OneOrMore<T>> {
    /// Each text and where it stands.
    #[must_use]
    pub fn each(&self) -> Vec<At<T>> {
        match &self.value {
            OneOrMore::One(one) => vec![At { value: one.clone(), span: self.span }],
            OneOrMore::More(list) => list.clone(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or a list of values")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMore::One)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                T::deserialize(number.into_deserializer()).map(OneOrMore::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(OneOrMore::More(list))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMore<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
