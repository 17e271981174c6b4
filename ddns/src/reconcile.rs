//! Wanted, in flight, confirmed, refused: retried until done.

use dns::Rcode;

use crate::wanted::{Held, RowKey};

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
    /// The last answer.
    pub last: LastAnswer,
    /// Tries since the last success.
    pub attempts: u32,
    /// UTC seconds of the last answer.
    pub at: u64,
}

/// A row's last answer, as the operator is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAnswer {
    /// Never tried.
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
}
