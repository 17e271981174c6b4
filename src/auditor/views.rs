//! Zones of one apex, each for other views: names of leases are decided in the first of them, and the others follow it.

use std::collections::HashSet;

use ddns::audit::{Finding, Kind};
use ddns::settings::ZoneRoute;
use ddns::wanted::RowKey;
use dns::{Fqdn, Rcode, RecordType};

use super::{Audited, Auditor};
use zones::{NodeRef, ZoneSet};

use crate::control::MendZoneView;
use crate::zone_keeper::Strayed;

/// A name that somebody has put into one of the zones by hand is written into none of the others: there it is not missing.
pub(super) fn reconcile(of_apex: &mut [Audited]) {
    if of_apex.len() < 2 {
        return;
    }
    let keys = |one: &Audited, is_such: fn(Kind) -> bool| -> Vec<RowKey> {
        let findings = one.result.iter().flat_map(|found| &found.findings);
        findings.filter(|finding| is_such(finding.kind)).map(|finding| finding.key.clone()).collect()
    };
    let foreign = |kind| kind == Kind::Foreign;
    let disputed: HashSet<RowKey> = of_apex.iter().flat_map(|one| keys(one, foreign)).collect();
    let unwritten: HashSet<RowKey> =
        of_apex.iter().take(1).flat_map(|home| keys(home, |kind| kind != Kind::Changed)).collect();
    for one in of_apex {
        let Ok(found) = &mut one.result else { continue };
        let is_told = |finding: &Finding| {
            finding.kind != Kind::Missing || !disputed.contains(&finding.key) || !unwritten.contains(&finding.key)
        };
        found.findings.retain(is_told);
    }
}

impl Auditor {
    /// Gives a zone that follows another its names as they are there, and takes away those that are nobody's any more.
    pub(super) async fn mend_follower(&self, one: &Audited, told: &mut MendZoneView) {
        let Ok(found) = &one.result else { return };
        let is_ours = |finding: &&Finding| matches!(finding.kind, Kind::Missing | Kind::Changed | Kind::Stale);
        let strayed = |finding: &Finding| -> Strayed {
            let marks = finding.found.iter().filter(|found| found.rtype == RecordType::DHCID);
            (one.settings.owner_of(&finding.key), marks.map(|found| found.rdata.clone()).collect())
        };
        let names: Vec<Strayed> = found.findings.iter().filter(is_ours).map(strayed).collect();
        let owners: Vec<Fqdn> = names.iter().map(|(name, _)| name.clone()).collect();
        let before = self.parts.published.load_full();
        let rcode = self.parts.writer.zones.follow_again(one.target(), names).await;
        let after = self.parts.published.load_full();
        // A name that has become somebody else's meanwhile stays as it is.
        let node = |zones: &ZoneSet, name: &Fqdn| {
            zones.get(one.target()).and_then(|zone| zone.node(name)).map(NodeRef::to_node)
        };
        match rcode {
            Rcode::NO_ERROR => {
                told.done = owners.iter().filter(|name| node(&before, name) != node(&after, name)).count();
            }
            refused => told.error = Some(format!("its names could not be written: {refused}")),
        }
    }

    /// Every name once more in the zones that follow.
    pub(super) async fn resync_followers(&self, zone: &ZoneRoute) -> Result<(), String> {
        let followers: Vec<Fqdn> = self.places(zone).into_iter().skip(1).flatten().collect();
        if followers.is_empty() {
            return Ok(());
        }
        let settings = self.settings().await?;
        let rows = self.rows(&zone.apex).await?;
        let of_zone = rows.iter().filter(|(within, row)| *within && row.want.is_some());
        let names: Vec<Strayed> = of_zone.map(|(_, row)| (settings.owner_of(&row.key), Vec::new())).collect();
        for id in followers {
            let rcode = self.parts.writer.zones.follow_again(&id, names.clone()).await;
            if rcode != Rcode::NO_ERROR {
                return Err(format!("names could not be written into {}: {rcode}", zones::zone_id::words(&id)));
            }
        }
        Ok(())
    }
}
