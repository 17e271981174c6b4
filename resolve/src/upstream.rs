//! An upstream: where it is, and how it is spoken to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How an upstream is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// By datagrams, and by TCP where those are too small.
    Datagrams,
    /// By TCP alone.
    Tcp,
    /// By TLS (RFC 7858).
    Tls {
        /// The name that its certificate must have; none: its address.
        name: Option<String>,
    },
    /// By HTTPS (RFC 8484).
    Https {
        /// The name that its certificate must have; none: its address.
        name: Option<String>,
        /// The path, from `/` on.
        path: String,
    },
}

/// SHA-256 of the key in an upstream's certificate (SubjectPublicKeyInfo, RFC 7858 section 4.2).
pub type Pin = [u8; 32];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Its address.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub over: Over,
    /// The key that its certificate must have; with a name, that too.
    pub pin: Option<Pin>,
}

/// Why a text is no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUpstream {
    /// No address can be read where one has to stand.
    #[error("it has no IP address")]
    Address,
    /// A scheme that is not known.
    #[error("it begins with something other than udp://, tcp://, tls:// or https://")]
    Scheme,
    /// A name behind `#` where no certificate is looked at, or one that is none.
    #[error("what stands behind # is not the name of a certificate")]
    Name,
    /// A pin that is none.
    #[error("what stands behind sha256/ is not the SHA-256 of a key, in base64")]
    Pin,
}

/// What a pin begins with, as curl and others write it.
const PIN: &str = "sha256/";

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Self { address, over: Over::Datagrams, pin: None }
    }
}

impl Upstream {
    /// Whether its certificate must be for a name.
    #[must_use]
    pub fn has_name(&self) -> bool {
        matches!(&self.over, Over::Tls { name: Some(_) } | Over::Https { name: Some(_), .. })
    }
}

impl FromStr for Upstream {
    type Err = NoUpstream;

    /// `192.0.2.53`, `192.0.2.53:5353`, `tcp://192.0.2.53`, `tls://192.0.2.53#dns.example`,
    /// `https://192.0.2.53/dns-query#dns.example`; behind the name, or in its place, the pin of a key: `sha256/` and base64.
    /// An address and not a name, which would have to be resolved first.
    fn from_str(text: &str) -> Result<Self, NoUpstream> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("udp", text));
        let (rest, name) = match rest.split_once('#') {
            Some((rest, name)) => (rest, Some(name)),
            None => (rest, None),
        };
        let (name, pin) = match name {
            Some(behind) => name_and_pin(behind)?,
            None => (None, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if name.is_some_and(|name| name.is_empty() || !name.chars().all(plain)) {
            return Err(NoUpstream::Name);
        }
        let name = name.map(str::to_owned);
        let (place, path) = match rest.find('/') {
            Some(at) if scheme == "https" => rest.split_at(at),
            _ => (rest, "/dns-query"),
        };
        let (port, over) = match (scheme, name) {
            ("udp" | "tcp", Some(_)) => return Err(NoUpstream::Name),
            ("udp" | "tcp", None) if pin.is_some() => return Err(NoUpstream::Name),
            ("udp", None) => (53, Over::Datagrams),
            ("tcp", None) => (53, Over::Tcp),
            ("tls", name) => (853, Over::Tls { name }),
            ("https", name) => (443, Over::Https { name, path: path.to_owned() }),
            _ => return Err(NoUpstream::Scheme),
        };
        let bare = place.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(place);
        let address = place.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)));
        match address {
            Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(Self { address, over, pin }),
            _ => Err(NoUpstream::Address),
        }
    }
}

/// What stands behind `#`: a name, a pin, or both.
fn name_and_pin(text: &str) -> Result<(Option<&str>, Option<Pin>), NoUpstream> {
    let Some((name, pin)) = text.split_once(PIN) else { return Ok((Some(text), None)) };
    let octets = STANDARD.decode(pin).map_err(|_| NoUpstream::Pin)?;
    let pin = Some(octets.try_into().map_err(|_| NoUpstream::Pin)?);
    match (name.is_empty(), name.strip_suffix(',')) {
        (true, _) => Ok((None, pin)),
        (false, Some(name)) => Ok((Some(name), pin)),
        (false, None) => Err(NoUpstream::Name),
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port, path, name) = match &self.over {
            Over::Datagrams => ("", 53, "", &None),
            Over::Tcp => ("tcp://", 53, "", &None),
            Over::Tls { name } => ("tls://", 853, "", name),
            Over::Https { name, path } => ("https://", 443, path.as_str(), name),
        };
        f.write_str(scheme)?;
        match self.address {
            address if address.port() != port => write!(f, "{address}")?,
            SocketAddr::V6(v6) if !scheme.is_empty() => write!(f, "[{}]", v6.ip())?,
            address => write!(f, "{}", address.ip())?,
        }
        f.write_str(path)?;
        name.as_ref().map_or(Ok(()), |name| write!(f, "#{name}"))?;
        let Some(pin) = self.pin else { return Ok(()) };
        write!(f, "{}{PIN}{}", if name.is_some() { "," } else { "#" }, STANDARD.encode(pin))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn upstreams_are_read_as_they_are_shown() {
        for text in [
            "192.0.2.53",
            "192.0.2.53:5353",
            "2001:db8::53",
            "[2001:db8::53]:5353",
            "tcp://192.0.2.53",
            "tls://192.0.2.53#dns.example",
            "tls://[2001:db8::53]",
            "tls://192.0.2.53:8853",
            "https://192.0.2.53/dns-query#dns.example",
            "https://192.0.2.53:8443/other",
            "tls://192.0.2.53#sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "https://192.0.2.53/dns-query#dns.example,sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), text);
        }
        assert_eq!("udp://192.0.2.53".parse::<Upstream>().unwrap().over, Over::Datagrams);
        assert_eq!("https://192.0.2.1".parse::<Upstream>().unwrap().to_string(), "https://192.0.2.1/dns-query");
    }

    #[test]
    fn what_is_no_upstream_is_told_why() {
        for (text, why) in [
            ("dns.example", NoUpstream::Address),
            ("192.0.2.53:0", NoUpstream::Address),
            ("0.0.0.0", NoUpstream::Address),
            ("", NoUpstream::Address),
            ("quic://192.0.2.53", NoUpstream::Scheme),
            ("192.0.2.53#dns.example", NoUpstream::Name),
            ("tls://192.0.2.53#", NoUpstream::Name),
            ("tls://192.0.2.53#a b", NoUpstream::Name),
            ("tls://192.0.2.53#sha256/", NoUpstream::Pin),
            ("tls://192.0.2.53#sha256/AAEC", NoUpstream::Pin),
            ("tls://192.0.2.53#a.example,sha256/no base64", NoUpstream::Pin),
            ("tls://192.0.2.53#a.examplesha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", NoUpstream::Name),
            ("192.0.2.53#sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", NoUpstream::Name),
        ] {
            assert_eq!(text.parse::<Upstream>(), Err(why), "{text}");
        }
    }
}
