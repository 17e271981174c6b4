//! Ordinary rows in little memory: a name with one address of one host, and nothing that is still to be removed.
//!
//! Of a million leases with names nearly all rows are so. As values they take more than a kilobyte a lease, in some
//! twenty allocations; here a name and its address are one record of some forty bytes ([`record`]) in an arena, found by
//! two tables, one by half of the name's hash and one by address ([`by_address`]). The end of the name stands in a table of its own
//! ([`domains`]). A row that becomes anything else is taken out, and comes back when it is ordinary again.

mod by_address;
mod domains;
mod record;

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use arena::{Arena, Hashed, Piece};
use dns::sip::Sip;
use dns::{ConflictGuard, Fqdn, HostIdentity};

use crate::wanted::{ClaimRef, NewName, RowKey, Want, WantedRow};
use by_address::ByAddress;
use domains::Domains;
pub(crate) use record::{Half, Note};
use record::{Record, read_keys};

/// The most octets that an identity takes as bytes: its type and an identifier.
const IDENTITY_OCTETS_MAX: usize = 1 + 255;

/// See the module. Rows of one key are the caller's to keep apart: a key is put once until it is taken.
#[derive(Debug, Default)]
pub(crate) struct PackedRows {
    arena: Arena,
    /// A half of each hash stands with its piece: while names come, the table grows without reading what is in the arena.
    names: Hashed,
    addresses: ByAddress,
    domains: Domains,
    /// Names come from clients: nobody must be able to find some that fall on each other.
    hasher: Hasher,
    /// Room to put a record together, and the identity in it.
    scratch: (Vec<u8>, Vec<u8>),
}

/// What keys are hashed with, by a secret of each table.
#[derive(Debug)]
struct Hasher(Sip);

impl Default for Hasher {
    fn default() -> Self {
        Self(Sip::new(RandomState::new().hash_one(0)))
    }
}

impl Hasher {
    fn name(&self, label: &[u8], domain: &[u8]) -> u32 {
        // Any half of it.
        self.0.bytes(label).bytes(domain).finish() as u32
    }
}

/// What came of the rows of a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum NewPut {
    /// They are here now.
    Packed,
    /// Nothing changed: one of the keys is here already.
    Known,
    /// Nothing changed: they are out of the ordinary.
    Odd,
}

/// One row where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedRow<'a> {
    record: Record<'a>,
    domain: &'a Fqdn,
    half: Half,
    is_forward: bool,
}

impl PackedRows {
    /// Takes a row in if it is ordinary; else false. Its key must not be here.
    pub(crate) fn put(&mut self, row: &WantedRow, note: Note) -> bool {
        let Some(ordinary) = Ordinary::of(row) else { return false };
        let half = Half { generation: row.generation, note };
        let Some(want) = &row.want else { return false };
        let is_forward = ordinary.is_forward;
        let other = if is_forward { self.addresses.get(ordinary.address) } else { self.find_name(&want.name) };
        if let Some(piece) = other.filter(|piece| self.joins(*piece, &ordinary)) {
            let joined = self.rewrite(piece, |record| match is_forward {
                true => (record.forward, record.guard) = (Some(half), want.guard),
                false => (record.reverse, record.after_forward) = (Some(half), want.after_forward),
            });
            self.moved(piece, joined, !is_forward);
            self.enter(joined, is_forward);
            return true;
        }
        let halves = if is_forward { (Some(half), None) } else { (None, Some(half)) };
        let Some(piece) = self.store(&ordinary, (want.guard, want.after_forward), halves) else { return false };
        self.enter(piece, is_forward);
        true
    }

    /// Takes in both rows of a new name, if neither key is here and they are ordinary.
    pub(crate) fn put_new(&mut self, new: &NewName, [of_name, of_address]: [Note; 2]) -> NewPut {
        let NewName { name, identity, address, ttl_secs, guard, generation } = new;
        let Some((label, domain)) = split(name) else { return NewPut::Odd };
        // The hash serves the question and the answer: a crowd of new names goes through here.
        let by_name = self.hasher.name(label, domain);
        if self.at_name(by_name, label, domain).is_some() || self.addresses.get(*address).is_some() {
            return NewPut::Known;
        }
        let Some(name) = Ordinary::named(name, identity, (*address, *ttl_secs), true) else { return NewPut::Odd };
        let halves = (
            Some(Half { generation: *generation, note: of_name }),
            Some(Half { generation: new.reverse_generation(), note: of_address }),
        );
        let Some(piece) = self.store(&name, (*guard, true), halves) else { return NewPut::Odd };
        self.names.insert(by_name, piece.number());
        self.addresses.set(*address, piece);
        NewPut::Packed
    }

