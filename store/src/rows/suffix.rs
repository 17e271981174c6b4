//! Numbers behind names that several hosts say, as fields: 1 number; 2 for how many seconds it is kept; 3 since when its
//! host is away (absent: it is there).

use ddns::suffixes::{Assignment, NUMBER_MAX};
use dns::{Fqdn, HostIdentity};

use super::RowFault;
use super::field::{self, put_number};

const NUMBER: u8 = 1;
const KEEP: u8 = 2;
const LEFT: u8 = 3;

pub(super) fn key(base: &Fqdn, identity: &HostIdentity, out: &mut Vec<u8>) {
    out.extend_from_slice(base.as_wire());
    out.extend_from_slice(&identity.to_bytes());
}

pub(super) fn read_key(key: &[u8]) -> Result<(Fqdn, HostIdentity), RowFault> {
    let (base, used) = Fqdn::read_wire(key).map_err(|_| RowFault::Key)?;
    let identity = key.get(used..).and_then(HostIdentity::from_bytes).ok_or(RowFault::Key)?;
    Ok((base, identity))
}

pub(super) fn encode(assignment: &Assignment, out: &mut Vec<u8>) {
    put_number(out, NUMBER, assignment.number.into());
    put_number(out, KEEP, assignment.keep_secs.into());
    if let Some(at) = assignment.left_at {
        put_number(out, LEFT, at);
    }
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Assignment, RowFault> {
    let (base, identity) = read_key(key)?;
    let mut assignment = Assignment { base, identity, number: 0, keep_secs: 0, left_at: None };
    field::read(value, |tag, bytes| {
        match tag {
            NUMBER => assignment.number = field::read_u32(bytes, "number")?,
            KEEP => assignment.keep_secs = field::read_u32(bytes, "kept for")?,
            LEFT => assignment.left_at = Some(field::read_number(bytes, "left at")?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match assignment.number {
        1..=NUMBER_MAX => Ok(assignment),
        _ => Err(RowFault::Field("number")),
    }
}
