//! A hardware address as records keep it.

use crate::identity::HardwareAddress;

/// So many bytes of an address stand here, as many as Ethernet has; what is behind them stands at the end of the record's
/// packed part.
const KEPT: usize = 6;

/// The length of a hardware address, its type and its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine([u8; 2 + KEPT]);

impl Machine {
    pub(super) fn new(hardware: HardwareAddress) -> Self {
        let address = hardware.as_bytes();
        let mut bytes = [0; 2 + KEPT];
        // At most 16.
        bytes[..2].copy_from_slice(&[address.len() as u8, hardware.htype]);
        bytes[2..].iter_mut().zip(address).for_each(|(place, byte)| *place = *byte);
        Self(bytes)
    }

    /// The address, when all of it stands here.
    #[inline]
    pub(super) fn whole(&self) -> Option<HardwareAddress> {
        let [len, htype, a, b, c, d, e, f] = self.0;
        (usize::from(len) <= KEPT).then(|| HardwareAddress::of_six(htype, len, [a, b, c, d, e, f]))
    }

    /// The same with what does not stand here.
    pub(super) fn with(&self, beyond: &[u8]) -> HardwareAddress {
        let [_, htype, kept @ ..] = self.0;
        HardwareAddress::new(htype, &[&kept, beyond].concat()).unwrap_or(HardwareAddress::NONE)
    }

    /// How many bytes do not stand here.
    pub(super) fn beyond(&self) -> usize {
        usize::from(self.0[0]).saturating_sub(KEPT)
    }

    /// The address behind its type, as most clients make their identifier (RFC 2132 section 9.14: "The client identifier
    /// MAY consist of type-value pairs similar to the 'htype'/'chaddr' fields"); empty for one that does not stand here
    /// whole.
    #[inline]
    pub(super) fn as_client_id(&self) -> &[u8] {
        match usize::from(self.0[0]) {
            KEPT => &self.0[1..],
            len @ 1..KEPT => &self.0[1..2 + len],
            _ => &[],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_any_length_comes_back() {
        for len in 0..=16 {
            let address: Vec<u8> = (0..len).map(|byte| byte * 15 + 1).collect();
            let hardware = HardwareAddress::new(32, &address).unwrap();
            let machine = Machine::new(hardware);
            let beyond = &address[address.len() - machine.beyond()..];
            assert_eq!(machine.whole().unwrap_or_else(|| machine.with(beyond)), hardware);
            let id = if (1..=6).contains(&len) { [&[32], &address[..]].concat() } else { Vec::new() };
            assert_eq!(machine.as_client_id(), id, "{len} bytes");
        }
    }
}
