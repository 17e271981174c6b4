//! What follows from an audit: repair, adopt, resync. Each tells what it does, and with `dry_run` does nothing else.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ddns::audit::{Finding, Kind, ZoneFindings};
use ddns::reconcile::{Mend, Outcome, explain_at};
use ddns::settings::{DELETE_FLOOR, Settings, Upkeep};
use ddns::wanted::RowKey;
use ddns::{builder, takeover};
use dns::{Fqdn, Rcode, Rdata, RecordType};
use tokio::sync::oneshot;

use super::view::{found_words, key_words, want_words};
use super::{Audited, Auditor, ending};
use crate::control::{AuditView, MendView, MendZoneView};
use crate::updater::UpdaterQuestion;

impl Auditor {
    /// Compares zones with what they should hold.
    ///
    /// # Errors
    /// In words: no such zone, or the daemon is ending.
    pub async fn audit(&self, zone: Option<&str>) -> Result<AuditView, String> {
        let zones = self.zones(zone).await?;
        let _turn = self.turn.lock().await;
        Ok(super::view::audit_view(&self.audit_zones(zones).await?))
    }

    /// Mends what is ours: what is missing or changed is written anew, what is stale withdrawn. More deletions than
    /// [`Upkeep`] grants are made with `yes` only.
    ///
    /// # Errors
    /// As [`Auditor::audit`].
    pub async fn repair(&self, zone: Option<&str>, dry_run: bool, yes: bool) -> Result<MendView, String> {
        let zones = self.zones(zone).await?;
        let _turn = self.turn.lock().await;
        let audited = self.audit_zones(zones).await?;
        self.repair_audited(audited, dry_run, yes).await
    }

    pub(super) async fn repair_audited(
        &self,
        audited: Vec<Audited>,
        dry_run: bool,
        yes: bool,
    ) -> Result<MendView, String> {
        let upkeep = self.parts.settings.upkeep;
        let mut view = MendView { dry_run, zones: Vec::new() };
        for one in &audited {
            let mut told = MendZoneView { zone: one.words(), ..MendZoneView::default() };
            match &one.result {
                Err(why) => told.error = Some(why.clone()),
                Ok(findings) => {
                    let (actions, mends) = repairs(findings);
                    told.actions = actions;
                    told.stopped = stops(&upkeep, findings).filter(|_| !yes);
                    let mends = if dry_run || told.stopped.is_some() { Vec::new() } else { mends };
                    match one.follows {
                        _ if mends.is_empty() => {}
                        true => self.mend_follower(one, &mut told).await,
                        false => told.done = self.mend(mends).await?,
                    }
                }
            }
            view.zones.push(told);
        }
        Ok(view)
    }

    /// Deletes what is held back of a zone since the configuration changed.
    ///
    /// # Errors
    /// As [`Auditor::audit`].
    pub async fn confirm_deletions(&self, zone: &str, dry_run: bool) -> Result<MendView, String> {
        let mut view = MendView { dry_run, zones: Vec::new() };
        for zone in self.zones(Some(zone)).await? {
            let (to, held) = oneshot::channel();
            self.parts.updater.send(UpdaterQuestion::HeldBack(to)).await.map_err(|_| ending())?;
            let held = held.await.map_err(|_| ending())?.into_iter().find(|held| held.apex == zone.apex);
            let keys = held.map(|held| held.keys).unwrap_or_default();
            let actions = keys.iter().map(|key| format!("{}: delete", key_words(key))).collect();
            let mut told = MendZoneView { zone: zone.apex.to_string(), actions, ..MendZoneView::default() };
            if !dry_run {
                let (to, done) = oneshot::channel();
                let question = UpdaterQuestion::ConfirmDeletions(zone.apex, to);
                self.parts.updater.send(question).await.map_err(|_| ending())?;
                told.done = done.await.map_err(|_| ending())?;
            }
            view.zones.push(told);
        }
        Ok(view)
    }

