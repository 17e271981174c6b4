//! docs/options.md is the registry's table.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use dhcp::options::kind::Kind;
use dhcp::options::registry::{Definition, OPTIONS, SetBy, spaces};

/// The table between its two marks.
fn table() -> String {
    let mut out =
        String::from("| Code | Name | Takes | Bytes | As it is written | Source |\n|---|---|---|---|---|---|\n");
    OPTIONS.iter().for_each(|definition| row(definition, &mut out));
    for definition in OPTIONS {
        if let Kind::Suboptions(space) = definition.kind {
            out.push_str(&format!("\n### Sub-options of `{}` ({})\n\n{HEAD}", definition.name, definition.code));
            space.iter().for_each(|sub| row(sub, &mut out));
        }
    }
    for vendor in spaces::VENDORS {
        let identifier = vendor.identifier;
        out.push_str(&format!(
            "\n### Sub-options of 43 for clients whose option 60 begins with `{identifier}`\n\n{HEAD}"
        ));
        vendor.options.iter().for_each(|sub| row(sub, &mut out));
    }
    out
}

const HEAD: &str = "| Code | Name | Takes | Bytes | As it is written | Source |\n|---|---|---|---|---|---|\n";

fn row(definition: &Definition, out: &mut String) {
    let Definition { code, name, kind, source, set_by } = definition;
    let in_message = OPTIONS.iter().any(|option| std::ptr::eq(option, definition));
    let written = match (set_by, config::own_key(*code).filter(|_| in_message)) {
        (_, Some(key)) => format!("its own key: `{key}`"),
        (SetBy::Administrator, None) => format!("`{name} = {}`", kind.example()),
        (SetBy::Server, None) => "by the server itself".to_owned(),
        (SetBy::Client, None) => "by clients only".to_owned(),
        (SetBy::Echo, None) => "in answer to a client or relay".to_owned(),
        (SetBy::Nobody, None) => "never".to_owned(),
    };
    let bytes = match definition.lengths() {
        (min, Some(max)) if min == max => min.to_string(),
        (min, Some(max)) => format!("{min} to {max}"),
        (min, None) => format!("{min} or more"),
    };
    out.push_str(&format!("| {code} | `{name}` | {} | {bytes} | {written} | {source} |\n", kind.takes()));
}

#[test]
fn the_reference_of_options_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/options.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let mark = "<!-- from here on made from the registry -->\n\n";
    let (head, _) = kept.split_once(mark).expect("the mark before the table");
    let made = format!("{head}{mark}{}", table());
    if std::env::var_os("LEASEHOLD_REWRITE_SCHEMA").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    assert!(
        kept == made,
        "{} is not what the registry makes: run LEASEHOLD_REWRITE_SCHEMA=1 cargo test -p leasehold-config --test \
         options_table",
        path.display()
    );
}

/// Every example of the table is taken by `leasehold check`.
#[test]
fn the_examples_of_the_table_are_taken() {
    for definition in OPTIONS {
        if definition.set_by != SetBy::Administrator || config::own_key(definition.code).is_some() {
            continue;
        }
        let text = format!(
            "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.9\"]\noptions = {{ {} = {} }}\n",
            definition.name,
            definition.kind.example()
        );
        let secrets = |_: &std::path::Path| Err(String::new());
        match config::check(&text, "example.toml", &secrets) {
            Ok(checked) => {
                assert!(checked.config.dhcp.subnets[0].scope.options.0.contains_key(&definition.code), "{text}")
            }
            Err(faults) => panic!("{}", config::render(&faults, &text, false)),
        }
    }
}
