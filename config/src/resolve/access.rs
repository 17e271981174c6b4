//! Who may see and change what of embedded zones: views, access lists, and rules for updates.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ::zones::audience::Prefix;
use ::zones::policy::{Names, OwnName, Rule, UpdatePolicy, Who};
use ::zones::{AccessList, Askers, Sight, View, zone_id};
use dns::{Fqdn, NameSet, RecordType, TsigKey};
use ipnet::IpNet;

use super::keys::Keys;
use super::records::relative;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{AskerText, DomainName, FreeText, OneOrMore, RecordTypeText, ViewName};
use crate::file::v1::{self, OwnNameWord};

/// The views of the file, and what `[dns]` says of access to the zones that say nothing themselves.
pub(super) struct Access<'f> {
    pub(super) views: Vec<View>,
    names: BTreeMap<String, (usize, Span)>,
    /// Some view's name is missing, so that a name that is not here may have been meant by it.
    unnamed: bool,
    dns: &'f v1::Dns,
}

/// What a zone's own tables say of access to it.
pub(super) struct OfZone {
    pub(super) sight: Sight,
    pub(super) policy: UpdatePolicy,
    /// From where updates are taken.
    pub(super) update: AccessList,
    /// Every key that any of it names.
    pub(super) keys: Vec<Arc<TsigKey>>,
}

/// The views.
pub(super) fn read<'f>(
    written: &[At<v1::View>],
    dns: &'f v1::Dns,
    keys: &Keys<'_>,
    findings: &mut Findings,
) -> Access<'f> {
    let mut access = Access { views: Vec::new(), names: BTreeMap::new(), unnamed: false, dns };
    for at in written {
        let clients = at.value.clients.as_ref();
        if let Some(empty) = clients.filter(|clients| clients.value.is_empty()) {
            let mend = "name a prefix, such as \"192.168.30.0/24\", or take the view out";
            findings.fault(empty.span, "nobody is in this view", "empty", mend);
        }
        let mut used = Vec::new();
        let clients = askers(clients.map_or(&[][..], |clients| &clients.value), keys, findings, &mut used);
        let Some(name) = &at.value.name else {
            access.unnamed = true;
            continue;
        };
        if let Some((_, earlier)) = access.names.get(&name.value.0) {
            findings
                .fault(
                    name.span,
                    format!("the view `{}` is defined twice", name.value.0),
                    "defined again",
                    "take one of them out, or give it another name",
                )
                .see(*earlier, "defined here first");
            continue;
        }
        access.names.insert(name.value.0.clone(), (access.views.len(), name.span));
        access.views.push(View { clients });
    }
    access
}

impl Access<'_> {
    /// The names of the views, by their places.
    pub(super) fn view_names(&self) -> Vec<String> {
        let mut names: Vec<(usize, &String)> = self.names.iter().map(|(name, (place, _))| (*place, name)).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }

    /// The places of these views.
    pub(super) fn views_of(&self, written: &[At<ViewName>], findings: &mut Findings) -> Vec<usize> {
        let known = || self.names.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut places = Vec::new();
        for at in written {
            match self.names.get(&at.value.0) {
                Some((place, _)) => places.push(*place),
                None if self.unnamed => {}
                None => {
                    let mend = match self.names.is_empty() {
                        true => format!("add a [[view]] with `name = \"{}\"` and its `clients`", at.value.0),
                        false => format!("the views defined are: {}", known()),
                    };
                    findings.absent(at.span, format!("the view `{}` is not defined", at.value.0), "no such view", mend);
                }
            }
        }
        places
    }

    /// All that a zone's tables and `[dns]` say of it, but for records of views.
    pub(super) fn of_zone(&self, zone: &v1::Zone, apex: &Fqdn, keys: &Keys<'_>, findings: &mut Findings) -> OfZone {
        let mut used = Vec::new();
        let dns = self.dns;
        let mut list = |own: [&Option<Vec<At<AskerText>>>; 2], general: [&Option<Vec<At<AskerText>>>; 2]| {
            let [allow, deny] = if own.iter().any(|list| list.is_some()) { own } else { general };
            AccessList {
                allow: allow.as_ref().map(|list| askers(list, keys, findings, &mut used)),
                deny: askers(deny.as_deref().unwrap_or_default(), keys, findings, &mut used),
            }
        };
        let query = list([&zone.allow_query, &zone.deny_query], [&dns.allow_query, &dns.deny_query]);
        let update = list([&zone.allow_update, &zone.deny_update], [&dns.allow_update, &dns.deny_update]);
        let update_keys: Vec<Arc<TsigKey>> =
            zone.update_keys.iter().flatten().filter_map(|at| keys.get(at, findings)).collect();
        let rules = zone
            .update
            .iter()
            .filter_map(|rule| self::rule(rule, (apex, dns.gss_keytab.is_some()), keys, findings, &mut used));
        let rules = rules.collect();
        let policy = UpdatePolicy {
            keys: update_keys.iter().map(|key| key.name.clone()).collect(),
            rules,
            protected: NameSet::default(),
        };
        let views = zone.views.as_ref().map(|views| self.views_of(views, findings));
        // So that a signature of whoever is in a view by its key is looked at.
        for key in self.views.iter().flat_map(|view| &view.clients.keys).filter_map(|name| keys.known(name)) {
            used.push(key);
        }
        used.extend(update_keys);
        used.sort_by(|one, other| one.name.cmp(&other.name));
        used.dedup_by(|one, other| one.name == other.name);
        let leases = zone.leases.as_ref().is_none_or(|at| at.value);
        let id = id_of(zone, apex, findings);
        let sight = Sight { apex: apex.clone(), id, views, leases, query, overlays: Vec::new() };
        OfZone { sight, policy, update, keys: used }
    }
}

