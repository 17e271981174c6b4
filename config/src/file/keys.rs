//! The keys that several tables share, as borrowed views: what reads them need not know the table.

use super::at::At;
use super::kinds::{Address, DomainName, Duration, FreeText, OwnAddress, WordOr};
use super::naming::{AfterExpiryValue, Generate, TtlValue};
use super::option_value::OptionTable;
use super::v1::{
    Bootp, Clean, ClientUpdates, Conflict, ConflictCheck, Outside, Probe, Replace, ReservedNames, Route, Vendor,
};

/// The shared keys about lease times.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct TimeKeys<'a> {
    pub lease_time: Option<&'a At<Duration>>,
    pub lease_time_min: Option<&'a At<Duration>>,
    pub lease_time_max: Option<&'a At<Duration>>,
}

impl TimeKeys<'_> {
    /// These, and a wider table's where they say nothing.
    #[must_use]
    pub fn over(self, wider: Self) -> Self {
        Self {
            lease_time: self.lease_time.or(wider.lease_time),
            lease_time_min: self.lease_time_min.or(wider.lease_time_min),
            lease_time_max: self.lease_time_max.or(wider.lease_time_max),
        }
    }
}

/// The shared keys of a second server.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct SecondKeys<'a> {
    pub offer_delay_ms: Option<&'a At<u32>>,
    pub min_secs: Option<&'a At<u16>>,
}

/// The other shared keys about leases.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct LeaseKeys<'a> {
    pub t1: Option<&'a At<f64>>,
    pub t2: Option<&'a At<f64>>,
    pub always_broadcast: Option<bool>,
    pub ignore_client_id: Option<bool>,
    pub refuse_unrelayed_option82: Option<bool>,
    pub rapid_commit: Option<bool>,
    pub probe: Option<Probe>,
    pub bootp: Option<Bootp>,
}

impl LeaseKeys<'_> {
    /// These, and a wider table's where they say nothing.
    #[must_use]
    pub fn over(self, wider: Self) -> Self {
        Self {
            t1: self.t1.or(wider.t1),
            t2: self.t2.or(wider.t2),
            always_broadcast: self.always_broadcast.or(wider.always_broadcast),
            ignore_client_id: self.ignore_client_id.or(wider.ignore_client_id),
            refuse_unrelayed_option82: self.refuse_unrelayed_option82.or(wider.refuse_unrelayed_option82),
            rapid_commit: self.rapid_commit.or(wider.rapid_commit),
            bootp: self.bootp.or(wider.bootp),
            probe: self.probe.or(wider.probe),
        }
    }
}

/// The shared keys about options.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct OptionKeys<'a> {
    pub mask: Option<&'a At<Address>>,
    pub routers: Option<&'a At<Vec<At<Address>>>>,
    pub dns_servers: Option<&'a At<WordOr<OwnAddress, Address>>>,
    pub domain_name: Option<&'a At<DomainName>>,
    pub domain_search: Option<&'a At<Vec<At<DomainName>>>>,
    pub ntp_servers: Option<&'a At<Vec<At<Address>>>>,
    pub broadcast: Option<&'a At<Address>>,
    pub routes: Option<&'a At<Vec<At<Route>>>>,
    pub mtu: Option<&'a At<u16>>,
    pub ipv6_only: Option<&'a At<Duration>>,
    pub tftp_server_name: Option<&'a At<FreeText>>,
    pub boot_file_name: Option<&'a At<FreeText>>,
    pub options: Option<&'a OptionTable>,
    pub vendor: Option<&'a [At<Vendor>]>,
    pub next_server: Option<&'a At<Address>>,
    pub server_name: Option<&'a At<FreeText>>,
    pub boot_file: Option<&'a At<FreeText>>,
    pub always_send: Option<&'a At<Vec<At<FreeText>>>>,
    pub never_send: Option<&'a At<Vec<At<FreeText>>>>,
}

/// The shared keys about names.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "each is documented where the tables are made")]
pub struct NamingKeys<'a> {
    pub domain: Option<&'a At<DomainName>>,
    pub clean: Option<Clean>,
    pub outside: Option<Outside>,
    pub client_updates: Option<ClientUpdates>,
    pub override_no_update: Option<bool>,
    pub generate: Option<&'a At<Generate>>,
    pub replace: Option<&'a At<Replace>>,
    pub ttl: Option<&'a At<TtlValue>>,
    pub conflict_check: Option<ConflictCheck>,
    pub conflict: Option<Conflict>,
    pub suffix_keep: Option<&'a At<Duration>>,
    pub after_expiry: Option<&'a At<AfterExpiryValue>>,
    pub reserved_names: Option<ReservedNames>,
}

impl NamingKeys<'_> {
    /// These, and a wider table's where they say nothing.
    #[must_use]
    pub fn over(self, wider: Self) -> Self {
        Self {
            domain: self.domain.or(wider.domain),
            clean: self.clean.or(wider.clean),
            outside: self.outside.or(wider.outside),
            client_updates: self.client_updates.or(wider.client_updates),
            override_no_update: self.override_no_update.or(wider.override_no_update),
            generate: self.generate.or(wider.generate),
            replace: self.replace.or(wider.replace),
            ttl: self.ttl.or(wider.ttl),
            conflict_check: self.conflict_check.or(wider.conflict_check),
            conflict: self.conflict.or(wider.conflict),
            suffix_keep: self.suffix_keep.or(wider.suffix_keep),
            after_expiry: self.after_expiry.or(wider.after_expiry),
            reserved_names: self.reserved_names.or(wider.reserved_names),
        }
    }
}
