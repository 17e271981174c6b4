//! Block lists: which names are not resolved for whom.
//!
//! Reading order: [`lines`] (a list as people publish it), [`set`] (its names in memory), and here, whom a list is for
//! and what its names are answered with.
//!
//! A list's own exceptions (`@@||name^`) count for that list; those of the configuration for every client that the list
//! is for. Of several lists that have a name, the first of the configuration decides and is named in the answer.

pub mod lines;
pub mod set;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use dns::{Fqdn, Rcode, Rdata, RecordType};
use ipnet::IpNet;

pub use self::lines::{Line, Read};
pub use self::set::NameSet;
use crate::answer::Answer;
use crate::query::{HEADER, Key};
use crate::reason::Reason;

/// How long an asker may keep the answer, in seconds: an exception that is made should count soon.
const TTL: u32 = 60;

/// "use-application-dns.net": a browser that asks servers of its own for names asks for this one first, and leaves that where
/// there is no answer with addresses, since names are filtered
/// (<https://support.mozilla.org/kb/canary-domain-use-application-dnsnet>). Each list has it.
const CANARY: &[u8] = b"\x13use-application-dns\x03net\x00";

/// What a listed name is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instead {
    /// The name does not exist.
    #[default]
    NxDomain,
    /// Addresses that lead nowhere: `0.0.0.0` and `::`; for other types, that there is nothing.
    Nowhere,
    /// The question is refused. Many clients then ask another server, if they know one.
    Refused,
}

/// A list.
#[derive(Clone, Debug)]
pub struct BlockList {
    /// What it is called in answers and logs.
    pub name: String,
    /// For whom; empty: for everybody.
    pub clients: Vec<IpNet>,
    /// What is answered.
    pub instead: Instead,
    /// The extended error that says so: [`Reason::BLOCKED`] or [`Reason::FILTERED`].
    pub code: u16,
    /// What is listed. Shared, so that a new version of one list leaves the others as they are.
    pub names: Arc<Listed>,
    /// What is not blocked though it is listed.
    pub exceptions: Arc<NameSet>,
    /// Why it is not as new as it should be; none: it is.
    pub trouble: Option<Trouble>,
    /// When it was last found to be as new as what it is read from, in UTC seconds; none: not yet.
    pub as_of_secs: Option<u64>,
}

/// What keeps a list from being brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub words: Arc<str>,
    /// Since when, in UTC seconds.
    pub since_secs: u64,
}

/// A list's names.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Those that are blocked.
    pub blocked: NameSet,
    /// Those that are not, as the list itself says.
    pub allowed: NameSet,
}

/// All lists, the first one first.
#[derive(Clone, Debug, Default)]
pub struct BlockLists(pub Vec<BlockList>);

impl BlockLists {
    /// The list by which a name (wire form, lower case) is blocked for a client; none: it is not.
    #[must_use]
    pub fn blocking(&self, name: &[u8], client: IpAddr) -> Option<&BlockList> {
        self.0.iter().find(|list| list.is_for(client) && list.has(name))
    }

    /// The list by which a name is blocked for a client because an alias of it leads to `target`: who has something listed
    /// hides it behind names of its own. A name that a list excuses may lead anywhere.
    #[must_use]
    pub fn blocking_alias(&self, name: &[u8], target: &[u8], client: IpAddr) -> Option<&BlockList> {
        self.0.iter().find(|list| list.is_for(client) && list.has_alias(name, target))
    }
}

impl BlockList {
    /// Whether a name (wire form, lower case) is listed, and no exception.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        (name == CANARY || self.names.blocked.contains(name)) && !self.excuses(name)
    }

    /// Whether `target`, which an alias of `name` leads to, is listed (both in wire form, lower case), and `name` not excused.
    #[must_use]
    pub fn has_alias(&self, name: &[u8], target: &[u8]) -> bool {
        !self.excuses(name) && self.has(target)
    }

    /// Whether a name is not blocked, listed or not.
    fn excuses(&self, name: &[u8]) -> bool {
        self.names.allowed.contains(name) || self.exceptions.contains(name)
    }

    fn is_for(&self, client: IpAddr) -> bool {
        self.clients.is_empty() || self.clients.iter().any(|prefix| prefix.contains(&client))
    }

    /// What is answered in place of what was asked for. `alias_of`: not that is listed, but this name, which it leads to.
    #[must_use]
    pub fn answer(&self, key: &Key, alias_of: Option<&Fqdn>) -> Answer {
        let question = key.name().len() + 4;
        let words = match alias_of {
            None => format!("listed in {}", self.name),
            Some(target) => format!("an alias of {target}, listed in {}", self.name),
        };
        let reason = Reason::new(self.code, words);
        let (rcode, address) = match (self.instead, key.rtype()) {
            // An address would be the word that all is well.
            (Instead::Nowhere, _) if key.name() == CANARY => (Rcode::NX_DOMAIN, None),
            (Instead::NxDomain, _) => (Rcode::NX_DOMAIN, None),
            (Instead::Refused, _) => (Rcode::REFUSED, None),
            (Instead::Nowhere, RecordType::A) => (Rcode::NO_ERROR, Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
            (Instead::Nowhere, RecordType::AAAA) => (Rcode::NO_ERROR, Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
            (Instead::Nowhere, _) => (Rcode::NO_ERROR, None),
        };
        let Some(address) = address else { return Answer::empty(rcode, question, Some(reason)) };
        let (rtype, data) = Rdata::address(address);
        let mut message = vec![0; HEADER];
        (message[5], message[7]) = (1, 1);
        message.extend_from_slice(key.name());
        message.extend_from_slice(&rtype.0.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0xc0, HEADER as u8]);
        message.extend_from_slice(&rtype.0.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&TTL.to_be_bytes());
        message.extend_from_slice(&(data.0.len() as u16).to_be_bytes());
        message.extend_from_slice(&data.0);
        let mut answer =
            Answer::from_message(&message).unwrap_or_else(|_| Answer::empty(Rcode::NX_DOMAIN, question, None));
        answer.reason = Some(Box::new(reason));
        answer
    }
}

#[cfg(test)]
mod tests;
