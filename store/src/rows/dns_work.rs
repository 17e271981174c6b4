//! Wanted and confirmed DNS content as fields.
//!
//! ```text
//! wanted:     1 generation   2 want: 1 name, 2 identity, 3 addresses, 4 TTL, 5 after the forward row (present: yes)
//!                     6 guard of the name (absent: by DHCID)
//!             3 former, once each: as "holds"   4 withdrawn by the configuration (present: yes)
//! confirmed:  1 generation   2 done (present: yes)   3 holds: 1 name, 2 identity, 3 addresses, 6 guard as above
//!             4 last answer: kind, response code   5 attempts   6 time of the last answer
//!             7 site: labels of the apex; of a remote server also its address and port (little-endian)
//!             8 what may still be done by one of several servers: 1 until when, 2 what, once each: as "holds"
//! ```

use std::net::{IpAddr, SocketAddr};
use std::slice;

use ddns::kerberos::KerberosFault;
use ddns::reconcile::{ConfirmedRow, LastAnswer, Unsure};
use ddns::settings::Site;
use ddns::wanted::{Held, NewName, RowKey, Want, WantedRow};
use dns::{ConflictGuard, Fqdn, HostIdentity, Rcode, RecordType};

use super::RowFault;
use super::field::{self, put, put_addresses, put_bytes, put_identity, put_name, put_number};

const KEY_FORWARD: u8 = 1;
const KEY_REVERSE: u8 = 2;
const KEY_STATED: u8 = 3;

const GENERATION: u8 = 1;

const WANT: u8 = 2;
const FORMER: u8 = 3;
const BY_CONFIGURATION: u8 = 4;

const DONE: u8 = 2;
const HOLDS: u8 = 3;
const LAST: u8 = 4;
const ATTEMPTS: u8 = 5;
const AT: u8 = 6;
const SITE: u8 = 7;
const UNSURE: u8 = 8;

const UNTIL: u8 = 1;
const WRITES: u8 = 2;

const NAME: u8 = 1;
const IDENTITY: u8 = 2;
const ADDRESSES: u8 = 3;
const TTL: u8 = 4;
const AFTER_FORWARD: u8 = 5;
const GUARD: u8 = 6;

pub(super) fn key(key: &RowKey, out: &mut Vec<u8>) {
    match key {
        RowKey::Forward(name) => forward_key(name, out),
        RowKey::Reverse(address) => reverse_key(*address, out),
        RowKey::Stated(name, rtype) => {
            out.push(KEY_STATED);
            out.extend_from_slice(&rtype.0.to_be_bytes());
            out.extend_from_slice(name.as_wire());
        }
    }
}

fn forward_key(name: &Fqdn, out: &mut Vec<u8>) {
    out.push(KEY_FORWARD);
    out.extend_from_slice(name.as_wire());
}

fn reverse_key(address: IpAddr, out: &mut Vec<u8>) {
    out.push(KEY_REVERSE);
    field::address(out, address);
}

pub(super) fn read_key(key: &[u8]) -> Result<RowKey, RowFault> {
    match key {
        [KEY_FORWARD, name @ ..] => field::read_name(name, "name").map(RowKey::Forward).map_err(|_| RowFault::Key),
        [KEY_REVERSE, address @ ..] => match field::split_address(address) {
            Some((address, [])) => Ok(RowKey::Reverse(address)),
            _ => Err(RowFault::Key),
        },
        [KEY_STATED, high, low, name @ ..] => {
            let name = field::read_name(name, "name").map_err(|_| RowFault::Key)?;
            Ok(RowKey::Stated(name, RecordType(u16::from_be_bytes([*high, *low]))))
        }
        _ => Err(RowFault::Key),
    }
}

/// One of the two rows of a new name.
pub(super) struct Half<'n> {
    new: &'n NewName,
    is_forward: bool,
}

/// The rows of a name and of its address.
pub(super) fn halves(new: &NewName) -> [Half<'_>; 2] {
    [true, false].map(|is_forward| Half { new, is_forward })
}

