//! What was asked of late, by whom, and what became of it: so many questions and no more.

use std::collections::VecDeque;
use std::net::IpAddr;

use dns::{Fqdn, Rcode, RecordType};

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Answered from the cache.
    Known,
    /// Asked of an upstream.
    Asked,
    /// Answered with what is stale.
    Stale,
    /// Answered here: a special name.
    Local,
    /// Not resolved: a list has it.
    Blocked,
    /// Nobody answered, or what came was not to be believed.
    Failed,
}

impl Fate {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Asked => "asked",
            Self::Stale => "stale",
            Self::Local => "local",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// How a question came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// By datagram.
    #[default]
    Udp,
    /// By TCP (RFC 7766).
    Tcp,
    /// By TLS (RFC 7858).
    Tls,
    /// By HTTPS (RFC 8484).
    Https,
}

impl Transport {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https];

    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        }
    }

    /// Whether an answer of any size is taken, and the asker's address is its own.
    #[must_use]
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }

    /// Whether nobody on the way can read it.
    #[must_use]
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds of UTC.
    pub at_ms: u64,
    /// Who asked.
    pub client: IpAddr,
    /// How.
    pub transport: Transport,
    /// For what; none: names are not remembered.
    pub name: Option<Fqdn>,
    /// For which type.
    pub rtype: RecordType,
    /// What became of it.
    pub fate: Fate,
    /// The response code.
    pub rcode: Rcode,
    /// Why, in words: which list, or who did not answer.
    pub why: Option<String>,
}

/// The last questions, each with a number that goes up by one.
#[derive(Clone, Debug)]
pub struct QueryLog {
    entries: VecDeque<Entry>,
    entries_max: usize,
    /// The number of the first entry that is still there.
    first: u64,
}

impl QueryLog {
    /// One that remembers so many.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        Self { entries: VecDeque::new(), entries_max: entries_max.max(1), first: 0 }
    }

    /// Remembers one; the oldest makes room.
    pub fn push(&mut self, entry: Entry) {
        if self.entries.len() >= self.entries_max {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
    }

    /// The number that the next one will have.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Those from a number on, at most so many looked at, and the number to go on with. What was pushed out meanwhile is
    /// missing: the first number then is larger than the one asked for.
    pub fn from(&self, number: u64, count_max: usize) -> (impl Iterator<Item = (u64, &Entry)>, u64) {
        let start = number.clamp(self.first, self.next());
        let at = (start - self.first) as usize;
        let end = self.entries.len().min(at.saturating_add(count_max));
        (self.entries.range(at..end).zip(start..).map(|(entry, number)| (number, entry)), self.first + end as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn entry(at_ms: u64) -> Entry {
        Entry {
            at_ms,
            client: "10.0.0.1".parse().unwrap(),
            transport: Transport::Udp,
            name: None,
            rtype: RecordType::A,
            fate: Fate::Known,
            rcode: Rcode::NO_ERROR,
            why: None,
        }
    }

    #[test]
    fn the_last_questions_are_remembered_and_numbered() {
        let mut log = QueryLog::new(3);
        let numbers = |log: &QueryLog, from, most| {
            let (found, next) = log.from(from, most);
            (found.map(|(number, entry)| (number, entry.at_ms)).collect::<Vec<_>>(), next)
        };
        assert_eq!(numbers(&log, 0, 9), (vec![], 0));
        for at_ms in 10..15 {
            log.push(entry(at_ms));
        }
        assert_eq!(log.next(), 5);
        assert_eq!(numbers(&log, 0, 9), (vec![(2, 12), (3, 13), (4, 14)], 5));
        assert_eq!(numbers(&log, 3, 1), (vec![(3, 13)], 4));
        assert_eq!(numbers(&log, 5, 9), (vec![], 5));
        assert_eq!(numbers(&log, 99, 9), (vec![], 5));
    }
}
