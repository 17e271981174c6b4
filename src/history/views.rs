//! Records as they are shown, and questions as people write them.

use std::net::Ipv4Addr;

use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::options::RelayAgentInfo;
use dhcp::relay_info::{Switches, Whereabouts};
use dns::Fqdn;
use store::history::{Holder, Kind, Position, Query, Record};
use web::model::{PastHolder, PastQuery, PastRow};

/// A record as it is shown.
#[must_use]
pub fn row(record: &Record, switches: &Switches) -> PastRow {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let info = RelayAgentInfo(&record.relay_agent_info);
    let place = Whereabouts::read(switches, record.relay, &record.relay_agent_info, &record.hardware);
    PastRow {
        at: record.at,
        kind: record.kind.word().to_owned(),
        address: record.address,
        hardware: record.hardware.to_string(),
        client_id: record.client_id.as_ref().map(ToString::to_string),
        hostname: record.hostname.escape_ascii().to_string(),
        name: record.name.as_ref().map(|name| name.to_string().trim_end_matches('.').to_owned()),
        started_at: record.started_at,
        renewed_at: record.renewed_at,
        expires_at: (record.expires_at != u64::MAX).then_some(record.expires_at),
        relay: (!record.relay.is_unspecified()).then_some(record.relay),
        circuit_id: info.circuit_id().map(hex),
        remote_id: info.remote_id().map(hex),
        place: place.map(|place| place.to_string()),
    }
}

/// Who had an address, as it is shown.
#[must_use]
pub fn holder(address: Ipv4Addr, at: u64, holder: Option<&Holder>, switches: &Switches) -> PastHolder {
    PastHolder {
        address,
        at,
        holder: holder.map(|holder| row(&holder.record, switches)),
        from: holder.map(|holder| holder.from),
        until: holder.and_then(|holder| holder.until),
        last_seen: holder.map(|holder| holder.last_seen),
    }
}

/// What a person asks for.
///
/// # Errors
/// What cannot be understood, in words.
pub fn query(asked: &PastQuery) -> Result<Query, String> {
    let mut query = Query { since: asked.since, until: asked.until, ..Query::default() };
    let of = asked.of.trim();
    if of.is_empty() {
    } else if let Ok(address) = of.parse::<Ipv4Addr>() {
        query.address = Some(address);
    } else if let Some(octets) = of.strip_prefix("id:") {
        let octets = hex(octets).ok_or_else(|| format!("{of:?} is no client identifier: write id: and its octets"))?;
        query.client_id = Some(ClientId(octets.into()));
    } else if let Some(hardware) = hardware(of) {
        query.hardware = Some(hardware);
    } else if of.trim_end_matches('.').contains('.') {
        let name: Result<Fqdn, _> = of.parse();
        query.name = Some(name.map_err(|error| format!("{of:?} is no name, address or hardware address: {error}"))?);
    } else {
        query.label = Some(of.trim_end_matches('.').to_ascii_lowercase().into_bytes().into());
    }
    if !asked.subnet.trim().is_empty() {
        let subnet = asked.subnet.trim().parse();
        query.subnet = Some(subnet.map_err(|_| format!("{:?} is no prefix such as 10.20.8.0/24", asked.subnet))?);
    }
    for word in asked.kind.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
        let words = || Kind::ALL.map(Kind::word).join(", ");
        query.kinds.push(kind.ok_or_else(|| format!("the kind {word:?} is none of {}", words()))?);
    }
    Ok(query)
}

/// A hardware address in any of the usual notations.
#[must_use]
pub fn hardware(text: &str) -> Option<HardwareAddress> {
    let octets = text.contains([':', '-', '.']).then(|| hex(text))??;
    // Nothing shorter than a full address, so that a name such as `be-ad` stays one.
    (octets.len() == 6).then(|| HardwareAddress::new(1, &octets))?
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let pairs = (digits.is_ascii() && digits.len().is_multiple_of(2)).then(|| digits.as_bytes().chunks_exact(2))?;
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A position as text, and back.
#[must_use]
pub fn position_text(position: Position) -> String {
    format!("{:x}-{:x}-{:x}", position.part, position.at, position.tie)
}

/// See [`position_text`].
///
/// # Errors
/// It was not made by it.
pub fn position(text: &str) -> Result<Option<Position>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut numbers = text.split('-').map(|part| u64::from_str_radix(part, 16).ok());
    match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten(), numbers.next()) {
        (Some(part), Some(at), Some(tie), None) => Ok(Some(Position { part, at, tie })),
        _ => Err(format!("{text:?} is no place in the history")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn of(text: &str) -> Query {
        query(&PastQuery { of: text.to_owned(), ..PastQuery::default() }).unwrap()
    }

    #[test]
    fn what_is_asked_for_is_known_by_its_form() {
        assert_eq!(of("10.0.0.5").address, Some([10, 0, 0, 5].into()));
        for mac in ["02:00:00:00:be:ef", "02-00-00-00-BE-EF", "0200.0000.beef"] {
            assert_eq!(of(mac).hardware.unwrap().to_string(), "02:00:00:00:be:ef");
        }
        assert_eq!(of("nas.lan").name.unwrap().to_string().trim_end_matches('.'), "nas.lan");
        assert_eq!(of("NAS").label.unwrap().as_ref(), b"nas");
        assert_eq!(of("be-ad").label.unwrap().as_ref(), b"be-ad");
        assert_eq!(of("id:01:02").client_id.unwrap().to_string(), "0102");
        assert_eq!(of(""), Query::default());
        for wrong in [("", "lan", "", ""), ("id:xyz", "", "", ""), ("", "", "born", ""), ("", "", "", "7")] {
            let (of, subnet, kind, after) = wrong;
            let asked = PastQuery { of: of.into(), subnet: subnet.into(), kind: kind.into(), ..PastQuery::default() };
            assert!(query(&asked).is_err() || position(after).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_position_comes_back() {
        let there = Position { part: 7, at: 1_790_000_000, tie: u64::MAX };
        assert_eq!(position(&position_text(there)), Ok(Some(there)));
        assert_eq!(position(""), Ok(None));
    }
}
