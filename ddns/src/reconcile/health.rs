//! How the servers of each zone are doing, for whoever asks.

use dns::{Fqdn, Rcode};

use super::lane::Health;
use super::{LastAnswer, Outcome, Reconciler, explain_at, is_zone_failure};
use crate::Now;
use crate::settings::ZoneServer;

/// How one zone's servers are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneHealth {
    /// The apex.
    pub apex: Fqdn,
    /// Its servers, the preferred one first.
    pub servers: Vec<ServerHealth>,
    /// Rows that wait to be sent.
    pub queued: usize,
}

/// How one server does for one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHealth {
    /// It alone.
    pub server: ZoneServer,
    /// What it does for the zone now.
    pub standing: Standing,
    /// Since when it does not do its work, in UTC seconds.
    pub failing_since: Option<u64>,
    /// What came back from it last, about this zone.
    pub last: LastAnswer,
    /// When that was, in UTC seconds; 0: never asked.
    pub at: u64,
    /// Milliseconds until it is tried again; `None`: it is not waited for, or its probe is under way.
    pub next_try_ms: Option<u64>,
}

/// What a server does for a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes the zone's updates.
    InUse,
    /// Another one takes them, and this one would.
    Reserve,
    /// It does not do its work, and another one does: it is probed by updates that change nothing.
    PassedOver,
    /// It does not do its work, and none of the others does.
    Failing,
}

/// What came back last from a server for one zone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    last: LastAnswer,
    at: u64,
}

impl Heard {
    pub(super) fn of(outcome: Outcome, now: Now) -> Self {
        let last = match outcome {
            Outcome::Answer(code) if is_zone_failure(code) || code == Rcode::REFUSED => LastAnswer::Refused(code),
            // Also that a prerequisite does not hold: the server does its work.
            Outcome::Answer(_) => LastAnswer::Done,
            failed => failed.failure(),
        };
        Self { last, at: now.wall_secs }
    }
}

impl ServerHealth {
    /// In words that say what happened, what to do and what comes next.
    #[must_use]
    pub fn words(&self) -> String {
        let why = || explain_at(&self.last, &self.server);
        let next = self
            .next_try_ms
            .map_or_else(|| "it is being tried now".to_owned(), |ms| format!("next try in {} s", ms.div_ceil(1_000)));
        match self.standing {
            Standing::InUse if self.at == 0 => "in use; nothing was sent yet".to_owned(),
            // One answer that stayed away is no failure of the zone yet.
            Standing::InUse if self.last != LastAnswer::Done => format!("in use; last: {}", why()),
            Standing::InUse => "in use".to_owned(),
            Standing::Reserve => "in reserve".to_owned(),
            Standing::PassedOver => format!("passed over: {}; {next}", why()),
            Standing::Failing => format!("fails: {}; {next}", why()),
        }
    }
}

impl Reconciler {
    /// How every zone's servers are doing, in the settings' order.
    #[must_use]
    pub fn health(&self, now: Now) -> Vec<ZoneHealth> {
        let lanes = self.settings.zones.iter().zip(&self.lanes).enumerate();
        lanes
            .map(|(at, (zone, lane))| ZoneHealth {
                apex: zone.apex.clone(),
                servers: (0..lane.ways.len()).map(|way| self.health_of(at, way, now)).collect(),
                queued: lane.fresh.len() + lane.retry.len(),
            })
            .collect()
    }

    fn health_of(&self, lane: usize, way: usize, now: Now) -> ServerHealth {
        let in_use = self.way_of(lane) == way;
        let open = self.is_open(lane, way);
        let down = match &self.lanes[lane].health {
            Health::Down { since, probe_ms, .. } if in_use => Some((*since, *probe_ms)),
            _ => None,
        };
        let standing = match (self.lanes[lane].is_up(), open, in_use) {
            (true, true, _) => Standing::PassedOver,
            (true, false, true) => Standing::InUse,
            (false, true, _) | (false, _, true) => Standing::Failing,
            (_, false, false) => Standing::Reserve,
        };
        let opened = if open { self.open_since(lane, way) } else { None };
        let due = match down {
            Some((_, probe_ms)) => Some(probe_ms),
            None if open => self.probe_due(lane, way),
            None => None,
        };
        // What one zone found out about a server, all its zones know.
        let server = &self.servers[self.lanes[lane].ways[way].server];
        let Heard { last, at } = if server.breaker.open { server.silent } else { self.lanes[lane].ways[way].heard };
        ServerHealth {
            server: self.lanes[lane].ways[way].to.clone(),
            standing,
            failing_since: opened.into_iter().chain(down.map(|(since, _)| since)).min(),
            last,
            at,
            next_try_ms: due.filter(|due| *due != u64::MAX).map(|due| due.saturating_sub(now.boot_ms)),
        }
    }
}
