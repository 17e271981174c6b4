//! The JSON Schema that is checked in is the one of the types, and the reference has every key of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

fn beside(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_schema_that_is_checked_in_is_up_to_date() {
    let path = beside("leasehold.schema.json");
    let made = serde_json::to_string_pretty(config::file::json_schema()).unwrap() + "\n";
    if std::env::var_os("LEASEHOLD_REWRITE_SCHEMA").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is not what the types make: run LEASEHOLD_REWRITE_SCHEMA=1 cargo test -p leasehold-config --test schema",
        path.display()
    );
}

/// Every key of every table.
fn keys(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                into.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        _ => {}
    }
}

#[test]
fn the_reference_has_every_key_with_type_default_and_meaning_and_no_other() {
    let text = std::fs::read_to_string(beside("../docs/configuration.md")).unwrap();
    let mut known = BTreeSet::new();
    let mut schema = config::file::json_schema().clone();
    // Names of options are told in docs/options.md, which has a test of its own.
    schema["$defs"].as_object_mut().unwrap().remove("OptionTable");
    keys(&schema, &mut known);
    let tables = [
        "server",
        "dhcp",
        "ddns",
        "dns",
        "leasequery",
        "key",
        "zone",
        "option",
        "subnet",
        "network",
        "class",
        "tftp",
        "switch",
        "reservation",
        "record",
        "host",
        "view",
        "resolver",
        "forward",
        "block",
        "web",
        "history",
        "backup",
        "service",
        "hook",
    ];
    let mut documented: BTreeSet<String> = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let key = cells[0].trim_matches('`').to_owned();
        assert_eq!(cells.len(), 4, "key, type, default, meaning: {line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
        assert!(known.contains(&key), "`{key}` is in the reference and not in the schema");
        documented.insert(key);
    }
    for table in tables {
        assert!(text.contains(&format!("\n## {table}\n")), "[{table}] has no section");
        documented.insert(table.to_owned());
    }
    let missing: Vec<&String> = known.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
}

#[test]
fn the_reference_quotes_the_order_in_which_tables_win() {
    let text = std::fs::read_to_string(beside("../docs/configuration.md")).unwrap();
    assert!(text.contains(&format!("\n```text\n{}\n```\n", dhcp::engine::Level::order())));
}

/// Each block of the reference that stands for a file, or a part of one.
#[test]
fn the_examples_in_the_reference_are_toml_with_known_keys() {
    let text = std::fs::read_to_string(beside("../docs/configuration.md")).unwrap();
    let mut checked = 0;
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        // A part of a subnet or a zone, without its header.
        let whole = match block.split([' ', '\n']).next().unwrap() {
            "routes" | "options" | "vendor" => {
                format!("[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.9\"]\n{block}")
            }
            "[[host]]" => {
                let subnet = |third| format!("[[subnet]]\nprefix = \"192.168.{third}.0/24\"\ndomain = \"nasir.xyz\"\n");
                format!("[[zone]]\nname = \"nasir.xyz\"\n{}{}{block}", subnet(30), subnet(31))
            }
            "[[reservation]]" => {
                format!(
                    "[[subnet]]\nprefix = \"192.168.30.0/24\"\ndomain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\n{block}"
                )
            }
            "records" => format!("[[zone]]\nname = \"nasir.xyz\"\n{block}"),
            "[[subnet.reservation]]" | "[[subnet.pool]]" => {
                format!("[[subnet]]\nprefix = \"192.168.30.0/24\"\n{block}")
            }
            _ => block.to_owned(),
        };
        // A key, or a zone's file with nothing in it.
        let secrets = |path: &std::path::Path| match path.starts_with("zones") {
            true => Ok(String::new()),
            false => Ok("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        };
        if let Err(faults) = config::check(&whole, "docs/configuration.md", &secrets) {
            // What one block leaves to another.
            let elsewhere = ["is not defined", "is not declared", "is in no zone"];
            let rest = faults.list.iter().filter(|fault| !elsewhere.iter().any(|words| fault.message.contains(words)));
            assert_eq!(
                rest.filter(|fault| fault.severity == config::Severity::Fault).count(),
                0,
                "{}",
                config::render(&faults, &whole, false)
            );
        }
        checked += 1;
    }
    assert!(checked > 10);
}

#[test]
fn the_example_of_how_names_are_made_is_without_fault_or_warning() {
    let text = std::fs::read_to_string(beside("../docs/naming.md")).unwrap();
    let block = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let none = |_: &std::path::Path| Err("none is named".to_owned());
    match config::check(block, "docs/naming.md", &none) {
        Ok(done) => assert!(done.warnings.is_empty(), "{}", config::render(&done.warnings, block, false)),
        Err(faults) => panic!("{}", config::render(&faults, block, false)),
    }
}
