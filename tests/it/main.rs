//! The integration tests: one binary, a module per feature.
//!
//! The bench they stand on comes first: [`process`] starts and watches programs, [`netns`] builds hosts and links as
//! network namespaces, [`clients`] drives four real DHCP clients, [`servers`] real DNS servers, a relay and
//! Leasehold itself. What each test needs of the machine is told in `docs/testing.md`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod architecture;
mod asker;
mod audit;
mod check_online;
mod claims;
mod clients;
mod config_changes;
mod conflicts;
mod correctness;
mod cuts;
mod ddns_client;
mod demo;
mod dhcp_sockets;
mod dig;
mod dns_alone;
mod dns_datagrams;
mod dns_failures;
mod dns_protection;
mod embedded_dns;
mod encrypted_dns;
mod encrypted_upstreams;
mod errors;
mod explain;
mod explain_names;
mod field;
mod forwarding;
mod full_disk;
mod history;
mod interop;
mod keys;
mod kills;
mod lan;
mod leasehold;
mod leasequery;
mod link_check;
mod load;
mod logging;
mod netboot;
mod netns;
mod outage;
mod packet;
mod page;
mod probing;
mod process;
mod programs;
mod query_log;
mod recovery;
mod relays;
mod reload;
mod reserved_names;
mod secondaries;
mod self_by_lease;
mod server_health;
mod servers;
mod service;
mod signed_updates;
mod standins;
mod static_records;
mod takeover;
mod tftp;
mod trace;
mod transfer;
mod two_servers;
mod updater;
mod upkeep;
mod users;
mod validation;
mod vendor_options;
mod web_access;
mod wire;
mod zones_beside_bind;
