//! Which machines and clients the history tells of, in memory.

mod seen;

use dhcp::identity::{ClientId, HardwareAddress};

use super::keys;
use seen::Seen;

/// How many keys are kept, some five octets each.
const KEYS_MAX: usize = 1 << 20;

/// The keys of machines and clients: by their hashes, so that of four thousand million machines one passes for another.
#[derive(Debug)]
pub struct Known {
    keys: Seen,
    most: usize,
    is_whole: bool,
}

/// Whether a machine was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It was.
    Again,
    /// It was not.
    First,
    /// Not as far as there was room to remember: the history itself is to be asked.
    Unknown,
}

impl Default for Known {
    fn default() -> Self {
        Self { keys: Seen::default(), most: KEYS_MAX, is_whole: true }
    }
}

impl Known {
    /// Looks for a machine, and for what its client calls itself; both are known from then on.
    pub fn meet(&mut self, hardware: &HardwareAddress, client_id: Option<&ClientId>) -> Sight {
        let mut is_known = !self.add(keys::of_hardware(hardware));
        if let Some(client_id) = client_id.filter(|id| !keys::is_hardware(id, hardware)) {
            // One that is the hardware address of another machine is known by that.
            let of_machine = keys::of_octets(client_id.0.get(1..).unwrap_or_default());
            is_known |= self.keys.contains(of_machine) | !self.add(keys::of_client_id(client_id));
        }
        match (is_known, self.is_whole) {
            (true, _) => Sight::Again,
            (false, true) => Sight::First,
            (false, false) => Sight::Unknown,
        }
    }

    /// Takes in a key; whether it was none of these. One that there is no room for is not taken in.
    pub(super) fn add(&mut self, key: u32) -> bool {
        if self.keys.len() < self.most {
            return self.keys.insert(key);
        }
        let is_new = !self.keys.contains(key);
        self.is_whole &= !is_new;
        is_new
    }

    /// Something of the history is not among these.
    pub(super) fn lacks_some(&mut self) {
        self.is_whole = false;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing step is a failing test")]
mod tests {
    use super::*;

    fn machine(number: u32) -> HardwareAddress {
        HardwareAddress::new(1, &number.to_be_bytes()).unwrap()
    }

    #[test]
    fn a_machine_is_met_first_once_by_its_address_or_by_what_its_client_says() {
        let mut known = Known::default();
        let id = ClientId(b"\xff a client".as_slice().into());
        assert_eq!(known.meet(&machine(1), Some(&id)), Sight::First);
        assert_eq!(known.meet(&machine(1), None), Sight::Again);
        assert_eq!(known.meet(&machine(2), Some(&id)), Sight::Again, "another card");
        assert_eq!(known.meet(&machine(2), None), Sight::Again);
        let old_card = ClientId([&[1][..], machine(1).as_bytes()].concat().into());
        assert_eq!(known.meet(&machine(3), Some(&old_card)), Sight::Again, "it says the address of its former card");
        assert_eq!(known.meet(&machine(4), None), Sight::First);
    }

    #[test]
    fn beyond_what_there_is_room_for_nothing_is_said_to_be_new() {
        let mut known = Known { most: 8, ..Known::default() };
        let met: Vec<Sight> = (0..20).map(|number| known.meet(&machine(number), None)).collect();
        assert_eq!(met[..8], [Sight::First; 8]);
        assert_eq!(met[8..], [Sight::Unknown; 12]);
        assert_eq!(known.meet(&machine(3), None), Sight::Again);
        assert_eq!(known.keys.len(), 8);
    }
}
