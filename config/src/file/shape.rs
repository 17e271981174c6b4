//! Compares a parsed file with the schema: unknown keys, values of a wrong type, unknown words, missing keys, all at
//! once (serde stops at the first). What is wrong is taken out of the parsed file, so that the rest can still be
//! read and checked.

use std::borrow::Cow;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::suggest::{KnownKeys, meant_key, mend_unknown_key, nearest};
use crate::fault::{Findings, Span};

/// Checks the whole `document`, taking out what is wrong.
pub(super) fn check(document: &mut Spanned<DeTable<'_>>, schema: &Value, findings: &mut Findings) {
    let known = KnownKeys::of(schema);
    let mut shape = Shape { schema, known: &known, findings };
    let span = document.span().into();
    shape.table(
        document.get_mut(),
        span,
        schema,
        &Place { shown: String::new(), key: String::new(), item: false, depth: 0 },
    );
}

/// A table's place in the file: as it is written in a header (`[[subnet]]`), and the dotted key.
struct Place {
    shown: String,
    key: String,
    /// Within a list of this key's.
    item: bool,
    /// How many tables it is within.
    depth: usize,
}

/// The most tables within each other. Conditions hold conditions, and whoever reads them needs room on the stack.
const DEPTH_MAX: usize = 20;

impl Place {
    fn of_table(&self, key: &str, list: bool, header: bool) -> Self {
        let dotted = if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) };
        let shown = match (header, list) {
            (true, true) => format!("[[{dotted}]]"),
            (true, false) => format!("[{dotted}]"),
            (false, _) => format!("`{key}`"),
        };
        Self { shown, key: dotted, item: false, depth: self.depth + 1 }
    }

    fn within(&self) -> String {
        if self.shown.is_empty() { "at the top of the file".to_owned() } else { format!("in {}", self.shown) }
    }
}

struct Shape<'s, 'f> {
    schema: &'s Value,
    known: &'s KnownKeys,
    findings: &'f mut Findings,
}

