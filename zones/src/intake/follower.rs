//! When which primary is asked what, for one zone: a value; time comes in as milliseconds, randomness as a number.
//!
//! ```text
//!            due, told, ordered              newer                    fetched
//!   waits ──────────────────────▶ asks ──────────────▶ fetches ───────────────────▶ waits: fresh
//!     ▲                          │  ▲ │ same: fresh      │   │ changes alone failed
//!     │   no primary is left     │  │ └──▶ waits         │   └──▶ fetches whole
//!     └──────────────────────────┘  └──────── failed ────┘
//!                                   the next primary
//! ```
//! A round asks one primary after the other until one has the zone as it is here, or gives it newer. When none does, the next
//! round begins after the zone's retry time. The zone expires when no round succeeded for so long as its SOA record says
//! (RFC 1035 section 3.3.13), and is then taken anew from whoever has it, whatever its serial.

use dns::Soa;

use crate::serial::is_newer;

/// The bounds of a refresh time, in milliseconds: ten seconds to a week.
pub const REFRESH_MS: (u64, u64) = (10_000, 7 * 86_400_000);
/// Of a retry time: five seconds to a day.
pub const RETRY_MS: (u64, u64) = (5_000, 86_400_000);
/// The longest time before a zone expires: 26 weeks. The shortest is its refresh and retry times together.
pub const EXPIRE_MS_MAX: u64 = 26 * 7 * 86_400_000;
/// What waits between rounds when there is no zone yet whose SOA record says it: this, doubled each time, up to the other.
const COLD_MS: (u64, u64) = (2_000, 300_000);
/// Rounds that messages of others lead to begin at least so far apart.
pub const GAP_MS: u64 = 500;
/// And so long after a round that failed.
pub const GAP_FAILED_MS: u64 = 5_000;

/// What to do. Its outcome goes to [`Follower::heard_serial`] or [`Follower::fetched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask this primary for the zone's SOA record.
    AskSerial {
        /// Its place in the list.
        primary: usize,
    },
    /// Have the zone transferred from this primary.
    Fetch {
        /// Its place in the list.
        primary: usize,
        /// What for.
        wanted: super::Wanted,
    },
}

/// How a transfer ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The zone was taken, and this is its SOA record.
    Zone(Soa),
    /// The primary has nothing newer than this serial.
    Current(u32),
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub words: String,
    /// The same primary may give the zone whole.
    pub ask_whole: bool,
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self { words, ask_whole: false }
    }
}

/// How a zone stands, to be shown. Times are milliseconds of the same clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The serial of the copy that is there; it may have expired.
    pub serial: Option<u32>,
    /// When a primary last was known to have nothing newer; before the clock began, it is 0.
    pub checked_ms: Option<u64>,
    /// Which primary that was, since the start.
    pub from: Option<usize>,
    /// When the next round begins; `None`: one is under way.
    pub next_ms: Option<u64>,
    /// When the copy expires, or did.
    pub expires_ms: Option<u64>,
    /// Whether it has.
    pub expired: bool,
    /// The last round failed at every primary.
    pub failing: bool,
    /// What went wrong at which primary last, since that one last had the zone: why, and when.
    pub troubles: Vec<(usize, String, u64)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Follower {
    primaries: usize,
    held: Option<Held>,
    next_ms: u64,
    round: Option<Round>,
    /// Rounds that failed, one after the other.
    failures: u32,
    /// What was heard while a round was under way.
    heard: Option<Heard>,
    round_ended_ms: Option<u64>,
    round_began_ms: Option<u64>,
    prefer: Option<usize>,
    whole: bool,
    from: Option<usize>,
    /// One for each primary.
    troubles: Vec<Option<(String, u64)>>,
}

#[derive(Clone, Debug)]
struct Held {
    serial: u32,
    refresh_ms: u64,
    retry_ms: u64,
    expire_ms: u64,
    checked_ms: u64,
    expires_ms: u64,
    expired: bool,
}

#[derive(Clone, Debug)]
struct Round {
    /// Primaries that are still to be asked, the next one last.
    left: Vec<usize>,
    /// The one that is asked now.
    at: usize,
    whole: bool,
    /// The transfer under way is one of the whole zone.
    fetching_whole: bool,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    from: Option<usize>,
    serial: Option<u32>,
}

fn times(soa: &Soa) -> (u64, u64, u64) {
    let ms = |secs: u32| u64::from(secs) * 1000;
    let refresh = ms(soa.refresh).clamp(REFRESH_MS.0, REFRESH_MS.1);
    let retry = ms(soa.retry).clamp(RETRY_MS.0, RETRY_MS.1);
    // RFC 1912 section 2.2: the expiry time is larger than both, or nobody could be asked again before.
    let expire = ms(soa.expire).max(refresh + retry).min(EXPIRE_MS_MAX);
    (refresh, retry, expire)
}