impl Half<'_> {
    pub(super) fn key(&self, out: &mut Vec<u8>) {
        match self.is_forward {
            true => forward_key(&self.new.name, out),
            false => reverse_key(self.new.address, out),
        }
    }

    fn generation(&self) -> u64 {
        if self.is_forward { self.new.generation } else { self.new.reverse_generation() }
    }

    fn content(&self) -> Content<'_> {
        let NewName { name, identity, address, guard, .. } = self.new;
        let guard = if self.is_forward { *guard } else { ConflictGuard::default() };
        Content { name, identity, addresses: slice::from_ref(address), guard }
    }

    pub(super) fn encode_wanted(&self, out: &mut Vec<u8>) {
        put_number(out, GENERATION, self.generation());
        put(out, WANT, |out| self.content().encode_want(self.new.ttl_secs, !self.is_forward, out));
    }

    pub(super) fn encode_confirmed(&self, site: Site, at: u64, out: &mut Vec<u8>) {
        put_number(out, GENERATION, self.generation());
        put_bytes(out, DONE, &[]);
        put(out, HOLDS, |out| self.content().encode_held(out));
        put(out, LAST, |out| encode_answer(LastAnswer::Done, out));
        put_number(out, ATTEMPTS, 0);
        put_number(out, AT, at);
        put(out, SITE, |out| encode_site(site, out));
    }
}

/// What is wanted or held of a name.
struct Content<'a> {
    name: &'a Fqdn,
    identity: &'a HostIdentity,
    addresses: &'a [IpAddr],
    guard: ConflictGuard,
}

impl<'a> Content<'a> {
    fn of_want(want: &'a Want) -> Self {
        let Want { name, identity, addresses, guard, .. } = want;
        Self { name, identity, addresses, guard: *guard }
    }

    fn encode_want(&self, ttl_secs: u32, after_forward: bool, out: &mut Vec<u8>) {
        put_name(out, NAME, self.name);
        put_identity(out, IDENTITY, self.identity);
        put_addresses(out, ADDRESSES, self.addresses);
        put_number(out, TTL, ttl_secs.into());
        if after_forward {
            put_bytes(out, AFTER_FORWARD, &[]);
        }
        self.encode_guard(out);
    }

    fn encode_held(&self, out: &mut Vec<u8>) {
        put_name(out, NAME, self.name);
        put_identity(out, IDENTITY, self.identity);
        put_addresses(out, ADDRESSES, self.addresses);
        self.encode_guard(out);
    }

    fn encode_guard(&self, out: &mut Vec<u8>) {
        if self.guard != ConflictGuard::default() {
            put_bytes(out, GUARD, &[self.guard.code()]);
        }
    }
}

pub(super) fn encode_wanted(row: &WantedRow, out: &mut Vec<u8>) {
    put_number(out, GENERATION, row.generation);
    if let Some(want) = &row.want {
        let content = Content::of_want(want);
        put(out, WANT, |out| content.encode_want(want.ttl_secs, want.after_forward, out));
    }
    for held in &row.former {
        put(out, FORMER, |out| encode_held(held, out));
    }
    if row.by_configuration {
        put_bytes(out, BY_CONFIGURATION, &[]);
    }
}

