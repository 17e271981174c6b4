//! The messages of a transfer, one after the other, to what they bring (RFC 5936 section 2.2, RFC 1995 section 4).
//!
//! ```text
//!          SOA(new)        another type            SOA(new): the same record
//!  Begins ────────▶ Begun ─────────────▶ Whole ──────────────────────────────▶ done: the zone
//!                     │ SOA(ours)            SOA(n): newer        SOA(n), n is not new
//!                     └───────▶ Removing ───────────────▶ Adding ─────────────────────▶ Removing
//!                                                            │ SOA(new): the same record
//!                                                            └────────────────────────▶ done: steps
//! ```
//! A first SOA record that is not newer than ours ends it at once: there is nothing to be had.

use std::collections::HashMap;

use dns::wire::{TransferMessage, ZoneRecord};
use dns::{Fqdn, Rcode, Rdata, RecordType, Rrset};

use crate::serial::is_newer;

/// How much of a transfer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Octets of all its records, names uncompressed.
    pub octets: usize,
    /// How long it may take, in milliseconds.
    pub time_ms: u64,
}

impl Default for Limits {
    /// A million records, 128 MiB, half an hour.
    fn default() -> Self {
        Self { records: 1_000_000, octets: 128 * 1024 * 1024, time_ms: 30 * 60 * 1000 }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole zone, whatever its serial is.
    Whole,
    /// The whole zone, if it is newer than this serial.
    WholeIfNewer(u32),
    /// What was changed since this serial.
    Since(u32),
}

/// Why what comes is not a transfer that is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferFault {
    /// The server would not.
    #[error("it answers {0}")]
    Refused(Rcode),
    /// A message cannot be read.
    #[error("a message cannot be read: {0}")]
    Unreadable(String),
    /// The answer is to another question.
    #[error("it answers another question: {0} {1}")]
    Question(Fqdn, RecordType),
    /// It is another zone's, or none.
    #[error("it does not begin with the SOA record of the zone")]
    Begin,
    /// A message that brings nothing.
    #[error("a message brings no record")]
    Empty,
    /// An owner beyond the zone.
    #[error("{0} is not within the zone")]
    Outside(Fqdn),
    /// A type that cannot stand in a zone, or a SOA record beneath the apex.
    #[error("the {1} record of {0} cannot stand in a zone")]
    Type(Fqdn, RecordType),
    /// A SOA record that cannot be read.
    #[error("a SOA record cannot be read")]
    Soa,
    /// The last SOA record is not the first.
    #[error(
        "it begins with the serial {first} and ends with another SOA record, of serial {last}: the zone changed under way"
    )]
    Mixed {
        /// The first one's serial.
        first: u32,
        /// The last one's.
        last: u32,
    },
    /// The changes are those since another serial.
    #[error("the changes begin at the serial {theirs}, and the copy here has {ours}")]
    Start {
        /// Where they begin.
        theirs: u32,
        /// What was asked for.
        ours: u32,
    },
    /// One step does not lead on from the one before.
    #[error("the changes lead from serial {from} to {to}, which is not on the way to {end}")]
    Order {
        /// Where it begins.
        from: u32,
        /// Where it leads.
        to: u32,
        /// Where all of them should.
        end: u32,
    },
    /// Records behind the end.
    #[error("records follow the closing SOA record")]
    Behind,
    /// A change of something that is not so here.
    #[error("the changes do not fit the copy here, at the {1} records of {0}")]
    Inexact(Fqdn, RecordType),
    /// The steps rewrite large sets again and again.
    #[error("the changes take more work than the whole zone")]
    Laborious,
    /// A zone without name servers.
    #[error("the zone has no NS record")]
    NoServers,
    /// Too much of it.
    #[error("it has more than {0} records (`records_max`)")]
    Records(usize),
    /// Too much of it.
    #[error("it takes more than {0} octets (`transfer_mib_max`)")]
    Octets(usize),
    /// Too slow.
    #[error("it takes longer than {0} s (`transfer_time_max`)")]
    Time(u64),
}

impl TransferFault {
    /// Whether the whole zone may be had where what was changed was not: unless the limits are what is in the way.
    #[must_use]
    pub fn may_be_had_whole(&self) -> bool {
        !matches!(self, Self::Records(_) | Self::Octets(_) | Self::Time(_))
    }
}

