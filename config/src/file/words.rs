//! Keys whose values are one word of a few.

use schemars::JsonSchema;
use serde::Deserialize;

/// Values that are one word of a few.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant),+
        }
    };
}

words! {
    /// A name in no zone of ours.
    Outside {
        /// `pc.other.example` becomes `pc` under the domain.
        FirstLabel = "first-label",
        /// Nothing is published.
        Refuse = "refuse",
    }
}

words! {
    /// Who writes the A record of a client that wants to write it itself.
    ClientUpdates {
        /// This server writes it all the same, and tells the client.
        Override = "override",
        /// The client writes it; this server writes the PTR record.
        Allow = "allow",
        /// Option 81 is neither looked at nor answered.
        Ignore = "ignore",
        /// Such a client gets no records at all.
        Deny = "deny",
    }
}

words! {
    /// What becomes of characters that a host name cannot have.
    Clean {
        /// Each run of them becomes one hyphen.
        Hyphen = "hyphen",
        /// They are left out.
        Drop = "drop",
        /// A name with any of them counts as none.
        Refuse = "refuse",
    }
}

words! {
    /// When a name that is made stands in the place of the one that the client sent.
    Replace {
        /// Where it sent no usable one.
        WhenAbsent = "when-absent",
        /// Always.
        Always = "always",
        /// Where it sent one; a client that sent none gets none.
        WhenPresent = "when-present",
    }
}

words! {
    /// What must hold in DNS before a name is written.
    ConflictCheck {
        /// It is free, or its DHCID is this host's (RFC 4703).
        CheckWithDhcid = "check-with-dhcid",
        /// Nothing. A DHCID is written all the same.
        NoCheckWithDhcid = "no-check-with-dhcid",
        /// It is free, or has a DHCID, whosever it is.
        CheckExistsWithDhcid = "check-exists-with-dhcid",
        /// Nothing, and no DHCID is written.
        NoCheckWithoutDhcid = "no-check-without-dhcid",
    }
}

words! {
    /// What comes of a name that another host holds.
    Conflict {
        /// The client that comes second has no name.
        Refuse = "refuse",
        /// It has the name with a number behind it.
        Suffix = "suffix",
        /// The client that came last has the name.
        TakeOver = "take-over",
    }
}

words! {
    /// When a reservation's records are there.
    ReservedNames {
        /// As long as it is in the configuration.
        Always = "always",
        /// As long as its host has a lease.
        WhileLeased = "while-leased",
    }
}

words! {
    /// Which BOOTP clients are served.
    Bootp {
        /// None.
        None = "none",
        /// Those with a reservation.
        Reserved = "reserved",
        /// Those without one too, from the pools and without end.
        Dynamic = "dynamic",
    }
}

words! {
    /// How PTR records are guarded.
    ReverseGuard {
        /// A DHCID record beside it says whose it is.
        Dhcid = "dhcid",
        /// Replaced without a question (RFC 4703 section 5.4).
        Rfc4703 = "rfc4703",
    }
}

words! {
    /// A DHCP server that was here before.
    FormerServer {
        /// Kea with its D2.
        Kea = "kea",
        /// ISC dhcpd, with either style of updates.
        IscDhcpd = "isc-dhcpd",
    }
}

words! {
    /// Which of the free addresses a new client is given.
    Allocate {
        /// One after the other.
        InTurn = "in-turn",
        /// By a hash of the client, so that it tends to the same address on any server.
        ByHash = "by-hash",
        /// Any of them.
        Random = "random",
    }
}

words! {
    /// What is done about a subnet's reverse zones.
    SubnetReverse {
        /// A `[[zone]]` holds them, or they are embedded.
        Auto = "auto",
        /// No PTR records are written.
        None = "none",
    }
}

words! {
    /// Which addresses are probed before they are offered. A client's own lease never is.
    Probe {
        /// None.
        Off = "off",
        /// Those that nobody had for a while, or ever, and those that come back from quarantine.
        Rested = "rested",
        /// All.
        Always = "always",
    }
}

words! {
    /// What happens while as many addresses are being probed as may be.
    PastCap {
        /// The address is offered without a probe.
        Offer = "offer",
        /// The client gets no answer, and asks again after seconds.
        Silence = "silence",
    }
}

