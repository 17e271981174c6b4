//! Tables about DHCP options beyond a name and its value: options of one's own, those of vendors, and routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{Address, FreeText, Prefix};
use super::option_value::{OptionTable, OptionValue};
use super::words::OptionKind;

/// An option of one's own, or a vendor's sub-option.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionDefinition {
    /// Its name in tables of options.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// Its code.
    #[schemars(required)]
    pub code: Option<At<u8>>,
    /// The type of its data.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub kind: Option<At<OptionKind>>,
    /// Whether it has several values.
    pub array: Option<At<bool>>,
    /// It is a sub-option of option 43, for clients whose vendor class identifier (60) begins so.
    pub vendor: Option<At<FreeText>>,
    /// It is a sub-option of option 125, of the enterprise with this number.
    pub enterprise: Option<At<u32>>,
}

/// Options of one vendor's clients: sub-options of option 43, or of 125.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// For clients whose vendor class identifier (60) is this: option 43.
    pub identifier: Option<At<FreeText>>,
    /// For clients whose vendor class identifier begins so: option 43.
    pub prefix: Option<At<FreeText>>,
    /// For clients of the enterprise with this number: option 125 (RFC 3925).
    pub enterprise: Option<At<u32>>,
    /// The sub-options, by name or by number.
    #[schemars(required, with = "BTreeMap<String, OptionValue>")]
    pub options: Option<OptionTable>,
}

/// A classless static route.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destination.
    #[schemars(required)]
    pub to: Option<At<Prefix>>,
    /// The router to it; 0.0.0.0 for "on this link".
    #[schemars(required)]
    pub via: Option<At<Address>>,
}
