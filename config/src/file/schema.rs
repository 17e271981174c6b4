//! The JSON Schema of the file, made from the types of [`super::v1`]. Editors complete by it, and
//! [`super::shape`] finds unknown keys and wrong types by it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::v1::File;

/// The schema (draft 2020-12) as JSON.
#[must_use]
pub fn json_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<File>().to_value();
        without_null(&mut schema);
        schema
    });
    &SCHEMA
}

/// TOML has no null: an optional key is absent. Takes `null` out of every list of types, and defaults with it.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            map.remove("default");
            take_null_from_types(map);
            take_null_from_alternatives(map);
        }
        _ => {}
    }
}

fn take_null_from_types(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|one| one != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            map.insert("type".to_owned(), single);
        }
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|one| !one.is_null());
    }
}

fn take_null_from_alternatives(map: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = map.get_mut("anyOf") else { return };
    alternatives.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(single)] = alternatives.as_slice() {
        let single = single.clone();
        map.remove("anyOf");
        for (key, value) in single {
            map.entry(key).or_insert(value);
        }
    }
}