    /// Whether there are just the rows that [`PackedRows::put_new`] would put, of whatever generation.
    pub(crate) fn stands(&self, address: IpAddr, claim: ClaimRef<'_>) -> bool {
        let Some(piece) = self.find_name(claim.name) else { return false };
        let (record, _) = Record::read(self.arena.from(piece));
        (record.forward.is_some() && record.reverse.is_some() && record.after_forward)
            && (record.address, record.ttl_secs, record.guard) == (address, claim.ttl_secs, claim.guard)
            && claim.identity.is_bytes(record.identity)
    }

    /// Puts a record into the arena; it is still to be entered by its keys.
    fn store(
        &mut self,
        row: &Ordinary<'_>,
        (guard, after_forward): (ConflictGuard, bool),
        (forward, reverse): (Option<Half>, Option<Half>),
    ) -> Option<Piece> {
        let domain = self.domains.hold(row.domain)?;
        let (bytes, identity) = &mut self.scratch;
        bytes.clear();
        identity.clear();
        row.identity.parts().iter().for_each(|part| identity.extend_from_slice(part));
        let (address, label, ttl_secs) = (row.address, row.label, row.ttl_secs);
        Record { address, label, domain, ttl_secs, identity, guard, after_forward, forward, reverse }.write(bytes);
        Some(self.arena.put(bytes))
    }

    /// Takes a row out.
    pub(crate) fn take(&mut self, key: &RowKey) -> Option<(WantedRow, Note)> {
        let (piece, is_forward) = self.find(key)?;
        let row = self.row_at(piece, is_forward)?;
        let taken = (row.to_row(), row.note());
        let (record, length) = Record::read(self.arena.from(piece));
        let (domain, is_pair) = (record.domain, record.forward.is_some() && record.reverse.is_some());
        self.leave(piece, is_forward);
        if is_pair {
            let rest = self.rewrite(piece, |record| match is_forward {
                true => (record.forward, record.guard) = (None, ConflictGuard::default()),
                false => (record.reverse, record.after_forward) = (None, false),
            });
            self.moved(piece, rest, !is_forward);
        } else {
            self.arena.free(piece, length);
            self.domains.release(domain);
        }
        if self.arena.is_sparse() {
            self.compact();
        }
        Some(taken)
    }

