//! What is not TOML at all.

use toml::de::Error;

use crate::fault::{Fault, Findings, Position, Severity, Span};

/// Reports the errors, one a line.
pub(super) fn report(text: &str, errors: &[Error], findings: &mut Findings) {
    for error in errors {
        let span = error.span().map_or(Span { start: text.len(), end: text.len() }, Span::from);
        let (message, label, mend) = words(text, span, error.message());
        let fault = Fault { severity: Severity::Fault, span, message, label: label.to_owned(), mend, related: None };
        findings.syntax(Position::of(text, span.start).line, fault);
    }
}

/// Message, label and mend.
fn words(text: &str, span: Span, error: &str) -> (String, &'static str, String) {
    let token = text.get(span.start..span.end).unwrap_or_default();
    let start = text[..span.start.min(text.len())].rfind(['\n', '=', '[', ',']).map_or(0, |at| at + 1);
    let end = text[start..].find(['\n', ',', ']', '#']).map_or(text.len(), |at| start + at);
    let value = text[start..end].trim();
    if error.contains("duplicate key") {
        return (
            format!("the key `{token}` is given twice in one table"),
            "given again",
            "take one of the two out; in a list of tables, begin each with its own [[header]]".to_owned(),
        );
    }
    let unquoted =
        error.contains("must be quoted") || error.contains("invalid float") || error.contains("invalid integer");
    if unquoted && !value.is_empty() && !value.contains(['"', '=', '[']) {
        return (
            format!("this is not TOML: `{value}` is a text without quotes"),
            "not in quotes",
            format!("write \"{value}\""),
        );
    }
    let mend = if error.contains("invalid basic string") {
        "end the text with a quote before the line ends"
    } else if error.contains("unclosed array table") {
        "a list of tables begins with two brackets and ends with two: [[subnet]]"
    } else if error.contains("unclosed table") {
        "close the bracket of the header"
    } else if error.contains("comma") || error.contains("unclosed array") {
        "a list begins with [ and ends with ], with commas between its items; perhaps a ] is missing above"
    } else if error.contains("key with no value") {
        "write a key, an equals sign and a value"
    } else {
        "texts stand in quotes, lists in brackets with commas between; https://toml.io tells all of it"
    };
    (format!("this is not TOML: {error}"), "here", mend.to_owned())
}
