//! Who a client is.

/// A hardware address: `htype`, and `hlen` bytes of `chaddr` (RFC 2131 section 2). At most 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HardwareAddress {
    /// The hardware type of the ARP registry; 1 is Ethernet.
    pub htype: u8,
    len: u8,
    bytes: [u8; 16],
}

impl HardwareAddress {
    /// From `htype` and at most 16 bytes; `None` for more.
    #[must_use]
    pub fn new(htype: u8, address: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        Some(Self { htype, len: u8::try_from(address.len()).ok()?, bytes })
    }

    /// The address, `hlen` bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The data of the client identifier option (61), type byte included: 2 to 255 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub Box<[u8]>);

/// The key of a client's leases (RFC 2131 section 4.2): the client identifier when it was sent (and the
/// subnet does not say otherwise), else the hardware address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ClientKey {
    /// Keyed on option 61.
    ClientId(ClientId),
    /// Keyed on `htype` and `chaddr`.
    Hardware(HardwareAddress),
}
