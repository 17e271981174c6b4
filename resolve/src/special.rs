//! Names that nobody is asked for: they mean the same everywhere, or nothing outside of one's own network.
//!
//! RFC 6761 (localhost, invalid, test), RFC 6762 (local), RFC 7686 (onion), RFC 8375 (home.arpa), RFC 9462
//! (resolver.arpa), RFC 9665 (service.arpa), and the reverse zones of RFC 6303 and RFC 7793. A question for one of them that leaks tells strangers
//! what a network looks like, and has no answer there.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns::{Fqdn, Rcode, Rdata, RecordType};

use crate::answer::Answer;
use crate::query::{HEADER, Key};
use crate::routes::suffixes;

/// RFC 6303 section 3: the times of an empty zone, in seconds: TTL and MINIMUM, refresh, retry, expire.
const TTL: u32 = 10_800;
const TIMES: [u32; 5] = [1, 3_600, 1_200, 604_800, TTL];

/// Zones beside the reverse ones.
const FORWARD: [&str; 8] =
    ["localhost", "invalid", "test", "local", "onion", "home.arpa", "service.arpa", "resolver.arpa"];
const ARPA: &[u8] = b"\x04arpa\x00";
const RESOLVER_ARPA: &[u8] = b"\x08resolver\x04arpa\x00";
const DS: RecordType = RecordType(43);
/// RFC 6303 sections 4.1 and 4.2, as in `in-addr.arpa`.
const REVERSE_V4: [&str; 9] =
    ["10", "168.192", "0", "127", "254.169", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"];
/// RFC 6303 sections 4.4 to 4.6, as in `ip6.arpa`.
const REVERSE_V6: [&str; 6] = ["d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"];

/// The zones that are answered here.
#[derive(Clone, Debug)]
pub struct LocalZones(HashSet<Box<[u8]>>);

impl Default for LocalZones {
    fn default() -> Self {
        let mut zones: Vec<String> = FORWARD.iter().map(ToString::to_string).collect();
        zones.extend(REVERSE_V4.iter().map(|labels| format!("{labels}.in-addr.arpa")));
        // RFC 6303 section 4.1 and RFC 7793 section 2.
        zones.extend((16..32).map(|octet| format!("{octet}.172.in-addr.arpa")));
        zones.extend((64..128).map(|octet| format!("{octet}.100.in-addr.arpa")));
        zones.extend(REVERSE_V6.iter().map(|labels| format!("{labels}.ip6.arpa")));
        let mut wire: HashSet<Box<[u8]>> = zones.iter().filter_map(|text| wire_of(text.parse().ok()?)).collect();
        // RFC 6303 section 4.3: the unspecified address and loopback, whole.
        for address in [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST] {
            wire.extend(wire_of(Fqdn::reverse(IpAddr::V6(address))));
        }
        Self(wire)
    }
}

fn wire_of(name: Fqdn) -> Option<Box<[u8]>> {
    Some(name.as_wire().into())
}

impl LocalZones {
    /// The zone (in wire form, lower case) by which a question is answered here; none: others are asked.
    #[must_use]
    pub fn answering<'n>(&self, key: &'n Key) -> Option<&'n [u8]> {
        let zone = suffixes(key.name()).find(|suffix| self.0.contains(*suffix))?;
        // RFC 8375 section 4: the delegation of "home.arpa." in "arpa." is the parent's to tell, so that whoever validates
        // finds that it is not signed; RFC 4035 section 3.1.4.1 says so of any zone, and these are delegated so too. Of
        // "resolver.arpa." nothing is ever asked (RFC 9462 section 4).
        let is_parents = key.rtype() == DS && key.name() == zone && zone.ends_with(ARPA) && zone != RESOLVER_ARPA;
        (!is_parents).then_some(zone)
    }
}