/// Up to a quarter less, so that the zones of one start are not asked for at one moment for ever.
fn jittered(ms: u64, random: u32) -> u64 {
    ms - (((ms / 4) * u64::from(random)) >> 32)
}

impl Follower {
    /// Follows so many primaries. `loaded` is the SOA record of a copy that was stored, and how many seconds ago a primary
    /// last was known to have nothing newer. The first round begins at once.
    #[must_use]
    pub fn new(primaries: usize, loaded: Option<(&Soa, u64)>, now_ms: u64) -> Self {
        let held = loaded.map(|(soa, age_secs)| {
            let (refresh_ms, retry_ms, expire_ms) = times(soa);
            let age_ms = age_secs.saturating_mul(1000);
            Held {
                serial: soa.serial,
                refresh_ms,
                retry_ms,
                expire_ms,
                checked_ms: now_ms.saturating_sub(age_ms),
                expires_ms: now_ms.saturating_add(expire_ms.saturating_sub(age_ms)),
                expired: age_ms >= expire_ms,
            }
        });
        Self {
            primaries,
            held,
            next_ms: now_ms,
            round: None,
            failures: 0,
            heard: None,
            round_ended_ms: None,
            round_began_ms: None,
            prefer: None,
            whole: false,
            from: None,
            troubles: vec![None; primaries],
        }
    }

