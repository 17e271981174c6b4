//! Who may change what (RFC 2136 section 3.3): rules, of which the first that is about a record decides.
//!
//! ```text
//!  for each change ─▶ a key of the zone ──────────────▶ granted
//!                     the first rule about requestor,
//!                     name and type ──────────────────▶ granted or denied
//!                     none ───────────────────────────▶ denied
//! ```
//!
//! What the configuration states (static records, name servers, protected names, the apex) is out of reach of rules that
//! are about many names; a rule that says such a name itself is meant.
//!
//! A DNAME takes the names beneath it elsewhere, and an NS below the apex gives them away: neither is added above a name that
//! the requestor may not change because the configuration states it or a rule denies it.

use std::fmt;
use std::sync::OnceLock;

use dns::{Change, Fqdn, NameSet, RecordType, Update};

use crate::{NodeRef, Policy, Zone};

/// How many records of one name and type an update from the network may lead to. A set is stored, kept in the history and
/// sent as a whole, so that a large one makes each later change of it as large. BIND takes 100 records; names of services
/// with some hundred hosts behind them are seen, and with a thousand addresses of the longest kind an answer still fits a
/// message over TCP.
pub const RECORDS_MAX: usize = 1_000;

/// Who asks for an update, as its signature proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requestor {
    /// Whoever holds a TSIG key of this name.
    Key(Fqdn),
    /// A Kerberos principal with its realm (GSS-TSIG).
    Principal(String),
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody whose signature is accepted.
    Anybody,
    /// The holder of a key.
    Key(Fqdn),
    /// Principals that this pattern matches; `*` in it stands for any characters.
    Principal(String),
}

/// The requestor's own name, as part of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnName {
    /// That name alone.
    Itself,
    /// That name and all beneath it.
    Beneath,
}

/// The names that a rule is about: what any of the fields says; all names of the zone when none says anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// These names.
    pub exact: Vec<Fqdn>,
    /// These names and all beneath them.
    pub subdomains: Vec<Fqdn>,
    /// What is beneath these names, without their first label `*`, and the wildcards themselves.
    pub wildcards: Vec<Fqdn>,
    /// The name that the requestor's key or principal has.
    pub own: Option<OwnName>,
    /// Names that leases have: those with a DHCID record.
    pub leases: bool,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it grants or denies.
    pub grants: bool,
    /// Whom it is about.
    pub who: Vec<Who>,
    /// Which names.
    pub names: Names,
    /// Which types, [`RecordType::ANY`] for all. `None`: all where it denies; where it grants, all but SOA, NS, DNAME and
    /// what signing adds (RRSIG, NSEC, NSEC3).
    pub types: Option<Vec<RecordType>>,
}

/// Who may change what in one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdatePolicy {
    /// Keys that may change everything, whatever the rules say.
    pub keys: Vec<Fqdn>,
    /// The first that is about a record decides.
    pub rules: Vec<Rule>,
    /// Names that the configuration has something to say about.
    pub protected: NameSet,
}

/// Why a change may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The owner of the record.
    pub name: Fqdn,
    /// Its type.
    pub rtype: RecordType,
    /// On what ground.
    pub ground: Ground,
}

/// On what ground a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// This rule denies it, the first being 1.
    Rule(usize),
    /// No rule is about it.
    NoRule,
    /// The name is the configuration's, and no rule says it itself.
    Protected,
    /// There would be more than [`RECORDS_MAX`] of them.
    TooMany,
    /// It decides about the names beneath it, and the configuration states one of them.
    AboveProtected,
    /// It decides about the names beneath it, and this rule denies some of them, the first being 1.
    AboveDenied(usize),
}

impl fmt::Display for Requestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "the key {key}"),
            Self::Principal(principal) => write!(f, "the principal {principal}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rtype, ground } = self;
        match ground {
            Ground::Rule(number) => write!(f, "rule {number} of the zone's `update` denies {name} {rtype}"),
            Ground::NoRule => write!(f, "no rule of the zone's `update` grants {name} {rtype}"),
            Ground::Protected => write!(
                f,
                "{name} {rtype} is not granted: the configuration states that name, and only a rule with it in `name` \
                 is about it"
            ),
            Ground::TooMany => write!(f, "{name} {rtype} would have more than {RECORDS_MAX} records"),
            Ground::AboveProtected => write!(
                f,
                "{name} {rtype} is not granted: the configuration states a name beneath it, which it would take away"
            ),
            Ground::AboveDenied(number) => write!(
                f,
                "{name} {rtype} is not granted: it would take names away that rule {number} of the zone's `update` denies"
            ),
        }
    }
}

