//! DNS values that `ddns` and `zones` share, and their wire edge to hickory-proto.
//!
//! Reading order: [`name`] (a domain name as canonical wire bytes), [`record`] (types, record data,
//! sets), [`rdata`] (what stands in record data), [`text`] (data as
//! people write it), [`rcode`], [`update`] (RFC 2136 as values: prerequisites and changes), [`dhcid`] (RFC 4701), [`naming`] (rules of names),
//! [`padding`] (RFC 7830), [`tsig`] (keys), [`bytes`] (a few of them by value), [`packed`] (many names and sets in one piece), [`sip`] (hashes of what clients choose), and
//! [`wire`], the only place where hickory's types meet ours.
//!
//! Architecture Invariant: hickory's `Name` and `Record` never appear in state, journal or the public
//! API of any crate but in `wire`; they cost several hundred bytes each.

pub mod bytes;
pub mod dhcid;
pub mod keepalive;
pub mod name;
pub mod naming;
mod options;
pub mod packed;
pub mod padding;
pub mod rcode;
pub mod rdata;
pub mod record;
pub mod sip;
pub mod text;
pub mod tsig;
pub mod update;
pub mod wire;

pub use bytes::Bytes;
pub use dhcid::{Dhcid, HostIdentity};
pub use name::{Fqdn, LABEL_OCTETS_MAX, NAME_OCTETS_MAX, NameError};
pub use naming::{ConflictGuard, Naming, NamingPart};
pub use packed::{NameSet, SetList};
pub use rcode::Rcode;
pub use rdata::{RdataError, Soa};
pub use record::{Rdata, RecordType, Rrset};
pub use tsig::{SecurityContext, Signing, TsigAlgorithm, TsigKey, TsigKeyError};
pub use update::{Change, Prerequisite, Update};