    /// Takes over records without DHCID: of these names and addresses, or all whose data is exactly what is wanted.
    ///
    /// # Errors
    /// As [`Auditor::audit`], or a name that cannot be read.
    pub async fn adopt(
        &self,
        zone: Option<&str>,
        names: &[String],
        all_without_dhcid: bool,
        dry_run: bool,
    ) -> Result<MendView, String> {
        let named = {
            let settings = self.settings().await?;
            names.iter().map(|text| parse_key(text, &settings)).collect::<Result<BTreeSet<RowKey>, String>>()?
        };
        let zones = self.zones(zone).await?;
        let _turn = self.turn.lock().await;
        let mut view = MendView { dry_run, zones: Vec::new() };
        let mut found = BTreeSet::new();
        for one in self.audit_zones(zones).await? {
            let mut told = MendZoneView { zone: one.words(), ..MendZoneView::default() };
            match &one.result {
                Err(why) => told.error = Some(why.clone()),
                Ok(findings) => {
                    for finding in &findings.findings {
                        let is_named = match &finding.key {
                            // Another type at a name of that type's own is not what can be replaced.
                            RowKey::Stated(name, rtype) => Some(RowKey::Forward(name.clone()))
                                .filter(|_| finding.found.iter().all(|one| one.rtype == *rtype)),
                            key => Some(key.clone()),
                        };
                        // The same name may stand in the way in several views.
                        let by_name = is_named.filter(|key| named.contains(key));
                        if by_name.is_some() || (all_without_dhcid && finding.adoptable) {
                            found.extend(by_name);
                            self.adopt_one(&one, finding.clone(), dry_run, &mut told).await?;
                        }
                    }
                }
            }
            view.zones.push(told);
        }
        if let Some(zone) = view.zones.first_mut() {
            let left = named
                .difference(&found)
                .map(|key| format!("{}: nothing of it is foreign: not adopted", key_words(key)));
            zone.refused.extend(left);
        }
        Ok(view)
    }

    async fn adopt_one(
        &self,
        one: &Audited,
        finding: Finding,
        dry_run: bool,
        told: &mut MendZoneView,
    ) -> Result<(), String> {
        let key = key_words(&finding.key);
        let Some(want) = finding.want.filter(|_| finding.kind == Kind::Foreign) else {
            told.refused.push(format!("{key}: not foreign: `leasehold dns repair` mends it"));
            return Ok(());
        };
        if finding.found.iter().any(|one| one.rtype == RecordType::DHCID) {
            told.refused.push(format!("{key}: its DHCID says that it is another host's: not adopted"));
            return Ok(());
        }
        if !want.guard.writes_dhcid() {
            told.refused.push(format!("{key}: its policy writes no DHCID, so there is nothing to adopt by"));
            return Ok(());
        }
        told.actions.push(format!(
            "{key}: adopt {} as {}",
            found_words(&finding.found),
            want_words(&finding.key, &want)
        ));
        if dry_run {
            return Ok(());
        }
        let update = match &finding.key {
            RowKey::Forward(_) => takeover::build_adopt(one.target(), &want, &finding.found),
            RowKey::Stated(_, rtype) => {
                let there: Vec<Rdata> = finding.found.iter().map(|one| one.rdata.clone()).collect();
                builder::build_stated_replace(one.target(), *rtype, &want, &there)
            }
            key => takeover::build_adopt_pointer(one.target(), &one.settings.owner_of(key), &want, &finding.found),
        };
        let answer = match self.parts.writer.send(&one.zone.server, &update).await {
            Outcome::Answer(Rcode::NO_ERROR) => {
                told.done += self.mend(vec![Mend::Taken(finding.key, want.held())]).await?;
                return Ok(());
            }
            Outcome::Answer(Rcode::NX_RRSET | Rcode::YX_RRSET | Rcode::NX_DOMAIN) => {
                told.refused.push(format!("{key}: it changed meanwhile: not adopted"));
                return Ok(());
            }
            failed => failed.failure(),
        };
        told.refused.push(format!("{key}: {}", explain_at(&answer, &one.zone.server)));
        Ok(())
    }

