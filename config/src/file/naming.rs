//! Values of the keys about names that are more than a word or a text.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::at::At;
use super::kinds::Duration;

/// `generate`: a switch, a word or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generate {
    /// By address, or not at all.
    Switch(bool),
    /// `address`, `hardware`, or a pattern.
    Text(String),
}

/// `ttl`: a word, a time, or a share of the lease time.
#[derive(Clone, Debug)]
pub enum TtlValue {
    /// `rfc4702`, or a length of time.
    Time(Duration),
    /// A share.
    Share(TtlShare),
}

/// A share of the lease time.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TtlShare {
    /// Of a hundred.
    #[schemars(required)]
    pub share: Option<At<u8>>,
    /// The least.
    pub min: Option<At<Duration>>,
    /// The most.
    pub max: Option<At<Duration>>,
}

/// `after_expiry`: a word, or a time.
#[derive(Clone, Debug)]
pub enum AfterExpiryValue {
    /// `at-once` or `keep`.
    Text(String),
    /// A time.
    Grace(Grace),
}

/// How long records outlive their lease.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grace {
    /// How long.
    #[schemars(required)]
    pub grace: Option<At<Duration>>,
}

impl<'de> Deserialize<'de> for Generate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Generate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, \"address\", \"hardware\" or a pattern")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Generate, E> {
                Ok(Generate::Switch(on))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Generate, E> {
                Ok(Generate::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for Generate {
    fn schema_name() -> Cow<'static, str> {
        "Generate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How a name is made: \"address\" (host-192-168-30-100), \"hardware\" \
                            (host-02-00-5e-10-00-01), or a pattern of letters, digits, hyphens and {address}, {last}, \
                            {mac}, {mac6}. `true` is \"address\", `false` makes none.",
            "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": "^(address|hardware|[A-Za-z0-9{}-]*\\{(address|last|mac6?)\\}[A-Za-z0-9{}-]*)$",
                  "examples": ["address", "hardware", "dev-{mac6}"] },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for TtlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = TtlValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time, \"rfc4702\", or a table with `share`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TtlValue, E> {
                Ok(TtlValue::Time(Duration::Text(text.to_owned())))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<TtlValue, E> {
                Ok(TtlValue::Time(Duration::Seconds(seconds)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TtlValue, A::Error> {
                TtlShare::deserialize(MapAccessDeserializer::new(map)).map(TtlValue::Share)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for TtlValue {
    fn schema_name() -> Cow<'static, str> {
        "TtlValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Time to live: \"rfc4702\" (ten minutes, or a third of the lease time if that is less), a \
                            length of time, or a share of the lease time between two bounds.",
            "anyOf": [
                { "type": "string", "pattern": "^(rfc4702|([0-9]+\\s*[smhdw]\\s*)+)$", "examples": ["5m"] },
                { "type": "integer", "minimum": 1 },
                generator.subschema_for::<TtlShare>(),
            ],
        })
    }
}

impl<'de> Deserialize<'de> for AfterExpiryValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = AfterExpiryValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"at-once\", \"keep\", or a table with `grace`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AfterExpiryValue, E> {
                Ok(AfterExpiryValue::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AfterExpiryValue, A::Error> {
                Grace::deserialize(MapAccessDeserializer::new(map)).map(AfterExpiryValue::Grace)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for AfterExpiryValue {
    fn schema_name() -> Cow<'static, str> {
        "AfterExpiryValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What becomes of a name when its lease has expired: its records go at once, after a time \
                            ({ grace = \"1h\" }), or stay until somebody else has the address or the name.",
            "anyOf": [
                { "type": "string", "enum": ["at-once", "keep"] },
                generator.subschema_for::<Grace>(),
            ],
        })
    }
}
