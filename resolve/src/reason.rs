//! What an asker is told beside an answer: extended DNS errors (RFC 8914).

/// An extended error: a code and words for whoever looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The code (IANA "Extended DNS Error Codes").
    pub code: u16,
    /// Words; at most [`WORDS_OCTETS_MAX`] octets of them go out.
    pub words: String,
}

/// More words than this are cut: a datagram must still fit them.
pub const WORDS_OCTETS_MAX: usize = 200;

impl Reason {
    /// The EDNS option's code (RFC 8914 section 2).
    pub const OPTION: u16 = 15;
    /// Unsupported DNSKEY Algorithm (RFC 8914 section 4.2).
    pub const ALGORITHM_UNSUPPORTED: u16 = 1;
    /// Unsupported DS Digest Type (section 4.3).
    pub const DIGEST_UNSUPPORTED: u16 = 2;
    /// Stale Answer (RFC 8914 section 4.4).
    pub const STALE: u16 = 3;
    /// DNSSEC Bogus (section 4.7).
    pub const BOGUS: u16 = 6;
    /// Signature Expired (section 4.8).
    pub const SIGNATURE_EXPIRED: u16 = 7;
    /// Signature Not Yet Valid (section 4.9).
    pub const SIGNATURE_TOO_EARLY: u16 = 8;
    /// DNSKEY Missing (section 4.10): also a key that no DS record, or no trust anchor, speaks for.
    pub const DNSKEY_MISSING: u16 = 9;
    /// RRSIGs Missing (section 4.11).
    pub const SIGNATURES_MISSING: u16 = 10;
    /// No Zone Key Bit Set (section 4.12).
    pub const NO_ZONE_KEY: u16 = 11;
    /// NSEC Missing (section 4.13).
    pub const NSEC_MISSING: u16 = 12;
    /// Unsupported NSEC3 Iterations Value (RFC 9276 section 5).
    pub const NSEC3_ITERATIONS: u16 = 27;
    /// Cached Error (section 4.14).
    pub const CACHED: u16 = 13;
    /// Not Ready (section 4.15).
    pub const NOT_READY: u16 = 14;
    /// Blocked, by whoever runs this server (section 4.16).
    pub const BLOCKED: u16 = 15;
    /// Filtered, as the client wished (section 4.18).
    pub const FILTERED: u16 = 17;
    /// Prohibited (section 4.19).
    pub const PROHIBITED: u16 = 18;
    /// Stale NXDOMAIN Answer (section 4.20).
    pub const STALE_NXDOMAIN: u16 = 19;
    /// No Reachable Authority (section 4.23).
    pub const UNREACHABLE: u16 = 22;
    /// Network Error (section 4.24).
    pub const NETWORK: u16 = 23;
    /// Invalid Data (section 4.25): among others, of a zone that has expired.
    pub const INVALID_DATA: u16 = 24;
    /// Synthesized (IANA, draft-homburg-dnsop-codcp).
    pub const SYNTHESIZED: u16 = 29;

    /// A code with words.
    pub fn new(code: u16, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }

    /// Whether it says that an answer's signatures do not lead to a trust anchor.
    #[must_use]
    pub fn is_bogus(&self) -> bool {
        matches!(
            self.code,
            Self::BOGUS | Self::ALGORITHM_UNSUPPORTED | Self::DIGEST_UNSUPPORTED | Self::SIGNATURE_EXPIRED
                ..=Self::NSEC_MISSING | Self::NSEC3_ITERATIONS
        )
    }

    /// The same, borrowed.
    #[must_use]
    pub fn view(&self) -> ReasonRef<'_> {
        ReasonRef { code: self.code, words: &self.words }
    }
}

/// A [`Reason`] that is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRef<'r> {
    /// See [`Reason::code`].
    pub code: u16,
    /// See [`Reason::words`].
    pub words: &'r str,
}

impl ReasonRef<'_> {
    /// The same as a value.
    #[must_use]
    pub fn to_reason(self) -> Reason {
        Reason::new(self.code, self.words)
    }

    /// Writes the option: its code, its length, the error's code and the words.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut end = self.words.len().min(WORDS_OCTETS_MAX);
        while !self.words.is_char_boundary(end) {
            end -= 1;
        }
        out.extend_from_slice(&Reason::OPTION.to_be_bytes());
        // At most 202.
        out.extend_from_slice(&((2 + end) as u16).to_be_bytes());
        out.extend_from_slice(&self.code.to_be_bytes());
        out.extend_from_slice(&self.words.as_bytes()[..end]);
    }
}
