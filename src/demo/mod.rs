//! `leasehold demo`: the main job on loopback, without root and without a file.
//!
//! The daemon is started as always, from a configuration like any other; it listens on 127.0.0.1 and on high ports.
//! What is built in is its world: a [`client`] that wants a lease and a name, the [`relay`] that it stands behind
//! (so that it can be in a subnet that this machine has not), and somebody who asks the DNS server ([`resolve`]).
//!
//! Architecture Invariant: nothing here reaches into the daemon, and the daemon knows nothing of this.

pub mod client;
pub mod relay;
pub mod resolve;
mod setting;
mod story;

pub use setting::{Setting, SettingError};
pub use story::{Outcome, tell_story};

/// Not for secrets: from the standard library's seed of hash maps.
fn random_u32() -> u32 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let bits = RandomState::new().build_hasher().finish();
    (bits ^ (bits >> 32)) as u32
}
