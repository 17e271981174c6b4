//! An audit of single names and addresses, for whoever asks why they are what they are.

use std::sync::Arc;
use std::time::Duration;

use ddns::audit::{AuditedRow, Finding, Kind, Owners, Rest, TRIALS_MAX, ZoneAudit};
use ddns::reconcile::{LastAnswer, Stage, explain};
use ddns::settings::{Settings, ZoneServer};
use ddns::wanted::{RowKey, Want};
use dhcp::lease::Lease;
use dns::{Dhcid, Fqdn, HostIdentity, Rdata, RecordType};
use zones::zone_id;

use super::Auditor;
use super::view::found_words;
use crate::ddns_client::read::Reading;
use crate::explain::rows::RowFacts;

/// How many names and addresses are asked for in one go.
const ASKED_MAX: usize = 16;
/// How long all of that may take.
const PATIENCE: Duration = Duration::from_secs(3);

impl Auditor {
    /// Asks the servers what they hold of these rows, and tells it in a sentence for each row that there is something to
    /// tell of: those that are done or disputed. A zone that cannot be updated is not asked: that is told already.
    pub(crate) async fn look(&self, rows: &[RowFacts], settings: &Arc<Settings>) -> Vec<Option<String>> {
        let mut told: Vec<Option<String>> = vec![None; rows.len()];
        let asked = rows.iter().enumerate().filter(|(_, row)| {
            let at_rest = row.stage == Stage::Done || row.last == LastAnswer::Conflict;
            at_rest && row.down_since.is_none() && row.want.is_some()
        });
        let all = async {
            for (at, row) in asked.take(ASKED_MAX) {
                told[at] = self.look_at(row, settings).await;
            }
        };
        // What was not answered in time is not told.
        let _late = tokio::time::timeout(PATIENCE, all).await;
        told
    }

    async fn look_at(&self, row: &RowFacts, settings: &Arc<Settings>) -> Option<String> {
        let (want, server) = (row.want.clone()?, row.used.as_ref()?);
        let rest = if row.stage == Stage::Done { Rest::Done } else { Rest::Conflict };
        let audited = AuditedRow { key: row.key.clone(), generation: 0, want: Some(want.clone()), rest };
        let (apex, owner) = (row.apex.as_ref()?, settings.owner_of(&row.key));
        let zones = match server {
            ZoneServer::Embedded => self.parts.published.load().leased(apex),
            ZoneServer::Remote { .. } => vec![apex.clone()],
        };
        let mut told: Option<String> = None;
        for zone in zones {
            let mut audit = ZoneAudit::new(Arc::clone(settings), [audited.clone()]);
            if let Err(why) = self.read_name(server, &zone, &row.key, &owner, &mut audit).await {
                return Some(format!("{owner} could not be asked for: {why}"));
            }
            let finding =
                audit.conclude(std::slice::from_ref(&audited), &Owners::default()).findings.into_iter().next();
            let Some(finding) = finding else { continue };
            let whose = self.whose(&finding, &want).await;
            let words = words(&finding, whose.as_deref());
            let words = if zone == *apex { words } else { format!("in {}: {words}", zone_id::words(&zone)) };
            // What stands in the way in one view is why nothing is there in the others.
            if finding.kind == Kind::Foreign {
                return Some(words);
            }
            told.get_or_insert(words);
        }
        Some(told.unwrap_or_else(|| "DNS holds it as it should".to_owned()))
    }

