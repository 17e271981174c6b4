//! Where zones begin, as their servers say: what has to be asked, and what follows from the answers.
//!
//! A configuration says which server takes a domain's updates, not always where that server's zones begin, and RFC 2136
//! section 3.1.1 wants the zone's own name in every update. Worse, a server takes an update of a zone for a name that
//! it has delegated to a child zone of its own (RFC 2136 section 7.13 warns of it), and nobody ever sees the record.
//! So each remote domain is a [`Quest`]; [`Settings::resolved`] makes of the answers the settings to reconcile by. Until
//! its quest is answered, nothing is sent for a name: it waits.

use std::net::{IpAddr, Ipv4Addr};

use dns::Fqdn;
use ipnet::Ipv4Net;

use crate::settings::{Settings, ZoneRoute, ZoneServer};
use crate::wanted::RowKey;

/// A zone that is to be found: which one of the server's holds this name?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quest {
    /// What is looked for.
    pub seeks: Seeks,
    /// Who is asked, and takes the updates.
    pub server: ZoneServer,
    /// Without an answer that names a zone, what the configuration says holds: it names one.
    pub written: bool,
}

/// What a quest looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeks {
    /// The zone of this name and of what is beneath it.
    Zone(Fqdn),
    /// The zone that the PTR records of a prefix longer than 24 stand in: its names may be aliases (RFC 2317).
    Classless(Ipv4Net),
}

/// What came of a quest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The zone begins here.
    Zone(Fqdn),
    /// RFC 2317 section 4: the ordinary reverse names are aliases of names beneath `parent`, which lies in the zone
    /// `apex`.
    Classless {
        /// The child zone's apex.
        apex: Fqdn,
        /// What follows the last octet in the names.
        parent: Fqdn,
    },
    /// The server answers, and has no such zone.
    Nowhere,
}

/// A prefix whose PTR records do not stand under the ordinary reverse names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classless {
    /// The prefix; longer than 24.
    pub prefix: Ipv4Net,
    /// The name of an address is its last octet in front of this.
    pub parent: Fqdn,
}

impl Quest {
    /// The name that the quest is about: with a classless prefix, that of its first address.
    #[must_use]
    pub fn name(&self) -> Fqdn {
        match &self.seeks {
            Seeks::Zone(name) => name.clone(),
            Seeks::Classless(prefix) => Fqdn::reverse(IpAddr::V4(prefix.network())),
        }
    }
}

impl Settings {
    /// The name under which the PTR record of `address` stands: the ordinary one, or where RFC 2317 leads.
    #[must_use]
    pub fn reverse_name_of(&self, address: IpAddr) -> Fqdn {
        let IpAddr::V4(v4) = address else { return Fqdn::reverse(address) };
        let classless = self.classless.iter().filter(|classless| classless.prefix.contains(&v4));
        classless
            .max_by_key(|classless| classless.prefix.prefix_len())
            .and_then(|classless| classless.name_of(v4))
            .unwrap_or_else(|| Fqdn::reverse(address))
    }

    /// The name that the records of a row stand under.
    #[must_use]
    pub fn owner_of(&self, key: &RowKey) -> Fqdn {
        match key {
            RowKey::Forward(name) | RowKey::Stated(name, _) => name.clone(),
            RowKey::Reverse(address) => self.reverse_name_of(*address),
        }
    }

    /// The row whose records stand under a name. An ordinary reverse name whose address has its PTR record under an
    /// alias is nobody's: `None`.
    #[must_use]
    pub fn key_of(&self, name: &Fqdn) -> Option<RowKey> {
        let aliased = || {
            let (label, parent) = (name.first_label()?, name.parent()?);
            let last = std::str::from_utf8(label).ok().and_then(|text| text.parse::<u8>().ok())?;
            let mut addresses = self.classless.iter().filter(|classless| classless.parent == parent).map(|classless| {
                let [a, b, c, _] = classless.prefix.network().octets();
                IpAddr::from([a, b, c, last])
            });
            addresses.find(|address| self.reverse_name_of(*address) == *name)
        };
        match name.to_reverse_address().or_else(aliased) {
            Some(address) => (self.reverse_name_of(address) == *name).then_some(RowKey::Reverse(address)),
            None => Some(RowKey::Forward(name.clone())),
        }
    }

    /// The index of the zone that holds `name`. `None` also where one is still looked for.
    #[must_use]
    pub fn zone_index_of(&self, name: &Fqdn) -> Option<usize> {
        let index = self.zones.place_of(name)?;
        let apex = self.zones[index].apex.as_wire();
        let found = self.sought_above(name).is_none_or(|sought| sought.as_wire().len() <= apex.len());
        (found && !self.may_be_alias(name)).then_some(index)
    }

    /// Whether the zone that holds `name` is still looked for.
    #[must_use]
    pub fn is_sought(&self, name: &Fqdn) -> bool {
        self.may_be_alias(name) || (self.sought_above(name).is_some() && self.zone_index_of(name).is_none())
    }

