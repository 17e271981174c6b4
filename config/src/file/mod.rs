//! From text to the types of [`v1`], with every fault of spelling and shape on the way.

mod at;
pub mod kinds;
mod schema;
mod shape;
mod suggest;
pub mod v1;

pub use at::At;
pub use schema::json_schema;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use crate::fault::{Findings, Span};

/// Reads `text`. What is wrong is reported and left out of the result; `None` when the text is not TOML.
pub(crate) fn read(text: &str, findings: &mut Findings) -> Option<v1::File> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        syntax_fault(text, error, findings);
    }
    shape::check(&mut document, json_schema(), findings);
    if !errors.is_empty() {
        return None;
    }
    match v1::File::deserialize(Deserializer::from(document)) {
        Ok(file) => Some(file),
        Err(error) => {
            // `shape` is stricter than serde, so this is not expected; it is still a fault of the file's.
            let span = error.span().map_or_else(Span::default, Span::from);
            findings.fault(span, error.message(), "here", "see docs/configuration.md for what can stand here");
            None
        }
    }
}

/// A fault of TOML itself, at the place where reading stopped.
fn syntax_fault(text: &str, error: &toml::de::Error, findings: &mut Findings) {
    let span = error.span().map_or(Span { start: text.len(), end: text.len() }, Span::from);
    findings.fault(
        span,
        format!("this is not TOML: {}", error.message()),
        "here",
        "texts stand in quotes, lists in [brackets] with commas; see https://toml.io",
    );
}