/// One step from a serial to a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The serial before.
    pub from: u32,
    /// The SOA record after.
    pub soa: ZoneRecord,
    /// Its serial.
    pub to: u32,
    /// Records that go.
    pub removed: Vec<ZoneRecord>,
    /// Records that come.
    pub added: Vec<ZoneRecord>,
}

/// What a transfer brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing newer: the server's serial.
    Current(u32),
    /// The zone, its SOA record among the sets.
    Whole(Vec<Rrset>),
    /// Steps, of which each begins where the one before ends; at least one.
    Steps(Vec<Step>),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another message must come.
    More,
    /// That was the last one.
    Done,
}

#[derive(Clone, Debug)]
enum State {
    Begins,
    Begun,
    Whole,
    Removing,
    Adding,
    Done,
}

/// A transfer as its messages come.
#[derive(Clone, Debug)]
pub struct Reading {
    apex: Fqdn,
    wanted: Wanted,
    limits: Limits,
    begun_ms: u64,
    state: State,
    records: usize,
    octets: usize,
    /// The first record, and its serial.
    first: Option<(ZoneRecord, u32)>,
    is_current: bool,
    sets: HashMap<(Fqdn, RecordType), (u32, Vec<Rdata>)>,
    steps: Vec<Step>,
    removing: (u32, Vec<ZoneRecord>),
}

impl Reading {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(apex: Fqdn, wanted: Wanted, limits: Limits, now_ms: u64) -> Self {
        Self {
            apex,
            wanted,
            limits,
            begun_ms: now_ms,
            state: State::Begins,
            records: 0,
            octets: 0,
            first: None,
            is_current: false,
            sets: HashMap::new(),
            steps: Vec::new(),
            removing: (0, Vec::new()),
        }
    }

    /// The type of the question.
    #[must_use]
    pub fn question(&self) -> RecordType {
        match self.wanted {
            Wanted::Whole | Wanted::WholeIfNewer(_) => RecordType::AXFR,
            Wanted::Since(_) => RecordType::IXFR,
        }
    }

