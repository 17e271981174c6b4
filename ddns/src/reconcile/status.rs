//! What an operator can ask: how each row and each zone stands.

use std::borrow::Cow;

use dns::Fqdn;

use super::explain::others_there;
use super::{Entry, Health, LastAnswer, Phase, Reconciler, Seen, explain, explain_at};
use crate::Now;
use crate::packed::{Note, PackedRow};
use crate::settings::{Auth, ZoneServer};
use crate::wanted::{RowKey, WantedRow};

/// How one row stands.
#[derive(Clone, Debug)]
pub struct RowStatus<'a> {
    /// What is wanted.
    pub row: Cow<'a, WantedRow>,
    /// Where it is on its way.
    pub stage: Stage,
    /// What came back last; while the whole zone fails, what came back from that.
    pub last: LastAnswer,
    /// Tries since the last success.
    pub attempts: u32,
    /// UTC seconds of the last answer; 0 for none.
    pub at: u64,
    /// The servers of its zone; `None` when no zone holds it.
    pub server: Option<&'a ZoneServer>,
    /// The one of them that takes the zone's updates now, or is tried.
    pub used: Option<&'a ZoneServer>,
    /// The apex of the zone that it is in; `None` when no zone holds it.
    pub apex: Option<&'a Fqdn>,
}

impl RowStatus<'_> {
    /// How the row stands, in words that say what happened, what to do and what comes next.
    #[must_use]
    pub fn words(&self, now: Now) -> String {
        let failed = !matches!(self.last, LastAnswer::None | LastAnswer::Done);
        let stated = matches!(self.row.key, RowKey::Stated(..));
        let told = || match self.used {
            Some(server) if stated && self.last == LastAnswer::Conflict => others_there(server),
            Some(server) => explain_at(&self.last, server),
            None => explain(&self.last, "no server", &Auth::Unsigned),
        };
        match self.stage {
            Stage::Done => "done".to_owned(),
            Stage::Queued if failed => format!("{}; tried again as soon as the zone can be updated", told()),
            Stage::Queued => "waits for its turn".to_owned(),
            Stage::InFlight => "sent; the answer is waited for".to_owned(),
            Stage::AfterForward if self.last == LastAnswer::Conflict => {
                "not written, because somebody else owns the name that it would point to".to_owned()
            }
            Stage::AfterForward => "waits until the address of its name is written".to_owned(),
            Stage::Waits { until_boot_ms } => {
                let secs = until_boot_ms.saturating_sub(now.boot_ms).div_ceil(1_000);
                format!("{}; next try in {secs} s ({} tries so far)", told(), self.attempts)
            }
            Stage::Held => "not deleted yet: the configuration withdraws it together with others, which are counted first \
                            (`leasehold status` tells when they are too many)"
                .to_owned(),
            Stage::Sought => "its zone is not known yet: the DNS server is asked where it begins, again and again".to_owned(),
            Stage::NoZone if self.row.want.is_none() => {
                "left at its DNS server, as no zone of the configuration holds it any more; it is removed once the zone is \
                 back in the configuration, and else by hand"
                    .to_owned()
            }
            Stage::NoZone => told(),
        }
    }
}

/// Where a row is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// DNS holds what is wanted.
    Done,
    /// It is sent as soon as its turn comes, or its zone's server is back.
    Queued,
    /// It is sent, and the answer is waited for.
    InFlight,
    /// A PTR: it is written once its forward row is.
    AfterForward,
    /// It is tried again at these boot milliseconds.
    Waits {
        /// When.
        until_boot_ms: u64,
    },
    /// The configuration withdraws it: it is counted, or held back until the operator confirms it.
    Held,
    /// It waits until it is known where its zone begins.
    Sought,
    /// It is not tried: no zone holds it.
    NoZone,
}

/// How one zone stands.
#[derive(Clone, Debug)]
pub struct ZoneStatus<'a> {
    /// The apex.
    pub apex: &'a Fqdn,
    /// Its server, or servers.
    pub server: &'a ZoneServer,
    /// Since when its updates fail (UTC seconds), and what came back last; `None`: they do not.
    pub down: Option<(u64, LastAnswer)>,
    /// Rows queued for it.
    pub queued: usize,
    /// Updates under way.
    pub in_flight: u32,
}

