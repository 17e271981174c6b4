//! Who gets a name that more than one host wants: what [`crate::choose`] asks about the one that it came to.
//!
//! [`NameHolders`] knows who holds which name here ([`WantedTable`]), who keeps one while it is away
//! ([`SuffixTable`]), and what DNS servers said is somebody else's ([`ForeignNames`]), and answers by the policy of the
//! host's subnet ([`ConflictOutcome`]). It changes nothing; what is to be remembered when the lease is stored stands
//! in [`Terms`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use dns::naming::ConflictOutcome;
use dns::{Fqdn, HostIdentity};

use crate::choose::Reason;
use crate::foreign::ForeignNames;
use crate::settings::Settings;
use crate::suffixes::{Assignment, SuffixTable, numbered};
use crate::wanted::{RowKey, WantedTable};

/// How many numbers are tried for one host. More than these are held by hosts that say a numbered name themselves.
const NUMBERS_TRIED_MAX: usize = 64;

/// What comes of a host's wish for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It has this one: the one it wished for, or the one in its place.
    Granted(Fqdn),
    /// It would have it, but in DNS it is somebody else's. It is tried again now and then, and not published meanwhile.
    Foreign(Fqdn),
    /// Another host has it.
    Taken,
}

/// Who has which name.
pub trait Holders {
    /// What comes of the wish of `identity` for `name`, which it has from `source`. `forward`: the server writes the name's
    /// address records, not the host.
    fn grant(&self, name: &Fqdn, identity: &HostIdentity, source: Reason, forward: bool) -> Grant;
}

/// A plain predicate: whether a host other than the given one holds a name.
impl<F: Fn(&Fqdn, &HostIdentity) -> bool> Holders for F {
    fn grant(&self, name: &Fqdn, identity: &HostIdentity, _: Reason, _: bool) -> Grant {
        if self(name, identity) { Grant::Taken } else { Grant::Granted(name.clone()) }
    }
}

/// What is to be remembered once the lease that the name is for is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terms {
    /// The number by which the host has the name.
    Numbered(Assignment),
    /// The name is taken from whoever has it now.
    TakesOver {
        /// The name.
        name: Fqdn,
        /// Who takes it.
        identity: HostIdentity,
    },
    /// No number was left to give: the host is treated as where names are refused.
    NumbersUsedUp,
}

/// All who hold names, asked about one lease.
#[derive(Debug)]
pub struct NameHolders<'a> {
    /// What is wanted in DNS.
    pub wanted: &'a WantedTable,
    /// Addresses whose names are those of leases that have expired: they yield to whoever wants them.
    pub lingering: &'a BTreeSet<Ipv4Addr>,
    /// Assigned numbers.
    pub suffixes: &'a SuffixTable,
    /// What DNS servers refused.
    pub foreign: &'a ForeignNames,
    /// Names that are never given in the place of another.
    pub settings: &'a Settings,
    /// UTC seconds.
    pub now: u64,
    /// The lease's address.
    pub address: IpAddr,
    /// What comes of a name that another host holds.
    pub outcome: ConflictOutcome,
    /// The client is new at its address, or says another name than before. Who renews takes nothing over: two hosts of one
    /// name would have it in turn.
    pub arrives: bool,
    /// What came of the last question.
    pub terms: RefCell<Option<Terms>>,
}

impl Holders for NameHolders<'_> {
    fn grant(&self, name: &Fqdn, identity: &HostIdentity, source: Reason, forward: bool) -> Grant {
        match self.outcome {
            // A reservation's name is the operator's word: it is this name or none.
            ConflictOutcome::Suffix { keep_secs } if source != Reason::Reservation => {
                self.suffixed(name, identity, keep_secs)
            }
            // A host that writes its address itself takes over nothing: its predecessor's record would go, and nobody here
            // could say whether another came. It would have a name that its next renewal loses.
            ConflictOutcome::TakeOver if forward && self.arrives && self.is_anothers(name, identity) => {
                *self.terms.borrow_mut() = Some(Terms::TakesOver { name: name.clone(), identity: identity.clone() });
                self.in_dns(name, identity)
            }
            _ if !self.is_free(name, identity) => Grant::Taken,
            // Kept for a host that is away. A reservation overrules that, as it overrules a host that is there.
            ConflictOutcome::Refuse if source != Reason::Reservation && self.is_kept(name, identity) => Grant::Taken,
            _ => self.in_dns(name, identity),
        }
    }
}

impl NameHolders<'_> {
    fn is_free(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        (self.wanted.grants(name, identity, self.address) || self.yields(name)) && !self.is_self_kept(name, identity)
    }

    /// Whether another host, whose lease runs, has the name and writes its address itself. Nobody takes such a name over:
    /// what the host wrote, perhaps at a server that we know nothing of, would stay.
    fn is_self_kept(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        let lingers = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if self.lingering.contains(v4));
        let mut others = self.wanted.self_kept_by_others(name, identity);
        others.any(|other| other != self.address && !lingers(&other))
    }

    /// Whether nobody has the name but leases that have expired, or the address itself.
    fn yields(&self, name: &Fqdn) -> bool {
        let row = self.wanted.get(&RowKey::Forward(name.clone())).filter(|_| !self.lingering.is_empty());
        let lingers = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if self.lingering.contains(v4));
        let want = row.as_ref().and_then(|row| row.want.as_ref());
        want.is_some_and(|want| want.addresses.iter().all(|one| *one == self.address || lingers(one)))
    }

    fn is_anothers(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        !self.is_free(name, identity)
            && !self.is_self_kept(name, identity)
            && self.wanted.owner_of(name).is_some_and(|owner| owner != *identity)
    }

    fn is_kept(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        self.suffixes.holder(name).is_some_and(|other| other.identity != *identity)
    }

    fn is_foreign(&self, name: &Fqdn, identity: &HostIdentity) -> bool {
        self.foreign.contains(name, identity, self.now)
    }

    fn in_dns(&self, name: &Fqdn, identity: &HostIdentity) -> Grant {
        let name = name.clone();
        if self.is_foreign(&name, identity) { Grant::Foreign(name) } else { Grant::Granted(name) }
    }

    /// The host's own number, when it has one that still does; else the lowest that nobody has.
    fn suffixed(&self, base: &Fqdn, identity: &HostIdentity, keep_secs: u32) -> Grant {
        // A client that was told its numbered name may say it from then on.
        let said = self.suffixes.holder(base).filter(|own| own.identity == *identity && own.number > 1);
        let (base, own) = match said {
            Some(own) => (&own.base, Some(own.number)),
            None => (base, self.suffixes.number(base, identity)),
        };
        if own.is_none() && self.suffixes.is_full() {
            *self.terms.borrow_mut() = Some(Terms::NumbersUsedUp);
            let is_free = self.is_free(base, identity) && !self.is_kept(base, identity);
            return if is_free { self.in_dns(base, identity) } else { Grant::Taken };
        }
        let free = self.suffixes.free_numbers(base).take(NUMBERS_TRIED_MAX);
        for number in own.into_iter().chain(free) {
            let Some(name) = numbered(base, number) else { break };
            let usable = self.is_free(&name, identity)
                && !self.is_kept(&name, identity)
                && !self.is_foreign(&name, identity)
                && (number == 1 || !self.settings.is_protected(&name));
            if usable {
                let (base, identity) = (base.clone(), identity.clone());
                let assignment = Assignment { base, identity, number, keep_secs, left_at: None };
                *self.terms.borrow_mut() = Some(Terms::Numbered(assignment));
                return Grant::Granted(name);
            }
        }
        Grant::Taken
    }
}