    /// The row of a key.
    pub(crate) fn get(&self, key: &RowKey) -> Option<PackedRow<'_>> {
        let (piece, is_forward) = self.find(key)?;
        self.row_at(piece, is_forward)
    }

    /// Changes what is noted of a row.
    pub(crate) fn annotate(&mut self, key: &RowKey, change: impl FnOnce(Note) -> Note) {
        let Some((piece, is_forward)) = self.find(key) else { return };
        let mut is_pair = false;
        let noted = self.rewrite(piece, |record| {
            is_pair = record.forward.is_some() && record.reverse.is_some();
            let half = if is_forward { &mut record.forward } else { &mut record.reverse };
            if let Some(half) = half {
                half.note = change(half.note);
            }
        });
        self.moved(piece, noted, is_forward);
        if is_pair {
            self.moved(piece, noted, !is_forward);
        }
    }

    /// Whether the row of a key is here.
    pub(crate) fn contains(&self, key: &RowKey) -> bool {
        self.find(key).is_some()
    }

    /// All rows: always in the same order after the same changes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PackedRow<'_>> {
        let rows = move |piece| [true, false].into_iter().filter_map(move |is_forward| self.row_at(piece, is_forward));
        self.pieces().into_iter().flat_map(rows)
    }

    /// The same, of rows that nobody needs any more.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (WantedRow, Note)> {
        let pieces = self.pieces().into_iter();
        let keys = pieces.flat_map(|piece| [true, false].map(|is_forward| (piece, is_forward)));
        keys.filter_map(move |(piece, is_forward)| self.row_at(piece, is_forward).map(|row| (row.to_row(), row.note())))
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + self.addresses.len()
    }

    fn find(&self, key: &RowKey) -> Option<(Piece, bool)> {
        match key {
            RowKey::Forward(name) => self.find_name(name).map(|piece| (piece, true)),
            RowKey::Reverse(address) => self.addresses.get(*address).map(|piece| (piece, false)),
            RowKey::Stated(..) => None,
        }
    }

    fn find_name(&self, name: &Fqdn) -> Option<Piece> {
        if self.names.is_empty() {
            return None;
        }
        let (label, domain) = split(name)?;
        self.at_name(self.hasher.name(label, domain), label, domain)
    }

    fn at_name(&self, hash: u32, label: &[u8], domain: &[u8]) -> Option<Piece> {
        let is_it = |piece: u32| {
            let (_, found, number) = read_keys(self.arena.from(Piece::from_number(piece)));
            found == label && self.domains.at(number).is_some_and(|found| found.as_wire() == domain)
        };
        self.names.find(hash, is_it).map(Piece::from_number)
    }

    fn row_at(&self, piece: Piece, is_forward: bool) -> Option<PackedRow<'_>> {
        let (record, _) = Record::read(self.arena.from(piece));
        let half = if is_forward { record.forward } else { record.reverse }?;
        Some(PackedRow { record, domain: self.domains.at(record.domain)?, half, is_forward })
    }

    /// Whether a row says the same as the record of its other half, so that one record does for both.
    fn joins(&self, piece: Piece, row: &Ordinary<'_>) -> bool {
        let (record, _) = Record::read(self.arena.from(piece));
        let is_alone = if row.is_forward { record.forward } else { record.reverse }.is_none();
        is_alone
            && record.address == row.address
            && record.label == row.label
            && record.ttl_secs == row.ttl_secs
            && row.identity.is_bytes(record.identity)
            && self.domains.at(record.domain).is_some_and(|domain| domain.as_wire() == row.domain)
    }

    /// Changes a record; where it is then.
    fn rewrite(&mut self, piece: Piece, change: impl FnOnce(&mut Record<'_>)) -> Piece {
        let (mut record, length) = Record::read(self.arena.from(piece));
        change(&mut record);
        let (bytes, _) = &mut self.scratch;
        bytes.clear();
        record.write(bytes);
        self.arena.replace(piece, length, bytes)
    }

    /// Enters a record by name or by address.
    fn enter(&mut self, piece: Piece, is_forward: bool) {
        let (address, label, domain) = read_keys(self.arena.from(piece));
        if is_forward {
            let hash = hash_of_name(&self.hasher, &self.domains, label, domain);
            self.names.insert(hash, piece.number());
        } else {
            self.addresses.set(address, piece);
        }
    }

    fn leave(&mut self, piece: Piece, is_forward: bool) {
        let (address, label, domain) = read_keys(self.arena.from(piece));
        if !is_forward {
            return self.addresses.remove(address);
        }
        let hash = hash_of_name(&self.hasher, &self.domains, label, domain);
        self.names.remove(hash, piece.number());
    }

    /// A record is elsewhere now.
    fn moved(&mut self, from: Piece, to: Piece, is_forward: bool) {
        if from == to {
            return;
        }
        let (address, label, domain) = read_keys(self.arena.from(to));
        if !is_forward {
            return self.addresses.set(address, to);
        }
        let hash = hash_of_name(&self.hasher, &self.domains, label, domain);
        self.names.replace(hash, from.number(), to.number());
    }

    /// Every record once, by its place.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = self.names.iter().map(Piece::from_number).chain(self.addresses.iter()).collect();
        pieces.sort_unstable();
        pieces.dedup();
        pieces
    }

    /// Gives back what many changes have left unused, when no more of them are to come.
    pub(crate) fn tidy(&mut self) {
        if self.arena.is_loose() {
            self.compact();
        }
    }

    /// Moves what the arena holds together.
    fn compact(&mut self) {
        let pieces = self.pieces();
        let before = std::mem::take(&mut self.arena);
        self.names = Hashed::with_room(self.names.len());
        // Addresses have their places still, which lead to the new ones from here on.
        for piece in pieces {
            let (record, length) = Record::read(before.from(piece));
            let is_there = [(true, record.forward.is_some()), (false, record.reverse.is_some())];
            let piece = self.arena.put(&before.from(piece)[..length]);
            for (is_forward, _) in is_there.into_iter().filter(|(_, is_there)| *is_there) {
                self.enter(piece, is_forward);
            }
        }
    }
}

