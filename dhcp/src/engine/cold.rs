//! The part of a record that few decisions read, packed into one piece of an arena.
//!
//! Its length as two bytes, one byte of [`Flag`]s; the lengths of client identifier, hostname, option 81 and option 82 as
//! one byte each, or two (seven bits in the first, whose upper bit says so); their bytes in that order; then, as the flags
//! say, the relay (4 bytes), the server identifier override (4), and the name: time to live (seven bits a byte), its guard,
//! the number of its end ([`Ends`]) and its first label with its length, and unless it follows from the record, whose it is
//! (kind and length, one byte each, then the identifier; hardware starts with its type). At the end, what the record has no
//! room for of the hardware address.
//!
//! What most clients say twice stands once: an identifier of no bytes is the hardware address behind its type, a label of no
//! bytes the host name in lower case. With the number [`WHOLE`] the name stands there in wire form, and its length before it.

use std::fmt;
use std::net::Ipv4Addr;

use arena::{push_number, take_number};
use dns::{Bytes, ConflictGuard, Fqdn, HostIdentity, NAME_OCTETS_MAX};

use super::ends::Ends;
use super::machine::Machine;
use crate::identity::{ClientId, HardwareAddress};
use crate::lease::{Lease, LeaseName};
use crate::names::host_identity;

/// See the module. A typical record takes some 42 bytes, and four more with a name.
#[derive(Clone, Copy)]
pub(super) struct Cold<'p> {
    bytes: &'p [u8],
    machine: &'p Machine,
}

impl fmt::Debug for Cold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cold").field(&self.bytes()).finish()
    }
}

/// Bits of the first byte.
enum Flag {}

impl Flag {
    const CLIENT_ID: u8 = 1;
    const RELAY: u8 = 2;
    const OVERRIDE: u8 = 4;
    const NAME: u8 = 8;
    const FORWARD: u8 = 16;
    const REVERSE: u8 = 32;
    /// The name's identity does not follow from the client's.
    const IDENTITY: u8 = 64;
    /// The name is not guarded as most are: a byte says how.
    const GUARD: u8 = 128;
}

/// What a record unpacks to.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) client_id: Option<ClientId>,
    pub(super) hostname: Bytes,
    pub(super) client_fqdn: Bytes,
    pub(super) name: Option<LeaseName>,
    pub(super) relay: Option<Ipv4Addr>,
    pub(super) relay_agent_info: Bytes,
    pub(super) server_identifier_override: Option<Ipv4Addr>,
}

/// The length and the flags.
const HEADER_BYTES: usize = 3;
/// The number of an end of a name that is none.
const WHOLE: u8 = u8::MAX;
/// The most of one part that is kept. Nothing comes near: each is read from one datagram, or from a record of the store
/// made from one.
const PART_BYTES_MAX: usize = 4096;

impl<'p> Cold<'p> {
    /// What begins at `bytes`, whatever stands behind it, of the record of `machine`.
    #[inline]
    pub(super) fn read(bytes: &'p [u8], machine: &'p Machine) -> Self {
        Self { bytes, machine }
    }

