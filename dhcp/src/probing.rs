//! Conflict detection as data: which addresses are asked for before they are offered, what is to be asked, and what came
//! of it.

use std::net::Ipv4Addr;

use crate::identity::HardwareAddress;

/// How addresses are probed before they are offered; which ones is [`crate::settings::Subnet::probe`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// For how long an answer is waited for, in milliseconds.
    pub timeout_ms: u32,
    /// How many probes may be under way at once.
    pub at_once_max: u32,
    /// What happens past that.
    pub past_cap: PastCap,
    /// How many addresses are tried for one DISCOVER when each turns out to be used.
    pub in_a_row_max: u32,
    /// After how many seconds without a word of the client that had it an address has rested.
    pub rested_secs: u32,
}

impl Default for Probing {
    fn default() -> Self {
        Self { timeout_ms: 500, at_once_max: 256, past_cap: PastCap::Offer, in_a_row_max: 4, rested_secs: 600 }
    }
}

/// What happens to a DISCOVER whose address should be probed while too many are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastCap {
    /// The address is offered without being probed.
    Offer,
    /// It gets no answer; clients ask again after seconds.
    Silence,
}

/// Which addresses of a subnet are probed before they are offered. Never the client's own: one that it holds, or was
/// offered just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProbeWhen {
    /// None.
    #[default]
    Off,
    /// Those that have rested ([`Probing::rested_secs`]), that nobody ever had, or that come from quarantine.
    Rested,
    /// All.
    Always,
}

/// Names one probe towards [`crate::engine::Engine::handle_probe_result`]; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u64);

/// Ask whether somebody uses an address. The engine keeps the time: whoever asks only says what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Names it.
    pub id: ProbeId,
    /// Whom to ask.
    pub address: Ipv4Addr,
    /// How.
    pub how: ProbeHow,
    /// For how long an answer is waited for.
    pub timeout_ms: u32,
}

/// How an address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeHow {
    /// By ARP on the link that the message came from.
    Arp,
    /// By ICMP echo, through whatever routers there are.
    Icmp,
}

/// What a DISCOVER waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeNeeded {
    /// A probe that is to be made now.
    Start(ProbeRequest),
    /// One under way: an earlier DISCOVER of the client began it, which this one replaces.
    UnderWay(ProbeId),
}

impl ProbeNeeded {
    /// The probe that is waited for.
    #[must_use]
    pub fn id(self) -> ProbeId {
        match self {
            Self::Start(request) => request.id,
            Self::UnderWay(id) => id,
        }
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// Nobody answered in time.
    Free,
    /// Somebody answered: with this hardware address, where the way of asking tells it.
    Taken(Option<HardwareAddress>),
    /// It could not be asked.
    Unknown,
}
