//! Authoritative zones: snapshots, answers and RFC 2136 updates.
//!
//! Reading order: [`zone`] (one zone as a persistent map: a snapshot is a clone), [`answer`] (a question to an
//! answer, pure), [`update`] (prerequisites and changes to the next zone and its difference).
//!
//! Architecture Invariant: no socket, disk, clock or randomness.

pub mod answer;
pub mod change;
pub mod update;
pub mod zone;
