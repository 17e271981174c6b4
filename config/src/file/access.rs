//! Tables about who may see and change what of embedded zones.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{AskerText, FreeText, OneOrMore, RecordTypeText, ViewName};
use super::words::OwnNameWord;

/// A view: clients that see records of their own, and zones that others do not see.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Its name.
    #[schemars(required)]
    pub name: Option<At<ViewName>>,
    /// Who is in it. Whoever is in several views is in the first of them.
    #[schemars(required)]
    pub clients: Option<At<Vec<At<AskerText>>>>,
}

/// A rule of who may change what in an embedded zone. The first that is about a record decides.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRule {
    /// Who may: names of keys, principals such as `host/*@NASIR.XYZ`, or `*` for whoever signs with a key or ticket that is
    /// accepted. Either this or `deny`.
    pub grant: Option<At<OneOrMore<FreeText>>>,
    /// Who may not. Either this or `grant`.
    pub deny: Option<At<OneOrMore<FreeText>>>,
    /// These names. Without any of `name`, `subdomain`, `wildcard`, `self` and `leases`, all of the zone.
    pub name: Option<At<OneOrMore<FreeText>>>,
    /// These names and all beneath them.
    pub subdomain: Option<At<OneOrMore<FreeText>>>,
    /// Names beneath: `*.lab` is for all beneath `lab`.
    pub wildcard: Option<At<OneOrMore<FreeText>>>,
    /// The name that the key or principal itself has; with `subdomain` also what is beneath it.
    #[serde(rename = "self")]
    pub own: Option<OwnNameWord>,
    /// Names that leases have.
    pub leases: Option<bool>,
    /// Types of records, `ANY` for all; else all, in a grant without SOA, NS, DNAME, RRSIG, NSEC and NSEC3.
    pub types: Option<At<Vec<At<RecordTypeText>>>>,
}
