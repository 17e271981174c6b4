//! One record as bytes: a name and its one address, with what is wanted of each.
//!
//! ```text
//! flags │ address (4 or 16) │ first label with its length │ number of the domain │ TTL │ length, identity
//!       │ generation of the name │ generation of the address, as the difference to the name's when both are there
//!       │ notes, when there are any: of each of the two its lane and whether it is done, and seconds as the generation
//! ```
//!
//! Numbers take seven bits a byte; the least first. What a difference is may be negative: its sign is the lowest bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arena::{push_number, take_number};
use dns::ConflictGuard;

const FORWARD: u8 = 1;
const REVERSE: u8 = 1 << 1;
const AFTER_FORWARD: u8 = 1 << 2;
const V6: u8 = 1 << 3;
const NOTED: u8 = 1 << 4;
/// Where the two bits of the guard's code begin.
const GUARD_SHIFT: u32 = 5;

/// What the reconciler knows of a row besides; the DHCP side has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// The zone, by its place in the settings.
    pub(crate) lane: u32,
    /// DNS holds what is wanted.
    pub(crate) done: bool,
    /// UTC seconds of the last answer.
    pub(crate) at: u64,
}

/// What is known of the name alone, or of the address alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Half {
    pub(crate) generation: u64,
    pub(crate) note: Note,
}

/// See the module. Has at least one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) address: IpAddr,
    /// The name's first label, its length octet included.
    pub(super) label: &'a [u8],
    /// The number of the rest of the name.
    pub(super) domain: u32,
    pub(super) ttl_secs: u32,
    /// As [`dns::HostIdentity::to_bytes`] writes it.
    pub(super) identity: &'a [u8],
    /// Of the name.
    pub(super) guard: ConflictGuard,
    /// Of the address.
    pub(super) after_forward: bool,
    /// The name's row.
    pub(super) forward: Option<Half>,
    /// The address' row.
    pub(super) reverse: Option<Half>,
}

impl<'a> Record<'a> {
    /// Reads what [`Record::write`] wrote, and how long that is. What stands behind it is not looked at.
    pub(super) fn read(bytes: &'a [u8]) -> (Self, usize) {
        let mut rest = bytes;
        let flags = take(&mut rest, 1).first().copied().unwrap_or_default();
        let has = |flag: u8| flags & flag != 0;
        let address = read_address(&mut rest, has(V6));
        let label = read_label(&mut rest);
        let domain = take_number(&mut rest) as u32;
        let ttl_secs = take_number(&mut rest) as u32;
        let length = take_number(&mut rest) as usize;
        let identity = take(&mut rest, length);
        let mut forward = has(FORWARD).then(|| Half { generation: take_number(&mut rest), note: Note::default() });
        let mut reverse = has(REVERSE).then(|| {
            let generation = number_beside(&mut rest, forward.map(|half| half.generation));
            Half { generation, note: Note::default() }
        });
        if has(NOTED) {
            if let Some(half) = &mut forward {
                half.note = read_note(&mut rest, None);
            }
            let beside = forward.map(|half| half.note.at);
            if let Some(half) = &mut reverse {
                half.note = read_note(&mut rest, beside);
            }
        }
        let guard = ConflictGuard::from_code((flags >> GUARD_SHIFT) & 3).unwrap_or_default();
        let after_forward = has(AFTER_FORWARD);
        let record = Self { address, label, domain, ttl_secs, identity, guard, after_forward, forward, reverse };
        (record, bytes.len() - rest.len())
    }