pub(super) fn decode_wanted(key: &[u8], value: &[u8]) -> Result<WantedRow, RowFault> {
    let mut row =
        WantedRow { key: read_key(key)?, generation: 0, want: None, former: Vec::new(), by_configuration: false };
    field::read(value, |tag, bytes| {
        match tag {
            GENERATION => row.generation = field::read_number(bytes, "generation")?,
            WANT => row.want = Some(decode_want(bytes)?),
            BY_CONFIGURATION => row.by_configuration = true,
            FORMER => row.former.push(decode_held(bytes)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(row)
}

fn decode_want(value: &[u8]) -> Result<Want, RowFault> {
    let (mut name, mut identity, mut addresses) = (None, None, Vec::new());
    let (mut ttl_secs, mut after_forward, mut guard) = (0, false, ConflictGuard::default());
    field::read(value, |tag, bytes| {
        match tag {
            NAME => name = Some(field::read_name(bytes, "name")?),
            IDENTITY => identity = Some(field::read_identity(bytes, "identity")?),
            ADDRESSES => addresses = field::read_addresses(bytes, "addresses")?,
            TTL => ttl_secs = field::read_u32(bytes, "ttl")?,
            AFTER_FORWARD => after_forward = true,
            GUARD => guard = field::read_guard(bytes)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let name = name.ok_or(RowFault::Missing("name"))?;
    let identity = identity.ok_or(RowFault::Missing("identity"))?;
    Ok(Want { name, identity, addresses, ttl_secs, after_forward, guard })
}

fn encode_held(held: &Held, out: &mut Vec<u8>) {
    let Held { name, identity, addresses, guard } = held;
    Content { name, identity, addresses, guard: *guard }.encode_held(out);
}

fn decode_held(value: &[u8]) -> Result<Held, RowFault> {
    let (mut name, mut identity, mut addresses) = (None, None, Vec::new());
    let mut guard = ConflictGuard::default();
    field::read(value, |tag, bytes| {
        match tag {
            NAME => name = Some(field::read_name(bytes, "name")?),
            IDENTITY => identity = Some(field::read_identity(bytes, "identity")?),
            ADDRESSES => addresses = field::read_addresses(bytes, "addresses")?,
            GUARD => guard = field::read_guard(bytes)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let name = name.ok_or(RowFault::Missing("name"))?;
    let identity = identity.ok_or(RowFault::Missing("identity"))?;
    Ok(Held { name, identity, addresses, guard })
}

pub(super) fn encode_confirmed(row: &ConfirmedRow, out: &mut Vec<u8>) {
    put_number(out, GENERATION, row.generation);
    if row.done {
        put_bytes(out, DONE, &[]);
    }
    if let Some(held) = &row.holds {
        put(out, HOLDS, |out| encode_held(held, out));
    }
    put(out, LAST, |out| encode_answer(row.last, out));
    put_number(out, ATTEMPTS, row.attempts.into());
    put_number(out, AT, row.at);
    if let Some(site) = row.site {
        put(out, SITE, |out| encode_site(site, out));
    }
    if let Some(unsure) = &row.unsure {
        put(out, UNSURE, |out| {
            put_number(out, UNTIL, unsure.until);
            unsure.held.iter().for_each(|held| put(out, WRITES, |out| encode_held(held, out)));
        });
    }
}

pub(super) fn decode_confirmed(key: &[u8], value: &[u8]) -> Result<ConfirmedRow, RowFault> {
    let key = read_key(key)?;
    let last = LastAnswer::None;
    let (generation, done, attempts, at) = (0, false, 0, 0);
    let mut row = ConfirmedRow { key, generation, done, holds: None, site: None, last, attempts, at, unsure: None };
    field::read(value, |tag, bytes| {
        match tag {
            GENERATION => row.generation = field::read_number(bytes, "generation")?,
            DONE => row.done = true,
            HOLDS => row.holds = Some(decode_held(bytes)?),
            LAST => row.last = decode_answer(bytes).ok_or(RowFault::Field("last answer"))?,
            ATTEMPTS => row.attempts = field::read_u32(bytes, "attempts")?,
            AT => row.at = field::read_number(bytes, "at")?,
            SITE => row.site = Some(decode_site(bytes).ok_or(RowFault::Field("site"))?),
            UNSURE => row.unsure = Some(decode_unsure(bytes)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(row)
}

fn decode_unsure(value: &[u8]) -> Result<Unsure, RowFault> {
    let mut unsure = Unsure { until: 0, held: Vec::new() };
    field::read(value, |tag, bytes| {
        match tag {
            UNTIL => unsure.until = field::read_number(bytes, "until")?,
            WRITES => unsure.held.push(decode_held(bytes)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(unsure)
}

fn encode_site(site: Site, out: &mut Vec<u8>) {
    out.push(site.apex_labels);
    if let Some(server) = site.server {
        field::address(out, server.ip());
        out.extend_from_slice(&server.port().to_le_bytes());
    }
}

fn decode_site(bytes: &[u8]) -> Option<Site> {
    let (&apex_labels, server) = bytes.split_first()?;
    let server = match server {
        [] => None,
        server => {
            let (ip, port) = field::split_address(server)?;
            Some(SocketAddr::new(ip, u16::from_le_bytes(port.try_into().ok()?)))
        }
    };
    Some(Site { apex_labels, server })
}

fn encode_answer(answer: LastAnswer, out: &mut Vec<u8>) {
    match answer {
        LastAnswer::None => out.push(0),
        LastAnswer::Done => out.push(1),
        LastAnswer::Conflict => out.push(2),
        LastAnswer::Refused(Rcode(code)) => {
            out.push(3);
            out.extend_from_slice(&code.to_le_bytes());
        }
        LastAnswer::Timeout => out.push(4),
        LastAnswer::BadAnswer => out.push(5),
        LastAnswer::NoZone => out.push(6),
        LastAnswer::Kerberos(fault) => out.extend_from_slice(&[7, fault.number()]),
    }
}

fn decode_answer(bytes: &[u8]) -> Option<LastAnswer> {
    Some(match *bytes {
        [0] => LastAnswer::None,
        [1] => LastAnswer::Done,
        [2] => LastAnswer::Conflict,
        [3, low, high] => LastAnswer::Refused(Rcode(u16::from_le_bytes([low, high]))),
        [4] => LastAnswer::Timeout,
        [5] => LastAnswer::BadAnswer,
        [6] => LastAnswer::NoZone,
        // A later version may know more of them.
        [7, number] => {
            LastAnswer::Kerberos(*KerberosFault::ALL.get(usize::from(number)).unwrap_or(&KerberosFault::Other))
        }
        _ => return None,
    })
}
