//! What one place in the configuration gives to its clients.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dns::{Fqdn, NamingPart};

use crate::options::vendor::VendorOptions;

/// What one place in the configuration may give to its clients: the server, a shared network, a subnet, a pool, a class
/// or a reservation. Where several say something, the narrowest wins.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Scope {
    /// Options. Empty data takes the option of a wider scope back.
    pub options: OptionSet,
    /// Option 6 is this server's own address: see [`super::Subnet::own_dns_address`].
    pub own_dns: bool,
    /// Options 43 and 125, by who made the client. They win over those among `options`.
    pub vendor: VendorOptions,
    /// Codes of options to send though the client does not ask for them.
    pub always: Vec<u8>,
    /// Codes of options not to send though the client asks for them.
    pub never: Vec<u8>,
    /// What to boot from.
    pub boot: Boot,
    /// Lease times.
    pub lease_secs: LeaseTimes,
    /// Rules of names.
    pub naming: Option<Box<NamingPart>>,
}

impl Scope {
    /// Whether it says nothing at all. Asked for several scopes of every message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { options, own_dns, vendor, always, never, boot, lease_secs, naming } = self;
        options.0.is_empty()
            && !own_dns
            && vendor.is_empty()
            && always.is_empty()
            && never.is_empty()
            && *boot == Boot::default()
            && *lease_secs == LeaseTimes::default()
            && naming.is_none()
    }

    /// The domain that it puts names under.
    #[must_use]
    pub fn domain(&self) -> Option<&Fqdn> {
        self.naming.as_ref()?.domain.as_ref()
    }
}

/// The header fields that tell a client what to boot from. `None` where a wider scope decides.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Boot {
    /// `siaddr`: the server to load from.
    pub next_server: Option<Ipv4Addr>,
    /// `sname`: its name, at most 63 bytes.
    pub server_name: Option<Box<str>>,
    /// `file`: what to load, at most 127 bytes.
    pub file: Option<Box<str>>,
}

/// Lease times in seconds as one scope has them. `None` where a wider scope decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LeaseTimes {
    /// Given when the client asks for none.
    pub default: Option<u32>,
    /// The least that is given.
    pub min: Option<u32>,
    /// The most that is given. `u32::MAX` is "infinite" (RFC 2131 section 3.3).
    pub max: Option<u32>,
}

impl From<LeaseTime> for LeaseTimes {
    fn from(LeaseTime { default, min, max }: LeaseTime) -> Self {
        Self { default: Some(default), min: Some(min), max: Some(max) }
    }
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// Given when the client asks for none.
    pub default: u32,
    /// The least that is given.
    pub min: u32,
    /// The most that is given. `u32::MAX` is "infinite" (RFC 2131 section 3.3).
    pub max: u32,
}

impl Default for LeaseTime {
    /// Twelve hours, and what the client wishes from two minutes to a day.
    fn default() -> Self {
        Self { default: 43_200, min: 120, max: 86_400 }
    }
}

impl LeaseTime {
    /// What several scopes come to, the narrowest first. Each of the three times is the narrowest scope's that has it;
    /// where two of them do not go together, the one from the narrower scope stands and stretches the other.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = LeaseTimes>) -> Self {
        let fallback = Self::default();
        let fit =
            |secs: u32, min: Option<u32>, max: Option<u32>| secs.min(max.unwrap_or(u32::MAX)).max(min.unwrap_or(0));
        let mut found = LeaseTimes::default();
        for wider in scopes {
            let LeaseTimes { default, min, max } = found;
            let (most, least) = (default.or(max), default.or(min));
            found = LeaseTimes {
                default: default.or_else(|| wider.default.map(|secs| fit(secs, min, max))),
                min: min.or_else(|| wider.min.map(|secs| fit(secs, None, most))),
                max: max.or_else(|| wider.max.map(|secs| fit(secs, least, None))),
            };
        }
        let default = found.default.unwrap_or_else(|| fit(fallback.default, found.min, found.max));
        Self {
            default,
            min: found.min.unwrap_or(fallback.min.min(default)),
            max: found.max.unwrap_or(fallback.max.max(default)),
        }
    }

    /// What a client is given that asks for `wanted` seconds, or for none.
    #[must_use]
    pub fn grant(&self, wanted: Option<u32>) -> u32 {
        wanted.unwrap_or(self.default).min(self.max).max(self.min)
    }
}

/// Option code to its data as sent, each at most 65,535 bytes; split after RFC 3396 when sent.
/// Never holds 0, 255, 50-55, 57, 61, 81, 82 (the engine's own); 51, 58, 59 come from the subnet's times.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OptionSet(pub BTreeMap<u8, Box<[u8]>>);
