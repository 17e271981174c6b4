//! The engine's question about a name, answered by `ddns`: the two crates do not know each other.

use ddns::wanted::WantedTable;
use dhcp::lease::LeaseName;
use dhcp::names::{NameAnswer, NameChooser, NameQuestion};
use dns::{Fqdn, HostIdentity};

/// Chooses names by the settings and by which names are taken.
#[derive(Debug)]
pub struct CoreNames<'a> {
    /// Who holds which name.
    pub wanted: &'a WantedTable,
    /// Zones and protected names.
    pub settings: &'a ddns::settings::Settings,
}

impl NameChooser for CoreNames<'_> {
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer {
        let address = question.address.into();
        let taken = |name: &Fqdn, identity: &HostIdentity| !self.wanted.grants(name, identity, address);
        let answer = ddns::choose::choose(
            &ddns::choose::Question {
                hostname: question.hostname,
                client_fqdn: question.client_fqdn,
                reserved_hostname: question.reserved_hostname,
                address,
                lease_secs: question.lease_secs,
                identity: question.identity.clone(),
                naming: question.naming,
            },
            self.settings,
            &taken,
        );
        NameAnswer {
            name: answer.name.map(|name| LeaseName {
                fqdn: name.fqdn,
                identity: name.identity,
                forward: name.forward,
                reverse: name.reverse,
                ttl_secs: name.ttl_secs,
                guard: name.guard,
            }),
            client_fqdn: answer.client_fqdn,
        }
    }
}
