//! Values in a few words, for a world's log.

use dhcp::lease::Lease;
use dns::{Change, Update};

pub(crate) fn brief(update: &Update) -> String {
    let change = match update.changes.first() {
        Some(Change::Add { name, rtype, .. }) => format!("add {name} {}", rtype.0),
        Some(Change::DeleteRrset(name, rtype)) => format!("delete all {name} {}", rtype.0),
        Some(Change::DeleteRecord(name, rtype, _)) => format!("delete one {name} {}", rtype.0),
        Some(Change::DeleteName(name)) => format!("delete {name}"),
        None => "nothing".to_owned(),
    };
    format!("{change} ({} changes, {} prerequisites)", update.changes.len(), update.prerequisites.len())
}

pub(crate) fn lease_in_brief(lease: &Lease) -> String {
    let name = lease.name.as_ref().map(|name| format!("{} A={} PTR={}", name.fqdn, name.forward, name.reverse));
    format!("{} {:?} {} until {} {name:?}", lease.address, lease.state, lease.hardware, lease.expires_at)
}
