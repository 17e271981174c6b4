//! How the rows change when an address claims a name, or claims it no more.

use std::net::IpAddr;

use dns::ConflictGuard;
use faults::{Fault, planted};

use super::rows::Seen;
use super::{
    ADDRESSES_MAX, Applied, Claim, ClaimRef, FORMER_ADDRESSES_MAX, FORMER_MAX, Held, NewName, RowKey, Undo, Want,
    WantedRow, WantedTable,
};

impl WantedTable {
    /// Takes in that an address claims a name, of neither of which there is a row: what most new leases come to. `None`:
    /// there is one, or the server keeps one of the two alone, and nothing was changed.
    pub fn begin<'c>(&mut self, address: IpAddr, claim: impl Into<ClaimRef<'c>>) -> Option<NewName> {
        let claim: ClaimRef<'_> = claim.into();
        if !(claim.forward && claim.reverse) {
            return None;
        }
        let new = NewName {
            name: claim.name.clone(),
            identity: claim.identity.clone(),
            address,
            ttl_secs: claim.ttl_secs,
            guard: claim.guard,
            generation: self.generation + 1,
        };
        if !self.rows.set_new(&new) {
            return None;
        }
        self.generation = new.reverse_generation();
        Some(new)
    }

    /// Whether an address has the name that it claims, for itself alone and with its pointer, and nothing is left to be
    /// removed: then claiming it once more, as each renewal does, changes nothing. It may be so too where this is false.
    #[must_use]
    pub fn stands<'c>(&self, address: IpAddr, claim: impl Into<ClaimRef<'c>>) -> bool {
        let claim: ClaimRef<'_> = claim.into();
        claim.forward && claim.reverse && self.rows.stands(address, claim)
    }

    /// The address no longer has the name.
    pub(super) fn leave(&mut self, claim: &Claim, address: IpAddr, undo: &mut Undo) {
        let key = RowKey::Forward(claim.name.clone());
        let Some(row) = self.rows.get(&key) else { return };
        let Some(want) = row.want.as_ref().filter(|want| want.identity == claim.identity) else { return };
        let Ok(at) = want.addresses.binary_search(&address) else { return };
        let mut want = want.clone();
        want.addresses.remove(at);
        let mut former = row.former;
        let left = Held { addresses: vec![address], ..want.held() };
        push_former(&mut former, left);
        self.put(key, (!want.addresses.is_empty()).then_some(want), former, undo);
    }

    /// The first half of [`WantedTable::take_over`]: another holder of the name loses it, at every address.
    pub fn displace(&mut self, claim: &Claim) -> Applied {
        let mut undo = Undo::default();
        let displaced = self.displace_into(claim, &mut undo);
        Self::applied(undo, displaced)
    }

    /// Nobody but the claim's host has the name; returns the addresses of who had it.
    pub(super) fn displace_into(&mut self, claim: &Claim, undo: &mut Undo) -> Vec<IpAddr> {
        let key = RowKey::Forward(claim.name.clone());
        let Some(row) = self.rows.get(&key) else { return Vec::new() };
        let Some(want) = row.want.as_ref().filter(|want| want.identity != claim.identity) else { return Vec::new() };
        let (held, mut former) = (want.held(), row.former.clone());
        push_former(&mut former, held.clone());
        self.put(key, None, former, undo);
        for address in &held.addresses {
            let pointer = self.rows.get(&RowKey::Reverse(*address));
            if pointer.is_some_and(|row| row.want.as_ref().is_some_and(|want| held.is_of(want))) {
                self.point(*address, None, undo);
            }
        }
        held.addresses
    }

    /// The address has the name too; false when another identity holds it, or it has addresses enough.
    pub(super) fn join(&mut self, claim: &Claim, address: IpAddr, undo: &mut Undo) -> bool {
        let key = RowKey::Forward(claim.name.clone());
        let row = match self.rows.seen(&key) {
            Some(Seen::Packed(row)) if !row.is_of(&claim.identity) => return false,
            Some(Seen::Packed(row))
                if (row.address(), row.ttl_secs(), row.guard()) == (address, claim.ttl_secs, claim.guard) =>
            {
                return true;
            }
            Some(Seen::Packed(row)) => Some(row.to_row()),
            Some(Seen::Odd(row)) => Some(row.clone()),
            None => None,
        };
        let current = row.as_ref().and_then(|row| row.want.as_ref());
        if current.is_some_and(|want| want.identity != claim.identity) {
            return false;
        }
        let mut addresses = current.map(|want| want.addresses.clone()).unwrap_or_default();
        if let Err(at) = addresses.binary_search(&address) {
            if addresses.len() >= ADDRESSES_MAX {
                return false;
            }
            addresses.insert(at, address);
        }
        // RFC 2181 section 5.2: the records of a set share their TTL. The least of them, so that two interfaces with
        // different leases do not rewrite it in turn.
        let ttl_secs = match current {
            Some(want) if addresses.len() > 1 => want.ttl_secs.min(claim.ttl_secs),
            _ => claim.ttl_secs,
        };
        // For the same reason: the guard that asks for most.
        let guard = match current {
            Some(want) if addresses.len() > 1 => want.guard.stricter(claim.guard),
            _ => claim.guard,
        };
        let want = Want {
            name: claim.name.clone(),
            identity: claim.identity.clone(),
            addresses,
            ttl_secs,
            after_forward: false,
            guard,
        };
        if current == Some(&want) {
            return true;
        }
        let mut former = row.as_ref().map(|row| row.former.clone()).unwrap_or_default();
        // Written with a DHCID before and without one now, or the other way round: the whole of it has to be seen to.
        if let Some(marked_otherwise) = current.map(Want::held).filter(|held| !held.is_as_of(&want)) {
            push_former(&mut former, marked_otherwise);
        }
        former.retain_mut(|held| {
            if held.is_as_of(&want) {
                held.addresses.retain(|address| !want.addresses.contains(address));
            }
            !held.addresses.is_empty()
        });
        self.put(key, Some(want), former, undo);
        true
    }

    /// The address' PTR names `claim`, or nothing of ours.
    pub(super) fn point(&mut self, address: IpAddr, claim: Option<Claim>, undo: &mut Undo) {
        let key = RowKey::Reverse(address);
        let row = match (self.rows.seen(&key), &claim) {
            (Some(Seen::Packed(row)), Some(claim))
                if (row.ttl_secs(), row.after_forward()) == (claim.ttl_secs, claim.forward)
                    && row.is_named(&claim.name)
                    && row.is_of(&claim.identity) =>
            {
                return;
            }
            (Some(Seen::Packed(row)), _) => Some(row.to_row()),
            (Some(Seen::Odd(row)), _) => Some(row.clone()),
            (None, _) => None,
        };
        let want = claim.map(|claim| Want {
            name: claim.name,
            identity: claim.identity,
            addresses: vec![address],
            ttl_secs: claim.ttl_secs,
            after_forward: claim.forward,
            guard: ConflictGuard::default(),
        });
        let current = row.as_ref().and_then(|row| row.want.as_ref());
        if current == want.as_ref() {
            return;
        }
        let mut former = row.as_ref().map(|row| row.former.clone()).unwrap_or_default();
        if let Some(old) = current {
            push_former(&mut former, old.held());
        }
        if let Some(want) = &want {
            former.retain(|held| !held.is_of(want));
        }
        self.put(key, want, former, undo);
    }

    pub(super) fn put(&mut self, key: RowKey, want: Option<Want>, former: Vec<Held>, undo: &mut Undo) {
        self.generation += 1;
        let was = self.rows.odd(&key).is_some_and(|row| row.want.is_none() && row.by_configuration);
        let by_configuration = want.is_none() && (self.configuring || was);
        let row = WantedRow { key, generation: self.generation, want, former, by_configuration };
        let before = self.set(&row.key, Some(&row));
        match undo.now.iter_mut().find(|known| known.key == row.key) {
            Some(known) => *known = row,
            None => {
                undo.before.push((row.key.clone(), before));
                undo.now.push(row);
            }
        }
    }

    /// Replaces a row; returns the one that was there.
    pub(super) fn set(&mut self, key: &RowKey, row: Option<&WantedRow>) -> Option<WantedRow> {
        let is_leaving = |row: &WantedRow| matches!(row.key, RowKey::Forward(_)) && row.want.is_none();
        self.leaving += usize::from(row.is_some_and(is_leaving));
        if let RowKey::Stated(..) = key {
            if row.is_some() {
                self.stated.insert(key.clone())
            } else {
                self.stated.remove(key)
            };
        }
        let before = self.rows.set(key, row);
        self.self_kept.replace(before.as_ref(), row);
        self.leaving -= usize::from(before.as_ref().is_some_and(is_leaving));
        before
    }
}

/// Remembers what may still be in DNS, once per owner.
pub(super) fn push_former(former: &mut Vec<Held>, left: Held) {
    if planted(Fault::FormerForgotten) {
        return;
    }
    let same = |held: &&mut Held| held.name == left.name && held.identity == left.identity && held.guard == left.guard;
    match former.iter_mut().find(same) {
        Some(held) => {
            held.addresses.extend(left.addresses);
            held.addresses.sort_unstable();
            held.addresses.dedup();
            let excess = held.addresses.len().saturating_sub(FORMER_ADDRESSES_MAX);
            held.addresses.drain(..excess);
        }
        None => {
            former.push(left);
            let excess = former.len().saturating_sub(FORMER_MAX);
            former.drain(..excess);
        }
    }
}