impl UpdatePolicy {
    /// Whether anybody may change anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.rules.is_empty()
    }

    /// Whether there is anything that `requestor` might change. Of those who may change nothing not even prerequisites are
    /// looked at, which would tell them what the zone holds.
    #[must_use]
    pub fn knows(&self, requestor: &Requestor) -> bool {
        matches!(requestor, Requestor::Key(key) if self.keys.contains(key))
            || self.rules.iter().any(|rule| rule.grants && rule.is_about(requestor))
    }

    /// Why `requestor` may not make all of these changes of `zone`: for the first that is not granted. Names outside the
    /// zone are for the update's scan to refuse (RFC 2136 section 3.4.1).
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, zone: &Zone, requestor: &Requestor, update: &Update) -> Result<(), Refusal> {
        update.changes.iter().try_for_each(|change| self.judge_change(zone, requestor, change))
    }

    fn judge_change(&self, zone: &Zone, requestor: &Requestor, change: &Change) -> Result<(), Refusal> {
        if matches!(requestor, Requestor::Key(key) if self.keys.contains(key)) {
            return Ok(());
        }
        match change {
            Change::Add { name, rtype, .. } => {
                let rule = self.judge_record(zone, requestor, name, *rtype)?;
                let decides_beneath = *rtype == RecordType::DNAME || (*rtype == RecordType::NS && name != zone.apex());
                match rule.filter(|_| decides_beneath) {
                    Some(rule) => self.judge_beneath(requestor, name, *rtype, rule),
                    None => Ok(()),
                }
            }
            Change::DeleteRrset(name, rtype) | Change::DeleteRecord(name, rtype, _) => {
                self.judge_record(zone, requestor, name, *rtype).map(|_| ())
            }
            // What is deleted is what there is. RFC 2136 section 3.4.2.3: SOA and NS of the apex stay.
            Change::DeleteName(name) => {
                let sets = zone.node(name).into_iter().flat_map(NodeRef::sets);
                let stays = |rtype| name == zone.apex() && matches!(rtype, RecordType::SOA | RecordType::NS);
                let mut deleted = sets.map(|set| set.rtype).filter(|rtype| !stays(*rtype));
                deleted.try_for_each(|rtype| self.judge_record(zone, requestor, name, rtype).map(|_| ()))
            }
        }
    }

    /// The place of the rule that grants it; none outside the zone.
    fn judge_record(
        &self,
        zone: &Zone,
        requestor: &Requestor,
        name: &Fqdn,
        rtype: RecordType,
    ) -> Result<Option<usize>, Refusal> {
        if !name.is_within(zone.apex()) {
            return Ok(None);
        }
        let is_protected = name == zone.apex() || self.protected.contains(name);
        let is_about = |rule: &Rule| {
            let exact = rule.names.exact.contains(name);
            rule.is_about(requestor)
                && rule.has_type(rtype)
                && (exact || (!(is_protected && rule.grants) && rule.names.hold(zone, requestor, name)))
        };
        let ground = match self.rules.iter().position(is_about) {
            Some(at) if self.rules[at].grants => return Ok(Some(at)),
            Some(at) => Ground::Rule(at + 1),
            None if is_protected => Ground::Protected,
            None => Ground::NoRule,
        };
        Err(Refusal { name: name.clone(), rtype, ground })
    }

    /// Whether a record that decides about all names beneath its own may be added there, once a rule grants it.
    fn judge_beneath(
        &self,
        requestor: &Requestor,
        name: &Fqdn,
        rtype: RecordType,
        granted: usize,
    ) -> Result<(), Refusal> {
        let denies = |(at, rule): (usize, &Rule)| {
            // A rule about all names that comes later is what denies the rest, as having no rule does.
            let is_met = at < granted || !rule.names.is_all();
            !rule.grants && is_met && rule.is_about(requestor) && rule.names.reach_beneath(requestor, name)
        };
        let ground = match self.rules.iter().enumerate().position(denies) {
            _ if self.protected.has_beneath(name) => Ground::AboveProtected,
            Some(at) => Ground::AboveDenied(at + 1),
            None => return Ok(()),
        };
        Err(Refusal { name: name.clone(), rtype, ground })
    }
}

impl Rule {
    fn is_about(&self, requestor: &Requestor) -> bool {
        self.who.iter().any(|who| match (who, requestor) {
            (Who::Anybody, _) => true,
            (Who::Key(wanted), Requestor::Key(key)) => wanted == key,
            (Who::Principal(pattern), Requestor::Principal(principal)) => matches_pattern(pattern, principal),
            (Who::Key(_), Requestor::Principal(_)) | (Who::Principal(_), Requestor::Key(_)) => false,
        })
    }

