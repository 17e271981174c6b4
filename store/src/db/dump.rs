//! Dump: one JSON object a line, one line a row, sorted by kind and key.

use std::fmt::{self, Write as _};
use std::io;

use ddns::reconcile::{ConfirmedRow, LastAnswer};
use ddns::suffixes::Assignment;
use ddns::wanted::{Held, RowKey, Want, WantedRow};
use dhcp::lease::{Lease, LeaseState};
use dns::{ConflictGuard, Fqdn, HostIdentity, Rdata, RecordType, Rrset};
use zones::Difference;

use super::look;
use crate::journal::OpenError;
use crate::rows::{Row, hex};
use crate::storage::Storage;

/// Why a dump ended early.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The store cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The output does not take more.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}

/// Gives `line` each row in force as a JSON object, without a line end. Writes nothing to the store; a running daemon is
/// not disturbed. Times are UTC seconds; bytes that are not printable ASCII are `hex:` and two digits an octet; a field
/// that is not there is left out.
///
/// # Errors
/// See [`DumpError`].
pub fn dump<S: Storage>(storage: &S, mut line: impl FnMut(&str) -> io::Result<()>) -> Result<(), DumpError> {
    let mut text = String::new();
    let mut output = Ok(());
    look(storage, |_, _, row| {
        if output.is_ok() {
            text.clear();
            write_row(&mut text, &row);
            output = line(&text);
        }
    })?;
    output.map_err(DumpError::Output)
}

fn write_row(out: &mut String, row: &Row) {
    let mut object = Object::new(out);
    match row {
        Row::Lease(lease) => write_lease(&mut object, lease),
        Row::Wanted(row) => write_wanted(&mut object, row),
        Row::Confirmed(row) => write_confirmed(&mut object, row),
        Row::ZoneSet { zone, name, rtype, set } => write_set(&mut object, zone, name, *rtype, set.as_ref()),
        Row::ZoneDifference { zone, difference } => write_difference(&mut object, zone, difference),
        Row::ZoneStated { zone, name, rtype, .. } => {
            object.text("row", "stated set").text("zone", zone).text("name", name).text("type", rtype);
        }
        Row::ZoneCopy { zone, checked_at } => {
            object.text("row", "zone copy").text("zone", zone).number("checked_at", *checked_at);
        }
        // It is never read: see there.
        Row::ZoneName { .. } | Row::WantedNew(_) | Row::ConfirmedNew { .. } => {}
        // Rows that are gone are not in force.
        Row::Suffix(assignment) => write_suffix(&mut object, assignment),
        Row::LeaseGone(_) | Row::WantedGone(_) | Row::ConfirmedGone(_) | Row::SuffixGone(..) => {}
        Row::ZoneDifferenceGone { .. } | Row::ZoneCopyGone { .. } => {}
    }
    object.end();
}

fn write_lease(object: &mut Object<'_>, lease: &Lease) {
    let state = match lease.state {
        LeaseState::Bound => "bound",
        LeaseState::Released => "released",
        LeaseState::Expired => "expired",
        LeaseState::Quarantined => "quarantined",
    };
    object.text("row", "lease").text("address", lease.address).text("subnet", lease.subnet).text("state", state);
    object.number("htype", lease.hardware.htype).text("hardware", Colons(lease.hardware.as_bytes()));
    if let Some(id) = &lease.client_id {
        object.text("client_id", hex(&id.0));
    }
    object.number("started_at", lease.started_at).number("renewed_at", lease.renewed_at);
    if lease.expires_at != u64::MAX {
        object.number("expires_at", lease.expires_at);
    }
    object.bytes("hostname", &lease.hostname).bytes("client_fqdn", &lease.client_fqdn);
    if let Some(name) = &lease.name {
        object.text("name", &name.fqdn).text("identity", identity(&name.identity));
        object.flag("forward", name.forward).flag("reverse", name.reverse).number("ttl_secs", name.ttl_secs);
    }
    if !lease.relay.is_unspecified() {
        object.text("relay", lease.relay);
    }
    object.bytes("relay_agent_info", &lease.relay_agent_info);
    if let Some(address) = lease.server_identifier_override {
        object.text("server_identifier_override", address);
    }
}

fn write_key(object: &mut Object<'_>, row: &str, key: &RowKey) {
    object.text("row", row);
    match key {
        RowKey::Forward(name) => object.text("name", name),
        RowKey::Reverse(address) => object.text("address", address),
        RowKey::Stated(name, rtype) => object.text("name", name).text("type", rtype),
    };
}

fn write_wanted(object: &mut Object<'_>, row: &WantedRow) {
    write_key(object, "wanted", &row.key);
    object.number("generation", row.generation);
    if let Some(want) = &row.want {
        object.nested("want", |object| write_want(object, want));
    }
    if !row.former.is_empty() {
        object.list("former", row.former.iter(), |out, held| {
            let mut object = Object::new(out);
            write_held(&mut object, held);
            object.end();
        });
    }
}

fn write_want(object: &mut Object<'_>, want: &Want) {
    object.text("name", &want.name).text("identity", identity(&want.identity));
    object.list("addresses", want.addresses.iter(), quote);
    object.number("ttl_secs", want.ttl_secs).flag("after_forward", want.after_forward);
    write_guard(object, want.guard);
}

fn write_held(object: &mut Object<'_>, held: &Held) {
    object.text("name", &held.name).text("identity", identity(&held.identity));
    object.list("addresses", held.addresses.iter(), quote);
    write_guard(object, held.guard);
}