    async fn read_name(
        &self,
        server: &ZoneServer,
        apex: &Fqdn,
        key: &RowKey,
        owner: &Fqdn,
        audit: &mut ZoneAudit,
    ) -> Result<(), String> {
        let types = match key {
            RowKey::Forward(_) => &[RecordType::A, RecordType::AAAA, RecordType::DHCID][..],
            RowKey::Reverse(_) => &[RecordType::PTR, RecordType::DHCID][..],
            RowKey::Stated(_, rtype) => std::slice::from_ref(rtype),
        };
        let ZoneServer::Remote { servers, auth } = server else {
            let published = self.parts.published.load_full();
            let zone = published.get(apex).ok_or("the embedded server does not serve its zone")?;
            for set in types.iter().filter_map(|rtype| zone.rrset(owner, *rtype)) {
                set.rdata.iter().for_each(|rdata| audit.take(owner, set.rtype, set.ttl, rdata.clone()));
            }
            return Ok(());
        };
        let address = *servers.first().ok_or("its zone has no server")?;
        let signing = self.parts.writer.client.signing(address, auth, apex).await;
        let signing = signing.map_err(|failed| explain(&failed.failure(), &address.to_string(), auth))?;
        let mut reading = Reading::new(address, &signing, &self.parts.wall_secs);
        for &rtype in types {
            let records = reading.lookup(owner, rtype).await.map_err(|error| error.to_string())?;
            records.into_iter().for_each(|(ttl, rdata)| audit.take(owner, rtype, ttl, rdata));
        }
        Ok(())
    }

    /// Whose DHCID stands in the way, in words; `None`: there is none, or it is no other one than ours.
    async fn whose(&self, finding: &Finding, want: &Want) -> Option<String> {
        let theirs = finding.found.iter().find(|one| one.rtype == RecordType::DHCID)?.rdata.clone();
        if finding.kind != Kind::Foreign {
            return None;
        }
        // The target of a PTR, whosever it is, is in its DHCID.
        let target = finding.found.iter().find(|one| one.rtype == RecordType::PTR).and_then(|one| one.rdata.to_name());
        let (name, want) = (target.unwrap_or_else(|| want.name.clone()), want.clone());
        let leases = self.leases().await.ok()?;
        tokio::task::spawn_blocking(move || owner_words(&leases, &theirs, &name, &want)).await.ok()
    }
}

fn owner_words(leases: &[Lease], dhcid: &Rdata, name: &Fqdn, want: &Want) -> String {
    let code = dhcid.0.get(..2).unwrap_or_default();
    let made_by = |identity: &HostIdentity| {
        code == identity.type_code().to_be_bytes() && Rdata::dhcid(&Dhcid::new(identity, name)) == *dhcid
    };
    // Three digests at most for each lease.
    for lease in leases.iter().take(TRIALS_MAX / 3) {
        let Some(by) = identities(lease).into_iter().find_map(|(identity, by)| made_by(&identity).then_some(by)) else {
            continue;
        };
        let ours = lease.name.as_ref().is_some_and(|name| name.identity == want.identity)
            || want.addresses.contains(&lease.address.into());
        return if ours {
            format!(
                "its DHCID is this very client's by {by}: another DHCP server called it so, or this one before its \
                 identifiers changed (`inherit` in [ddns] takes over what Kea or ISC dhcpd wrote)"
            )
        } else {
            format!("its DHCID is that of {} by {by}, which has or had {} here", lease.hardware, lease.address)
        };
    }
    "its DHCID is that of a host that has no lease here".to_owned()
}

/// Who a client can be towards DNS, by whatever server.
fn identities(lease: &Lease) -> Vec<(HostIdentity, &'static str)> {
    let mut all = Vec::with_capacity(3);
    if let Some(id) = &lease.client_id {
        let data: &[u8] = &id.0;
        let by = if data.first() == Some(&255) { "the DUID in its client identifier" } else { "its client identifier" };
        all.push((HostIdentity::from_client_id(data), by));
        all.push((HostIdentity::ClientId(data.into()), "its client identifier"));
    }
    all.push((HostIdentity::from_hardware(lease.hardware.htype, lease.hardware.as_bytes()), "its hardware address"));
    all
}

fn words(finding: &Finding, whose: Option<&str>) -> String {
    let holds = found_words(&finding.found);
    match finding.kind {
        Kind::Missing => "nothing is there, though it was: `leasehold dns repair` writes it anew".to_owned(),
        Kind::Changed | Kind::Stale | Kind::Elsewhere => {
            format!("DNS holds {holds}: it was changed by somebody else (`leasehold dns repair` mends it)")
        }
        Kind::Foreign => match whose {
            Some(whose) => format!("DNS holds {holds}; {whose}"),
            None => format!(
                "DNS holds {holds} without a DHCID: made by hand, or by a server that writes none (`leasehold dns adopt` \
                 takes it over)"
            ),
        },
    }
}
