//! Zones: which there are, who serves each and whom a name belongs to; `remote` reads who holds those of others,
//! `reverse` makes the reverse zones that subnets need.

mod remote;
mod reverse;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use ::zones::Sight;
use ddns::cuts::Classless;
use ddns::settings::{Auth, ZoneServer};
use dns::{Fqdn, Rrset, SetList};

use super::access::Access;
use super::embedded;
use super::keys::{Keys, ReadSecret, plain};
use super::scalars::{name, prefix};
use super::secondary;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::v1;
use crate::settings::{EmbeddedZone, SecondaryZone};

use self::remote::Servers;
pub(super) use self::reverse::{enclosing, reverse_apex, reverse_prefixes};

/// All zones, written and derived.
#[derive(Debug, Default)]
pub(super) struct Zones {
    pub(super) list: Vec<Zone>,
    /// Zones whose apex one in `list` has too: they are for other views. That one is the zone that names of leases are
    /// decided in.
    of_views: Vec<Zone>,
    /// Some zone's name could not be read, so a name that is in no zone may belong to it.
    pub(super) incomplete: bool,
    /// Of the views, by their places.
    view_names: Vec<String>,
    /// Names from `[ddns] protected`.
    pub(super) protected: Vec<Fqdn>,
    /// `[ddns] server`: where everything is that no other zone holds.
    pub(super) elsewhere: Option<Zone>,
    /// Prefixes whose PTR records stand in a zone that is named beside them.
    pub(super) classless: Vec<Classless>,
    /// Why no client can have these names; made when it is first asked for.
    protections: OnceCell<HashMap<Fqdn, &'static str>>,
}

#[derive(Debug)]
pub(super) struct Zone {
    pub(super) apex: Fqdn,
    pub(super) span: Span,
    pub(super) server: Server,
}

#[derive(Debug)]
pub(super) enum Server {
    Embedded(Box<EmbeddedZone>),
    /// Held here as a copy.
    Secondary(Box<SecondaryZone>),
    /// The addresses, the preferred one first; never empty.
    Remote {
        servers: Servers,
        auth: Auth,
        /// Records that are kept there.
        records: Vec<Rrset>,
    },
}

pub(super) fn read(
    written: &[At<v1::Zone>],
    ddns: &v1::Ddns,
    (access, keys): (&Access<'_>, &Keys<'_>),
    files: &dyn ReadSecret,
    findings: &mut Findings,
) -> Zones {
    let elsewhere = remote::elsewhere(ddns, keys, findings);
    let mut zones = Zones { elsewhere, view_names: access.view_names(), ..Zones::default() };
    for at in written {
        let Some((apexes, span)) = apexes(at, &mut zones.classless, findings) else {
            zones.incomplete = true;
            continue;
        };
        let is_secondary = secondary::is_secondary(&at.value, findings);
        let server = if is_secondary { None } else { remote::server(&at.value, keys, findings) };
        for apex in apexes {
            let server = match &server {
                None if is_secondary => {
                    Server::Secondary(Box::new(secondary::read(at, span, &apex, (access, keys), findings)))
                }
                Some((servers, auth)) => Server::Remote {
                    servers: Arc::clone(servers),
                    auth: auth.clone(),
                    records: embedded::records_elsewhere(&at.value, &apex, findings),
                },
                None => Server::Embedded(Box::new(embedded::read(&at.value, &apex, (access, keys), files, findings))),
            };
            zones.add(Zone { apex, span, server }, findings);
        }
        refuse_choice(&at.value, written, findings);
    }
    zones.choose_for_leases(findings);
    embedded::fill_name_servers(&mut zones, written);
    zones
}

/// The apexes that a `[[zone]]` names, and where; several for a prefix between octets. `None`: reported.
fn apexes(at: &At<v1::Zone>, classless: &mut Vec<Classless>, findings: &mut Findings) -> Option<(Vec<Fqdn>, Span)> {
    match (&at.value.name, &at.value.prefix) {
        (Some(written), None) => Some((vec![name(written, findings)?], written.span)),
        (None, Some(written)) => {
            let net = prefix(written, findings)?;
            if net.prefix_len() > 24 || net.prefix_len() == 0 {
                let mend = if net.prefix_len() == 0 {
                    "write the prefix of your network".to_owned()
                } else {
                    format!("write `prefix = \"{}\"`, or add the zone's own `name` (RFC 2317)", enclosing(net, 24))
                };
                findings.fault(
                    written.span,
                    format!("no reverse zone has the prefix {net}: they end at octets"),
                    "not at an octet",
                    mend,
                );
                return None;
            }
            Some((reverse_prefixes(net).map(reverse_apex).collect(), written.span))
        }
        (Some(apex), Some(written)) => {
            let net = prefix(written, findings)?;
            if net.prefix_len() <= 24 {
                findings.fault(
                    written.span,
                    "a zone has `name` or `prefix`, not both, unless the prefix is longer than 24 (RFC 2317)",
                    "named already",
                    "take one of them out: `prefix` stands for the name of the reverse zone",
                );
                return None;
            }
            let parent = name(apex, findings)?;
            classless.push(Classless { prefix: net, parent: parent.clone() });
            Some((vec![parent], apex.span))
        }
        (None, None) => {
            findings.absent(
                at.span,
                "the zone has no name",
                "has neither `name` nor `prefix`",
                "add `name = \"nasir.xyz\"`, or for a reverse zone `prefix = \"192.168.30.0/24\"`",
            );
            None
        }
    }
}

