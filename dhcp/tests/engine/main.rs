//! The engine: a message in, a decision out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(missing_docs, reason = "a test's name tells what it shows")]

mod bootp;
mod classes;
mod devices;
mod dora;
mod hostile;
mod hosts;
mod identity_switch;
mod leasequery;
mod limits;
mod links;
mod naming;
mod network;
mod other_dhcp;
mod places;
mod probing;
mod random;
mod rapid_commit;
mod relays;
mod reservations;
mod rfc2131;
mod scenarios;
mod scopes;
mod settling;
mod shared_networks;
mod unknown;
mod vendors;
mod world;
