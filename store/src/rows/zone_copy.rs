//! That a zone is a copy of another server's, as fields: 1 when a primary last was known to have nothing newer.

use dns::Fqdn;

use super::RowFault;
use super::field::{self, put_number};

const CHECKED_AT: u8 = 1;

pub(super) fn key(zone: &Fqdn, out: &mut Vec<u8>) {
    out.extend_from_slice(zone.as_wire());
}

pub(super) fn read_key(key: &[u8]) -> Result<Fqdn, RowFault> {
    Fqdn::from_wire(key).map_err(|_| RowFault::Key)
}

pub(super) fn encode(checked_at: u64, out: &mut Vec<u8>) {
    put_number(out, CHECKED_AT, checked_at);
}

pub(super) fn decode(value: &[u8]) -> Result<u64, RowFault> {
    let mut checked_at = 0;
    field::read(value, |tag, bytes| {
        if tag != CHECKED_AT {
            return Ok(false);
        }
        checked_at = field::read_number(bytes, "checked at")?;
        Ok(true)
    })?;
    Ok(checked_at)
}
