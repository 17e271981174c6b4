//! A zone transferred from a primary, over TCP.

use std::time::Duration;

use config::settings::{Primary, SecondaryZone};
use dns::RecordType;
use dns::wire::{AnswerError, AnswerStream, read_transfer, sign_request, zone_question};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zones::Zone;
use zones::intake::{Failure, Incoming, Progress, Reading, TransferFault, Wanted};

use super::ask::refusal;
use crate::clock::{boot_ms, machine_wall_secs};
use crate::ddns_client::random_id;

/// How long connecting may take, and each message.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
const MESSAGE_WAIT: Duration = Duration::from_secs(30);

/// Why a transfer ended early.
enum Broken {
    Fault(TransferFault),
    /// A connection, or a signature.
    Words(String),
}

impl From<TransferFault> for Broken {
    fn from(fault: TransferFault) -> Self {
        Self::Fault(fault)
    }
}

fn connection(error: &std::io::Error) -> Broken {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Broken::Words("it closes the connection before the end".to_owned()),
        _ => Broken::Words(format!("no exchange over TCP: {error}")),
    }
}

/// What a primary gives. `before` is the copy that is there.
pub(super) async fn incoming(
    settings: &SecondaryZone,
    primary: &Primary,
    wanted: Wanted,
    before: Option<&Zone>,
) -> Result<Incoming, Failure> {
    let mut reading = Reading::new(settings.apex.clone(), wanted, settings.limits, boot_ms());
    let is_incremental = matches!(wanted, Wanted::Since(_));
    match converse(settings, primary, &mut reading, before.filter(|_| is_incremental)).await {
        Ok(()) => reading.finish().ok_or_else(|| "the transfer did not end".to_owned().into()),
        Err(Broken::Fault(fault)) => {
            Err(Failure { words: fault.to_string(), ask_whole: is_incremental && fault.may_be_had_whole() })
        }
        // A server that says its serial and nothing else by TCP means that the changes are not to be had.
        Err(Broken::Words(words)) => Err(Failure { words, ask_whole: is_incremental && reading.has_begun() }),
    }
}

async fn converse(
    settings: &SecondaryZone,
    primary: &Primary,
    reading: &mut Reading,
    ours: Option<&Zone>,
) -> Result<(), Broken> {
    let soa = ours.and_then(|zone| zone.rrset(zone.apex(), RecordType::SOA));
    let question = zone_question(random_id(), &settings.apex, reading.question(), soa.as_ref());
    let question = question.and_then(|message| sign_request(message, primary.key.as_deref(), machine_wall_secs()));
    let (question, pending) = question.map_err(|error| Broken::Words(error.to_string()))?;
    let late = || Broken::Words("no answer in time".to_owned());
    let mut stream = timeout(CONNECT_WAIT, TcpStream::connect(primary.address))
        .await
        .map_err(|_| late())?
        .map_err(|error| connection(&error))?;
    // A question with a signature and a SOA record is shorter than 65,535 octets.
    let framed = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
    timeout(CONNECT_WAIT, stream.write_all(&framed)).await.map_err(|_| late())?.map_err(|error| connection(&error))?;
    let mut answers = AnswerStream::new(pending);
    let mut octets = Vec::new();
    loop {
        let left = Duration::from_millis(reading.deadline_ms().saturating_sub(boot_ms()));
        let received = timeout(MESSAGE_WAIT.min(left), async {
            let length = usize::from(stream.read_u16().await?);
            octets.resize(length, 0);
            stream.read_exact(&mut octets).await
        });
        match received.await {
            Ok(received) => _ = received.map_err(|error| connection(&error))?,
            Err(_) if left < MESSAGE_WAIT => return Err(TransferFault::Time(settings.limits.time_ms / 1000).into()),
            Err(_) => return Err(late()),
        }
        let message = match answers.read(&octets, machine_wall_secs()) {
            Ok(message) => message,
            // Servers that refuse before they have looked at the signature.
            Err(AnswerError::Unsigned(code)) if code != dns::Rcode::NO_ERROR => {
                return Err(TransferFault::Refused(code).into());
            }
            Err(AnswerError::NotOurs) => {
                return Err(TransferFault::Unreadable("it is no answer to the question".to_owned()).into());
            }
            Err(error) => return Err(Broken::Words(refusal(&error, primary))),
        };
        let message = read_transfer(&message).map_err(|error| TransferFault::Unreadable(crate::words(&error)))?;
        if reading.take(boot_ms(), message)? == Progress::Done {
            break;
        }
    }
    // RFC 8945 section 5.3.1: the last message is signed, or nothing since the last signature is believed.
    if primary.key.is_some() && !answers.is_verified() {
        return Err(Broken::Words(refusal(&AnswerError::BadSignature, primary)));
    }
    Ok(())
}