    /// Whether it is still to be found out where the PTR record of an ordinary reverse name stands.
    fn may_be_alias(&self, name: &Fqdn) -> bool {
        !self.sought_prefixes.is_empty()
            && matches!(name.to_reverse_address(), Some(IpAddr::V4(v4))
                if self.sought_prefixes.iter().any(|prefix| prefix.contains(&v4)))
    }

    fn sought_above(&self, name: &Fqdn) -> Option<&Fqdn> {
        self.sought.iter().filter(|sought| name.is_within(sought)).max_by_key(|sought| sought.as_wire().len())
    }

    /// These settings with what is known of the zones: `cuts` holds an answer for each of [`Settings::quests`], in their
    /// order, `None` for those that nobody has answered yet.
    #[must_use]
    pub fn resolved(&self, cuts: &[Option<Cut>]) -> Self {
        let mut out = self.clone();
        // What is written without a server that could be asked differently stays; what is only a domain goes.
        for (quest, cut) in self.quests.iter().zip(cuts) {
            let (Seeks::Zone(name), false) = (&quest.seeks, stays_written(quest, cut.as_ref())) else { continue };
            out.zones.change(|zones| zones.retain(|zone| zone.apex != *name || zone.server != quest.server));
        }
        for (quest, cut) in self.quests.iter().zip(cuts) {
            if !out.settle(quest, cut.as_ref()) {
                match quest.seeks {
                    Seeks::Zone(_) => out.sought.push(quest.name()),
                    Seeks::Classless(prefix) => out.sought_prefixes.push(prefix),
                }
            }
        }
        out.zones.change(|zones| zones.sort_by(|one, other| one.apex.cmp(&other.apex)));
        out
    }

    /// These settings while nothing has been answered yet.
    #[must_use]
    pub fn unresolved(&self) -> Self {
        self.resolved(&vec![None; self.quests.len()])
    }

    /// Takes one answer in. False: the quest goes on.
    fn settle(&mut self, quest: &Quest, cut: Option<&Cut>) -> bool {
        match (&quest.seeks, cut) {
            (_, None) => false,
            (Seeks::Zone(_), Some(Cut::Nowhere)) => quest.written,
            // The ordinary names it is, in whatever zone holds them.
            (Seeks::Classless(_), Some(Cut::Nowhere | Cut::Zone(_))) => true,
            (Seeks::Zone(_), Some(Cut::Zone(apex))) => self.route(apex, &quest.server),
            (Seeks::Classless(prefix), Some(Cut::Classless { apex, parent })) => {
                self.classless.push(Classless { prefix: *prefix, parent: parent.clone() });
                self.route(apex, &quest.server)
            }
            (Seeks::Zone(_), Some(Cut::Classless { .. })) => false,
        }
    }

    /// Whether the zone is now kept at this server: it is not where another one is said to hold it.
    fn route(&mut self, apex: &Fqdn, server: &ZoneServer) -> bool {
        if let Some(known) = self.zones.iter().find(|zone| zone.apex == *apex) {
            return known.server == *server;
        }
        self.zones.change(|zones| zones.push(ZoneRoute { apex: apex.clone(), server: server.clone() }));
        true
    }
}

/// Whether the quest's own name stays the apex of a zone.
fn stays_written(quest: &Quest, cut: Option<&Cut>) -> bool {
    match (cut, &quest.seeks) {
        (Some(Cut::Zone(apex)), Seeks::Zone(name)) => apex == name,
        (Some(Cut::Nowhere), _) => quest.written,
        _ => false,
    }
}

