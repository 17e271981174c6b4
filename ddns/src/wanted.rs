//! What DNS should hold, by name and by address. DNS work is state, not a list of operations: a row holds the
//! whole wanted set and a generation. Rows are stored in the same transaction as the lease that causes them.
//!
//! [`WantedTable`] is the DHCP side's copy of all rows. A lease's change goes in by [`WantedTable::apply`], which
//! returns the rows to be stored with the lease; when that commit fails, [`WantedTable::revert`] takes the change
//! back, the newest first.

mod changes;
mod new_name;
mod rows;
mod self_kept;

use std::collections::BTreeSet;
use std::net::IpAddr;

use dns::{ConflictGuard, Fqdn, HostIdentity, RecordType, Rrset};

use crate::reconcile::ConfirmedRow;
use changes::push_former;
pub use new_name::NewName;
use rows::{Rows, Seen};
use self_kept::SelfKept;

/// How many former owners a row remembers; the oldest is forgotten first. The confirmed row knows that one too.
pub const FORMER_MAX: usize = 8;
/// How many addresses of one former owner a row remembers.
pub const FORMER_ADDRESSES_MAX: usize = 32;

/// How many addresses one name has at most. A host that makes up interfaces, each with a lease, would otherwise have a
/// longer row written with every one of them.
pub const ADDRESSES_MAX: usize = 64;
/// How many names may wait for their removal from DNS, above as many as there are rows that want something. While more
/// do, names that are not among the rows are not granted: a client that takes one name after the other while a DNS
/// server is silent must not fill memory and store.
pub const LEAVING_MAX: usize = 65_536;

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A and AAAA (and DHCID) of a name.
    Forward(Fqdn),
    /// PTR (and DHCID) of an address.
    Reverse(IpAddr),
    /// The records of a name and type that the configuration states, in a zone of another server. What is wanted there is
    /// its own identity ([`HostIdentity::Stated`]), and has no addresses.
    Stated(Fqdn, RecordType),
}

/// What is wanted of one key. A row that wants nothing stays until its removal from DNS is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRow {
    /// The key.
    pub key: RowKey,
    /// Grows with every change of any row; never used twice.
    pub generation: u64,
    /// What DNS should hold; `None`: nothing of ours.
    pub want: Option<Want>,
    /// What earlier generations may have left in DNS under this key and what `want` does not cover. It is removed
    /// (each guarded by its own DHCID) before `want` is written. At most eight, with at most 32 addresses each.
    pub former: Vec<Held>,
    /// Nothing is wanted because the configuration says so, and no lease ended: such withdrawals are counted before
    /// anything is deleted ([`crate::reconcile::QUIET_MS`]). Stored.
    pub by_configuration: bool,
}

/// Content of ours that DNS holds, or may hold, under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The host's name: the key's own for a forward row, the PTR's target for a reverse row.
    pub name: Fqdn,
    /// Whose it is: with the name it gives the DHCID.
    pub identity: HostIdentity,
    /// The addresses, sorted; RFC 4703 section 5.5 removes them one by one, so that another server's survive.
    pub addresses: Vec<IpAddr>,
    /// How the name was guarded when it was written: it is removed in the same way.
    pub guard: ConflictGuard,
}

/// The whole wanted content of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The host's name: the key's own for a forward row, the PTR's target for a reverse row.
    pub name: Fqdn,
    /// Whose name it is.
    pub identity: HostIdentity,
    /// Forward: every address of the name, sorted. Reverse: the key's address alone.
    pub addresses: Vec<IpAddr>,
    /// In seconds.
    pub ttl_secs: u32,
    /// Reverse: wait until the forward row of `name` is confirmed (the server writes that one too).
    pub after_forward: bool,
    /// How the name is guarded in DNS; of a reverse row the default, because [`crate::settings::ReverseGuard`] says it.
    pub guard: ConflictGuard,
}

impl Want {
    /// What DNS holds once this is written.
    #[must_use]
    pub fn held(&self) -> Held {
        let Self { name, identity, addresses, guard, .. } = self;
        Held { name: name.clone(), identity: identity.clone(), addresses: addresses.clone(), guard: *guard }
    }
}

