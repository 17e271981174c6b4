//! Who asks, and whether a record is theirs.

use std::cell::{Cell, OnceCell};
use std::net::Ipv4Addr;

use super::pools::stable_hash;
use super::slab::Home;
use crate::identity::HardwareAddress;
use crate::lease::Lease;
use crate::message::Message;
use dns::sip::Sip;

/// What a message says of its sender's identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    pub(super) hardware: HardwareAddress,
    /// The client identifier's data.
    pub(super) id: Option<&'a [u8]>,
    /// What relays and switches say of it: the data of option 82; empty for nothing.
    pub(super) relay: &'a [u8],
}

impl<'a> Client<'a> {
    /// `relay` is the data of option 82.
    pub(super) fn of(message: &'a Message<'_>, relay: &'a [u8]) -> Self {
        Self { hardware: message.hardware, id: message.client_id.as_ref().map(|id| &*id.0), relay }
    }

    /// The client of a lease.
    pub(super) fn of_lease(lease: &'a Lease) -> Self {
        let id = lease.client_id.as_ref().map(|id| &*id.0);
        Self { hardware: lease.hardware, id, relay: &lease.relay_agent_info }
    }

    /// Whether `other` is the same client where identifiers are ignored (`ignore_client_id`) or not.
    ///
    /// RFC 2131 section 4.2: "If the client supplies a 'client identifier', the client MUST use the same 'client
    /// identifier' in all subsequent messages, and the server MUST use that identifier to identify the client. If the
    /// client does not provide a 'client identifier' option, the server MUST use the contents of the 'chaddr' field
    /// to identify the client."
    pub(super) fn is(&self, other: Client<'_>, ignore_client_id: bool) -> bool {
        match (self.id_that_counts(ignore_client_id), other.id_that_counts(ignore_client_id)) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, None) => self.hardware == other.hardware,
            _ => false,
        }
    }

    /// Whether both come from one interface. Hardware without an address says nothing.
    pub(super) fn has_hardware_of(&self, other: Client<'_>) -> bool {
        self.hardware == other.hardware && !self.hardware.as_bytes().is_empty()
    }

    /// The identifier, where it is the key.
    fn id_that_counts(&self, ignore_client_id: bool) -> Option<&'a [u8]> {
        self.id.filter(|_| !self.has_its_id_ignored(ignore_client_id))
    }

    /// Whether the hardware address is the key, whatever the identifier. Hardware without an address is keyed on its
    /// identifier in any case (RFC 4390).
    pub(super) fn has_its_id_ignored(&self, ignore_client_id: bool) -> bool {
        ignore_client_id && !self.hardware.as_bytes().is_empty()
    }

    /// A hash of the key, where identifiers are ignored or not.
    pub(super) fn key_hash(&self, secret: Secret, ignore_client_id: bool) -> u64 {
        match self.id_that_counts(ignore_client_id) {
            Some(id) => secret.hash(id),
            None => secret.hash_hardware(self.hardware),
        }
    }

    /// A hash of the key that is the same on every server, where identifiers are ignored or not.
    pub(super) fn hash_everywhere(&self, ignore_client_id: bool) -> u64 {
        match self.id_that_counts(ignore_client_id) {
            Some(id) => stable_hash(61, id),
            None => stable_hash(self.hardware.htype, self.hardware.as_bytes()),
        }
    }
}

/// A client that asks, with its hashes and where it was found: the sender of a message is looked up many times, and hashed
/// and searched for once.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) client: Client<'a>,
    secret: Secret,
    by_key: OnceCell<u64>,
    by_hardware: OnceCell<u64>,
    /// Where its records and its offers are.
    pub(super) records: Found,
    pub(super) offers: Found,
}

/// Where a client was found last: its ring in one subnet, as long as no ring changes.
#[derive(Debug, Default)]
pub(super) struct Found(Cell<Option<(u64, Home, Option<u32>)>>);

impl Found {
    /// The first slot of the client's ring in `home`; `changes` counts what happens to the rings.
    #[inline]
    pub(super) fn or_find(&self, changes: u64, home: Home, find: impl FnOnce() -> Option<u32>) -> Option<u32> {
        match self.0.get() {
            Some((at, of, first)) if at == changes && of == home => first,
            _ => {
                let first = find();
                self.0.set(Some((changes, home, first)));
                first
            }
        }
    }
}

impl<'a> Asker<'a> {
    pub(super) fn new(client: Client<'a>, secret: Secret) -> Self {
        Self {
            client,
            secret,
            by_key: OnceCell::new(),
            by_hardware: OnceCell::new(),
            records: Found::default(),
            offers: Found::default(),
        }
    }

    /// See [`Client::key_hash`].
    pub(super) fn key_hash(&self, ignore_client_id: bool) -> u64 {
        let cell = if self.client.has_its_id_ignored(ignore_client_id) { &self.by_hardware } else { &self.by_key };
        *cell.get_or_init(|| self.client.key_hash(self.secret, ignore_client_id))
    }
}

/// What hashes of clients begin with. Nobody who does not know it can find clients that fall on each other in a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Secret(u64);

impl Secret {
    /// Another number than the seed, of which what is given out at random tells something.
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(Self(seed).hash(b"clients"))
    }

    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        Sip::new(self.0).bytes(bytes).finish()
    }

    pub(super) fn hash_address(self, address: Ipv4Addr) -> u64 {
        let wide = u128::from(self.0 ^ u64::from(address.to_bits())) * u128::from(SCATTER);
        // The two halves.
        (wide as u64) ^ (wide >> 64) as u64
    }

    pub(super) fn hash_hardware(self, hardware: HardwareAddress) -> u64 {
        self.hash(hardware.as_bytes()).rotate_left(u32::from(hardware.htype))
    }
}

/// 2^64 divided by the golden ratio: by it, neighbours become numbers far apart.
pub(super) const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A client's hash within a subnet.
pub(super) fn hash_within(key_hash: u64, place: u32) -> u64 {
    key_hash ^ u64::from(place).wrapping_mul(SCATTER)
}
