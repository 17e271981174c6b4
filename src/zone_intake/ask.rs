//! What is asked of a primary: the serial that it has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use config::settings::Primary;
use dns::wire::{AnswerError, PendingAnswer, read_transfer, sign_request, zone_question};
use dns::{Fqdn, Rcode, RecordType, Signing};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use zones::intake::Failure;

use crate::clock::machine_wall_secs;
use crate::ddns_client::random_id;
use crate::ddns_client::read::{ReadError, Reading};

/// How long an answer is waited for, each time that a primary is asked.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Datagrams that are looked at in one wait.
const STRAYS_MAX: usize = 16;
/// The longest datagram that is read, in octets.
const ANSWER_OCTETS_MAX: usize = 4_096;

/// What a datagram is worth.
enum Heard {
    Serial(u32),
    /// To be asked over TCP.
    Truncated,
    /// It is not the answer, or may be another's.
    Stray(Option<String>),
    /// The primary's own word.
    No(String),
}

/// The serial that a primary has of a zone.
pub(super) async fn serial_of(primary: &Primary, apex: &Fqdn) -> Result<u32, Failure> {
    over_udp(primary, apex).await.map_err(Failure::from)
}

async fn over_udp(primary: &Primary, apex: &Fqdn) -> Result<u32, String> {
    let any: IpAddr = match primary.address.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let cannot = |error: std::io::Error| format!("it cannot be asked: {error}");
    let socket = UdpSocket::bind((any, 0)).await.map_err(cannot)?;
    socket.connect(primary.address).await.map_err(cannot)?;
    let mut octets = vec![0; ANSWER_OCTETS_MAX];
    let mut unbelieved = None;
    for wait in WAITS {
        let message = zone_question(random_id(), apex, RecordType::SOA, None);
        let question = message.and_then(|message| sign_request(message, primary.key.as_deref(), machine_wall_secs()));
        let (question, pending) = question.map_err(|error| error.to_string())?;
        let deadline = Instant::now() + wait;
        // "Connection refused" of an earlier datagram: it may be there for this one.
        let _ = socket.send(&question).await;
        for _ in 0..STRAYS_MAX {
            let length = match timeout_at(deadline, socket.recv(&mut octets)).await {
                Err(_) => break,
                Ok(Ok(length)) => length,
                Ok(Err(error)) => {
                    unbelieved.get_or_insert(format!("no answer: {error}"));
                    continue;
                }
            };
            match hear(&pending, apex, primary, &octets[..length]) {
                Heard::Serial(serial) => return Ok(serial),
                Heard::Truncated => return over_tcp(primary, apex).await,
                Heard::No(why) => return Err(why),
                Heard::Stray(None) => {}
                Heard::Stray(Some(why)) => unbelieved = Some(why),
            }
        }
        tokio::time::sleep_until(deadline).await;
    }
    Err(unbelieved.unwrap_or_else(|| "no answer in time".to_owned()))
}

fn hear(pending: &PendingAnswer, apex: &Fqdn, primary: &Primary, octets: &[u8]) -> Heard {
    let message = match pending.read(octets, machine_wall_secs()) {
        Ok(message) => message,
        Err(AnswerError::NotOurs) => return Heard::Stray(None),
        Err(error @ AnswerError::Refused { .. }) => return Heard::No(refusal(&error, primary)),
        // Somebody else may have sent it.
        Err(error) => return Heard::Stray(Some(refusal(&error, primary))),
    };
    let read = match read_transfer(&message) {
        Ok(read) => read,
        Err(error) => return Heard::No(format!("its answer cannot be read: {error}")),
    };
    if read.question.is_none_or(|(name, rtype)| name != *apex || rtype != RecordType::SOA) {
        return Heard::Stray(None);
    }
    if read.truncated {
        return Heard::Truncated;
    }
    if read.rcode != Rcode::NO_ERROR {
        return Heard::No(format!("it answers {}", read.rcode));
    }
    let of_zone = read.records.iter().find(|record| record.name == *apex && record.rtype == RecordType::SOA);
    match of_zone.and_then(|record| record.rdata.to_soa()) {
        Some(soa) if read.authoritative => Heard::Serial(soa.serial),
        Some(_) => Heard::No("it answers without authority: it does not hold the zone itself".to_owned()),
        None => Heard::No("it does not hold the zone".to_owned()),
    }
}

async fn over_tcp(primary: &Primary, apex: &Fqdn) -> Result<u32, String> {
    let signing = primary.key.as_ref().map_or(Signing::Unsigned, |key| Signing::Shared(key.clone()));
    let clock: crate::ddns_client::WallClock = std::sync::Arc::new(machine_wall_secs);
    let mut reading = Reading::new(primary.address, &signing, &clock);
    let found = reading.lookup(apex, RecordType::SOA).await.map_err(|error| match error {
        ReadError::Signature(error) => refusal(&error, primary),
        other => other.to_string(),
    })?;
    let soa = found.first().and_then(|(_, rdata)| rdata.to_soa());
    soa.map(|soa| soa.serial).ok_or_else(|| "it does not hold the zone".to_owned())
}

/// Why an answer is not believed, or a question was not, in words that name the key.
pub(super) fn refusal(error: &AnswerError, primary: &Primary) -> String {
    let key = primary.key.as_ref().map_or_else(|| "none".to_owned(), |key| key.name.to_string());
    match error {
        AnswerError::Refused { error: Rcode::BAD_KEY, .. } => {
            format!("it does not accept the key {key}: BADKEY (it does not know the key, or not for this zone)")
        }
        AnswerError::Refused { error: Rcode::BAD_SIG, .. } => {
            format!("it does not accept the key {key}: BADSIG (its secret is another one there)")
        }
        AnswerError::Refused { error: Rcode::BAD_TIME, .. } => {
            format!("it does not accept the key {key}: BADTIME (its clock and ours differ)")
        }
        other => format!("{other} (key {key})"),
    }
}
