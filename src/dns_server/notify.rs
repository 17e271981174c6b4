//! RFC 1996: who says that a zone which we hold a copy of has changed.
//!
//! Only a primary of the zone may, signed where it has a key, and whoever the configuration adds. What was said is left on a
//! [`Board`], one word for each zone, so that a flood costs nothing but its datagrams.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use dns::wire::name_from_hickory;
use dns::{Fqdn, Rcode};
use hickory_proto::rr::{DNSClass, RData, RecordType};
use hickory_server::server::Request;
use tokio::sync::Notify;
use zones::Askers;

use crate::quiet::Quiet;

/// A zone that is a copy of another server's, as far as requests go.
#[derive(Clone, Debug)]
pub struct CopyRights {
    /// What it is known by; see `zones::zone_id`.
    pub id: Fqdn,
    /// Addresses of its primaries, and the key that each signs with.
    pub primaries: Vec<(IpAddr, Option<Fqdn>)>,
    /// Who else may say that it has changed.
    pub notify: Askers,
}

/// That a zone has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Who says so.
    pub source: IpAddr,
    /// The serial that it says to have; it may be anybody's word.
    pub serial: Option<u32>,
}

/// Where notices wait for whoever follows the primaries: one for each zone.
#[derive(Debug, Default)]
pub struct Board {
    notices: Mutex<BTreeMap<Fqdn, Notice>>,
    put: Notify,
}

impl Board {
    /// Leaves a notice. Where one waits, no serial of the two is believed to be the last.
    pub fn put(&self, zone: Fqdn, notice: Notice) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = notices.entry(zone).or_insert(notice);
        let serial = if waiting.serial == notice.serial { notice.serial } else { None };
        *waiting = Notice { serial, ..notice };
        drop(notices);
        self.put.notify_one();
    }

    /// Waits until there are some, and takes all.
    pub async fn take(&self) -> BTreeMap<Fqdn, Notice> {
        loop {
            let taken = std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.put.notified().await;
        }
    }
}

impl CopyRights {
    /// Whether somebody at this address, who signed with this key, may say that the zone has changed.
    fn allow(&self, source: IpAddr, key: Option<&Fqdn>) -> Result<(), &'static str> {
        if self.notify.contain(source, key) {
            return Ok(());
        }
        let mut at_address = self.primaries.iter().filter(|(address, _)| address.to_canonical() == source).peekable();
        if at_address.peek().is_none() {
            return Err("neither `primaries` nor `allow_notify` names it");
        }
        match at_address.any(|(_, wanted)| wanted.as_ref().is_none_or(|wanted| Some(wanted) == key)) {
            true => Ok(()),
            false => Err("it is not signed with that primary's key"),
        }
    }
}

/// The code to answer with.
pub(super) fn handle(
    request: &Request,
    signed_by: Option<&Fqdn>,
    copies: &HashMap<Fqdn, Vec<CopyRights>>,
    (board, refused): (&Arc<Board>, &Quiet),
) -> Rcode {
    // RFC 1996 section 3.7: the question section says which zone, with the type SOA.
    let [question] = request.queries.queries() else { return Rcode::FORM_ERR };
    let question = question.original();
    if question.query_type() != RecordType::SOA || question.query_class() != DNSClass::IN {
        return Rcode::FORM_ERR;
    }
    let Ok(zone) = name_from_hickory(question.name()) else { return Rcode::FORM_ERR };
    let Some(copies) = copies.get(&zone) else { return Rcode::NOT_AUTH };
    let source = request.src().ip().to_canonical();
    // Of several copies with one apex a primary may have one alone, told by its address or key.
    let (told, refusals): (Vec<_>, Vec<_>) =
        copies.iter().map(|rights| rights.allow(source, signed_by).map(|()| rights)).partition(Result::is_ok);
    if told.is_empty() {
        let why = refusals.into_iter().find_map(Result::err).unwrap_or_default();
        // Section 3.10: "... from a host which is not a known master ... should be ignored" and told.
        if let Some(kept_back) = refused.may_tell() {
            tracing::info!("zone {zone}: {source} says that it has changed, which is not believed: {why}{kept_back}");
        }
        return Rcode::REFUSED;
    }
    // Section 3.7: the answer section may hold "the new SOA RR", as a hint.
    let serial = request.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if name_from_hickory(&record.name).as_ref() == Ok(&zone) => Some(soa.serial),
        _ => None,
    });
    tracing::debug!(%zone, %source, ?serial, "told that a zone has changed");
    for rights in told.into_iter().flatten() {
        board.put(rights.id.clone(), Notice { source, serial });
    }
    Rcode::NO_ERROR
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use zones::audience::Prefix;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rfc1996_3_10_only_primaries_with_their_keys_and_who_is_listed_are_heard() {
        let key: Fqdn = "transfer".parse().unwrap();
        let rights = CopyRights {
            id: "example".parse().unwrap(),
            primaries: vec![(address("192.0.2.1"), Some(key.clone())), (address("192.0.2.2"), None)],
            notify: Askers { prefixes: vec![Prefix { address: address("10.0.0.0"), length: 8 }], keys: vec![] },
        };
        assert!(rights.allow(address("192.0.2.1"), Some(&key)).is_ok());
        assert!(rights.allow(address("192.0.2.1"), None).unwrap_err().contains("not signed"));
        assert!(rights.allow(address("192.0.2.1"), Some(&"other".parse().unwrap())).is_err());
        assert!(rights.allow(address("192.0.2.2"), None).is_ok());
        assert!(rights.allow(address("10.1.2.3"), None).is_ok());
        assert!(rights.allow(address("192.0.2.3"), Some(&key)).unwrap_err().contains("neither"));
    }

    #[tokio::test]
    async fn notices_of_one_zone_are_one_and_hide_no_newer_serial() {
        let board = Board::default();
        let (zone, source) = (|| "example".parse::<Fqdn>().unwrap(), address("192.0.2.1"));
        for serial in [9, 9, 6] {
            board.put(zone(), Notice { source, serial: Some(serial) });
        }
        board.put("other".parse().unwrap(), Notice { source, serial: Some(3) });
        let taken = board.take().await;
        let told: Vec<Option<u32>> = taken.values().map(|notice| notice.serial).collect();
        assert_eq!((taken.len(), told.contains(&None), told.contains(&Some(3))), (2, true, true));
    }
}
