//! RFC 2136 from holders of a key.

use std::time::Duration;

use dns::wire::{AnswerSigner, update_from_sections};
use dns::{Fqdn, Rcode, Update};
use hickory_server::server::Request;
use tokio::sync::{mpsc, oneshot};

use crate::quiet::Quiet;

/// How long a client is kept waiting for the store; then it hears SERVFAIL, though the change may still be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// An update from the network, for whoever writes the zones.
#[derive(Debug)]
pub struct UpdateRequest {
    /// What is asked for.
    pub update: Update,
    /// The name of the key that signed it.
    pub key: Fqdn,
    /// Takes the answer, once whatever it rests on is stored. Dropping it answers SERVFAIL.
    pub answer: oneshot::Sender<Rcode>,
}

/// Where updates from the network go: a bounded queue to the one writer of the zones.
#[derive(Clone, Debug)]
pub struct ZoneWriter(mpsc::Sender<UpdateRequest>);

/// A writer's two ends. Beyond `depth` waiting updates the answer is SERVFAIL at once, and the client tries again.
#[must_use]
pub fn zone_writer(depth: usize) -> (ZoneWriter, mpsc::Receiver<UpdateRequest>) {
    let (sender, receiver) = mpsc::channel(depth.max(1));
    (ZoneWriter(sender), receiver)
}

impl ZoneWriter {
    /// Hands an update over and waits for its answer.
    pub async fn update(&self, update: Update, key: Fqdn) -> Rcode {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(UpdateRequest { update, key, answer }).is_err() {
            return Rcode::SERV_FAIL;
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(rcode)) => rcode,
            Ok(Err(_)) | Err(_) => Rcode::SERV_FAIL,
        }
    }
}

/// The code to answer an UPDATE request with. `signed_by` is the key whose signature was verified.
pub(super) async fn handle(
    request: &Request,
    signed_by: Option<(&Fqdn, &AnswerSigner)>,
    writer: &ZoneWriter,
    unsigned: &Quiet,
) -> Rcode {
    // RFC 2136 section 3.3: without permission, REFUSED. Nobody without a key has any.
    let Some((key, _)) = signed_by else {
        // Every Windows client tries, and anybody can.
        if let Some(kept_back) = unsigned.may_tell() {
            let source = request.src();
            tracing::info!(
                "an unsigned DNS update by {source} was refused; updates are signed with a configured key{kept_back}"
            );
        }
        return Rcode::REFUSED;
    };
    let zones = request.queries.queries().iter().map(|zone| {
        let original = zone.original();
        (original.name(), original.query_type(), original.query_class())
    });
    let rcode = match update_from_sections(zones, &request.answers, &request.authorities) {
        Ok(update) => writer.update(update, key.clone()).await,
        Err(rcode) => rcode,
    };
    tracing::debug!(source = %request.src(), %key, %rcode, "DNS update");
    rcode
}
