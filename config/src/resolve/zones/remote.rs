//! Zones of other servers: where their updates go, and what signs these.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ddns::settings::Auth;
use dns::Fqdn;

use super::{Server, Zone};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{OneOrMore, ServerAddress};
use crate::file::v1;
use crate::resolve::gss;
use crate::resolve::keys::Keys;
use crate::resolve::scalars::server_address;

/// Addresses of a zone's servers, the preferred one first.
pub(super) type Servers = Arc<[SocketAddr]>;

/// The server of a zone that is not embedded, and what signs updates to it.
pub(super) fn server(zone: &v1::Zone, keys: &Keys<'_>, findings: &mut Findings) -> Option<(Servers, Auth)> {
    let Some(written) = &zone.server else {
        if let Some(gss) = &zone.gss {
            findings.fault(
                gss.span,
                "`gss` signs updates to a `server`, and this zone is embedded",
                "no server",
                "add `server`, or take it out",
            );
        }
        if let Some(key) = &zone.key {
            findings.fault(
                key.span,
                "`key` signs updates to a `server`, and this zone is embedded",
                "no server",
                "add `server`; or, for a key that may update the embedded zone, write `update_keys = [...]`",
            );
        }
        return None;
    };
    let embedded_only = [
        ("update_keys", zone.update_keys.as_ref().and_then(|list| list.first()).map(|key| key.span)),
        ("update", zone.update.first().map(|rule| rule.span)),
        ("self_by_lease", zone.self_by_lease.as_ref().map(|at| at.span)),
        ("leases", zone.leases.as_ref().map(|at| at.span)),
        ("views", zone.views.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("allow_query", zone.allow_query.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("deny_query", zone.deny_query.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("allow_update", zone.allow_update.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("deny_update", zone.deny_update.as_ref().and_then(|list| list.first()).map(|at| at.span)),
        ("ns", zone.ns.as_ref().map(|ns| ns.span)),
        ("hostmaster", zone.hostmaster.as_ref().map(|text| text.span)),
        ("file", zone.file.as_ref().map(|file| file.span)),
        ("ttl", zone.ttl.as_ref().filter(|_| zone.records.is_none()).map(|ttl| ttl.span)),
        ("secondaries", zone.secondaries.as_ref().and_then(|list| list.first()).map(|one| one.span)),
        ("notify_ns", zone.notify_ns.as_ref().map(|at| at.span)),
        ("allow_transfer", zone.allow_transfer.as_ref().and_then(|list| list.first()).map(|at| at.span)),
    ];
    for (key, place) in embedded_only {
        let Some(place) = place else { continue };
        findings.fault(
            place,
            format!("`{key}` is for embedded zones, and this one has a `server`"),
            "not ours to say",
            "take it out: the server that holds the zone decides that",
        );
    }
    let servers = addresses(written, findings);
    let auth = gss::auth(zone.key.as_ref(), zone.gss.as_ref(), &servers, keys, findings);
    if auth.is_none() {
        findings.warn(
            written.span,
            "updates to this server are not signed, so whoever can send it packets can change the zone",
            "no key",
            "add `key = \"...\"` and a [[key]] that the server knows too",
        );
    }
    Some((servers, auth.unwrap_or(Auth::Unsigned)))
}

/// The servers of a zone. One that could not be read is reported; the zone is still a remote one.
fn addresses(written: &At<OneOrMore<ServerAddress>>, findings: &mut Findings) -> Servers {
    let unreadable = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let each = written.each();
    if each.is_empty() {
        let mend = "name one, or take `server` out to hold the zone here";
        findings.fault(written.span, "the list of servers is empty", "no server", mend);
        return Arc::new([unreadable]);
    }
    let mut servers: Vec<(SocketAddr, Span)> = Vec::with_capacity(each.len());
    for at in &each {
        let address = server_address(at, 53, findings).unwrap_or(unreadable);
        if address.ip().is_unspecified() && address != unreadable {
            findings.fault(at.span, "no server has this address", "not a server's address", "write its address");
        }
        match servers.iter().find(|(known, _)| *known == address && address != unreadable) {
            Some((_, earlier)) => {
                findings
                    .fault(
                        at.span,
                        format!("the server {address} stands here twice"),
                        "again",
                        "take one of the two out",
                    )
                    .see(*earlier, "first here");
            }
            None => servers.push((address, at.span)),
        }
    }
    servers.into_iter().map(|(address, _)| address).collect()
}

/// The zone above all others, at the server that `[ddns]` names.
pub(super) fn elsewhere(ddns: &v1::Ddns, keys: &Keys<'_>, findings: &mut Findings) -> Option<Zone> {
    let Some(written) = &ddns.server else {
        if let Some(gss) = &ddns.gss {
            findings.fault(
                gss.span,
                "`gss` signs updates to a `server`, and [ddns] names none",
                "no server",
                "add `server`, or write `gss` in the [[zone]]s that have one",
            );
        }
        if let Some(key) = &ddns.key {
            findings.fault(
                key.span,
                "`key` signs updates to a `server`, and [ddns] names none",
                "no server",
                "add `server`, or write `key` in the [[zone]]s that have one",
            );
        }
        return None;
    };
    let servers = addresses(written, findings);
    let auth = gss::auth(ddns.key.as_ref(), ddns.gss.as_ref(), &servers, keys, findings);
    if auth.is_none() {
        findings.warn(
            written.span,
            "updates to this server are not signed, so whoever can send it packets can change its zones",
            "no key",
            "add `key = \"...\"` and a [[key]] that the server knows too",
        );
    }
    let server = Server::Remote { servers, auth: auth.unwrap_or(Auth::Unsigned), records: Vec::new() };
    Some(Zone { apex: Fqdn::root(), span: written.span, server })
}
