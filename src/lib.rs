//! Leasehold's shell: everything that touches sockets, disk, clock and randomness.
//!
//! Reading order: [`core`] (no I/O yet: what daemon and simulation share), [`daemon`] (start order and shutdown),
//! [`dhcp_service`] (the way of a packet), [`dhcp_sockets`], [`committer`] (the store's thread), [`updater`] and
//! [`ddns_client`] (names to DNS servers), [`auditor`] and [`inheritor`] (what stands there already), [`zone_keeper`] and
//! [`dns_server`] (embedded zones), [`tftp_server`],
//! [`link_check`], then [`control`], [`http`] (the page and its API), [`remote`] (another machine's), [`commands`] and [`demo`].
//! [`ddns_client`] (names to DNS servers), [`zone_keeper`], [`zone_writer`] and [`dns_server`] (embedded zones), [`link_check`], [`prober`] (is an address used already?), then
//! [`control`], [`commands`] and [`demo`].

pub mod auditor;
pub mod block_lists;
pub mod changes;
pub mod clock;
pub mod commands;
pub mod committer;
pub mod config_files;
pub mod control;
pub mod core;
pub mod counters;
pub mod daemon;
pub mod ddns_client;
pub mod delayed;
pub mod demo;
pub mod departed_names;
pub mod descriptors;
pub mod devices;
pub mod dhcp_service;
pub mod dhcp_sockets;
pub mod dns_server;
pub mod dns_writer;
pub mod embedded_zones;
pub mod explain;
pub mod history;
pub mod hooks;
pub mod http;
pub mod inheritor;
pub mod intake;
pub mod kerberos;
pub mod lease_log;
pub mod leasequery_server;
pub mod link_check;
pub mod logging;
pub mod makers;
pub mod memory;
pub mod neighbours;
pub mod port_holder;
pub mod prober;
pub mod query_log;
pub mod quiet;
pub mod reload;
pub mod remote;
pub mod responder;
pub mod secondaries;
pub mod service;
pub mod static_records;
#[cfg(feature = "otel")]
pub mod telemetry;
pub mod tftp_server;
pub mod tls;
pub mod transfer;
pub mod updater;
pub mod wiring;
pub mod zone_intake;
pub mod zone_keeper;
pub mod zone_writer;

/// An error and its causes in one line, outermost first.
#[must_use]
pub fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}