impl Zones {
    /// The zone that holds `name`: the longest apex that it is within, else the root at the server of `[ddns]`.
    pub(super) fn holding(&self, name: &Fqdn) -> Option<&Zone> {
        let written = self.list.iter().filter(|zone| name.is_within(&zone.apex));
        written.max_by_key(|zone| zone.apex.label_count()).or(self.elsewhere.as_ref())
    }

    /// All zones, those too that are for some views beside another one of the same apex.
    fn all(&self) -> impl Iterator<Item = &Zone> {
        self.list.iter().chain(&self.of_views)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Zone> {
        self.list.iter_mut().chain(&mut self.of_views)
    }

    /// Adds a zone, unless somebody would see it and another one of its apex.
    fn add(&mut self, zone: Zone, findings: &mut Findings) {
        let same: Vec<&Zone> = self.all().filter(|other| other.apex == zone.apex).collect();
        let is_first = same.is_empty();
        let Some(earlier) = same.into_iter().find(|other| !zone.is_apart_from(other)) else {
            if is_first {
                self.list.push(zone)
            } else {
                self.of_views.push(zone)
            }
            return;
        };
        let mend = "take one of the two out; or give one of them `views`, whose clients alone see it then";
        let has_views = |zone: &Zone| zone.sight().is_some_and(|sight| sight.views.is_some());
        let (label, mend) = match (zone.sight().zip(earlier.sight()), has_views(&zone) && has_views(earlier)) {
            (None, _) => {
                ("defined again", "take one of the two out: views see zones that are held here, in other ways")
            }
            (Some(_), true) => ("a view has both", "name each view in one of the two"),
            (Some(_), false) => ("defined again", mend),
        };
        findings
            .fault(zone.span, format!("the zone `{}` is defined twice", plain(&zone.apex)), label, mend)
            .see(earlier.span, "defined here first");
    }

    /// Has the zone stand in `list`, of several with one apex, that names of leases are decided in.
    fn choose_for_leases(&mut self, findings: &mut Findings) {
        // As `zones::Audiences` chooses: whatever their order in the file.
        let rank = |zone: &Zone| zone.sight().map(|sight| (!sight.leases, sight.views.is_some(), sight.id.clone()));
        for at in 0..self.of_views.len() {
            let other = &mut self.of_views[at];
            let Some(first) = self.list.iter_mut().find(|zone| zone.apex == other.apex) else { continue };
            if rank(other) < rank(first) {
                std::mem::swap(first, other);
            }
        }
        for zone in &self.list {
            let mut others = self.of_views.iter().filter(|other| other.apex == zone.apex).peekable();
            let is_own = |zone: &Zone| matches!(zone.server, Server::Embedded(_));
            let none_has_them = zone.sight().is_some_and(|sight| !sight.leases);
            if others.peek().is_some() && none_has_them && (is_own(zone) || others.any(is_own)) {
                findings.fault(
                    zone.span,
                    format!("no zone `{}` has the names of leases", plain(&zone.apex)),
                    "one of several",
                    "take `leases = false` out of one of them",
                );
            }
        }
    }

    /// The views that see the names of leases with the apex of this zone; `None`: whoever is in none of others.
    fn views_with_leases(&self, of: &EmbeddedZone) -> Option<Vec<usize>> {
        let same = self.embedded().filter(|zone| zone.apex == of.apex && zone.sight.leases);
        let views: Option<Vec<&Vec<usize>>> = same.map(|zone| zone.sight.views.as_ref()).collect();
        views.map(|views| views.into_iter().flatten().copied().collect())
    }

    pub(super) fn embedded(&self) -> impl Iterator<Item = &EmbeddedZone> {
        self.all().filter_map(|zone| match &zone.server {
            Server::Embedded(zone) => Some(&**zone),
            Server::Secondary(_) | Server::Remote { .. } => None,
        })
    }

    /// The copies of other servers' zones.
    pub(super) fn secondary(&self) -> impl Iterator<Item = &SecondaryZone> {
        self.all().filter_map(|zone| match &zone.server {
            Server::Secondary(zone) => Some(&**zone),
            Server::Embedded(_) | Server::Remote { .. } => None,
        })
    }

    /// The copy that `name` would be in.
    pub(super) fn copy_holding(&self, name: &Fqdn) -> Option<&Fqdn> {
        self.holding(name).filter(|zone| matches!(zone.server, Server::Secondary(_))).map(|zone| &zone.apex)
    }

    /// The names of the static records of all zones.
    pub(super) fn record_names(&self) -> impl Iterator<Item = Fqdn> {
        self.all().flat_map(|zone| {
            let (own, listed, of_views) = match &zone.server {
                Server::Embedded(zone) => (Some(&zone.records), &[][..], &zone.sight.overlays[..]),
                Server::Secondary(_) => (None, &[][..], &[][..]),
                Server::Remote { records, .. } => (None, &records[..], &[][..]),
            };
            let listed = listed.iter().chain(of_views.iter().flat_map(|(_, sets)| sets));
            own.into_iter().flat_map(SetList::names).chain(listed.map(|set| set.name.clone()))
        })
    }

    /// Those that are kept at other servers, by name and type.
    pub(super) fn stated(&self) -> Vec<Rrset> {
        let of_zone = |zone: &Zone| match &zone.server {
            Server::Embedded(_) | Server::Secondary(_) => Vec::new(),
            Server::Remote { records, .. } => records.clone(),
        };
        let mut all: Vec<Rrset> = self.list.iter().flat_map(of_zone).collect();
        all.sort_by(|one, other| (&one.name, one.rtype).cmp(&(&other.name, other.rtype)));
        all.dedup_by(|one, other| (&one.name, one.rtype) == (&other.name, other.rtype));
        all
    }

    /// Why no client can have `name`, if none can.
    pub(super) fn protects(&self, name: &Fqdn) -> Option<&'static str> {
        self.protections.get_or_init(|| self.protections()).get(name).copied()
    }

