//! One update to whoever serves its zone, beside the reconciler's own.

use std::sync::Arc;

use ddns::reconcile::Outcome;
use ddns::settings::ZoneServer;
use dns::Update;
use zones::AllowAll;

use crate::ddns_client::UpdateClient;
use crate::zone_keeper::ZoneKeeper;

/// Sends updates that are no row's.
#[derive(Clone, Debug)]
pub struct DnsWriter {
    /// Sends to remote servers.
    pub client: Arc<UpdateClient>,
    /// The embedded zones.
    pub zones: Arc<ZoneKeeper>,
}

impl DnsWriter {
    /// Sends one update and waits for its outcome. A zone's servers are asked in the order of preference, the next one
    /// when one does not answer.
    pub async fn send(&self, server: &ZoneServer, update: &Update) -> Outcome {
        let ZoneServer::Remote { servers, auth } = server else {
            // Of several zones of one apex that for other views, where it is named itself.
            let update = Update { zone: self.zones.home_of(&update.zone), ..update.clone() };
            return Outcome::Answer(self.zones.update(&update, &AllowAll).await);
        };
        let mut outcome = Outcome::Timeout;
        for &server in servers.iter() {
            outcome = self.client.send_as(server, auth, update).await;
            if outcome != Outcome::Timeout {
                break;
            }
        }
        outcome
    }
}