impl PackedRow<'_> {
    /// Its key.
    pub(crate) fn key(&self) -> RowKey {
        if self.is_forward { RowKey::Forward(self.name()) } else { RowKey::Reverse(self.record.address) }
    }

    /// Its generation.
    pub(crate) fn generation(&self) -> u64 {
        self.half.generation
    }

    /// What is noted of it.
    pub(crate) fn note(&self) -> Note {
        self.half.note
    }

    /// The one address that is wanted.
    pub(crate) fn address(&self) -> IpAddr {
        self.record.address
    }

    /// Whose the name is.
    pub(crate) fn identity(&self) -> HostIdentity {
        HostIdentity::from_bytes(self.record.identity).unwrap_or(HostIdentity::ClientId(dns::Bytes::default()))
    }

    /// Whether it is this host's.
    pub(crate) fn is_of(&self, identity: &HostIdentity) -> bool {
        identity.is_bytes(self.record.identity)
    }

    /// Whether the host is called so.
    pub(crate) fn is_named(&self, name: &Fqdn) -> bool {
        split(name).is_some_and(|(label, domain)| label == self.record.label && domain == self.domain.as_wire())
    }

    /// How long it is kept elsewhere, in seconds.
    pub(crate) fn ttl_secs(&self) -> u32 {
        self.record.ttl_secs
    }

    /// How the name is guarded.
    pub(crate) fn guard(&self) -> ConflictGuard {
        if self.is_forward { self.record.guard } else { ConflictGuard::default() }
    }

    /// Of an address: it waits for its name.
    pub(crate) fn after_forward(&self) -> bool {
        !self.is_forward && self.record.after_forward
    }

    /// The row as a value.
    pub(crate) fn to_row(self) -> WantedRow {
        let name = self.name();
        let key = if self.is_forward { RowKey::Forward(name.clone()) } else { RowKey::Reverse(self.record.address) };
        let want = Want {
            name,
            identity: self.identity(),
            addresses: vec![self.record.address],
            ttl_secs: self.record.ttl_secs,
            after_forward: self.after_forward(),
            guard: self.guard(),
        };
        let generation = self.half.generation;
        WantedRow { key, generation, want: Some(want), former: Vec::new(), by_configuration: false }
    }

    fn name(&self) -> Fqdn {
        // Made of a name, it is one again.
        let label = self.record.label.get(1..).unwrap_or_default();
        self.domain.prepend_label(label).unwrap_or_else(|_| self.domain.clone())
    }
}

/// A row that can be packed, with what is needed for it.
struct Ordinary<'a> {
    identity: &'a HostIdentity,
    address: IpAddr,
    ttl_secs: u32,
    /// The name's first label, its length octet included, and what stands behind it.
    label: &'a [u8],
    domain: &'a [u8],
    is_forward: bool,
}

impl<'a> Ordinary<'a> {
    /// Whatever a row has that the record has no room for makes it another one.
    fn of(row: &'a WantedRow) -> Option<Self> {
        let WantedRow { key, generation: _, want, former, by_configuration } = row;
        let want = want.as_ref().filter(|_| former.is_empty() && !by_configuration)?;
        let [address] = *want.addresses.as_slice() else { return None };
        let is_forward = match key {
            RowKey::Forward(name) if *name == want.name && !want.after_forward => true,
            RowKey::Reverse(at) if *at == address && want.guard == ConflictGuard::default() => false,
            _ => return None,
        };
        Self::named(&want.name, &want.identity, (address, want.ttl_secs), is_forward)
    }

    /// Of the row of a name with one address, or of an address, that has nothing else.
    fn named(
        name: &'a Fqdn,
        identity: &'a HostIdentity,
        (address, ttl_secs): (IpAddr, u32),
        is_forward: bool,
    ) -> Option<Self> {
        let is_identity = match identity {
            HostIdentity::Hardware { chaddr, .. } => chaddr.len() <= 16,
            HostIdentity::ClientId(data) | HostIdentity::Duid(data) => data.len() < IDENTITY_OCTETS_MAX,
            HostIdentity::Stated(_) => false,
        };
        let (label, domain) = split(name).filter(|_| is_identity)?;
        Some(Self { identity, address, ttl_secs, label, domain, is_forward })
    }
}

/// A name's first label, its length octet included, and what stands behind it; `None` for the root.
fn split(name: &Fqdn) -> Option<(&[u8], &[u8])> {
    let wire = name.as_wire();
    let first = usize::from(*wire.first()?);
    wire.split_at_checked(first + 1).filter(|_| first > 0)
}

fn hash_of_name(hasher: &Hasher, domains: &Domains, label: &[u8], domain: u32) -> u32 {
    hasher.name(label, domains.at(domain).map_or(&[], Fqdn::as_wire))
}

#[cfg(test)]
mod tests;