    /// Whether anything of the zone has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Begins)
    }

    /// Until when it must be done, in milliseconds.
    #[must_use]
    pub fn deadline_ms(&self) -> u64 {
        self.begun_ms.saturating_add(self.limits.time_ms)
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// [`TransferFault`]: nothing of it is of use.
    pub fn take(&mut self, now_ms: u64, message: TransferMessage) -> Result<Progress, TransferFault> {
        if now_ms > self.deadline_ms() {
            return Err(TransferFault::Time(self.limits.time_ms / 1000));
        }
        if message.rcode != Rcode::NO_ERROR {
            return Err(TransferFault::Refused(message.rcode));
        }
        if let Some((name, rtype)) = message.question
            && (name != self.apex || rtype != self.question())
        {
            return Err(TransferFault::Question(name, rtype));
        }
        // RFC 5936 section 2.2: a message "must contain at least one" record. Without this rule, one could go on for ever.
        if message.records.is_empty() {
            return Err(TransferFault::Empty);
        }
        for record in message.records {
            self.records += 1;
            if self.records > self.limits.records {
                return Err(TransferFault::Records(self.limits.records));
            }
            // Type, class, TTL and a length beside name and data.
            let octets = record.name.as_wire().len() + record.rdata.0.len() + 10;
            self.octets = self.octets.saturating_add(octets);
            if self.octets > self.limits.octets {
                return Err(TransferFault::Octets(self.limits.octets));
            }
            self.record(record)?;
            // What follows the SOA record of a zone that is not newer is not looked at: it may be the whole of it.
            if self.is_current {
                break;
            }
        }
        Ok(if matches!(self.state, State::Done) { Progress::Done } else { Progress::More })
    }

    /// What it brings, once it is done; `None`: it is not.
    #[must_use]
    pub fn finish(self) -> Option<Incoming> {
        let (first, serial) = self.first.filter(|_| matches!(self.state, State::Done))?;
        if self.is_current {
            return Some(Incoming::Current(serial));
        }
        if !self.steps.is_empty() {
            return Some(Incoming::Steps(self.steps));
        }
        let soa = Rrset::single(first.name, first.rtype, first.ttl, first.rdata);
        let sets = self.sets.into_iter();
        let sets = sets.filter_map(|((name, rtype), (ttl, rdata))| Rrset::new(name, rtype, ttl, rdata));
        Some(Incoming::Whole(sets.chain([soa]).collect()))
    }

    fn record(&mut self, record: ZoneRecord) -> Result<(), TransferFault> {
        let is_soa = record.rtype == RecordType::SOA;
        if !matches!(self.state, State::Begins) {
            if !record.name.is_within(&self.apex) {
                return Err(TransferFault::Outside(record.name));
            }
            if !record.rtype.is_data() || (is_soa && record.name != self.apex) {
                return Err(TransferFault::Type(record.name, record.rtype));
            }
        }
        if is_soa { self.soa(record) } else { self.other(record) }
    }

    fn other(&mut self, record: ZoneRecord) -> Result<(), TransferFault> {
        match self.state {
            State::Begins => Err(TransferFault::Begin),
            State::Done => Err(TransferFault::Behind),
            State::Begun | State::Whole => {
                self.state = State::Whole;
                let (ttl, rdata) = self.sets.entry((record.name, record.rtype)).or_insert((record.ttl, Vec::new()));
                // RFC 2181 section 5.2: where the TTLs of a set differ, the lowest is taken.
                *ttl = record.ttl.min(*ttl);
                rdata.push(record.rdata);
                Ok(())
            }
            State::Removing => {
                self.removing.1.push(record);
                Ok(())
            }
            State::Adding => {
                if let Some(step) = self.steps.last_mut() {
                    step.added.push(record);
                }
                Ok(())
            }
        }
    }

    fn soa(&mut self, record: ZoneRecord) -> Result<(), TransferFault> {
        let serial = record.rdata.to_soa().ok_or(TransferFault::Soa)?.serial;
        let Some((first, end)) = &self.first else {
            if record.name != self.apex {
                return Err(TransferFault::Begin);
            }
            let known = match self.wanted {
                Wanted::Whole => None,
                Wanted::WholeIfNewer(known) | Wanted::Since(known) => Some(known),
            };
            self.is_current = known.is_some_and(|known| !is_newer(serial, known));
            self.state = if self.is_current { State::Done } else { State::Begun };
            self.first = Some((record, serial));
            return Ok(());
        };
        let (closes, end) = (*first == record, *end);
        match self.state {
            State::Done => Err(TransferFault::Behind),
            State::Begun | State::Whole if closes => {
                self.state = State::Done;
                Ok(())
            }
            State::Begun if let Wanted::Since(ours) = self.wanted => {
                if serial != ours {
                    return Err(TransferFault::Start { theirs: serial, ours });
                }
                (self.state, self.removing) = (State::Removing, (serial, Vec::new()));
                Ok(())
            }
            State::Begins | State::Begun | State::Whole => Err(TransferFault::Mixed { first: end, last: serial }),
            State::Removing => self.removed(record, serial, end),
            State::Adding if closes && self.reached() == Some(end) => {
                self.state = State::Done;
                Ok(())
            }
            State::Adding if self.reached() == Some(serial) && serial != end => {
                (self.state, self.removing) = (State::Removing, (serial, Vec::new()));
                Ok(())
            }
            State::Adding => Err(TransferFault::Mixed { first: end, last: serial }),
        }
    }

    /// The SOA record behind what goes: where the step leads.
    fn removed(&mut self, soa: ZoneRecord, to: u32, end: u32) -> Result<(), TransferFault> {
        let (from, removed) = std::mem::take(&mut self.removing);
        // Each step leads on, and none beyond the end: a chain that goes in circles ends here.
        if !is_newer(to, from) || (to != end && !is_newer(end, to)) {
            return Err(TransferFault::Order { from, to, end });
        }
        self.steps.push(Step { from, soa, to, removed, added: Vec::new() });
        self.state = State::Adding;
        Ok(())
    }

    /// The serial that the steps lead to so far.
    fn reached(&self) -> Option<u32> {
        self.steps.last().map(|step| step.to)
    }
}

#[cfg(test)]
pub(super) mod tests;
