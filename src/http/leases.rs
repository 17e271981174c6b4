//! Windows of the list of leases, and single ones.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ddns::wanted::RowKey;
use dhcp::lease::{Lease, LeaseState};
use dhcp::leasequery::Query;
use dhcp::options::RelayAgentInfo;
use dhcp::relay_info::{Switches, Whereabouts};
use web::model::{DnsState, LeaseQuery, LeaseRow, Leases, RelayMarks, WINDOW, WorkState};
use web::{ETag, Refusal};

use super::desk::Desk;
use super::names::state_of;
use super::search::{List, Search, key_of};
use super::shown;

/// Lease records looked at in one go.
const LOOKED_AT: usize = 500;

impl Desk {
    pub(super) async fn leases(&self, query: LeaseQuery) -> Result<Leases, Refusal> {
        let list = self.list(&query).await?;
        let from = query.offset.min(list.addresses.len());
        let most = query.limit.unwrap_or(WINDOW).min(WINDOW);
        let window = list.addresses.iter().skip(from).take(most).copied().collect();
        Ok(Leases { total: list.addresses.len(), all: list.all, offset: from, rows: self.rows_at(window).await? })
    }

    /// The list that is asked for; made one at a time, so that many askers cost the DHCP service no more than one.
    async fn list(&self, query: &LeaseQuery) -> Result<List, Refusal> {
        let key = key_of(query);
        let mut lists = self.lists.lock().await;
        if let Some(list) = lists.get(&key) {
            return Ok(list);
        }
        let search = Search::new(query)?;
        let backwards = search.backwards;
        let pick = move |lease: &Lease| search.wants(lease).then(|| (search.rank(lease), lease.address));
        let (mut found, all) = self.pick(pick).await?;
        found.sort();
        if backwards {
            found.reverse();
        }
        let addresses: Vec<Ipv4Addr> = found.into_iter().map(|(_, address)| address).collect();
        let list = List { addresses: addresses.into(), all };
        lists.keep(key, list.clone());
        Ok(list)
    }

    /// What `pick` takes of every lease, by address, and how many leases there are: looked at some hundred at a time.
    pub(super) async fn pick<T: Send + 'static>(
        &self,
        pick: impl Fn(&Lease) -> Option<T> + Send + Sync + 'static,
    ) -> Result<(Vec<T>, usize), Refusal> {
        let pick = Arc::new(pick);
        let mut found = Vec::new();
        let (mut all, mut after) = (0, None);
        loop {
            let pick = Arc::clone(&pick);
            let page = self.look(move |core, now| {
                let page = core.engine().leases_page(now, &Query::All, after, LOOKED_AT);
                let picked: Vec<T> = page.bindings.iter().filter_map(|binding| pick(&binding.lease)).collect();
                (page.bindings.len(), picked, page.next)
            });
            let (looked, picked, next) = page.await?;
            all += looked;
            found.extend(picked);
            after = next;
            if after.is_none() {
                return Ok((found, all));
            }
        }
    }

    /// The leases of these addresses, in this order; those that are gone are left out.
    pub(super) async fn rows_at(&self, addresses: Vec<Ipv4Addr>) -> Result<Vec<LeaseRow>, Refusal> {
        let look = move |core: &crate::core::Core, _| -> Vec<Lease> {
            addresses.into_iter().filter_map(|address| core.engine().lease(address)).collect()
        };
        let leases = self.look(look).await?;
        let keys: Vec<Vec<RowKey>> = leases.iter().map(keys_of).collect();
        let states = self.look_at_names(move |reconciler, _| -> Vec<DnsState> {
            keys.iter()
                .map(|keys| {
                    let states =
                        keys.iter().map(|key| reconciler.row(key).map_or(WorkState::Pending, |row| state_of(&row)));
                    match states.min() {
                        None => DnsState::None,
                        Some(WorkState::Done) => DnsState::Done,
                        Some(WorkState::Pending) => DnsState::Pending,
                        Some(WorkState::Refused) => DnsState::Refused,
                    }
                })
                .collect()
        });
        let (switches, reserved) = (Arc::clone(&self.parts.config.load().switches), self.reserved());
        let rows = leases.iter().zip(states.await?).map(|(lease, dns)| LeaseRow {
            dns,
            reserved: reserved.contains(&lease.address),
            ..row_of(lease, &switches)
        });
        Ok(rows.collect())
    }
}

/// What DNS should hold of a lease.
fn keys_of(lease: &Lease) -> Vec<RowKey> {
    let Some(name) = lease.name.as_ref() else { return Vec::new() };
    let forward = name.forward.then(|| RowKey::Forward(name.fqdn.clone()));
    let reverse = name.reverse.then_some(RowKey::Reverse(IpAddr::V4(lease.address)));
    forward.into_iter().chain(reverse).collect()
}

/// A lease as the page shows it, but for what only others know: how its name stands, and whether it is reserved.
pub(super) fn row_of(lease: &Lease, switches: &Switches) -> LeaseRow {
    let place = Whereabouts::read(switches, lease.relay, &lease.relay_agent_info, &lease.hardware);
    LeaseRow {
        address: lease.address,
        subnet: lease.subnet.to_string(),
        state: state_word(lease.state).to_owned(),
        reserved: false,
        hardware: lease.hardware.to_string(),
        client_id: lease.client_id.as_ref().map(ToString::to_string),
        hostname: lease.hostname.escape_ascii().to_string(),
        name: lease.name.as_ref().map(|name| shown(&name.fqdn)),
        dns: DnsState::Unknown,
        started_at: lease.started_at,
        renewed_at: lease.renewed_at,
        expires_at: (lease.expires_at != u64::MAX).then_some(lease.expires_at),
        relay: (!lease.relay.is_unspecified()).then_some(lease.relay),
        place: place.map(|place| place.to_string()),
        relay_marks: (!lease.relay_agent_info.is_empty()).then(|| relay_marks(&lease.relay_agent_info)),
        version: version_of(lease).to_string(),
    }
}

/// The version of a binding: who has the address, and since when. Another name, or a later end, is the same binding.
pub(super) fn version_of(lease: &Lease) -> ETag {
    let client_id = lease.client_id.as_ref().map(|id| &*id.0);
    let hardware = (lease.hardware.htype, lease.hardware.as_bytes());
    ETag::of(&(lease.address, state_word(lease.state), hardware, client_id, lease.started_at))
}

pub(super) fn state_word(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Bound => "bound",
        LeaseState::Released => "released",
        LeaseState::Expired => "expired",
        LeaseState::Quarantined => "quarantined",
    }
}

fn relay_marks(marks: &[u8]) -> RelayMarks {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let info = RelayAgentInfo(marks);
    RelayMarks {
        words: info.to_string(),
        circuit_id: info.circuit_id().map(hex),
        remote_id: info.remote_id().map(hex),
        subscriber_id: info.subscriber_id().map(hex),
    }
}
