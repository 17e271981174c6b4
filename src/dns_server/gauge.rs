//! How the server stands, for whoever shows it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use dns::{Fqdn, RecordType};
use resolve::Transport;
use web::model::DnsFigures;
use zones::Place;

use super::counts::Counts;
use super::forward::{ForwardCounts, Forwarder};
use super::handler::Live;

/// A look at a running server. Cheap to clone.
#[derive(Clone)]
pub struct DnsGauge {
    pub(super) counts: Arc<Counts>,
    pub(super) forward_counts: Arc<ForwardCounts>,
    pub(super) forwarder: Arc<ArcSwapOption<Forwarder>>,
    pub(super) handler: Live,
}

impl DnsGauge {
    /// How it stands now.
    #[must_use]
    pub fn figures(&self) -> DnsFigures {
        let counts = self.counts.now();
        let requests = Transport::ALL.into_iter().map(|one| (one.word().to_owned(), counts.requests[one as usize]));
        let forwarder = self.forwarder.load();
        DnsFigures {
            requests: requests.collect(),
            connections_refused: counts.connections_refused,
            handshakes_failed: counts.handshakes_failed,
            http_refused: counts.http_refused,
            past: self.handler.load().parts().transfers.past_figures(),
            forwarder: forwarder.as_ref().map(|forwarder| forwarder.figures(self.forward_counts.now())),
        }
    }
}

impl DnsGauge {
    /// What is answered to whoever asks for the address of a name of others, in a sentence; none: such names are not resolved.
    pub async fn explain(&self, name: &Fqdn) -> Option<String> {
        let forwarder = self.forwarder.load_full()?;
        let is_ours = match self.handler.load().parts().snapshot.load().place(name) {
            Place::Elsewhere => false,
            Place::Zone(zone) => !forwarder.routes_within(name.as_wire(), RecordType::A, zone.apex()),
            Place::Prohibited | Place::Unavailable(_) => true,
        };
        if is_ours {
            return None;
        }
        Some(forwarder.explain(name).await)
    }
}

impl fmt::Debug for DnsGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsGauge").field("counts", &self.counts).finish_non_exhaustive()
    }
}