/// The one that nearly every name has is left out.
fn write_guard(object: &mut Object<'_>, guard: ConflictGuard) {
    match guard {
        ConflictGuard::CheckWithDhcid => object,
        ConflictGuard::NoCheckWithDhcid => object.text("guard", "no-check-with-dhcid"),
        ConflictGuard::CheckExistsWithDhcid => object.text("guard", "check-exists-with-dhcid"),
        ConflictGuard::NoCheckWithoutDhcid => object.text("guard", "no-check-without-dhcid"),
    };
}

fn write_confirmed(object: &mut Object<'_>, row: &ConfirmedRow) {
    write_key(object, "confirmed", &row.key);
    object.number("generation", row.generation).flag("done", row.done);
    if let Some(held) = &row.holds {
        object.nested("holds", |object| write_held(object, held));
    }
    match row.last {
        LastAnswer::None => object.text("last", "none"),
        LastAnswer::Done => object.text("last", "done"),
        LastAnswer::Conflict => object.text("last", "conflict"),
        LastAnswer::Refused(rcode) => object.text("last", "refused").number("rcode", rcode.0),
        LastAnswer::Timeout => object.text("last", "timeout"),
        LastAnswer::BadAnswer => object.text("last", "bad answer"),
        LastAnswer::NoZone => object.text("last", "no zone"),
        LastAnswer::Kerberos(fault) => object.text("last", "no ticket").number("fault", fault.number()),
    };
    object.number("attempts", row.attempts).number("at", row.at);
    if let Some(unsure) = &row.unsure {
        object.number("unsure_until", unsure.until);
    }
}

fn write_set(object: &mut Object<'_>, zone: &Fqdn, name: &Fqdn, rtype: RecordType, set: Option<&Rrset>) {
    object.text("row", "zone set").text("zone", zone).text("name", name).text("type", rtype);
    if let Some(set) = set {
        object.number("ttl_secs", set.ttl);
        object.list("rdata", set.rdata.iter(), |out, rdata| quote(out, readable(rtype, rdata)));
    }
}

fn write_difference(object: &mut Object<'_>, zone: &Fqdn, difference: &Difference) {
    object.text("row", "zone difference").text("zone", zone);
    object.number("serial_before", difference.serial_before).number("serial_after", difference.serial_after);
    object.list("former", difference.former(), |out, former| {
        let mut object = Object::new(out);
        object.text("name", &former.name).text("type", former.rtype);
        if !former.rdata.is_empty() {
            object.number("ttl_secs", former.ttl);
            object.list("rdata", former.rdata.iter(), |out, rdata| quote(out, readable(former.rtype, rdata)));
        }
        object.end();
    });
}

fn write_suffix(object: &mut Object<'_>, assignment: &Assignment) {
    let Assignment { base, identity: whose, number, keep_secs, left_at } = assignment;
    object.text("row", "number").text("name", base).text("identity", identity(whose));
    object.number("number", *number).number("keep_secs", *keep_secs);
    if let Some(at) = left_at {
        object.number("left_at", *at);
    }
}

/// Addresses and names as people write them, other data as its octets.
fn readable(rtype: RecordType, rdata: &Rdata) -> String {
    let name = match rtype {
        RecordType::PTR | RecordType::NS | RecordType::CNAME => rdata.to_name().map(|name| name.to_string()),
        _ => None,
    };
    let address = || rdata.to_address(rtype).map(|address| address.to_string());
    name.or_else(address).unwrap_or_else(|| format!("hex:{}", hex(&rdata.0)))
}

/// The identifier type of RFC 4701 section 3.3, and the identifier's octets.
fn identity(identity: &HostIdentity) -> String {
    format!("{}:{}", identity.type_code(), hex(&identity.to_bytes()[1..]))
}

/// Octets as hardware addresses are written.
struct Colons<'a>(&'a [u8]);

impl fmt::Display for Colons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, octet)| {
            f.write_str(if index == 0 { "" } else { ":" })?;
            write!(f, "{octet:02x}")
        })
    }
}

/// A JSON object being written. Writing to a string cannot fail, so outcomes are not looked at.
struct Object<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn key(&mut self, key: &str) {
        let comma = if std::mem::replace(&mut self.empty, false) { "" } else { "," };
        let _ = write!(self.out, "{comma}\"{key}\":");
    }

    fn text(&mut self, key: &str, value: impl fmt::Display) -> &mut Self {
        self.key(key);
        quote(self.out, value);
        self
    }

    fn number(&mut self, key: &str, value: impl Into<u64>) -> &mut Self {
        self.key(key);
        let _ = write!(self.out, "{}", value.into());
        self
    }

    fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        let _ = write!(self.out, "{value}");
        self
    }

    /// What a client sent; nothing for nothing.
    fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        match std::str::from_utf8(value) {
            _ if value.is_empty() => self,
            Ok(text) if !text.starts_with("hex:") && text.bytes().all(|b| matches!(b, b' '..=b'~')) => {
                self.text(key, text)
            }
            _ => self.text(key, format_args!("hex:{}", hex(value))),
        }
    }

    fn nested(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut object = Object::new(self.out);
        write(&mut object);
        object.end();
    }

    fn list<T>(&mut self, key: &str, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
        self.key(key);
        self.out.push('[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write(self.out, item);
        }
        self.out.push(']');
    }

    fn end(self) {
        self.out.push('}');
    }
}

/// A JSON string (RFC 8259 section 7).
fn quote(out: &mut String, value: impl fmt::Display) {
    out.push('"');
    let start = out.len();
    let _ = write!(out, "{value}");
    if out[start..].bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let plain = out.split_off(start);
        for character in plain.chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\0'..='\x1f' => {
                    let _ = write!(out, "\\u{:04x}", u32::from(character));
                }
                _ => out.push(character),
            }
        }
    }
    out.push('"');
}
