//! What keeps others from using the DNS server against somebody, and from using it up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{Duration, Prefix};

/// Whether and how DNS cookies are answered (RFC 7873).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Cookies {
    /// Who sends one gets one.
    #[default]
    #[serde(rename = "offered")]
    Offered,
    /// And who then does not show ours, over UDP, gets nothing else.
    #[serde(rename = "required")]
    Required,
    /// They are ignored.
    #[serde(rename = "off")]
    Off,
}

/// How much anybody gets of the DNS server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsLimits {
    /// Answers a second over UDP of one sort, for one question, to one prefix; 0: as many as are asked for.
    pub answers_per_second: Option<At<u16>>,
    /// Every so manieth answer beyond says to ask over TCP; 0: none.
    pub slip: Option<At<u16>>,
    /// Questions a second over UDP of one client about names of others; 0: as many as it asks.
    pub questions_per_client: Option<At<u16>>,
    /// Prefixes whose answers are not limited, besides the subnets, this machine and those that may ask for other names.
    pub exempt: Option<Vec<At<Prefix>>>,
    /// TCP connections at once.
    pub connections: Option<At<u16>>,
    /// TCP connections of one client at once.
    pub connections_per_client: Option<At<u16>>,
    /// How long a TCP connection may be silent.
    pub idle: Option<At<Duration>>,
}
