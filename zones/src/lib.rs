//! Authoritative zones: snapshots, answers and RFC 2136 updates.
//!
//! Reading order: [`zone`] (one zone as a persistent map, whose names `names` keeps, each with its records in one piece ([`node`]): a snapshot is a clone), [`zone_set`] (all zones, and how
//! a new one begins), [`audience`] (who sees what of them), [`mod@answer`] (a question to an answer, pure),
//! [`mod@respond`] (the same, octets to octets, with EDNS and [`cookie`]s), [`update`] (prerequisites and changes to the next zone and its difference,
//! with [`serial`] arithmetic), [`policy`] (who may change what), [`by_lease`] (what the holder of a lease may), [`change`]
//! (that difference, as the store keeps it), [`difference`] (what a step changed, and several as one), [`history`] (the last
//! of them), [`intake`] (zones that are copies of other servers'), [`authority`] (what is decided, what is stored, and what is published) and [`master`] (zones as text).
//!
//! Architecture Invariant: no socket, disk, clock or randomness.

pub mod answer;
pub mod audience;
pub mod authority;
pub mod by_lease;
pub mod change;
pub mod cookie;
pub mod difference;
pub mod history;
pub mod intake;
pub mod master;
mod names;
pub mod node;
pub mod policy;
pub mod respond;
pub mod serial;
pub mod update;
pub mod zone;
pub mod zone_id;
pub mod zone_set;

pub use answer::{Answer, AnswerSet, Question, QuestionMeta, answer};
pub use audience::{AccessList, Askers, Audiences, Sight, View};
pub use authority::{Decision, Outcome, Settled, Ticket, Together, ZoneAuthority};
pub use change::ZoneChange;
pub use difference::{Condensed, Difference, DifferenceWriter};
pub use history::{AllHistories, Cut, Histories, History};
pub use node::{Node, NodeRef, Records, Set, SetRef};
pub use policy::{Requestor, UpdatePolicy};
pub use respond::{Asked, Kind, Responded, respond};
pub use update::{AllowAll, Draft, Followed, ForLeases, Policy, apply};
pub use zone::{Redirect, Standing, Zone, ZoneError};
pub use zone_set::{NewZone, Place, Unavailable, ZoneSet};
