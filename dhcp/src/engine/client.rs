//! Who asks, and whether a record is theirs.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::pools::stable_hash;
use crate::identity::HardwareAddress;
use crate::lease::Lease;
use crate::message::Message;

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

    /// A client of which only its identifier is known.
    pub(super) fn with_id(id: &'a [u8]) -> Self {
        Self { hardware: HardwareAddress::NONE, id: Some(id), relay: &[] }
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

    /// The hash of the key where identifiers count: of the identifier when there is one, else of the hardware address.
    pub(super) fn key_hash(&self) -> u64 {
        match self.id {
            Some(id) => hash(&id),
            None => self.hardware_hash(),
        }
    }

    /// A hash of the key that is the same on every server, where identifiers are ignored or not.
    pub(super) fn hash_everywhere(&self, ignore_client_id: bool) -> u64 {
        match self.id_that_counts(ignore_client_id) {
            Some(id) => stable_hash(61, id),
            None => stable_hash(self.hardware.htype, self.hardware.as_bytes()),
        }
    }

    pub(super) fn hardware_hash(&self) -> u64 {
        hash(&self.hardware)
    }
}

/// SipHash with a fixed key. The indexes are ordered sets of whole hashes, which are compared with the record they
/// lead to: nobody can make many keys share all 64 bits, so no secret is needed, and every run is the same.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
