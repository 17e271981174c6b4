//! Kerberos in place of a shared key (GSS-TSIG, RFC 3645): whose tickets sign a zone's updates, and why there are none.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// An account of ours at a Kerberos realm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Gss {
    /// Whose tickets they are, with the realm: `dhcp/ns1.example.com@EXAMPLE.COM`.
    pub principal: Box<str>,
    /// The file that holds its key.
    pub keytab: Box<Path>,
    /// The principal of each server, with its realm, where the configuration names them: `DNS/dc1.example.com@EXAMPLE.COM`.
    /// Else it is made of the name that the server gives itself as the primary of a zone.
    pub services: Box<[(SocketAddr, Box<str>)]>,
}

impl Gss {
    /// The principal that a server is written to have.
    #[must_use]
    pub fn service_of(&self, server: SocketAddr) -> Option<&str> {
        self.services.iter().find(|(at, _)| *at == server).map(|(_, service)| &**service)
    }

    /// The realm of our own account.
    #[must_use]
    pub fn realm(&self) -> &str {
        self.principal.rsplit_once('@').map_or("", |(_, realm)| realm)
    }
}

impl fmt::Debug for Gss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gss").field("principal", &self.principal).field("keytab", &self.keytab).finish_non_exhaustive()
    }
}

/// Why no ticket of ours signs an update. Nothing was sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KerberosFault {
    /// There is no keytab, or it cannot be read.
    Keytab,
    /// The keytab holds no key of the principal.
    NotInKeytab,
    /// The keytab's key is not the one that the KDC has.
    WrongKey,
    /// The KDC does not know the principal, or has locked it.
    UnknownPrincipal,
    /// The KDC does not know the DNS server's principal.
    UnknownService,
    /// The clocks differ too much.
    ClockSkew,
    /// No KDC of the realm answers, or none is known.
    NoKdc,
    /// The DNS server accepts no ticket, or not this one.
    ServerRefused,
    /// The DNS server does not say what it is called.
    NoServerName,
    /// Something else, which the log tells in the library's words.
    Other,
}

impl KerberosFault {
    /// All of them; the place of each is its number in the store.
    pub const ALL: [Self; 10] = [
        Self::Keytab,
        Self::NotInKeytab,
        Self::WrongKey,
        Self::UnknownPrincipal,
        Self::UnknownService,
        Self::ClockSkew,
        Self::NoKdc,
        Self::ServerRefused,
        Self::NoServerName,
        Self::Other,
    ];

    /// Its number in the store.
    #[must_use]
    pub fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(one, _)| **one == self).map_or(u8::MAX, |(_, number)| number)
    }

    /// What happened and what to do; `server` as people know it.
    #[must_use]
    pub fn words(self, gss: &Gss, server: &str) -> String {
        let Gss { principal, keytab, .. } = gss;
        let (keytab, realm) = (keytab.display(), gss.realm());
        match self {
            Self::Keytab => format!(
                "the keytab {keytab} cannot be read, so there is no ticket for {principal}; export it from the KDC to this \
                 place, readable for the daemon's user"
            ),
            Self::NotInKeytab => format!(
                "the keytab {keytab} holds no key of {principal}; `klist -k {keytab}` lists whose keys it holds"
            ),
            Self::WrongKey => format!(
                "the KDC does not accept the key of {principal} in {keytab}: it has been changed since; export the keytab \
                 anew"
            ),
            Self::UnknownPrincipal => format!(
                "the KDC does not know {principal}, or has disabled it; make the account, or write the name that it has"
            ),
            Self::UnknownService => format!(
                "the KDC does not know the service of {server}; write the name that the KDC knows, such as \
                 `service = \"DNS/dc1.example.com\"`, beside the keytab"
            ),
            Self::ClockSkew => "the clocks of this machine and of the KDC or the DNS server differ by more than five \
                                minutes; set the time"
                .to_owned(),
            Self::NoKdc => format!(
                "no KDC of the realm {realm} answers; see whether it runs, and whether /etc/krb5.conf or the DNS tells \
                 where it is"
            ),
            Self::ServerRefused => format!(
                "{server} does not accept the ticket of {principal}; see whether it takes GSS-TSIG, and whether its keytab \
                 holds the key that the KDC has for it"
            ),
            Self::NoServerName => format!(
                "{server} does not tell its name in the zone's SOA record; write `service = \"DNS/dc1.example.com\"` beside \
                 the keytab"
            ),
            Self::Other => format!("there is no ticket of {principal} for {server}; the log tells what Kerberos says"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_in_words_that_name_what_to_mend() {
        let gss = Gss {
            principal: "dhcp/ns1@EXAMPLE.COM".into(),
            keytab: Path::new("/etc/leasehold.keytab").into(),
            services: Box::default(),
        };
        for (fault, word) in [
            (KerberosFault::Keytab, "/etc/leasehold.keytab"),
            (KerberosFault::NotInKeytab, "klist -k"),
            (KerberosFault::WrongKey, "anew"),
            (KerberosFault::UnknownPrincipal, "dhcp/ns1@EXAMPLE.COM"),
            (KerberosFault::UnknownService, "service ="),
            (KerberosFault::ClockSkew, "set the time"),
            (KerberosFault::NoKdc, "EXAMPLE.COM"),
            (KerberosFault::ServerRefused, "GSS-TSIG"),
            (KerberosFault::NoServerName, "SOA"),
            (KerberosFault::Other, "log"),
        ] {
            let words = fault.words(&gss, "192.0.2.1:53");
            assert!(words.contains(word), "{words}");
            assert_eq!(KerberosFault::ALL[usize::from(fault.number())], fault);
        }
    }

    #[test]
    fn a_written_service_is_the_servers_own() {
        let (one, other) = (SocketAddr::from(([192, 0, 2, 1], 53)), SocketAddr::from(([192, 0, 2, 2], 53)));
        let gss = Gss {
            principal: "dhcp@EXAMPLE.COM".into(),
            keytab: Path::new("/k").into(),
            services: Box::new([(one, "DNS/dc1.example.com@EXAMPLE.COM".into())]),
        };
        assert_eq!(gss.service_of(one), Some("DNS/dc1.example.com@EXAMPLE.COM"));
        assert_eq!(gss.service_of(other), None);
        assert_eq!(gss.realm(), "EXAMPLE.COM");
    }
}
