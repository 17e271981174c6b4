//! The zones' past, for those who have copies.

use std::sync::Arc;

use dns::{Change, Fqdn, Rdata, RecordType, Soa, Update};
use store::rows::Row;
use tokio::sync::oneshot;
use web::model::PastFigures;
use zones::{AllowAll, Difference, History};

use super::{Decided, Keeping, ToStore, ZoneKeeper};
use crate::dns_server::ZonePast;

impl ZonePast for ZoneKeeper {
    fn between(&self, apex: &Fqdn, from: u32, to: u32, most: usize) -> Result<Vec<Arc<Difference>>, Option<u32>> {
        let state = self.lock();
        let history = state.authority.history(apex).ok_or(None)?;
        history.between_within(from, to, most).ok_or_else(|| history.reaches_back_to())
    }

    fn figures(&self) -> PastFigures {
        let state = self.lock();
        let histories = state.authority.histories();
        PastFigures {
            steps: histories.by_zone().values().map(History::len).sum(),
            octets: histories.cost(),
            crowded_out: histories.crowded_out(),
        }
    }
}

impl ZoneKeeper {
    /// Waits until something was published since it was last waited for. One can wait at a time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Brings a zone's serial beyond `theirs`, and beyond the time in seconds, and forgets its past. The new serial, once
    /// it is published; `None`: it is beyond already, or could not be stored.
    pub async fn leap(self: &Arc<Self>, apex: &Fqdn, theirs: u32) -> Option<u32> {
        let (to, stored) = oneshot::channel();
        let decide = |state: &mut Keeping<oneshot::Sender<dns::Rcode>>| {
            let now = u32::try_from(self.clock.now().wall_secs).unwrap_or(1);
            let (serial, decided) = state.leap(apex, theirs, now, to)?;
            let Decided::Waits(Some(to_store)) = decided else { return None };
            self.store(state, to_store);
            Some(serial)
        };
        let serial = self.when_thawed(decide).await?;
        (stored.await == Ok(dns::Rcode::NO_ERROR)).then_some(serial)
    }
}

impl<T> Keeping<T> {
    /// See [`ZoneKeeper::leap`].
    pub fn leap(&mut self, apex: &Fqdn, theirs: u32, now_secs: u32, to: T) -> Option<(u32, Decided<T>)> {
        let zone = self.authority.tentative().get(apex)?;
        let (soa, ttl) = zone.soa();
        if !zones::serial::is_newer(theirs, soa.serial) {
            return None;
        }
        let serial = zones::serial::leap(theirs, &[soa.serial], now_secs);
        // Theirs may be nearly half the space ahead: then no serial is newer than both, and an older one changes nothing.
        if !zones::serial::is_newer(serial, soa.serial) {
            return None;
        }
        let rdata = Rdata::soa(&Soa { serial, ..soa });
        let change = Change::Add { name: zone.apex().clone(), rtype: RecordType::SOA, ttl, rdata };
        let update = Update { zone: apex.clone(), prerequisites: Vec::new(), changes: vec![change] };
        let mut decided = self.decide(&update, &AllowAll, to);
        if let Decided::Waits(Some(ToStore { rows, .. })) = &mut decided {
            rows.retain(|row| !matches!(row, Row::ZoneDifference { .. }));
            let forgotten = self.authority.forget(apex).into_iter();
            rows.extend(forgotten.map(|serial_after| Row::ZoneDifferenceGone { zone: apex.clone(), serial_after }));
        }
        Some((serial, decided))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use zones::{NewZone, ZoneSet};

    use super::*;
    use crate::committer::CommitResult;

    #[test]
    fn a_serial_leaps_beyond_a_secondary_s_and_the_past_is_forgotten() {
        let apex: Fqdn = "example".parse().unwrap();
        let mut zones = ZoneSet::new();
        zones.insert(NewZone::new(apex.clone(), "ns.example".parse().unwrap(), vec![]).build().unwrap());
        let mut keeping = Keeping::new(zones);
        let add = Change::Add {
            name: "a.example".parse().unwrap(),
            rtype: RecordType::A,
            ttl: 60,
            rdata: Rdata::a([192, 0, 2, 1].into()),
        };
        let update = Update { zone: apex.clone(), prerequisites: vec![], changes: vec![add] };
        let Decided::Waits(Some(stored)) = keeping.decide(&update, &AllowAll, 1) else { panic!("a change") };
        keeping.settle(stored.ticket, CommitResult::Committed);
        assert!(keeping.leap(&apex, 2, 1_000, 2).is_none(), "it has what we have");
        let (serial, decided) = keeping.leap(&apex, 7, 1_000, 3).unwrap();
        assert_eq!(serial, 1_000, "the time is beyond both");
        let Decided::Waits(Some(ToStore { ticket, rows, .. })) = decided else { panic!("a change") };
        let gone = |row: &&Row| matches!(row, Row::ZoneDifferenceGone { .. });
        assert_eq!(rows.iter().filter(gone).count(), 2, "the step before, and this one");
        assert!(!rows.iter().any(|row| matches!(row, Row::ZoneDifference { .. })));
        assert_eq!(keeping.settle(ticket, CommitResult::Committed), [(3, dns::Rcode::NO_ERROR)]);
        assert_eq!(keeping.published().get(&apex).unwrap().serial(), 1_000);
        assert!(keeping.history(&apex).unwrap().is_empty());
        let (serial, _) = keeping.leap(&apex, 5_000, 1_000, 4).unwrap();
        assert_eq!(serial, 5_001);
    }

    #[test]
    fn a_leap_takes_no_serial_that_is_not_newer_than_ours() {
        let apex: Fqdn = "example".parse().unwrap();
        let keeping = || {
            let mut zones = ZoneSet::new();
            zones.insert(NewZone::new(apex.clone(), "ns.example".parse().unwrap(), vec![]).build().unwrap());
            Keeping::new(zones)
        };
        let ours = keeping().published().get(&apex).unwrap().serial();
        let half = 1 << 31;
        let (theirs, time) = (ours + half / 2, ours + half + 5);
        let mut kept = keeping();
        let (serial, decided) = kept.leap(&apex, theirs, time, 1).unwrap();
        assert_eq!(serial, theirs + 1, "the time is newer than theirs, but not than ours");
        let Decided::Waits(Some(ToStore { ticket, .. })) = decided else { panic!("a change") };
        kept.settle(ticket, CommitResult::Committed);
        assert_eq!(kept.published().get(&apex).unwrap().serial(), serial);
        assert!(keeping().leap(&apex, ours + (half - 1), time, 2).is_none(), "none is newer than both");
    }
}