    /// How long what begins at `bytes` is.
    pub(super) fn length(bytes: &[u8]) -> usize {
        bytes.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_le_bytes(*length)))
    }

    /// All of it, and nothing of what stands behind it.
    pub(super) fn bytes(&self) -> &'p [u8] {
        self.bytes.get(..Self::length(self.bytes)).unwrap_or_default()
    }

    /// Packs what a lease has of it, in place of what `packed` held.
    pub(super) fn pack(lease: &Lease, ends: &mut Ends, packed: &mut Vec<u8>) {
        let machine = Machine::new(lease.hardware);
        // An identifier has two bytes at least.
        let client_id = lease.client_id.as_ref().map_or(&[][..], |id| &id.0);
        let client_id = if client_id == machine.as_client_id() { &[] } else { client_id };
        let parts = [client_id, &lease.hostname, &lease.client_fqdn, &lease.relay_agent_info];
        let parts = parts.map(|part| &part[..part.len().min(PART_BYTES_MAX)]);
        let follows = lease
            .name
            .as_ref()
            .is_some_and(|name| name.identity == host_identity(lease.hardware, lease.client_id.as_ref()));

        let mut flags = 0;
        let mut set = |flag, holds: bool| flags |= if holds { flag } else { 0 };
        set(Flag::CLIENT_ID, lease.client_id.is_some());
        set(Flag::RELAY, !lease.relay.is_unspecified());
        set(Flag::OVERRIDE, lease.server_identifier_override.is_some());
        set(Flag::NAME, lease.name.is_some());
        set(Flag::FORWARD, lease.name.as_ref().is_some_and(|name| name.forward));
        set(Flag::REVERSE, lease.name.as_ref().is_some_and(|name| name.reverse));
        set(Flag::IDENTITY, lease.name.is_some() && !follows);
        set(Flag::GUARD, lease.name.as_ref().is_some_and(|name| name.guard != ConflictGuard::default()));

        packed.clear();
        packed.extend_from_slice(&[0, 0, flags]);
        parts.iter().for_each(|part| push_number(packed, part.len() as u64));
        parts.iter().for_each(|part| packed.extend_from_slice(part));
        if flags & Flag::RELAY != 0 {
            packed.extend_from_slice(&lease.relay.octets());
        }
        packed.extend(lease.server_identifier_override.iter().flat_map(Ipv4Addr::octets));
        if let Some(name) = &lease.name {
            push_number(packed, name.ttl_secs.into());
            if flags & Flag::GUARD != 0 {
                packed.push(name.guard.code());
            }
            push_name(packed, &name.fqdn, parts[1], ends);
            if !follows {
                push_identity(packed, &name.identity);
            }
        }
        let address = lease.hardware.as_bytes();
        packed.extend_from_slice(&address[address.len() - machine.beyond()..]);
        // Four parts and a name come to less.
        let whole = u16::try_from(packed.len()).unwrap_or(u16::MAX);
        packed[..2].copy_from_slice(&whole.to_le_bytes());
    }

    #[inline]
    pub(super) fn hardware(&self) -> HardwareAddress {
        match self.machine.whole() {
            Some(hardware) => hardware,
            None => self.long_hardware(),
        }
    }

    #[cold]
    #[inline(never)]
    fn long_hardware(&self) -> HardwareAddress {
        let bytes = self.bytes();
        self.machine.with(&bytes[bytes.len().saturating_sub(self.machine.beyond())..])
    }

    #[inline]
    pub(super) fn client_id(&self) -> Option<&'p [u8]> {
        if self.flags() & Flag::CLIENT_ID == 0 {
            return None;
        }
        let id = self.part(0);
        Some(if id.is_empty() { self.machine.as_client_id() } else { id })
    }

    pub(super) fn has_name(&self) -> bool {
        self.flags() & Flag::NAME != 0
    }

    /// Option 12; empty for none.
    pub(super) fn hostname(&self) -> &'p [u8] {
        self.part(1)
    }

    /// Option 81; empty for none.
    pub(super) fn client_fqdn(&self) -> &'p [u8] {
        self.part(2)
    }

    /// `giaddr`; unspecified for none.
    pub(super) fn relay(&self) -> Ipv4Addr {
        let mut rest = self.behind();
        Some(())
            .filter(|()| self.flags() & Flag::RELAY != 0)
            .and_then(|()| take_address(&mut rest))
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Option 82; empty for none.
    pub(super) fn relay_agent_info(&self) -> &'p [u8] {
        self.part(3)
    }

    pub(super) fn server_identifier_override(&self) -> Option<Ipv4Addr> {
        if self.flags() & Flag::OVERRIDE == 0 {
            return None;
        }
        let mut rest = self.behind();
        if self.flags() & Flag::RELAY != 0 {
            take_address(&mut rest);
        }
        take_address(&mut rest)
    }

    /// What DNS should hold for it.
    pub(super) fn lease_name(&self, ends: &Ends) -> Option<LeaseName> {
        if self.has_name() { self.unpack(self.hardware(), ends).name } else { None }
    }

    /// `hardware` is its own.
    pub(super) fn unpack(&self, hardware: HardwareAddress, ends: &Ends) -> Unpacked {
        let client_id = self.client_id().map(|id| ClientId(id.into()));
        let flags = self.flags();
        let mut rest = self.behind();
        let relay = if flags & Flag::RELAY != 0 { take_address(&mut rest) } else { None };
        let server_identifier_override = if flags & Flag::OVERRIDE != 0 { take_address(&mut rest) } else { None };
        let name = if flags & Flag::NAME != 0 { self.name(rest, hardware, client_id.as_ref(), ends) } else { None };
        Unpacked {
            hostname: self.hostname().into(),
            client_fqdn: self.client_fqdn().into(),
            relay_agent_info: self.relay_agent_info().into(),
            client_id,
            name,
            relay,
            server_identifier_override,
        }
    }

    fn name(
        &self,
        mut rest: &[u8],
        hardware: HardwareAddress,
        client_id: Option<&ClientId>,
        ends: &Ends,
    ) -> Option<LeaseName> {
        // 32 bits were put there.
        let ttl_secs = take_number(&mut rest) as u32;
        let guard = if self.flags() & Flag::GUARD == 0 {
            ConflictGuard::default()
        } else {
            let (code, after) = rest.split_first()?;
            rest = after;
            ConflictGuard::from_code(*code)?
        };
        let fqdn = take_name(&mut rest, self.hostname(), ends)?;
        let identity =
            if self.flags() & Flag::IDENTITY == 0 { host_identity(hardware, client_id) } else { take_identity(rest)? };
        Some(LeaseName {
            fqdn,
            identity,
            forward: self.flags() & Flag::FORWARD != 0,
            reverse: self.flags() & Flag::REVERSE != 0,
            ttl_secs,
            guard,
        })
    }

    fn flags(&self) -> u8 {
        self.bytes.get(2).copied().unwrap_or(0)
    }

    /// One of the four parts.
    #[inline]
    fn part(&self, number: usize) -> &'p [u8] {
        // As a rule every length is one byte, so that they are found without reading one after the other.
        if let Some((lengths, rest)) = self.bytes.get(HEADER_BYTES..).and_then(|rest| rest.split_first_chunk::<4>())
            && u32::from_le_bytes(*lengths) & 0x8080_8080 == 0
        {
            let before: usize = lengths[..number].iter().map(|length| usize::from(*length)).sum();
            return rest.get(before..before + usize::from(lengths[number])).unwrap_or_default();
        }
        self.parts().0[number]
    }

    /// What stands behind the four parts.
    #[inline]
    fn behind(&self) -> &'p [u8] {
        if let Some((lengths, rest)) = self.bytes.get(HEADER_BYTES..).and_then(|rest| rest.split_first_chunk::<4>())
            && u32::from_le_bytes(*lengths) & 0x8080_8080 == 0
        {
            let before: usize = lengths.iter().map(|length| usize::from(*length)).sum();
            return rest.get(before..).unwrap_or_default();
        }
        self.parts().1
    }

    /// The four parts, and what stands behind them, of whatever lengths.
    #[cold]
    #[inline(never)]
    fn parts(&self) -> ([&'p [u8]; 4], &'p [u8]) {
        let mut rest = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let lengths = [(); 4].map(|()| take_number(&mut rest) as usize);
        let parts = lengths.map(|length| {
            let (part, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            part
        });
        (parts, rest)
    }
}

/// `hostname` is that of the record.
fn push_name(packed: &mut Vec<u8>, name: &Fqdn, hostname: &[u8], ends: &mut Ends) {
    let wire = name.as_wire();
    let split = wire.split_at_checked(1 + usize::from(wire[0])).filter(|(label, _)| label.len() > 1);
    let Some(((label, _), number)) = split.and_then(|split| Some((split, ends.number_of(split.1)?))) else {
        packed.push(WHOLE);
        return push_short(packed, wire);
    };
    packed.push(number);
    let is_hostname = hostname.eq_ignore_ascii_case(&label[1..]);
    packed.extend_from_slice(if is_hostname { &[0] } else { label });
}

fn take_name(rest: &mut &[u8], hostname: &[u8], ends: &Ends) -> Option<Fqdn> {
    let (number, after) = rest.split_first()?;
    *rest = after;
    if *number == WHOLE {
        return Fqdn::from_wire(take_short(rest)?).ok();
    }
    let label = take_short(rest)?;
    let (label, end) = (if label.is_empty() { hostname } else { label }, ends.at(*number)?.as_wire());
    // Put together in one piece: a name is one allocation.
    let mut wire = [0; NAME_OCTETS_MAX];
    let (length, end_at) = (u8::try_from(label.len()).ok()?, 1 + label.len());
    wire[0] = length;
    wire.get_mut(1..end_at)?.copy_from_slice(label);
    wire.get_mut(end_at..end_at + end.len())?.copy_from_slice(end);
    Fqdn::from_wire(&wire[..end_at + end.len()]).ok()
}

/// At most 255 bytes, as names and identities have.
fn push_short(packed: &mut Vec<u8>, data: &[u8]) {
    let len = u8::try_from(data.len()).unwrap_or(u8::MAX);
    packed.push(len);
    packed.extend_from_slice(&data[..usize::from(len)]);
}

fn take_short<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let (len, after) = rest.split_first()?;
    let (data, after) = after.split_at_checked(usize::from(*len))?;
    *rest = after;
    Some(data)
}

