//! Sets of embedded zones as fields: 1 TTL; 2 record data, once each.

use dns::{Fqdn, Rdata, RecordType, Rrset};

use super::RowFault;
use super::field::{self, put_bytes, put_number};

const TTL: u8 = 1;
const RDATA: u8 = 2;

pub(super) fn key(zone: &Fqdn, name: &Fqdn, rtype: RecordType, out: &mut Vec<u8>) {
    out.extend_from_slice(zone.as_wire());
    out.extend_from_slice(name.as_wire());
    out.extend_from_slice(&rtype.0.to_be_bytes());
}

pub(super) fn read_key(key: &[u8]) -> Result<(Fqdn, Fqdn, RecordType), RowFault> {
    let fault = |_| RowFault::Key;
    let (zone, used) = Fqdn::read_wire(key).map_err(fault)?;
    let rest = key.get(used..).ok_or(RowFault::Key)?;
    let (name, used) = Fqdn::read_wire(rest).map_err(fault)?;
    match rest.get(used..) {
        Some(&[high, low]) => Ok((zone, name, RecordType(u16::from_be_bytes([high, low])))),
        _ => Err(RowFault::Key),
    }
}

pub(super) fn encode<'d>(ttl: u32, rdata: impl IntoIterator<Item = &'d [u8]>, out: &mut Vec<u8>) {
    put_number(out, TTL, ttl.into());
    for data in rdata {
        put_bytes(out, RDATA, data);
    }
}

pub(super) fn decode(name: &Fqdn, rtype: RecordType, value: &[u8]) -> Result<Rrset, RowFault> {
    let mut ttl = 0;
    let mut rdata = Vec::new();
    field::read(value, |tag, bytes| {
        match tag {
            TTL => ttl = field::read_u32(bytes, "ttl")?,
            RDATA => rdata.push(Rdata(bytes.into())),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    // Sorted and without doubles, as `Rrset` promises, whoever wrote it.
    Rrset::new(name.clone(), rtype, ttl, rdata).ok_or(RowFault::Missing("record data"))
}
