//! The wire edge to hickory-proto: our values to its messages and back.
//!
//! Reading order: [`records`] (names, record data, sets), [`svcb`] (their text), [`update`] (an [`Update`](crate::Update) as a
//! message, and a message's sections as an `Update`), [`tsig`] (requests signed and answers verified by a
//! client; requests verified and answers signed by a server), [`tkey`] (a security context negotiated), [`transfer`] (zones asked for and read). All of it pure: time is a parameter.

pub mod records;
pub mod svcb;
pub mod tkey;
pub mod transfer;
pub mod tsig;
pub mod update;

pub use records::{
    name_from_hickory, name_to_hickory, rdata_from_hickory, rdata_to_hickory, rrset_to_records, rrsets_from_records,
};
pub use svcb::svcb_from_text;
pub use tkey::{TkeyAnswer, TkeyError, read_tkey_answer, read_tkey_query, tkey_query, tkey_record, verify_last};
pub use transfer::{TransferMessage, ZoneRecord, read_transfer, zone_question};
pub use tsig::{
    AnswerError, AnswerSigner, AnswerStream, PendingAnswer, TsigRefusal, VerifiedRequest, sign, sign_request,
    verify_request, verify_request_of_context,
};
pub use update::{update_from_sections, update_to_message};

use crate::{NameError, RdataError};

/// Why something of ours cannot be put on the wire, or something from the wire is not ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A name.
    #[error("a name could not be carried over")]
    Name(#[from] NameError),
    /// Record data that is not what its type says.
    #[error("record data does not fit its type")]
    Rdata(#[from] RdataError),
    /// The message library refused, in its words.
    #[error("the message could not be encoded or decoded: {0}")]
    Codec(String),
    /// The security context that was to sign is of no use any more.
    #[error("the security context has expired")]
    ContextExpired,
    /// An update that has no wire form: a set prerequisite without records.
    #[error("a prerequisite compares a set with nothing")]
    EmptySet,
}

impl From<hickory_proto::ProtoError> for WireError {
    fn from(error: hickory_proto::ProtoError) -> Self {
        Self::Codec(error.to_string())
    }
}

impl From<hickory_proto::serialize::binary::DecodeError> for WireError {
    fn from(error: hickory_proto::serialize::binary::DecodeError) -> Self {
        Self::Codec(error.to_string())
    }
}