/// The answer to a question within `zone`, which [`LocalZones::answering`] found.
#[must_use]
pub fn answer(key: &Key, zone: &[u8]) -> Answer {
    let question = key.name().len() + 4;
    let mut message = vec![0; HEADER];
    message[5] = 1;
    message.extend_from_slice(key.name());
    message.extend_from_slice(&key.rtype().0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    let (rcode, answers) = content(key, zone);
    let zone_at = (0xc000 | (HEADER + key.name().len() - zone.len()) as u16).to_be_bytes();
    let count_at = if answers.is_empty() { 8 } else { 6 };
    message[count_at + 1] = answers.len().max(1) as u8;
    for (rtype, data) in &answers {
        // All stand under the question's name.
        write_record(&mut message, [0xc0, HEADER as u8], *rtype, &data.0);
    }
    if answers.is_empty() {
        write_record(&mut message, zone_at, RecordType::SOA, &soa(zone_at));
    }
    message[3] = rcode.0 as u8;
    // What stands above is well formed, as the tests show for every zone and type.
    Answer::from_message(&message).unwrap_or_else(|_| Answer::empty(Rcode::NX_DOMAIN, question, None))
}

/// What there is under the name.
fn content(key: &Key, zone: &[u8]) -> (Rcode, Vec<(RecordType, Rdata)>) {
    let is_apex = key.name() == zone;
    let asked = |rtype: RecordType| key.rtype() == rtype || key.rtype() == RecordType::ANY;
    let localhost = b"\x09localhost\x00";
    let mut records = Vec::new();
    // RFC 6761 section 6.3: "localhost." and what falls within it resolve to loopback.
    if zone == localhost {
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(Rdata::address);
        records.extend(addresses.into_iter().filter(|(rtype, _)| asked(*rtype)));
        return (Rcode::NO_ERROR, records);
    }
    let name = key.fqdn();
    if let Some(address @ (IpAddr::V4(Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST))) =
        name.to_reverse_address()
        && name == Fqdn::reverse(address)
    {
        let localhost = Fqdn::from_wire(localhost).unwrap_or_else(|_| Fqdn::root());
        records.extend(asked(RecordType::PTR).then(|| (RecordType::PTR, Rdata::ptr(&localhost))));
        return (Rcode::NO_ERROR, records);
    }
    if !is_apex {
        // RFC 9462 section 4: who names no other way to be asked "SHOULD return NODATA for queries to the "resolver.arpa" zone".
        return (if zone == RESOLVER_ARPA { Rcode::NO_ERROR } else { Rcode::NX_DOMAIN }, records);
    }
    // RFC 6303 section 3: SOA and NS of an empty zone, both naming the zone itself.
    let pointer = (0xc000 | HEADER as u16).to_be_bytes();
    if asked(RecordType::SOA) {
        records.push((RecordType::SOA, Rdata(soa(pointer).into())));
    }
    if asked(RecordType::NS) {
        records.push((RecordType::NS, Rdata(pointer.to_vec().into())));
    }
    (Rcode::NO_ERROR, records)
}

fn write_record(message: &mut Vec<u8>, owner: [u8; 2], rtype: RecordType, data: &[u8]) {
    message.extend_from_slice(&owner);
    message.extend_from_slice(&rtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&TTL.to_be_bytes());
    message.extend_from_slice(&(data.len() as u16).to_be_bytes());
    message.extend_from_slice(data);
}

/// RFC 6303 section 3: "@ 10800 IN SOA @ nobody.invalid. 1 3600 1200 604800 10800".
fn soa(zone: [u8; 2]) -> Vec<u8> {
    let mut data = zone.to_vec();
    data.extend_from_slice(b"\x06nobody\x07invalid\x00");
    TIMES.iter().for_each(|time| data.extend_from_slice(&time.to_be_bytes()));
    data
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::op::{Message, ResponseCode};
    use hickory_proto::rr::{Name, RData, RecordType as WireType};

    use super::*;
    use crate::answer::Terms;
    use crate::query::{Outgoing, PlainQuery};

    fn ask(name: &str, rtype: RecordType) -> Option<Message> {
        let key = Key::new(&name.parse().unwrap(), rtype, false, false);
        let zones = LocalZones::default();
        let zone = zones.answering(&key)?;
        let outgoing = Outgoing::build(&key, 0, false);
        let query = PlainQuery::read(&outgoing.octets).unwrap();
        let terms = Terms {
            age_secs: 0,
            ttl_max: u32::MAX,
            stale_ttl: None,
            octets_max: Some(1232),
            reason: None,
            options: &[],
        };
        let mut out = Vec::new();
        answer(&key, zone).write(&query, &terms, &mut out);
        Some(Message::from_vec(&out).unwrap())
    }

    #[test]
    fn rfc6303_private_reverse_names_do_not_exist_and_say_so_with_their_zones_soa() {
        for (name, zone) in [
            ("4.3.2.10.in-addr.arpa", "10.in-addr.arpa."),
            ("1.1.31.172.in-addr.arpa", "31.172.in-addr.arpa."),
            ("1.1.168.192.in-addr.arpa", "168.192.in-addr.arpa."),
            ("1.2.64.100.in-addr.arpa", "64.100.in-addr.arpa."),
            ("1.2.0.0.d.f.ip6.arpa", "d.f.ip6.arpa."),
            ("nas.home.arpa", "home.arpa."),
            ("_ipp._tcp.default.service.arpa", "service.arpa."),
            ("x.onion", "onion."),
            ("nothing.invalid", "invalid."),
        ] {
            let message = ask(name, RecordType::PTR).unwrap_or_else(|| panic!("{name} is asked of others"));
            assert_eq!(message.metadata.response_code, ResponseCode::NXDomain, "{name}");
            assert_eq!(message.authorities[0].name, Name::from_ascii(zone).unwrap());
            let RData::SOA(soa) = &message.authorities[0].data else { panic!("{name}") };
            assert_eq!((soa.mname.to_ascii().as_str(), soa.minimum), (zone, TTL));
        }
    }

    #[test]
    fn rfc6761_localhost_is_loopback() {
        for name in ["localhost", "www.localhost"] {
            let message = ask(name, RecordType::A).unwrap();
            assert_eq!(message.answers[0].data, RData::A("127.0.0.1".parse().unwrap()), "{name}");
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            let message = ask(name, RecordType::AAAA).unwrap();
            assert_eq!(message.answers[0].data, RData::AAAA("::1".parse().unwrap()), "{name}");
            let message = ask(name, RecordType::MX).unwrap();
            assert!(message.answers.is_empty() && message.authorities[0].record_type() == WireType::SOA);
        }
        for address in ["127.0.0.1", "::1"] {
            let reverse = Fqdn::reverse(address.parse().unwrap()).to_string();
            let message = ask(&reverse, RecordType::PTR).unwrap();
            assert_eq!(message.answers[0].data.to_string(), "localhost.");
        }
    }

    #[test]
    fn an_empty_zones_apex_has_its_soa_and_ns() {
        for rtype in [RecordType::SOA, RecordType::NS, RecordType::ANY] {
            let message = ask("10.in-addr.arpa", rtype).unwrap();
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            assert_eq!(message.answers.len(), if rtype == RecordType::ANY { 2 } else { 1 });
        }
    }

    #[test]
    fn rfc8375_the_ds_of_home_arpa_is_asked_of_others_and_nothing_else_of_it() {
        for zone in ["home.arpa", "service.arpa", "10.in-addr.arpa", "31.172.in-addr.arpa", "d.f.ip6.arpa"] {
            assert!(ask(zone, DS).is_none(), "{zone}");
            assert!(ask(zone, RecordType::SOA).is_some(), "{zone}");
            assert!(ask(&format!("nas.{zone}"), DS).is_some(), "{zone}");
        }
        for zone in ["onion", "resolver.arpa"] {
            assert!(ask(zone, DS).is_some(), "{zone}");
        }
    }

    #[test]
    fn rfc9462_who_looks_for_another_way_to_ask_is_told_that_there_is_none() {
        for name in ["resolver.arpa", "_dns.resolver.arpa"] {
            let message = ask(name, RecordType(64)).unwrap();
            assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{name}");
            assert!(message.answers.is_empty() && message.authorities[0].record_type() == WireType::SOA, "{name}");
        }
    }

    #[test]
    fn neighbours_of_private_networks_are_asked_for() {
        for name in [
            "1.1.32.172.in-addr.arpa",
            "1.1.15.172.in-addr.arpa",
            "1.1.128.100.in-addr.arpa",
            "example",
            "arpa",
            "11.in-addr.arpa",
        ] {
            assert!(ask(name, RecordType::PTR).is_none(), "{name}");
        }
    }
}
