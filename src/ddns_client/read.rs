//! Reading a zone at its server: whole, by a zone transfer (RFC 5936), or name by name.

use std::net::SocketAddr;
use std::time::Duration;

use dns::wire::{AnswerError, AnswerStream, name_from_hickory, name_to_hickory, rdata_from_hickory, sign};
use dns::{Fqdn, Rcode, Rdata, RecordType, Signing};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{WallClock, random_id};

/// How long connecting, and each message of an answer, may take.
const MESSAGE_WAIT: Duration = Duration::from_secs(15);
/// Records of one transfer: a server that never ends is left.
const RECORDS_MAX: usize = 10_000_000;

/// Why a zone could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The server would not; its code.
    #[error("the server answered {0}")]
    Refused(Rcode),
    /// The answer is not signed as it should be, or the server does not accept our signature.
    #[error("{0}")]
    Signature(AnswerError),
    /// No connection, or it broke.
    #[error("no exchange over TCP: {0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// What came is no transfer of the zone.
    #[error("the answer is not a transfer of the zone: {0}")]
    Malformed(&'static str),
    /// More records than are read.
    #[error("the zone has more than 10,000,000 records")]
    TooLarge,
}

/// A connection to ask on, one question at a time.
pub struct Reading<'a> {
    server: SocketAddr,
    signing: &'a Signing,
    wall_secs: &'a WallClock,
    stream: Option<TcpStream>,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("server", &self.server).finish_non_exhaustive()
    }
}

impl<'a> Reading<'a> {
    /// Nothing is sent yet. Every question is signed where something signs.
    #[must_use]
    pub fn new(server: SocketAddr, signing: &'a Signing, wall_secs: &'a WallClock) -> Self {
        Self { server, signing, wall_secs, stream: None }
    }

    /// The whole zone at `apex`, each record handed to `take`. What was taken counts only when this returns `Ok`:
    /// signatures can come after the records that they are about.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn transfer(
        &mut self,
        apex: &Fqdn,
        mut take: impl FnMut(&Fqdn, RecordType, u32, Rdata),
    ) -> Result<(), ReadError> {
        let mut answers = self.ask(apex, RecordType::AXFR).await?;
        let (mut soas, mut records) = (0, 0);
        while soas < 2 {
            let message = self.next(&mut answers).await?;
            for record in &message.answers {
                // RFC 5936 section 2.2: the SOA record stands at the beginning and at the end.
                let Some((owner, rtype, rdata)) = carried_over(record) else { continue };
                if records == 0 && (rtype != RecordType::SOA || owner != *apex) {
                    return Err(ReadError::Malformed("it does not begin with the zone's SOA record"));
                }
                records += 1;
                soas += usize::from(rtype == RecordType::SOA && owner == *apex);
                if records > RECORDS_MAX {
                    return Err(ReadError::TooLarge);
                }
                // The closing SOA record is no record more.
                if soas < 2 && owner.is_within(apex) {
                    take(&owner, rtype, record.ttl, rdata);
                }
            }
            if message.answers.is_empty() {
                return Err(ReadError::Malformed("a message without records"));
            }
        }
        // The connection is not used again: more may follow on it.
        self.stream = None;
        if !answers.is_verified() && self.signing.signs() {
            return Err(ReadError::Signature(AnswerError::BadSignature));
        }
        Ok(())
    }

    /// The records of one name and type, with their times to live. An answer without authority is not believed: it may
    /// be a cache's.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn lookup(&mut self, name: &Fqdn, rtype: RecordType) -> Result<Vec<(u32, Rdata)>, ReadError> {
        let mut answers = self.ask(name, rtype).await?;
        let message = self.next(&mut answers).await?;
        if !message.metadata.authoritative {
            return Err(ReadError::Malformed("the server answers without authority"));
        }
        let of_name = |record: &Record| {
            let (owner, found, rdata) = carried_over(record)?;
            (owner == *name && found == rtype).then_some((record.ttl, rdata))
        };
        Ok(message.answers.iter().filter_map(of_name).collect())
    }

    async fn ask(&mut self, name: &Fqdn, rtype: RecordType) -> Result<AnswerStream, ReadError> {
        let mut message = Message::new(random_id(), MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name_to_hickory(name), rtype.0.into()));
        let (octets, pending) = sign(message, self.signing, (self.wall_secs)())
            .map_err(|error| ReadError::Connection(error.to_string()))?;
        let length = u16::try_from(octets.len()).map_err(|_| ReadError::Malformed("the question is too long"))?;
        let framed = [&length.to_be_bytes()[..], &octets].concat();
        let sent = timeout(MESSAGE_WAIT, async {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                none => none.insert(TcpStream::connect(self.server).await?),
            };
            stream.write_all(&framed).await
        });
        match sent.await {
            Ok(Ok(())) => Ok(AnswerStream::new(pending)),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.late()),
        }
    }

    async fn next(&mut self, answers: &mut AnswerStream) -> Result<Message, ReadError> {
        let Some(stream) = &mut self.stream else { return Err(ReadError::Connection("it is closed".to_owned())) };
        let received = timeout(MESSAGE_WAIT, async {
            let mut octets = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut octets).await?;
            Ok::<_, std::io::Error>(octets)
        });
        let octets = match received.await {
            Ok(Ok(octets)) => octets,
            Ok(Err(error)) => return Err(self.broken(&error)),
            Err(_) => return Err(self.late()),
        };
        let message = match answers.read(&octets, (self.wall_secs)()) {
            Ok(message) => message,
            // Servers that refuse before they have looked at the signature.
            Err(AnswerError::Unsigned(code)) if code != Rcode::NO_ERROR => return Err(ReadError::Refused(code)),
            Err(AnswerError::Refused { error, .. }) => return Err(ReadError::Refused(error)),
            Err(error) => return Err(ReadError::Signature(error)),
        };
        match Rcode(message.metadata.response_code.into()) {
            Rcode::NO_ERROR | Rcode::NX_DOMAIN => Ok(message),
            code => Err(ReadError::Refused(code)),
        }
    }

    fn broken(&mut self, error: &std::io::Error) -> ReadError {
        self.stream = None;
        ReadError::Connection(error.to_string())
    }

    fn late(&mut self) -> ReadError {
        self.stream = None;
        ReadError::Timeout
    }
}

/// A record of a type whose data can be carried over; what cannot be is none of ours.
fn carried_over(record: &Record) -> Option<(Fqdn, RecordType, Rdata)> {
    let owner = name_from_hickory(&record.name).ok()?;
    let (rtype, rdata) = rdata_from_hickory(&record.data).ok()?;
    Some((owner, rtype, rdata))
}