impl Reconciler {
    /// Every row, in no order. Costs as much as there are rows.
    pub fn rows(&self) -> impl Iterator<Item = RowStatus<'_>> {
        let open = self.rows.open_rows().map(|entry| self.status_of(entry));
        open.chain(self.rows.packed_rows().map(|row| self.status_of_packed(row)))
    }

    /// One row.
    #[must_use]
    pub fn row(&self, key: &RowKey) -> Option<RowStatus<'_>> {
        self.rows.seen(key).map(|row| match row {
            Seen::Open(entry) => self.status_of(entry),
            Seen::Packed(row) => self.status_of_packed(row),
        })
    }

    /// Every zone, in the settings' order.
    pub fn zones(&self) -> impl Iterator<Item = ZoneStatus<'_>> {
        self.settings.zones.iter().zip(&self.lanes).map(|(zone, lane)| ZoneStatus {
            apex: &zone.apex,
            server: &zone.server,
            down: match lane.health {
                Health::Up => None,
                Health::Down { since, cause, .. } => Some((since, cause)),
            },
            queued: lane.fresh.len() + lane.retry.len(),
            in_flight: lane.in_flight,
        })
    }

    /// Whether nothing is left to be done but what waits for somebody else: conflicts and names outside every zone.
    /// Costs as much as there are rows.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty()
            && self.lanes.iter().all(|lane| lane.ahead.is_empty())
            && self.next_count().is_none()
            && self.rows.packed_rows().all(|row| row.note().done)
            && self.rows.open_rows().all(|entry| match entry.phase {
                // A PTR that waits for its forward row is as quiet as that row.
                Phase::Idle => !entry.sought,
                Phase::Done => !entry.again,
                Phase::Blocked | Phase::Held => true,
                Phase::Waits(_) => entry.last == LastAnswer::Conflict && !entry.untold,
                Phase::Ready | Phase::InFlight => false,
            })
    }

    fn status_of_packed(&self, row: PackedRow<'_>) -> RowStatus<'_> {
        let Note { lane, done, at } = row.note();
        let zone = &self.settings.zones[lane as usize];
        let (stage, last) = if done { (Stage::Done, LastAnswer::Done) } else { (Stage::Queued, LastAnswer::None) };
        let used = Some(&self.lanes[lane as usize].ways[self.way_of(lane as usize)].to);
        let (row, server, apex) = (Cow::Owned(row.to_row()), Some(&zone.server), Some(&zone.apex));
        RowStatus { row, stage, last, attempts: 0, at, server, used, apex }
    }

    fn status_of<'a>(&'a self, entry: &'a Entry) -> RowStatus<'a> {
        let stage = match entry.phase {
            Phase::Done => Stage::Done,
            Phase::Ready => Stage::Queued,
            Phase::InFlight => Stage::InFlight,
            Phase::Blocked => Stage::AfterForward,
            Phase::Waits(until_boot_ms) => Stage::Waits { until_boot_ms },
            Phase::Held => Stage::Held,
            Phase::Idle if entry.sought => Stage::Sought,
            Phase::Idle => Stage::NoZone,
        };
        let lane = entry.lane.map(|lane| lane as usize);
        let down = lane.and_then(|lane| match self.lanes[lane].health {
            Health::Down { cause, .. } if stage == Stage::Queued => Some(cause),
            _ => None,
        });
        RowStatus {
            row: Cow::Borrowed(&entry.row),
            stage,
            last: down.unwrap_or(entry.last),
            attempts: entry.attempts,
            at: entry.at,
            server: lane.map(|lane| &self.settings.zones[lane].server),
            used: lane.map(|lane| &self.lanes[lane].ways[self.way_of(lane)].to),
            apex: lane.map(|lane| &self.settings.zones[lane].apex),
        }
    }
}
