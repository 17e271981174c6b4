//! What a request changes, in words for the audit log.

use std::net::Ipv4Addr;

use web::model::MachineWrite;

use super::{Request, ReserveRequest};

/// What a request changes, in words for the audit log; `None`: it only asks.
pub(super) fn request_words(request: &Request) -> Option<String> {
    let of = |zone: &Option<String>| {
        zone.as_ref().map_or_else(|| "every zone".to_owned(), |zone| format!("the zone {zone}"))
    };
    match request {
        Request::Reload { dry_run: false } => Some(APPLY_WORDS.to_owned()),
        Request::DecideDevice { hardware, verdict, .. } => Some(decision_words(hardware, verdict)),
        Request::Compact => Some("compact the lease store".to_owned()),
        Request::DnsRepair { zone, dry_run: false, yes } => {
            let also = if *yes { ", also deleting more than may be deleted unasked" } else { "" };
            Some(format!("repair {}{also}", of(zone)))
        }
        Request::DnsAdopt { zone, names, all_without_dhcid, dry_run: false } => {
            let what = if *all_without_dhcid { "all records without DHCID".to_owned() } else { names.join(", ") };
            Some(format!("adopt {what} in {}", of(zone)))
        }
        Request::DnsConfirmDeletions { zone, dry_run: false } => {
            Some(format!("confirm what is held back from being deleted in the zone {zone}"))
        }
        Request::DnsRetry { of } => Some(retry_words(of.as_deref())),
        Request::DnsResync { zone, dry_run: false } => Some(format!("tell DNS every name of {} anew", of(zone))),
        Request::Reserve { reserve, dry_run: false } => Some(reserve.words()),
        Request::Unreserve { client, subnet, dry_run: false } => Some(unreserve_words(client, subnet.as_ref())),
        Request::EditRecords { edit, dry_run: false } => Some(edit.words()),
        Request::PutMachine { name, machine, dry_run: false } => Some(put_machine_words(name, machine)),
        Request::RemoveMachine { name, dry_run: false } => Some(remove_machine_words(name)),
        Request::Release { address, .. } => Some(release_words(*address)),
        Request::DnsRefresh { zone, whole } => {
            Some(format!("refresh the copy of the zone {zone}{}", if *whole { ", whole" } else { "" }))
        }
        Request::Reload { dry_run: true }
        | Request::Reserve { dry_run: true, .. }
        | Request::Unreserve { dry_run: true, .. }
        | Request::EditRecords { dry_run: true, .. }
        | Request::Records { .. }
        | Request::PutMachine { dry_run: true, .. }
        | Request::RemoveMachine { dry_run: true, .. }
        | Request::Machines
        | Request::DnsRepair { dry_run: true, .. }
        | Request::DnsAdopt { dry_run: true, .. }
        | Request::DnsConfirmDeletions { dry_run: true, .. }
        | Request::DnsResync { dry_run: true, .. }
        | Request::Leases
        | Request::LeaseAt { .. }
        | Request::Devices
        | Request::Names
        | Request::Status
        | Request::Explain(_)
        | Request::Changes(_)
        | Request::Events { .. }
        | Request::Past(_)
        | Request::PastHolder { .. }
        | Request::Queries { .. }
        | Request::DnsServers
        | Request::DnsAudit { .. }
        | Request::DnsCopies => None,
    }
}

impl ReserveRequest {
    /// In words for the audit log.
    pub(crate) fn words(&self) -> String {
        let Self { client, address, subnet, hostname, from_lease } = self;
        let mut words = "reserve".to_owned();
        let mut say = |before: &str, what: Option<String>| {
            if let Some(what) = what {
                words.extend([" ", before, &what]);
            }
        };
        say("", address.map(|address| address.to_string()));
        say("in ", subnet.map(|subnet| subnet.to_string()));
        say("for ", client.clone());
        say("as its lease says ", from_lease.map(|address| address.to_string()));
        say("by the name ", hostname.clone());
        words
    }
}

/// Taking the files over, in words for the audit log.
pub(crate) const APPLY_WORDS: &str = "read the configuration again, and take it over";

/// Taking a reservation out, in words for the audit log.
pub(crate) fn unreserve_words(client: &str, subnet: Option<&impl std::fmt::Display>) -> String {
    let of = subnet.map(|subnet| format!(" in {subnet}")).unwrap_or_default();
    format!("take out what is reserved for {client}{of}")
}

/// Trying DNS work now, in words for the audit log.
pub(crate) fn retry_words(of: Option<&str>) -> String {
    format!("try {} in DNS now", of.unwrap_or("all that waits for its next try"))
}

/// Putting a machine, in words for the audit log.
pub(crate) fn put_machine_words(name: &str, machine: &MachineWrite) -> String {
    let leased = machine.interfaces.iter().map(|one| {
        let address = one.address.as_ref().map(|address| format!(" at {address}")).unwrap_or_default();
        format!("{}{address}", one.clients.join(" "))
    });
    let all: Vec<String> = machine.addresses.iter().cloned().chain(leased).collect();
    format!("put the machine {name}: {}", all.join(", "))
}

/// Taking one out, in words for the audit log.
pub(crate) fn remove_machine_words(name: &str) -> String {
    format!("take out the machine {name}")
}

/// Deciding about a device, in words for the audit log.
pub(crate) fn decision_words(hardware: &str, verdict: &str) -> String {
    format!("{verdict} the device {hardware}")
}

/// Ending a lease, in words for the audit log.
pub(crate) fn release_words(address: Ipv4Addr) -> String {
    format!("end the lease of {address}")
}
