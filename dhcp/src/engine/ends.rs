//! Ends of names that leases share, each kept once and named by one byte.

use std::collections::BTreeMap;

use dns::Fqdn;

/// So many are kept: those that come first. A network has few, and names that end otherwise are kept whole. None is
/// forgotten while the engine lives, so that a number stays good for records that are put back.
const ENDS_MAX: usize = 255;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ends {
    all: Vec<Fqdn>,
    by_wire: BTreeMap<Box<[u8]>, u8>,
}

impl Ends {
    /// The number of an end in wire form; `None` where there is no room for it.
    pub(super) fn number_of(&mut self, wire: &[u8]) -> Option<u8> {
        if let Some(number) = self.by_wire.get(wire) {
            return Some(*number);
        }
        let number = u8::try_from(self.all.len()).ok().filter(|_| self.all.len() < ENDS_MAX)?;
        self.all.push(Fqdn::from_wire(wire).ok()?);
        self.by_wire.insert(wire.into(), number);
        Some(number)
    }

    /// The end that a number names.
    pub(super) fn at(&self, number: u8) -> Option<&Fqdn> {
        self.all.get(usize::from(number))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_one_number_and_those_that_there_is_no_room_for_none() {
        let mut ends = Ends::default();
        let end = |number: usize| format!("d{number}.example").parse::<Fqdn>().unwrap();
        for number in 0..300 {
            let expected = u8::try_from(number).ok().filter(|_| number < ENDS_MAX);
            assert_eq!(ends.number_of(end(number).as_wire()), expected);
            assert_eq!(ends.number_of(end(number).as_wire()), expected, "again");
        }
        assert_eq!(ends.at(7), Some(&end(7)));
        assert_eq!(ends.at(255), None);
    }
}
