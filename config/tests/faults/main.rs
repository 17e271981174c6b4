//! Every fault that a file can have: its words, its place, the text that is underlined, its mend; and that one run
//! reports all of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod beside;
mod classes;
mod dns;
mod embedded;
mod encrypted;
mod gss;
mod hooks;
mod hosts;
mod keeping;
mod leases;
mod limits;
mod named;
mod naming;
mod options;
mod places;
mod pools;
mod protection;
mod records;
mod resolver;
mod scopes;
mod secondary;
mod service;
mod shape;
mod switches;
mod tftp;
mod tsig_keys;
mod web;

use std::path::Path;

use config::fault::Position;
use config::{Fault, Faults, Severity};

/// What is expected of one fault: line and column, the text underlined, the message, and a part of the mend.
type Expected<'a> = (&'a str, &'a str, &'a str, &'a str);

fn secrets(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some("good.key") => Ok("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n".to_owned()),
        Some("bind.key") => Ok("key \"k\" {\n\talgorithm hmac-sha512;\n\tsecret \
                                \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\";\n};\n"
            .to_owned()),
        Some("zones/good.zone") => Ok("$TTL 60\n@ SOA ns1 admin 7 1 2 3 4\n NS ns1\nns1 A 192.0.2.1\n\
                                       $INCLUDE more.zone\n"
            .to_owned()),
        Some("zones/more.zone") => Ok("www CNAME ns1\nbig TYPE65280 \\# 2 0102\n".to_owned()),
        Some("zones/bad.zone") => Ok("www A 192.0.2.300\n\n  AAAA ::1 ::2\n$INCLUDE ../more.zone\n".to_owned()),
        Some("bad.key") => Ok("not base64!".to_owned()),
        _ => Err("No such file or directory".to_owned()),
    }
}

fn config(text: &str) -> config::Config {
    match config::check(text, "test.toml", &secrets) {
        Ok(checked) => checked.config,
        Err(faults) => panic!("{}", config::render(&faults, text, false)),
    }
}

fn found(text: &str) -> Faults {
    config::check(text, "test.toml", &secrets).map_or_else(|faults| faults, |checked| checked.warnings)
}

