//! Steps of embedded zones as fields: 1 the serial before; 2 the sets that it changed as they were, in the form that
//! `zones::difference` describes. Marks of stated sets have no field.

use dns::Fqdn;
use zones::Difference;

use super::RowFault;
use super::field::{self, put_bytes, put_number};

const SERIAL_BEFORE: u8 = 1;
const FORMER: u8 = 2;

pub(super) fn key(zone: &Fqdn, serial_after: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(zone.as_wire());
    out.extend_from_slice(&serial_after.to_be_bytes());
}

pub(super) fn read_key(key: &[u8]) -> Result<(Fqdn, u32), RowFault> {
    let (zone, used) = Fqdn::read_wire(key).map_err(|_| RowFault::Key)?;
    let serial = key.get(used..).and_then(|rest| <[u8; 4]>::try_from(rest).ok()).ok_or(RowFault::Key)?;
    Ok((zone, u32::from_be_bytes(serial)))
}

pub(super) fn encode(difference: &Difference, out: &mut Vec<u8>) {
    put_number(out, SERIAL_BEFORE, difference.serial_before.into());
    put_bytes(out, FORMER, difference.octets());
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(Fqdn, Difference), RowFault> {
    let (zone, serial_after) = read_key(key)?;
    let (mut serial_before, mut former) = (0, None);
    field::read(value, |tag, bytes| {
        match tag {
            SERIAL_BEFORE => serial_before = field::read_u32(bytes, "serial before")?,
            FORMER => former = Some(bytes),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let former = former.ok_or(RowFault::Missing("former sets"))?;
    let difference = Difference::from_octets(serial_before, serial_after, former);
    Ok((zone, difference.ok_or(RowFault::Field("former sets"))?))
}

/// A later version may say more of a stated set.
pub(super) fn check_stated(value: &[u8]) -> Result<(), RowFault> {
    field::read(value, |_, _| Ok(false))
}
