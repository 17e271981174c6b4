//! Names, record data and sets.

use hickory_proto::rr::rdata::{A, AAAA, NULL};
use hickory_proto::rr::{Name, RData, Record, RecordType as WireType};
use hickory_proto::serialize::binary::{
    BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder, NameEncoding, Restrict,
};

use super::WireError;
use crate::{Fqdn, NameError, Rdata, RecordType, Rrset};

/// Our name as hickory's.
#[must_use]
pub fn name_to_hickory(name: &Fqdn) -> Name {
    // Every name of ours is a valid uncompressed wire name, so the root never stands in for another.
    Name::from_bytes(name.as_wire()).unwrap_or_else(|_| Name::root())
}

/// Hickory's name as ours. A name without its final dot is taken as fully qualified.
///
/// # Errors
/// [`NameError`] for a name that no wire form holds.
pub fn name_from_hickory(name: &Name) -> Result<Fqdn, NameError> {
    Fqdn::from_labels(name.iter())
}

/// Our record data as hickory's: typed where hickory knows the type, so that names inside can be
/// compressed, raw octets where it does not (DHCID) or is stricter than [`Rdata::from_wire`].
///
/// # Errors
/// [`WireError::Codec`] when hickory finds the data malformed.
pub fn rdata_to_hickory(rtype: RecordType, rdata: &Rdata) -> Result<RData, WireError> {
    // The two that are asked for most need no decoder.
    match (rtype, rdata.to_address(rtype)) {
        (RecordType::A, Some(std::net::IpAddr::V4(address))) => return Ok(RData::A(A(address))),
        (RecordType::AAAA, Some(std::net::IpAddr::V6(address))) => return Ok(RData::AAAA(AAAA(address))),
        _ => {}
    }
    let code = WireType::from(rtype.0);
    if rdata.0.is_empty() {
        // Hickory has no other data of no octets.
        return Ok(RData::Update0(code));
    }
    if matches!(code, WireType::Unknown(_)) {
        return Ok(RData::Unknown { code, rdata: NULL::with(rdata.0.to_vec()) });
    }
    // At most 65,535 octets: see `Rdata`.
    let length = u16::try_from(rdata.0.len()).map_err(|_| crate::RdataError::Length)?;
    match RData::read(&mut BinDecoder::new(&rdata.0), code, Restrict::new(length)) {
        Ok(typed) => Ok(typed),
        // Hickory wants what senders should keep to (reserved flags of CSYNC, for one); a server hands on what it was given.
        Err(_) if Rdata::from_wire(rtype, &rdata.0).is_ok() => {
            Ok(RData::Unknown { code, rdata: NULL::with(rdata.0.to_vec()) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Hickory's record data as ours, with its type. Empty data (RFC 2136) gives empty octets.
///
/// # Errors
/// [`WireError`] when the data does not fit its type.
pub fn rdata_from_hickory(data: &RData) -> Result<(RecordType, Rdata), WireError> {
    let rtype = RecordType(data.record_type().into());
    match data {
        RData::A(address) => return Ok((rtype, Rdata::a(address.0))),
        RData::AAAA(address) => return Ok((rtype, Rdata::aaaa(address.0))),
        RData::Update0(_) => return Ok((rtype, Rdata(Box::default()))),
        _ => {}
    }
    let mut bytes = Vec::with_capacity(64);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder)?;
    Ok((rtype, Rdata::from_wire(rtype, &bytes)?))
}

/// The records of a set, class IN.
///
/// # Errors
/// [`WireError::Codec`] when hickory finds some data malformed.
pub fn rrset_to_records(set: &Rrset) -> Result<Vec<Record>, WireError> {
    let name = name_to_hickory(&set.name);
    set.rdata
        .iter()
        .map(|rdata| Ok(Record::from_rdata(name.clone(), set.ttl, rdata_to_hickory(set.rtype, rdata)?)))
        .collect()
}

/// Records gathered into sets by name and type, in the order in which each set first appears. A set's TTL
/// is the lowest of its records' (RFC 2181 section 5.2). Class is not looked at.
///
/// # Errors
/// [`WireError`] when some data does not fit its type.
pub fn rrsets_from_records(records: &[Record]) -> Result<Vec<Rrset>, WireError> {
    let mut sets: Vec<Rrset> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for record in records {
        let name = name_from_hickory(&record.name)?;
        let (rtype, rdata) = rdata_from_hickory(&record.data)?;
        let place = *places.entry((name.clone(), rtype.0)).or_insert(sets.len());
        match sets.get_mut(place) {
            Some(set) => {
                set.ttl = set.ttl.min(record.ttl);
                set.insert(rdata);
            }
            None => sets.push(Rrset::single(name, rtype, record.ttl, rdata)),
        }
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{Dhcid, HostIdentity, Soa};

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    #[test]
    fn names_go_both_ways_up_to_255_octets() {
        let longest = name(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61)));
        for ours in [Fqdn::root(), name("a.example"), name(r"a\.b.\000\255.example"), longest] {
            assert_eq!(name_from_hickory(&name_to_hickory(&ours)), Ok(ours));
        }
        assert_eq!(name_from_hickory(&Name::from_ascii("A.Example").unwrap()), Ok(name("a.example")));
    }

    #[test]
    fn data_of_every_kind_goes_both_ways() {
        let soa = Soa {
            mname: name("ns.example"),
            rname: name("h.example"),
            serial: 7,
            refresh: 1,
            retry: 2,
            expire: 3,
            minimum: 4,
        };
        for (rtype, rdata) in [
            (RecordType::A, Rdata::a([192, 0, 2, 1].into())),
            (RecordType::AAAA, Rdata::aaaa("2001:db8::1".parse().unwrap())),
            (RecordType::PTR, Rdata::ptr(&name("a.example"))),
            (RecordType::NS, Rdata::ns(&name("ns.example"))),
            (RecordType::CNAME, Rdata::cname(&name("a.example"))),
            (RecordType::SOA, Rdata::soa(&soa)),
            (RecordType::TXT, Rdata::txt(&["one", "two"])),
            (RecordType::MX, Rdata::mx(10, &name("mail.example"))),
            (RecordType::SRV, Rdata::srv(1, 2, 3, &name("a.example"))),
            (RecordType::DHCID, Dhcid::new(&HostIdentity::from_hardware(1, &[1, 2, 3, 4, 5, 6]), &name("a.example")).0),
            (RecordType(65280), Rdata([1, 2, 3].into())),
            (RecordType(65280), Rdata(Box::default())),
            (RecordType(257), Rdata([b"\x00\x05issueca.example" as &[u8]].concat().into())),
            (RecordType(44), Rdata([1, 1, 9, 9, 9].into())),
            // CSYNC with reserved flags (RFC 7477 section 2.1.1.2), which hickory refuses.
            (RecordType(62), Rdata([0, 0, 0, 66, 0, 4].into())),
        ] {
            let wire = rdata_to_hickory(rtype, &rdata).unwrap();
            assert_eq!(rdata_from_hickory(&wire).unwrap(), (rtype, rdata), "{rtype}");
        }
    }

    #[test]
    fn malformed_data_is_an_error() {
        assert!(matches!(rdata_to_hickory(RecordType::SOA, &Rdata([1, 2].into())), Err(WireError::Codec(_))));
        assert!(matches!(rdata_to_hickory(RecordType::PTR, &Rdata([0, 0].into())), Err(WireError::Codec(_))));
    }

    #[test]
    fn sets_go_both_ways() {
        let a = Rrset::new(
            name("a.example"),
            RecordType::A,
            60,
            vec![Rdata::a([192, 0, 2, 2].into()), Rdata::a([192, 0, 2, 1].into())],
        )
        .unwrap();
        let ptr = Rrset::single(name("b.example"), RecordType::PTR, 5, Rdata::ptr(&name("a.example")));
        let mut records = rrset_to_records(&a).unwrap();
        records.extend(rrset_to_records(&ptr).unwrap());
        records[0].ttl = 30;
        let mut expected = a;
        expected.ttl = 30;
        assert_eq!(rrsets_from_records(&records).unwrap(), [expected, ptr]);
    }
}
