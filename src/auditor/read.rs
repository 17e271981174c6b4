//! A zone's records, from wherever it is served.

use std::net::SocketAddr;

use ddns::audit::{Kind, ZoneAudit, ZoneFindings};
use ddns::reconcile::explain;
use ddns::settings::{Auth, Settings, ZoneRoute, ZoneServer};
use ddns::wanted::RowKey;
use dns::{Fqdn, RecordType, Signing};

use super::Auditor;
use crate::ddns_client::read::{ReadError, Reading};

/// Names of a zone whose addresses are looked up, to see whether another server has them.
const ELSEWHERE_MAX: usize = 1_000;

impl Auditor {
    /// Reads a zone into an audit; tells how, in words, and why it failed.
    pub(super) async fn read(
        &self,
        zone: &ZoneRoute,
        id: Option<&Fqdn>,
        audit: &mut ZoneAudit,
    ) -> (&'static str, Result<(), String>) {
        match &zone.server {
            ZoneServer::Embedded => ("embedded", self.read_embedded(id.unwrap_or(&zone.apex), audit)),
            ZoneServer::Remote { servers, auth } => {
                let mut last = ("transfer", Err("no server is configured".to_owned()));
                for &server in servers.iter() {
                    last = self.read_remote(server, auth, &zone.apex, audit).await;
                    if last.1.is_ok() {
                        break;
                    }
                }
                last
            }
        }
    }

    fn read_embedded(&self, id: &Fqdn, audit: &mut ZoneAudit) -> Result<(), String> {
        let published = self.parts.published.load_full();
        let zone = published.get(id).ok_or("the embedded server does not serve it")?;
        for set in zone.rrsets() {
            for rdata in set.rdata {
                audit.take(&set.name, set.rtype, set.ttl, rdata);
            }
        }
        Ok(())
    }

    async fn read_remote(
        &self,
        server: SocketAddr,
        auth: &Auth,
        apex: &Fqdn,
        audit: &mut ZoneAudit,
    ) -> (&'static str, Result<(), String>) {
        let client = &self.parts.writer.client;
        let mut read = ("transfer", Err("it was not asked".to_owned()));
        // A server that was started anew knows no context from before: then it is asked once more, with another.
        for _ in 0..2 {
            let signing = match client.signing(server, auth, apex).await {
                Ok(signing) => signing,
                Err(failed) => return ("transfer", Err(explain(&failed.failure(), &server.to_string(), auth))),
            };
            read = self.read_signed(server, &signing, apex, audit).await;
            if read.1.is_ok() || !matches!(signing, Signing::Context(_)) {
                break;
            }
            client.forget(server, auth, &signing).await;
        }
        read
    }

    async fn read_signed(
        &self,
        server: SocketAddr,
        signing: &Signing,
        apex: &Fqdn,
        audit: &mut ZoneAudit,
    ) -> (&'static str, Result<(), String>) {
        let mut reading = Reading::new(server, signing, &self.parts.wall_secs);
        // Begun anew for each try: records of a transfer that broke off count for nothing.
        let mut whole = audit.restarted();
        let transferred = reading.transfer(apex, |name, rtype, ttl, rdata| whole.take(name, rtype, ttl, rdata)).await;
        match transferred {
            Ok(()) => {
                *audit = whole;
                return ("transfer", Ok(()));
            }
            Err(ReadError::Refused(_) | ReadError::Malformed(_)) => {}
            // BIND closes the connection on a transfer that it refuses without a signature.
            Err(ReadError::Connection(_)) if !signing.signs() => {}
            Err(other) => return ("transfer", Err(format!("{server}: {other}"))),
        }
        let mut single = audit.restarted();
        let keys: Vec<(RowKey, Fqdn)> = single.keys().map(|(key, name)| (key.clone(), name)).collect();
        for (key, name) in keys {
            let types = match &key {
                RowKey::Forward(_) => vec![RecordType::A, RecordType::AAAA, RecordType::DHCID],
                RowKey::Reverse(_) => vec![RecordType::PTR, RecordType::DHCID],
                RowKey::Stated(_, rtype) => vec![*rtype],
            };
            for rtype in types {
                match reading.lookup(&name, rtype).await {
                    Ok(records) => {
                        for (ttl, rdata) in records {
                            single.take(&name, rtype, ttl, rdata);
                        }
                    }
                    Err(error) => return ("queries", Err(format!("{server}: {error}"))),
                }
            }
        }
        *audit = single;
        ("queries", Ok(()))
    }

    /// Tells names that another server of the zone has by now from those that were changed by hand: the first have an
    /// address whose PTR record names them. Where that cannot be read, it stays a change.
    pub(super) async fn find_elsewhere(&self, zone: &ZoneRoute, settings: &Settings, findings: &mut ZoneFindings) {
        let ZoneServer::Remote { servers, auth } = &zone.server else { return };
        let Some(&server) = servers.first() else { return };
        let Ok(signing) = self.parts.writer.client.signing(server, auth, &zone.apex).await else { return };
        let mut reading = Reading::new(server, &signing, &self.parts.wall_secs);
        let doubtful = findings.findings.iter_mut().filter(|finding| finding.may_be_elsewhere);
        for finding in doubtful.take(ELSEWHERE_MAX) {
            let RowKey::Forward(name) = &finding.key else { continue };
            for address in finding.found.iter().filter_map(|one| one.rdata.to_address(one.rtype)) {
                match reading.lookup(&settings.reverse_name_of(address), RecordType::PTR).await {
                    Ok(pointers) if pointers.iter().any(|(_, rdata)| rdata.to_name().as_ref() == Some(name)) => {
                        finding.kind = Kind::Elsewhere;
                        break;
                    }
                    Ok(_) | Err(ReadError::Refused(_) | ReadError::Malformed(_)) => {}
                    // Nothing more is to be had there: what was found stays as it is.
                    Err(_) => return,
                }
            }
        }
    }
}