fn compare(text: &str, list: &[Fault], expected: &[Expected<'_>]) {
    let shown = || config::render(&Faults { file: "test.toml".into(), list: list.to_vec() }, text, false);
    assert_eq!(list.len(), expected.len(), "{}", shown());
    for (fault, (place, underlined, message, mend)) in list.iter().zip(expected) {
        let at = Position::of(text, fault.span.start);
        assert_eq!(format!("{}:{}", at.line, at.column), *place, "{}", shown());
        assert_eq!(&text[fault.span.start..fault.span.end], *underlined, "{}", shown());
        assert_eq!(fault.message, *message, "{}", shown());
        assert!(fault.mend.contains(mend), "the mend {:?} has no {mend:?}", fault.mend);
        assert!(!fault.label.is_empty());
    }
}

/// The file is refused, and exactly for these.
fn refused(text: &str, expected: &[Expected<'_>]) {
    let faults = found(text);
    assert!(faults.list.iter().all(|fault| fault.severity == Severity::Fault), "{faults:?}");
    compare(text, &faults.list, expected);
}

/// The file is taken, with exactly these warnings.
fn warned(text: &str, expected: &[Expected<'_>]) {
    let faults = found(text);
    assert!(faults.list.iter().all(|fault| fault.severity == Severity::Warning), "{faults:?}");
    compare(text, &faults.list, expected);
}

/// A good subnet and zone, with `more` after them.
fn and(more: &str) -> String {
    format!("{GOOD}{more}")
}

/// A good subnet and zone, with `keys` in the subnet from line 5 on.
fn subnet(keys: &str) -> String {
    format!("[[zone]]\nname = \"nasir.xyz\"\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n{keys}\n")
}

/// As [`subnet`], with pools on line 5 and `keys` from line 6 on.
fn pooled(keys: &str) -> String {
    subnet(&format!("pools = [\"192.168.30.100-192.168.30.199\"]\n{keys}"))
}

/// As [`pooled`], with a domain on line 6, and a reservation with `keys` from line 8 on.
fn reserved(keys: &str) -> String {
    pooled(&format!("domain = \"nasir.xyz\"\n[[subnet.reservation]]\n{keys}"))
}

/// Six lines.
const GOOD: &str = "[[zone]]\nname = \"nasir.xyz\"\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
                    pools = [\"192.168.30.100-192.168.30.199\"]\ndomain = \"nasir.xyz\"\n";

#[test]
fn what_the_others_build_on_is_good() {
    for text in [GOOD, &and(""), &pooled(""), &reserved("address = \"192.168.30.5\"\nhardware = \"52:54:00:12:34:56\"")]
    {
        warned(text, &[]);
    }
}

#[test]
fn one_run_reports_everything_in_the_order_of_the_file() {
    refused(
        "[server]\nserver_prot = 67\n[[key]]\nname = \"k\"\nsecret = \"?\"\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
         pools = [\"127.0.0.1-127.0.0.9\", 7]\nlease_time = true\n[[subnet.reservation]]\naddress = \"10.0.0.1\"\n\
         hardware = \"x\"\n",
        &[
            ("2:1", "server_prot", "unknown key `server_prot` in [server]", "did you mean `server_port`?"),
            ("5:10", "\"?\"", "the secret is not base64", "tsig-keygen"),
            (
                "8:10",
                "\"127.0.0.1-127.0.0.9\"",
                "the pool 127.0.0.1-127.0.0.9 is in 127.0.0.0/8: loopback, which never leaves a host (RFC 1122 section \
                 3.2.1.3)",
                "192.168.0.0/16",
            ),
            ("8:33", "7", "an item of `pools` must be a text in quotes, not a whole number", "\"192.168"),
            ("9:14", "true", "`lease_time` must be a text in quotes or a whole number, not true or false", "\"12h\""),
            ("11:11", "\"10.0.0.1\"", "the reserved address 10.0.0.1 is not within its subnet 192.168.30.0/24", "192."),
            ("12:12", "\"x\"", "`x` is not a hardware address", "52:54:00:12:34:56"),
        ],
    );
}

#[test]
fn drawn_for_people_it_has_file_line_column_the_text_underlined_and_the_mend() {
    let text = pooled("routrs = [\"192.168.30.1\"]");
    let drawn = config::render(&found(&text), &text, false);
    for part in [
        "unknown key `routrs` in [[subnet]]",
        "[test.toml:6:1]",
        "6 │ routrs = [\"192.168.30.1\"]\n",
        "───┬──\n",
        "╰── not a key here",
        "help: did you mean `routers`?",
        "test.toml: 1 fault\n",
    ] {
        assert!(drawn.contains(part), "{part:?} is not in\n{drawn}");
    }
    assert!(!drawn.contains('\u{1b}'), "no colour was asked for");
    assert!(config::render(&found(&text), &text, true).contains('\u{1b}'));
}

#[test]
fn as_json_it_has_the_place_and_the_words() {
    let text = pooled("routrs = [\"192.168.30.1\"]");
    assert_eq!(
        found(&text).to_json(&text),
        serde_json::json!([{
            "severity": "fault", "file": "test.toml", "line": 6, "column": 1, "end_line": 6, "end_column": 7,
            "text": "routrs", "message": "unknown key `routrs` in [[subnet]]", "label": "not a key here",
            "mend": "did you mean `routers`?",
        }])
    );
}

#[test]
fn columns_count_characters_not_bytes() {
    let text = "# äöü\n'ä' x";
    assert_eq!(Position::of(text, text.len()), Position { line: 2, column: 6 });
    refused("[server]\n# ü\nlog = \"ä\" # ö\n", &[("3:7", "\"ä\"", "\"ä\" is not a value of `log`", "\"info\"")]);
}