/// What the zone is known by.
fn id_of(zone: &v1::Zone, apex: &Fqdn, findings: &mut Findings) -> Fqdn {
    let Some(views) = &zone.views else { return apex.clone() };
    let names: Vec<&str> = views.iter().map(|at| at.value.0.as_str()).collect();
    let id = zone_id::of_views(apex, &names);
    if let (None, Some(first)) = (&id, views.first()) {
        let (message, mend) = ("the zone's name is too long for a zone of views", "take `views` out");
        findings.fault(first.span, message, "no room for them beside the name", mend);
    }
    id.unwrap_or_else(|| apex.clone())
}

/// Those whom a list names.
pub(super) fn askers(
    list: &[At<AskerText>],
    keys: &Keys<'_>,
    findings: &mut Findings,
    used: &mut Vec<Arc<TsigKey>>,
) -> Askers {
    let mut askers = Askers::default();
    for at in list {
        let text = at.value.0.trim();
        if let Some(name) = text.strip_prefix("key:") {
            let written = At { value: DomainName(name.to_owned()), span: at.span };
            let Some(key) = keys.get(&written, findings) else { continue };
            askers.keys.push(key.name.clone());
            used.push(key);
            continue;
        }
        let prefix = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match prefix {
            Ok(net) if net.trunc() == net => {
                askers.prefixes.push(Prefix { address: net.network(), length: net.prefix_len() });
            }
            Ok(net) => {
                findings.fault(
                    at.span,
                    format!("`{text}` has bits set beyond its length"),
                    format!("the prefix ends after {} bits", net.prefix_len()),
                    format!("write {}", net.trunc()),
                );
            }
            Err(_) => {
                findings.fault(
                    at.span,
                    format!("`{text}` is neither a prefix nor a key"),
                    "nobody is meant by it",
                    "write an address or a prefix, such as 192.168.30.0/24 or 2001:db8::/32, or `key:` and a key's name",
                );
            }
        }
    }
    askers
}

fn rule(
    at: &At<v1::UpdateRule>,
    (apex, takes_tickets): (&Fqdn, bool),
    keys: &Keys<'_>,
    findings: &mut Findings,
    used: &mut Vec<Arc<TsigKey>>,
) -> Option<Rule> {
    let written = &at.value;
    let (grants, who) = grantees(at, findings)?;
    if who.each().is_empty() {
        let mend = "name a key or a principal, \"*\" for whoever signs, or take the rule out";
        findings.fault(who.span, "the rule is about nobody", "empty", mend);
    }
    let any_realm = |text: &str| match text.rsplit_once('@') {
        Some((_, realm)) => realm.contains('*'),
        None => takes_tickets && text == "*",
    };
    if grants && written.own.is_some() {
        for at in who.each().iter().filter(|at| any_realm(at.value.0.trim())) {
            findings.fault(
                at.span,
                "a principal of any realm has the name that `self` grants",
                "any realm",
                "name principals with their realm, such as \"host/*@NASIR.XYZ\": another realm may have a host of the same name",
            );
        }
    }
    let who = who.each().iter().filter_map(|at| self::who(at, keys, findings, used)).collect();
    let names = rule_names(written, apex, findings);
    if let Some(empty) = written.types.as_ref().filter(|types| types.value.is_empty()) {
        let mend = "name a type, such as \"A\", or take `types` out";
        findings.fault(empty.span, "the rule is about no type", "empty", mend);
    }
    let types = written.types.as_ref().map(|list| list.value.iter().filter_map(|at| rtype(at, findings)).collect());
    Some(Rule { grants, who, names, types })
}

