//! The condition of a class, as it is written: a table whose keys must all hold, nested by `all`, `any` and `not`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::at::At;
use super::kinds::{AddressOrPrefix, ClassName, HardwareBytes, MatchValue, OneOrMore, OptionName};
use super::words::MessageTypeWord;

/// What is asked about a client's message. All keys of one table must hold; of a list of values, one must.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Each of these conditions holds.
    pub all: Option<At<Vec<At<Match>>>>,
    /// One of these conditions holds at least.
    pub any: Option<At<Vec<At<Match>>>>,
    /// This condition does not hold.
    pub not: Option<Box<At<Match>>>,
    /// The client is of another class, or `known` (it has a reservation) or `unknown`.
    pub class: Option<At<OneOrMore<ClassName>>>,
    /// An option by number or name. `equal`, `prefix`, `contains` and `present` beside it say what is asked of it;
    /// without any, it must be there.
    pub option: Option<At<OptionName>>,
    /// A sub-option of `option`, by its number.
    pub sub_option: Option<At<u8>>,
    /// Whose vendor class (`option = 124`) or sub-option (`option = 125`) it is: a number of IANA's.
    pub enterprise: Option<At<u32>>,
    /// The option is this.
    pub equal: Option<At<OneOrMore<MatchValue>>>,
    /// The option begins with this.
    pub prefix: Option<At<OneOrMore<MatchValue>>>,
    /// How many bytes stand before what `prefix` is compared with.
    pub offset: Option<At<u16>>,
    /// The option holds this somewhere.
    pub contains: Option<At<OneOrMore<MatchValue>>>,
    /// The option is there (true), or is not (false).
    pub present: Option<At<bool>>,
    /// The vendor class identifier (option 60).
    pub vendor_class: Option<At<Ask>>,
    /// A user class (option 77).
    pub user_class: Option<At<Ask>>,
    /// The host name that the client sends (option 12).
    pub hostname: Option<At<Ask>>,
    /// The relay's circuit identifier (option 82).
    pub circuit_id: Option<At<Ask>>,
    /// The relay's remote identifier (option 82).
    pub remote_id: Option<At<Ask>>,
    /// The relay's subscriber identifier (option 82).
    pub subscriber_id: Option<At<Ask>>,
    /// The client's VLAN, where the relay's circuit identifier tells it.
    pub vlan: Option<At<OneOrMore<u16>>>,
    /// The switch's port by the relay's circuit identifier: `1/4` for module and port, or a name.
    pub port: Option<At<Ask>>,
    /// The switch's hardware address, where the relay's remote identifier holds it.
    pub switch: Option<At<OneOrMore<HardwareBytes>>>,
    /// The interface that the message came in on.
    pub interface: Option<At<Ask>>,
    /// The hardware address; the beginning of one (such as a maker's three bytes) for all that begin so.
    pub hardware: Option<At<OneOrMore<HardwareBytes>>>,
    /// The hardware type; 1 is Ethernet.
    pub hardware_type: Option<At<OneOrMore<u8>>>,
    /// A client architecture for booting (option 93).
    pub architecture: Option<At<OneOrMore<u16>>>,
    /// The relay's address, or a prefix that it is in.
    pub giaddr: Option<At<OneOrMore<AddressOrPrefix>>>,
    /// The address that the client has already, or a prefix that it is in.
    pub ciaddr: Option<At<OneOrMore<AddressOrPrefix>>>,
    /// The client has tried for at least so many seconds.
    pub secs_min: Option<At<u16>>,
    /// The client has tried for at most so many seconds.
    pub secs_max: Option<At<u16>>,
    /// The client wants its replies broadcast, or does not.
    pub broadcast: Option<At<bool>>,
    /// The type of the message.
    pub message_type: Option<At<OneOrMore<MessageTypeWord>>>,
}

/// What is asked of a text: a value that it is, a list of which it is one, or a table of tests.
#[derive(Clone, Debug)]
pub enum Ask {
    /// It is this, or one of these.
    Equal(OneOrMore<MatchValue>),
    /// These tests.
    Tests(Box<Tests>),
}

/// What is asked of a text. All keys must hold; of a list of values, one must.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tests {
    /// It is this.
    pub equal: Option<At<OneOrMore<MatchValue>>>,
    /// It begins with this.
    pub prefix: Option<At<OneOrMore<MatchValue>>>,
    /// How many bytes stand before what `prefix` is compared with.
    pub offset: Option<At<u16>>,
    /// It holds this somewhere.
    pub contains: Option<At<OneOrMore<MatchValue>>>,
    /// It is there (true), or is not (false).
    pub present: Option<At<bool>>,
}

impl<'de> Deserialize<'de> for Ask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Ask;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a list of texts, or a table of tests")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Ask, E> {
                Ok(Ask::Equal(OneOrMore::One(MatchValue(text.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ask, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Ask::Equal(OneOrMore::More(list)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Ask, A::Error> {
                Tests::deserialize(MapAccessDeserializer::new(map)).map(|tests| Ask::Tests(Box::new(tests)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for Ask {
    fn schema_name() -> Cow<'static, str> {
        "Ask".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is asked of a text: a value that it is, a list of which it is one, or a table of tests.",
            "anyOf": [
                generator.subschema_for::<MatchValue>(),
                { "type": "array", "items": generator.subschema_for::<MatchValue>() },
                generator.subschema_for::<Tests>(),
            ],
        })
    }
}