    /// Appends the record.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let halves = [self.forward, self.reverse];
        let noted = halves.iter().flatten().any(|half| half.note != Note::default());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.push(
            flag(self.forward.is_some(), FORWARD)
                | flag(self.reverse.is_some(), REVERSE)
                | flag(self.after_forward, AFTER_FORWARD)
                | flag(self.address.is_ipv6(), V6)
                | flag(noted, NOTED)
                | self.guard.code() << GUARD_SHIFT,
        );
        match self.address {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        }
        out.extend_from_slice(self.label);
        push_number(out, self.domain.into());
        push_number(out, self.ttl_secs.into());
        push_number(out, self.identity.len() as u64);
        out.extend_from_slice(self.identity);
        if let Some(half) = self.forward {
            push_number(out, half.generation);
        }
        if let Some(half) = self.reverse {
            push_beside(out, half.generation, self.forward.map(|half| half.generation));
        }
        if noted {
            let mut beside = None;
            for half in halves.into_iter().flatten() {
                push_number(out, u64::from(half.note.lane) << 1 | u64::from(half.note.done));
                push_beside(out, half.note.at, beside);
                beside = Some(half.note.at);
            }
        }
    }
}

/// The address of a record, the first label and the number of its domain: all that tells whose it is.
pub(super) fn read_keys(bytes: &[u8]) -> (IpAddr, &[u8], u32) {
    let mut rest = bytes;
    let flags = take(&mut rest, 1).first().copied().unwrap_or_default();
    let address = read_address(&mut rest, flags & V6 != 0);
    let label = read_label(&mut rest);
    (address, label, take_number(&mut rest) as u32)
}

fn read_label<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.first().map_or(0, |octet| usize::from(*octet) + 1);
    take(rest, length)
}

fn read_address(rest: &mut &[u8], is_v6: bool) -> IpAddr {
    if is_v6 {
        let octets: [u8; 16] = take(rest, 16).try_into().unwrap_or_default();
        return Ipv6Addr::from(octets).into();
    }
    let octets: [u8; 4] = take(rest, 4).try_into().unwrap_or_default();
    Ipv4Addr::from(octets).into()
}

fn read_note(rest: &mut &[u8], beside: Option<u64>) -> Note {
    let lane = take_number(rest);
    Note { lane: (lane >> 1) as u32, done: lane & 1 != 0, at: number_beside(rest, beside) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(length.min(rest.len()));
    *rest = after;
    taken
}

/// A number as its difference to one that is there already.
fn push_beside(out: &mut Vec<u8>, number: u64, beside: Option<u64>) {
    let Some(beside) = beside else { return push_number(out, number) };
    let difference = number.wrapping_sub(beside) as i64;
    push_number(out, (difference << 1 ^ difference >> 63) as u64);
}

fn number_beside(rest: &mut &[u8], beside: Option<u64>) -> u64 {
    let found = take_number(rest);
    let Some(beside) = beside else { return found };
    beside.wrapping_add((found >> 1) ^ (found & 1).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn half() -> impl Strategy<Value = Half> {
        let note = (any::<u32>(), any::<bool>(), any::<u64>()).prop_map(|(lane, done, at)| Note { lane, done, at });
        let note = prop_oneof![Just(Note::default()), note];
        (any::<u64>(), note).prop_map(|(generation, note)| Half { generation, note })
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_follows_is_not(
            (address, label, domain, ttl_secs) in (address(), 1..64_u8, any::<u32>(), any::<u32>()),
            identity in prop::collection::vec(any::<u8>(), 1..257),
            (guard, after_forward) in (0..4_u8, any::<bool>()),
            (forward, reverse) in (prop::option::of(half()), prop::option::of(half())),
        ) {
            let label: Vec<u8> = std::iter::once(label).chain((0..label).map(|at| at.wrapping_mul(37))).collect();
            let guard = ConflictGuard::from_code(guard).unwrap_or_default();
            let (label, identity) = (&label[..], &identity[..]);
            let record = Record { address, label, domain, ttl_secs, identity, guard, after_forward, forward, reverse };
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            let length = bytes.len();
            bytes.extend([0xFF; 9]);
            prop_assert_eq!(Record::read(&bytes), (record, length));
            prop_assert_eq!(read_keys(&bytes), (address, label, domain));
        }
    }
}
