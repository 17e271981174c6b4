//! Dynamic DNS: which name a client gets, who owns it, and how DNS is brought to hold it.
//!
//! Reading order: [`settings`], [`routes`] (which zone a name is in), [`cuts`] (where remote zones begin), [`choose`] (from what a client sent to a name, RFC 4702), [`wanted`] (what DNS
//! should hold, by name and by address; written in the lease's transaction), [`builder`] (RFC 4703 as RFC 2136
//! updates, one function per section), [`transaction`] (one name's change, step by step) and [`reconcile`]
//! (wanted, in flight, confirmed, refused; retried until done). [`audit`] compares a zone with what it should hold, and [`takeover`]
//! makes ours what somebody else wrote for a host of ours.
//!
//! Architecture Invariant: no socket, disk, clock or randomness. Time comes in as a parameter.

pub mod audit;
pub mod builder;
pub mod choose;
pub mod cuts;
pub mod foreign;
pub mod grant;
pub mod hosts;
pub mod kerberos;
#[cfg(test)]
mod model_server;
mod packed;
pub mod reconcile;
pub mod routes;
pub mod settings;
pub mod suffixes;
pub mod takeover;
pub mod time;
pub mod transaction;
pub mod wanted;

pub use time::Now;
