//! The several messages of one answer: a zone transfer, as its client reads it (RFC 8945 section 5.3.1).

use hickory_proto::op::{Message, MessageType};

use super::{AnswerError, PendingAnswer, lenient};

/// RFC 8945 section 5.3.1: "a client that receives ... MUST be able to receive up to 99 intermediate messages without a
/// TSIG": more than that is not believed.
const UNSIGNED_MAX: usize = 99;

/// Judges one message after the other. What an unsigned one says is only to be believed once
/// [`AnswerStream::is_verified`] says so.
#[derive(Clone, Debug)]
pub struct AnswerStream {
    pending: PendingAnswer,
    previous_mac: Vec<u8>,
    first: bool,
    /// The octets of the messages since the last signed one: its successor signs them all.
    unsigned: Vec<u8>,
    unsigned_count: usize,
}

impl AnswerStream {
    /// The answer to a request.
    #[must_use]
    pub fn new(pending: PendingAnswer) -> Self {
        Self { pending, previous_mac: Vec::new(), first: true, unsigned: Vec::new(), unsigned_count: 0 }
    }

    /// Reads the next message. `now` is in UTC seconds.
    ///
    /// # Errors
    /// [`AnswerError`]: the answer is not to be believed from here on.
    pub fn read(&mut self, bytes: &[u8], now: u64) -> Result<Message, AnswerError> {
        if self.first {
            // "The first message ... MUST be signed": it is judged as any single answer.
            let message = lenient::read(bytes).ok_or(AnswerError::NotOurs)?;
            let message = self.pending.judge(message, bytes, now)?;
            self.first = false;
            self.previous_mac = message.signature().map(|signature| signature.data.mac.clone()).unwrap_or_default();
            return Ok(message);
        }
        let message = lenient::read(bytes).ok_or(AnswerError::NotOurs)?;
        if message.id != self.pending.id || message.message_type != MessageType::Response {
            return Err(AnswerError::NotOurs);
        }
        let Some((signer, _)) = &self.pending.signed else { return Ok(message) };
        let Some(signature) = message.signature() else {
            self.unsigned_count += 1;
            if self.unsigned_count > UNSIGNED_MAX {
                return Err(AnswerError::BadSignature);
            }
            self.unsigned.extend_from_slice(bytes);
            return Ok(message);
        };
        let tsig = &signature.data;
        let signed = lenient::signed_octets(bytes, Some(&self.previous_mac), false);
        let (mut octets, record) = signed.map_err(|_| AnswerError::BadSignature)?;
        // "Prior MAC", then all messages since, then the timers.
        let at = 2 + self.previous_mac.len();
        octets.splice(at..at, std::mem::take(&mut self.unsigned));
        let ours = record.name == signer.name && signer.is(&record.data.algorithm);
        if !ours || !signer.verifies(&octets, &record.data.mac) {
            return Err(AnswerError::BadSignature);
        }
        let seconds_off = now.abs_diff(tsig.time);
        if seconds_off > u64::from(tsig.fudge) {
            return Err(AnswerError::Stale { seconds_off });
        }
        self.previous_mac.clone_from(&record.data.mac);
        self.unsigned_count = 0;
        Ok(message)
    }

    /// Whether all that was read so far is signed as it should be. The last message of an answer must be.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        !self.first && self.unsigned_count == 0
    }
}