impl<'s> Shape<'s, '_> {
    fn table(&mut self, table: &mut DeTable<'_>, span: Span, schema: &'s Value, place: &Place) {
        let keys: Vec<(String, Span)> =
            table.keys().map(|key| (key.get_ref().to_string(), Span::from(key.span()))).collect();
        let mut faulty: Vec<String> = Vec::new();
        for (key, key_span) in &keys {
            let Some(mut value) = table.remove(key.as_str()) else { continue };
            // What was probably meant is checked under the name that was meant.
            let meant = match property(schema, key) {
                Some(_) => Some(key.clone()),
                None => {
                    self.unknown_key(key, *key_span, schema, place).filter(|meant| !table.contains_key(meant.as_str()))
                }
            };
            let Some(meant) = meant else { continue };
            let Some(expected) = property(schema, &meant) else { continue };
            if self.value(&mut value, &meant, *key_span, expected, place) {
                table.insert(Spanned::new(key_span.start..key_span.end, Cow::Owned(meant)), value);
            } else {
                self.findings.set_lost_a_key(span);
                faulty.push(meant);
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(required) = required.as_str() else { continue };
            if !table.contains_key(required) && !faulty.iter().any(|key| key == required) {
                self.missing_key(required, span, schema, place);
            }
        }
    }

    /// Reports it; the key that was probably meant.
    fn unknown_key(&mut self, key: &str, span: Span, schema: &Value, place: &Place) -> Option<String> {
        let siblings = schema.get("properties").and_then(Value::as_object).map_or_else(Vec::new, names);
        let meant = meant_key(key, &siblings);
        let mend = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => mend_unknown_key(key, &siblings, &place.key, self.known),
        };
        let meant = meant.map(str::to_owned);
        self.findings.fault(span, format!("unknown key `{key}` {}", place.within()), "not a key here", mend);
        meant
    }

    fn missing_key(&mut self, key: &str, span: Span, schema: &'s Value, place: &Place) {
        let example = property(schema, key).map_or_else(String::new, |expected| example(&self.alternatives(expected)));
        let mend = if example.is_empty() {
            format!("add `{key}`")
        } else {
            format!("add `{key} = {example}`, with your own value")
        };
        self.findings.absent(span, format!("`{key}` is missing {}", place.within()), format!("has no `{key}`"), mend);
    }

    /// Whether the value may stay. Whatever is wrong beneath it has been reported and taken out.
    fn value(
        &mut self,
        value: &mut Spanned<DeValue<'_>>,
        key: &str,
        key_span: Span,
        schema: &'s Value,
        place: &Place,
    ) -> bool {
        let span: Span = value.span().into();
        if place.depth > DEPTH_MAX {
            self.too_deep(key_span);
            return false;
        }
        let alternatives = self.alternatives(schema);
        let of_kind = |kinds: &[&str]| {
            alternatives
                .iter()
                .copied()
                .find(|one| one.get("type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind)))
        };
        match value.get_mut() {
            DeValue::Table(table) => {
                if let Some(object) = of_kind(&["object"]) {
                    let header = span_is_header(table, span);
                    self.table(table, span, object, &place.of_table(key, false, header));
                    return true;
                }
            }
            DeValue::Array(items) => {
                if let Some(item_schema) = of_kind(&["array"]).and_then(|array| array.get("items")) {
                    self.items(items, key, key_span, item_schema, &place.of_table(key, true, true));
                    return true;
                }
            }
            DeValue::String(text) => {
                let texts =
                    alternatives.iter().copied().filter(|one| one.get("type").is_some_and(|kind| kind == "string"));
                let words: Vec<&str> = texts.clone().flat_map(words).collect();
                if texts.clone().any(|one| words_of(one).next().is_none()) || words.contains(&text.as_ref()) {
                    return true;
                }
                if texts.count() > 0 {
                    self.unknown_word(text, span, key, &words, &alternatives);
                    return false;
                }
            }
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                if let Some(expected) = of_kind(&["integer"]) {
                    return self.integer(parsed.ok(), span, key, expected);
                }
                if of_kind(&["number"]).is_some() {
                    return true;
                }
            }
            DeValue::Float(_) if of_kind(&["number"]).is_some() => return true,
            DeValue::Boolean(_) if of_kind(&["boolean"]).is_some() => return true,
            _ => {}
        }
        let what = if place.item { format!("an item of `{key}`") } else { format!("`{key}`") };
        self.wrong_type(value.get_ref(), span, &what, key, key_span, &alternatives);
        false
    }

    /// The good items stay, so that they are checked further in the same run.
    fn items(&mut self, items: &mut DeArray<'_>, key: &str, key_span: Span, schema: &'s Value, place: &Place) {
        let mut kept = DeArray::new();
        for mut item in std::mem::replace(items, DeArray::new()) {
            if self.item(&mut item, key, key_span, schema, place) {
                kept.push(item);
            }
        }
        *items = kept;
    }

    /// An item of a list: a table of a list of tables is checked as a table.
    fn item(
        &mut self,
        item: &mut Spanned<DeValue<'_>>,
        key: &str,
        key_span: Span,
        schema: &'s Value,
        place: &Place,
    ) -> bool {
        let span: Span = item.span().into();
        let object =
            self.alternatives(schema).into_iter().find(|one| one.get("type").is_some_and(|kind| kind == "object"));
        match (item.get_mut(), object) {
            (DeValue::Table(table), Some(object)) => {
                if span_is_header(table, span) {
                    self.table(table, span, object, place);
                } else {
                    let place =
                        Place { shown: format!("`{key}`"), key: place.key.clone(), item: false, depth: place.depth };
                    self.table(table, span, object, &place);
                }
                true
            }
            _ => {
                let place =
                    Place { shown: place.shown.clone(), key: place.key.clone(), item: true, depth: place.depth };
                self.value(item, key, key_span, schema, &place)
            }
        }
    }

    fn too_deep(&mut self, span: Span) {
        self.findings.fault(
            span,
            format!("tables are nested deeper than {DEPTH_MAX} levels"),
            "nested too deep",
            "make a class of a part of the condition, and name that with `class`",
        );
    }

    fn integer(&mut self, number: Option<i64>, span: Span, key: &str, schema: &Value) -> bool {
        let min = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let max = match schema.get("format").and_then(Value::as_str) {
            Some("uint8") => i64::from(u8::MAX),
            Some("uint16") => i64::from(u16::MAX),
            Some("uint32") => i64::from(u32::MAX),
            _ => i64::MAX,
        };
        let max = schema.get("maximum").and_then(Value::as_i64).map_or(max, |maximum| maximum.min(max));
        if number.is_some_and(|number| (min..=max).contains(&number)) {
            return true;
        }
        let range = match (min, max) {
            (min, i64::MAX) => format!("{min} or more"),
            (min, max) => format!("between {min} and {max}"),
        };
        self.findings.fault(
            span,
            format!("`{key}` is out of range"),
            "out of range",
            format!("write a number {range}"),
        );
        false
    }

    fn unknown_word(&mut self, text: &str, span: Span, key: &str, words: &[&str], alternatives: &[&Value]) {
        let list = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let mend = match nearest(text, words) {
            Some(word) => format!("did you mean \"{word}\"? The values are: {list}"),
            None if alternatives.len() > 1 && words.len() == 1 => {
                format!("write {}, or {list}", expected_text(alternatives, true))
            }
            None => format!("the values are: {list}"),
        };
        self.findings.fault(span, format!("\"{text}\" is not a value of `{key}`"), "not a known value", mend);
    }

    fn wrong_type(
        &mut self,
        found: &DeValue<'_>,
        span: Span,
        what: &str,
        key: &str,
        key_span: Span,
        alternatives: &[&Value],
    ) {
        if self.findings.is_partial() && matches!(found, DeValue::Table(_) | DeValue::Array(_)) {
            // A bracket that is not closed makes tables out of lists, and the other way round.
            return;
        }
        let expected = expected_text(alternatives, false);
        let example = example(alternatives);
        let lists_tables = alternatives.iter().any(|one| {
            one.get("items")
                .is_some_and(|items| self.alternatives(items).iter().any(|item| item.get("properties").is_some()))
        });
        let mend = match found {
            DeValue::Table(_) if lists_tables => format!("write `[[{key}]]`, with two brackets: there can be several"),
            DeValue::Array(_) if alternatives.iter().any(|one| one.get("properties").is_some()) => {
                format!("write `[{key}]`, with single brackets, and only once")
            }
            DeValue::String(_) if key == "pool" => "write `pools = [\"first-last\"]` for ranges alone".to_owned(),
            _ if example.is_empty() => format!("write {expected}"),
            _ if what.starts_with("an item") => format!("write it like {example}"),
            _ => format!("write it like `{key} = {example}`"),
        };
        let message = format!("{what} must be {expected}, not {}", type_text(found));
        // A table's own span is all of it; its header's key is enough to underline.
        let span = if matches!(found, DeValue::Table(_) | DeValue::Array(_)) && span.start < key_span.start {
            key_span
        } else {
            span
        };
        self.findings.fault(span, message, format!("{} here", type_text(found)), mend);
    }

    /// The schemas that a value may follow, with references and alternatives resolved.
    fn alternatives(&self, schema: &'s Value) -> Vec<&'s Value> {
        let resolved = match schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#")) {
            Some(pointer) => self.schema.pointer(pointer).unwrap_or(schema),
            None => schema,
        };
        for key in ["anyOf", "oneOf"] {
            if let Some(list) = resolved.get(key).and_then(Value::as_array) {
                return list.iter().flat_map(|one| self.alternatives(one)).collect();
            }
        }
        vec![resolved]
    }
}