    /// When [`Follower::due`] has something next; `None`: an outcome is waited for, and nothing else.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let expiry = self.held.as_ref().filter(|held| !held.expired).map(|held| held.expires_ms);
        let round = self.round.is_none().then_some(self.next_ms);
        expiry.into_iter().chain(round).min()
    }

    /// What is to be done now. Also finds out that the copy has expired, see [`Follower::is_expired`].
    pub fn due(&mut self, now_ms: u64) -> Option<Action> {
        if let Some(held) = self.held.as_mut().filter(|held| now_ms >= held.expires_ms) {
            held.expired = true;
        }
        if self.round.is_some() || now_ms < self.next_ms || self.primaries == 0 {
            return None;
        }
        let mut left: Vec<usize> = (0..self.primaries).rev().collect();
        if let Some(prefer) = self.prefer.take().filter(|prefer| *prefer < self.primaries) {
            left.retain(|primary| *primary != prefer);
            left.push(prefer);
        }
        self.round = Some(Round { left, at: 0, whole: std::mem::take(&mut self.whole), fetching_whole: false });
        self.round_began_ms = Some(now_ms);
        self.next_primary(now_ms, 0)
    }

    /// A primary said which serial it has, or failed to.
    pub fn heard_serial(&mut self, now_ms: u64, random: u32, outcome: Result<u32, Failure>) -> Option<Action> {
        let primary = self.round.as_ref()?.at;
        let serial = match outcome {
            Ok(serial) => serial,
            Err(failure) => return self.failed(now_ms, random, failure.words),
        };
        let known = self.held.as_ref().map(|held| (held.serial, held.expired));
        match known {
            Some((ours, _)) if serial == ours => self.confirmed(now_ms, random),
            Some((ours, false)) if !is_newer(serial, ours) => self.failed(now_ms, random, behind(serial, ours)),
            Some((ours, false)) => Some(Action::Fetch { primary, wanted: super::Wanted::Since(ours) }),
            // RFC 1035 section 3.3.13: what has expired is "no longer authoritative"; whatever a primary has is better.
            Some((_, true)) | None => self.fetch_whole(),
        }
    }

    /// A transfer ended.
    pub fn fetched(&mut self, now_ms: u64, random: u32, outcome: Result<Fetched, Failure>) -> Option<Action> {
        let round = self.round.as_ref()?;
        let (primary, was_whole) = (round.at, round.fetching_whole);
        match outcome {
            Ok(Fetched::Zone(soa)) => {
                let (refresh_ms, retry_ms, expire_ms) = times(&soa);
                let (checked_ms, expires_ms) = (now_ms, now_ms.saturating_add(expire_ms));
                self.held = Some(Held {
                    serial: soa.serial,
                    refresh_ms,
                    retry_ms,
                    expire_ms,
                    checked_ms,
                    expires_ms,
                    expired: false,
                });
                self.confirmed(now_ms, random)
            }
            Ok(Fetched::Current(serial)) => match self.held.as_ref().map(|held| held.serial) {
                Some(ours) if ours == serial => self.confirmed(now_ms, random),
                Some(ours) => self.failed(now_ms, random, behind(serial, ours)),
                None => self.failed(now_ms, random, "it gives nothing".to_owned()),
            },
            Err(failure) if failure.ask_whole && !was_whole => {
                self.trouble(primary, now_ms, failure.words);
                self.fetch_whole()
            }
            Err(failure) => self.failed(now_ms, random, failure.words),
        }
    }

    /// Somebody who may say so says that the zone has changed (RFC 1996): a primary, by its place in the list, or another.
    /// `serial` is what it says to have. However often this is said, rounds begin [`GAP_MS`] apart.
    pub fn notified(&mut self, now_ms: u64, from: Option<usize>, serial: Option<u32>) {
        if self.round.is_some() {
            // Of several serials none is believed to be the last: anybody can send one in a primary's name.
            let serial = if self.heard.is_some_and(|heard| heard.serial != serial) { None } else { serial };
            self.heard = Some(Heard { from, serial });
            return;
        }
        let is_known = self
            .held
            .as_ref()
            .is_some_and(|held| !held.expired && serial.is_some_and(|serial| !is_newer(serial, held.serial)));
        if !is_known {
            self.soon(now_ms, from);
        }
    }

    /// Begins a round at once, or right after the one that is under way; of the whole zone, whatever its serial, when that
    /// is `whole`.
    pub fn ask_now(&mut self, now_ms: u64, whole: bool) {
        self.whole |= whole;
        if self.round.is_some() {
            self.heard = Some(Heard { from: None, serial: None });
        }
        self.next_ms = now_ms;
    }

    /// Whether there is a copy that has expired.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.expired)
    }

    /// When a primary last was known to have nothing newer.
    #[must_use]
    pub fn checked_ms(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.checked_ms)
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let held = self.held.as_ref();
        Standing {
            serial: held.map(|held| held.serial),
            checked_ms: held.map(|held| held.checked_ms),
            from: self.from,
            next_ms: self.round.is_none().then_some(self.next_ms),
            expires_ms: held.map(|held| held.expires_ms),
            expired: self.is_expired(),
            failing: self.failures > 0,
            troubles: {
                let told = |(at, one): (usize, &Option<(String, u64)>)| one.clone().map(|(words, ms)| (at, words, ms));
                self.troubles.iter().enumerate().filter_map(told).collect()
            },
        }
    }

    fn fetch_whole(&mut self) -> Option<Action> {
        let wanted = match self.held.as_ref().filter(|held| !held.expired) {
            Some(held) if !self.round.as_ref()?.whole => super::Wanted::WholeIfNewer(held.serial),
            _ => super::Wanted::Whole,
        };
        let round = self.round.as_mut()?;
        round.fetching_whole = true;
        Some(Action::Fetch { primary: round.at, wanted })
    }

    /// Goes on with the next primary, or ends the round.
    fn next_primary(&mut self, now_ms: u64, random: u32) -> Option<Action> {
        let round = self.round.as_mut()?;
        round.fetching_whole = false;
        let Some(primary) = round.left.pop() else {
            self.end(now_ms, random, false);
            return None;
        };
        round.at = primary;
        if round.whole { self.fetch_whole() } else { Some(Action::AskSerial { primary }) }
    }

    fn failed(&mut self, now_ms: u64, random: u32, words: String) -> Option<Action> {
        let at = self.round.as_ref()?.at;
        self.trouble(at, now_ms, words);
        self.next_primary(now_ms, random)
    }

    fn trouble(&mut self, primary: usize, now_ms: u64, words: String) {
        if let Some(trouble) = self.troubles.get_mut(primary) {
            *trouble = Some((words, now_ms));
        }
    }

    /// The primary that is asked has what is here.
    fn confirmed(&mut self, now_ms: u64, random: u32) -> Option<Action> {
        let at = self.round.as_ref()?.at;
        if let Some(held) = &mut self.held {
            held.checked_ms = now_ms;
            held.expires_ms = now_ms.saturating_add(held.expire_ms);
            held.expired = false;
        }
        self.from = Some(at);
        if let Some(trouble) = self.troubles.get_mut(at) {
            *trouble = None;
        }
        self.end(now_ms, random, true);
        None
    }

    fn end(&mut self, now_ms: u64, random: u32, succeeded: bool) {
        self.round = None;
        self.round_ended_ms = Some(now_ms);
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
        let cold = || COLD_MS.0.saturating_mul(1 << self.failures.saturating_sub(1).min(16)).min(COLD_MS.1);
        let wait = match &self.held {
            Some(held) if succeeded => held.refresh_ms,
            Some(held) => held.retry_ms,
            None => cold(),
        };
        self.next_ms = now_ms.saturating_add(jittered(wait, random));
        if self.whole {
            self.next_ms = now_ms;
        }
        if let Some(Heard { from, serial }) = self.heard.take() {
            self.notified(now_ms, from, serial);
        }
    }

    /// A round as soon as rounds may follow each other.
    fn soon(&mut self, now_ms: u64, from: Option<usize>) {
        let after_began = self.round_began_ms.map_or(0, |began| began.saturating_add(GAP_MS));
        let after_failed = match self.round_ended_ms {
            Some(ended) if self.failures > 0 => ended.saturating_add(GAP_FAILED_MS),
            _ => 0,
        };
        self.next_ms = self.next_ms.min(now_ms.max(after_began).max(after_failed));
        if from.is_some() {
            self.prefer = from;
        }
    }
}

fn behind(theirs: u32, ours: u32) -> String {
    format!("it has the serial {theirs}, which is older than {ours} here")
}

#[cfg(test)]
mod tests;
