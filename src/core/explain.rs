//! What leases, reservations and settings say of one name, address or hardware address: facts, as they are, for
//! [`crate::explain`] to put into words. Nothing is changed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ddns::choose::{CleanUp, ClientFqdn, Reason, Step, clean_label};
use ddns::wanted::RowKey;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use dhcp::names::{NameAnswer, NameChooser, NameQuestion};
use dhcp::settings::{Reservation, ReservedFor, Subnet};
use dns::{Fqdn, HostIdentity, Naming};
use ipnet::Ipv4Net;

use super::{Core, CoreNames, names};

/// How many leases, and how many reservations, are told of.
pub const TOLD_MAX: usize = 32;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A name. Of one label: that label in any domain that names are put under.
    Name(Fqdn),
    /// An address.
    Address(IpAddr),
    /// A hardware address.
    Hardware(HardwareAddress),
}

/// All that leases, reservations and settings say of a subject.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The names that are meant: the one that was asked for, or those that leases and reservations lead to.
    pub names: BTreeSet<Fqdn>,
    /// The addresses that are meant.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Leases that have, had or would have the name, or are of the address or hardware address; by address.
    pub leases: Vec<LeaseFacts>,
    /// Reservations of the name, address or hardware address.
    pub reservations: Vec<ReservationFacts>,
    /// How many more leases and reservations there were.
    pub left_out: usize,
    /// Of an address: the subnet that holds it, and whether a pool of it does.
    pub subnet: Option<(Ipv4Net, bool)>,
}

/// One lease, and what would be decided of its name now.
#[derive(Clone, Debug)]
pub struct LeaseFacts {
    /// As it is stored.
    pub lease: Lease,
    /// `None`: no names are kept for its subnet, or the subnet is not in the configuration.
    pub naming: Option<NamingFacts>,
}

/// How a name is decided on now, by what the client said last.
#[derive(Clone, Debug)]
pub struct NamingFacts {
    /// The rules.
    pub rules: Naming,
    /// The reservation's name.
    pub reserved: Option<String>,
    /// Who the client is towards DNS.
    pub identity: HostIdentity,
    /// What came of it.
    pub chosen: Option<Fqdn>,
    /// Why.
    pub reason: Reason,
    /// The name that the client would have if no name were taken or protected.
    pub wished: Option<Fqdn>,
    /// That name is reserved, for whomever.
    pub is_reserved: bool,
    /// The way to the decision.
    pub steps: Vec<Step>,
    /// Who has that name, when it is somebody else.
    pub holder: Option<Holder>,
}

/// Somebody who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The addresses that the name is wanted for.
    pub addresses: Vec<IpAddr>,
    /// The hardware address of the lease of the first of them.
    pub hardware: Option<HardwareAddress>,
}

/// One reservation.
#[derive(Clone, Debug)]
pub struct ReservationFacts {
    /// The subnet that it stands in.
    pub subnet: Ipv4Net,
    /// Its address; `None`: it has none of its own.
    pub address: Option<Ipv4Addr>,
    /// Its host name, as the configuration has it.
    pub hostname: Option<String>,
    /// Who it is for, as the configuration has it.
    pub clients: Vec<ReservedFor>,
}

/// Remembers what the engine asked, and what was answered.
struct Recorder<'a> {
    names: &'a CoreNames<'a>,
    heard: RefCell<Vec<(NamingFacts, NameAnswer)>>,
    core: &'a Core,
}

impl NameChooser for Recorder<'_> {
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer {
        let (answer, steps) = self.names.explain(question);
        let wished = self.core.wished(question);
        let mine = |holder: &HostIdentity| *holder == question.identity;
        let is_anothers = |name: &&Fqdn| {
            self.core.wanted.owner_of(name).is_some_and(|owner| !mine(&owner))
                || self.core.wanted.self_kept_by_others(name, &question.identity).next().is_some()
        };
        let holder = wished.as_ref().filter(is_anothers);
        let facts = NamingFacts {
            rules: question.naming.clone(),
            reserved: question.reserved_hostname.map(str::to_owned),
            identity: question.identity.clone(),
            chosen: answer.name.as_ref().map(|name| name.fqdn.clone()),
            reason: answer.reason,
            is_reserved: wished.as_ref().is_some_and(|name| self.core.settings.reserved.contains(name)),
            holder: holder.and_then(|name| self.core.holder_of(name, &question.identity)),
            steps,
            wished,
        };
        let told = names::told(answer);
        self.heard.borrow_mut().push((facts, told.clone()));
        told
    }
}

