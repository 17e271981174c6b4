//! The question about a client's name that the engine asks outwards. `ddns` knows the answer, and neither
//! crate knows the other: the daemon's core implements [`NameChooser`].

use std::net::Ipv4Addr;

use dns::{Bytes, HostIdentity};

use crate::identity::{ClientId, HardwareAddress};
use crate::lease::LeaseName;
use crate::settings::{Naming, Reservation, ReservedRecords, Settings, Subnet};

/// What the engine knows of a client's wish for a name.
#[derive(Clone, Debug)]
pub struct NameQuestion<'a> {
    /// Option 12, as sent; empty for none.
    pub hostname: &'a [u8],
    /// Option 81, as sent; `None` when absent.
    pub client_fqdn: Option<&'a [u8]>,
    /// The reservation's name, which wins over what the client sends.
    pub reserved_hostname: Option<&'a str>,
    /// The address it will have.
    pub address: Ipv4Addr,
    /// Its hardware address; empty where none is known.
    pub hardware: &'a [u8],
    /// How long the lease will run, in seconds.
    pub lease_secs: u32,
    /// Who asks.
    pub identity: HostIdentity,
    /// The client is new at the address, or says another name there than before: it does not merely renew.
    pub arrives: bool,
    /// The subnet's rules.
    pub naming: &'a Naming,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameAnswer {
    /// What DNS should hold; `None`: nothing.
    pub name: Option<LeaseName>,
    /// The data of the option 81 to reply with; `None` when the client sent none (RFC 4702 section 2).
    pub client_fqdn: Option<Bytes>,
    /// The name is somebody else's in DNS for now, so that the client is told of none.
    pub foreign: bool,
}

/// Chooses names: a pure function of the question and of which names are taken.
pub trait NameChooser {
    /// Answers for one client. Never blocks.
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer;
}

/// Chooses nothing: for a server without DNS, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl NameChooser for NoNames {
    fn choose(&self, _: &NameQuestion<'_>) -> NameAnswer {
        NameAnswer::default()
    }
}

/// Who a client is towards DNS (RFC 4701 section 3.3): the DUID inside its client identifier (RFC 4361), else the
/// identifier, else the hardware address.
#[must_use]
pub fn host_identity(hardware: HardwareAddress, client_id: Option<&ClientId>) -> HostIdentity {
    if let Some(duid) = client_id.and_then(ClientId::duid) {
        return duid_identity(duid);
    }
    match client_id.map(|id| &*id.0) {
        Some(id) => HostIdentity::ClientId(id.into()),
        None => hardware_identity(hardware),
    }
}

pub(crate) fn duid_identity(duid: &[u8]) -> HostIdentity {
    HostIdentity::Duid(duid.into())
}

pub(crate) fn hardware_identity(hardware: HardwareAddress) -> HostIdentity {
    HostIdentity::Hardware { htype: hardware.htype, chaddr: hardware.as_bytes().into() }
}

/// The name that a reservation has whether its client is there or not. `None`: it has none, no address to have it at, or
/// it has it only while its client has a lease ([`ReservedRecords::WhileLeased`]).
#[must_use]
pub fn reserved_name(
    settings: &Settings,
    subnet: &Subnet,
    reservation: &Reservation,
    names: &dyn NameChooser,
) -> Option<(Ipv4Addr, LeaseName)> {
    let (address, hostname) = (reservation.address?, reservation.hostname.as_deref()?);
    let naming = settings.reserved_naming(subnet, reservation)?;
    if naming.reserved != ReservedRecords::WhileConfigured {
        return None;
    }
    let answer = names.choose(&NameQuestion {
        hostname: &[],
        client_fqdn: None,
        reserved_hostname: Some(hostname),
        address,
        hardware: &[],
        lease_secs: settings.reserved_lease_secs(subnet, reservation),
        identity: reservation.identity()?,
        arrives: false,
        naming: &naming,
    });
    Some((address, answer.name?))
}
