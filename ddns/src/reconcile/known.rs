//! What is known of DNS: the rows that are stored of it, and how an update ended.

use dns::{Rcode, Update};

use crate::kerberos::KerberosFault;
use crate::settings::{Site, ZoneServer};
use crate::wanted::{Held, RowKey, Want, WantedRow};

/// What is known of DNS for one key; stored by the updater, apart from the wanted row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedRow {
    /// The key.
    pub key: RowKey,
    /// The generation of the wanted row that the last answer was about.
    pub generation: u64,
    /// Whether DNS holds what that generation wanted.
    pub done: bool,
    /// What DNS holds of ours under the key, as of the last answer that told; `None`: nothing.
    pub holds: Option<Held>,
    /// Where that is. `None`: not known, and to be found out.
    pub site: Option<Site>,
    /// The last answer.
    pub last: LastAnswer,
    /// Tries since the last success.
    pub attempts: u32,
    /// UTC seconds of the last answer.
    pub at: u64,
    /// What may still be done at one of several servers; `None`: nothing.
    pub unsure: Option<Unsure>,
}

impl ConfirmedRow {
    /// DNS holds what a row wants, there, since these UTC seconds.
    #[must_use]
    pub fn written(row: &WantedRow, site: Site, at: u64) -> Self {
        Self {
            key: row.key.clone(),
            generation: row.generation,
            done: true,
            holds: row.want.as_ref().map(Want::held),
            site: Some(site),
            last: LastAnswer::Done,
            attempts: 0,
            at,
            unsure: None,
        }
    }
}

/// Updates that one of a zone's several servers did not answer or refused, and may make later ([`ways`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// UTC seconds from which on none is made any more.
    pub until: u64,
    /// What they would write.
    pub held: Vec<Held>,
}

/// A row's last answer, as the operator is told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastAnswer {
    /// Never tried.
    #[default]
    None,
    /// Done.
    Done,
    /// Somebody else owns the name: another DHCID, or a record made by hand.
    Conflict,
    /// The server refused, with this code (BADSIG, BADKEY, BADTIME included).
    Refused(Rcode),
    /// No answer in time.
    Timeout,
    /// The answer could not be believed or read.
    BadAnswer,
    /// No zone of ours holds the name.
    NoZone,
    /// Nothing was sent, because there was no ticket to sign it with.
    Kerberos(KerberosFault),
}

/// Names an update under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendTicket(pub u64);

/// An update to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Comes back with the outcome.
    pub ticket: SendTicket,
    /// Where to.
    pub server: ZoneServer,
    /// What.
    pub update: Update,
}

/// How an update ended, as the transport saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A believed answer with this code.
    Answer(Rcode),
    /// The server did not accept the signature: BADSIG, BADKEY, BADTIME or BADTRUNC.
    TsigError(Rcode),
    /// No answer within all tries.
    Timeout,
    /// Answers, but none that could be believed or read.
    BadAnswer,
    /// Nothing was sent, because there was no ticket to sign it with.
    Kerberos(KerberosFault),
}

impl Outcome {
    /// What a row is told of it where the answer does not end well.
    #[must_use]
    pub fn failure(self) -> LastAnswer {
        match self {
            Self::Answer(code) | Self::TsigError(code) => LastAnswer::Refused(code),
            Self::Timeout => LastAnswer::Timeout,
            Self::BadAnswer => LastAnswer::BadAnswer,
            Self::Kerberos(fault) => LastAnswer::Kerberos(fault),
        }
    }
}
