//! From text to the types of [`v1`], with every fault of spelling and shape on the way.

pub mod access;
mod at;
mod dns;
mod keeping;
mod keys;
pub mod kinds;
pub mod matching;
pub mod naming;
pub mod option_value;
mod options;
mod protection;
mod schema;
mod shape;
pub(crate) mod suggest;
mod syntax;
#[macro_use]
mod tables;
mod leasing;
pub mod v1;
mod web;
mod words;
mod zones;

pub use at::At;
pub use schema::json_schema;

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use crate::fault::{Findings, Span};

/// Reads `text`. What is wrong is reported and left out of the result, so that the rest can still be checked.
pub(crate) fn read(text: &str, findings: &mut Findings) -> v1::File {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    syntax::report(text, &errors, findings);
    shape::check(&mut document, json_schema(), findings);
    v1::File::deserialize(Deserializer::from(document)).unwrap_or_else(|error| {
        // `shape` is stricter than serde, so this is not expected; it is still a fault of the file's.
        let span = error.span().map_or_else(Span::default, Span::from);
        findings.fault(span, error.message(), "here", "see docs/configuration.md for what can stand here");
        v1::File::default()
    })
}