impl Classless {
    /// The name of an address of the prefix.
    #[must_use]
    pub fn name_of(&self, address: Ipv4Addr) -> Option<Fqdn> {
        self.parent.prepend_label(address.octets()[3].to_string().as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn server() -> ZoneServer {
        ZoneServer::remote("192.0.2.53:53".parse().unwrap(), None)
    }

    /// Settings with a written zone `nasir.xyz`, a written reverse zone of 192.0.2.0/24, and domains whose zones only the
    /// server knows.
    fn settings() -> Settings {
        let route = |apex: &str| ZoneRoute { apex: name(apex), server: server() };
        let quest = |seeks, written| Quest { seeks, server: server(), written };
        Settings {
            zones: ["nasir.xyz", "lab.example", "2.0.192.in-addr.arpa"].map(route).into_iter().collect(),
            quests: vec![
                quest(Seeks::Zone(name("nasir.xyz")), true),
                quest(Seeks::Zone(name("sub.nasir.xyz")), true),
                quest(Seeks::Zone(name("lab.example")), false),
                quest(Seeks::Classless("192.0.2.128/25".parse().unwrap()), true),
            ],
            ..Settings::default()
        }
    }

    fn zone_of(settings: &Settings, of: &str) -> Option<String> {
        settings.zone_index_of(&name(of)).map(|index| settings.zones[index].apex.to_string())
    }

    #[test]
    fn names_wait_until_the_server_has_said_where_its_zones_begin() {
        let resolved = settings().resolved(&[None, None, None, None]);
        for of in ["pc.nasir.xyz", "pc.sub.nasir.xyz", "pc.lab.example"] {
            assert_eq!(zone_of(&resolved, of), None);
            assert!(resolved.is_sought(&name(of)), "{of}");
        }
        assert_eq!(zone_of(&resolved, "7.2.0.192.in-addr.arpa").as_deref(), Some("2.0.192.in-addr.arpa."));
        assert!(!resolved.is_sought(&name("pc.else.example")));
    }

    #[test]
    fn a_child_zone_of_the_same_server_takes_its_own_names() {
        let cuts = [Some(Cut::Zone(name("nasir.xyz"))), Some(Cut::Zone(name("sub.nasir.xyz"))), None, None];
        let resolved = settings().resolved(&cuts);
        assert_eq!(zone_of(&resolved, "pc.nasir.xyz").as_deref(), Some("nasir.xyz."));
        assert_eq!(zone_of(&resolved, "pc.sub.nasir.xyz").as_deref(), Some("sub.nasir.xyz."));
        assert!(resolved.is_sought(&name("pc.lab.example")));
    }

    #[test]
    fn a_domain_within_a_wider_zone_is_updated_there() {
        let cuts = [Some(Cut::Zone(name("xyz"))), Some(Cut::Zone(name("xyz"))), Some(Cut::Zone(name("example"))), None];
        let resolved = settings().resolved(&cuts);
        for of in ["pc.nasir.xyz", "pc.sub.nasir.xyz"] {
            assert_eq!(zone_of(&resolved, of).as_deref(), Some("xyz."));
        }
        assert_eq!(zone_of(&resolved, "pc.lab.example").as_deref(), Some("example."));
    }

    #[test]
    fn a_server_without_such_a_zone_leaves_what_is_written_and_a_bare_domain_waiting() {
        let resolved = settings().resolved(&[Some(Cut::Nowhere), Some(Cut::Nowhere), Some(Cut::Nowhere), None]);
        assert_eq!(zone_of(&resolved, "pc.sub.nasir.xyz").as_deref(), Some("nasir.xyz."));
        assert_eq!(zone_of(&resolved, "pc.lab.example"), None);
        assert!(resolved.is_sought(&name("pc.lab.example")));
    }

    #[test]
    fn a_zone_that_is_written_elsewhere_is_not_taken_from_there() {
        let mut settings = settings();
        settings.zones.change(|zones| zones.push(ZoneRoute { apex: name("example"), server: ZoneServer::Embedded }));
        let resolved = settings.resolved(&[None, None, Some(Cut::Zone(name("example"))), None]);
        assert!(resolved.is_sought(&name("pc.lab.example")));
        assert_eq!(zone_of(&resolved, "pc.else.example").as_deref(), Some("example."));
    }

    /// RFC 2317 section 4.
    #[test]
    fn pointers_of_a_classless_delegation_stand_where_their_aliases_lead() {
        let apex = name("128-25.2.0.192.in-addr.arpa");
        let cut = Cut::Classless { apex: apex.clone(), parent: apex };
        let resolved = settings().resolved(&[None, None, None, Some(cut)]);
        let reverse = |address: [u8; 4]| resolved.reverse_name_of(IpAddr::from(address)).to_string();
        assert_eq!(reverse([192, 0, 2, 129]), "129.128-25.2.0.192.in-addr.arpa.");
        assert_eq!(reverse([192, 0, 2, 127]), "127.2.0.192.in-addr.arpa.");
        let key = |text: &str| resolved.key_of(&name(text));
        let address = |last: u8| Some(RowKey::Reverse(IpAddr::from([192, 0, 2, last])));
        assert_eq!(key("129.128-25.2.0.192.in-addr.arpa"), address(129));
        assert_eq!(key("129.2.0.192.in-addr.arpa"), None, "an alias stands there");
        assert_eq!(key("127.2.0.192.in-addr.arpa"), address(127));
        for other in ["7.128-25.2.0.192.in-addr.arpa", "0129.128-25.2.0.192.in-addr.arpa", "pc.nasir.xyz"] {
            assert_eq!(key(other), Some(RowKey::Forward(name(other))), "{other}");
        }
        let zone = resolved.reverse_zone_of(IpAddr::from([192, 0, 2, 129])).unwrap();
        assert_eq!(zone.apex, name("128-25.2.0.192.in-addr.arpa"));
        // Without an alias the ordinary names hold.
        let plain = settings().resolved(&[None, None, None, Some(Cut::Nowhere)]);
        assert_eq!(plain.reverse_name_of(IpAddr::from([192, 0, 2, 129])).to_string(), "129.2.0.192.in-addr.arpa.");
        assert!(!plain.is_sought(&name("129.2.0.192.in-addr.arpa")));
        // Until that is known they may be aliases, every one of them: a PTR record beside one is lost in silence.
        let open = settings().resolved(&[None, None, None, None]);
        for (of, sought) in [("128", true), ("129", true), ("255", true), ("127", false)] {
            let of = format!("{of}.2.0.192.in-addr.arpa");
            assert_eq!((open.is_sought(&name(&of)), zone_of(&open, &of).is_none()), (sought, sought), "{of}");
        }
    }
}
