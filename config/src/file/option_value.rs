//! Options as they are written: keys are names or numbers, values whatever TOML has for their type.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dhcp::options::registry::{OPTIONS, SetBy};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::at::At;
use super::kinds::FreeText;

/// A table of options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct OptionTable(pub BTreeMap<At<FreeText>, At<OptionValue>>);

/// The data of one option, as it is written; `resolve` understands it by the option's type.
#[derive(Clone, Debug)]
pub enum OptionValue {
    /// A text, an address, a name, a word, or raw data such as `hex:01:02`.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Bool(bool),
    /// A list.
    List(Vec<At<OptionValue>>),
    /// A table: of sub-options or fields, or `{ hex = "01:02" }`.
    Table(OptionTable),
}

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = OptionValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true or false, a list or a table")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OptionValue, E> {
                Ok(OptionValue::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<OptionValue, E> {
                Ok(OptionValue::Number(number))
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<OptionValue, E> {
                Ok(OptionValue::Bool(on))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OptionValue, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(OptionValue::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<OptionValue, A::Error> {
                let mut table = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    table.insert(key, value);
                }
                Ok(OptionValue::Table(OptionTable(table)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl JsonSchema for OptionValue {
    fn schema_name() -> Cow<'static, str> {
        "OptionValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<Self>();
        json_schema!({
            "description": "An option's data in the form of its type (docs/options.md), or raw: { hex = \"01:02\" }, or a \
                            text that begins with hex:, text:, ip:, u8:, u16: or u32:.",
            "anyOf": [
                { "type": "string" },
                { "type": "integer" },
                { "type": "boolean" },
                { "type": "array", "items": own.clone() },
                { "type": "object", "additionalProperties": own },
            ],
        })
    }
}

impl JsonSchema for OptionTable {
    fn schema_name() -> Cow<'static, str> {
        "OptionTable".into()
    }

    /// Names are given for completion; any other key may be a number or the name of an `[[option]]`.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<OptionValue>();
        let settable = OPTIONS.iter().filter(|option| option.set_by == SetBy::Administrator);
        let properties: Map<String, Value> = settable
            .map(|option| {
                let mut one = value.clone();
                let about = format!("Option {}: {} ({}).", option.code, option.kind.takes(), option.source);
                one.insert("description".to_owned(), about.into());
                (option.name.to_owned(), one.to_value())
            })
            .collect();
        json_schema!({
            "description": "Options by name, or by number.",
            "type": "object",
            "properties": properties,
            "additionalProperties": value,
        })
    }
}