fn names(map: &Map<String, Value>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

/// The schema of a table's key: by name, or of any key where keys are free.
fn property<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    let patterns = || schema.get("patternProperties").and_then(Value::as_object).and_then(|map| map.values().next());
    let any = || schema.get("additionalProperties").filter(|any| any.is_object());
    named.or_else(patterns).or_else(any)
}

/// The words that a text is limited to; none when it is free.
fn words_of(schema: &Value) -> impl Iterator<Item = &str> {
    let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(schema.get("const")).filter_map(Value::as_str)
}

fn words(schema: &Value) -> Vec<&str> {
    words_of(schema).collect()
}

/// What may stand here, in words.
fn expected_text(alternatives: &[&Value], lists_only: bool) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for one in alternatives {
        let part = match one.get("type").and_then(Value::as_str) {
            Some("array") => "a list",
            _ if lists_only => continue,
            Some("string") => "a text in quotes",
            Some("integer") => "a whole number",
            Some("number") => "a number",
            Some("boolean") => "true or false",
            Some("object") => "a table",
            _ => continue,
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" or ")
}

/// An example to copy, as TOML; empty when the schema has none.
fn example(alternatives: &[&Value]) -> String {
    alternatives.iter().find_map(|one| example_of(one)).unwrap_or_default()
}

fn example_of(schema: &Value) -> Option<String> {
    if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
        return Some(example.to_string());
    }
    match schema.get("type").and_then(Value::as_str)? {
        "string" => words_of(schema).next().map(|word| format!("{word:?}")),
        "boolean" => Some("true".to_owned()),
        "array" => {
            let items = schema.get("items")?;
            let pointer = items.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#"));
            let items = pointer.and_then(|pointer| super::schema::json_schema().pointer(pointer)).unwrap_or(items);
            (items.get("type")? == "string").then(|| example_of(items).map(|item| format!("[{item}]")))?
        }
        _ => None,
    }
}

fn type_text(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether a table is written with a header of its own, not in braces: its keys then stand outside its span.
fn span_is_header(table: &DeTable<'_>, span: Span) -> bool {
    table.keys().next().is_none_or(|key| key.span().start >= span.end)
}
