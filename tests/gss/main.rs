//! GSS-TSIG (RFC 3645): names brought into a real BIND with the tickets of a real MIT KDC, and into a
//! domain controller of Samba.
//!
//! A binary of its own, because the daemon that it starts is built with the feature `gss`. It stands on the bench of the
//! integration tests. Needs root, network namespaces, `named`, `krb5kdc`, `kadmin.local`, `samba`, `udhcpc` and libfaketime.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../it/dig.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod dig;
#[path = "../it/leasehold.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod leasehold;
#[path = "../it/netns.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod netns;
#[path = "../it/process.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod process;

mod bind;
mod faults;
mod realm;
mod samba;
mod served;