impl Want {
    /// Records that the configuration states, for people: their type and what they are.
    #[must_use]
    pub fn stated_words(&self, rtype: RecordType) -> String {
        let data: Vec<String> = self.identity.stated().unwrap_or_default().iter().map(|one| one.words(rtype)).collect();
        format!("{rtype} {}", data.join(", "))
    }
}

impl Held {
    /// Whether this is the same host's name, with a DHCID where `want` has one and without where it has not: then what
    /// both have is as wanted.
    #[must_use]
    pub fn is_as_of(&self, want: &Want) -> bool {
        self.is_of(want) && self.guard.writes_dhcid() == want.guard.writes_dhcid()
    }

    /// Whether this is the same host's name, or the same records.
    #[must_use]
    pub fn is_of(&self, want: &Want) -> bool {
        self.name == want.name && self.identity == want.identity
    }
}

/// One address's claim of a name, before or after a lease changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The host's full name.
    pub name: Fqdn,
    /// Whose it is.
    pub identity: HostIdentity,
    /// The server keeps A.
    pub forward: bool,
    /// The server keeps PTR.
    pub reverse: bool,
    /// In seconds.
    pub ttl_secs: u32,
    /// How the name is guarded in DNS.
    pub guard: ConflictGuard,
}

/// The same, of what has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as of `Claim`")]
pub struct ClaimRef<'a> {
    pub name: &'a Fqdn,
    pub identity: &'a HostIdentity,
    pub forward: bool,
    pub reverse: bool,
    pub ttl_secs: u32,
    pub guard: ConflictGuard,
}

impl<'a> From<&'a Claim> for ClaimRef<'a> {
    fn from(claim: &'a Claim) -> Self {
        let Claim { name, identity, forward, reverse, ttl_secs, guard } = claim;
        Self { name, identity, forward: *forward, reverse: *reverse, ttl_secs: *ttl_secs, guard: *guard }
    }
}

/// All wanted rows, by key. Memory: one row per published name and one per address, as many as leases, twice, some 60
/// bytes for both while they are ordinary ([`crate::packed`]); and the names that wait for their removal, which
/// [`LEAVING_MAX`] bounds.
#[derive(Debug, Default)]
pub struct WantedTable {
    rows: Rows,
    /// The keys of records that the configuration states, or stated.
    stated: BTreeSet<RowKey>,
    self_kept: SelfKept,
    /// How many rows of names want nothing any more.
    leaving: usize,
    /// The last generation given away; above every one that was loaded.
    generation: u64,
    /// What changes now, the configuration causes.
    configuring: bool,
}

/// What [`WantedTable::apply`] changed.
#[derive(Debug, Default)]
#[must_use]
pub struct Applied {
    /// The changed rows, each whole, to be stored in the lease's transaction. Empty when nothing changed.
    pub rows: Vec<WantedRow>,
    /// Takes the change back.
    pub undo: Undo,
    /// Addresses whose host lost its name by it: their leases are to be called otherwise.
    pub displaced: Vec<IpAddr>,
}

/// Takes one change back.
#[derive(Debug, Default)]
pub struct Undo {
    /// Each touched key with the row that was there before.
    before: Vec<(RowKey, Option<WantedRow>)>,
    /// The rows that are there now, each once.
    now: Vec<WantedRow>,
}

impl Undo {
    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// The changed rows, each once and whole, for whoever stores them: they are not needed to take the change back.
    #[must_use]
    pub fn take_rows(&mut self) -> Vec<WantedRow> {
        std::mem::take(&mut self.now)
    }
}

impl WantedTable {
    /// A table of what the store holds.
    #[must_use]
    pub fn load(rows: impl IntoIterator<Item = WantedRow>, confirmed: &[ConfirmedRow]) -> Self {
        let mut table = Self::default();
        for row in rows {
            table.generation = table.generation.max(row.generation);
            table.set(&row.key, Some(&row));
        }
        for seen in confirmed {
            table.generation = table.generation.max(seen.generation);
            if seen.done {
                table.forget_former(&seen.key, seen.generation);
            }
        }
        table
    }