/// Whether a rule grants or denies, and whom it is about. `None`: reported.
fn grantees<'r>(at: &'r At<v1::UpdateRule>, findings: &mut Findings) -> Option<(bool, &'r At<OneOrMore<FreeText>>)> {
    match (&at.value.grant, &at.value.deny) {
        (Some(grant), None) => Some((true, grant)),
        (None, Some(deny)) => Some((false, deny)),
        (Some(_), Some(deny)) => {
            let mend = "take one of them out, or make two rules: the first that is about a record decides";
            findings.fault(deny.span, "a rule has `grant` or `deny`, not both", "grants already", mend);
            None
        }
        (None, None) => {
            findings.absent(
                at.span,
                "the rule is about nobody",
                "has neither `grant` nor `deny`",
                "add `grant = \"...\"` with the name of a key, or `deny = \"*\"`",
            );
            None
        }
    }
}

/// The names that a rule is about.
fn rule_names(written: &v1::UpdateRule, apex: &Fqdn, findings: &mut Findings) -> Names {
    let exact = names(written.name.as_ref(), apex, findings);
    let subdomains = names(written.subdomain.as_ref(), apex, findings);
    let wildcards = names(written.wildcard.as_ref(), apex, findings);
    for (name, span) in wildcards.iter().filter(|(name, _)| name.labels().next() != Some(b"*")) {
        findings.fault(
            *span,
            format!("`{}` does not begin with `*`", super::keys::plain(name)),
            "no wildcard",
            format!("write \"*.{}\", or `subdomain` for the name itself too", super::keys::plain(name)),
        );
    }
    let own = written.own.map(|word| match word {
        OwnNameWord::Itself => OwnName::Itself,
        OwnNameWord::Beneath => OwnName::Beneath,
    });
    let plain = |list: Vec<(Fqdn, Span)>| list.into_iter().map(|(name, _)| name).collect();
    Names {
        exact: plain(exact),
        subdomains: plain(subdomains),
        wildcards: plain(wildcards),
        own,
        leases: written.leases.unwrap_or(false),
    }
}

/// A key, a principal's pattern, or everybody who signs.
fn who(at: &At<FreeText>, keys: &Keys<'_>, findings: &mut Findings, used: &mut Vec<Arc<TsigKey>>) -> Option<Who> {
    let text = at.value.0.trim();
    if text == "*" {
        return Some(Who::Anybody);
    }
    if text.contains('@') {
        if !keys.secrets.has_kerberos() {
            findings.fault(
                at.span,
                format!("`{text}` is a principal, and this program is built without Kerberos"),
                "without Kerberos",
                "build it with `--features gss`, or name a key",
            );
        }
        return Some(Who::Principal(text.to_owned()));
    }
    let key = keys.get(&At { value: DomainName(text.to_owned()), span: at.span }, findings)?;
    used.push(Arc::clone(&key));
    Some(Who::Key(key.name.clone()))
}

/// Names within the zone, relative to it.
fn names(list: Option<&At<OneOrMore<FreeText>>>, apex: &Fqdn, findings: &mut Findings) -> Vec<(Fqdn, Span)> {
    let mut names = Vec::new();
    // Without any name a rule is about all names, which nobody means who says a list of none.
    if let Some(empty) = list.filter(|list| list.each().is_empty()) {
        let mend = "write a name, such as \"www\"; or take the key out: a rule without any is about all names";
        findings.fault(empty.span, "the rule says no name here", "empty", mend);
    }
    for at in list.map_or_else(Vec::new, At::each) {
        let Some(name) = relative(&at.value.0, at.span, apex, findings) else { continue };
        if !name.is_within(apex) {
            findings.fault(
                at.span,
                format!("`{}` is not within the zone `{}`", at.value.0, super::keys::plain(apex)),
                "outside the zone",
                "write the name relative to the zone, such as \"www\", or \"@\" for the zone itself",
            );
            continue;
        }
        names.push((name, at.span));
    }
    names
}

/// A type of record, or `ANY`.
fn rtype(at: &At<RecordTypeText>, findings: &mut Findings) -> Option<RecordType> {
    let text = at.value.0.trim();
    let rtype = if text.eq_ignore_ascii_case("any") { Ok(RecordType::ANY) } else { text.parse::<RecordType>() };
    match rtype {
        Ok(rtype) if rtype.is_data() || rtype == RecordType::ANY => Some(rtype),
        _ => {
            super::records::no_type(text, at.span, findings);
            None
        }
    }
}
