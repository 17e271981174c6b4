//! What is asked of a DNS server before updates are sent to it: which zone holds a name, and whether the key is taken.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ddns::reconcile::{LastAnswer, Outcome, explain};
use ddns::settings::Auth;
use dns::wire::{name_from_hickory, name_to_hickory};
use dns::{Change, Fqdn, Prerequisite, Rcode, RecordType as Type, Update};
use hickory_client::client::{Client, ClientHandle};
use hickory_client::runtime::TokioRuntimeProvider;
use hickory_client::udp::UdpClientStream;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use super::UpdateClient;

/// How long a question may take.
const QUESTION_WAIT: Duration = Duration::from_secs(5);

/// Where a zone begins, as its server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneCut {
    /// The apex.
    pub apex: Fqdn,
    /// The primary server's name, of the SOA record: RFC 2136 section 4.3 sends updates there.
    pub primary: Fqdn,
    /// The serial.
    pub serial: u32,
    /// The server answered with authority.
    pub authoritative: bool,
}

/// Why a zone cut could not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// No answer that could be read.
    #[error("{server} gave no answer that could be read: {why}")]
    NoAnswer {
        /// Who was asked.
        server: SocketAddr,
        /// The client's words.
        why: String,
    },
    /// An answer without an SOA record.
    #[error("{server} serves no zone that holds {name}: it answered {rcode}")]
    NoZone {
        /// Who was asked.
        server: SocketAddr,
        /// For which name.
        name: Fqdn,
        /// What it said.
        rcode: Rcode,
    },
}

/// The zone that `name` is in, as `server` sees it. The SOA record stands in the answer when `name` is the apex itself,
/// else in the authority section (RFC 2308 section 2).
///
/// # Errors
/// [`DiscoverError`].
pub async fn zone_cut(server: SocketAddr, name: &Fqdn) -> Result<ZoneCut, DiscoverError> {
    let no_answer = |why: String| DiscoverError::NoAnswer { server, why };
    let stream =
        UdpClientStream::builder(server, TokioRuntimeProvider::new()).with_timeout(Some(QUESTION_WAIT)).build();
    let (mut client, background) = Client::<TokioRuntimeProvider>::from_sender(stream);
    let background = tokio::spawn(background);
    let question = client.query(name_to_hickory(name), DNSClass::IN, RecordType::SOA);
    let answered = tokio::time::timeout(QUESTION_WAIT, question).await;
    background.abort();
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(no_answer(error.to_string())),
        Err(_) => return Err(no_answer("no answer in time".to_owned())),
    };
    let records = response.answers.iter().chain(&response.authorities);
    match records.filter_map(|record| cut_of(record, name)).next() {
        Some((apex, primary, serial)) => {
            Ok(ZoneCut { apex, primary, serial, authoritative: response.metadata.authoritative })
        }
        None => {
            let code = response.metadata.response_code;
            let rcode = if code == ResponseCode::NoError { Rcode::NO_ERROR } else { Rcode(code.into()) };
            Err(DiscoverError::NoZone { server, name: name.clone(), rcode })
        }
    }
}

/// An SOA record at `name` or above it.
fn cut_of(record: &Record, name: &Fqdn) -> Option<(Fqdn, Fqdn, u32)> {
    let RData::SOA(soa) = &record.data else { return None };
    let apex = name_from_hickory(&record.name).ok().filter(|apex| name.is_within(apex))?;
    Some((apex, name_from_hickory(&soa.mname).ok()?, soa.serial))
}

/// The name of trial updates, beneath the apex. Nothing is ever there.
const TRIAL: &[u8] = b"leasehold-trial";

/// What a server would do with updates of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// It serves the zone, knows the key, and took a trial update that changes nothing.
    Ready,
    /// It serves the zone and knows the key, and refused the trial update.
    Denied,
    /// It serves the zone and knows the key. Whether it takes updates was not to be learnt: the trial's name is in use.
    /// A server may look at the prerequisite before it looks at the permission, or after.
    Unproven(Rcode),
    /// It took the trial update without DHCID records, and not with them: Samba's DNS server knows no such type.
    WithoutDhcid,
    /// The zone that it serves begins elsewhere.
    OtherCut(ZoneCut),
    /// It knows the zone, but not with authority: a cache, or a secondary that has lost its primary.
    NoAuthority,
    /// It does not serve the zone, or does not answer.
    NotServed(DiscoverError),
    /// It serves the zone, but would not take the update.
    Refused(Outcome),
}

/// What follows from a preflight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands in the way.
    Ready,
    /// Updates would not be taken as things are.
    NotReady,
    /// The answers prove nothing.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Unknown => "unknown",
        })
    }
}