    fn has_type(&self, rtype: RecordType) -> bool {
        const NSEC3: RecordType = RecordType(50);
        let kept = [RecordType::SOA, RecordType::NS, RecordType::DNAME, RecordType::RRSIG, RecordType::NSEC, NSEC3];
        match &self.types {
            Some(types) => types.contains(&rtype) || types.contains(&RecordType::ANY),
            None => !self.grants || !kept.contains(&rtype),
        }
    }
}

impl Names {
    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they can be about a name beneath this one. Names of leases come and go, and may be anywhere.
    fn reach_beneath(&self, requestor: &Requestor, name: &Fqdn) -> bool {
        let is_beneath = |other: &Fqdn| other != name && other.is_within(name);
        let is_along = |other: &Fqdn| other.is_within(name) || name.is_within(other);
        let own = || match (self.own?, requestor.own_name()?) {
            (OwnName::Itself, own) => Some(is_beneath(&own)),
            (OwnName::Beneath, own) => Some(is_along(&own)),
        };
        self.is_all()
            || self.leases
            || self.exact.iter().any(is_beneath)
            || self.subdomains.iter().any(is_along)
            || self.wildcards.iter().filter_map(Fqdn::parent).any(|above| is_along(&above))
            || own().unwrap_or(false)
    }

    fn hold(&self, zone: &Zone, requestor: &Requestor, name: &Fqdn) -> bool {
        if self.is_all() {
            return true;
        }
        let own = || match (self.own?, requestor.own_name()?) {
            (OwnName::Itself, own) => Some(*name == own),
            (OwnName::Beneath, own) => Some(name.is_within(&own)),
        };
        self.exact.contains(name)
            || self.subdomains.iter().any(|above| name.is_within(above))
            || self
                .wildcards
                .iter()
                .any(|wildcard| wildcard.parent().is_some_and(|above| name.is_within(&above) && *name != above))
            || own().unwrap_or(false)
            || (self.leases && zone.set(name, RecordType::DHCID).is_some())
    }
}

impl Requestor {
    /// The key that it holds, by which lists and views know it; a principal holds none, whatever its context is called.
    #[must_use]
    pub fn key(&self) -> Option<&Fqdn> {
        match self {
            Self::Key(key) => Some(key),
            Self::Principal(_) => None,
        }
    }

    /// The name that it has itself: that of its key; of `host/NAME@REALM`, and of `NAME$@REALM` as Windows machines are
    /// called.
    #[must_use]
    pub fn own_name(&self) -> Option<Fqdn> {
        match self {
            Self::Key(key) => Some(key.clone()),
            Self::Principal(principal) => {
                let (account, realm) = principal.rsplit_once('@')?;
                match (account.strip_prefix("host/"), account.strip_suffix('$')) {
                    (Some(host), _) => host.parse().ok(),
                    (None, Some(machine)) => format!("{machine}.{realm}").parse().ok(),
                    (None, None) => None,
                }
            }
        }
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any characters. In time of their lengths' product.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    // The first part begins the text, the last ends it, those between are found one behind the other.
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One requestor before one policy, as the zones ask; it remembers why it said no.
#[derive(Debug)]
pub struct Judged<'p> {
    policy: &'p UpdatePolicy,
    requestor: &'p Requestor,
    refusal: OnceLock<Refusal>,
}

impl<'p> Judged<'p> {
    /// Asks `policy` about `requestor`.
    #[must_use]
    pub fn new(policy: &'p UpdatePolicy, requestor: &'p Requestor) -> Self {
        Self { policy, requestor, refusal: OnceLock::new() }
    }

    /// Why an update was refused, in words. None when it was not, or not by the policy.
    #[must_use]
    pub fn refusal(self) -> Option<String> {
        if !self.admits() {
            return Some("it may change nothing in this zone".to_owned());
        }
        self.refusal.into_inner().map(|refusal| refusal.to_string())
    }
}

impl Policy for Judged<'_> {
    fn admits(&self) -> bool {
        self.policy.knows(self.requestor)
    }

    fn permits(&self, zone: &Zone, change: &Change) -> bool {
        match self.policy.judge_change(zone, self.requestor, change) {
            Ok(()) => true,
            Err(refusal) => {
                // The first is the one to be told.
                let _ = self.refusal.set(refusal);
                false
            }
        }
    }

    fn records_max(&self) -> usize {
        RECORDS_MAX
    }

    fn tell_too_many(&self, name: &Fqdn, rtype: RecordType) {
        let _ = self.refusal.set(Refusal { name: name.clone(), rtype, ground: Ground::TooMany });
    }
}

#[cfg(test)]
mod tests;
