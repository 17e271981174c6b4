//! Response codes and what they mean to an operator.

use std::fmt;

/// A response code, with the extended ones of TSIG (RFC 1035, 2136, 8945).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// Done.
    pub const NO_ERROR: Self = Self(0);
    /// The message could not be read.
    pub const FORM_ERR: Self = Self(1);
    /// The server failed.
    pub const SERV_FAIL: Self = Self(2);
    /// A name that ought to exist does not.
    pub const NX_DOMAIN: Self = Self(3);
    /// Not implemented.
    pub const NOT_IMP: Self = Self(4);
    /// Refused by policy.
    pub const REFUSED: Self = Self(5);
    /// A name exists that ought not to.
    pub const YX_DOMAIN: Self = Self(6);
    /// A set exists that ought not to.
    pub const YX_RRSET: Self = Self(7);
    /// A set that ought to exist does not.
    pub const NX_RRSET: Self = Self(8);
    /// The server is not authoritative, or the signature was not accepted.
    pub const NOT_AUTH: Self = Self(9);
    /// A name is not within the zone.
    pub const NOT_ZONE: Self = Self(10);
    /// TSIG: the signature does not verify.
    pub const BAD_SIG: Self = Self(16);
    /// TSIG: the key is not known.
    pub const BAD_KEY: Self = Self(17);
    /// TSIG: the clocks differ too much.
    pub const BAD_TIME: Self = Self(18);
}

impl Rcode {
    /// TSIG: the signature was cut too short.
    pub const BAD_TRUNC: Self = Self(22);

    /// The mnemonic (IANA "DNS RCODEs"); 16 is BADSIG, as TSIG has it.
    #[must_use]
    pub fn mnemonic(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            16 => "BADSIG",
            17 => "BADKEY",
            18 => "BADTIME",
            22 => "BADTRUNC",
            _ => return None,
        })
    }

    /// What it means when a server answers an update so, and what to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self.0 {
            0 => "done",
            1 => "the server could not read the message; capture it and compare both versions",
            2 => "the server failed; its own log says why (often a zone file or journal it cannot write)",
            3 => "a name that ought to exist does not",
            4 => "the server does not take updates; enable them, or point the zone at its primary",
            5 => "the server's policy refuses; allow updates of this zone for this key and these record types",
            6 => "the name is in use",
            7 => "a record set that ought not to be there is there",
            8 => "a record set that ought to be there is not",
            9 => {
                "the server is not primary for the zone; point the zone at its primary server, and check the zone's name"
            }
            10 => "a name in the update lies outside the zone; check the zone's name against the server's zone cut",
            16 => "the signature did not verify; the secret differs between the two configurations",
            17 => "the server does not know the key; check the key's name and algorithm on both sides",
            18 => "the clocks differ by more than five minutes; set the time on both machines",
            22 => "the server accepts no signature cut so short",
            _ => "a code without a meaning for updates",
        }
    }
}

impl fmt::Display for Rcode {
    /// The mnemonic and, for codes that say so little by themselves, the advice: `BADKEY (the server ...)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some("NOERROR") => f.write_str("NOERROR"),
            Some(mnemonic) => write!(f, "{mnemonic} ({})", self.advice()),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_reach_the_operator_in_words_that_say_what_to_do() {
        for (code, word) in [
            (Rcode::BAD_SIG, "secret"),
            (Rcode::BAD_KEY, "key's name"),
            (Rcode::BAD_TIME, "clocks"),
            (Rcode::REFUSED, "allow updates"),
            (Rcode::NOT_ZONE, "outside the zone"),
            (Rcode::NOT_AUTH, "primary"),
        ] {
            assert!(code.to_string().contains(word), "{code}");
        }
        assert_eq!(Rcode::NO_ERROR.to_string(), "NOERROR");
        assert_eq!(Rcode(99).to_string(), "RCODE99");
    }
}