impl Preflight {
    /// Whether nothing stands in the way of updates.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.verdict() == Verdict::Ready
    }

    /// What follows from it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Ready => Verdict::Ready,
            // Whether that is enough, the configuration decides for each name.
            Self::Unproven(_) | Self::WithoutDhcid => Verdict::Unknown,
            _ => Verdict::NotReady,
        }
    }
}

/// Asks `server` whether it serves the zone at `apex` with authority, and whether it takes updates signed so: by an
/// update that deletes, from a name that is required not to be in use, records of the types that are published there.
/// Whichever of prerequisite (RFC 2136 section 3.2) and permission (3.3) a server looks at first, its yes is about both,
/// and nothing is changed.
pub async fn preflight(client: &UpdateClient, server: SocketAddr, auth: &Auth, apex: &Fqdn) -> Preflight {
    match zone_cut(server, apex).await {
        Ok(cut) if cut.apex != *apex => return Preflight::OtherCut(cut),
        Ok(cut) if !cut.authoritative => return Preflight::NoAuthority,
        Ok(_) => {}
        Err(error) => return Preflight::NotServed(error),
    }
    let published = if apex.is_reverse() { Type::PTR } else { Type::A };
    match client.send_as(server, auth, &trial(apex, &[published, Type::DHCID])).await {
        Outcome::Answer(Rcode::NO_ERROR) => Preflight::Ready,
        Outcome::Answer(Rcode::REFUSED) => Preflight::Denied,
        Outcome::Answer(code @ Rcode::YX_DOMAIN) => Preflight::Unproven(code),
        // Samba says that it cannot; what it signs is not to be relied on.
        other @ (Outcome::Answer(Rcode::NOT_IMP) | Outcome::BadAnswer) if matches!(auth, Auth::Gss(_)) => {
            match client.send_as(server, auth, &trial(apex, &[published])).await {
                Outcome::Answer(Rcode::NO_ERROR) => Preflight::WithoutDhcid,
                _ => Preflight::Refused(other),
            }
        }
        other => Preflight::Refused(other),
    }
}

/// An update that changes nothing. An apex too long for a name beneath it has none of ours either.
fn trial(apex: &Fqdn, types: &[Type]) -> Update {
    let name = apex.prepend_label(TRIAL).unwrap_or_else(|_| apex.clone());
    let changes = types.iter().map(|&rtype| Change::DeleteRrset(name.clone(), rtype)).collect();
    Update { zone: apex.clone(), prerequisites: vec![Prerequisite::NameNotInUse(name)], changes }
}

/// A preflight's result in words that say what to do.
#[derive(Clone, Debug)]
pub struct PreflightReport<'a> {
    /// Who was asked.
    pub server: SocketAddr,
    /// What signs.
    pub auth: &'a Auth,
    /// Of which zone.
    pub apex: &'a Fqdn,
    /// What came of it.
    pub result: &'a Preflight,
}

impl fmt::Display for PreflightReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, auth, apex, result } = self;
        match result {
            Preflight::Ready => write!(f, "zone {apex}: {server} takes updates"),
            Preflight::Denied => write!(
                f,
                "zone {apex}: a trial update that changes nothing: {}",
                explain(&LastAnswer::Refused(Rcode::REFUSED), &server.to_string(), auth)
            ),
            Preflight::Unproven(code) => write!(
                f,
                "zone {apex}: {server} answers a trial update {code}, as if a name of the trial were in use: whether it \
                 takes updates is not to be learnt from that"
            ),
            Preflight::WithoutDhcid => write!(
                f,
                "zone {apex}: {server} takes updates, but none of DHCID records, which say whose a name is; for its names \
                 write `conflict_check = \"no-check-without-dhcid\"`, and let it have no PTR records"
            ),
            Preflight::NoAuthority => write!(
                f,
                "zone {apex}: {server} answers without authority; write the address of the zone's primary server, and \
                 see whether it has loaded the zone"
            ),
            Preflight::OtherCut(cut) if apex.is_within(&cut.apex) => write!(
                f,
                "zone {apex}: {server} serves it as part of the zone {}; name that zone in the configuration instead",
                cut.apex
            ),
            Preflight::OtherCut(cut) => write!(f, "zone {apex}: {server} answers for the zone {} instead", cut.apex),
            Preflight::NotServed(error) => {
                write!(f, "zone {apex}: {error}; see whether the address and the zone's name are right")
            }
            Preflight::Refused(outcome) => {
                write!(f, "zone {apex}: {}", explain(&outcome.failure(), &server.to_string(), auth))
            }
        }
    }
}