fn take_address(rest: &mut &[u8]) -> Option<Ipv4Addr> {
    let (octets, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(Ipv4Addr::from(*octets))
}

fn push_identity(packed: &mut Vec<u8>, identity: &HostIdentity) {
    match identity {
        HostIdentity::Hardware { htype, chaddr } => {
            packed.push(0);
            push_short(packed, &[&[*htype], &chaddr[..chaddr.len().min(254)]].concat());
        }
        HostIdentity::ClientId(id) => {
            packed.push(1);
            push_short(packed, id);
        }
        HostIdentity::Duid(duid) => {
            packed.push(2);
            push_short(packed, duid);
        }
        // No lease has one.
        HostIdentity::Stated(_) => {
            packed.push(3);
            push_short(packed, &[]);
        }
    }
}

fn take_identity(rest: &[u8]) -> Option<HostIdentity> {
    let (kind, mut rest) = rest.split_first()?;
    let data = take_short(&mut rest)?;
    match (kind, data) {
        (0, [htype, chaddr @ ..]) => Some(HostIdentity::Hardware { htype: *htype, chaddr: chaddr.into() }),
        (1, id) => Some(HostIdentity::ClientId(id.into())),
        (2, duid) => Some(HostIdentity::Duid(duid.into())),
        _ => None,
    }
}