impl Core {
    /// What is known of a subject. Costs as much as there are leases and reservations, unless it is about an address.
    #[must_use]
    pub fn explain(&self, subject: &Subject) -> Facts {
        let mut facts = Facts::default();
        match subject {
            Subject::Address(address) => {
                let IpAddr::V4(address) = *address else { return facts };
                facts.addresses.insert(address);
                facts.subnet = self.subnets().find(|subnet| subnet.prefix.contains(&address)).map(|subnet| {
                    let holds = |pool: &dhcp::settings::Pool| pool.holds(address);
                    (subnet.prefix, subnet.pools.iter().any(holds))
                });
                facts.leases.extend(self.engine.lease(address).map(|lease| self.lease_facts(lease)));
                self.reservations(&mut facts, |_, reservation| reservation.address == Some(address));
            }
            Subject::Hardware(hardware) => {
                self.leases(&mut facts, |lease| lease.hardware == *hardware);
                let key = ReservedFor::Hardware(*hardware);
                self.reservations(&mut facts, |_, reservation| reservation.clients.contains(&key));
            }
            Subject::Name(name) => {
                facts.names = self.meant(name);
                let first = name.first_label().map(<[u8]>::to_vec).unwrap_or_default();
                self.leases(&mut facts, |lease| {
                    lease.name.as_ref().is_some_and(|had| had.fqdn.first_label() == Some(&first)) || says(lease, &first)
                });
                let names = std::mem::take(&mut facts.names);
                facts.leases.retain(|one| one.is_about(&names));
                facts.names = names;
                self.reservations(&mut facts, |subnet, reservation| {
                    let names = &self.meant(name);
                    self.reserved_name(subnet, reservation).is_some_and(|reserved| names.contains(&reserved))
                });
            }
        }
        if !matches!(subject, Subject::Name(_)) {
            for one in &facts.leases {
                let decided = one.naming.as_ref().and_then(|naming| naming.chosen.clone().or(naming.wished.clone()));
                facts.names.extend(one.lease.name.as_ref().map(|name| name.fqdn.clone()).or(decided));
                facts.addresses.insert(one.lease.address);
            }
        }
        facts
    }

    /// The name itself; one of a single label in every domain.
    fn meant(&self, name: &Fqdn) -> BTreeSet<Fqdn> {
        if name.label_count() != 1 {
            return BTreeSet::from([name.clone()]);
        }
        let domains: BTreeSet<&Fqdn> = self.engine.settings().domains().collect();
        domains.into_iter().filter_map(|domain| name.concat(domain).ok()).collect()
    }

    fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.engine.settings().subnets.iter()
    }

    fn leases(&self, facts: &mut Facts, mut is_told: impl FnMut(&Lease) -> bool) {
        for lease in self.engine.leases().filter(|lease| is_told(lease)) {
            if facts.leases.len() < TOLD_MAX {
                facts.leases.push(self.lease_facts(lease));
            } else {
                facts.left_out += 1;
            }
        }
        facts.leases.sort_by_key(|one| one.lease.address);
    }

    fn reservations(&self, facts: &mut Facts, is_told: impl Fn(&Subnet, &Reservation) -> bool) {
        for subnet in self.subnets() {
            for reservation in subnet.reservations.iter().filter(|reservation| is_told(subnet, reservation)) {
                if facts.reservations.len() == TOLD_MAX {
                    facts.left_out += 1;
                    continue;
                }
                facts.names.extend(self.reserved_name(subnet, reservation));
                facts.addresses.extend(reservation.address);
                facts.reservations.push(ReservationFacts {
                    subnet: subnet.prefix,
                    address: reservation.address,
                    hostname: reservation.hostname.clone(),
                    clients: reservation.clients.clone(),
                });
            }
        }
    }

    /// The full name of a reservation.
    fn reserved_name(&self, subnet: &Subnet, reservation: &Reservation) -> Option<Fqdn> {
        let hostname: Fqdn = reservation.hostname.as_deref()?.parse().ok()?;
        if hostname.label_count() > 1 {
            return Some(hostname);
        }
        let rules = self.engine.settings().reserved_naming(subnet, reservation)?;
        hostname.concat(&rules.domain).ok()
    }

    fn lease_facts(&self, lease: Lease) -> LeaseFacts {
        let names = CoreNames::new(&self.wanted, &self.settings, &self.outcomes);
        let recorder = Recorder { names: &names, heard: RefCell::default(), core: self };
        self.engine.ask_name_again(lease.address, &recorder);
        let mut heard = recorder.heard.into_inner();
        // The rules by which it has its name are the last that were asked after, unless it has another name by now.
        let has = |(_, answer): &(NamingFacts, NameAnswer)| answer.name == lease.name;
        let which = heard.iter().position(has).unwrap_or_default();
        let naming = (which < heard.len()).then(|| heard.swap_remove(which).0);
        LeaseFacts { lease, naming }
    }

    /// The name that a client would have if no name were taken or protected.
    fn wished(&self, question: &NameQuestion<'_>) -> Option<Fqdn> {
        let open = ddns::settings::Settings {
            zones: self.settings.zones.clone(),
            patterns: self.settings.patterns.clone(),
            ..ddns::settings::Settings::default()
        };
        let nobody = |_: &Fqdn, _: &HostIdentity| false;
        ddns::choose::choose(&names::asked(question), &open, &nobody).name.map(|name| name.fqdn)
    }

    /// Who has a name, if not `asker`.
    fn holder_of(&self, name: &Fqdn, asker: &HostIdentity) -> Option<Holder> {
        let row = self.wanted.get(&RowKey::Forward(name.clone()));
        let want = row.and_then(|row| row.want).filter(|want| want.identity != *asker);
        let addresses = want.map(|want| want.addresses);
        let addresses = addresses.unwrap_or_else(|| self.wanted.self_kept_by_others(name, asker).collect());
        let lease = addresses.iter().find_map(|address| match address {
            IpAddr::V4(v4) => self.engine.lease(*v4),
            IpAddr::V6(_) => None,
        });
        Some(Holder { addresses, hardware: lease.map(|lease| lease.hardware) })
    }
}

impl LeaseFacts {
    /// Whether the lease has, had or would have one of these names.
    fn is_about(&self, names: &BTreeSet<Fqdn>) -> bool {
        let had = self.lease.name.as_ref().map(|name| &name.fqdn);
        let naming = self.naming.as_ref();
        let now = naming.and_then(|naming| naming.chosen.as_ref());
        let wished = naming.and_then(|naming| naming.wished.as_ref());
        // With the N bit or in no zone there is no telling which name it would be: the label is all there is.
        let unplaced = naming.is_none_or(|naming| naming.wished.is_none());
        had.into_iter().chain(now).chain(wished).any(|name| names.contains(name))
            || (unplaced && self.lease.state == LeaseState::Bound)
    }
}

/// Whether the client sent a name whose first label, cleaned, is this.
fn says(lease: &Lease, label: &[u8]) -> bool {
    // By whichever rule: a label too many is only looked at.
    let by = |sent: &[u8], rule| clean_label(sent, rule).is_some_and(|cleaned| cleaned == label);
    let cleaned = |sent: &[u8]| by(sent, CleanUp::Hyphen) || by(sent, CleanUp::Drop);
    let first = lease.hostname.split(|byte| *byte == b'.').next().unwrap_or_default();
    let by_option_81 =
        || ClientFqdn::parse(&lease.client_fqdn).and_then(|sent| sent.labels().first().map(|first| cleaned(first)));
    cleaned(first) || by_option_81().unwrap_or(false)
}