    /// Tells DNS every name of the zones anew.
    ///
    /// # Errors
    /// As [`Auditor::audit`].
    pub async fn resync(&self, zone: Option<&str>, dry_run: bool) -> Result<MendView, String> {
        let zones = self.zones(zone).await?;
        let mut view = MendView { dry_run, zones: Vec::new() };
        for zone in zones {
            let mut told = MendZoneView { zone: zone.apex.to_string(), ..MendZoneView::default() };
            if dry_run {
                let rows = self.rows(&zone.apex).await?;
                let of_zone = rows.iter().filter(|(within, _)| *within);
                let mut actions: Vec<String> = of_zone
                    .filter_map(|(_, row)| Some((row, row.want.as_ref()?)))
                    .map(|(row, want)| format!("{}: write {}", key_words(&row.key), want_words(&row.key, want)))
                    .collect();
                actions.sort();
                told.actions = actions;
            } else {
                let (to, sent) = oneshot::channel();
                self.parts.updater.send(UpdaterQuestion::Resync(zone.apex.clone(), to)).await.map_err(|_| ending())?;
                told.done = sent.await.map_err(|_| ending())?;
                self.resync_followers(&zone).await?;
            }
            view.zones.push(told);
        }
        Ok(view)
    }

    async fn mend(&self, mends: Vec<Mend>) -> Result<usize, String> {
        let (to, done) = oneshot::channel();
        self.parts.updater.send(UpdaterQuestion::Mend(mends, to)).await.map_err(|_| ending())?;
        done.await.map_err(|_| ending())
    }
}

/// What repairs a zone: told, and done.
fn repairs(findings: &ZoneFindings) -> (Vec<String>, Vec<Mend>) {
    let (mut actions, mut mends) = (Vec::new(), Vec::new());
    for finding in &findings.findings {
        let key = key_words(&finding.key);
        match (finding.kind, &finding.want, &finding.stale) {
            (Kind::Changed, Some(want), Some(held)) => {
                actions.push(format!("{key}: write {} in the place of {}", want_words(&finding.key, want), held.name));
                mends.push(Mend::Taken(finding.key.clone(), held.clone()));
            }
            (Kind::Missing | Kind::Changed, Some(want), None) => {
                actions.push(format!("{key}: write {}", want_words(&finding.key, want)));
                mends.push(Mend::Recheck(finding.key.clone()));
            }
            (Kind::Stale, _, Some(held)) => {
                actions.push(format!("{key}: delete {}", found_words(&finding.found)));
                mends.push(Mend::Withdraw(finding.key.clone(), held.clone()));
            }
            _ => {}
        }
    }
    (actions, mends)
}

/// Why a repair must be asked for twice.
pub(super) fn stops(upkeep: &Upkeep, findings: &ZoneFindings) -> Option<String> {
    let stale = findings.findings.iter().filter(|finding| finding.kind == Kind::Stale).count();
    let names = findings.right + findings.findings.len();
    upkeep.is_too_much(stale, names).then(|| {
        format!(
            "it would delete {stale} of {names} names, more than {} % (`delete_share_max`) and more than {DELETE_FLOOR}: \
             look at them with --dry-run, and repeat the command with --yes if that is meant",
            upkeep.delete_share_percent
        )
    })
}

fn parse_key(text: &str, settings: &Settings) -> Result<RowKey, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(RowKey::Reverse(address));
    }
    let name: Fqdn = text.parse().map_err(|_| format!("{text} is neither a name nor an address"))?;
    // Of an address whose PTR stands under an alias both names mean it.
    let of_address = || name.to_reverse_address().map(RowKey::Reverse);
    Ok(settings.key_of(&name).or_else(of_address).unwrap_or(RowKey::Forward(name)))
}