words! {
    /// How much is logged.
    LogLevel {
        /// What fails.
        Error = "error",
        /// And what is wrong.
        Warn = "warn",
        /// And one line a lease.
        Info = "info",
        /// And why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// A TSIG algorithm.
    Algorithm {
        /// HMAC with SHA-256.
        HmacSha256 = "hmac-sha256",
        /// HMAC with SHA-384.
        HmacSha384 = "hmac-sha384",
        /// HMAC with SHA-512.
        HmacSha512 = "hmac-sha512",
        /// HMAC with SHA-224.
        HmacSha224 = "hmac-sha224",
        /// HMAC with SHA-256, the first half of it.
        HmacSha256Half = "hmac-sha256-128",
        /// HMAC with SHA-384, the first half of it.
        HmacSha384Half = "hmac-sha384-192",
        /// HMAC with SHA-512, the first half of it.
        HmacSha512Half = "hmac-sha512-256",
        /// HMAC with SHA-1, not recommended.
        HmacSha1 = "hmac-sha1",
        /// HMAC with MD5, for old servers that know nothing else.
        HmacMd5 = "hmac-md5",
    }
}

words! {
    /// What this server is of a zone.
    ZoneKind {
        /// The zone is its own.
        Primary = "primary",
        /// It holds a copy of another server's.
        Secondary = "secondary",
    }
}

words! {
    /// The name that a key or a principal has itself.
    OwnNameWord {
        /// That name.
        Itself = "name",
        /// That name and all beneath it.
        Beneath = "subdomain",
    }
}

words! {
    /// The type of an option's data.
    OptionKind {
        /// An IPv4 address.
        Address = "address",
        /// Pairs of IPv4 addresses.
        AddressPair = "address-pair",
        /// An IPv6 address.
        Ipv6Address = "ipv6-address",
        /// A number of one byte.
        U8 = "u8",
        /// A number of two bytes.
        U16 = "u16",
        /// A number of four bytes.
        U32 = "u32",
        /// A number of four bytes with a sign.
        I32 = "i32",
        /// True or false.
        Bool = "bool",
        /// Text in UTF-8.
        Text = "text",
        /// A domain name.
        Name = "name",
        /// Classless routes (RFC 3442).
        Routes = "routes",
        /// A type byte and a UUID.
        Uuid = "uuid",
        /// Bytes in hexadecimal.
        Bytes = "bytes",
        /// No data.
        Empty = "empty",
        /// Sub-options.
        Suboptions = "suboptions",
    }
}

words! {
    /// The type of a client's message (RFC 2131 table 2).
    MessageTypeWord {
        /// It looks for servers.
        Discover = "DISCOVER",
        /// It takes an offer, or extends its lease.
        Request = "REQUEST",
        /// It found the address in use.
        Decline = "DECLINE",
        /// It gives its address back.
        Release = "RELEASE",
        /// It has an address, and asks for the rest.
        Inform = "INFORM",
    }
}

words! {
    /// Which of several upstreams is asked first, among those that answer.
    UpstreamOrder {
        /// The first of the list.
        Listed = "listed",
        /// The one that answered fastest of late.
        Fastest = "fastest",
        /// Each in its turn.
        Turns = "turns",
        /// All at once; the first answer counts.
        Together = "together",
    }
}

words! {
    /// What is answered in place of a listed name.
    BlockAnswer {
        /// There is no such name.
        NxDomain = "nxdomain",
        /// `0.0.0.0` and `::`.
        Nowhere = "nowhere",
        /// Refused.
        Refused = "refused",
    }
}

words! {
    /// Why a listed name is not resolved (RFC 8914).
    BlockReason {
        /// Whoever runs this server wants it so.
        Blocked = "blocked",
        /// The client wants it so.
        Filtered = "filtered",
    }
}

words! {
    /// What is remembered of questions.
    QueryLogWord {
        /// Nothing.
        Off = "off",
        /// Who asked and what became of it, without the name.
        Nameless = "nameless",
        /// Everything.
        Whole = "whole",
    }
}

words! {
    /// Whether the daemon confines itself.
    Sandbox {
        /// As far as the kernel can; what it cannot is told in the log, and keeps nothing from starting.
        On = "on",
        /// Not at all.
        Off = "off",
    }
}

words! {
    /// What is done with devices that nobody knows: that have no record of a lease, no reservation and no approval.
    UnknownWord {
        /// They are served as all others.
        Serve = "serve",
        /// They get no address until somebody approves of them.
        Wait = "wait",
    }
}

words! {
    /// What somebody may do over HTTP; each may do what those before it may.
    RoleWord {
        /// See everything but secrets.
        View = "view",
        /// Also change what comes and goes: reservations, leases, records, DNS work.
        Operate = "operate",
        /// Also change the server itself: its configuration, its store.
        Administer = "administer",
    }
}

words! {
    /// What users of the machine itself may do without signing in.
    LocalRole {
        /// See everything but secrets.
        View = "view",
        /// Also change what comes and goes.
        Operate = "operate",
        /// Everything.
        Administer = "administer",
        /// Nothing: they sign in as others do.
        Nobody = "none",
    }
}

words! {
    /// What happens to a lease.
    #[derive(PartialOrd, Ord)]
    HookEvent {
        /// A client got an address.
        Bound = "bound",
        /// It has it for longer.
        Renewed = "renewed",
        /// It gave it back.
        Released = "released",
        /// The lease ran out.
        Expired = "expired",
        /// The client says that somebody else uses the address.
        Declined = "declined",
        /// Somebody answers at an address that was not given to it.
        Conflict = "conflict",
        /// The lease has another name, or none.
        Renamed = "renamed",
    }
}