    /// Says whether the configuration is what causes the changes from now on; see [`WantedRow::by_configuration`].
    pub fn set_configuring(&mut self, configuring: bool) {
        self.configuring = configuring;
    }

    /// The row of a key.
    #[must_use]
    pub fn get(&self, key: &RowKey) -> Option<WantedRow> {
        self.rows.get(key)
    }

    /// All rows, in no order. Each is made as it is asked for.
    pub fn iter(&self) -> impl Iterator<Item = WantedRow> {
        self.rows.iter()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is wanted, and nothing is left to be removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who holds a name now; `None` when it is free for anyone to claim.
    #[must_use]
    pub fn owner_of(&self, name: &Fqdn) -> Option<HostIdentity> {
        match self.rows.seen(&RowKey::Forward(name.clone()))? {
            Seen::Packed(row) => Some(row.identity()),
            Seen::Odd(row) => row.want.as_ref().map(|want| want.identity.clone()),
        }
    }

    /// Whether [`WantedTable::apply`] would give `name` to `identity` at `address`, in the place of whatever the address
    /// claims now. Another holder keeps it, unless this address is all that it has the name for: that one goes.
    #[must_use]
    pub fn grants(&self, name: &Fqdn, identity: &HostIdentity, address: IpAddr) -> bool {
        let row = match self.rows.seen(&RowKey::Forward(name.clone())) {
            Some(Seen::Packed(row)) => return row.is_of(identity) || row.address() == address,
            Some(Seen::Odd(row)) => Some(&row.want),
            None => None,
        };
        match row {
            Some(Some(want)) if want.identity == *identity => {
                want.addresses.len() < ADDRESSES_MAX || want.addresses.contains(&address)
            }
            Some(Some(want)) => want.addresses == [address],
            Some(None) => true,
            None => self.leaving <= LEAVING_MAX.saturating_add(self.rows.len() - self.leaving),
        }
    }

    /// The addresses of other hosts than `identity` that write the address record of `name` by themselves, and to which the
    /// server has given it. It wants nothing there, so that [`WantedTable::owner_of`] knows nothing of them.
    pub fn self_kept_by_others<'t>(
        &'t self,
        name: &'t Fqdn,
        identity: &'t HostIdentity,
    ) -> impl Iterator<Item = IpAddr> + 't {
        self.self_kept.of(name).filter(move |address| match self.rows.seen(&RowKey::Reverse(*address)) {
            Some(Seen::Packed(row)) => row.is_named(name) && !row.is_of(identity),
            Some(Seen::Odd(row)) => {
                row.want.as_ref().is_some_and(|want| want.name == *name && want.identity != *identity)
            }
            None => false,
        })
    }

    /// Takes in that `address` claims `after` and no longer claims `before`. Applying the same claim again changes
    /// nothing, so a renewal costs two lookups.
    ///
    /// A name that another identity holds, or that has [`ADDRESSES_MAX`], is not granted: neither its forward nor its reverse row changes hands, and
    /// the claim takes effect when it is applied again after the holder left.
    pub fn apply(&mut self, address: IpAddr, before: Option<Claim>, after: Option<Claim>) -> Applied {
        let undo = self.change(address, before, after);
        Self::applied(undo, Vec::new())
    }

    /// As [`WantedTable::apply`], with the changed rows in the undo ([`Undo::take_rows`]), for whoever changes more before
    /// they are stored.
    #[must_use]
    pub fn change(&mut self, address: IpAddr, before: Option<Claim>, after: Option<Claim>) -> Undo {
        let mut undo = Undo::default();
        self.change_with(address, before, after, &mut undo);
        undo
    }

    /// As [`WantedTable::apply`], but another holder of the name loses it to `after`, at every address: what it had is
    /// removed from DNS before the name is claimed.
    pub fn take_over(&mut self, address: IpAddr, before: Option<Claim>, after: Claim) -> Applied {
        let mut undo = Undo::default();
        let displaced = self.displace_into(&after, &mut undo);
        self.change_with(address, before, Some(after), &mut undo);
        Self::applied(undo, displaced)
    }

    fn applied(undo: Undo, displaced: Vec<IpAddr>) -> Applied {
        Applied { rows: undo.now.clone(), undo, displaced }
    }

    fn change_with(&mut self, address: IpAddr, before: Option<Claim>, after: Option<Claim>, undo: &mut Undo) {
        if let Some(before) = before.filter(|before| before.forward) {
            let stays = after
                .as_ref()
                .is_some_and(|after| after.forward && after.name == before.name && after.identity == before.identity);
            if !stays {
                self.leave(&before, address, undo);
            }
        }
        // What most new leases come to.
        if let (Some(after), true) = (&after, undo.now.is_empty())
            && after.forward
            && after.reverse
            && let Some(new) = self.begin(address, after)
        {
            undo.before.extend([(RowKey::Forward(new.name.clone()), None), (RowKey::Reverse(new.address), None)]);
            undo.now.extend([new.forward(), new.reverse()]);
            return;
        }
        let granted = match &after {
            Some(after) if after.forward => self.join(after, address, undo),
            _ => true,
        };
        self.point(address, after.filter(|after| after.reverse && granted), undo);
    }

    /// The keys of records that are stated, and of those that are still to be removed.
    pub fn stated(&self) -> impl Iterator<Item = &RowKey> {
        self.stated.iter()
    }

    /// Takes in that the configuration states these records, whatever it stated of their name and type before.
    pub fn state(&mut self, set: &Rrset) -> Applied {
        let want = Want {
            name: set.name.clone(),
            identity: HostIdentity::Stated(set.rdata.clone().into()),
            addresses: Vec::new(),
            ttl_secs: set.ttl,
            after_forward: false,
            guard: ConflictGuard::default(),
        };
        self.put_stated(RowKey::Stated(set.name.clone(), set.rtype), Some(want))
    }

    /// Takes in that the configuration states nothing for this key any more.
    pub fn unstate(&mut self, key: &RowKey) -> Applied {
        self.put_stated(key.clone(), None)
    }

    fn put_stated(&mut self, key: RowKey, want: Option<Want>) -> Applied {
        let (current, mut former) = match self.rows.get(&key) {
            Some(row) => (row.want, row.former),
            None => (None, Vec::new()),
        };
        if current == want {
            return Applied::default();
        }
        if let Some(old) = current {
            push_former(&mut former, old.held());
        }
        if let Some(want) = &want {
            former.retain(|held| !held.is_of(want));
        }
        let mut undo = Undo::default();
        self.put(key, want, former, &mut undo);
        Self::applied(undo, Vec::new())
    }

    /// Takes a change back whose commit failed. Changes made since must have been taken back before.
    pub fn revert(&mut self, undo: Undo) {
        for (key, before) in undo.before {
            self.set(&key, before.as_ref());
        }
    }

    /// Takes back what [`WantedTable::begin`] took in and what was not stored. Changes made since must have been taken back
    /// before.
    pub fn revert_new(&mut self, new: &NewName) {
        self.set(&RowKey::Reverse(new.address), None);
        self.set(&RowKey::Forward(new.name.clone()), None);
    }

    /// The updater confirmed that DNS holds what `generation` of `key` wanted. When that is still the newest, the
    /// row's former owners are forgotten, and a row that wants nothing is removed: `Some` says that the store may
    /// drop it too, and takes the removal back.
    pub fn remove_settled(&mut self, key: &RowKey, generation: u64) -> Option<Undo> {
        // Any other row wants something, and has left nothing behind.
        let row = self.rows.odd(key).filter(|row| row.generation == generation)?;
        if row.want.is_some() {
            // The stored row keeps them until its next change: removing them once more does no harm.
            self.forget_former(key, generation);
            return None;
        }
        let removed = self.set(key, None);
        Some(Undo { before: vec![(key.clone(), removed)], now: Vec::new() })
    }

    /// DNS holds what this generation of a row wants: nothing else of it is there.
    fn forget_former(&mut self, key: &RowKey, generation: u64) {
        let Some(row) = self.rows.odd(key) else { return };
        if row.generation == generation && row.want.is_some() && !row.former.is_empty() {
            let row = WantedRow { former: Vec::new(), ..row.clone() };
            self.rows.set(key, Some(&row));
        }
    }
}

#[cfg(test)]
mod tests;
