//! Names of hosts with leases in several zones of one apex, each for other views: decided in one of them, and followed in
//! the others, where nobody else's records are touched.

use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Update};

use super::{Draft, Touched, set_of};
use crate::node::{Node, NodeRef, Set, SetRef};

/// What DHCP servers write of a client.
const OF_CLIENTS: [RecordType; 4] = [RecordType::A, RecordType::AAAA, RecordType::PTR, RecordType::DHCID];

/// A client's name, and what became of it.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The name.
    pub name: Fqdn,
    /// The DHCID records that it had before.
    pub former: Vec<Rdata>,
    /// What it has now.
    pub now: Option<Node>,
}

impl Draft {
    /// The names whose records were touched and that belong, or belonged, to a client (they have a DHCID record, RFC 4703
    /// section 5.2).
    #[must_use]
    pub fn clients(&mut self) -> Vec<Followed> {
        self.close();
        let is_clients = |node: &Option<Node>| node.as_ref().is_some_and(|node| node.set(RecordType::DHCID).is_some());
        let touched = self.touched.iter().filter(|touched| is_clients(&touched.before) || is_clients(&touched.now));
        let followed = touched.map(|Touched { name, before, .. }| {
            let former = before.as_ref().and_then(|node| node.set(RecordType::DHCID));
            let former = former.map_or_else(Vec::new, |set| set.rdata.to_vec());
            Followed { name: name.clone(), former, now: self.next.node(name).map(NodeRef::to_node) }
        });
        followed.collect()
    }

    /// Gives a name the records of the client that it belongs to in another zone of the same apex. A name that is somebody
    /// else's here, by hand or by the DHCID of a host that is none of those, stays as it is.
    pub fn follow(&mut self, followed: &Followed) {
        let Followed { name, former, now } = followed;
        let mark = now.as_ref().and_then(|node| node.set(RecordType::DHCID));
        let is_of_clients = |set: &&Set| OF_CLIENTS.contains(&set.rtype);
        // Without a DHCID it is nobody's of ours: somebody has written it there by hand, for those who see that zone.
        let sets = now.as_ref().filter(|_| mark.is_some()).map_or_else(Vec::new, |node| node.view().to_sets());
        let theirs: Vec<Set> = sets.into_iter().filter(|set| is_of_clients(&set)).collect();
        let of_now = mark.map_or_else(Vec::new, |mark| mark.rdata.to_vec());
        let open = self.open(name);
        let here = open.sets();
        let is_free = here.is_empty() || is_marked(here, |rdata| former.contains(rdata) || of_now.contains(rdata));
        if !is_free || here.iter().filter(is_of_clients).eq(&theirs) {
            return;
        }
        let sets = open.change();
        sets.retain(|set| !is_of_clients(&set));
        sets.extend(theirs);
        sets.sort_unstable_by_key(|set| set.rtype);
    }

    /// Whether what an update for a host asks for in another zone of the apex holds in this one too, as far as it is about
    /// whose a name is. What only takes away asks for nothing: what it takes is told by its own zone.
    ///
    /// # Errors
    /// The response code of the first prerequisite that does not hold.
    pub fn check_beside(&mut self, update: &Update) -> Result<(), Rcode> {
        if !update.changes.iter().any(|change| matches!(change, Change::Add { .. })) {
            return Ok(());
        }
        let own = marks_of(update);
        for prerequisite in &update.prerequisites {
            let refusal = match prerequisite {
                Prerequisite::NameNotInUse(name) => self.is_anothers(name, &own, None).then_some(Rcode::YX_DOMAIN),
                Prerequisite::RrsetAbsent(name, rtype) => {
                    self.is_anothers(name, &own, Some(*rtype)).then_some(Rcode::YX_RRSET)
                }
                Prerequisite::RrsetIs(name, RecordType::DHCID, _) => {
                    self.is_anothers(name, &own, None).then_some(Rcode::NX_RRSET)
                }
                // Any host's will do: then a name without one is somebody's by hand.
                Prerequisite::RrsetExists(name, RecordType::DHCID) => {
                    let here = self.look(name);
                    here.is_some_and(|here| here.set(RecordType::DHCID).is_none()).then_some(Rcode::NX_RRSET)
                }
                // What is asked of the name besides is asked where it is decided.
                Prerequisite::NameInUse(_) | Prerequisite::RrsetExists(..) | Prerequisite::RrsetIs(..) => None,
            };
            if let Some(rcode) = refusal {
                return Err(rcode);
            }
        }
        Ok(())
    }

    /// Whether nothing stands at a name.
    pub fn is_free(&mut self, name: &Fqdn) -> bool {
        self.look(name).is_none()
    }

    /// Whether somebody else than the host with these DHCID records has a name; by `rtype`, a set of this type.
    fn is_anothers(&mut self, name: &Fqdn, own: &[&Rdata], rtype: Option<RecordType>) -> bool {
        let Some(here) = self.look(name) else { return false };
        let is_own = |set: SetRef<'_>| set.rdata.iter().all(|data| own.iter().any(|own| *own.0 == *data));
        rtype.is_none_or(|rtype| here.set(rtype).is_some()) && !here.set(RecordType::DHCID).is_some_and(is_own)
    }
}

/// The DHCID records that an update adds or asks for: the host's that it is for.
fn marks_of(update: &Update) -> Vec<&Rdata> {
    let added = update.changes.iter().filter_map(|change| match change {
        Change::Add { rtype: RecordType::DHCID, rdata, .. } => Some(rdata),
        _ => None,
    });
    let asked = update.prerequisites.iter().filter_map(|prerequisite| match prerequisite {
        Prerequisite::RrsetIs(_, RecordType::DHCID, rdata) => Some(rdata),
        _ => None,
    });
    added.chain(asked.flatten()).collect()
}

/// Whether there are DHCID records, and all of them such.
fn is_marked(sets: &[Set], is_such: impl Fn(&Rdata) -> bool) -> bool {
    set_of(sets, RecordType::DHCID).is_some_and(|set| set.rdata.iter().all(is_such))
}
