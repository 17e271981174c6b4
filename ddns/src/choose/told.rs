//! The way to a name, told step by step: by the functions that choose, while they choose.

use std::fmt;

use dns::Fqdn;

use super::Reason;

/// Where a name can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// The reservation.
    Reservation,
    /// Option 81.
    ClientFqdn,
    /// Option 12.
    Hostname,
    /// The server made it.
    Generated,
}

/// Why what a client sent is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Nothing was sent, or nothing is left after cleaning.
    Empty,
    /// It has characters that no host name has, and such a name is not to be mended.
    Refused,
    /// It is an IPv4 address.
    Address,
    /// `localhost` and the like: sent without meaning it, or trusted by other programs.
    Unclaimable,
    /// It is one that a server makes; the client may have learnt it with another address.
    Generated,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The flags of option 81.
    Flags {
        /// The server is to write the A record.
        server_updates_a: bool,
        /// The server is to write nothing.
        no_updates: bool,
        /// The name is in wire form.
        wire: bool,
    },
    /// Option 81 is not looked at.
    ClientFqdnIgnored,
    /// The client wants no update, and gets one.
    NoUpdateOverridden,
    /// The client wants to write its A record, and the server does it.
    UpdateOverridden,
    /// The client writes its A record.
    UpdateLeftToClient,
    /// What was found, as it was sent and as it was left.
    Found {
        /// Where.
        source: NameSource,
        /// What was sent; bytes that are no text as they look in Latin-1.
        sent: String,
        /// What is left of it, with dots between the labels.
        cleaned: String,
    },
    /// It is no name.
    NotUsable(NameSource, Unusable),
    /// The name that the client sent gives way to a generated one.
    Replaced,
    /// The name lies in a zone.
    InZone {
        /// The name.
        name: Fqdn,
        /// The apex.
        apex: Fqdn,
    },
    /// The name lies in no zone of ours, so its first label is put under the domain.
    Moved {
        /// The name as it was.
        from: String,
        /// The domain.
        domain: Fqdn,
    },
    /// Other hosts have the name, so the client has another one.
    InItsPlace {
        /// The name that it would have had.
        wished: Fqdn,
        /// The one that it has.
        given: Fqdn,
    },
    /// In DNS the name is somebody else's.
    Foreign(Fqdn),
    /// This is the outcome.
    Outcome(Reason),
}

/// Hears the steps.
pub(super) trait Listener {
    /// Whether anybody listens. Where nobody does, what has no steps to be told may go a shorter way.
    const LISTENS: bool;

    /// One step. It is made only for those who listen.
    fn hear(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody listens.
impl Listener for () {
    const LISTENS: bool = false;

    fn hear(&mut self, _: impl FnOnce() -> Step) {}
}

impl Listener for Vec<Step> {
    const LISTENS: bool = true;

    fn hear(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}

impl fmt::Display for NameSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reservation => "the reservation",
            Self::ClientFqdn => "option 81",
            Self::Hostname => "option 12",
            Self::Generated => "the server",
        })
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing that a name can be made of is there",
            Self::Refused => "it has characters that no host name has (clean = \"refuse\")",
            Self::Address => "it is an address",
            Self::Unclaimable => "clients call themselves so without meaning it, and programs trust that name",
            Self::Generated => "servers make such names, and the client may have learnt it with another address",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags { server_updates_a, no_updates, wire } => {
                let bit = |set: &bool| u8::from(*set);
                write!(f, "option 81 says S={}, N={}, E={}", bit(server_updates_a), bit(no_updates), bit(wire))
            }
            Self::ClientFqdnIgnored => f.write_str("option 81 is not looked at (client_updates = \"ignore\")"),
            Self::NoUpdateOverridden => {
                f.write_str("the client wants no update, and gets one (override_no_update = true)")
            }
            Self::UpdateOverridden => {
                f.write_str("the client would write its A record, and the server does (client_updates = \"override\")")
            }
            Self::UpdateLeftToClient => f.write_str("the client writes its A record (client_updates = \"allow\")"),
            Self::Found { source, sent, cleaned } if sent == cleaned => write!(f, "{source} has {sent:?}"),
            Self::Found { source, sent, cleaned } => write!(f, "{source} has {sent:?}, cleaned to {cleaned:?}"),
            Self::NotUsable(source, why) => write!(f, "no name from {source}: {why}"),
            Self::Replaced => f.write_str("the name that is made stands in its place (replace)"),
            Self::InZone { name, apex } => write!(f, "{name} lies in the zone {apex}"),
            Self::Moved { from, domain } => {
                write!(f, "{from} lies in no zone of ours, so its first label is put under {domain}")
            }
            Self::InItsPlace { wished, given } => write!(f, "other hosts have {wished}, so this one has {given}"),
            Self::Foreign(name) => {
                write!(f, "in DNS {name} is somebody else's: it is tried again now and then, and not told meanwhile")
            }
            Self::Outcome(reason) => write!(f, "{reason}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reservation => "the name is the reservation's",
            Self::ClientFqdn => "the name is that of option 81",
            Self::Hostname => "the name is that of option 12",
            Self::Generated => "the name is made by the server (generate)",
            Self::NoName => "no usable name was sent, and none is made",
            Self::ClientDeclined => "the client asked for no update (option 81 with N=1)",
            Self::UpdatesDenied => {
                "the client would write its A record itself, and gets no records (client_updates = \"deny\")"
            }
            Self::OutsideZones => "the name lies in no zone of ours",
            Self::Protected => "the name is not for clients: an apex, a domain, a protected or a reserved name",
            Self::Taken => "another host holds the name",
            Self::NothingToWrite => "the client writes its A record, and there is no zone for its PTR record",
        })
    }
}