    /// All that [`Self::protects`] knows; of several reasons the first counts.
    fn protections(&self) -> HashMap<Fqdn, &'static str> {
        let apexes = self.list.iter().map(|zone| (&zone.apex, "the zone's own name"));
        let protected = self.protected.iter().map(|name| (name, "protected"));
        let servers = self.embedded().map(|zone| (&zone.ns, "the name server's name"));
        let records = self.record_names().map(|name| (name, "a static record's name"));
        let mut protections = HashMap::new();
        let stated = apexes.chain(protected).chain(servers).map(|(name, why)| (name.clone(), why));
        for (name, why) in stated.chain(records) {
            protections.entry(name).or_insert(why);
        }
        protections
    }
}

/// Nothing is to be chosen where a name has one zone.
fn refuse_choice(zone: &v1::Zone, all: &[At<v1::Zone>], findings: &mut Findings) {
    let Some(at) = zone.leases.as_ref().filter(|_| zone.server.is_none() && zone.kind.is_none()) else { return };
    let name = |zone: &v1::Zone| {
        let written = zone.name.as_ref().map(|at| at.value.0.trim_end_matches('.').to_ascii_lowercase());
        (written, zone.prefix.as_ref().map(|at| at.value.0.clone()))
    };
    if all.iter().filter(|other| name(&other.value) == name(zone)).count() < 2 {
        let message = "`leases` chooses among several zones with one name, and this is the only one";
        findings.fault(at.span, message, "nothing to choose", "take it out");
    }
}

impl Zone {
    fn sight(&self) -> Option<&Sight> {
        match &self.server {
            Server::Embedded(zone) => Some(&zone.sight),
            Server::Secondary(zone) => Some(&zone.sight),
            Server::Remote { .. } => None,
        }
    }

    /// Whether nobody would see both: they are held here, for other views.
    fn is_apart_from(&self, other: &Self) -> bool {
        let (Some(one), Some(other)) = (self.sight(), other.sight()) else { return false };
        match (&one.views, &other.views) {
            (Some(one), Some(other)) => !one.iter().any(|view| other.contains(view)),
            (one, other) => one.is_some() || other.is_some(),
        }
    }

    /// Where its updates go.
    pub(super) fn route(&self) -> ZoneServer {
        match &self.server {
            // Nothing is sent anywhere for a copy.
            Server::Embedded(_) | Server::Secondary(_) => ZoneServer::Embedded,
            Server::Remote { servers, auth, .. } => {
                ZoneServer::Remote { servers: Arc::clone(servers), auth: auth.clone() }
            }
        }
    }
}
