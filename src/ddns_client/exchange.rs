//! One request and its answer, over UDP or TCP.

use std::net::SocketAddr;
use std::time::Duration;

use ddns::reconcile::Outcome;
use dns::wire::{AnswerError, PendingAnswer, name_from_hickory};
use dns::{Fqdn, Rcode};
use hickory_proto::op::{Message, OpCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::WallClock;

/// The longest answer read from a datagram; an answer to an update has hardly more than a header and a signature.
const ANSWER_OCTETS_MAX: usize = 4_096;
/// Answers that are not ours and are looked at between two sendings; whoever floods the port gains no more.
const STRAYS_MAX: usize = 64;

/// A request under way.
pub(super) struct Exchange<'a> {
    /// The request, signed.
    pub(super) octets: &'a [u8],
    pub(super) pending: &'a PendingAnswer,
    pub(super) zone: &'a Fqdn,
    pub(super) wall_secs: &'a WallClock,
}

/// What came of an exchange over UDP.
pub(super) enum Received {
    Outcome(Outcome),
    /// To be repeated over TCP.
    Truncated,
}

/// What one message is worth.
enum Verdict {
    /// Not the answer.
    Stray,
    /// An answer, perhaps, but not to be believed: told if nothing better comes.
    Unbelieved,
    Final(Received),
}

impl Exchange<'_> {
    /// Sends the request, again at the end of each wait but the last, until an answer can be believed. When what came back
    /// cannot be believed twice, it is the server's own word: a stranger would have been lucky.
    pub(super) async fn over_udp(&self, socket: &UdpSocket, waits: &[Duration]) -> Received {
        let mut unbelieved = false;
        let mut octets = vec![0; ANSWER_OCTETS_MAX];
        for wait in waits {
            let deadline = Instant::now() + *wait;
            let before = unbelieved;
            // "Connection refused" from an earlier datagram shows here: the server may be back for the next one.
            if let Err(error) = socket.send(self.octets).await {
                debug!("an update could not be sent: {error}");
            }
            for _ in 0..STRAYS_MAX {
                let length = match timeout_at(deadline, socket.recv(&mut octets)).await {
                    Err(_) => break,
                    Ok(Ok(length)) => length,
                    Ok(Err(error)) => {
                        debug!("no answer to an update: {error}");
                        continue;
                    }
                };
                match self.judge(&octets[..length]) {
                    Verdict::Stray => {}
                    Verdict::Unbelieved if before => return Received::Outcome(Outcome::BadAnswer),
                    Verdict::Unbelieved => unbelieved = true,
                    Verdict::Final(received) => return received,
                }
            }
            tokio::time::sleep_until(deadline).await;
        }
        Received::Outcome(if unbelieved { Outcome::BadAnswer } else { Outcome::Timeout })
    }

    /// RFC 1035 section 4.2.2: "The message is prefixed with a two byte length field".
    pub(super) async fn over_tcp(&self, server: SocketAddr) -> std::io::Result<Outcome> {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(self.octets.len()).map_err(std::io::Error::other)?;
        let mut framed = Vec::with_capacity(self.octets.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(self.octets);
        stream.write_all(&framed).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        // Nobody else speaks on this connection: what cannot be believed here will not be bettered.
        Ok(match self.judge(&answer) {
            Verdict::Final(Received::Outcome(outcome)) => outcome,
            _ => Outcome::BadAnswer,
        })
    }

    fn judge(&self, octets: &[u8]) -> Verdict {
        let outcome = match self.pending.read(octets, (self.wall_secs)()) {
            Ok(message) if !self.is_about_us(&message) => return Verdict::Stray,
            Ok(message) if message.metadata.truncation => return Verdict::Final(Received::Truncated),
            Ok(message) => Outcome::Answer(Rcode(message.metadata.response_code.into())),
            Err(AnswerError::Refused { error, server_time }) => {
                debug!("the server refused a signature: {error}, its clock {server_time:?}");
                Outcome::TsigError(error)
            }
            // The server has shown that it has the key; its clock and ours differ all the same.
            Err(AnswerError::Stale { seconds_off }) => {
                debug!("an answer was signed {seconds_off} s away from now");
                Outcome::TsigError(Rcode::BAD_TIME)
            }
            Err(AnswerError::Unsigned(_) | AnswerError::BadSignature) => return Verdict::Unbelieved,
            Err(_) => return Verdict::Stray,
        };
        Verdict::Final(Received::Outcome(outcome))
    }

    /// RFC 2136 section 3.8: the answer's sections are the request's, or empty.
    fn is_about_us(&self, message: &Message) -> bool {
        message.metadata.op_code == OpCode::Update
            && match message.queries.as_slice() {
                [] => true,
                [zone] => name_from_hickory(zone.name()).is_ok_and(|name| name == *self.zone),
                _ => false,
            }
    }
}
